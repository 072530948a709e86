//! The index in sled 0.34.7, which is fast and guarantees little.
//!
//! Invariants: only the owner inserts, one row after another and the position row last. `apply_batch` and `transaction`
//! are not used, because they take a process-wide lock and a half-written batch is harmless here. sled recovers a
//! prefix of the writes, so after `kill -9` the position row is never ahead of its rows; `home` decides before the
//! first read whether that holds. The first error or panic of sled is final: every later call fails, and the next start
//! rebuilds the index.
//!
//! sled features that are not used, because of problems found in its source or in trials: `flush_async` (deadlocks with
//! eight callers), `generate_id` (can repeat), subscribers, compression, large values (files that are never synced).

mod beside;
mod home;
mod stamp;

pub use beside::{Beside, Place, Replaced};
pub use home::WhyRebuilt;
pub use stamp::Owner;

use super::{Index, fits, scan_start};
use crate::machine::rows::{Key, PAGE_ROWS, Rows, RowsFailed, ScannedRow, Table, Write};
use crate::model::{Day, Month, Position};
use home::{Found, Home};
use stamp::{Boot, Stamp};
use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The tree whose only row is the stamp.
const META_TREE: &[u8] = b"meta";

/// The key of the stamp.
const STAMP_KEY: &[u8] = b"stamp";

/// The index on disk.
pub struct SledIndex {
    home: Home,
    owner: Owner,
    boot: Boot,
    applied: Position,
    /// sled's main file, open as long as sled writes to it: the kernel reports a failed writeback only to descriptors
    /// that were open at the time.
    db_file: File,
    shared: Arc<Shared>,
}

/// An open index, and how much of it can be used.
pub struct Opened {
    /// The index.
    pub index: SledIndex,
    /// How much of the journal it holds.
    pub trust: Trust,
}

/// How much of the journal a newly opened index holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Nothing: load the snapshot, then replay the journal after it.
    Fresh(WhyRebuilt),
    /// Everything up to this position: replay what follows.
    Resumes(Position),
}

/// An index that was found and is not in use yet.
pub struct FoundIndex {
    home: Home,
    found: Found,
}

/// The state that readers share with the owner.
struct Shared {
    /// `None` once closed. Readers hold the lock for one page at most, so that no reader is inside sled once a close or
    /// a dropped table has taken the trees out.
    trees: RwLock<Option<Trees>>,
    /// sled failed; its results can no longer be trusted.
    failed: AtomicBool,
    /// The index is being rebuilt: only the owner reads it.
    hidden: AtomicBool,
    /// How often it was started over. What was read while this changed may lack rows.
    started_over: AtomicU64,
    /// Where a failure is recorded for the next start.
    home: Home,
}

/// sled's handles. sled holds its lock on the directory while one of them exists.
struct Trees {
    db: ::sled::Db,
    meta: ::sled::Tree,
    tables: HashMap<Table, ::sled::Tree>,
}

impl SledIndex {
    /// Opens the index in `dir` (`data_dir/index`) to read its position before its owner is known.
    pub fn look(dir: &Path) -> Result<FoundIndex, RowsFailed> {
        let home = Home::new(dir)?;
        let found = home.find()?;
        Ok(FoundIndex { home, found })
    }

    /// Opens the index in `dir` for `owner`, as [`FoundIndex::open`] does.
    #[cfg(feature = "test-support")]
    pub fn open(dir: &Path, owner: Owner) -> Result<Opened, RowsFailed> {
        Self::open_in_boot(dir, owner, Boot::of_this_machine())
    }

    #[cfg(feature = "test-support")]
    fn open_in_boot(dir: &Path, owner: Owner, boot: Boot) -> Result<Opened, RowsFailed> {
        Self::look(dir)?.open_in_boot(owner, boot)
    }

    /// Removes the closed index in `dir` with its marks, so that the next one opened there is empty.
    pub fn remove(dir: &Path) -> Result<(), RowsFailed> {
        Home::new(dir)?.discard()
    }

    fn stamp(&self, position: Position) -> [u8; Stamp::BYTES] {
        Stamp { owner: self.owner, boot: self.boot, position }.encode()
    }

    /// Takes sled away from the readers and shuts it down: when this returns, its threads have ended and its files are
    /// free.
    fn shut(&mut self) -> Result<(), RowsFailed> {
        let trees = self.shared.trees.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(trees) = trees else { return Ok(()) };
        trees.shut().map_err(|RowsFailed(why)| self.shared.fail(why))?;
        self.home.wait_until_free()
    }
}

impl FoundIndex {
    /// The journal it was written for, and the last position whose rows it has; `None` if it is unreadable or empty.
    /// The position is written only after the journal is synced.
    pub fn knows(&self) -> Option<([u8; 16], Position)> {
        let stamp = self.found.stamp()?;
        Some((stamp.owner.journal, stamp.position)).filter(|(_, position)| *position > Position(0))
    }

    /// Opens what was found, or replaces it by an empty index if it is missing, damaged, not `owner`'s, or untrusted
    /// after an unclean stop of the machine. The caller checks whether it is ahead of the journal. Takes at most a
    /// minute.
    pub fn open(self, owner: Owner) -> Result<Opened, RowsFailed> {
        self.open_in_boot(owner, Boot::of_this_machine())
    }

    fn open_in_boot(self, owner: Owner, boot: Boot) -> Result<Opened, RowsFailed> {
        let Self { home, found } = self;
        let (trees, trust) = match home.judge(found, &owner, boot)? {
            Ok((trees, position)) => (trees, Trust::Resumes(position)),
            Err(why) => (home.open_fresh()?, Trust::Fresh(why)),
        };
        let shared = Shared::new(trees, home.clone());
        let applied = if let Trust::Resumes(position) = trust { position } else { Position(0) };
        let db_file = home.db_file()?;
        let mut index = SledIndex { home, owner, boot, applied, db_file, shared: Arc::new(shared) };
        // The stamp now names this boot, so that a later reboot without a clean stop is detected.
        index.write(&[], applied)?;
        Ok(Opened { index, trust })
    }
}

impl Drop for SledIndex {
    fn drop(&mut self) {
        // Without `close` no clean mark is written, and an error cannot be returned.
        let _ = self.shut();
    }
}

impl Index for SledIndex {
    fn applied(&self) -> Position {
        self.applied
    }

    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed> {
        fits(writes)?;
        self.shared.write(writes)?;
        let stamp = self.stamp(position);
        self.shared.with_trees(|trees| trees.meta.insert(STAMP_KEY, stamp.as_slice()).map(drop))?;
        self.applied = position;
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Rows + Send + Sync> {
        Arc::new(Reader(Arc::clone(&self.shared)))
    }

    fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    fn has_room(&self) -> bool {
        self.home.has_room()
    }

    fn hide(&mut self, hidden: bool) {
        self.shared.hidden.store(hidden, Ordering::Release);
    }

    fn tables(&self) -> Vec<Table> {
        self.shared.tables()
    }

    fn start_over(&mut self) -> Result<(), RowsFailed> {
        self.shared.started_over.fetch_add(1, Ordering::AcqRel);
        if self.shut().is_err() {
            // The failed index is discarded, but its threads must have ended.
            self.home.wait_until_free()?;
        }
        self.home.discard()?;
        let trees = self.home.open_fresh()?;
        self.db_file = self.home.db_file()?;
        *self.shared.trees.write().unwrap_or_else(PoisonError::into_inner) = Some(trees);
        self.shared.failed.store(false, Ordering::Release);
        self.write(&[], Position(0))
    }

    fn place(&self) -> Option<Place> {
        Some(Place::beside(&self.home, &self.shared))
    }

    fn replace_by(&mut self, beside: Beside) -> Result<Replaced, RowsFailed> {
        self.shared.check_not_failed()?;
        self.shared.check_same(beside.copied_from)?;
        let stamp = self.stamp(self.applied);
        let (trees, db_file) = beside.into_place(stamp, &self.home)?;
        self.db_file = db_file;
        let before = self.shared.trees.write().unwrap_or_else(PoisonError::into_inner).replace(trees);
        Ok(Replaced::new(before, self.home.clone()))
    }

    fn close(mut self: Box<Self>) -> Result<(), RowsFailed> {
        self.shared.check_not_failed()?;
        self.shut()?;
        self.home.mark_clean(&self.db_file, &self.owner, self.applied)
    }
}

impl Rows for SledIndex {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        self.shared.get(key)
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        self.shared.scan(table, prefix, from, limit)
    }
}

/// A reader of the shared state.
struct Reader(Arc<Shared>);

impl Reader {
    /// What `read` finds, unless a rebuild began meanwhile, in which rows are missing.
    fn shown<T>(&self, read: impl FnOnce(&Shared) -> Result<T, RowsFailed>) -> Result<T, RowsFailed> {
        let shown = self.0.shown()?;
        let found = read(&self.0)?;
        self.0.check_same(shown)?;
        Ok(found)
    }
}

impl Rows for Reader {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        self.shown(|shared| shared.get(key))
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        self.shown(|shared| shared.scan(table, prefix, from, limit))
    }
}

impl Rows for Shared {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        let row = self.with_table(key.table, |tree| tree.get(&key.bytes))?;
        Ok(row.flatten().map(|row| row.to_vec()))
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        let page = self.with_table(table, |tree| {
            let mut page = Vec::new();
            for row in tree.range(scan_start(prefix, from)..).take(limit.min(PAGE_ROWS)) {
                let (key, row) = row?;
                if !key.starts_with(prefix) {
                    break;
                }
                page.push((key.to_vec(), row.to_vec()));
            }
            Ok(page)
        })?;
        Ok(page.unwrap_or_default())
    }
}

impl Shared {
    fn new(trees: Trees, home: Home) -> Self {
        let (failed, hidden) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { trees: RwLock::new(Some(trees)), failed, hidden, started_over: AtomicU64::new(0), home }
    }

    /// How often the index was started over, if it is complete.
    fn shown(&self) -> Result<u64, RowsFailed> {
        // In this order: a rebuild that begins in between is found by `check_same`.
        let started_over = self.started_over.load(Ordering::Acquire);
        if self.hidden.load(Ordering::Acquire) {
            return Err(RowsFailed("it is being rebuilt".to_owned()));
        }
        Ok(started_over)
    }

    fn check_same(&self, started_over: u64) -> Result<(), RowsFailed> {
        if self.started_over.load(Ordering::Acquire) == started_over {
            return Ok(());
        }
        Err(RowsFailed("it was rebuilt meanwhile".to_owned()))
    }

    fn tables(&self) -> Vec<Table> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        trees.as_ref().map(|trees| trees.tables.keys().copied().collect()).unwrap_or_default()
    }

    fn write(&self, writes: &[Write]) -> Result<(), RowsFailed> {
        for write in writes {
            match write {
                Write::Put(key, row) => {
                    let put = |tree: &::sled::Tree| tree.insert(&key.bytes, row.as_slice()).map(drop);
                    if self.with_table(key.table, put)?.is_none() {
                        self.make_table(key.table)?;
                        self.with_table(key.table, put)?;
                    }
                }
                Write::Delete(key) => {
                    self.with_table(key.table, |tree| tree.remove(&key.bytes).map(drop))?;
                }
                Write::DropTable(table) => self.drop_table(*table)?,
            }
        }
        Ok(())
    }

    /// Runs `act` with the table's tree; returns `None` if there is no such table.
    fn with_table<T>(
        &self,
        table: Table,
        act: impl FnOnce(&::sled::Tree) -> ::sled::Result<T>,
    ) -> Result<Option<T>, RowsFailed> {
        self.with_trees(|trees| trees.tables.get(&table).map(act).transpose())
    }

    fn with_trees<T>(&self, act: impl FnOnce(&Trees) -> ::sled::Result<T>) -> Result<T, RowsFailed> {
        self.check_not_failed()?;
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        let trees = trees.as_ref().ok_or_else(|| RowsFailed("closed".into()))?;
        catch_panic(|| act(trees)).map_err(|why| self.fail(why))
    }

    fn make_table(&self, table: Table) -> Result<(), RowsFailed> {
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        let trees = trees.as_mut().ok_or_else(|| RowsFailed("closed".into()))?;
        let tree = catch_panic(|| trees.db.open_tree(tree_name(table))).map_err(|why| self.fail(why))?;
        trees.tables.insert(table, tree);
        Ok(())
    }

    /// Takes the tree away from the readers first, because sled must not free pages under an iterator.
    fn drop_table(&self, table: Table) -> Result<(), RowsFailed> {
        if let Some(trees) = self.trees.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            trees.tables.remove(&table);
        }
        self.with_trees(|trees| trees.db.drop_tree(tree_name(table)).map(drop))
    }

    fn check_not_failed(&self) -> Result<(), RowsFailed> {
        if self.failed.load(Ordering::Acquire) {
            return Err(RowsFailed("it failed earlier; the next start rebuilds it".into()));
        }
        Ok(())
    }

    fn fail(&self, why: String) -> RowsFailed {
        self.failed.store(true, Ordering::Release);
        self.home.mark_failed();
        RowsFailed(why)
    }
}

impl Trees {
    /// Opens sled in `dir` with every tree, and reads the stamp, if any.
    fn open(dir: &Path) -> ::sled::Result<(Self, Option<Stamp>)> {
        let db = home::settings(dir).open()?;
        let meta = db.open_tree(META_TREE)?;
        let stamp = meta.get(STAMP_KEY)?.and_then(|stamp| Stamp::decode(&stamp));
        let mut tables = HashMap::new();
        for name in db.tree_names() {
            if let Some(table) = table_named(&name) {
                tables.insert(table, db.open_tree(name)?);
            }
        }
        Ok((Self { db, meta, tables }, stamp))
    }

    /// Drops the handles, which makes sled write its buffers. sled panics if its last sync fails.
    fn shut(self) -> Result<(), RowsFailed> {
        catch_panic(|| {
            drop(self);
            Ok(())
        })
        .map_err(RowsFailed)
    }
}

/// Calls into sled and converts its panics to errors: an unreadable page must cause a rebuild, not a crash at every
/// start.
fn catch_panic<T>(act: impl FnOnce() -> ::sled::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err("sled panicked".into()),
    }
}

fn tree_name(table: Table) -> String {
    match table {
        Table::State => "state".into(),
        Table::Messages(Day(day)) => format!("messages.{day}"),
        Table::Idempotency(Day(day)) => format!("idempotency.{day}"),
        Table::Contacts(Month(month)) => format!("contacts.{month}"),
        Table::Audit(Month(month)) => format!("audit.{month}"),
        Table::Usage(Month(month)) => format!("usage.{month}"),
        Table::Media(Day(day)) => format!("media.{day}"),
        Table::CarrierIds(Day(day)) => format!("carrier_ids.{day}"),
    }
}

fn table_named(name: &[u8]) -> Option<Table> {
    let name = std::str::from_utf8(name).ok()?;
    if name == "state" {
        return Some(Table::State);
    }
    let (kind, number) = name.split_once('.')?;
    let number = number.parse().ok()?;
    match kind {
        "messages" => Some(Table::Messages(Day(number))),
        "idempotency" => Some(Table::Idempotency(Day(number))),
        "contacts" => Some(Table::Contacts(Month(number))),
        "audit" => Some(Table::Audit(Month(number))),
        "usage" => Some(Table::Usage(Month(number))),
        "media" => Some(Table::Media(Day(number))),
        "carrier_ids" => Some(Table::CarrierIds(Day(number))),
        _ => None,
    }
}
