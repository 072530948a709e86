//! Writes a directory as the document that is read back as the same directory.
//!
//! Every settable field is written, including defaults; keys always have the same order. Deleted or unset resources
//! are left out.

use super::Document;
use crate::machine::show;
use crate::model::{Account, E164, Number, Preset, Queue, Verification};
use crate::rules::opt_out::Block;
use serde_json::{Map, Value, json};

/// The document of a directory and its opt-outs.
pub fn render(document: &Document) -> Value {
    let Document { directory, opt_outs } = document;
    let presets = directory.presets.iter().map(|(language, presets)| {
        let presets = presets.iter().map(|(id, entry)| (id.to_string(), preset(entry)));
        (language.to_string(), Value::Object(object(presets)))
    });
    json!({
        "settings": directory.settings,
        "numbers": object(directory.numbers.iter().map(|(e164, entry)| (e164.to_string(), number(entry)))),
        "queues": object(directory.queues.iter().map(|(id, entry)| (id.to_string(), queue(entry)))),
        "presets": object(presets),
        "accounts": object(directory.accounts.iter().map(|(name, entry)| (name.clone(), account(entry)))),
        "opt_outs": opt_outs.iter().map(|(person, block)| opt_out(*person, block)).collect::<Vec<_>>(),
    })
}

/// An opt-out: the person's number, or an object if the block does not cover all our numbers.
fn opt_out(person: E164, block: &Block) -> Value {
    if *block == Block::everywhere() {
        return person.to_string().into();
    }
    let mut whole = json!({ "number": person.to_string() });
    whole.as_object_mut().expect("written as an object just above").extend(reach(block));
    whole
}

/// The extent of a block, as fields.
pub(super) fn reach(block: &Block) -> Map<String, Value> {
    object([("everywhere", block.everywhere.into()), ("our_numbers", texts(&block.numbers))])
}

fn number(entry: &Number) -> Value {
    json!({
        "label": entry.label,
        "account": entry.account,
        "purpose": entry.purpose,
        "global_outbound": entry.global_outbound,
        "limits": show::limits(&entry.limits),
        "verification": verification(&entry.verification),
    })
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

fn queue(entry: &Queue) -> Value {
    json!({
        "name": entry.name,
        "parent": entry.parent,
        "in_call_sms": entry.in_call_sms,
        "inbound_numbers": texts(&entry.inbound_numbers),
        "outbound_numbers": texts(&entry.outbound_numbers),
        "default_outbound": entry.default_outbound.map(|number| number.to_string()),
        "language": entry.language,
    })
}

fn preset(entry: &Preset) -> Value {
    json!({ "label": entry.label, "text": entry.text })
}

fn account(entry: &Account) -> Value {
    json!({ "limits": show::limits(&entry.limits) })
}

fn texts(numbers: &[E164]) -> Value {
    numbers.iter().map(ToString::to_string).collect()
}

fn object<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.into(), value)).collect()
}
