//! Erasure of a person: its preconditions, and the opt-out that is kept.

use super::draft::Draft;
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::fingerprint::ErasureKey;
use crate::machine::state::CallRow;
use crate::machine::view::{PeopleQueries, Queries, SendingQueries, View};
use crate::model::{CallId, E164};
use crate::rules::refusal::{Code, Refusal};

/// Records that a person is erased, and keeps their opt-out, if any, under a fingerprint. Their live calls and queued
/// texts have to end first, since they need the number.
pub(super) fn erase<V: View>(draft: &mut Draft<'_, V>, who: E164, fresh: ErasureKey) -> Reply {
    if draft.directory().numbers.contains_key(&who) {
        let detail = "this is one of our own numbers: give the number of the person to erase";
        return Reply::Refused(Refusal::new(Code::NumberInUse, detail));
    }
    let live = draft.view.live(who).into_iter().next().map(|live| live.call);
    if let Some(call) = live.or_else(|| call_texting_alternative(draft.view, who)) {
        let detail = format!("the call {} with this person is active: end it first, then erase", call.as_str());
        return Reply::Refused(Refusal { other_call: Some(call), ..Refusal::new(Code::StillTexting, detail) });
    }
    if text_waits(draft.view, who) {
        let detail = "a text to this person is queued or in flight: erase in two minutes, once it is sent or expired \
                      (start a stopped gateway for that)";
        return Reply::Refused(Refusal::new(Code::StillTexting, detail));
    }
    let key = draft.view.erasure_key().unwrap_or(fresh);
    draft.record(Event::PersonErased { key: key.into() });
    if let Some(opt_out) = draft.view.opt_out(who) {
        draft.record(Event::ErasedOptOut { who: key.fingerprint(who), opt_out: Some(opt_out) });
    }
    Reply::Done
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
