//! The directory sled lives in: opening it, judging it, putting it aside, and leaving it in order.
//!
//! Invariant: rows are read only from a directory that is known to be whole. That is one whose stamp names this journal
//! and these rows, and which was written in this boot of the machine (the page cache then still has what sled wrote)
//! or was synced file by file before the mark `index.clean` was made. The mark is removed, and its removal is on the
//! disk, before sled may write. Everything else is put aside and removed: it is no store, the journal is.
//!
//! Beside the directory `index` lie, at times:
//! - `index.clean`: the index was closed at this position, and is on the disk;
//! - `index.failed`: sled failed in the run before, so what it says now is not to be believed either;
//! - `index.aside-<n>`: an index that is being removed. None is kept, since its rows name people who may be erased.

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

/// How long sled's threads may hold on to its file after the last handle was dropped; usually they are done by then.
const LET_GO_MAX: Duration = Duration::from_secs(5);

/// What sled keeps of pages in memory. The process takes about twice this, and more as it grows.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// How often sled writes out its buffer, collects garbage (it does so nowhere else) and syncs. In trials 100, 500 and
/// 2,000 were equally fast; rarer syncs disturb the journal's less often, and more frequent ones for less long.
const FLUSH_EVERY_MS: u64 = 1_000;

/// With less than this free, what fails fails for want of room.
const ROOM_BYTES: u64 = 8 * 1024 * 1024;

/// Directories put aside and not yet removed; more mean that removing fails.
const ASIDE_MAX: usize = 8;

/// Why an index begins empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WhyRebuilt {
    /// There was none.
    Missing,
    /// The one before had not been filled when the gateway stopped.
    Unfinished,
    /// It was written by another version of the gateway.
    OtherVersion,
    /// It belongs to another journal.
    OtherJournal,
    /// The machine stopped without a clean stop of the gateway: sled may have lost or torn what it wrote.
    UncleanStop,
    /// sled failed in the run before.
    FailedBefore,
    /// sled does not open it.
    DoesNotOpen(String),
}

impl WhyRebuilt {
    /// One word of a closed set, for a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unfinished => "unfinished",
            Self::OtherVersion => "other_version",
            Self::OtherJournal => "other_journal",
            Self::UncleanStop => "unclean_stop",
            Self::FailedBefore => "failed_before",
            Self::DoesNotOpen(_) => "does_not_open",
        }
    }
}

impl fmt::Display for WhyRebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no index yet"),
            Self::Unfinished => f.write_str("the index had not been filled before the last stop"),
            Self::OtherVersion => f.write_str("the index was written by another version of the gateway"),
            Self::OtherJournal => f.write_str("the index belongs to another journal"),
            Self::UncleanStop => f.write_str("the machine stopped before the gateway had closed the index"),
            Self::FailedBefore => f.write_str("the index failed in the run before"),
            Self::DoesNotOpen(why) => write!(f, "the index does not open: {why}"),
        }
    }
}

/// What `index.clean` says: the stamp the index was closed with.
struct CleanMark([u8; Stamp::BYTES]);

/// What an index was found to be.
pub(super) struct Found {
    opened: Result<(Trees, Option<Stamp>), WhyRebuilt>,
    mark: Option<CleanMark>,
}

impl Found {
    pub(super) fn stamp(&self) -> Option<&Stamp> {
        self.opened.as_ref().ok()?.1.as_ref()
    }
}

/// Where an index lives, and what lies beside it.
#[derive(Clone)]
pub(super) struct Home {
    dir: PathBuf,
    parent: PathBuf,
}

impl Home {
    pub(super) fn new(dir: &Path) -> Result<Self, RowsFailed> {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|e| trouble("make", parent, &e))?;
        Ok(Self { dir: dir.to_owned(), parent: parent.to_owned() })
    }

    /// Opens what is there.
    pub(super) fn find(&self) -> Result<Found, RowsFailed> {
        self.remove_asides()?;
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

    /// What was found, if it is to be believed; else puts it aside and says why.
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
        self.set_aside()?;
        Ok(Err(why))
    }

    /// Opens an empty index where there is none.
    pub(super) fn open_fresh(&self) -> Result<Trees, RowsFailed> {
        match self.open_sled()? {
            Ok((trees, None)) => Ok(trees),
            Ok((_, Some(_))) => Err(RowsFailed(format!("{} was written to by someone else", self.dir.display()))),
            Err(why) => Err(RowsFailed(why.to_string())),
        }
    }

    /// Moves the index out of the way in one step, then removes it and every trace of it.
    pub(super) fn set_aside(&self) -> Result<(), RowsFailed> {
        if self.dir.exists() {
            let aside = (0..ASIDE_MAX).map(|n| self.aside(n)).find(|aside| !aside.exists()).ok_or_else(|| {
                RowsFailed(format!("{} index.aside-* lie in {}: remove them", ASIDE_MAX, self.parent.display()))
            })?;
            fs::rename(&self.dir, &aside).map_err(|e| trouble("move aside", &self.dir, &e))?;
        }
        remove_if_there(&self.beside("failed"))?;
        remove_if_there(&self.beside("clean"))?;
        sync_dir(&self.parent)?;
        self.remove_asides()
    }

    /// Makes the closed index durable, then says so. `db_file` has been open since before sled wrote to it.
    pub(super) fn mark_clean(&self, db_file: &File, owner: &Owner, position: Position) -> Result<(), RowsFailed> {
        db_file.sync_all().map_err(|e| trouble("sync", &self.dir.join("db"), &e))?;
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
        write().map_err(|e| trouble("write", &path, &e))?;
        sync_dir(&self.parent)
    }

    /// Notes for the next start that sled failed. An empty file, which a full disk still has room for; where even that
    /// fails, the next start believes the index and meets the same error.
    pub(super) fn mark_failed(&self) {
        let _ = File::create(self.beside("failed"));
    }

    /// Whether the disk has room for more than a few pages.
    pub(super) fn has_room(&self) -> bool {
        rustix::fs::statvfs(&self.parent).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM_BYTES)
    }

    /// A descriptor of sled's one large file.
    pub(super) fn db_file(&self) -> Result<File, RowsFailed> {
        let path = self.dir.join("db");
        File::open(&path).map_err(|e| trouble("open", &path, &e))
    }

    /// Waits until no thread of sled holds its lock.
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

    /// Opens sled within a minute, or says why it does not open. A full disk is no reason to throw the index away, and
    /// an opening that hangs is none to begin another in the same place: its thread may wake.
    fn open_sled(&self) -> Result<Result<(Trees, Option<Stamp>), WhyRebuilt>, RowsFailed> {
        let dir = self.dir.clone();
        match within(OPEN_MAX, move || Trees::open(&dir)) {
            Done::Returned(Ok(opened)) => Ok(Ok(opened)),
            Done::Returned(Err(::sled::Error::Io(e))) if e.kind() == ErrorKind::StorageFull => {
                Err(RowsFailed(format!("no room to open {}: free some on its disk", self.dir.display())))
            }
            Done::Returned(Err(e)) => Ok(Err(WhyRebuilt::DoesNotOpen(e.to_string()))),
            Done::Panicked => Ok(Err(WhyRebuilt::DoesNotOpen("sled panicked".into()))),
            Done::TookTooLong => {
                self.mark_failed();
                Err(RowsFailed(format!("opening took over {} s; the next start rebuilds it", OPEN_MAX.as_secs())))
            }
        }
    }

    /// Reads the mark and removes it for good: from here on the index is open.
    fn take_clean_mark(&self) -> Result<Option<CleanMark>, RowsFailed> {
        let path = self.beside("clean");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(trouble("read", &path, &e)),
        };
        remove_if_there(&path)?;
        sync_dir(&self.parent)?;
        Ok(bytes
            .split_first_chunk()
            .and_then(|(mark, crc)| (crc == crc32c::crc32c(mark).to_be_bytes().as_slice()).then_some(CleanMark(*mark))))
    }

    /// A kill while sled opens leaves such a file, and sled then takes it for a damaged snapshot.
    fn remove_half_made_snapshots(&self) -> Result<(), RowsFailed> {
        for entry in fs::read_dir(&self.dir).map_err(|e| trouble("read", &self.dir, &e))? {
            let path = entry.map_err(|e| trouble("read", &self.dir, &e))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("snap.") && name.ends_with(".generating") {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    fn remove_asides(&self) -> Result<(), RowsFailed> {
        for aside in (0..ASIDE_MAX).map(|n| self.aside(n)).filter(|aside| aside.exists()) {
            // Whatever somebody has put in the index's place is put aside too.
            let removed = if aside.is_dir() { fs::remove_dir_all(&aside) } else { fs::remove_file(&aside) };
            removed.map_err(|e| trouble("remove", &aside, &e))?;
        }
        Ok(())
    }

    fn aside(&self, n: usize) -> PathBuf {
        self.beside(&format!("aside-{n}"))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.dir.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(ending);
        self.parent.join(name)
    }
}

/// sled's settings. Its `mode` is left alone: this version reads it nowhere.
pub(super) fn settings(dir: &Path) -> ::sled::Config {
    ::sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_EVERY_MS))
}

/// How far the journal is in an index with this stamp, or why it is not to be believed.
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

/// What became of work with a time limit.
enum Done<T> {
    Returned(T),
    Panicked,
    /// It may still be going on.
    TookTooLong,
}

/// Runs `work` in a thread of its own and waits for it no longer than `limit`.
fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Done<T> {
    let (tell, told) = sync_channel(1);
    let thread = thread::Builder::new().name("index-open".into()).spawn(move || {
        // Where nobody waits any more the result, and with it sled, is dropped here.
        let _ = tell.send(catch_unwind(AssertUnwindSafe(work)));
    });
    if thread.is_err() {
        return Done::Panicked;
    }
    match told.recv_timeout(limit) {
        Ok(Ok(result)) => Done::Returned(result),
        Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Done::Panicked,
        Err(RecvTimeoutError::Timeout) => Done::TookTooLong,
    }
}

/// Syncs every file below `dir`, and every directory.
fn sync_tree(dir: &Path) -> Result<(), RowsFailed> {
    for entry in fs::read_dir(dir).map_err(|e| trouble("read", dir, &e))? {
        let path = entry.map_err(|e| trouble("read", dir, &e))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path).and_then(|file| file.sync_all()).map_err(|e| trouble("sync", &path, &e))?;
        }
    }
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<(), RowsFailed> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| trouble("sync", dir, &e))
}

fn remove_if_there(path: &Path) -> Result<(), RowsFailed> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(trouble("remove", path, &e)),
        _ => Ok(()),
    }
}

fn trouble(what: &str, path: &Path, error: &io::Error) -> RowsFailed {
    RowsFailed(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
