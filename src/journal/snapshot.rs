//! Snapshots: the rows of all frames up to a position in one file. A rebuild starts from it, so older segments can be
//! deleted.
//!
//! Invariant: a damaged snapshot is always rejected, because checksums cover every byte. A snapshot gets its name only
//! after it is durable and was read back, and the previous one is removed only after that.
//!
//! Here rows and keys are opaque bytes, defined by the machine. The directory contains
//! - `00000000000000000123.snap`: the rows of all frames up to position 123;
//! - names that end in `.new`: unfinished files, which are removed at start.
//!
//! ```text
//!  0  magic           8  "offhookS"
//!  8  version         u32
//! 12  identity       16  of the journal
//! 28  rows version   u32 of keys and rows
//! 32  covers         u64 the last position whose rows are here
//! 40  at             u64 the journal's time at that position, ms since 1970
//! 48  crc            u32 CRC-32C of bytes 0 to 47
//! 52  rows sorted by key, see `sorted`
//! ```

mod compaction;
#[cfg(feature = "test-support")]
pub(super) mod fuzz;
mod making;
mod sorted;
#[cfg(test)]
mod tests;

pub use compaction::Compaction;

use self::making::{UnfinishedFile, read_back};
use self::sorted::{Broken, Reader, Writer};
use super::disk::{Disk, DiskFile, RealDisk};
use super::frame::{u32_at, u64_at};
use super::recover::TEMPORARY_SUFFIX;
use crate::machine::rows::{Key, Table, UPGRADES, Upgrade};
use crate::model::{Day, Month, Position, Timestamp};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The offset of the first block of rows.
const HEADER: usize = 52;

const MAGIC: &[u8; 8] = b"offhookS";
const VERSION: u32 = 1;

/// Size of the table prefix of a key: the kind, then the day or month.
const TABLE_BYTES: usize = 3;

/// The origin of a snapshot's rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The journal they came from.
    pub journal: [u8; 16],
    /// The version of the encoding of rows and keys that is written. Older versions can be read.
    pub rows_version: u16,
}

/// Called between two steps of long work: it may sleep to limit the load, and returns whether to continue.
pub type Throttle<'a> = &'a mut dyn FnMut() -> bool;

/// Why a snapshot cannot be read or made. With the whole journal at hand, an unusable snapshot can be ignored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SnapshotFailed {
    /// The disk failed.
    #[error("a snapshot cannot be read or written: {0}")]
    Disk(String),
    /// The file is damaged.
    #[error("{} is damaged at byte {offset}: {why}; put a good copy of it back", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The offset of the damage.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// It was written by a newer version of offhook.
    #[error("{} holds rows of a newer version of offhook: start the version that wrote it", file.display())]
    OtherVersion {
        /// The file.
        file: PathBuf,
    },
    /// It belongs to another journal.
    #[error(
        "{} belongs to another journal than the one beside it: put its own journal back, or move the snapshot away to \
         continue without it",
        file.display()
    )]
    OtherJournal {
        /// The file.
        file: PathBuf,
    },
    /// It reaches beyond the end of the journal.
    #[error(
        "{} reaches to position {}, beyond the journal's end: put the journal's last segments back, or move the snapshot \
         away to continue with the rest of the journal", file.display(), covers.0
    )]
    Ahead {
        /// The file.
        file: PathBuf,
        /// Its position.
        covers: Position,
    },
    /// The work was interrupted; the previous snapshot is unchanged.
    #[error("work on the snapshot was interrupted")]
    Interrupted,
}

impl SnapshotFailed {
    /// Whether the file exists and belongs to this journal, but cannot be used.
    pub fn is_unusable(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::OtherVersion { .. })
    }
}

/// A directory of snapshots. Only one process may open it: take the [`Lock`](super::Lock) first.
pub struct Snapshots {
    disk: Arc<dyn Disk>,
    origin: Origin,
    /// Held while a snapshot is being made.
    busy: Mutex<()>,
}

/// A snapshot. Its header and its end have been verified; damage in between is found when the rows are read.
pub struct Snapshot {
    /// The last position it covers.
    pub covers: Position,
    /// The journal's time at that position.
    pub at: Timestamp,
    /// How many rows it holds.
    pub count: u64,
    /// Its size in bytes.
    pub bytes: u64,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    seed: u32,
    /// The upgrades its rows need to reach the current version.
    upgrades: &'static [Upgrade],
}

impl Snapshots {
    /// Opens the directory, which is created if missing, and removes unfinished files of a process that died.
    pub fn open(directory: &Path, origin: Origin) -> Result<Self, SnapshotFailed> {
        let disk = RealDisk::at(directory);
        disk.create_directory().map_err(failed(&disk, ""))?;
        Self::on(Arc::new(disk), origin)
    }

    fn on(disk: Arc<dyn Disk>, origin: Origin) -> Result<Self, SnapshotFailed> {
        let snapshots = Self { disk, origin, busy: Mutex::new(()) };
        for name in snapshots.names()?.iter().filter(|name| name.ends_with(TEMPORARY_SUFFIX)) {
            snapshots.disk.remove(name).map_err(failed(&*snapshots.disk, name))?;
        }
        // A process may have died after renaming a snapshot and before syncing the directory.
        snapshots.disk.sync_directory().map_err(failed(&*snapshots.disk, ""))?;
        if let Ok(Some(latest)) = snapshots.latest() {
            snapshots.remove_others(&name_of(latest.covers))?;
        }
        Ok(snapshots)
    }

    /// The journal and the last covered position of the latest snapshot in `directory`. `None` if there is no snapshot
    /// or its header is damaged. Changes nothing.
    pub fn known(directory: &Path) -> Result<Option<([u8; 16], Position)>, SnapshotFailed> {
        if !directory.is_dir() {
            return Ok(None);
        }
        let disk = RealDisk::at(directory);
        let names = disk.names().map_err(failed(&disk, ""))?;
        let Some(covers) = names.iter().filter_map(|name| covers_of(name)).max() else { return Ok(None) };
        let name = name_of(covers);
        let mut header = [0; HEADER];
        let file = match disk.open(&name) {
            // A running gateway has replaced it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed(&disk, &name))?,
        };
        let read = sorted::read_all_at(&*file, &mut header, 0).map_err(failed(&disk, &name))?;
        let whole = read && u32_at(&header, HEADER - 4) == crc32c::crc32c(&header[..HEADER - 4]);
        let identity = *header[12..].first_chunk().expect("a header is longer than 28 bytes");
        Ok((whole && header.starts_with(MAGIC)).then_some((identity, covers)))
    }

    /// The latest snapshot, if there is one.
    ///
    /// # Errors
    /// Any of [`SnapshotFailed`] but `Ahead` and `Interrupted`.
    pub fn latest(&self) -> Result<Option<Snapshot>, SnapshotFailed> {
        let Some(covers) = self.names()?.iter().filter_map(|name| covers_of(name)).max() else { return Ok(None) };
        Snapshot::open(&*self.disk, covers, self.origin).map(Some)
    }

    /// The latest snapshot once none is being made, which it waits for: one that is being made may be the first. One that
    /// is begun later reads the journal as it is by then.
    pub fn settled(&self) -> Result<Option<Snapshot>, SnapshotFailed> {
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        self.latest()
    }

    /// Rewrites the latest snapshot if it is the one that covers everything up to `covers`; returns whether it is. `map`
    /// returns the new row for each row, or `None` to remove it. Used to erase a person. The previous file is removed
    /// when this returns. Blocks while another snapshot is being made.
    pub fn rewrite(
        &self,
        covers: Position,
        mut map: impl FnMut(Table, &[u8], Vec<u8>) -> Option<Vec<u8>>,
        throttle: Throttle<'_>,
    ) -> Result<bool, SnapshotFailed> {
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(latest) = self.latest()?.filter(|latest| latest.covers == covers) else { return Ok(false) };
        let mut rows = latest.rows();
        self.make(latest.covers, latest.at, throttle, |making, throttle| {
            while let Some((key, row)) = rows.next()? {
                if let Some(row) = map(key.table, &key.bytes, row) {
                    making.put(&encode_key(&key), Some(&row), throttle)?;
                }
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// Makes a snapshot with the rows from `fill`, then removes all others.
    fn make(
        &self,
        covers: Position,
        at: Timestamp,
        throttle: Throttle<'_>,
        fill: impl FnOnce(&mut UnfinishedFile, Throttle<'_>) -> Result<(), SnapshotFailed>,
    ) -> Result<Snapshot, SnapshotFailed> {
        let name = name_of(covers);
        let making = format!("{name}{TEMPORARY_SUFFIX}");
        let disk = &*self.disk;
        let make = || {
            let file = disk.create(&making).map_err(failed(disk, &making))?;
            let made = file.clone();
            let (header, seed) = encode_header(self.origin, covers, at);
            let writer = Writer::new(file, &header, seed).map_err(failed(disk, &making))?;
            let mut filling = UnfinishedFile { writer, path: disk.path().join(&making) };
            fill(&mut filling, throttle)?;
            let finish = |writer: Writer| -> io::Result<u64> {
                let bytes = writer.finish()?;
                made.sync_all()?;
                Ok(bytes)
            };
            let bytes = finish(filling.writer).map_err(failed(disk, &making))?;
            read_back(&made, &header, bytes, seed, &filling.path, throttle)?;
            disk.rename(&making, &name).and_then(|()| disk.sync_directory()).map_err(failed(disk, &making))
        };
        if let Err(error) = make() {
            // Remove the unfinished file, because the disk may be full; if that fails, the next start does it.
            let _left_for_the_next_start = disk.remove(&making);
            return Err(error);
        }
        self.remove_others(&name)?;
        Snapshot::open(disk, covers, self.origin)
    }

    fn remove_others(&self, kept: &str) -> Result<(), SnapshotFailed> {
        let names = self.names()?;
        let others: Vec<_> = names.iter().filter(|name| covers_of(name).is_some() && *name != kept).collect();
        for other in &others {
            self.disk.remove(other).map_err(failed(&*self.disk, other))?;
        }
        if others.is_empty() { Ok(()) } else { self.disk.sync_directory().map_err(failed(&*self.disk, "")) }
    }

    fn names(&self) -> Result<Vec<String>, SnapshotFailed> {
        self.disk.names().map_err(failed(&*self.disk, ""))
    }
}

impl Snapshot {
    fn open(disk: &dyn Disk, covers: Position, origin: Origin) -> Result<Self, SnapshotFailed> {
        let name = name_of(covers);
        let path = disk.path().join(&name);
        let failed = failed(disk, &name);
        let file = disk.open(&name).map_err(&failed)?;
        let bytes = file.size().map_err(&failed)?;
        let bad = |offset, why: &str| SnapshotFailed::Damaged { file: path.clone(), offset, why: why.to_owned() };
        let mut header = [0; HEADER];
        if !sorted::read_all_at(&*file, &mut header, 0).map_err(&failed)? {
            return Err(bad(0, "it is shorter than its header"));
        }
        let seed = u32_at(&header, HEADER - 4);
        if seed != crc32c::crc32c(&header[..HEADER - 4]) || !header.starts_with(MAGIC) {
            return Err(bad(0, "its header is not whole"));
        }
        let upgrades = upgrades(u32_at(&header, 28), origin).filter(|_| u32_at(&header, 8) == VERSION);
        let Some(upgrades) = upgrades else { return Err(SnapshotFailed::OtherVersion { file: path }) };
        if header[12..28] != origin.journal {
            return Err(SnapshotFailed::OtherJournal { file: path });
        }
        if u64_at(&header, 32) != covers.0 {
            return Err(bad(32, "it has been renamed"));
        }
        let at = Timestamp::from_ms(u64_at(&header, 40));
        let count = sorted::count(&*file, HEADER as u64, bytes).map_err(&failed)?;
        let count = count.ok_or_else(|| bad(bytes, "its end is missing"))?;
        Ok(Self { covers, at, count, bytes, file, path, seed, upgrades })
    }

    /// Its rows, sorted by key.
    pub fn rows(&self) -> SnapshotRows {
        SnapshotRows { reader: self.reader(), path: self.path.clone(), upgrades: self.upgrades }
    }

    fn reader(&self) -> Reader {
        Reader::new(self.file.clone(), HEADER as u64, self.bytes, self.seed)
    }

    /// Checks that the snapshot does not reach beyond `last`, the journal's last position.
    pub fn within(self, last: Position) -> Result<Self, SnapshotFailed> {
        if self.covers <= last { Ok(self) } else { Err(SnapshotFailed::Ahead { file: self.path, covers: self.covers }) }
    }
}

/// Reads the rows of a snapshot one by one.
pub struct SnapshotRows {
    reader: Reader,
    path: PathBuf,
    upgrades: &'static [Upgrade],
}

impl SnapshotRows {
    /// The next row; `None` at the end, when the whole file has been verified.
    #[allow(clippy::should_implement_trait, reason = "an iterator would continue after an error")]
    pub fn next(&mut self) -> Result<Option<(Key, Vec<u8>)>, SnapshotFailed> {
        let at = self.reader.offset();
        let Some((key, row)) = self.reader.next().map_err(|broken| broken.of(&self.path))? else { return Ok(None) };
        let (key, row) = decode_key(&key).zip(row).ok_or_else(|| SnapshotFailed::Damaged {
            file: self.path.clone(),
            offset: at,
            why: "this is not a row".to_owned(),
        })?;
        let row = upgraded(self.upgrades, &key, row);
        Ok(Some((key, row)))
    }
}

/// The upgrades from `version` to the current version; `None` if `version` is not supported.
fn upgrades(version: u32, origin: Origin) -> Option<&'static [Upgrade]> {
    let newer_by = usize::try_from(u32::from(origin.rows_version).checked_sub(version)?).ok()?;
    UPGRADES.get(UPGRADES.len().checked_sub(newer_by)?..)
}

fn upgraded(upgrades: &[Upgrade], key: &Key, row: Vec<u8>) -> Vec<u8> {
    upgrades.iter().fold(row, |row, upgrade| upgrade(key, row))
}

impl Broken {
    /// Converts it to an error about `file`.
    fn of(self, file: &Path) -> SnapshotFailed {
        match self {
            Self::Disk(error) => io_failed(file, &error),
            Self::Bad(offset, why) => SnapshotFailed::Damaged { file: file.to_owned(), offset, why: why.to_owned() },
        }
    }
}

fn io_failed(path: &Path, error: &io::Error) -> SnapshotFailed {
    SnapshotFailed::Disk(format!("{}: {error}", path.display()))
}

fn failed(disk: &dyn Disk, name: &str) -> impl Fn(io::Error) -> SnapshotFailed {
    let path = disk.path().join(name);
    move |error| io_failed(&path, &error)
}

fn encode_header(origin: Origin, covers: Position, at: Timestamp) -> ([u8; HEADER], u32) {
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&origin.journal);
    bytes.extend_from_slice(&u32::from(origin.rows_version).to_le_bytes());
    bytes.extend_from_slice(&covers.0.to_le_bytes());
    bytes.extend_from_slice(&at.as_ms().to_le_bytes());
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    (bytes.try_into().expect("the fields above are a header long"), crc)
}

/// The name of the snapshot that covers everything up to `covers`: names sort as positions do.
fn name_of(covers: Position) -> String {
    format!("{:020}.snap", covers.0)
}

/// The position covered by the snapshot with this name; `None` if it is not a snapshot's name.
fn covers_of(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(".snap").filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok().map(Position))?
}

/// A key prefixed with its table. Encoded keys sort like `Key`s.
fn encode_key(key: &Key) -> Vec<u8> {
    [&encode_table(key.table)[..], &key.bytes].concat()
}

fn encode_table(table: Table) -> [u8; TABLE_BYTES] {
    let (kind, number) = match table {
        Table::State => (0, 0),
        Table::Messages(Day(day)) => (1, day),
        Table::Idempotency(Day(day)) => (2, day),
        Table::Contacts(Month(month)) => (3, month),
        Table::Audit(Month(month)) => (4, month),
        Table::Usage(Month(month)) => (5, month),
        Table::Media(Day(day)) => (6, day),
        Table::CarrierIds(Day(day)) => (7, day),
    };
    let [high, low] = number.to_be_bytes();
    [kind, high, low]
}

fn decode_key(bytes: &[u8]) -> Option<Key> {
    let ([kind, high, low], rest) = bytes.split_first_chunk::<TABLE_BYTES>()?;
    let number = u16::from_be_bytes([*high, *low]);
    let table = match kind {
        0 => Table::State,
        1 => Table::Messages(Day(number)),
        2 => Table::Idempotency(Day(number)),
        3 => Table::Contacts(Month(number)),
        4 => Table::Audit(Month(number)),
        5 => Table::Usage(Month(number)),
        6 => Table::Media(Day(number)),
        7 => Table::CarrierIds(Day(number)),
        _ => return None,
    };
    Some(Key { table, bytes: rest.to_vec() })
}
