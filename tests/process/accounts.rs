//! Accounts of all carriers, with made-up secrets: sections of the configuration, and the files that they name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// Where webhooks are supposed to come to.
pub(crate) const PUBLIC_URL: &str = "https://gw.example.com";

/// The key that Telnyx signs with.
pub(crate) const SEED: [u8; 32] = [7; 32];

pub(crate) const BANDWIDTH: &str = "kestrel-3b1f-hook";
pub(crate) const VONAGE: &str = "Zk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aEZk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aE";
pub(crate) const VONAGE_SMS: &str = "abcDEF0123456789ghiJKL";
pub(crate) const PLIVO: &str = "bWFycmFrZXNoLXNhZmZyb24tY2FyZGFtb20";
pub(crate) const SINCH: &str = "sinch-webhook-secret-lapwing";
pub(crate) const INFOBIP: &str = "infobip-heron-91";
pub(crate) const GENERIC: &str = "generic-bearer-curlew-77ab";

/// The files that the sections name, beside the configuration.
pub(crate) const SECRETS: [(&str, &str); 13] = [
    ("bandwidth-client", "kestrel-3b1f-client"),
    ("bandwidth-hook", BANDWIDTH),
    ("telnyx-key", "KEY0189AB-osprey"),
    ("vonage-signature", VONAGE),
    ("vonage-secret", "Xy7Zw9Vu5Ts3Rq1P"),
    ("vonage-sms", VONAGE_SMS),
    ("plivo", PLIVO),
    ("sinch", SINCH),
    ("sinch-token", "sinch-token-4711"),
    ("infobip-key", "infobip-key-4711"),
    ("infobip-hook", INFOBIP),
    ("generic", GENERIC),
    ("generic-send", "generic-send-4711"),
];

/// The carriers but Twilio.
pub(crate) const OTHERS: [&str; 8] =
    ["bandwidth", "telnyx", "vonage", "vonage_sms", "plivo", "sinch", "infobip", "generic"];

/// An account at a carrier, of which nothing listens.
pub(crate) fn section(name: &str, carrier: &str) -> String {
    let own = match carrier {
        "bandwidth" => {
            "account_id = \"9900000\"\napplication_id = \"93de2206-9669-4e07-948d-329f4b722ee2\"\nclient_id = \"CLIENT-1\"\n\
             client_secret_file = \"bandwidth-client\"\nwebhook_user = \"bw\"\nwebhook_password_files = [\"bandwidth-hook\"]"
                .to_owned()
        }
        "telnyx" => {
            let key = Ed25519KeyPair::from_seed_unchecked(&SEED).expect("any 32 bytes are a seed");
            let key = STANDARD.encode(key.public_key());
            format!("api_key_file = \"telnyx-key\"\npublic_keys = [\"{key}\"]")
        }
        "vonage" => {
            "api_key = \"a1b2c3d4\"\nsignature_secret_files = [\"vonage-signature\"]\napi_secret_file = \"vonage-secret\""
                .to_owned()
        }
        "vonage_sms" => {
            "api_key = \"a1b2c3d5\"\nsignature_secret_files = [\"vonage-sms\"]\napi_secret_file = \"vonage-secret\"\n\
             signature_method = \"sha256\""
                .to_owned()
        }
        "plivo" => "auth_id = \"MAXXXXXXXXXXXXXXXXX1\"\nauth_token_files = [\"plivo\"]".to_owned(),
        "sinch" => {
            "api = \"rest\"\nregion = \"us\"\nservice_plan_id = \"abc123\"\napi_token_file = \"sinch-token\"\n\
             webhook_secret_files = [\"sinch\"]"
                .to_owned()
        }
        "infobip" => {
            "api_key_file = \"infobip-key\"\nwebhook_user = \"ib\"\nwebhook_password_files = [\"infobip-hook\"]".to_owned()
        }
        _ => GENERIC_KEYS.to_owned(),
    };
    format!(
        "[[account]]\nname = \"{name}\"\ncarrier = \"{carrier}\"\npublic_url = \"{PUBLIC_URL}\"\n\
         api_url = \"http://127.0.0.1:9\"\n{own}\n\n"
    )
}

const GENERIC_KEYS: &str = r#"[account.webhook]
auth = "bearer"
token_files = ["generic"]
format = "json"
items = "events"
kind = "type"
message_kinds = ["inbound"]
receipt_kinds = ["status"]
answer_within_secs = 8
[account.message]
id = "id"
from = "from"
to = "to"
text = "text"
[account.receipt]
id = "id"
reference = "ref"
status = "state"
states = { sent = "sent", delivered = "delivered", undelivered = "undelivered", failed = "failed", expired = "expired" }
[account.send]
path = "/messages"
method = "POST"
format = "json"
body = '{"from":"{from}","to":"{to}","text":"{text}","ref":"{message}"}'
auth = "bearer"
token_file = "generic-send"
id = "id""#;
