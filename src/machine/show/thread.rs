//! The thread of an event: events of one thread are delivered in order, one at a time.
//!
//! Events of a call are its thread. Other events belong to what they are about: a contact, an account, one of our numbers,
//! a message, an endpoint. So what somebody said last, STOP or START, is what the platform hears last of it; that is why
//! `contact.*` is of the contact's thread also where it was said in a call.
//!
//! Invariant: a name holds nothing of a person, because it is written into the journal where no erasure reaches it. A
//! contact is one of 65,536 groups; whoever knows a group's name knows it of a hundred thousand numbers alike.

use super::super::Private;
use super::super::event::{Event, NumberedEvent};
use crate::model::{CallId, EventId};
use siphasher::sip::SipHasher13;
use std::borrow::Cow;
use std::fmt::Display;
use std::hash::Hasher;

/// What names of contacts' threads begin with. No call's id has this character.
pub const CONTACTS: &str = "~contact-";

/// The name of an event's thread.
pub(super) fn name(event: &NumberedEvent, id: EventId) -> Cow<'_, str> {
    if let Some(call) = call(event) {
        return Cow::Borrowed(call.as_str());
    }
    match &event.fact {
        Event::OptedOut { contact, .. } | Event::OptedIn { contact, .. } => of_contact(contact),
        Event::MessageLate(late) => of_contact(&late.from),
        Event::AccountPaused { account, .. }
        | Event::AccountHeld { account, .. }
        | Event::AccountResumed { account } => Some(format!("~account-{account}")),
        Event::VerificationChanged { number, .. } => Some(format!("~number-{number}")),
        Event::MessageQueued { message, .. } | Event::MessageChanged { message, .. } => Some(message.id.to_string()),
        Event::FeedGap { endpoint, .. } => Some(format!("~endpoint-{endpoint}")),
        Event::JournalLost { .. } => Some("~journal".to_owned()),
        _ => None,
    }
    .unwrap_or_else(|| id.to_string())
    .into()
}

/// Whether nothing older can be of the event's thread.
pub(super) fn begins(event: &NumberedEvent) -> bool {
    match (event.call_sequence, &event.fact) {
        (Some(sequence), _) => sequence == 1,
        (None, Event::MessageQueued { .. } | Event::Quarantined { .. }) => true,
        (None, _) => false,
    }
}

/// The call in whose order the event is. Before version 4 of records that was also the call somebody said STOP in.
pub(super) fn call(event: &NumberedEvent) -> Option<&CallId> {
    match &event.fact {
        Event::OptedOut { .. } | Event::OptedIn { .. } if event.call_sequence.is_none() => None,
        fact => fact.call(),
    }
}

/// Whether the event was of a contact who was erased, so that nobody knows its thread any more.
pub(super) fn is_erased(event: &NumberedEvent) -> bool {
    match &event.fact {
        Event::OptedOut { contact, .. } | Event::OptedIn { contact, .. } => {
            contact.kept().is_none() && call(event).is_none()
        }
        Event::MessageLate(late) => late.from.kept().is_none(),
        _ => false,
    }
}

/// The thread of a contact's group; none where the contact was erased.
fn of_contact<T: Display>(contact: &Private<T>) -> Option<String> {
    let mut hasher = SipHasher13::new();
    hasher.write(contact.kept()?.to_string().as_bytes());
    let group = hasher.finish() & 0xffff;
    Some(format!("{CONTACTS}{group:04x}"))
}
