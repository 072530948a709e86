//! One number's lane: its queued messages, and the bucket that decides when the first can be sent.

use super::bucket::{AHEAD, Bucket, began};
use crate::model::{Day, E164, Limits, MessageId, Position, Timestamp};
use crate::rules::lane::{PRIORITIES, Turns};
use crate::rules::rate::{self, DayCount};
use crate::work::Moment;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// The delay before an expiry is reported to the engine again.
const EXPIRE_AGAIN: Duration = Duration::from_secs(1);

/// A queued message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) theirs: E164,
    pub(super) segments: u16,
    /// When the message was accepted.
    pub(super) since: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) not_before: Option<Timestamp>,
}

/// What a lane can do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// This message can be sent, as far as the number's limits are concerned.
    Ready { message: MessageId, segments: u16 },
    /// This message has expired.
    Expire(MessageId),
    /// Nothing before this time.
    At(Duration),
    /// Nothing, until another event changes the lane.
    Nothing,
}

/// Restrictions of the lane that are kept outside of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    /// An operator suspended the number or its account.
    pub(super) suspended: bool,
    /// The carrier asked for a pause (A64).
    pub(super) paused_until: Option<Timestamp>,
    /// The number's count for the day, including messages whose start is not yet in the journal.
    pub(super) day: DayCount,
}

pub(super) struct Lane {
    limits: Limits,
    bucket: Option<Bucket>,
    /// By priority, then by age.
    queue: BTreeMap<(u8, MessageId), Waiting>,
    /// The queued messages by expiry.
    expiries: BTreeSet<(Timestamp, MessageId)>,
    priority_of: HashMap<MessageId, u8>,
    in_flight: HashMap<MessageId, E164>,
    /// The message that has its permit and whose start is not yet in the journal, with its segments and the time of the
    /// permit. Limits are measured at starts, so the next permit depends on when this one really started: permits must
    /// not accumulate behind a slow disk and be released at once.
    starting: Option<(MessageId, u16, Duration)>,
    /// Messages reported to the engine as expired, and when each may be reported again.
    expiry_reported: HashMap<MessageId, Duration>,
    turns: Turns,
    /// When the lane is to be checked.
    pub(super) due: Option<Duration>,
    /// The lane has a ready message that waits for its account.
    pub(super) at_account: bool,
}

impl Lane {
    /// A lane whose bucket is empty at `empty_at`, converted with the wall clock at `seen`.
    pub(super) fn new(limits: Limits, empty_at: Timestamp, seen: Moment) -> Self {
        let bucket = Bucket::empty_at(&limits, on_bucket_clock(empty_at, seen));
        Self {
            limits,
            bucket,
            queue: BTreeMap::new(),
            expiries: BTreeSet::new(),
            priority_of: HashMap::new(),
            in_flight: HashMap::new(),
            starting: None,
            expiry_reported: HashMap::new(),
            turns: Turns::default(),
            due: None,
            at_account: false,
        }
    }

    /// Sets new limits. The bucket keeps its level or debt.
    pub(super) fn limit(&mut self, limits: Limits, now: Moment) {
        if limits == self.limits {
            return;
        }
        self.bucket = match &self.bucket {
            Some(bucket) => bucket.with(&limits, now),
            None => Bucket::empty_at(&limits, on_bucket_clock(now.wall, now)),
        };
        self.limits = limits;
    }

    pub(super) fn enqueue(&mut self, priority: u8, id: MessageId, waiting: Waiting) {
        self.dequeue(id);
        self.priority_of.insert(id, priority);
        self.expiries.insert((waiting.expires_at, id));
        self.queue.insert((priority, id), waiting);
    }

    /// Removes the message from the lane.
    pub(super) fn remove(&mut self, id: MessageId) {
        self.dequeue(id);
        self.release(id);
        self.expiry_reported.remove(&id);
    }

    fn dequeue(&mut self, id: MessageId) {
        let Some(priority) = self.priority_of.remove(&id) else { return };
        if let Some(waiting) = self.queue.remove(&(priority, id)) {
            self.expiries.remove(&(waiting.expires_at, id));
        }
    }

    /// The message's request has ended, if one was in flight. An unused permit goes to the next message.
    pub(super) fn release(&mut self, id: MessageId) {
        let unused = self.starting.take_if(|(starting, _, _)| *starting == id);
        if let (Some((_, segments, _)), Some(bucket)) = (unused, &mut self.bucket) {
            bucket.give_back(u32::from(segments));
        }
        self.in_flight.remove(&id);
    }

    /// The message's start is in the journal, decided `at`.
    pub(super) fn started(&mut self, id: MessageId, at: Timestamp, now: Moment) {
        let Some((_, segments, permit)) = self.starting.take_if(|(starting, _, _)| *starting == id) else { return };
        if let Some(bucket) = &mut self.bucket {
            bucket.no_earlier(u32::from(segments), began(permit, at, now));
        }
    }

    /// The engine did not accept the message's start; its permit is spent anyway.
    pub(super) fn spent(&mut self, id: MessageId) {
        self.starting.take_if(|(starting, _, _)| *starting == id);
    }

    pub(super) fn waits(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Each message that is queued and not in flight: its priority, and since when it is ready, if it is ready now.
    pub(super) fn waiting(&self, now: Timestamp) -> impl Iterator<Item = (u8, Option<Timestamp>)> {
        let waiting = self.queue.iter().filter(|((_, id), _)| !self.in_flight.contains_key(id));
        waiting.map(move |((priority, _), waiting)| {
            let since = waiting.not_before.map_or(waiting.since, |not_before| waiting.since.max(not_before));
            (*priority, Some(since).filter(|since| *since <= now))
        })
    }

    /// When an idle lane can be removed: once its bucket is full. If it were removed earlier, it would be created again
    /// from a wall clock time, and setting the clock forward would fill the bucket.
    pub(super) fn idle_at(&self, now: Moment) -> Option<Duration> {
        let idle = self.queue.is_empty() && self.in_flight.is_empty();
        idle.then(|| self.bucket.as_ref().map_or(now.elapsed, |bucket| bucket.full_at().max(now.elapsed)))
    }

    /// What to do next.
    pub(super) fn next(&mut self, now: Moment, held: Held) -> Next {
        let mut earliest = Earliest(None);
        if let Some(id) = self.too_old(now, &mut earliest) {
            return Next::Expire(id);
        }
        if held.suspended {
            return earliest.into_next();
        }
        let Some((message, waiting)) = self.first(now, &mut earliest) else { return earliest.into_next() };
        if let Some(until) = held.paused_until.filter(|until| *until > now.wall) {
            earliest.at(now.elapsed_at(until));
            return earliest.into_next();
        }
        let measured = self.bucket.is_some() || self.limits.segments_per_day.is_some();
        if measured && self.starting.is_some() {
            return earliest.into_next();
        }
        let allowed = rate::cap_allows(&self.limits, held.day, u32::from(waiting.segments), now.wall);
        if allowed > now.wall {
            earliest.at(now.elapsed_at(allowed));
            return earliest.into_next();
        }
        let wait = self.bucket.as_ref().map(|bucket| bucket.ready_in(u32::from(waiting.segments), now));
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            earliest.at(now.elapsed + wait);
            return earliest.into_next();
        }
        Next::Ready { message, segments: waiting.segments }
    }

    /// When the next queued message expires, or its expiry is reported again. Never now: messages that were just
    /// reported or are in flight are not reported again at once.
    pub(super) fn next_expiry(&self, now: Moment) -> Option<Duration> {
        let mut earliest = Earliest(None);
        for (expires_at, id) in &self.expiries {
            if *expires_at > now.wall {
                earliest.at(now.elapsed_at(*expires_at));
                break;
            }
            if let Some(again) = self.expiry_reported.get(id).filter(|_| !self.in_flight.contains_key(id)) {
                earliest.at(*again);
            }
        }
        earliest.0
    }

    /// Takes the permit for a ready message. Returns when the lane is empty with it, or how long it still has to wait.
    pub(super) fn start(&mut self, id: MessageId, now: Moment) -> Result<Timestamp, Duration> {
        let place = self.priority_of.get(&id).map(|priority| (*priority, id));
        let Some((place, waiting)) = place.and_then(|place| Some((place, *self.queue.get(&place)?))) else {
            return Err(Duration::ZERO);
        };
        if let Some(bucket) = &mut self.bucket {
            bucket.take(u32::from(waiting.segments), now)?;
        }
        let mut others = [false; PRIORITIES as usize];
        for (rank, wait) in (0..).zip(&mut others) {
            *wait = self.queue.range((rank, FIRST)..(rank + 1, FIRST)).next().is_some();
        }
        self.turns.started(usize::from(place.0), others);
        self.starting = Some((id, waiting.segments, now.elapsed));
        self.in_flight.insert(id, waiting.theirs);
        Ok(self.bucket.as_ref().map_or(now.wall, |bucket| bucket.empty_by(now)))
    }

    /// A message past its expiry. The engine decides whether it has expired, so it is reported at intervals.
    fn too_old(&mut self, now: Moment, earliest: &mut Earliest) -> Option<MessageId> {
        for (expires_at, id) in &self.expiries {
            if *expires_at > now.wall {
                earliest.at(now.elapsed_at(*expires_at));
                return None;
            }
            if self.in_flight.contains_key(id) {
                continue;
            }
            let again = self.expiry_reported.get(id).copied().unwrap_or_default();
            if again <= now.elapsed {
                let id = *id;
                self.expiry_reported.insert(id, now.elapsed + EXPIRE_AGAIN);
                return Some(id);
            }
            earliest.at(again);
        }
        None
    }

    /// The message to send first: within the priority whose turn it is, the oldest one not blocked by its own pair
    /// (A63).
    fn first(&self, now: Moment, earliest: &mut Earliest) -> Option<(MessageId, Waiting)> {
        let mut held: HashSet<E164> = self.in_flight.values().copied().collect();
        let mut firsts = [None; PRIORITIES as usize];
        for (rank, first) in (0..).zip(&mut firsts) {
            *first = self.first_of(rank, now, &mut held, earliest);
            if first.is_some() && !self.turns.passed_over() {
                break;
            }
        }
        self.turns.next(firsts.map(|first| first.is_some())).and_then(|rank| firsts[rank])
    }

    fn first_of(
        &self,
        priority: u8,
        now: Moment,
        held: &mut HashSet<E164>,
        earliest: &mut Earliest,
    ) -> Option<(MessageId, Waiting)> {
        for (&(_, id), waiting) in self.queue.range((priority, FIRST)..(priority + 1, FIRST)) {
            if self.in_flight.contains_key(&id) {
                continue;
            }
            let early = waiting.not_before.filter(|not_before| *not_before > now.wall);
            if let Some(not_before) = early {
                earliest.at(now.elapsed_at(not_before));
            }
            // A message that cannot be sent blocks later ones of its pair, and no others.
            let stays = early.is_some() || waiting.expires_at <= now.wall;
            if held.contains(&waiting.theirs) || stays {
                held.insert(waiting.theirs);
                continue;
            }
            return Some((id, *waiting));
        }
        None
    }
}

/// Sorts before every message.
const FIRST: MessageId = MessageId::new(Day(0), Position(0), 0);

/// The earliest of several times.
struct Earliest(Option<Duration>);

impl Earliest {
    fn at(&mut self, at: Duration) {
        self.0 = Some(self.0.map_or(at, |before| before.min(at)));
    }

    fn into_next(self) -> Next {
        self.0.map_or(Next::Nothing, Next::At)
    }
}

/// Converts a wall time, as of a moment, to a bucket's clock, which runs ahead because the time may be before the
/// worker's start.
pub(super) fn on_bucket_clock(wall: Timestamp, seen: Moment) -> Duration {
    (seen.elapsed + AHEAD + wall.since(seen.wall)).saturating_sub(seen.wall.since(wall))
}
