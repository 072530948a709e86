//! How an endpoint does: written by its loop, read by the API.

use crate::model::{Position, Timestamp};
use crate::observe::Delivery;
use crate::work::Moment;
use crate::work::feed::FeedStatus;
use std::sync::{Arc, Mutex, PoisonError};

/// The shared status of one endpoint. Clones share it.
#[derive(Clone, Default, Debug)]
pub struct EndpointStatus(Arc<Mutex<EndpointState>>);

/// How an endpoint does.
#[derive(Clone, Default, Debug)]
pub struct EndpointState {
    /// The first position that is not fully delivered; `None` until its loop has begun.
    pub watermark: Option<Position>,
    /// Undelivered events in memory, and the frames after them that were not read yet.
    pub behind_events: u64,
    /// The age of the oldest undelivered event in milliseconds; 0 without one.
    pub behind_ms: u64,
    /// The number of parked calls.
    pub parked: usize,
    /// It is gone, or has accepted nothing for ten seconds.
    pub paused: bool,
    /// When the next delivery is tried that waits after a failure.
    pub next_try_at: Option<Timestamp>,
    /// Its last answer since the gateway started.
    pub last_answer: Option<LastAnswer>,
}

/// An endpoint's answer to a delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastAnswer {
    /// When the delivery began.
    pub at: Timestamp,
    /// What it means for the event.
    pub outcome: Delivery,
    /// The status, or why there was none.
    pub detail: String,
}

impl EndpointStatus {
    /// Sets the feed's status at `now`; `unread` is the number of frames it has not read.
    pub(super) fn set(&self, feed: &FeedStatus, unread: u64, now: Moment) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = feed.oldest.map(|at| now.wall.since(at)).unwrap_or_default();
        *state = EndpointState {
            watermark: Some(feed.watermark),
            behind_events: feed.pending as u64 + unread,
            behind_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            parked: feed.parked,
            paused: feed.paused,
            next_try_at: feed.next_try.map(|at| now.wall + at.saturating_sub(now.elapsed)),
            last_answer: state.last_answer.take(),
        };
    }

    /// The endpoint answered.
    pub(super) fn answered(&self, answer: LastAnswer) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last_answer = Some(answer);
    }

    /// The current state.
    pub fn get(&self) -> EndpointState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
