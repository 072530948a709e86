//! One number's lane: who waits, and the bucket that says when the first may go.

use crate::model::{E164, Limits, MessageId, Timestamp};
use crate::rules::rate;
use crate::work::Moment;
use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A message that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) theirs: E164,
    pub(super) segments: u16,
    pub(super) expires_at: Timestamp,
    pub(super) not_before: Option<Timestamp>,
}

/// What a lane wants.
#[derive(Debug)]
pub(super) enum Pick {
    /// This message goes now.
    Start { message: MessageId, empty_at: Timestamp },
    /// This message is too old.
    Expire(MessageId),
    /// Nothing before then.
    At(Duration),
    /// Nothing, until something else happens.
    Nothing,
}

/// How long the machine is given to say that a message has expired, before it is told again.
const EXPIRE_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Lane {
    limits: Limits,
    /// When the bucket is empty with all debts paid.
    empty_at: Timestamp,
    bucket: Option<Bucket>,
    /// By priority, then by age.
    queue: BTreeMap<(u8, MessageId), Waiting>,
    priority_of: HashMap<MessageId, u8>,
    in_flight: HashMap<MessageId, E164>,
    /// The message whose permit is given and whose start is not yet in the journal, with its segments. The limit is
    /// measured at starts, so the next permit follows from when this one truly began: a slow disk must not gather
    /// permits and let them go at once.
    starting: Option<(MessageId, u16)>,
    /// Messages the machine was told are too old, and when it may be told again.
    given_up: HashMap<MessageId, Duration>,
    /// Its place among the lanes that are due.
    pub(super) due: Option<Duration>,
    /// It had a permit to give and its account had no room.
    pub(super) crowded: bool,
}

impl Lane {
    /// A lane that is empty at `empty_at`, which is told by the wall as it is at `seen`.
    pub(super) fn new(limits: Limits, empty_at: Timestamp, seen: Moment) -> Self {
        // The moment may lie before this worker's beginning, so the bucket's clock runs one such span ahead.
        let then = (seen.elapsed + AHEAD + empty_at.since(seen.wall)).saturating_sub(seen.wall.since(empty_at));
        let bucket = Bucket::empty_at(&limits, then);
        Self {
            limits,
            empty_at,
            bucket,
            queue: BTreeMap::new(),
            priority_of: HashMap::new(),
            in_flight: HashMap::new(),
            starting: None,
            given_up: HashMap::new(),
            due: None,
            crowded: false,
        }
    }

    /// Other limits from now on. What was taken stays taken: the bucket is as empty as it was.
    pub(super) fn limit(&mut self, limits: Limits, now: Moment) {
        if limits == self.limits {
            return;
        }
        self.limits = limits;
        self.empty_at = self.empty_at.max(now.wall);
        let was_empty = self.bucket.as_ref().map_or(Duration::ZERO, Bucket::was_empty_at);
        self.bucket = Bucket::empty_at(&self.limits, was_empty.max(now.elapsed + AHEAD));
    }

    pub(super) fn wait(&mut self, priority: u8, id: MessageId, waiting: Waiting) {
        self.priority_of.insert(id, priority);
        self.queue.insert((priority, id), waiting);
    }

    /// The message is in no lane any more.
    pub(super) fn forget(&mut self, id: MessageId) {
        if let Some(priority) = self.priority_of.remove(&id) {
            self.queue.remove(&(priority, id));
        }
        self.land(id);
        self.given_up.remove(&id);
    }

    /// The message's request is over; whether one was under way.
    pub(super) fn land(&mut self, id: MessageId) -> bool {
        self.starting = self.starting.filter(|(starting, _)| *starting != id);
        self.in_flight.remove(&id).is_some()
    }

    /// The message's start is in the journal, which has the lane empty at `empty_at` with it.
    pub(super) fn started(&mut self, id: MessageId, empty_at: Timestamp, now: Moment) {
        let Some((_, segments)) = self.starting.take_if(|(starting, _)| *starting == id) else { return };
        self.empty_at = self.empty_at.max(empty_at);
        if let Some(bucket) = &mut self.bucket {
            bucket.no_earlier(u32::from(segments), now);
        }
    }

    pub(super) fn waits(&self) -> bool {
        !self.queue.is_empty()
    }

    /// When the lane can be forgotten, if nothing waits and nothing is under way: once its bucket is full. Before that
    /// it would be made again from the wall's `empty_at`, and whoever sets the clock forward would fill the bucket.
    pub(super) fn idle_at(&self, now: Moment) -> Option<Duration> {
        let idle = self.queue.is_empty() && self.in_flight.is_empty();
        idle.then(|| self.bucket.as_ref().map_or(now.elapsed, |bucket| bucket.full_at().max(now.elapsed)))
    }

    /// The next thing to do. `room` says whether the account may have another request.
    pub(super) fn pick(&mut self, now: Moment, room: bool) -> Pick {
        self.crowded = false;
        let mut held: HashSet<E164> = self.in_flight.values().copied().collect();
        let mut later: Option<Duration> = None;
        let mut sooner = |at: Duration| later = Some(later.map_or(at, |before| before.min(at)));
        let mut ready = None;
        for (&(_, id), waiting) in &self.queue {
            if self.in_flight.contains_key(&id) {
                continue;
            }
            if waiting.expires_at <= now.wall {
                // Whether it is really too old is the machine's to say; until then it holds its pair back.
                let again = self.given_up.get(&id).copied().unwrap_or_default();
                if again <= now.elapsed {
                    self.given_up.insert(id, now.elapsed + EXPIRE_AGAIN);
                    return Pick::Expire(id);
                }
                sooner(again);
                held.insert(waiting.theirs);
                continue;
            }
            sooner(now.elapsed_at(waiting.expires_at));
            let early = waiting.not_before.is_some_and(|not_before| not_before > now.wall);
            if let Some(not_before) = waiting.not_before.filter(|_| early) {
                sooner(now.elapsed_at(not_before));
            }
            // A message that cannot go holds back the later ones of its pair (A63), and nobody else.
            if held.contains(&waiting.theirs) || early {
                held.insert(waiting.theirs);
                continue;
            }
            if ready.is_none() {
                ready = Some((id, *waiting));
            }
        }
        let Some((id, waiting)) = ready else { return later.map_or(Pick::Nothing, Pick::At) };
        if !room {
            self.crowded = true;
            return later.map_or(Pick::Nothing, Pick::At);
        }
        if self.bucket.is_some() && self.starting.is_some() {
            return later.map_or(Pick::Nothing, Pick::At);
        }
        match self.take(waiting.segments, now) {
            Ok(()) => {
                self.starting = Some((id, waiting.segments));
                self.in_flight.insert(id, waiting.theirs);
                Pick::Start { message: id, empty_at: self.empty_at }
            }
            Err(wait) => {
                sooner(now.elapsed + wait);
                later.map_or(Pick::Nothing, Pick::At)
            }
        }
    }

    /// Takes `segments` from the bucket, or says how long until there are as many.
    fn take(&mut self, segments: u16, now: Moment) -> Result<(), Duration> {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(u32::from(segments), now)?;
        }
        self.empty_at = rate::empty_after(&self.limits, self.empty_at, segments, now.wall);
        Ok(())
    }
}

/// governor's token bucket, in segments, on a clock that we set.
///
/// governor makes a bucket full, so one at any other level is made by taking all of it at the moment it was last empty,
/// which may lie before or after now; from there it fills by itself, to the nanosecond.
struct Bucket {
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
    fn empty_at(limits: &Limits, then: Duration) -> Option<Self> {
        let rate = limits.millisegments_per_second?;
        let burst = NonZeroU32::new(limits.burst.max(1))?;
        let period = Duration::from_nanos(1_000_000_000_000 / u64::from(rate.max(1)));
        let quota = Quota::with_period(period)?.allow_burst(burst);
        let full_at = then + period * burst.get();
        let (limiter, clock) = full_in(quota, period, full_at);
        Some(Self { limiter, clock, quota, period, full_at })
    }

    /// Takes `segments`, where that many or a whole burst are there. What is taken beyond is debt.
    fn take(&mut self, segments: u32, now: Moment) -> Result<(), Duration> {
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

    /// What was taken last, `segments` of it, is as if it were taken now.
    fn no_earlier(&mut self, segments: u32, now: Moment) {
        let full_at = now.elapsed + AHEAD + self.period * segments;
        if full_at > self.full_at {
            self.full_at = full_at;
            (self.limiter, self.clock) = full_in(self.quota, self.period, full_at);
        }
    }

    /// When it is or was at level 0, on its clock.
    fn was_empty_at(&self) -> Duration {
        self.full_at.saturating_sub(self.period * self.quota.burst_size().get())
    }

    /// When it is full, on the worker's clock.
    fn full_at(&self) -> Duration {
        self.full_at.saturating_sub(AHEAD)
    }
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

/// How far before a worker's beginning a bucket may have been empty; longer ago is the same as then. At the slowest rate
/// there is (0.001 segments/s) this fills a burst of 600.
const AHEAD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

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
