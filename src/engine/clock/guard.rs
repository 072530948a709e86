//! What time it is, by a clock that people set and one that nobody can. A plain struct: both are handed in.
//!
//! Invariant: its time never goes back; and it goes forward by more than what truly passed only where the wall was set
//! forward by little, or by much and that has stood for long. A step of a day that somebody takes back after a minute has
//! ended no call and forgotten nothing.
//!
//! Where nobody can say how long it was (the machine was started anew) the wall has to be followed: calls begin and texts
//! become too old by it. Then it is doubted until it has stood for as long, and what is over by nothing but time waits.

use crate::model::Timestamp;
use std::time::Duration;

/// A step of the wall that is followed at once. Whoever keeps a clock right moves it by less.
pub const STEP_MAX: Duration = Duration::from_secs(5 * 60);

/// How long a larger step forward must have stood.
pub const BELIEVED_AFTER: Duration = Duration::from_secs(10 * 60);

/// A gain of less than this is left for later: debts are carried over it with the next one.
const GAIN_LEAST: Duration = Duration::from_millis(10);

/// Time jumped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What time it would be without that.
    pub from: Timestamp,
    /// What time it is.
    pub to: Timestamp,
}

/// The time, as two clocks tell it. `steady` is what the steady one shows, from any beginning.
#[derive(Clone, Debug)]
pub struct Guard {
    last: Timestamp,
    /// What the steady clock showed at `last`.
    at: Duration,
    suspect: Option<Suspect>,
    believed_after: Option<Duration>,
    /// What the steady clock shows when the wall, as it was followed, has stood for long enough.
    doubted_until: Option<Duration>,
    /// Since this time, and what the steady clock showed then, gains are counted.
    counted_from: (Timestamp, Duration),
    /// Nobody knows how long it was since the journal's last time.
    rested: bool,
}

/// The wall is ahead of what passed.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    since: Duration,
    ahead: Duration,
}

impl Guard {
    /// It was `last` when the steady clock showed `at`. A large step forward is believed once it has stood so long; by
    /// somebody who is told elsewhere, never.
    pub fn new(last: Timestamp, at: Duration, believed_after: Option<Duration>) -> Self {
        let counted_from = (last, at);
        Self { last, at, suspect: None, believed_after, doubted_until: None, counted_from, rested: false }
    }

    /// The same after nobody knows how long: no time counts as passed since the journal's last.
    pub fn rested(self) -> Self {
        Self { rested: true, ..self }
    }

    /// By how much its time went further than what truly passed, since the last answer to this: from what time it would be
    /// to what time it is. What is owed in true time is to be carried over that.
    pub fn gained(&mut self) -> Option<Step> {
        let (last, at) = self.counted_from;
        let expected = last + self.at.saturating_sub(at);
        if self.last < expected {
            // It lost time: what is owed is owed for longer, and none of that is given back.
            self.counted_from = (self.last, self.at);
            return None;
        }
        if self.last.since(expected) < GAIN_LEAST {
            return None;
        }
        self.counted_from = (self.last, self.at);
        Some(Step { from: expected, to: self.last })
    }

    /// The same, doubted until the steady clock shows `until`.
    pub fn doubted_until(self, until: Option<Duration>) -> Self {
        Self { doubted_until: until, ..self }
    }

    /// What the steady clock shows when it is doubted no longer; nothing where it is not doubted. A wall that was set back
    /// meanwhile was wrong: then it is doubted until the wall has come as far again.
    pub fn doubt(&mut self, wall: Timestamp, steady: Duration) -> Option<Duration> {
        let now = self.last + steady.saturating_sub(self.at);
        self.doubted_until = self.doubted_until.filter(|until| steady < *until || now.since(wall) > STEP_MAX);
        self.doubted_until
    }

    /// What time it is, and the step by which it jumped, if it did just now.
    pub fn now(&mut self, wall: Timestamp, steady: Duration) -> (Timestamp, Option<Step>) {
        // Whole milliseconds only, and the rest is kept for the next time.
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
        // Set again, it has to stand anew.
        let stands = self.suspect.filter(|suspect| suspect.ahead.abs_diff(ahead) <= STEP_MAX);
        let suspect = stands.unwrap_or(Suspect { since: steady, ahead });
        self.suspect = Some(suspect);
        if self.believed_after.is_none_or(|after| steady.saturating_sub(suspect.since) < after) {
            return (expected, None);
        }
        (self.last, self.at, self.suspect) = (wall, steady, None);
        (wall, Some(Step { from: expected, to: wall }))
    }

    /// Time had come to `at` before the steady clock showed `steady`: it never goes back behind that.
    pub fn not_before(&mut self, at: Timestamp, steady: Duration) {
        if std::mem::take(&mut self.rested) {
            self.counted_from = (at, steady);
        }
        if at > self.last {
            // What has passed since is known as far as it was before.
            self.at = (self.at + at.since(self.last)).min(steady);
            self.last = at;
            self.counted_from = (at, self.at);
        }
    }

    /// How far the wall is ahead, while that is not believed; none where all is well.
    pub fn ahead(&self) -> Option<Duration> {
        self.suspect.map(|suspect| suspect.ahead)
    }

    /// The last time told, and what the steady clock showed then.
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

    /// Seconds after the guard begins, by the steady clock.
    fn steady(secs: u64) -> Duration {
        Duration::from_secs(1_000_000 + secs)
    }

    /// The same by the wall, as it was.
    fn wall(secs: u64) -> Timestamp {
        Timestamp::parse("2026-01-01T00:00:00Z").unwrap() + Duration::from_secs(secs)
    }

    fn guard() -> Guard {
        Guard::new(wall(0), steady(0), Some(BELIEVED_AFTER))
    }

    /// Asked at each (steady, wall) in turn, it tells these times, all in seconds.
    #[track_caller]
    fn check(guard: &mut Guard, asked: &[(u64, u64, u64)]) {
        for (at, shown, expected) in asked {
            let (told, _) = guard.now(wall(*shown), steady(*at));
            assert_eq!(told, wall(*expected), "at {at} s, when the wall showed {shown}");
        }
    }

    #[test]
    fn g13_small_steps_of_the_wall_are_followed() {
        check(&mut guard(), &[(10, 10, 10), (20, 21, 21), (30, 29, 29), (40, 40 + 299, 40 + 299)]);
    }

    #[test]
    fn g13_a_wall_that_is_set_back_is_waited_for() {
        check(&mut guard(), &[(DAY, DAY, DAY), (DAY + 5, 5, DAY + 5), (DAY + 9, 9, DAY + 9), (2 * DAY, DAY, 2 * DAY)]);
        // And where it has caught up it leads again.
        check(&mut guard(), &[(100, 100, 100), (110, 80, 110), (120, 125, 125)]);
    }

    #[test]
    fn g13_a_step_of_a_day_forward_moves_nothing_until_it_has_stood_for_ten_minutes() {
        let mut guard = guard();
        check(&mut guard, &[(10, 10, 10), (20, DAY + 20, 20), (20 + 599, DAY + 20 + 599, 20 + 599)]);
        assert_eq!(guard.ahead(), Some(Duration::from_secs(DAY)));
        let (told, step) = guard.now(wall(DAY + 20 + 600), steady(20 + 600));
        assert_eq!(told, wall(DAY + 620));
        assert_eq!(step, Some(Step { from: wall(620), to: wall(DAY + 620) }));
        check(&mut guard, &[(700, DAY + 700, DAY + 700)]);
        assert_eq!(guard.ahead(), None);
    }

    #[test]
    fn g13_a_step_that_is_taken_back_has_never_been() {
        let mut guard = guard();
        check(&mut guard, &[(20, DAY + 20, 20), (500, DAY + 500, 500), (510, 510, 510)]);
        assert_eq!(guard.ahead(), None);
        // Another one begins to stand when it comes.
        check(&mut guard, &[(520, DAY + 520, 520), (1_000, DAY + 1_000, 1_000), (1_120, DAY + 1_120, DAY + 1_120)]);
    }

    #[test]
    fn g13_a_wall_that_is_set_again_has_to_stand_anew() {
        let mut guard = guard();
        check(&mut guard, &[(20, DAY + 20, 20), (600, 2 * DAY + 600, 600), (1_199, 2 * DAY + 1_199, 1_199)]);
        check(&mut guard, &[(1_200, 2 * DAY + 1_200, 2 * DAY + 1_200)]);
    }

    #[test]
    fn g13_whoever_follows_the_journal_believes_no_step_and_hears_of_it_there() {
        let mut follower = Guard::new(wall(0), steady(0), None);
        check(&mut follower, &[(20, DAY + 20, 20), (HOUR, DAY + HOUR, HOUR)]);
        follower.not_before(wall(DAY + HOUR), steady(HOUR));
        check(&mut follower, &[(HOUR + 10, DAY + HOUR + 10, DAY + HOUR + 10)]);
        assert_eq!(follower.ahead(), None);
    }

    #[test]
    fn g13_time_that_was_known_before_a_restart_goes_on_though_the_wall_was_set_meanwhile() {
        // It was 100 by both when the last process noted it; the journal has come to 105; now it is 200, and the wall a day on.
        let mut guard = Guard::new(wall(100), steady(100), Some(BELIEVED_AFTER));
        guard.not_before(wall(105), steady(200));
        check(&mut guard, &[(200, DAY + 200, 200), (201, DAY + 201, 201)]);
        // A journal that is ahead of both is where time goes on.
        guard.not_before(wall(500), steady(202));
        check(&mut guard, &[(202, 202, 500), (203, 203, 501)]);
    }

    #[test]
    fn g13_a_wall_that_is_followed_after_a_rest_is_doubted_until_it_has_stood_for_ten_minutes() {
        let mut guard = guard().doubted_until(Some(steady(600)));
        let mut doubts = |at, shown| {
            guard.now(wall(shown), steady(at));
            guard.doubt(wall(shown), steady(at)).is_some()
        };
        assert_eq!(
            [(1, 1), (599, 599), (600, 600), (601, 601)].map(|(at, shown)| doubts(at, shown)),
            [true, true, false, false]
        );
        assert!(!doubts(700, 100), "once it has stood, it is doubted no more");
    }

    #[test]
    fn g13_a_wall_that_was_wrong_after_a_rest_is_doubted_until_it_is_as_far_again() {
        // It was two hours ahead, and is set right after a minute; time does not go back for that.
        let mut guard = Guard::new(wall(2 * HOUR), steady(0), Some(BELIEVED_AFTER)).doubted_until(Some(steady(600)));
        let told = [(60, 60), (61, 61)].map(|(at, shown)| guard.now(wall(2 * HOUR + shown), steady(at)).0);
        assert_eq!(told, [wall(2 * HOUR + 60), wall(2 * HOUR + 61)]);
        let mut at = |at, shown| {
            let (now, _) = guard.now(wall(shown), steady(at));
            (now, guard.doubt(wall(shown), steady(at)).is_some())
        };
        assert_eq!(at(62, 62), (wall(2 * HOUR + 62), true));
        assert_eq!(at(HOUR, HOUR), (wall(3 * HOUR), true), "ten minutes are over");
        assert_eq!(at(2 * HOUR + 1, 4 * HOUR + 1), (wall(4 * HOUR + 1), false));
    }

    /// By how many seconds it gained, asked at a time of both clocks.
    fn gained(guard: &mut Guard, at: u64, shown: u64) -> u64 {
        guard.now(wall(shown), steady(at));
        guard.gained().map_or(0, |Step { from, to }| to.since(from).as_secs())
    }

    #[test]
    fn f21_every_step_forward_that_is_followed_is_a_gain() {
        let mut guard = guard();
        assert_eq!(gained(&mut guard, 10, 10), 0);
        assert_eq!(gained(&mut guard, 20, 260), 240, "a small step is followed at once");
        assert_eq!(gained(&mut guard, 30, 270), 0, "and told once");
        // One of a day is followed once it has stood.
        assert_eq!(gained(&mut guard, 40, DAY + 280), 0);
        assert_eq!(gained(&mut guard, 640, DAY + 880), DAY);
        // What was lost by a step back is not given back.
        assert_eq!(gained(&mut guard, 650, DAY + 890), 0);
        assert_eq!(gained(&mut guard, 660, DAY + 895), 0);
        assert_eq!(gained(&mut guard, 670, DAY + 910), 5);
    }

    #[test]
    fn f21_a_step_between_two_processes_is_a_gain_in_the_same_boot() {
        // It was 100 by both when the last process noted it; the journal has come to 105; 95 s later the wall is 240 s ahead.
        let mut guard = Guard::new(wall(100), steady(100), Some(BELIEVED_AFTER));
        guard.not_before(wall(105), steady(200));
        assert_eq!(gained(&mut guard, 200, 440), 240);
    }

    #[test]
    fn f21_after_a_rest_of_unknown_length_no_time_counts_as_passed() {
        let mut guard = Guard::new(wall(DAY), steady(0), Some(BELIEVED_AFTER)).rested();
        guard.not_before(wall(100), steady(0));
        guard.now(wall(DAY), steady(0));
        assert_eq!(guard.gained(), Some(Step { from: wall(100), to: wall(DAY) }));
        assert_eq!(gained(&mut guard, 10, DAY + 10), 0);
    }

    #[test]
    fn f21_rounding_to_milliseconds_is_no_gain() {
        let mut guard = guard();
        for tick in 1..=1_000 {
            let passed = Duration::from_micros(tick * 600);
            guard.now(wall(0) + Duration::from_millis(u64::try_from(passed.as_millis()).unwrap()), steady(0) + passed);
            assert_eq!(guard.gained(), None);
        }
    }

    #[test]
    fn g13_no_part_of_a_millisecond_is_lost_while_the_wall_is_behind() {
        let mut guard = guard();
        guard.not_before(wall(DAY), steady(0));
        for tick in 1..=1_000 {
            guard.now(wall(0), steady(0) + Duration::from_micros(tick * 1_500));
        }
        assert_eq!(guard.last().0, wall(DAY) + Duration::from_millis(1_500));
    }
}
