//! How long a text will wait for its lane (A28, A29, A30), from what the journal knows.
//!
//! The lane's bucket itself is governor's, in the dispatcher. Here stands the same bucket as arithmetic: it is at level 0
//! at `empty_at`, fills by the rate, and is full at the burst. A text needs its segments in the bucket, or the whole
//! burst where it has more; what it takes beyond is debt, and the bucket is empty only when that is paid.

use crate::model::{Limits, LocalDay, Timestamp, local_day};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long until a text of `segments` can start, behind `queued` segments of others.
pub fn wait(limits: &Limits, empty_at: Timestamp, queued: u32, segments: u16, now: Timestamp) -> Duration {
    let mut bucket = Bucket::new(limits, empty_at);
    // Those in front go as soon as they can, so they never find the bucket fuller than it is now.
    bucket.take(queued, now);
    bucket.ready(segments, now).since(now)
}

/// When the bucket is empty again, with all debts paid, after a text of `segments` started at `now`. It is up to a
/// millisecond early for each text since the bucket was full, and never more than one late, however long a backlog lasts:
/// the dispatcher, which counts to the nanosecond, says it exactly.
pub fn empty_after(limits: &Limits, empty_at: Timestamp, segments: u16, now: Timestamp) -> Timestamp {
    let Some(rate) = limits.millisegments_per_second else { return now };
    let (segments, burst) = (u64::from(segments), u64::from(limits.burst.max(1)));
    // It holds its burst at most.
    let from_full = match segments.checked_sub(burst) {
        Some(debt) => now + fill(debt, rate),
        None => now - fill_at_most(burst - segments, rate),
    };
    from_full.max(empty_at + fill_at_most(segments, rate))
}

/// When a bucket that was empty at `empty_at` was or is empty if its limits are others from `now` on: its level, or its
/// debt, is kept in segments, as far as the new burst goes.
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

/// A lane's bucket, told ahead.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// None is without limit.
    millisegments_per_second: Option<u32>,
    burst: u32,
    empty_at: Timestamp,
    /// Segments taken since. They are kept apart from `empty_at`, so that the time they take is rounded once.
    taken: u64,
}

impl Bucket {
    /// A bucket that is at level 0 at `empty_at`.
    pub fn new(limits: &Limits, empty_at: Timestamp) -> Self {
        let millisegments_per_second = limits.millisegments_per_second;
        Self { millisegments_per_second, burst: limits.burst.max(1), empty_at, taken: 0 }
    }

    /// When a text of `segments` can start: not before `at`.
    pub fn ready(&self, segments: u16, at: Timestamp) -> Timestamp {
        let needed = u32::from(segments).min(self.burst);
        self.as_at(at).holds_at(u64::from(needed)).max(at)
    }

    /// Takes `segments` at `at`. What the bucket has not at that time is debt.
    pub fn take(&mut self, segments: u32, at: Timestamp) {
        *self = self.as_at(at);
        self.taken += u64::from(segments);
    }

    /// A bucket that was full long ago is no fuller for it.
    fn as_at(&self, at: Timestamp) -> Self {
        let Some(rate) = self.millisegments_per_second else { return *self };
        let full_since = at - fill(u64::from(self.burst), rate);
        if full_since <= self.holds_at(0) { *self } else { Self { empty_at: full_since, taken: 0, ..*self } }
    }

    /// When it holds `segments` with all debts paid; the beginning of time where nothing is counted.
    fn holds_at(&self, segments: u64) -> Timestamp {
        let gained = |rate| self.empty_at + fill(self.taken + segments, rate);
        self.millisegments_per_second.map_or(Timestamp::default(), gained)
    }
}

/// Segments of a day, as a daily cap counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DayCount {
    /// Which day, by the zone of the cap.
    pub day: LocalDay,
    /// Segments whose first attempt, or a later one, started on it.
    pub segments: u32,
}

impl DayCount {
    /// The count with `segments` more at `now`.
    pub fn with(self, limits: &Limits, segments: u32, now: Timestamp) -> Self {
        let (day, _) = local_day(&limits.day_zone, now);
        let before = if self.day == day { self.segments } else { 0 };
        Self { day, segments: before.saturating_add(segments) }
    }
}

/// When a cap lets `segments` more go: now, or when the next day begins. Without a cap, now.
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
    fn a30_a_bucket_starts_empty_so_the_first_segment_waits_its_time() {
        assert_eq!(wait(&limits(1_000, 1), START, 0, 1, START), Duration::from_secs(1));
        assert_eq!(wait(&limits(100, 1), START, 0, 1, START), Duration::from_secs(10));
        assert_eq!(wait(&limits(100, 1), START, 0, 1, START + Duration::from_secs(10)), Duration::ZERO);
    }

    #[test]
    fn a28_a_text_longer_than_the_burst_goes_when_the_bucket_is_full_and_its_debt_is_waited_for() {
        let one = limits(1_000, 1);
        let later = START + Duration::from_secs(60);
        assert_eq!(wait(&one, START, 0, 6, later), Duration::ZERO);
        let empty_at = empty_after(&one, START, 6, later);
        assert_eq!(empty_at, later + Duration::from_secs(5));
        assert_eq!(wait(&one, empty_at, 0, 1, later), Duration::from_secs(6));
    }

    #[test]
    fn a29_the_segments_in_front_are_part_of_the_wait() {
        let later = START + Duration::from_secs(60);
        assert_eq!(wait(&limits(2_000, 4), START, 10, 2, later), Duration::from_secs(4));
    }

    #[test]
    fn a28_a_cap_counts_the_segments_of_a_day_and_begins_anew_at_midnight() {
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
        // One of two segments is there: at ten times the rate it took a tenth of the time.
        assert_eq!(empty_with(&slow, &quick, now - Duration::from_secs(10), now), now - Duration::from_secs(1));
        // It was full, with two, for long.
        assert_eq!(empty_with(&slow, &quick, START - Duration::from_secs(900), now), now - Duration::from_secs(2));
        assert_eq!(empty_with(&quick, &slow, now + Duration::from_secs(3), now), now + Duration::from_secs(30));
        assert_eq!(empty_with(&Limits::none(), &quick, START, now), now, "what had no limit begins empty");
    }

    #[test]
    fn a29_what_is_told_text_by_text_is_what_the_whole_wait_says_to_the_millisecond() {
        // Three thousandths that do not divide a second: rounded up for each text they would be late by one each.
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
    fn a_bucket_that_was_full_in_between_is_full_and_no_more() {
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
