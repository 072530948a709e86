//! Fuzz target for reading a file of claims.

use super::file::{DayFile, Origin};
use crate::model::{Day, Position};
use std::fs::{self, OpenOptions};
use std::io::Write;

const ORIGIN: Origin = Origin { journal: [7; 16], key_check: 9 };

const DAY: Day = Day(20_000);

/// Reads `input` as the part of a claims file after its header. If its first byte is 0, the rest is used verbatim;
/// otherwise the rest is claims of 16 bytes each, which are written as valid blocks, and the byte says how many bytes
/// are cut off the end. The claims that are read must be read again after an append.
pub fn claims(input: &[u8]) {
    let Some((first, blocks)) = input.split_first() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let path = directory.path().join("day");
    let mut file = DayFile::create(&path, ORIGIN, DAY, Position(3)).expect("the disk does not fail");
    if *first == 0 {
        file.stop_writing();
        let mut file = OpenOptions::new().append(true).open(&path).expect("the file exists");
        file.write_all(blocks).expect("the disk does not fail");
    } else {
        let claims: Vec<_> = blocks.as_chunks::<16>().0.iter().map(claim_in).collect();
        file.append(&claims, Position(9)).expect("the disk does not fail");
        file.stop_writing();
        // The file's header is kept.
        let (bytes, torn) = (fs::read(&path).expect("the file exists"), usize::from(*first) - 1);
        fs::write(&path, &bytes[..bytes.len().saturating_sub(torn).max(48)]).expect("the disk does not fail");
    }

    let mut found = Vec::new();
    let read = |found: &mut Vec<_>| {
        let read = DayFile::read(&path, ORIGIN, DAY, |fingerprint, position| found.push((fingerprint, position)));
        read.expect("the disk does not fail").expect("the header is valid")
    };
    let mut day = read(&mut found);
    day.append(&[(1, Position(2))], Position(10)).expect("the disk does not fail");
    found.push((1, Position(2)));
    let mut again = Vec::new();
    assert_eq!(read(&mut again).applied, Position(10));
    assert!(again == found, "valid claims stay, and appended ones follow them");
}

fn claim_in(bytes: &[u8; 16]) -> (u64, Position) {
    let (fingerprint, position) = bytes.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    (number(fingerprint), Position(number(position)))
}
