//! Quarantined webhooks that an operator has read again, or discards (A58).
//!
//! Invariant: the frame that takes in the last item of a webhook also removes it from the quarantine, so that a replay
//! happens whole and once, whatever happens to the gateway: items before the last are decided by themselves, because each
//! may depend on those before it, and are duplicates for a replay that is repeated.

use super::draft::Draft;
use super::item;
use crate::machine::command::{IdempotencyKey, Reply};
use crate::machine::event::Event;
use crate::machine::state::QuarantineEntry;
use crate::machine::view::{Queries, View};
use crate::model::{Action, Actor, AuditEntry, InboundItem, IntakeOutcome, Position, QuarantineId};
use crate::rules::refusal::{Code, Refusal};

/// Takes in the last item that was read in a quarantined webhook, as if it had just come; the others were before.
pub(super) fn replay<V: View>(
    draft: &mut Draft<'_, V>,
    position: Position,
    (mut outcomes, last): (Vec<IntakeOutcome>, Option<InboundItem>),
    by: &Actor,
    key: Option<IdempotencyKey>,
) -> Result<Reply, Refusal> {
    if let Some(again) = key.map(|key| draft.repeated(key)).transpose()?.flatten() {
        return Ok(again);
    }
    let entry = draft.view.quarantine_entry(position).ok_or_else(no_such_entry)?;
    if let Some(item) = last {
        outcomes.push(match item::item(draft, entry.account.clone(), item) {
            Reply::InboundItem(outcome) => outcome,
            _ => IntakeOutcome::Ignored,
        });
    }
    let words = outcomes.iter().map(|outcome| outcome.word().to_owned()).collect();
    resolve(draft, position, entry, Some(words), by);
    if let Some(IdempotencyKey { key, body }) = key {
        draft.record(Event::Answered { key, body, call: None });
    }
    Ok(Reply::QuarantineReplayed(outcomes))
}

/// Removes a webhook from the quarantine. Its bytes go with their segment of the journal.
pub(super) fn discard<V: View>(draft: &mut Draft<'_, V>, position: Position, by: &Actor) -> Reply {
    let Some(entry) = draft.view.quarantine_entry(position) else { return Reply::Refused(no_such_entry()) };
    resolve(draft, position, entry, None, by);
    Reply::Done
}

fn resolve<V: View>(
    draft: &mut Draft<'_, V>,
    position: Position,
    entry: QuarantineEntry,
    outcomes: Option<Vec<String>>,
    by: &Actor,
) {
    let QuarantineEntry { account, problem, at, .. } = entry;
    let id = QuarantineId::new(at.day(), position, 0);
    let action = if outcomes.is_some() { Action::ReplayQuarantined } else { Action::DiscardQuarantined };
    draft.record(Event::QuarantineResolved { position, account, outcomes });
    let entry = AuditEntry { resource: format!("quarantine/{id}"), before: Some(problem), ..AuditEntry::default() };
    draft.audit(by, action, entry);
}

fn no_such_entry() -> Refusal {
    let detail = "no such webhook in quarantine: it was replayed, discarded or is past its retention; \
                  GET /v1/quarantine lists them";
    Refusal::new(Code::NotFound, detail)
}
