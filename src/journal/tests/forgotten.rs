//! Deleting segments and erasing bodies, on disks that fail or lose power meanwhile.

use super::super::segment::name_of;
use super::super::sim_disk::SimDisk;
use super::super::suite::{all, contents, now, positions, record, records};
use super::super::{FORGOTTEN_AT_ONCE_MAX, FileJournal, Frame, Journal, JournalFailed};
use super::{open, segments};
use crate::journal::disk::Disk as _;
use crate::model::Position;

#[test]
fn only_whole_segments_are_deleted_and_never_the_current_one() {
    let disk = SimDisk::default();
    let mut journal = in_segments(&disk, &[3, 4, 2]);
    for (before, left) in [(3, vec![1, 4, 8]), (4, vec![4, 8]), (7, vec![4, 8]), (100, vec![8])] {
        journal.drop_before(Position(before)).unwrap();
        assert_eq!(segments(&disk), left, "before {before}");
        assert_eq!(journal.reader().bounds(), (Position(left[0]), Position(10)));
    }
    drop(journal);
    let journal = open(&disk, 10_000);
    assert_eq!(journal.next(), Position(10));
    assert_eq!(positions(&all(&*journal.reader())), [8, 9]);
}

#[test]
fn the_number_of_segments_deleted_at_once_is_limited() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 0);
    let count = FORGOTTEN_AT_ONCE_MAX as u64 + 5;
    journal.append(&records(count as usize), now()).unwrap();
    journal.sync().unwrap();
    journal.drop_before(Position(count)).unwrap();
    assert_eq!(journal.reader().bounds().0, Position(FORGOTTEN_AT_ONCE_MAX as u64 + 1));
    journal.drop_before(Position(count)).unwrap();
    assert_eq!(journal.reader().bounds().0, Position(count));
}

#[test]
fn a_reader_of_a_segment_being_deleted_reads_it_to_its_end_or_gets_gone() {
    let disk = SimDisk::default();
    let mut journal = in_segments(&disk, &[3, 4, 2]);
    let reader = journal.reader();
    assert_eq!(positions(&reader.read(Position(1), 1).unwrap()), [1]);
    journal.drop_before(Position(8)).unwrap();
    assert!(matches!(reader.read(Position(2), 1), Err(JournalFailed::Gone { oldest: Position(8) })));
    assert_eq!(positions(&reader.read(Position(8), usize::MAX).unwrap()), [8, 9]);
}

#[test]
fn g3_a_power_loss_during_deletion_leaves_segments_without_a_hole() {
    for seed in 0..40 {
        for count in 0.. {
            let disk = SimDisk::default();
            let mut journal = in_segments(&disk, &[3, 4, 2, 5, 1]);
            disk.fail_after(count);
            let dropped = journal.drop_before(Position(14));
            let failed = disk.has_failed();
            assert_eq!(dropped.is_err(), failed);
            drop(journal);
            disk.lose_power(seed * 100 + count);
            let journal = open(&disk, 10_000);
            let left = positions(&all(&*journal.reader()));
            assert_eq!(left, (left[0]..=15).collect::<Vec<_>>(), "seed {seed}, {count} operations");
            if !failed {
                assert_eq!(left, [10, 11, 12, 13, 14, 15]);
                assert!(count > 4, "deleting has more operations");
                break;
            }
        }
    }
}

#[test]
fn g3_after_a_power_loss_an_erasure_is_complete_or_not_begun() {
    let people: [&[u8]; 3] = [b"+12065550142", &[b'x'; 700], b"kept"];
    let which = |frame: &Frame| if frame.position.0 % 2 == 1 { vec![0, 1] } else { Vec::new() };
    let mut finished_later = 0;
    for seed in 0..40 {
        for count in 0.. {
            let disk = SimDisk::default();
            let mut journal = open(&disk, 2_000);
            for _ in 0..7 {
                journal.append(&[record(b"meta", &people)], now()).unwrap();
                journal.sync().unwrap();
            }
            disk.fail_after(count);
            let erased = journal.erase(&mut { which });
            let failed = disk.has_failed();
            assert_eq!(erased.is_err(), failed);
            drop(journal);
            disk.lose_power(seed * 1_000 + count);

            let journal = open(&disk, 2_000);
            let frames = all(&*journal.reader());
            assert_eq!(positions(&frames), [1, 2, 3, 4, 5, 6, 7]);
            let is_erased = frames[0].bodies[0].is_none();
            assert!(is_erased || failed, "seed {seed}, {count} operations");
            finished_later += usize::from(is_erased && failed);
            for frame in &frames {
                let erased = is_erased && frame.position.0 % 2 == 1 && frame.position.0 < 7;
                let expected = people.map(|body| Some(body.to_vec()).filter(|body| !erased || *body == b"kept"));
                assert_eq!(frame.bodies, expected, "seed {seed}, {count} operations, {:?}", frame.position);
            }
            let names = disk.names().unwrap();
            assert!(names.iter().all(|name| !name.contains("erasing")), "{names:?}");
            if !failed {
                assert!(count > 6, "erasing has more operations");
                break;
            }
        }
    }
    assert!(finished_later > 40, "too few starts had to finish an erasure: {finished_later}");
}

#[test]
fn a_damaged_erasure_list_is_refused_with_instructions() {
    let disk = SimDisk::default();
    drop(in_segments(&disk, &[3]));
    disk.create("erasing").unwrap();
    disk.tamper("erasing", |bytes| bytes.extend_from_slice(b"offhookE and so on"));
    let refused = super::FileJournal::on(std::sync::Arc::new(disk.clone()), &super::Options { segment_bytes: 10_000 });
    let refused = refused.err().expect("the list is damaged").to_string();
    assert!(refused.contains("erase that person again"), "{refused}");
}

#[test]
fn erased_bytes_are_not_left_in_the_file() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 10_000);
    let texts: [&[u8]; 2] = [b"+12065550142", b"where is my parcel?"];
    journal.append(&[record(b"a", &texts), record(b"b", &texts)], now()).unwrap();
    journal.sync().unwrap();
    journal.append(&[record(b"said", &[])], now()).unwrap();
    journal.sync().unwrap();
    let holds = |text: &[u8]| disk.bytes(&name_of(Position(1))).windows(text.len()).any(|window| window == text);
    assert!(texts.iter().all(|text| holds(text)));
    assert_eq!(journal.erase(&mut |frame| (0..frame.bodies.len()).collect()).unwrap(), 4);
    assert!(!texts.iter().any(|text| holds(text)));
    assert_eq!(contents(&all(&*journal.reader())[2..]), [record(b"said", &[])]);
}

/// A journal with a given number of frames in each segment.
fn in_segments(disk: &SimDisk, counts: &[usize]) -> FileJournal {
    let mut journal = open(disk, 10_000);
    for (days, count) in (0..).zip(counts) {
        let later = std::time::Duration::from_secs(24 * 60 * 60 * days);
        journal.append(&records(*count), now() + later).unwrap();
        journal.sync().unwrap();
    }
    journal
}
