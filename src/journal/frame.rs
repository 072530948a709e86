//! A frame: the bytes of one record, its place, and the proof that they are whole.
//!
//! ```text
//!  0  mark      4  four bytes of the journal's identity: here a frame may begin
//!  4  crc       u32  CRC-32C, begun with the journal's key, of everything from `length` to the end of `meta`
//!  8  length    u32  bytes of the frame, from `mark` to the end of the last body
//! 12  previous  u32  the crc of the frame before; of a journal's first frame, the key
//! 16  position  u64
//! 24  synced    u64  the last position known durable when this was written
//! 32  meta length   u32
//! 36  bodies    u16
//! 38  for each body: length u32, CRC-32C u32 of its salt and its bytes
//!     meta
//!     for each body: salt u32 (never 0), then `length` bytes
//! ```
//!
//! All numbers are little-endian. The crc covers the checksums of the bodies and not their bytes, so a body can be
//! erased, by writing zeros over its salt and its bytes, without touching the chain.
//!
//! - Every frame carries the crc of the one before and is covered together with it. So frames chain, and still each can
//!   be checked alone: after damage, a single whole frame further on is enough to know what had been durable.
//! - Mark and key come from the journal's identity, which no outsider knows: nobody can send a text whose bytes would
//!   pass for a frame when a damaged journal is searched, nor make that search expensive.
//! - The salt is random and goes with the body. A checksum of a telephone number alone would give the number back after
//!   erasure, by trying them all; four random bytes make the checksum say nothing at all. As a salt is never 0, an
//!   erased body is told from one that is empty or really all zeros.
//!
//! Only a frame that a later synced frame says is durable may have bodies erased: at the very end of a journal, zeros
//! are what a torn write leaves, and recovery cuts there.

use super::{Frame, Record};
use crate::model::Position;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::ops::Range;

/// Bytes of a frame before the table of its bodies.
pub(super) const HEAD: usize = 38;

/// A frame's bytes at most: a webhook of 512 kB in one body is far below, and memory for one frame stays small.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bodies of a frame at most.
pub const BODIES_MAX: usize = u16::MAX as usize;

const TABLE_ENTRY: usize = 8;
const SALT: usize = 4;

/// What makes a frame one of this journal: derived from its identity.
#[derive(Clone, Copy)]
pub(super) struct ChainChecksum {
    mark: [u8; 4],
    /// Begins every crc; also stands as `previous` in the journal's first frame.
    pub(super) key: u32,
}

impl ChainChecksum {
    pub(super) fn of(identity: &[u8; 16]) -> Self {
        let (mark, rest) = identity.split_first_chunk().expect("16 bytes are more than 4");
        Self { mark: *mark, key: crc32c::crc32c(rest) }
    }
}

/// Gives every body a salt: a hash under a key that only this process knows and nobody writes down.
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
        // 0 is kept for the erased; 2^-32 of all salts become 1.
        (hash as u32).max(1).to_le_bytes()
    }
}

/// The bytes `record` takes in the journal, or `None` where they are too many.
pub(super) fn bytes_of(record: &Record) -> Option<usize> {
    let people: usize = record.bodies.iter().map(|body| TABLE_ENTRY + SALT + body.len()).sum();
    let bytes = HEAD + record.meta.len() + people;
    (record.bodies.len() <= BODIES_MAX && bytes <= FRAME_BYTES_MAX).then_some(bytes)
}

/// Where in the chain a frame stands.
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub(super) previous: u32,
    pub(super) position: Position,
    pub(super) synced: Position,
}

/// Writes a frame behind `buffer` and returns its crc. The record is one that `bytes_of` has a size for.
pub(super) fn encode(buffer: &mut Vec<u8>, record: &Record, link: Link, seal: ChainChecksum, salts: &Salts) -> u32 {
    const FITS: &str = "a record that has a size is below 16 MiB and 65,536 bodies";
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

/// The fixed beginning of a frame: plausible, not yet proven.
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
    /// The head that `bytes` begin with, where it is one of this journal and its lengths agree with each other.
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

/// A frame whose crc has been found right, in the bytes it was read from. Its bodies are checked when asked for.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) head: Head,
    bytes: &'a [u8],
}

/// What is left of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body<'a> {
    Kept(&'a [u8]),
    Erased,
    Damaged,
}

impl<'a> View<'a> {
    /// The frame in `bytes`, which are as many as its head says; `None` where it is not whole.
    pub(super) fn read(bytes: &'a [u8], head: Head, seal: ChainChecksum) -> Option<Self> {
        let view = Self { head, bytes: bytes.get(..head.length)? };
        if crc32c::crc32c_append(seal.key, &view.bytes[8..head.meta_end()]) != head.crc {
            return None;
        }
        let people: u64 = view.table().map(|(length, _)| SALT as u64 + u64::from(length)).sum();
        (head.meta_end() as u64 + people == head.length as u64).then_some(view)
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

    /// Where body `index` stands with its salt, counted from the beginning of the frame; `None` where there is none.
    pub(super) fn span(self, index: usize) -> Option<Range<usize>> {
        let (length, _) = self.table().nth(index)?;
        let before: usize = self.table().take(index).map(|(length, _)| SALT + length as usize).sum();
        let start = self.head.meta_end() + before;
        Some(start..start + SALT + length as usize)
    }

    /// The frame as readers get it, or `None` where a body is damaged.
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

/// Whether there are only zeros; in whole words, since segments end in megabytes of them.
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
    fn an_empty_body_and_one_of_zeros_are_told_from_erased_ones() {
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
    fn the_checksum_of_a_body_says_nothing_about_it_once_it_is_erased() {
        // The same number, in the same place, under two processes' salts: were the checksum one of the number alone,
        // trying all numbers would find it.
        let record = Record { meta: Vec::new(), bodies: vec![b"+12065550142".to_vec()] };
        let [one, other] = [[1; 16], [2; 16]].map(|key| {
            let mut bytes = Vec::new();
            encode(&mut bytes, &record, link(), ChainChecksum::of(&IDENTITY), &Salts::new(key));
            u32_at(&bytes, HEAD + 4)
        });
        assert_ne!(one, other);
    }

    #[test]
    fn a_frame_of_another_journal_is_none_of_ours() {
        let bytes = encoded(&[b"text"]);
        assert!(Head::read(&bytes, ChainChecksum::of(b"another journal!")).is_none());
        // The same mark, and the rest of the identity different: the crc does not agree.
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
