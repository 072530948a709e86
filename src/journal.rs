//! Floor 3: the journal, an append-only log of frames and the source of truth.
//!
//! Invariant: once `sync` has returned, a frame and every frame before it survive `kill -9` and power loss; and readers
//! never see a frame that was not synced.

mod ballast;
mod disk;
mod erase;
mod examine;
mod file;
mod frame;
#[cfg(feature = "test-support")]
pub mod fuzz;
#[cfg(feature = "test-support")]
mod hooked;
pub mod inspect;
mod lock;
mod loss;
#[cfg(feature = "test-support")]
mod memory;
mod reader;
mod recover;
mod segment;
#[cfg(feature = "test-support")]
mod sim_disk;
pub mod snapshot;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;

pub use ballast::Ballast;
pub use file::{FileJournal, Options, SEGMENT_BYTES};
pub use frame::{BODIES_MAX, FRAME_BYTES_MAX};
#[cfg(feature = "test-support")]
pub use hooked::{HookedJournal, Operation};
pub use lock::{Lock, LockFailed};
pub use loss::{Lost, Plan, epoch_after};
#[cfg(feature = "test-support")]
pub use memory::MemoryJournal;
pub use recover::{Cut, Evidence};
#[cfg(feature = "test-support")]
pub use sim_disk::SimDisk;

use crate::model::{Position, Timestamp};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// One command's events, encoded. The journal does not interpret them.
///
/// `meta` contains no personal data. All personal data is in bodies, which can be overwritten with zeros (erased)
/// without changing the frame's checksum.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// What happened, without personal data.
    pub meta: Vec<u8>,
    /// Personal data: numbers, texts, media URLs, carriers' raw request bodies.
    pub bodies: Vec<Vec<u8>>,
}

impl Record {
    /// Whether it fits into a frame: at most [`FRAME_BYTES_MAX`] and [`BODIES_MAX`].
    pub fn fits(&self) -> bool {
        frame::bytes_of(self).is_some()
    }
}

/// A frame read from the journal.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its position: 1, 2, 3 … without gaps, except for frames whose loss was accepted.
    pub position: Position,
    /// What happened, without personal data.
    pub meta: Vec<u8>,
    /// Personal data; `None` for an erased body.
    pub bodies: Vec<Option<Vec<u8>>>,
}

/// Maximum number of segments one `drop_before` deletes: each takes a few milliseconds, during which commands wait.
pub const FORGOTTEN_AT_ONCE_MAX: usize = 8;

/// Selects the bodies of a frame to erase, by index.
pub type Which<'a> = &'a mut dyn FnMut(&Frame) -> Vec<usize>;

/// The writer. There is one per journal, owned by the engine.
pub trait Journal: Send {
    /// The identity of this journal, created with it; an index with another identity must not be used.
    fn identity(&self) -> [u8; 16];

    /// The position of the next record appended.
    fn next(&self) -> Position;

    /// Writes `records` in order, the first at `next()`. `now` decides when the day's segment is closed. Nothing is
    /// durable or visible to readers before `sync`. After an error other than `TooLarge` the journal is dead: every
    /// later call fails, because a repeated write may report success without the bytes being on disk.
    fn append(&mut self, records: &[Record], now: Timestamp) -> Result<(), JournalFailed>;

    /// Makes everything appended durable (fdatasync), then visible to readers.
    fn sync(&mut self) -> Result<(), JournalFailed>;

    /// Deletes segments all of whose frames are before `position`, oldest first, at most `FORGOTTEN_AT_ONCE_MAX`, and
    /// never the current one. Readers get `Gone` for their frames; `bounds().0` is the first position left.
    fn drop_before(&mut self, position: Position) -> Result<(), JournalFailed>;

    /// Erases bodies, on any thread, while this journal is written and read.
    fn eraser(&self) -> Arc<dyn Eraser>;

    /// Erases bodies of all frames: see [`Eraser::erase`].
    fn erase(&mut self, which: Which<'_>) -> Result<u64, JournalFailed> {
        self.eraser().erase(Position(0)..=Position(u64::MAX), which, &mut || true)
    }

    /// Creates a reader. There may be any number, on any thread.
    fn reader(&self) -> Arc<dyn JournalReader>;
}

/// Erases bodies while the journal is written and read. Only one erasure may run at a time.
pub trait Eraser: Send + Sync {
    /// Overwrites bodies of the frames in `range` with zeros, durably: `which` selects them by index, called for each
    /// frame, oldest first. `goes_on` is called between steps while the bodies are looked for: it may sleep, and
    /// returns whether to continue. Returns the number of newly erased bodies. It may be repeated after an error.
    ///
    /// Only frames that a later frame, synced by this process, records as durable are considered: zeros at the very end
    /// would look like a torn write. So append and sync a record before calling this.
    fn erase(
        &self,
        range: RangeInclusive<Position>,
        which: Which<'_>,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<u64, JournalFailed>;
}

/// A reader. It sees synced frames only.
pub trait JournalReader: Send + Sync {
    /// The first position still kept, and the first not yet synced (one past the last readable).
    fn bounds(&self) -> (Position, Position);

    /// Frames in order starting at `from`: at least one if there is one, then until `max_bytes` is exceeded. Empty at
    /// the end. If `from` is before the first kept position: `JournalFailed::Gone`.
    fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Frame>, JournalFailed>;

    /// The first position of the last segment that begins at or before `at`; every frame before it is older than `at`.
    fn all_before(&self, at: Timestamp) -> Result<Position, JournalFailed>;

    /// The size of all segments, and the first position of the oldest segment to keep so that the total is at most
    /// `most` bytes. If the current segment alone is larger, that is its first position.
    fn kept_within(&self, most: u64) -> (u64, Position);

    /// The closed files with frames after `position`. The current file never counts.
    fn closed_after(&self, position: Position) -> Closed;

    /// The last position that holds a frame; `Position(0)` for none. Positions after it may be lost.
    fn last(&self) -> Position {
        Position(self.bounds().1.0 - 1)
    }

    /// The last position before the first kept one that once held a frame whose loss was not accepted.
    fn last_before_oldest(&self) -> Position {
        Position(self.bounds().0.0 - 1)
    }

    /// The position itself, or the first one after the gap of accepted losses that contains it.
    fn past_gap(&self, position: Position) -> Position {
        position
    }

    /// The number of frames from `position` on.
    fn count_from(&self, position: Position) -> u64 {
        self.bounds().1.0.saturating_sub(position.0)
    }
}

/// The extent of closed files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed {
    /// The last position in a closed file; `Position(0)` if no file is closed.
    pub last: Position,
    /// Size of the closed files that contain any of the frames in question.
    pub bytes: u64,
}

/// An error of the journal. The caller must stop, or, after `Gone`, skip to the first kept position.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalFailed {
    /// The disk failed, now or earlier. Nothing since the last `sync` may be acknowledged.
    #[error("the journal failed: {0}")]
    Disk(String),
    /// Damage in the middle: a frame is bad although a later one records it as synced.
    #[error("{0}")]
    Damaged(String),
    /// A record exceeds `FRAME_BYTES_MAX` or `BODIES_MAX`. Nothing of its batch was written; the journal stays usable.
    #[error("a record of {bytes} bytes in {bodies} bodies is too large for the journal")]
    TooLarge {
        /// Bytes of meta and bodies.
        bytes: usize,
        /// Number of bodies.
        bodies: usize,
    },
    /// Work was interrupted on request. Nothing was changed.
    #[error("work on the journal was interrupted")]
    Interrupted,
    /// The position is no longer kept.
    #[error("the journal begins at position {}", .oldest.0)]
    Gone {
        /// The first position still kept.
        oldest: Position,
    },
}

impl Record {
    /// Checks that the record fits the journal's limits.
    fn check(&self) -> Result<(), JournalFailed> {
        match frame::bytes_of(self) {
            Some(_) => Ok(()),
            None => Err(JournalFailed::TooLarge {
                bytes: self.meta.len() + self.bodies.iter().map(Vec::len).sum::<usize>(),
                bodies: self.bodies.len(),
            }),
        }
    }
}

impl fmt::Debug for Record {
    /// Shows sizes only: bodies contain personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bodies: Vec<usize> = self.bodies.iter().map(Vec::len).collect();
        f.debug_struct("Record").field("meta_bytes", &self.meta.len()).field("body_bytes", &bodies).finish()
    }
}

impl fmt::Debug for Frame {
    /// Shows sizes only: bodies contain personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bodies: Vec<Option<usize>> = self.bodies.iter().map(|body| body.as_ref().map(Vec::len)).collect();
        f.debug_struct("Frame")
            .field("position", &self.position.0)
            .field("meta_bytes", &self.meta.len())
            .field("body_bytes", &bodies)
            .finish()
    }
}
