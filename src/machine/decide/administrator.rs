//! Opt-outs by an administrator (A46): one at a time, or as a list.

use super::draft::Draft;
use super::opt_out::{close_texts, drop_fingerprint, reopen, reopened};
use crate::machine::command::Reply;
use crate::machine::event::Event;
use crate::machine::show::resources;
use crate::machine::state::OptOut;
use crate::machine::view::{PeopleQueries, View};
use crate::model::{Action, Actor, AuditEntry, E164, Expected, OptOutBy, Position};
use crate::rules::opt_out::{self, Block};
use crate::rules::refusal::{Code, FieldError, Refusal};
use serde_json::{Value, json};

/// Who changes an opt-out, why, and in which state of it.
pub(super) struct Act {
    pub(super) reason: Option<String>,
    pub(super) expected: Option<Expected>,
    pub(super) by: Actor,
}

/// Sets which of our numbers must not text a person. What the person or their carrier asked for is never narrowed.
pub(super) fn opt_out<V: View>(draft: &mut Draft<'_, V>, who: E164, given: Block, act: Act) -> Reply {
    let known = draft.view.opt_out(who);
    if let Some(lost) = lost_race(known.as_ref(), act.expected.as_ref()) {
        return Reply::Refused(lost);
    }
    let before = known.as_ref().map(|known| &known.block);
    if let Some(foreign) = foreign(draft, before, &given) {
        return Reply::Refused(foreign);
    }
    let is_persons = known.as_ref().is_some_and(OptOut::is_persons);
    let Some(block) = opt_out::set(before, is_persons, given) else { return Reply::Refused(persons()) };
    if let Some(known) = known.clone().filter(|known| known.block == block) {
        return Reply::OptOut { created: false, opt_out: known };
    }
    let since = known.as_ref().map_or(draft.now(), |known| known.since);
    let by = OptOutBy::Administrator;
    let opt_out = OptOut { block, since, by, version: draft.at.position, by_person: is_persons };
    record(draft, who, before, &opt_out);
    drop_fingerprint(draft, who);
    let reopened = reopened(draft, who, Some(&opt_out));
    reopen(draft, reopened);
    close_texts(draft, who, &opt_out.block);
    audit(draft, Action::OptOut, who, act, [known.as_ref(), Some(&opt_out)]);
    Reply::OptOut { created: known.is_none(), opt_out }
}

/// Removes a person's opt-out; sessions that it closed may open again.
pub(super) fn opt_in<V: View>(draft: &mut Draft<'_, V>, who: E164, act: Act) -> Reply {
    let known = draft.view.opt_out(who);
    if let Some(lost) = lost_race(known.as_ref(), act.expected.as_ref()) {
        return Reply::Refused(lost);
    }
    let Some(known) = known else {
        let detail = "this person is not opted out: GET /v1/opt-outs lists those who are";
        return Reply::Refused(Refusal::new(Code::NotFound, detail));
    };
    let reopened = reopened(draft, who, None);
    draft.record(Event::OptedIn { contact: who.into(), ours: None, call: None, opt_out: None });
    drop_fingerprint(draft, who);
    reopen(draft, reopened);
    audit(draft, Action::OptIn, who, act, [Some(&known), None]);
    Reply::Done
}

/// Adds a list to the known opt-outs; none is removed. As with a seed, the platform is not notified of each new one.
pub(super) fn list<V: View>(draft: &mut Draft<'_, V>, listed: Vec<(E164, Block)>, by: &Actor) {
    let mut new = Vec::new();
    let mut wider = Vec::new();
    for (theirs, block) in listed {
        // The list has no duplicates, so the draft's own events need not be consulted.
        let known = draft.view.opt_out(theirs);
        let Some(block) = opt_out::union(known.as_ref().map(|known| &known.block), &block) else { continue };
        match known {
            None => new.push((theirs, block)),
            Some(known) => {
                let (by, by_person) = (OptOutBy::Administrator, known.is_persons());
                wider.push((theirs, OptOut { block, since: known.since, by, version: draft.at.position, by_person }));
            }
        }
    }
    if new.is_empty() && wider.is_empty() {
        return;
    }
    if !new.is_empty() {
        let opt_outs = new.iter().map(|(theirs, block)| ((*theirs).into(), block.clone())).collect();
        draft.record(Event::OptOutsLoaded { opt_outs });
    }
    for (theirs, opt_out) in &wider {
        let opt_out = opt_out.clone();
        draft.record(Event::OptedOut { contact: (*theirs).into(), ours: None, call: None, opt_out });
        drop_fingerprint(draft, *theirs);
    }
    let counts = json!({ "added": new.len(), "widened": wider.len() });
    let wider = wider.iter().map(|(theirs, opt_out)| (*theirs, &opt_out.block));
    for (theirs, block) in new.iter().map(|(theirs, block)| (*theirs, block)).chain(wider) {
        close_texts(draft, theirs, block);
    }
    let entry =
        AuditEntry { resource: "opt-outs".to_owned(), after: Some(counts.to_string()), ..AuditEntry::default() };
    draft.audit(by, Action::OptOut, entry);
}

/// Records the new state, such that the last event about each of our numbers says what holds for it.
fn record<V: View>(draft: &mut Draft<'_, V>, who: E164, before: Option<&Block>, opt_out: &OptOut) {
    let block = &opt_out.block;
    let is_lifted = |before: &Block| {
        !block.everywhere && (before.everywhere || before.numbers.iter().any(|ours| !block.covers(*ours)))
    };
    let mut before = before;
    if before.is_some_and(is_lifted) {
        let opt_out = Some(opt_out.clone());
        draft.record(Event::OptedIn { contact: who.into(), ours: None, call: None, opt_out });
        before = None;
    }
    let is_new = |ours: &&E164| before.is_none_or(|before| !before.numbers.contains(ours));
    let mut added: Vec<_> = block.numbers.iter().filter(is_new).map(|ours| Some(*ours)).collect();
    if added.is_empty() || (block.everywhere && before.is_none_or(|before| !before.everywhere)) {
        added = vec![None];
    }
    for ours in added {
        draft.record(Event::OptedOut { contact: who.into(), ours, call: None, opt_out: opt_out.clone() });
    }
}

fn audit<V: View>(draft: &mut Draft<'_, V>, action: Action, who: E164, act: Act, states: [Option<&OptOut>; 2]) {
    let [before, after] =
        states.map(|state| state.map(|opt_out| Value::Object(resources::opt_out(opt_out)).to_string()));
    let entry = AuditEntry { resource: format!("opt-outs/{who}"), reason: act.reason, before, after, address: None };
    draft.audit(&act.by, action, entry);
}

fn lost_race(known: Option<&OptOut>, expected: Option<&Expected>) -> Option<Refusal> {
    let version = known.map(|known| known.version);
    if expected.is_none_or(|expected| expected.is(version)) {
        return None;
    }
    let detail = match version {
        Some(_) => "the opt-out was changed since, or exists already: GET it again, and send that ETag in If-Match",
        None => "this person is not opted out, or not any more: leave out If-Match",
    };
    let etag = version.map(|Position(version)| format!("\"{version}\"").into());
    Some(Refusal { etag, ..Refusal::new(Code::PreconditionFailed, detail) })
}

/// The refusal of numbers that are not ours, and that were not in the opt-out before.
fn foreign<V: View>(draft: &Draft<'_, V>, before: Option<&Block>, given: &Block) -> Option<Refusal> {
    let is_known = |ours: &E164| {
        draft.directory().numbers.contains_key(ours) || before.is_some_and(|it| it.numbers.contains(ours))
    };
    let error = |(index, ours): (usize, &E164)| FieldError {
        field: format!("our_numbers[{}]", index + 1),
        code: Code::NotFound,
        detail: format!(
            "`our_numbers[{}]` is {ours}, which is not one of our numbers: GET /v1/numbers lists them",
            index + 1
        ),
    };
    let errors: Vec<_> = given.numbers.iter().enumerate().filter(|(_, ours)| !is_known(ours)).map(error).collect();
    let detail = errors.first()?.detail.clone();
    Some(Refusal { errors: errors.into(), ..Refusal::new(Code::NotFound, detail) })
}

fn persons() -> Refusal {
    let detail = "the person or their carrier asked for this opt-out, so it cannot be narrowed: remove it by DELETE with \
                  a reason if they may be texted again";
    Refusal::new(Code::OptedOut, detail)
}
