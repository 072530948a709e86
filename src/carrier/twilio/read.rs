//! Parses a webhook's form into the model.
//!
//! A webhook of a known kind is parsed, or is an error and quarantined; one of an unknown kind is
//! [`InboundItem::Ignored`].

use super::{Settings, codes};
use crate::carrier::answer::plausible_id;
use crate::carrier::form::{Fields, is_form};
use crate::carrier::read::{self, MEDIA_MAX, Problem, word};
use crate::carrier::{Unreadable, Webhook};
use crate::model::{Address, FailureCode, Inbound, InboundItem, InboundMedia, Receipt, ReceiptState};
use http::Method;

/// Words that Twilio handles and answers itself if a text consists of one of them; REVOKE and OPTOUT since 2025.
const STOP_WORDS: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const HELP_WORDS: [&str; 2] = ["HELP", "INFO"];

/// Parses a verified webhook of `account`.
pub(super) fn webhook(account: &Settings, hook: &Webhook) -> Result<InboundItem, Unreadable> {
    read(account, hook).map_err(|problem| hook.unreadable(problem))
}

fn read(account: &Settings, hook: &Webhook) -> Result<InboundItem, Problem> {
    if hook.method == Method::POST && !is_form(&hook.headers) {
        return Err(Problem::Other("the body is not a form"));
    }
    let fields = Fields::of(if hook.method == Method::GET { hook.query().as_bytes() } else { &hook.body });

    // Subaccounts sign with their own tokens. Our token with another account's SID is a configuration error, so the
    // message is quarantined until that is fixed instead of being attributed to this account.
    if fields.text("AccountSid")?.is_some_and(|sid| sid != account.account_sid) {
        return Err(Problem::Other("AccountSid differs from account_sid in the configuration"));
    }
    let status = match fields.text("MessageStatus")? {
        Some(status) => Some(status),
        None => fields.text("SmsStatus")?,
    };
    match (status, fields.text("EventType")?) {
        (None, Some(event)) => Ok(InboundItem::Ignored { kind: word(event) }),
        (Some(""), _) => Err(Problem::Malformed("MessageStatus")),
        (None | Some("received" | "receiving"), _) => message(account, &fields),
        (Some(status), _) => match failure_or_state(status, &fields)? {
            Some(state) => receipt(status, state, &fields, hook.query()),
            None => Ok(InboundItem::Ignored { kind: word(status) }),
        },
    }
}

fn message(account: &Settings, fields: &Fields<'_>) -> Result<InboundItem, Problem> {
    let carrier_id = message_sid(fields)?;
    let from = address(fields, "From")?;
    let to = address(fields, "To")?;
    if matches!(to, Address::Name(_)) {
        // Another channel's address, or not ours: the message cannot be attributed to one of our numbers.
        return Err(Problem::Malformed("To"));
    }
    let media = media(fields)?;
    let text = match fields.text("Body")? {
        Some(text) => text.to_owned(),
        None if media.is_empty() => return Err(Problem::Missing("Body")),
        None => String::new(),
    };
    let keyword = keyword(account, fields.text("OptOutType")?, &text);
    Ok(InboundItem::Message(Inbound {
        carrier_id,
        from,
        to,
        text,
        media,
        segments: segments(fields)?,
        keyword,
        part: None,
    }))
}

fn receipt(status: &str, state: ReceiptState, fields: &Fields<'_>, query: &str) -> Result<InboundItem, Problem> {
    let code = error_code(fields)?;
    Ok(InboundItem::Receipt(Receipt {
        about: read::about(query)?,
        carrier_id: message_sid(fields)?,
        status: status.to_owned(),
        state,
        carrier_code: code.map(|code| code.to_string()),
        detail: code.and_then(codes::meaning).map(|meaning| meaning.detail.to_owned()),
        segments: segments(fields)?,
    }))
}

/// The state for a receipt's status; `None` for an unknown status.
fn failure_or_state(status: &str, fields: &Fields<'_>) -> Result<Option<ReceiptState>, Problem> {
    let failure = |unknown| -> Result<FailureCode, Problem> {
        Ok(error_code(fields)?.and_then(codes::meaning).map_or(unknown, |meaning| meaning.failure()))
    };
    Ok(Some(match status {
        "accepted" | "scheduled" | "queued" | "sending" => ReceiptState::Queued,
        // Twilio does not document these as final, so the text stays in state sent, and a later receipt may change it.
        "sent" | "partially_delivered" => ReceiptState::Sent,
        "delivered" | "read" => ReceiptState::Delivered,
        "undelivered" => match failure(FailureCode::CarrierError)? {
            FailureCode::TooLate => ReceiptState::Expired,
            failure => ReceiptState::Undelivered(failure),
        },
        "failed" => match failure(FailureCode::CarrierRejected)? {
            FailureCode::TooLate => ReceiptState::Expired,
            failure => ReceiptState::Failed(failure),
        },
        // The gateway never cancels at Twilio: this was done in Twilio's console.
        "canceled" => ReceiptState::Failed(FailureCode::CancelledByRequest),
        _ => return Ok(None),
    }))
}

fn message_sid(fields: &Fields<'_>) -> Result<String, Problem> {
    let sid = fields.text("MessageSid")?.ok_or(Problem::Missing("MessageSid"))?;
    if plausible_id(sid) { Ok(sid.to_owned()) } else { Err(Problem::Malformed("MessageSid")) }
}

fn address(fields: &Fields<'_>, name: &'static str) -> Result<Address, Problem> {
    read::address(fields.text(name)?.ok_or(Problem::Missing(name))?).ok_or(Problem::Malformed(name))
}

/// `MediaUrl0` and following, as many as `NumMedia` says. A count that does not match is an error, because a photo
/// would be lost silently.
fn media(fields: &Fields<'_>) -> Result<Vec<InboundMedia>, Problem> {
    let count = match fields.text("NumMedia")? {
        Some(count) => count.parse::<usize>().ok(),
        None => Some(0),
    };
    let mut media = Vec::new();
    while let Some(url) = fields.numbered("MediaUrl", media.len())? {
        if url.is_empty() || media.len() == MEDIA_MAX {
            return Err(Problem::Malformed("MediaUrl"));
        }
        let content_type = fields.numbered("MediaContentType", media.len())?.filter(|kind| !kind.is_empty());
        media.push(InboundMedia { url: url.to_owned(), content_type: content_type.map(str::to_owned) });
    }
    // A count that is not a number is accepted if there are no media.
    let fits = count.map_or(media.is_empty(), |count| count == media.len());
    if fits { Ok(media) } else { Err(Problem::Malformed("NumMedia")) }
}

/// The segment count. Nothing depends on it, so an invalid one is ignored.
fn segments(fields: &Fields<'_>) -> Result<Option<u16>, Problem> {
    Ok(fields.text("NumSegments")?.and_then(|count| count.parse().ok()).filter(|count| *count > 0))
}

/// The keyword that Twilio handles and answers: reported in `OptOutType` if Advanced Opt-Out is on, else determined by
/// Twilio's list, unless that is switched off. START words are not matched, because the block to lift is known from
/// STOP.
pub(super) fn keyword(account: &Settings, reported: Option<&str>, text: &str) -> Option<String> {
    let reported = reported.map(str::to_ascii_uppercase);
    if let Some(keyword) = reported.filter(|word| matches!(word.as_str(), "STOP" | "START" | "HELP")) {
        return Some(keyword);
    }
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    if account.keywords_off {
        None
    } else if is_one_of(&STOP_WORDS) {
        Some("STOP".to_owned())
    } else if is_one_of(&HELP_WORDS) {
        Some("HELP".to_owned())
    } else {
        None
    }
}

/// `ErrorCode`, if it is an error; 0 means no error.
fn error_code(fields: &Fields<'_>) -> Result<Option<u32>, Problem> {
    Ok(fields.text("ErrorCode")?.and_then(|code| code.parse().ok()).filter(|code| *code != 0))
}
