//! Vonage's Messages API v1, and what its Numbers and Application APIs say of where texts go:
//! <https://developer.vonage.com/en/api/messages>, <https://developer.vonage.com/en/api/application.v2>,
//! <https://developer.vonage.com/en/getting-started/concepts/signing-messages>.
//!
//! ```json
//! {"channel":"sms","message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab","to":"14155550199","from":"14155550101",
//!  "timestamp":"2025-11-22T06:00:00.000Z","text":"Hello gateway"}
//! ```

mod jwt;
#[cfg(test)]
mod tests;

use super::notation::{digits, number, unix_secs, utc, uuid};
use super::*;
use crate::sim::segments;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::json;

/// The account's key and secret, which the SMS API has too.
pub(super) const API_KEY: &str = "a1b2c3d4";
pub(super) const API_SECRET: &str = "9mQ2rT5vX8zA1bC4";
/// Signs webhooks.
pub(super) const SIGNATURE_SECRET: &str = "Vt7kLw2Qx9Rb4Ys6Nd1Jf8Hg3Zc5Mp0EVt7kLw2Qx9Rb4Ys6";
/// Signs forgeries.
pub(super) const FORGED_SECRET: &str = "000000000000000000000000000000000000000000000000";
/// The application that sends and that the numbers are linked to.
const APPLICATION_ID: &str = "5d1c7a30-8f42-4b6e-9c05-3e7f10ab92d4";
/// The beginning of the id of another application, which a number with another webhook is linked to.
const OTHER_APPLICATION: &str = "00000000-0000-4000-8000-";
/// The private half of the application's key, which was made for this simulator.
const PRIVATE_KEY: &str = include_str!("vonage/application.pem");

/// Maximum characters of a text, and of our mark.
const TEXT_MAX: usize = 3_200;
const CLIENT_REF_MAX: usize = 100;
/// Valid values of `ttl`, in seconds.
const TTL_SECS: std::ops::RangeInclusive<u64> = 20..=604_800;

/// Codes of its own.
const INVALID_PARAMS: u32 = 1_150;
const ILLEGAL_SENDER: u32 = 1_120;

/// Retries of 24 hours, with waits from 5 s to 15 min, in short.
pub(super) const RESEND: Resend = Resend { again: Again::Busy, attempts_max: 10, spacing: Duration::from_millis(200) };
/// How long it waits for the response to a webhook.
pub(super) const WAITS: Duration = Duration::from_secs(15);

pub(super) struct Vonage;

impl Dialect for Vonage {
    /// The network knows who opted out, and not Vonage.
    fn habits(&self) -> Habits {
        Habits { waits: WAITS, resend: RESEND, refuses_opted_out: false, media_secured: true, ..Habits::default() }
    }

    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        uuid(dice)
    }

    fn keys(&self) -> Keys {
        Keys {
            lines: format!(
                "api_key = \"{API_KEY}\"\napi_secret_file = \"vonage-secret\"\n\
                 signature_secret_files = [\"vonage-signature\"]\n\
                 application_id = \"{APPLICATION_ID}\"\nprivate_key_file = \"vonage-private.key\"\n"
            ),
            secrets: vec![
                ("vonage-secret", API_SECRET.to_owned()),
                ("vonage-signature", SIGNATURE_SECRET.to_owned()),
                ("vonage-private.key", PRIVATE_KEY.to_owned()),
            ],
        }
    }

    /// Sends accept both kinds of credentials, media only the application's, numbers and applications the account's.
    fn admits(&self, _core: &CarrierCore, head: &Parts) -> Result<(), Refused> {
        let offered = header(&head.headers, AUTHORIZATION.as_str());
        let token = offered.strip_prefix("Bearer ");
        let by_application = || token.is_some_and(|token| jwt::is_of_application(token, APPLICATION_ID, unix_secs()));
        let admitted = match head.uri.path() {
            "/v1/messages" => by_application() || is_of_account(head),
            path if path.starts_with("/v3/media/") => by_application(),
            _ => is_of_account(head),
        };
        if admitted { Ok(()) } else { Err(Refused::unauthorized()) }
    }

    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused> {
        let path = head.uri.path();
        match (&head.method, path, path.strip_prefix("/v2/applications/")) {
            (&Method::POST, "/v1/messages", _) => Ok(Route::Send),
            (&Method::GET, "/account/numbers", _) => Ok(numbers(core, head, |ours, there| {
                let application = application_of(ours, there);
                json!({
                    "messagesCallbackType": "app", "messagesCallbackValue": application, "app_id": application,
                })
            })),
            (&Method::GET, _, Some(id)) => {
                let url = webhook_of(core, id).ok_or_else(Refused::not_found)?;
                Ok(Route::LookUp(None, json_reply(StatusCode::OK, &application(core, id, &url))))
            }
            _ => Err(Refused::not_found()),
        }
    }

    fn read(&self, core: &CarrierCore, _head: &Parts, body: &[u8]) -> Result<Send, Refused> {
        let invalid = |what| Refused::new(StatusCode::UNPROCESSABLE_ENTITY, INVALID_PARAMS, what);
        let body: Value = serde_json::from_slice(body).map_err(|_| invalid("The request body is not JSON."))?;
        let word = |at: &str| body.pointer(at).and_then(Value::as_str);
        let (text, media) = match (word("/channel"), word("/message_type")) {
            (Some("sms"), Some("text")) => (word("/text"), 0),
            (Some("mms"), Some("text")) => (word("/text"), 0),
            (Some("mms"), Some(kind @ ("image" | "vcard" | "audio" | "video" | "file"))) => {
                let medium = &body[kind];
                medium["url"].as_str().ok_or_else(|| invalid("`url` is required."))?;
                (medium["caption"].as_str().or(Some("")), 1)
            }
            _ => return Err(invalid("`channel` or `message_type` is invalid.")),
        };
        let text = text.filter(|text| (!text.is_empty() || media > 0) && text.chars().count() <= TEXT_MAX);
        let text = text.ok_or_else(|| invalid("`text` is required, with at most 3200 characters."))?;
        let to = word("/to").and_then(number).ok_or_else(|| {
            Refused::new(StatusCode::UNPROCESSABLE_ENTITY, NUMBER_INVALID, "`to` is not a number without plus.")
        })?;
        let from = word("/from").and_then(number).filter(|from| core.sends_from(*from));
        let from =
            from.ok_or_else(|| Refused::new(StatusCode::FORBIDDEN, ILLEGAL_SENDER, "`from` is not your number."))?;
        if body.get("ttl").is_some_and(|ttl| !ttl.as_u64().is_some_and(|ttl| TTL_SECS.contains(&ttl))) {
            return Err(invalid("`ttl` is not between 20 and 604800."));
        }
        if body.get("webhook_url").is_some_and(|url| url.as_str().is_none_or(|url| url::Url::parse(url).is_err())) {
            return Err(invalid("`webhook_url` is not a URL."));
        }
        if word("/client_ref").is_some_and(|mark| mark.chars().count() > CLIENT_REF_MAX) {
            return Err(invalid("`client_ref` is longer than 100 characters."));
        }
        let [callback, reference] = ["/webhook_url", "/client_ref"].map(|at| word(at).map(str::to_owned));
        Ok(Send { from, to, text: text.to_owned(), media, callback, reference })
    }

    fn accepted(&self, _core: &CarrierCore, id: &str, _send: &Send) -> Reply {
        json_reply(StatusCode::ACCEPTED, &json!({ "message_uuid": id }))
    }

    fn without_id(&self) -> Reply {
        json_reply(StatusCode::ACCEPTED, &json!({}))
    }

    fn problem(&self, status: StatusCode, code: u32, message: &str) -> Reply {
        let instance = "bf0ca0bf927b3b52e3cb03217e1a1ddf";
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::NOT_FOUND {
            let (kind, title) = if status == StatusCode::UNAUTHORIZED {
                ("unauthorized", "Unauthorized")
            } else {
                ("not-found", "Not Found")
            };
            let kind = format!("https://developer.vonage.com/api-errors#{kind}");
            let body = json!({ "type": kind, "title": title, "detail": message, "instance": instance });
            return json_reply(status, &body);
        }
        let (code, title) = own_code(code);
        let status = if status == StatusCode::BAD_REQUEST { StatusCode::UNPROCESSABLE_ENTITY } else { status };
        let kind = format!("https://developer.vonage.com/api-errors/messages#{code}");
        json_reply(status, &json!({ "type": kind, "title": title, "detail": message, "instance": instance }))
    }

    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element> {
        let mut body = json!({
            "channel": if text.media.is_empty() { "sms" } else { "mms" },
            "message_uuid": text.id, "to": digits(text.to), "from": digits(text.from), "timestamp": timestamp(),
        });
        if let [main, further @ ..] = &*text.media {
            let kind = media_kind(&main.0);
            body["message_type"] = kind.into();
            body[kind] = json!({ "url": main.1, "name": format!("attachment.{kind}"), "caption": text.text });
            let file = |(_, url): &(String, String)| json!({ "type": "file", "url": url });
            if !further.is_empty() {
                body["content"] = further.iter().map(file).collect();
            }
        } else {
            let keyword = text.text.split_whitespace().next().unwrap_or_default().to_uppercase();
            let segments = segments::count(text.text).to_string();
            body["message_type"] = "text".into();
            body["text"] = text.text.into();
            body["sms"] = json!({ "num_messages": segments, "total_count": segments, "keyword": keyword });
        }
        body["usage"] = usage();
        body["origin"] = json!({ "network_code": "310260" });
        vec![Element { url: core.text_url(text.to), content: Content::Json(body) }]
    }

    fn receipt(&self, core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element> {
        let taken = receipt.taken;
        let status = match receipt.status {
            "sent" => "submitted",
            "undelivered" => "undeliverable",
            "failed" => "rejected",
            delivered => delivered,
        };
        let mut body = json!({
            "message_uuid": taken.sid, "to": digits(taken.to), "from": digits(taken.from), "timestamp": timestamp(),
            "status": status, "channel": "sms", "usage": usage(),
            "sms": { "count_total": segments::count(&taken.text).to_string() },
            "destination": { "network_code": "310260" },
        });
        if let Some(mark) = &taken.reference {
            body["client_ref"] = mark.as_str().into();
        }
        if let Some(code) = receipt.code {
            let (code, detail) = own_code(code);
            let kind = format!("https://developer.vonage.com/api-errors/messages#{code}");
            body["error"] = json!({ "type": kind, "title": code, "detail": detail, "instance": taken.sid });
        }
        let url = taken.callback.clone().unwrap_or_else(|| hook_url(core, "receipts"));
        Some(Element { url, content: Content::Json(body) })
    }

    fn post(&self, core: &CarrierCore, _url: &str, elements: &[&Content], about: About<'_>) -> Posted {
        let body: String = elements.iter().map(|element| element.json().to_string()).collect();
        let jti = uuid(&mut SeededRng::of(core.settings.seed, &["jti", about.id, about.status], 0));
        let claims = jwt::Claims { iat: unix_secs(), jti: &jti, api_key: API_KEY, application_id: APPLICATION_ID };
        let secret = if about.genuine { SIGNATURE_SECRET } else { FORGED_SECRET };
        let token = jwt::of_webhook(secret, body.as_bytes(), &claims);
        Posted {
            content_type: "application/json",
            headers: vec![("authorization", format!("Bearer {token}"))],
            body: body.into(),
        }
    }

    fn medium_url(&self, base: &str, _id: &str, medium: &str) -> String {
        format!("{base}/v3/media/{medium}")
    }
}

/// Whether a request has the account's key and secret.
pub(super) fn is_of_account(head: &Parts) -> bool {
    let expected = format!("Basic {}", STANDARD.encode(format!("{API_KEY}:{API_SECRET}")));
    let in_query = || {
        parameter(head, "api_key").as_deref() == Some(API_KEY)
            && parameter(head, "api_secret").as_deref() == Some(API_SECRET)
    };
    header(&head.headers, AUTHORIZATION.as_str()) == expected || in_query()
}

/// The account's numbers that match the query, each with what else is said of it.
pub(super) fn numbers(core: &CarrierCore, head: &Parts, more: impl Fn(E164, &NumberThere) -> Value) -> Route {
    let pattern = parameter(head, "pattern").unwrap_or_default();
    let place = parameter(head, "search_pattern").unwrap_or_default();
    let fits = |msisdn: &str| match &*place {
        "1" => msisdn.contains(&pattern),
        "2" => msisdn.ends_with(&pattern),
        _ => msisdn.starts_with(&pattern),
    };
    let found: Vec<Value> = (core.numbers().into_iter())
        .filter(|(ours, _)| fits(&digits(*ours)))
        .map(|(ours, there)| {
            let features = [("SMS", there.sms), ("MMS", there.mms), ("VOICE", true)];
            let features: Vec<&str> = features.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
            let mut entry =
                json!({ "country": "US", "msisdn": digits(ours), "type": "mobile-lvn", "features": features });
            if let (Value::Object(entry), Value::Object(more)) = (&mut entry, more(ours, &there)) {
                entry.extend(more);
            }
            entry
        })
        .collect();
    let body = if found.is_empty() { json!({}) } else { json!({ "count": found.len(), "numbers": found }) };
    Route::LookUp(number(&pattern), json_reply(StatusCode::OK, &body))
}

/// The id of the application that a number is linked to.
fn application_of(ours: E164, there: &NumberThere) -> String {
    let other = |_| format!("{OTHER_APPLICATION}{:0>12}", digits(ours));
    there.sms_url.as_ref().map_or_else(|| APPLICATION_ID.to_owned(), other)
}

/// Where an application's texts go; `None` if there is no such application.
fn webhook_of(core: &CarrierCore, id: &str) -> Option<String> {
    if id == APPLICATION_ID {
        return Some(hook_url(core, "messages"));
    }
    core.numbers().into_iter().find(|(ours, there)| application_of(*ours, there) == id)?.1.sms_url
}

fn application(core: &CarrierCore, id: &str, inbound: &str) -> Value {
    json!({
        "id": id, "name": "Texts", "keys": {}, "privacy": { "improve_ai": false },
        "capabilities": { "messages": {
            "version": "v1", "authenticate_inbound_media": true,
            "webhooks": {
                "inbound_url": { "address": inbound, "http_method": "POST" },
                "status_url": { "address": hook_url(core, "receipts"), "http_method": "POST" },
            },
        } },
    })
}

/// Vonage's code for the simulator's, and what it says.
fn own_code(code: u32) -> (u32, &'static str) {
    match code {
        TOO_MANY => (1_000, "Throttled"),
        SERVER_ERROR => (1_030, "Internal error"),
        OPTED_OUT => (1_240, "Illegal number"),
        LANDLINE => (1_250, "Unroutable"),
        FILTERED => (1_210, "Anti-spam rejection"),
        ILLEGAL_SENDER => (ILLEGAL_SENDER, "Illegal sender address - rejected"),
        NUMBER_INVALID | INVALID_PARAMS => (INVALID_PARAMS, "Invalid params"),
        other => (other, "The message was rejected"),
    }
}

/// The key under which a medium of this type stands.
fn media_kind(content_type: &str) -> &'static str {
    match content_type.split('/').next().unwrap_or_default() {
        "image" => "image",
        "audio" => "audio",
        "video" => "video",
        _ if content_type.ends_with("vcard") => "vcard",
        _ => "file",
    }
}

fn usage() -> Value {
    json!({ "currency": "EUR", "price": "0.0057" })
}

fn timestamp() -> String {
    utc("%Y-%m-%dT%H:%M:%S%.3fZ")
}
