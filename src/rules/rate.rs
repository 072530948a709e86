//! Computes how long a text waits for its lane (A28, A29, A30), from data in the journal.
//!
//! The dispatcher uses governor's token bucket; this is the same bucket as arithmetic. It is at level 0 at `empty_at`,
//! fills at the rate, and is full at the burst. A text needs its segments in the bucket, or a full bucket if it has
//! more than the burst; the excess is debt, and the bucket is at level 0 only when the debt is paid.

use crate::model::{Limits, LocalDay, Timestamp, local_day};
use std::time::Duration;

/// The wait until a text of `segments` can start, behind `queued` segments of other texts.
pub fn wait(limits: &Limits, empty_at: Timestamp, queued: u32, segments: u16, now: Timestamp) -> Duration {
    let mut bucket = Bucket::new(limits, empty_at);
    // The texts in front start as early as possible, so they never find the bucket fuller than it is now.
    bucket.take(queued, now);
    bucket.ready(segments, now).since(now)
}

/// When the bucket is at level 0, with all debts paid, after a text of `segments` started at `now`. The result is up to
/// a millisecond early per text since the bucket was full, and at most one late, however long a backlog lasts; the
/// dispatcher, which counts nanoseconds, has the exact time.
pub fn empty_after(limits: &Limits, empty_at: Timestamp, segments: u16, now: Timestamp) -> Timestamp {
    let Some(rate) = limits.millisegments_per_second else { return now };
    let (segments, burst) = (u64::from(segments), u64::from(limits.burst.max(1)));
    // It holds at most its burst.
    let from_full = match segments.checked_sub(burst) {
        Some(debt) => now + fill(debt, rate),
        None => now - fill_at_most(burst - segments, rate),
    };
    from_full.max(empty_at + fill_at_most(segments, rate))
}

/// The new `empty_at` of a bucket whose limits change at `now`: its level or debt in segments is kept, up to the new
/// burst.
pub fn empty_with(before: &Limits, after: &Limits, empty_at: Timestamp, now: Timestamp) -> Timestamp {
    let (Some(was), Some(is)) = (before.millisegments_per_second, after.millisegments_per_second) else { return now };
    let (was, is) = (u64::from(was.max(1)), u64::from(is.max(1)));
    if empty_at > now {
        let debt = u64::try_from(empty_at.since(now).as_millis()).unwrap_or(u64::MAX);
        return now + Duration::from_millis(debt.saturating_mul(was).div_ceil(is));
    }
    let full = fill(u64::from(before.burst.max(1)), before.millisegments_per_second.unwrap_or(1));
    let filled = u64::try_from(now.since(empty_at).min(full).as_millis()).unwrap_or(u64::MAX);
    now - Duration::from_millis(filled.saturating_mul(was) / is)
}

/// Simulates a lane's bucket forward.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// `None` means no limit.
    millisegments_per_second: Option<u32>,
    burst: u32,
    empty_at: Timestamp,
    /// Segments taken since. They are stored separately from `empty_at`, so that the time they take is rounded once.
    taken: u64,
}

impl Bucket {
    /// A bucket that is at level 0 at `empty_at`.
    pub fn new(limits: &Limits, empty_at: Timestamp) -> Self {
        let millisegments_per_second = limits.millisegments_per_second;
        Self { millisegments_per_second, burst: limits.burst.max(1), empty_at, taken: 0 }
    }

    /// When a text of `segments` can start, at `at` or later.
    pub fn ready(&self, segments: u16, at: Timestamp) -> Timestamp {
        let needed = u32::from(segments).min(self.burst);
        self.as_at(at).holds_at(u64::from(needed)).max(at)
    }

    /// Takes `segments` at `at`. Segments that the bucket does not have become debt.
    pub fn take(&mut self, segments: u32, at: Timestamp) {
        *self = self.as_at(at);
        self.taken += u64::from(segments);
    }

    /// The bucket at `at`, with its level capped at the burst.
    fn as_at(&self, at: Timestamp) -> Self {
        let Some(rate) = self.millisegments_per_second else { return *self };
        let full_since = at - fill(u64::from(self.burst), rate);
        if full_since <= self.holds_at(0) { *self } else { Self { empty_at: full_since, taken: 0, ..*self } }
    }

    /// When it holds `segments` with all debts paid; time 0 if there is no limit.
    fn holds_at(&self, segments: u64) -> Timestamp {
        let gained = |rate| self.empty_at + fill(self.taken + segments, rate);
        self.millisegments_per_second.map_or(Timestamp::default(), gained)
    }
}

/// Segments sent on a day, for a daily cap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DayCount {
    /// The day in the time zone of the cap.
    pub day: LocalDay,
    /// Segments of attempts that started on that day.
    pub segments: u32,
}

impl DayCount {
    /// The count after `segments` more at `now`.
    pub fn with(self, limits: &Limits, segments: u32, now: Timestamp) -> Self {
        let (day, _) = local_day(&limits.day_zone, now);
        let before = if self.day == day { self.segments } else { 0 };
        Self { day, segments: before.saturating_add(segments) }
    }
}

/// When the cap allows `segments` more: now, or when the next day begins. Without a cap, now.
pub fn cap_allows(limits: &Limits, count: DayCount, segments: u32, now: Timestamp) -> Timestamp {
    let Some(cap) = limits.segments_per_day else { return now };
    let (_, next_day) = local_day(&limits.day_zone, now);
    if count.with(limits, segments, now).segments <= cap { now } else { next_day }
}

/// The time in which the bucket gains `segments`, rounded up to a millisecond.
pub fn fill(segments: u64, millisegments_per_second: u32) -> Duration {
    Duration::from_millis((segments * 1_000_000).div_ceil(u64::from(millisegments_per_second.max(1))))
}

/// The same, rounded down.
fn fill_at_most(segments: u64, millisegments_per_second: u32) -> Duration {
    Duration::from_millis(segments * 1_000_000 / u64::from(millisegments_per_second.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(millisegments_per_second: u32, burst: u32) -> Limits {
        Limits { millisegments_per_second: Some(millisegments_per_second), burst, ..Limits::none() }
    }

    const START: Timestamp = Timestamp::from_ms(1_000_000);

    #[test]
    fn a30_a_bucket_starts_empty_so_the_first_segment_waits() {
        assert_eq!(wait(&limits(1_000, 1), START, 0, 1, START), Duration::from_secs(1));
        assert_eq!(wait(&limits(100, 1), START, 0, 1, START), Duration::from_secs(10));
        assert_eq!(wait(&limits(100, 1), START, 0, 1, START + Duration::from_secs(10)), Duration::ZERO);
    }

    #[test]
    fn a28_a_text_longer_than_the_burst_starts_on_a_full_bucket_and_leaves_debt() {
        let one = limits(1_000, 1);
        let later = START + Duration::from_secs(60);
        assert_eq!(wait(&one, START, 0, 6, later), Duration::ZERO);
        let empty_at = empty_after(&one, START, 6, later);
        assert_eq!(empty_at, later + Duration::from_secs(5));
        assert_eq!(wait(&one, empty_at, 0, 1, later), Duration::from_secs(6));
    }

    #[test]
    fn a29_the_wait_includes_the_segments_in_front() {
        let later = START + Duration::from_secs(60);
        assert_eq!(wait(&limits(2_000, 4), START, 10, 2, later), Duration::from_secs(4));
    }

    #[test]
    fn a28_a_cap_counts_the_segments_of_a_day_and_resets_at_midnight() {
        let at = |text| Timestamp::parse(text).unwrap();
        let capped = Limits { segments_per_day: Some(10), day_zone: "Europe/Rome".to_owned(), ..limits(1_000, 1) };
        let evening = at("2026-06-01T21:00:00Z");
        let count = DayCount::default().with(&capped, 8, evening);
        assert_eq!(cap_allows(&capped, count, 2, evening), evening);
        assert_eq!(cap_allows(&capped, count, 3, evening), at("2026-06-01T22:00:00Z"));
        let night = at("2026-06-01T22:00:00Z");
        assert_eq!(cap_allows(&capped, count, 3, night), night);
        assert_eq!(count.with(&capped, 3, night).segments, 3);
        assert_eq!(cap_allows(&Limits::none(), count, 1_000, evening), evening);
    }

    #[test]
    fn a28_a_bucket_keeps_its_level_and_its_debt_when_its_rate_changes() {
        let (slow, quick) = (limits(100, 2), limits(1_000, 5));
        let now = START + Duration::from_secs(60);
        // The bucket has one of two segments; at ten times the rate that takes a tenth of the time.
        assert_eq!(empty_with(&slow, &quick, now - Duration::from_secs(10), now), now - Duration::from_secs(1));
        // The bucket has been full, with two segments, for a long time.
        assert_eq!(empty_with(&slow, &quick, START - Duration::from_secs(900), now), now - Duration::from_secs(2));
        assert_eq!(empty_with(&quick, &slow, now + Duration::from_secs(3), now), now + Duration::from_secs(30));
        assert_eq!(empty_with(&Limits::none(), &quick, START, now), now, "a bucket that had no limit starts empty");
    }

    #[test]
    fn a29_the_simulated_starts_match_the_total_wait_to_the_millisecond() {
        // Three per second does not divide a second evenly: rounding up each text would add a millisecond each time.
        let limits = limits(3_000, 2);
        let (mut bucket, mut queued, now) = (Bucket::new(&limits, START), 0, START + Duration::from_millis(123));
        for segments in [1, 1, 2, 6, 1, 14, 1, 1, 3] {
            let at = bucket.ready(segments, now);
            assert_eq!(at.since(now), wait(&limits, START, queued, segments, now), "behind {queued}");
            bucket.take(u32::from(segments), at);
            queued += u32::from(segments);
        }
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_burst() {
        let limits = limits(1_000, 3);
        let mut bucket = Bucket::new(&limits, START);
        bucket.take(3, START + Duration::from_secs(60));
        let at = |secs| START + Duration::from_secs(secs);
        assert_eq!(
            (bucket.ready(1, at(60)), bucket.ready(3, at(60)), bucket.ready(9, at(65))),
            (at(61), at(63), at(65))
        );
    }

    #[test]
    fn a_number_without_a_limit_never_waits() {
        assert_eq!(wait(&Limits::none(), START, 1_000, 14, START), Duration::ZERO);
        let mut bucket = Bucket::new(&Limits::none(), START);
        bucket.take(1_000, START);
        assert_eq!(bucket.ready(14, START), START);
    }
}
