//! A token bucket in segments, on the worker's clock (D2).

use crate::model::{Limits, Timestamp};
use crate::work::Moment;
use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// governor's token bucket, in segments, on a clock that we set.
///
/// governor makes a bucket full, so one at any other level is made by taking all of it at the moment it was last empty,
/// which may lie before or after now; from there it fills by itself, to the nanosecond.
pub(super) struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, SetClock, NoOpMiddleware<Elapsed>>,
    clock: SetClock,
    quota: Quota,
    /// The time of one segment.
    period: Duration,
    /// When it is full with all debts paid, if nothing more is taken; on `clock`.
    full_at: Duration,
}

impl Bucket {
    /// A bucket that is at level 0 when its clock shows `then`; none where there is no limit.
    pub(super) fn empty_at(limits: &Limits, then: Duration) -> Option<Self> {
        let rate = limits.millisegments_per_second?;
        let burst = NonZeroU32::new(limits.burst.max(1))?;
        let period = period(rate);
        let quota = Quota::with_period(period)?.allow_burst(burst);
        let full_at = then + period * burst.get();
        let (limiter, clock) = full_in(quota, period, full_at);
        Some(Self { limiter, clock, quota, period, full_at })
    }

    /// How long until `segments` can be taken; nothing where they can be now.
    pub(super) fn ready_in(&self, segments: u32, now: Moment) -> Duration {
        let burst = self.quota.burst_size().get();
        let missing = burst - segments.min(burst);
        (self.full_at.saturating_sub(self.period * missing)).saturating_sub(now.elapsed + AHEAD)
    }

    /// Takes `segments`, where that many or a whole burst are there. What is taken beyond is debt.
    pub(super) fn take(&mut self, segments: u32, now: Moment) -> Result<(), Duration> {
        let now = now.elapsed + AHEAD;
        let burst = self.quota.burst_size().get();
        self.clock.set(now);
        if let Some(at_once) = NonZeroU32::new(segments.min(burst)) {
            // Never more than the burst is asked for, which is the one thing governor always refuses.
            if let Ok(Err(not_yet)) = self.limiter.check_n(at_once) {
                return Err(not_yet.wait_time_from(Elapsed(now)).max(Duration::from_millis(1)));
            }
        }
        self.full_at = self.full_at.max(now) + self.period * segments;
        if segments > burst {
            (self.limiter, self.clock) = full_in(self.quota, self.period, self.full_at);
        }
        Ok(())
    }

    /// Of what was taken nothing was used.
    pub(super) fn give_back(&mut self, segments: u32) {
        self.full_at = self.full_at.saturating_sub(self.period * segments);
        (self.limiter, self.clock) = full_in(self.quota, self.period, self.full_at);
    }

    /// What was taken last, `segments` of it, is as if it were taken `at` on the worker's clock.
    pub(super) fn no_earlier(&mut self, segments: u32, at: Duration) {
        let full_at = at + AHEAD + self.period * segments;
        if full_at > self.full_at {
            self.full_at = full_at;
            (self.limiter, self.clock) = full_in(self.quota, self.period, full_at);
        }
    }

    /// The same level, or the same debt, in segments, under other limits from now on; none where there is no limit.
    pub(super) fn with(&self, limits: &Limits, now: Moment) -> Option<Self> {
        let now = now.elapsed + AHEAD;
        let after = period(limits.millisegments_per_second?).as_nanos();
        let nanos = |was: Duration| was.as_nanos() * after;
        let before = self.period.as_nanos();
        let empty_at = self.empty();
        let then = match empty_at.checked_sub(now) {
            Some(debt) => now + from_nanos(nanos(debt).div_ceil(before)),
            None => {
                let gained = (now - empty_at).min(self.period * self.quota.burst_size().get());
                now.saturating_sub(from_nanos(nanos(gained) / before))
            }
        };
        Self::empty_at(limits, then)
    }

    /// When it was or is at level 0 with all debts paid, if nothing more is taken: by the wall as it is now, never early.
    pub(super) fn empty_by(&self, now: Moment) -> Timestamp {
        let (empty_at, elapsed) = (self.empty(), now.elapsed + AHEAD);
        match empty_at.checked_sub(elapsed) {
            Some(debt) => now.wall + (debt + JUST_BELOW_A_MS),
            None => now.wall - (elapsed - empty_at),
        }
    }

    /// When it was empty, on `clock`.
    fn empty(&self) -> Duration {
        self.full_at.saturating_sub(self.period * self.quota.burst_size().get())
    }

    /// When it is full, on the worker's clock.
    pub(super) fn full_at(&self) -> Duration {
        self.full_at.saturating_sub(AHEAD)
    }
}

/// The time of one segment.
fn period(millisegments_per_second: u32) -> Duration {
    Duration::from_nanos(1_000_000_000_000 / u64::from(millisegments_per_second.max(1)))
}

fn from_nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A limiter that is full at `full_at`, and not before.
fn full_in(
    quota: Quota,
    period: Duration,
    full_at: Duration,
) -> (RateLimiter<NotKeyed, InMemoryState, SetClock, NoOpMiddleware<Elapsed>>, SetClock) {
    let clock = SetClock::default();
    clock.set(full_at.saturating_sub(period * quota.burst_size().get()));
    let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
    // A new bucket is full, so all of it can be taken.
    let _taken = limiter.check_n(quota.burst_size());
    (limiter, clock)
}

/// With this, cutting a time to whole milliseconds rounds it up.
const JUST_BELOW_A_MS: Duration = Duration::from_nanos(999_999);

/// How far before a worker's beginning a bucket may have been empty; longer ago is the same as then. At the slowest rate
/// there is (0.001 segments/s) this fills a burst of 600.
pub(super) const AHEAD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Longer ago than this nobody hears of a start, unless the disk is slow.
const HEARD_WITHIN: Duration = Duration::from_millis(250);

/// When a start began, on the worker's clock, that had its permit at `permit` and was decided `at` by the journal's.
///
/// Where that is before its permit, or long ago, one of the two has seen the clock set and the other has not: then it
/// counts as begun now, which is never too early.
pub(super) fn began(permit: Duration, at: Timestamp, now: Moment) -> Duration {
    let ago = now.wall.since(at);
    let possible = ago <= now.elapsed.saturating_sub(permit).min(HEARD_WITHIN);
    if possible { now.elapsed - ago } else { now.elapsed }
}

/// A clock that shows what it was set to.
#[derive(Clone, Default, Debug)]
struct SetClock(Arc<AtomicU64>);

impl SetClock {
    fn set(&self, elapsed: Duration) {
        self.0.store(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    type Instant = Elapsed;

    fn now(&self) -> Elapsed {
        Elapsed(Duration::from_nanos(self.0.load(Ordering::Relaxed)))
    }
}

/// A moment of a [`SetClock`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Elapsed(Duration);

impl Reference for Elapsed {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.saturating_sub(duration.into()))
    }
}

impl std::ops::Add<Nanos> for Elapsed {
    type Output = Self;

    fn add(self, duration: Nanos) -> Self {
        Self(self.0 + Duration::from(duration))
    }
}
