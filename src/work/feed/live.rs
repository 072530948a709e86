//! The live reader: delivers threads that begin now, while a long backlog is still undelivered.
//!
//! Invariant: this reader owns a thread only if it read the thread's first event, so none of the thread's events is
//! still ahead of the backlog reader; and the backlog reader skips the events that this reader took.

use super::terms::{Name, Place};
use crate::model::Position;
use std::collections::HashMap;

/// The reader's position, and the threads it owns.
#[derive(Default)]
pub(super) struct Live {
    /// Where the reader started, and what it reads next; `None` while the backlog reader is near the end itself.
    cursor: Option<(Position, Position)>,
    /// How often the reader has started.
    beginnings: u32,
    threads: HashMap<Name, Taken>,
}

/// The events taken of one thread.
struct Taken {
    /// The last event taken; all before it are taken too.
    last: Place,
    /// The start of the reader (see `beginnings`) that took them.
    beginning: u32,
}

impl Live {
    /// The position to read next, while the reader is active.
    pub(super) fn next(&self) -> Option<Position> {
        self.cursor.map(|(_, next)| next)
    }

    /// The position at which the reader started.
    pub(super) fn began(&self) -> Option<Position> {
        self.cursor.map(|(began, _)| began)
    }

    /// Starts at `end`, skipping everything unread before. `backlog` is the next position of the backlog reader.
    pub(super) fn begin(&mut self, end: Position, backlog: Position) {
        self.cursor = Some((end, end));
        self.beginnings += 1;
        self.threads.retain(|_, taken| taken.last.0 >= backlog);
    }

    /// Advances past this position.
    pub(super) fn read(&mut self, at: Position) {
        if let Some((_, next)) = &mut self.cursor {
            *next = at.next();
        }
    }

    /// Takes an event if it belongs to this reader; returns whether it does. `room` is how many threads the reader may
    /// own.
    pub(super) fn takes(&mut self, thread: &str, place: Place, begins: bool, room: usize) -> bool {
        let beginning = self.beginnings;
        if let Some(taken) = self.threads.get_mut(thread) {
            let mine = taken.beginning == beginning;
            if mine {
                taken.last = place;
            }
            return mine;
        }
        let mine = begins && self.threads.len() < room;
        if mine {
            self.threads.insert(Name::from(thread), Taken { last: place, beginning });
        }
        mine
    }

    /// Whether this reader has taken an event that the backlog reader reads now.
    pub(super) fn has_taken(&self, thread: &str, place: Place) -> bool {
        self.threads.get(thread).is_some_and(|taken| place <= taken.last)
    }

    /// The backlog reader advances to `next`. Once it has reached this reader, one reader is enough and this one stops.
    pub(super) fn meet(&mut self, next: Position) {
        if self.cursor.is_some_and(|(_, end)| next >= end) {
            self.cursor = None;
            self.threads.clear();
        }
    }

    /// Skips everything before `oldest`, which is no longer kept.
    pub(super) fn skip_to(&mut self, oldest: Position) {
        if let Some((_, next)) = &mut self.cursor {
            *next = oldest.max(*next);
        }
    }
}
