//! An index in memory, for the simulation and for tests of the floors above.
//!
//! Invariant: it behaves like the index on disk; one test suite runs against both.

use super::{Index, fits, scan_start};
use crate::machine::rows::{Key, PAGE_ROWS, Rows, RowsFailed, ScannedRow, Table, Write};
use crate::model::Position;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

/// Tables of rows in ordered maps.
pub struct MemoryIndex {
    applied: Position,
    shared: Arc<Shared>,
}

/// The tables, until the index is closed.
struct Shared(RwLock<Option<Tables>>);

type Tables = HashMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

impl MemoryIndex {
    /// An empty index.
    pub fn new() -> Self {
        Self { applied: Position(0), shared: Arc::new(Shared(RwLock::new(Some(Tables::new())))) }
    }
}

impl Default for MemoryIndex {
    fn default() -> Self {
        Self::new()
    }
}

impl Index for MemoryIndex {
    fn applied(&self) -> Position {
        self.applied
    }

    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed> {
        fits(writes)?;
        let mut tables = self.shared.0.write().unwrap_or_else(PoisonError::into_inner);
        let tables = tables.as_mut().ok_or_else(closed)?;
        for write in writes {
            match write {
                Write::Put(key, row) => {
                    tables.entry(key.table).or_default().insert(key.bytes.clone(), row.clone());
                }
                Write::Delete(key) => {
                    tables.get_mut(&key.table).and_then(|rows| rows.remove(&key.bytes));
                }
                Write::DropTable(table) => {
                    tables.remove(table);
                }
            }
        }
        self.applied = position;
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Rows + Send + Sync> {
        Arc::clone(&self.shared) as Arc<dyn Rows + Send + Sync>
    }

    fn tables(&self) -> Vec<Table> {
        let tables = self.shared.0.read().unwrap_or_else(PoisonError::into_inner);
        tables.as_ref().map(|tables| tables.keys().copied().collect()).unwrap_or_default()
    }

    fn start_over(&mut self) -> Result<(), RowsFailed> {
        *self.shared.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Tables::new());
        self.applied = Position(0);
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), RowsFailed> {
        *self.shared.0.write().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

impl Rows for MemoryIndex {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        self.shared.get(key)
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        self.shared.scan(table, prefix, from, limit)
    }
}

impl Rows for Shared {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let tables = tables.as_ref().ok_or_else(closed)?;
        Ok(tables.get(&key.table).and_then(|rows| rows.get(&key.bytes)).cloned())
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(rows) = tables.as_ref().ok_or_else(closed)?.get(&table) else {
            return Ok(Vec::new());
        };
        Ok(rows
            .range::<[u8], _>((Bound::Included(scan_start(prefix, from)), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit.min(PAGE_ROWS))
            .map(|(key, row)| (key.clone(), row.clone()))
            .collect())
    }
}

fn closed() -> RowsFailed {
    RowsFailed("closed".into())
}
