//! A written document is read back as the same directory.

use super::super::*;
use super::{EXAMPLE, checked_onto, number};
use crate::model::{
    Account, Attestation, AutoReply, Closing, Language, Limits, NonUs, NonUsRule, Number, OptOutScope, OptOutWords,
    Preset, Purpose, Queue, Settings, Timestamp, UnknownSender, Verification, VerificationCode, VerificationState,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SUPPORT: &str = "+12065550100";
const SHARED: &str = "+12065550102";

#[test]
fn r29_r47_directory_with_numbers_and_presets_survives_a_round_trip() {
    let before = rich();
    assert_eq!(again(&before), before);
    let empty = Document::default();
    assert_eq!(again(&empty), empty);
}

#[test]
fn document_is_the_same_after_a_round_trip() {
    let first = format!("{:#}", render::document(&rich()));
    assert_eq!(format!("{:#}", render::document(&again(&rich()))), first);
}

#[test]
fn every_field_of_the_example_is_written_unchanged() {
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    let written = render::document(&first(EXAMPLE).unwrap());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&written), ["settings", "numbers", "queues", "presets", "accounts", "opt_outs"]);
    for part in ["settings", "presets", "opt_outs"] {
        assert_eq!(written[part], example[part], "{part}");
    }
    for (part, key) in [("numbers", SUPPORT), ("queues", "support")] {
        assert_eq!(written[part][key], example[part][key], "{part}.{key}");
    }
    assert_eq!(keys(&written["settings"]), keys(&example["settings"]), "in the order of the example");
}

#[test]
fn opt_out_is_a_bare_number_only_if_it_blocks_everywhere() {
    let written = render::document(&Document { directory: Directory::default(), opt_outs: rich().opt_outs });
    let object = |everywhere: bool, ours: &[&str]| (everywhere, ours.iter().map(|ours| json!(ours)).collect::<Value>());
    let expected: Vec<Value> = [
        ("+12065550142", Some(object(false, &[SHARED, SUPPORT]))),
        ("+12065550177", Some(object(true, &[SUPPORT]))),
        ("+12065550199", None),
    ]
    .into_iter()
    .map(|(person, reach)| match reach {
        Some((everywhere, ours)) => json!({ "number": person, "everywhere": everywhere, "our_numbers": ours }),
        None => json!(person),
    })
    .collect();
    assert_eq!(written["opt_outs"], Value::Array(expected));
}

proptest! {
    #[test]
    fn every_rate_survives_a_round_trip_as_decimal(rate in 1..=u32::MAX, burst in 1..=100_000u32) {
        let mut seed = rich();
        let limits = &mut seed.directory.numbers.get_mut(&number(SUPPORT)).unwrap().limits;
        (limits.millisegments_per_second, limits.burst) = (Some(rate), burst);
        prop_assert_eq!(again(&seed), seed);
    }
}

#[test]
fn number_without_verification_keeps_its_own_within_its_account() {
    let before = rich().directory;
    let onto = |account: &str| {
        let entry = json!({ "label": "Support", "account": account });
        let text = json!({ "numbers": { SHARED: entry } }).to_string();
        let onto = Onto { before: Some(&before), accounts: &accounts(), force: false };
        checked_onto(&text, onto).unwrap().directory.numbers[&number(SHARED)].verification.clone()
    };
    assert_eq!(onto("main"), before.numbers[&number(SHARED)].verification);
    assert_eq!(onto("other"), Verification::default());
}

#[test]
fn r21_a38_a41_allowed_changes_depend_on_the_current_directory() {
    let before = rich().directory;
    let problems = |force: bool, change: fn(&mut Value)| {
        let mut document = render::document(&rich());
        change(&mut document);
        let onto = Onto { before: Some(&before), accounts: &accounts(), force };
        checked_onto(&document.to_string(), onto).map_or_else(|problems| problems, |_| String::new())
    };
    let inbound = |document: &mut Value| document["queues"]["sales"]["inbound_numbers"] = json!([SHARED]);
    assert_eq!(
        problems(true, inbound),
        "queues.sales.inbound_numbers: queue sales has +12065550102 as outbound only: remove it from its \
         outbound_numbers, then make it inbound"
    );
    let chat = |document: &mut Value| document["numbers"][SHARED]["purpose"] = json!("chat");
    assert_eq!(
        problems(true, chat),
        "numbers.+12065550102.purpose: queue sales uses the number: remove it there before changing its purpose"
    );
    let global = |document: &mut Value| document["numbers"][SHARED]["global_outbound"] = json!(true);
    assert_eq!(
        problems(false, global),
        "numbers.+12065550102.global_outbound: queue sales uses the number: remove it there first, or use force"
    );
    assert_eq!(problems(true, global), "");
}

#[test]
fn document_too_large_to_be_read_back_is_reported() {
    assert_eq!(too_large("{}"), None);
    let long = " ".repeat(DOCUMENT_MAX_BYTES + 1);
    assert!(too_large(&long).unwrap().starts_with("it has 67108865 bytes; the maximum is 67108864: "));
}

#[test]
fn short_document_whose_record_exceeds_a_frame_is_refused() {
    let document = |count: usize| {
        let entries = (0..count).map(|nth| format!(r#""+1206{nth:07}":{{"label":"a","account":"main"}}"#));
        format!(r#"{{"numbers":{{{}}}}}"#, entries.collect::<Vec<_>>().join(","))
    };
    let most = document(100_000);
    assert!(most.len() < DOCUMENT_MAX_BYTES);
    let problems = first(&most).unwrap_err();
    assert!(problems.starts_with("the document changes "), "{problems}");
    assert!(problems.ends_with("then with all"), "{problems}");
    assert!(first(&document(20_000)).is_ok());
}

fn again(document: &Document) -> Document {
    let text = format!("{:#}", render::document(document));
    first(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// Checks `text` for a gateway without a directory.
fn first(text: &str) -> Result<Document, String> {
    checked_onto(text, Onto { before: None, accounts: &accounts(), force: false })
}

fn accounts() -> [String; 2] {
    ["main".to_owned(), "other".to_owned()]
}

/// A seed in which no settable value equals its default.
fn rich() -> Document {
    let language = |text: &str| -> Language { text.to_owned().try_into().unwrap() };
    let texts = |text: &str| BTreeMap::from([(language("en"), text.to_owned()), (language("it"), "È finita.".into())]);
    let settings = Settings {
        in_call_sms: true,
        non_us: NonUs { in_call: true, wait_time: true, rule: NonUsRule::StrictUs },
        custom_messages: false,
        presets_only: true,
        default_language: language("it"),
        closing: Closing { enabled: true, texts: texts("\"Bye\"\n") },
        auto_reply: AutoReply {
            enabled: true,
            texts: texts("Call us."),
            quiet_minutes: 1,
            per_day: 2,
            unknown_sender: UnknownSender::Silent,
            strangers_per_hour: None,
        },
        opt_out_scope: OptOutScope::Number,
        opt_out: OptOutWords {
            confirm: false,
            texts: texts("We are silent now."),
            help_texts: texts("Example Ltd."),
            first_word: true,
        },
        call_types: vec!["callback".to_owned(), "inbound_ivr".to_owned()],
        attach_cross_queue: true,
        call_lease_minutes: 3,
        late_text: true,
        minimum_attestation: Some(Attestation::B),
        drop_non_us_inbound: true,
        contact_memory_days: 4,
        landline_memory_days: 5,
        max_wait_ms: 6,
        retention_days: 7,
        media_retention_days: 8,
    };
    let limits = |rate, burst| Limits {
        millisegments_per_second: rate,
        burst,
        segments_per_day: None,
        day_zone: "Europe/Rome".to_owned(),
    };
    let verified = Verification {
        state: VerificationState::Verified,
        sms: true,
        mms: true,
        code: None,
        reason: None,
        checked_at: Timestamp::parse("2026-01-31T12:00:00.123Z"),
    };
    let entry = |label: &str, limits| Number {
        label: label.to_owned(),
        account: "main".to_owned(),
        purpose: Purpose::InCall,
        global_outbound: false,
        limits,
        verification: verified.clone(),
    };
    let failed = Verification {
        state: VerificationState::Failed,
        code: Some(VerificationCode::NotOnAccount),
        reason: Some("gone".to_owned()),
        mms: false,
        ..verified.clone()
    };
    let numbers = BTreeMap::from([
        (number(SUPPORT), entry("Support", limits(Some(100), 2))),
        (number("+12065550101"), Number { global_outbound: true, ..entry("The global one", Limits::default()) }),
        (number(SHARED), entry("Shared", limits(None, 7))),
        (number("+12065550103"), Number { verification: failed, ..entry("Failed", Limits::default()) }),
        (
            number("+390612345678"),
            Number {
                purpose: Purpose::Chat,
                account: "other".to_owned(),
                verification: Verification::default(),
                ..entry("\u{8}Rome", Limits::default())
            },
        ),
    ]);
    let queue = |name: &str, inbound: &[&str]| Queue {
        name: name.to_owned(),
        parent: None,
        in_call_sms: Some(false),
        inbound_numbers: inbound.iter().map(|text| number(text)).collect(),
        outbound_numbers: vec![number(SHARED)],
        default_outbound: Some(number(SHARED)),
        language: Some(language("it")),
    };
    let child = Queue {
        parent: Some("support".to_owned().try_into().unwrap()),
        in_call_sms: None,
        default_outbound: None,
        language: None,
        ..queue("Sales", &[])
    };
    let queues = BTreeMap::from([
        ("support".to_owned().try_into().unwrap(), queue("Support", &[SUPPORT])),
        ("sales".to_owned().try_into().unwrap(), child),
    ]);
    let preset = |text: &str| Preset { label: "A preset".to_owned(), text: text.to_owned(), position: Some(3) };
    let presets = BTreeMap::from([
        (language("en"), BTreeMap::from([("welcome".to_owned().try_into().unwrap(), preset("Hello."))])),
        (
            language("it"),
            BTreeMap::from([
                ("welcome".to_owned().try_into().unwrap(), preset("Buongiorno 😀")),
                ("photo".to_owned().try_into().unwrap(), preset("Una foto?")),
            ]),
        ),
    ]);
    let zoned = Limits { day_zone: "Europe/Rome".to_owned(), ..Limits::none() };
    let accounts = BTreeMap::from([("main".to_owned(), Account { limits: zoned })]);
    let opt_outs = vec![
        (number("+12065550142"), Block { everywhere: false, numbers: vec![number(SHARED), number(SUPPORT)] }),
        (number("+12065550177"), Block { everywhere: true, numbers: vec![number(SUPPORT)] }),
        (number("+12065550199"), Block::everywhere()),
    ];
    Document { directory: Directory::new(settings, numbers, queues, presets, accounts), opt_outs }
}
