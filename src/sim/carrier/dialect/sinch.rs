//! Sinch's SMS API and its callbacks: <https://developers.sinch.com/docs/sms/api-reference/>. Its Conversation API is
//! in `conversation`.

mod conversation;
mod project;
mod signature;

pub(super) use self::conversation::Conversation;

use self::project::{KEY_SECRET, basic, holds_token, keys, of_project, token_reply};
use self::signature::{WEBHOOK_SECRET, posted};
use super::notation::{digits, number, utc};
use super::*;
use crate::sim::segments;
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::json;

const SERVICE_PLAN: &str = "5f1c9d3a7e2b4c8091a6d4f3b2e7c5a8";
/// Authorizes sends.
const API_TOKEN: &str = "c4b07e91d25a4f38a6e0179bd3f85c62";
/// As in `2025-11-22T06:00:00.000Z`.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";
/// Maximum characters of a text.
const TEXT_MAX: usize = 2_000;
const REFERENCE_MAX: usize = 128;

pub(super) struct Sinch;

impl Dialect for Sinch {
    fn habits(&self) -> Habits {
        habits()
    }

    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        ulid(dice)
    }

    fn keys(&self) -> Keys {
        Keys {
            lines: format!(
                "api = \"rest\"\nregion = \"us\"\nmms = true\nservice_plan_id = \"{SERVICE_PLAN}\"\n\
                 api_token_file = \"sinch\"\n{}",
                keys()
            ),
            secrets: vec![
                ("sinch", API_TOKEN.to_owned()),
                ("sinch-key", KEY_SECRET.to_owned()),
                ("sinch-webhook", WEBHOOK_SECRET.to_owned()),
            ],
        }
    }

    fn admits(&self, core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        let offered = header(&head.headers, AUTHORIZATION.as_str());
        let admitted = match head.uri.path().starts_with("/xms/") {
            true => offered.strip_prefix("Bearer ") == Some(API_TOKEN),
            false => offered == basic() || holds_token(core, head),
        };
        if admitted { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        match (&head.method, head.uri.path().strip_prefix("/xms/v1/")) {
            (&Method::POST, Some(path)) if path == format!("{SERVICE_PLAN}/batches") => Ok(Route::Send),
            (&Method::GET, Some(path)) if path == format!("{SERVICE_PLAN}/batches") => {
                Ok(Route::Other(batches(core, parameter(head, "client_reference").as_deref())))
            }
            (_, Some(_)) => Err(Refused::not_found()),
            (_, None) => of_project(core, head),
        }
    }

    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let bad = |message| Refused::new(StatusCode::BAD_REQUEST, NUMBER_INVALID, message);
        let body: Value = serde_json::from_slice(body).map_err(|_| bad("The body is no JSON"))?;
        let text = |at: &str| body[at].as_str().map(str::to_owned);
        let to = body["to"].as_array().filter(|to| to.len() == 1).and_then(|to| any_number(&to[0]));
        let to = to.ok_or_else(|| bad("to: invalid format"))?;
        let from = any_number(&body["from"]).filter(|from| core.sends_from(*from));
        let from = from.ok_or_else(|| bad("from: invalid format"))?;
        if !body["type"].is_null() && body["type"] != "mt_text" {
            return Err(bad("type: only mt_text is simulated"));
        }
        let words = text("body").filter(|text| !text.is_empty() && text.chars().count() <= TEXT_MAX);
        let words = words.ok_or_else(|| bad("body: must have 1 to 2000 characters"))?;
        let ahead = |text: &Value| text.as_str()?.parse::<jiff::Timestamp>().ok().map(|at| at > jiff::Timestamp::now());
        if !body["expire_at"].is_null() && ahead(&body["expire_at"]) != Some(true) {
            return Err(bad("expire_at: must be ahead"));
        }
        let own = text("callback_url");
        if own.as_deref().is_some_and(|url| url::Url::parse(url).is_err()) {
            return Err(bad("callback_url: invalid URL"));
        }
        let reference = text("client_reference");
        if reference.as_deref().is_some_and(|reference| reference.len() > REFERENCE_MAX) {
            return Err(bad("client_reference: too long"));
        }
        // The other kinds of reports, which nobody here asks for, are not simulated.
        let wanted = body["delivery_report"] == "per_recipient";
        let callback = wanted.then(|| own.unwrap_or_else(|| core.text_url(from)));
        Ok(Send { from, to, text: words, media: 0, callback, reference })
    }

    fn accepted(&self, _core: &CarrierCore, id: &str, send: &Send) -> Reply {
        json_reply(StatusCode::CREATED, &batch(id, send.from, send.to, &send.text, send.reference.as_deref()))
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::CREATED, &json!({ "type": "mt_text", "canceled": false }))
    }

    fn problem(&self, status: StatusCode, code: u32, message: &str) -> Reply {
        let code = match (status.as_u16(), code) {
            (401, _) => "unauthorized".to_owned(),
            (404, _) => "not_found".to_owned(),
            (429, _) => "too_many_requests".to_owned(),
            (500.., _) => "internal_error".to_owned(),
            (_, 20_005 | 30_002) => "blocked_account".to_owned(),
            (_, NUMBER_INVALID) => "syntax_invalid_parameter_format".to_owned(),
            (_, code) => own_code(code).to_string(),
        };
        json_reply(status, &json!({ "code": code, "text": message }))
    }

    fn token(&self, token: &str, valid: Duration) -> Reply {
        token_reply(token, valid)
    }

    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let mut content = json!({
            "type": "mo_text", "id": text.id, "from": digits(text.from), "to": digits(text.to), "body": text.text,
            "received_at": utc(TIME), "sent_at": utc(TIME), "operator_id": "310260",
        });
        if !text.media.is_empty() {
            let medium = |(kind, url): &(String, String)| json!({ "url": url, "content_type": kind, "status": "Uploaded", "code": 0 });
            let media: Vec<Value> = text.media.iter().map(medium).collect();
            content["type"] = json!("mo_media");
            content["body"] = json!({ "subject": "", "message": text.text, "media": media });
        }
        vec![Element { url: core.text_url(text.to), content: Content::Json(content) }]
    }

    fn receipt(&self, _core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        let taken = receipt.taken;
        let own = receipt.code.map_or(403, own_code);
        let (status, code) = match (receipt.status, receipt.code) {
            ("sent", _) => ("Dispatched", 401),
            ("delivered", _) => ("Delivered", 0),
            ("undelivered", _) => ("Failed", own),
            (_, Some(OPTED_OUT)) => ("Deleted", own),
            _ => ("Aborted", own),
        };
        let encoding = if segments::is_gsm(&taken.text) { "GSM" } else { "UNICODE" };
        let content = json!({
            "type": "recipient_delivery_report_sms", "batch_id": taken.sid, "recipient": digits(taken.to),
            "code": code, "status": status, "at": utc(TIME), "operator_status_at": utc(TIME),
            "client_reference": taken.reference, "encoding": encoding,
            "number_of_message_parts": segments::count(&taken.text), "operator": "310260",
            "applied_originator": digits(taken.from),
        });
        Some(Element { url: taken.callback.clone()?, content: Content::Json(content) })
    }

    fn post(&self, core: &CarrierCore, _url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        posted(core, elements, about)
    }
}

/// Both APIs repeat a callback for 22 hours, and only if the gateway is busy or absent. STOP is ours but on toll-free
/// numbers, where the network blocks and a receipt says so.
fn habits() -> Habits {
    let resend = Resend { again: Again::Busy, attempts_max: 16, spacing: Duration::from_millis(200) };
    Habits { resend, refuses_opted_out: false, ..Habits::default() }
}

/// A batch of one text, as in answers and lists.
fn batch(id: &str, from: E164, to: E164, text: &str, reference: Option<&str>) -> Value {
    json!({
        "id": id, "to": [digits(to)], "from": digits(from), "canceled": false, "body": text, "type": "mt_text",
        "created_at": utc(TIME), "modified_at": utc(TIME), "delivery_report": "per_recipient",
        "client_reference": reference, "flash_message": false,
    })
}

/// The accepted batches with this reference: this is how a lost response is looked up.
fn batches(core: &CarrierCore, reference: Option<&str>) -> Reply {
    let state = core.state();
    let posts =
        state.recorder.record.posts.iter().filter(|post| reference.is_none() || post.reference.as_deref() == reference);
    let batch = |post: &crate::sim::carrier::Post| {
        let reference = post.reference.as_deref();
        post.sid.as_ref().map(|id| batch(id, post.from, post.to, &post.text, reference))
    };
    let batches: Vec<Value> = posts.filter_map(batch).take(30).collect();
    let body = json!({ "count": batches.len(), "page": 0, "page_size": batches.len(), "batches": batches });
    json_reply(StatusCode::OK, &body)
}

/// Sinch's code for one of the simulator's.
fn own_code(code: u32) -> u32 {
    match code {
        OPTED_OUT => 257,
        LANDLINE => 402,
        FILTERED => 15,
        21_408 => 412,
        30_003 => 404,
        other => other,
    }
}

/// A number with `+`, `00` or neither.
fn any_number(value: &Value) -> Option<E164> {
    let text = value.as_str()?;
    number(text.strip_prefix('+').or_else(|| text.strip_prefix("00")).unwrap_or(text))
}

/// An id of 26 characters, as in `01FC66621XXXXX119Z8PMV1QPB`.
fn ulid(dice: &mut SeededRng) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let letter = |_| char::from(LETTERS[usize::try_from(dice.next() % 32).expect("it is below 32")]);
    format!("01{}", (0..24).map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callbacks_are_written_as_in_the_data_sheet() {
        let carrier = testing::carrier(Kind::Sinch).await;
        let text = Sinch.text(&carrier.core, &testing::text("Hello gateway", Vec::new()))[0].content.json();
        assert_eq!((&text["type"], &text["body"]), (&json!("mo_text"), &json!("Hello gateway")));
        assert_eq!((&text["from"], &text["to"]), (&json!("12065550142"), &json!("12065550100")));

        let photo = ("image/jpeg".to_owned(), "https://media.example.com/1.jpg".to_owned());
        let text = Sinch.text(&carrier.core, &testing::text("look", vec![photo]))[0].content.json();
        let medium = json!({
            "url": "https://media.example.com/1.jpg", "content_type": "image/jpeg", "status": "Uploaded", "code": 0,
        });
        assert_eq!(text["type"], "mo_media");
        assert_eq!(text["body"], json!({ "subject": "", "message": "look", "media": [medium] }));

        let taken = testing::taken(Some("https://gw.example.com/h"));
        let receipt = |status, code| {
            Sinch.receipt(&carrier.core, &Receipt { taken: &taken, status, code }).unwrap().content.json()
        };
        let delivered = receipt("delivered", None);
        assert_eq!((&delivered["status"], &delivered["code"]), (&json!("Delivered"), &json!(0)));
        assert_eq!((&delivered["batch_id"], &delivered["client_reference"]), (&json!("id-1"), &json!("msg_00g4q7")));
        let blocked = receipt("failed", Some(OPTED_OUT));
        assert_eq!((&blocked["status"], &blocked["code"]), (&json!("Deleted"), &json!(257)));
    }

    #[tokio::test]
    async fn batches_are_read_as_in_the_data_sheet() {
        let carrier = testing::carrier(Kind::Sinch).await;
        let head = testing::head(Method::POST, "/");
        let read = |body: Value| Sinch.read(&carrier.core, &head, body.to_string().as_bytes());
        let body = json!({
            "type": "mt_text", "from": "12065550100", "to": ["12065550142"], "body": "Café at 8?",
            "delivery_report": "per_recipient", "callback_url": "https://gw.example.com/h", "client_reference": "gw-1",
        });
        let send = read(body.clone()).ok().unwrap();
        assert_eq!((send.from.to_string(), send.to.to_string()), (testing::OURS.to_owned(), testing::PHONE.to_owned()));
        assert_eq!(
            (send.callback.as_deref(), send.reference.as_deref()),
            (Some("https://gw.example.com/h"), Some("gw-1"))
        );
        let changed = |name: &str, value: Value| {
            let mut body = body.clone();
            body[name] = value;
            read(body)
        };
        let silent = changed("delivery_report", json!("none")).ok().unwrap();
        assert_eq!(silent.callback, None, "reports come only if they are asked for");
        let wrong = [
            ("to", json!([])),
            ("from", json!("12065550999")),
            ("body", json!("")),
            ("body", json!("x".repeat(2_001))),
            ("type", json!("mt_media")),
            ("expire_at", json!("2020-01-01T00:00:00Z")),
            ("callback_url", json!("h")),
        ];
        for (name, value) in wrong {
            assert!(changed(name, value).is_err(), "{name}");
        }
        for from in ["+12065550100", "0012065550100"] {
            assert!(changed("from", json!(from)).is_ok(), "{from}");
        }
    }
}
