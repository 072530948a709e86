//! "Example Telecom", a small carrier that does not exist and that the gateway knows only by the description in its
//! configuration. It signs JSON with a shared secret, handles STOP and START itself, and its receipts have nothing but
//! its own id of the text.
//!
//! ```json
//! {"events":[{"type":"inbound","id":"et_4f1c","from":"+14155550101","to":"+14155550199","text":"Hello","parts":1,"media":[]},
//!            {"type":"status","message":{"id":"et_77b0"},"state":"arrived"}]}
//! ```

use super::notation::hex;
use super::*;
use crate::sim::segments;
use hmac::{Hmac, Mac as _};
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::json;
use sha2::Sha256;

/// Authorizes sends and requests for media.
const TOKEN: &str = "et_live_3b7Qx9ZpL2mV6rT8";
/// Signs webhooks, and forgeries.
const SECRET: &str = "hook-5Yw8Kc2Nf7Rd4Js1";
const FORGED_SECRET: &str = "hook-0000000000000000";
/// Maximum parts of a text.
const PARTS_MAX: u32 = 10;

/// Its own codes.
const BAD_REQUEST: u32 = 100;
const BAD_RECIPIENT: u32 = 101;
const BAD_SENDER: u32 = 102;
const BLOCKED_BY_RECIPIENT: u32 = 103;
const BUSY: u32 = 104;
const BAD_CREDENTIALS: u32 = 105;
const NOT_FOUND: u32 = 106;
const INTERNAL: u32 = 199;
const NO_MOBILE: u32 = 201;
const SPAM: u32 = 202;

/// Each code that is not what its status says, and the gateway's word for it.
const MEANINGS: [(u32, &str); 7] = [
    (BAD_RECIPIENT, "number_invalid"),
    (BLOCKED_BY_RECIPIENT, "opted_out"),
    (BUSY, "later"),
    (BAD_CREDENTIALS, "account"),
    (INTERNAL, "later"),
    (NO_MOBILE, "landline"),
    (SPAM, "blocked"),
];

const KEYWORDS: Keywords = Keywords {
    numbers: "+",
    stop: &["STOP", "END"],
    start: &["START"],
    stopped: "Example Telecom: you are unsubscribed from this number. Reply START to subscribe again.",
    started: "Example Telecom: you are subscribed to this number again. Reply STOP to unsubscribe.",
};

/// What the operator would write who reads Example Telecom's documents.
const DESCRIPTION: &str = r#"
[account.webhook]
auth = "hmac"
header = "X-Example-Signature"
algorithm = "sha256"
encoding = "hex"
prefix = "sha256="
secret_files = ["example-webhook"]
format = "json"
items = "events"
kind = "type"
message_kinds = ["inbound"]
receipt_kinds = ["status"]
answer_body = '{"taken":true}'
[account.message]
id = "id"
from = "from"
to = "to"
text = "text"
media = "media"
media_url = "href"
segments = "parts"
stop_words = ["STOP", "END"]
[account.receipt]
id = "message.id"
status = "state"
code = "reason"
states = { on_the_way = "sent", arrived = "delivered", lost = "undelivered", dropped = "failed" }
[account.send]
path = "/v1/texts"
format = "json"
body = '{"from":"{from}","to":"{to}","text":"{text}","note":"{message}"}'
auth = "bearer"
token_file = "example-token"
id = "message.id"
segments = "message.parts"
code = "problem.code"
"#;

pub(super) struct Generic;

impl Dialect for Generic {
    fn habits(&self) -> Habits {
        Habits {
            waits: Duration::from_secs(5),
            resend: Resend { again: Again::Not2xx, attempts_max: 8, spacing: Duration::from_millis(200) },
            batch_max: 20,
            keywords: Some(KEYWORDS),
            media_secured: true,
            ..Habits::default()
        }
    }

    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        format!("et_{}", &dice.hex()[..20])
    }

    fn keys(&self) -> Keys {
        let codes: Vec<String> = MEANINGS.iter().map(|(code, word)| format!("\"{code}\" = \"{word}\"")).collect();
        Keys {
            lines: format!(
                "believe_numbers = true\nmedia_credentials = true\ncodes = {{ {} }}{DESCRIPTION}",
                codes.join(", ")
            ),
            secrets: vec![("example-token", TOKEN.to_owned()), ("example-webhook", SECRET.to_owned())],
        }
    }

    fn admits(&self, _core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        let offered = header(&head.headers, AUTHORIZATION.as_str());
        if offered == format!("Bearer {TOKEN}") { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, _core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/v1/texts") => Ok(Route::Send),
            _ => Err(Refused::not_found()),
        }
    }

    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let bad = |code, what| Refused::new(StatusCode::BAD_REQUEST, code, what);
        let body: Value = serde_json::from_slice(body).map_err(|_| bad(BAD_REQUEST, "not JSON"))?;
        let word = |name: &str| body[name].as_str();
        let to = word("to").and_then(|to| to.parse().ok()).ok_or_else(|| bad(NUMBER_INVALID, "bad recipient"))?;
        let from = word("from").and_then(|from| from.parse().ok()).filter(|from| core.sends_from(*from));
        let from = from.ok_or_else(|| bad(BAD_SENDER, "bad sender"))?;
        let text = word("text").filter(|text| !text.is_empty() && segments::count(text) <= PARTS_MAX);
        let text = text.ok_or_else(|| bad(BAD_REQUEST, "bad text"))?.to_owned();
        Ok(Send { from, to, text, media: 0, callback: None, reference: word("note").map(str::to_owned) })
    }

    fn accepted(&self, _core: &CarrierCore, id: &str, send: &Send) -> Reply {
        let body = json!({ "message": { "id": id, "parts": segments::count(&send.text) } });
        json_reply(StatusCode::ACCEPTED, &body)
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::ACCEPTED, &json!({ "message": {} }))
    }

    fn problem(&self, status: StatusCode, code: u32, message: &str) -> Reply {
        json_reply(status, &json!({ "problem": { "code": own_code(code), "text": message } }))
    }

    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let medium = |(kind, url): &(String, String)| json!({ "type": kind, "href": url });
        let event = json!({
            "type": "inbound", "id": text.id, "from": text.from.to_string(), "to": text.to.to_string(),
            "text": text.text, "parts": segments::count(text.text),
            "media": text.media.iter().map(medium).collect::<Vec<_>>(),
        });
        vec![Element { url: core.text_url(text.to), content: Content::Json(event) }]
    }

    fn receipt(&self, core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        let state = match receipt.status {
            "sent" => "on_the_way",
            "undelivered" => "lost",
            "failed" => "dropped",
            _ => "arrived",
        };
        let mut event = json!({ "type": "status", "message": { "id": receipt.taken.sid }, "state": state });
        if let Some(code) = receipt.code {
            event["reason"] = own_code(code).into();
        }
        Some(Element { url: hook_url(core, "receipts"), content: Content::Json(event) })
    }

    fn post(&self, _core: &CarrierCore, _url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        let events: Vec<Value> = elements.iter().map(|element| element.json()).collect();
        let body = json!({ "events": events }).to_string();
        let secret = if about.genuine { SECRET } else { FORGED_SECRET };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex(&mac.finalize().into_bytes()));
        Posted {
            content_type: "application/json",
            headers: vec![("x-example-signature", signature)],
            body: body.into(),
        }
    }

    fn medium_url(&self, base: &str, id: &str, medium: &str) -> String {
        format!("{base}/v1/texts/{id}/media/{medium}")
    }
}

/// Example Telecom's code for the simulator's.
fn own_code(code: u32) -> u32 {
    match code {
        NUMBER_INVALID => BAD_RECIPIENT,
        OPTED_OUT => BLOCKED_BY_RECIPIENT,
        TOO_MANY => BUSY,
        SERVER_ERROR => INTERNAL,
        LANDLINE => NO_MOBILE,
        FILTERED => SPAM,
        20_003 => BAD_CREDENTIALS,
        20_404 => NOT_FOUND,
        other => other,
    }
}
