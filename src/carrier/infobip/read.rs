//! Parses a webhook's array into the model. <https://www.infobip.com/docs/api/channels/sms/inbound-sms>
//!
//! An element that cannot be parsed is quarantined by itself, as an array with only that element.

use super::{Settings, codes, send};
use crate::carrier::answer::plausible_id;
use crate::carrier::meaning::Meaning;
use crate::carrier::read::{self, MEDIA_MAX, Problem, word};
use crate::carrier::{Unreadable, Webhook, array, json};
use crate::model::{Address, FailureCode, Inbound, InboundItem, InboundMedia, Receipt, ReceiptRef, ReceiptState};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}

/// Parses a verified webhook of `account`.
pub(super) fn webhook(account: &Settings, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
    let envelope = serde_json::from_slice::<Envelope<'_>>(&hook.body)
        .map_err(|_| hook.unreadable("the body is not JSON with an array results: set the number's format to JSON"))?;
    let alone = |element: &str| format!(r#"{{"results":[{element}]}}"#);
    array::items(hook, &envelope.results, alone, |element| item(account, element))
}

fn item(account: &Settings, element: &Value) -> Result<InboundItem, Problem> {
    let word_at = |paths: &[&str]| paths.iter().find_map(|path| json::at(element, path)?.as_str());
    let application = word_at(&["applicationId", "platform.applicationId"]).filter(|id| !id.is_empty());
    if application.is_some_and(|id| account.application_id.as_deref().is_some_and(|ours| ours != id)) {
        return Err(Problem::Other("applicationId differs from application_id in the configuration"));
    }
    if json::at(element, "status").is_some() {
        return receipt(element);
    }
    if ["text", "cleanText", "message", "receivedAt"].iter().any(|name| json::at(element, name).is_some()) {
        return message(account, element);
    }
    // As a change of the blocklist, or that a message was seen.
    let kind = word_at(&["event", "eventType", "type"]).map(word);
    match kind.or_else(|| json::at(element, "seenAt").map(|_| "seen".to_owned())) {
        Some(kind) => Ok(InboundItem::Ignored { kind }),
        None => Err(Problem::Missing("text")),
    }
}

fn message(account: &Settings, element: &Value) -> Result<InboundItem, Problem> {
    let carrier_id = message_id(element)?;
    let from = address(element, "from")?;
    let to = address(element, "to")?;
    if matches!(to, Address::Name(_)) {
        return Err(Problem::Malformed("to"));
    }
    let (text, media) = match json::at(element, "message").and_then(Value::as_array) {
        Some(parts) => mms(parts)?,
        None => {
            let whole = json::text(element, "text")?;
            let text = whole.or(json::text(element, "cleanText")?).ok_or(Problem::Missing("text"))?;
            (text.to_owned(), Vec::new())
        }
    };
    // The one that Infobip recognised, which need not be the whole text.
    let recognised = json::at(element, "keyword").and_then(Value::as_str).filter(|_| account.keywords_on);
    let keyword = recognised.and_then(read::keyword);
    Ok(InboundItem::Message(Inbound {
        carrier_id,
        from,
        to,
        text,
        media,
        segments: json::segments(element, "smsCount"),
        keyword: keyword.map(str::to_owned),
        part: None,
    }))
}

/// Text and media of an MMS, in its order.
fn mms(parts: &[Value]) -> Result<(String, Vec<InboundMedia>), Problem> {
    let (mut texts, mut media) = (Vec::new(), Vec::new());
    for part in parts {
        let content_type = json::text(part, "contentType")?.filter(|kind| !kind.is_empty());
        match (json::text(part, "url")?, json::text(part, "value")?) {
            (Some(url), _) if !url.is_empty() && media.len() < MEDIA_MAX => {
                media.push(InboundMedia { url: url.to_owned(), content_type: content_type.map(str::to_owned) });
            }
            (None, Some(text)) if content_type.is_none_or(|kind| kind.starts_with("text/plain")) => texts.push(text),
            // The layout of the parts.
            (None, _) if content_type.is_some_and(|kind| kind.starts_with("application/smil")) => {}
            // A photo would be lost silently.
            _ => return Err(Problem::Malformed("message")),
        }
    }
    Ok((texts.join("\n"), media))
}

fn receipt(element: &Value) -> Result<InboundItem, Problem> {
    let carrier_id = message_id(element)?;
    let name = json::text(element, "status.name")?.or(json::text(element, "status.groupName")?);
    let name = name.map(word).filter(|name| !name.is_empty());
    let id = json::whole(element, "status.id");
    let status = name.unwrap_or_else(|| format!("status-{}", id.unwrap_or_default()));
    let Some(Verdict { state, code, detail }) = Verdict::of(element) else {
        return Ok(InboundItem::Ignored { kind: status });
    };
    Ok(InboundItem::Receipt(Receipt {
        about: send::ours(&carrier_id).map_or(ReceiptRef::CarrierOnly, ReceiptRef::Ours),
        carrier_id,
        status,
        state,
        carrier_code: code.map(|code| code.to_string()),
        detail: detail.map(str::to_owned),
        segments: json::segments(element, "messageCount"),
    }))
}

/// What a receipt says of a text.
struct Verdict {
    state: ReceiptState,
    /// The error's id, or that of the status if there is no error.
    code: Option<u64>,
    detail: Option<&'static str>,
}

impl Verdict {
    /// `None` for a group that is not known.
    fn of(element: &Value) -> Option<Self> {
        let id = json::whole(element, "status.id");
        let named = || group_named(json::at(element, "status.groupName")?.as_str()?);
        let group = json::whole(element, "status.groupId").or_else(named)?;
        let plain = |state| Some(Self { state, code: None, detail: None });
        match (group, id) {
            (0 | 1, Some(3 | 7)) => plain(ReceiptState::Sent),
            (0 | 1, _) => plain(ReceiptState::Queued),
            // To the network only, and unknown to the network: no further receipt follows.
            (3, Some(2)) | (4, Some(29)) => plain(ReceiptState::Sent),
            (3, _) => plain(ReceiptState::Delivered),
            (2 | 4 | 5, _) => Some(Self::failed(group, id, element)),
            _ => None,
        }
    }

    fn failed(group: u64, id: Option<u64>, element: &Value) -> Self {
        let error_id = json::whole(element, "error.id").filter(|id| *id != 0);
        let permanent = json::at(element, "error.permanent").and_then(Value::as_bool);
        let known = error_id.and_then(codes::error).or_else(|| codes::status(id?));
        let failure = known.as_ref().map(Meaning::failure);
        let (failure, detail) = match (failure, permanent) {
            // The carrier knows better whether to try again.
            (Some(FailureCode::Unreachable | FailureCode::CarrierError), Some(true)) if error_id.is_some() => {
                (FailureCode::CarrierRejected, None)
            }
            (Some(failure), _) => (failure, known.map(|known| known.detail)),
            (None, Some(false)) => (FailureCode::CarrierError, None),
            (None, _) => (FailureCode::CarrierRejected, None),
        };
        let state = match (group, id) {
            (4, _) => ReceiptState::Expired,
            _ if failure == FailureCode::TooLate => ReceiptState::Expired,
            (5, _) | (2, Some(4)) => ReceiptState::Failed(failure),
            _ => ReceiptState::Undelivered(failure),
        };
        Self { state, code: error_id.or(id), detail }
    }
}

fn group_named(name: &str) -> Option<u64> {
    let names = ["ACCEPTED", "PENDING", "UNDELIVERABLE", "DELIVERED", "EXPIRED", "REJECTED"];
    names.iter().position(|known| name.eq_ignore_ascii_case(known)).and_then(|at| u64::try_from(at).ok())
}

fn message_id(element: &Value) -> Result<String, Problem> {
    let id = json::required(element, "messageId")?;
    if plausible_id(id) { Ok(id.to_owned()) } else { Err(Problem::Malformed("messageId")) }
}

/// Numbers come without plus.
fn address(element: &Value, name: &'static str) -> Result<Address, Problem> {
    read::address_without_plus(json::required(element, name)?).ok_or(Problem::Malformed(name))
}
