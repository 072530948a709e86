//! The request that sends a text, and its response. <https://www.plivo.com/docs/messaging/api/message/send-a-message>

use super::{Plivo, codes};
use crate::carrier::Outbound;
use crate::carrier::meaning::{self, Class, Meaning};
use crate::model::{FailureCode, Outcome, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// The range that Plivo allows for `message_expiry`.
const EXPIRY_SECS: RangeInclusive<u32> = 5..=10_799;

/// The request that sends a text.
pub(super) fn request(plivo: &Plivo, send: &Outbound) -> Request<Bytes> {
    let body = json!({
        "src": send.from.to_string(),
        "dst": send.to.to_string(),
        "text": send.text,
        "type": "sms",
        "url": format!("{}?message={}", plivo.receipts_url, send.message),
        "method": "POST",
        "message_expiry": send.valid_for_secs.clamp(*EXPIRY_SECS.start(), *EXPIRY_SECS.end()),
    });
    let mut request = Request::new(Bytes::from(body.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = plivo.send_uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, plivo.authorization.clone());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// The outcome for the message. Segments come with its receipt.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Settled {
    let status = answer.status();
    if status.is_success() {
        return accepted(status, &serde_json::from_slice(answer.body()).unwrap_or_default());
    }
    // Errors have a text and no code.
    let meaning = implied(status).map(|(class, detail)| Meaning { class, detail });
    meaning::refused("Plivo", answer, None, meaning, now)
}

/// A 2xx: Plivo accepted the message, unless it says that its only recipient was left out.
fn accepted(status: StatusCode, body: &Value) -> Settled {
    let ids = body["message_uuid"].as_array();
    let left_out = body["invalid_number"].as_array().is_some_and(|numbers| !numbers.is_empty());
    if left_out && ids.is_none_or(Vec::is_empty) {
        let detail = codes::meaning(50).map(|meaning| meaning.detail.to_owned());
        return Outcome::Refused { code: FailureCode::NumberInvalid, carrier_code: None }.because(detail);
    }
    let id = ids.and_then(|ids| ids.first()).unwrap_or(&body["message_uuid"]);
    meaning::accepted("Plivo", status, id.as_str(), None)
}

/// What a status means. All sends of an account go to one URL, so most reject the account and not the text.
fn implied(status: StatusCode) -> Option<(Class, &'static str)> {
    Some(match status {
        StatusCode::UNAUTHORIZED => {
            (Class::Account, "Plivo rejects our credentials: check auth_id and auth_token_files")
        }
        StatusCode::PAYMENT_REQUIRED => {
            (Class::Account, "the Plivo account has no credit: add some in Plivo's console")
        }
        StatusCode::FORBIDDEN => (Class::Account, "Plivo forbids this to the account: check it in Plivo's console"),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            (Class::Account, "Plivo reports no such account: check auth_id and api_url")
        }
        StatusCode::TOO_MANY_REQUESTS => (Class::Later, "too many requests at once for this Plivo account"),
        _ => return None,
    })
}
