//! Computes the time from a wall clock, which can be set, and a steady clock, which cannot. A plain struct; the caller
//! passes both readings.
//!
//! Invariant: the time never goes back. It advances by more than the time that truly passed only after the wall clock
//! was set forward by a small step, or by a large one that has persisted. A step of a day that is reverted after a
//! minute ends no call and drops nothing.
//!
//! After an unknown downtime (the machine was rebooted) the wall clock must be followed at once, because calls begin
//! and texts expire by it. It is then untrusted until it has been stable for as long, and nothing expires until then.

use crate::model::Timestamp;
use std::time::Duration;

/// The largest step of the wall clock that is followed at once. Time synchronisation makes smaller ones.
pub const STEP_MAX: Duration = Duration::from_secs(5 * 60);

/// How long a larger step forward must persist before it is accepted.
pub const ACCEPTED_AFTER: Duration = Duration::from_secs(10 * 60);

/// Smaller gains accumulate until the next one.
const GAIN_LEAST: Duration = Duration::from_millis(10);

/// A jump of the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The time without the jump.
    pub from: Timestamp,
    /// The time after it.
    pub to: Timestamp,
}

/// The time computed from two clocks. The steady clock may start at any value.
#[derive(Clone, Debug)]
pub struct Guard {
    last: Timestamp,
    /// The steady clock at `last`.
    at: Duration,
    suspect: Option<Suspect>,
    accepted_after: Option<Duration>,
    /// The time is untrusted until the steady clock shows this.
    untrusted_until: Option<Duration>,
    /// The time, and the steady clock, from which gains are counted.
    counted_from: (Timestamp, Duration),
    /// Whether an unknown time has passed since the journal's last time.
    after_downtime: bool,
}

/// A large step forward of the wall clock that is not accepted yet.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    since: Duration,
    ahead: Duration,
}

impl Guard {
    /// A guard whose time was `last` when the steady clock showed `at`. A large step forward is accepted after
    /// `accepted_after`, or never if that is `None`.
    pub fn new(last: Timestamp, at: Duration, accepted_after: Option<Duration>) -> Self {
        let counted_from = (last, at);
        Self { last, at, suspect: None, accepted_after, untrusted_until: None, counted_from, after_downtime: false }
    }

    /// The same after an unknown downtime: no time counts as passed since the journal's last time.
    pub fn after_downtime(self) -> Self {
        Self { after_downtime: true, ..self }
    }

    /// By how much the time advanced more than truly passed since the last call, as a step. Token buckets must be
    /// adjusted by it.
    pub fn gained(&mut self) -> Option<Step> {
        let (last, at) = self.counted_from;
        let expected = last + self.at.saturating_sub(at);
        if self.last < expected {
            // The time fell behind: waiting takes longer, and that is not compensated later.
            self.counted_from = (self.last, self.at);
            return None;
        }
        if self.last.since(expected) < GAIN_LEAST {
            return None;
        }
        self.counted_from = (self.last, self.at);
        Some(Step { from: expected, to: self.last })
    }

    /// The same, untrusted until the steady clock shows `until`.
    pub fn untrusted_until(self, until: Option<Duration>) -> Self {
        Self { untrusted_until: until, ..self }
    }

    /// The steady time at which the time becomes trusted; `None` if it is. If the wall clock was set back in between,
    /// it was wrong, and the time stays untrusted until the wall clock has caught up.
    pub fn trusted_at(&mut self, wall: Timestamp, steady: Duration) -> Option<Duration> {
        let now = self.last + steady.saturating_sub(self.at);
        self.untrusted_until = self.untrusted_until.filter(|until| steady < *until || now.since(wall) > STEP_MAX);
        self.untrusted_until
    }

    /// The current time, and the step if it just jumped.
    pub fn now(&mut self, wall: Timestamp, steady: Duration) -> (Timestamp, Option<Step>) {
        // Whole milliseconds only; the remainder is kept for the next call.
        let passed = Duration::from_millis(ms(steady.saturating_sub(self.at)));
        let expected = self.last + passed;
        let ahead = wall.since(expected);
        if wall >= self.last && ahead <= STEP_MAX {
            (self.last, self.at, self.suspect) = (wall, steady, None);
            return (wall, None);
        }
        (self.last, self.at) = (expected, self.at + passed);
        if ahead <= STEP_MAX {
            self.suspect = None;
            return (expected, None);
        }
        // If the wall clock was set again, its waiting period restarts.
        let persisting = self.suspect.filter(|suspect| suspect.ahead.abs_diff(ahead) <= STEP_MAX);
        let suspect = persisting.unwrap_or(Suspect { since: steady, ahead });
        self.suspect = Some(suspect);
        if self.accepted_after.is_none_or(|after| steady.saturating_sub(suspect.since) < after) {
            return (expected, None);
        }
        (self.last, self.at, self.suspect) = (wall, steady, None);
        (wall, Some(Step { from: expected, to: wall }))
    }

    /// Sets a lower bound: the time had reached `at` before the steady clock showed `steady`.
    pub fn not_before(&mut self, at: Timestamp, steady: Duration) {
        if std::mem::take(&mut self.after_downtime) {
            self.counted_from = (at, steady);
        }
        if at > self.last {
            // The time passed since then is known only as far as before.
            self.at = (self.at + at.since(self.last)).min(steady);
            self.last = at;
            self.counted_from = (at, self.at);
        }
    }

    /// How far the wall clock is ahead while that step is not accepted; `None` otherwise.
    pub fn ahead(&self) -> Option<Duration> {
        self.suspect.map(|suspect| suspect.ahead)
    }

    /// The last result, and the steady clock at that moment.
    pub fn last(&self) -> (Timestamp, Duration) {
        (self.last, self.at)
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;

    /// The steady clock, `secs` after the guard begins.
    fn steady(secs: u64) -> Duration {
        Duration::from_secs(1_000_000 + secs)
    }

    /// The wall clock at that moment, if it was not set.
    fn wall(secs: u64) -> Timestamp {
        Timestamp::parse("2026-01-01T00:00:00Z").unwrap() + Duration::from_secs(secs)
    }

    fn guard() -> Guard {
        Guard::new(wall(0), steady(0), Some(ACCEPTED_AFTER))
    }

    /// Asserts the times for a sequence of (steady, wall, expected), all in seconds.
    #[track_caller]
    fn check(guard: &mut Guard, readings: &[(u64, u64, u64)]) {
        for (at, shown, expected) in readings {
            let (now, _) = guard.now(wall(*shown), steady(*at));
            assert_eq!(now, wall(*expected), "at {at} s, when the wall clock showed {shown}");
        }
    }

    #[test]
    fn g13_small_steps_of_the_wall_clock_are_followed() {
        check(&mut guard(), &[(10, 10, 10), (20, 21, 21), (30, 29, 29), (40, 40 + 299, 40 + 299)]);
    }

    #[test]
    fn g13_time_continues_steadily_while_the_wall_clock_is_behind() {
        check(&mut guard(), &[(DAY, DAY, DAY), (DAY + 5, 5, DAY + 5), (DAY + 9, 9, DAY + 9), (2 * DAY, DAY, 2 * DAY)]);
        // Once the wall clock has caught up, it is followed again.
        check(&mut guard(), &[(100, 100, 100), (110, 80, 110), (120, 125, 125)]);
    }

    #[test]
    fn g13_a_step_of_a_day_forward_is_accepted_after_ten_minutes() {
        let mut guard = guard();
        check(&mut guard, &[(10, 10, 10), (20, DAY + 20, 20), (20 + 599, DAY + 20 + 599, 20 + 599)]);
        assert_eq!(guard.ahead(), Some(Duration::from_secs(DAY)));
        let (now, step) = guard.now(wall(DAY + 20 + 600), steady(20 + 600));
        assert_eq!(now, wall(DAY + 620));
        assert_eq!(step, Some(Step { from: wall(620), to: wall(DAY + 620) }));
        check(&mut guard, &[(700, DAY + 700, DAY + 700)]);
        assert_eq!(guard.ahead(), None);
    }

    #[test]
    fn g13_a_step_that_is_reverted_has_no_effect() {
        let mut guard = guard();
        check(&mut guard, &[(20, DAY + 20, 20), (500, DAY + 500, 500), (510, 510, 510)]);
        assert_eq!(guard.ahead(), None);
        // The waiting period of another step begins when it happens.
        check(&mut guard, &[(520, DAY + 520, 520), (1_000, DAY + 1_000, 1_000), (1_120, DAY + 1_120, DAY + 1_120)]);
    }

    #[test]
    fn g13_another_step_restarts_the_waiting_period() {
        let mut guard = guard();
        check(&mut guard, &[(20, DAY + 20, 20), (600, 2 * DAY + 600, 600), (1_199, 2 * DAY + 1_199, 1_199)]);
        check(&mut guard, &[(1_200, 2 * DAY + 1_200, 2 * DAY + 1_200)]);
    }

    #[test]
    fn g13_a_follower_accepts_a_step_only_from_the_journal() {
        let mut follower = Guard::new(wall(0), steady(0), None);
        check(&mut follower, &[(20, DAY + 20, 20), (HOUR, DAY + HOUR, HOUR)]);
        follower.not_before(wall(DAY + HOUR), steady(HOUR));
        check(&mut follower, &[(HOUR + 10, DAY + HOUR + 10, DAY + HOUR + 10)]);
        assert_eq!(follower.ahead(), None);
    }

    #[test]
    fn g13_time_continues_across_a_restart_although_the_wall_clock_was_set() {
        // Both clocks were at 100 in the last process, and the journal reached 105. Now it is 200, and the wall a day
        // ahead.
        let mut guard = Guard::new(wall(100), steady(100), Some(ACCEPTED_AFTER));
        guard.not_before(wall(105), steady(200));
        check(&mut guard, &[(200, DAY + 200, 200), (201, DAY + 201, 201)]);
        // If the journal is ahead of both, time continues from there.
        guard.not_before(wall(500), steady(202));
        check(&mut guard, &[(202, 202, 500), (203, 203, 501)]);
    }

    #[test]
    fn g13_after_unknown_downtime_the_wall_clock_is_untrusted_for_ten_minutes() {
        let mut guard = guard().untrusted_until(Some(steady(600)));
        let mut doubts = |at, shown| {
            guard.now(wall(shown), steady(at));
            guard.trusted_at(wall(shown), steady(at)).is_some()
        };
        assert_eq!(
            [(1, 1), (599, 599), (600, 600), (601, 601)].map(|(at, shown)| doubts(at, shown)),
            [true, true, false, false]
        );
        assert!(!doubts(700, 100), "once stable, it stays trusted");
    }

    #[test]
    fn g13_a_wall_clock_set_back_after_downtime_is_untrusted_until_it_catches_up() {
        // It was two hours ahead and is corrected after a minute; time does not go back.
        let mut guard = Guard::new(wall(2 * HOUR), steady(0), Some(ACCEPTED_AFTER)).untrusted_until(Some(steady(600)));
        let times = [(60, 60), (61, 61)].map(|(at, shown)| guard.now(wall(2 * HOUR + shown), steady(at)).0);
        assert_eq!(times, [wall(2 * HOUR + 60), wall(2 * HOUR + 61)]);
        let mut at = |at, shown| {
            let (now, _) = guard.now(wall(shown), steady(at));
            (now, guard.trusted_at(wall(shown), steady(at)).is_some())
        };
        assert_eq!(at(62, 62), (wall(2 * HOUR + 62), true));
        assert_eq!(at(HOUR, HOUR), (wall(3 * HOUR), true), "ten minutes are over");
        assert_eq!(at(2 * HOUR + 1, 4 * HOUR + 1), (wall(4 * HOUR + 1), false));
    }

    /// The gain in seconds at a reading of both clocks.
    fn gained(guard: &mut Guard, at: u64, shown: u64) -> u64 {
        guard.now(wall(shown), steady(at));
        guard.gained().map_or(0, |Step { from, to }| to.since(from).as_secs())
    }

    #[test]
    fn f21_every_accepted_step_forward_is_a_gain() {
        let mut guard = guard();
        assert_eq!(gained(&mut guard, 10, 10), 0);
        assert_eq!(gained(&mut guard, 20, 260), 240, "a small step is followed at once");
        assert_eq!(gained(&mut guard, 30, 270), 0, "and reported once");
        // A step of a day is followed once it has persisted.
        assert_eq!(gained(&mut guard, 40, DAY + 280), 0);
        assert_eq!(gained(&mut guard, 640, DAY + 880), DAY);
        // A loss by a step back is not compensated.
        assert_eq!(gained(&mut guard, 650, DAY + 890), 0);
        assert_eq!(gained(&mut guard, 660, DAY + 895), 0);
        assert_eq!(gained(&mut guard, 670, DAY + 910), 5);
    }

    #[test]
    fn f21_a_step_between_two_processes_of_one_boot_is_a_gain() {
        // Both clocks were at 100 in the last process, and the journal reached 105. 95 s later the wall is 240 s ahead.
        let mut guard = Guard::new(wall(100), steady(100), Some(ACCEPTED_AFTER));
        guard.not_before(wall(105), steady(200));
        assert_eq!(gained(&mut guard, 200, 440), 240);
    }

    #[test]
    fn f21_after_unknown_downtime_no_time_counts_as_passed() {
        let mut guard = Guard::new(wall(DAY), steady(0), Some(ACCEPTED_AFTER)).after_downtime();
        guard.not_before(wall(100), steady(0));
        guard.now(wall(DAY), steady(0));
        assert_eq!(guard.gained(), Some(Step { from: wall(100), to: wall(DAY) }));
        assert_eq!(gained(&mut guard, 10, DAY + 10), 0);
    }

    #[test]
    fn f21_rounding_to_milliseconds_is_not_a_gain() {
        let mut guard = guard();
        for tick in 1..=1_000 {
            let passed = Duration::from_micros(tick * 600);
            guard.now(wall(0) + Duration::from_millis(u64::try_from(passed.as_millis()).unwrap()), steady(0) + passed);
            assert_eq!(guard.gained(), None);
        }
    }

    #[test]
    fn g13_no_fraction_of_a_millisecond_is_lost_while_the_wall_clock_is_behind() {
        let mut guard = guard();
        guard.not_before(wall(DAY), steady(0));
        for tick in 1..=1_000 {
            guard.now(wall(0), steady(0) + Duration::from_micros(tick * 1_500));
        }
        assert_eq!(guard.last().0, wall(DAY) + Duration::from_millis(1_500));
    }
}
