//! Threads that are left behind: memory keeps where the oldest undelivered event of each stands, and the journal keeps
//! the events.
//!
//! Invariant: every undelivered event of a parked thread that a reader has passed stands between the thread's `from` and
//! its `last`, and is read again from there before the thread is parked no longer. So the watermark need not wait for it.
//!
//! Whoever wants to go on joins the sweep, which reads the journal forward once for all of them.

use super::terms::{Name, Place, place_after};
use crate::model::Position;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What is parked.
#[derive(Default)]
pub(super) struct Parked {
    threads: HashMap<Name, Stand>,
    /// Who wants to read on, and from where.
    waiting: BTreeSet<(Place, Name)>,
    sweep: Option<Sweep>,
    /// Whose place in the journal's record of them is not of today.
    unnoted: BTreeSet<Name>,
}

/// Where a thread stands.
struct Stand {
    /// Everything before is delivered.
    from: Place,
    /// Everything before is delivered or held.
    read: Place,
    /// Where its last event stands that a reader passed.
    last: Position,
    reading: Reading,
    /// The journal has a record of it.
    noted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Not,
    Waits,
    Sweeps,
}

/// One way through the journal.
struct Sweep {
    next: Position,
    /// The last position that one of them needs.
    until: Position,
    members: HashSet<Name>,
    /// Members that were read at `next`.
    touched: Vec<Name>,
}

/// How it goes on with a thread whose delivery passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum After {
    /// It was not parked.
    NotParked,
    /// It is parked no longer: it has caught up.
    CaughtUp,
    /// It is still parked.
    Parked,
}

impl Stand {
    fn complete(&self) -> bool {
        self.read.0 > self.last
    }
}

impl Parked {
    /// How many threads are parked.
    pub(super) fn len(&self) -> usize {
        self.threads.len()
    }

    pub(super) fn contains(&self, thread: &str) -> bool {
        self.threads.contains_key(thread)
    }

    /// Whether an event that a reader has passed is delivered, as far as parked threads go.
    pub(super) fn is_delivered(&self, thread: &str, place: Place) -> bool {
        self.threads.get(thread).is_none_or(|stand| place < stand.from)
    }

    /// Parks a thread that has everything before `from`, and whose last event so far stands at `last`.
    pub(super) fn park(&mut self, name: &Name, from: Place, last: Position) {
        // Parked again before it was noted that it was not: there is still a record.
        let noted = self.unnoted.contains(name);
        let stand = Stand { from, read: from, last, reading: Reading::Not, noted };
        self.threads.insert(Name::clone(name), stand);
        self.unnoted.insert(Name::clone(name));
    }

    /// A thread that was parked before this process began.
    pub(super) fn found(&mut self, name: &Name, from: Position, last: Position) {
        let from = (from, 0);
        let stand = Stand { from, read: from, last: last.max(from.0), reading: Reading::Not, noted: true };
        self.threads.insert(Name::clone(name), stand);
    }

    /// A reader passes an event; whether its thread is parked, and the event with it.
    pub(super) fn passes(&mut self, thread: &str, at: Position) -> bool {
        let Some(stand) = self.threads.get_mut(thread) else { return false };
        stand.last = stand.last.max(at);
        if let Some(sweep) = self.sweep.as_mut().filter(|_| stand.reading == Reading::Sweeps) {
            sweep.until = sweep.until.max(at);
        }
        true
    }

    /// A thread's turn has come, and it holds nothing: it wants to be read on.
    pub(super) fn want(&mut self, name: &Name) {
        if let Some(stand) = self.threads.get_mut(name).filter(|stand| stand.reading == Reading::Not) {
            stand.reading = Reading::Waits;
            self.waiting.insert((stand.read, Name::clone(name)));
        }
    }

    /// The position to be read next for those who want to go on.
    pub(super) fn wants(&mut self) -> Option<Position> {
        if self.sweep.is_none() {
            let ((next, _), _) = *self.waiting.first()?;
            self.sweep = Some(Sweep { next, until: next, members: HashSet::new(), touched: Vec::new() });
        }
        self.sweep.as_ref().map(|sweep| sweep.next)
    }

    /// The sweep goes on at `to`, with whoever waits for what was lost before that.
    pub(super) fn pass_gap(&mut self, to: Position) {
        let Some(sweep) = self.sweep.as_mut() else { return };
        let from = std::mem::replace(&mut sweep.next, to);
        let lost: Vec<(Place, Name)> =
            self.waiting.range(((from, 0), Name::from(""))..((to, 0), Name::from(""))).cloned().collect();
        for (place, name) in lost {
            if let Some(stand) = self.threads.get_mut(&name) {
                stand.read = (to, 0);
            }
            self.waiting.remove(&(place, Name::clone(&name)));
            self.waiting.insert(((to, 0), name));
        }
    }

    /// The story at this position is read; whether the sweep has come to it. Who waits for it joins.
    pub(super) fn begin(&mut self, at: Position) -> bool {
        let Some(sweep) = self.sweep.as_mut().filter(|sweep| sweep.next == at) else { return false };
        while let Some((place, name)) = self.waiting.range(((at, 0), Name::from(""))..).next().cloned() {
            if place.0 > at {
                break;
            }
            self.waiting.remove(&(place, Name::clone(&name)));
            if let Some(stand) = self.threads.get_mut(&name) {
                stand.reading = Reading::Sweeps;
                sweep.until = sweep.until.max(stand.last);
                sweep.touched.push(Name::clone(&name));
                sweep.members.insert(name);
            }
        }
        true
    }

    /// Whether the event at `place` of the story that is read is one that its thread wants now.
    pub(super) fn reads(&mut self, thread: &str, place: Place) -> bool {
        let Some(sweep) = &mut self.sweep else { return false };
        let Some(name) = sweep.members.get(thread) else { return false };
        let Some(stand) = self.threads.get_mut(name).filter(|stand| stand.read <= place) else { return false };
        stand.read = place_after(place);
        if sweep.touched.last() != Some(name) {
            sweep.touched.push(Name::clone(name));
        }
        true
    }

    /// A thread whose name begins so and that has still to be read at `place`.
    pub(super) fn sweeping(&self, begins: &str, place: Place) -> Option<String> {
        let members = self.sweep.iter().flat_map(|sweep| &sweep.members).filter(|name| name.starts_with(begins));
        let unread = |name: &&Name| self.threads.get(*name).is_some_and(|stand| stand.read <= place);
        members.filter(unread).min().map(|name| name.to_string())
    }

    /// A thread holds as much as it may.
    pub(super) fn pause(&mut self, thread: &str) {
        if let Some(stand) = self.threads.get_mut(thread).filter(|stand| stand.reading == Reading::Sweeps) {
            stand.reading = Reading::Not;
            if let Some(sweep) = &mut self.sweep {
                sweep.members.remove(thread);
            }
        }
    }

    /// All of the story was looked at. Returns who is read no further for now.
    pub(super) fn end(&mut self) -> Vec<Name> {
        let Some(sweep) = &mut self.sweep else { return Vec::new() };
        let (at, next) = (sweep.next, sweep.next.next());
        let mut left = Vec::new();
        for name in std::mem::take(&mut sweep.touched) {
            let stands = self.threads.get(&name).is_some_and(|stand| stand.last <= at);
            if stands && sweep.members.remove(&name) {
                left.push(name);
            }
        }
        sweep.next = next;
        if next > sweep.until || sweep.members.is_empty() {
            left.extend(std::mem::take(&mut sweep.members));
            self.sweep = None;
        }
        for name in &left {
            if let Some(stand) = self.threads.get_mut(name) {
                (stand.read, stand.reading) = ((next, 0), Reading::Not);
            }
        }
        left
    }

    /// A delivery of the thread passed, and this is the next event it holds.
    pub(super) fn passed(&mut self, thread: &str, next: Option<Place>) -> After {
        let Some((name, _)) = self.threads.get_key_value(thread) else { return After::NotParked };
        let name = Name::clone(name);
        let Some(stand) = self.threads.get_mut(&name) else { return After::NotParked };
        let from = next.unwrap_or(stand.read);
        if from.0 != stand.from.0 {
            self.unnoted.insert(Name::clone(&name));
        }
        stand.from = from;
        if next.is_none() {
            return self.holds_nothing(&name);
        }
        After::Parked
    }

    /// The thread holds nothing: it has caught up, or wants more.
    pub(super) fn holds_nothing(&mut self, name: &Name) -> After {
        let Some(stand) = self.threads.get(name) else { return After::NotParked };
        if stand.reading != Reading::Not {
            return After::Parked;
        }
        if !stand.complete() {
            self.want(name);
            return After::Parked;
        }
        if stand.noted {
            self.unnoted.insert(Name::clone(name));
        } else {
            self.unnoted.remove(name);
        }
        self.threads.remove(name);
        After::CaughtUp
    }

    /// A delivery of the thread failed, and it holds nothing any more: it is read again from its oldest event on.
    pub(super) fn failed(&mut self, thread: &str) {
        let Some((name, _)) = self.threads.get_key_value(thread) else { return };
        let name = Name::clone(name);
        let Some(stand) = self.threads.get_mut(&name) else { return };
        match stand.reading {
            Reading::Not => {}
            Reading::Waits => drop(self.waiting.remove(&(stand.read, name))),
            Reading::Sweeps => {
                if let Some(sweep) = &mut self.sweep {
                    sweep.members.remove(&name);
                }
            }
        }
        (stand.read, stand.reading) = (stand.from, Reading::Not);
    }

    /// Nothing before `oldest` is kept any more. Returns the first position that a thread misses, and who has nothing left
    /// to be read and is parked no longer. What a thread holds may still be delivered, and counts as missed all the same:
    /// where that fails it cannot be read again.
    pub(super) fn skip_to(&mut self, oldest: Position) -> (Option<Position>, Vec<Name>) {
        let swept = self.sweep.as_ref().map_or(oldest, |sweep| sweep.next);
        let at = |stand: &Stand| match stand.reading {
            Reading::Sweeps => swept,
            Reading::Not | Reading::Waits => stand.read.0,
        };
        let behind = || self.threads.iter().filter(|(_, stand)| at(stand) < oldest);
        let first = behind().map(|(_, stand)| stand.from.0).min();
        let names: Vec<Name> = behind().map(|(name, _)| Name::clone(name)).collect();
        if swept < oldest {
            self.sweep = None;
        }
        let mut caught_up = Vec::new();
        for name in &names {
            let Some(stand) = self.threads.get_mut(name) else { continue };
            let wanted = stand.reading != Reading::Not;
            self.waiting.remove(&(stand.read, Name::clone(name)));
            (stand.from, stand.read, stand.reading) = ((oldest, 0), (oldest, 0), Reading::Not);
            self.unnoted.insert(Name::clone(name));
            if stand.complete() {
                self.threads.remove(name);
                caught_up.push(Name::clone(name));
            } else if wanted {
                self.want(name);
            }
        }
        (first, caught_up)
    }

    /// What the journal does not know yet, at most so much of it: who is parked where, and who no longer is.
    pub(super) fn changes(&mut self, max: usize) -> Vec<(String, Option<Position>)> {
        let mut changes = Vec::new();
        while changes.len() < max {
            let Some(name) = self.unnoted.pop_first() else { break };
            let stand = self.threads.get_mut(&name);
            let from = stand.map(|stand| {
                stand.noted = true;
                stand.from.0
            });
            changes.push((name.to_string(), from));
        }
        changes
    }

    /// What was not noted after all is to be noted again.
    pub(super) fn not_noted(&mut self, changes: Vec<(String, Option<Position>)>) {
        self.unnoted.extend(changes.into_iter().map(|(name, _)| Name::from(name)));
    }

    /// Whether there is something to note.
    pub(super) fn is_noted(&self) -> bool {
        self.unnoted.is_empty()
    }
}
