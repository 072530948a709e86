//! What an endpoint is told once more because somebody asked for it.
//!
//! Invariant: it goes when nothing else does, in order per thread, and moves no watermark. A restart forgets it.

use super::queue::Queue;
use super::terms::Reader;
use crate::model::Position;
use std::collections::VecDeque;
use std::ops::Range;

/// Stretches of the journal that may wait.
const RANGES_MAX: usize = 16;

/// What is told again.
#[derive(Default)]
pub(super) struct Replay {
    ranges: VecDeque<Range<Position>>,
    pub(super) queue: Queue,
}

impl Replay {
    /// Whether one more stretch may wait.
    pub(super) fn has_room(&self) -> bool {
        self.ranges.len() < RANGES_MAX
    }

    /// Tells these again, after those that wait.
    pub(super) fn add(&mut self, range: Range<Position>) {
        if !range.is_empty() {
            self.ranges.push_back(range);
        }
    }

    /// The position to read next.
    pub(super) fn wants(&self, held_max: usize) -> Option<Position> {
        self.ranges.front().filter(|_| self.queue.held(Reader::Replay) < held_max).map(|range| range.start)
    }

    /// Nothing of the stretch stands before `to`.
    pub(super) fn pass_gap(&mut self, to: Position) {
        let Some(range) = self.ranges.front_mut() else { return };
        range.start = range.start.max(to);
        if range.is_empty() {
            self.ranges.pop_front();
        }
    }

    /// Whether a position is the one to read next, and it has been now.
    pub(super) fn reads(&mut self, at: Position) -> bool {
        let Some(range) = self.ranges.front_mut().filter(|range| range.start == at) else { return false };
        range.start = at.next();
        if range.is_empty() {
            self.ranges.pop_front();
        }
        true
    }

    /// The stretch that is read is read no further.
    pub(super) fn end(&mut self) {
        self.ranges.pop_front();
    }

    /// Nothing before `oldest` is kept any more.
    pub(super) fn skip_to(&mut self, oldest: Position) {
        for range in &mut self.ranges {
            range.start = range.start.max(oldest);
        }
        self.ranges.retain(|range| !range.is_empty());
    }
}
