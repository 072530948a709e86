//! Floor 3: what the machine knows, as a store holds it.
//!
//! Invariant: the position row is written after every row of its batch, so an index never claims to hold more than it
//! does; it may hold more than it claims, which is harmless because rows are absolute. It is never trusted to be durable.

mod claims;
mod memory;
mod sled;
#[cfg(test)]
mod suite;

pub use self::claims::fuzz;
pub use self::claims::{CLAIM_DAYS, CLAIMS_MAX, Claims};
pub use self::memory::MemoryIndex;
pub use self::sled::{Looked, Opened, Owner, SledIndex, Trust, WhyRebuilt};

use crate::machine::rows::{Rows, RowsFailed, Table, Write};
use crate::model::Position;
use std::sync::Arc;

/// Rows in one page of a scan. A page of 500 rows keeps a reader under a millisecond or two, and the engine waits for
/// readers only when it opens or drops a table.
pub const SCAN_MAX_ROWS: usize = 500;

/// Bytes of one row's value. sled keeps at most 17 rows in a page and writes pages of over about 128 kB to files of
/// their own that it never syncs; 17 rows of `ROW_MAX_BYTES` and `KEY_MAX_BYTES` stay at half of that.
pub const ROW_MAX_BYTES: usize = 4_096;

/// Bytes of one row's key within its table.
pub const KEY_MAX_BYTES: usize = 256;

/// The writing end. The engine alone has it.
pub trait Index: Rows + Send {
    /// The last position whose rows are all here; `Position(0)` for an empty index.
    fn applied(&self) -> Position;

    /// Does the writes in order, then notes that everything up to `position` is here. While rows come from elsewhere
    /// than the journal (a snapshot being loaded) `position` stays `Position(0)`: an index that stops there is begun
    /// anew, because rows of a half-loaded snapshot may be gone from the next one.
    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed>;

    /// A reading end; any number, from any thread. It fails once the index is closed.
    fn reader(&self) -> Arc<dyn Rows + Send + Sync>;

    /// Whether it failed, so that it is to be started over.
    fn has_failed(&self) -> bool {
        false
    }

    /// Whether its disk has room for anything.
    fn has_room(&self) -> bool {
        true
    }

    /// From now on readers fail, or no longer do: what is being rebuilt must not be read.
    fn hide(&mut self, _hidden: bool) {}

    /// The tables that may hold rows.
    fn tables(&self) -> Vec<Table>;

    /// Forgets everything, in place: readers go on and see an empty index.
    fn start_over(&mut self) -> Result<(), RowsFailed>;

    /// The clean stop: waits for readers in the middle of a page, makes everything durable, and says so on the disk,
    /// so that even a restart of the machine need not rebuild.
    fn close(self: Box<Self>) -> Result<(), RowsFailed>;
}

/// Whether `writes` keep within `ROW_MAX_BYTES` and `KEY_MAX_BYTES`. To be asked before the frame that leads to them is
/// in the journal: a frame whose rows do not fit would stop every later start.
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

/// The first key a scan may return: the prefix itself, or `from` where that is later.
fn scan_start<'a>(prefix: &'a [u8], from: &'a [u8]) -> &'a [u8] {
    prefix.max(from)
}
