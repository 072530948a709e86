//! The request that sends a text, and its response. <https://www.twilio.com/docs/messaging/api/message-resource>

use super::Twilio;
use super::codes;
use crate::carrier::Outbound;
use crate::carrier::{json, meaning};
use crate::model::{Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use std::ops::RangeInclusive;

/// The range that Twilio allows for `ValidityPeriod`.
const VALIDITY_SECS: RangeInclusive<u32> = 1..=36_000;

/// The request that sends a text, authorised with the first token.
pub(super) fn request(twilio: &Twilio, send: &Outbound) -> Request<Bytes> {
    let valid_for_secs = send.valid_for_secs.clamp(*VALIDITY_SECS.start(), *VALIDITY_SECS.end());
    let body = form_urlencoded::Serializer::new(String::with_capacity(400 + send.text.len() * 3 / 2))
        .append_pair("To", &send.to.to_string())
        .append_pair("From", &send.from.to_string())
        .append_pair("Body", &send.text)
        .append_pair("StatusCallback", &format!("{}?message={}", twilio.receipts_url, send.message))
        .append_pair("ValidityPeriod", &valid_for_secs.to_string())
        // The text must be sent as it was measured and charged, so Twilio must not change its encoding.
        .append_pair("SmartEncoded", "false")
        .finish();

    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = twilio.send_uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, twilio.authorization.clone());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// The outcome for the message. The text of the response is not repeated, because it contains the number.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Settled {
    let status = answer.status();
    if status.is_success() {
        return accepted(status, answer.body());
    }
    let code = error_code(answer.body());
    let meaning = code.and_then(codes::meaning).or_else(|| codes::meaning(implied(status)?));
    meaning::refused("Twilio", answer, code.map(|code| code.to_string()), meaning, now)
}

/// The code that a status without one implies. All sends of an account go to one URL, so such a status rejects the
/// account and not the text.
fn implied(status: StatusCode) -> Option<u32> {
    match status {
        StatusCode::UNAUTHORIZED => Some(20_003),
        StatusCode::FORBIDDEN => Some(20_403),
        StatusCode::NOT_FOUND => Some(20_404),
        _ => None,
    }
}

/// The id and segments of an accepted message. Segments are "0" until a Messaging Service has selected a sender.
fn accepted(status: StatusCode, body: &[u8]) -> Settled {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    meaning::accepted("Twilio", status, message["sid"].as_str(), json::segments(&message, "num_segments"))
}

/// The code in an error body, if there is one.
fn error_code(body: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Refusal {
        code: u32,
    }

    serde_json::from_slice::<Refusal>(body).ok().map(|refusal| refusal.code)
}
