//! Renders a directory as the document that is read back as the same directory.
//!
//! Every settable field is written, including defaults; keys always have the same order. Deleted or unset resources
//! are left out.

use super::Document;
use crate::machine::show::resources::{account, number, object, preset, queue, texts};
use crate::model::{Directory, E164};
use crate::rules::opt_out::Block;
use serde_json::{Map, Value, json};

/// The document of a directory and its opt-outs.
pub fn document(document: &Document) -> Value {
    let mut rendered = directory(&document.directory);
    let opt_outs = document.opt_outs.iter().map(|(person, block)| opt_out(*person, block));
    rendered["opt_outs"] = opt_outs.collect::<Vec<_>>().into();
    rendered
}

/// The document without opt-outs.
pub(super) fn directory(directory: &Directory) -> Value {
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
        "accounts": directory.accounts.iter().map(|(name, entry)| (name.clone(), account(entry).into())).collect::<Map<_, _>>(),
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
