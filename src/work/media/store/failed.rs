//! Why the store does not work, by what to do about it.

use std::io::{self, ErrorKind};
use std::path::Path;

/// The store did not do what it was asked for. Each text names the place and the way out, for an operator; it contains
/// nothing of a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFailed {
    /// There is no space: it works again once something is deleted.
    #[error("the media store is full: {0}")]
    Full(String),
    /// It may not be written, or not be read.
    #[error("the media store refuses access: {0}")]
    ReadOnly(String),
    /// The folder or the bucket is not there, or cannot be reached.
    #[error("the media store is not there: {0}")]
    Gone(String),
    /// Anything else.
    #[error("the media store failed: {0}")]
    Other(String),
}

impl StoreFailed {
    /// The failure as a metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Full(_) => "full",
            Self::ReadOnly(_) => "read_only",
            Self::Gone(_) => "gone",
            Self::Other(_) => "other",
        }
    }

    /// What an error below the folder `root` means.
    pub(super) fn of_file(root: &Path, error: &io::Error) -> Self {
        let place = root.display();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Self::Full(format!("{place}: {error}; free space on its disk"))
            }
            ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly(format!("{place} is on a read-only disk; check the disk, and mount it writable"))
            }
            ErrorKind::PermissionDenied => {
                Self::ReadOnly(format!("{place}: {error}; make the folder and all in it the gateway's own"))
            }
            ErrorKind::StaleNetworkFileHandle | ErrorKind::NotConnected | ErrorKind::HostUnreachable => {
                Self::Gone(format!("{place}: {error}; mount its disk again"))
            }
            // Only a folder that is not there itself is gone: otherwise something in it is missing.
            _ if !root.is_dir() => Self::Gone(format!("{place} is not a folder; mount its disk, or create the folder")),
            _ => Self::Other(format!("{place}: {error}; check the disk")),
        }
    }
}
