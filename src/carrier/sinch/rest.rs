//! The SMS REST API ("XMS"): its callbacks, the request that sends a text, and the response.
//! <https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks/>

use super::{Settings, Sinch, codes};
use crate::carrier::answer::plausible_id;
use crate::carrier::meaning::{self, Class, Meaning};
use crate::carrier::read::{self, MEDIA_MAX, Problem, word};
use crate::carrier::{Outbound, Unreadable, Webhook, json};
use crate::model::{
    Address, E164, FailureCode, Inbound, InboundItem, InboundMedia, MessageId, Outcome, Receipt, ReceiptRef,
    ReceiptState, Settled, Timestamp,
};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json as object};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The range that Sinch allows between now and `expire_at`: up to three days.
const VALIDITY_SECS: RangeInclusive<u32> = 1..=259_200;

/// More parts than the longest text has. With a maximum, Sinch reports the number of parts.
const PARTS_MAX: u16 = 32;

/// Parses a verified webhook: one message, or a receipt for each status in it.
pub(super) fn webhook(account: &Settings, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
    read(account, hook).map_err(|problem| hook.unreadable(problem))
}

fn read(account: &Settings, hook: &Webhook) -> Result<Vec<InboundItem>, Problem> {
    let event = event(hook)?;
    match json::required(&event, "type")? {
        "mo_text" => {
            let text = json::required(&event, "body")?.to_owned();
            message(account, &event, text, Vec::new()).map(|item| vec![item])
        }
        "mo_media" => {
            let text = [json::text(&event, "body.subject")?, json::text(&event, "body.message")?];
            let text: Vec<_> = text.into_iter().flatten().filter(|text| !text.is_empty()).collect();
            message(account, &event, text.join("\n"), media(&event)?).map(|item| vec![item])
        }
        "mo_binary" => Err(Problem::Other("the message is binary")),
        "recipient_delivery_report_sms" | "recipient_delivery_report_mms" => Ok(vec![receipt(&event, &event)?]),
        "delivery_report_sms" | "delivery_report_mms" => {
            let statuses = json::at(&event, "statuses").and_then(Value::as_array);
            let statuses = statuses.ok_or(Problem::Missing("statuses"))?;
            Ok(statuses.iter().map(|status| receipt_alone(hook, &event, status)).collect())
        }
        other => Ok(vec![InboundItem::Ignored { kind: word(other) }]),
    }
}

/// The event in a webhook of either API.
pub(super) fn event(hook: &Webhook) -> Result<Value, Problem> {
    let text = str::from_utf8(&hook.body).ok();
    text.and_then(|text| json::parse(text).ok()).ok_or(Problem::Other("the body is not JSON"))
}

fn message(account: &Settings, event: &Value, text: String, media: Vec<InboundMedia>) -> Result<InboundItem, Problem> {
    let to = address(event, "to")?;
    if matches!(to, Address::Name(_)) {
        return Err(Problem::Malformed("to"));
    }
    Ok(InboundItem::Message(Inbound {
        carrier_id: id(event, "id")?,
        from: address(event, "from")?,
        to,
        keyword: account.keyword(&text),
        text,
        media,
        segments: None,
        part: None,
    }))
}

/// The media. One that Sinch could not store has no address: it is listed nevertheless, and fails when it is fetched.
fn media(event: &Value) -> Result<Vec<InboundMedia>, Problem> {
    const PATH: &str = "body.media";
    let Some(listed) = json::at(event, PATH) else { return Ok(Vec::new()) };
    let listed = listed.as_array().filter(|listed| listed.len() <= MEDIA_MAX).ok_or(Problem::Malformed(PATH))?;
    let medium = |medium: &Value| {
        let failed = json::text(medium, "status")?.is_some_and(|status| status.eq_ignore_ascii_case("failed"));
        let url = json::text(medium, "url")?.filter(|url| !url.is_empty());
        let url = if failed { url.unwrap_or_default() } else { url.ok_or(Problem::Malformed(PATH))? };
        let content_type = json::text(medium, "content_type")?.filter(|kind| !kind.is_empty());
        Ok(InboundMedia { url: url.to_owned(), content_type: content_type.map(str::to_owned) })
    };
    listed.iter().map(medium).collect()
}

/// The same, quarantined by itself if it cannot be read.
fn receipt_alone(hook: &Webhook, event: &Value, status: &Value) -> InboundItem {
    receipt(event, status).unwrap_or_else(|problem| {
        let mut alone = event.clone();
        alone["statuses"] = object!([status]);
        hook.unreadable_item(alone.to_string().into(), problem).into()
    })
}

/// The receipt of one status of an event.
fn receipt(event: &Value, status: &Value) -> Result<InboundItem, Problem> {
    let carrier_id = id(event, "batch_id")?;
    // Written in capitals or not, which must not make two receipts of one.
    let name = word(json::required(status, "status")?).to_ascii_lowercase();
    let code = json::whole(status, "code").filter(|code| !matches!(code, 0 | 400 | 401));
    let known = code.and_then(codes::code);
    let Some(state) = state(&name, known) else { return Ok(InboundItem::Ignored { kind: name }) };
    let ours = json::text(event, "client_reference")?.and_then(|id| id.parse::<MessageId>().ok());
    Ok(InboundItem::Receipt(Receipt {
        about: ours.map_or(ReceiptRef::CarrierOnly, ReceiptRef::Ours),
        carrier_id,
        status: name,
        state,
        carrier_code: code.map(|code| code.to_string()),
        detail: known.map(|known| known.detail.to_owned()),
        segments: json::segments(event, "number_of_message_parts"),
    }))
}

/// The state for a status; `None` for an unknown one.
fn state(status: &str, known: Option<Meaning>) -> Option<ReceiptState> {
    let failure = |unknown| known.map_or(unknown, |known| known.failure());
    let ended = |failure, state: fn(FailureCode) -> ReceiptState| match failure {
        FailureCode::TooLate => ReceiptState::Expired,
        failure => state(failure),
    };
    Some(match status {
        "queued" => ReceiptState::Queued,
        // The network does not say more of a text that is unknown.
        "dispatched" | "unknown" => ReceiptState::Sent,
        "delivered" => ReceiptState::Delivered,
        "aborted" | "rejected" => ended(failure(FailureCode::CarrierRejected), ReceiptState::Failed),
        // The number is invalid, or its owner opted out.
        "deleted" => ended(failure(FailureCode::Blocked), ReceiptState::Failed),
        // The gateway never cancels at Sinch.
        "cancelled" | "canceled" => ReceiptState::Failed(FailureCode::CancelledByRequest),
        "failed" => ended(failure(FailureCode::CarrierError), ReceiptState::Undelivered),
        "expired" => ReceiptState::Expired,
        _ => return None,
    })
}

pub(super) fn id(event: &Value, path: &'static str) -> Result<String, Problem> {
    let id = json::required(event, path)?;
    if plausible_id(id) { Ok(id.to_owned()) } else { Err(Problem::Malformed(path)) }
}

/// Numbers come without plus.
pub(super) fn address(event: &Value, path: &'static str) -> Result<Address, Problem> {
    read::address_without_plus(json::required(event, path)?).ok_or(Problem::Malformed(path))
}

/// The body that sends a text to one recipient.
pub(super) fn body(sinch: &Sinch, send: &Outbound, now: Timestamp) -> String {
    let valid_for = Duration::from_secs(send.valid_for_secs.clamp(*VALIDITY_SECS.start(), *VALIDITY_SECS.end()).into());
    let digits = |number: E164| number.as_u64().to_string();
    object!({
        "type": "mt_text",
        "from": digits(send.from),
        "to": [digits(send.to)],
        "body": send.text,
        "delivery_report": "per_recipient",
        "callback_url": sinch.receipts_url,
        "client_reference": send.message.to_string(),
        "expire_at": (now + valid_for).to_string(),
        "max_number_of_message_parts": PARTS_MAX,
    })
    .to_string()
}

/// The outcome for the message. The text of the response is not repeated, because it contains the number.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Settled {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if answer.status().is_success() {
        return accepted(answer.status(), &body, "id");
    }
    let code = json::at(&body, "code").and_then(Value::as_str).map(word).filter(|code| !code.is_empty());
    let known = code.as_deref().and_then(codes::response).or_else(|| implied(answer.status()));
    meaning::refused("Sinch", answer, code, known, now)
}

/// A 2xx: Sinch accepted the message, even if its id cannot be parsed.
pub(super) fn accepted(status: StatusCode, body: &Value, path: &str) -> Settled {
    match json::at(body, path).and_then(Value::as_str) {
        Some(id) if plausible_id(id) => Outcome::Sent { carrier_id: id.to_owned(), segments: None }.because(None),
        _ => Outcome::Unknown.because(format!("{}: Sinch accepted it, but its response has no id", status.as_u16())),
    }
}

/// All sends of an account go to one URL, so such a status rejects the account and not the text.
fn implied(status: StatusCode) -> Option<Meaning> {
    let detail = match status {
        StatusCode::UNAUTHORIZED => "Sinch rejects our credentials: check service_plan_id and api_token_file",
        StatusCode::FORBIDDEN => "Sinch denies this to the service plan: check it in Sinch's dashboard",
        StatusCode::NOT_FOUND => "Sinch has no such service plan: check service_plan_id and region",
        _ => return None,
    };
    Some(Meaning { class: Class::Account, detail })
}
