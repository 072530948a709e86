//! What is remembered of people: contacts (A23), replies (A22, A71) and landlines (A18).

use super::draft::Draft;
use crate::machine::event::Event;
use crate::machine::state::{Call, Contact, Usage};
use crate::machine::view::{PeopleQueries, View};
use crate::model::{E164, Kind, Language};
use crate::rules::auto_reply;
use std::time::Duration;

/// The unit of settings in days, and how long replies count.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Stores a call's contact and language (A23), if texts were exchanged.
pub(super) fn remember<V: View>(draft: &mut Draft<'_, V>, call: &Call, language: &Language) {
    let Usage { received, segments_sent, .. } = call.usage;
    let Some((ours, theirs)) = call.our_number.zip(call.party()).filter(|_| received + segments_sent > 0) else {
        return;
    };
    let before = draft.view.contact(ours, theirs, draft.now()).unwrap_or_default();
    let contact = Contact {
        last_call: Some(call.id.clone()),
        language: Some(language.clone()),
        closed_at: Some(draft.now()),
        ..before
    };
    draft.record(Event::ContactStored { ours, theirs: theirs.into(), contact });
}

/// Records that a reply is sent now (A22).
pub(super) fn replied<V: View>(draft: &mut Draft<'_, V>, ours: E164, theirs: E164, mut contact: Contact) {
    let now = draft.now();
    contact.replied_at.retain(|at| now.since(*at) < DAY);
    contact.replied_at.push(now);
    draft.record(Event::ContactStored { ours, theirs: theirs.into(), contact });
}

/// Whether the caps of auto-replies allow a reply to HELP; if so, counts it.
pub(super) fn replies_again<V: View>(draft: &mut Draft<'_, V>, theirs: E164, ours: E164) -> bool {
    if draft.opted_out(theirs, ours) {
        return false;
    }
    let contact = draft.view.contact(ours, theirs, draft.now()).unwrap_or_default();
    let allowed = auto_reply::has_capacity(&contact.replied_at, draft.directory(), draft.now()).is_ok();
    if allowed {
        replied(draft, ours, theirs, contact);
    }
    allowed
}

/// Returns the language for a sender who is on no call: that of their last call, else of the queue they wrote to.
pub(super) fn language<V: View>(draft: &Draft<'_, V>, theirs: E164, ours: E164) -> Language {
    let directory = draft.directory();
    let last = draft.view.contact(ours, theirs, draft.now()).and_then(|contact| contact.language);
    last.or_else(|| directory.owner_of(ours).map(|queue| directory.language_of(queue)))
        .unwrap_or_else(|| directory.settings.default_language.clone())
}

/// Whether a sender is on no call and, as far as is remembered for the number they wrote to, never was (A71).
pub(super) fn is_stranger<V: View>(draft: &Draft<'_, V>, theirs: E164, contact: Option<&Contact>) -> bool {
    contact.is_none_or(|contact| contact.closed_at.is_none()) && draft.live(theirs).is_empty()
}

/// Whether a keyword may be answered, and counts the answer if so. Senders who were never on a call share an hourly cap
/// (A71).
pub(super) fn answers_stranger<V: View>(draft: &mut Draft<'_, V>, kind: Kind, theirs: E164, ours: E164) -> bool {
    let contact = draft.view.contact(ours, theirs, draft.now());
    if !is_stranger(draft, theirs, contact.as_ref()) {
        return true;
    }
    let answers = draft.view.strangers_answered(kind);
    let most = draft.directory().settings.auto_reply.strangers_per_hour;
    if !answers.has_capacity(most, draft.now()) {
        return false;
    }
    draft.record(Event::StrangerAnswered { kind, answers: answers.with_one_more(draft.now()) });
    true
}

/// Records that a number is a landline, so that the next send to it is refused at once (A18).
pub(super) fn landline<V: View>(draft: &mut Draft<'_, V>, number: E164) {
    let days = draft.directory().settings.landline_memory_days;
    draft.record(Event::LandlineFound { number: number.into(), until: draft.now() + DAY * days });
}
