//! STOP, START and HELP (A46-A48), from whoever says it: the person, their carrier, an administrator.

use super::draft::{Draft, Live};
use super::send::{self, NewText};
use super::{call, hear};
use crate::machine::event::{CallChange, Event};
use crate::machine::state::{Call, OptOut, OptOutBy};
use crate::machine::view::{Queries, View};
use crate::model::{CallId, ClosedReason, E164, FailureCode, Inbound, Kind, Phase, Session};
use crate::rules::keyword::Keyword;
use crate::rules::opt_out::{self, Block};

/// The keyword a message from `theirs` to `ours` is.
pub(super) fn said<V: View>(draft: &Draft<'_, V>, inbound: &Inbound, theirs: E164, ours: E164) -> Option<Keyword> {
    let blocked = draft.opted_out(theirs, ours);
    opt_out::said(inbound.keyword.as_deref(), &inbound.text, blocked, &draft.directory().settings)
}

/// Somebody must not be texted any more: their calls' texts close and what waits for them is taken back, while the calls
/// go on. `ours` is the number that heard of it, `said_in` the call. `false` where it was known.
pub(super) fn stop<V: View>(
    draft: &mut Draft<'_, V>,
    theirs: E164,
    ours: Option<E164>,
    by: OptOutBy,
    said_in: Option<CallId>,
) -> bool {
    let known = draft.opt_out(theirs);
    let before = known.as_ref().map(|known| &known.block);
    let block = match ours {
        Some(ours) => opt_out::stop(before, ours, draft.directory().settings.opt_out_scope),
        None => opt_out::add(before),
    };
    let Some(block) = block else { return false };
    let since = known.map_or(draft.now(), |known| known.since);
    let stands = OptOut { block, since, by };
    draft.record(Event::OptedOut { contact: theirs.into(), ours, call: said_in, stands: stands.clone() });
    known_again(draft, theirs);
    close_texts(draft, theirs, &stands.block);
    true
}

/// An administrator's list is added to what is known; it takes nothing back. As with a seed, the platform is not told of
/// each who was not known before.
pub(super) fn list<V: View>(draft: &mut Draft<'_, V>, listed: Vec<(E164, Block)>) {
    let mut new = Vec::new();
    let mut wider = Vec::new();
    for (theirs, block) in listed {
        // Each stands in the list once, so nothing of this decision needs to be asked.
        let known = draft.view.opt_out(theirs);
        let Some(block) = opt_out::union(known.as_ref().map(|known| &known.block), &block) else { continue };
        match known {
            None => new.push((theirs, block)),
            Some(known) => wider.push((theirs, OptOut { block, since: known.since, by: OptOutBy::Administrator })),
        }
    }
    if !new.is_empty() {
        let opt_outs = new.iter().map(|(theirs, block)| ((*theirs).into(), block.clone())).collect();
        draft.record(Event::OptOutsLoaded { opt_outs });
    }
    for (theirs, stands) in &wider {
        let stands = stands.clone();
        draft.record(Event::OptedOut { contact: (*theirs).into(), ours: None, call: None, stands });
        known_again(draft, *theirs);
    }
    let wider = wider.iter().map(|(theirs, stands)| (*theirs, &stands.block));
    for (theirs, block) in new.iter().map(|(theirs, block)| (*theirs, block)).chain(wider) {
        close_texts(draft, theirs, block);
    }
}

/// Texts of somebody's calls close where they come from a number that is blocked now, and what waits is taken back.
fn close_texts<V: View>(draft: &mut Draft<'_, V>, theirs: E164, block: &Block) {
    for mut call in calls_of(draft, theirs) {
        let bound = call.our_number.is_some_and(|bound| block.covers(bound));
        if bound && call.session != Session::Closed {
            call::take_back_queued(draft, &mut call, FailureCode::OptedOut);
            (call.session, call.closed_reason) = (Session::Closed, Some(ClosedReason::OptedOut));
            call::remember(draft, &call, &call.language);
            updated(draft, call);
        }
    }
}

/// Somebody may be texted again, from `ours` or, where an administrator says so, from everywhere: texts that closed for
/// it may open again.
pub(super) fn start<V: View>(draft: &mut Draft<'_, V>, theirs: E164, ours: Option<E164>) {
    let Some(known) = draft.opt_out(theirs) else { return };
    let left = match ours {
        Some(ours) => opt_out::start(Some(&known.block), ours),
        None => Some(None),
    };
    let Some(left) = left else { return };
    let opens = |call: &Call| {
        let blocked = call.our_number.is_some_and(|bound| left.as_ref().is_some_and(|left| left.covers(bound)));
        call.closed_reason == Some(ClosedReason::OptedOut) && !blocked
    };
    let reopened: Vec<_> = calls_of(draft, theirs).into_iter().filter(opens).collect();
    let said_in = ours.and_then(|ours| reopened.iter().find(|call| call.our_number == Some(ours)));
    let said_in = said_in.map(|call| call.id.clone());
    let stands = left.map(|block| OptOut { block, ..known });
    draft.record(Event::OptedIn { contact: theirs.into(), ours, call: said_in, stands });
    known_again(draft, theirs);
    for call in reopened {
        // Told of just now, perhaps.
        let Some(mut call) = draft.live_call(&call.id) else { continue };
        (call.session, call.closed_reason) = (Session::None, None);
        updated(draft, call);
    }
}

/// The one answer a keyword may have: a confirmation of STOP that changed something, or who we are for HELP.
pub(super) fn answer<V: View>(
    draft: &mut Draft<'_, V>,
    inbound: &Inbound,
    keyword: Keyword,
    theirs: E164,
    ours: E164,
    said_in: Option<CallId>,
) {
    let settings = &draft.directory().settings;
    let mut call = said_in.and_then(|id| draft.live_call(&id));
    let phase = call.as_ref().map_or(Phase::Connected, |call| call.phase);
    if !draft.directory().numbers.contains_key(&ours) || !opt_out::may_answer(theirs, phase, settings) {
        return;
    }
    let language = match &call {
        Some(call) => call.language.clone(),
        None => hear::language(draft, theirs, ours),
    };
    let by_carrier = inbound.keyword.is_some();
    let (kind, text) = match keyword {
        Keyword::Stop => (Kind::OptOutConfirmation, opt_out::confirmation(by_carrier, ours, &language, settings)),
        Keyword::Help => (Kind::HelpReply, opt_out::help(by_carrier, ours, &language, settings)),
        Keyword::Start => return,
    };
    let Some(text) = text else { return };
    if keyword == Keyword::Help && !hear::replies_again(draft, theirs, ours) {
        return;
    }
    if !hear::answers_stranger(draft, kind, theirs, ours) {
        return;
    }
    let new = NewText { kind, ours, theirs, text: text.to_owned(), agent: None, smart_action: None };
    send::enqueue(draft, call.as_mut(), new);
    if let Some(call) = call {
        draft.store(call, Live::Same);
    }
}

/// Somebody who was erased is known by the number again: what stands there holds from now on.
fn known_again<V: View>(draft: &mut Draft<'_, V>, theirs: E164) {
    if let Some((who, _)) = draft.view.erased_opt_out(theirs) {
        draft.record(Event::ErasedOptOut { who, stands: None });
    }
}

/// Every call of a person that lives.
fn calls_of<V: View>(draft: &Draft<'_, V>, theirs: E164) -> Vec<Call> {
    draft.live(theirs).into_iter().filter_map(|live| draft.live_call(&live.call)).collect()
}

/// A call whose texts closed or may open again.
fn updated<V: View>(draft: &mut Draft<'_, V>, mut call: Call) {
    call.told += 1;
    let change = CallChange { shown: draft.shown(&call), lease_was: None, live: true, party_was: None };
    call.told -= 1;
    draft.record_visible(&mut call, |_| Event::CallUpdated(Box::new(change)));
}
