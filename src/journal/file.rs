//! The journal on disk: the writing end.
//!
//! Invariant: whatever a call to `sync` has returned for is on the disk, in a file whose name is on the disk. The first
//! failure is the last: nothing is written or synced after it, since a sync that fails once may succeed the next time
//! without the bytes being on the disk.

use super::disk::{Disk, DiskFile, RealDisk};
use super::frame::{ChainChecksum, Link, Salts, bytes_of, encode};
use super::reader::{FileReader, Segment, Shared, Visible};
use super::recover::{Cut, Evidence, Last, MAKING, Recovered, failed, identity_on, recover};
use super::segment::{FrameOffsets, Header, Place, PreviousSegment, name_of};
use super::{FORGOTTEN_AT_ONCE_MAX, Journal, JournalFailed, JournalReader, Record, Which, erase};
use crate::model::{Day, Position, Timestamp};
use crate::observe;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A segment is closed once a frame does not fit in it, or when its day is over.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The buffer that batches are written from keeps at most this: four times a batch of the usual bound of 1 MiB.
const BUFFER_KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How the journal lies on the disk.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes reserved for a segment, 64 MiB. A frame that is larger gets a segment of its own size; on a disk that is
    /// nearly full segments are smaller.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES }
    }
}

/// A journal in a directory: `00000000000000000001.log` and so on, each named by its first position.
///
/// One process may have it open: take the [`Lock`](super::Lock) first.
pub struct FileJournal {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    identity: [u8; 16],
    seal: ChainChecksum,
    salts: Salts,
    /// The segment that is written to; none before the first append of a new journal.
    current: Option<Current>,
    /// The segment before the next one to be made.
    behind: PreviousSegment,
    /// The last position before the gap that the next segment begins after.
    gap_after: Option<Position>,
    /// What the next frame is to say of itself.
    next: Position,
    previous: u32,
    /// The last position known durable.
    durable: Position,
    /// The last position that a frame of this process says is durable, written and synced.
    confirmed_len: Position,
    synced_len: Position,
    /// Encoded and not yet written.
    buffer: Vec<u8>,
    /// Segments closed since the last sync.
    closed: Vec<Segment>,
    shared: Arc<Shared>,
    cut: Option<Cut>,
    dead: Option<JournalFailed>,
}

/// The segment that is written to.
struct Current {
    file: Arc<dyn DiskFile>,
    name: String,
    first: Position,
    day: Day,
    /// Bytes reserved.
    size: u64,
    /// Behind the last frame written.
    written: u64,
    /// Marks of frames since the last sync.
    marks: FrameOffsets,
    /// Something was written since the last sync.
    unsynced: bool,
}

impl FileJournal {
    /// The identity of the journal in `directory`, where a segment says it. Changes nothing.
    ///
    /// # Errors
    /// `Disk` where a file cannot be read.
    pub fn identity_in(directory: &Path) -> Result<Option<[u8; 16]>, JournalFailed> {
        if directory.is_dir() { identity_on(&RealDisk::at(directory)) } else { Ok(None) }
    }

    /// Opens the journal in `directory`, which is made where there is none. What a crash tore at the end is cut off, and
    /// all that is readable afterwards is on the disk.
    ///
    /// # Errors
    /// `Damaged` where something that had been durable is not whole any more; nothing was changed then. `Disk` where a
    /// file cannot be read or written.
    pub fn open(directory: &Path, options: Options) -> Result<Self, JournalFailed> {
        Self::open_with(directory, options, &Evidence::default())
    }

    /// The same of a journal of which others know something.
    ///
    /// # Errors
    /// The same; also `Damaged` where it ends before what is known. Nothing was changed then.
    pub fn open_with(directory: &Path, options: Options, known: &Evidence) -> Result<Self, JournalFailed> {
        let disk = RealDisk::at(directory);
        disk.create_directory().map_err(failed(&disk, ""))?;
        Self::on_with(Arc::new(disk), &options, known)
    }

    /// The journal on any disk.
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
            behind: PreviousSegment::default(),
            gap_after: None,
            next: next.position,
            previous: next.previous,
            durable: Position(next.position.0 - 1),
            confirmed_len: Position(0),
            synced_len: Position(0),
            buffer: Vec::new(),
            closed: Vec::new(),
            shared: Arc::new(shared),
            cut,
            dead: None,
        })
    }

    /// What was cut off the end when the journal was opened: worth a line in the log, and no harm.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// The next frame goes to `first`, further on than it would: the frames between were lost, and their positions are
    /// given to no others.
    pub fn begin_epoch(&mut self, first: Position) {
        debug_assert!(first > self.next, "an epoch begins after everything before it");
        self.gap_after = Some(Position(self.next.0 - 1));
        self.next = first;
        self.shared.leave_gap(first);
    }

    /// Runs `work` unless the journal is dead, and declares it dead where that fails.
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
            let current = self.current.as_mut().expect("there is a segment once there is room");
            let link = Link { previous: self.previous, position: self.next, synced: self.durable };
            let offset = current.written + self.buffer.len() as u64;
            current.marks.pass(Place { offset, position: self.next, previous: self.previous });
            self.previous = encode(&mut self.buffer, record, link, self.seal, &self.salts);
            self.next = self.next.next();
            self.confirmed_len = link.synced;
        }
        self.write_buffer()
    }

    /// Makes sure that the current segment is of the day of `now` and has room for a frame of `bytes`.
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
        let current = self.current.as_mut().expect("what is in the buffer was encoded for a segment");
        current.unsynced = true;
        let written = current.file.write_all_at(&self.buffer, current.written);
        written.map_err(failed(&*self.disk, &current.name))?;
        current.written += self.buffer.len() as u64;
        observe::journal_written(self.buffer.len() as u64);
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES_MAX);
        Ok(())
    }

    /// Cuts the current segment to its length and makes all of it durable, before the next one comes to be: so that only
    /// the last segment can be torn.
    fn close(&mut self) -> Result<(), JournalFailed> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let began = Instant::now();
        let cut = current.file.set_size(current.written).and_then(|()| current.file.sync_all());
        cut.map_err(failed(&*self.disk, &current.name))?;
        observe::journal_synced(began.elapsed());
        self.durable = self.gap_after.unwrap_or(Position(self.next.0 - 1));
        self.behind = PreviousSegment { first: current.first, end: current.written };
        self.closed.push(current.into_segment());
        Ok(())
    }

    /// Makes the next segment, with room for a frame of `bytes`. Its file and its name are durable before it is used.
    fn begin(&mut self, bytes: u64, now: Timestamp) -> Result<(), JournalFailed> {
        let first = self.next;
        let name = name_of(first);
        let (identity, behind, seed, after) = (self.identity, self.behind, self.previous, self.gap_after);
        let header = Header { identity, first, opened: now, behind, seed, after }.encode();
        let written = header.len() as u64;
        let least = written + bytes;
        let disk = &*self.disk;
        let make = || -> io::Result<(Arc<dyn DiskFile>, u64)> {
            let making = format!("{name}{MAKING}");
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
            self.synced_len = self.confirmed_len;
            let current = current.since_last_sync();
            self.shared.show(self.closed.drain(..).chain([current]), self.next);
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

    fn forget_before(&mut self, position: Position) -> Result<(), JournalFailed> {
        self.alive(|journal| {
            for first in journal.shared.hide_before(position, FORGOTTEN_AT_ONCE_MAX) {
                // Each is gone for good before the next goes: a journal with a hole in it would not be opened.
                let name = name_of(first);
                let gone = journal.disk.remove(&name).and_then(|()| journal.disk.sync_directory());
                gone.map_err(failed(&*journal.disk, &name))?;
            }
            Ok(())
        })
    }

    fn erase(&mut self, which: Which<'_>) -> Result<u64, JournalFailed> {
        let mut erased = 0;
        self.alive(|journal| {
            let mut spans = Vec::new();
            for segment in journal.shared.segments() {
                if segment.first <= journal.synced_len {
                    erase::find(&*journal.disk, journal.identity, segment, journal.synced_len, which, &mut spans)?;
                }
            }
            erased = spans.len() as u64;
            erase::erase(&*journal.disk, &spans)
        })?;
        Ok(erased)
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(FileReader::new(self.shared.clone()))
    }
}

impl Current {
    /// What readers are shown next: how far the segment goes, and the marks they do not have.
    fn since_last_sync(&mut self) -> Segment {
        let marks = std::mem::take(&mut self.marks);
        Segment { file: self.file.clone(), first: self.first, end: self.written, marks }
    }

    fn into_segment(mut self) -> Segment {
        self.since_last_sync()
    }
}

/// Reserves bytes for a segment, `wanted` of them, or an eighth or a 64th where the disk has no room for so many; never fewer
/// than `least`. Says how many.
fn reserve(file: &dyn DiskFile, wanted: u64, least: u64) -> io::Result<u64> {
    let mut sizes = [wanted, wanted / 8, wanted / 64].map(|size| size.max(least)).into_iter();
    let mut size = wanted;
    loop {
        match file.allocate(size) {
            Ok(()) => return Ok(size),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                let Some(smaller) = sizes.find(|smaller| *smaller < size) else { return Err(error) };
                // A part of it may have been reserved, and that is in the way of less.
                file.set_size(0)?;
                size = smaller;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Goes on in the last segment that was found.
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
