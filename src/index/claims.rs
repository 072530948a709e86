//! Claims: the deduplication keys of carriers' webhooks, so that a repeat has no second effect (A53, A62).
//!
//! A claim is stored as a keyed 64-bit fingerprint and the position of the frame that holds it. `find` returns
//! candidates; the engine reads their frames and treats a claim as new if none of them holds it. Two claims that share
//! a fingerprint are both kept, so neither hides the repeat of the other.
//!
//! Invariant: every claim up to `applied` that has not expired is found. Claims live in memory, at most 27 bytes each
//! (see `table`), and are mirrored to one file per day, with 16 bytes per claim and 16 per batch. The files are not
//! synced until their day ends. Each is read up to its first damage (see `file`), and claims missing after any stop are
//! reinserted from the journal's frames after `applied`. Clean and unclean stops are handled alike.
//!
//! A day's claims expire when `CLAIM_DAYS` whole days have passed after it. Over the maximum number, the oldest eighth
//! is dropped early: remembering less is better than being killed for using too much memory.

mod file;
#[cfg(feature = "test-support")]
pub mod fuzz;
mod table;

use crate::machine::rows::RowsFailed;
use crate::model::{Claim, ClaimKind, Day, Position};
use file::{DayFile, FileFailed, Origin, RECORD_BYTES, io_failed};
use siphasher::sip::SipHasher13;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use table::Table;

/// Minimum whole days a claim is kept. Carriers repeat for a day; the requirement says eight.
pub const CLAIM_DAYS: u16 = 8;

/// Default maximum number of claims: at 27 bytes each they take 324 MB, and cover eight days at 17 per second.
pub const CLAIMS_MAX: usize = 12_000_000;

/// After this many frames without a claim, `applied` is written anyway, so that a start need not read them again.
const CLAIMLESS_FRAMES_MAX: u64 = 10_000;

/// The claims of the last days.
pub struct Claims {
    key: [u8; 16],
    table: Table,
    claims_max: usize,
    applied: Position,
    /// Inserted, but not yet written to the file.
    pending: Vec<(u64, Position)>,
    /// Oldest first.
    days: Vec<DayClaims>,
    /// The last batch could not be written because the disk was full.
    disk_is_full: bool,
    /// `None` in the simulation.
    disk: Option<Disk>,
}

/// One day's range of positions, and its file.
struct DayClaims {
    day: Day,
    /// The day's claims are those after this position, up to the `follows` of the next day.
    follows: Position,
    file: Option<DayFile>,
}

struct Disk {
    dir: PathBuf,
    origin: Origin,
}

impl Claims {
    /// Claims that exist only in memory.
    pub fn in_memory(key: [u8; 16], claims_max: usize) -> Self {
        let (pending, days) = (Vec::new(), Vec::new());
        let (table, applied) = (Table::new(), Position(0));
        Self { key, table, claims_max, applied, pending, days, disk_is_full: false, disk: None }
    }

    /// Loads or creates `dir` (`data_dir/claims`). Files of another journal or key are removed. Afterwards the caller
    /// drops claims that the journal does not have (`retain_before`) and inserts those it has after `applied`.
    pub fn open(dir: &Path, journal: [u8; 16], today: Day, claims_max: usize) -> Result<Self, RowsFailed> {
        fs::create_dir_all(dir).map_err(|e| io_failed("create", dir, &e))?;
        let key = read_or_make_key(dir)?;
        let mut check = SipHasher13::new_with_key(&key);
        check.write(b"offhook claims");
        let disk = Disk { dir: dir.to_owned(), origin: Origin { journal, key_check: check.finish() } };
        let mut claims = Self { disk: Some(disk), ..Self::in_memory(key, claims_max) };
        claims.load(today)?;
        Ok(claims)
    }

    /// The journal's identity and its last known position according to the newest file in `dir`, which is written only
    /// after the journal is synced. Read-only.
    pub fn known(dir: &Path) -> Result<Option<([u8; 16], Position)>, RowsFailed> {
        if !dir.is_dir() {
            return Ok(None);
        }
        let mut days = days(dir)?;
        while let Some((day, _)) = days.pop() {
            let path = dir.join(day.0.to_string());
            // Anything else was not written by the gateway, and reading it may block forever.
            let known = if path.is_file() { DayFile::known(&path, day)? } else { None };
            if known.is_some() {
                return Ok(known);
            }
        }
        Ok(None)
    }

    /// The positions whose frames may hold this claim, nearly always none or one. The caller must check the frames.
    pub fn find(&self, claim: &Claim) -> impl Iterator<Item = Position> + '_ {
        self.table.find(fingerprint(&self.key, claim))
    }

    /// Records that the frame at `position` holds the claim, in memory at once and in the file with the next
    /// `flush_batch`. Inserting a claim twice is harmless.
    pub fn insert(&mut self, claim: &Claim, position: Position) {
        let fingerprint = fingerprint(&self.key, claim);
        if self.table.insert(fingerprint, position) {
            self.pending.push((fingerprint, position));
        }
    }

    /// Writes the inserted claims to the file of `day`, the day of the batch, without a sync. All claims up to
    /// `applied` must be inserted, and their frames synced. A new day closes and syncs the file of the day before. On a
    /// full disk they stay in memory until a later batch; after a stop they are restored from the journal.
    pub fn flush_batch(&mut self, applied: Position, day: Day) -> Result<(), RowsFailed> {
        let written = self.days.last().and_then(|day| day.file.as_ref()).map_or(Position(0), |file| file.applied);
        if !self.pending.is_empty() || applied.0.saturating_sub(written.0) >= CLAIMLESS_FRAMES_MAX {
            let full = match self.write_pending(applied, day) {
                Ok(()) => false,
                Err(failed) if failed.is_full() => true,
                Err(failed) => return Err(failed.into()),
            };
            if full && !self.disk_is_full {
                tracing::warn!("disk of data_dir full: claims are kept in memory and written once there is space");
            }
            self.disk_is_full = full;
        }
        self.applied = self.applied.max(applied);
        if !self.table.sweep_one() && self.table.len() > self.claims_max {
            let oldest = self.table.forgotten();
            self.table.drop_through(Position(oldest.0 + self.applied.0.saturating_sub(oldest.0).div_ceil(8)));
        }
        Ok(())
    }

    fn write_pending(&mut self, applied: Position, day: Day) -> Result<(), FileFailed> {
        self.begin_day(day)?;
        if let Some(file) = self.days.last_mut().and_then(|day| day.file.as_mut()) {
            file.append(&self.pending, applied)?;
        }
        self.pending.clear();
        Ok(())
    }

    /// The position up to which every claim is stored; after a start, the journal's later claims must be inserted.
    pub fn applied(&self) -> Position {
        self.applied
    }

    /// The number of claims.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.table.len()
    }

    /// Drops the days that ended more than `CLAIM_DAYS` before `today`. The caller must call it only while the clock is
    /// trusted.
    pub fn expire(&mut self, today: Day) -> Result<(), RowsFailed> {
        let old = self.days.partition_point(|day| day.day.0.saturating_add(CLAIM_DAYS) < today.0);
        if old == 0 {
            return Ok(());
        }
        let through = self.days.get(old).map_or(self.applied, |day| day.follows);
        self.table.drop_through(through);
        // The newest file stays until there is a newer one, because it records how much of the journal was processed.
        for day in self.days.drain(..old.min(self.days.len() - 1)) {
            if let Some(file) = day.file {
                fs::remove_file(&file.path).map_err(|e| io_failed("remove", &file.path, &e))?;
            }
        }
        Ok(())
    }

    /// Drops claims at or after `end`, the journal's next position, in memory and on disk: a journal that lost
    /// unacknowledged frames will reuse their positions.
    pub fn retain_before(&mut self, end: Position) -> Result<(), RowsFailed> {
        if self.applied < end {
            return Ok(());
        }
        self.table.retain_before(end);
        self.pending.retain(|(_, position)| *position < end);
        self.applied = Position(end.0.saturating_sub(1));
        let first =
            self.days.iter().skip(1).position(|day| day.follows >= end).unwrap_or(self.days.len().saturating_sub(1));
        self.rewrite_from(first)
    }

    /// Makes everything durable.
    pub fn close(mut self) -> Result<(), RowsFailed> {
        let (pending, applied) = (std::mem::take(&mut self.pending), self.applied);
        if let Some(file) = self.days.last_mut().and_then(|day| day.file.as_mut()) {
            match file.append(&pending, applied).and_then(|()| file.sync()) {
                // The next start reads them from the journal.
                Err(failed) if failed.is_full() => {}
                closed => closed?,
            }
        }
        self.disk.as_ref().map_or(Ok(()), |disk| sync_dir(&disk.dir))
    }

    /// Makes `day` the newest day, unless a later one exists.
    fn begin_day(&mut self, day: Day) -> Result<(), FileFailed> {
        if self.days.last().is_some_and(|newest| newest.day >= day) {
            return Ok(());
        }
        let follows = self.applied;
        if let Some(file) = self.days.last_mut().and_then(|day| day.file.as_mut()) {
            // Claims of the day before that a full disk delayed.
            let (late, today) = self.pending.iter().partition(|(_, position)| *position <= follows);
            let late: Vec<_> = late;
            file.append(&late, follows)?;
            self.pending = today;
            file.sync()?;
            file.stop_writing();
        }
        let make = |disk: &Disk| DayFile::create(&disk.path(day), disk.origin, day, follows);
        let file = self.disk.as_ref().map(make).transpose()?;
        if let Some(disk) = &self.disk {
            FileFailed::at("sync", &disk.dir, File::open(&disk.dir).and_then(|dir| dir.sync_all()))?;
        }
        self.days.push(DayClaims { day, follows, file });
        Ok(())
    }

    fn load(&mut self, today: Day) -> Result<(), RowsFailed> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let found = days(&disk.dir)?;
        // A file has a few records fewer than this: headers and heads count as records.
        let records: usize = found.iter().map(|(_, bytes)| bytes / RECORD_BYTES).sum();
        let mut too_many = records.saturating_sub(self.claims_max);
        self.table = Table::with_capacity(records - too_many);
        let mut gap = None;
        let mut removed = false;
        for (day, _) in found {
            let (path, table) = (disk.path(day), &mut self.table);
            let read = DayFile::read(&path, disk.origin, day, |fingerprint, position| {
                if too_many > 0 {
                    too_many -= 1;
                    table.drop_through(position);
                } else {
                    table.insert(fingerprint, position);
                }
            })?;
            let Some(file) = read else {
                fs::remove_file(&path).map_err(|e| io_failed("remove", &path, &e))?;
                removed = true;
                continue;
            };
            if self.days.is_empty() && !removed {
                self.applied = file.follows;
            }
            if file.follows > self.applied && gap.is_none() {
                gap = Some(self.days.len().saturating_sub(1));
            }
            if gap.is_none() {
                self.applied = file.applied;
            }
            self.days.push(DayClaims { day, follows: file.follows, file: Some(file) });
        }
        if let Some(before) = gap {
            self.rewrite_from(before)?;
        }
        self.expire(today)
    }

    /// Rewrites the claims of the `first` day and all later ones into the file of the newest. This closes a gap between
    /// two files and removes claims that the journal does not have. They are kept as long as the newest.
    fn rewrite_from(&mut self, first: usize) -> Result<(), RowsFailed> {
        let Some(follows) = self.days.get(first).map(|day| day.follows.min(self.applied)) else { return Ok(()) };
        let old = self.days.split_off(first);
        let newest = old.last().expect("the first is one of them").day;
        let mut rewritten = None;
        if let Some(disk) = &self.disk {
            let mut file = DayFile::create(&disk.dir.join(HALF_MADE), disk.origin, newest, follows)?;
            file.append(&self.table.after(follows), self.applied)?;
            file.sync()?;
            file.rename(disk.path(newest))?;
            sync_dir(&disk.dir)?;
            for file in old.iter().filter(|day| day.day != newest).filter_map(|day| day.file.as_ref()) {
                fs::remove_file(&file.path).map_err(|e| io_failed("remove", &file.path, &e))?;
            }
            rewritten = Some(file);
        }
        self.days.push(DayClaims { day: newest, follows, file: rewritten });
        Ok(())
    }
}

/// The name of a file that is still being written.
const HALF_MADE: &str = "half-made";

impl Disk {
    fn path(&self, day: Day) -> PathBuf {
        self.dir.join(day.0.to_string())
    }
}

/// The days that have files in `dir`, oldest first, with the size of each file in bytes.
fn days(dir: &Path) -> Result<Vec<(Day, usize)>, RowsFailed> {
    let failed = |e| io_failed("read", dir, &e);
    let mut days = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Some(day) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            let bytes = entry.metadata().map_err(failed)?.len();
            days.push((Day(day), usize::try_from(bytes).unwrap_or(usize::MAX)));
        }
    }
    days.sort_unstable();
    Ok(days)
}

/// The fingerprint of a claim. Strings are prefixed with their length, so that no two claims hash the same bytes.
fn fingerprint(key: &[u8; 16], claim: &Claim) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    let mut text = |text: &str| {
        hasher.write(&(text.len() as u64).to_be_bytes());
        hasher.write(text.as_bytes());
    };
    text(&claim.account);
    text(&claim.carrier_id);
    match &claim.kind {
        ClaimKind::Message => hasher.write(&[0]),
        ClaimKind::Receipt { status } => {
            text(status);
            hasher.write(&[1]);
        }
        ClaimKind::Quarantine => hasher.write(&[2]),
    }
    hasher.finish()
}

/// Reads or creates the fingerprint key, stored with its checksum. It only prevents deliberate collisions.
fn read_or_make_key(dir: &Path) -> Result<[u8; 16], RowsFailed> {
    let path = dir.join("key");
    match fs::read(&path) {
        Ok(bytes) => {
            if let Some((key, crc)) = bytes.split_first_chunk()
                && crc == crc32c::crc32c(key).to_be_bytes()
            {
                return Ok(*key);
            }
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(io_failed("read", &path, &e)),
    }
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|e| RowsFailed(format!("cannot get random bytes from the system: {e}")))?;
    let half_made = dir.join(HALF_MADE);
    let write = || {
        let mut file = File::create(&half_made)?;
        file.write_all(&key)?;
        file.write_all(&crc32c::crc32c(&key).to_be_bytes())?;
        file.sync_all()?;
        fs::rename(&half_made, &path)
    };
    write().map_err(|e| io_failed("write", &path, &e))?;
    sync_dir(dir)?;
    Ok(key)
}

fn sync_dir(dir: &Path) -> Result<(), RowsFailed> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| io_failed("sync", dir, &e))
}

#[cfg(test)]
mod tests;
