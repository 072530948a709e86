//! Files of rows sorted by key, in blocks with chained checksums.
//!
//! ```text
//! a block:  length u32, then as many bytes of rows, then crc u32
//! a row:    key bytes u16, row bytes u16 (65535: the row was deleted), key, row
//! the end:  0 u32, count of rows u64, crc u32 of the last block, crc u32 of these 16 bytes
//! ```
//!
//! A block's crc is the CRC-32C of its length and rows, seeded with the crc of the previous block; the first block's
//! with the crc of the file's header. So missing, duplicate or foreign blocks are detected as well as changed ones.

use super::super::disk::{DiskFile, ReadAt};
use super::super::frame::{u32_at, u64_at};
use std::io;
use std::sync::Arc;

/// Size of a block, which its last row may exceed.
const BLOCK_BYTES: usize = 64 * 1024;

/// Maximum size of a valid block: no row is over 128 KiB.
const BLOCK_BYTES_MAX: usize = BLOCK_BYTES + 128 * 1024;

/// Distance between fsyncs while writing: one large fsync at the end would delay those of the journal.
const SYNC_EVERY_BYTES: u64 = 2 * 1024 * 1024;

/// Size of the file's end record.
const END: usize = 20;

/// The length that marks a deleted row.
const GONE: u16 = u16::MAX;

/// A key and its row; `None` for a deleted row.
pub(super) type Entry = (Vec<u8>, Option<Vec<u8>>);

/// Writes rows in order.
pub(super) struct Writer {
    file: Arc<dyn DiskFile>,
    offset: u64,
    synced: u64,
    crc: u32,
    count: u64,
    /// Space for the block's length, then its rows so far.
    block: Vec<u8>,
}

impl Writer {
    /// Starts a file with `header`. `seed` is the seed of the first block's crc.
    pub(super) fn new(file: Arc<dyn DiskFile>, header: &[u8], seed: u32) -> io::Result<Self> {
        file.write_all_at(header, 0)?;
        let block = vec![0; 4];
        Ok(Self { file, offset: header.len() as u64, synced: 0, crc: seed, count: 0, block })
    }

    /// Adds a row; its key must sort after all keys added before. Returns whether a block was written.
    pub(super) fn put(&mut self, key: &[u8], row: Option<&[u8]>) -> io::Result<bool> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a row or its key is over 64 KiB");
        let key_bytes = u16::try_from(key.len()).map_err(|_| too_long())?;
        let row_bytes = match row {
            None => GONE,
            Some(row) => u16::try_from(row.len()).ok().filter(|bytes| *bytes != GONE).ok_or_else(too_long)?,
        };
        self.block.extend_from_slice(&key_bytes.to_le_bytes());
        self.block.extend_from_slice(&row_bytes.to_le_bytes());
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(row.unwrap_or_default());
        self.count += 1;
        if self.block.len() < BLOCK_BYTES {
            return Ok(false);
        }
        self.write_block()?;
        Ok(true)
    }

    fn write_block(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.block.len() - 4).expect("a block is little more than 64 KiB");
        self.block[..4].copy_from_slice(&length.to_le_bytes());
        self.crc = crc32c::crc32c_append(self.crc, &self.block);
        self.block.extend_from_slice(&self.crc.to_le_bytes());
        self.file.write_all_at(&self.block, self.offset)?;
        self.offset += self.block.len() as u64;
        self.block.truncate(4);
        if self.offset - self.synced >= SYNC_EVERY_BYTES {
            self.file.sync_data()?;
            self.synced = self.offset;
        }
        Ok(())
    }

    /// Writes the end record and returns the size of the file, which is not durable yet.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        if self.block.len() > 4 {
            self.write_block()?;
        }
        let mut end = [0; END];
        end[4..12].copy_from_slice(&self.count.to_le_bytes());
        end[12..16].copy_from_slice(&self.crc.to_le_bytes());
        let crc = crc32c::crc32c(&end[..16]);
        end[16..].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all_at(&end, self.offset)?;
        Ok(self.offset + END as u64)
    }
}

/// Why a file of rows cannot be read further.
#[derive(Debug)]
pub(super) enum Broken {
    /// The disk failed.
    Disk(io::Error),
    /// The file is damaged at this offset, with the reason.
    Bad(u64, &'static str),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Reads rows in order. A block's rows are returned only after its checksum is verified.
pub(super) struct Reader {
    /// `None` for an empty reader.
    file: Option<Arc<dyn DiskFile>>,
    size: u64,
    offset: u64,
    crc: u32,
    count: u64,
    block: Vec<u8>,
    /// The number of bytes of the block already returned.
    taken: usize,
    last_key: Option<Vec<u8>>,
}

impl Reader {
    /// Reads a file of `size` bytes whose first block is at `offset`, with its crc seeded with `seed`.
    pub(super) fn new(file: Arc<dyn DiskFile>, offset: u64, size: u64, seed: u32) -> Self {
        let (block, file) = (Vec::new(), Some(file));
        Self { file, size, offset, crc: seed, count: 0, block, taken: 0, last_key: None }
    }

    /// A reader without rows.
    pub(super) fn empty() -> Self {
        Self { file: None, size: 0, offset: 0, crc: 0, count: 0, block: Vec::new(), taken: 0, last_key: None }
    }

    /// The offset of the next block.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next row; `None` at the end, after the end record is verified.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Broken> {
        if self.taken == self.block.len() && !self.read_block()? {
            return Ok(None);
        }
        let (entry, taken) = entry(&self.block[self.taken..]).ok_or(Broken::Bad(self.offset, "a row is truncated"))?;
        if self.last_key.as_ref().is_some_and(|last| *last >= entry.0) {
            return Err(Broken::Bad(self.offset, "the rows are out of order"));
        }
        self.taken += taken;
        self.count += 1;
        self.last_key = Some(entry.0.clone());
        Ok(Some(entry))
    }

    /// Reads the next block; `false` at the end.
    fn read_block(&mut self) -> Result<bool, Broken> {
        let Some(file) = &self.file else { return Ok(false) };
        let bad = |why| Broken::Bad(self.offset, why);
        let mut length = [0; 4];
        if !read_all_at(&**file, &mut length, self.offset)? {
            return Err(bad("the end record is missing"));
        }
        let bytes = u32::from_le_bytes(length) as usize;
        if bytes == 0 {
            return self.check_end(&**file).map(|()| false);
        }
        if bytes > BLOCK_BYTES_MAX {
            return Err(bad("the block is too long"));
        }
        self.block.resize(bytes + 4, 0);
        if !read_all_at(&**file, &mut self.block, self.offset + 4)? {
            return Err(bad("the file ends within a block"));
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c_append(self.crc, &length), &self.block[..bytes]);
        if crc != u32_at(&self.block, bytes) {
            return Err(bad("a checksum is wrong"));
        }
        self.block.truncate(bytes);
        (self.crc, self.taken) = (crc, 0);
        self.offset += bytes as u64 + 8;
        Ok(true)
    }

    fn check_end(&self, file: &dyn DiskFile) -> Result<(), Broken> {
        let mut end = [0; END];
        let whole = self.offset + END as u64 == self.size && read_all_at(file, &mut end, self.offset)?;
        let fits = whole && is_end(&end) && u64_at(&end, 4) == self.count && u32_at(&end, 12) == self.crc;
        if fits { Ok(()) } else { Err(Broken::Bad(self.offset, "the end record is wrong")) }
    }
}

/// The number of rows recorded at the end of a file of `size` bytes with its first block at `start`; `None` if the end
/// record is damaged.
pub(super) fn count(file: &dyn DiskFile, start: u64, size: u64) -> io::Result<Option<u64>> {
    let mut end = [0; END];
    let Some(offset) = size.checked_sub(END as u64).filter(|offset| *offset >= start) else { return Ok(None) };
    let whole = read_all_at(file, &mut end, offset)? && is_end(&end);
    Ok(whole.then(|| u64_at(&end, 4)))
}

fn is_end(end: &[u8; END]) -> bool {
    end.starts_with(&[0; 4]) && u32_at(end, 16) == crc32c::crc32c(&end[..16])
}

/// Decodes the row at the start of `bytes`, and returns it with its encoded size.
fn entry(bytes: &[u8]) -> Option<(Entry, usize)> {
    let key_bytes = usize::from(u16::from_le_bytes(*bytes.first_chunk()?));
    let row_bytes = u16::from_le_bytes(*bytes.get(2..)?.first_chunk()?);
    let (key, rest) = bytes.get(4..)?.split_at_checked(key_bytes)?;
    if row_bytes == GONE {
        return Some(((key.to_vec(), None), 4 + key_bytes));
    }
    let row = rest.get(..usize::from(row_bytes))?;
    Some(((key.to_vec(), Some(row.to_vec())), 4 + key_bytes + row.len()))
}

/// Fills `into` from `offset` on; `false` if the file ends earlier.
pub(super) fn read_all_at<F: ReadAt + ?Sized>(file: &F, into: &mut [u8], offset: u64) -> io::Result<bool> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => return Ok(false),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
