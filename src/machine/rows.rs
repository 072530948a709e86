//! Rows: the machine's state as stored in an index.
//!
//! The machine decides which rows an event writes; an index stores them without interpreting them.

mod v2;
mod v3;

use crate::model::{Day, Month};

/// The version of keys and rows that this program writes. An index of another version is rebuilt; a snapshot of an
/// older version is still read, since the journal before it may be gone.
pub const ROWS_VERSION: u16 = 4;

/// The record version whose forms these rows have.
pub(super) const FORM: u8 = 5;

/// The oldest version a snapshot may have: no snapshot of version 1 exists.
pub const ROWS_VERSION_OLDEST: u16 = 2;

/// Converts a row to the next version. The key is unchanged, so that a snapshot stays sorted by key.
pub type Upgrade = fn(&Key, Vec<u8>) -> Vec<u8>;

/// One upgrade for each version but the latest, the oldest first. Keep a sample of each version in `tests/snapshots/`.
pub const UPGRADES: [Upgrade; (ROWS_VERSION - ROWS_VERSION_OLDEST) as usize] = [
    // Version 3 added kinds of rows and variants, and changed the settings' row.
    v2::upgrade,
    // Version 4 added the audit. It is not released yet, so more may be added.
    v3::upgrade,
];

/// A group of rows that are kept and dropped together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// Rows without a common expiry. The first byte of a key is its kind.
    State,
    /// The messages created on a day; dropped as a whole after the retention.
    Messages(Day),
    /// Answers to repeat for the same idempotency key; dropped as a whole after two days.
    Idempotency(Day),
    /// Contacts and landlines, by the month of their last write; dropped as a whole.
    Contacts(Month),
    /// The audit of a month, by position; dropped as a whole.
    Audit(Month),
    /// Usage counters, by the month of their day; dropped as a whole.
    Usage(Month),
    /// Media in the store, by the day they were stored on; dropped as a whole, and their bytes with it.
    Media(Day),
    /// Which messages the carriers' ids are of, by the day they were learnt; dropped as a whole after eight days.
    CarrierIds(Day),
}

/// A row's key: its table and its bytes within it. Keys compare as bytes, so numbers in them are big-endian.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// The table.
    pub table: Table,
    /// The key within the table.
    pub bytes: Vec<u8>,
}

/// One write to one row. It holds the row's new value, never a difference, so applying it twice is harmless.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Set the row to this value.
    Put(Key, Vec<u8>),
    /// Delete the row.
    Delete(Key),
    /// Delete the whole table.
    DropTable(Table),
}

/// The store of rows failed; values read from it since then are invalid.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the index failed: {0}")]
pub struct RowsFailed(pub String);

/// Maximum rows in one page of a scan. A page of 500 rows takes a reader a millisecond or two, and the engine waits for
/// readers only when it opens or drops a table.
pub const PAGE_ROWS: usize = 500;

/// Read access to the current rows.
pub trait Rows {
    /// Returns the row at `key`, if there is one.
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed>;

    /// Returns at most `limit` rows of `table` whose keys begin with `prefix`, sorted by key, starting at the first key
    /// that is not before `from`. `from` is a whole key; an empty one starts at the prefix. No page has more than
    /// `PAGE_ROWS`; a shorter page than asked for is the last one.
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed>;
}

/// A key's bytes within its table, and the row.
pub type ScannedRow = (Vec<u8>, Vec<u8>);
