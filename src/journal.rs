//! Floor 3: the truth, an append-only log of frames.
//!
//! Invariant: a frame that `sync` has returned for is read again after `kill -9` and after power loss, with every frame
//! before it; and nobody reads a frame that was never synced.

mod ballast;
mod disk;
mod erase;
mod examine;
mod file;
mod frame;
pub mod fuzz;
pub mod inspect;
mod lock;
mod loss;
mod memory;
mod reader;
mod recover;
mod segment;
mod sim_disk;
pub mod snapshot;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;

pub use ballast::Ballast;
pub use file::{FileJournal, Options, SEGMENT_BYTES};
pub use frame::{BODIES_MAX, FRAME_BYTES_MAX};
pub use lock::{Lock, LockFailed};
pub use loss::{Lost, Plan, epoch_after};
pub use memory::MemoryJournal;
pub use recover::{Cut, Evidence};
pub use sim_disk::SimDisk;

use crate::model::{Position, Timestamp};
use std::fmt;
use std::sync::Arc;

/// One command's events, encoded. The journal knows nothing of their meaning.
///
/// `meta` names nobody. Whatever names a person stands in a body, which can be overwritten with zeros (erased) without
/// touching the frame's checksum.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// What happened, without the people.
    pub meta: Vec<u8>,
    /// The people: numbers, texts, addresses of media, carriers' raw bodies.
    pub bodies: Vec<Vec<u8>>,
}

/// A frame as it lies in the journal.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its place: frames count 1, 2, 3 … without a gap, but for those that were lost and given up.
    pub position: Position,
    /// What happened, without the people.
    pub meta: Vec<u8>,
    /// The people; `None` where erased.
    pub bodies: Vec<Option<Vec<u8>>>,
}

/// Segments that one call of `forget_before` drops at most: each takes a few milliseconds, and commands wait meanwhile.
pub const FORGOTTEN_AT_ONCE_MAX: usize = 8;

/// Says which bodies of a frame are to be erased.
pub type Which<'a> = &'a mut dyn FnMut(&Frame) -> Vec<usize>;

/// The writing end. There is one, and the engine has it.
pub trait Journal: Send {
    /// The identity of this journal, made with it: an index of another journal is not to be trusted.
    fn identity(&self) -> [u8; 16];

    /// The position the next record appended gets.
    fn next(&self) -> Position;

    /// Writes `records` in order, the first at `next()`. `now` decides when the day's segment closes. Nothing is durable
    /// before `sync`, and readers do not see it. After an error other than `TooLarge` the journal is dead: every later
    /// call fails, because a write that failed once may succeed the second time without the bytes being on disk.
    fn append(&mut self, records: &[Record], now: Timestamp) -> Result<(), JournalFailed>;

    /// Makes everything appended durable (fdatasync), then visible to readers.
    fn sync(&mut self) -> Result<(), JournalFailed>;

    /// Drops whole segments all of whose frames are before `position`, oldest first, `FORGOTTEN_AT_ONCE_MAX` at most, and
    /// never the one that is written to. Readers get `Gone` for what was in them, and `bounds().0` says what is left.
    fn forget_before(&mut self, position: Position) -> Result<(), JournalFailed>;

    /// Overwrites bodies with zeros, for good: `which` says of each frame, oldest first, which of its bodies, by their
    /// places in it. Returns how many were erased; those erased before count no more.
    ///
    /// A frame is looked at only where one appended and synced after it, by this process, says that it is durable: zeros
    /// at the very end would look like a torn write. So append a record and sync it before.
    fn erase(&mut self, which: Which<'_>) -> Result<u64, JournalFailed>;

    /// A reading end; any number, from any thread.
    fn reader(&self) -> Arc<dyn JournalReader>;
}

/// A reading end: synced frames only.
pub trait JournalReader: Send + Sync {
    /// The first position still kept, and the first not yet synced (one past the last readable).
    fn bounds(&self) -> (Position, Position);

    /// Frames in order from `from` on: at least one if there is one, then until `max_bytes` is passed. Empty at the
    /// end. `from` before the first kept position is `JournalFailed::Gone`.
    fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Frame>, JournalFailed>;

    /// The beginning of a segment, the last of which this is known: every frame before it is from before `at`.
    fn all_before(&self, at: Timestamp) -> Result<Position, JournalFailed>;

    /// Bytes of frames that are kept, and the beginning of the first segment from which on they are at most `most`: of
    /// the one that is written to, where that alone is more.
    fn kept_within(&self, most: u64) -> (u64, Position);

    /// What of the frames after `position` stands in files that are closed. One that is written to never counts.
    fn closed_after(&self, position: Position) -> Closed;

    /// The last position that holds a frame; `Position(0)` for none. Positions after it may be lost for good.
    fn last(&self) -> Position {
        Position(self.bounds().1.0 - 1)
    }

    /// The last position before the first kept that once held a frame which was not given up as lost.
    fn last_before_oldest(&self) -> Position {
        Position(self.bounds().0.0 - 1)
    }

    /// The position itself, or the first after the gap it stands in: frames that were lost, and given up.
    fn past_gap(&self, position: Position) -> Position {
        position
    }

    /// How many frames stand from `position` on.
    fn count_from(&self, position: Position) -> u64 {
        self.bounds().1.0.saturating_sub(position.0)
    }
}

/// What stands in closed files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed {
    /// The last position in a closed file; `Position(0)` where no file is closed.
    pub last: Position,
    /// Bytes of the closed files that hold something of what was asked for.
    pub bytes: u64,
}

/// What a caller of the journal does next is to stop (or, for `Gone`, to skip to what is kept).
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalFailed {
    /// The disk failed, or failed before. Nothing since the last `sync` may be acknowledged.
    #[error("the journal failed: {0}")]
    Disk(String),
    /// Damage in the middle: a frame is bad and a later one says it had been synced.
    #[error("{0}")]
    Damaged(String),
    /// A record is over `FRAME_BYTES_MAX` or `BODIES_MAX`. Nothing of its batch was written; the journal lives.
    #[error("a record of {bytes} bytes in {bodies} bodies is too large for the journal")]
    TooLarge {
        /// Bytes of meta and bodies.
        bytes: usize,
        /// How many bodies.
        bodies: usize,
    },
    /// The position is no longer kept.
    #[error("the journal begins at position {}", .oldest.0)]
    Gone {
        /// The first position still kept.
        oldest: Position,
    },
}

impl Record {
    /// That the journal takes this record.
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
    /// How much, never what: bodies name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bodies: Vec<usize> = self.bodies.iter().map(Vec::len).collect();
        f.debug_struct("Record").field("meta_bytes", &self.meta.len()).field("body_bytes", &bodies).finish()
    }
}

impl fmt::Debug for Frame {
    /// How much, never what: bodies name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bodies: Vec<Option<usize>> = self.bodies.iter().map(|body| body.as_ref().map(Vec::len)).collect();
        f.debug_struct("Frame")
            .field("position", &self.position.0)
            .field("meta_bytes", &self.meta.len())
            .field("body_bytes", &bodies)
            .finish()
    }
}
