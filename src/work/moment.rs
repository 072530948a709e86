//! The two times a worker needs.

use crate::model::Timestamp;
use std::time::Duration;

/// Now: by the monotonic clock, which limits and waits are measured with, and by the wall, which ages are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Moment {
    /// Since some beginning that is the same for one worker's life.
    pub elapsed: Duration,
    /// The journal's time, near enough.
    pub wall: Timestamp,
}

impl Moment {
    /// The elapsed time at which the wall will show `wall`; now, where it has passed.
    pub fn elapsed_at(&self, wall: Timestamp) -> Duration {
        self.elapsed + wall.since(self.wall)
    }
}
