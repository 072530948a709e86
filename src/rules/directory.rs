//! What a directory must keep to (R17-R32, A36-A43), whoever wrote it.
//!
//! Most rules say what a directory may be; some say what it may become. A number that failed its verification stays where
//! it is (A39), but is assigned nowhere anew (R31); so the directory before is asked for, too.

#[cfg(test)]
mod example;
mod settings;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use example::example;

use super::refusal::Code;
use super::sending;
use crate::model::{
    Directory, E164, Limits, Number, Purpose, QUEUE_DEPTH_MAX, Queue, QueueId, VerificationState, is_blank, zone_exists,
};
use std::collections::BTreeMap;
use std::fmt;

/// Characters of a label or a name, which people read.
const LABEL_MAX_CHARACTERS: usize = 100;

/// Numbers of one queue; its row names them all.
const QUEUE_NUMBERS_MAX: usize = 500;

/// Segments that may go at once. Nobody's carrier takes more in a second.
const BURST_MAX: u32 = 100_000;

/// A rule broken, with where and the way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The place in the document, like `queues.support.inbound_numbers`.
    pub at: String,
    /// Which rule.
    pub code: Code,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// Every rule broken if `before` becomes `after`, not the first alone. `force` passes the global outbound number (A38).
/// A new gateway comes from an empty directory.
pub fn check(before: &Directory, after: &Directory, force: bool) -> Vec<Violation> {
    let mut breaches = Breaches(Vec::new());
    let step = Step { before, after, force };
    for (number, entry) in &after.numbers {
        number_alone(*number, entry, &mut breaches);
    }
    for (name, account) in &after.accounts {
        limits(&account.limits, &format!("accounts.{name}.limits"), &mut breaches);
    }
    assigned_numbers_that_change(step, &mut breaches);
    queues(step, &mut breaches);
    owners(step, &mut breaches);
    presets(after, &mut breaches);
    settings::check(&after.settings, &mut breaches);
    breaches.0
}

/// Every account the directory names that is not among the configured ones.
pub fn check_accounts(directory: &Directory, configured: &[String]) -> Vec<Violation> {
    let mut breaches = Breaches(Vec::new());
    let way_out = match configured {
        [] => "add an [[account]] to the configuration".to_owned(),
        known => format!("use one of {}", known.join(", ")),
    };
    for (number, entry) in directory.numbers.iter().filter(|(_, entry)| !configured.contains(&entry.account)) {
        let problem = format!("no account \"{}\" is configured: {way_out}", entry.account);
        breaches.add(format!("numbers.{number}.account"), Code::InvalidField, problem);
    }
    for name in directory.accounts.keys().filter(|name| !configured.contains(name)) {
        let problem = format!("no account of that name is configured: {way_out}");
        breaches.add(format!("accounts.{name}"), Code::InvalidField, problem);
    }
    breaches.0
}

/// What becomes of what.
#[derive(Clone, Copy)]
struct Step<'a> {
    before: &'a Directory,
    after: &'a Directory,
    force: bool,
}

struct Breaches(Vec<Violation>);

impl Breaches {
    fn add(&mut self, at: impl Into<String>, code: Code, problem: impl Into<String>) {
        self.0.push(Violation { at: at.into(), code, problem: problem.into() });
    }

    /// A text for people: there, and no longer than anybody reads.
    fn label(&mut self, at: String, text: &str, what_for: &str) {
        let characters = text.chars().count();
        if is_blank(text) {
            self.add(at, Code::InvalidField, format!("is empty: {what_for}"));
        } else if characters > LABEL_MAX_CHARACTERS {
            let problem = format!("has {characters} characters: write at most {LABEL_MAX_CHARACTERS}");
            self.add(at, Code::InvalidField, problem);
        }
    }

    /// A text for callers (R50, A43).
    fn text(&mut self, at: String, text: &str) {
        if let Err(refusal) = sending::shape(text) {
            self.add(at, refusal.code, refusal.detail);
        }
    }
}

fn number_alone(number: E164, entry: &Number, breaches: &mut Breaches) {
    let at = format!("numbers.{number}");
    breaches.label(format!("{at}.label"), &entry.label, "give the number a label that tells it from others");
    limits(&entry.limits, &format!("{at}.limits"), breaches);
}

fn limits(limits: &Limits, at: &str, breaches: &mut Breaches) {
    if limits.millisegments_per_second == Some(0) {
        let problem = "is 0: use 0.001 or more, or null for no limit";
        breaches.add(format!("{at}.segments_per_second"), Code::InvalidField, problem);
    }
    if limits.segments_per_day == Some(0) {
        let problem = "is 0: use 1 or more, or null for no cap; suspend a number that is to send nothing";
        breaches.add(format!("{at}.segments_per_day"), Code::InvalidField, problem);
    }
    if !zone_exists(&limits.day_zone) {
        let problem = "is no zone: name one of the tz database, as in \"America/Los_Angeles\" or \"Europe/Rome\"";
        breaches.add(format!("{at}.day_zone"), Code::InvalidField, problem);
    }
    if !(1..=BURST_MAX).contains(&limits.burst) {
        let problem = format!("is {}: use 1 to {BURST_MAX}, or leave it out for 1", limits.burst);
        breaches.add(format!("{at}.burst"), Code::InvalidField, problem);
    }
}

/// What may not become of a number while a queue has it (A38, A41).
fn assigned_numbers_that_change(step: Step<'_>, breaches: &mut Breaches) {
    let Step { before, after, force } = step;
    for (number, entry) in &after.numbers {
        let Some(was) = before.numbers.get(number) else { continue };
        let Some(queue) = after.queues.iter().find_map(|(id, queue)| holds(queue, *number).then_some(id)) else {
            continue;
        };
        if entry.purpose == Purpose::Chat && was.purpose != Purpose::Chat {
            let problem = format!("queue {queue} has the number: take it out there before it changes its purpose");
            breaches.add(format!("numbers.{number}.purpose"), Code::NumberInUse, problem);
        }
        if entry.global_outbound && !was.global_outbound && !force {
            let problem = format!("queue {queue} has the number: take it out there first, or force it");
            breaches.add(format!("numbers.{number}.global_outbound"), Code::NumberIsGlobalOutbound, problem);
        }
    }
}

fn queues(step: Step<'_>, breaches: &mut Breaches) {
    for (id, queue) in &step.after.queues {
        let at = format!("queues.{id}");
        breaches.label(format!("{at}.name"), &queue.name, "give the queue a name for people");
        let count = queue.inbound_numbers.len() + queue.outbound_numbers.len();
        if count > QUEUE_NUMBERS_MAX {
            let problem =
                format!("with outbound_numbers has {count} numbers: give one queue at most {QUEUE_NUMBERS_MAX}");
            breaches.add(format!("{at}.inbound_numbers"), Code::InvalidField, problem);
        }
        let was = step.before.queues.get(id);
        for (list, numbers) in
            [("inbound_numbers", &queue.inbound_numbers), ("outbound_numbers", &queue.outbound_numbers)]
        {
            for number in numbers {
                let at = format!("{at}.{list}");
                let found = if was.is_some_and(|was| holds(was, *number)) {
                    still_ours(step, *number, id)
                } else {
                    still_ours(step, *number, id).or_else(|| fit(step, *number))
                };
                if let Some((code, problem)) = found {
                    breaches.add(at, code, problem);
                }
            }
        }
        if let Some(default) = queue.default_outbound.filter(|default| !holds(queue, *default)) {
            let problem = format!("{default} is no number of this queue: add it to outbound_numbers");
            breaches.add(format!("{at}.default_outbound"), Code::InvalidField, problem);
        }
        if let Some((code, problem)) = parents(step, id) {
            breaches.add(format!("{at}.parent"), code, problem);
        }
    }
}

fn holds(queue: &Queue, number: E164) -> bool {
    queue.inbound_numbers.contains(&number) || queue.outbound_numbers.contains(&number)
}

/// Why a queue may not go on having a number: it is none of ours.
fn still_ours(step: Step<'_>, number: E164, queue: &QueueId) -> Option<(Code, String)> {
    if step.after.numbers.contains_key(&number) {
        None
    } else if step.before.numbers.contains_key(&number) {
        Some((Code::NumberInUse, format!("{number} is to be deleted: take it out of queue {queue} first")))
    } else {
        Some((Code::NumberNotVerified, format!("{number} is not among numbers: add it there and verify it first")))
    }
}

/// Why a number may not be given to a queue that did not have it (R18, R27, R31).
fn fit(step: Step<'_>, number: E164) -> Option<(Code, String)> {
    let entry = step.after.numbers.get(&number)?;
    if entry.verification.state != VerificationState::Verified {
        let problem = format!("{number} is not verified: verify it before it is assigned to a queue");
        Some((Code::NumberNotVerified, problem))
    } else if entry.purpose == Purpose::Chat {
        let problem = format!("{number} is for chat SMS and cannot be used for in-call SMS: take another");
        Some((Code::NumberIsChat, problem))
    } else if entry.global_outbound && !step.force {
        let problem = format!("{number} is the global outbound number: take another, or clear global_outbound");
        Some((Code::NumberIsGlobalOutbound, problem))
    } else {
        None
    }
}

/// R19, R21: an inbound number has one queue, and a number held as outbound only does not become inbound.
fn owners(Step { before, after, .. }: Step<'_>, breaches: &mut Breaches) {
    let mut owners: BTreeMap<E164, &QueueId> = BTreeMap::new();
    for (id, queue) in &after.queues {
        let at = format!("queues.{id}.inbound_numbers");
        for number in &queue.inbound_numbers {
            if let Some(other) = owners.insert(*number, id) {
                let problem = if other == id {
                    format!("{number} stands there twice: name it once")
                } else {
                    format!("{number} is an inbound number of queue {other} already; it can belong to one queue only")
                };
                breaches.add(&at, Code::InboundNumberTaken, problem);
            }
            if before.owner_of(*number).is_some() {
                continue;
            }
            let sends = |directory: &Directory, id: &QueueId| {
                directory.queues.get(id).is_some_and(|queue| queue.outbound_numbers.contains(number))
            };
            if let Some(holder) = before.queues.keys().find(|id| sends(before, id) && sends(after, id)) {
                let problem = format!(
                    "queue {holder} has {number} as outbound only: take it out of its outbound_numbers, then make it inbound"
                );
                breaches.add(&at, Code::OutboundOnly, problem);
            }
        }
    }
}

fn parents(Step { before, after, .. }: Step<'_>, id: &QueueId) -> Option<(Code, String)> {
    let mut at = id;
    for _ in 0..=QUEUE_DEPTH_MAX {
        let parent = after.queues.get(at).and_then(|queue| queue.parent.as_ref())?;
        if !after.queues.contains_key(parent) {
            return Some(if before.queues.contains_key(parent) {
                (
                    Code::QueueInUse,
                    format!("queue {parent} is to be deleted: give this queue another parent first, or null"),
                )
            } else {
                (Code::QueueNotFound, format!("there is no queue {parent}: name one that exists, or null"))
            });
        }
        at = parent;
    }
    let problem = format!(
        "the parents of {id} go in a circle, or are more than {QUEUE_DEPTH_MAX}: end them at a queue without one"
    );
    Some((Code::InvalidField, problem))
}

fn presets(directory: &Directory, breaches: &mut Breaches) {
    for (language, presets) in &directory.presets {
        for (id, preset) in presets {
            let at = format!("presets.{language}.{id}");
            breaches.label(format!("{at}.label"), &preset.label, "write what the agent shall see");
            breaches.text(format!("{at}.text"), &preset.text);
        }
    }
}
