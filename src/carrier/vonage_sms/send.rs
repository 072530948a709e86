//! The request that sends a text, and its response, which is a 200 whatever it says.
//! <https://developer.vonage.com/en/api/sms>

use super::{VonageSms, codes};
use crate::carrier::Outbound;
use crate::carrier::answer::plausible_id;
use crate::carrier::json;
use crate::carrier::meaning::{self, Class, Meaning};
use crate::model::{Encoding, FailureCode, Outcome, Settled, Timestamp, measure};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use std::ops::RangeInclusive;

/// The range that Vonage allows for `ttl`, which is in milliseconds.
const VALIDITY_SECS: RangeInclusive<u32> = 20..=604_800;

/// Longest `callback` that Vonage accepts. A longer one is left out, and receipts go to the account's own URL.
const CALLBACK_MAX_CHARACTERS: usize = 100;

/// The request that sends a text. Vonage does not choose the encoding itself.
pub(super) fn request(vonage: &VonageSms, send: &Outbound) -> Request<Bytes> {
    let valid_for_secs = send.valid_for_secs.clamp(*VALIDITY_SECS.start(), *VALIDITY_SECS.end());
    let encoding = match measure(&send.text).encoding {
        Encoding::Gsm7 => "text",
        Encoding::Ucs2 => "unicode",
    };
    let secret = String::from_utf8_lossy(vonage.settings.api_secret.expose());
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(400 + send.text.len() * 3 / 2));
    form.append_pair("api_key", &vonage.settings.api_key)
        .append_pair("api_secret", &secret)
        .append_pair("from", &send.from.as_u64().to_string())
        .append_pair("to", &send.to.as_u64().to_string())
        .append_pair("text", &send.text)
        .append_pair("type", encoding)
        .append_pair("ttl", &(u64::from(valid_for_secs) * 1_000).to_string())
        .append_pair("status-report-req", "1")
        // It comes back with each receipt.
        .append_pair("client-ref", &send.message.to_string());
    if vonage.receipts_url.len() <= CALLBACK_MAX_CHARACTERS {
        form.append_pair("callback", &vonage.receipts_url);
    }

    let mut request = Request::new(Bytes::from(form.finish()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = vonage.send_uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// A response has a status for each part of the text.
#[derive(Deserialize)]
struct Parts {
    messages: Vec<Value>,
}

/// The status of a part; 0 is success.
fn code(part: &Value) -> Option<u16> {
    json::whole(part, "status").and_then(|code| u16::try_from(code).ok())
}

/// The outcome for the message.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Settled {
    let status = answer.status();
    if !status.is_success() {
        return meaning::refused("Vonage", answer, None, implied(status), now);
    }
    let unknown = |but| Outcome::Unknown.because(format!("{}: Vonage may have accepted it, {but}", status.as_u16()));
    let Ok(Parts { messages }) = serde_json::from_slice(answer.body()) else {
        return unknown("but its response cannot be parsed");
    };
    let accepted = messages.iter().filter(|part| code(part) == Some(0)).count();
    let Some(first) = messages.first() else { return unknown("but its response has no parts") };
    let Some(failed) = messages.iter().find(|part| code(part) != Some(0)) else {
        return match json::at(first, "message-id").and_then(Value::as_str).filter(|id| plausible_id(id)) {
            Some(id) => {
                Outcome::Sent { carrier_id: id.to_owned(), segments: u16::try_from(messages.len()).ok() }.because(None)
            }
            None => unknown("but its response has no id"),
        };
    };
    let code = code(failed);
    let known = code.and_then(codes::of_send);
    let code = code.map(|code| code.to_string());
    if accepted == 0 {
        return meaning::refused("Vonage", answer, code, known, now);
    }
    // It cannot be sent again, because what was accepted would come twice.
    let detail = known.map_or("its other parts were rejected", |known| known.detail);
    let failure = known.map_or(FailureCode::CarrierRejected, |known| known.failure());
    let detail = format!("Vonage accepted {accepted} of {} parts of the text: {detail}", messages.len());
    Outcome::Refused { code: failure, carrier_code: code }.because(detail)
}

/// What a status without a body of its own means. All sends of an account go to one URL, so it rejects the account and
/// not the text.
fn implied(status: StatusCode) -> Option<Meaning> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => codes::of_send(4),
        StatusCode::PAYMENT_REQUIRED => codes::of_send(9),
        StatusCode::NOT_FOUND => {
            Some(Meaning { class: Class::Account, detail: "Vonage reports no such resource: check api_url" })
        }
        _ => None,
    }
}
