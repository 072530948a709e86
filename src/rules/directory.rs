//! Validation of the directory (R17-R32, A36-A43), for every way of changing it.
//!
//! Most rules restrict the new directory; some restrict the change. A number that failed its verification stays
//! assigned (A39) but gets no new assignment (R31), so the previous directory is an input too.

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

/// Maximum length of a label or name, in characters.
const LABEL_MAX_CHARACTERS: usize = 100;

/// Maximum number of numbers of one queue; they are all stored in one row.
const QUEUE_NUMBERS_MAX: usize = 500;

/// Maximum burst in segments. No carrier accepts more per second.
const BURST_MAX: u32 = 100_000;

/// A violated rule, with its place and how to fix it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The path in the document, like `queues.support.inbound_numbers`.
    pub at: String,
    /// The code of the rule.
    pub code: Code,
    /// What is wrong and how to fix it.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// All violations of a change from `before` to `after`. `force` permits assigning the global outbound number (A38). For
/// a new gateway `before` is empty.
pub fn check(before: &Directory, after: &Directory, force: bool) -> Vec<Violation> {
    let mut violations = Violations(Vec::new());
    let step = Step { before, after, force };
    for (number, entry) in &after.numbers {
        number_alone(*number, entry, &mut violations);
    }
    for (name, account) in &after.accounts {
        limits(&account.limits, &format!("accounts.{name}.limits"), &mut violations);
    }
    assigned_numbers_that_change(step, &mut violations);
    queues(step, &mut violations);
    owners(step, &mut violations);
    presets(after, &mut violations);
    settings::check(&after.settings, &mut violations);
    violations.0
}

/// A violation for each account of the directory that is not configured.
pub fn check_accounts(directory: &Directory, configured: &[String]) -> Vec<Violation> {
    let mut violations = Violations(Vec::new());
    let advice = match configured {
        [] => "add an [[account]] to the configuration".to_owned(),
        known => format!("use one of {}", known.join(", ")),
    };
    for (number, entry) in directory.numbers.iter().filter(|(_, entry)| !configured.contains(&entry.account)) {
        let problem = format!("no account \"{}\" is configured: {advice}", entry.account);
        violations.add(format!("numbers.{number}.account"), Code::InvalidField, problem);
    }
    for name in directory.accounts.keys().filter(|name| !configured.contains(name)) {
        let problem = format!("no account of that name is configured: {advice}");
        violations.add(format!("accounts.{name}"), Code::InvalidField, problem);
    }
    violations.0
}

/// A change to check.
#[derive(Clone, Copy)]
struct Step<'a> {
    before: &'a Directory,
    after: &'a Directory,
    force: bool,
}

struct Violations(Vec<Violation>);

impl Violations {
    fn add(&mut self, at: impl Into<String>, code: Code, problem: impl Into<String>) {
        self.0.push(Violation { at: at.into(), code, problem: problem.into() });
    }

    /// Checks a label or name: it must be present and not too long.
    fn label(&mut self, at: String, text: &str, what_for: &str) {
        let characters = text.chars().count();
        if is_blank(text) {
            self.add(at, Code::InvalidField, format!("is empty: {what_for}"));
        } else if characters > LABEL_MAX_CHARACTERS {
            let problem = format!("has {characters} characters: write at most {LABEL_MAX_CHARACTERS}");
            self.add(at, Code::InvalidField, problem);
        }
    }

    /// Checks a text for callers (R50, A43).
    fn text(&mut self, at: String, text: &str) {
        if let Err(refusal) = sending::shape(text) {
            self.add(at, refusal.code, refusal.detail);
        }
    }
}

fn number_alone(number: E164, entry: &Number, violations: &mut Violations) {
    let at = format!("numbers.{number}");
    violations.label(format!("{at}.label"), &entry.label, "give the number a label that tells it from others");
    limits(&entry.limits, &format!("{at}.limits"), violations);
}

fn limits(limits: &Limits, at: &str, violations: &mut Violations) {
    if limits.millisegments_per_second == Some(0) {
        let problem = "is 0: use 0.001 or more, or null for no limit";
        violations.add(format!("{at}.segments_per_second"), Code::InvalidField, problem);
    }
    if limits.segments_per_day == Some(0) {
        let problem = "is 0: use 1 or more, or null for no cap; to stop a number from sending, suspend it";
        violations.add(format!("{at}.segments_per_day"), Code::InvalidField, problem);
    }
    if !zone_exists(&limits.day_zone) {
        let problem = "is not a time zone: use a tz database name like \"America/Los_Angeles\" or \"Europe/Rome\"";
        violations.add(format!("{at}.day_zone"), Code::InvalidField, problem);
    }
    if !(1..=BURST_MAX).contains(&limits.burst) {
        let problem = format!("is {}: use 1 to {BURST_MAX}, or leave it out for 1", limits.burst);
        violations.add(format!("{at}.burst"), Code::InvalidField, problem);
    }
}

/// Changes that a number must not undergo while a queue uses it (A38, A41).
fn assigned_numbers_that_change(step: Step<'_>, violations: &mut Violations) {
    let Step { before, after, force } = step;
    for (number, entry) in &after.numbers {
        let Some(was) = before.numbers.get(number) else { continue };
        let Some(queue) = after.queues.iter().find_map(|(id, queue)| holds(queue, *number).then_some(id)) else {
            continue;
        };
        if entry.purpose == Purpose::Chat && was.purpose != Purpose::Chat {
            let problem = format!("queue {queue} uses the number: remove it there before changing its purpose");
            violations.add(format!("numbers.{number}.purpose"), Code::NumberInUse, problem);
        }
        if entry.global_outbound && !was.global_outbound && !force {
            let problem = format!("queue {queue} uses the number: remove it there first, or use force");
            violations.add(format!("numbers.{number}.global_outbound"), Code::NumberIsGlobalOutbound, problem);
        }
    }
}

fn queues(step: Step<'_>, violations: &mut Violations) {
    for (id, queue) in &step.after.queues {
        let at = format!("queues.{id}");
        violations.label(format!("{at}.name"), &queue.name, "give the queue a name for people");
        let count = queue.inbound_numbers.len() + queue.outbound_numbers.len();
        if count > QUEUE_NUMBERS_MAX {
            let problem =
                format!("and outbound_numbers have {count} numbers together: use at most {QUEUE_NUMBERS_MAX}");
            violations.add(format!("{at}.inbound_numbers"), Code::InvalidField, problem);
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
                    violations.add(at, code, problem);
                }
            }
        }
        if let Some(default) = queue.default_outbound.filter(|default| !holds(queue, *default)) {
            let problem = format!("{default} is not a number of this queue: add it to outbound_numbers");
            violations.add(format!("{at}.default_outbound"), Code::InvalidField, problem);
        }
        if let Some((code, problem)) = parents(step, id) {
            violations.add(format!("{at}.parent"), code, problem);
        }
    }
}

fn holds(queue: &Queue, number: E164) -> bool {
    queue.inbound_numbers.contains(&number) || queue.outbound_numbers.contains(&number)
}

/// Why a queue may not keep a number: it is not one of our numbers.
fn still_ours(step: Step<'_>, number: E164, queue: &QueueId) -> Option<(Code, String)> {
    if step.after.numbers.contains_key(&number) {
        None
    } else if step.before.numbers.contains_key(&number) {
        Some((Code::NumberInUse, format!("{number} would be deleted: remove it from queue {queue} first")))
    } else {
        Some((Code::NumberNotVerified, format!("{number} is not in numbers: add it there and verify it first")))
    }
}

/// Why a number may not be newly assigned to a queue (R18, R27, R31).
fn fit(step: Step<'_>, number: E164) -> Option<(Code, String)> {
    let entry = step.after.numbers.get(&number)?;
    if entry.verification.state != VerificationState::Verified {
        let problem = format!("{number} is not verified: verify it before it is assigned to a queue");
        Some((Code::NumberNotVerified, problem))
    } else if entry.purpose == Purpose::Chat {
        let problem = format!("{number} is for chat SMS and cannot be used for in-call SMS: use another");
        Some((Code::NumberIsChat, problem))
    } else if entry.global_outbound && !step.force {
        let problem = format!("{number} is the global outbound number: use another, or clear global_outbound");
        Some((Code::NumberIsGlobalOutbound, problem))
    } else {
        None
    }
}

/// R19, R21: an inbound number belongs to one queue, and an outbound-only number cannot become inbound.
fn owners(Step { before, after, .. }: Step<'_>, violations: &mut Violations) {
    let mut owners: BTreeMap<E164, &QueueId> = BTreeMap::new();
    for (id, queue) in &after.queues {
        let at = format!("queues.{id}.inbound_numbers");
        for number in &queue.inbound_numbers {
            if let Some(other) = owners.insert(*number, id) {
                let problem = if other == id {
                    format!("{number} is listed twice: list it once")
                } else {
                    format!("{number} is already an inbound number of queue {other}; it can belong to one queue only")
                };
                violations.add(&at, Code::InboundNumberTaken, problem);
            }
            if before.owner_of(*number).is_some() {
                continue;
            }
            let sends = |directory: &Directory, id: &QueueId| {
                directory.queues.get(id).is_some_and(|queue| queue.outbound_numbers.contains(number))
            };
            if let Some(holder) = before.queues.keys().find(|id| sends(before, id) && sends(after, id)) {
                let problem = format!(
                    "queue {holder} has {number} as outbound only: remove it from its outbound_numbers, then \
                     make it inbound"
                );
                violations.add(&at, Code::OutboundOnly, problem);
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
                    format!("queue {parent} would be deleted: give this queue another parent first, or null"),
                )
            } else {
                (Code::QueueNotFound, format!("queue {parent} does not exist: use one that exists, or null"))
            });
        }
        at = parent;
    }
    let problem = format!(
        "the parents of {id} form a cycle, or are more than {QUEUE_DEPTH_MAX}: end them at a queue without a parent"
    );
    Some((Code::InvalidField, problem))
}

fn presets(directory: &Directory, violations: &mut Violations) {
    for (language, presets) in &directory.presets {
        for (id, preset) in presets {
            let at = format!("presets.{language}.{id}");
            violations.label(format!("{at}.label"), &preset.label, "write the label shown to agents");
            violations.text(format!("{at}.text"), &preset.text);
        }
    }
}
