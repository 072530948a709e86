//! Opt-outs in a document.

use super::super::*;
use super::{SUPPORT, checked, number};
use serde_json::{Value, json};

const SHARED: &str = "+12065550102";

#[test]
fn duplicate_opt_out_counts_once() {
    let document = json!({ "opt_outs": ["+12065550199", "+12065550142", "+12065550199"] });
    let listed = |text| (number(text), Block::everywhere());
    assert_eq!(checked(&document).unwrap().opt_outs, [listed("+12065550142"), listed("+12065550199")]);
}

#[test]
fn a_seed_has_at_most_as_many_opt_outs_as_a_frame_has_bodies() {
    let many = |count: usize| {
        let numbers: Vec<_> = (0..count).map(|index| format!("+1206{index:07}")).collect();
        too_many_opt_outs(&checked(&json!({ "opt_outs": numbers })).unwrap())
    };
    assert_eq!(many(OPT_OUTS_MAX), None);
    assert!(many(OPT_OUTS_MAX + 1).unwrap().starts_with("`opt_outs` has 65536 numbers: keep 65535 here, "));
}

#[test]
fn a46_person_can_be_blocked_from_some_of_our_numbers_only() {
    let listed = listed(&json!([
        { "number": "+12065550142", "everywhere": false, "our_numbers": [SUPPORT, SHARED, SUPPORT] },
        { "number": "+12065550143", "our_numbers": [SHARED] },
        { "number": "+12065550144", "everywhere": true },
        { "number": "+12065550145", "everywhere": true, "our_numbers": [SUPPORT] },
        "+12065550146",
    ]));
    let block =
        |everywhere, ours: &[&str]| Block { everywhere, numbers: ours.iter().map(|ours| number(ours)).collect() };
    let expected = [
        (number("+12065550142"), block(false, &[SUPPORT, SHARED])),
        (number("+12065550143"), block(false, &[SHARED])),
        (number("+12065550144"), Block::everywhere()),
        (number("+12065550145"), block(true, &[SUPPORT])),
        (number("+12065550146"), Block::everywhere()),
    ];
    assert_eq!(listed.unwrap(), expected);
}

#[test]
fn several_entries_for_a_person_are_merged() {
    let twice = json!([
        { "number": "+12065550142", "our_numbers": [SUPPORT] },
        { "number": "+12065550142", "our_numbers": [SHARED] },
        "+12065550143",
        { "number": "+12065550143", "our_numbers": [SHARED] },
    ]);
    let expected = [
        (number("+12065550142"), Block { everywhere: false, numbers: vec![number(SUPPORT), number(SHARED)] }),
        (number("+12065550143"), Block { everywhere: true, numbers: vec![number(SHARED)] }),
    ];
    assert_eq!(listed(&twice).unwrap(), expected);
}

#[test]
fn invalid_entry_is_reported_by_index_and_never_by_number() {
    let many: Vec<_> = (0..65).map(|nth| format!("+120655502{nth:02}")).collect();
    let problems = listed(&json!([
        7,
        "2065550142",
        {},
        { "number": "2065550142", "our_numbers": ["2065550100", SUPPORT], "everywhere": "no" },
        { "number": "+12065550142", "everywhere": false, "our_numbers": [], "+12065550177": true },
        { "number": "+12065550142", "our_numbers": many },
        { "number": "+12065550142", "our_numbers": SUPPORT },
    ]));
    let number = "is not an E.164 number: write + and 7 to 15 digits, the first not 0, like +12065550142";
    let empty = "is empty, which blocks nothing: list some of our numbers, or set everywhere to true";
    let expected = [
        "`opt_outs[1]` is a number: it must be a phone number, or an object with number, everywhere and our_numbers",
        &format!("`opt_outs[2]` {number}"),
        "`opt_outs[3].number` is missing: it must be the person's number, like +12065550142",
        &format!("`opt_outs[3].our_numbers` {empty}"),
        &format!("`opt_outs[4].number` {number}"),
        "`opt_outs[4].everywhere` is a string: it must be true or false",
        &format!("`opt_outs[4].our_numbers[1]` {number}"),
        &format!("`opt_outs[5].our_numbers` {empty}"),
        "`opt_outs[5]` has an unknown field; expected one of number, everywhere, our_numbers",
        "`opt_outs[6].our_numbers` has 65 numbers: list at most 64, or set everywhere to true and list none",
        "`opt_outs[7].our_numbers` is a string: it must be an array, as in [\"one\", \"two\"]",
    ];
    assert_eq!(problems.unwrap_err(), expected.join("\n"));
}

fn listed(opt_outs: &Value) -> Result<Vec<(E164, Block)>, String> {
    Ok(checked(&json!({ "opt_outs": opt_outs }))?.opt_outs)
}
