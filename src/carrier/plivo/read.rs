//! Parses a webhook's form into the model.
//!
//! A webhook of a known kind is parsed, or is an error and quarantined; one of an unknown kind is
//! [`InboundItem::Ignored`].

use super::{Settings, codes};
use crate::carrier::answer::plausible_id;
use crate::carrier::form::{Fields, is_form};
use crate::carrier::read::{self, MEDIA_MAX, Problem, address_without_plus, word};
use crate::carrier::{Unreadable, Webhook};
use crate::model::{Address, FailureCode, Inbound, InboundItem, InboundMedia, Receipt, ReceiptState};
use http::Method;

/// Words that Plivo handles and answers itself if a text to a number in the US or Canada is one of them.
const STOP_WORDS: [&str; 7] = ["STOP", "STOP ALL", "END", "QUIT", "CANCEL", "UNSUB", "UNSUBSCRIBE"];
const HELP_WORDS: [&str; 2] = ["HELP", "INFO"];

/// Parses a verified webhook of `account`.
pub(super) fn webhook(account: &Settings, hook: &Webhook) -> Result<InboundItem, Unreadable> {
    read(account, hook).map_err(|problem| hook.unreadable(problem))
}

fn read(account: &Settings, hook: &Webhook) -> Result<InboundItem, Problem> {
    if hook.method == Method::POST && !is_form(&hook.headers) {
        return Err(Problem::Other("the body is not a form"));
    }
    let is_get = hook.method == Method::GET;
    let fields = Fields::of(if is_get { hook.query().as_bytes() } else { &hook.body });
    match (fields.text("Status")?, fields.text("MessageUUID")?, fields.text("Event")?) {
        // The webhooks of calls have an event and no message.
        (_, None, Some(event)) => Ok(InboundItem::Ignored { kind: word(event) }),
        (Some(""), ..) => Err(Problem::Malformed("Status")),
        (Some(status), ..) => match state(status, error_code(&fields)?) {
            Some(state) => receipt(status, state, &fields, hook.query()),
            None => Ok(InboundItem::Ignored { kind: word(status) }),
        },
        (None, ..) => message(account, &fields),
    }
}

fn message(account: &Settings, fields: &Fields<'_>) -> Result<InboundItem, Problem> {
    let kind = fields.text("Type")?.unwrap_or("sms");
    // Another channel's addresses are not numbers of ours.
    if !kind.eq_ignore_ascii_case("sms") && !kind.eq_ignore_ascii_case("mms") {
        return Err(Problem::Other("Type is neither sms nor mms"));
    }
    let carrier_id = id(fields, "MessageUUID")?;
    let from = address(fields, "From")?;
    let to = address(fields, "To")?;
    if matches!(to, Address::Name(_)) {
        return Err(Problem::Malformed("To"));
    }
    let media = media(fields)?;
    // Some examples of messages with media have the one, some the other.
    let text = match (fields.text("Text")?, fields.text("Body")?) {
        (Some(text), _) | (None, Some(text)) => text.to_owned(),
        (None, None) if media.is_empty() => return Err(Problem::Missing("Text")),
        (None, None) => String::new(),
    };
    let keyword = keyword(account, &to, &text);
    let segments = segments(fields)?;
    Ok(InboundItem::Message(Inbound { carrier_id, from, to, text, media, segments, keyword, part: None }))
}

/// The receipt of a text, or of a part of a long one: those have an id of their own and that of the text.
fn receipt(status: &str, state: ReceiptState, fields: &Fields<'_>, query: &str) -> Result<InboundItem, Problem> {
    let code = error_code(fields)?;
    let carrier_id = match fields.text("ParentMessageUUID")? {
        Some(id) if plausible_id(id) => id.to_owned(),
        _ => id(fields, "MessageUUID")?,
    };
    Ok(InboundItem::Receipt(Receipt {
        about: read::about(query)?,
        carrier_id,
        status: status.to_owned(),
        state,
        carrier_code: code.map(|code| code.to_string()),
        detail: code.and_then(codes::meaning).map(|meaning| meaning.detail.to_owned()),
        segments: segments(fields)?,
    }))
}

/// The state for a receipt's status; `None` for an unknown status.
fn state(status: &str, code: Option<u32>) -> Option<ReceiptState> {
    let failed =
        |is_refusal: bool, unknown| match code.and_then(codes::meaning).map_or(unknown, |meaning| meaning.failure()) {
            FailureCode::TooLate => ReceiptState::Expired,
            failure if is_refusal || code.is_some_and(codes::is_refusal) => ReceiptState::Failed(failure),
            failure => ReceiptState::Undelivered(failure),
        };
    Some(match status {
        "queued" => ReceiptState::Queued,
        "sent" => ReceiptState::Sent,
        "delivered" | "read" => ReceiptState::Delivered,
        "undelivered" => failed(false, FailureCode::CarrierError),
        "failed" => failed(true, FailureCode::CarrierError),
        "rejected" => failed(true, FailureCode::CarrierRejected),
        _ => return None,
    })
}

fn id(fields: &Fields<'_>, name: &'static str) -> Result<String, Problem> {
    let id = fields.text(name)?.ok_or(Problem::Missing(name))?;
    if plausible_id(id) { Ok(id.to_owned()) } else { Err(Problem::Malformed(name)) }
}

fn address(fields: &Fields<'_>, name: &'static str) -> Result<Address, Problem> {
    address_without_plus(fields.text(name)?.ok_or(Problem::Missing(name))?).ok_or(Problem::Malformed(name))
}

/// `Media0` and following. Plivo does not document a count of them.
fn media(fields: &Fields<'_>) -> Result<Vec<InboundMedia>, Problem> {
    let mut media = Vec::new();
    while let Some(url) = fields.numbered("Media", media.len())? {
        if url.is_empty() || media.len() == MEDIA_MAX {
            return Err(Problem::Malformed("Media"));
        }
        media.push(InboundMedia { url: url.to_owned(), content_type: None });
    }
    Ok(media)
}

/// The segment count. Nothing depends on it, so an invalid one is ignored.
fn segments(fields: &Fields<'_>) -> Result<Option<u16>, Problem> {
    Ok(fields.text("Units")?.and_then(|count| count.parse().ok()).filter(|count| *count > 0))
}

/// The keyword that Plivo handles and answers; its webhook does not say so. It tolerates blanks at the end only. START
/// words are not matched, because the block to lift is known from STOP.
fn keyword(account: &Settings, to: &Address, text: &str) -> Option<String> {
    let is_handled = !account.keywords_off && to.number().is_some_and(|number| number.is_plus_one());
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.trim_end().eq_ignore_ascii_case(word));
    let keyword = match is_handled {
        true if is_one_of(&STOP_WORDS) => "STOP",
        true if is_one_of(&HELP_WORDS) => "HELP",
        _ => return None,
    };
    Some(keyword.to_owned())
}

/// `ErrorCode`, if it is an error; 000 means delivered.
fn error_code(fields: &Fields<'_>) -> Result<Option<u32>, Problem> {
    Ok(fields.text("ErrorCode")?.and_then(|code| code.parse().ok()).filter(|code| *code != 0))
}
