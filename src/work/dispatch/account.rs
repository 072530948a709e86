//! One carrier account: what all its lanes share.

use super::bucket::{Bucket, began};
use super::lane::on_bucket_clock;
use crate::model::{E164, Limits, MessageId, Timestamp};
use crate::rules::breaker::{self, Paused};
use crate::rules::rate::{self, DayCount};
use crate::work::Moment;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// What an account says to a message that is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    /// It may go.
    Yes,
    /// Not before then.
    At(Duration),
    /// Not before a request comes back.
    Later,
}

#[derive(Default)]
pub(super) struct Account {
    limits: Option<Limits>,
    bucket: Option<Bucket>,
    pub(super) day: DayCount,
    /// Requests under way, with their segments while their start is not yet in the journal.
    in_flight: HashMap<MessageId, Option<Starting>>,
    /// The account is left alone, or tried again by one request at a time (A64).
    pub(super) paused: Option<Paused>,
    /// Lanes with a message that is ready, in the order they came.
    pub(super) waiting: VecDeque<E164>,
    /// Its place among what is due.
    pub(super) due: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Starting {
    segments: u16,
    permit: Duration,
}

impl Account {
    /// The limits of the account are these now. A bucket keeps its level; a new one is empty at `empty_at`.
    pub(super) fn limit(&mut self, limits: Option<&Limits>, empty_at: Timestamp, seen: Moment) {
        if self.limits.as_ref() == limits {
            return;
        }
        self.limits = limits.cloned();
        self.bucket = limits.and_then(|limits| match &self.bucket {
            Some(bucket) => bucket.with(limits, seen),
            None => Bucket::empty_at(limits, on_bucket_clock(empty_at, seen)),
        });
    }

    /// When its bucket is empty with all that was taken paid for, by the wall as it is now.
    pub(super) fn empty_at(&self, now: Moment) -> Timestamp {
        self.bucket.as_ref().map_or(now.wall, |bucket| bucket.empty_by(now))
    }

    /// Whether a message of `segments` may go now.
    pub(super) fn room(&self, segments: u16, now: Moment) -> Room {
        if self.in_flight.len() >= breaker::room(self.paused.is_some()) {
            return Room::Later;
        }
        if let Some(paused) = self.paused.filter(|paused| paused.until > now.wall) {
            return Room::At(now.elapsed_at(paused.until));
        }
        if let Some(limits) = &self.limits {
            let allowed = rate::cap_allows(limits, self.counted(limits, now), u32::from(segments), now.wall);
            if allowed > now.wall {
                return Room::At(now.elapsed_at(allowed));
            }
        }
        match self.bucket.as_ref().map(|bucket| bucket.ready_in(u32::from(segments), now)) {
            Some(wait) if !wait.is_zero() => Room::At(now.elapsed + wait),
            Some(_) | None => Room::Yes,
        }
    }

    /// Requests under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The day's count with those whose start is not yet in the journal.
    fn counted(&self, limits: &Limits, now: Moment) -> DayCount {
        let starting: u32 = self.in_flight.values().flatten().map(|starting| u32::from(starting.segments)).sum();
        self.day.with(limits, starting, now.wall)
    }

    /// A message that had room goes.
    pub(super) fn take(&mut self, id: MessageId, segments: u16, now: Moment) -> Result<(), Duration> {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(u32::from(segments), now)?;
        }
        self.in_flight.insert(id, Some(Starting { segments, permit: now.elapsed }));
        Ok(())
    }

    /// The message's start is in the journal, decided `at`.
    pub(super) fn started(&mut self, id: MessageId, at: Timestamp, now: Moment) {
        let Some(Some(starting)) = self.in_flight.get_mut(&id).map(Option::take) else { return };
        if let Some(bucket) = &mut self.bucket {
            bucket.no_earlier(u32::from(starting.segments), began(starting.permit, at, now));
        }
    }

    /// The request is over, if one was under way. A permit that was not used goes to the next.
    pub(super) fn land(&mut self, id: MessageId) {
        if let (Some(Some(unused)), Some(bucket)) = (self.in_flight.remove(&id), &mut self.bucket) {
            bucket.give_back(u32::from(unused.segments));
        }
    }
}
