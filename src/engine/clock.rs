//! The journal's time, which never goes back and ignores short clock jumps.

mod guard;

pub use guard::{ACCEPTED_AFTER, Guard, STEP_MAX, Step};

use crate::model::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The engine's source of time.
pub trait Clock: Send {
    /// The current time; never before an earlier result.
    fn now(&mut self) -> Timestamp;

    /// Sets a lower bound from the journal: later results are not before `at`.
    fn not_before(&mut self, at: Timestamp);

    /// The last jump of [`Clock::now`], if there was one since the last call.
    fn jumped(&mut self) -> Option<Step> {
        None
    }

    /// By how much the time advanced more than the time that truly passed, since the last call.
    fn gained(&mut self) -> Option<Step> {
        None
    }

    /// Whether the time may be far off, so that nothing may expire for now.
    fn is_untrusted(&mut self) -> bool {
        false
    }
}

/// The machine's wall clock, guarded: if it is set back, or far forward, time continues by the boot-time clock. See
/// [`Guard`].
#[derive(Clone, Debug)]
pub struct WallClock {
    guard: Guard,
    jumped: Option<Step>,
}

impl WallClock {
    /// A clock that begins at the current wall time.
    pub fn new() -> Self {
        Self::since(wall(), steady())
    }

    /// A clock that was at `last` when the boot-time clock showed `at`, in the current boot.
    pub fn since(last: Timestamp, at: Duration) -> Self {
        Self { guard: Guard::new(last, at, Some(ACCEPTED_AFTER)), jumped: None }
    }

    /// A clock that begins at the current wall time after an unknown downtime: it is untrusted until the wall clock has
    /// been stable for [`ACCEPTED_AFTER`].
    pub fn after_unknown_downtime() -> Self {
        Self::new().untrusted_until(Some(steady() + ACCEPTED_AFTER))
    }

    /// The same, with an unknown downtime since the journal's last time.
    pub fn after_downtime(self) -> Self {
        Self { guard: self.guard.after_downtime(), ..self }
    }

    /// The same, untrusted until the boot-time clock shows `until`.
    pub fn untrusted_until(self, until: Option<Duration>) -> Self {
        Self { guard: self.guard.untrusted_until(until), ..self }
    }

    /// The boot time at which the clock becomes trusted; `None` if it is.
    pub fn trusted_at(&mut self) -> Option<Duration> {
        self.guard.trusted_at(wall(), steady())
    }

    /// Sets the time to `last`. Used by followers, which learn of jumps from the journal by `not_before`.
    pub fn following(last: Timestamp) -> Self {
        Self { guard: Guard::new(last, steady(), None), jumped: None }
    }

    /// The difference to the machine's wall clock in milliseconds; positive if this clock is ahead.
    pub fn offset_ms(&mut self) -> i64 {
        let wall = wall();
        let signed = |at: Timestamp| i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
        signed(self.now()) - signed(wall)
    }

    /// How far the wall clock is ahead, while that jump is not accepted.
    pub fn ahead(&self) -> Option<Duration> {
        self.guard.ahead()
    }

    /// The last time and the boot time it was taken at, from which the next process continues.
    pub fn last(&self) -> (Timestamp, Duration) {
        self.guard.last()
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for WallClock {
    fn now(&mut self) -> Timestamp {
        let (now, jumped) = self.guard.now(wall(), steady());
        self.jumped = jumped.or(self.jumped);
        now
    }

    fn not_before(&mut self, at: Timestamp) {
        self.guard.not_before(at, steady());
    }

    fn jumped(&mut self) -> Option<Step> {
        self.jumped.take()
    }

    fn gained(&mut self) -> Option<Step> {
        self.guard.gained()
    }

    fn is_untrusted(&mut self) -> bool {
        self.trusted_at().is_some()
    }
}

/// The machine's wall clock, unguarded. Used for signatures, which others compare with their own clocks; events use the
/// journal's time.
pub fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// The time since boot, including suspend, which cannot be set.
fn steady() -> Duration {
    let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let secs = u64::try_from(since_boot.tv_sec).unwrap_or_default();
    Duration::new(secs, u32::try_from(since_boot.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn g13_a_clock_set_back_continues_from_where_it_was() {
        let mut clock = WallClock::new();
        let ahead = clock.now() + DAY;
        clock.not_before(ahead);
        let first = clock.now();
        assert!(first >= ahead && first.since(ahead) < Duration::from_secs(60));
        assert!(clock.now() >= first);
        assert_eq!((clock.ahead(), clock.jumped()), (None, None));
    }

    #[test]
    fn g13_a_clock_set_forward_continues_without_the_jump() {
        // A day ago by the wall clock, and just now by the boot-time clock.
        let before = WallClock::new().now() - DAY;
        for mut clock in [WallClock::since(before, steady()), WallClock::following(before)] {
            let now = clock.now();
            assert!(now >= before && now.since(before) < Duration::from_secs(60));
            assert!(clock.ahead().is_some_and(|ahead| ahead.abs_diff(DAY) < Duration::from_secs(60)));
        }
    }
}
