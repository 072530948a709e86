//! One number's lane: who waits, and the bucket that says when the first may go.

use super::bucket::{AHEAD, Bucket, began};
use crate::model::{Day, E164, Limits, MessageId, Position, Timestamp};
use crate::rules::lane::{PRIORITIES, Turns};
use crate::rules::rate::{self, DayCount};
use crate::work::Moment;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// How long the machine is given to say that a message has expired, before it is told again.
const EXPIRE_AGAIN: Duration = Duration::from_secs(1);

/// A message that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) theirs: E164,
    pub(super) segments: u16,
    /// When it was taken in.
    pub(super) since: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) not_before: Option<Timestamp>,
}

/// What a lane wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// This message may go, as far as the number is concerned.
    Ready { message: MessageId, segments: u16 },
    /// This message is too old.
    Expire(MessageId),
    /// Nothing before then.
    At(Duration),
    /// Nothing, until something else happens.
    Nothing,
}

/// What holds the lane from outside of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    /// The carrier asked for a rest (A64).
    pub(super) paused_until: Option<Timestamp>,
    /// What the number's day has counted, those included whose start is not yet in the journal.
    pub(super) day: DayCount,
}

pub(super) struct Lane {
    limits: Limits,
    bucket: Option<Bucket>,
    /// By priority, then by age.
    queue: BTreeMap<(u8, MessageId), Waiting>,
    /// Those in the queue by when they are too old.
    expiries: BTreeSet<(Timestamp, MessageId)>,
    priority_of: HashMap<MessageId, u8>,
    in_flight: HashMap<MessageId, E164>,
    /// The message whose permit is given and whose start is not yet in the journal, with its segments and the moment of
    /// its permit. The limit is measured at starts, so the next permit follows from when this one truly began: a slow
    /// disk must not gather permits and let them go at once.
    starting: Option<(MessageId, u16, Duration)>,
    /// Messages the machine was told are too old, and when it may be told again.
    given_up: HashMap<MessageId, Duration>,
    turns: Turns,
    /// Its place among the lanes that are due.
    pub(super) due: Option<Duration>,
    /// It has a message that is ready and waits for its account.
    pub(super) at_account: bool,
}

impl Lane {
    /// A lane that is empty at `empty_at`, which is told by the wall as it is at `seen`.
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
            given_up: HashMap::new(),
            turns: Turns::default(),
            due: None,
            at_account: false,
        }
    }

    /// Other limits from now on. The level is kept, or the debt.
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

    pub(super) fn wait(&mut self, priority: u8, id: MessageId, waiting: Waiting) {
        self.take_out(id);
        self.priority_of.insert(id, priority);
        self.expiries.insert((waiting.expires_at, id));
        self.queue.insert((priority, id), waiting);
    }

    /// The message is in no lane any more.
    pub(super) fn forget(&mut self, id: MessageId) {
        self.take_out(id);
        self.land(id);
        self.given_up.remove(&id);
    }

    fn take_out(&mut self, id: MessageId) {
        let Some(priority) = self.priority_of.remove(&id) else { return };
        if let Some(waiting) = self.queue.remove(&(priority, id)) {
            self.expiries.remove(&(waiting.expires_at, id));
        }
    }

    /// The message's request is over, if one was under way. A permit that nobody used goes to the next.
    pub(super) fn land(&mut self, id: MessageId) {
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

    /// The message's start was not taken: its permit is spent all the same.
    pub(super) fn spent(&mut self, id: MessageId) {
        self.starting.take_if(|(starting, _, _)| *starting == id);
    }

    pub(super) fn waits(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Each message that waits and is not under way: its priority, and since when it might go, if it might by now.
    pub(super) fn waiting(&self, now: Timestamp) -> impl Iterator<Item = (u8, Option<Timestamp>)> {
        let waiting = self.queue.iter().filter(|((_, id), _)| !self.in_flight.contains_key(id));
        waiting.map(move |((priority, _), waiting)| {
            let since = waiting.not_before.map_or(waiting.since, |not_before| waiting.since.max(not_before));
            (*priority, Some(since).filter(|since| *since <= now))
        })
    }

    /// When the lane can be forgotten, if nothing waits and nothing is under way: once its bucket is full. Before that
    /// it would be made again from the wall's `empty_at`, and whoever sets the clock forward would fill the bucket.
    pub(super) fn idle_at(&self, now: Moment) -> Option<Duration> {
        let idle = self.queue.is_empty() && self.in_flight.is_empty();
        idle.then(|| self.bucket.as_ref().map_or(now.elapsed, |bucket| bucket.full_at().max(now.elapsed)))
    }

    /// The next thing to do.
    pub(super) fn next(&mut self, now: Moment, held: Held) -> Next {
        let mut sooner = Sooner(None);
        if let Some(id) = self.too_old(now, &mut sooner) {
            return Next::Expire(id);
        }
        let Some((message, waiting)) = self.first(now, &mut sooner) else { return sooner.into_next() };
        if let Some(until) = held.paused_until.filter(|until| *until > now.wall) {
            sooner.at(now.elapsed_at(until));
            return sooner.into_next();
        }
        let measured = self.bucket.is_some() || self.limits.segments_per_day.is_some();
        if measured && self.starting.is_some() {
            return sooner.into_next();
        }
        let allowed = rate::cap_allows(&self.limits, held.day, u32::from(waiting.segments), now.wall);
        if allowed > now.wall {
            sooner.at(now.elapsed_at(allowed));
            return sooner.into_next();
        }
        let wait = self.bucket.as_ref().map(|bucket| bucket.ready_in(u32::from(waiting.segments), now));
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            sooner.at(now.elapsed + wait);
            return sooner.into_next();
        }
        Next::Ready { message, segments: waiting.segments }
    }

    /// When the first of those that wait is too old, or is told to the machine again. Never now: who has been told just
    /// now, or is on its way, is not told at once again.
    pub(super) fn next_expiry(&self, now: Moment) -> Option<Duration> {
        let mut sooner = Sooner(None);
        for (expires_at, id) in &self.expiries {
            if *expires_at > now.wall {
                sooner.at(now.elapsed_at(*expires_at));
                break;
            }
            if let Some(again) = self.given_up.get(id).filter(|_| !self.in_flight.contains_key(id)) {
                sooner.at(*again);
            }
        }
        sooner.0
    }

    /// The message that is ready gets its permit: when the lane is empty with it, or how long it waits after all.
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

    /// A message whose time has passed. Whether it is really too old is the machine's to say, once in a while.
    fn too_old(&mut self, now: Moment, sooner: &mut Sooner) -> Option<MessageId> {
        for (expires_at, id) in &self.expiries {
            if *expires_at > now.wall {
                sooner.at(now.elapsed_at(*expires_at));
                return None;
            }
            if self.in_flight.contains_key(id) {
                continue;
            }
            let again = self.given_up.get(id).copied().unwrap_or_default();
            if again <= now.elapsed {
                let id = *id;
                self.given_up.insert(id, now.elapsed + EXPIRE_AGAIN);
                return Some(id);
            }
            sooner.at(again);
        }
        None
    }

    /// The message that goes first: of the priority whose turn it is the oldest that nothing of its own pair holds back
    /// (A63).
    fn first(&self, now: Moment, sooner: &mut Sooner) -> Option<(MessageId, Waiting)> {
        let mut held: HashSet<E164> = self.in_flight.values().copied().collect();
        let mut firsts = [None; PRIORITIES as usize];
        for (rank, first) in (0..).zip(&mut firsts) {
            *first = self.first_of(rank, now, &mut held, sooner);
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
        sooner: &mut Sooner,
    ) -> Option<(MessageId, Waiting)> {
        for (&(_, id), waiting) in self.queue.range((priority, FIRST)..(priority + 1, FIRST)) {
            if self.in_flight.contains_key(&id) {
                continue;
            }
            let early = waiting.not_before.filter(|not_before| *not_before > now.wall);
            if let Some(not_before) = early {
                sooner.at(now.elapsed_at(not_before));
            }
            // A message that cannot go holds back the later ones of its pair, and nobody else.
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

/// Before every message.
const FIRST: MessageId = MessageId::new(Day(0), Position(0), 0);

/// The earliest of several times.
struct Sooner(Option<Duration>);

impl Sooner {
    fn at(&mut self, at: Duration) {
        self.0 = Some(self.0.map_or(at, |before| before.min(at)));
    }

    fn into_next(self) -> Next {
        self.0.map_or(Next::Nothing, Next::At)
    }
}

/// A wall time, as it is seen at a moment, on a bucket's clock, which runs ahead because that time may lie before the
/// worker's beginning.
pub(super) fn on_bucket_clock(wall: Timestamp, seen: Moment) -> Duration {
    (seen.elapsed + AHEAD + wall.since(seen.wall)).saturating_sub(seen.wall.since(wall))
}
