//! G6: torn and damaged ends of a journal, at every byte.

use super::super::disk::Disk;
use super::super::segment::name_of;
use super::super::sim_disk::SimDisk;
use super::super::suite::{all, contents, now, record, records};
use super::super::{FileJournal, Journal, JournalFailed, Options, Record};
use super::{FIRST_FRAME, open, segments};
use crate::model::Position;
use std::sync::Arc;

#[test]
fn g6_a_changed_byte_in_an_unsynced_end_loses_only_frames_from_there_on() {
    let one_batch = OneBatch::new();
    for offset in FIRST_FRAME..one_batch.end() {
        for change in [0x01, 0x80, 0xFF] {
            one_batch.check(offset, &|bytes| bytes[offset] ^= change);
        }
    }
}

#[test]
fn g6_a_truncated_end_loses_only_frames_from_there_on() {
    let one_batch = OneBatch::new();
    for length in FIRST_FRAME..one_batch.end() {
        one_batch.check(length, &|bytes| bytes.truncate(length));
    }
}

#[test]
fn g6_zeros_in_an_unsynced_end_lose_only_frames_from_there_on() {
    let one_batch = OneBatch::new();
    for start in FIRST_FRAME..one_batch.end() {
        for length in [1, 8, 38, 100] {
            let end = (start + length).min(one_batch.end());
            // Zeros over zeros change nothing.
            let Some(first) = one_batch.bytes[start..end].iter().position(|byte| *byte != 0) else { continue };
            one_batch.check(start + first, &|bytes| bytes[start..end].fill(0));
        }
    }
}

#[test]
fn g6_a_repeated_end_is_truncated() {
    let one_batch = OneBatch::new();
    for start in FIRST_FRAME..one_batch.end() {
        let end = one_batch.end();
        one_batch.check(end, &|bytes| bytes.copy_within(start..end, end));
    }
}

#[test]
fn g6_damage_to_frames_recorded_as_durable_is_refused_with_instructions() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 10_000);
    let mut ends = vec![FIRST_FRAME];
    for batch in records(6).chunks(2) {
        journal.append(batch, now()).unwrap();
        journal.sync().unwrap();
        ends.push(used(&disk.bytes(&name_of(Position(1)))));
    }
    drop(journal);
    // The last batch records everything before it as durable, so any earlier change is damage.
    let clean = disk.bytes(&name_of(Position(1)));
    for offset in FIRST_FRAME..ends[2] {
        let mut variants = [clean.clone(), clean.clone(), clean.clone()];
        variants[0][offset] ^= 0x10;
        variants[1][offset..(offset + 60).min(ends[2])].fill(0);
        variants[2][offset..ends[2]].fill(0xEE);
        for changed in variants {
            if changed == clean {
                continue;
            }
            let disk = disk.copy();
            disk.tamper(&name_of(Position(1)), |bytes| *bytes = changed.clone());
            let refused = FileJournal::on(Arc::new(disk.clone()), &Options::default()).err();
            let Some(JournalFailed::Damaged(message)) = refused else { panic!("byte {offset}: {refused:?}") };
            assert!(message.contains("00000000000000000001.log is damaged at byte"), "{message}");
            assert!(message.contains("offhook journal verify"), "{message}");
            assert_eq!(disk.bytes(&name_of(Position(1))), changed, "a refusal changes nothing");
        }
    }
}

#[test]
fn one_intact_frame_after_a_hole_is_enough_to_detect_it() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 10_000);
    journal.append(&records(5), now()).unwrap();
    journal.sync().unwrap();
    let end = used(&disk.bytes(&name_of(Position(1))));
    journal.append(&[record(b"the last", &[])], now()).unwrap();
    drop(journal);
    disk.tamper(&name_of(Position(1)), |bytes| bytes[FIRST_FRAME..end].fill(0xA5));
    assert!(matches!(try_open(&disk), Err(JournalFailed::Damaged(_))));
}

#[test]
fn a_zeroed_body_is_a_torn_write_at_the_end_and_an_erasure_before_it() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 10_000);
    let zero_text = |disk: &SimDisk, text: &[u8]| {
        disk.tamper(&name_of(Position(1)), |bytes| {
            let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
            bytes[at - 4..at + text.len()].fill(0);
        });
    };
    journal.append(&[record(b"", &[b"kept"]), record(b"", &[b"torn"]), record(b"", &[b"behind"])], now()).unwrap();
    drop(journal);
    zero_text(&disk, b"torn");
    let mut journal = open(&disk, 10_000);
    assert_eq!(contents(&all(&*journal.reader())), [record(b"", &[b"kept"])]);
    assert_eq!(journal.cut().unwrap().position, Position(2));

    journal.append(&[record(b"", &[b"next"])], now()).unwrap();
    journal.sync().unwrap();
    drop(journal);
    zero_text(&disk, b"kept");
    let journal = open(&disk, 10_000);
    assert_eq!(all(&*journal.reader())[0].bodies, [None]);
}

#[test]
fn a_frame_from_a_diverged_copy_of_the_journal_is_rejected() {
    // Two copies of one journal diverge; a disk that mixes them up has frames whose checksums and positions are all
    // correct.
    let disk = SimDisk::default();
    let mut journal = open(&disk, 10_000);
    journal.append(&[record(b"same", &[])], now()).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let gone_on = |second: &[u8]| {
        let disk = disk.copy();
        open(&disk, 10_000).append(&[record(second, &[]), record(b"third", &[])], now()).unwrap();
        disk.bytes(&name_of(Position(1)))
    };
    let [one, other] = [gone_on(b"here"), gone_on(b"there")];
    let third = used(&other) - 38 - b"third".len();
    disk.tamper(&name_of(Position(1)), |bytes| {
        *bytes = one;
        let end = used(bytes) - 38 - b"third".len();
        bytes[end..end + 43].copy_from_slice(&other[third..third + 43]);
    });
    assert_eq!(contents(&all(&*open(&disk, 10_000).reader())), [record(b"same", &[]), record(b"here", &[])]);
}

#[test]
fn a_damaged_closed_segment_is_refused() {
    let written = three_segments();
    // A segment that ends too early, a missing one, one of another journal, one under another name.
    let cut = written.copy();
    let name = name_of(Position(segments(&cut)[1]));
    cut.tamper(&name, |bytes| bytes.truncate(bytes.len() - 1));
    assert_refused(&cut, "the file has been cut short");

    let missing = written.copy();
    missing.remove(&name).unwrap();
    assert_refused(&missing, "is missing");

    let foreign = written.copy();
    let other = three_segments();
    foreign.tamper(&name, |bytes| *bytes = other.bytes(&name));
    assert_refused(&foreign, "another journal");

    let renamed = written.copy();
    renamed.rename(&name, &name_of(Position(segments(&written)[1] + 1))).unwrap();
    assert_refused(&renamed, "has been renamed");

    let headless = written.copy();
    headless.tamper(&name, |bytes| bytes[20] ^= 1);
    assert_refused(&headless, "the header is not whole");
}

#[test]
fn damage_in_a_closed_segment_is_found_on_read() {
    let disk = three_segments();
    let name = name_of(Position(segments(&disk)[1]));
    disk.tamper(&name, |bytes| bytes[FIRST_FRAME + 20] ^= 1);
    let reader = open(&disk, 1_000).reader();
    assert!(reader.read(Position(1), 0).is_ok());
    assert!(matches!(reader.read(Position(1), usize::MAX), Err(JournalFailed::Damaged(_))));
}

#[test]
fn the_oldest_segments_may_be_moved_away() {
    let disk = three_segments();
    let kept = segments(&disk)[1];
    disk.remove(&name_of(Position(1))).unwrap();
    let reader = open(&disk, 1_000).reader();
    assert_eq!(reader.bounds().0, Position(kept));
    assert!(matches!(reader.read(Position(1), 0), Err(JournalFailed::Gone { oldest }) if oldest == Position(kept)));
    assert_eq!(all(&*reader)[0].position, Position(kept));
}

#[test]
fn an_empty_last_segment_is_recreated() {
    let disk = three_segments();
    let identity = open(&disk, 1_000).identity();
    let frames = all(&*open(&disk, 1_000).reader());
    let next = Position(frames.len() as u64 + 1);
    let blank: [&[u8]; 3] = [b"", b"offh", &[0; 1_000]];
    for begun in blank {
        let disk = disk.copy();
        disk.create(&name_of(next)).unwrap();
        disk.tamper(&name_of(next), |bytes| bytes.extend_from_slice(begun));
        disk.create(&format!("{}.new", name_of(next))).unwrap();
        // Here the last segment is still open; a process that created another one would have closed it.
        let mut journal = open(&disk, 1_000);
        assert_eq!(all(&*journal.reader()), frames);
        journal.append(&records(9), now()).unwrap();
        journal.sync().unwrap();
        drop(journal);
        let journal = open(&disk, 1_000);
        assert_eq!(journal.identity(), identity);
        assert_eq!(contents(&all(&*journal.reader()))[frames.len()..], records(9));
    }
}

#[test]
fn a_closed_segment_cut_short_is_damage_even_if_only_an_empty_one_follows() {
    let disk = three_segments();
    let last = segments(&disk)[2];
    let next = all(&*open(&disk, 1_000).reader()).len() as u64 + 1;
    disk.create(&name_of(Position(next))).unwrap();
    disk.tamper(&name_of(Position(last)), |bytes| {
        let used = used(bytes);
        bytes.truncate(used - 1);
    });
    assert!(matches!(try_open(&disk), Err(JournalFailed::Damaged(_))));
}

#[test]
fn a_journal_whose_only_segment_is_empty_reuses_no_position() {
    let disk = three_segments();
    let last = segments(&disk)[2];
    for first in segments(&disk) {
        if first != last {
            disk.remove(&name_of(Position(first))).unwrap();
        }
    }
    disk.tamper(&name_of(Position(last)), |bytes| bytes[FIRST_FRAME..].fill(0));
    let mut journal = open(&disk, 1_000);
    assert_eq!(journal.next(), Position(last));
    assert_eq!(journal.reader().bounds(), (Position(last), Position(last)));
    journal.append(&records(2), now()).unwrap();
    journal.sync().unwrap();
    let frames = contents(&all(&*open(&disk, 1_000).reader()));
    assert_eq!(frames, records(2));
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    use proptest::prelude::*;
    let clean = three_segments().bytes(&name_of(Position(1)));
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    let pieces = prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..9)), 0..9);
    proptest!(config, |(pieces in pieces)| {
        let mut bytes = clean.clone();
        for (at, piece) in pieces {
            let at = at.index(bytes.len());
            bytes.splice(at..(at + piece.len() / 2).min(clean.len()).max(at), piece);
        }
        crate::journal::fuzz::segment(&bytes);
    });
}

/// Frames written in one batch and not recorded as durable, so that any damage is a torn end.
struct OneBatch {
    disk: SimDisk,
    bytes: Vec<u8>,
    records: Vec<Record>,
    /// The end of each frame.
    ends: Vec<usize>,
}

impl OneBatch {
    fn new() -> Self {
        let records = vec![
            record(b"one", &[b"+12065550142"]),
            record(b"two", &[]),
            record(b"three", &[b"", &[7; 30]]),
            record(&[9; 70], &[b"last"]),
        ];
        let disk = SimDisk::default();
        let mut journal = open(&disk, 4_000);
        let mut ends = Vec::new();
        for record in &records {
            journal.append(std::slice::from_ref(record), now()).unwrap();
            ends.push(used(&disk.bytes(&name_of(Position(1)))));
        }
        let bytes = disk.bytes(&name_of(Position(1)));
        Self { disk, bytes, records, ends }
    }

    fn end(&self) -> usize {
        *self.ends.last().unwrap()
    }

    /// Applies `change`, which does not affect bytes before `offset`, and opens the journal: exactly the frames that
    /// end at or before `offset` are kept, and new frames are appended there.
    #[track_caller]
    fn check(&self, offset: usize, change: &dyn Fn(&mut Vec<u8>)) {
        let disk = self.disk.copy();
        disk.tamper(&name_of(Position(1)), change);
        let kept = self.ends.iter().filter(|end| **end <= offset).count();
        let mut journal = open(&disk, 4_000);
        let found = contents(&all(&*journal.reader()));
        assert_eq!(found, self.records[..kept], "byte {offset}");
        if let Some(cut) = journal.cut().filter(|_| kept > 0) {
            assert_eq!(disk.bytes(&name_of(Position(1))).len() as u64, cut.offset, "byte {offset}");
        }

        journal.append(&records(2), now()).unwrap();
        journal.sync().unwrap();
        drop(journal);
        let mut expected = found;
        expected.extend(records(2));
        assert_eq!(contents(&all(&*open(&disk, 4_000).reader())), expected, "byte {offset}, after the cut");
    }
}

fn three_segments() -> SimDisk {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 1_000);
    while segments(&disk).len() < 3 {
        journal.append(&records(4), now()).unwrap();
        journal.sync().unwrap();
    }
    disk
}

/// The offset after the last nonzero byte; only for frames that do not end in zeros.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

fn try_open(disk: &SimDisk) -> Result<FileJournal, JournalFailed> {
    FileJournal::on(Arc::new(disk.clone()), &Options { segment_bytes: 1_000 })
}

#[track_caller]
fn assert_refused(disk: &SimDisk, why: &str) {
    match try_open(disk) {
        Err(JournalFailed::Damaged(message)) => assert!(message.contains(why), "{message}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}
