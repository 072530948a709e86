//! Events that are delivered again on request.
//!
//! Invariant: replays run only when the feed is idle, keep the order of each thread, and move no watermark. They are
//! not persisted.

use super::queue::Queue;
use super::terms::Reader;
use crate::model::Position;
use std::collections::VecDeque;
use std::ops::Range;

/// The maximum of ranges that can be queued.
const RANGES_MAX: usize = 16;

/// The queued ranges, and the events read of the first.
#[derive(Default)]
pub(super) struct Replay {
    ranges: VecDeque<Range<Position>>,
    pub(super) queue: Queue,
}

impl Replay {
    /// Whether one more range can be queued.
    pub(super) fn has_room(&self) -> bool {
        self.ranges.len() < RANGES_MAX
    }

    /// Queues a range.
    pub(super) fn add(&mut self, range: Range<Position>) {
        if !range.is_empty() {
            self.ranges.push_back(range);
        }
    }

    /// The position to read next.
    pub(super) fn wants(&self, held_max: usize) -> Option<Position> {
        self.ranges.front().filter(|_| self.queue.held(Reader::Replay) < held_max).map(|range| range.start)
    }

    /// Skips the positions before `to`, which were lost.
    pub(super) fn pass_gap(&mut self, to: Position) {
        let Some(range) = self.ranges.front_mut() else { return };
        range.start = range.start.max(to);
        if range.is_empty() {
            self.ranges.pop_front();
        }
    }

    /// Advances past a position if it is the next one; returns whether it was.
    pub(super) fn reads(&mut self, at: Position) -> bool {
        let Some(range) = self.ranges.front_mut().filter(|range| range.start == at) else { return false };
        range.start = at.next();
        if range.is_empty() {
            self.ranges.pop_front();
        }
        true
    }

    /// Ends the current range.
    pub(super) fn end(&mut self) {
        self.ranges.pop_front();
    }

    /// Skips everything before `oldest`, which is no longer kept.
    pub(super) fn skip_to(&mut self, oldest: Position) {
        for range in &mut self.ranges {
            range.start = range.start.max(oldest);
        }
        self.ranges.retain(|range| !range.is_empty());
    }
}
