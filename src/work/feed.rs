//! What the platform hears next, and when: one feed for each of its endpoints.
//!
//! Invariants: events of one call arrive in order, one at a time; an event is done with only when the endpoint said 2xx;
//! and everything before the watermark is done with, so a restart goes on from there.

use super::Moment;
use crate::machine::event::Story;
use crate::machine::show::{self, Told};
use crate::model::{EventId, Position};
use siphasher::sip::SipHasher13;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

/// Events held beyond the watermark. While the endpoint is down the rest waits in the journal.
pub const WINDOW_MAX_EVENTS: usize = 4_096;

/// Deliveries under way at one endpoint.
pub const IN_FLIGHT_MAX: usize = 64;

/// Progress is journaled after so many deliveries; as many may be repeated after a crash.
const PROGRESS_DELIVERIES: usize = 256;

/// Or after so long.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Waits after failures, in seconds; the last repeats. An event is never given up.
const SCHEDULE_SECS: [u64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

/// How a delivery ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivered {
    /// A complete 2xx.
    Yes,
    /// No answer, or one that says the endpoint as a whole is not there (502, 503, 504): when another delivery passes,
    /// this is tried again at once. The endpoint may name the least wait.
    Down(Option<Duration>),
    /// Any other answer: of this event, as far as we know.
    Refused(Option<Duration>),
}

/// One endpoint's feed.
pub struct Feed {
    /// The next position to be read.
    next: Position,
    /// Undelivered events by position.
    pending: BTreeMap<Position, usize>,
    threads: HashMap<String, Thread>,
    ready: VecDeque<String>,
    /// Threads that wait after a failure.
    due: BTreeSet<(Duration, String)>,
    in_flight: usize,
    events: usize,
    journaled: Position,
    journaled_at: Duration,
    since_journaled: usize,
}

/// The events of one call that are not delivered, oldest first.
#[derive(Default)]
struct Thread {
    events: VecDeque<Arc<Told>>,
    in_flight: bool,
    failures: u32,
    /// It failed because the endpoint was not there, so it goes at once when that is back, but not before this.
    down: Option<Duration>,
    /// It was brought back like that once, and failed again: from now on it waits by the schedule, because the endpoint
    /// is there for others. Otherwise each success of theirs would bring it back.
    revived: bool,
}

impl Feed {
    /// A feed whose endpoint has everything before `watermark`.
    pub fn new(watermark: Position) -> Self {
        Self {
            next: watermark,
            pending: BTreeMap::new(),
            threads: HashMap::new(),
            ready: VecDeque::new(),
            due: BTreeSet::new(),
            in_flight: 0,
            events: 0,
            journaled: watermark,
            journaled_at: Duration::ZERO,
            since_journaled: 0,
        }
    }

    /// The position to read from, while there is room for more.
    pub fn wants(&self) -> Option<Position> {
        (self.events < WINDOW_MAX_EVENTS).then_some(self.next)
    }

    /// The first position not all delivered.
    pub fn watermark(&self) -> Position {
        self.pending.first_key_value().map_or(self.next, |(position, _)| *position)
    }

    /// Takes in what was committed, in order.
    pub fn follow(&mut self, story: &Story) {
        self.next = story.position.next();
        for told in show::told(story) {
            *self.pending.entry(story.position).or_default() += 1;
            self.events += 1;
            let thread = self.threads.entry(told.thread.clone()).or_default();
            if thread.events.is_empty() && !thread.in_flight {
                self.ready.push_back(told.thread.clone());
            }
            thread.events.push_back(Arc::new(told));
        }
    }

    /// Deliveries to begin now.
    pub fn next(&mut self, now: Moment) -> Vec<Arc<Told>> {
        while let Some((at, _)) = self.due.first() {
            if *at > now.elapsed {
                break;
            }
            let Some((_, name)) = self.due.pop_first() else { break };
            self.ready.push_back(name);
        }
        let mut deliveries = Vec::new();
        while self.in_flight < IN_FLIGHT_MAX {
            let Some(name) = self.ready.pop_front() else { break };
            let Some(thread) = self.threads.get_mut(&name) else { continue };
            if let Some(told) = thread.events.front().filter(|_| !thread.in_flight) {
                deliveries.push(Arc::clone(told));
                thread.in_flight = true;
                self.in_flight += 1;
            }
        }
        deliveries
    }

    /// When `next` has something to do, if nothing else happens before.
    pub fn due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A delivery ended.
    pub fn settle(&mut self, told: &Told, delivered: Delivered, now: Moment) {
        let Some(thread) = self.threads.get_mut(&told.thread) else { return };
        if !thread.in_flight {
            return;
        }
        thread.in_flight = false;
        self.in_flight -= 1;
        match delivered {
            Delivered::Yes => {
                thread.events.pop_front();
                (thread.failures, thread.down, thread.revived) = (0, None, false);
                if thread.events.is_empty() {
                    self.threads.remove(&told.thread);
                } else {
                    self.ready.push_back(told.thread.clone());
                }
                self.done(told.id);
                self.revive(now);
            }
            Delivered::Down(wish) | Delivered::Refused(wish) => {
                thread.failures += 1;
                let down = matches!(delivered, Delivered::Down(_)) && !thread.revived;
                thread.down = down.then(|| now.elapsed + wish.unwrap_or_default());
                let until = now.elapsed + wait(told.id, thread.failures).max(wish.unwrap_or_default());
                self.due.insert((until, told.thread.clone()));
            }
        }
    }

    /// The watermark to journal now, if it moved and its time has come.
    pub fn progress(&mut self, now: Moment) -> Option<Position> {
        let watermark = self.watermark();
        let moved = watermark > self.journaled && self.since_journaled > 0;
        let time = now.elapsed.saturating_sub(self.journaled_at) >= PROGRESS_EVERY;
        if !moved || !(time || self.since_journaled >= PROGRESS_DELIVERIES) {
            return None;
        }
        self.journaled = watermark;
        self.journaled_at = now.elapsed;
        self.since_journaled = 0;
        Some(watermark)
    }

    /// Whether deliveries wait to be journaled.
    pub fn has_progress(&self) -> bool {
        self.since_journaled > 0 && self.watermark() > self.journaled
    }

    /// Whether nothing is left to deliver of what was read.
    pub fn is_idle(&self) -> bool {
        self.events == 0
    }

    fn done(&mut self, id: EventId) {
        self.events -= 1;
        self.since_journaled += 1;
        if let Some(left) = self.pending.get_mut(&id.position()) {
            *left -= 1;
            if *left == 0 {
                self.pending.remove(&id.position());
            }
        }
    }

    /// The endpoint is there: who waits because it was not need not wait longer.
    fn revive(&mut self, now: Moment) {
        let may = |thread: &Thread| thread.down.is_some_and(|not_before| not_before <= now.elapsed);
        let down: Vec<_> =
            self.due.iter().filter(|(_, name)| self.threads.get(name).is_some_and(may)).cloned().collect();
        for entry in down {
            self.due.remove(&entry);
            if let Some(thread) = self.threads.get_mut(&entry.1) {
                (thread.down, thread.revived) = (None, true);
            }
            self.ready.push_back(entry.1);
        }
    }
}

/// The wait after so many failures, ± 20 %, spread by a hash so that a thousand calls do not come back at once.
fn wait(id: EventId, failures: u32) -> Duration {
    let step = (failures.max(1) as usize - 1).min(SCHEDULE_SECS.len() - 1);
    let mut hasher = SipHasher13::new();
    hasher.write(&id.key());
    hasher.write_u32(failures);
    let permille = 800 + hasher.finish() % 401;
    Duration::from_millis(SCHEDULE_SECS[step] * permille)
}

#[cfg(test)]
mod tests;
