//! STOP, START and HELP (A46-A48), from the person or their carrier.

use super::draft::{Draft, Live};
use super::lane::{self, NewText};
use super::{call, contact};
use crate::machine::event::{CallChange, Event};
use crate::machine::state::{Call, OptOut};
use crate::machine::view::{PeopleQueries, View};
use crate::model::{CallId, ClosedReason, E164, FailureCode, Inbound, Kind, OptOutBy, Phase, Session};
use crate::rules::keyword::Keyword;
use crate::rules::opt_out::{self, Block};

/// Returns the keyword that a message from `theirs` to `ours` consists of.
pub(super) fn keyword<V: View>(draft: &Draft<'_, V>, inbound: &Inbound, theirs: E164, ours: E164) -> Option<Keyword> {
    let blocked = draft.opted_out(theirs, ours);
    opt_out::keyword_in(inbound.keyword.as_deref(), &inbound.text, blocked, &draft.directory().settings)
}

/// Opts a number out, as the person or their carrier asks: closes the sessions of its calls and cancels its queued texts,
/// while the calls continue. `ours` is our number that received the keyword or rejection, `in_call` the call. Returns
/// `false` if nothing changed.
pub(super) fn stop<V: View>(
    draft: &mut Draft<'_, V>,
    theirs: E164,
    ours: E164,
    by: OptOutBy,
    in_call: Option<CallId>,
) -> bool {
    let known = draft.opt_out(theirs);
    let before = known.as_ref().map(|known| &known.block);
    let changed = opt_out::stop(before, ours, draft.directory().settings.opt_out_scope);
    // What an administrator set becomes the person's own word.
    let heard = known.as_ref().filter(|known| !known.is_persons()).map(|known| known.block.clone());
    let Some(block) = changed.or(heard) else { return false };
    let since = known.map_or(draft.now(), |known| known.since);
    let opt_out = OptOut { block, since, by, version: draft.at.position, by_person: true };
    draft.record(Event::OptedOut { contact: theirs.into(), ours: Some(ours), call: in_call, opt_out: opt_out.clone() });
    drop_fingerprint(draft, theirs);
    close_texts(draft, theirs, &opt_out.block);
    true
}

/// Closes the sessions of a person's calls that are bound to a number blocked now, and cancels their queued texts.
pub(super) fn close_texts<V: View>(draft: &mut Draft<'_, V>, theirs: E164, block: &Block) {
    for mut call in calls_of(draft, theirs) {
        let bound = call.our_number.is_some_and(|bound| block.covers(bound));
        if bound && call.session != Session::Closed {
            call::cancel_queued(draft, &mut call, FailureCode::OptedOut);
            let before = std::mem::replace(&mut call.session, Session::Closed);
            call.closed_reason = Some(ClosedReason::OptedOut);
            contact::remember(draft, &call, &call.language);
            updated(draft, call, before);
        }
    }
}

/// Opts a number in again for `ours`, which received the keyword; sessions that the opt-out closed may open again.
pub(super) fn start<V: View>(draft: &mut Draft<'_, V>, theirs: E164, ours: E164) {
    let Some(known) = draft.opt_out(theirs) else { return };
    let Some(left) = opt_out::start(Some(&known.block), ours) else { return };
    let version = draft.at.position;
    let left = left.map(|block| OptOut { block, version, ..known });
    let reopened = reopened(draft, theirs, left.as_ref());
    let in_call = reopened.iter().find(|call| call.our_number == Some(ours)).map(|call| call.id.clone());
    draft.record(Event::OptedIn { contact: theirs.into(), ours: Some(ours), call: in_call, opt_out: left });
    drop_fingerprint(draft, theirs);
    reopen(draft, reopened);
}

/// Returns a person's calls whose sessions an opt-out closed and that `left` does not cover.
pub(super) fn reopened<V: View>(draft: &Draft<'_, V>, theirs: E164, left: Option<&OptOut>) -> Vec<Call> {
    let opens = |call: &Call| {
        let blocked = call.our_number.is_some_and(|bound| left.is_some_and(|left| left.block.covers(bound)));
        call.closed_reason == Some(ClosedReason::OptedOut) && !blocked
    };
    calls_of(draft, theirs).into_iter().filter(opens).collect()
}

/// Lets the sessions of calls open again.
pub(super) fn reopen<V: View>(draft: &mut Draft<'_, V>, calls: Vec<Call>) {
    for call in calls {
        // The draft may have changed the call since.
        let Some(mut call) = draft.live_call(&call.id) else { continue };
        let before = std::mem::replace(&mut call.session, Session::None);
        call.closed_reason = None;
        updated(draft, call, before);
    }
}

/// Sends the one answer a keyword may get: a confirmation of a STOP that changed something, or the help text.
pub(super) fn answer<V: View>(
    draft: &mut Draft<'_, V>,
    inbound: &Inbound,
    keyword: Keyword,
    theirs: E164,
    ours: E164,
    in_call: Option<CallId>,
) {
    let settings = &draft.directory().settings;
    let mut call = in_call.and_then(|id| draft.live_call(&id));
    let phase = call.as_ref().map_or(Phase::Connected, |call| call.phase);
    if !draft.directory().numbers.contains_key(&ours) || !opt_out::may_answer(theirs, phase, settings) {
        return;
    }
    let language = match &call {
        Some(call) => call.language.clone(),
        None => contact::language(draft, theirs, ours),
    };
    let by_carrier = inbound.keyword.is_some();
    let (kind, text) = match keyword {
        Keyword::Stop => (Kind::OptOutConfirmation, opt_out::confirmation(by_carrier, ours, &language, settings)),
        Keyword::Help => (Kind::HelpReply, opt_out::help(by_carrier, ours, &language, settings)),
        Keyword::Start => return,
    };
    let Some(text) = text else { return };
    if keyword == Keyword::Help && !contact::replies_again(draft, theirs, ours) {
        return;
    }
    if !contact::answers_stranger(draft, kind, theirs, ours) {
        return;
    }
    let new = NewText { kind, ours, theirs, text: text.to_owned(), agent: None, smart_action: None, client_ref: None };
    lane::enqueue(draft, call.as_mut(), new);
    if let Some(call) = call {
        draft.store(call, Live::Same);
    }
}

/// Removes the fingerprinted opt-out of an erased person, now that one is stored by their number again.
pub(super) fn drop_fingerprint<V: View>(draft: &mut Draft<'_, V>, theirs: E164) {
    if let Some((who, _)) = draft.view.erased_opt_out(theirs) {
        draft.record(Event::ErasedOptOut { who, opt_out: None });
    }
}

/// Returns the live calls of a person.
fn calls_of<V: View>(draft: &Draft<'_, V>, theirs: E164) -> Vec<Call> {
    draft.live(theirs).into_iter().filter_map(|live| draft.live_call(&live.call)).collect()
}

/// Records the update of a call whose session closed or may open again.
fn updated<V: View>(draft: &mut Draft<'_, V>, mut call: Call, before: Session) {
    let (shown, session_was) = (draft.next_shown(&mut call), call::was(before, &call));
    let change = CallChange { shown, lease_was: None, live: true, party_was: None, session_was };
    draft.record_change(change, Event::CallUpdated);
}
