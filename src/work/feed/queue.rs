//! Threads of events that are held in memory, and when the next event of each may go.
//!
//! Invariant: of one thread one event is under way at most, and it is the oldest of those held.

use super::terms::{Name, Reader};
use crate::machine::show::RenderedEvent;
use crate::model::EventId;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Kinds of threads that take turns in being begun, so that none of them starves another.
const CLASSES: usize = 3;
const LIVE: usize = 0;
const BACKLOG: usize = 1;
/// Those that failed of themselves: a hundred calls that hang must not take all places.
const SUSPECT: usize = 2;

/// Threads, and who is next.
#[derive(Default)]
pub(super) struct Queue {
    threads: HashMap<Name, Thread>,
    /// Who may go, by class. A name may be left here of a thread that may not any more.
    ready: [VecDeque<Name>; CLASSES],
    /// Who waits after a failure.
    due: BTreeSet<(Duration, Name)>,
    /// Who of those failed because the endpoint was down: it goes as soon as the endpoint takes something.
    away: BTreeSet<Name>,
    /// Events held, by who read them.
    held: [usize; Reader::ALL.len()],
    in_flight: usize,
    suspects_in_flight: usize,
    turn: usize,
}

#[derive(Default)]
struct Thread {
    events: VecDeque<(Reader, Arc<RenderedEvent>)>,
    state: State,
    /// In a row, but those of a time when the endpoint took nothing, which count as one.
    failures: u32,
    /// The endpoint's successes when the last of them happened.
    failed_at: Option<u64>,
    /// And it was the event's own.
    own: bool,
    /// Its last failure was its own, as far as we know.
    suspect: bool,
    /// Its failures were forgotten once because the endpoint had been down. An event that hangs looks the same, so that
    /// happens once.
    revived: bool,
}

/// What a delivery that failed says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    /// Failures in a row.
    pub(super) failures: u32,
    /// The endpoint takes others: it is this event that it refuses.
    pub(super) own: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// It holds nothing.
    #[default]
    Empty,
    Ready,
    InFlight,
    Waiting(Duration),
}

impl Queue {
    /// Holds one more event of its thread.
    pub(super) fn push(&mut self, told: Arc<RenderedEvent>, reader: Reader) -> Name {
        let name = self.name(&told.thread).unwrap_or_else(|| Name::from(told.thread.as_str()));
        let thread = self.threads.entry(Arc::clone(&name)).or_default();
        thread.events.push_back((reader, told));
        self.held[reader as usize] += 1;
        if thread.state == State::Empty {
            self.make_ready(&name);
        }
        name
    }

    /// A thread that holds nothing and waits until then, as if it had failed before.
    pub(super) fn expect(&mut self, name: &Name, until: Duration) {
        let thread = Thread { failures: 1, failed_at: Some(0), state: State::Waiting(until), ..Thread::default() };
        self.threads.insert(Arc::clone(name), thread);
        self.due.insert((until, Arc::clone(name)));
    }

    /// Begins the next delivery, if there is one to begin.
    pub(super) fn start(&mut self, suspects_max: usize) -> Option<Arc<RenderedEvent>> {
        for _ in 0..CLASSES {
            let class = self.turn % CLASSES;
            self.turn += 1;
            if class == SUSPECT && self.suspects_in_flight >= suspects_max {
                continue;
            }
            while let Some(name) = self.ready[class].pop_front() {
                if let Some(told) = self.start_one(&name) {
                    return Some(told);
                }
            }
        }
        None
    }

    /// Begins the delivery of this thread's oldest event, if it may go.
    fn start_one(&mut self, name: &str) -> Option<Arc<RenderedEvent>> {
        let thread = self.threads.get_mut(name).filter(|thread| thread.state == State::Ready)?;
        let (_, told) = thread.events.front()?;
        thread.state = State::InFlight;
        self.in_flight += 1;
        self.suspects_in_flight += usize::from(thread.suspect);
        Some(Arc::clone(told))
    }

    /// A delivery ended, whichever way; `false` where it is none of ours any more.
    fn ended(&mut self, name: &str, id: EventId) -> bool {
        let ours = |thread: &&mut Thread| {
            thread.state == State::InFlight && thread.events.front().is_some_and(|(_, told)| told.id == id)
        };
        let Some(thread) = self.threads.get_mut(name).filter(ours) else { return false };
        thread.state = State::Empty;
        self.in_flight -= 1;
        self.suspects_in_flight -= usize::from(thread.suspect);
        true
    }

    /// A delivery passed.
    pub(super) fn passed(&mut self, told: &RenderedEvent) -> bool {
        if !self.ended(&told.thread, told.id) {
            return false;
        }
        if let Some(thread) = self.threads.get_mut(told.thread.as_str()) {
            (thread.failures, thread.failed_at) = (0, None);
            (thread.suspect, thread.revived) = (false, false);
        }
        self.drop_first(&told.thread);
        true
    }

    /// A delivery failed, when the endpoint had seen so many successes. `known` says whose fault it is, where that is known:
    /// the event's own or the endpoint's. Otherwise it is the event's if the endpoint took something since its last
    /// failure. The thread is to be told what to wait for.
    pub(super) fn failed(&mut self, told: &RenderedEvent, successes: u64, known: Option<bool>) -> Option<Failure> {
        if !self.ended(&told.thread, told.id) {
            return None;
        }
        let thread = self.threads.get_mut(told.thread.as_str())?;
        let before = thread.failed_at.replace(successes);
        let own = known.unwrap_or(before.is_some_and(|before| before < successes));
        thread.own = own;
        thread.failures = if own { thread.failures + 1 } else { thread.failures.max(1) };
        Some(Failure { failures: thread.failures, own })
    }

    /// The thread waits until then; `away`: or until the endpoint, which was down, takes something.
    pub(super) fn wait(&mut self, name: &str, until: Duration, away: bool) {
        let Some(name) = self.name(name) else { return };
        let Some(thread) = self.threads.get_mut(&name) else { return };
        thread.state = State::Waiting(until);
        if away {
            self.away.insert(Arc::clone(&name));
        }
        self.due.insert((until, name));
    }

    /// Threads whose wait is over may go. Returns those that hold nothing to go with.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Name> {
        let mut empty = Vec::new();
        while let Some((_, name)) = self.due.first().filter(|(at, _)| *at <= now).cloned() {
            empty.extend(self.wake(&name, true));
        }
        empty
    }

    /// The endpoint takes something: who waits because it was down need not wait longer. Returns those that hold nothing.
    pub(super) fn revive(&mut self) -> Vec<Name> {
        let mut empty = Vec::new();
        for name in std::mem::take(&mut self.away) {
            empty.extend(self.wake(&name, false));
            if let Some(thread) = self.threads.get_mut(&name)
                && !std::mem::replace(&mut thread.revived, true)
            {
                thread.failures = 0;
            }
        }
        empty
    }

    /// A thread need not wait longer. Returns it where it holds nothing to go with.
    pub(super) fn wake(&mut self, name: &Name, suspect: bool) -> Option<Name> {
        let thread = self.threads.get_mut(name)?;
        let State::Waiting(until) = thread.state else { return None };
        self.due.remove(&(until, Arc::clone(name)));
        self.away.remove(name);
        thread.suspect = suspect;
        thread.state = State::Empty;
        if thread.events.is_empty() {
            return Some(Arc::clone(name));
        }
        self.make_ready(name);
        None
    }

    /// Begins a delivery that finds out whether the endpoint is back: of a thread that may go, else of the one whose wait
    /// ends first, which is the one that was tried longest ago. Threads that came before it and hold nothing are returned.
    pub(super) fn probe(&mut self) -> (Option<Arc<RenderedEvent>>, Vec<Name>) {
        let mut empty = Vec::new();
        loop {
            if let Some(told) = self.start(usize::MAX) {
                return (Some(told), empty);
            }
            let Some((_, name)) = self.due.first().cloned() else { return (None, empty) };
            empty.extend(self.wake(&name, true));
        }
    }

    /// Whether there may be something to probe with.
    pub(super) fn has_probes(&self) -> bool {
        !self.due.is_empty() || self.ready.iter().any(|ready| !ready.is_empty())
    }

    fn make_ready(&mut self, name: &Name) {
        let Some(thread) = self.threads.get_mut(name) else { return };
        let class = match thread.events.front() {
            _ if thread.suspect => SUSPECT,
            Some((Reader::Live, _)) => LIVE,
            _ => BACKLOG,
        };
        thread.state = State::Ready;
        self.ready[class].push_back(Arc::clone(name));
    }

    /// The thread's oldest event is held no longer.
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

    /// A thread that waits goes on without its oldest event.
    pub(super) fn give_up(&mut self, name: &str) {
        let Some(name) = self.name(name) else { return };
        self.wake(&name, false);
        if let Some(thread) = self.threads.get_mut(&name) {
            (thread.state, thread.failures, thread.failed_at) = (State::Empty, 0, None);
        }
        self.drop_first(&name);
        self.forget(&name);
    }

    /// The thread holds nothing from now on; the ids of what it held. Its wait goes on.
    pub(super) fn drain(&mut self, name: &str) -> Vec<EventId> {
        let Some(thread) = self.threads.get_mut(name) else { return Vec::new() };
        let events = std::mem::take(&mut thread.events);
        for (reader, _) in &events {
            self.held[*reader as usize] -= 1;
        }
        events.into_iter().map(|(_, told)| told.id).collect()
    }

    /// Nothing is remembered of a thread that holds nothing and neither waits nor is under way.
    pub(super) fn forget(&mut self, name: &str) {
        if self.threads.get(name).is_some_and(|thread| thread.state == State::Empty && thread.events.is_empty()) {
            self.threads.remove(name);
        }
    }

    /// Whether the thread waits after a failure of its own: the endpoint has taken something of others before or since.
    pub(super) fn fails_alone(&self, name: &str, successes: u64) -> bool {
        self.threads.get(name).is_some_and(|thread| {
            let took_others = thread.own || thread.failed_at.is_some_and(|before| before < successes);
            matches!(thread.state, State::Waiting(_)) && took_others
        })
    }

    /// A thread's name, as it is kept here.
    pub(super) fn name(&self, name: &str) -> Option<Name> {
        self.threads.get_key_value(name).map(|(name, _)| Arc::clone(name))
    }

    /// The thread's oldest event.
    pub(super) fn first(&self, name: &str) -> Option<EventId> {
        self.threads.get(name)?.events.front().map(|(_, told)| told.id)
    }

    /// How many events the thread holds, and whether its last delivery passed.
    pub(super) fn holds(&self, name: &str) -> (usize, bool) {
        self.threads.get(name).map_or((0, true), |thread| (thread.events.len(), thread.failures == 0))
    }

    /// Events held that this reader has read.
    pub(super) fn held(&self, reader: Reader) -> usize {
        self.held[reader as usize]
    }

    /// Deliveries under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Who waits for the shortest time.
    pub(super) fn next_due(&self) -> Option<&(Duration, Name)> {
        self.due.first()
    }
}
