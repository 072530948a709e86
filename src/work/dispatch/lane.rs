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
    /// Messages the machine was told are too old, and when it may be told again.
    given_up: HashMap<MessageId, Duration>,
    /// Its place among the lanes that are due.
    pub(super) due: Option<Duration>,
    /// It had a permit to give and its account had no room.
    pub(super) crowded: bool,
}

impl Lane {
    pub(super) fn new(limits: Limits, empty_at: Timestamp, now: Moment) -> Self {
        let bucket = Bucket::empty_at(&limits, empty_at, now);
        Self {
            limits,
            empty_at,
            bucket,
            queue: BTreeMap::new(),
            priority_of: HashMap::new(),
            in_flight: HashMap::new(),
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
        self.bucket = Bucket::empty_at(&self.limits, self.empty_at, now);
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
        self.in_flight.remove(&id);
        self.given_up.remove(&id);
    }

    /// The message's request is over; whether one was under way.
    pub(super) fn land(&mut self, id: MessageId) -> bool {
        self.in_flight.remove(&id).is_some()
    }

    pub(super) fn waits(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Nothing waits and nothing is under way: the lane can be made again from its `empty_at`.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
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
        match self.take(waiting.segments, now) {
            Ok(()) => {
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
        if let Some(bucket) = &self.bucket {
            bucket.take(u32::from(segments).min(self.limits.burst.max(1)), now)?;
        }
        self.empty_at = rate::empty_after(&self.limits, self.empty_at, segments, now.wall);
        if u32::from(segments) > self.limits.burst {
            // More than fits was taken: the bucket is empty again only when the rest is paid.
            self.bucket = Bucket::empty_at(&self.limits, self.empty_at, now);
        }
        Ok(())
    }
}

/// governor's token bucket, in segments, on a clock that we set.
///
/// It is made full, so it is emptied at the moment it was last empty, which may lie before or after now; from there
/// it fills by itself, to the nanosecond.
struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, SetClock, NoOpMiddleware<Elapsed>>,
    clock: SetClock,
}

impl Bucket {
    /// A bucket that is at level 0 at `empty_at`; none where there is no limit.
    fn empty_at(limits: &Limits, empty_at: Timestamp, now: Moment) -> Option<Self> {
        let rate = limits.millisegments_per_second?;
        let burst = NonZeroU32::new(limits.burst.max(1))?;
        let period = Duration::from_nanos(1_000_000_000_000 / u64::from(rate.max(1)));
        let quota = Quota::with_period(period)?.allow_burst(burst);
        // The moment may lie before this worker's beginning, so its clock runs one such span ahead.
        let then = (now.elapsed + AHEAD + empty_at.since(now.wall)).saturating_sub(now.wall.since(empty_at));
        let clock = SetClock::default();
        clock.set(then);
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        // A new bucket is full, so all of it can be taken.
        let _taken = limiter.check_n(burst);
        Some(Self { limiter, clock })
    }

    fn take(&self, segments: u32, now: Moment) -> Result<(), Duration> {
        self.clock.set(now.elapsed + AHEAD);
        let Some(segments) = NonZeroU32::new(segments) else { return Ok(()) };
        match self.limiter.check_n(segments) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_yet)) => Err(not_yet.wait_time_from(Elapsed(now.elapsed + AHEAD)).max(Duration::from_millis(1))),
            // Never more than the burst is asked for.
            Err(_) => Ok(()),
        }
    }
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
