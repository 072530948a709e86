//! Compaction: merges the previous snapshot and later writes into the next snapshot.
//!
//! Invariant: memory holds only one run of writes, whatever the total. Runs are sorted, spilled to files, and merged
//! with the previous snapshot; the latest write of each key wins.

use super::super::disk::DiskFile;
use super::sorted::{Reader, Writer};
use super::{
    Snapshot, SnapshotFailed, Snapshots, TABLE_BYTES, TEMPORARY_SUFFIX, Throttle, UnfinishedFile, decode_key,
    encode_key, encode_table, failed, io_failed, upgraded,
};
use crate::machine::rows::{Upgrade, Write};
use crate::model::{Position, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

/// Memory overhead of a key and its row.
const ENTRY_BYTES: usize = 96;

/// A snapshot being made.
pub struct Compaction<'a> {
    snapshots: &'a Snapshots,
    _busy: MutexGuard<'a, ()>,
    pub(super) before: Option<Snapshot>,
    run_bytes: usize,
    /// The last write of each key since the last run was spilled; `None` for a deleted row.
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
    runs: Vec<Run>,
    /// For each dropped table, the number of the first source whose rows count. The previous snapshot is number 0, runs
    /// count from 1.
    dropped: HashMap<[u8; TABLE_BYTES], usize>,
}

/// A sorted file of writes.
struct Run {
    name: String,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    size: u64,
}

/// A file being merged.
struct Source {
    reader: Reader,
    path: PathBuf,
    /// The row of the next key.
    row: Option<Vec<u8>>,
    upgrades: &'static [Upgrade],
}

impl Snapshots {
    /// Starts the next snapshot, based on the latest one or on nothing. Uses about `run_bytes` of memory. Blocks while
    /// another snapshot is being made.
    pub fn compact(&self, upon_latest: bool, run_bytes: usize) -> Result<Compaction<'_>, SnapshotFailed> {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if upon_latest { self.latest()? } else { None };
        Ok(Compaction {
            snapshots: self,
            _busy: busy,
            before,
            run_bytes,
            rows: BTreeMap::new(),
            bytes: 0,
            runs: Vec::new(),
            dropped: HashMap::new(),
        })
    }
}

impl Compaction<'_> {
    /// The last position covered by the snapshot it is based on.
    pub fn covered(&self) -> Position {
        self.before.as_ref().map_or(Position(0), |before| before.covers)
    }

    /// The number of spilled runs; each is a file that stays open until the end.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Adds the next writes, in order.
    pub fn add(&mut self, writes: Vec<Write>, throttle: Throttle<'_>) -> Result<(), SnapshotFailed> {
        for write in writes {
            match write {
                Write::Put(key, row) => self.record(encode_key(&key), Some(row)),
                Write::Delete(key) => self.record(encode_key(&key), None),
                Write::DropTable(table) => self.drop_table(encode_table(table)),
            }
            if self.bytes >= self.run_bytes {
                self.spill(throttle)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, key: Vec<u8>, row: Option<Vec<u8>>) {
        let key_bytes = key.len();
        self.bytes += bytes_of(key_bytes, row.as_ref());
        if let Some(before) = self.rows.insert(key, row) {
            self.bytes -= bytes_of(key_bytes, before.as_ref());
        }
    }

    fn drop_table(&mut self, table: [u8; TABLE_BYTES]) {
        self.rows.retain(|key, row| {
            let stays = !key.starts_with(&table);
            if !stays {
                self.bytes -= bytes_of(key.len(), row.as_ref());
            }
            stays
        });
        self.dropped.insert(table, self.runs.len() + 1);
    }

    /// Writes the rows in memory to a run file. It need not be durable, because it is discarded at a restart.
    fn spill(&mut self, throttle: Throttle<'_>) -> Result<(), SnapshotFailed> {
        let name = format!("run-{:04}{TEMPORARY_SUFFIX}", self.runs.len() + 1);
        let disk = &*self.snapshots.disk;
        let path = disk.path().join(&name);
        let file = disk.create(&name).map_err(failed(disk, &name))?;
        let mut run = UnfinishedFile { writer: Writer::new(file.clone(), &[], 0).map_err(failed(disk, &name))?, path };
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        // Registered before it is filled, so that it is removed in any case.
        self.runs.push(Run { name, path: run.path.clone(), file, size: 0 });
        for (key, row) in rows {
            run.put(&key, row.as_deref(), throttle)?;
        }
        let size = run.writer.finish().map_err(|error| io_failed(&run.path, &error))?;
        if let Some(run) = self.runs.last_mut() {
            run.size = size;
        }
        Ok(())
    }

    /// Makes the snapshot of everything up to `covers`, where the journal's time was `at`, and removes the previous
    /// one.
    pub fn finish(
        mut self,
        covers: Position,
        at: Timestamp,
        throttle: Throttle<'_>,
    ) -> Result<Snapshot, SnapshotFailed> {
        if !self.rows.is_empty() {
            self.spill(throttle)?;
        }
        self.snapshots.make(covers, at, throttle, |making, throttle| self.merge(making, throttle))
    }

    fn merge(&self, making: &mut UnfinishedFile, throttle: Throttle<'_>) -> Result<(), SnapshotFailed> {
        let before = match &self.before {
            Some(before) => Source::of(before.reader(), &before.path, before.upgrades),
            None => Source::of(Reader::empty(), Path::new(""), &[]),
        };
        let runs = self.runs.iter().map(|run| {
            let reader = Reader::new(run.file.clone(), 0, run.size, 0);
            Source::of(reader, &run.path, &[])
        });
        let mut sources: Vec<Source> = std::iter::once(before).chain(runs).collect();
        // The smallest key first; for equal keys the latest source first.
        let mut next = BinaryHeap::with_capacity(sources.len());
        for (number, source) in sources.iter_mut().enumerate() {
            next.extend(source.next()?.map(|key| Reverse((key, Reverse(number)))));
        }
        let mut last: Option<Vec<u8>> = None;
        while let Some(Reverse((key, Reverse(number)))) = next.pop() {
            let row = sources[number].row.take();
            next.extend(sources[number].next()?.map(|key| Reverse((key, Reverse(number)))));
            if last.as_ref() == Some(&key) {
                continue;
            }
            let dropped = key.first_chunk().and_then(|table| self.dropped.get(table));
            if let Some(row) = row.filter(|_| dropped.is_none_or(|dropped| number >= *dropped)) {
                making.put(&key, Some(&row), throttle)?;
            }
            last = Some(key);
        }
        Ok(())
    }
}

impl Source {
    fn of(reader: Reader, path: &Path, upgrades: &'static [Upgrade]) -> Self {
        Self { reader, path: path.to_owned(), row: None, upgrades }
    }

    /// Advances to the next key and keeps its row in `row`.
    fn next(&mut self) -> Result<Option<Vec<u8>>, SnapshotFailed> {
        let Some((key, row)) = self.reader.next().map_err(|broken| broken.of(&self.path))? else { return Ok(None) };
        self.row = match decode_key(&key).filter(|_| !self.upgrades.is_empty()) {
            Some(decoded) => row.map(|row| upgraded(self.upgrades, &decoded, row)),
            None => row,
        };
        Ok(Some(key))
    }
}

impl Drop for Compaction<'_> {
    /// Removes the runs, which are no longer needed. The next start removes any that remain.
    fn drop(&mut self) {
        for run in &self.runs {
            let _left_for_the_next_start = self.snapshots.disk.remove(&run.name);
        }
    }
}

fn bytes_of(key_bytes: usize, row: Option<&Vec<u8>>) -> usize {
    ENTRY_BYTES + key_bytes + row.map_or(0, Vec::len)
}
