//! Rows: what the machine knows, as an index keeps it.
//!
//! The machine says which rows an event writes; an index keeps them without knowing what they mean.

mod v2;

use crate::model::{Day, Month};
use serde::{Deserialize, Serialize};

/// The version of keys and rows as this program writes them. An index of another version is rebuilt; a snapshot of an older
/// one is read, since the journal before it may be gone.
pub const ROWS_VERSION: u16 = 3;

/// The oldest version a snapshot may have: none was ever made of version 1.
pub const ROWS_VERSION_OLDEST: u16 = 2;

/// Makes of a row what the next version has in its place. Its key stays, so that a snapshot stays in the order of its keys.
pub type Upgrade = fn(&Key, Vec<u8>) -> Vec<u8>;

/// One upgrade for each version but the latest, the oldest first. Keep a sample of each version in `tests/snapshots/`.
pub const UPGRADES: [Upgrade; (ROWS_VERSION - ROWS_VERSION_OLDEST) as usize] = [
    // Version 3 added kinds of rows and variants, and changed the settings' row. It is not released yet: more may be added.
    v2::upgrade,
];

/// A group of rows that live and die together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Table {
    /// What lives on. The first byte of a key tells its kind.
    State,
    /// The messages made on a day; dropped whole when its retention has passed.
    Messages(Day),
    /// Answers to repeat on the same idempotency key; dropped whole after two days.
    Idempotency(Day),
    /// Whom we have talked to, and landlines, by the month of the last time; dropped whole.
    Contacts(Month),
}

/// Where a row stands: its table and its bytes there. Keys compare as bytes, so numbers in them are big-endian.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// The group.
    pub table: Table,
    /// The place in the group.
    pub bytes: Vec<u8>,
}

/// One change of one row. It says what the row is afterwards, never by how much it grew, so doing it twice is harmless.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// The row is this now.
    Put(Key, Vec<u8>),
    /// The row is gone.
    Delete(Key),
    /// The whole table is gone.
    DropTable(Table),
}

/// The store of rows failed; nothing read from it since can be believed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the index failed: {0}")]
pub struct RowsFailed(pub String);

/// Rows as they stand.
pub trait Rows {
    /// The row at `key`.
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed>;

    /// At most `limit` rows of `table` whose keys begin with `prefix`, in the order of their keys, beginning at the
    /// first key that is `from` or after it. `from` is a whole key; an empty one begins at the prefix.
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed>;
}

/// A key's bytes within its table, and the row.
pub type ScannedRow = (Vec<u8>, Vec<u8>);
