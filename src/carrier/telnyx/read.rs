//! Parses an event into the model. Every field is optional in Telnyx's own libraries, so only what is needed is checked.
//!
//! An event of a known kind is parsed, or is an error and quarantined; one of an unknown kind is
//! [`InboundItem::Ignored`].

use super::{Settings, codes};
use crate::carrier::answer::plausible_id;
use crate::carrier::read::{self, MEDIA_MAX, Problem, word};
use crate::carrier::{Unreadable, Webhook, json};
use crate::model::{Address, FailureCode, Inbound, InboundItem, InboundMedia, Receipt, ReceiptRef, ReceiptState};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Webhooked<'a> {
    #[serde(borrow)]
    data: Option<Event<'a>>,
    #[serde(default)]
    meta: Value,
}

#[derive(Deserialize)]
struct Event<'a> {
    event_type: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// A message of somebody else, or one of ours in a receipt. Only the text can be what JSON values cannot.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    id: Value,
    #[serde(rename = "type")]
    kind: Value,
    direction: Value,
    messaging_profile_id: Value,
    from: Value,
    to: Value,
    #[serde(deserialize_with = "read::text")]
    text: Option<String>,
    media: Value,
    parts: Value,
    autoresponse_type: Value,
    errors: Value,
    webhook_url: Value,
}

/// Parses a verified webhook of `account`.
pub(super) fn webhook(account: &Settings, hook: &Webhook) -> Result<InboundItem, Unreadable> {
    read(account, hook).map_err(|problem| hook.unreadable(problem))
}

fn read(account: &Settings, hook: &Webhook) -> Result<InboundItem, Problem> {
    let Webhooked { data, meta } =
        serde_json::from_slice(&hook.body).map_err(|_| Problem::Other("the body is not an event in JSON"))?;
    let Event { event_type, payload } = data.ok_or(Problem::Missing("data"))?;
    let event_type = event_type.ok_or(Problem::Missing("event_type"))?;
    if !matches!(&*event_type, "message.received" | "message.sent" | "message.finalized" | "message.read") {
        return Ok(InboundItem::Ignored { kind: word(&event_type) });
    }
    let payload = payload.ok_or(Problem::Missing("payload"))?;
    let payload: Payload = serde_json::from_str(payload.get()).map_err(|_| Problem::Malformed("payload"))?;
    let profile = payload.messaging_profile_id.as_str();
    if account.messaging_profile_id.as_deref().is_some_and(|ours| profile.is_some_and(|profile| profile != ours)) {
        return Err(Problem::Other("messaging_profile_id differs from messaging_profile_id in the configuration"));
    }
    if event_type == "message.received" { message(payload) } else { receipt(&payload, &meta, hook.query()) }
}

fn message(payload: Payload) -> Result<InboundItem, Problem> {
    // Another channel's addresses are not numbers of ours.
    if !matches!(payload.kind.as_str(), None | Some("SMS" | "MMS")) {
        return Err(Problem::Other("type is neither SMS nor MMS"));
    }
    let carrier_id = id(&payload)?;
    let from = address(number_of(&payload.from), "from")?;
    let to = address(ours(&payload.to), "to")?;
    if matches!(to, Address::Name(_)) {
        return Err(Problem::Malformed("to"));
    }
    let media = media(&payload.media)?;
    let text = match payload.text {
        Some(text) => text,
        None if media.is_empty() => return Err(Problem::Missing("text")),
        None => String::new(),
    };
    let keyword = payload.autoresponse_type.as_str().map(str::to_ascii_uppercase);
    Ok(InboundItem::Message(Inbound {
        carrier_id,
        from,
        to,
        text,
        media,
        segments: json::count(&payload.parts),
        // Telnyx says so only of words that it answers itself; operators may have added others.
        keyword: keyword.filter(|word| matches!(word.as_str(), "STOP" | "START" | "HELP")),
        part: None,
    }))
}

fn receipt(payload: &Payload, meta: &Value, query: &str) -> Result<InboundItem, Problem> {
    let recipient = all(&payload.to).first();
    let status = recipient.and_then(|to| to["status"].as_str()).ok_or(Problem::Missing("status"))?;
    let code = codes::in_errors(&payload.errors);
    // An inbound message has a status of its own, which says nothing new.
    let state = state(status, code).filter(|_| payload.direction.as_str() != Some("inbound"));
    let Some(state) = state else { return Ok(InboundItem::Ignored { kind: word(status) }) };
    Ok(InboundItem::Receipt(Receipt {
        about: about(payload, meta, query),
        carrier_id: id(payload)?,
        status: status.to_owned(),
        state,
        carrier_code: code.map(|code| code.to_string()),
        detail: code.and_then(codes::meaning).map(|meaning| meaning.detail.to_owned()),
        segments: json::count(&payload.parts),
    }))
}

/// The state for a recipient's status; `None` for an unknown status.
fn state(status: &str, code: Option<u32>) -> Option<ReceiptState> {
    let failure = |unknown| code.and_then(codes::meaning).map_or(unknown, |meaning| meaning.failure());
    let undelivered = |failure| match failure {
        FailureCode::TooLate => ReceiptState::Expired,
        // Telnyx reports its own refusals like those of networks.
        failure if code.is_some_and(codes::is_refusal) => ReceiptState::Failed(failure),
        failure => ReceiptState::Undelivered(failure),
    };
    Some(match status {
        "queued" | "sending" => ReceiptState::Queued,
        // The last two are final at Telnyx: no confirmation came.
        "sent" | "delivery_unconfirmed" | "dlr_timeout" => ReceiptState::Sent,
        "delivered" | "read" => ReceiptState::Delivered,
        "expired" => ReceiptState::Expired,
        "delivery_failed" => undelivered(failure(FailureCode::CarrierError)),
        "sending_failed" => match failure(FailureCode::CarrierRejected) {
            FailureCode::TooLate => ReceiptState::Expired,
            failure => ReceiptState::Failed(failure),
        },
        "gw_timeout" => ReceiptState::Failed(failure(FailureCode::CarrierError)),
        _ => return None,
    })
}

/// Our message id, from the callback URL given with the send. The signed body repeats that URL in two places; the query
/// of the request itself is not signed, and counts only where the body has no id. A receipt that somebody captured and
/// sends again under another id is a duplicate, because claims are by the carrier's id.
fn about(payload: &Payload, meta: &Value, query: &str) -> ReceiptRef {
    let signed = [&payload.webhook_url, &meta["delivered_to"]];
    let signed = signed.into_iter().filter_map(|url| Some(url.as_str()?.split_once('?')?.1));
    let mut found = signed.chain([query]).filter_map(|query| read::about(query).ok());
    found.find(|about| matches!(about, ReceiptRef::Ours(_))).unwrap_or(ReceiptRef::CarrierOnly)
}

fn id(payload: &Payload) -> Result<String, Problem> {
    match &payload.id {
        Value::Null => Err(Problem::Missing("id")),
        Value::String(id) if plausible_id(id) => Ok(id.clone()),
        _ => Err(Problem::Malformed("id")),
    }
}

fn address(text: Option<&str>, name: &'static str) -> Result<Address, Problem> {
    read::address(text.ok_or(Problem::Missing(name))?).ok_or(Problem::Malformed(name))
}

/// The number of a sender or recipient, which is an object or the number itself.
fn number_of(party: &Value) -> Option<&str> {
    party["phone_number"].as_str().or_else(|| party.as_str())
}

/// Our number among the recipients: of a message to a group, the one whose webhook this is.
fn ours(to: &Value) -> Option<&str> {
    let all = all(to);
    let is_ours = |party: &&Value| party["status"] == "webhook_delivered";
    number_of(all.iter().find(is_ours).or_else(|| all.first())?)
}

/// The elements of a list, or the one thing that is no list.
fn all(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(all) => all,
        one => std::slice::from_ref(one),
    }
}

/// The media in order. One without a URL is an error, because a photo would be lost silently.
fn media(media: &Value) -> Result<Vec<InboundMedia>, Problem> {
    let all = all(media);
    if all.len() > MEDIA_MAX {
        return Err(Problem::Malformed("media"));
    }
    let medium = |medium: &Value| {
        let url = medium["url"].as_str().filter(|url| !url.is_empty())?;
        let content_type = medium["content_type"].as_str().filter(|kind| !kind.is_empty());
        Some(InboundMedia { url: url.to_owned(), content_type: content_type.map(str::to_owned) })
    };
    all.iter().map(medium).collect::<Option<_>>().ok_or(Problem::Malformed("media"))
}
