//! Validation of queues and their numbers (R18-R23, R27, R31, A38, A42).

use super::{Step, Violations, rank};
use crate::model::{E164, Purpose, QUEUE_DEPTH_MAX, Queue, QueueId, Resource, VerificationState};
use crate::rules::refusal::Code;
use std::collections::HashSet;

/// Maximum number of numbers of one queue; they are all stored in one row.
const QUEUE_NUMBERS_MAX: usize = 500;

pub(super) fn check(step: Step<'_>, violations: &mut Violations) {
    let Step { before, after, .. } = step;
    if before.queues.is(&after.queues) && before.numbers.is(&after.numbers) {
        return;
    }
    let deleted = before.numbers.keys().filter(|number| !after.numbers.contains_key(number));
    let deleted = deleted.copied().collect();
    for (id, queue) in &after.queues {
        one(step, id, queue, &deleted, violations);
    }
}

/// Checks a queue. One that stays as it is can still lose a number or a parent.
fn one(step: Step<'_>, id: &QueueId, queue: &Queue, deleted: &HashSet<E164>, violations: &mut Violations) {
    let this = &Resource::Queue(id.clone());
    let was = step.before.queues.get(id);
    let changed = was != Some(queue);
    if changed {
        violations.label(this, "name", &queue.name, "give the queue a name for people");
    }
    if let Some((code, problem)) = parents(step, id) {
        violations.add(this, "parent", code, problem);
    }
    let count = queue.inbound_numbers.len() + queue.outbound_numbers.len();
    if changed && count > QUEUE_NUMBERS_MAX {
        let problem = format!("and outbound_numbers have {count} numbers together: use at most {QUEUE_NUMBERS_MAX}");
        violations.add(this, "inbound_numbers", Code::InvalidField, problem);
    }
    for (field, numbers) in [("inbound_numbers", &queue.inbound_numbers), ("outbound_numbers", &queue.outbound_numbers)]
    {
        let mut found: Vec<(Code, String)> = Vec::new();
        if !deleted.is_empty() {
            let lost = numbers.iter().filter(|number| deleted.contains(number));
            found.extend(lost.map(|number| {
                (Code::NumberInUse, format!("{number} would be deleted: remove it from queue {id} first"))
            }));
        }
        if changed {
            let held: HashSet<E164> = was.into_iter().flat_map(numbers_of).collect();
            let kept = |number: &&E164| !deleted.contains(*number);
            let new = numbers.iter().filter(kept).filter(|number| !held.contains(number));
            found.extend(new.flat_map(|number| misfits(step, *number)));
            found.extend(listed_twice(numbers));
            if field == "inbound_numbers" {
                found.extend(numbers.iter().filter_map(|number| taken(step, *number, id)));
                found.extend(numbers.iter().filter_map(|number| outbound_only(step, *number)));
            }
        }
        found.sort_by_key(|(code, _)| rank(*code));
        found.into_iter().for_each(|(code, problem)| violations.add(this, field, code, problem));
    }
    if let Some(default) = queue.default_outbound.filter(|default| changed && !holds(queue, *default)) {
        let problem = format!("{default} is not a number of this queue: add it to outbound_numbers");
        violations.add(this, "default_outbound", Code::InvalidField, problem);
    }
}

fn numbers_of(queue: &Queue) -> impl Iterator<Item = E164> {
    queue.inbound_numbers.iter().chain(&queue.outbound_numbers).copied()
}

fn holds(queue: &Queue, number: E164) -> bool {
    numbers_of(queue).any(|held| held == number)
}

/// Why a number may not be newly assigned to a queue (R18, R27, R31).
fn misfits(step: Step<'_>, number: E164) -> Vec<(Code, String)> {
    let Some(entry) = step.after.numbers.get(&number) else {
        return vec![(Code::NumberNotFound, format!("{number} is not one of our numbers: add it and verify it first"))];
    };
    let mut found = Vec::new();
    if entry.purpose == Purpose::Chat {
        let problem = format!("{number} is for chat SMS and cannot be used for in-call SMS: use another");
        found.push((Code::NumberIsChat, problem));
    }
    if entry.global_outbound && !step.force {
        let problem = format!("{number} is the global outbound number: use another, or clear global_outbound");
        found.push((Code::NumberIsGlobalOutbound, problem));
    }
    if entry.verification.state != VerificationState::Verified {
        let problem = format!("{number} is not verified: verify it before it is assigned to a queue");
        found.push((Code::NumberNotVerified, problem));
    }
    found
}

fn listed_twice(numbers: &[E164]) -> Vec<(Code, String)> {
    let mut seen = HashSet::new();
    let again = numbers.iter().filter(|number| !seen.insert(**number));
    again.map(|number| (Code::InvalidField, format!("{number} is listed twice: list it once"))).collect()
}

/// R19: an inbound number belongs to one queue. Of several that want it, the one that has it keeps it, else the first.
fn taken(Step { before, after, .. }: Step<'_>, number: E164, id: &QueueId) -> Option<(Code, String)> {
    let wanting = &after.holders_of(number)?.inbound;
    let kept = before.owner_of(number).filter(|owner| wanting.contains(owner));
    let owner = kept.or(wanting.first()).filter(|owner| *owner != id)?;
    let problem = format!("{number} is already an inbound number of queue {owner}; it can belong to one queue only");
    Some((Code::InboundNumberTaken, problem))
}

/// R21: a number that queues have as outbound only cannot become inbound while they do.
fn outbound_only(Step { before, after, .. }: Step<'_>, number: E164) -> Option<(Code, String)> {
    let was = before.holders_of(number).filter(|was| was.inbound.is_empty())?;
    let is = after.holders_of(number)?;
    let holder = was.outbound.iter().find(|id| is.outbound.contains(id))?;
    let problem = format!(
        "queue {holder} has {number} as outbound only: remove it from its outbound_numbers, then make it inbound"
    );
    Some((Code::OutboundOnly, problem))
}

/// Why a queue may not have its parent (A42). A queue below a cycle is not at fault; those of the cycle are.
fn parents(Step { before, after, .. }: Step<'_>, id: &QueueId) -> Option<(Code, String)> {
    let mut seen = vec![id];
    let mut at = id;
    loop {
        let parent = after.queues.get(at).and_then(|queue| queue.parent.as_ref())?;
        if !after.queues.contains_key(parent) {
            return (at == id).then(|| match before.queues.contains_key(parent) {
                true => (
                    Code::QueueInUse,
                    format!("queue {parent} would be deleted: give this queue another parent first, or null"),
                ),
                false => (Code::QueueNotFound, format!("queue {parent} does not exist: use one that exists, or null")),
            });
        }
        if parent == id {
            let problem = format!("the parents of {id} lead back to it: end them at a queue without a parent");
            return Some((Code::ParentCycle, problem));
        }
        if seen.contains(&parent) {
            return None;
        }
        if seen.len() > QUEUE_DEPTH_MAX {
            let problem = format!("{id} has more than {QUEUE_DEPTH_MAX} ancestors: use a parent that has fewer");
            return Some((Code::InvalidField, problem));
        }
        seen.push(parent);
        at = parent;
    }
}
