//! Floor 3: the rows of the state machine in a key-value store.
//!
//! Invariant: the position row is written after every row of its batch, so an index never claims more than it holds. It
//! may hold more than it claims, which is harmless because rows are absolute. Durability is never assumed.

mod claims;
#[cfg(feature = "test-support")]
mod memory;
mod sled;
#[cfg(test)]
mod suite;

#[cfg(feature = "test-support")]
pub use self::claims::fuzz;
pub use self::claims::{CLAIM_DAYS, CLAIMS_MAX, Claims};
#[cfg(feature = "test-support")]
pub use self::memory::MemoryIndex;
pub use self::sled::{Beside, FoundIndex, Opened, Owner, Place, Replaced, SledIndex, Trust, WhyRebuilt};

use crate::machine::rows::{Rows, RowsFailed, Table, Write};
use crate::model::Position;
use std::sync::Arc;

/// Maximum bytes of one row's value. sled keeps at most 17 rows in a page and writes pages of over about 128 kB to
/// files of their own that it never syncs; 17 rows of `ROW_MAX_BYTES` and `KEY_MAX_BYTES` stay at half of that.
pub const ROW_MAX_BYTES: usize = 4_096;

/// Maximum bytes of one row's key within its table.
pub const KEY_MAX_BYTES: usize = 256;

/// The write side of an index. Only the engine has it.
pub trait Index: Rows + Send {
    /// The last position whose rows are all in the index; `Position(0)` if it is empty.
    fn applied(&self) -> Position;

    /// Applies the writes in order, then records that everything up to `position` is in the index. While a snapshot is
    /// being loaded, `position` stays `Position(0)`: an index interrupted there is rebuilt from scratch, because rows
    /// of a half-loaded snapshot may be missing from the next one.
    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed>;

    /// A reader; there may be any number, on any thread. Reads fail once the index is closed.
    fn reader(&self) -> Arc<dyn Rows + Send + Sync>;

    /// Whether the index failed and must be started over.
    fn has_failed(&self) -> bool {
        false
    }

    /// Whether the index's disk has free space.
    fn has_room(&self) -> bool {
        true
    }

    /// Makes reads fail while `hidden`, because an index that is being rebuilt must not be read.
    fn hide(&mut self, _hidden: bool) {}

    /// The tables that may contain rows.
    fn tables(&self) -> Vec<Table>;

    /// Deletes everything in place: existing readers see an empty index.
    fn start_over(&mut self) -> Result<(), RowsFailed>;

    /// Where another index can be filled to take this one's place; `None` for an index without files.
    fn place(&self) -> Option<Place> {
        None
    }

    /// Puts another index in this one's place, with the rows of everything up to `applied()`: existing readers read it
    /// from now on. The files of this one are left until the result is removed. After an error nothing has changed.
    fn replace_by(&mut self, _beside: Beside) -> Result<Replaced, RowsFailed> {
        Err(RowsFailed("it has no files".to_owned()))
    }

    /// Shuts down cleanly: waits for readers in the middle of a page, makes everything durable and marks it so on disk,
    /// so that not even a reboot requires a rebuild.
    fn close(self: Box<Self>) -> Result<(), RowsFailed>;
}

/// Checks `writes` against `ROW_MAX_BYTES` and `KEY_MAX_BYTES`. Call it before the frame is written to the journal: a
/// frame whose rows do not fit would make every later start fail.
pub fn fits(writes: &[Write]) -> Result<(), RowsFailed> {
    for write in writes {
        let (key, row_bytes) = match write {
            Write::Put(key, row) => (key, row.len()),
            Write::Delete(key) => (key, 0),
            Write::DropTable(_) => continue,
        };
        if row_bytes > ROW_MAX_BYTES {
            return Err(RowsFailed(format!("a row of {row_bytes} bytes in {:?} is over {ROW_MAX_BYTES}", key.table)));
        }
        if key.bytes.len() > KEY_MAX_BYTES {
            let key_bytes = key.bytes.len();
            return Err(RowsFailed(format!("a key of {key_bytes} bytes in {:?} is over {KEY_MAX_BYTES}", key.table)));
        }
    }
    Ok(())
}

/// The first key a scan may return: the prefix itself, or `from` if that is later.
fn scan_start<'a>(prefix: &'a [u8], from: &'a [u8]) -> &'a [u8] {
    prefix.max(from)
}
