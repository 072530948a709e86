//! Reconciliation: a carrier's list of messages is read for what never arrived.
//!
//! Invariant: a reconciliation that was begun stays recorded until its list was read to the end, so that one that a stop of
//! the gateway cut off begins again. Nothing is taken in twice, because a listed message has the claim of its webhook.

use super::draft::{Draft, claim};
use crate::machine::command::{BeginReconciliation, IdempotencyKey, Reply};
use crate::machine::event::Event;
use crate::machine::state::Reconciliation;
use crate::machine::view::{Queries, View};
use crate::model::{Action, AuditEntry, ClaimKind};
use crate::rules::refusal::Refusal;
use serde_json::json;

/// Records that an account's list is to be read. What an earlier reconciliation has not read is read by this one.
pub(super) fn begin<V: View>(draft: &mut Draft<'_, V>, begin: BeginReconciliation) -> Result<Reply, Refusal> {
    let BeginReconciliation { account, since, by, key } = begin;
    if let Some(again) = key.map(|key| draft.repeated(key)).transpose()?.flatten() {
        return Ok(again);
    }
    let since = draft.view.reconciliation(&account).map_or(since, |unfinished| unfinished.since.min(since));
    if let Some(by) = by {
        let entry = AuditEntry {
            resource: format!("accounts/{account}"),
            after: Some(json!({ "since": since.to_string() }).to_string()),
            ..AuditEntry::default()
        };
        draft.audit(&by, Action::Reconcile, entry);
    }
    draft.record(Event::ReconciliationBegun { account, since });
    if let Some(IdempotencyKey { key, body }) = key {
        draft.record(Event::Answered { key, body, call: None });
    }
    Ok(Reply::Reconciliation(Reconciliation { since, at: draft.now() }))
}

/// Says which messages of a list are known, whether they came by webhook or by a reconciliation.
pub(super) fn find_known<V: View>(draft: &Draft<'_, V>, account: &str, carrier_ids: Vec<String>) -> Reply {
    let is_known = |id| draft.view.claimed(&claim(account, id, ClaimKind::Message));
    Reply::Known(carrier_ids.into_iter().map(is_known).collect())
}

/// Records that a list was read to its end.
pub(super) fn end<V: View>(draft: &mut Draft<'_, V>, account: String, ended: Reconciliation) -> Reply {
    if draft.view.reconciliation(&account) == Some(ended) {
        draft.record(Event::ReconciliationEnded { account });
    }
    Reply::Done
}
