//! What was committed, for those who follow: the latest from memory, the rest from the journal.

use crate::journal::{JournalFailed, JournalReader};
use crate::machine::event::CommittedFrame;
use crate::machine::record;
use crate::model::{Position, Timestamp};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Bytes of records whose stories stay in memory. Whoever is further behind reads the journal.
const TAIL_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Stories that stay in memory, however small.
const TAIL_MAX_STORIES: usize = 8_192;

/// The latest committed stories.
pub(super) struct Tail {
    ring: Mutex<Ring>,
    committed: watch::Sender<Position>,
    /// What stands before this is too old to be told of.
    told_from: AtomicU64,
}

#[derive(Default)]
struct Ring {
    stories: VecDeque<(usize, Arc<CommittedFrame>)>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(committed: Position) -> Self {
        Self { ring: Mutex::default(), committed: watch::Sender::new(committed), told_from: AtomicU64::new(0) }
    }

    /// What stands before `position` is not told any more.
    pub(super) fn tell_from(&self, position: Position) {
        self.told_from.fetch_max(position.0, Ordering::Relaxed);
    }

    /// Adds stories that are durable and applied, each with the size of its record, and wakes those who wait.
    pub(super) fn push(&self, stories: impl Iterator<Item = (usize, CommittedFrame)>) {
        let mut last = None;
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            for (bytes, story) in stories {
                last = Some(story.position);
                ring.bytes += bytes;
                ring.stories.push_back((bytes, Arc::new(story)));
            }
            while ring.bytes > TAIL_MAX_BYTES || ring.stories.len() > TAIL_MAX_STORIES {
                let Some((bytes, _)) = ring.stories.pop_front() else { break };
                ring.bytes -= bytes;
            }
        }
        if let Some(last) = last {
            self.committed.send_replace(last);
        }
    }

    fn from(&self, position: Position, limit: usize) -> Option<Vec<Arc<CommittedFrame>>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.stories.front()?.1.position;
        let skip = usize::try_from(position.0.checked_sub(first.0)?).ok()?;
        Some(ring.stories.iter().skip(skip).take(limit).map(|(_, story)| Arc::clone(story)).collect())
    }
}

/// Reads what was committed, in order, from any position still kept.
#[derive(Clone)]
pub struct Follow {
    tail: Arc<Tail>,
    journal: Arc<dyn JournalReader>,
    committed: watch::Receiver<Position>,
}

/// Why there is nothing to follow.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FollowFailed {
    /// The journal cannot be read, or no longer holds the position.
    #[error(transparent)]
    Journal(#[from] JournalFailed),
    /// A record cannot be read.
    #[error("at position {}: {why}", .position.0)]
    Record {
        /// Which.
        position: Position,
        /// Why.
        why: record::Unreadable,
    },
    /// Rows cannot be read.
    #[error("{0}")]
    Rows(String),
    /// The engine stopped; nothing more will come.
    #[error("the engine has stopped")]
    Stopped,
}

/// Bytes of frames read from the journal at a time.
const READ_BYTES: usize = 256 * 1024;

impl Follow {
    pub(super) fn new(tail: &Arc<Tail>, journal: Arc<dyn JournalReader>) -> Self {
        Self { tail: Arc::clone(tail), journal, committed: tail.committed.subscribe() }
    }

    /// The last position committed.
    pub fn committed(&self) -> Position {
        *self.committed.borrow()
    }

    /// The first position still kept.
    pub fn oldest(&self) -> Position {
        self.journal.bounds().0
    }

    /// The first position that is still told of: what is older was not taken in time, or is no longer kept.
    pub fn told_from(&self) -> Position {
        self.oldest().max(Position(self.tail.told_from.load(Ordering::Relaxed)))
    }

    /// The beginning of a segment: everything before it is older than `at`.
    pub fn all_before(&self, at: Timestamp) -> Result<Position, FollowFailed> {
        Ok(self.journal.all_before(at)?)
    }

    /// Bytes that are kept, and the beginning of the segment from which on they are at most `most`.
    pub fn kept_within(&self, most: u64) -> (u64, Position) {
        self.journal.kept_within(most)
    }

    /// The same as `read`, if it can be had without touching a file.
    pub fn recent(&self, from: Position, limit: usize) -> Option<Vec<Arc<CommittedFrame>>> {
        self.tail.from(from, limit)
    }

    /// Committed stories from `from` on, at most `limit`; none at the end. May read files.
    pub fn read(&self, from: Position, limit: usize) -> Result<Vec<Arc<CommittedFrame>>, FollowFailed> {
        let committed = self.committed();
        if from > committed {
            return Ok(Vec::new());
        }
        if let Some(stories) = self.recent(from, limit) {
            return Ok(stories);
        }
        let frames = self.journal.read(from, if limit == 1 { 1 } else { READ_BYTES })?;
        // The journal is ahead of the index for a moment in each batch; what is not applied is not told.
        let told = frames.into_iter().take(limit).take_while(|frame| frame.position <= committed);
        told.map(|frame| {
            let position = frame.position;
            record::decode(position, &frame.meta, frame.bodies)
                .map(Arc::new)
                .map_err(|why| FollowFailed::Record { position, why })
        })
        .collect()
    }

    /// The story at `position`; none also where it was lost.
    pub fn story(&self, position: Position) -> Result<Option<Arc<CommittedFrame>>, FollowFailed> {
        Ok(self.read(position, 1)?.into_iter().next().filter(|story| story.position == position))
    }

    /// The position itself, or the first after those that were lost, where it is one of them.
    pub fn past_gap(&self, position: Position) -> Position {
        self.journal.past_gap(position)
    }

    /// How many stories were committed from `position` on.
    pub fn count_from(&self, position: Position) -> u64 {
        self.journal.count_from(position)
    }

    /// The first position decided at `at` or later, of those still kept; one past the last where there is none. The
    /// journal's time never goes back, so it is found by halves.
    pub fn first_at(&self, at: Timestamp) -> Result<Position, FollowFailed> {
        let (mut low, mut high) = (self.oldest().0, self.committed().next().0);
        while low < high {
            let middle = low + (high - low) / 2;
            // The one after it, where it was lost.
            match self.read(Position(middle), 1)?.first() {
                Some(story) if story.at < at => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(self.past_gap(Position(low)))
    }

    /// Waits until something at or after `position` is committed.
    pub async fn wait_for(&mut self, position: Position) -> Result<(), FollowFailed> {
        self.committed.wait_for(|committed| *committed >= position).await.map_err(|_| FollowFailed::Stopped)?;
        Ok(())
    }
}
