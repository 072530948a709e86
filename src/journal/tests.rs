//! Runs the suite against both journals, and tests what concerns files only.

mod faults;
mod forgotten;
mod loss;
mod torn;

use super::disk::Disk;
use super::segment::{HEADER, name_of};
use super::sim_disk::SimDisk;
use super::suite::{Subject, all, contents, journal_suite, now, positions, record, records};
use super::{FileJournal, Journal, JournalFailed, MemoryJournal, Options};
use crate::model::Position;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

journal_suite!(memory, MemoryJournal::new(*b"journal of tests"));
journal_suite!(file, OnDisk::new(Options::default().segment_bytes));
journal_suite!(file_of_many_segments, OnDisk::new(2_000));
journal_suite!(file_of_a_segment_a_frame, OnDisk::new(0));

impl Subject for MemoryJournal {
    fn open(&mut self) -> Box<dyn Journal> {
        Box::new(self.clone())
    }

    fn kill(&mut self) {
        self.crash(1);
    }
}

struct OnDisk {
    directory: TempDir,
    options: Options,
}

impl OnDisk {
    fn new(segment_bytes: u64) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), options: Options { segment_bytes } }
    }
}

impl Subject for OnDisk {
    fn open(&mut self) -> Box<dyn Journal> {
        // The directory does not exist yet, as at the first start.
        Box::new(FileJournal::open(&self.directory.path().join("journal"), self.options).unwrap())
    }
}

#[test]
fn a_segment_closes_at_midnight_utc_and_is_truncated_to_its_length() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 10_000);
    let day = Duration::from_secs(24 * 60 * 60);
    journal.append(&records(2), now()).unwrap();
    journal.sync().unwrap();
    assert_eq!(disk.bytes(&name_of(Position(1))).len(), 10_000);
    drop(journal);

    // The day of a segment is kept across restarts.
    let mut journal = open(&disk, 10_000);
    journal.append(&records(2), now().day().start() + day - Duration::from_millis(1)).unwrap();
    journal.append(&records(3), now().day().start() + day).unwrap();
    journal.sync().unwrap();
    assert_eq!(segments(&disk), [1, 5]);
    assert!(disk.bytes(&name_of(Position(1))).len() < 500);

    // A clock that goes back closes no segment.
    journal.append(&records(1), now()).unwrap();
    journal.sync().unwrap();
    assert_eq!(segments(&disk), [1, 5]);
    assert_eq!(positions(&all(&*journal.reader())), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_frame_that_does_not_fit_starts_a_segment_large_enough() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 1_000);
    let written = [record(&[1; 600], &[]), record(&[2; 600], &[]), record(&[3; 5_000], &[]), record(&[4; 600], &[])];
    journal.append(&written, now()).unwrap();
    journal.sync().unwrap();
    assert_eq!(segments(&disk), [1, 2, 3, 4]);
    assert_eq!(contents(&all(&*journal.reader())), written);
}

#[test]
fn more_segments_than_stay_open_can_be_read() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 0);
    journal.append(&records(100), now()).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let journal = open(&disk, 0);
    let reader = journal.reader();
    for position in [70, 3, 99, 100, 1, 50] {
        assert_eq!(positions(&reader.read(Position(position), 1).unwrap()), [position]);
    }
    assert_eq!(contents(&all(&*reader)), records(100));
}

#[test]
fn erasing_a_body_leaves_its_frame_and_the_chain_intact() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 10_000);
    let texts: [&[u8]; 2] = [b"+12065550142", b"where is my parcel?"];
    journal.append(&[record(b"a", &texts), record(b"b", &texts)], now()).unwrap();
    journal.sync().unwrap();
    journal.append(&[record(b"erased", &[])], now()).unwrap();
    journal.sync().unwrap();
    disk.tamper(&name_of(Position(1)), |bytes| {
        let at = bytes.windows(texts[0].len()).position(|window| window == texts[0]).unwrap();
        // The salt precedes the body and is erased with it.
        bytes[at - 4..at + texts[0].len()].fill(0);
    });

    for journal in [journal, open(&disk, 10_000)] {
        let frames = all(&*journal.reader());
        assert_eq!(frames[0].bodies, [None, Some(texts[1].to_vec())]);
        assert_eq!(frames[1].bodies, [Some(texts[0].to_vec()), Some(texts[1].to_vec())]);
        assert_eq!(positions(&frames), [1, 2, 3]);
    }
}

#[test]
fn reading_a_damaged_body_is_an_error() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 10_000);
    journal.append(&[record(b"a", &[b"first"]), record(b"b", &[b"second"])], now()).unwrap();
    journal.sync().unwrap();
    disk.tamper(&name_of(Position(1)), |bytes| {
        let at = bytes.windows(6).position(|window| window == b"second").unwrap();
        bytes[at] ^= 1;
    });
    let reader = journal.reader();
    assert_eq!(reader.read(Position(1), 0).unwrap()[0].bodies, [Some(b"first".to_vec())]);
    let refused = reader.read(Position(2), 0).unwrap_err();
    assert!(matches!(refused, JournalFailed::Damaged(_)));
    assert!(!refused.to_string().contains("econd"), "{refused}");
}

#[test]
fn neither_debug_nor_errors_show_texts() {
    let record = record(b"meta", &[b"+12065550142"]);
    assert_eq!(format!("{record:?}"), "Record { meta_bytes: 4, body_bytes: [12] }");
}

/// A journal written in format 1, as stored on disk. Every future version must read it.
#[test]
fn a_sample_of_every_format_can_be_read() {
    let disk = SimDisk::default();
    disk.create(&name_of(Position(1))).unwrap();
    disk.tamper(&name_of(Position(1)), |bytes| {
        bytes.extend_from_slice(include_bytes!("../../tests/vectors/journal-v1.log"));
    });
    let journal = open(&disk, 10_000);
    let frames = all(&*journal.reader());
    assert_eq!(journal.identity(), *b"a journal sample");
    assert_eq!(positions(&frames), [1, 2, 3]);
    assert_eq!(frames[0].meta, b"the first frame");
    assert_eq!(frames[0].bodies, []);
    assert_eq!(frames[1].meta, b"");
    assert_eq!(frames[1].bodies, [Some(b"+12065550142".to_vec()), None, Some(Vec::new())]);
    assert_eq!(frames[2].bodies, [Some(vec![0; 5])]);
}

fn open(disk: &SimDisk, segment_bytes: u64) -> FileJournal {
    FileJournal::on(Arc::new(disk.clone()), &Options { segment_bytes }).unwrap()
}

/// The first positions of all segments.
fn segments(disk: &SimDisk) -> Vec<u64> {
    let names = disk.names().unwrap();
    names.iter().map(|name| super::segment::first_of(name).expect("only segments are left").0).collect()
}

/// The start of the first frame of a segment.
const FIRST_FRAME: usize = HEADER;
