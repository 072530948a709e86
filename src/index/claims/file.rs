//! One day's claims on disk.
//!
//! A header, then blocks, all integers big-endian. A block's checksum is seeded with the one before it (the first with
//! the header's), so that a file is read up to its first damage, and nothing after a hole is used: after a machine
//! stops, later pages may be on the disk and earlier ones missing, because nothing is synced before the day ends.
//!
//! ```text
//! header   "ohclaim1"  journal 16  check of the key 8  follows 8  day 2  zero 2  crc32c 4       48 bytes
//! block    count 4  crc32c 4  applied 8, then `count` times: fingerprint 8  position 8          16 + 16 n bytes
//! ```
//!
//! `follows` is the position up to which the files of earlier days are complete; `applied` the position up to which
//! this one is. If a file's `follows` is past the `applied` of the file before it, claims are missing in between.

use crate::machine::rows::RowsFailed;
use crate::model::{Day, Position};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"ohclaim1";
const HEADER_BYTES: usize = 48;
const BLOCK_HEAD_BYTES: usize = 16;
pub(super) const RECORD_BYTES: usize = 16;

/// Maximum claims in one block. A batch of the engine has fewer; a rewritten file may have several blocks.
const BLOCK_MAX_CLAIMS: usize = 4_096;

/// The part of the header that is the same in every file of the directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The journal that the positions refer to.
    pub(super) journal: [u8; 16],
    /// A hash that identifies the key without revealing it: fingerprints under another key are useless.
    pub(super) key_check: u64,
}

/// A file could not be written.
#[derive(Debug)]
pub(super) struct FileFailed {
    failed: RowsFailed,
    kind: ErrorKind,
}

impl FileFailed {
    /// Converts the result of doing `what` to the file at `path`.
    pub(super) fn at<T>(what: &str, path: &Path, done: io::Result<T>) -> Result<T, Self> {
        done.map_err(|error| Self { failed: io_failed(what, path, &error), kind: error.kind() })
    }

    /// Whether the disk was full, so that a retry may succeed.
    pub(super) fn is_full(&self) -> bool {
        matches!(self.kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    }
}

impl From<FileFailed> for RowsFailed {
    fn from(failed: FileFailed) -> Self {
        failed.failed
    }
}

/// A file, and how far it is valid.
pub(super) struct DayFile {
    pub(super) follows: Position,
    pub(super) applied: Position,
    pub(super) path: PathBuf,
    /// The offset of the next block; anything already there is torn.
    end: u64,
    crc: u32,
    /// Open for writing; `None` for all but the newest.
    file: Option<File>,
}

impl DayFile {
    /// Creates the empty file of `day`.
    pub(super) fn create(path: &Path, origin: Origin, day: Day, follows: Position) -> Result<Self, FileFailed> {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(MAGIC);
        header[8..24].copy_from_slice(&origin.journal);
        header[24..32].copy_from_slice(&origin.key_check.to_be_bytes());
        header[32..40].copy_from_slice(&follows.0.to_be_bytes());
        header[40..42].copy_from_slice(&day.0.to_be_bytes());
        let crc = crc32c::crc32c(&header[..44]);
        header[44..].copy_from_slice(&crc.to_be_bytes());
        let create = || {
            let file = File::create(path)?;
            file.write_all_at(&header, 0)?;
            Ok(file)
        };
        let file = Some(FileFailed::at("create", path, create())?);
        Ok(Self { follows, applied: follows, path: path.to_owned(), end: HEADER_BYTES as u64, crc, file })
    }

    /// The journal of the file of `day` and its last position there; `None` if the file has no valid header or is
    /// empty.
    pub(super) fn known(path: &Path, day: Day) -> Result<Option<([u8; 16], Position)>, RowsFailed> {
        let mut header = [0; HEADER_BYTES];
        let mut file = File::open(path).map_err(|e| io_failed("read", path, &e))?;
        if !read_whole(&mut file, &mut header).map_err(|e| io_failed("read", path, &e))? {
            return Ok(None);
        }
        let journal = header[8..24].try_into().unwrap_or_default();
        let origin = Origin { journal, key_check: number(&header[24..32]) };
        let file = Self::read(path, origin, day, |_, _| {})?;
        Ok(file.map(|file| (journal, file.applied)).filter(|(_, applied)| *applied > Position(0)))
    }

    /// Reads the file of `day` up to its end or its first damage, and passes each claim to `each`. Returns `None` if
    /// the file is of another journal or key, or has no valid header.
    pub(super) fn read(
        path: &Path,
        origin: Origin,
        day: Day,
        mut each: impl FnMut(u64, Position),
    ) -> Result<Option<Self>, RowsFailed> {
        let failed = |e: io::Error| io_failed("read", path, &e);
        let mut input = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
        let mut header = [0; HEADER_BYTES];
        if !read_whole(&mut input, &mut header).map_err(failed)? {
            return Ok(None);
        }
        let crc = crc32c::crc32c(&header[..44]);
        let found =
            Origin { journal: header[8..24].try_into().unwrap_or_default(), key_check: number(&header[24..32]) };
        let good = header.starts_with(MAGIC)
            && number(&header[44..48]) == u64::from(crc)
            && number(&header[40..42]) == u64::from(day.0)
            && found == origin;
        if !good {
            return Ok(None);
        }
        let follows = Position(number(&header[32..40]));
        let end = HEADER_BYTES as u64;
        let mut this = Self { follows, applied: follows, path: path.to_owned(), end, crc, file: None };
        let mut block = Vec::new();
        loop {
            block.resize(BLOCK_HEAD_BYTES, 0);
            if !read_whole(&mut input, &mut block).map_err(failed)? {
                break;
            }
            let count = number(&block[..4]) as usize;
            if count > BLOCK_MAX_CLAIMS {
                break;
            }
            block.resize(BLOCK_HEAD_BYTES + count * RECORD_BYTES, 0);
            let whole = read_whole(&mut input, &mut block[BLOCK_HEAD_BYTES..]).map_err(failed)?;
            let crc = block_crc(this.crc, &block);
            if !whole || number(&block[4..8]) != u64::from(crc) {
                break;
            }
            this.crc = crc;
            this.end += block.len() as u64;
            this.applied = Position(number(&block[8..16]));
            for record in block[BLOCK_HEAD_BYTES..].chunks_exact(RECORD_BYTES) {
                each(number(&record[..8]), Position(number(&record[8..])));
            }
        }
        Ok(Some(this))
    }

    /// Appends `claims`, after which the file is complete up to `applied`. Does not sync. After an error the call can
    /// be retried: it writes at the same offset.
    pub(super) fn append(&mut self, claims: &[(u64, Position)], applied: Position) -> Result<(), FileFailed> {
        let mut bytes = Vec::with_capacity(BLOCK_HEAD_BYTES + claims.len() * RECORD_BYTES);
        let mut crc = self.crc;
        let blocks = claims.len().div_ceil(BLOCK_MAX_CLAIMS).max(1);
        for n in 0..blocks {
            let from = n * BLOCK_MAX_CLAIMS;
            let claims = &claims[from..claims.len().min(from + BLOCK_MAX_CLAIMS)];
            // Only the last block completes the batch.
            let applied = if n + 1 == blocks { applied } else { self.applied };
            let begin = bytes.len();
            let count = u32::try_from(claims.len()).expect("a block has at most BLOCK_MAX_CLAIMS");
            bytes.extend_from_slice(&count.to_be_bytes());
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(&applied.0.to_be_bytes());
            for (fingerprint, position) in claims {
                bytes.extend_from_slice(&fingerprint.to_be_bytes());
                bytes.extend_from_slice(&position.0.to_be_bytes());
            }
            crc = block_crc(crc, &bytes[begin..]);
            bytes[begin + 4..begin + 8].copy_from_slice(&crc.to_be_bytes());
        }
        let end = self.end;
        let written = self.file()?.write_all_at(&bytes, end);
        FileFailed::at("write", &self.path, written)?;
        (self.end, self.crc, self.applied) = (end + bytes.len() as u64, crc, applied);
        Ok(())
    }

    /// Syncs the file. The caller syncs the directory.
    pub(super) fn sync(&mut self) -> Result<(), FileFailed> {
        let synced = self.file()?.sync_all();
        FileFailed::at("sync", &self.path, synced)
    }

    /// Closes the file for writing.
    pub(super) fn stop_writing(&mut self) {
        self.file = None;
    }

    /// Renames the file, atomically replacing an existing one.
    pub(super) fn rename(&mut self, path: PathBuf) -> Result<(), RowsFailed> {
        fs::rename(&self.path, &path).map_err(|e| io_failed("rename", &self.path, &e))?;
        self.path = path;
        Ok(())
    }

    /// The file, opened for writing and truncated after its last valid block.
    fn file(&mut self) -> Result<&File, FileFailed> {
        if self.file.is_none() {
            let open = || {
                let file = OpenOptions::new().write(true).open(&self.path)?;
                file.set_len(self.end)?;
                Ok(file)
            };
            self.file = Some(FileFailed::at("open", &self.path, open())?);
        }
        Ok(self.file.as_ref().expect("it was opened above"))
    }
}

/// The checksum of a block without the checksum's own four bytes, seeded with the one before.
fn block_crc(before: u32, block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(before, &block[..4]), &block[8..])
}

/// Fills `bytes`; returns false if the file ends first.
fn read_whole(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(bytes) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub(super) fn io_failed(what: &str, path: &Path, error: &io::Error) -> RowsFailed {
    RowsFailed(format!("cannot {what} {}: {error}", path.display()))
}
