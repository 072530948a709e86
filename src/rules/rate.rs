//! How long a text will wait for its lane (A28, A29, A30), from what the journal knows.
//!
//! The lane's bucket itself is governor's, in the dispatcher. Here stands the same bucket as arithmetic: it is at level 0
//! at `empty_at`, fills by the rate, and is full at the burst. A text needs its segments in the bucket, or the whole
//! burst where it has more; what it takes beyond is debt, and the bucket is empty only when that is paid.

use crate::model::{Limits, Timestamp};
use std::time::Duration;

/// How long until a text of `segments` can start, behind `queued` segments of others.
pub fn wait(limits: &Limits, empty_at: Timestamp, queued: u32, segments: u16, now: Timestamp) -> Duration {
    let Some(rate) = limits.millisegments_per_second else { return Duration::ZERO };
    let ahead = u64::from(queued) + u64::from(u32::from(segments).min(limits.burst.max(1)));
    // A bucket that was full long ago is no fuller for it.
    let empty_at = empty_at.max(now - fill(u64::from(limits.burst.max(1)), rate));
    (empty_at + fill(ahead, rate)).since(now)
}

/// When the bucket is empty again, with all debts paid, after a text of `segments` started at `now`.
pub fn empty_after(limits: &Limits, empty_at: Timestamp, segments: u16, now: Timestamp) -> Timestamp {
    let Some(rate) = limits.millisegments_per_second else { return now };
    let full_since = now - fill(u64::from(limits.burst.max(1)), rate);
    empty_at.max(full_since) + fill(u64::from(segments), rate)
}

/// The time in which the bucket gains `segments`, rounded up to a millisecond.
pub fn fill(segments: u64, millisegments_per_second: u32) -> Duration {
    Duration::from_millis((segments * 1_000_000).div_ceil(u64::from(millisegments_per_second.max(1))))
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
    fn a_number_without_a_limit_never_waits() {
        assert_eq!(wait(&Limits::none(), START, 1_000, 14, START), Duration::ZERO);
    }
}
