//! The types of a feed: its bounds, readers, deliveries and progress.

use crate::machine::show::RenderedEvent;
use crate::model::{EventId, Position, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// The limits of a feed. A page of frames may exceed a limit by its own length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Events held of the backlog. While the endpoint is down, the rest stays in the journal.
    pub window: usize,
    /// Events held of each of the other readers.
    pub other_window: usize,
    /// How many positions the backlog reader must be behind for the live reader to start.
    pub behind: u64,
    /// Threads that the live reader can own.
    pub live_threads: usize,
    /// Threads that can be parked. Beyond that the watermark waits.
    pub parked: usize,
    /// Deliveries in flight.
    pub in_flight: usize,
    /// Deliveries in flight of threads that failed on their own, and as many of replays.
    pub in_flight_probation: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            window: 4_096,
            other_window: 1_024,
            behind: 1_024,
            live_threads: 50_000,
            parked: 100_000,
            in_flight: 64,
            in_flight_probation: 16,
        }
    }
}

/// A thread's name: the call, or the subject of an event outside a call.
pub(super) type Name = Arc<str>;

/// An event's place: its frame, and its index within the frame.
pub(super) type Place = (Position, u16);

pub(super) fn place_of(id: EventId) -> Place {
    (id.position(), id.index())
}

pub(super) fn place_after((position, index): Place) -> Place {
    (position, index.saturating_add(1))
}

/// A reader of the journal for one endpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reader {
    /// Reads everything, in order.
    Backlog,
    /// Reads threads that begin now, while the backlog is long.
    Live,
    /// Reads the events of parked threads again.
    Parked,
    /// Reads the events of a requested replay.
    Replay,
}

impl Reader {
    /// All readers.
    pub const ALL: [Self; 4] = [Self::Backlog, Self::Live, Self::Parked, Self::Replay];
}

/// One delivery to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// The event to deliver.
    pub event: Arc<RenderedEvent>,
    /// Whether a replay delivers the event again.
    pub replay: bool,
}

/// The result of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivered {
    /// A complete 2xx: the event is delivered.
    Yes,
    /// No response, or one that means the whole endpoint is down (502, 503, 504): retried as soon as another delivery
    /// succeeds. The `Retry-After`, if any, is the least delay while the endpoint accepts other events.
    Down(Option<Duration>),
    /// Too many requests (429): deliveries pause, for the time of the `Retry-After` if there is one.
    Later(Option<Duration>),
    /// The endpoint is gone (410): it is paused.
    Gone,
    /// Any other response: the endpoint refuses this event, as far as is known.
    Refused,
}

/// Where a feed resumes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Start {
    /// The first position that is not fully delivered.
    pub watermark: Position,
    /// The parked threads, each with the position of its oldest undelivered event.
    pub parked: Vec<(String, Position)>,
}

/// Progress to journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The first position that is not fully delivered.
    pub watermark: Position,
    /// Changes of parked threads: the position where one is parked, or `None` for one that no longer is.
    pub parked: Vec<(String, Option<Position>)>,
    /// The watermark recorded before.
    pub(super) before: Position,
}

/// The status of a feed, for metrics and readiness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeedStatus {
    /// The first position that is not fully delivered.
    pub watermark: Position,
    /// The first position that was not read yet.
    pub unread: Position,
    /// The number of undelivered events in memory, without those of parked threads.
    pub pending: usize,
    /// The time of the oldest undelivered event in memory.
    pub oldest: Option<Timestamp>,
    /// When the next delivery is tried that waits after a failure.
    pub next_try: Option<Duration>,
    /// The number of parked threads.
    pub parked: usize,
    /// The endpoint is gone, or has accepted nothing for ten seconds.
    pub paused: bool,
}
