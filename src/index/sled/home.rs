//! sled's directory: opening, validating, discarding and closing it.
//!
//! Invariant: rows are read only from a directory that is known to be complete. Its stamp must name this journal and
//! this encoding, and it must have been written in this boot of the machine (the page cache then still has sled's
//! writes) or synced file by file before the mark `index.clean` was written. The mark is durably removed before sled
//! may write. Any other directory is moved away and removed; the index can be rebuilt, because the data is in the
//! journal.
//!
//! Files beside the directory `index`:
//! - `index.clean`: the index was closed at this position and is durable;
//! - `index.failed`: sled failed in the previous run, so its rows cannot be trusted;
//! - `index.aside-<n>`: a discarded index that is being removed. It is never kept, because its rows may name erased
//!   people;
//! - `index.beside`: an index that is being filled to take this one's place.

use super::Trees;
use super::stamp::{Boot, Owner, Stamp};
use crate::machine::rows::RowsFailed;
use crate::model::Position;
use rustix::fs::{FlockOperation, flock};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long sled may take to open. Two million messages take two seconds.
const OPEN_MAX: Duration = Duration::from_secs(60);

/// How long sled's threads may still lock its file after the last handle was dropped; usually they have finished.
const LET_GO_MAX: Duration = Duration::from_secs(5);

/// sled's page cache. The process uses about twice this, and more as the index grows.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// How often sled writes its buffer, collects garbage (it does so nowhere else) and syncs. In trials 100, 500 and 2,000
/// were equally fast; longer intervals disturb the journal's syncs less often, shorter ones for less time.
const FLUSH_EVERY_MS: u64 = 1_000;

/// With less than this free, a failure is attributed to the full disk.
const ROOM_BYTES: u64 = 8 * 1024 * 1024;

/// Maximum discarded directories not yet removed; more mean that removing them fails.
const DISCARDED_MAX: usize = 8;

/// Why an index begins empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WhyRebuilt {
    /// There was no index.
    Missing,
    /// The previous one was still incomplete when the gateway stopped.
    Unfinished,
    /// It was written by another version of the gateway.
    OtherVersion,
    /// It belongs to another journal.
    OtherJournal,
    /// The machine stopped without a clean stop of the gateway: sled may have lost or torn writes.
    UncleanStop,
    /// sled failed in the previous run.
    FailedBefore,
    /// sled cannot open it.
    DoesNotOpen(String),
}

impl fmt::Display for WhyRebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no index yet"),
            Self::Unfinished => f.write_str("the index was incomplete at the last stop"),
            Self::OtherVersion => f.write_str("the index was written by another version of the gateway"),
            Self::OtherJournal => f.write_str("the index belongs to another journal"),
            Self::UncleanStop => f.write_str("the machine stopped before the gateway closed the index"),
            Self::FailedBefore => f.write_str("the index failed in the previous run"),
            Self::DoesNotOpen(why) => write!(f, "the index cannot be opened: {why}"),
        }
    }
}

/// The content of `index.clean`: the stamp the index was closed with.
struct CleanMark([u8; Stamp::BYTES]);

/// An index that was found and not validated yet.
pub(super) struct Found {
    opened: Result<(Trees, Option<Stamp>), WhyRebuilt>,
    mark: Option<CleanMark>,
}

impl Found {
    pub(super) fn stamp(&self) -> Option<&Stamp> {
        self.opened.as_ref().ok()?.1.as_ref()
    }
}

/// The directory of an index, and the files beside it.
#[derive(Clone)]
pub(super) struct Home {
    dir: PathBuf,
    parent: PathBuf,
}

impl Home {
    pub(super) fn new(dir: &Path) -> Result<Self, RowsFailed> {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|e| io_failed("create", parent, &e))?;
        Ok(Self { dir: dir.to_owned(), parent: parent.to_owned() })
    }

    /// Opens the existing index, if any.
    pub(super) fn find(&self) -> Result<Found, RowsFailed> {
        self.remove_discarded()?;
        self.next_home().remove()?;
        let mark = self.take_clean_mark()?;
        let opened = if !self.dir.join("db").exists() {
            Err(WhyRebuilt::Missing)
        } else if self.beside("failed").exists() {
            Err(WhyRebuilt::FailedBefore)
        } else {
            self.wait_until_free()?;
            self.remove_half_made_snapshots()?;
            self.open_sled()?
        };
        Ok(Found { opened, mark })
    }

    /// Returns the found index if it is valid; otherwise discards it and returns the reason.
    pub(super) fn judge(
        &self,
        Found { opened, mark }: Found,
        owner: &Owner,
        boot: Boot,
    ) -> Result<Result<(Trees, Position), WhyRebuilt>, RowsFailed> {
        let why = match opened {
            Ok((trees, stamp)) => match judge(stamp, mark, owner, boot) {
                Ok(position) => return Ok(Ok((trees, position))),
                Err(why) => {
                    trees.shut()?;
                    self.wait_until_free()?;
                    why
                }
            },
            Err(why) => why,
        };
        self.discard()?;
        Ok(Err(why))
    }

    /// Creates an empty index.
    pub(super) fn open_fresh(&self) -> Result<Trees, RowsFailed> {
        match self.open_sled()? {
            Ok((trees, None)) => Ok(trees),
            Ok((_, Some(_))) => Err(RowsFailed(format!("{} was written to by another process", self.dir.display()))),
            Err(why) => Err(RowsFailed(why.to_string())),
        }
    }

    /// Moves the index away atomically, then removes it with its marks.
    pub(super) fn discard(&self) -> Result<(), RowsFailed> {
        if self.dir.exists() {
            let discarded = self.free_discarded()?;
            fs::rename(&self.dir, &discarded).map_err(|e| io_failed("rename", &self.dir, &e))?;
        }
        remove_if_there(&self.beside("failed"))?;
        remove_if_there(&self.beside("clean"))?;
        sync_dir(&self.parent)?;
        self.remove_discarded()
    }

    /// Makes the closed index durable, then writes the clean mark. `db_file` must have been open since before sled
    /// wrote.
    pub(super) fn mark_clean(&self, db_file: &File, owner: &Owner, position: Position) -> Result<(), RowsFailed> {
        db_file.sync_all().map_err(|e| io_failed("sync", &self.dir.join("db"), &e))?;
        sync_tree(&self.dir)?;
        sync_dir(&self.parent)?;
        let mark = Stamp { owner: *owner, boot: Boot(None), position }.encode();
        let (path, half_made) = (self.beside("clean"), self.beside("clean.half-made"));
        let write = || {
            let mut file = File::create(&half_made)?;
            file.write_all(&mark)?;
            file.write_all(&crc32c::crc32c(&mark).to_be_bytes())?;
            file.sync_all()?;
            fs::rename(&half_made, &path)
        };
        write().map_err(|e| io_failed("write", &path, &e))?;
        sync_dir(&self.parent)
    }

    /// Records for the next start that sled failed, in an empty file, which usually fits on a full disk. If even that
    /// fails, the next start trusts the index and hits the same error.
    pub(super) fn mark_failed(&self) {
        let _ = File::create(self.beside("failed"));
    }

    /// Whether the disk has space for more than a few pages.
    pub(super) fn has_room(&self) -> bool {
        rustix::fs::statvfs(&self.parent).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM_BYTES)
    }

    /// Opens sled's main file.
    pub(super) fn db_file(&self) -> Result<File, RowsFailed> {
        let path = self.dir.join("db");
        File::open(&path).map_err(|e| io_failed("open", &path, &e))
    }

    /// Waits until no sled thread holds the lock.
    pub(super) fn wait_until_free(&self) -> Result<(), RowsFailed> {
        self.wait_until_free_for(LET_GO_MAX)
    }

    fn wait_until_free_for(&self, limit: Duration) -> Result<(), RowsFailed> {
        if !self.dir.join("db").exists() {
            return Ok(());
        }
        let file = self.db_file()?;
        let began = Instant::now();
        while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            if began.elapsed() > limit {
                return Err(RowsFailed(format!("{} is in use by another process: stop it first", self.dir.display())));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Opens sled within a minute, or returns why it cannot be opened. On a full disk the index is not discarded, and
    /// after a timeout no new one is created in the same place, because the blocked thread may resume.
    fn open_sled(&self) -> Result<Result<(Trees, Option<Stamp>), WhyRebuilt>, RowsFailed> {
        let dir = self.dir.clone();
        match within(OPEN_MAX, move || Trees::open(&dir)) {
            Outcome::Returned(Ok(opened)) => Ok(Ok(opened)),
            Outcome::Returned(Err(::sled::Error::Io(e))) if e.kind() == ErrorKind::StorageFull => {
                Err(RowsFailed(format!("disk full: cannot open {}; free space on its disk", self.dir.display())))
            }
            Outcome::Returned(Err(e)) => Ok(Err(WhyRebuilt::DoesNotOpen(e.to_string()))),
            Outcome::Panicked => Ok(Err(WhyRebuilt::DoesNotOpen("sled panicked".into()))),
            Outcome::TookTooLong => {
                self.mark_failed();
                Err(RowsFailed(format!(
                    "opening the index took over {} s; the next start rebuilds it",
                    OPEN_MAX.as_secs()
                )))
            }
        }
    }

    /// Reads the mark and durably removes it: from now on the index counts as open.
    fn take_clean_mark(&self) -> Result<Option<CleanMark>, RowsFailed> {
        let path = self.beside("clean");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_failed("read", &path, &e)),
        };
        remove_if_there(&path)?;
        sync_dir(&self.parent)?;
        Ok(bytes
            .split_first_chunk()
            .and_then(|(mark, crc)| (crc == crc32c::crc32c(mark).to_be_bytes().as_slice()).then_some(CleanMark(*mark))))
    }

    /// Removes files that a kill during sled's opening leaves; sled would treat them as damaged snapshots.
    fn remove_half_made_snapshots(&self) -> Result<(), RowsFailed> {
        for entry in fs::read_dir(&self.dir).map_err(|e| io_failed("read", &self.dir, &e))? {
            let path = entry.map_err(|e| io_failed("read", &self.dir, &e))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("snap.") && name.ends_with(".generating") {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// Puts the index in `beside` in the place of the one that is there, which is moved away.
    pub(super) fn replace_by(&self, beside: &Self) -> Result<(), RowsFailed> {
        let discarded = self.free_discarded()?;
        fs::rename(&self.dir, &discarded).map_err(|e| io_failed("rename", &self.dir, &e))?;
        if let Err(e) = fs::rename(&beside.dir, &self.dir) {
            fs::rename(&discarded, &self.dir).map_err(|e| io_failed("rename", &discarded, &e))?;
            return Err(io_failed("rename", &beside.dir, &e));
        }
        sync_dir(&self.parent)
    }

    /// The home of an index that is to take this one's place.
    pub(super) fn next_home(&self) -> Self {
        Self { dir: self.beside("beside"), parent: self.parent.clone() }
    }

    /// Removes discarded indexes durably.
    pub(super) fn remove_replaced(&self) -> Result<(), RowsFailed> {
        self.remove_discarded()?;
        sync_dir(&self.parent)
    }

    fn remove_discarded(&self) -> Result<(), RowsFailed> {
        let discarded = (0..DISCARDED_MAX).map(|n| self.discarded(n));
        discarded.filter(|discarded| discarded.exists()).try_for_each(|discarded| remove_all(&discarded))
    }

    /// Removes this index, whatever its state.
    pub(super) fn remove(&self) -> Result<(), RowsFailed> {
        remove_if_there(&self.beside("failed"))?;
        if self.dir.exists() { remove_all(&self.dir) } else { Ok(()) }
    }

    /// The size of its files; 0 if it is unknown.
    pub(super) fn bytes(&self) -> u64 {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    }

    fn free_discarded(&self) -> Result<PathBuf, RowsFailed> {
        let mut discarded = (0..DISCARDED_MAX).map(|n| self.discarded(n));
        discarded.find(|discarded| !discarded.exists()).ok_or_else(|| {
            RowsFailed(format!(
                "there are {} index.aside-* in {} that cannot be removed: remove them",
                DISCARDED_MAX,
                self.parent.display()
            ))
        })
    }

    fn discarded(&self, n: usize) -> PathBuf {
        self.beside(&format!("aside-{n}"))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.dir.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(ending);
        self.parent.join(name)
    }
}

/// sled's settings. `mode` is not set, because this version of sled ignores it.
pub(super) fn settings(dir: &Path) -> ::sled::Config {
    ::sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_EVERY_MS))
}

/// The position of an index with this stamp, or why it cannot be trusted.
fn judge(stamp: Option<Stamp>, mark: Option<CleanMark>, owner: &Owner, boot: Boot) -> Result<Position, WhyRebuilt> {
    let stamp = stamp.ok_or(WhyRebuilt::OtherVersion)?;
    if stamp.owner.rows_version != owner.rows_version {
        return Err(WhyRebuilt::OtherVersion);
    }
    if stamp.owner.journal != owner.journal {
        return Err(WhyRebuilt::OtherJournal);
    }
    let clean = mark.is_some_and(|mark| mark.0 == Stamp { boot: Boot(None), ..stamp }.encode());
    if !clean && !stamp.boot.is(boot) {
        return Err(WhyRebuilt::UncleanStop);
    }
    if stamp.position == Position(0) {
        return Err(WhyRebuilt::Unfinished);
    }
    Ok(stamp.position)
}

/// The outcome of work with a time limit.
enum Outcome<T> {
    Returned(T),
    Panicked,
    /// The work may still be running.
    TookTooLong,
}

/// Runs `work` in its own thread and waits at most `limit` for it.
fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Outcome<T> {
    let (sender, result) = sync_channel(1);
    let thread = thread::Builder::new().name("index-open".into()).spawn(move || {
        // After the time limit the result, and with it sled, is dropped here.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    if thread.is_err() {
        return Outcome::Panicked;
    }
    match result.recv_timeout(limit) {
        Ok(Ok(result)) => Outcome::Returned(result),
        Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Outcome::Panicked,
        Err(RecvTimeoutError::Timeout) => Outcome::TookTooLong,
    }
}

/// Syncs every file below `dir`, and every directory.
fn sync_tree(dir: &Path) -> Result<(), RowsFailed> {
    for entry in fs::read_dir(dir).map_err(|e| io_failed("read", dir, &e))? {
        let path = entry.map_err(|e| io_failed("read", dir, &e))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path).and_then(|file| file.sync_all()).map_err(|e| io_failed("sync", &path, &e))?;
        }
    }
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<(), RowsFailed> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| io_failed("sync", dir, &e))
}

/// Removes a directory, or the file in its place. Another thread may be removing it as well.
fn remove_all(path: &Path) -> Result<(), RowsFailed> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io_failed("remove", path, &e)),
        _ => Ok(()),
    }
}

fn remove_if_there(path: &Path) -> Result<(), RowsFailed> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io_failed("remove", path, &e)),
        _ => Ok(()),
    }
}

fn io_failed(what: &str, path: &Path, error: &io::Error) -> RowsFailed {
    RowsFailed(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
