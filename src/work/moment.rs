//! The two clocks of a worker.

use crate::model::Timestamp;
use std::time::Duration;

/// The current time: on the monotonic clock, which measures limits and delays, and on the wall clock, for ages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Moment {
    /// Time since a fixed start, which stays the same for one worker's life.
    pub elapsed: Duration,
    /// The journal's time, approximately.
    pub wall: Timestamp,
}

impl Moment {
    /// The elapsed time at which the wall clock will show `wall`; the current one if that has passed.
    pub fn elapsed_at(&self, wall: Timestamp) -> Duration {
        self.elapsed + wall.since(self.wall)
    }
}
