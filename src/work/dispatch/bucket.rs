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
/// governor creates a full bucket, so one at another level is made by taking everything at the time it was last empty,
/// which may be before or after now; from there it refills exactly, to the nanosecond.
pub(super) struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, BucketClock, NoOpMiddleware<Elapsed>>,
    clock: BucketClock,
    quota: Quota,
    /// The time in which one segment refills.
    period: Duration,
    /// When the bucket is full with all debts paid, if nothing more is taken; on `clock`.
    full_at: Duration,
}

impl Bucket {
    /// A bucket that is empty when its clock shows `then`; `None` without a limit.
    pub(super) fn empty_at(limits: &Limits, then: Duration) -> Option<Self> {
        let rate = limits.millisegments_per_second?;
        let burst = NonZeroU32::new(limits.burst.max(1))?;
        let period = period(rate);
        let quota = Quota::with_period(period)?.allow_burst(burst);
        let full_at = then + period * burst.get();
        let (limiter, clock) = full_in(quota, period, full_at);
        Some(Self { limiter, clock, quota, period, full_at })
    }

    /// How long until `segments` can be taken; zero if they can be taken now.
    pub(super) fn ready_in(&self, segments: u32, now: Moment) -> Duration {
        let burst = self.quota.burst_size().get();
        let missing = burst - segments.min(burst);
        (self.full_at.saturating_sub(self.period * missing)).saturating_sub(now.elapsed + AHEAD)
    }

    /// Takes `segments`, if that many or a full burst are available. Anything beyond becomes debt.
    pub(super) fn take(&mut self, segments: u32, now: Moment) -> Result<(), Duration> {
        let now = now.elapsed + AHEAD;
        let burst = self.quota.burst_size().get();
        self.clock.set(now);
        if let Some(at_once) = NonZeroU32::new(segments.min(burst)) {
            // governor always refuses more than the burst, which is never requested here.
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

    /// Returns unused segments.
    pub(super) fn give_back(&mut self, segments: u32) {
        self.full_at = self.full_at.saturating_sub(self.period * segments);
        (self.limiter, self.clock) = full_in(self.quota, self.period, self.full_at);
    }

    /// Treats the last `segments` taken as if they were taken `at` on the worker's clock, if that is later.
    pub(super) fn no_earlier(&mut self, segments: u32, at: Duration) {
        let full_at = at + AHEAD + self.period * segments;
        if full_at > self.full_at {
            self.full_at = full_at;
            (self.limiter, self.clock) = full_in(self.quota, self.period, full_at);
        }
    }

    /// The same level, or debt, in segments under new limits; `None` without a limit.
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

    /// When the bucket was or will be empty with all debts paid, if nothing more is taken: on the current wall clock,
    /// never too early.
    pub(super) fn empty_by(&self, now: Moment) -> Timestamp {
        let (empty_at, elapsed) = (self.empty(), now.elapsed + AHEAD);
        match empty_at.checked_sub(elapsed) {
            Some(debt) => now.wall + (debt + JUST_BELOW_A_MS),
            None => now.wall - (elapsed - empty_at),
        }
    }

    /// When the bucket was or will be empty, on `clock`.
    fn empty(&self) -> Duration {
        self.full_at.saturating_sub(self.period * self.quota.burst_size().get())
    }

    /// When the bucket is full, on the worker's clock.
    pub(super) fn full_at(&self) -> Duration {
        self.full_at.saturating_sub(AHEAD)
    }
}

/// The time in which one segment refills.
fn period(millisegments_per_second: u32) -> Duration {
    Duration::from_nanos(1_000_000_000_000 / u64::from(millisegments_per_second.max(1)))
}

fn from_nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A limiter that becomes full at `full_at`.
fn full_in(
    quota: Quota,
    period: Duration,
    full_at: Duration,
) -> (RateLimiter<NotKeyed, InMemoryState, BucketClock, NoOpMiddleware<Elapsed>>, BucketClock) {
    let clock = BucketClock::default();
    clock.set(full_at.saturating_sub(period * quota.burst_size().get()));
    let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
    // A new bucket is full, so everything can be taken.
    let _taken = limiter.check_n(quota.burst_size());
    (limiter, clock)
}

/// Added before truncating to milliseconds, so that times are rounded up.
const JUST_BELOW_A_MS: Duration = Duration::from_nanos(999_999);

/// How long before the worker's start a bucket may have been empty; longer ago counts as this long. At the slowest rate
/// (0.001 segments/s) this fills a burst of 600.
pub(super) const AHEAD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The longest delay between a decision and its report here, unless the disk is slow.
const REPORT_DELAY_MAX: Duration = Duration::from_millis(250);

/// When a send started, on the worker's clock, that got its permit at `permit` and was decided `at` in the journal's
/// time.
///
/// If that is before the permit, or long ago, only one of the two clocks has seen an adjustment: the send then counts
/// as started now, which is never too early.
pub(super) fn began(permit: Duration, at: Timestamp, now: Moment) -> Duration {
    let ago = now.wall.since(at);
    let possible = ago <= now.elapsed.saturating_sub(permit).min(REPORT_DELAY_MAX);
    if possible { now.elapsed - ago } else { now.elapsed }
}

/// A clock that shows the time it was set to.
#[derive(Clone, Default, Debug)]
struct BucketClock(Arc<AtomicU64>);

impl BucketClock {
    fn set(&self, elapsed: Duration) {
        self.0.store(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for BucketClock {
    type Instant = Elapsed;

    fn now(&self) -> Elapsed {
        Elapsed(Duration::from_nanos(self.0.load(Ordering::Relaxed)))
    }
}

/// A time of a [`BucketClock`].
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
