//! JSON of the audit, and of `directory.changed`.

use crate::machine::state::Audited;
use crate::model::{Action, AuditEntry, PERSON, Position, Resource};
use serde_json::{Value, json};

/// The type of the event about a changed resource of the directory.
pub const DIRECTORY_CHANGED: &str = "directory.changed";

/// Whether an act changed the directory. A seed is no change, since nobody knows the directory before it.
pub(super) fn changes_the_directory(action: Action) -> bool {
    matches!(action, Action::Create | Action::Change | Action::Delete)
}

/// The name of a changed resource's thread; many changes at once are in the directory's own.
pub(super) fn thread(changed: Option<&Resource>) -> String {
    changed.map_or_else(|| "~directory".to_owned(), |resource| format!("~directory-{resource}"))
}

/// The `data` of `directory.changed`; the new version of the resource is the position of its frame.
pub(super) fn changed(by: &str, action: Action, changed: Option<&Resource>, position: Position) -> Value {
    let path = changed.map_or_else(|| "directory".to_owned(), ToString::to_string);
    let (resource, id) = path.split_once('/').map_or((&*path, None), |(resource, id)| (resource, Some(id)));
    let etag = (action != Action::Delete).then(|| format!("\"{}\"", position.0));
    json!({ "resource": resource, "id": id, "etag": etag, "by": name(by) })
}

/// The name of a token or of a person, who alone has an address in the audit.
pub fn name(actor: &str) -> &str {
    actor.strip_prefix(PERSON).unwrap_or(actor)
}

/// An entry of the audit. What was acted on is null once it was erased with a person.
pub fn entry(audited: &Audited) -> Value {
    let erased = AuditEntry::default();
    let entry = audited.entry.kept();
    let AuditEntry { reason, before, after, address, .. } = entry.unwrap_or(&erased);
    let parsed = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "at": audited.at.to_string(),
        "actor": name(&audited.actor),
        "address": address,
        "action": audited.action.label(),
        "resource": entry.map(|entry| &entry.resource),
        "reason": reason,
        "before": parsed(before),
        "after": parsed(after),
    })
}
