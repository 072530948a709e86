//! A reader of events with a filter and a position.

use crate::engine::{Follow, FollowFailed, Reads};
use crate::http::api::{Api, panicked, storage_failed};
use crate::journal::JournalFailed;
use crate::machine::event::CommittedFrame;
use crate::machine::show::{self, EventHeader, RenderedEvent, cursor};
use crate::model::{CallId, Day, EventId, Position};
use crate::observe::{NotReady, Readiness};
use crate::rules::refusal::{Code, Refusal};
use crate::work::feed::Filter;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// Maximum number of frames scanned per read. Frames of workers often hold no visible event.
const FRAMES_MAX: usize = 4_096;

/// Frames read from the journal at a time.
const PAGE: usize = 256;

/// The events that a client wants.
#[derive(Clone, Default)]
pub(super) struct Wanted {
    /// Their types; `None` for all.
    pub(super) types: Option<Filter>,
    /// Their call; `None` for all events, those without a call included.
    pub(super) call: Option<CallId>,
}

impl Wanted {
    pub(super) fn takes(&self, event: &EventHeader<'_>) -> bool {
        event.only_for().is_none()
            && self.types.as_ref().is_none_or(|types| types.takes(event.kind))
            && self.call.as_ref().is_none_or(|call| event.call() == Some(call))
    }
}

/// A reader of events, with its position.
pub(super) struct Pull {
    reads: Reads,
    readiness: Readiness,
    /// Permits to read files.
    files: Arc<Semaphore>,
    pub(super) wanted: Wanted,
    /// The last event read, or a cursor after the last frame scanned.
    pub(super) after: Option<EventId>,
    /// Whether the client may see texts.
    pub(super) texts: bool,
}

/// A batch of events.
pub(super) struct Found {
    pub(super) events: Vec<RenderedEvent>,
    /// No further frame is committed yet.
    pub(super) at_the_end: bool,
}

impl Pull {
    pub(super) fn new(api: &Api, wanted: Wanted, after: Option<EventId>, texts: bool) -> Self {
        let (reads, readiness) = (api.reads.clone(), api.readiness.clone());
        Self { reads, readiness, files: Arc::clone(&api.files), wanted, after, texts }
    }

    /// The last position from which a person was erased.
    pub(super) fn erased_until(&self) -> Position {
        self.reads.follow().erased_until()
    }

    /// A cursor after everything read so far.
    pub(super) fn reached(&self) -> EventId {
        let before_oldest = || Position(self.reads.follow().oldest().0.saturating_sub(1));
        self.after.unwrap_or_else(|| EventId::new(Day(0), before_oldest(), u16::MAX))
    }

    /// Refuses a cursor whose next events are no longer kept, and one that is of another journal or made up.
    pub(super) async fn check_cursor(&self) -> Result<(), Refusal> {
        let Some(after) = self.after else { return Ok(()) };
        let follow = self.reads.follow();
        if after.position() > follow.committed() {
            let detail =
                "the cursor is ahead of this gateway's journal: it comes from another gateway, or data was lost";
            return Err(Refusal::new(Code::CursorInvalid, detail));
        }
        if after.position().next() < follow.oldest() {
            return Err(self.expired());
        }
        let known = self.read(after.position(), move |follow| exists(follow, after)).await?;
        let detail = "no event or answer of this gateway has that cursor: it comes from another gateway; omit it";
        if known { Ok(()) } else { Err(Refusal::new(Code::CursorInvalid, detail)) }
    }

    fn expired(&self) -> Refusal {
        let follow = self.reads.follow();
        let oldest = follow.oldest();
        let first = follow.frame(oldest).ok().flatten();
        let oldest = first.map(|frame| cursor(show::before(frame.at.day(), oldest)).into());
        let detail = "events after that cursor are no longer kept: continue from `oldest`, or omit `after`";
        Refusal { oldest_cursor: oldest, ..Refusal::new(Code::EventsExpired, detail) }
    }

    /// Reads the next events, at most `limit`, and advances past them.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Found, Refusal> {
        let (wanted, after) = (self.wanted.clone(), self.after);
        // The cursor's own frame may have been deleted while the next ones are kept.
        let from = after.map_or(Position(0), EventId::position).max(self.reads.follow().oldest());
        let (found, after) = self.read(from, move |follow| read(follow, &wanted, after, from, limit)).await?;
        self.after = after;
        Ok(found)
    }

    /// Reads frames from a position on: at once if they are in memory, otherwise off the runtime, because that reads
    /// files.
    async fn read<T: Send + 'static>(
        &self,
        from: Position,
        read: impl FnOnce(&Follow) -> Result<T, FollowFailed> + Send + 'static,
    ) -> Result<T, Refusal> {
        let follow = self.reads.follow();
        let found = if follow.recent(from, 1).is_some() {
            read(follow)
        } else {
            let permit = Arc::clone(&self.files).acquire_owned().await;
            let follow = follow.clone();
            let reading = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                read(&follow)
            });
            reading.await.map_err(|_| panicked())?
        };
        found.map_err(|failed| match failed {
            FollowFailed::Journal(JournalFailed::Gone { .. }) => self.expired(),
            failed => storage_failed(&failed),
        })
    }

    /// Waits for the next commit, at most until `until`.
    pub(super) async fn wait(&self, until: Instant) {
        let mut follow = self.reads.follow().clone();
        let next = self.after.map_or_else(|| follow.committed().next(), |after| after.position().next());
        let _in_time = timeout(until.saturating_duration_since(Instant::now()), follow.wait_for(next)).await;
    }

    pub(super) fn is_draining(&self) -> bool {
        self.readiness.holds(NotReady::Draining)
    }
}

/// A cursor after every event of a frame.
pub(super) fn after_frame(frame: &CommittedFrame) -> EventId {
    EventId::new(frame.at.day(), frame.position, u16::MAX)
}

/// Whether a cursor within the journal is one that this gateway has given out: an event's, or one between two frames,
/// which has the day of either. Of a frame that is not kept only its day's bound is known.
fn exists(follow: &Follow, cursor: EventId) -> Result<bool, FollowFailed> {
    let frame = |position| match follow.frame(position) {
        Err(FollowFailed::Journal(JournalFailed::Gone { .. })) => Ok(None),
        found => found,
    };
    let between = cursor.index() == u16::MAX;
    let next = frame(follow.past_gap(cursor.position().next()))?;
    let Some(own) = frame(cursor.position())? else {
        let in_order = next.is_none_or(|next| cursor.day() <= next.at.day());
        return Ok(in_order && (between || cursor.position() > Position(0)));
    };
    let of_next = between && next.is_some_and(|next| next.at.day() == cursor.day());
    let is_event = between || usize::from(cursor.index()) < own.events.len();
    Ok(of_next || (own.at.day() == cursor.day() && is_event))
}

/// Reads wanted events after `after`, from the frame at `from` on. Also returns the cursor to continue from.
fn read(
    follow: &Follow,
    wanted: &Wanted,
    after: Option<EventId>,
    mut from: Position,
    limit: usize,
) -> Result<(Found, Option<EventId>), FollowFailed> {
    // An id's day says nothing about its order that its position does not.
    let order = |id: EventId| (id.position(), id.index());
    let (mut events, mut reached) = (Vec::new(), after);
    let mut scanned = 0;
    while scanned < FRAMES_MAX {
        let frames = follow.read(from, PAGE)?;
        if frames.is_empty() {
            return Ok((Found { events, at_the_end: true }, reached));
        }
        for frame in frames {
            let is_new = |event: &EventHeader<'_>| after.is_none_or(|after| order(event.id) > order(after));
            for event in show::event_headers(&frame).filter(|event| is_new(event) && wanted.takes(event)) {
                reached = Some(event.id);
                events.push(event.render());
                if events.len() == limit {
                    return Ok((Found { events, at_the_end: false }, reached));
                }
            }
            if reached.is_none_or(|reached| reached.position() <= frame.position) {
                reached = Some(after_frame(&frame));
            }
            from = frame.position.next();
            scanned += 1;
        }
    }
    Ok((Found { events, at_the_end: false }, reached))
}
