//! The lock that allows one gateway per data directory.

use super::disk::create_durably;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The right to write to a data directory, held as `flock` on its file `LOCK`. The kernel releases it when the process
/// ends, even after a crash; the file stays.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockFailed {
    /// Another process holds it.
    #[error(
        "{} is in use by {}: stop that one first, or give this one another data_dir",
        directory.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Held {
        /// The data directory.
        directory: PathBuf,
        /// The pid of the other process, if it could be read.
        pid: Option<u32>,
    },
    /// The file cannot be created or locked.
    #[error("{}: {error}", path.display())]
    Disk {
        /// The lock file.
        path: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
}

impl Lock {
    /// Takes the lock of `directory`, which is created if missing.
    pub fn take(directory: &Path) -> Result<Self, LockFailed> {
        let path = directory.join("LOCK");
        let disk = |error| LockFailed::Disk { path: path.clone(), error };
        create_durably(directory).map_err(disk)?;
        // It is not truncated on opening, because it may contain the holder's pid.
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(disk)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(LockFailed::Held { directory: directory.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(disk(error)),
        }
        let write_pid = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        // On a full disk the pid cannot be written; the lock is held nevertheless.
        match write_pid(&mut file) {
            Err(error) if error.kind() != io::ErrorKind::StorageFull => Err(disk(error)),
            _ => Ok(Self { _file: file }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_process_that_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let held = Lock::take(directory.path()).unwrap();

        let refused = Lock::take(directory.path()).unwrap_err();
        assert!(matches!(refused, LockFailed::Held { pid: Some(pid), .. } if pid == std::process::id()));
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");

        drop(held);
        Lock::take(directory.path()).unwrap();
    }

    #[test]
    fn a_stale_lock_file_does_not_block_a_start() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("LOCK"), "4194304\n4194304\n").unwrap();
        drop(Lock::take(directory.path()).unwrap());
        let text = std::fs::read_to_string(directory.path().join("LOCK")).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }
}
