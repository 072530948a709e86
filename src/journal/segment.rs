//! A segment: one file of frames, with a header that links it to the previous segment.
//!
//! ```text
//!  0  magic           8  "offhookJ"
//!  8  version         u32
//! 12  identity       16  of the journal; random, the same in all its segments
//! 28  first          u64  the position of the first frame; also the file's name
//! 36  opened         u64  ms since 1970: the segment is of this day
//! 44  previous first u64  first position of the previous segment, 0 for none ...
//! 52  previous end   u64  ... and the size it was truncated to
//! 60  seed           u32  the crc of the frame before `first`; the journal's key in the first segment
//! 64  crc            u32  CRC-32C of bytes 0 to 63
//! 68  frames, then zeros up to the size that was reserved
//! ```
//!
//! Before a frame is written to a segment, the previous one was truncated and synced, and the new one was created under
//! a temporary name, synced, renamed, and its directory synced. So only the last segment can be torn.

use super::disk::ReadAt;
use super::frame::{ChainChecksum, HEAD, Head, View, all_zero, u32_at, u64_at};
use crate::model::{Position, Timestamp};
use std::io;

/// The offset of the first frame.
pub(super) const HEADER: usize = 68;

/// The same in a segment that follows a gap.
const HEADER_AFTER_GAP: usize = 80;

const MAGIC: &[u8; 8] = b"offhookJ";
const VERSION: u32 = 1;
const VERSION_AFTER_GAP: u32 = 2;

/// The name of the segment whose first frame is at `first`. Names sort like positions.
pub(super) fn name_of(first: Position) -> String {
    format!("{:020}.log", first.0)
}

/// The first position of the segment with this name; `None` if it is not a segment's name.
pub(super) fn first_of(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|first| plain && *first > 0).map(Position)
}

/// The header of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) identity: [u8; 16],
    pub(super) first: Position,
    pub(super) opened: Timestamp,
    /// The first position and the end in bytes of the segment before; `Position(0)` for none.
    pub(super) previous_segment: PreviousSegment,
    pub(super) seed: u32,
    /// The last position before the gap, if the segment follows one.
    pub(super) after: Option<Position>,
}

/// A reference to the previous segment: its first position and its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct PreviousSegment {
    pub(super) first: Position,
    pub(super) end: u64,
}

/// The result of reading a header.
pub(super) enum Found {
    Header(Header),
    /// Zeros, or less than a header: the process crashed before the header was durable.
    Blank,
    /// Written in a newer format version.
    Newer(u32),
    /// Anything else.
    Garbage,
}

impl Header {
    /// The place of the first frame.
    pub(super) fn start(&self) -> Place {
        Place { offset: self.length(), position: self.first, previous: self.seed }
    }

    /// Its size in bytes.
    pub(super) fn length(&self) -> u64 {
        if self.after.is_some() { HEADER_AFTER_GAP as u64 } else { HEADER as u64 }
    }

    /// The last position in the segments before it.
    pub(super) fn last_before(&self) -> Position {
        self.after.unwrap_or(Position(self.first.0 - 1))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let version = if self.after.is_some() { VERSION_AFTER_GAP } else { VERSION };
        let mut bytes = Vec::with_capacity(HEADER_AFTER_GAP);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&self.identity);
        bytes.extend_from_slice(&self.first.0.to_le_bytes());
        bytes.extend_from_slice(&self.opened.as_ms().to_le_bytes());
        bytes.extend_from_slice(&self.previous_segment.first.0.to_le_bytes());
        bytes.extend_from_slice(&self.previous_segment.end.to_le_bytes());
        bytes.extend_from_slice(&self.seed.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        if let Some(after) = self.after {
            bytes.extend_from_slice(&after.0.to_le_bytes());
            bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        }
        bytes
    }

    /// Reads the header of `file`.
    pub(super) fn read(file: &dyn ReadAt) -> io::Result<Found> {
        let size = file.size()?;
        let mut window = Window::new(file, size);
        let bytes = window.at(0, HEADER_AFTER_GAP)?.to_vec();
        let Some(head) = bytes.first_chunk::<HEADER>() else { return Ok(Found::Blank) };
        if u32_at(head, HEADER - 4) != crc32c::crc32c(&head[..HEADER - 4]) || !head.starts_with(MAGIC) {
            // After a header that never became durable there are only zeros: frames are written after it is durable.
            return Ok(if zeros_from(&mut window, HEADER as u64)? { Found::Blank } else { Found::Garbage });
        }
        let after = match u32_at(head, 8) {
            VERSION => None,
            VERSION_AFTER_GAP => match bytes.first_chunk::<HEADER_AFTER_GAP>() {
                Some(bytes) if u32_at(bytes, 76) == crc32c::crc32c(&bytes[..76]) => {
                    Some(Position(u64_at(bytes, HEADER))).filter(|after| after.0 < u64_at(head, 28))
                }
                _ => return Ok(Found::Garbage),
            },
            version => return Ok(Found::Newer(version)),
        };
        Ok(Found::Header(Self {
            identity: *head[12..].first_chunk().expect("a header is longer than 28 bytes"),
            first: Position(u64_at(head, 28)),
            opened: Timestamp::from_ms(u64_at(head, 36)),
            previous_segment: PreviousSegment { first: Position(u64_at(head, 44)), end: u64_at(head, 52) },
            seed: u32_at(head, 60),
            after,
        }))
    }
}

/// Whether `window` contains only zeros from `offset` to its end.
pub(super) fn zeros_from(window: &mut Window<'_>, mut offset: u64) -> io::Result<bool> {
    loop {
        let bytes = window.at(offset, WINDOW_BYTES)?;
        if bytes.is_empty() {
            return Ok(true);
        }
        if !all_zero(bytes) {
            return Ok(false);
        }
        offset += bytes.len() as u64;
    }
}

/// The size of one read: a segment takes 256 reads, and reading a single frame wastes little.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;

/// A buffered view of a file that moves along with the reading.
pub(super) struct Window<'a> {
    file: &'a dyn ReadAt,
    end: u64,
    start: u64,
    read_at_once: usize,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    /// A read-only view of the first `end` bytes; later bytes are ignored.
    pub(super) fn new(file: &'a dyn ReadAt, end: u64) -> Self {
        Self { file, end, start: 0, read_at_once: WINDOW_BYTES, bytes: Vec::new() }
    }

    /// Sets the size of one read.
    pub(super) fn reading(self, bytes: usize) -> Self {
        Self { read_at_once: bytes.min(WINDOW_BYTES), ..self }
    }

    /// Returns `length` bytes at `offset`; fewer only at the window's end.
    pub(super) fn at(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let length = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX).min(length);
        let held = offset >= self.start && offset + length as u64 <= self.start + self.bytes.len() as u64;
        if !held {
            self.fill(offset, length)?;
        }
        let from = usize::try_from(offset - self.start).expect("a window is held in memory");
        Ok(&self.bytes[from..self.bytes.len().min(from + length)])
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        let rest = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.start = offset;
        self.bytes.resize(length.max(self.read_at_once).min(rest), 0);
        let mut filled = 0;
        while filled < self.bytes.len() {
            match self.file.read_at(&mut self.bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.bytes.clear();
                    return Err(error);
                }
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}

/// Distance between recorded frame offsets. Finding a frame reads half of it on average; the offsets of a full segment
/// take 100 kB.
const MARK_EVERY_BYTES: u64 = 16 * 1024;

/// The places of some of a segment's frames, in order: a sparse index.
#[derive(Default, Debug)]
pub(super) struct FrameOffsets(Vec<Place>);

impl FrameOffsets {
    /// Records the frame at `place` if it is far enough from the last one recorded.
    pub(super) fn pass(&mut self, place: Place) {
        if self.0.last().is_none_or(|last| place.offset >= last.offset + MARK_EVERY_BYTES) {
            self.0.push(place);
        }
    }

    /// The last recorded place at or before `position`.
    pub(super) fn before(&self, position: Position) -> Option<Place> {
        let after = self.0.partition_point(|place| place.position <= position);
        self.0[..after].last().copied()
    }

    /// Appends places further on in the segment.
    pub(super) fn extend(&mut self, mut further: FrameOffsets) {
        self.0.append(&mut further.0);
    }

    /// Removes the places from `position` on.
    pub(super) fn cut(&mut self, position: Position) {
        self.0.retain(|place| place.position < position);
    }
}

/// Iterates over the frames of a segment and verifies each frame's checksum and its link to the frame before.
pub(super) struct Walk<'a> {
    window: Window<'a>,
    seal: ChainChecksum,
    /// The place of the next frame.
    pub(super) place: Place,
}

/// The offset of a frame, with the position and the previous crc that it must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) position: Position,
    pub(super) previous: u32,
}

/// The result of a step.
pub(super) enum Step<'w> {
    Frame(View<'w>),
    /// No frame begins here: zeros, or the end of the window.
    End,
    /// There is data here, but not the next frame.
    Bad(&'static str),
}

impl<'a> Walk<'a> {
    /// Starts a walk through `window` at `place`.
    pub(super) fn new(window: Window<'a>, seal: ChainChecksum, place: Place) -> Self {
        Self { window, seal, place }
    }

    /// The next frame. After `End` or `Bad`, every further step returns the same.
    pub(super) fn step(&mut self) -> io::Result<Step<'_>> {
        let bytes = self.window.at(self.place.offset, HEAD)?;
        if all_zero(bytes) {
            return Ok(Step::End);
        }
        let Some(head) = Head::read(bytes, self.seal) else { return Ok(Step::Bad("no frame begins here")) };
        let bytes = self.window.at(self.place.offset, head.length)?;
        if bytes.len() < head.length {
            return Ok(Step::Bad("the file ends within the frame"));
        }
        let Some(view) = View::read(bytes, head, self.seal) else {
            return Ok(Step::Bad("the frame's checksum is wrong"));
        };
        if head.position != self.place.position || head.previous != self.place.previous {
            return Ok(Step::Bad("the frame belongs elsewhere in the journal"));
        }
        self.place = Place {
            offset: self.place.offset + head.length as u64,
            position: head.position.next(),
            previous: head.crc,
        };
        Ok(Step::Frame(view))
    }

    /// The window, to inspect the bytes after the last frame.
    pub(super) fn into_window(self) -> Window<'a> {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_like_positions_and_other_names_are_not_segments() {
        assert_eq!(name_of(Position(42)), "00000000000000000042.log");
        assert!(name_of(Position(9)) < name_of(Position(10)));
        assert_eq!(first_of(&name_of(Position(u64::MAX))), Some(Position(u64::MAX)));
        for other in ["00000000000000000000.log", "42.log", "00000000000000000042.log.new", "+0000000000000000042.log"]
        {
            assert_eq!(first_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = header();
        assert!(matches!(read(&header.encode()), Found::Header(read) if read == header));
    }

    #[test]
    fn an_unwritten_header_is_distinguished_from_a_damaged_one() {
        let mut bytes = header().encode().to_vec();
        assert!(matches!(read(&bytes[..HEADER - 1]), Found::Blank));
        assert!(matches!(read(&[0; 4096]), Found::Blank));

        bytes[40] ^= 1;
        assert!(matches!(read(&bytes), Found::Blank));
        bytes.extend_from_slice(b"a frame");
        assert!(matches!(read(&bytes), Found::Garbage));
    }

    #[test]
    fn a_segment_of_a_newer_version_is_recognised() {
        let mut bytes = header().encode();
        bytes[8] = 3;
        let crc = crc32c::crc32c(&bytes[..HEADER - 4]);
        bytes[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(read(&bytes), Found::Newer(3)));
    }

    #[test]
    fn f25_a_header_records_the_gap_before_it() {
        let header = Header { after: Some(Position(3)), ..header() };
        let mut bytes = header.encode();
        assert!(matches!(read(&bytes), Found::Header(read) if read == header));
        assert_eq!((header.start().offset, header.last_before()), (bytes.len() as u64, Position(3)));
        bytes[HEADER] ^= 1;
        assert!(matches!(read(&bytes), Found::Garbage));
    }

    #[track_caller]
    fn read(bytes: &[u8]) -> Found {
        Header::read(&bytes).unwrap()
    }

    fn header() -> Header {
        Header {
            identity: *b"journal of tests",
            first: Position(7),
            opened: Timestamp::from_ms(1_763_791_200_500),
            previous_segment: PreviousSegment { first: Position(1), end: 4242 },
            seed: 0xDEAD_BEEF,
            after: None,
        }
    }
}
