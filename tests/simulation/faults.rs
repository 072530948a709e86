//! Fault injection: a process that dies between any two steps of a commit, on a disk that fails and loses power.

use super::rng::SeededRng;
use offhook::index::{Index, MemoryIndex};
use offhook::journal::{FileJournal, HookedJournal, JournalFailed, Operation};
use offhook::machine::rows::{Key, Rows, RowsFailed, ScannedRow, Table, Write};
use offhook::model::Position;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// Where in a commit the process dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Death {
    /// After the decision, before the write.
    Unwritten,
    /// After the write, before the sync.
    Unsynced,
    /// The disk fails after this many successful calls of the journal.
    Failed { after: u64 },
    /// After the sync, with only this many rows in the index and its position not advanced.
    Unindexed { rows: usize },
    /// After the rows, before the claims.
    Unclaimed,
    /// After the commit, before the replies.
    Unanswered,
}

impl Death {
    /// Its name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unwritten => "unwritten",
            Self::Unsynced => "unsynced",
            Self::Failed { .. } => "disk failed",
            Self::Unindexed { .. } => "unindexed",
            Self::Unclaimed => "unclaimed",
            Self::Unanswered => "unanswered",
        }
    }
}

/// The death planned for the next commit, if any. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Fate(Arc<Mutex<Option<Death>>>);

impl Fate {
    /// Plans the death of the next commit, or none.
    pub(crate) fn set(&self, death: Option<Death>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = death;
    }

    fn get(&self) -> Option<Death> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A journal whose process dies as planned.
pub(crate) fn mortal(journal: FileJournal, fate: &Fate) -> HookedJournal<FileJournal> {
    let fate = fate.clone();
    HookedJournal::new(journal, move |operation, run| {
        let death = match operation {
            Operation::Append => Death::Unwritten,
            Operation::Sync => Death::Unsynced,
        };
        let dies = fate.get() == Some(death);
        if dies { Err(JournalFailed::Disk(format!("the process dies {death:?}"))) } else { run() }
    })
}

/// An index that survives its process, as one on disk does. Clones share it.
#[derive(Clone)]
pub(crate) struct KeptIndex {
    kept: Arc<Mutex<MemoryIndex>>,
    fate: Fate,
}

impl KeptIndex {
    /// An empty index.
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
        match self.fate.get() {
            Some(Death::Unindexed { rows }) => {
                let applied = kept.applied();
                kept.write(&writes[..rows.min(writes.len())], applied)?;
                Err(RowsFailed("the process died while writing rows".to_owned()))
            }
            Some(Death::Unclaimed) => {
                kept.write(writes, position)?;
                Err(RowsFailed("the process died after the rows".to_owned()))
            }
            _ => kept.write(writes, position),
        }
    }

    fn reader(&self) -> Arc<dyn Rows + Send + Sync> {
        self.lock().reader()
    }

    fn tables(&self) -> Vec<Table> {
        self.lock().tables()
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

/// The directory of claims, in /dev/shm where possible. The day's file is never synced, so a power loss may leave
/// anything of it.
pub(crate) struct ClaimFiles(TempDir);

impl ClaimFiles {
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self(made.expect("a directory can be made"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Loses power: the newest day's file is intact, cut, partly zeroed, or gone.
    pub(crate) fn lose_power(&self, rng: &mut SeededRng) {
        let Some(newest) = self.newest() else { return };
        let mut bytes = fs::read(&newest).expect("a written file can be read");
        match rng.below(4) {
            0 => {}
            1 => return fs::remove_file(&newest).expect("a file can be removed"),
            2 => bytes.truncate(rng.index(bytes.len() + 1)),
            _ => {
                let from = rng.index(bytes.len() + 1);
                bytes[from..].fill(0);
            }
        }
        fs::write(&newest, bytes).expect("a file can be written");
    }

    fn newest(&self) -> Option<PathBuf> {
        let names = fs::read_dir(self.path()).expect("a directory can be read").flatten().map(|entry| entry.path());
        names.filter(|path| day_of(path).is_some()).max_by_key(|path| day_of(path))
    }
}

fn day_of(path: &Path) -> Option<u16> {
    path.file_name()?.to_str()?.parse().ok()
}
