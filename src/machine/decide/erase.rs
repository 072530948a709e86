//! Erasure of a person: its preconditions, and the opt-out that is kept.

use super::draft::Draft;
use super::parts;
use crate::machine::command::{IdempotencyKey, Reply};
use crate::machine::erasure::{Erased, Erasure, ErasureState};
use crate::machine::event::Event;
use crate::machine::fingerprint::ErasureKey;
use crate::machine::state::CallRow;
use crate::machine::view::{PeopleQueries, Queries, SendingQueries, View};
use crate::model::{Action, Actor, AuditEntry, CallId, E164, ErasureId};
use crate::rules::refusal::{Code, Refusal};

/// Erasures that may run at the same time. More are requested by nobody but a script that should wait.
const RUNNING_MAX: usize = 100;

/// Begins the erasure of a person, and keeps their opt-out, if any, under a fingerprint. Their live calls and queued
/// texts have to end first, since they need the number. An erasure of the same person that runs already is joined.
pub(super) fn erase<V: View>(
    draft: &mut Draft<'_, V>,
    number: E164,
    fresh: ErasureKey,
    idempotency: Option<IdempotencyKey>,
    by: &Actor,
) -> Reply {
    if let Some(key) = idempotency {
        match draft.repeated(key) {
            Ok(Some(again)) => return again,
            Ok(None) => {}
            Err(refusal) => return Reply::Refused(refusal),
        }
    }
    if draft.directory().numbers.contains_key(&number) {
        let detail = "this is one of our own numbers: give the number of the person to erase";
        return Reply::Refused(Refusal::new(Code::NumberInUse, detail));
    }
    let key = draft.view.erasure_key().unwrap_or(fresh);
    let fingerprint = key.fingerprint(number);
    let running = draft.view.running_erasures();
    if let Some(known) = running.iter().find(|known| known.who == Some(fingerprint)) {
        return answer(draft, known.clone(), idempotency);
    }
    if let Some(refusal) = still_texting(draft.view, number) {
        return Reply::Refused(refusal);
    }
    if running.len() >= RUNNING_MAX {
        let detail = format!("{RUNNING_MAX} erasures are running: request this one again when they are done");
        return Reply::Refused(Refusal::new(Code::Overloaded, detail));
    }
    parts::erase(draft, number);
    draft.record(Event::PersonErased { key: key.into() });
    if let Some(opt_out) = draft.view.opt_out(number) {
        draft.record(Event::ErasedOptOut { who: fingerprint, opt_out: Some(opt_out) });
    }
    let id = ErasureId::new(draft.now().day(), draft.at.position, 0);
    let who = Some(fingerprint);
    let erasure = Erasure { id, at: draft.now(), state: ErasureState::Running, who, erased: Erased::default() };
    draft.record(Event::ErasureBegun { who: number.into(), erasure: erasure.clone() });
    draft.audit(by, Action::Erase, AuditEntry { resource: format!("erasures/{id}"), ..AuditEntry::default() });
    answer(draft, erasure, idempotency)
}

/// Answers a request with the erasure, and stores the answer for repeats.
fn answer<V: View>(draft: &mut Draft<'_, V>, erasure: Erasure, idempotency: Option<IdempotencyKey>) -> Reply {
    if let Some(IdempotencyKey { key, body }) = idempotency {
        draft.record(Event::Answered { key, body, call: None });
        draft.record(Event::ErasureAnswered { id: erasure.id, at: erasure.at });
    }
    Reply::Erasure(erasure)
}

/// Records the progress of an erasure.
pub(super) fn change<V: View>(draft: &mut Draft<'_, V>, id: ErasureId, state: ErasureState, erased: Erased) -> Reply {
    if let Some(before) = draft.view.erasure(id).filter(|before| before.state == ErasureState::Running) {
        let who = before.who.filter(|_| state == ErasureState::Running);
        draft.record(Event::ErasureChanged { erasure: Erasure { state, who, erased, ..before } });
    }
    Reply::Done
}

/// Why the person cannot be erased now: the number is needed still.
fn still_texting(view: &impl View, who: E164) -> Option<Refusal> {
    let live = view.live(who).into_iter().next().map(|live| live.call);
    if let Some(call) = live.or_else(|| call_texting_alternative(view, who)) {
        let detail = format!("the call {} with this person is active: end it first, then erase", call.as_str());
        return Some(Refusal { other_call: Some(call), ..Refusal::new(Code::StillTexting, detail) });
    }
    let detail = "a text to this person is queued or in flight: erase in two minutes, once it is sent or expired \
                  (start a stopped gateway for that)";
    text_waits(view, who).then(|| Refusal::new(Code::StillTexting, detail))
}

/// Finds a live call of the person whose texts go to an alternative number; its live row has only that number.
fn call_texting_alternative(view: &impl View, who: E164) -> Option<CallId> {
    let is_theirs = |id: &CallId| match view.call(id) {
        Some(CallRow::Call(call)) => call.caller.kept().and_then(|caller| caller.number()) == Some(who),
        Some(CallRow::EndedBeforeStart(_)) | None => false,
    };
    view.all_live().map(|live| live.call).find(is_theirs)
}

fn text_waits(view: &impl View, who: E164) -> bool {
    view.open().any(|(_, open)| open.theirs == who)
}
