//! A file of rows in the making: filled, then read back.

use super::super::disk::DiskFile;
use super::sorted::{self, Broken, Reader, Writer};
use super::{HEADER, SnapshotFailed, Throttle, trouble};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of rows that is being filled.
pub(super) struct Making {
    pub(super) writer: Writer,
    pub(super) path: PathBuf,
}

impl Making {
    /// Adds a row, whose key is behind all that were added.
    pub(super) fn put(&mut self, key: &[u8], row: Option<&[u8]>, throttle: Throttle<'_>) -> Result<(), SnapshotFailed> {
        let wrote_a_block = self.writer.put(key, row).map_err(|error| trouble(&self.path, &error))?;
        if wrote_a_block && !throttle() { Err(SnapshotFailed::Interrupted) } else { Ok(()) }
    }
}

/// That the disk gives back what was written: the snapshot before and segments of the journal go for it.
pub(super) fn read_back(
    made: &Arc<dyn DiskFile>,
    header: &[u8; HEADER],
    bytes: u64,
    seed: u32,
    path: &Path,
    throttle: Throttle<'_>,
) -> Result<(), SnapshotFailed> {
    // Not as damage: that would be said of the snapshot there is.
    let other = || SnapshotFailed::Disk(format!("{}: what is read back is not what was written", path.display()));
    // What is in memory was right before; it is the disk that is asked.
    made.leave_memory();
    let mut read = [0; HEADER];
    let whole = sorted::read_all_at(&**made, &mut read, 0).map_err(|error| trouble(path, &error))?;
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
            Err(Broken::Disk(error)) => return Err(trouble(path, &error)),
        }
    }
}
