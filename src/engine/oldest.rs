//! How long the oldest command of a queue has waited, told without looking into the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Nothing waits, as far as is known.
const NONE: u64 = u64::MAX;

/// When the oldest command of a queue came: noted by the first who finds none noted, and again by whoever takes some and
/// leaves others, which came after the last one taken. So the age is never too small for longer than a submission takes,
/// and too large by no more than a batch takes.
#[derive(Clone)]
pub(super) struct Oldest {
    began: Instant,
    since_us: Arc<AtomicU64>,
}

impl Oldest {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), since_us: Arc::new(AtomicU64::new(NONE)) }
    }

    /// A command that came at `at` is in the queue now.
    pub(super) fn came(&self, at: Instant) {
        // Where another is noted already, that one is older.
        let _older = self.since_us.compare_exchange(NONE, self.us(at), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Commands were taken, if any, the last of which came at `last`, and none or some are left.
    pub(super) fn taken(&self, last: Option<Instant>, none_left: bool) {
        if none_left {
            self.since_us.store(NONE, Ordering::Relaxed);
        } else if let Some(last) = last {
            self.since_us.store(self.us(last), Ordering::Relaxed);
        }
    }

    /// The age of the oldest at `now`, where `waiting` are in the queue.
    pub(super) fn age(&self, waiting: usize, now: Instant) -> Duration {
        match self.since_us.load(Ordering::Relaxed) {
            NONE => Duration::ZERO,
            // Whoever came may have noted itself after it was taken again.
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
    fn the_age_is_that_of_who_came_first_and_once_some_are_taken_of_the_last_of_them() {
        let oldest = Oldest::new();
        let at = |ms| oldest.began + Duration::from_millis(ms);
        let age = |waiting, ms| oldest.age(waiting, at(ms)).as_millis();
        assert_eq!(age(0, 10), 0);
        oldest.came(at(10));
        oldest.came(at(20));
        assert_eq!((age(2, 30), age(2, 1_000)), (20, 990));
        oldest.taken(Some(at(20)), false);
        oldest.taken(None, false);
        assert_eq!(age(1, 30), 10);
        oldest.taken(Some(at(25)), true);
        assert_eq!(age(0, 40), 0);
        oldest.came(at(40));
        assert_eq!((age(1, 41), age(0, 41)), (1, 0));
    }
}
