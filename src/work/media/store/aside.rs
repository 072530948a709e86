//! Files that have no name in the store yet.
//!
//! Invariant: such a file is deleted when its [`AsideFile`] is dropped, unless it was moved to its place. What a crash
//! leaves has the mark of another run, by which [`Aside::sweep`] finds it.

use super::StoreFailed;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// The folder for them within the store's.
const ASIDE: &str = "aside";

/// More than a file system keeps within a directory's entry, so that a disk without space is noticed.
const PROBE_BYTES: usize = 8 * 1024;

/// What the names of this run's files begin with.
static RUN: LazyLock<String> = LazyLock::new(|| {
    let mut random = [0; 8];
    // Without randomness the time and the process tell runs apart well enough: the files are nobody else's.
    if getrandom::fill(&mut random).is_err() {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
        random = (now ^ u64::from(std::process::id())).to_be_bytes();
    }
    format!("{:016x}-", u64::from_be_bytes(random))
});

/// The number of the next file.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The folder of such files. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    root: Arc<Path>,
    folder: Arc<Path>,
}

/// A file without a name in the store.
#[derive(Debug)]
pub(super) struct AsideFile {
    file: File,
    /// `None` once it has a place.
    path: Option<PathBuf>,
}

impl Aside {
    /// The one within `root`, which is created if it is not there.
    pub(super) fn open(root: &Path) -> Result<Self, StoreFailed> {
        let folder = root.join(ASIDE);
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        created.map_err(|error| StoreFailed::of_file(root, &error))?;
        Ok(Self::at(root))
    }

    /// The one within `root`, which may not be there yet.
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.into(), folder: root.join(ASIDE).into() }
    }

    /// The folder it is in.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// What an error of a file here means.
    pub(super) fn failed(&self, error: &io::Error) -> StoreFailed {
        StoreFailed::of_file(&self.root, error)
    }

    /// A new, empty file.
    pub(super) fn create(&self) -> Result<AsideFile, StoreFailed> {
        let path = self.folder.join(format!("{}{}", *RUN, NEXT.fetch_add(1, Ordering::Relaxed)));
        let open = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = open().or_else(|error| match error.kind() {
            // The store's own folder is never created here: where its disk is not mounted, there is a wrong disk.
            ErrorKind::NotFound => make_folder(&self.folder).and_then(|()| open()),
            _ => Err(error),
        });
        let file = file.map_err(|error| self.failed(&error))?;
        Ok(AsideFile { file, path: Some(path) })
    }

    /// Deletes the files of other runs; how many there were.
    pub(super) fn sweep(&self) -> Result<u64, StoreFailed> {
        let swept = || -> io::Result<u64> {
            let mut count = 0;
            for entry in fs::read_dir(&self.folder)? {
                let entry = entry?;
                let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(&*RUN));
                if !is_ours && entry.file_type()?.is_file() {
                    fs::remove_file(entry.path())?;
                    count += 1;
                }
            }
            Ok(count)
        };
        match swept() {
            Err(error) if error.kind() == ErrorKind::NotFound && self.root.is_dir() => Ok(0),
            swept => swept.map_err(|error| self.failed(&error)),
        }
    }

    /// Whether a file can be written and synced.
    pub(super) fn probe(&self) -> Result<(), StoreFailed> {
        let probe = self.create()?;
        let written = probe.file().write_all(&[1; PROBE_BYTES]).and_then(|()| probe.file().sync_all());
        written.map_err(|error| self.failed(&error))
    }
}

impl AsideFile {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Moves it to its place, whatever is there. It is gone from here even if that fails.
    pub(super) fn move_to(mut self, place: &Path) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        fs::rename(path, place)?;
        self.path = None;
        Ok(())
    }
}

impl Drop for AsideFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be deleted now is swept by a later run.
            let _ = fs::remove_file(path);
        }
    }
}

/// Creates a folder, unless there is one.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}
