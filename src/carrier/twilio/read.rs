//! A webhook's form in the model's words.
//!
//! Known and readable, known and not (an error, for quarantine), or of a kind that is none of ours ([`InboundItem::Ignored`]).

use super::signature::is_form;
use super::{Account, codes};
use crate::carrier::answer::plausible_id;
use crate::carrier::{Unreadable, Webhook, form};
use crate::model::{
    Address, FailureCode, Inbound, InboundItem, InboundMedia, MessageId, Receipt, ReceiptRef, ReceiptState,
};
use bytes::Bytes;
use http::Method;
use std::str;

/// The most media read from a message. Twilio's own limit is 10; what is over ours is refused by name later (A50).
const MEDIA_MAX: usize = 32;

/// The most characters of a sender: a number, a short code, a name of 11 characters, or another channel's address.
const ADDRESS_MAX_CHARACTERS: usize = 64;

/// The most characters of a carrier's word in a log or a count.
const WORD_MAX_CHARACTERS: usize = 32;

/// Words that Twilio acts on by itself, alone in a text, and answers; REVOKE and OPTOUT since 2025.
const STOP_WORDS: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const HELP_WORDS: [&str; 2] = ["HELP", "INFO"];

/// Reads a verified webhook to `account`.
pub(super) fn webhook(account: &Account, hook: &Webhook) -> Result<InboundItem, Unreadable> {
    read(account, hook)
        .map_err(|problem| Unreadable { raw: Bytes::copy_from_slice(hook.content()), problem: problem.to_string() })
}

/// What could not be understood, in words that hold nothing of the content.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the body is no form")]
    NoForm,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} stands twice with different values")]
    Twice(&'static str),
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    #[error("{0} is not readable")]
    Malformed(&'static str),
    #[error("AccountSid is of another account than account_sid in the configuration")]
    OtherAccount,
}

fn read(account: &Account, hook: &Webhook) -> Result<InboundItem, Problem> {
    if hook.method == Method::POST && !is_form(&hook.headers) {
        return Err(Problem::NoForm);
    }
    let fields = Fields::of(if hook.method == Method::GET { hook.query().as_bytes() } else { &hook.body });

    // Subaccounts sign with tokens of their own. Our token under another account's name is a slip in our configuration,
    // and its message is to wait until that is mended rather than be taken for this account's.
    if fields.text("AccountSid")?.is_some_and(|sid| sid != account.account_sid) {
        return Err(Problem::OtherAccount);
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

fn message(account: &Account, fields: &Fields<'_>) -> Result<InboundItem, Problem> {
    let carrier_id = message_sid(fields)?;
    let from = address(fields, "From")?;
    let to = address(fields, "To")?;
    if matches!(to, Address::Name(_)) {
        // Another channel's address, or nothing of ours: no rule could say whose message this is.
        return Err(Problem::Malformed("To"));
    }
    let media = media(fields)?;
    let text = match fields.text("Body")? {
        Some(text) => text.to_owned(),
        None if media.is_empty() => return Err(Problem::Missing("Body")),
        None => String::new(),
    };
    let keyword = keyword(account, fields, &text)?;
    Ok(InboundItem::Message(Inbound { carrier_id, from, to, text, media, segments: segments(fields)?, keyword }))
}

fn receipt(status: &str, state: ReceiptState, fields: &Fields<'_>, query: &str) -> Result<InboundItem, Problem> {
    let code = error_code(fields)?;
    Ok(InboundItem::Receipt(Receipt {
        about: about(query)?,
        carrier_id: message_sid(fields)?,
        status: status.to_owned(),
        state,
        carrier_code: code.map(|code| code.to_string()),
        detail: code.and_then(codes::meaning).map(|meaning| meaning.detail.to_owned()),
        segments: segments(fields)?,
    }))
}

/// What a receipt's status says; nothing for a status that Twilio did not have when this was written.
fn failure_or_state(status: &str, fields: &Fields<'_>) -> Result<Option<ReceiptState>, Problem> {
    let failure = |unknown| -> Result<FailureCode, Problem> {
        Ok(error_code(fields)?.and_then(codes::meaning).map_or(unknown, |meaning| meaning.failure()))
    };
    Ok(Some(match status {
        "accepted" | "scheduled" | "queued" | "sending" => ReceiptState::Queued,
        // Twilio does not say that this is its last word, so the text stays sent, and a later receipt may say more.
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
        // We never do: somebody did in Twilio's console.
        "canceled" => ReceiptState::Failed(FailureCode::CancelledByRequest),
        _ => return Ok(None),
    }))
}

fn message_sid(fields: &Fields<'_>) -> Result<String, Problem> {
    let sid = fields.text("MessageSid")?.ok_or(Problem::Missing("MessageSid"))?;
    if plausible_id(sid) { Ok(sid.to_owned()) } else { Err(Problem::Malformed("MessageSid")) }
}

fn address(fields: &Fields<'_>, name: &'static str) -> Result<Address, Problem> {
    let text = fields.text(name)?.ok_or(Problem::Missing(name))?;
    let plausible = !text.is_empty() && text.chars().take(ADDRESS_MAX_CHARACTERS + 1).count() <= ADDRESS_MAX_CHARACTERS;
    if plausible { Ok(Address::read(text)) } else { Err(Problem::Malformed(name)) }
}

/// `MediaUrl0` and on, as many as `NumMedia` says: a count that does not fit would mean a photo lost without a word.
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
    // A count that is no number is of no matter where there is nothing to count.
    let fits = count.map_or(media.is_empty(), |count| count == media.len());
    if fits { Ok(media) } else { Err(Problem::Malformed("NumMedia")) }
}

/// What a segment count is worth: nothing depends on it, so one that cannot be read is none.
fn segments(fields: &Fields<'_>) -> Result<Option<u16>, Problem> {
    Ok(fields.text("NumSegments")?.and_then(|count| count.parse().ok()).filter(|count| *count > 0))
}

/// The keyword that Twilio acts on and answers: it says so where its Advanced Opt-Out is on, and else goes by its own
/// list, unless that is switched off. What START undoes is known from STOP, so no text of that class is looked for.
fn keyword(account: &Account, fields: &Fields<'_>, text: &str) -> Result<Option<String>, Problem> {
    let told = fields.text("OptOutType")?.map(str::to_ascii_uppercase);
    if let Some(told) = told.filter(|told| matches!(told.as_str(), "STOP" | "START" | "HELP")) {
        return Ok(Some(told));
    }
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    Ok(if account.keywords_off {
        None
    } else if is_one_of(&STOP_WORDS) {
        Some("STOP".to_owned())
    } else if is_one_of(&HELP_WORDS) {
        Some("HELP".to_owned())
    } else {
        None
    })
}

/// `ErrorCode`, where it names an error; 0 is none.
fn error_code(fields: &Fields<'_>) -> Result<Option<u32>, Problem> {
    Ok(fields.text("ErrorCode")?.and_then(|code| code.parse().ok()).filter(|code| *code != 0))
}

/// Our own id, from the query of the URL we gave with the send. A receipt for somebody else's send has none.
fn about(query: &str) -> Result<ReceiptRef, Problem> {
    let ours = Fields::of(query.as_bytes()).text("message")?.and_then(|id| id.parse::<MessageId>().ok());
    Ok(ours.map_or(ReceiptRef::CarrierOnly, ReceiptRef::Ours))
}

/// A carrier's word, fit for a log: what a word is made of, and not much of it.
fn word(text: &str) -> String {
    let fit = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    text.chars().filter(fit).take(WORD_MAX_CHARACTERS).collect()
}

/// A form's pairs, decoded. Names are looked through one by one: there are about thirty.
struct Fields<'a>(Vec<form::Pair<'a>>);

impl<'a> Fields<'a> {
    fn of(form: &'a [u8]) -> Self {
        Self(form::pairs(form).collect())
    }

    /// The value of `name`. The same value twice is one, as it is to the signature.
    fn text(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        self.find(name, name)
    }

    /// The value of `name` with a number behind it.
    fn numbered(&self, name: &'static str, number: usize) -> Result<Option<&str>, Problem> {
        self.find(&format!("{name}{number}"), name)
    }

    /// The value of `name`; a problem with it is told under `family`, which is not of the webhook's making.
    fn find(&self, name: &str, family: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(found, _)| **found == *name.as_bytes()).map(|(_, value)| value);
        let Some(value) = values.next() else { return Ok(None) };
        if values.any(|other| other != value) {
            return Err(Problem::Twice(family));
        }
        str::from_utf8(value).map(Some).map_err(|_| Problem::NotUtf8(family))
    }
}
