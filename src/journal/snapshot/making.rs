//! An unfinished snapshot file: it is filled, then read back.

use super::super::disk::DiskFile;
use super::sorted::{self, Broken, Reader, Writer};
use super::{HEADER, SnapshotFailed, Throttle, io_failed};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of rows being filled.
pub(super) struct UnfinishedFile {
    pub(super) writer: Writer,
    pub(super) path: PathBuf,
}

impl UnfinishedFile {
    /// Adds a row; its key must sort after all keys added before.
    pub(super) fn put(&mut self, key: &[u8], row: Option<&[u8]>, throttle: Throttle<'_>) -> Result<(), SnapshotFailed> {
        let wrote_a_block = self.writer.put(key, row).map_err(|error| io_failed(&self.path, &error))?;
        if wrote_a_block && !throttle() { Err(SnapshotFailed::Interrupted) } else { Ok(()) }
    }
}

/// Verifies that the disk returns what was written, because the previous snapshot and old segments are deleted next.
pub(super) fn read_back(
    made: &Arc<dyn DiskFile>,
    header: &[u8; HEADER],
    bytes: u64,
    seed: u32,
    path: &Path,
    throttle: Throttle<'_>,
) -> Result<(), SnapshotFailed> {
    // Not `Damaged`, which would refer to the existing snapshot.
    let other = || SnapshotFailed::Disk(format!("{}: the data read back is not what was written", path.display()));
    // The page cache is bypassed, because the disk is to be checked.
    made.leave_memory();
    let mut read = [0; HEADER];
    let whole = sorted::read_all_at(&**made, &mut read, 0).map_err(|error| io_failed(path, &error))?;
    if !whole || read != *header {
        return Err(other());
    }
    let mut reader = Reader::new(made.clone(), HEADER as u64, bytes, seed);
    let mut block = 0;
    loop {
        if reader.offset() != block && !throttle() {
            return Err(SnapshotFailed::Interrupted);
        }
        block = reader.offset();
        match reader.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(Broken::Bad(..)) => return Err(other()),
            Err(Broken::Disk(error)) => return Err(io_failed(path, &error)),
        }
    }
}
