//! The writer of the journal on disk.
//!
//! Invariant: once `sync` has returned, the data is on the disk, in a file whose name is on the disk. Nothing is
//! written or synced after the first failure, because a repeated fsync may report success without the bytes being on
//! the disk.

use super::disk::{Disk, DiskFile, RealDisk};
use super::frame::{ChainChecksum, Link, Salts, bytes_of, encode};
use super::reader::{FileReader, Segment, Shared, Visible};
use super::recover::{Cut, Evidence, Last, Recovered, TEMPORARY_SUFFIX, failed, identity_on, recover};
use super::segment::{FrameOffsets, Header, Place, PreviousSegment, name_of};
use super::{Eraser, FORGOTTEN_AT_ONCE_MAX, Journal, JournalFailed, JournalReader, Record};
use crate::model::{Day, Position, Timestamp};
use crate::observe;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The size of a segment. It is closed when a frame does not fit, or when its day is over.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The write buffer keeps at most this capacity: four batches of the usual maximum of 1 MiB.
const BUFFER_KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The layout of the journal on disk.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes reserved for a segment, by default 64 MiB. A larger frame gets a segment of its own size; on a nearly full
    /// disk segments are smaller.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES }
    }
}

/// A journal in a directory: `00000000000000000001.log` and so on, each named by its first position.
///
/// Only one process may open it: take the [`Lock`](super::Lock) first.
pub struct FileJournal {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    identity: [u8; 16],
    seal: ChainChecksum,
    salts: Salts,
    /// The current segment; `None` before the first append of a new journal.
    current: Option<Current>,
    /// The segment before the next one to be created.
    previous_segment: PreviousSegment,
    /// The last position before a gap, if the next segment follows one.
    gap_after: Option<Position>,
    /// Position of the next frame, and the crc of the frame before it.
    next: Position,
    previous: u32,
    /// The last position known durable.
    durable: Position,
    /// The last position that a frame of this process records as durable.
    confirmed: Position,
    /// Encoded frames not yet written.
    buffer: Vec<u8>,
    /// Segments closed since the last sync.
    closed: Vec<Segment>,
    shared: Arc<Shared>,
    cut: Option<Cut>,
    dead: Option<JournalFailed>,
}

/// The segment being written.
struct Current {
    file: Arc<dyn DiskFile>,
    name: String,
    first: Position,
    day: Day,
    /// Bytes reserved.
    size: u64,
    /// The end of the last frame written.
    written: u64,
    /// Offsets of frames written since the last sync.
    marks: FrameOffsets,
    /// Something was written since the last sync.
    unsynced: bool,
}

impl FileJournal {
    /// The identity of the journal in `directory`, if it has a readable segment. Changes nothing.
    ///
    /// # Errors
    /// `Disk` if a file cannot be read.
    pub fn identity_in(directory: &Path) -> Result<Option<[u8; 16]>, JournalFailed> {
        if directory.is_dir() { identity_on(&RealDisk::at(directory)) } else { Ok(None) }
    }

    /// Opens the journal in `directory`, which is created if missing. A torn end is truncated, and everything readable
    /// afterwards is durable.
    ///
    /// # Errors
    /// `Damaged` if durable data is no longer intact; nothing is changed then. `Disk` if a file cannot be read or
    /// written.
    #[cfg(feature = "test-support")]
    pub fn open(directory: &Path, options: Options) -> Result<Self, JournalFailed> {
        Self::open_with(directory, options, &Evidence::default())
    }

    /// Like `open`, but checks the journal against evidence from the index or a snapshot.
    ///
    /// # Errors
    /// Like `open`; also `Damaged` if the journal ends before the known position. Nothing is changed then.
    pub fn open_with(directory: &Path, options: Options, known: &Evidence) -> Result<Self, JournalFailed> {
        let disk = RealDisk::at(directory);
        disk.create_directory().map_err(failed(&disk, ""))?;
        Self::on_with(Arc::new(disk), &options, known)
    }

    /// Opens the journal on any disk.
    #[cfg(feature = "test-support")]
    pub(super) fn on(disk: Arc<dyn Disk>, options: &Options) -> Result<Self, JournalFailed> {
        Self::on_with(disk, options, &Evidence::default())
    }

    pub(super) fn on_with(disk: Arc<dyn Disk>, options: &Options, known: &Evidence) -> Result<Self, JournalFailed> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| JournalFailed::Disk(format!("no random numbers: {error}")))?;
        let (fresh, salts) = random.split_first_chunk::<16>().expect("32 bytes are more than 16");
        let fresh = known.identity.unwrap_or(*fresh);
        let Recovered { identity, closed, last, gaps, next, cut } = recover(&*disk, fresh, known)?;
        let (current, live) = last.map(|last| resume(last, next)).unzip();
        let shared = Shared::new(disk.clone(), identity, Visible::new(closed, live, next.position, gaps));
        Ok(Self {
            disk,
            segment_bytes: options.segment_bytes,
            identity,
            seal: ChainChecksum::of(&identity),
            salts: Salts::new(salts.try_into().expect("32 bytes less 16 are 16")),
            current,
            previous_segment: PreviousSegment::default(),
            gap_after: None,
            next: next.position,
            previous: next.previous,
            durable: Position(next.position.0 - 1),
            confirmed: Position(0),
            buffer: Vec::new(),
            closed: Vec::new(),
            shared: Arc::new(shared),
            cut,
            dead: None,
        })
    }

    /// The torn end that was truncated when the journal was opened. It is harmless and is logged.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// Moves the next frame to `first`, skipping the positions of lost frames so that they are never reused.
    pub fn begin_epoch(&mut self, first: Position) {
        debug_assert!(first > self.next, "an epoch begins after everything before it");
        self.gap_after = Some(Position(self.next.0 - 1));
        self.next = first;
        self.shared.leave_gap(first);
    }

    /// Runs `work` unless the journal is dead, and marks the journal dead if it fails.
    fn alive(&mut self, work: impl FnOnce(&mut Self) -> Result<(), JournalFailed>) -> Result<(), JournalFailed> {
        if let Some(dead) = &self.dead {
            return Err(dead.clone());
        }
        work(self).inspect_err(|error| self.dead = Some(error.clone()))
    }

    fn write(&mut self, records: &[Record], now: Timestamp) -> Result<(), JournalFailed> {
        for record in records {
            let bytes = bytes_of(record).expect("every record of the batch has been checked") as u64;
            self.make_room(bytes, now)?;
            let current = self.current.as_mut().expect("make_room has ensured a segment");
            let link = Link { previous: self.previous, position: self.next, synced: self.durable };
            let offset = current.written + self.buffer.len() as u64;
            current.marks.pass(Place { offset, position: self.next, previous: self.previous });
            self.previous = encode(&mut self.buffer, record, link, self.seal, &self.salts);
            self.next = self.next.next();
            self.confirmed = link.synced;
        }
        self.write_buffer()
    }

    /// Ensures that the current segment is of the day of `now` and has space for a frame of `bytes`.
    fn make_room(&mut self, bytes: u64, now: Timestamp) -> Result<(), JournalFailed> {
        if let Some(current) = &self.current {
            let fits = current.written + self.buffer.len() as u64 + bytes <= current.size;
            if fits && now.day() <= current.day && self.gap_after.is_none() {
                return Ok(());
            }
            self.write_buffer()?;
            self.close()?;
        }
        self.begin(bytes, now)
    }

    fn write_buffer(&mut self) -> Result<(), JournalFailed> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let current = self.current.as_mut().expect("buffered frames were encoded for a segment");
        current.unsynced = true;
        let written = current.file.write_all_at(&self.buffer, current.written);
        written.map_err(failed(&*self.disk, &current.name))?;
        current.written += self.buffer.len() as u64;
        observe::journal_written(self.buffer.len() as u64);
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES_MAX);
        Ok(())
    }

    /// Truncates the current segment to its length and makes it durable before the next one is created, so that only
    /// the last segment can be torn.
    fn close(&mut self) -> Result<(), JournalFailed> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let began = Instant::now();
        let cut = current.file.set_size(current.written).and_then(|()| current.file.sync_all());
        cut.map_err(failed(&*self.disk, &current.name))?;
        observe::journal_synced(began.elapsed());
        self.durable = self.gap_after.unwrap_or(Position(self.next.0 - 1));
        self.previous_segment = PreviousSegment { first: current.first, end: current.written };
        self.closed.push(current.into_segment());
        Ok(())
    }

    /// Creates the next segment, with space for a frame of `bytes`. Its file and name are durable before it is used.
    fn begin(&mut self, bytes: u64, now: Timestamp) -> Result<(), JournalFailed> {
        let first = self.next;
        let name = name_of(first);
        let (identity, previous_segment, seed, after) =
            (self.identity, self.previous_segment, self.previous, self.gap_after);
        let header = Header { identity, first, opened: now, previous_segment, seed, after }.encode();
        let written = header.len() as u64;
        let least = written + bytes;
        let disk = &*self.disk;
        let make = || -> io::Result<(Arc<dyn DiskFile>, u64)> {
            let making = format!("{name}{TEMPORARY_SUFFIX}");
            let file = disk.create(&making)?;
            let size = reserve(&*file, self.segment_bytes.max(least), least)?;
            file.write_all_at(&header, 0)?;
            file.sync_all()?;
            disk.rename(&making, &name)?;
            disk.sync_directory()?;
            Ok((file, size))
        };
        let (file, size) = make().map_err(failed(disk, &name))?;
        self.gap_after = None;
        let marks = FrameOffsets::default();
        self.current = Some(Current { file, name, first, day: now.day(), size, written, marks, unsynced: false });
        Ok(())
    }

    fn make_durable(&mut self) -> Result<(), JournalFailed> {
        if let Some(current) = self.current.as_mut().filter(|current| current.unsynced) {
            let began = Instant::now();
            current.file.sync_data().map_err(failed(&*self.disk, &current.name))?;
            observe::journal_synced(began.elapsed());
            current.unsynced = false;
            self.durable = Position(self.next.0 - 1);
            let current = current.since_last_sync();
            self.shared.show(self.closed.drain(..).chain([current]), self.next, self.confirmed);
        }
        Ok(())
    }
}

impl Journal for FileJournal {
    fn identity(&self) -> [u8; 16] {
        self.identity
    }

    fn next(&self) -> Position {
        self.next
    }

    fn append(&mut self, records: &[Record], now: Timestamp) -> Result<(), JournalFailed> {
        records.iter().try_for_each(Record::check)?;
        self.alive(|journal| journal.write(records, now))
    }

    fn sync(&mut self) -> Result<(), JournalFailed> {
        self.alive(Self::make_durable)
    }

    fn drop_before(&mut self, position: Position) -> Result<(), JournalFailed> {
        self.alive(|journal| {
            for first in journal.shared.hide_before(position, FORGOTTEN_AT_ONCE_MAX) {
                // Each deletion is durable before the next: a journal with a missing segment would not open.
                let name = name_of(first);
                let gone = journal.disk.remove(&name).and_then(|()| journal.disk.sync_directory());
                gone.map_err(failed(&*journal.disk, &name))?;
            }
            Ok(())
        })
    }

    fn eraser(&self) -> Arc<dyn Eraser> {
        self.shared.clone()
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(FileReader::new(self.shared.clone()))
    }
}

impl Current {
    /// What becomes visible to readers next: the segment's end, and the new frame offsets.
    fn since_last_sync(&mut self) -> Segment {
        let marks = std::mem::take(&mut self.marks);
        Segment { file: self.file.clone(), first: self.first, end: self.written, marks }
    }

    fn into_segment(mut self) -> Segment {
        self.since_last_sync()
    }
}

/// Reserves `wanted` bytes for a segment, or an eighth or a 64th of them if the disk is too full; never fewer than
/// `least`. Returns how many.
fn reserve(file: &dyn DiskFile, wanted: u64, least: u64) -> io::Result<u64> {
    let mut sizes = [wanted, wanted / 8, wanted / 64].map(|size| size.max(least)).into_iter();
    let mut size = wanted;
    loop {
        match file.allocate(size) {
            Ok(()) => return Ok(size),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                let Some(smaller) = sizes.find(|smaller| *smaller < size) else { return Err(error) };
                // A part may have been reserved; release it, or it takes the space of the smaller size.
                file.set_size(0)?;
                size = smaller;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Continues in the last segment found.
fn resume(last: Last, next: Place) -> (Current, Segment) {
    let Last { header, file, size, marks } = last;
    let first = header.first;
    let current = Current {
        file: file.clone(),
        name: name_of(first),
        first,
        day: header.opened.day(),
        size,
        written: next.offset,
        marks: FrameOffsets::default(),
        unsynced: false,
    };
    (current, Segment { file, first, end: next.offset, marks })
}
