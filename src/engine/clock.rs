//! The journal's time: it never goes back.

use crate::model::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the engine takes its time from.
pub trait Clock: Send {
    /// Now; never before an earlier answer.
    fn now(&mut self) -> Timestamp;

    /// Takes note of a time that was, from the journal: nothing after it may come before it.
    fn not_before(&mut self, at: Timestamp);
}

/// The machine's clock. Where it is set back, time goes on by the monotonic clock until the wall has caught up.
#[derive(Debug)]
pub struct WallClock {
    last: Timestamp,
    asked: Instant,
}

impl WallClock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self { last: Timestamp::default(), asked: Instant::now() }
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for WallClock {
    fn now(&mut self) -> Timestamp {
        let asked = Instant::now();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp::from_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX));
        let elapsed = asked.duration_since(self.asked);
        if wall < self.last {
            // Whole milliseconds only, and the rest is kept for the next time.
            let whole = Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            self.last = self.last + whole;
            self.asked += whole;
        } else {
            (self.last, self.asked) = (wall, asked);
        }
        self.last
    }

    fn not_before(&mut self, at: Timestamp) {
        self.last = self.last.max(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g13_a_clock_that_was_set_back_goes_on_from_where_it_was() {
        let mut clock = WallClock::new();
        let ahead = clock.now() + Duration::from_secs(24 * 60 * 60);
        clock.not_before(ahead);
        let first = clock.now();
        assert!(first >= ahead && first.since(ahead) < Duration::from_secs(60));
        assert!(clock.now() >= first);
    }

    #[test]
    fn g13_while_the_wall_is_behind_no_part_of_a_millisecond_is_lost() {
        let mut clock = WallClock::new();
        let ahead = clock.now() + Duration::from_secs(24 * 60 * 60);
        clock.not_before(ahead);
        let first = clock.now();
        let began = Instant::now();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_micros(1_500));
            clock.now();
        }
        let passed = began.elapsed();
        assert!(clock.now().since(first) + Duration::from_millis(1) >= passed);
    }
}
