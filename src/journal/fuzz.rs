//! Fuzz targets for everything that reads a journal's files.

pub use super::snapshot::fuzz::snapshot;

use super::examine::examine;
use super::segment::{Found, Header};
use super::sim_disk::SimDisk;
use super::{Frame, Journal, JournalFailed, JournalReader, Options, Record};
use crate::model::{Position, Timestamp};

/// Reads `input` as a segment, like a start does. It must return for any input.
pub fn segment(input: &[u8]) {
    let Ok(Found::Header(header)) = Header::read(&input) else { return };
    let examined = examine(&input, input.len() as u64, &header, Position(0)).expect("memory does not fail");
    assert!(examined.end.offset <= input.len() as u64, "kept frames are within the file");
}

/// Writes a journal and tampers with it, both according to `input`. Afterwards it either opens with a prefix of the
/// written records, except for bodies overwritten with zeros, and can be appended to; or opening fails.
///
/// The first byte of `input` is the number of records, followed by the length of each; then come changes of five bytes
/// each: one byte for the kind, two for the offset and two for the amount.
pub fn tampered(input: &[u8]) {
    const OPTIONS: Options = Options { segment_bytes: 2_048 };
    let Some((count, rest)) = input.split_first() else { return };
    let (lengths, changes) = rest.split_at(rest.len().min(usize::from(count % 24)));
    let records: Vec<Record> = lengths.iter().enumerate().map(|(n, length)| record(n, *length)).collect();

    let disk = SimDisk::default();
    let mut journal = disk.journal(OPTIONS).expect("an empty disk opens as a new journal");
    for batch in records.chunks(3) {
        let written = journal.append(batch, Timestamp::default()).and_then(|()| journal.sync());
        written.expect("the disk does not fail");
    }
    drop(journal);
    for change in changes.as_chunks::<5>().0.iter().take(8) {
        tamper(&disk, change);
    }
    match disk.journal(OPTIONS) {
        Ok(mut journal) => {
            let found = match all(&*journal.reader()) {
                Ok(found) => found,
                // Closed segments are read on demand, so damage in them is found then.
                Err(JournalFailed::Damaged(_)) => return,
                Err(failed) => panic!("{failed}"),
            };
            assert!(found.len() <= records.len());
            for (frame, record) in found.iter().zip(&records) {
                let same =
                    |(kept, written): (&Option<Vec<u8>>, &Vec<u8>)| kept.as_ref().is_none_or(|kept| kept == written);
                assert_eq!(frame.meta, record.meta, "position {}", frame.position.0);
                assert!(frame.bodies.iter().zip(&record.bodies).all(same), "position {}", frame.position.0);
            }
            let next = journal.next();
            journal.append(&[record(99, 9)], Timestamp::default()).expect("a journal that opens accepts records");
            journal.sync().expect("the disk does not fail");
            assert_eq!(journal.reader().bounds().1, next.next());
        }
        Err(JournalFailed::Damaged(accept_loss_hint)) => assert!(!accept_loss_hint.is_empty()),
        Err(failed) => panic!("{failed}"),
    }
}

fn record(n: usize, length: u8) -> Record {
    let byte = u8::try_from(n).unwrap_or(u8::MAX);
    let meta = vec![byte; usize::from(length % 50)];
    let body = |more: u8| vec![byte ^ more | 1; usize::from(length / 2)];
    Record { meta, bodies: (0..length % 4).map(body).collect() }
}

/// Flips, zeroes, truncates or repeats a part of one of the files.
fn tamper(disk: &SimDisk, change: &[u8; 5]) {
    let [kind, at @ .., long, longer] = *change;
    let names = disk.files();
    let Some(name) = names.get(usize::from(kind / 5) % names.len().max(1)) else { return };
    disk.tamper(name, |bytes| {
        let from = usize::from(u16::from_be_bytes(at)).min(bytes.len());
        let to = (from + usize::from(u16::from_be_bytes([long, longer]))).min(bytes.len());
        match kind % 5 {
            0 => bytes[from..to].iter_mut().for_each(|byte| *byte ^= longer | 1),
            1 => bytes[from..to].fill(0),
            2 => bytes.truncate(from),
            3 => drop(bytes.drain(from..to)),
            _ => {
                let part = bytes[from..to].to_vec();
                bytes.splice(to..to, part);
            }
        }
    });
}

fn all(reader: &dyn JournalReader) -> Result<Vec<Frame>, JournalFailed> {
    let mut frames = Vec::new();
    loop {
        let page = reader.read(Position(frames.len() as u64 + 1), 4_096)?;
        if page.is_empty() {
            return Ok(frames);
        }
        frames.extend(page);
    }
}
