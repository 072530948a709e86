//! Erases bodies in place, all requested ones or none.
//!
//! Invariant: a list of the bodies to erase is durable before the first byte is overwritten, and it is removed after
//! all zeros are durable. A half-overwritten body would look like damage, and a half-done erasure like a complete one;
//! so after a crash the next start finishes the work.
//!
//! ```text
//! the file `erasing`, present during an erasure:
//!  0  magic   8  "offhookE"
//!  8  count   u32
//! 12  for each body: its segment's first position u64, its offset there u64, its bytes with the salt u64
//!     crc     u32  CRC-32C of all before
//! ```

use super::disk::Disk;
use super::frame::{Body, ChainChecksum, u32_at, u64_at};
use super::recover::{TEMPORARY_SUFFIX, damaged, failed};
use super::segment::{Found, Header, Place, PreviousSegment, Step, WINDOW_BYTES, Walk, Window, name_of};
use super::{JournalFailed, Which};
use crate::model::Position;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{PoisonError, RwLock};

/// The file name of the list.
const LIST: &str = "erasing";

const MAGIC: &[u8; 8] = b"offhookE";
const HEAD: usize = 12;
const ENTRY: usize = 24;

/// The zeros for one write.
const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];

/// The location of a body, including its salt.
pub(super) struct Span {
    segment: Position,
    offset: u64,
    bytes: u64,
}

/// Returns the bodies of a segment that `which` selects and that are not erased yet, in the frames of `range`.
pub(super) fn find(
    disk: &dyn Disk,
    identity: [u8; 16],
    segment: PreviousSegment,
    range: &RangeInclusive<Position>,
    which: Which<'_>,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<Span>, JournalFailed> {
    let name = name_of(segment.first);
    let broken = |place, why| damaged(disk.path(), &name, place, why);
    let file = disk.open(&name).map_err(failed(disk, &name))?;
    let Found::Header(header) = Header::read(&*file).map_err(failed(disk, &name))? else {
        let start = Place { offset: 0, position: segment.first, previous: 0 };
        return Err(broken(start, "the header is not whole"));
    };
    let mut walk = Walk::new(Window::new(&*file, segment.end), ChainChecksum::of(&identity), header.start());
    let mut spans = Vec::new();
    let mut rested_at = 0;
    while walk.place.offset < segment.end && walk.place.position <= *range.end() {
        let place = walk.place;
        if place.offset >= rested_at + WINDOW_BYTES as u64 {
            rested_at = place.offset;
            if !goes_on() {
                return Err(JournalFailed::Interrupted);
            }
        }
        let view = match walk.step().map_err(failed(disk, &name))? {
            Step::Frame(view) => view,
            Step::End => return Err(broken(place, "there are zeros instead of a frame")),
            Step::Bad(why) => return Err(broken(place, why)),
        };
        if place.position < *range.start() {
            continue;
        }
        let why = "a body matches neither its checksum nor an erasure";
        let frame = view.to_frame().ok_or_else(|| broken(place, why))?;
        for index in which(&frame) {
            let kept = view.bodies().nth(index).is_some_and(|(_, body)| matches!(body, Body::Kept(_)));
            if let Some(span) = view.span(index).filter(|_| kept) {
                let offset = place.offset + span.start as u64;
                spans.push(Span { segment: segment.first, offset, bytes: span.len() as u64 });
            }
        }
    }
    Ok(spans)
}

/// Overwrites the bodies with zeros durably. `overwriting` is held while a body is half overwritten.
pub(super) fn erase(disk: &dyn Disk, spans: &[Span], overwriting: &RwLock<()>) -> Result<(), JournalFailed> {
    if spans.is_empty() {
        return Ok(());
    }
    write_list(disk, spans).map_err(failed(disk, LIST))?;
    overwrite(disk, spans, overwriting)
}

/// Finishes an erasure that a crash or an error interrupted.
pub(super) fn finish(disk: &dyn Disk, overwriting: &RwLock<()>) -> Result<(), JournalFailed> {
    let names = disk.names().map_err(failed(disk, ""))?;
    let making = format!("{LIST}{TEMPORARY_SUFFIX}");
    if names.contains(&making) {
        // An unfinished list: nothing was overwritten yet.
        disk.remove(&making).map_err(failed(disk, &making))?;
    }
    if !names.iter().any(|name| name == LIST) {
        return Ok(());
    }
    let bytes = read_all(disk).map_err(failed(disk, LIST))?;
    let Some(spans) = decode(&bytes) else {
        let file = disk.path().join(LIST);
        return Err(JournalFailed::Damaged(format!(
            "{}, the list of an unfinished erasure, is damaged: move it away, start the gateway, and erase that person \
             again",
            file.display()
        )));
    };
    overwrite(disk, &spans, overwriting)
}

fn overwrite(disk: &dyn Disk, spans: &[Span], overwriting: &RwLock<()>) -> Result<(), JournalFailed> {
    for of_segment in spans.chunk_by(|one, next| one.segment == next.segment) {
        let name = name_of(of_segment[0].segment);
        let file = match disk.open_to_write(&name) {
            // The segment was moved away, and its bodies with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(failed(disk, &name))?,
        };
        for span in of_segment {
            let _half = overwriting.write().unwrap_or_else(PoisonError::into_inner);
            let mut done = 0;
            while done < span.bytes {
                let count = (span.bytes - done).min(ZEROS.len() as u64);
                file.write_all_at(&ZEROS[..count as usize], span.offset + done).map_err(failed(disk, &name))?;
                done += count;
            }
        }
        file.sync_data().map_err(failed(disk, &name))?;
    }
    disk.remove(LIST).and_then(|()| disk.sync_directory()).map_err(failed(disk, LIST))
}

fn write_list(disk: &dyn Disk, spans: &[Span]) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    let count = u32::try_from(spans.len()).map_err(|_| io::Error::other("too many bodies for one list"))?;
    bytes.extend_from_slice(&count.to_le_bytes());
    for span in spans {
        for number in [span.segment.0, span.offset, span.bytes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let making = format!("{LIST}{TEMPORARY_SUFFIX}");
    let file = disk.create(&making)?;
    file.write_all_at(&bytes, 0)?;
    file.sync_all()?;
    disk.rename(&making, LIST)?;
    disk.sync_directory()
}

fn read_all(disk: &dyn Disk) -> io::Result<Vec<u8>> {
    let file = disk.open(LIST)?;
    let size = file.size()?;
    let bytes = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
    Ok(Window::new(&*file, size).at(0, bytes)?.to_vec())
}

fn decode(bytes: &[u8]) -> Option<Vec<Span>> {
    let (list, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let whole = list.len() >= HEAD && list.starts_with(MAGIC) && u32_at(crc, 0) == crc32c::crc32c(list);
    let entries = list.get(HEAD..).filter(|_| whole)?;
    let count = u32_at(list, 8) as usize;
    (entries.len() == count * ENTRY).then_some(())?;
    let span =
        |entry: &[u8]| Span { segment: Position(u64_at(entry, 0)), offset: u64_at(entry, 8), bytes: u64_at(entry, 16) };
    Some(entries.chunks_exact(ENTRY).map(span).collect())
}
