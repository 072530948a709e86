//! A file that holds nothing but room, for the day on which the disk is full.

use super::disk::{DiskFile, create_durably};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What a block of `st_blocks` is, wherever Linux runs.
const BLOCK_BYTES: u64 = 512;

/// The file `ballast` in a data directory. Its place on the disk is taken for sure, so that giving it up makes room for
/// sure. Only who holds the directory's [`Lock`](super::Lock) may make it or give it up.
#[derive(Clone, Debug)]
pub struct Ballast {
    path: PathBuf,
    half_made: PathBuf,
}

impl Ballast {
    /// The ballast of `data_dir`, whether there is one or not.
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join("ballast"), half_made: data_dir.join("ballast.new") }
    }

    /// How many bytes of the disk it holds; 0 where there is none.
    pub fn held(&self) -> u64 {
        self.path.metadata().map_or(0, |about| about.blocks() * BLOCK_BYTES)
    }

    /// Makes it, of so many bytes: all of it or nothing.
    ///
    /// # Errors
    /// Where the disk has no room for it, or fails.
    pub fn make(&self, bytes: u64) -> io::Result<()> {
        let make = || {
            create_durably(self.path.parent().unwrap_or(Path::new(".")))?;
            let mut options = OpenOptions::new();
            let file: File = options.write(true).create(true).truncate(true).mode(0o600).open(&self.half_made)?;
            file.allocate(bytes)?;
            // A file system may promise room and look for it only when it writes.
            file.sync_all()?;
            std::fs::rename(&self.half_made, &self.path)
        };
        make().inspect_err(|_| {
            // What there was room for is given back; the error tells the rest.
            let _left = std::fs::remove_file(&self.half_made);
        })
    }

    /// Gives its room back. `false` where there was none.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn give_up(&self) -> io::Result<bool> {
        let mut there = false;
        for path in [&self.half_made, &self.path] {
            match std::fs::remove_file(path) {
                Ok(()) => there = true,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g8_a_ballast_takes_its_place_on_the_disk_and_gives_it_back() {
        let directory = tempfile::tempdir().unwrap();
        let ballast = Ballast::of(&directory.path().join("data"));
        assert_eq!((ballast.held(), ballast.give_up().unwrap()), (0, false));
        ballast.make(1_000_000).unwrap();
        assert!(ballast.held() >= 1_000_000, "{} bytes are held", ballast.held());
        // One that was being made when the process died is no ballast, and is given up with it.
        std::fs::write(directory.path().join("data/ballast.new"), [0; 100_000]).unwrap();
        assert!(ballast.give_up().unwrap());
        assert_eq!(std::fs::read_dir(directory.path().join("data")).unwrap().count(), 0);
        assert_eq!((ballast.held(), ballast.give_up().unwrap()), (0, false));
    }

    #[test]
    fn g8_a_ballast_there_is_no_room_for_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let ballast = Ballast::of(directory.path());
        assert!(ballast.make(1 << 60).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
