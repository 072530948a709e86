//! The numbers behind a story's names, and the directory its switches make.

use crate::story::{CALLERS, Name, OURS, QUEUES, Switch};
use offhook::model::{
    AutoReply, Closing, Directory, E164, Language, Limits, NonUs, NonUsRule, Number, OptOutScope, OptOutWords, Preset,
    PresetId, Purpose, Queue, Settings, UnknownSender, Verification, VerificationState,
};
use std::collections::{BTreeMap, BTreeSet};

/// So few that stories exceed it.
pub(crate) const STRANGERS_PER_HOUR: u32 = 2;

/// The number of a caller or one of ours.
pub(crate) fn number(name: Name) -> E164 {
    let text = match name {
        "support" => "+12065550100",
        "sales" => "+12065550101",
        "shared" => "+12065550102",
        "ann" => "+12065550142",
        "bob" => "+12065550143",
        "roma" => "+390612345678",
        other => panic!("{other} has no number"),
    };
    text.parse().expect("these are numbers")
}

/// The name of a number.
pub(crate) fn name_of(known: E164) -> Name {
    CALLERS.into_iter().chain(OURS).find(|name| number(name) == known).expect("a story has few numbers")
}

/// The directory with these switches on. Its texts name their purpose and language.
pub(crate) fn directory(on: &BTreeSet<Switch>) -> Directory {
    let is = |switch| on.contains(&switch);
    let texts = |what: &str, languages: &[&str]| -> BTreeMap<Language, String> {
        languages.iter().map(|name| (language(name), format!("{what} in {name}."))).collect()
    };
    let settings = Settings {
        // Long enough that no text is refused while a lane is paused or a breaker open: waits are not modelled.
        max_wait_ms: 120_000,
        // Longer than any story, so that retention deletes nothing.
        retention_days: 3_650,
        media_retention_days: 3_650,
        in_call_sms: is(Switch::InCallSms),
        non_us: NonUs {
            in_call: is(Switch::NonUsInCall),
            wait_time: is(Switch::NonUsWaiting),
            rule: NonUsRule::PlusOne,
        },
        custom_messages: is(Switch::CustomMessages),
        presets_only: is(Switch::PresetsOnly),
        closing: Closing { enabled: is(Switch::Closing), texts: texts("Closing", &["en", "it"]) },
        auto_reply: AutoReply {
            enabled: is(Switch::AutoReply),
            texts: texts("Reply", &["en", "it"]),
            unknown_sender: if is(Switch::ReplyToStrangers) { UnknownSender::Reply } else { UnknownSender::Silent },
            strangers_per_hour: Some(STRANGERS_PER_HOUR),
            ..Settings::default().auto_reply
        },
        opt_out_scope: if is(Switch::StopIsForOneNumber) { OptOutScope::Number } else { OptOutScope::AllNumbers },
        opt_out: OptOutWords {
            confirm: is(Switch::ConfirmStop),
            texts: texts("Opted out", &["en", "it"]),
            help_texts: texts("Help", &["en"]),
            ..OptOutWords::default()
        },
        attach_cross_queue: is(Switch::AttachCrossQueue),
        drop_non_us_inbound: is(Switch::DropNonUs),
        ..Settings::default()
    };
    let feature = |queue| is(if queue == "support" { Switch::Support } else { Switch::Sales });
    let queues = QUEUES.into_iter().map(|name| {
        (name.to_owned().try_into().expect("a name"), queue(name, feature(name), is(Switch::SharedIsDefault)))
    });
    let presets = BTreeMap::from([
        (language("en"), BTreeMap::from([preset("welcome", "Welcome in en."), preset("fee", "Fee in en.")])),
        (language("it"), BTreeMap::from([preset("welcome", "Welcome in it.")])),
    ]);
    let numbers = OURS.into_iter().map(|name| {
        let unverified = [("support", Switch::SupportIsVerified), ("shared", Switch::SharedIsVerified)];
        let failed = unverified.into_iter().any(|(of, switch)| of == name && !is(switch));
        let state = if failed { VerificationState::Failed } else { VerificationState::Verified };
        (number(name), entry(name, state, name != "support" || is(Switch::SupportGetsPictures)))
    });
    let numbers = numbers.collect();
    Directory::new(settings, numbers, queues.collect(), presets, BTreeMap::new())
}

/// A language by its name.
pub(crate) fn language(name: &str) -> Language {
    name.to_owned().try_into().expect("a language has a name")
}

fn queue(name: Name, feature: bool, shared: bool) -> Queue {
    Queue {
        name: name.to_owned(),
        parent: None,
        in_call_sms: Some(feature),
        inbound_numbers: vec![number(name)],
        outbound_numbers: vec![number("shared")],
        default_outbound: Some(number(if shared { "shared" } else { name })),
        language: (name == "sales").then(|| language("it")),
    }
}

fn preset(id: &str, text: &str) -> (PresetId, Preset) {
    (id.to_owned().try_into().expect("a name"), Preset { label: id.to_owned(), text: text.to_owned(), position: None })
}

/// A number without limits, so that nothing is rate limited.
fn entry(name: Name, state: VerificationState, mms: bool) -> Number {
    Number {
        label: name.to_owned(),
        account: "main".to_owned(),
        purpose: Purpose::InCall,
        global_outbound: false,
        limits: Limits::none(),
        verification: Verification { state, sms: true, mms, ..Verification::default() },
    }
}
