//! Readers of committed frames: the latest from memory, older ones from the journal.

use super::publication::Publication;
use crate::journal::{JournalFailed, JournalReader};
use crate::machine::event::CommittedFrame;
use crate::machine::record;
use crate::model::{Day, EventId, Position, Timestamp};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Bytes of records whose frames stay in memory. Followers that are further behind read the journal.
const TAIL_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Maximum number of frames in memory.
const TAIL_MAX_FRAMES: usize = 8_192;

/// The latest committed frames.
pub(super) struct Tail {
    /// Held while a batch becomes visible.
    pub(super) publication: Publication,
    ring: Mutex<Ring>,
    committed: watch::Sender<Position>,
    /// Events before this position are too old to be delivered.
    deliver_from: AtomicU64,
    /// The last position from which a person was erased.
    erased_until: AtomicU64,
}

#[derive(Default)]
struct Ring {
    frames: VecDeque<(usize, Arc<CommittedFrame>)>,
    bytes: usize,
    /// The day of the last committed frame.
    day: Day,
}

impl Tail {
    /// Nothing in memory; the last committed frame was written on `day`.
    pub(super) fn new(committed: Position, day: Day) -> Self {
        Self {
            publication: Publication::default(),
            ring: Mutex::new(Ring { day, ..Ring::default() }),
            committed: watch::Sender::new(committed),
            deliver_from: AtomicU64::new(0),
            erased_until: AtomicU64::new(0),
        }
    }

    /// Ends delivery of events before `position`.
    pub(super) fn end_delivery_before(&self, position: Position) {
        self.deliver_from.fetch_max(position.0, Ordering::Relaxed);
    }

    /// Adds durable and applied frames, each with the size of its record, and wakes waiting followers.
    pub(super) fn push(&self, frames: impl Iterator<Item = (usize, CommittedFrame)>) {
        let mut last = None;
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            for (bytes, frame) in frames {
                last = Some(frame.position);
                ring.day = frame.at.day();
                ring.bytes += bytes;
                ring.frames.push_back((bytes, Arc::new(frame)));
            }
            while ring.bytes > TAIL_MAX_BYTES || ring.frames.len() > TAIL_MAX_FRAMES {
                let Some((bytes, _)) = ring.frames.pop_front() else { break };
                ring.bytes -= bytes;
            }
        }
        if let Some(last) = last {
            self.committed.send_replace(last);
        }
    }

    /// Drops the frames up to `position` from memory; they are read from the journal from now on.
    pub(super) fn forget_until(&self, position: Position) {
        self.erased_until.fetch_max(position.0, Ordering::Release);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        while ring.frames.front().is_some_and(|(_, frame)| frame.position <= position) {
            let Some((bytes, _)) = ring.frames.pop_front() else { break };
            ring.bytes -= bytes;
        }
    }

    fn from(&self, position: Position, limit: usize) -> Option<Vec<Arc<CommittedFrame>>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.frames.front()?.1.position;
        let skip = usize::try_from(position.0.checked_sub(first.0)?).ok()?;
        Some(ring.frames.iter().skip(skip).take(limit).map(|(_, frame)| Arc::clone(frame)).collect())
    }
}

/// Reads committed frames in order, from any position still kept.
#[derive(Clone)]
pub struct Follow {
    tail: Arc<Tail>,
    journal: Arc<dyn JournalReader>,
    committed: watch::Receiver<Position>,
}

/// Why no frame can be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FollowFailed {
    /// The journal cannot be read, or no longer holds the position.
    #[error(transparent)]
    Journal(#[from] JournalFailed),
    /// A record cannot be read.
    #[error("at position {}: {why}", .position.0)]
    Record {
        /// The record's position.
        position: Position,
        /// Why it is unreadable.
        why: record::Unreadable,
    },
    /// Rows cannot be read.
    #[error("{0}")]
    Rows(String),
    /// The engine stopped; there will be no more frames.
    #[error("the engine has stopped")]
    Stopped,
}

/// Bytes of frames read from the journal at a time.
const READ_BYTES: usize = 256 * 1024;

impl Follow {
    /// Reads rows between two batches. Returns with them the cursor of the events that they reflect, or an earlier one
    /// if a batch overtook the reader.
    pub(super) fn in_step<T>(&self, read: impl FnOnce() -> T) -> (T, EventId) {
        self.tail.publication.read(|| {
            let cursor = self.end();
            (read(), cursor)
        })
    }

    pub(super) fn new(tail: &Arc<Tail>, journal: Arc<dyn JournalReader>) -> Self {
        Self { tail: Arc::clone(tail), journal, committed: tail.committed.subscribe() }
    }

    /// The last committed position.
    pub fn committed(&self) -> Position {
        *self.committed.borrow()
    }

    /// A cursor after every event committed so far.
    pub fn end(&self) -> EventId {
        let ring = self.tail.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let last = ring.frames.back().map_or_else(|| self.committed(), |(_, frame)| frame.position);
        EventId::new(ring.day, last, u16::MAX)
    }

    /// The first position still kept.
    pub fn oldest(&self) -> Position {
        self.journal.bounds().0
    }

    /// The first position whose events are still delivered: older ones expired undelivered, or are no longer kept.
    pub fn deliver_from(&self) -> Position {
        self.oldest().max(Position(self.tail.deliver_from.load(Ordering::Relaxed)))
    }

    /// The last position from which a person was erased since the start: what was made before of frames up to it may
    /// contain that person.
    pub fn erased_until(&self) -> Position {
        Position(self.tail.erased_until.load(Ordering::Acquire))
    }

    /// The first position of the latest segment such that everything before it is older than `at`.
    pub fn all_before(&self, at: Timestamp) -> Result<Position, FollowFailed> {
        Ok(self.journal.all_before(at)?)
    }

    /// Bytes kept, and the first position of the segment from which on they are at most `most`.
    pub fn kept_within(&self, most: u64) -> (u64, Position) {
        self.journal.kept_within(most)
    }

    /// Like `read`, but from memory only; `None` if that would need a file.
    pub fn recent(&self, from: Position, limit: usize) -> Option<Vec<Arc<CommittedFrame>>> {
        self.tail.from(from, limit)
    }

    /// Committed frames from `from` on, at most `limit`; empty at the end. May read files.
    pub fn read(&self, from: Position, limit: usize) -> Result<Vec<Arc<CommittedFrame>>, FollowFailed> {
        let committed = self.committed();
        if from > committed {
            return Ok(Vec::new());
        }
        if let Some(frames) = self.recent(from, limit) {
            return Ok(frames);
        }
        let frames = self.journal.read(from, if limit == 1 { 1 } else { READ_BYTES })?;
        // The journal is briefly ahead of the index in each batch; frames that are not applied yet are not returned.
        let committed_frames = frames.into_iter().take(limit).take_while(|frame| frame.position <= committed);
        committed_frames
            .map(|frame| {
                let position = frame.position;
                record::decode(position, &frame.meta, frame.bodies)
                    .map(Arc::new)
                    .map_err(|why| FollowFailed::Record { position, why })
            })
            .collect()
    }

    /// The frame at `position`; `None` also if it was lost.
    pub fn frame(&self, position: Position) -> Result<Option<Arc<CommittedFrame>>, FollowFailed> {
        Ok(self.read(position, 1)?.into_iter().next().filter(|frame| frame.position == position))
    }

    /// The position itself, or the first one after the gap if it was lost.
    pub fn past_gap(&self, position: Position) -> Position {
        self.journal.past_gap(position)
    }

    /// The number of frames committed from `position` on.
    pub fn count_from(&self, position: Position) -> u64 {
        self.journal.count_from(position)
    }

    /// The first kept position decided at `at` or later; one past the last without one. A binary search, because
    /// the journal's time never goes back.
    pub fn first_at(&self, at: Timestamp) -> Result<Position, FollowFailed> {
        let (mut low, mut high) = (self.oldest().0, self.committed().next().0);
        while low < high {
            let middle = low + (high - low) / 2;
            // If it was lost, this is the one after the gap.
            match self.read(Position(middle), 1)?.first() {
                Some(frame) if frame.at < at => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(self.past_gap(Position(low)))
    }

    /// Waits until a frame at or after `position` is committed.
    pub async fn wait_for(&mut self, position: Position) -> Result<(), FollowFailed> {
        self.committed.wait_for(|committed| *committed >= position).await.map_err(|_| FollowFailed::Stopped)?;
        Ok(())
    }
}
