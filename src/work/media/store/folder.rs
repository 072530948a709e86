//! Media in a folder: `<day>/<sha256 in hex>`, and what is written aside.
//!
//! Invariant: a file has its name only when its bytes are synced, and the directories above it are synced before it is
//! reported. The folder itself is created when the store is opened and never after: where its disk went away, media must
//! not go to the disk below.

use super::aside::{Aside, make_folder};
use super::incoming::Written;
use super::{Digests, PIECE_MAX, Pieces, Reading, Sha256, StoreFailed, blocking, name, named, part};
use crate::model::Day;
use bytes::Bytes;
use futures_util::stream;
use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File, ReadDir};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How many names are read from a directory at once.
const NAMES_MAX: usize = 256;

/// A folder of media. Clones are the same one.
#[derive(Clone)]
pub(super) struct Folder {
    aside: Aside,
    /// The days whose directories are durable.
    durable_days: Arc<Mutex<BTreeSet<Day>>>,
}

impl Folder {
    pub(super) fn open(root: &Path) -> Result<Self, StoreFailed> {
        Ok(Self { aside: Aside::open(root)?, durable_days: Arc::default() })
    }

    pub(super) fn at(root: &Path) -> Self {
        Self { aside: Aside::at(root), durable_days: Arc::default() }
    }

    pub(super) fn aside(&self) -> &Aside {
        &self.aside
    }

    pub(super) async fn keep(&self, day: Day, sha256: Sha256, written: Written) -> Result<(), StoreFailed> {
        self.run(move |folder| folder.keep_now(day, &sha256, written)).await
    }

    pub(super) async fn read(
        &self,
        day: Day,
        sha256: Sha256,
        range: Option<Range<u64>>,
    ) -> Result<Option<Reading>, StoreFailed> {
        let opened = self.run(move |folder| {
            let Some(mut file) = folder.if_there(File::open(folder.place(day, &sha256)))? else { return Ok(None) };
            let size = file.metadata()?.len();
            let range = part(range, size);
            file.seek(SeekFrom::Start(range.start))?;
            Ok(Some((file, size, range)))
        });
        let Some((file, size, range)) = opened.await? else { return Ok(None) };
        let pieces = pieces(self.clone(), file, range.end - range.start);
        Ok(Some(Reading { size, range, pieces }))
    }

    pub(super) async fn size(&self, day: Day, sha256: Sha256) -> Result<Option<u64>, StoreFailed> {
        self.run(move |folder| {
            let about = folder.if_there(fs::metadata(folder.place(day, &sha256)))?;
            Ok(about.map(|about| about.len()))
        })
        .await
    }

    pub(super) async fn delete(&self, day: Day, sha256: Sha256) -> Result<(), StoreFailed> {
        self.run(move |folder| {
            if folder.if_there(fs::remove_file(folder.place(day, &sha256)))?.is_some() {
                folder.if_there(sync_directory(&folder.of_day(day)))?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn days(&self) -> Result<Vec<Day>, StoreFailed> {
        self.run(|folder| folder.days_now()).await
    }

    pub(super) async fn list(&self, day: Day) -> Result<Digests, StoreFailed> {
        let entries = self.run(move |folder| folder.if_there(fs::read_dir(folder.of_day(day)))).await?;
        Ok(names(self.clone(), entries))
    }

    pub(super) async fn delete_day(&self, day: Day) -> Result<(), StoreFailed> {
        self.run(move |folder| folder.delete_day_now(day)).await
    }

    pub(super) async fn used_bytes(&self) -> Result<u64, StoreFailed> {
        self.run(|folder| folder.used_bytes_now()).await
    }

    /// Runs file operations where they may block, and says what an error means.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreFailed> {
        let folder = self.clone();
        blocking(move || work(&folder).map_err(|error| folder.aside.failed(&error))).await
    }

    fn keep_now(&self, day: Day, sha256: &Sha256, written: Written) -> io::Result<()> {
        let place = self.place(day, sha256);
        let is_there = fs::metadata(&place).is_ok_and(|about| about.is_file() && about.len() == written.bytes());
        if !is_there {
            written.file().sync_all()?;
            make_folder(&self.of_day(day))?;
            written.into_aside().move_to(&place)?;
        }
        // Also of one that was there: the one that stored it may not have come to this yet.
        sync_directory(&self.of_day(day))?;
        self.sync_day(day)
    }

    /// Makes a day's directory itself durable.
    fn sync_day(&self, day: Day) -> io::Result<()> {
        let durable = || self.durable_days.lock().unwrap_or_else(PoisonError::into_inner);
        if !durable().contains(&day) {
            sync_directory(self.aside.root())?;
            durable().insert(day);
        }
        Ok(())
    }

    fn days_now(&self) -> io::Result<Vec<Day>> {
        let mut days = Vec::new();
        for entry in fs::read_dir(self.aside.root())? {
            days.extend(entry?.file_name().to_str().and_then(Day::parse));
        }
        days.sort_unstable();
        Ok(days)
    }

    fn delete_day_now(&self, day: Day) -> io::Result<()> {
        self.durable_days.lock().unwrap_or_else(PoisonError::into_inner).remove(&day);
        if self.if_there(fs::remove_dir_all(self.of_day(day)))?.is_some() {
            sync_directory(self.aside.root())?;
        }
        Ok(())
    }

    fn used_bytes_now(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for directory in fs::read_dir(self.aside.root())? {
            let directory = directory?;
            if !directory.file_type()?.is_dir() {
                continue;
            }
            // Files and whole days may be deleted meanwhile.
            for file in self.if_there(fs::read_dir(directory.path()))?.into_iter().flatten() {
                bytes += self.if_there(file?.metadata())?.map_or(0, |about| about.len());
            }
        }
        Ok(bytes)
    }

    /// `None` for what is not there, while the folder itself is.
    fn if_there<T>(&self, result: io::Result<T>) -> io::Result<Option<T>> {
        match result {
            Err(error) if error.kind() == ErrorKind::NotFound && self.aside.root().is_dir() => Ok(None),
            result => result.map(Some),
        }
    }

    fn of_day(&self, day: Day) -> PathBuf {
        self.aside.root().join(day.to_string())
    }

    fn place(&self, day: Day, sha256: &Sha256) -> PathBuf {
        self.of_day(day).join(name(sha256))
    }
}

/// The next `left` bytes of a file.
fn pieces(folder: Folder, file: File, left: u64) -> Pieces {
    Box::pin(stream::try_unfold((file, left), move |(mut file, left)| {
        let folder = folder.clone();
        async move {
            if left == 0 {
                return Ok(None);
            }
            let read = folder.run(move |_| {
                let mut piece = vec![0; PIECE_MAX.min(usize::try_from(left).unwrap_or(PIECE_MAX))];
                file.read_exact(&mut piece)?;
                Ok((file, piece))
            });
            let (file, piece) = read.await?;
            let left = left - piece.len() as u64;
            Ok(Some((Bytes::from(piece), (file, left))))
        }
    }))
}

/// The media among a directory's entries.
fn names(folder: Folder, entries: Option<ReadDir>) -> Digests {
    Box::pin(stream::try_unfold((entries, VecDeque::new()), move |(mut entries, mut found)| {
        let folder = folder.clone();
        async move {
            while found.is_empty() {
                let Some(open) = entries else { return Ok(None) };
                (entries, found) = folder.run(move |_| next_names(open)).await?;
            }
            Ok(found.pop_front().map(|next| (next, (entries, found))))
        }
    }))
}

/// Some more media, and the rest of the directory unless it is at its end.
fn next_names(mut entries: ReadDir) -> io::Result<(Option<ReadDir>, VecDeque<Sha256>)> {
    let mut found = VecDeque::new();
    for entry in entries.by_ref().take(NAMES_MAX) {
        found.extend(entry?.file_name().to_str().and_then(named));
    }
    // A full page may be the last one; the next is empty then.
    let ended = found.is_empty();
    Ok((Some(entries).filter(|_| !ended), found))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
