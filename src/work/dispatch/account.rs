//! One carrier account: the limits shared by all its lanes.

use super::bucket::{Bucket, began};
use super::lane::on_bucket_clock;
use crate::model::{E164, Limits, MessageId, Timestamp};
use crate::rules::breaker::{self, Paused};
use crate::rules::rate::{self, DayCount};
use crate::work::Moment;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Whether the account can send a ready message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Capacity {
    /// The message can be sent now.
    Available,
    /// Not before this time.
    At(Duration),
    /// Not before a request in flight ends.
    AfterResponse,
}

#[derive(Default)]
pub(super) struct Account {
    limits: Option<Limits>,
    bucket: Option<Bucket>,
    pub(super) day: DayCount,
    /// Requests in flight, with their segments until their start is in the journal.
    in_flight: HashMap<MessageId, Option<Starting>>,
    /// The account is paused, or being probed by one request at a time (A64).
    pub(super) paused: Option<Paused>,
    /// Lanes with a ready message, in order of arrival.
    pub(super) waiting: VecDeque<E164>,
    /// When the account is to be checked.
    pub(super) due: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Starting {
    segments: u16,
    permit: Duration,
}

impl Account {
    /// Sets the account's limits. An existing bucket keeps its level; a new one is empty at `empty_at`.
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

    /// When the bucket is empty with everything taken paid for, on the current wall clock.
    pub(super) fn empty_at(&self, now: Moment) -> Timestamp {
        self.bucket.as_ref().map_or(now.wall, |bucket| bucket.empty_by(now))
    }

    /// Whether a message of `segments` can be sent now.
    pub(super) fn capacity(&self, segments: u16, now: Moment) -> Capacity {
        if self.in_flight.len() >= breaker::in_flight_max(self.paused.is_some()) {
            return Capacity::AfterResponse;
        }
        if let Some(paused) = self.paused.filter(|paused| paused.until > now.wall) {
            return Capacity::At(now.elapsed_at(paused.until));
        }
        if let Some(limits) = &self.limits {
            let allowed = rate::cap_allows(limits, self.counted(limits, now), u32::from(segments), now.wall);
            if allowed > now.wall {
                return Capacity::At(now.elapsed_at(allowed));
            }
        }
        match self.bucket.as_ref().map(|bucket| bucket.ready_in(u32::from(segments), now)) {
            Some(wait) if !wait.is_zero() => Capacity::At(now.elapsed + wait),
            Some(_) | None => Capacity::Available,
        }
    }

    /// Requests in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The day's count, including messages whose start is not yet in the journal.
    fn counted(&self, limits: &Limits, now: Moment) -> DayCount {
        let starting: u32 = self.in_flight.values().flatten().map(|starting| u32::from(starting.segments)).sum();
        self.day.with(limits, starting, now.wall)
    }

    /// Takes the permit for a message for which there is capacity.
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

    /// The request has ended, if one was in flight. An unused permit goes to the next message.
    pub(super) fn release(&mut self, id: MessageId) {
        if let (Some(Some(unused)), Some(bucket)) = (self.in_flight.remove(&id), &mut self.bucket) {
            bucket.give_back(u32::from(unused.segments));
        }
    }
}
