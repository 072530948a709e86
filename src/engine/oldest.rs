//! The age of the oldest command in a queue, tracked without reading the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No command is known to wait.
const NONE: u64 = u64::MAX;

/// When the oldest command of a queue was added. It is set when a command is added and none is recorded, and when
/// commands are taken and others remain, which were added after the last one taken. So the age is too small only during
/// a submission, and too large by at most one batch.
#[derive(Clone)]
pub(super) struct Oldest {
    began: Instant,
    since_us: Arc<AtomicU64>,
}

impl Oldest {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), since_us: Arc::new(AtomicU64::new(NONE)) }
    }

    /// A command was added to the queue at `at`.
    pub(super) fn added(&self, at: Instant) {
        // If another one is recorded already, that one is older.
        let _older = self.since_us.compare_exchange(NONE, self.us(at), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Commands were taken; the last of them, if any, was added at `last`.
    pub(super) fn taken(&self, last: Option<Instant>, none_left: bool) {
        if none_left {
            self.since_us.store(NONE, Ordering::Relaxed);
        } else if let Some(last) = last {
            self.since_us.store(self.us(last), Ordering::Relaxed);
        }
    }

    /// The age of the oldest command at `now`, with `waiting` commands in the queue.
    pub(super) fn age(&self, waiting: usize, now: Instant) -> Duration {
        match self.since_us.load(Ordering::Relaxed) {
            NONE => Duration::ZERO,
            // A command may have been recorded only after it was taken.
            _ if waiting == 0 => Duration::ZERO,
            since => now.duration_since(self.began).saturating_sub(Duration::from_micros(since)),
        }
    }

    fn us(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_micros()).unwrap_or(NONE - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_of_the_first_added_or_once_some_are_taken_of_the_last_taken() {
        let oldest = Oldest::new();
        let at = |ms| oldest.began + Duration::from_millis(ms);
        let age = |waiting, ms| oldest.age(waiting, at(ms)).as_millis();
        assert_eq!(age(0, 10), 0);
        oldest.added(at(10));
        oldest.added(at(20));
        assert_eq!((age(2, 30), age(2, 1_000)), (20, 990));
        oldest.taken(Some(at(20)), false);
        oldest.taken(None, false);
        assert_eq!(age(1, 30), 10);
        oldest.taken(Some(at(25)), true);
        assert_eq!(age(0, 40), 0);
        oldest.added(at(40));
        assert_eq!((age(1, 41), age(0, 41)), (1, 0));
    }
}
