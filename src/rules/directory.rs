//! What a directory must keep to (R17-R32, A36-A43), whoever wrote it.

use super::sending;
use crate::model::{Directory, E164, Purpose, QUEUE_DEPTH_MAX, QueueId, VerificationState};
use std::collections::BTreeMap;
use std::fmt;

/// A rule broken, with where and the way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// The place in the document, like `queues.support.inbound_numbers`.
    pub at: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// Every rule the directory breaks, not the first alone. `accounts` are those of the configuration.
pub fn check(directory: &Directory, accounts: &[String]) -> Vec<Breach> {
    let mut breaches = Breaches(Vec::new());
    numbers(directory, accounts, &mut breaches);
    queues(directory, &mut breaches);
    texts(directory, &mut breaches);
    for name in directory.accounts.keys().filter(|name| !accounts.contains(name)) {
        breaches.add(format!("accounts.{name}"), "no account of that name is configured: correct the name".to_owned());
    }
    breaches.0
}

struct Breaches(Vec<Breach>);

impl Breaches {
    fn add(&mut self, at: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Breach { at: at.into(), problem: problem.into() });
    }
}

fn numbers(directory: &Directory, accounts: &[String], breaches: &mut Breaches) {
    for (number, entry) in &directory.numbers {
        let at = format!("numbers.{number}");
        if entry.label.trim().is_empty() {
            breaches.add(format!("{at}.label"), "is empty: give the number a label that tells it from others");
        }
        if !accounts.contains(&entry.account) {
            let known = accounts.join(", ");
            breaches.add(
                format!("{at}.account"),
                format!("no account \"{}\" is configured: use one of {known}", entry.account),
            );
        }
        if entry.limits.millisegments_per_second == Some(0) {
            breaches.add(format!("{at}.limits.segments_per_second"), "is 0: use 0.001 or more, or leave it out");
        }
        if entry.limits.burst == 0 {
            breaches.add(format!("{at}.limits.burst"), "is 0: use 1 or more, or leave it out for 1");
        }
    }
}

fn queues(directory: &Directory, breaches: &mut Breaches) {
    let mut owners: BTreeMap<E164, &QueueId> = BTreeMap::new();
    for (id, queue) in &directory.queues {
        let at = format!("queues.{id}");
        for number in &queue.inbound_numbers {
            let at = format!("{at}.inbound_numbers");
            assignable(directory, *number, &at, breaches);
            if let Some(other) = owners.insert(*number, id) {
                let problem = if other == id {
                    format!("{number} stands there twice: name it once")
                } else {
                    format!("{number} is an inbound number of queue {other} already; it can belong to one queue only")
                };
                breaches.add(at, problem);
            }
        }
        for number in &queue.outbound_numbers {
            assignable(directory, *number, &format!("{at}.outbound_numbers"), breaches);
        }
        let has = |number: &E164| queue.inbound_numbers.contains(number) || queue.outbound_numbers.contains(number);
        if let Some(default) = queue.default_outbound.filter(|default| !has(default)) {
            breaches.add(
                format!("{at}.default_outbound"),
                format!("{default} is no number of this queue: add it to outbound_numbers"),
            );
        }
        if let Some(problem) = parents(directory, id) {
            breaches.add(format!("{at}.parent"), problem);
        }
    }
    // R21: what some queue holds as outbound only cannot be another queue's inbound number at the same time.
    for (id, queue) in &directory.queues {
        for number in &queue.outbound_numbers {
            if let Some(owner) = owners.get(number).filter(|owner| **owner != id) {
                let problem = format!(
                    "{number} is an inbound number of queue {owner}: an outbound number of one queue cannot be inbound in another"
                );
                breaches.add(format!("queues.{id}.outbound_numbers"), problem);
            }
        }
    }
}

fn assignable(directory: &Directory, number: E164, at: &str, breaches: &mut Breaches) {
    let Some(entry) = directory.numbers.get(&number) else {
        breaches.add(at, format!("{number} is not among numbers: add it there first"));
        return;
    };
    if entry.verification.state != VerificationState::Verified {
        breaches.add(at, format!("{number} is not verified: verify it before it is assigned to a queue"));
    }
    if entry.purpose == Purpose::Chat {
        breaches.add(at, format!("{number} is for chat SMS and cannot be used for in-call SMS: take another"));
    }
    if entry.global_outbound {
        breaches.add(at, format!("{number} is the global outbound number: take another, or clear global_outbound"));
    }
}

fn parents(directory: &Directory, id: &QueueId) -> Option<String> {
    let mut at = id;
    for _ in 0..=QUEUE_DEPTH_MAX {
        let parent = directory.queues.get(at).and_then(|queue| queue.parent.as_ref())?;
        if !directory.queues.contains_key(parent) {
            return Some(format!("there is no queue {parent}: name one that exists, or null"));
        }
        at = parent;
    }
    Some(format!(
        "the parents of {id} go in a circle, or are more than {QUEUE_DEPTH_MAX}: end them at a queue without one"
    ))
}

fn texts(directory: &Directory, breaches: &mut Breaches) {
    let settings = &directory.settings;
    let presets = directory
        .presets
        .iter()
        .flat_map(|(language, presets)| presets.iter().map(move |(id, preset)| (language, id, preset)));
    for (language, id, preset) in presets {
        let at = format!("presets.{language}.{id}");
        if preset.label.trim().is_empty() {
            breaches.add(format!("{at}.label"), "is empty: write what the agent shall see");
        }
        if let Err(refusal) = sending::shape(&preset.text) {
            breaches.add(format!("{at}.text"), refusal.detail);
        }
    }
    for (name, texts) in [("closing", &settings.closing.texts), ("auto_reply", &settings.auto_reply.texts)] {
        for (language, text) in texts {
            if let Err(refusal) = sending::shape(text) {
                breaches.add(format!("settings.{name}.texts.{language}"), refusal.detail);
            }
        }
    }
    let bounded = [
        ("call_lease_minutes", u64::from(settings.call_lease_minutes), 1, 7 * 24 * 60),
        ("retention_days", u64::from(settings.retention_days), 2, 3650),
        ("contact_memory_days", u64::from(settings.contact_memory_days), 1, 365),
        ("landline_memory_days", u64::from(settings.landline_memory_days), 1, 365),
        ("max_wait_ms", settings.max_wait_ms, 0, 120_000),
        ("auto_reply.per_day", u64::from(settings.auto_reply.per_day), 0, 50),
        ("auto_reply.quiet_minutes", u64::from(settings.auto_reply.quiet_minutes), 0, 24 * 60),
    ];
    for (name, value, least, most) in bounded {
        if !(least..=most).contains(&value) {
            breaches.add(format!("settings.{name}"), format!("is {value}: use {least} to {most}"));
        }
    }
}

/// The directory most tests begin with: queues `support` and `sales` with an inbound number each, a number they share
/// for sending, presets and texts in English and Italian.
#[cfg(test)]
pub fn example() -> Directory {
    use crate::model::{AutoReply, Closing, Language, Limits, Number, Preset, Queue, Settings, Verification};
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
    let preset = |text: &str| Preset { label: "a preset".to_owned(), text: text.to_owned() };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_keeps_the_rules_has_no_breach() {
        check_finds(|_| {}, &[]);
    }

    #[test]
    fn r19_r20_an_inbound_number_belongs_to_one_queue_only() {
        check_finds(
            |directory| queue(directory, "sales").inbound_numbers.push("+12065550100".parse().unwrap()),
            &["queues.support.inbound_numbers"],
        );
    }

    #[test]
    fn r21_an_outbound_number_of_one_queue_cannot_be_inbound_in_another() {
        check_finds(
            |directory| queue(directory, "sales").outbound_numbers.push("+12065550100".parse().unwrap()),
            &["queues.sales.outbound_numbers"],
        );
    }

    #[test]
    fn r31_r18_r27_only_a_verified_number_for_calls_that_is_not_the_global_one_is_assigned() {
        let sales = "+12065550101";
        check_finds(
            |directory| number(directory, sales).verification.state = VerificationState::Unverified,
            &["queues.sales.inbound_numbers"],
        );
        check_finds(|directory| number(directory, sales).purpose = Purpose::Chat, &["queues.sales.inbound_numbers"]);
        check_finds(|directory| number(directory, sales).global_outbound = true, &["queues.sales.inbound_numbers"]);
    }

    #[test]
    fn a42_the_parents_of_a_queue_end_somewhere() {
        check_finds(
            |directory| {
                queue(directory, "sales").parent = Some("support".to_owned().try_into().unwrap());
                queue(directory, "support").parent = Some("sales".to_owned().try_into().unwrap());
            },
            &["queues.sales.parent", "queues.support.parent"],
        );
    }

    #[test]
    fn every_breach_is_named_and_not_the_first_alone() {
        check_finds(
            |directory| {
                number(directory, "+12065550101").account = "other".to_owned();
                number(directory, "+12065550101").limits.burst = 0;
                directory.settings.retention_days = 1;
            },
            &["numbers.+12065550101.account", "numbers.+12065550101.limits.burst", "settings.retention_days"],
        );
    }

    #[test]
    fn r50_a43_a_preset_over_918_characters_is_a_breach() {
        check_finds(
            |directory| {
                for preset in directory.presets.values_mut().flat_map(BTreeMap::values_mut) {
                    preset.text = "x".repeat(919);
                }
            },
            &["presets.en.only-english.text", "presets.en.welcome.text", "presets.it.welcome.text"],
        );
    }

    fn queue<'a>(directory: &'a mut Directory, id: &str) -> &'a mut crate::model::Queue {
        directory.queues.get_mut(&QueueId::try_from(id.to_owned()).unwrap()).unwrap()
    }

    fn number<'a>(directory: &'a mut Directory, number: &str) -> &'a mut crate::model::Number {
        directory.numbers.get_mut(&number.parse().unwrap()).unwrap()
    }

    #[track_caller]
    fn check_finds(change: impl Fn(&mut Directory), expected: &[&str]) {
        let mut directory = example();
        change(&mut directory);
        let found: Vec<_> = check(&directory, &["main".to_owned()]).into_iter().map(|breach| breach.at).collect();
        assert_eq!(found, expected);
    }
}
