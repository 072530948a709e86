//! Changes of the directory by administrators (R14-R29, A36-A42).

use super::draft::Draft;
use super::{administrator, lane};
use crate::machine::command::{ApplyDocument, Reply};
use crate::machine::event::Event;
use crate::machine::show;
use crate::machine::view::{Queries, SendingQueries, View};
use crate::model::{
    Action, Actor, AuditEntry, Change, Directory, E164, Json, Limits, Number, OnlyIf, Position, Resource,
};
use crate::rules::directory::{LiveUse, Violation, check, in_use};
use crate::rules::opt_out::Block;
use crate::rules::refusal::{Code, FieldError, Refusal};

/// Maximum number of changes that have an entry each in the audit; more are one entry. A frame has room for 65,536
/// events.
const AUDITED_MAX: usize = 50_000;

/// Maximum size of the resources that the audit keeps of one change, before and afterwards. They are in the change's
/// frame, which is bounded; a whole directory may be larger.
const AUDITED_MAX_BYTES: usize = 1024 * 1024;

/// Loads a directory into a gateway that has none. The caller checked it against the rules.
pub(super) fn seed<V: View>(draft: &mut Draft<'_, V>, directory: &Directory, opt_outs: Vec<(E164, Block)>) -> Reply {
    if draft.view.has_directory() {
        return Reply::SeedRefused;
    }
    draft.record(Event::DirectoryChanged { changes: Change::all_of(directory) });
    draft.audit(&Actor::seed(), Action::Seed, AuditEntry { resource: "directory".to_owned(), ..AuditEntry::default() });
    if !opt_outs.is_empty() {
        let opt_outs = opt_outs.into_iter().map(|(number, block)| (number.into(), block)).collect();
        draft.record(Event::OptOutsLoaded { opt_outs });
    }
    Reply::Done
}

/// Applies changes to resources: all of them, or none if one breaks a rule. Live sessions keep their numbers (A37);
/// changed settings apply from the next send (A36).
pub(super) fn change<V: View>(
    draft: &mut Draft<'_, V>,
    changes: &[Change],
    force: bool,
    only_if: Option<&OnlyIf>,
    by: &Actor,
) -> Reply {
    let before = draft.directory();
    if let Some(lost) = only_if.and_then(|only_if| lost_race(before, only_if)) {
        return Reply::Refused(lost);
    }
    let existed = changes.first().is_some_and(|change| before.has(&change.resource()));
    let mut after = before.clone();
    changes.iter().for_each(|change| apply_change(before, change, &mut after));
    let mut violations = check(before, &after, force);
    let deleted: Vec<_> =
        changes.iter().filter(|change| change.deletes()).map(Change::resource).filter(|one| before.has(one)).collect();
    if deleted.iter().any(|one| matches!(one, Resource::Number(_) | Resource::Queue(_))) {
        violations.extend(in_use(&deleted, &live_use(draft, &deleted)));
    }
    if let Some(refusal) = refusal(violations, changes) {
        return Reply::Refused(refusal);
    }
    // Resources that stay as they are keep their versions. The first directory always has settings.
    let has_directory = draft.view.has_directory();
    let changes = if has_directory { Change::from_to(before, &after) } else { Change::all_of(&after) };
    if !changes.is_empty() {
        changes.iter().for_each(|change| after.note_change(change, draft.at.position));
        let entries = audit_entries(before, &after, &changes);
        draft.record(Event::DirectoryChanged { changes: changes.clone() });
        for (action, resource, entry) in entries {
            draft.audit_change(by, action, resource, entry);
        }
        lane::relimit(draft, before, &after, &changes);
    }
    Reply::Directory { after: Box::new(after), existed }
}

/// Applies a change as an administrator may make it: a number keeps what its carrier said of it, as long as it stays in
/// its account, and limits of an account that are the default one need no entry.
fn apply_change(before: &Directory, change: &Change, after: &mut Directory) {
    match change {
        Change::Number(number, Some(Json(entry))) => {
            let known = before.numbers.get(number).filter(|known| known.account == entry.account);
            let verification = known.map_or(&entry.verification, |known| &known.verification).clone();
            after.change(&Change::Number(*number, Some(Json(Number { verification, ..entry.clone() }))));
        }
        Change::Account(name, Some(Json(account)))
            if !before.accounts.contains_key(name) && account.limits == Limits::none() => {}
        change => after.change(change),
    }
}

fn live_use<V: View>(draft: &Draft<'_, V>, deleted: &[Resource]) -> LiveUse {
    let calls = draft.view.all_live().map(|live| (live.queue, live.our_number)).collect();
    let waiting = deleted.iter().filter_map(|resource| match resource {
        Resource::Number(number) => Some(*number).filter(|number| draft.view.lane(*number).queued_segments > 0),
        _ => None,
    });
    LiveUse { calls, waiting: waiting.collect() }
}

/// The refusal of everything that is wrong. Where one resource is changed, its own fields come first.
fn refusal(mut violations: Vec<Violation>, changes: &[Change]) -> Option<Refusal> {
    let this = match changes {
        [change] => Some(change.resource()),
        _ => None,
    };
    if let Some(this) = &this {
        violations.sort_by_key(|violation| violation.resource != *this);
    }
    let error = |violation: Violation| {
        let field = violation.field_of(this.as_ref());
        let detail = if field.is_empty() { violation.problem } else { format!("{field}: {}", violation.problem) };
        FieldError { field, code: violation.code, detail }
    };
    Refusal::of(violations.into_iter().map(error).collect())
}

/// Replaces the directory by a document, and adds its opt-outs: all of it, or nothing.
pub(super) fn apply<V: View>(draft: &mut Draft<'_, V>, document: ApplyDocument) -> Reply {
    let ApplyDocument { directory, opt_outs, force, expected, by } = document;
    let before = draft.directory();
    let version = draft.view.has_directory().then_some(before.versions.directory);
    if expected.is_some_and(|expected| !expected.is(version)) {
        return Reply::Refused(document_changed(version));
    }
    let changes = Change::from_to(before, &directory);
    if let Reply::Refused(refusal) = change(draft, &changes, force, None, &by) {
        return Reply::Refused(refusal);
    }
    let changed = draft.events.iter().any(|event| matches!(event.event, Event::DirectoryChanged { .. }));
    administrator::list(draft, opt_outs, &by);
    let position = draft.at.position;
    Reply::DocumentApplied { position, version: if changed { position } else { version.unwrap_or_default() } }
}

/// The refusal of a document for another version of the directory than this.
pub fn document_changed(version: Option<Position>) -> Refusal {
    let detail = match version {
        Some(_) => "the directory was changed since, or exists already: GET it again, and send that ETag in If-Match",
        None => "the gateway has no directory yet: leave out If-Match to create it",
    };
    let etag = version.map(|version| format!("\"{}\"", version.0).into());
    Refusal { etag, ..Refusal::new(Code::PreconditionFailed, detail) }
}

/// The refusal of a conditional change, if the resource is not as its author knows it.
fn lost_race(directory: &Directory, only_if: &OnlyIf) -> Option<Refusal> {
    let version = directory.version_of(only_if.resource.as_ref());
    if only_if.expected.is(version) {
        return None;
    }
    let detail = match version {
        Some(_) => {
            "it was changed since, or exists already: read it again, and send the ETag of that answer in If-Match"
        }
        None => "it does not exist, or not any more: leave out If-Match to create it",
    };
    let etag = version.map(|version| format!("\"{}\"", version.0).into());
    Some(Refusal { etag, ..Refusal::new(Code::PreconditionFailed, detail) })
}

/// An entry of the audit for each change, with the resource before and afterwards unless they are too large together.
fn audit_entries(
    before: &Directory,
    after: &Directory,
    changes: &[Change],
) -> Vec<(Action, Option<Resource>, AuditEntry)> {
    let text = |directory: &Directory, resource: &Resource| {
        show::resources::of(directory, resource).map(|shown| shown.to_string())
    };
    let entry = |change: &Change| {
        let resource = change.resource();
        let entry = AuditEntry {
            resource: resource.to_string(),
            before: text(before, &resource),
            after: text(after, &resource),
            ..AuditEntry::default()
        };
        let action = match (&entry.before, &entry.after) {
            (None, _) => Action::Create,
            (Some(_), Some(_)) => Action::Change,
            (Some(_), None) => Action::Delete,
        };
        (action, Some(resource), entry)
    };
    if changes.len() > AUDITED_MAX {
        return vec![(Action::Change, None, AuditEntry { resource: "directory".to_owned(), ..AuditEntry::default() })];
    }
    let mut entries: Vec<_> = changes.iter().map(entry).collect();
    let sizes = entries.iter().flat_map(|(_, _, entry)| [&entry.before, &entry.after]).flatten().map(String::len);
    if sizes.sum::<usize>() > AUDITED_MAX_BYTES {
        for (_, _, entry) in &mut entries {
            (entry.before, entry.after) = (None, None);
        }
    }
    entries
}
