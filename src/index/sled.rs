//! The index in sled 0.34.7, which keeps rows quickly and promises little.
//!
//! Invariants. Only the owner inserts, one row after another and the position row last: `apply_batch` and `transaction`
//! take a lock that the whole process shares, and a batch half done is harmless here. sled's log is replayed to a
//! prefix of what was written, so after `kill -9` the position row never runs ahead of its rows. Whether that can be
//! believed is decided in `home`, before a row is read. The first error or panic of sled ends it: every later call
//! fails, and the next start builds the index anew.
//!
//! What sled offers and is not used here, because of what was found in its source or in trials: `flush_async`
//! (deadlocks with eight callers), `generate_id` (can repeat), subscribers, compression, large values (files that are
//! never synced).

mod home;
mod stamp;

pub use home::WhyRebuilt;
pub use stamp::Owner;

use super::{Index, SCAN_MAX_ROWS, fits, scan_start};
use crate::machine::rows::{Key, Rows, RowsFailed, ScannedRow, Table, Write};
use crate::model::{Day, Month, Position};
use home::{Found, Home};
use stamp::{Boot, Stamp};
use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The tree with the one row that says whose index this is and how far it has come.
const META_TREE: &[u8] = b"meta";

/// The key of that row.
const STAMP_KEY: &[u8] = b"stamp";

/// The index on disk.
pub struct SledIndex {
    home: Home,
    owner: Owner,
    boot: Boot,
    applied: Position,
    /// sled's one large file, open as long as sled writes to it: the kernel tells of a write that failed behind
    /// sled's back only to descriptors that were open then.
    db_file: File,
    shared: Arc<Shared>,
}

/// An index that is open, and what it is worth.
pub struct Opened {
    /// The index.
    pub index: SledIndex,
    /// How much of the journal it holds.
    pub trust: Trust,
}

/// How much of the journal an index holds that was just opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Nothing: load the snapshot, then replay the journal after it.
    Fresh(WhyRebuilt),
    /// Everything up to this position: replay what follows.
    Resumes(Position),
}

/// An index that was found and is not used yet.
pub struct Looked {
    home: Home,
    found: Found,
}

/// What readers see of the owner's sled.
struct Shared {
    /// `None` once closed. Readers hold the lock for one page at most, so that whoever takes the trees out (a close, a
    /// dropped table) knows that nobody is inside sled any more.
    trees: RwLock<Option<Trees>>,
    /// sled failed; what it says since cannot be believed.
    failed: AtomicBool,
    /// It is being rebuilt: only the owner reads it.
    hidden: AtomicBool,
    /// Where that is noted for the next start.
    home: Home,
}

/// sled's handles. While one of them lives, sled holds its lock on the directory.
struct Trees {
    db: ::sled::Db,
    meta: ::sled::Tree,
    tables: HashMap<Table, ::sled::Tree>,
}

impl SledIndex {
    /// Opens what is in `dir` (`data_dir/index`), to see how far it came before it is decided whose it is to be.
    pub fn look(dir: &Path) -> Result<Looked, RowsFailed> {
        let home = Home::new(dir)?;
        let found = home.find()?;
        Ok(Looked { home, found })
    }

    /// Opens the index in `dir` (`data_dir/index`), or moves aside what is there and begins an empty one where it is
    /// missing, damaged, not `owner`'s, or not to be trusted after an unclean stop of the machine. The caller judges
    /// whether it is ahead of the journal. At most a minute passes in sled.
    pub fn open(dir: &Path, owner: Owner) -> Result<Opened, RowsFailed> {
        Self::open_in_boot(dir, owner, Boot::of_this_machine())
    }

    fn open_in_boot(dir: &Path, owner: Owner, boot: Boot) -> Result<Opened, RowsFailed> {
        Self::look(dir)?.open_in_boot(owner, boot)
    }

    /// Removes the closed index in `dir` with every trace of it: the next one to be opened there is empty.
    pub fn remove(dir: &Path) -> Result<(), RowsFailed> {
        Home::new(dir)?.set_aside()
    }

    fn stamp(&self, position: Position) -> [u8; Stamp::BYTES] {
        Stamp { owner: self.owner, boot: self.boot, position }.encode()
    }

    /// Takes sled away from the readers and shuts it down: when this returns, its threads are done and its files free.
    fn shut(&mut self) -> Result<(), RowsFailed> {
        let trees = self.shared.trees.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(trees) = trees else { return Ok(()) };
        trees.shut().map_err(|RowsFailed(why)| self.shared.fail(why))?;
        self.home.wait_until_free()
    }
}

impl Looked {
    /// The journal that it was written for, and the last position whose rows it has; nothing where it cannot be read, or
    /// holds nothing. It is written only after the journal is synced.
    pub fn knows(&self) -> Option<([u8; 16], Position)> {
        let stamp = self.found.stamp()?;
        Some((stamp.owner.journal, stamp.position)).filter(|(_, position)| *position > Position(0))
    }

    /// Opens it for `owner`, as [`SledIndex::open`] does.
    pub fn open(self, owner: Owner) -> Result<Opened, RowsFailed> {
        self.open_in_boot(owner, Boot::of_this_machine())
    }

    fn open_in_boot(self, owner: Owner, boot: Boot) -> Result<Opened, RowsFailed> {
        let Self { home, found } = self;
        let (trees, trust) = match home.judge(found, &owner, boot)? {
            Ok((trees, position)) => (trees, Trust::Resumes(position)),
            Err(why) => (home.open_fresh()?, Trust::Fresh(why)),
        };
        let (trees, failed, hidden) = (RwLock::new(Some(trees)), AtomicBool::new(false), AtomicBool::new(false));
        let shared = Shared { trees, failed, hidden, home: home.clone() };
        let applied = if let Trust::Resumes(position) = trust { position } else { Position(0) };
        let db_file = home.db_file()?;
        let mut index = SledIndex { home, owner, boot, applied, db_file, shared: Arc::new(shared) };
        // From here on a stop of the machine is told by the boot that the stamp names.
        index.write(&[], applied)?;
        Ok(Opened { index, trust })
    }
}

impl Drop for SledIndex {
    fn drop(&mut self) {
        // Without `close` there is no clean mark, and no one to tell of an error.
        let _ = self.shut();
    }
}

impl Index for SledIndex {
    fn applied(&self) -> Position {
        self.applied
    }

    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed> {
        fits(writes)?;
        for write in writes {
            match write {
                Write::Put(key, row) => {
                    let put = |tree: &::sled::Tree| tree.insert(&key.bytes, row.as_slice()).map(drop);
                    if self.shared.with_table(key.table, put)?.is_none() {
                        self.shared.make_table(key.table)?;
                        self.shared.with_table(key.table, put)?;
                    }
                }
                Write::Delete(key) => {
                    self.shared.with_table(key.table, |tree| tree.remove(&key.bytes).map(drop))?;
                }
                Write::DropTable(table) => self.shared.drop_table(*table)?,
            }
        }
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
        let trees = self.shared.trees.read().unwrap_or_else(PoisonError::into_inner);
        trees.as_ref().map(|trees| trees.tables.keys().copied().collect()).unwrap_or_default()
    }

    fn start_over(&mut self) -> Result<(), RowsFailed> {
        if self.shut().is_err() {
            // What failed is thrown away; its threads must be gone all the same.
            self.home.wait_until_free()?;
        }
        self.home.set_aside()?;
        let trees = self.home.open_fresh()?;
        self.db_file = self.home.db_file()?;
        *self.shared.trees.write().unwrap_or_else(PoisonError::into_inner) = Some(trees);
        self.shared.failed.store(false, Ordering::Release);
        self.write(&[], Position(0))
    }

    fn close(mut self: Box<Self>) -> Result<(), RowsFailed> {
        self.shared.believed()?;
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

/// A reading end.
struct Reader(Arc<Shared>);

impl Reader {
    fn shown(&self) -> Result<&Shared, RowsFailed> {
        if self.0.hidden.load(Ordering::Acquire) {
            return Err(RowsFailed("it is being rebuilt".to_owned()));
        }
        Ok(&self.0)
    }
}

impl Rows for Reader {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        self.shown()?.get(key)
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        self.shown()?.scan(table, prefix, from, limit)
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
            for row in tree.range(scan_start(prefix, from)..).take(limit.min(SCAN_MAX_ROWS)) {
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
    /// Runs `act` with the table's tree, or not at all where there is no such table.
    fn with_table<T>(
        &self,
        table: Table,
        act: impl FnOnce(&::sled::Tree) -> ::sled::Result<T>,
    ) -> Result<Option<T>, RowsFailed> {
        self.with_trees(|trees| trees.tables.get(&table).map(act).transpose())
    }

    fn with_trees<T>(&self, act: impl FnOnce(&Trees) -> ::sled::Result<T>) -> Result<T, RowsFailed> {
        self.believed()?;
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        let trees = trees.as_ref().ok_or_else(|| RowsFailed("it is closed".into()))?;
        catch_panic(|| act(trees)).map_err(|why| self.fail(why))
    }

    fn make_table(&self, table: Table) -> Result<(), RowsFailed> {
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        let trees = trees.as_mut().ok_or_else(|| RowsFailed("it is closed".into()))?;
        let tree = catch_panic(|| trees.db.open_tree(tree_name(table))).map_err(|why| self.fail(why))?;
        trees.tables.insert(table, tree);
        Ok(())
    }

    /// Takes the tree away from the readers first: sled does not like an iterator in a tree whose pages it frees.
    fn drop_table(&self, table: Table) -> Result<(), RowsFailed> {
        if let Some(trees) = self.trees.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            trees.tables.remove(&table);
        }
        self.with_trees(|trees| trees.db.drop_tree(tree_name(table)).map(drop))
    }

    fn believed(&self) -> Result<(), RowsFailed> {
        if self.failed.load(Ordering::Acquire) {
            return Err(RowsFailed("it failed before, and is rebuilt at the next start".into()));
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
    /// Opens sled in `dir` and every tree in it; also the stamp, where there is one.
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

    /// Drops the handles, upon which sled writes out what it has. It panics where its last sync fails.
    fn shut(self) -> Result<(), RowsFailed> {
        catch_panic(|| {
            drop(self);
            Ok(())
        })
        .map_err(RowsFailed)
    }
}

/// Calls into sled. Its panics are errors here: a page that cannot be read must lead to a rebuild and not to a process
/// that dies of the same page at every start.
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
        _ => None,
    }
}
