//! The example directory that most tests start from.

use crate::model::{
    AutoReply, Closing, Directory, E164, Language, Limits, Number, Preset, Purpose, Queue, Settings, Verification,
    VerificationState,
};
use std::collections::BTreeMap;

/// The example directory: queues `support` and `sales` with one inbound number each, a shared outbound number, and
/// presets and texts in English and Italian.
pub fn example() -> Directory {
    let english: Language = "en".to_owned().try_into().unwrap();
    let italian: Language = "it".to_owned().try_into().unwrap();
    let number = |text: &str| -> E164 { text.parse().unwrap() };
    let entry = |label: &str| Number {
        label: label.to_owned(),
        account: "main".to_owned(),
        purpose: Purpose::InCall,
        global_outbound: false,
        limits: Limits::default(),
        verification: Verification {
            state: VerificationState::Verified,
            sms: true,
            mms: true,
            ..Verification::default()
        },
    };
    let queue = |name: &str, inbound: &str| Queue {
        name: name.to_owned(),
        parent: None,
        in_call_sms: Some(true),
        inbound_numbers: vec![number(inbound)],
        outbound_numbers: vec![number("+12065550102")],
        default_outbound: Some(number(inbound)),
        language: None,
    };
    let texts =
        |en: &str, it: &str| BTreeMap::from([(english.clone(), en.to_owned()), (italian.clone(), it.to_owned())]);
    let preset = |text: &str| Preset { label: "a preset".to_owned(), text: text.to_owned(), position: None };
    let settings = Settings {
        in_call_sms: true,
        closing: Closing {
            enabled: true,
            texts: texts("Thanks for calling. This conversation has ended.", "Grazie. La conversazione è finita."),
        },
        auto_reply: AutoReply {
            enabled: true,
            texts: texts("This number is not monitored. Please call us.", "Questo numero non è presidiato."),
            ..Settings::default().auto_reply
        },
        ..Settings::default()
    };
    Directory::new(
        settings,
        BTreeMap::from([
            (number("+12065550100"), entry("Support")),
            (number("+12065550101"), entry("Sales")),
            (number("+12065550102"), entry("Shared")),
        ]),
        BTreeMap::from([
            ("support".to_owned().try_into().unwrap(), queue("Support", "+12065550100")),
            ("sales".to_owned().try_into().unwrap(), queue("Sales", "+12065550101")),
        ]),
        BTreeMap::from([
            (
                english.clone(),
                BTreeMap::from([
                    ("welcome".to_owned().try_into().unwrap(), preset("Hello, this is your agent.")),
                    ("only-english".to_owned().try_into().unwrap(), preset("See https://example.com/en")),
                ]),
            ),
            (
                italian.clone(),
                BTreeMap::from([("welcome".to_owned().try_into().unwrap(), preset("Buongiorno, sono il suo agente."))]),
            ),
        ]),
        BTreeMap::new(),
    )
}
