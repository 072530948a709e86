//! Opt-outs of a document: each a number, or an object that also gives the blocked numbers of ours.

use crate::json::{Fields, Invalid, number};
use crate::model::E164;
use crate::rules::opt_out::{Block, NUMBERS_MAX, union};
use std::collections::{BTreeMap, HashSet};

/// Opt-outs, each person once, in order. Several entries for a person are merged: the person is blocked from all
/// their numbers.
pub(super) fn opt_outs(root: &Fields<'_>) -> Vec<(E164, Block)> {
    let must_be = "a phone number, or an object with number, everywhere and our_numbers";
    let everywhere = |text: &str| Ok::<_, Invalid>((number(text)?, Block::everywhere()));
    let mut people: BTreeMap<E164, Block> = BTreeMap::new();
    for (number, block) in root.each("opt_outs", must_be, everywhere, person) {
        if let Some(both) = union(people.get(&number), &block) {
            people.insert(number, both);
        }
    }
    people.into_iter().collect()
}

fn person(fields: &Fields<'_>) -> Option<(E164, Block)> {
    let person = fields.required("number", "the person's number, like +12065550142", number);
    let block = block(fields, false);
    // An unknown key may be a person's number, so it is not shown.
    fields.no_other_fields_unnamed();
    Some((person?, block))
}

/// Reads which of our numbers must not text a person; `everywhere` is the default of that field.
pub fn block(fields: &Fields<'_>, everywhere: bool) -> Block {
    let everywhere = fields.flag("everywhere", everywhere);
    let mut seen = HashSet::new();
    let mut numbers = fields.list("our_numbers", number).unwrap_or_default();
    numbers.retain(|ours| seen.insert(*ours));
    if numbers.len() > NUMBERS_MAX {
        let fix = format!("list at most {NUMBERS_MAX}, or set everywhere to true and list none");
        fields.note("our_numbers", format!("has {} numbers: {fix}", numbers.len()));
        numbers.truncate(NUMBERS_MAX);
    }
    if !everywhere && fields.is_empty("our_numbers") {
        fields.note(
            "our_numbers",
            "is empty, which blocks nothing: list some of our numbers, or set everywhere to \
            true",
        );
    }
    Block { everywhere, numbers }
}
