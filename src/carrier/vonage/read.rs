//! Parses a webhook's JSON into the model.
//!
//! A webhook of a known kind is parsed, or is an error and quarantined; one of an unknown kind or of another channel is
//! [`InboundItem::Ignored`].

use super::{Settings, codes, jwt};
use crate::carrier::answer::plausible_id;
use crate::carrier::json;
use crate::carrier::read::{self, LooseText, MEDIA_MAX, Problem, word};
use crate::carrier::{Unreadable, Webhook};
use crate::model::{Address, FailureCode, Inbound, InboundItem, InboundMedia, Receipt, ReceiptRef, ReceiptState};
use serde::Deserialize;
use serde_json::Value;

/// Parses a verified webhook of `account`.
pub(super) fn webhook(account: &Settings, hook: &Webhook) -> Result<InboundItem, Unreadable> {
    is_for(account, hook).and_then(|()| read(&hook.body)).map_err(|problem| hook.unreadable(problem))
}

/// Webhooks of all applications of an account are signed with one secret. Those of another application are quarantined
/// until that is corrected, instead of being attributed to this account.
fn is_for(account: &Settings, hook: &Webhook) -> Result<(), Problem> {
    let Some(named) = jwt::named(hook) else { return Ok(()) };
    if named.api_key.is_some_and(|key| key != account.api_key) {
        return Err(Problem::Other("api_key of the token differs from api_key in the configuration"));
    }
    let application = account.application.as_ref().map(|application| application.id());
    let differs = |named: String| application.is_some_and(|ours| !ours.eq_ignore_ascii_case(&named));
    if named.application_id.is_some_and(differs) {
        return Err(Problem::Other("application_id of the token differs from application_id in the configuration"));
    }
    Ok(())
}

/// A webhook; what is not needed may be of any form.
#[derive(Deserialize)]
struct Event {
    message_uuid: Option<String>,
    channel: Option<String>,
    from: Option<Value>,
    to: Option<Value>,
    status: Option<String>,
    message_type: Option<String>,
    text: Option<LooseText>,
    image: Option<Medium>,
    audio: Option<Medium>,
    video: Option<Medium>,
    vcard: Option<Medium>,
    file: Option<Medium>,
    content: Option<Vec<Medium>>,
    client_ref: Option<Value>,
    sms: Option<Value>,
    error: Option<Value>,
}

/// A medium, or an element of a message with several.
#[derive(Deserialize)]
struct Medium {
    url: Option<String>,
    caption: Option<LooseText>,
    text: Option<LooseText>,
}

fn read(body: &[u8]) -> Result<InboundItem, Problem> {
    let event: Event = serde_json::from_slice(body).map_err(|_| Problem::Other("the body is not a webhook in JSON"))?;
    if matches!(event.from, Some(Value::Object(_))) || matches!(event.to, Some(Value::Object(_))) {
        return Err(Problem::Other(
            "it is a webhook of version 0.1: set the Messages API of the application to v1 in Vonage's dashboard",
        ));
    }
    if let Some(channel) = event.channel.as_deref().filter(|channel| !matches!(*channel, "sms" | "mms")) {
        return Ok(InboundItem::Ignored { kind: word(channel) });
    }
    match event.status.as_deref() {
        Some("") => Err(Problem::Malformed("status")),
        Some(status) => receipt(status, &event),
        None => message(event),
    }
}

fn message(event: Event) -> Result<InboundItem, Problem> {
    let carrier_id = message_uuid(&event)?;
    let from = address(event.from.as_ref(), "from")?;
    let to = address(event.to.as_ref(), "to")?;
    if matches!(to, Address::Name(_)) {
        // The message cannot be attributed to one of our numbers.
        return Err(Problem::Malformed("to"));
    }
    let segments = event.sms.as_ref().and_then(|sms| json::segments(sms, "num_messages"));
    let kind = event.message_type.as_deref().unwrap_or("text");
    let main = match kind {
        "image" => Some(event.image),
        "audio" => Some(event.audio),
        "video" => Some(event.video),
        "vcard" => Some(event.vcard),
        "file" => Some(event.file),
        _ => None,
    };
    let has_medium = main.is_some();
    let (mut texts, mut media) = (Vec::new(), Vec::new());
    texts.extend(event.text);
    for medium in main.flatten().into_iter().chain(event.content.into_iter().flatten()) {
        texts.extend(medium.text.into_iter().chain(medium.caption));
        media.extend(medium.url);
    }
    if media.len() > MEDIA_MAX || media.iter().any(String::is_empty) {
        return Err(Problem::Malformed("url"));
    }
    if media.is_empty() && has_medium {
        // Without its URL a photo would be lost silently.
        return Err(Problem::Missing("url"));
    }
    if media.is_empty() && texts.is_empty() {
        // Of a message that Vonage cannot pass on, only the kind is known.
        let is_known = matches!(kind, "text" | "content");
        return if is_known { Err(Problem::Missing("text")) } else { Ok(InboundItem::Ignored { kind: word(kind) }) };
    }
    Ok(InboundItem::Message(Inbound {
        carrier_id,
        from,
        to,
        text: joined(texts)?,
        media: media.into_iter().map(|url| InboundMedia { url, content_type: None }).collect(),
        segments,
        // Vonage answers no keyword; the network of toll-free numbers does, for all carriers.
        keyword: None,
        part: None,
    }))
}

fn receipt(status: &str, event: &Event) -> Result<InboundItem, Problem> {
    let code = event.error.as_ref().and_then(codes::in_problem);
    let meaning = code.as_deref().and_then(codes::meaning);
    let failure = |unknown| meaning.map_or(unknown, |meaning| meaning.failure());
    let state = match status {
        "submitted" => ReceiptState::Sent,
        "delivered" | "read" => ReceiptState::Delivered,
        "undeliverable" | "rejected" if failure(FailureCode::CarrierError) == FailureCode::TooLate => {
            ReceiptState::Expired
        }
        "undeliverable" => ReceiptState::Undelivered(failure(FailureCode::CarrierError)),
        "rejected" => ReceiptState::Failed(failure(FailureCode::CarrierRejected)),
        other => return Ok(InboundItem::Ignored { kind: word(other) }),
    };
    Ok(InboundItem::Receipt(Receipt {
        about: about(event.client_ref.as_ref()),
        carrier_id: message_uuid(event)?,
        status: status.to_owned(),
        state,
        detail: meaning.map(|meaning| meaning.detail.to_owned()),
        carrier_code: code,
        segments: event.sms.as_ref().and_then(|sms| json::segments(sms, "count_total")),
    }))
}

fn message_uuid(event: &Event) -> Result<String, Problem> {
    let id = event.message_uuid.as_deref().ok_or(Problem::Missing("message_uuid"))?;
    if plausible_id(id) { Ok(id.to_owned()) } else { Err(Problem::Malformed("message_uuid")) }
}

fn address(value: Option<&Value>, name: &'static str) -> Result<Address, Problem> {
    let text = value.ok_or(Problem::Missing(name))?.as_str().ok_or(Problem::Malformed(name))?;
    read::address_without_plus(text).ok_or(Problem::Malformed(name))
}

/// Our message id, which came with the send.
fn about(client_ref: Option<&Value>) -> ReceiptRef {
    let ours = client_ref.and_then(Value::as_str).and_then(|id| id.parse().ok());
    ours.map_or(ReceiptRef::CarrierOnly, ReceiptRef::Ours)
}

/// The texts of a message, one below the other.
fn joined(texts: Vec<LooseText>) -> Result<String, Problem> {
    let texts: Option<Vec<_>> = texts.into_iter().map(LooseText::decoded).collect();
    let mut texts = texts.ok_or(Problem::NotUtf8("text"))?;
    texts.retain(|text| !text.is_empty());
    Ok(texts.join("\n"))
}
