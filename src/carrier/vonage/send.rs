//! The request that sends a text, and its response. <https://developer.vonage.com/en/api/messages>

use super::{Vonage, codes};
use crate::carrier::Outbound;
use crate::carrier::answer::plausible_id;
use crate::carrier::meaning;
use crate::model::{Outcome, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// The range that Vonage allows for `ttl`.
const VALIDITY_SECS: RangeInclusive<u32> = 20..=604_800;

/// The request that sends a text, authorised by the application, or with the account's secret without one.
pub(super) fn request(vonage: &Vonage, send: &Outbound, now: Timestamp) -> Request<Bytes> {
    let message = json!({
        "message_type": "text",
        "channel": "sms",
        "to": send.to.as_u64().to_string(),
        "from": send.from.as_u64().to_string(),
        "text": send.text,
        // It comes back with each receipt.
        "client_ref": send.message.to_string(),
        "ttl": send.valid_for_secs.clamp(*VALIDITY_SECS.start(), *VALIDITY_SECS.end()),
        "webhook_url": vonage.receipts_url,
        "webhook_version": "v1",
        "sms": { "encoding_type": "auto" },
    });
    let mut request = Request::new(Bytes::from(message.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = vonage.send_uri.clone();
    let authorization = match (&vonage.settings.application, &vonage.basic) {
        (Some(application), _) => Some(application.authorization(&format!("{} {}", send.message, send.attempt), now)),
        (None, basic) => basic.clone(),
    };
    let headers = request.headers_mut();
    headers.extend(authorization.map(|authorization| (header::AUTHORIZATION, authorization)));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// The outcome for the message.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Settled {
    let status = answer.status();
    if status.is_success() {
        return accepted(status, answer.body());
    }
    let code = serde_json::from_slice::<Value>(answer.body()).ok().as_ref().and_then(codes::in_problem);
    let meaning = code.as_deref().and_then(codes::meaning).or_else(|| codes::meaning(implied(status)?));
    meaning::refused("Vonage", answer, code, meaning, now)
}

/// The code that a status without one implies. All sends of an account go to one URL, so such a status rejects the
/// account and not the text.
fn implied(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("unauthorized"),
        StatusCode::PAYMENT_REQUIRED => Some("low-balance"),
        StatusCode::FORBIDDEN => Some("forbidden"),
        StatusCode::NOT_FOUND => Some("not-found"),
        _ => None,
    }
}

/// A 2xx: Vonage accepted the message, even if its id cannot be parsed.
fn accepted(status: StatusCode, body: &[u8]) -> Settled {
    #[derive(Deserialize)]
    struct Accepted {
        message_uuid: String,
    }

    let unknown = |but| Outcome::Unknown.because(format!("{}: Vonage accepted it, {but}", status.as_u16()));
    match serde_json::from_slice::<Accepted>(body) {
        Ok(Accepted { message_uuid }) if plausible_id(&message_uuid) => {
            // The segments are counted in the receipts.
            Outcome::Sent { carrier_id: message_uuid, segments: None }.because(None)
        }
        Ok(_) => unknown("with an invalid id"),
        Err(_) => unknown("but its response has no id"),
    }
}
