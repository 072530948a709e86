//! What the journal shows of sends. An attempt's record is what counts: it is durable before anything goes to a carrier,
//! while the moment a carrier reads a send says little of when it began.

use offhook::machine::event::{CommittedFrame, Event};
use offhook::machine::state::Message;
use offhook::model::{Directory, E164, Kind, Timestamp};
use offhook::rules::opt_out::Block;
use std::collections::HashMap;

/// The journal's times are whole milliseconds, so that a window may look one shorter than it was.
const CLOCK_MS: u64 = 1;

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Violation {
    /// I7: an attempt was recorded although its receiver had said STOP before.
    BegunAfterStop {
        /// The message.
        message: String,
    },
    /// I8: a number sent faster than it may.
    OverTheLimit {
        /// Our number.
        number: E164,
        /// The message that was too early.
        message: String,
    },
}

/// Every promise about attempts that a journal, from its beginning, shows to be broken.
pub(crate) fn check(stories: &[CommittedFrame]) -> Vec<Violation> {
    let mut violations = Vec::new();
    none_begins_after_stop(stories, &mut violations);
    none_is_over_the_limit(stories, &mut violations);
    violations
}

/// I7: no attempt to somebody stands behind their STOP.
fn none_begins_after_stop(stories: &[CommittedFrame], violations: &mut Vec<Violation>) {
    let mut silenced: HashMap<E164, Block> = HashMap::new();
    for event in facts(stories).map(|(_, event)| event) {
        match event {
            Event::DirectoryLoaded { opt_outs, .. } => {
                silenced.extend(opt_outs.iter().filter_map(|who| Some((*who.kept()?, Block::everywhere()))));
            }
            Event::OptOutsLoaded { opt_outs } => {
                silenced.extend(opt_outs.iter().filter_map(|(who, block)| Some((*who.kept()?, block.clone()))));
            }
            Event::OptedOut { contact, opt_out, .. } => {
                silenced.extend(contact.kept().map(|who| (*who, opt_out.block.clone())));
            }
            Event::OptedIn { contact, opt_out, .. } => {
                let Some(who) = contact.kept() else { continue };
                match opt_out {
                    Some(opt_out) => drop(silenced.insert(*who, opt_out.block.clone())),
                    None => drop(silenced.remove(who)),
                }
            }
            Event::SendStarted { message, .. } if message.kind != Kind::OptOutConfirmation => {
                let theirs = message.theirs.kept().and_then(|address| address.number());
                let block = theirs.and_then(|theirs| silenced.get(&theirs));
                if block.is_some_and(|block| block.covers(message.ours)) {
                    violations.push(Violation::BegunAfterStop { message: message.id.to_string() });
                }
            }
            _ => {}
        }
    }
}

/// I8: in no window of any length does a number begin more than max(burst, largest text) and what its rate allows.
fn none_is_over_the_limit(stories: &[CommittedFrame], violations: &mut Vec<Violation>) {
    let mut directory = Directory::default();
    let mut levels: HashMap<E164, Level> = HashMap::new();
    for (story, event) in facts(stories) {
        if let Some(changed) = event.directory_after(&directory, story.position) {
            directory = changed;
        }
        let Event::SendStarted { message, .. } = event else { continue };
        let Some(limits) = directory.numbers.get(&message.ours).map(|number| &number.limits) else { continue };
        let Some(rate) = limits.millisegments_per_second else { continue };
        let level = levels.entry(message.ours).or_default();
        if !level.rise(story.at, message, u64::from(rate), limits.burst) {
            let (number, message) = (message.ours, message.id.to_string());
            violations.push(Violation::OverTheLimit { number, message });
        }
    }
}

/// What the journal tells, one after another.
pub(crate) fn facts(stories: &[CommittedFrame]) -> impl Iterator<Item = (&CommittedFrame, &Event)> {
    stories.iter().flat_map(|story| story.events.iter().map(move |event| (story, &event.event)))
}

/// A vessel that every start fills and the rate empties: how full it is after a start is the most that any window which
/// ends there holds beyond what the rate allows. In millionths of a segment.
#[derive(Default)]
struct Level {
    at: Timestamp,
    full: u64,
    largest: u64,
}

impl Level {
    /// Takes a start in, and says whether every window that ends with it keeps the limit. `rate` is in thousandths of a
    /// segment a second, which is millionths a millisecond.
    fn rise(&mut self, at: Timestamp, message: &Message, rate: u64, burst: u32) -> bool {
        const SEGMENT: u64 = 1_000_000;
        let segments = u64::from(message.segments);
        self.largest = self.largest.max(segments).max(u64::from(burst));
        let passed = at.as_ms().saturating_sub(self.at.as_ms());
        self.full = self.full.saturating_sub(rate.saturating_mul(passed)) + segments * SEGMENT;
        self.at = at;
        self.full <= self.largest * SEGMENT + rate * CLOCK_MS
    }
}

#[cfg(test)]
mod tests;
