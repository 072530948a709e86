//! Valid documents, and the directories read from them.

mod opt_outs;
mod round_trip;
mod wrong;

use super::*;
use crate::model::{Attestation, Limits, NonUsRule, OptOutScope, Settings, Timestamp, UnknownSender, Verification};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The example as shipped.
const EXAMPLE: &str = include_str!("../../config/directory.example.json");

const SUPPORT: &str = "+12065550100";

#[test]
fn example_is_valid_and_has_the_expected_content() {
    let Document { directory, opt_outs } = checked_text(EXAMPLE).unwrap();
    let settings = &directory.settings;
    let rates = directory.numbers.values().map(|number| number.limits.millisegments_per_second);
    assert_eq!(rates.collect::<Vec<_>>(), [Some(1000), Some(3000), Some(100), Some(1000)]);
    assert_eq!(directory.owner_of(number(SUPPORT)).unwrap().as_str(), "support");
    assert_eq!(directory.queues.len(), 2);
    for language in ["en", "it"] {
        let language = language.to_owned().try_into().unwrap();
        assert_eq!(directory.presets[&language].len(), 2);
        assert!(settings.closing.texts.contains_key(&language) && settings.auto_reply.texts.contains_key(&language));
    }
    assert!(settings.in_call_sms && settings.closing.enabled && settings.auto_reply.enabled);
    assert_eq!(opt_outs, [(number("+12065550199"), Block::everywhere())]);
}

#[test]
fn example_shows_every_setting() {
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    let model = serde_json::to_value(Settings::default()).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&example["settings"]), keys(&model));
    for part in ["non_us", "closing", "auto_reply"] {
        assert_eq!(keys(&example["settings"][part]), keys(&model[part]));
    }
}

#[test]
fn empty_document_is_the_default_directory() {
    let Document { directory, opt_outs } = checked(&json!({})).unwrap();
    assert_eq!((directory, opt_outs), (Directory::default(), vec![]));
    let empty = json!({ "settings": { "non_us": {}, "closing": {}, "auto_reply": { "texts": {} } }, "numbers": {},
        "queues": {}, "presets": {}, "accounts": {}, "opt_outs": [] });
    assert_eq!(checked(&empty).unwrap().directory, Directory::default());
}

#[test]
fn r54_a26_closing_and_auto_reply_are_on_by_default_without_texts() {
    for document in [json!({}), json!({ "settings": { "closing": {}, "auto_reply": {} } })] {
        let settings = checked(&document).unwrap().directory.settings;
        assert!(settings.closing.enabled && settings.auto_reply.enabled);
        assert!(settings.closing.texts.is_empty() && settings.auto_reply.texts.is_empty());
    }
}

#[test]
fn absent_fields_have_the_defaults_of_the_api() {
    let document = json!({
        "numbers": { SUPPORT: { "label": "Support", "account": "main" } },
        "queues": { "support": { "name": "Support" } },
    });
    let directory = checked(&document).unwrap().directory;
    let entry = &directory.numbers[&number(SUPPORT)];
    assert_eq!((&entry.limits, &entry.verification), (&Limits::default(), &Verification::default()));
    let queue = directory.queues.values().next().unwrap();
    assert_eq!((queue.in_call_sms, &queue.parent, &queue.language), (None, &None, &None), "A42: it inherits");
}

#[test]
fn f14_number_with_a_zero_fraction_is_a_whole_number() {
    let settings =
        |per_day: serde_json::Value| checked(&json!({ "settings": { "auto_reply": { "per_day": per_day } } }));
    assert_eq!(settings(json!(5.0)).unwrap().directory.settings.auto_reply.per_day, 5);
    assert!(settings(json!(5.5)).is_err());
    assert!(settings(json!(-5.0)).is_err());
}

#[test]
fn every_setting_is_read_as_written() {
    let mut given = json!({
        "in_call_sms": true, "non_us": { "in_call": true, "wait_time": true, "rule": "strict_us" },
        "custom_messages": false, "presets_only": true, "default_language": "it",
        "closing": { "enabled": false, "texts": { "it": "Ciao." } },
        "auto_reply": { "enabled": false, "texts": { "it": "Chiamaci." }, "quiet_minutes": 1, "per_day": 2,
            "unknown_sender": "silent", "strangers_per_hour": 8 },
        "opt_out": { "confirm": false, "texts": { "it": "Non scriviamo più." }, "help_texts": { "it": "Siamo noi." },
            "first_word": true },
        "opt_out_scope": "number", "call_types": ["inbound_ivr", "callback"], "attach_cross_queue": true,
        "call_lease_minutes": 3, "late_text": true, "minimum_attestation": "B", "drop_non_us_inbound": true,
        "contact_memory_days": 4, "landline_memory_days": 5, "max_wait_ms": 6, "retention_days": 7,
        "media_retention_days": 8,
    });
    let settings = checked(&json!({ "settings": given })).unwrap().directory.settings;
    assert_eq!(settings.non_us.rule, NonUsRule::StrictUs);
    assert_eq!(settings.auto_reply.unknown_sender, UnknownSender::Silent);
    assert_eq!(settings.opt_out_scope, OptOutScope::Number);
    assert_eq!(settings.minimum_attestation, Some(Attestation::B));
    // No value equals its default, and the model serializes to the same words as the document, so every setting was
    // read.
    assert_eq!(serde_json::to_value(&settings).unwrap(), given);
    let default = serde_json::to_value(Settings::default()).unwrap();
    for (key, value) in given.as_object_mut().unwrap() {
        assert_ne!(*value, default[key], "{key}");
    }
}

#[test]
fn r41_presets_are_in_the_administrators_document_with_the_settings() {
    let document = json!({
        "settings": { "presets_only": true },
        "presets": { "en": { "hello": { "label": "Greet", "text": "Hello." }, "bye": { "label": "Part", "text": "Bye." } } },
    });
    let directory = checked(&document).unwrap().directory;
    assert!(directory.settings.presets_only);
    let presets = &directory.presets[&"en".to_owned().try_into().unwrap()];
    let shown: Vec<_> = presets.values().map(|preset| (&*preset.label, &*preset.text)).collect();
    assert_eq!(shown, [("Part", "Bye."), ("Greet", "Hello.")]);
}

#[test]
fn response_of_a_get_can_be_a_seed() {
    let document = json!({
        "numbers": { SUPPORT: {
            "number": SUPPORT, "label": "Support", "account": "main", "purpose": "in_call", "global_outbound": false,
            "limits": { "segments_per_second": null, "burst": 2, "segments_per_day": null, "day_zone": "Europe/Rome" },
            "verification": { "state": "verified", "status": "Verified for SMS messaging only", "sms": true, "mms": true,
                "reason": null, "checked_at": "2026-01-31T12:00:00.000Z" },
            "queues": { "inbound": "support", "outbound": [] },
            "lane": { "queued": 0, "tokens": 1.0, "oldest_ready_ms": null, "paused_until": null } } },
        "queues": { "support": { "id": "support", "name": "Support", "parent": null, "in_call_sms": null, "inbound_numbers": [SUPPORT],
            "outbound_numbers": [], "default_outbound": null, "language": "en" } },
        "presets": { "it": { "welcome": { "language": "it", "id": "welcome", "label": "Benvenuto", "text": "Buongiorno.",
            "encoding": "gsm7", "segments": 1, "warnings": [] } } },
        "accounts": { "main": { "carrier": "twilio", "public_url": "https://sms.example.com", "limits": {
            "segments_per_second": null, "burst": null, "segments_per_day": null, "day_zone": "Europe/Rome" } } },
    });
    let directory = checked(&document).unwrap().directory;
    let entry = &directory.numbers[&number(SUPPORT)];
    assert_eq!(entry.verification.checked_at, Timestamp::parse("2026-01-31T12:00:00Z"));
    assert_eq!((entry.limits.millisegments_per_second, entry.limits.burst), (None, 2));
    assert_eq!(entry.limits.day_zone, "Europe/Rome");
    let zoned = Limits { day_zone: "Europe/Rome".to_owned(), ..Limits::none() };
    assert_eq!(directory.accounts["main"].limits, zoned);
}

#[test]
fn rate_is_stored_exactly_or_refused() {
    for (given, kept) in [
        ("0.1", Some(100)),
        ("1", Some(1000)),
        ("1.0", Some(1000)),
        ("2.50e-1", Some(250)),
        ("0.001", Some(1)),
        ("4294967.295", Some(u32::MAX)),
        ("null", None),
    ] {
        assert_eq!(rate(given), Ok(kept), "{given}");
    }
    for (given, shown) in [
        ("0", "0"),
        ("-1", "-1"),
        ("0.0001", "0.0001"),
        ("0.1001", "0.1001"),
        ("4294967.296", "4294967.296"),
        ("1e300", "1e+300"),
    ] {
        let found = rate(given).unwrap_err();
        let expected = format!(
            "`numbers.{SUPPORT}.limits.segments_per_second` is {shown}: it must be a number from 0.001 to 4294967.295 \
             with at most three decimals, or null"
        );
        assert_eq!(found, expected, "{given}");
    }
}

proptest! {
    #[test]
    fn every_rate_with_three_decimals_is_exact(milli in 1..=u32::MAX, fourth in 1..=9) {
        let written = format!("{}.{:03}", milli / 1000, milli % 1000);
        prop_assert_eq!(rate(&written).unwrap(), Some(milli));
        let written = format!("{written}{fourth}");
        prop_assert!(rate(&written).is_err(), "{}", written);
    }
}

fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

fn example() -> Value {
    serde_json::from_str(EXAMPLE).unwrap()
}

/// The rate of a number whose document value is `given`.
fn rate(given: &str) -> Result<Option<u32>, String> {
    let limits = format!(r#"{{ "segments_per_second": {given} }}"#);
    let entry = format!(r#"{{ "label": "Support", "account": "main", "limits": {limits} }}"#);
    let document = checked_text(&format!(r#"{{ "numbers": {{ "{SUPPORT}": {entry} }} }}"#))?;
    Ok(document.directory.numbers[&number(SUPPORT)].limits.millisegments_per_second)
}

fn checked(document: &Value) -> Result<Document, String> {
    checked_text(&document.to_string())
}

/// Checks `text` for a gateway with the single account `main`.
fn checked_text(text: &str) -> Result<Document, String> {
    checked_onto(text, Onto { before: None, accounts: &["main".to_owned()], force: false })
}

/// The problems, one per line.
fn checked_onto(text: &str, onto: Onto<'_>) -> Result<Document, String> {
    read(text, onto)
        .map_err(|problems| problems.into_iter().map(|problem| problem.detail).collect::<Vec<_>>().join("\n"))
}
