//! Invalid documents, most with many problems at once.

use super::super::*;
use super::{EXAMPLE, SUPPORT, checked, checked_text, example};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn json_syntax_error_has_a_place() {
    expect_text("{\n  \"queues\": {},\n}", &["3:1: invalid JSON: trailing comma: correct it here or just before"]);
    expect_text("", &["1:1: invalid JSON: EOF while parsing a value: correct it here or just before"]);
    expect_text("{} {}", &["1:4: invalid JSON: trailing characters: correct it here or just before"]);
    expect_text("[]", &["the document: is a list: write an object, as in { ... }"]);
}

#[test]
fn f02_texts_and_labels_of_invisible_characters_are_empty() {
    let mut document = example();
    document["presets"]["it"]["welcome"] = json!({ "label": "\u{200b}", "text": "\u{feff}\u{2060}" });
    document["settings"]["closing"]["texts"]["en"] = json!("\u{200b} \n");
    document["settings"]["auto_reply"]["texts"]["en"] = json!("\u{200e}");
    document["settings"]["opt_out"]["texts"]["en"] = json!("\u{3164}");
    let nothing = "there is nothing to send: write some text";
    expect(
        &document,
        &[
            "presets.it.welcome.label: is empty: write the label shown to agents",
            &format!("presets.it.welcome.text: {nothing}"),
            &format!("settings.closing.texts.en: {nothing}"),
            &format!("settings.auto_reply.texts.en: {nothing}"),
            &format!("settings.opt_out.texts.en: {nothing}"),
        ],
    );
}

#[test]
fn duplicate_key_is_reported() {
    expect_text(
        r#"{ "queues": { "a": { "name": "A", "name": "B" }, "a": { "name": "C" } } }"#,
        &["queues.a.name: is a duplicate key: keep one of them", "queues.a: is a duplicate key: keep one of them"],
    );
}

#[test]
fn all_problems_of_a_document_are_reported_at_once() {
    expect(
        &json!({
            "settings": { "in_call_sms": "yes", "default_language": "it alia", "closing": null, "max_wait_ms": -1,
                "auto_reply": { "texts": { "en": 5, "e n": "Hi" }, "per_day": 1.5 }, "call_types": ["Callback", 7],
                "retention_days": 4294967296_u64, "minimum_attestation": "D", "non_us": { "rule": "us" } },
            "numbers": { "12065550100": { "label": "Support" }, SUPPORT: "main", "+12065550101": {
                "account": "main", "purpose": "sales", "limits": { "burst": "many" }, "verification": {
                    "state": "verfied", "checked_at": "yesterday" } } },
            "queues": { "my queue": {}, "sales": { "name": null, "inbound_numbers": ["+12065550101", "2065550102", 3],
                "outbound_numbers": SUPPORT, "default_outbound": "none", "in_call_sms": 1, "parent": "the other" } },
            "presets": { "it": { "welcome": {}, "bye!": { "label": "Bye", "text": 1 } } },
            "opt_outs": ["+12065550199", "12065550142"],
        }),
        &[
            "settings.in_call_sms: is text: write true or false",
            "settings.non_us.rule: \"us\" is not a valid value: use \"plus_one\" or \"strict_us\"",
            "settings.default_language: is not a name: use 1 to 16 of A-Z a-z 0-9 _ . : -",
            "settings.closing: is null: write an object, as in { ... }",
            "settings.auto_reply.texts.en: is a number: write text in quotes",
            "settings.auto_reply.texts.\"e n\": is not a name: use 1 to 16 of A-Z a-z 0-9 _ . : -",
            "settings.auto_reply.per_day: is 1.5: use a whole number from 0 to 4294967295",
            "settings.call_types: entry 1 of 2 is not a call type: use 1 to 64 of a-z 0-9 _ -",
            "settings.call_types: entry 2 of 2 is a number: write text in quotes",
            "settings.minimum_attestation: \"D\" is not a valid value: use \"A\" or \"B\" or \"C\"",
            "settings.max_wait_ms: is -1: use a whole number from 0 to 4294967295",
            "settings.retention_days: is 4294967296: use a whole number from 0 to 4294967295",
            "numbers.12065550100: is not an E.164 number: write + and 7 to 15 digits, the first not 0, like \
             +12065550142",
            "numbers.+12065550100: is text: write an object, as in { ... }",
            "numbers.12065550100.account: is missing: give the carrier account's name in the configuration",
            "numbers.+12065550101.label: is missing: give a label that identifies the number, as in \"Support A\"",
            "numbers.+12065550101.purpose: \"sales\" is not a valid value: use \"in_call\" or \"chat\"",
            "numbers.+12065550101.limits.burst: is text: write a whole number",
            "numbers.+12065550101.verification.state: \"verfied\" is not a valid value: use \"verified\" or \
             \"unverified\" or \"failed\"",
            "numbers.+12065550101.verification.checked_at: is not a time: write a date and time with its zone, as in \
             2026-01-31T12:00:00Z",
            "queues.\"my queue\": is not a name: use 1 to 64 of A-Z a-z 0-9 _ . : -",
            "queues.\"my queue\".name: is missing: give one for people, as in \"Support\"",
            "queues.sales.name: is null: write text in quotes",
            "queues.sales.parent: is not a name: use 1 to 64 of A-Z a-z 0-9 _ . : -",
            "queues.sales.in_call_sms: is a number: write true, false or null",
            "queues.sales.inbound_numbers: entry 2 of 3 is not an E.164 number: write + and 7 to 15 digits, the first \
             not 0, like +12065550142",
            "queues.sales.inbound_numbers: entry 3 of 3 is a number: write text in quotes",
            "queues.sales.outbound_numbers: is text: write a list, as in [\"one\", \"two\"]",
            "queues.sales.default_outbound: is not an E.164 number: write + and 7 to 15 digits, the first not 0, like \
             +12065550142",
            "presets.it.\"bye!\": is not a name: use 1 to 64 of A-Z a-z 0-9 _ . : -",
            "presets.it.welcome.label: is missing: give the label shown to agents",
            "presets.it.welcome.text: is missing: give the text sent to the caller",
            "presets.it.\"bye!\".text: is a number: write text in quotes",
            "opt_outs: entry 2 of 2 is not an E.164 number: write + and 7 to 15 digits, the first not 0, like \
             +12065550142",
        ],
    );
}

#[test]
fn unknown_field_is_reported_with_the_known_ones() {
    expect(
        &json!({
            "setting": {},
            "settings": { "auto_reply": { "quiet_mins": 5 } },
            "numbers": { SUPPORT: { "label": "Support", "account": "main", "limit": {} } },
            "queues": { "support": { "name": "Support", "numbers": [] } },
            "presets": { "it": { "welcome": { "label": "Benvenuto", "text": "Ciao", "content": "Ciao" } } },
        }),
        &[
            "settings.auto_reply.quiet_mins: is an unknown field: remove it, or use one of enabled, texts, \
             quiet_minutes, per_day, unknown_sender, strangers_per_hour",
            "numbers.+12065550100.limit: is an unknown field: remove it, or use one of label, account, purpose, \
             global_outbound, limits, verification",
            "queues.support.numbers: is an unknown field: remove it, or use one of name, parent, in_call_sms, \
             inbound_numbers, outbound_numbers, default_outbound, language",
            "presets.it.welcome.content: is an unknown field: remove it, or use one of label, text",
            "setting: is an unknown field: remove it, or use one of settings, numbers, queues, presets, accounts, \
             opt_outs",
        ],
    );
}

#[test]
fn a28_impossible_or_meaningless_limits_are_reported() {
    let mut document = example();
    let limits = &mut document["numbers"][SUPPORT]["limits"];
    (limits["segments_per_second"], limits["segments_per_day"]) = (json!(-1), json!(0));
    document["accounts"] =
        json!({ "main": { "limits": { "segments_per_second": 1e12, "burst": 0, "day_zone": "Mars/Olympus" } } });
    let fix = "use 0.001 to 4294967.295 with at most three decimals, or null";
    expect(
        &document,
        &[
            &format!("numbers.+12065550100.limits.segments_per_second: is -1: {fix}"),
            &format!("accounts.main.limits.segments_per_second: is 1000000000000.0: {fix}"),
            "numbers.+12065550100.limits.segments_per_day: is 0: use 1 or more, or null for no cap; to stop a \
             number from sending, suspend it",
            "accounts.main.limits.day_zone: is not a time zone: use a tz database name like \"America/Los_Angeles\" \
             or \"Europe/Rome\"",
            "accounts.main.limits.burst: is 0: use 1 to 100000, or leave it out for 1",
        ],
    );
}

#[test]
fn broken_rules_are_reported() {
    let mut document = example();
    document["queues"]["sales"]["inbound_numbers"] = json!(["+12065550101", SUPPORT]);
    document["queues"]["support"]["outbound_numbers"] = json!(["+12065550101", "+12065550103"]);
    document["settings"]["retention_days"] = json!(1);
    document["accounts"] = json!({ "other": {} });
    expect(
        &document,
        &[
            // R31
            "queues.support.outbound_numbers: +12065550103 is not verified: verify it before it is assigned to a queue",
            // R19, R20
            "queues.support.inbound_numbers: +12065550100 is already an inbound number of queue sales; it can belong \
             to one queue only",
            "settings.retention_days: is 1: use 2 to 3650",
            "accounts.other: no account of that name is configured: use one of main",
        ],
    );
}

#[test]
fn invalid_entry_does_not_hide_a_rule_broken_by_another() {
    let mut document = example();
    document["queues"]["support"]["outbound_numbers"] = json!(["2065550102", "+12065550103"]);
    expect(
        &document,
        &[
            "queues.support.outbound_numbers: entry 1 of 2 is not an E.164 number: write + and 7 to 15 digits, the \
             first not 0, like +12065550142",
            "queues.support.outbound_numbers: +12065550103 is not verified: verify it before it is assigned to a queue",
        ],
    );
}

#[test]
fn r18_r27_r31_only_verified_in_call_non_global_numbers_can_be_assigned() {
    for (field, value, problem) in [
        ("purpose", json!("chat"), "is for chat SMS and cannot be used for in-call SMS: use another"),
        ("global_outbound", json!(true), "is the global outbound number: use another, or clear global_outbound"),
        (
            "verification",
            json!({ "state": "failed", "reason": "gone" }),
            "is not verified: verify it before it is assigned to a queue",
        ),
    ] {
        let mut document = example();
        document["numbers"][SUPPORT][field] = value;
        expect(&document, &[&format!("queues.support.inbound_numbers: {SUPPORT} {problem}")]);
    }
}

#[test]
fn a43_r50_our_texts_have_at_most_918_characters() {
    let mut document = example();
    let too_long = "è".repeat(919);
    document["presets"]["it"]["welcome"]["text"] = json!(too_long);
    document["settings"]["closing"]["texts"]["it"] = json!(too_long);
    document["settings"]["auto_reply"]["texts"]["en"] = json!(too_long);
    expect(
        &document,
        &[
            "presets.it.welcome.text: the text has 919 characters: write at most 918",
            "settings.closing.texts.it: the text has 919 characters: write at most 918",
            "settings.auto_reply.texts.en: the text has 919 characters: write at most 918",
        ],
    );
    let fits = json!({ "presets": { "it": { "welcome": { "label": "Benvenuto", "text": "è".repeat(918) } } } });
    assert!(checked(&fits).is_ok());
}

#[test]
fn problems_show_no_opt_out_and_no_text_and_shorten_long_values() {
    let canary = "206 555 0142";
    let problems = checked(&json!({
        "opt_outs": [canary],
        "queues": { "support": { "name": "Support", "language": canary, "inbound_numbers": [canary] } },
        "settings": { "closing": { "texts": { "en": [canary] } }, "opt_out_scope": "x\n".repeat(5_000) },
    }));
    let problems = problems.unwrap_err().to_string();
    assert!(!problems.contains(canary), "{problems}");
    assert_eq!(problems.lines().count(), 6, "{problems}");
    assert!(problems.lines().all(|line| line.len() < 300), "{problems}");
}

#[test]
fn at_most_a_thousand_problems_are_listed() {
    let many = json!({ "opt_outs": vec![""; findings::PROBLEMS_MAX + 5] });
    let problems = checked(&many).unwrap_err();
    assert_eq!(problems.count(), findings::PROBLEMS_MAX + 1);
    assert!(problems.to_string().ends_with("there are more than 1000 problems: fix these first\n1001 problems"));
}

#[test]
fn every_problem_names_its_file() {
    let place = tempfile::TempDir::new().unwrap();
    let file = place.path().join("directory.json");
    let problem = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let problems = load(&file, &["main".to_owned()]).unwrap_err().to_string();
        problems.lines().next().unwrap().strip_prefix(&file.display().to_string()).unwrap().to_owned()
    };
    assert_eq!(
        problem(b"{\"a\": 1"),
        ":1:7: invalid JSON: EOF while parsing an object: correct it here or just \
        before"
    );
    assert_eq!(problem(b"{\"queues\": 1}"), ": queues: is a number: write an object, as in { ... }");
    let unreadable = |why: &str| {
        format!(
            ": cannot be read ({why}): pass the path of a directory document, as in \
            config/directory.example.json"
        )
    };
    assert_eq!(problem(b"\xff"), ": is not UTF-8 in line 1: save it as UTF-8");
    assert_eq!(problem(&vec![b' '; FILE_MAX_BYTES as usize + 1]), unreadable("larger than 8388608 bytes"));
    std::fs::write(&file, EXAMPLE).unwrap();
    assert_eq!(load(&file, &["main".to_owned()]), checked_text(EXAMPLE));
}

proptest! {
    #[test]
    fn document_with_a_part_replaced_is_read_or_refused(from in 0..EXAMPLE.len(), length in 0..400usize, put in ".{0,3}") {
        let from = EXAMPLE.floor_char_boundary(from);
        let to = EXAMPLE.floor_char_boundary((from + length).min(EXAMPLE.len()));
        let torn = format!("{}{put}{}", &EXAMPLE[..from], &EXAMPLE[to..]);
        if let Err(problems) = checked_text(&torn) {
            prop_assert!(problems.count() > 0);
            prop_assert!(problems.to_string().lines().count() == problems.count() + 1, "{}", problems);
        }
    }
}

#[track_caller]
fn expect(document: &Value, lines: &[&str]) {
    expect_text(&document.to_string(), lines);
}

#[track_caller]
fn expect_text(text: &str, lines: &[&str]) {
    let problems = checked_text(text).expect_err("something is wrong").to_string();
    let count = format!("{} problem{}", lines.len(), if lines.len() == 1 { "" } else { "s" });
    let mut found: Vec<_> = problems.lines().collect();
    assert_eq!(found.pop(), Some(&*count), "{problems}");
    assert_eq!(found.join("\n"), lines.join("\n"));
}
