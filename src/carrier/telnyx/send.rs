//! The request that sends a text, and its response.
//! <https://developers.telnyx.com/api-reference/messages/send-a-message>
//!
//! Telnyx has no validity period for a text: what waits in its queue is sent up to four hours later.

use super::{Telnyx, codes};
use crate::carrier::Outbound;
use crate::carrier::{json, meaning};
use crate::model::{Encoding, Settled, Timestamp, measure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

/// Makes a repeated request harmless, as Telnyx's own libraries do. Nothing depends on it.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The request that sends a text.
pub(super) fn request(telnyx: &Telnyx, send: &Outbound) -> Request<Bytes> {
    let mut body = json!({
        "from": send.from.to_string(),
        "to": send.to.to_string(),
        "text": send.text,
        "type": "SMS",
        "webhook_url": format!("{}?message={}", telnyx.receipts_url, send.message),
        // Both paths take receipts. Telnyx gives up on a URL after two or three tries.
        "webhook_failover_url": format!("{}?message={}", telnyx.messages_url, send.message),
        "use_profile_webhooks": false,
    });
    // A profile may replace characters to save segments; the text must be sent as it was measured and charged. What needs
    // no other encoding has nothing to replace.
    if measure(&send.text).encoding == Encoding::Ucs2 {
        body["encoding"] = json!("ucs2");
    }

    let mut request = Request::new(Bytes::from(body.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = telnyx.send_uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, telnyx.authorization.clone());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let key = format!("{}-{}", send.message, send.attempt);
    headers.insert(IDEMPOTENCY_KEY, HeaderValue::try_from(key).expect("a message id is printable ASCII"));
    request
}

/// The outcome for the message.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Settled {
    let status = answer.status();
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if status.is_success() {
        let (id, segments) = (body["data"]["id"].as_str(), json::segments(&body, "data.parts"));
        return meaning::accepted("Telnyx", status, id, segments);
    }
    let code = codes::in_errors(&body["errors"]);
    let meaning = code.and_then(codes::meaning).or_else(|| codes::meaning(implied(status)?));
    meaning::refused("Telnyx", answer, code.map(|code| code.to_string()), meaning, now)
}

/// The code that a status without one implies. All sends of an account go to one URL, so such a status rejects the
/// account and not the text.
fn implied(status: StatusCode) -> Option<u32> {
    match status {
        StatusCode::UNAUTHORIZED => Some(10_009),
        StatusCode::PAYMENT_REQUIRED => Some(20_100),
        StatusCode::FORBIDDEN => Some(10_010),
        StatusCode::NOT_FOUND => Some(10_005),
        _ => None,
    }
}
