//! The request that sends a text, and its response. <https://dev.bandwidth.com/apis/messaging-apis/messaging/>

use super::Bandwidth;
use crate::carrier::meaning::{self, Class, Meaning};
use crate::carrier::read::word;
use crate::carrier::{Outbound, TokenRefused, json, oauth};
use crate::model::{FailureCode, Secret, Settled, Timestamp};
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

/// The outcome for the message.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
    let status = answer.status();
    let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    if status.is_success() {
        let (id, segments) = (json::at(&body, "id"), json::segments(&body, "segmentCount"));
        return Ok(meaning::accepted("Bandwidth", status, id.and_then(Value::as_str), segments));
    }
    if status == StatusCode::UNAUTHORIZED {
        return Err(TokenRefused { detail: "Bandwidth answered 401".to_owned() });
    }
    let kind = json::at(&body, "type").and_then(Value::as_str).map(word).filter(|kind| !kind.is_empty());
    Ok(meaning::refused("Bandwidth", answer, kind, meaning(status, &body), now))
}

/// What a refusal means. Every send goes to one URL, so most statuses reject the account and not the text.
fn meaning(status: StatusCode, body: &Value) -> Option<Meaning> {
    let (class, detail) = match status {
        StatusCode::TOO_MANY_REQUESTS => (Class::Later, "Bandwidth's queue for the account is full"),
        StatusCode::FORBIDDEN => {
            (Class::Account, "the API credentials lack the role Messaging, or are of another account: check both")
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => (Class::Account, "check account_id and api_url"),
        _ if blames(body, "applicationId") => (Class::Account, "it rejects application_id: check it"),
        _ if blames(body, "to") => (Class::Text(FailureCode::NumberInvalid), "Bandwidth does not text the number"),
        _ if blames(body, "from") => {
            (Class::Text(FailureCode::CarrierRejected), "Bandwidth cannot send from our number: verify it again")
        }
        _ => return None,
    };
    Some(Meaning { class, detail })
}

/// Whether the response names this field, or a place in it, as the reason.
fn blames(body: &Value, field: &str) -> bool {
    let named = |error: &Value| {
        let name = json::at(error, "fieldName").and_then(Value::as_str).unwrap_or_default();
        name.split(['[', '.']).next() == Some(field)
    };
    json::at(body, "fieldErrors").and_then(Value::as_array).is_some_and(|errors| errors.iter().any(named))
}
