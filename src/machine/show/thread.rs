//! The thread of an event: events of one thread are delivered in order, one at a time.
//!
//! Events of a call form its thread. Other events belong to the thread of their subject: a contact, an account, one of
//! our numbers, a message, an endpoint. `contact.*` is in the contact's thread even if STOP or START was sent during a
//! call, so that the platform gets a contact's keywords in the order they were sent.
//!
//! Invariant: a thread's name contains no personal data, because it is written to the journal outside the bodies that
//! can be erased. A contact is mapped to one of 65,536 groups, so a group's name fits a hundred thousand numbers.

use super::super::Private;
use super::super::event::{Event, NumberedEvent};
use super::super::state::CapOwner;
use super::audit;
use crate::model::{CallId, EventId};
use siphasher::sip::SipHasher13;
use std::borrow::Cow;
use std::fmt::Display;
use std::hash::Hasher;

/// The prefix of contacts' threads. Call ids cannot contain `~`.
pub const CONTACTS: &str = "~contact-";

/// Returns the name of an event's thread.
pub(super) fn name(event: &NumberedEvent, id: EventId) -> Cow<'_, str> {
    if let Some(call) = call(event) {
        return Cow::Borrowed(call.as_str());
    }
    match &event.event {
        Event::OptedOut { contact, .. } | Event::OptedIn { contact, .. } => of_contact(contact),
        Event::MessageLate(late) => of_contact(&late.from),
        Event::AccountPaused { account, .. }
        | Event::AccountResumed { account, .. }
        | Event::Suspended { owner: CapOwner::Account(account), .. }
        | Event::SuspensionEnded { owner: CapOwner::Account(account) } => Some(format!("~account-{account}")),
        Event::VerificationChanged { number, .. } => Some(format!("~number-{number}")),
        Event::MessageQueued { message, .. }
        | Event::MessageChanged { message, .. }
        | Event::MediumSettled { message, .. } => Some(message.id.to_string()),
        Event::FeedGap { endpoint, .. } => Some(format!("~endpoint-{endpoint}")),
        Event::JournalLost { .. } => Some("~journal".to_owned()),
        Event::Audited { changed, .. } => Some(audit::thread(changed.as_ref())),
        _ => None,
    }
    .unwrap_or_else(|| id.to_string())
    .into()
}

/// Whether the event is certainly the first of its thread.
pub(super) fn begins(event: &NumberedEvent) -> bool {
    match (event.call_sequence, &event.event) {
        (Some(sequence), _) => sequence == 1,
        (None, Event::MessageQueued { .. } | Event::Quarantined { .. }) => true,
        (None, _) => false,
    }
}

/// Returns the call whose thread the event is in. Before record version 4 that included the call in which STOP was
/// sent.
pub(super) fn call(event: &NumberedEvent) -> Option<&CallId> {
    match &event.event {
        Event::OptedOut { .. } | Event::OptedIn { .. } if event.call_sequence.is_none() => None,
        event => event.call(),
    }
}

/// Whether the event belongs to an erased contact, so that its thread is unknown.
pub(super) fn is_erased(event: &NumberedEvent) -> bool {
    match &event.event {
        Event::OptedOut { contact, .. } | Event::OptedIn { contact, .. } => {
            contact.kept().is_none() && call(event).is_none()
        }
        Event::MessageLate(late) => late.from.kept().is_none(),
        _ => false,
    }
}

/// Returns the thread of a contact's group; `None` if the contact was erased.
fn of_contact<T: Display>(contact: &Private<T>) -> Option<String> {
    let mut hasher = SipHasher13::new();
    hasher.write(contact.kept()?.to_string().as_bytes());
    let group = hasher.finish() & 0xffff;
    Some(format!("{CONTACTS}{group:04x}"))
}
