//! Parked threads: memory holds the position of each one's oldest undelivered event, and the journal holds the events.
//!
//! Invariant: every undelivered event of a parked thread that a reader has passed lies between the thread's `from` and
//! its `last`, and is read again before the thread is unparked. So the watermark need not wait for it.
//!
//! Threads due for a retry join the current retry pass, which reads the journal forward once for all of them.

use super::terms::{Name, Place, place_after};
use crate::model::Position;
use std::collections::{BTreeSet, HashMap, HashSet};

/// All parked threads.
#[derive(Default)]
pub(super) struct Parked {
    threads: HashMap<Name, ParkedThread>,
    /// Threads that wait for a retry pass, each with the place to read from.
    waiting: BTreeSet<(Place, Name)>,
    retry: Option<RetryParked>,
    /// Threads whose current state is not yet recorded in the journal.
    unrecorded: BTreeSet<Name>,
}

/// The state of one parked thread.
struct ParkedThread {
    /// Everything before this is delivered.
    from: Place,
    /// Everything before this is delivered or in memory.
    read: Place,
    /// The position of the thread's last event that a reader passed.
    last: Position,
    reading: ReadState,
    /// The journal has a record of the thread.
    recorded: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadState {
    Idle,
    Queued,
    Retrying,
}

/// One pass through the journal, which reads the events of threads to retry.
struct RetryParked {
    next: Position,
    /// The last position that a member needs.
    until: Position,
    members: HashSet<Name>,
    /// Members that were read at `next`.
    touched: Vec<Name>,
}

/// The state of a thread after a successful delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum After {
    /// The thread was not parked.
    NotParked,
    /// The thread has caught up and is unparked.
    CaughtUp,
    /// The thread is still parked.
    Parked,
}

impl ParkedThread {
    fn complete(&self) -> bool {
        self.read.0 > self.last
    }
}

impl Parked {
    /// The number of parked threads.
    pub(super) fn len(&self) -> usize {
        self.threads.len()
    }

    pub(super) fn contains(&self, thread: &str) -> bool {
        self.threads.contains_key(thread)
    }

    /// Whether an event that a reader has passed is delivered, as far as parked threads are concerned.
    pub(super) fn is_delivered(&self, thread: &str, place: Place) -> bool {
        self.threads.get(thread).is_none_or(|entry| place < entry.from)
    }

    /// Parks a thread whose events before `from` are delivered, and whose last event so far is at `last`.
    pub(super) fn park(&mut self, name: &Name, from: Place, last: Position) {
        // The thread was unparked and parked again before that was recorded: its record still exists.
        let recorded = self.unrecorded.contains(name);
        let entry = ParkedThread { from, read: from, last, reading: ReadState::Idle, recorded };
        self.threads.insert(Name::clone(name), entry);
        self.unrecorded.insert(Name::clone(name));
    }

    /// Restores a thread that was parked before this process started.
    pub(super) fn restore(&mut self, name: &Name, from: Position, last: Position) {
        let from = (from, 0);
        let entry = ParkedThread { from, read: from, last: last.max(from.0), reading: ReadState::Idle, recorded: true };
        self.threads.insert(Name::clone(name), entry);
    }

    /// A reader passes an event; returns whether its thread is parked, so that the event is read again later.
    pub(super) fn passes(&mut self, thread: &str, at: Position) -> bool {
        let Some(entry) = self.threads.get_mut(thread) else { return false };
        entry.last = entry.last.max(at);
        if let Some(retry) = self.retry.as_mut().filter(|_| entry.reading == ReadState::Retrying) {
            retry.until = retry.until.max(at);
        }
        true
    }

    /// Queues a thread for a retry pass, once it is due and holds no events.
    pub(super) fn queue_retry(&mut self, name: &Name) {
        if let Some(entry) = self.threads.get_mut(name).filter(|entry| entry.reading == ReadState::Idle) {
            entry.reading = ReadState::Queued;
            self.waiting.insert((entry.read, Name::clone(name)));
        }
    }

    /// The position that the retry pass reads next; starts a pass if a thread waits for one.
    pub(super) fn wants(&mut self) -> Option<Position> {
        if self.retry.is_none() {
            let ((next, _), _) = *self.waiting.first()?;
            self.retry = Some(RetryParked { next, until: next, members: HashSet::new(), touched: Vec::new() });
        }
        self.retry.as_ref().map(|retry| retry.next)
    }

    /// Moves the retry pass to `to`, with the threads that wait for a position lost before it.
    pub(super) fn pass_gap(&mut self, to: Position) {
        let Some(retry) = self.retry.as_mut() else { return };
        let from = std::mem::replace(&mut retry.next, to);
        let lost: Vec<(Place, Name)> =
            self.waiting.range(((from, 0), Name::from(""))..((to, 0), Name::from(""))).cloned().collect();
        for (place, name) in lost {
            if let Some(entry) = self.threads.get_mut(&name) {
                entry.read = (to, 0);
            }
            self.waiting.remove(&(place, Name::clone(&name)));
            self.waiting.insert(((to, 0), name));
        }
    }

    /// Starts with the frame at this position, if the retry pass is there. Threads that wait for it join the pass.
    pub(super) fn begin_frame(&mut self, at: Position) -> bool {
        let Some(retry) = self.retry.as_mut().filter(|retry| retry.next == at) else { return false };
        while let Some((place, name)) = self.waiting.range(((at, 0), Name::from(""))..).next().cloned() {
            if place.0 > at {
                break;
            }
            self.waiting.remove(&(place, Name::clone(&name)));
            if let Some(entry) = self.threads.get_mut(&name) {
                entry.reading = ReadState::Retrying;
                retry.until = retry.until.max(entry.last);
                retry.touched.push(Name::clone(&name));
                retry.members.insert(name);
            }
        }
        true
    }

    /// Takes the event at `place` of the current frame, if its thread needs it now.
    pub(super) fn reads(&mut self, thread: &str, place: Place) -> bool {
        let Some(retry) = &mut self.retry else { return false };
        let Some(name) = retry.members.get(thread) else { return false };
        let Some(entry) = self.threads.get_mut(name).filter(|entry| entry.read <= place) else { return false };
        entry.read = place_after(place);
        if retry.touched.last() != Some(name) {
            retry.touched.push(Name::clone(name));
        }
        true
    }

    /// A member of the retry pass whose name has this prefix and which still has to read `place`.
    pub(super) fn unread_member(&self, begins: &str, place: Place) -> Option<String> {
        let members = self.retry.iter().flat_map(|retry| &retry.members).filter(|name| name.starts_with(begins));
        let unread = |name: &&Name| self.threads.get(*name).is_some_and(|entry| entry.read <= place);
        members.filter(unread).min().map(|name| name.to_string())
    }

    /// Takes a thread out of the retry pass, because it holds as many events as it may.
    pub(super) fn pause(&mut self, thread: &str) {
        if let Some(entry) = self.threads.get_mut(thread).filter(|entry| entry.reading == ReadState::Retrying) {
            entry.reading = ReadState::Idle;
            if let Some(retry) = &mut self.retry {
                retry.members.remove(thread);
            }
        }
    }

    /// Ends the current frame. Returns the threads that leave the retry pass.
    pub(super) fn end_frame(&mut self) -> Vec<Name> {
        let Some(retry) = &mut self.retry else { return Vec::new() };
        let (at, next) = (retry.next, retry.next.next());
        let mut left = Vec::new();
        for name in std::mem::take(&mut retry.touched) {
            let read_all = self.threads.get(&name).is_some_and(|entry| entry.last <= at);
            if read_all && retry.members.remove(&name) {
                left.push(name);
            }
        }
        retry.next = next;
        if next > retry.until || retry.members.is_empty() {
            left.extend(std::mem::take(&mut retry.members));
            self.retry = None;
        }
        for name in &left {
            if let Some(entry) = self.threads.get_mut(name) {
                (entry.read, entry.reading) = ((next, 0), ReadState::Idle);
            }
        }
        left
    }

    /// A delivery of the thread succeeded; `next` is the next event it holds.
    pub(super) fn passed(&mut self, thread: &str, next: Option<Place>) -> After {
        let Some((name, _)) = self.threads.get_key_value(thread) else { return After::NotParked };
        let name = Name::clone(name);
        let Some(entry) = self.threads.get_mut(&name) else { return After::NotParked };
        let from = next.unwrap_or(entry.read);
        if from.0 != entry.from.0 {
            self.unrecorded.insert(Name::clone(&name));
        }
        entry.from = from;
        if next.is_none() {
            return self.holds_nothing(&name);
        }
        After::Parked
    }

    /// The thread holds no events: it has caught up, or is queued to read more.
    pub(super) fn holds_nothing(&mut self, name: &Name) -> After {
        let Some(entry) = self.threads.get(name) else { return After::NotParked };
        if entry.reading != ReadState::Idle {
            return After::Parked;
        }
        if !entry.complete() {
            self.queue_retry(name);
            return After::Parked;
        }
        if entry.recorded {
            self.unrecorded.insert(Name::clone(name));
        } else {
            self.unrecorded.remove(name);
        }
        self.threads.remove(name);
        After::CaughtUp
    }

    /// A delivery of the thread failed, and its events were dropped: it is read again from its oldest one.
    pub(super) fn failed(&mut self, thread: &str) {
        let Some((name, _)) = self.threads.get_key_value(thread) else { return };
        let name = Name::clone(name);
        let Some(entry) = self.threads.get_mut(&name) else { return };
        match entry.reading {
            ReadState::Idle => {}
            ReadState::Queued => drop(self.waiting.remove(&(entry.read, name))),
            ReadState::Retrying => {
                if let Some(retry) = &mut self.retry {
                    retry.members.remove(&name);
                }
            }
        }
        (entry.read, entry.reading) = (entry.from, ReadState::Idle);
    }

    /// Skips everything before `oldest`, which is no longer kept. Returns the first position that a thread misses, and
    /// the threads that are unparked because nothing is left to read. Events that a thread holds may still be
    /// delivered, but count as missed, because they cannot be read again if that fails.
    pub(super) fn skip_to(&mut self, oldest: Position) -> (Option<Position>, Vec<Name>) {
        let retry_at = self.retry.as_ref().map_or(oldest, |retry| retry.next);
        let at = |entry: &ParkedThread| match entry.reading {
            ReadState::Retrying => retry_at,
            ReadState::Idle | ReadState::Queued => entry.read.0,
        };
        let behind = || self.threads.iter().filter(|(_, entry)| at(entry) < oldest);
        let first = behind().map(|(_, entry)| entry.from.0).min();
        let names: Vec<Name> = behind().map(|(name, _)| Name::clone(name)).collect();
        if retry_at < oldest {
            self.retry = None;
        }
        let mut caught_up = Vec::new();
        for name in &names {
            let Some(entry) = self.threads.get_mut(name) else { continue };
            let wanted = entry.reading != ReadState::Idle;
            self.waiting.remove(&(entry.read, Name::clone(name)));
            (entry.from, entry.read, entry.reading) = ((oldest, 0), (oldest, 0), ReadState::Idle);
            self.unrecorded.insert(Name::clone(name));
            if entry.complete() {
                self.threads.remove(name);
                caught_up.push(Name::clone(name));
            } else if wanted {
                self.queue_retry(name);
            }
        }
        (first, caught_up)
    }

    /// Takes up to `max` changes to record: where a thread is parked, or that it no longer is.
    pub(super) fn changes(&mut self, max: usize) -> Vec<(String, Option<Position>)> {
        let mut changes = Vec::new();
        while changes.len() < max {
            let Some(name) = self.unrecorded.pop_first() else { break };
            let entry = self.threads.get_mut(&name);
            let from = entry.map(|entry| {
                entry.recorded = true;
                entry.from.0
            });
            changes.push((name.to_string(), from));
        }
        changes
    }

    /// Restores changes that could not be recorded.
    pub(super) fn not_recorded(&mut self, changes: Vec<(String, Option<Position>)>) {
        self.unrecorded.extend(changes.into_iter().map(|(name, _)| Name::from(name)));
    }

    /// Whether all changes are recorded.
    pub(super) fn is_recorded(&self) -> bool {
        self.unrecorded.is_empty()
    }
}
