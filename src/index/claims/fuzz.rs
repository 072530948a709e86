//! What the fuzzer calls: everything that reads a file of claims.

use super::file::{DayFile, Origin};
use crate::model::{Day, Position};
use std::fs::{self, OpenOptions};
use std::io::Write;

const ORIGIN: Origin = Origin { journal: [7; 16], key_check: 9 };

const DAY: Day = Day(20_000);

/// Reads `input` as what stands in a file of claims behind its header. Where its first byte is 0 that is taken as it is; else
/// it is claims of 16 bytes each, which are written as they should be, and the byte says how much is torn off the end. What
/// is read of it is read again once more was appended.
pub fn claims(input: &[u8]) {
    let Some((as_it_is, blocks)) = input.split_first() else { return };
    let directory = tempfile::tempdir().expect("a directory can be had");
    let path = directory.path().join("day");
    let mut file = DayFile::create(&path, ORIGIN, DAY, Position(3)).expect("the disk does not fail");
    if *as_it_is == 0 {
        file.put_down();
        let mut file = OpenOptions::new().append(true).open(&path).expect("it was made");
        file.write_all(blocks).expect("the disk does not fail");
    } else {
        let claims: Vec<_> = blocks.as_chunks::<16>().0.iter().map(claim_in).collect();
        file.append(&claims, Position(9)).expect("the disk does not fail");
        file.put_down();
        // The file's header stays.
        let (bytes, torn) = (fs::read(&path).expect("it was made"), usize::from(*as_it_is) - 1);
        fs::write(&path, &bytes[..bytes.len().saturating_sub(torn).max(48)]).expect("the disk does not fail");
    }

    let mut found = Vec::new();
    let read = |found: &mut Vec<_>| {
        let read = DayFile::read(&path, ORIGIN, DAY, |fingerprint, position| found.push((fingerprint, position)));
        read.expect("the disk does not fail").expect("its header is right")
    };
    let mut day = read(&mut found);
    day.append(&[(1, Position(2))], Position(10)).expect("the disk does not fail");
    found.push((1, Position(2)));
    let mut again = Vec::new();
    assert_eq!(read(&mut again).applied, Position(10));
    assert!(again == found, "what is good stays, and what comes next stands behind it");
}

fn claim_in(bytes: &[u8; 16]) -> (u64, Position) {
    let (fingerprint, position) = bytes.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    (number(fingerprint), Position(number(position)))
}
