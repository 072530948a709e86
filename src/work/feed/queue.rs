//! Threads of events held in memory, and when the next event of each can be delivered.
//!
//! Invariant: at most one event of a thread is in flight, and it is the oldest one held.

use super::terms::{Name, Reader};
use crate::machine::show::RenderedEvent;
use crate::model::EventId;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Classes of threads, which are started in turn so that none starves another.
const CLASSES: usize = 3;
const LIVE: usize = 0;
const BACKLOG: usize = 1;
/// Threads that failed on their own: a hundred hanging calls must not occupy all slots.
const PROBATION: usize = 2;

/// All threads, and which is next.
#[derive(Default)]
pub(super) struct Queue {
    threads: HashMap<Name, Thread>,
    /// Threads ready to start, by class. A name may stay here after its thread has ceased to be ready.
    ready: [VecDeque<Name>; CLASSES],
    /// Threads that wait for a retry.
    due: BTreeSet<(Duration, Name)>,
    /// Those that failed because the endpoint was down: they are retried as soon as it accepts a delivery.
    awaiting_endpoint: BTreeSet<Name>,
    /// Events held, by the reader that read them.
    held: [usize; Reader::ALL.len()],
    in_flight: usize,
    probation_in_flight: usize,
    turn: usize,
}

#[derive(Default)]
struct Thread {
    events: VecDeque<(Reader, Arc<RenderedEvent>)>,
    state: State,
    /// Failures in a row; those while the endpoint accepted nothing count as one.
    failures: u32,
    /// The endpoint's count of successes at the last failure.
    failed_at: Option<u64>,
    /// Whether the last failure was the event's own.
    own: bool,
    /// The last failure was probably the event's own.
    on_probation: bool,
    /// The failures were reset once because the endpoint had been down. A hanging event looks the same, so that happens
    /// only once.
    failures_reset: bool,
}

/// The assessment of a failed delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    /// Failures in a row.
    pub(super) failures: u32,
    /// The endpoint accepts other events, so this event is the cause.
    pub(super) own: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// The thread holds no events.
    #[default]
    Empty,
    Ready,
    InFlight,
    Waiting(Duration),
}

impl Queue {
    /// Adds an event to its thread.
    pub(super) fn push(&mut self, event: Arc<RenderedEvent>, reader: Reader) -> Name {
        let name = self.name(&event.thread).unwrap_or_else(|| Name::from(event.thread.as_str()));
        let thread = self.threads.entry(Arc::clone(&name)).or_default();
        thread.events.push_back((reader, event));
        self.held[reader as usize] += 1;
        if thread.state == State::Empty {
            self.make_ready(&name);
        }
        name
    }

    /// Adds a thread that holds no events and waits until then, as if it had failed before.
    pub(super) fn expect(&mut self, name: &Name, until: Duration) {
        let thread = Thread { failures: 1, failed_at: Some(0), state: State::Waiting(until), ..Thread::default() };
        self.threads.insert(Arc::clone(name), thread);
        self.due.insert((until, Arc::clone(name)));
    }

    /// Starts the next delivery, if a thread is ready.
    pub(super) fn start(&mut self, probation_max: usize) -> Option<Arc<RenderedEvent>> {
        for _ in 0..CLASSES {
            let class = self.turn % CLASSES;
            self.turn += 1;
            if class == PROBATION && self.probation_in_flight >= probation_max {
                continue;
            }
            while let Some(name) = self.ready[class].pop_front() {
                if let Some(event) = self.start_one(&name) {
                    return Some(event);
                }
            }
        }
        None
    }

    /// Starts the delivery of this thread's oldest event, if it is ready.
    fn start_one(&mut self, name: &str) -> Option<Arc<RenderedEvent>> {
        let thread = self.threads.get_mut(name).filter(|thread| thread.state == State::Ready)?;
        let (_, event) = thread.events.front()?;
        thread.state = State::InFlight;
        self.in_flight += 1;
        self.probation_in_flight += usize::from(thread.on_probation);
        Some(Arc::clone(event))
    }

    /// A delivery ended; returns `false` if the event is no longer in flight here.
    fn ended(&mut self, name: &str, id: EventId) -> bool {
        let ours = |thread: &&mut Thread| {
            thread.state == State::InFlight && thread.events.front().is_some_and(|(_, event)| event.id == id)
        };
        let Some(thread) = self.threads.get_mut(name).filter(ours) else { return false };
        thread.state = State::Empty;
        self.in_flight -= 1;
        self.probation_in_flight -= usize::from(thread.on_probation);
        true
    }

    /// A delivery succeeded.
    pub(super) fn passed(&mut self, event: &RenderedEvent) -> bool {
        if !self.ended(&event.thread, event.id) {
            return false;
        }
        if let Some(thread) = self.threads.get_mut(event.thread.as_str()) {
            (thread.failures, thread.failed_at) = (0, None);
            (thread.on_probation, thread.failures_reset) = (false, false);
        }
        self.drop_first(&event.thread);
        true
    }

    /// A delivery failed when the endpoint had this many successes. `known` says whether the failure is the event's
    /// own, if that is known. Otherwise it is if the endpoint accepted something since the event's last failure. The
    /// caller then sets the thread's retry delay with `wait`.
    pub(super) fn failed(&mut self, event: &RenderedEvent, successes: u64, known: Option<bool>) -> Option<Failure> {
        if !self.ended(&event.thread, event.id) {
            return None;
        }
        let thread = self.threads.get_mut(event.thread.as_str())?;
        let before = thread.failed_at.replace(successes);
        let own = known.unwrap_or(before.is_some_and(|before| before < successes));
        thread.own = own;
        thread.failures = if own { thread.failures + 1 } else { thread.failures.max(1) };
        Some(Failure { failures: thread.failures, own })
    }

    /// Sets the thread's retry time. If the endpoint was down (`awaiting_endpoint`), its next success ends the wait too.
    pub(super) fn wait(&mut self, name: &str, until: Duration, awaiting_endpoint: bool) {
        let Some(name) = self.name(name) else { return };
        let Some(thread) = self.threads.get_mut(&name) else { return };
        thread.state = State::Waiting(until);
        if awaiting_endpoint {
            self.awaiting_endpoint.insert(Arc::clone(&name));
        }
        self.due.insert((until, name));
    }

    /// Makes threads ready whose retry is due. Returns those that hold no events.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Name> {
        let mut empty = Vec::new();
        while let Some((_, name)) = self.due.first().filter(|(at, _)| *at <= now).cloned() {
            empty.extend(self.wake(&name, true));
        }
        empty
    }

    /// Ends the wait of threads that failed because the endpoint was down. Returns those that hold no events.
    pub(super) fn wake_awaiting(&mut self) -> Vec<Name> {
        let mut empty = Vec::new();
        for name in std::mem::take(&mut self.awaiting_endpoint) {
            empty.extend(self.wake(&name, false));
            if let Some(thread) = self.threads.get_mut(&name)
                && !std::mem::replace(&mut thread.failures_reset, true)
            {
                thread.failures = 0;
            }
        }
        empty
    }

    /// Ends a thread's wait. Returns the thread if it holds no events.
    pub(super) fn wake(&mut self, name: &Name, on_probation: bool) -> Option<Name> {
        let thread = self.threads.get_mut(name)?;
        let State::Waiting(until) = thread.state else { return None };
        self.due.remove(&(until, Arc::clone(name)));
        self.awaiting_endpoint.remove(name);
        thread.on_probation = on_probation;
        thread.state = State::Empty;
        if thread.events.is_empty() {
            return Some(Arc::clone(name));
        }
        self.make_ready(name);
        None
    }

    /// Starts a probe: a delivery of a ready thread, or else of the one whose retry is due first, which is the one
    /// tried longest ago. Also returns the threads considered before it that hold no events.
    pub(super) fn probe(&mut self) -> (Option<Arc<RenderedEvent>>, Vec<Name>) {
        let mut empty = Vec::new();
        loop {
            if let Some(event) = self.start(usize::MAX) {
                return (Some(event), empty);
            }
            let Some((_, name)) = self.due.first().cloned() else { return (None, empty) };
            empty.extend(self.wake(&name, true));
        }
    }

    /// Whether there may be an event to probe with.
    pub(super) fn has_probes(&self) -> bool {
        !self.due.is_empty() || self.ready.iter().any(|ready| !ready.is_empty())
    }

    fn make_ready(&mut self, name: &Name) {
        let Some(thread) = self.threads.get_mut(name) else { return };
        let class = match thread.events.front() {
            _ if thread.on_probation => PROBATION,
            Some((Reader::Live, _)) => LIVE,
            _ => BACKLOG,
        };
        thread.state = State::Ready;
        self.ready[class].push_back(Arc::clone(name));
    }

    /// Drops the thread's oldest event.
    fn drop_first(&mut self, name: &str) {
        let Some(name) = self.name(name) else { return };
        let Some(thread) = self.threads.get_mut(&name) else { return };
        if let Some((reader, _)) = thread.events.pop_front() {
            self.held[reader as usize] -= 1;
        }
        if !thread.events.is_empty() {
            self.make_ready(&name);
        }
    }

    /// Drops the oldest event of a waiting thread, which continues with the next.
    pub(super) fn give_up(&mut self, name: &str) {
        let Some(name) = self.name(name) else { return };
        self.wake(&name, false);
        if let Some(thread) = self.threads.get_mut(&name) {
            (thread.state, thread.failures, thread.failed_at) = (State::Empty, 0, None);
        }
        self.drop_first(&name);
        self.remove(&name);
    }

    /// Drops all events of the thread and returns their ids. Its wait goes on.
    pub(super) fn drain(&mut self, name: &str) -> Vec<EventId> {
        let Some(thread) = self.threads.get_mut(name) else { return Vec::new() };
        let events = std::mem::take(&mut thread.events);
        for (reader, _) in &events {
            self.held[*reader as usize] -= 1;
        }
        events.into_iter().map(|(_, event)| event.id).collect()
    }

    /// Removes a thread that holds no events, does not wait and is not in flight.
    pub(super) fn remove(&mut self, name: &str) {
        if self.threads.get(name).is_some_and(|thread| thread.state == State::Empty && thread.events.is_empty()) {
            self.threads.remove(name);
        }
    }

    /// Whether the thread waits after a failure of its own: the endpoint has accepted other events before or since.
    pub(super) fn fails_alone(&self, name: &str, successes: u64) -> bool {
        self.threads.get(name).is_some_and(|thread| {
            let took_others = thread.own || thread.failed_at.is_some_and(|before| before < successes);
            matches!(thread.state, State::Waiting(_)) && took_others
        })
    }

    /// The stored name of a thread.
    pub(super) fn name(&self, name: &str) -> Option<Name> {
        self.threads.get_key_value(name).map(|(name, _)| Arc::clone(name))
    }

    /// The thread's oldest event.
    pub(super) fn first(&self, name: &str) -> Option<EventId> {
        self.threads.get(name)?.events.front().map(|(_, event)| event.id)
    }

    /// The number of events the thread holds, and whether its last delivery succeeded.
    pub(super) fn holds(&self, name: &str) -> (usize, bool) {
        self.threads.get(name).map_or((0, true), |thread| (thread.events.len(), thread.failures == 0))
    }

    /// The number of events held that this reader has read.
    pub(super) fn held(&self, reader: Reader) -> usize {
        self.held[reader as usize]
    }

    /// Deliveries in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The thread whose retry is due first.
    pub(super) fn next_due(&self) -> Option<&(Duration, Name)> {
        self.due.first()
    }
}
