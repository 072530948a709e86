//! The request that sends a text, and its response.
//! <https://www.infobip.com/docs/api/channels/sms/outbound-sms/send-sms-messages>
//!
//! The response is a 200 even for a text that is rejected: the status within counts.

use super::{Infobip, codes};
use crate::carrier::answer::plausible_id;
use crate::carrier::meaning::{self, Class, Meaning};
use crate::carrier::{Outbound, json, read};
use crate::model::{E164, FailureCode, MessageId, Outcome, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json as object};
use std::ops::RangeInclusive;

/// The range that Infobip allows for the validity period: up to two days.
const VALIDITY_SECS: RangeInclusive<u32> = 1..=172_800;

/// The request that sends a text. It is the same for each attempt after which Infobip may have it, because Infobip takes
/// an id once; that may also be so of an id that it refused, so the next attempt then has another.
pub(super) fn request(infobip: &Infobip, send: &Outbound) -> Request<Bytes> {
    let valid_for_secs = send.valid_for_secs.clamp(*VALIDITY_SECS.start(), *VALIDITY_SECS.end());
    let receipts_url = infobip.url_keys.add_to(&infobip.receipts_url);
    let mut options = object!({ "validityPeriod": { "amount": valid_for_secs, "timeUnit": "SECONDS" } });
    if let Some(application) = &infobip.settings.application_id {
        options["platform"] = object!({ "applicationId": application });
    }
    let body = object!({
        "messages": [{
            "sender": digits(send.from),
            "destinations": [{ "to": digits(send.to), "messageId": message_id(send) }],
            // The text must be sent as it was measured and charged, so no character is replaced.
            "content": { "text": send.text, "transliteration": "NONE", "language": { "languageCode": "NONE" } },
            "options": options,
            "webhooks": {
                "delivery": { "url": receipts_url, "intermediateReport": false, "notify": true },
                "contentType": "application/json",
            },
        }],
        "options": { "includeSmsCountInResponse": true },
    });
    let mut request = Request::new(Bytes::from(body.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = infobip.send_uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, infobip.authorization.clone());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// Our id of the message; after refusals with their count, which `ours` takes away.
fn message_id(send: &Outbound) -> String {
    match send.refused_before {
        0 => send.message.to_string(),
        refused => format!("{}.{refused}", send.message),
    }
}

/// Our message that was sent under this id.
pub(super) fn ours(message_id: &str) -> Option<MessageId> {
    message_id.split_once('.').map_or(message_id, |(id, _)| id).parse().ok()
}

fn digits(number: E164) -> String {
    number.as_u64().to_string()
}

/// The outcome for the message. The text of the response is not repeated, because it contains the number.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Settled {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if answer.status().is_success() {
        return submitted(answer, &body, now);
    }
    let found = match answer.status() {
        StatusCode::BAD_REQUEST => names_the_number(&body),
        status => codes::http(status),
    };
    meaning::refused("Infobip", answer, error_code(&body), found, now)
}

/// A 2xx: the status of the one message decides.
fn submitted(answer: &Response<Bytes>, body: &Value, now: Timestamp) -> Settled {
    let status = answer.status().as_u16();
    let unknown = |why| Outcome::Unknown.because(format!("Infobip answered {status}, {why}"));
    let id = json::whole(body, "messages.0.status.id");
    match (json::whole(body, "messages.0.status.groupId"), id) {
        // Of a duplicate, an earlier attempt arrived and its response did not: Infobip has the text under this id.
        (Some(0 | 1 | 3), _) | (_, Some(codes::DUPLICATE)) => {
            match word(body, "messages.0.messageId").filter(|id| plausible_id(id)) {
                Some(id) => {
                    let segments = json::segments(body, "messages.0.details.messageCount");
                    Outcome::Sent { carrier_id: id.to_owned(), segments }.because(None)
                }
                None => unknown("with an invalid id"),
            }
        }
        (Some(2 | 4 | 5), _) => {
            let code = id.map(|id| id.to_string());
            meaning::refused("Infobip", answer, code, id.and_then(codes::status), now)
        }
        _ => unknown("without a status that is known"),
    }
}

fn word<'a>(body: &'a Value, path: &str) -> Option<&'a str> {
    json::at(body, path)?.as_str()
}

/// The code of an error response, of this API or of older ones.
fn error_code(body: &Value) -> Option<String> {
    let code = word(body, "errorCode").or_else(|| word(body, "requestError.serviceException.messageId"));
    code.map(read::word).filter(|code| !code.is_empty())
}

/// Whether the recipient's number is what the request was rejected for.
fn names_the_number(body: &Value) -> Option<Meaning> {
    let violations = json::at(body, "violations")?.as_array()?;
    let properties = violations.iter().filter_map(|violation| word(violation, "property"));
    let is_number = properties.into_iter().any(|property| property.ends_with("].to"));
    is_number.then_some(Meaning { class: Class::Text(FailureCode::NumberInvalid), detail: "the number is not valid" })
}
