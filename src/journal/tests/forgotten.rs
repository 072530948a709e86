//! Segments that are dropped and bodies that are erased, on disks that fail and lose power in the middle.

use super::super::segment::name_of;
use super::super::sim_disk::SimDisk;
use super::super::suite::{all, contents, now, positions, record, records};
use super::super::{FORGOTTEN_AT_ONCE_MAX, FileJournal, Frame, Journal, JournalFailed};
use super::{open, segments};
use crate::journal::disk::Disk as _;
use crate::model::Position;

#[test]
fn only_whole_segments_go_and_never_the_one_that_is_written_to() {
    let disk = SimDisk::default();
    let mut journal = in_segments(&disk, &[3, 4, 2]);
    for (before, left) in [(3, vec![1, 4, 8]), (4, vec![4, 8]), (7, vec![4, 8]), (100, vec![8])] {
        journal.forget_before(Position(before)).unwrap();
        assert_eq!(segments(&disk), left, "before {before}");
        assert_eq!(journal.reader().bounds(), (Position(left[0]), Position(10)));
    }
    drop(journal);
    let journal = open(&disk, 10_000);
    assert_eq!(journal.next(), Position(10));
    assert_eq!(positions(&all(&*journal.reader())), [8, 9]);
}

#[test]
fn no_more_segments_go_at_once_than_commands_can_wait_for() {
    let disk = SimDisk::default();
    let mut journal = open(&disk, 0);
    let count = FORGOTTEN_AT_ONCE_MAX as u64 + 5;
    journal.append(&records(count as usize), now()).unwrap();
    journal.sync().unwrap();
    journal.forget_before(Position(count)).unwrap();
    assert_eq!(journal.reader().bounds().0, Position(FORGOTTEN_AT_ONCE_MAX as u64 + 1));
    journal.forget_before(Position(count)).unwrap();
    assert_eq!(journal.reader().bounds().0, Position(count));
}

#[test]
fn who_reads_a_segment_while_it_is_dropped_reads_it_to_its_end_or_hears_that_it_is_gone() {
    let disk = SimDisk::default();
    let mut journal = in_segments(&disk, &[3, 4, 2]);
    let reader = journal.reader();
    assert_eq!(positions(&reader.read(Position(1), 1).unwrap()), [1]);
    journal.forget_before(Position(8)).unwrap();
    assert!(matches!(reader.read(Position(2), 1), Err(JournalFailed::Gone { oldest: Position(8) })));
    assert_eq!(positions(&reader.read(Position(8), usize::MAX).unwrap()), [8, 9]);
}

#[test]
fn g3_wherever_the_power_goes_while_segments_are_dropped_what_is_left_has_no_hole() {
    for seed in 0..40 {
        for count in 0.. {
            let disk = SimDisk::default();
            let mut journal = in_segments(&disk, &[3, 4, 2, 5, 1]);
            disk.fail_after(count);
            let dropped = journal.forget_before(Position(14));
            let failed = disk.has_failed();
            assert_eq!(dropped.is_err(), failed);
            drop(journal);
            disk.lose_power(seed * 100 + count);
            let journal = open(&disk, 10_000);
            let left = positions(&all(&*journal.reader()));
            assert_eq!(left, (left[0]..=15).collect::<Vec<_>>(), "seed {seed}, {count} operations");
            if !failed {
                assert_eq!(left, [10, 11, 12, 13, 14, 15]);
                assert!(count > 4, "dropping has that many operations");
                break;
            }
        }
    }
}

#[test]
fn g3_wherever_the_power_goes_an_erasure_is_done_to_its_end_or_not_begun() {
    let people: [&[u8]; 3] = [b"+12065550142", &[b'x'; 700], b"kept"];
    let which = |frame: &Frame| if frame.position.0 % 2 == 1 { vec![0, 1] } else { Vec::new() };
    let mut done_after_all = 0;
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
            done_after_all += usize::from(is_erased && failed);
            for frame in &frames {
                let erased = is_erased && frame.position.0 % 2 == 1 && frame.position.0 < 7;
                let expected = people.map(|body| Some(body.to_vec()).filter(|body| !erased || *body == b"kept"));
                assert_eq!(frame.bodies, expected, "seed {seed}, {count} operations, {:?}", frame.position);
            }
            let names = disk.names().unwrap();
            assert!(names.iter().all(|name| !name.contains("erasing")), "{names:?}");
            if !failed {
                assert!(count > 6, "erasing has that many operations");
                break;
            }
        }
    }
    assert!(done_after_all > 40, "many a start had to do the rest: {done_after_all}");
}

#[test]
fn a_list_of_what_is_being_erased_that_is_damaged_is_refused_with_a_way_out() {
    let disk = SimDisk::default();
    drop(in_segments(&disk, &[3]));
    disk.create("erasing").unwrap();
    disk.tamper("erasing", |bytes| bytes.extend_from_slice(b"offhookE and so on"));
    let refused = super::FileJournal::on(std::sync::Arc::new(disk.clone()), &super::Options { segment_bytes: 10_000 });
    let refused = refused.err().expect("it is no list").to_string();
    assert!(refused.contains("erase that person again"), "{refused}");
}

#[test]
fn nothing_of_what_was_erased_is_left_in_the_file() {
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

/// A journal with so many frames in each segment.
fn in_segments(disk: &SimDisk, counts: &[usize]) -> FileJournal {
    let mut journal = open(disk, 10_000);
    for (days, count) in (0..).zip(counts) {
        let later = std::time::Duration::from_secs(24 * 60 * 60 * days);
        journal.append(&records(*count), now() + later).unwrap();
        journal.sync().unwrap();
    }
    journal
}
