//! A frame: one encoded record with its position and checksums.
//!
//! ```text
//!  0  mark      4  four bytes of the journal's identity, which mark the start of a frame
//!  4  crc       u32  CRC-32C, seeded with the journal's key, of everything from `length` to the end of `meta`
//!  8  length    u32  bytes of the frame, from `mark` to the end of the last body
//! 12  previous  u32  the crc of the frame before; in a journal's first frame, the key
//! 16  position  u64
//! 24  synced    u64  the last position known durable when this was written
//! 32  meta length   u32
//! 36  bodies    u16
//! 38  for each body: length u32, CRC-32C u32 of its salt and its bytes
//!     meta
//!     for each body: salt u32 (never 0), then `length` bytes
//! ```
//!
//! All numbers are little-endian. The crc covers the checksums of the bodies but not their bytes, so a body can be
//! erased by overwriting its salt and bytes with zeros, without breaking the chain.
//!
//! - Every frame contains the crc of the frame before, and its own crc covers that. So frames form a chain, yet each
//!   can be checked alone: after damage, one intact frame further on is enough to know what had been durable.
//! - Mark and key are derived from the journal's secret identity, so an outsider cannot send a text whose bytes look
//!   like a frame when a damaged journal is searched, and cannot make that search expensive.
//! - The salt is random and erased with the body. From the checksum of a phone number alone, the number could be found
//!   by brute force after erasure; with four random bytes the checksum reveals nothing. A salt is never 0, which
//!   distinguishes an erased body from one that is empty or all zeros.
//!
//! Bodies may be erased only in frames that a later synced frame records as durable: at the very end of a journal,
//! zeros are the trace of a torn write, and recovery truncates there.

use super::{Frame, Record};
use crate::model::Position;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::ops::Range;

/// Size of a frame's head, before the table of bodies.
pub(super) const HEAD: usize = 38;

/// Maximum size of a frame: far above a webhook of 512 kB, yet small enough to hold a frame in memory.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Maximum number of bodies in a frame.
pub const BODIES_MAX: usize = u16::MAX as usize;

const TABLE_ENTRY: usize = 8;
const SALT: usize = 4;

/// The mark and checksum seed of a journal's frames, derived from its identity.
#[derive(Clone, Copy)]
pub(super) struct ChainChecksum {
    mark: [u8; 4],
    /// The seed of every crc; also `previous` in the journal's first frame.
    pub(super) key: u32,
}

impl ChainChecksum {
    pub(super) fn of(identity: &[u8; 16]) -> Self {
        let (mark, rest) = identity.split_first_chunk().expect("16 bytes are more than 4");
        Self { mark: *mark, key: crc32c::crc32c(rest) }
    }
}

/// Generates a salt for every body: a hash keyed with a random key that exists only in this process.
pub(super) struct Salts {
    key: [u8; 16],
}

impl Salts {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    fn of(&self, position: Position, body: usize) -> [u8; SALT] {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write_u64(position.0);
        hasher.write_u64(body as u64);
        let hash = hasher.finish();
        // 0 is reserved for erased bodies; 2^-32 of all salts become 1.
        (hash as u32).max(1).to_le_bytes()
    }
}

/// The size of `record` in the journal, or `None` if it is too large.
pub(super) fn bytes_of(record: &Record) -> Option<usize> {
    let body_bytes: usize = record.bodies.iter().map(|body| TABLE_ENTRY + SALT + body.len()).sum();
    let bytes = HEAD + record.meta.len() + body_bytes;
    (record.bodies.len() <= BODIES_MAX && bytes <= FRAME_BYTES_MAX).then_some(bytes)
}

/// A frame's link in the chain.
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub(super) previous: u32,
    pub(super) position: Position,
    pub(super) synced: Position,
}

/// Appends a frame to `buffer` and returns its crc. `bytes_of` must accept the record.
pub(super) fn encode(buffer: &mut Vec<u8>, record: &Record, link: Link, seal: ChainChecksum, salts: &Salts) -> u32 {
    const FITS: &str = "bytes_of limits a record to 16 MiB and 65,535 bodies";
    let start = buffer.len();
    let length = bytes_of(record).expect(FITS);
    buffer.reserve(length);
    buffer.extend_from_slice(&seal.mark);
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&u32::try_from(length).expect(FITS).to_le_bytes());
    buffer.extend_from_slice(&link.previous.to_le_bytes());
    buffer.extend_from_slice(&link.position.0.to_le_bytes());
    buffer.extend_from_slice(&link.synced.0.to_le_bytes());
    buffer.extend_from_slice(&u32::try_from(record.meta.len()).expect(FITS).to_le_bytes());
    buffer.extend_from_slice(&u16::try_from(record.bodies.len()).expect(FITS).to_le_bytes());
    for (index, body) in record.bodies.iter().enumerate() {
        let salted = crc32c::crc32c(&salts.of(link.position, index));
        buffer.extend_from_slice(&u32::try_from(body.len()).expect(FITS).to_le_bytes());
        buffer.extend_from_slice(&crc32c::crc32c_append(salted, body).to_le_bytes());
    }
    buffer.extend_from_slice(&record.meta);
    let crc = crc32c::crc32c_append(seal.key, &buffer[start + 8..]);
    buffer[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    for (index, body) in record.bodies.iter().enumerate() {
        buffer.extend_from_slice(&salts.of(link.position, index));
        buffer.extend_from_slice(body);
    }
    debug_assert_eq!(buffer.len(), start + length);
    crc
}

/// The fixed-size head of a frame: plausible, but not verified.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) crc: u32,
    pub(super) length: usize,
    pub(super) previous: u32,
    pub(super) position: Position,
    pub(super) synced: Position,
    meta_length: usize,
    bodies: usize,
}

impl Head {
    /// Reads a head at the start of `bytes`; `None` if it is of another journal or its lengths are inconsistent.
    pub(super) fn read(bytes: &[u8], seal: ChainChecksum) -> Option<Self> {
        let bytes: &[u8; HEAD] = bytes.first_chunk()?;
        let head = Self {
            crc: u32_at(bytes, 4),
            length: u32_at(bytes, 8) as usize,
            previous: u32_at(bytes, 12),
            position: Position(u64_at(bytes, 16)),
            synced: Position(u64_at(bytes, 24)),
            meta_length: u32_at(bytes, 32) as usize,
            bodies: usize::from(u16::from_le_bytes([bytes[36], bytes[37]])),
        };
        let plausible = bytes[..4] == seal.mark
            && head.length <= FRAME_BYTES_MAX
            && head.meta_length <= FRAME_BYTES_MAX
            && head.meta_end() + head.bodies * SALT <= head.length
            && head.synced < head.position
            && head.position.0 < u64::MAX;
        plausible.then_some(head)
    }

    fn meta_end(&self) -> usize {
        HEAD + self.bodies * TABLE_ENTRY + self.meta_length
    }
}

/// A frame with a verified crc, borrowing the bytes it was read from. Its bodies are verified on access.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) head: Head,
    bytes: &'a [u8],
}

/// The state of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body<'a> {
    Kept(&'a [u8]),
    Erased,
    Damaged,
}

impl<'a> View<'a> {
    /// Reads the frame in `bytes`, of the length in its head; `None` if its checksum is wrong.
    pub(super) fn read(bytes: &'a [u8], head: Head, seal: ChainChecksum) -> Option<Self> {
        let view = Self { head, bytes: bytes.get(..head.length)? };
        if crc32c::crc32c_append(seal.key, &view.bytes[8..head.meta_end()]) != head.crc {
            return None;
        }
        let body_bytes: u64 = view.table().map(|(length, _)| SALT as u64 + u64::from(length)).sum();
        (head.meta_end() as u64 + body_bytes == head.length as u64).then_some(view)
    }

    pub(super) fn meta(self) -> &'a [u8] {
        let end = self.head.meta_end();
        &self.bytes[end - self.head.meta_length..end]
    }

    /// The bodies, each with its length.
    pub(super) fn bodies(self) -> impl Iterator<Item = (usize, Body<'a>)> + use<'a> {
        let mut rest = &self.bytes[self.head.meta_end()..];
        self.table().map(move |(length, crc)| {
            let (salted, after) = rest.split_at(SALT + length as usize);
            rest = after;
            let body = if crc32c::crc32c(salted) == crc && salted[..SALT] != [0; SALT] {
                Body::Kept(&salted[SALT..])
            } else if all_zero(salted) {
                Body::Erased
            } else {
                Body::Damaged
            };
            (length as usize, body)
        })
    }

    /// The range of body `index` including its salt, relative to the frame's start; `None` if there is no such body.
    pub(super) fn span(self, index: usize) -> Option<Range<usize>> {
        let (length, _) = self.table().nth(index)?;
        let before: usize = self.table().take(index).map(|(length, _)| SALT + length as usize).sum();
        let start = self.head.meta_end() + before;
        Some(start..start + SALT + length as usize)
    }

    /// The frame as returned to readers, or `None` if a body is damaged.
    pub(super) fn to_frame(self) -> Option<Frame> {
        let mut bodies = Vec::with_capacity(self.head.bodies);
        for (_, body) in self.bodies() {
            bodies.push(match body {
                Body::Kept(bytes) => Some(bytes.to_vec()),
                Body::Erased => None,
                Body::Damaged => return None,
            });
        }
        Some(Frame { position: self.head.position, meta: self.meta().to_vec(), bodies })
    }

    fn table(self) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let table = &self.bytes[HEAD..HEAD + self.head.bodies * TABLE_ENTRY];
        table.chunks_exact(TABLE_ENTRY).map(|entry| (u32_at(entry, 0), u32_at(entry, 4)))
    }
}

/// Whether all bytes are zero; compared in whole words, because segments end in megabytes of zeros.
pub(super) fn all_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<32>();
    words.iter().all(|word| *word == [0; 32]) && rest.iter().all(|byte| *byte == 0)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller reads within a fixed layout"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller reads within a fixed layout"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: [u8; 16] = *b"journal of tests";

    #[test]
    fn empty_and_all_zero_bodies_are_distinguished_from_erased_ones() {
        let mut bytes = encoded(&[b"", &[0; 40], b"+12065550142"]);
        assert_eq!(bodies(&bytes), [Body::Kept(b""), Body::Kept(&[0; 40]), Body::Kept(b"+12065550142")]);

        let first_body = bytes.len() - (3 * SALT + 40 + 12);
        bytes[first_body..].fill(0);
        assert_eq!(bodies(&bytes), [Body::Erased, Body::Erased, Body::Erased]);
    }

    #[test]
    fn a_body_neither_matching_nor_zero_is_damage() {
        let mut bytes = encoded(&[b"+12065550142"]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(bodies(&bytes), [Body::Damaged]);
    }

    #[test]
    fn the_checksum_of_an_erased_body_reveals_nothing() {
        // The same number at the same position, with the salts of two processes. Without salts the checksums would be
        // equal, and trying all numbers would find this one.
        let record = Record { meta: Vec::new(), bodies: vec![b"+12065550142".to_vec()] };
        let [one, other] = [[1; 16], [2; 16]].map(|key| {
            let mut bytes = Vec::new();
            encode(&mut bytes, &record, link(), ChainChecksum::of(&IDENTITY), &Salts::new(key));
            u32_at(&bytes, HEAD + 4)
        });
        assert_ne!(one, other);
    }

    #[test]
    fn a_frame_of_another_journal_is_rejected() {
        let bytes = encoded(&[b"text"]);
        assert!(Head::read(&bytes, ChainChecksum::of(b"another journal!")).is_none());
        // The mark is the same but the rest of the identity differs, so the crc does not match.
        let seal = ChainChecksum::of(b"jour of an other");
        let head = Head::read(&bytes, seal).unwrap();
        assert!(View::read(&bytes, head, seal).is_none());
    }

    #[test]
    fn every_bit_before_the_bodies_is_covered() {
        let bytes = encoded(&[b"text", b""]);
        let covered = bytes.len() - (2 * SALT + 4);
        for bit in 0..covered * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let seal = ChainChecksum::of(&IDENTITY);
            let whole = Head::read(&flipped, seal).and_then(|head| View::read(&flipped, head, seal));
            assert!(whole.is_none(), "bit {bit}");
        }
    }

    fn encoded(bodies: &[&[u8]]) -> Vec<u8> {
        let record =
            Record { meta: b"what happened".to_vec(), bodies: bodies.iter().map(|body| body.to_vec()).collect() };
        let mut bytes = Vec::new();
        encode(&mut bytes, &record, link(), ChainChecksum::of(&IDENTITY), &Salts::new([7; 16]));
        assert_eq!(Some(bytes.len()), bytes_of(&record));
        bytes
    }

    fn link() -> Link {
        Link { previous: 77, position: Position(9), synced: Position(8) }
    }

    fn bodies(bytes: &[u8]) -> Vec<Body<'_>> {
        let seal = ChainChecksum::of(&IDENTITY);
        let head = Head::read(bytes, seal).unwrap();
        View::read(bytes, head, seal).unwrap().bodies().map(|(_, body)| body).collect()
    }
}
