//! Renders a directory as the document that is read back as the same directory, and its resources for the API.
//!
//! Every settable field is written, including defaults; keys always have the same order. Deleted or unset resources
//! are left out.

use super::Document;
use crate::machine::show;
use crate::model::{Account, E164, Number, Preset, Queue, Verification};
use crate::rules::opt_out::Block;
use serde_json::{Map, Value, json};

/// The document of a directory and its opt-outs.
pub fn document(document: &Document) -> Value {
    let Document { directory, opt_outs } = document;
    let presets = directory.presets.iter().map(|(language, presets)| {
        let presets = presets.iter().map(|(id, entry)| (id.to_string(), preset(entry).into()));
        (language.to_string(), Value::Object(presets.collect()))
    });
    let numbers = directory.numbers.iter().map(|(e164, entry)| (e164.to_string(), number(entry).into()));
    let queues = directory.queues.iter().map(|(id, entry)| (id.to_string(), queue(entry).into()));
    json!({
        "settings": directory.settings,
        "numbers": numbers.collect::<Map<_, _>>(),
        "queues": queues.collect::<Map<_, _>>(),
        "presets": presets.collect::<Map<_, _>>(),
        "accounts": directory.accounts.iter().map(|(name, entry)| (name.clone(), account(entry))).collect::<Map<_, _>>(),
        "opt_outs": opt_outs.iter().map(|(person, block)| opt_out(*person, block)).collect::<Vec<_>>(),
    })
}

/// An opt-out: the person's number, or an object if the block does not cover all our numbers.
fn opt_out(person: E164, block: &Block) -> Value {
    if *block == Block::everywhere() {
        return person.to_string().into();
    }
    let mut whole = object([("number", person.to_string().into())]);
    whole.extend(reach(block));
    whole.into()
}

/// The extent of a block, as fields.
pub(super) fn reach(block: &Block) -> Map<String, Value> {
    object([("everywhere", block.everywhere.into()), ("our_numbers", texts(&block.numbers))])
}

/// The fields of a number that a document sets.
pub fn number(entry: &Number) -> Map<String, Value> {
    object([
        ("label", json!(entry.label)),
        ("account", json!(entry.account)),
        ("purpose", json!(entry.purpose)),
        ("global_outbound", json!(entry.global_outbound)),
        ("limits", show::limits(&entry.limits)),
        ("verification", verification(&entry.verification)),
    ])
}

fn verification(verification: &Verification) -> Value {
    json!({
        "state": verification.state,
        "sms": verification.sms,
        "mms": verification.mms,
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
    object([("label", json!(entry.label)), ("text", json!(entry.text))])
}

fn account(entry: &Account) -> Value {
    json!({ "limits": show::limits(&entry.limits) })
}

fn texts(numbers: &[E164]) -> Value {
    numbers.iter().map(ToString::to_string).collect()
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
