//! The type of a platform event, and its `data`.

use super::{DIRECTORY_CHANGED, Text, audit, call, cursor};
use crate::machine::Private;
use crate::machine::event::{CommittedFrame, Event, LateMessage};
use crate::machine::state::{CapOwner, Medium, MediumState, Message};
use crate::model::{CallId, E164, Json, MediaId, MessageState, OptOutBy, QuarantineId, Timestamp, Verification};
use crate::rules::breaker::{Cause, Reason};
use serde_json::{Value, json};

/// Returns the type of the platform event; `None` if the platform gets none.
pub(super) fn kind(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::CallStarted(_) => "call.started",
        Event::CallUpdated(_) => "call.updated",
        Event::CallEnded(_) => "call.ended",
        Event::MessageReceived { .. } => "message.received",
        Event::MessageQueued { .. } => "message.queued",
        Event::MessageChanged { message, .. } => changed(message.state)?,
        Event::MessageLate(_) => "message.late",
        Event::MediumSettled { message, medium } => settled(medium_of(message, *medium)?)?,
        Event::Quarantined { .. } => "quarantine.added",
        Event::OptedOut { .. } => "contact.opted_out",
        Event::OptedIn { .. } => "contact.opted_in",
        Event::VerificationChanged { .. } => "number.verification_changed",
        Event::AccountPaused { .. } | Event::Suspended { owner: CapOwner::Account(_), .. } => "account.paused",
        Event::AccountResumed { .. } | Event::SuspensionEnded { owner: CapOwner::Account(_) } => "account.resumed",
        Event::FeedGap { .. } => "feed.gap",
        Event::JournalLost { .. } => "journal.loss",
        Event::Audited { action, .. } if audit::changes_the_directory(*action) => DIRECTORY_CHANGED,
        _ => return None,
    })
}

/// The reason why an account pauses that an operator suspended.
const SUSPENDED: &str = "suspended";

/// Returns the `data` of a platform event of `frame`.
pub(super) fn of(event: &Event, frame: &CommittedFrame) -> Value {
    let at = frame.at;
    match event {
        Event::CallStarted(change) | Event::CallUpdated(change) | Event::CallEnded(change) => call(&change.shown),
        Event::MessageReceived { message, text, .. } | Event::MessageQueued { message, text, .. } => {
            super::message(message, with(text.kept()))
        }
        Event::MessageChanged { message, .. } => super::message(message, Text::LeftOut),
        Event::MessageLate(late) => late_data(late, at),
        Event::MediumSettled { message, medium } => json!({
            "message_id": message.id.to_string(),
            "medium": medium_of(message, *medium).map(super::medium),
        }),
        Event::Quarantined { account, problem, .. } => {
            let id = QuarantineId::new(at.day(), frame.position, 0);
            json!({ "id": id.to_string(), "account": account, "problem": problem })
        }
        Event::OptedOut { contact, ours, opt_out, .. } => {
            contact_data(contact, *ours, (opt_out.by == OptOutBy::Keyword).then_some("stop"), opt_out.by)
        }
        // Only a keyword came to one of our numbers.
        Event::OptedIn { contact, ours, .. } => {
            let by = if ours.is_some() { OptOutBy::Keyword } else { OptOutBy::Administrator };
            contact_data(contact, *ours, ours.map(|_| "start"), by)
        }
        Event::AccountPaused { account, breaker, cause } => {
            let until = breaker.paused.map(|paused| paused.until);
            account_data(account, cause.as_ref(), until)
        }
        Event::AccountResumed { account, cause } => account_data(account, cause.as_ref(), None),
        Event::Suspended { owner: CapOwner::Account(account), suspension } => json!({
            "account": account,
            "reason": SUSPENDED,
            "detail": suspension.reason.kept(),
            "until": suspension.until.map(|until| until.to_string()),
        }),
        Event::SuspensionEnded { owner: CapOwner::Account(account) } => {
            json!({ "account": account, "reason": SUSPENDED, "detail": null, "until": null })
        }
        Event::FeedGap { endpoint, from, until } => {
            json!({ "endpoint": endpoint, "from": cursor(*from), "to": cursor(*until) })
        }
        Event::JournalLost { from, until } => json!({ "from": cursor(*from), "to": cursor(*until) }),
        Event::VerificationChanged { number, entry: Json(entry) } => {
            let Verification { state, code, reason, .. } = &entry.verification;
            json!({ "number": number.to_string(), "state": state, "code": code, "reason": reason })
        }
        Event::Audited { actor, action, changed, .. } => {
            audit::changed(actor, *action, changed.as_ref(), frame.position)
        }
        _ => Value::Null,
    }
}

fn with(text: Option<&String>) -> Text<'_> {
    text.map_or(Text::Expired, |text| Text::Is(text))
}

fn changed(state: MessageState) -> Option<&'static str> {
    Some(match state {
        MessageState::Sent => "message.sent",
        MessageState::Delivered => "message.delivered",
        MessageState::Undelivered => "message.undelivered",
        MessageState::Failed => "message.failed",
        MessageState::Cancelled => "message.cancelled",
        MessageState::Expired => "message.expired",
        MessageState::Unconfirmed => "message.unconfirmed",
        MessageState::Received | MessageState::Queued | MessageState::Sending => return None,
    })
}

fn medium_of(message: &Message, id: MediaId) -> Option<&Medium> {
    message.media.iter().find(|medium| medium.id == id)
}

fn settled(medium: &Medium) -> Option<&'static str> {
    match medium.state {
        MediumState::Pending => None,
        MediumState::Ready(_) => Some("media.ready"),
        MediumState::Failed { .. } => Some("media.failed"),
    }
}

/// An account that its circuit breaker paused or resumed, with the cause; records before version 4 have none.
fn account_data(account: &str, cause: Option<&Cause>, until: Option<Timestamp>) -> Value {
    let reason = cause.map_or(Reason::CarrierFailing, |cause| cause.reason);
    let detail = cause.map(|cause| &cause.detail);
    json!({ "account": account, "reason": reason, "detail": detail, "until": until.map(|until| until.to_string()) })
}

fn contact_data(contact: &Private<E164>, ours: Option<E164>, keyword: Option<&str>, by: OptOutBy) -> Value {
    json!({
        "contact": contact.kept().map(ToString::to_string),
        "our_number": ours.map(|ours| ours.to_string()),
        "keyword": keyword,
        "by": by,
    })
}

fn late_data(late: &LateMessage, at: Timestamp) -> Value {
    let mut data = json!({
        "from": late.from.kept().map(ToString::to_string),
        "to": late.to.kept().map(ToString::to_string),
        "at": at.to_string(),
        "auto_replied": late.auto_replied,
        "last_call_id": late.last_call.as_ref().map(CallId::as_str),
    });
    if let Some(text) = &late.text {
        data["text"] = json!(text.kept());
    }
    if late.reconciled {
        data["reconciled"] = json!(true);
    }
    data
}
