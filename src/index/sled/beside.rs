//! An index that is filled beside the one in use and then takes its place, so that no page of the one before is left.
//!
//! Invariant: until it is in its place, nothing reads it, and the next start removes it. It takes the place only of the
//! index from which it was copied: one that was rebuilt meanwhile may have lacked rows when they were copied.

use super::home::Home;
use super::stamp::Stamp;
use super::{Reader, STAMP_KEY, Shared, Trees};
use crate::index::fits;
use crate::machine::rows::{Rows, RowsFailed, Table, Write};
use std::fs::File;
use std::sync::{Arc, PoisonError};

/// Where another index can be filled.
#[derive(Clone)]
pub struct Place {
    home: Home,
    current: Arc<Shared>,
}

/// An index beside the one in use.
pub struct Beside {
    home: Home,
    db_file: File,
    shared: Shared,
    /// How often the one in use was started over before this one was begun.
    pub(super) copied_from: u64,
}

/// An index that was replaced. Its files are left until `remove`.
pub struct Replaced {
    trees: Option<Trees>,
    home: Home,
}

impl Place {
    pub(super) fn beside(home: &Home, current: &Arc<Shared>) -> Self {
        Self { home: home.clone(), current: Arc::clone(current) }
    }

    /// The index in use.
    pub fn current(&self) -> Arc<dyn Rows + Send + Sync> {
        Arc::new(Reader(Arc::clone(&self.current)))
    }

    /// The tables that may contain rows of the index in use.
    pub fn tables(&self) -> Vec<Table> {
        self.current.tables()
    }

    /// The size of the index in use, in bytes.
    pub fn bytes(&self) -> u64 {
        self.home.bytes()
    }

    /// Starts an empty index there, instead of any that was not completed. Fails while the one in use is rebuilt.
    pub fn begin(&self) -> Result<Beside, RowsFailed> {
        let copied_from = self.current.shown()?;
        let home = self.home.next_home();
        home.wait_until_free()?;
        home.remove()?;
        let trees = home.open_fresh()?;
        let db_file = home.db_file()?;
        Ok(Beside { shared: Shared::new(trees, home.clone()), home, db_file, copied_from })
    }
}

impl Beside {
    /// Applies the writes in order.
    pub fn write(&mut self, writes: &[Write]) -> Result<(), RowsFailed> {
        fits(writes)?;
        self.shared.write(writes)
    }

    /// Moves it to `place` with this stamp; returns its trees and its main file.
    pub(super) fn into_place(self, stamp: [u8; Stamp::BYTES], place: &Home) -> Result<(Trees, File), RowsFailed> {
        self.shared.with_trees(|trees| trees.meta.insert(STAMP_KEY, stamp.as_slice()).map(drop))?;
        // sled opens its files by name only when it starts: what it writes follows the directory to its new name.
        place.replace_by(&self.home)?;
        let trees = self.shared.trees.write().unwrap_or_else(PoisonError::into_inner).take();
        trees.map(|trees| (trees, self.db_file)).ok_or_else(|| RowsFailed("closed".to_owned()))
    }
}

impl Replaced {
    pub(super) fn new(trees: Option<Trees>, home: Home) -> Self {
        Self { trees, home }
    }

    /// Closes it and removes its files durably. Blocks until sled's threads have ended.
    pub fn remove(self) -> Result<(), RowsFailed> {
        if let Some(trees) = self.trees {
            // What it fails to write is removed next.
            let _unwritten = trees.shut();
        }
        self.home.remove_replaced()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Index as _, Owner, SledIndex};
    use crate::machine::rows::Key;
    use crate::model::Position;
    use tempfile::TempDir;

    /// An index with one row at position 1.
    fn filled() -> (TempDir, SledIndex, Key) {
        let dir = tempfile::tempdir().unwrap();
        let owner = Owner { journal: [7; 16], rows_version: 1 };
        let mut index = SledIndex::open(&dir.path().join("index"), owner).unwrap().index;
        let key = Key { table: Table::State, bytes: b"key".to_vec() };
        fill(&mut index, &key);
        (dir, index, key)
    }

    fn fill(index: &mut SledIndex, key: &Key) {
        index.write(&[Write::Put(key.clone(), b"row".to_vec())], Position(1)).unwrap();
    }

    #[test]
    fn an_index_that_was_rebuilt_meanwhile_is_not_replaced_by_what_was_copied() {
        let (_dir, mut index, key) = filled();
        let place = index.place().unwrap();
        let half_copied = place.begin().unwrap();
        index.hide(true);
        index.start_over().unwrap();
        assert_eq!(place.tables(), [], "a copy that asks now has nothing to copy");
        fill(&mut index, &key);
        index.hide(false);
        let refused = index.replace_by(half_copied).err().expect("it lacks the row");
        assert!(refused.to_string().contains("rebuilt meanwhile"), "{refused}");
        assert_eq!(place.current().get(&key).unwrap().as_deref(), Some(&b"row"[..]));

        let mut copied = place.begin().unwrap();
        copied.write(&[Write::Put(key.clone(), b"copied".to_vec())]).unwrap();
        index.replace_by(copied).unwrap().remove().unwrap();
        assert_eq!(place.current().get(&key).unwrap().as_deref(), Some(&b"copied"[..]));
    }

    #[test]
    fn nothing_is_copied_from_an_index_that_is_being_rebuilt() {
        let (_dir, mut index, key) = filled();
        let place = index.place().unwrap();
        index.hide(true);
        assert!(place.begin().is_err() && place.current().get(&key).is_err());
        index.hide(false);
        assert!(place.begin().is_ok() && place.current().get(&key).is_ok());
    }

    #[test]
    fn a_read_during_which_a_rebuild_begins_fails_and_does_not_miss_rows() {
        let (_dir, mut index, key) = filled();
        let reader = Reader(Arc::clone(&index.shared));
        let read = reader.shown(|shared| {
            index.hide(true);
            index.start_over().unwrap();
            let missed = shared.get(&key);
            fill(&mut index, &key);
            index.hide(false);
            missed
        });
        assert!(read.unwrap_err().to_string().contains("rebuilt meanwhile"));
        assert_eq!(reader.get(&key).unwrap().as_deref(), Some(&b"row"[..]));
    }
}
