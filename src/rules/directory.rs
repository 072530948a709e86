//! Validation of the directory (R17-R32, A36-A43), for every way of changing it.
//!
//! Most rules restrict the new directory; some restrict the change. A number that failed its verification stays
//! assigned (A39) but gets no new assignment (R31), so the previous directory is an input too. What a change leaves as
//! it was is not judged again: it costs no time, and a rule that became stricter stops no other change.

#[cfg(test)]
mod example;
mod fields;
mod in_use;
mod queues;
mod settings;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use example::example;

pub use fields::{fields, place};
pub use in_use::{LiveUse, in_use};

use super::refusal::Code;
use super::sending;
use crate::model::{Account, Directory, E164, Limits, Number, Preset, Purpose, Resource, is_blank, zone_exists};
use std::fmt;

/// Maximum length of a label or name, in characters.
const LABEL_MAX_CHARACTERS: usize = 100;

/// Maximum burst in segments. No carrier accepts more per second.
const BURST_MAX: u32 = 100_000;

/// A violated rule, with its place and how to fix it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The resource that breaks the rule.
    pub resource: Resource,
    /// The path of its field, like `limits.burst`; empty for the resource as a whole.
    pub field: String,
    /// The code of the rule.
    pub code: Code,
    /// What is wrong and how to fix it.
    pub problem: String,
}

impl Violation {
    /// The path in the document, like `queues.support.inbound_numbers`.
    pub fn at(&self) -> String {
        let resource = match &self.resource {
            Resource::Settings => "settings".to_owned(),
            Resource::Number(number) => format!("numbers.{number}"),
            Resource::Queue(id) => format!("queues.{id}"),
            Resource::Preset(language, id) => format!("presets.{language}.{id}"),
            Resource::Account(name) => format!("accounts.{name}"),
        };
        if self.field.is_empty() { resource } else { format!("{resource}.{}", self.field) }
    }

    /// The path as someone sees it who changes `this` resource alone: without the resource, if it is this one.
    pub fn field_of(&self, this: Option<&Resource>) -> String {
        if this == Some(&self.resource) { self.field.clone() } else { self.at() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at(), self.problem)
    }
}

/// All violations of a change from `before` to `after`, in the order of the document and of each resource's fields; of
/// one field in the order of [`rank`]. `force` permits assigning the global outbound number (A38). For a new gateway
/// `before` is empty.
pub fn check(before: &Directory, after: &Directory, force: bool) -> Vec<Violation> {
    let mut violations = Violations(Vec::new());
    let step = Step { before, after, force };
    if before.settings != after.settings {
        settings::check(&after.settings, &mut violations);
    }
    numbers(step, &mut violations);
    queues::check(step, &mut violations);
    presets(step, &mut violations);
    for (name, account) in &after.accounts {
        if before.accounts.get(name) != Some(account) {
            self::account(name, account, &mut violations);
        }
    }
    violations.0
}

/// The order in which rules of one field are judged.
pub fn rank(code: Code) -> u8 {
    match code {
        Code::AccountNotFound => 1,
        Code::NumberNotFound => 2,
        Code::QueueNotFound => 3,
        Code::ParentCycle => 4,
        Code::NumberIsChat => 5,
        Code::NumberIsGlobalOutbound => 6,
        Code::NumberNotVerified => 7,
        Code::InboundNumberTaken => 8,
        Code::OutboundOnly => 9,
        Code::NumberInUse => 10,
        Code::QueueInUse => 11,
        Code::PresetInUse => 12,
        Code::StillTexting => 13,
        _ => 0,
    }
}

/// A violation for each account of the directory that is not configured.
pub fn check_accounts(directory: &Directory, configured: &[String]) -> Vec<Violation> {
    let numbers = directory.numbers.iter().filter_map(|(number, entry)| number_s_account(*number, entry, configured));
    let accounts = directory.accounts.keys().filter_map(|name| account_exists(name, configured));
    numbers.chain(accounts).collect()
}

/// The violation of a number whose account is not configured.
pub fn number_s_account(number: E164, entry: &Number, configured: &[String]) -> Option<Violation> {
    let problem = format!("no account \"{}\" is configured: {}", entry.account, advice(configured));
    let (resource, field, code) = (Resource::Number(number), "account".to_owned(), Code::AccountNotFound);
    (!configured.contains(&entry.account)).then_some(Violation { resource, field, code, problem })
}

/// The violation of an account that is not configured.
pub fn account_exists(name: &str, configured: &[String]) -> Option<Violation> {
    let problem = format!("no account of that name is configured: {}", advice(configured));
    let resource = Resource::Account(name.to_owned());
    let violation = Violation { resource, field: String::new(), code: Code::AccountNotFound, problem };
    (!configured.iter().any(|known| known == name)).then_some(violation)
}

fn advice(configured: &[String]) -> String {
    match configured {
        [] => "add an [[account]] to the configuration".to_owned(),
        known => format!("use one of {}", known.join(", ")),
    }
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
    fn add(&mut self, resource: &Resource, field: impl Into<String>, code: Code, problem: impl Into<String>) {
        let (resource, field) = (resource.clone(), field.into());
        self.0.push(Violation { resource, field, code, problem: problem.into() });
    }

    /// Checks a label or name: it must be present and not too long.
    fn label(&mut self, of: &Resource, field: &str, text: &str, what_for: &str) {
        let characters = text.chars().count();
        if is_blank(text) {
            self.add(of, field, Code::InvalidField, format!("is empty: {what_for}"));
        } else if characters > LABEL_MAX_CHARACTERS {
            let problem = format!("has {characters} characters: write at most {LABEL_MAX_CHARACTERS}");
            self.add(of, field, Code::InvalidField, problem);
        }
    }

    /// Checks a text for callers (R50, A43).
    fn text(&mut self, of: &Resource, field: impl Into<String>, text: &str) {
        if let Err(refusal) = sending::shape(text) {
            self.add(of, field, refusal.code, refusal.detail);
        }
    }
}

fn numbers(step: Step<'_>, violations: &mut Violations) {
    let Step { before, after, .. } = step;
    if before.numbers.is(&after.numbers) {
        return;
    }
    for (number, entry) in &after.numbers {
        let was = before.numbers.get(number);
        if was != Some(entry) {
            self::number(step, *number, entry, was, violations);
        }
    }
}

fn number(step: Step<'_>, number: E164, entry: &Number, was: Option<&Number>, violations: &mut Violations) {
    let this = &Resource::Number(number);
    violations.label(this, "label", &entry.label, "give the number a label that tells it from others");
    // Changes that a number must not undergo while a queue uses it (A38, A41).
    let holders = step.after.holders_of(number);
    let queue = holders.and_then(|holders| holders.inbound.first().or(holders.outbound.first()));
    if let Some((was, queue)) = was.zip(queue) {
        if entry.purpose == Purpose::Chat && was.purpose != Purpose::Chat {
            let problem = format!("queue {queue} uses the number: remove it there before changing its purpose");
            violations.add(this, "purpose", Code::NumberInUse, problem);
        }
        if entry.global_outbound && !was.global_outbound && !step.force {
            let problem = format!("queue {queue} uses the number: remove it there first, or use force");
            violations.add(this, "global_outbound", Code::NumberIsGlobalOutbound, problem);
        }
    }
    limits(this, &entry.limits, violations);
}

fn account(name: &str, account: &Account, violations: &mut Violations) {
    limits(&Resource::Account(name.to_owned()), &account.limits, violations);
}

fn limits(of: &Resource, limits: &Limits, violations: &mut Violations) {
    if limits.millisegments_per_second == Some(0) {
        let problem = "is 0: use 0.001 or more, or null for no limit";
        violations.add(of, "limits.segments_per_second", Code::InvalidField, problem);
    }
    if !(1..=BURST_MAX).contains(&limits.burst) {
        let problem = format!("is {}: use 1 to {BURST_MAX}, or leave it out for 1", limits.burst);
        violations.add(of, "limits.burst", Code::InvalidField, problem);
    }
    if limits.segments_per_day == Some(0) {
        let problem = "is 0: use 1 or more, or null for no cap; to stop a number from sending, suspend it";
        violations.add(of, "limits.segments_per_day", Code::InvalidField, problem);
    }
    if !zone_exists(&limits.day_zone) {
        let problem = "is not a time zone: use a tz database name like \"America/Los_Angeles\" or \"Europe/Rome\"";
        violations.add(of, "limits.day_zone", Code::InvalidField, problem);
    }
}

fn presets(Step { before, after, .. }: Step<'_>, violations: &mut Violations) {
    if before.presets.is(&after.presets) {
        return;
    }
    for (language, presets) in &after.presets {
        for (id, preset) in presets {
            if before.preset(language, id) != Some(preset) {
                self::preset(&Resource::Preset(language.clone(), id.clone()), preset, violations);
            }
        }
    }
}

fn preset(this: &Resource, preset: &Preset, violations: &mut Violations) {
    violations.label(this, "label", &preset.label, "write the label shown to agents");
    violations.text(this, "text", &preset.text);
}
