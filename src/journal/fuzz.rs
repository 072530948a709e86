//! What the fuzzer calls: everything that reads a journal's files.

pub use super::snapshot::fuzz::snapshot;

use super::examine::examine;
use super::segment::{Found, Header};
use super::sim_disk::SimDisk;
use super::{Frame, Journal, JournalFailed, JournalReader, Options, Record};
use crate::model::{Position, Timestamp};

/// Reads `input` as a segment, as start-up does. Whatever it is, this returns.
pub fn segment(input: &[u8]) {
    let Ok(Found::Header(header)) = Header::read(&input) else { return };
    let examined = examine(&input, input.len() as u64, &header, Position(0)).expect("memory does not fail");
    assert!(examined.end.offset <= input.len() as u64, "what is kept is in the file");
}

/// Writes a journal and has it tampered with, both as `input` says: what opens afterwards is a beginning of what was
/// written, but for bodies that were overwritten with zeros, and goes on; else it is refused.
///
/// Its first byte says how many records, each of the next ones how long a record is; then come changes of five bytes each:
/// of what kind, two bytes of where, and two of how much.
pub fn tampered(input: &[u8]) {
    const OPTIONS: Options = Options { segment_bytes: 2_048 };
    let Some((count, rest)) = input.split_first() else { return };
    let (lengths, changes) = rest.split_at(rest.len().min(usize::from(count % 24)));
    let records: Vec<Record> = lengths.iter().enumerate().map(|(n, length)| record(n, *length)).collect();

    let disk = SimDisk::default();
    let mut journal = disk.journal(OPTIONS).expect("an empty disk is a journal");
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
                // What lies in closed segments is read when it is asked for, and refused then.
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
            journal.append(&[record(99, 9)], Timestamp::default()).expect("a journal that opens goes on");
            journal.sync().expect("the disk does not fail");
            assert_eq!(journal.reader().bounds().1, next.next());
        }
        Err(JournalFailed::Damaged(way_out)) => assert!(!way_out.is_empty()),
        Err(failed) => panic!("{failed}"),
    }
}

fn record(n: usize, length: u8) -> Record {
    let byte = u8::try_from(n).unwrap_or(u8::MAX);
    let meta = vec![byte; usize::from(length % 50)];
    let body = |more: u8| vec![byte ^ more | 1; usize::from(length / 2)];
    Record { meta, bodies: (0..length % 4).map(body).collect() }
}

/// Flips, zeroes, cuts or repeats a part of one of the files.
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
