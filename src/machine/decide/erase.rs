//! A person is to be erased: what may stand in the way, and what outlives them.

use super::draft::Draft;
use crate::machine::command::Reply;
use crate::machine::erase::Key;
use crate::machine::event::Event;
use crate::machine::rows::Table;
use crate::machine::state::{CallRow, Live};
use crate::machine::view::{PAGE_ROWS, Queries, View, decode_row, kind};
use crate::model::{CallId, E164};
use crate::rules::refusal::{Code, Refusal};

/// Notes that somebody is erased, and under a fingerprint that they must not be texted, where that is so. What is under
/// way with them has to end before: it could not go on without their number.
pub(super) fn erase<V: View>(draft: &mut Draft<'_, V>, who: E164, fresh: Key) -> Reply {
    if draft.directory().numbers.contains_key(&who) {
        let detail = "this is one of our own numbers, which name nobody: erase the number of the person";
        return Reply::Refused(Refusal::new(Code::NumberInUse, detail));
    }
    let texting = draft.view.live(who).into_iter().next().map(|live| live.call);
    if let Some(call) = texting.or_else(|| texting_elsewhere(draft.view, who)) {
        let detail = format!("the call {} with this person lives: end it first, then erase", call.as_str());
        return Reply::Refused(Refusal { other_call: Some(call), ..Refusal::new(Code::StillTexting, detail) });
    }
    if text_waits(draft.view, who) {
        let detail = "a text to this person is on its way: erase in two minutes, when it is sent or too old (a gateway \
                      that is stopped has to be started for that)";
        return Reply::Refused(Refusal::new(Code::StillTexting, detail));
    }
    let key = draft.view.erasure_key().unwrap_or(fresh);
    draft.record(Event::PersonErased { key: key.into() });
    if let Some(stands) = draft.view.opt_out(who) {
        draft.record(Event::ErasedOptOut { who: key.fingerprint(who), stands: Some(stands) });
    }
    Reply::Done
}

/// A live call of theirs whose texts go to another number, under which alone it is found.
fn texting_elsewhere(view: &impl View, who: E164) -> Option<CallId> {
    let mut from = Vec::new();
    loop {
        let page = view.rows(Table::State, &[kind::LIVE], &from, PAGE_ROWS);
        let live = page.iter().filter_map(|(_, row)| decode_row::<Live>(row));
        let is_theirs = |id: &CallId| match view.call(id) {
            Some(CallRow::Call(call)) => call.caller.kept().and_then(|caller| caller.number()) == Some(who),
            Some(CallRow::EndedBeforeStart(_)) | None => false,
        };
        if let Some(call) = live.map(|live| live.call).find(is_theirs) {
            return Some(call);
        }
        from = after(page.into_iter().nth(PAGE_ROWS - 1)?.0);
    }
}

fn text_waits(view: &impl View, who: E164) -> bool {
    let mut from = Vec::new();
    loop {
        let page = view.open_page(&from, PAGE_ROWS);
        if page.iter().any(|(_, _, open)| open.theirs == who) {
            return true;
        }
        match page.into_iter().nth(PAGE_ROWS - 1) {
            Some((last, ..)) => from = after(last),
            None => return false,
        }
    }
}

/// The first key after this one.
fn after(key: Vec<u8>) -> Vec<u8> {
    [key, vec![0]].concat()
}
