//! A disk that can be taken away between any two steps of a commit.

use offhook::index::{Index, MemoryIndex};
use offhook::journal::{Journal, JournalFailed, JournalReader, MemoryJournal, Record};
use offhook::machine::rows::{Key, Rows, RowsFailed, ScannedRow, Table, Write};
use offhook::model::{Position, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where in a commit the process dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Death {
    /// Decided, and nothing is written.
    Unwritten,
    /// Written, and not synced.
    Unsynced,
    /// Synced, and only so many of the rows are in the index, whose position is the old one.
    Unindexed { rows: usize },
    /// All is done, and nobody is answered.
    Unanswered,
}

/// The next commit's death, if it is to have one. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Fate(Arc<Mutex<Option<Death>>>);

impl Fate {
    /// The next commit dies there, or nowhere.
    pub(crate) fn set(&self, death: Option<Death>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = death;
    }

    fn is(&self) -> Option<Death> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing end of the journal in memory, on a disk that obeys fate.
pub(crate) struct MortalJournal {
    pub(crate) disk: MemoryJournal,
    pub(crate) fate: Fate,
}

impl Journal for MortalJournal {
    fn identity(&self) -> [u8; 16] {
        self.disk.identity()
    }

    fn next(&self) -> Position {
        self.disk.next()
    }

    fn append(&mut self, records: &[Record], now: Timestamp) -> Result<(), JournalFailed> {
        if self.fate.is() == Some(Death::Unwritten) {
            self.disk.fail();
        }
        self.disk.append(records, now)?;
        if self.fate.is() == Some(Death::Unsynced) {
            self.disk.fail();
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalFailed> {
        self.disk.sync()
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        self.disk.reader()
    }
}

/// An index that outlives its process, as one on disk does. Clones are the same index.
#[derive(Clone)]
pub(crate) struct KeptIndex {
    kept: Arc<Mutex<MemoryIndex>>,
    fate: Fate,
}

impl KeptIndex {
    /// An empty one.
    pub(crate) fn new(fate: &Fate) -> Self {
        Self { kept: Arc::new(Mutex::new(MemoryIndex::new())), fate: fate.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, MemoryIndex> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index for KeptIndex {
    fn applied(&self) -> Position {
        self.lock().applied()
    }

    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed> {
        let mut kept = self.lock();
        if let Some(Death::Unindexed { rows }) = self.fate.is() {
            let applied = kept.applied();
            kept.write(&writes[..rows.min(writes.len())], applied)?;
            return Err(RowsFailed("the process died among the rows".to_owned()));
        }
        kept.write(writes, position)
    }

    fn reader(&self) -> Arc<dyn Rows + Send + Sync> {
        self.lock().reader()
    }

    fn start_over(&mut self) -> Result<(), RowsFailed> {
        self.lock().start_over()
    }

    fn close(self: Box<Self>) -> Result<(), RowsFailed> {
        Ok(())
    }
}

impl Rows for KeptIndex {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        self.lock().get(key)
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        self.lock().scan(table, prefix, from, limit)
    }
}
