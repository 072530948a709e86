//! The words of a feed: its bounds, who reads for it, what is to be done and how it ended.

use crate::machine::show::RenderedEvent;
use crate::model::{EventId, Position, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// What a feed holds, at most. A page that is read may go beyond by its own length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Events of the backlog that are held. While the endpoint is down the rest waits in the journal.
    pub window: usize,
    /// Events held of each of the other readers.
    pub aside: usize,
    /// Positions the backlog's reader is behind when the live one begins.
    pub behind: u64,
    /// Threads the live reader may have of its own.
    pub live_threads: usize,
    /// Threads that may be parked. Beyond them the watermark waits.
    pub parked: usize,
    /// Deliveries under way.
    pub in_flight: usize,
    /// Deliveries under way of threads that failed of themselves, and of replays; of each.
    pub in_flight_aside: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            window: 4_096,
            aside: 1_024,
            behind: 1_024,
            live_threads: 50_000,
            parked: 100_000,
            in_flight: 64,
            in_flight_aside: 16,
        }
    }
}

/// What is told in order together: a call, or what an event of no call is about.
pub(super) type Name = Arc<str>;

/// An event's place: its frame, and which of the frame's events it is.
pub(super) type Place = (Position, u16);

pub(super) fn place_of(id: EventId) -> Place {
    (id.position(), id.index())
}

pub(super) fn place_after((position, index): Place) -> Place {
    (position, index.saturating_add(1))
}

/// Who reads the journal for an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reader {
    /// Everything, in order.
    Backlog,
    /// What begins now, while the backlog is long.
    Live,
    /// What was left behind.
    Parked,
    /// What somebody asked for once more.
    Replay,
}

impl Reader {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Backlog, Self::Live, Self::Parked, Self::Replay];
}

/// One delivery to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// What.
    pub told: Arc<RenderedEvent>,
    /// It is told once more because somebody asked for it.
    pub replay: bool,
}

/// How a delivery ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivered {
    /// A complete 2xx.
    Yes,
    /// No answer, or one that says the endpoint as a whole is not there (502, 503, 504): when another delivery passes,
    /// this is tried again at once. The endpoint may name the least wait, which counts while it takes others.
    Down(Option<Duration>),
    /// Too many requests (429): the endpoint wants quiet, and may say for how long.
    Later(Option<Duration>),
    /// The endpoint is gone (410): it is paused.
    Gone,
    /// Any other answer: of this event, as far as we know.
    Refused,
}

/// Where a feed begins.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Start {
    /// The first position not all delivered.
    pub watermark: Position,
    /// Threads that are parked, each with the position of its oldest undelivered event.
    pub parked: Vec<(String, Position)>,
}

/// What is to be journaled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The first position not all delivered.
    pub watermark: Position,
    /// Threads that are parked now and where, or that no longer are.
    pub parked: Vec<(String, Option<Position>)>,
    /// The watermark noted before.
    pub(super) before: Position,
}

/// How a feed stands, for those who watch it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeedStatus {
    /// The first position not all delivered.
    pub watermark: Position,
    /// When the oldest event was that is not delivered, of those that are held.
    pub oldest: Option<Timestamp>,
    /// Threads that are parked.
    pub parked: usize,
    /// The endpoint is gone, or has taken nothing for ten seconds.
    pub paused: bool,
}
