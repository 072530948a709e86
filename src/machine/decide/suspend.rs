//! Suspensions of numbers and accounts: nothing is sent meanwhile, and what comes in is taken.

use super::draft::Draft;
use crate::machine::command::{IdempotencyKey, Reply, Suspend};
use crate::machine::event::Event;
use crate::machine::show;
use crate::machine::state::{CapOwner, Suspension};
use crate::machine::view::{SendingQueries, View};
use crate::model::{Action, Actor, AuditEntry, Resource};
use crate::rules::refusal::{Code, Refusal};

/// Suspends a number or an account, or changes reason and end of its suspension.
pub(super) fn suspend<V: View>(draft: &mut Draft<'_, V>, suspend: Suspend) -> Result<Reply, Refusal> {
    let Suspend { owner, reason, until, by, key } = suspend;
    if let Some(again) = check(draft, &owner, key)? {
        return Ok(again);
    }
    if until.is_some_and(|until| until <= draft.now()) {
        let detail = "`until` is in the past: give a time to come, or leave it out to suspend until a resume";
        return Err(Refusal::new(Code::InvalidField, detail));
    }
    let before = draft.view.suspension(&owner);
    let since = before.as_ref().map_or(draft.now(), |before| before.since);
    let suspension = Suspension { reason: reason.clone().into(), until, since, by: by.name.to_string() };
    let entry = AuditEntry {
        resource: resource(&owner),
        reason: Some(reason),
        before: before.as_ref().map(shown),
        after: Some(shown(&suspension)),
        ..AuditEntry::default()
    };
    draft.record(Event::Suspended { owner, suspension });
    draft.audit(&by, Action::Suspend, entry);
    remember(draft, key);
    Ok(Reply::Done)
}

/// Ends a suspension. Nothing changes without one.
pub(super) fn resume<V: View>(
    draft: &mut Draft<'_, V>,
    owner: CapOwner,
    by: &Actor,
    key: Option<IdempotencyKey>,
) -> Result<Reply, Refusal> {
    if let Some(again) = check(draft, &owner, key)? {
        return Ok(again);
    }
    if let Some(before) = draft.view.suspension(&owner) {
        let entry = AuditEntry { resource: resource(&owner), before: Some(shown(&before)), ..AuditEntry::default() };
        draft.record(Event::SuspensionEnded { owner });
        draft.audit(by, Action::Resume, entry);
    }
    remember(draft, key);
    Ok(Reply::Done)
}

/// Returns the earlier answer to the same key, if there is one; refuses a number that is not ours.
fn check<V: View>(
    draft: &Draft<'_, V>,
    owner: &CapOwner,
    key: Option<IdempotencyKey>,
) -> Result<Option<Reply>, Refusal> {
    let again = key.map(|key| draft.repeated(key)).transpose()?.flatten();
    match owner {
        CapOwner::Number(number) if again.is_none() && !draft.directory().numbers.contains_key(number) => {
            Err(Refusal::new(Code::NumberNotFound, "not one of our numbers: GET /v1/numbers lists them"))
        }
        _ => Ok(again),
    }
}

fn remember<V: View>(draft: &mut Draft<'_, V>, key: Option<IdempotencyKey>) {
    if let Some(IdempotencyKey { key, body }) = key {
        draft.record(Event::Answered { key, body, call: None });
    }
}

/// Ends the suspensions whose time has come.
pub(super) fn end_due<V: View>(draft: &mut Draft<'_, V>) {
    let now = draft.now();
    let due = draft.view.suspensions().filter(|(_, suspension)| suspension.until.is_some_and(|until| until <= now));
    let due: Vec<_> = due.map(|(owner, _)| owner).collect();
    due.into_iter().for_each(|owner| draft.record(Event::SuspensionEnded { owner }));
}

fn resource(owner: &CapOwner) -> String {
    match owner {
        CapOwner::Number(number) => Resource::Number(*number).to_string(),
        CapOwner::Account(account) => Resource::Account(account.clone()).to_string(),
    }
}

fn shown(suspension: &Suspension) -> String {
    show::suspension(Some(suspension)).to_string()
}
