//! The Conversation API: its callbacks, the request that sends a text, and the response. Only its channels SMS and MMS
//! are used. <https://developers.sinch.com/docs/conversation/callbacks>

use super::rest::{accepted, address, event, id};
use super::{Project, Settings, codes};
use crate::carrier::meaning::{self, Class, Meaning};
use crate::carrier::read::{Problem, word};
use crate::carrier::{Outbound, TokenRefused, Unreadable, Webhook, json};
use crate::model::{
    Address, FailureCode, Inbound, InboundItem, InboundMedia, MessageId, Receipt, ReceiptRef, ReceiptState, Settled,
    Timestamp,
};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json as object};
use std::ops::RangeInclusive;

/// The validity period that is asked for: up to three days, as with the SMS API.
const VALIDITY_SECS: RangeInclusive<u32> = 1..=259_200;

/// Parses a verified webhook of the app.
pub(super) fn webhook(
    account: &Settings,
    project: &Project,
    app_id: &str,
    hook: &Webhook,
) -> Result<InboundItem, Unreadable> {
    read(account, project, app_id, hook).map_err(|problem| hook.unreadable(problem))
}

fn read(account: &Settings, project: &Project, app_id: &str, hook: &Webhook) -> Result<InboundItem, Problem> {
    let event = event(hook)?;
    let is_other = |path, ours: &str| Ok(json::text(&event, path)?.is_some_and(|id| id != ours));
    if is_other("app_id", app_id)? {
        return Err(Problem::Other("app_id differs from app_id in the configuration"));
    }
    if is_other("project_id", &project.id)? {
        return Err(Problem::Other("project_id differs from project_id in the configuration"));
    }
    if json::at(&event, "message").is_some() {
        return message(account, &event);
    }
    if json::at(&event, "message_delivery_report").is_some() {
        return receipt(&event);
    }
    // The other events have a field of their own too, of which the name says what they are.
    let is_kind = |name: &&String| name.ends_with("_notification") || name.ends_with("_report") || *name == "event";
    let named = event.as_object().and_then(|fields| fields.keys().find(is_kind)).map(String::as_str);
    match json::text(&event, "trigger")?.or(named) {
        Some(kind) => Ok(InboundItem::Ignored { kind: word(kind) }),
        None => Err(Problem::Missing("message")),
    }
}

fn message(account: &Settings, event: &Value) -> Result<InboundItem, Problem> {
    let channel = match json::text(event, "message.channel_identity.channel")? {
        Some(channel) => channel,
        None => json::required(event, "message.channel")?,
    };
    if !matches!(channel, "SMS" | "MMS") {
        return Ok(InboundItem::Ignored { kind: word(channel) });
    }
    let (text, media) = content(event)?;
    let to = address(event, "message.sender_id")?;
    if matches!(to, Address::Name(_)) {
        return Err(Problem::Malformed("message.sender_id"));
    }
    Ok(InboundItem::Message(Inbound {
        carrier_id: id(event, "message.id")?,
        from: address(event, "message.channel_identity.identity")?,
        to,
        keyword: account.keyword(text),
        text: text.to_owned(),
        media,
        segments: None,
        part: None,
    }))
}

fn content(event: &Value) -> Result<(&str, Vec<InboundMedia>), Problem> {
    let medium = |url: &str| vec![InboundMedia { url: url.to_owned(), content_type: None }];
    if let Some(text) = json::text(event, "message.contact_message.text_message.text")? {
        return Ok((text, Vec::new()));
    }
    if let Some(url) = json::text(event, "message.contact_message.media_card_message.url")? {
        let caption = json::text(event, "message.contact_message.media_card_message.caption")?;
        return Ok((caption.unwrap_or_default(), medium(url)));
    }
    match json::text(event, "message.contact_message.media_message.url")? {
        Some(url) => Ok(("", medium(url))),
        None => Err(Problem::Other("message.contact_message is of an unknown kind")),
    }
}

fn receipt(event: &Value) -> Result<InboundItem, Problem> {
    let status = word(json::required(event, "message_delivery_report.status")?).to_ascii_uppercase();
    let reason = json::text(event, "message_delivery_report.reason.code")?;
    // The code of the network, if there is one, says more.
    let network = json::whole(event, "message_delivery_report.reason.channel_code");
    let known = network.and_then(codes::code).or_else(|| codes::reason(reason?));
    let state = match &*status {
        "QUEUED" | "SWITCHING_CHANNEL" => ReceiptState::Queued,
        "QUEUED_ON_CHANNEL" | "SENT" => ReceiptState::Sent,
        "DELIVERED" | "READ" => ReceiptState::Delivered,
        "FAILED" => match known.map_or(FailureCode::CarrierError, |known| known.failure()) {
            FailureCode::TooLate => ReceiptState::Expired,
            // Sinch itself blocks these; the SMS API says "Deleted" and "Rejected".
            failure @ (FailureCode::OptedOut | FailureCode::Blocked) => ReceiptState::Failed(failure),
            failure => ReceiptState::Undelivered(failure),
        },
        _ => return Ok(InboundItem::Ignored { kind: status }),
    };
    let ours = json::text(event, "message_delivery_report.metadata")?.and_then(|id| id.parse::<MessageId>().ok());
    Ok(InboundItem::Receipt(Receipt {
        about: ours.map_or(ReceiptRef::CarrierOnly, ReceiptRef::Ours),
        carrier_id: id(event, "message_delivery_report.message_id")?,
        status,
        state,
        carrier_code: network.map(|code| code.to_string()).or_else(|| reason.map(named)),
        detail: known.map(|known| known.detail.to_owned()),
        segments: None,
    }))
}

/// A reason, whole if it is known.
fn named(reason: &str) -> String {
    if codes::reason(reason).is_some() { reason.to_owned() } else { word(reason) }
}

/// The body that sends a text.
pub(super) fn body(app_id: &str, send: &Outbound) -> String {
    let valid_for_secs = send.valid_for_secs.clamp(*VALIDITY_SECS.start(), *VALIDITY_SECS.end());
    object!({
        "app_id": app_id,
        "recipient": {
            "identified_by": { "channel_identities": [{ "channel": "SMS", "identity": send.to.to_string() }] },
        },
        "message": { "text_message": { "text": send.text } },
        "channel_priority_order": ["SMS"],
        "channel_properties": { "SMS_SENDER": send.from.to_string() },
        "message_metadata": send.message.to_string(),
        "ttl": format!("{valid_for_secs}s"),
    })
    .to_string()
}

/// The outcome for the message. The text of the response is not repeated, because it contains the number.
pub(super) fn outcome(answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED {
        return Err(TokenRefused { detail: "Sinch answered 401".to_owned() });
    }
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if status.is_success() {
        return Ok(accepted(status, &body, "message_id"));
    }
    let code = json::at(&body, "error.status").and_then(Value::as_str).map(word).filter(|code| !code.is_empty());
    let detail = match status {
        StatusCode::FORBIDDEN => {
            Some("Sinch denies this to the access key: check its project, and the account's billing")
        }
        StatusCode::NOT_FOUND => Some("Sinch has no such project or app: check project_id, app_id and region"),
        _ => None,
    };
    let known = detail.map(|detail| Meaning { class: Class::Account, detail });
    Ok(meaning::refused("Sinch", answer, code, known, now))
}
