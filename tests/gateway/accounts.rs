//! Accounts of all carriers in one gateway, and webhooks as each of their carriers makes them.

use crate::process::{Outside, wire};
use crate::shared::OURS;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use offhook::carrier::{Webhook, plivo, sinch, telnyx, twilio, vonage, vonage_sms};
use offhook::model::{Secret, Timestamp};
use offhook::sim::carrier::{AUTH_TOKEN, CarrierSettings};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use std::time::SystemTime;

/// Where webhooks are supposed to come to.
const PUBLIC_URL: &str = "https://gw.example.com";

/// The key that Telnyx signs with.
const SEED: [u8; 32] = [7; 32];

/// Made-up secrets, each of one account.
const SECRETS: [(&str, &str); 9] = [
    ("bandwidth-client", "kestrel-3b1f-client"),
    ("bandwidth-hook", "kestrel-3b1f-hook"),
    ("telnyx-key", "KEY0189AB-osprey"),
    ("vonage-signature", VONAGE),
    ("vonage-secret", "Xy7Zw9Vu5Ts3Rq1P"),
    ("vonage-sms", VONAGE_SMS),
    ("plivo", PLIVO),
    ("sinch", SINCH),
    ("infobip-hook", "infobip-heron-91"),
];
const VONAGE: &str = "Zk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aEZk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aE";
const VONAGE_SMS: &str = "abcDEF0123456789ghiJKL";
const PLIVO: &str = "bWFycmFrZXNoLXNhZmZyb24tY2FyZGFtb20";
const SINCH: &str = "sinch-webhook-secret-lapwing";
const GENERIC: &str = "generic-bearer-curlew-77ab";

/// A carrier, which is also the name of the account there. `main` is the simulated Twilio.
pub(crate) const CARRIERS: [&str; 9] =
    ["main", "bandwidth", "telnyx", "vonage", "vonage_sms", "plivo", "sinch", "infobip", "generic"];

/// Adds an account of every carrier to the configuration, for the next start.
pub(crate) fn add(world: &Outside) {
    for (file, secret) in SECRETS {
        world.home.write(file, secret);
    }
    for file in ["sinch-token", "infobip-key", "generic-send"] {
        world.home.write(file, &format!("{file}-4711"));
    }
    world.home.write("generic", GENERIC);
    let sections: String = CARRIERS[1..].iter().map(|carrier| section(carrier)).collect();
    world.home.configure(|text| text.replacen("[[account]]", &format!("{sections}[[account]]"), 1));
}

fn section(carrier: &str) -> String {
    let own = match carrier {
        "bandwidth" => {
            "account_id = \"9900000\"\napplication_id = \"93de2206-9669-4e07-948d-329f4b722ee2\"\nclient_id = \"CLIENT-1\"\n\
             client_secret_file = \"bandwidth-client\"\nwebhook_user = \"bw\"\nwebhook_password_files = [\"bandwidth-hook\"]"
                .to_owned()
        }
        "telnyx" => {
            let key = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
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
        "[[account]]\nname = \"{carrier}\"\ncarrier = \"{carrier}\"\npublic_url = \"{PUBLIC_URL}\"\n\
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

pub(crate) fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// The path for an account's messages.
pub(crate) fn messages(account: &str) -> String {
    format!("/carriers/{account}/messages")
}

/// A text as a carrier delivers it. `from` is as the carrier writes numbers, and `text` is JSON.
pub(crate) fn text(carrier: &str, id: &str, from: &str, text: &str) -> Vec<u8> {
    let without_plus = OURS.trim_start_matches('+');
    let form = |fields: &[(&str, &str)]| {
        let words: String = serde_json::from_str(text).unwrap();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields.iter().map(|(name, value)| (*name, if *value == "{text}" { &*words } else { value })));
        form.finish()
    };
    let body = match carrier {
        "main" => form(&[("MessageSid", id), ("From", from), ("To", OURS), ("Body", "{text}"), ("NumMedia", "0")]),
        "bandwidth" => format!("[{}]", bandwidth(id, from, text)),
        "telnyx" => format!(
            r#"{{"data":{{"event_type":"message.received","id":"e-{id}","payload":{{"id":"{id}","direction":"inbound",
            "from":{{"phone_number":"{from}"}},"to":[{{"phone_number":"{OURS}"}}],"text":{text},"media":[],"type":"SMS",
            "parts":1,"record_type":"message"}},"record_type":"event"}}}}"#
        ),
        "vonage" => format!(
            r#"{{"channel":"sms","message_uuid":"{id}","to":"{without_plus}","from":"{from}",
            "timestamp":"2026-11-30T06:00:00.000Z","text":{text},"message_type":"text"}}"#
        ),
        "vonage_sms" => unsigned_vonage_sms(id, from, text, ""),
        "plivo" => {
            form(&[("MessageUUID", id), ("From", from), ("To", without_plus), ("Text", "{text}"), ("Type", "sms")])
        }
        "sinch" => format!(
            r#"{{"type":"mo_text","id":"{id}","from":"{from}","to":"{without_plus}","body":{text},
            "received_at":"2026-11-30T06:00:00.000Z"}}"#
        ),
        "infobip" => format!(r#"{{"results":[{}]}}"#, infobip(id, from, text)),
        "generic" => {
            format!(r#"{{"events":[{{"type":"inbound","id":"{id}","from":"{from}","to":"{OURS}","text":{text}}}]}}"#)
        }
        other => panic!("{other}"),
    };
    body.into_bytes()
}

/// An element of Bandwidth's array.
pub(crate) fn bandwidth(id: &str, from: &str, text: &str) -> String {
    format!(
        r#"{{"time":"2026-11-30T06:00:00.502180Z","type":"message-received","to":"{OURS}","message":{{"id":"{id}",
        "owner":"{OURS}","direction":"in","to":["{OURS}"],"from":"{from}","text":{text},"segmentCount":1}}}}"#
    )
}

/// An element of Infobip's results.
pub(crate) fn infobip(id: &str, from: &str, text: &str) -> String {
    let to = OURS.trim_start_matches('+');
    format!(r#"{{"messageId":"{id}","from":"{from}","to":"{to}","text":{text},"receivedAt":"x","smsCount":1}}"#)
}

/// A text of Vonage's SMS API with further fields, to be signed.
pub(crate) fn unsigned_vonage_sms(id: &str, from: &str, text: &str, more: &str) -> String {
    let (to, now) = (OURS.trim_start_matches('+'), now());
    format!(
        r#"{{"msisdn":"{from}","to":"{to}","messageId":"{id}","text":{text},"type":"unicode","api-key":"a1b2c3d5",
        "timestamp":"{now}","nonce":"n-{id}"{more}}}"#
    )
}

/// Numbers as the carrier writes them.
pub(crate) fn written(carrier: &str, number: &str) -> String {
    let with_plus = matches!(carrier, "main" | "bandwidth" | "telnyx" | "generic");
    if with_plus { number.to_owned() } else { number.trim_start_matches('+').to_owned() }
}

/// The header lines and the body with which the carrier posts this to that path.
pub(crate) fn signed(carrier: &str, path: &str, body: &[u8]) -> (Vec<String>, Vec<u8>) {
    let secret = |secret: &str| Secret::new(secret);
    let basic =
        |user: &str, password: &str| format!("Authorization: Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let mut body = body.to_vec();
    let is_form = matches!(carrier, "main" | "plivo");
    let kind = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
    let mut head = vec![format!("Content-Type: {kind}")];
    match carrier {
        "main" => {
            let account = CarrierSettings::default();
            let url = format!("{}{path}", account.public_url);
            let signature = twilio::sign(&secret(AUTH_TOKEN), &url, &body);
            head.push(format!("X-Twilio-Signature: {signature}"));
        }
        "bandwidth" => head.push(basic("bw", "kestrel-3b1f-hook")),
        "telnyx" => {
            let time = now().to_string();
            head.extend(telnyx_signed(&time, &body));
        }
        "vonage" => {
            let authorization = vonage::sign(&secret(VONAGE), "a1b2c3d4", &body, Timestamp::from_ms(now() * 1_000));
            head.push(format!("Authorization: {authorization}"));
        }
        "vonage_sms" => body = vonage_sms_signed(path, &body),
        "plivo" => {
            let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, kind.parse().unwrap())]);
            let hook = Webhook {
                method: Method::POST,
                path_and_query: path.to_owned(),
                headers,
                body: Bytes::from(body.clone()),
            };
            let signature = plivo::sign_v3(&secret(PLIVO), PUBLIC_URL, &hook, "nonce-1");
            head.push(format!("X-Plivo-Signature-V3: {signature}"));
            head.push("X-Plivo-Signature-V3-Nonce: nonce-1".to_owned());
        }
        "sinch" => {
            let lines = sinch::sign(&secret(SINCH), &body, "nonce-1", &now().to_string());
            head.extend(lines.map(|(name, value)| format!("{name}: {value}")));
        }
        "infobip" => head.push(basic("ib", "infobip-heron-91")),
        "generic" => head.push(format!("Authorization: Bearer {GENERIC}")),
        other => panic!("{other}"),
    }
    (head, body)
}

/// Telnyx's signature at a time.
pub(crate) fn telnyx_signed(time: &str, body: &[u8]) -> [String; 2] {
    let signature = telnyx::sign(&SEED, time, body);
    [format!("Telnyx-Timestamp: {time}"), format!("Telnyx-Signature-Ed25519: {signature}")]
}

/// A token with these claims as Vonage makes it, by this head.
pub(crate) fn vonage_token(head: &Value, claims: &Value) -> String {
    vonage::signed(&Secret::new(VONAGE), head, claims)
}

fn vonage_sms_signed(path: &str, body: &[u8]) -> Vec<u8> {
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, "application/json".parse().unwrap())]);
    let body = Bytes::copy_from_slice(body);
    let hook = Webhook { method: Method::POST, path_and_query: path.to_owned(), headers, body: body.clone() };
    let method = vonage_sms::SignatureMethod::HmacSha256;
    // What cannot be parsed cannot be signed.
    let sig = vonage_sms::sign(method, &Secret::new(VONAGE_SMS), &hook).unwrap_or_default();
    let cut = body.strip_suffix(b"}").unwrap_or(&body);
    [cut, json!({ "sig": sig }).to_string().replacen('{', ",", 1).as_bytes()].concat()
}

/// Posts what the carrier makes of this body to its account.
pub(crate) async fn post(world: &Outside, carrier: &str, body: &[u8]) -> wire::Answer {
    let path = messages(carrier);
    let (head, body) = signed(carrier, &path, body);
    post_with(world, &path, &head, &body).await
}

pub(crate) async fn post_with(world: &Outside, path: &str, head: &[String], body: &[u8]) -> wire::Answer {
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    wire::ask(world.home.doors.carriers, "POST", path, &head, body).await.unwrap()
}
