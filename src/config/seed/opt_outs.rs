//! The people of a document who must not be texted: each a number, or an object that says from where.

use super::fields::{Fields, number};
use crate::journal::BODIES_MAX;
use crate::model::E164;
use crate::rules::opt_out::{Block, NUMBERS_MAX, union};
use std::collections::BTreeMap;

/// Each opt-out names a person, so it is a body of the frame, and a frame has no more bodies.
pub(super) const OPT_OUTS_MAX: usize = BODIES_MAX;

/// Who must not be texted, each once, in order. Who stands there twice is blocked from wherever either says.
pub(super) fn opt_outs(root: &Fields<'_>) -> Vec<(E164, Block)> {
    let wanted = "a number in quotes, or an object with number, everywhere and our_numbers";
    let everywhere = |text: &str| number(text).map(|number| (number, Block::everywhere()));
    let mut people: BTreeMap<E164, Block> = BTreeMap::new();
    for (number, block) in root.each("opt_outs", wanted, everywhere, person) {
        if let Some(both) = union(people.get(&number), &block) {
            people.insert(number, both);
        }
    }
    if people.len() > OPT_OUTS_MAX {
        let count = people.len();
        root.note(
            "opt_outs",
            format!(
                "has {count} numbers: leave {OPT_OUTS_MAX} here, and PUT the others to /v1/opt-outs once it is loaded"
            ),
        );
    }
    people.into_iter().collect()
}

fn person(fields: &Fields<'_>) -> Option<(E164, Block)> {
    let person = fields.required("number", "whom not to text, like +12065550142", number);
    let everywhere = fields.flag("everywhere", false);
    let mut numbers = Vec::new();
    for ours in fields.list("our_numbers", number).unwrap_or_default() {
        if !numbers.contains(&ours) {
            numbers.push(ours);
        }
    }
    // A key that is none may be somebody's number.
    fields.no_other_fields_unnamed();
    if numbers.len() > NUMBERS_MAX {
        let way_out = format!("name at most {NUMBERS_MAX}, or set everywhere to true without any");
        fields.note("our_numbers", format!("has {} numbers: {way_out}", numbers.len()));
    }
    if !everywhere && fields.is_empty("our_numbers") {
        fields.note("our_numbers", "is empty, which blocks nothing: name numbers of ours, or set everywhere to true");
    }
    Some((person?, Block { everywhere, numbers }))
}
