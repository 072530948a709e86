//! The request that sends a text, and its response. <https://dev.bandwidth.com/apis/messaging-apis/messaging/>

use super::Bandwidth;
use crate::carrier::answer::{never_read, plausible_id, retry_after};
use crate::carrier::read::word;
use crate::carrier::{Outbound, TokenRefused, json, oauth};
use crate::model::{FailureCode, Outcome, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// A text that expires sooner might be refused as already expired, if Bandwidth's clock is ahead.
const VALID_FOR_SECS_MIN: u32 = 15;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    application_id: &'a str,
    from: String,
    to: [String; 1],
    text: &'a str,
    tag: String,
    expiration: String,
}

/// The request that sends a text. Its `tag` comes back with each receipt.
pub(super) fn request(
    bandwidth: &Bandwidth,
    send: &Outbound,
    token: Option<&Secret>,
    now: Timestamp,
) -> Request<Bytes> {
    let valid_for = Duration::from_secs(send.valid_for_secs.max(VALID_FOR_SECS_MIN).into());
    let body = serde_json::to_vec(&Message {
        application_id: &bandwidth.settings.application_id,
        from: send.from.to_string(),
        to: [send.to.to_string()],
        text: &send.text,
        tag: send.message.to_string(),
        expiration: (now + valid_for).to_string(),
    });
    let mut request = Request::new(Bytes::from(body.expect("texts are always JSON")));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = bandwidth.send_uri.clone();
    let headers = request.headers_mut();
    headers.extend(token.and_then(oauth::bearer).map(|value| (header::AUTHORIZATION, value)));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// The outcome for the message. The text of the response is not repeated, because it contains the number.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
    let status = answer.status();
    let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(accepted(status, &body));
    }
    let kind = json::at(&body, "type").and_then(Value::as_str).map(word).filter(|kind| !kind.is_empty());
    let said = format!("Bandwidth answered {}", status.as_u16());
    let said = kind.as_ref().map_or_else(|| said.clone(), |kind| format!("{said} ({kind})"));
    if status == StatusCode::UNAUTHORIZED {
        return Err(TokenRefused { detail: said });
    }
    if status.is_server_error() || never_read(status) || status == StatusCode::TOO_MANY_REQUESTS {
        let full = status == StatusCode::TOO_MANY_REQUESTS;
        let reason = if full { format!("{said}: its queue for the account is full") } else { said };
        return Ok(Outcome::Later { retry_after: retry_after(answer.headers(), now) }.because(reason));
    }
    // Every request to this URL gets these, so the account is affected and not the text.
    let advice = match status {
        StatusCode::FORBIDDEN => Some("the API credentials lack the role Messaging, or are of another account"),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Some("check account_id and api_url"),
        _ if status.is_redirection() => Some("api_url responds with a redirect, which is not followed: correct it"),
        _ if blames(&body, "applicationId") => Some("it rejects application_id: check it"),
        _ => None,
    };
    if let Some(advice) = advice {
        return Ok(Outcome::AccountRefused.because(format!("{said}: {advice}")));
    }
    let (code, detail) = if blames(&body, "to") {
        (FailureCode::NumberInvalid, "Bandwidth does not text the number".to_owned())
    } else if blames(&body, "from") {
        (FailureCode::CarrierRejected, "Bandwidth cannot send from our number: verify it again".to_owned())
    } else {
        (FailureCode::CarrierRejected, said)
    };
    Ok(Outcome::Refused { code, carrier_code: kind }.because(detail))
}

/// Whether the response names this field, or a place in it, as the reason.
fn blames(body: &Value, field: &str) -> bool {
    let named = |error: &Value| {
        let name = json::at(error, "fieldName").and_then(Value::as_str).unwrap_or_default();
        name.split(['[', '.']).next() == Some(field)
    };
    json::at(body, "fieldErrors").and_then(Value::as_array).is_some_and(|errors| errors.iter().any(named))
}

/// A 2xx: Bandwidth accepted the message, even if its id cannot be parsed.
fn accepted(status: StatusCode, body: &Value) -> Settled {
    match json::at(body, "id").and_then(Value::as_str) {
        Some(id) if plausible_id(id) => {
            Outcome::Sent { carrier_id: id.to_owned(), segments: json::segments(body, "segmentCount") }.because(None)
        }
        _ => {
            let detail = format!("{}: Bandwidth accepted it, but its response has no valid id", status.as_u16());
            Outcome::Unknown.because(detail)
        }
    }
}
