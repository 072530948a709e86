//! Fuzz targets for everything that reads a snapshot.

use super::{Origin, Snapshots, encode_header, name_of};
use crate::journal::disk::Disk;
use crate::journal::sim_disk::SimDisk;
use crate::model::{Position, Timestamp};
use std::sync::Arc;

const ORIGIN: Origin = Origin { journal: [7; 16], rows_version: 1 };

const COVERS: Position = Position(7);

/// Reads `input` as the part of a snapshot after its header, with corrected checksums, which a fuzzer would not find.
/// Either it contains as many rows as recorded, in order, or it is rejected.
pub fn snapshot(input: &[u8]) {
    let disk = SimDisk::default();
    let (header, seed) = encode_header(ORIGIN, COVERS, Timestamp::default());
    let file = disk.create(&name_of(COVERS)).expect("the disk does not fail");
    file.write_all_at(&[&header[..], &with_checksums(input, seed)].concat(), 0).expect("the disk does not fail");

    let snapshots = Snapshots::on(Arc::new(disk), ORIGIN).expect("the disk does not fail");
    let latest = match snapshots.latest() {
        Ok(latest) => latest.expect("the snapshot exists"),
        Err(refused) => return assert!(refused.is_unusable(), "{refused}"),
    };
    let mut rows = latest.rows();
    let mut count = 0;
    loop {
        match rows.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => return assert_eq!(count, latest.count),
            Err(refused) => return assert!(refused.is_unusable(), "{refused}"),
        }
    }
}

/// Corrects the checksums of blocks and end record, as far as they can be recognised.
fn with_checksums(input: &[u8], seed: u32) -> Vec<u8> {
    let (mut bytes, mut at, mut crc) = (input.to_vec(), 0, seed);
    while let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes) {
        let end = at + 4 + length as usize;
        if length == 0 {
            if let Some(end) = bytes.get_mut(at..at + 20) {
                end[12..16].copy_from_slice(&crc.to_le_bytes());
                let whole = crc32c::crc32c(&end[..16]);
                end[16..].copy_from_slice(&whole.to_le_bytes());
            }
            break;
        }
        let Some(block) = bytes.get_mut(at..end + 4) else { break };
        let (rows, sum) = block.split_at_mut(end - at);
        crc = crc32c::crc32c_append(crc, rows);
        sum.copy_from_slice(&crc.to_le_bytes());
        at = end + 4;
    }
    bytes
}
