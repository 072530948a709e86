//! The journal's time: it never goes back, and does not jump for no reason.

mod guard;

pub use guard::{BELIEVED_AFTER, Guard, STEP_MAX, Step};

use crate::model::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the engine takes its time from.
pub trait Clock: Send {
    /// Now; never before an earlier answer.
    fn now(&mut self) -> Timestamp;

    /// Takes note of a time that was, from the journal: nothing after it may come before it.
    fn not_before(&mut self, at: Timestamp);

    /// The step by which the last answer jumped, if it did. It is told once.
    fn jumped(&mut self) -> Option<Step> {
        None
    }

    /// By how much the answers went further than what truly passed, since this was last asked.
    fn gained(&mut self) -> Option<Step> {
        None
    }

    /// Whether it may be wrong by much, so that nothing is over for now which time alone ends.
    fn is_doubted(&mut self) -> bool {
        false
    }
}

/// The machine's clock, guarded: where it is set back, or forward by much, time goes on by the steady clock. See [`Guard`].
#[derive(Clone, Debug)]
pub struct WallClock {
    guard: Guard,
    jumped: Option<Step>,
}

impl WallClock {
    /// A clock that begins now, as the wall shows it.
    pub fn new() -> Self {
        Self::since(wall(), steady())
    }

    /// It was `last` when the steady clock showed `at`, in this boot of the machine.
    pub fn since(last: Timestamp, at: Duration) -> Self {
        Self { guard: Guard::new(last, at, Some(BELIEVED_AFTER)), jumped: None }
    }

    /// A clock that begins now, as the wall shows it, after nobody knows how long: it is doubted until the wall has stood.
    pub fn after_a_rest() -> Self {
        Self::new().doubted_until(Some(steady() + BELIEVED_AFTER))
    }

    /// The same, where nobody knows how long it was since the journal's last time.
    pub fn rested(self) -> Self {
        Self { guard: self.guard.rested(), ..self }
    }

    /// The same, doubted until the steady clock shows `until`.
    pub fn doubted_until(self, until: Option<Duration>) -> Self {
        Self { guard: self.guard.doubted_until(until), ..self }
    }

    /// What the steady clock shows when it is doubted no longer; nothing where it is not doubted.
    pub fn doubt(&mut self) -> Option<Duration> {
        self.guard.doubt(wall(), steady())
    }

    /// It is `last` now. Who has this clock follows the journal, which tells by `not_before` where time jumps.
    pub fn following(last: Timestamp) -> Self {
        Self { guard: Guard::new(last, steady(), None), jumped: None }
    }

    /// How far it is now from what the machine's clock shows, in milliseconds; above 0 where it is ahead.
    pub fn offset_ms(&mut self) -> i64 {
        let wall = wall();
        let signed = |at: Timestamp| i64::try_from(at.as_ms()).unwrap_or(i64::MAX);
        signed(self.now()) - signed(wall)
    }

    /// How far the wall is ahead, while that is not believed.
    pub fn ahead(&self) -> Option<Duration> {
        self.guard.ahead()
    }

    /// The last answer, and what the steady clock showed then: with this the next process goes on.
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

    fn is_doubted(&mut self) -> bool {
        self.doubt().is_some()
    }
}

/// What the machine's clock shows, right or wrong: what others compare with their own clocks is signed with this. Events
/// are ordered by the journal's time.
pub fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// The time since the machine's boot, with that in which it slept: nobody sets it.
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
    fn g13_a_clock_that_was_set_back_goes_on_from_where_it_was() {
        let mut clock = WallClock::new();
        let ahead = clock.now() + DAY;
        clock.not_before(ahead);
        let first = clock.now();
        assert!(first >= ahead && first.since(ahead) < Duration::from_secs(60));
        assert!(clock.now() >= first);
        assert_eq!((clock.ahead(), clock.jumped()), (None, None));
    }

    #[test]
    fn g13_a_clock_that_was_set_forward_goes_on_as_if_it_had_not_been() {
        // A day ago by the wall, and just now by the steady clock.
        let before = WallClock::new().now() - DAY;
        for mut clock in [WallClock::since(before, steady()), WallClock::following(before)] {
            let now = clock.now();
            assert!(now >= before && now.since(before) < Duration::from_secs(60));
            assert!(clock.ahead().is_some_and(|ahead| ahead.abs_diff(DAY) < Duration::from_secs(60)));
        }
    }
}
