//! JSON of the directory's resources: the fields that a document sets, as the API, documents and the audit show them.

use super::limits;
use crate::machine::state::OptOut;
use crate::model::{Account, Directory, E164, Number, Preset, Queue, Resource, Verification};
use serde_json::{Map, Value, json};

/// A resource as a document has it; `None` if the directory has none.
pub fn of(directory: &Directory, resource: &Resource) -> Option<Value> {
    Some(match resource {
        Resource::Settings => json!(directory.settings),
        Resource::Number(e164) => number(directory.numbers.get(e164)?).into(),
        Resource::Queue(id) => queue(directory.queues.get(id)?).into(),
        Resource::Preset(language, id) => preset(directory.preset(language, id)?).into(),
        Resource::Account(name) => account(directory.accounts.get(name)?).into(),
    })
}

/// The fields of a number that a document sets.
pub fn number(entry: &Number) -> Map<String, Value> {
    object([
        ("label", json!(entry.label)),
        ("account", json!(entry.account)),
        ("purpose", json!(entry.purpose)),
        ("global_outbound", json!(entry.global_outbound)),
        ("limits", limits(&entry.limits)),
        ("verification", verification(&entry.verification)),
    ])
}

fn verification(verification: &Verification) -> Value {
    json!({
        "state": verification.state,
        "sms": verification.sms,
        "mms": verification.mms,
        "code": verification.code,
        "reason": verification.reason,
        "checked_at": verification.checked_at.map(|at| at.to_string()),
    })
}

/// The fields of a queue that a document sets.
pub fn queue(entry: &Queue) -> Map<String, Value> {
    object([
        ("name", json!(entry.name)),
        ("parent", json!(entry.parent)),
        ("in_call_sms", json!(entry.in_call_sms)),
        ("inbound_numbers", texts(&entry.inbound_numbers)),
        ("outbound_numbers", texts(&entry.outbound_numbers)),
        ("default_outbound", json!(entry.default_outbound.map(|number| number.to_string()))),
        ("language", json!(entry.language)),
    ])
}

/// The fields of a preset that a document sets.
pub fn preset(entry: &Preset) -> Map<String, Value> {
    object([("label", json!(entry.label)), ("text", json!(entry.text)), ("position", json!(entry.position))])
}

/// The fields of an account that a document sets. Without a rate, the least burst is shown as none.
pub fn account(entry: &Account) -> Map<String, Value> {
    let mut limits = limits(&entry.limits);
    if entry.limits.millisegments_per_second.is_none() && entry.limits.burst == 1 {
        limits["burst"] = Value::Null;
    }
    object([("limits", limits)])
}

/// An opt-out without the person's number.
pub fn opt_out(opt_out: &OptOut) -> Map<String, Value> {
    object([
        ("everywhere", json!(opt_out.block.everywhere)),
        ("our_numbers", texts(&opt_out.block.numbers)),
        ("since", json!(opt_out.since.to_string())),
        ("by", json!(opt_out.by)),
    ])
}

/// Numbers as a list of texts.
pub fn texts(numbers: &[E164]) -> Value {
    numbers.iter().map(ToString::to_string).collect()
}

/// An object of these fields.
pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
