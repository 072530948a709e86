//! Invalid documents, most with many problems at once.

use super::super::*;
use super::{EXAMPLE, SUPPORT, checked, checked_text, example};
use crate::json::PROBLEMS_MAX;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn json_syntax_error_has_a_place() {
    for (text, what, place) in [
        ("{\n  \"queues\": {},\n}", "trailing comma", (3, 1)),
        ("", "EOF while parsing a value", (1, 1)),
        ("{} {}", "trailing characters", (1, 4)),
    ] {
        let onto = Onto { before: None, accounts: &[], force: false };
        let problems = read(text, onto).unwrap_err();
        assert_eq!(problems[0].place, Some(place), "{text}");
        expect_text(text, &[&format!("invalid JSON: {what}: correct it here or just before")]);
    }
    expect_text("[]", &["the document is an array: it must be an object, as in {\"field\": \"value\"}"]);
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
            &format!("settings.closing.texts.en: {nothing}"),
            &format!("settings.auto_reply.texts.en: {nothing}"),
            &format!("settings.opt_out.texts.en: {nothing}"),
            "presets.it.welcome.label: is empty: write the label shown to agents",
            &format!("presets.it.welcome.text: {nothing}"),
        ],
    );
}

#[test]
fn duplicate_key_is_reported() {
    expect_text(
        r#"{ "queues": { "a": { "name": "A", "name": "B" }, "a": { "name": "C" } } }"#,
        &["duplicate field `queues.a.name`", "duplicate field `queues.a`"],
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
            "`settings.in_call_sms` is a string: it must be true or false",
            "`settings.non_us.rule` is not a valid value: it must be one of plus_one, strict_us",
            "`settings.default_language` is not a name: use 1 to 16 of A-Z a-z 0-9 _ . : -",
            "`settings.closing` is null: it must be an object, as in {\"field\": \"value\"}",
            "`settings.auto_reply.texts.en` is a number: it must be a string",
            "`settings.auto_reply.texts.\"e n\"` is not a name: use 1 to 16 of A-Z a-z 0-9 _ . : -",
            "`settings.auto_reply.per_day` is 1.5: it must be a whole number from 0 to 4294967295",
            "`settings.call_types[1]` is not a call type: use 1 to 64 of a-z 0-9 _ -",
            "`settings.call_types[2]` is a number: it must be a string",
            "`settings.minimum_attestation` is not a valid value: it must be one of A, B, C",
            "`settings.max_wait_ms` is -1: it must be a whole number from 0 to 4294967295",
            "`settings.retention_days` is 4294967296: it must be a whole number from 0 to 4294967295",
            "`numbers.12065550100` is not an E.164 number: write + and 7 to 15 digits, the first not 0, like \
             +12065550142",
            "`numbers.+12065550100` is a string: it must be an object, as in {\"field\": \"value\"}",
            "`numbers.12065550100.account` is missing: it must be the carrier account's name in the configuration",
            "`numbers.+12065550101.label` is missing: it must be a label that identifies the number, as in \"Support \
             A\"",
            "`numbers.+12065550101.purpose` is not a valid value: it must be one of in_call, chat",
            "`numbers.+12065550101.limits.burst` is a string: it must be a whole number from 0 to 4294967295",
            "`numbers.+12065550101.verification.state` is not a valid value (did you mean verified?): it must be one \
             of verified, unverified, failed",
            "`numbers.+12065550101.verification.checked_at` is not a valid time: it must be a time with its zone, as \
             in 2026-01-31T12:00:00Z, from 1970 to 9999-12-30",
            "`queues.\"my queue\"` is not a name: use 1 to 64 of A-Z a-z 0-9 _ . : -",
            "`queues.\"my queue\".name` is missing: it must be a name for people, as in \"Support\"",
            "`queues.sales.name` is null: it must be a name for people, as in \"Support\"",
            "`queues.sales.parent` is not a name: use 1 to 64 of A-Z a-z 0-9 _ . : -",
            "`queues.sales.in_call_sms` is a number: it must be true, false or null",
            "`queues.sales.inbound_numbers[2]` is not an E.164 number: write + and 7 to 15 digits, the first not 0, \
             like +12065550142",
            "`queues.sales.inbound_numbers[3]` is a number: it must be a string",
            "`queues.sales.outbound_numbers` is a string: it must be an array, as in [\"one\", \"two\"]",
            "`queues.sales.default_outbound` is not an E.164 number: write + and 7 to 15 digits, the first not 0, like \
             +12065550142",
            "`presets.it.\"bye!\"` is not a name: use 1 to 64 of A-Z a-z 0-9 _ . : -",
            "`presets.it.welcome.label` is missing: it must be the label shown to agents",
            "`presets.it.welcome.text` is missing: it must be the text sent to the caller",
            "`presets.it.\"bye!\".text` is a number: it must be the text sent to the caller",
            "`opt_outs[2]` is not an E.164 number: write + and 7 to 15 digits, the first not 0, like +12065550142",
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
            "unknown field `settings.auto_reply.quiet_mins` (did you mean `quiet_minutes`?); expected one of enabled, \
             texts, quiet_minutes, per_day, unknown_sender, strangers_per_hour",
            "unknown field `numbers.+12065550100.limit` (did you mean `limits`?); expected one of label, account, \
             purpose, global_outbound, limits, verification",
            "unknown field `queues.support.numbers`; expected one of name, parent, in_call_sms, inbound_numbers, \
             outbound_numbers, default_outbound, language",
            "unknown field `presets.it.welcome.content`; expected one of label, text, position",
            "unknown field `setting` (did you mean `settings`?); expected one of settings, numbers, queues, presets, \
             accounts, opt_outs",
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
    let must_be = "it must be a number from 0.001 to 4294967.295 with at most three decimals, or null";
    expect(
        &document,
        &[
            &format!("`numbers.+12065550100.limits.segments_per_second` is -1: {must_be}"),
            &format!("`accounts.main.limits.segments_per_second` is 1000000000000.0: {must_be}"),
            "numbers.+12065550100.limits.segments_per_day: is 0: use 1 or more, or null for no cap; to stop a \
             number from sending, suspend it",
            "accounts.main.limits.burst: is 0: use 1 to 100000, or leave it out for 1",
            "accounts.main.limits.day_zone: is not a time zone: use a tz database name like \"America/Los_Angeles\" \
             or \"Europe/Rome\"",
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
            "settings.retention_days: is 1: use 2 to 3650",
            // R19, R20
            "queues.support.inbound_numbers: +12065550100 is already an inbound number of queue sales; it can belong \
             to one queue only",
            // R31
            "queues.support.outbound_numbers: +12065550103 is not verified: verify it before it is assigned to a queue",
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
            "`queues.support.outbound_numbers[1]` is not an E.164 number: write + and 7 to 15 digits, the first not \
             0, like +12065550142",
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
            "settings.closing.texts.it: the text has 919 characters: write at most 918",
            "settings.auto_reply.texts.en: the text has 919 characters: write at most 918",
            "presets.it.welcome.text: the text has 919 characters: write at most 918",
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
    let problems = problems.unwrap_err();
    assert!(!problems.contains(canary), "{problems}");
    assert_eq!(problems.lines().count(), 5, "{problems}");
    assert!(problems.lines().all(|line| line.len() < 300), "{problems}");
}

#[test]
fn at_most_a_thousand_problems_are_listed() {
    let many = json!({ "opt_outs": vec![""; PROBLEMS_MAX + 5] });
    let problems = checked(&many).unwrap_err();
    assert_eq!(problems.lines().count(), PROBLEMS_MAX + 1);
    assert!(problems.ends_with("there are more than 1000 problems: fix these first"));
}

proptest! {
    #[test]
    fn document_with_a_part_replaced_is_read_or_refused(from in 0..EXAMPLE.len(), length in 0..400usize, put in ".{0,3}") {
        let from = EXAMPLE.floor_char_boundary(from);
        let to = EXAMPLE.floor_char_boundary((from + length).min(EXAMPLE.len()));
        let torn = format!("{}{put}{}", &EXAMPLE[..from], &EXAMPLE[to..]);
        if let Err(problems) = checked_text(&torn) {
            prop_assert!(!problems.is_empty() && problems.lines().all(|line| !line.is_empty()), "{}", problems);
        }
    }
}

#[track_caller]
fn expect(document: &Value, lines: &[&str]) {
    expect_text(&document.to_string(), lines);
}

#[track_caller]
fn expect_text(text: &str, lines: &[&str]) {
    assert_eq!(checked_text(text).expect_err("something is wrong"), lines.join("\n"));
}
