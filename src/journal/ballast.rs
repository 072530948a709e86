//! The ballast: a file that reserves disk space, to be released when the disk is full.

use super::disk::{DiskFile, create_durably};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The unit of `st_blocks` on Linux.
const BLOCK_BYTES: u64 = 512;

/// The file `ballast` in a data directory. Its blocks are allocated, so releasing it frees that space. Creating and
/// releasing it requires the directory's [`Lock`](super::Lock).
#[derive(Clone, Debug)]
pub struct Ballast {
    path: PathBuf,
    half_made: PathBuf,
}

impl Ballast {
    /// The ballast of `data_dir`, which need not exist.
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join("ballast"), half_made: data_dir.join("ballast.new") }
    }

    /// The bytes it reserves on the disk; 0 if it does not exist.
    pub fn held(&self) -> u64 {
        self.path.metadata().map_or(0, |about| about.blocks() * BLOCK_BYTES)
    }

    /// Creates it with `bytes` bytes, completely or not at all.
    ///
    /// # Errors
    /// If the disk has no space for it, or fails.
    pub fn make(&self, bytes: u64) -> io::Result<()> {
        let make = || {
            create_durably(self.path.parent().unwrap_or(Path::new(".")))?;
            let mut options = OpenOptions::new();
            let file: File = options.write(true).create(true).truncate(true).mode(0o600).open(&self.half_made)?;
            file.allocate(bytes)?;
            // A file system with delayed allocation may find the space missing only on sync.
            file.sync_all()?;
            std::fs::rename(&self.half_made, &self.path)
        };
        make().inspect_err(|_| {
            // Release what was allocated; the caller gets the error.
            let _left = std::fs::remove_file(&self.half_made);
        })
    }

    /// Removes it to release its space. `false` if there was none.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn give_up(&self) -> io::Result<bool> {
        let mut existed = false;
        for path in [&self.half_made, &self.path] {
            match std::fs::remove_file(path) {
                Ok(()) => existed = true,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(existed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g8_the_ballast_reserves_space_and_releases_it() {
        let directory = tempfile::tempdir().unwrap();
        let ballast = Ballast::of(&directory.path().join("data"));
        assert_eq!((ballast.held(), ballast.give_up().unwrap()), (0, false));
        ballast.make(1_000_000).unwrap();
        assert!(ballast.held() >= 1_000_000, "{} bytes are held", ballast.held());
        // An unfinished one, left by a process that died, does not count and is removed too.
        std::fs::write(directory.path().join("data/ballast.new"), [0; 100_000]).unwrap();
        assert!(ballast.give_up().unwrap());
        assert_eq!(std::fs::read_dir(directory.path().join("data")).unwrap().count(), 0);
        assert_eq!((ballast.held(), ballast.give_up().unwrap()), (0, false));
    }

    #[test]
    fn g8_a_failed_creation_of_the_ballast_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let ballast = Ballast::of(directory.path());
        assert!(ballast.make(1 << 60).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
