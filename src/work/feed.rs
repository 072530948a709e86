//! Decides which event is delivered next, and when: one feed for each of the platform's endpoints.
//!
//! A thread is a sequence of events delivered in order (a call, a contact, an account).
//!
//! Invariants: events of one thread arrive in order, one at a time; an event is delivered only when the endpoint
//! answered 2xx; and everything before the watermark is delivered, except events of parked threads, so a restart
//! resumes there.
//!
//! Four readers follow the journal. The backlog reader takes every event, in order, as far as its window reaches. While
//! it is far behind, the live reader takes threads that begin now. A thread whose event is refused repeatedly is
//! parked: only that thread falls behind, its events stay in the journal, and they are read again when its retry is
//! due. The replay reader repeats events on request, when nothing else is to be delivered.

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
use filter::Subscription;
use health::{Health, wait};
use live::Live;
use parked::{After, Parked};
use queue::{Failure, Queue};
use replay::Replay;
use std::collections::BTreeMap;
use std::time::Duration;
use terms::{Name, Place, place_of};

/// Failures in a row of one event, while the endpoint accepts others, before its thread is parked.
const FAILURES_MAX: u32 = 3;

/// Progress is journaled after this many deliveries; a crash repeats at most as many.
const PROGRESS_DELIVERIES: usize = 256;

/// Progress is also journaled after this long.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Progress is also journaled after this many positions without an event for this endpoint.
const PROGRESS_POSITIONS: u64 = 4_096;

/// Changes to parked threads that are journaled in one command.
const PARKED_RECORDED_MAX: usize = 512;

/// The retry delay of an event that failed because of the endpoint. It is retried sooner if the endpoint recovers.
const WAIT_FOR_ENDPOINT: Duration = Duration::from_secs(5);

/// The pause after a 429 without `Retry-After`.
const LATER: Duration = Duration::from_secs(1);

/// One endpoint's feed.
pub struct Feed {
    bounds: Bounds,
    subscription: Subscription,
    /// The next position of the backlog reader.
    next: Position,
    live: Live,
    queue: Queue,
    /// Undelivered events in memory, except those of parked threads: each with its thread and its time.
    pending: BTreeMap<Place, (Name, Timestamp)>,
    parked: Parked,
    replay: Replay,
    health: Health,
    /// The last committed position when a delivery last failed, and the one given to the last call of `wants`.
    failed_at: Position,
    committed: Position,
    journaled: Position,
    journaled_at: Duration,
    since_journaled: usize,
}

impl Feed {
    /// A feed that resumes at `start`.
    pub fn new(start: Start, filter: Filter, bounds: Bounds) -> Self {
        let Start { watermark, parked } = start;
        let mut feed = Self {
            bounds,
            subscription: Subscription { filter, endpoint: String::new() },
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
            feed.parked.restore(&name, from, Position(watermark.0.saturating_sub(1)));
            feed.queue.expect(&name, Duration::ZERO);
        }
        feed
    }

    /// Sets the endpoint's name, by which the feed recognises its own gap events.
    pub fn for_endpoint(mut self, endpoint: &str) -> Self {
        endpoint.clone_into(&mut self.subscription.endpoint);
        self
    }

    /// The deliveries to start now.
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
            self.parked.queue_retry(&name);
        }
        self.replay.queue.expire(now);
        let probation_max = self.bounds.in_flight_probation;
        while self.in_flight() < self.bounds.in_flight {
            let Some(event) = self.queue.start(probation_max) else { break };
            deliveries.push(Delivery { event, replay: false });
        }
        while self.in_flight() < self.bounds.in_flight && self.replay.queue.in_flight() < probation_max {
            let Some(event) = self.replay.queue.start(probation_max) else { break };
            deliveries.push(Delivery { event, replay: true });
        }
        deliveries
    }

    fn in_flight(&self) -> usize {
        self.queue.in_flight() + self.replay.queue.in_flight()
    }

    /// The delivery that tests whether an endpoint that is down has recovered, once one is due. Probes go through the
    /// threads in turn, because an endpoint may refuse some events permanently and accept others.
    fn probe(&mut self, now: Duration) -> Option<Delivery> {
        if self.health.probe_at().is_none_or(|at| now < at) || self.in_flight() >= self.bounds.in_flight {
            return None;
        }
        let (event, empty) = self.queue.probe();
        for name in empty {
            self.parked.queue_retry(&name);
        }
        let delivery = event.map(|event| Delivery { event, replay: false }).or_else(|| {
            let (event, _) = self.replay.queue.probe();
            Some(Delivery { event: event?, replay: true })
        })?;
        self.health.probes(now);
        Some(delivery)
    }

    /// When to call `next` again, if nothing else happens before.
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

    /// Records the end of a delivery. Returns whether a replay skips this event, because it was refused too often.
    pub fn settle(&mut self, delivery: &Delivery, delivered: Delivered, now: Moment) -> bool {
        let now = now.elapsed;
        if delivered == Delivered::Yes {
            self.passed(delivery);
            return false;
        }
        let event = &delivery.event;
        let queue = if delivery.replay { &mut self.replay.queue } else { &mut self.queue };
        let down = self.health.is_down();
        // Events of a parked thread are refused while others pass, unless the endpoint is failing altogether.
        let parked = !delivery.replay && self.health.successes > 0 && self.parked.contains(&event.thread);
        let known = (down || parked).then_some(!down);
        let Some(Failure { failures, own }) = queue.failed(event, self.health.successes, known) else { return false };
        let retry_after = match delivered {
            Delivered::Later(retry_after) => retry_after.unwrap_or(LATER),
            // An endpoint that is down is probed regardless of its `Retry-After`.
            Delivered::Down(retry_after) if own => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let schedule = if own { wait(event.id, failures) } else { WAIT_FOR_ENDPOINT };
        let later = matches!(delivered, Delivered::Later(_));
        // A first refusal that no other failure explains may be the event's own, so it keeps its retry delay.
        let awaiting_endpoint = !own && !later && (down || delivered != Delivered::Refused);
        queue.wait(&event.thread, now + schedule.max(retry_after), awaiting_endpoint);
        self.failed_at = self.committed;
        match delivered {
            // A 429 to an event that fails on its own does not pause the other events again.
            _ if own => {}
            Delivered::Later(_) => self.health.hold(now, retry_after),
            _ => self.health.failed(delivered == Delivered::Gone, now),
        }
        self.failed(delivery, own && failures > FAILURES_MAX)
    }

    fn passed(&mut self, delivery: &Delivery) {
        let event = &delivery.event;
        self.health.passed();
        if delivery.replay {
            self.replay.queue.passed(event);
            self.replay.queue.remove(&event.thread);
        } else if self.queue.passed(event) {
            self.since_journaled += 1;
            let next = self.queue.first(&event.thread).map(place_of);
            let after = self.parked.passed(&event.thread, next);
            if after == After::NotParked {
                self.pending.remove(&place_of(event.id));
            }
            if after != After::Parked {
                self.queue.remove(&event.thread);
            }
        }
        for name in self.queue.wake_awaiting() {
            self.parked.queue_retry(&name);
        }
        self.replay.queue.wake_awaiting();
    }

    /// A delivery failed and will be retried; `repeatedly`: it failed repeatedly while the endpoint accepted
    /// others.
    fn failed(&mut self, delivery: &Delivery, repeatedly: bool) -> bool {
        let thread = &*delivery.event.thread;
        if delivery.replay {
            if repeatedly {
                self.replay.queue.give_up(thread);
            }
            return repeatedly;
        }
        if self.parked.contains(thread) {
            self.queue.drain(thread);
            self.parked.failed(thread);
        } else if repeatedly && let Some(name) = self.queue.name(thread) {
            self.park(&name);
        }
        false
    }

    /// The first position that is not fully delivered, ignoring parked threads.
    pub fn watermark(&self) -> Position {
        self.pending.first_key_value().map_or(self.next, |((position, _), _)| self.next.min(*position))
    }

    /// The progress to journal now, if it is due.
    pub fn progress(&mut self, now: Moment) -> Option<Progress> {
        let time = now.elapsed.saturating_sub(self.journaled_at) >= PROGRESS_EVERY;
        if !self.has_progress() || !(time || self.since_journaled >= PROGRESS_DELIVERIES) {
            return None;
        }
        let progress = self.take_progress();
        if self.parked.is_recorded() {
            self.journaled_at = now.elapsed;
        }
        Some(progress)
    }

    /// The progress to journal. The watermark advances only after all parked threads before it are recorded.
    pub fn take_progress(&mut self) -> Progress {
        let parked = self.parked.changes(PARKED_RECORDED_MAX);
        let before = self.journaled;
        if self.parked.is_recorded() {
            self.journaled = self.watermark();
            self.since_journaled = 0;
        }
        Progress { watermark: self.journaled, parked, before }
    }

    /// Restores progress that could not be journaled.
    pub fn not_recorded(&mut self, progress: Progress) {
        self.journaled = progress.before;
        self.since_journaled += 1;
        self.parked.not_recorded(progress.parked);
    }

    /// Whether there is progress to journal.
    pub fn has_progress(&self) -> bool {
        let moved = self.watermark().0.saturating_sub(self.journaled.0);
        !self.parked.is_recorded() || (moved > 0 && self.since_journaled > 0) || moved >= PROGRESS_POSITIONS
    }

    /// Whether every event that was read has been delivered.
    #[cfg(feature = "test-support")]
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.parked.len() == 0
    }

    /// The feed's current status.
    pub fn status(&self, now: Moment) -> FeedStatus {
        FeedStatus {
            watermark: self.watermark(),
            unread: self.next,
            pending: self.pending.len(),
            next_try: self.due(),
            oldest: self.pending.first_key_value().map(|(_, (_, at))| *at),
            parked: self.parked.len(),
            paused: self.health.paused(now.elapsed),
        }
    }
}

#[cfg(test)]
mod tests;
