//! An index that is filled beside the one in use and then takes its place, so that no page of the one before is left.
//!
//! Invariant: until it is in its place, nothing reads it, and the next start removes it.

use super::home::Home;
use super::stamp::Stamp;
use super::{Reader, STAMP_KEY, Shared, Trees};
use crate::index::fits;
use crate::machine::rows::{Rows, RowsFailed, Table, Write};
use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

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

    /// Starts an empty index there, instead of any that was not completed.
    pub fn begin(&self) -> Result<Beside, RowsFailed> {
        let home = self.home.next_home();
        home.remove()?;
        let trees = home.open_fresh()?;
        let db_file = home.db_file()?;
        let (trees, failed, hidden) = (RwLock::new(Some(trees)), AtomicBool::new(false), AtomicBool::new(false));
        Ok(Beside { shared: Shared { trees, failed, hidden, home: home.clone() }, home, db_file })
    }
}

impl Beside {
    /// Applies the writes in order.
    pub fn write(&mut self, writes: &[Write]) -> Result<(), RowsFailed> {
        fits(writes)?;
        self.shared.write(writes)
    }

    /// Gives up the index and removes its files.
    pub fn discard(self) -> Result<(), RowsFailed> {
        let home = self.home.clone();
        drop(self);
        home.wait_until_free()?;
        home.remove()
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
