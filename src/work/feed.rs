//! What the platform hears next, and when: one feed for each of its endpoints.
//!
//! Invariants: events of one call arrive in order, one at a time; an event is done with only when the endpoint said 2xx;
//! and everything before the watermark is done with but the events of parked threads, so a restart goes on from there.
//!
//! Four readers follow the journal. The backlog's takes everything, in order, as far as its window reaches. Where that is
//! far behind, the live one takes what begins now. What an endpoint refuses again and again is parked: its thread alone
//! stays behind, in the journal, and is read again by the sweep when its time has come. And what somebody asks for is
//! told once more when there is nothing else to do.

mod filter;
mod health;
mod live;
mod lost;
mod parked;
mod queue;
mod reading;
mod replay;
mod terms;

pub use filter::Filter;
pub use terms::{Bounds, Delivered, Delivery, FeedStatus, Progress, Reader, Start};

use super::Moment;
use crate::model::{Position, Timestamp};
use filter::Wanted;
use health::{Health, wait};
use live::Live;
use parked::{After, Parked};
use queue::{Failure, Queue};
use replay::Replay;
use std::collections::BTreeMap;
use std::time::Duration;
use terms::{Name, Place, place_of};

/// Failures in a row that an endpoint which takes other events may have with one before its thread is parked.
const FAILURES_MAX: u32 = 3;

/// Progress is journaled after so many deliveries; as many may be repeated after a crash.
const PROGRESS_DELIVERIES: usize = 256;

/// Or after so long.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Or after so many positions in which there was nothing for this endpoint.
const PROGRESS_POSITIONS: u64 = 4_096;

/// Changes of what is parked that are noted at once.
const PARKED_NOTED_MAX: usize = 512;

/// The wait of an event whose failure says nothing of the event. One that is away goes sooner if the endpoint is back.
const WAIT_FOR_ENDPOINT: Duration = Duration::from_secs(5);

/// Quiet after a 429 that does not say how much.
const LATER: Duration = Duration::from_secs(1);

/// One endpoint's feed.
pub struct Feed {
    bounds: Bounds,
    wanted: Wanted,
    /// The next position of the backlog's reader.
    next: Position,
    live: Live,
    queue: Queue,
    /// Undelivered events that are held, but those of parked threads: their threads, and when they were.
    pending: BTreeMap<Place, (Name, Timestamp)>,
    parked: Parked,
    replay: Replay,
    health: Health,
    /// The last position there was when a delivery failed last, and when `wants` was asked last.
    failed_at: Position,
    committed: Position,
    journaled: Position,
    journaled_at: Duration,
    since_journaled: usize,
}

impl Feed {
    /// A feed that goes on from `start`.
    pub fn new(start: Start, filter: Filter, bounds: Bounds) -> Self {
        let Start { watermark, parked } = start;
        let mut feed = Self {
            bounds,
            wanted: Wanted { filter, endpoint: String::new() },
            next: watermark,
            live: Live::default(),
            queue: Queue::default(),
            pending: BTreeMap::new(),
            parked: Parked::default(),
            replay: Replay::default(),
            health: Health::default(),
            failed_at: Position(u64::MAX),
            committed: Position(0),
            journaled: watermark,
            journaled_at: Duration::ZERO,
            since_journaled: 0,
        };
        for (thread, from) in parked {
            let name = Name::from(thread);
            feed.parked.found(&name, from, Position(watermark.0.saturating_sub(1)));
            feed.queue.expect(&name, Duration::ZERO);
        }
        feed
    }

    /// The same, for the endpoint of that name, which is told of its gaps.
    pub fn of(mut self, endpoint: &str) -> Self {
        endpoint.clone_into(&mut self.wanted.endpoint);
        self
    }

    /// Deliveries to begin now.
    pub fn next(&mut self, now: Moment) -> Vec<Delivery> {
        let now = now.elapsed;
        let mut deliveries = Vec::new();
        if self.health.held(now) {
            return deliveries;
        }
        if self.health.is_down() {
            deliveries.extend(self.probe(now));
            return deliveries;
        }
        for name in self.queue.expire(now) {
            self.parked.want(&name);
        }
        self.replay.queue.expire(now);
        let aside = self.bounds.in_flight_aside;
        while self.in_flight() < self.bounds.in_flight {
            let Some(told) = self.queue.start(aside) else { break };
            deliveries.push(Delivery { told, replay: false });
        }
        while self.in_flight() < self.bounds.in_flight && self.replay.queue.in_flight() < aside {
            let Some(told) = self.replay.queue.start(aside) else { break };
            deliveries.push(Delivery { told, replay: true });
        }
        deliveries
    }

    fn in_flight(&self) -> usize {
        self.queue.in_flight() + self.replay.queue.in_flight()
    }

    /// The delivery that finds out whether an endpoint that is down is back, when it is time for one. It is of one thread
    /// after the other, because an endpoint may refuse some events for good and take others.
    fn probe(&mut self, now: Duration) -> Option<Delivery> {
        if self.health.probe_at().is_none_or(|at| now < at) || self.in_flight() >= self.bounds.in_flight {
            return None;
        }
        let (told, empty) = self.queue.probe();
        for name in empty {
            self.parked.want(&name);
        }
        let delivery = told.map(|told| Delivery { told, replay: false }).or_else(|| {
            let (told, _) = self.replay.queue.probe();
            Some(Delivery { told: told?, replay: true })
        })?;
        self.health.probes(now);
        Some(delivery)
    }

    /// When `next` has something to do, if nothing else happens before.
    pub fn due(&self) -> Option<Duration> {
        if let Some(until) = self.health.held_until() {
            return Some(until);
        }
        if let Some(at) = self.health.probe_at() {
            let able = self.in_flight() < self.bounds.in_flight;
            return (able && (self.queue.has_probes() || self.replay.queue.has_probes())).then_some(at);
        }
        let due = |queue: &Queue| queue.next_due().map(|(at, _)| *at);
        [due(&self.queue), due(&self.replay.queue)].into_iter().flatten().min()
    }

    /// A delivery ended. Returns whether a replay goes on without this event, because it was refused too often.
    pub fn settle(&mut self, delivery: &Delivery, delivered: Delivered, now: Moment) -> bool {
        let now = now.elapsed;
        if delivered == Delivered::Yes {
            self.passed(delivery);
            return false;
        }
        let told = &delivery.told;
        let queue = if delivery.replay { &mut self.replay.queue } else { &mut self.queue };
        let down = self.health.is_down();
        // What was parked is known to be refused while others pass, unless just now nothing does.
        let parked = !delivery.replay && self.health.successes > 0 && self.parked.contains(&told.thread);
        let known = (down || parked).then_some(!down);
        let Some(Failure { failures, own }) = queue.failed(told, self.health.successes, known) else { return false };
        let wish = match delivered {
            Delivered::Later(wish) => wish.unwrap_or(LATER),
            // An endpoint that is down is probed whatever it wishes.
            Delivered::Down(wish) if own => wish.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let schedule = if own { wait(told.id, failures) } else { WAIT_FOR_ENDPOINT };
        let later = matches!(delivered, Delivered::Later(_));
        // The first refusal of an event that no other failure explains may be its own, so it waits for its time.
        let away = !own && !later && (down || delivered != Delivered::Refused);
        queue.wait(&told.thread, now + schedule.max(wish), away);
        self.failed_at = self.committed;
        match delivered {
            // An event that alone is told to wait is not the reason to hold back all others once more.
            _ if own => {}
            Delivered::Later(_) => self.health.hold(now, wish),
            _ => self.health.failed(delivered == Delivered::Gone, now),
        }
        self.failed(delivery, own && failures > FAILURES_MAX)
    }

    fn passed(&mut self, delivery: &Delivery) {
        let told = &delivery.told;
        self.health.passed();
        if delivery.replay {
            self.replay.queue.passed(told);
            self.replay.queue.forget(&told.thread);
        } else if self.queue.passed(told) {
            self.since_journaled += 1;
            let next = self.queue.first(&told.thread).map(place_of);
            let after = self.parked.passed(&told.thread, next);
            if after == After::NotParked {
                self.pending.remove(&place_of(told.id));
            }
            if after != After::Parked {
                self.queue.forget(&told.thread);
            }
        }
        for name in self.queue.revive() {
            self.parked.want(&name);
        }
        self.replay.queue.revive();
    }

    /// A delivery failed and waits; `again_and_again`: it has before, and the endpoint took others meanwhile.
    fn failed(&mut self, delivery: &Delivery, again_and_again: bool) -> bool {
        let thread = &*delivery.told.thread;
        if delivery.replay {
            if again_and_again {
                self.replay.queue.give_up(thread);
            }
            return again_and_again;
        }
        if self.parked.contains(thread) {
            self.queue.drain(thread);
            self.parked.failed(thread);
        } else if again_and_again && let Some(name) = self.queue.name(thread) {
            self.park(&name);
        }
        false
    }

    /// The first position not all delivered, but for parked threads.
    pub fn watermark(&self) -> Position {
        self.pending.first_key_value().map_or(self.next, |((position, _), _)| self.next.min(*position))
    }

    /// What to journal now, if there is something and its time has come.
    pub fn progress(&mut self, now: Moment) -> Option<Progress> {
        let time = now.elapsed.saturating_sub(self.journaled_at) >= PROGRESS_EVERY;
        if !self.has_progress() || !(time || self.since_journaled >= PROGRESS_DELIVERIES) {
            return None;
        }
        let progress = self.take_progress();
        if self.parked.is_noted() {
            self.journaled_at = now.elapsed;
        }
        Some(progress)
    }

    /// What there is to journal. A watermark never goes before what it leaves behind.
    pub fn take_progress(&mut self) -> Progress {
        let parked = self.parked.changes(PARKED_NOTED_MAX);
        let before = self.journaled;
        if self.parked.is_noted() {
            self.journaled = self.watermark();
            self.since_journaled = 0;
        }
        Progress { watermark: self.journaled, parked, before }
    }

    /// The progress was not journaled after all.
    pub fn not_noted(&mut self, progress: Progress) {
        self.journaled = progress.before;
        self.since_journaled += 1;
        self.parked.not_noted(progress.parked);
    }

    /// Whether there is something to journal.
    pub fn has_progress(&self) -> bool {
        let moved = self.watermark().0.saturating_sub(self.journaled.0);
        !self.parked.is_noted() || (moved > 0 && self.since_journaled > 0) || moved >= PROGRESS_POSITIONS
    }

    /// Whether nothing is left to deliver of what was read.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.parked.len() == 0
    }

    /// How it stands.
    pub fn standing(&self, now: Moment) -> FeedStatus {
        FeedStatus {
            watermark: self.watermark(),
            oldest: self.pending.first_key_value().map(|(_, (_, at))| *at),
            parked: self.parked.len(),
            paused: self.health.paused(now.elapsed),
        }
    }
}

#[cfg(test)]
mod tests;
