//! Claims: which items of carriers' webhooks were heard, so that a repeat has no second effect (A53, A62).
//!
//! A claim is remembered as a keyed 64-bit fingerprint and the position of the frame that holds it. `find` names
//! candidates; the engine looks into their frames and takes a claim for new where none of them holds it. Two claims
//! that share a fingerprint are both kept, so neither hides the repeat of the other.
//!
//! Invariant: every claim up to `applied` that is not forgotten is found. Claims live in memory, at most 27 bytes each
//! (see `table`), and are mirrored to a file a day, 16 bytes each and 16 a batch. The files are written but not synced
//! until their day ends; each is believed up to its first damage (see `file`), and what is missing after any stop is
//! mended by handing over again the journal's claims after `applied`. Nothing here tells a clean stop from an unclean one.
//!
//! A day's claims are forgotten when `CLAIM_DAYS` whole days have passed after it. Where there are more than the
//! largest number, the oldest eighth is forgotten early: a gateway that remembers less is better than one that is
//! killed for its memory.

mod file;
pub mod fuzz;
mod table;

use crate::machine::rows::RowsFailed;
use crate::model::{Claim, ClaimKind, Day, Position};
use file::{DayFile, FileFailed, Origin, RECORD_BYTES, trouble};
use siphasher::sip::SipHasher13;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use table::Table;

/// Whole days a claim is kept at least. Carriers repeat for a day; the requirement says eight.
pub const CLAIM_DAYS: u16 = 8;

/// How many claims are held unless configured otherwise: at 27 bytes they are 324 MB, and eight days of 17 a second.
pub const CLAIMS_MAX: usize = 12_000_000;

/// After so many frames without a claim the file says that there was none, so that a start need not read them again.
const CLAIMLESS_FRAMES_MAX: u64 = 10_000;

/// The claims of the last days.
pub struct Claims {
    key: [u8; 16],
    table: Table,
    claims_max: usize,
    applied: Position,
    /// Inserted and not yet in the file.
    pending: Vec<(u64, Position)>,
    /// Oldest first.
    days: Vec<DayClaims>,
    cut_short: u64,
    /// The last batch found no room on the disk.
    disk_is_full: bool,
    /// `None` in the simulation.
    disk: Option<Disk>,
}

/// One day's place in the order of positions.
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
    /// Claims without a directory, which die with the process.
    pub fn in_memory(key: [u8; 16], claims_max: usize) -> Self {
        let (pending, days) = (Vec::new(), Vec::new());
        let (table, applied) = (Table::new(), Position(0));
        Self { key, table, claims_max, applied, pending, days, cut_short: 0, disk_is_full: false, disk: None }
    }

    /// Loads what is in `dir` (`data_dir/claims`), or makes it. Files of another journal or key are removed. Then the
    /// caller drops what the journal does not have (`retain_before`), and inserts what it has after `applied`.
    pub fn open(dir: &Path, journal: [u8; 16], today: Day, claims_max: usize) -> Result<Self, RowsFailed> {
        fs::create_dir_all(dir).map_err(|e| trouble("make", dir, &e))?;
        let key = read_or_make_key(dir)?;
        let mut check = SipHasher13::new_with_key(&key);
        check.write(b"offhook claims");
        let disk = Disk { dir: dir.to_owned(), origin: Origin { journal, key_check: check.finish() } };
        let mut claims = Self { disk: Some(disk), ..Self::in_memory(key, claims_max) };
        claims.load(today)?;
        Ok(claims)
    }

    /// What the newest file in `dir` says of a journal: which it is, and the last position of it that is known. It is written
    /// only after the journal is synced. Changes nothing.
    pub fn known(dir: &Path) -> Result<Option<([u8; 16], Position)>, RowsFailed> {
        if !dir.is_dir() {
            return Ok(None);
        }
        let mut days = days(dir)?;
        while let Some((day, _)) = days.pop() {
            let path = dir.join(day.0.to_string());
            // Whatever else stands there is nothing that was written here, and reading it may take for ever.
            let known = if path.is_file() { DayFile::known(&path, day)? } else { None };
            if known.is_some() {
                return Ok(known);
            }
        }
        Ok(None)
    }

    /// Where this claim may have been made: nearly always nowhere or in one place. The frame there decides.
    pub fn find(&self, claim: &Claim) -> impl Iterator<Item = Position> + '_ {
        self.table.find(fingerprint(&self.key, claim))
    }

    /// Notes that the frame at `position` holds the claim. Doing it twice is harmless. In memory at once; in the file
    /// with the next `flush_batch`.
    pub fn insert(&mut self, claim: &Claim, position: Position) {
        let fingerprint = fingerprint(&self.key, claim);
        if self.table.insert(fingerprint, position) {
            self.pending.push((fingerprint, position));
        }
    }

    /// Everything up to `applied` was inserted, and the journal has it for good: writes it to the file of `day`, the
    /// day of the batch, without a sync. With a new day the file of the day before is closed and synced. On a full disk
    /// they wait in memory and are written with a later batch; after a stop they are mended from the journal.
    pub fn flush_batch(&mut self, applied: Position, day: Day) -> Result<(), RowsFailed> {
        let written = self.days.last().and_then(|day| day.file.as_ref()).map_or(Position(0), |file| file.applied);
        if !self.pending.is_empty() || applied.0.saturating_sub(written.0) >= CLAIMLESS_FRAMES_MAX {
            let full = match self.write_pending(applied, day) {
                Ok(()) => false,
                Err(failed) if failed.is_full() => true,
                Err(failed) => return Err(failed.into()),
            };
            if full && !self.disk_is_full {
                tracing::warn!("no room for claims on the disk of data_dir: they are kept in memory and written later");
            }
            self.disk_is_full = full;
        }
        self.applied = self.applied.max(applied);
        if !self.table.sweep_one() && self.table.len() > self.claims_max {
            let oldest = self.table.forgotten();
            self.table.forget_through(Position(oldest.0 + self.applied.0.saturating_sub(oldest.0).div_ceil(8)));
            self.cut_short += 1;
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

    /// Up to here every claim is in the files; the journal's after it are to be inserted after a start.
    pub fn applied(&self) -> Position {
        self.applied
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory in the table.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// How often since the start the oldest eighth was forgotten before its time, because there were too many.
    pub fn cut_short(&self) -> u64 {
        self.cut_short
    }

    /// Forgets the days that ended more than `CLAIM_DAYS` before `today`. When the clock is to be believed in this is
    /// the caller's to know.
    pub fn expire(&mut self, today: Day) -> Result<(), RowsFailed> {
        let old = self.days.partition_point(|day| day.day.0.saturating_add(CLAIM_DAYS) < today.0);
        if old == 0 {
            return Ok(());
        }
        let through = self.days.get(old).map_or(self.applied, |day| day.follows);
        self.table.forget_through(through);
        // The newest file stays until there is a newer one: it alone says how much of the journal was seen.
        for day in self.days.drain(..old.min(self.days.len() - 1)) {
            if let Some(file) = day.file {
                fs::remove_file(&file.path).map_err(|e| trouble("remove", &file.path, &e))?;
            }
        }
        Ok(())
    }

    /// Drops claims at or after `end`, the journal's next position, in memory and on disk: a journal that lost frames
    /// nobody was thanked for will give their positions to others.
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
                // The next start takes them from the journal.
                Err(failed) if failed.is_full() => {}
                closed => closed?,
            }
        }
        self.disk.as_ref().map_or(Ok(()), |disk| sync_dir(&disk.dir))
    }

    /// The newest day is `day` or a later one afterwards.
    fn begin_day(&mut self, day: Day) -> Result<(), FileFailed> {
        if self.days.last().is_some_and(|newest| newest.day >= day) {
            return Ok(());
        }
        let follows = self.applied;
        if let Some(file) = self.days.last_mut().and_then(|day| day.file.as_mut()) {
            // Those of the day before that there was no room for.
            let (late, today) = self.pending.iter().partition(|(_, position)| *position <= follows);
            let late: Vec<_> = late;
            file.append(&late, follows)?;
            self.pending = today;
            file.sync()?;
            file.put_down();
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
        self.table = Table::with_room_for(records - too_many);
        let mut gap = None;
        let mut removed = false;
        for (day, _) in found {
            let (path, table) = (disk.path(day), &mut self.table);
            let read = DayFile::read(&path, disk.origin, day, |fingerprint, position| {
                if too_many > 0 {
                    too_many -= 1;
                    table.forget_through(position);
                } else {
                    table.insert(fingerprint, position);
                }
            })?;
            let Some(file) = read else {
                fs::remove_file(&path).map_err(|e| trouble("remove", &path, &e))?;
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

    /// Puts the claims of the `first` day and of all after it into one file, that of the newest. So a gap between two
    /// files, or claims that the journal does not have, are gone for good. They are kept as long as the newest.
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
                fs::remove_file(&file.path).map_err(|e| trouble("remove", &file.path, &e))?;
            }
            rewritten = Some(file);
        }
        self.days.push(DayClaims { day: newest, follows, file: rewritten });
        Ok(())
    }
}

/// A file of claims before it has its name.
const HALF_MADE: &str = "half-made";

impl Disk {
    fn path(&self, day: Day) -> PathBuf {
        self.dir.join(day.0.to_string())
    }
}

/// The days that have files in `dir`, oldest first, and the files' bytes.
fn days(dir: &Path) -> Result<Vec<(Day, usize)>, RowsFailed> {
    let failed = |e| trouble("read", dir, &e);
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

/// What stands for a claim. Texts are preceded by their lengths, so that no two claims hash the same bytes.
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

/// The key of the fingerprints, with its checksum. It is a secret only towards those who would make collisions.
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
        Err(e) => return Err(trouble("read", &path, &e)),
    }
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|e| RowsFailed(format!("the system has no random bytes: {e}")))?;
    let half_made = dir.join(HALF_MADE);
    let write = || {
        let mut file = File::create(&half_made)?;
        file.write_all(&key)?;
        file.write_all(&crc32c::crc32c(&key).to_be_bytes())?;
        file.sync_all()?;
        fs::rename(&half_made, &path)
    };
    write().map_err(|e| trouble("write", &path, &e))?;
    sync_dir(dir)?;
    Ok(key)
}

fn sync_dir(dir: &Path) -> Result<(), RowsFailed> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| trouble("sync", dir, &e))
}

#[cfg(test)]
mod tests;
