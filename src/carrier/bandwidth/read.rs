//! Parses a webhook's array of events into the model.
//!
//! An event of a known type is parsed, or is an error and quarantined by itself; one of an unknown type is
//! [`InboundItem::Ignored`].

use super::{Settings, codes};
use crate::carrier::answer::plausible_id;
use crate::carrier::read::{MEDIA_MAX, Problem, word};
use crate::carrier::{Unreadable, Webhook, array, json};
use crate::model::{Address, FailureCode, Inbound, InboundItem, InboundMedia, Receipt, ReceiptRef, ReceiptState};
use serde_json::Value;
use serde_json::value::RawValue;
use std::slice;

/// Parses a verified webhook of `account`.
pub(super) fn webhook(account: &Settings, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
    let not_json = |_| hook.unreadable("the body is not JSON");
    let read = |event: &Value| event_item(account, event);
    if hook.body.trim_ascii_start().starts_with(b"[") {
        let events: Vec<&RawValue> = serde_json::from_slice(&hook.body).map_err(not_json)?;
        array::items(hook, &events, |event| format!("[{event}]"), read)
    } else {
        // The published schema has an event without an array around it.
        let event: &RawValue = serde_json::from_slice(&hook.body).map_err(not_json)?;
        array::items(hook, slice::from_ref(&event), str::to_owned, read)
    }
}

fn event_item(account: &Settings, event: &Value) -> Result<InboundItem, Problem> {
    let kind = json::required(event, "type")?;
    if kind == "message-received" {
        return message(account, event).map(InboundItem::Message);
    }
    match state(kind, event) {
        Some(state) => receipt(account, event, kind, state).map(InboundItem::Receipt),
        None => Ok(InboundItem::Ignored { kind: word(kind) }),
    }
}

fn message(account: &Settings, event: &Value) -> Result<Inbound, Problem> {
    is_ours(account, event)?;
    if json::text(event, "message.direction")?.is_some_and(|direction| direction != "in") {
        return Err(Problem::Malformed("message.direction"));
    }
    // A message to a group has several recipients, and an event for each of our numbers, which the owner is.
    let to = if json::at(event, "message.owner").is_some() { "message.owner" } else { "to" };
    let to_address = json::address(event, to)?;
    if matches!(to_address, Address::Name(_)) {
        return Err(Problem::Malformed(to));
    }
    let media = media(event)?;
    let text = match json::text(event, "message.text")? {
        Some(text) => text.to_owned(),
        None if json::at(event, "message.media").is_none() => return Err(Problem::Missing("message.text")),
        None => String::new(),
    };
    Ok(Inbound {
        carrier_id: message_id(event)?,
        from: json::address(event, "message.from")?,
        to: to_address,
        text,
        media,
        segments: json::segments(event, "message.segmentCount"),
        // Bandwidth handles no keywords. On toll-free numbers the network does, and marks nothing.
        keyword: None,
        part: None,
    })
}

/// The media, without the layout of a slide show, which no person sent.
fn media(event: &Value) -> Result<Vec<InboundMedia>, Problem> {
    const PATH: &str = "message.media";
    let Some(value) = json::at(event, PATH) else { return Ok(Vec::new()) };
    let urls: Option<Vec<&str>> =
        value.as_array().and_then(|urls| urls.iter().map(|url| url.as_str().filter(|url| !url.is_empty())).collect());
    let urls = urls.filter(|urls| urls.len() <= MEDIA_MAX).ok_or(Problem::Malformed(PATH))?;
    let is_layout = |url: &str| url.split('?').next().is_some_and(|path| path.to_ascii_lowercase().ends_with(".smil"));
    let media = urls.into_iter().filter(|url| !is_layout(url));
    Ok(media.map(|url| InboundMedia { url: url.to_owned(), content_type: None }).collect())
}

fn receipt(account: &Settings, event: &Value, kind: &str, state: ReceiptState) -> Result<Receipt, Problem> {
    is_ours(account, event)?;
    if json::text(event, "message.direction")?.is_some_and(|direction| direction != "out") {
        return Err(Problem::Malformed("message.direction"));
    }
    let code = error_code(event);
    let ours = json::text(event, "message.tag")?.and_then(|tag| tag.parse().ok());
    Ok(Receipt {
        about: ours.map_or(ReceiptRef::CarrierOnly, ReceiptRef::Ours),
        carrier_id: message_id(event)?,
        status: kind.to_owned(),
        state,
        carrier_code: code.map(|code| code.to_string()),
        detail: code.and_then(codes::meaning).map(|meaning| meaning.detail.to_owned()),
        segments: json::segments(event, "message.segmentCount"),
    })
}

/// The state for an event's type; `None` for an unknown type.
fn state(kind: &str, event: &Value) -> Option<ReceiptState> {
    Some(match kind {
        "message-sending" => ReceiptState::Queued,
        "message-sent" => ReceiptState::Sent,
        "message-delivered" if is_only_handed_on(event) => ReceiptState::Sent,
        "message-delivered" | "message-read" => ReceiptState::Delivered,
        "message-failed" => failed(error_code(event)),
        _ => return None,
    })
}

/// Whether `message-delivered` says only that the next carrier has it, as for MMS without receipts from handsets.
fn is_only_handed_on(event: &Value) -> bool {
    let description = json::at(event, "description").and_then(Value::as_str).unwrap_or_default();
    description.to_ascii_lowercase().contains("delivered to carrier")
}

fn failed(code: Option<u32>) -> ReceiptState {
    // No receipt came within two hours, which says nothing: the text may have arrived.
    if code == Some(codes::NO_RECEIPT) {
        return ReceiptState::Sent;
    }
    match code.map_or(FailureCode::CarrierError, codes::failure) {
        FailureCode::TooLate => ReceiptState::Expired,
        failure @ (FailureCode::NumberInvalid | FailureCode::Unreachable | FailureCode::Landline) => {
            ReceiptState::Undelivered(failure)
        }
        failure => ReceiptState::Failed(failure),
    }
}

fn error_code(event: &Value) -> Option<u32> {
    json::whole(event, "errorCode").and_then(|code| u32::try_from(code).ok()).filter(|code| *code != 0)
}

/// Several applications can have the same webhook address by mistake. A message of another is quarantined until that is
/// fixed instead of being attributed to this account.
fn is_ours(account: &Settings, event: &Value) -> Result<(), Problem> {
    match json::text(event, "message.applicationId")? {
        Some(id) if !id.eq_ignore_ascii_case(&account.application_id) => {
            Err(Problem::Other("message.applicationId differs from application_id in the configuration"))
        }
        _ => Ok(()),
    }
}

fn message_id(event: &Value) -> Result<String, Problem> {
    let id = json::required(event, "message.id")?;
    if plausible_id(id) { Ok(id.to_owned()) } else { Err(Problem::Malformed("message.id")) }
}
