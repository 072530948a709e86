//! The request that sends a text, and what its answer means. <https://www.twilio.com/docs/messaging/api/message-resource>

use super::{Twilio, codes};
use crate::carrier::answer::{plausible_id, retry_after};
use crate::carrier::{Outbound, Outcome};
use crate::model::{FailureCode, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use std::ops::RangeInclusive;

/// What Twilio allows as `ValidityPeriod`.
const VALIDITY_SECS: RangeInclusive<u32> = 1..=36_000;

/// The send, with the first token.
pub(super) fn request(twilio: &Twilio, send: &Outbound) -> Request<Bytes> {
    let valid_for_secs = send.valid_for_secs.clamp(*VALIDITY_SECS.start(), *VALIDITY_SECS.end());
    let body = form_urlencoded::Serializer::new(String::with_capacity(400 + send.text.len() * 3 / 2))
        .append_pair("To", &send.to.to_string())
        .append_pair("From", &send.from.to_string())
        .append_pair("Body", &send.text)
        .append_pair("StatusCallback", &format!("{}?message={}", twilio.receipts_url, send.message))
        .append_pair("ValidityPeriod", &valid_for_secs.to_string())
        // What we measured and charged is what goes out: the text's own encoding was chosen before.
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

/// What the answer means for the message. Its own words are not repeated: they quote the number.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Outcome {
    let status = answer.status();
    if status.is_success() {
        return taken(answer.body());
    }
    let code = error_code(answer.body());
    let meaning = code.and_then(codes::meaning);
    let known = meaning.map(|meaning| meaning.detail);
    if not_now(status) || meaning.is_some_and(|meaning| meaning.not_now) {
        let reason = known.map_or_else(|| said(status, code), |detail| format!("{}: {detail}", said(status, code)));
        return Outcome::Later { retry_after: retry_after(answer.headers(), now), reason };
    }
    let failure = meaning.map_or(FailureCode::CarrierRejected, |meaning| meaning.failure);
    Outcome::Refused {
        code: failure,
        carrier_code: code.map(|code| code.to_string()),
        detail: known.or_else(|| advice(status)).map_or_else(|| said(status, code), str::to_owned),
        retryable: meaning.is_some_and(|meaning| meaning.retryable),
        opted_out: failure == FailureCode::OptedOut,
    }
}

/// A 2xx: the message is Twilio's now, whether or not we can read under which id.
fn taken(body: &[u8]) -> Outcome {
    #[derive(Deserialize)]
    struct Message {
        sid: String,
        num_segments: Option<Value>,
    }

    match serde_json::from_slice::<Message>(body) {
        Ok(message) if plausible_id(&message.sid) => {
            // A string, and "0" while a service has not picked a sender.
            let segments = match message.num_segments {
                Some(Value::String(count)) => count.parse().ok(),
                Some(Value::Number(count)) => count.as_u64().and_then(|count| u16::try_from(count).ok()),
                _ => None,
            };
            Outcome::Sent { carrier_id: message.sid, segments: segments.filter(|count| *count > 0) }
        }
        Ok(_) => Outcome::Unknown { reason: "Twilio took it under an id that cannot be one".to_owned() },
        Err(_) => Outcome::Unknown { reason: "Twilio took it, but its answer has no id".to_owned() },
    }
}

/// The code of an error's body, where there is one.
fn error_code(body: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Refusal {
        code: u32,
    }

    serde_json::from_slice::<Refusal>(body).ok().map(|refusal| refusal.code)
}

/// Whether the status alone says that nothing was taken and that trying again is right.
fn not_now(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY)
}

/// What to do about a refusal without a code that we know.
fn advice(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => codes::meaning(20003).map(|meaning| meaning.detail),
        StatusCode::NOT_FOUND => codes::meaning(20404).map(|meaning| meaning.detail),
        _ if status.is_redirection() => Some("api_url is answered with a redirect, which is not followed: correct it"),
        _ => None,
    }
}

/// The answer in numbers.
fn said(status: StatusCode, code: Option<u32>) -> String {
    match code {
        Some(code) => format!("Twilio answered {} with code {code}", status.as_u16()),
        None => format!("Twilio answered {}", status.as_u16()),
    }
}
