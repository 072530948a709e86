//! Fuzz targets: decoding of journal records and of index rows.

use super::keys::{decode_row, encode_row};
use super::record::{Stored, decode, describe, encode};
use super::state;
use crate::model::Position;

/// Decodes `input` as a record: a two-byte length, the meta, then bodies, each after its own two-byte length (0xffff
/// stands for an erased body). A record that decodes must survive encoding and decoding unchanged.
pub fn record(input: &[u8]) {
    let mut rest = input;
    let Some(Some(meta)) = part(&mut rest) else { return };
    let mut bodies = Vec::new();
    while let Some(body) = part(&mut rest) {
        bodies.push(body.map(<[u8]>::to_vec));
    }
    let _line = describe(meta);
    let Ok(frame) = decode(Position(1), meta, bodies) else { return };
    let (meta, bodies) = encode(frame.at, &frame.events);
    let again = decode(Position(1), &meta, bodies.into_iter().map(Some).collect());
    assert_eq!(again.expect("what was written can be read"), frame);
    assert_ne!(describe(&meta), "cannot be read");
}

/// Decodes `input` as a row: a byte for the row's type, then the row. A row that decodes must survive encoding and
/// decoding unchanged.
pub fn row(input: &[u8]) {
    let Some((kind, row)) = input.split_first() else { return };
    match kind % 10 {
        0 => read_again::<state::CallRow>(row),
        1 => read_again::<state::Message>(row),
        2 => read_again::<state::Live>(row),
        3 => read_again::<state::Lane>(row),
        4 => read_again::<state::Pause>(row),
        5 => read_again::<state::Contact>(row),
        6 => read_again::<state::OptOut>(row),
        7 => read_again::<state::Open>(row),
        8 => read_again::<state::Answered>(row),
        _ => read_again::<state::Gateway>(row),
    }
}

fn read_again<T: Stored>(row: &[u8]) {
    let Some(value) = decode_row::<T>(row) else { return };
    let written = encode_row(&value);
    let again: T = decode_row(&written).expect("what was written can be read");
    assert_eq!(encode_row(&again), written);
}

/// Takes the next part; the inner `None` stands for an erased body. A part longer than the input ends with it.
fn part<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let length = u16::from_be_bytes(*length);
    if length == u16::MAX {
        *rest = after;
        return Some(None);
    }
    let (part, after) = after.split_at(after.len().min(usize::from(length)));
    *rest = after;
    Some(Some(part))
}
