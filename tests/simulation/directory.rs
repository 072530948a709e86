//! Two queues with a number each and a shared one, with random limits and switches.

use super::rng::SeededRng;
use offhook::model::{
    Account, AutoReply, Closing, Directory, E164, Language, Limits, NonUs, NonUsRule, Number, Preset, Purpose, Queue,
    Settings, UnknownSender, Verification, VerificationState,
};
use std::collections::BTreeMap;

/// The carrier accounts.
pub(crate) const ACCOUNTS: [&str; 2] = ["main", "other"];

/// Our numbers: one inbound number per queue, and the shared one.
pub(crate) const NUMBERS: [&str; 3] = ["+12065550100", "+12065550101", "+12065550102"];

/// The account of one of our numbers: the shared number has its own.
pub(crate) fn account_of(ours: E164) -> &'static str {
    if ours == number(NUMBERS[2]) { ACCOUNTS[1] } else { ACCOUNTS[0] }
}

/// The queues.
pub(crate) const QUEUES: [&str; 2] = ["support", "sales"];

/// A random directory.
pub(crate) fn random(rng: &mut SeededRng) -> Directory {
    let numbers = NUMBERS.iter().map(|text| (number(text), entry(text, rng))).collect();
    let queues = QUEUES.iter().zip(NUMBERS).map(|(name, inbound)| (queue_id(name), queue(name, inbound, rng)));
    let queues = queues.collect();
    let preset = |text: &str| Preset { label: "a preset".to_owned(), text: text.to_owned(), position: None };
    let named = |text: &str| BTreeMap::from([(name("welcome"), preset(text))]);
    let presets =
        BTreeMap::from([(language("en"), named("Hello, this is your agent.")), (language("it"), named("Buongiorno."))]);
    let limited = rng.percent(40).then(|| (ACCOUNTS[0].to_owned(), Account { limits: limits(rng) }));
    Directory::new(settings(rng), numbers, queues, presets, limited.into_iter().collect())
}

/// One queue with all these numbers; the first is its inbound number.
pub(crate) fn single(numbers: &[String], limits: &Limits, settings: Settings) -> Directory {
    let mut rng = SeededRng::new(0);
    let entry = Number { account: ACCOUNTS[0].to_owned(), limits: limits.clone(), ..entry(NUMBERS[0], &mut rng) };
    let outbound_numbers = numbers.iter().map(|text| number(text)).collect();
    let queue = Queue { outbound_numbers, default_outbound: None, ..queue(QUEUES[0], &numbers[0], &mut rng) };
    let queues = BTreeMap::from([(queue_id(QUEUES[0]), Queue { in_call_sms: None, ..queue })]);
    let numbers = numbers.iter().map(|text| (number(text), entry.clone())).collect();
    Directory::new(settings, numbers, queues, BTreeMap::new(), BTreeMap::new())
}

fn settings(rng: &mut SeededRng) -> Settings {
    let texts = |en: &str, it: &str| BTreeMap::from([(language("en"), en.to_owned()), (language("it"), it.to_owned())]);
    Settings {
        in_call_sms: true,
        non_us: NonUs { in_call: rng.percent(50), wait_time: rng.percent(50), rule: NonUsRule::PlusOne },
        closing: Closing { enabled: rng.percent(80), texts: texts("Thank you, goodbye.", "Grazie.") },
        auto_reply: AutoReply {
            enabled: rng.percent(90),
            texts: texts("Please call us.", "Ci chiami."),
            quiet_minutes: rng.pick(&[0, 1, 15]),
            per_day: rng.pick(&[1, 3, 50]),
            unknown_sender: rng.pick(&[UnknownSender::Reply, UnknownSender::Silent]),
            strangers_per_hour: Some(200),
        },
        attach_cross_queue: rng.percent(30),
        call_lease_minutes: rng.pick(&[1, 10, 240]),
        // So that each text appears in the platform's events.
        late_text: true,
        max_wait_ms: rng.pick(&[10_000, 60_000, 300_000]),
        ..Settings::default()
    }
}

fn entry(label: &str, rng: &mut SeededRng) -> Number {
    Number {
        label: label.to_owned(),
        account: account_of(number(label)).to_owned(),
        purpose: Purpose::InCall,
        global_outbound: false,
        limits: limits(rng),
        verification: Verification {
            state: VerificationState::Verified,
            sms: true,
            mms: true,
            ..Verification::default()
        },
    }
}

fn limits(rng: &mut SeededRng) -> Limits {
    Limits {
        millisegments_per_second: Some(rng.pick(&[100, 333, 1_000, 3_000, 10_000, 100_000])),
        burst: rng.pick(&[1, 1, 3, 10]),
        segments_per_day: rng.percent(15).then(|| rng.pick(&[3, 20, 60])),
        ..Limits::none()
    }
}

fn queue(name: &str, inbound: &str, rng: &mut SeededRng) -> Queue {
    Queue {
        name: name.to_owned(),
        parent: None,
        in_call_sms: Some(rng.percent(95)),
        inbound_numbers: vec![number(inbound)],
        outbound_numbers: vec![number(NUMBERS[2])],
        default_outbound: rng.percent(50).then(|| number(inbound)),
        language: None,
    }
}

/// A number from its text.
pub(crate) fn number(text: &str) -> E164 {
    text.parse().expect("a valid number")
}

/// A queue id from its text.
pub(crate) fn queue_id(text: &str) -> offhook::model::QueueId {
    name(text)
}

/// A language from its text.
pub(crate) fn language(text: &str) -> Language {
    name(text)
}

/// A name from its text.
pub(crate) fn name<T: TryFrom<String>>(text: &str) -> T {
    T::try_from(text.to_owned()).unwrap_or_else(|_| panic!("{text} is not a valid name"))
}
