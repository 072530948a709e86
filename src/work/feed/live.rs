//! The second reader: what begins now is told now, though much of what was before is still to be told.
//!
//! Invariant: a thread is this reader's only if its first event is, because then none of its events is among those the
//! backlog's reader has still to come to; and what this reader took of it is not taken again when that one comes by.

use super::terms::{Name, Place};
use crate::model::Position;
use std::collections::HashMap;

/// Where the reader is, and what it took.
#[derive(Default)]
pub(super) struct Live {
    /// Where it began, and what it reads next; none while the backlog's reader is near the end itself.
    cursor: Option<(Position, Position)>,
    /// How often it has begun.
    beginnings: u32,
    threads: HashMap<Name, Taken>,
}

/// What was taken of a thread.
struct Taken {
    /// Everything up to there.
    last: Place,
    /// By the reader that began as this.
    beginning: u32,
}

impl Live {
    /// The position to read next, while it reads.
    pub(super) fn next(&self) -> Option<Position> {
        self.cursor.map(|(_, next)| next)
    }

    /// Where it began to read.
    pub(super) fn began(&self) -> Option<Position> {
        self.cursor.map(|(began, _)| began)
    }

    /// It begins at `end`, leaving what it has not come to. `backlog` is what the backlog's reader comes to next.
    pub(super) fn begin(&mut self, end: Position, backlog: Position) {
        self.cursor = Some((end, end));
        self.beginnings += 1;
        self.threads.retain(|_, taken| taken.last.0 >= backlog);
    }

    /// It has read this position.
    pub(super) fn read(&mut self, at: Position) {
        if let Some((_, next)) = &mut self.cursor {
            *next = at.next();
        }
    }

    /// Whether an event is this reader's to take, and it has been now. `room` is how many threads may be its own.
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

    /// Whether this reader has taken an event that the backlog's reader comes to.
    pub(super) fn has_taken(&self, thread: &str, place: Place) -> bool {
        self.threads.get(thread).is_some_and(|taken| place <= taken.last)
    }

    /// The backlog's reader goes on to `next`: where it has come to this one, there need be only one.
    pub(super) fn meet(&mut self, next: Position) {
        if self.cursor.is_some_and(|(_, end)| next >= end) {
            self.cursor = None;
            self.threads.clear();
        }
    }

    /// Nothing before `oldest` is kept any more; whether something was still to be read there.
    pub(super) fn skip_to(&mut self, oldest: Position) {
        if let Some((_, next)) = &mut self.cursor {
            *next = oldest.max(*next);
        }
    }
}
