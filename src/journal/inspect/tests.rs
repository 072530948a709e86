//! `verify` and `inspect` on journals that are whole, torn, damaged and in use.

use super::super::suite::{now, record, records};
use super::super::{FileJournal, Journal, Options};
use super::*;

#[test]
fn verify_reports_a_journal_in_use_as_whole() {
    let directory = tempfile::tempdir().unwrap();
    let _journal = three_segments(directory.path());
    let (condition, text) = verified(directory.path());
    assert_eq!(condition, Condition::Whole);
    assert_eq!(text.lines().count(), 4);
    assert!(text.contains("00000000000000000001.log: 2 frames, positions 1-2, "), "{text}");
    assert!(text.ends_with("journal: 3 segments, 6 frames, whole\n"), "{text}");
    // The directory of the segments is accepted, too.
    assert_eq!(verified(&directory.path().join("journal")).0, Condition::Whole);
}

#[test]
fn verify_reports_a_torn_tail_and_that_the_next_start_truncates_it() {
    let directory = tempfile::tempdir().unwrap();
    drop(three_segments(directory.path()));
    change(directory.path(), 5, |bytes| {
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[end] ^= 1;
    });
    let before = std::fs::read(segment(directory.path(), 5)).unwrap();
    let (condition, text) = verified(directory.path());
    assert_eq!((condition, condition.exit_code()), (Condition::Torn, 0));
    assert!(
        text.contains("5.log: 1 frames, positions 5-5, ") && text.contains("the next start truncates it"),
        "{text}"
    );
    assert_eq!(std::fs::read(segment(directory.path(), 5)).unwrap(), before);
}

#[test]
fn verify_reports_every_damaged_segment_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    drop(three_segments(directory.path()));
    for first in [1, 3] {
        change(directory.path(), first, |bytes| *bytes.last_mut().unwrap() ^= 1);
    }
    let (condition, text) = verified(directory.path());
    assert_eq!((condition, condition.exit_code()), (Condition::Damaged, 1));
    assert_eq!(text.matches("DAMAGED at byte").count(), 2, "{text}");
    assert!(text.contains("offhook journal accept-loss"), "{text}");

    std::fs::remove_file(segment(directory.path(), 3)).unwrap();
    assert!(verified(directory.path()).1.contains("00000000000000000003.log, is missing"));
}

#[test]
fn f25_verify_reports_frames_missing_according_to_the_evidence() {
    let directory = tempfile::tempdir().unwrap();
    drop(three_segments(directory.path()));
    std::fs::remove_file(segment(directory.path(), 5)).unwrap();
    for (last, expected) in [(4, Condition::Whole), (6, Condition::Damaged)] {
        let known = Evidence { identity: None, last: Position(last), by: "the index".to_owned() };
        let mut out = Vec::new();
        let condition = verify(directory.path(), &known, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(condition, expected, "{text}");
        assert_eq!(text.contains("at least 2 frames are missing"), expected == Condition::Damaged, "{text}");
    }
}

#[test]
fn verify_tolerates_concurrent_writes_of_a_gateway() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = FileJournal::open(directory.path(), Options { segment_bytes: 400_000 }).unwrap();
    journal.append(&records(1), now()).unwrap();
    journal.sync().unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            for _ in 0..400 {
                journal.append(&records(40), now()).unwrap();
                journal.sync().unwrap();
            }
        });
        while !writing.is_finished() {
            let (condition, text) = verified(directory.path());
            assert_ne!(condition, Condition::Damaged, "{text}");
        }
    });
}

#[test]
fn inspect_shows_one_line_per_frame_and_never_a_body() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = FileJournal::open(directory.path(), Options::default()).unwrap();
    journal.append(&[record(b"started", &[b"+12065550142", b""]), record(b"ended", &[])], now()).unwrap();
    journal.sync().unwrap();
    journal.append(&[record(b"again", &[])], now()).unwrap();
    let describe = |meta: &[u8]| String::from_utf8_lossy(meta).into_owned();
    let shown = |range| {
        let mut out = Vec::new();
        inspect(directory.path(), range, &describe, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        shown(Range::default()),
        "# 00000000000000000001.log: opened 2025-11-22T06:00:00.500Z\n\
         1 synced 0 meta 7 bodies [12 kept, 0 kept] started\n\
         2 synced 0 meta 5 bodies [] ended\n\
         3 synced 2 meta 5 bodies [] again\n"
    );
    let one = shown(Range { from: Position(2), limit: 1 });
    assert!(one.ends_with("Z\n2 synced 0 meta 5 bodies [] ended\n"), "{one}");
}

/// Two frames each.
fn three_segments(data_dir: &Path) -> FileJournal {
    let mut journal = FileJournal::open(&data_dir.join("journal"), Options { segment_bytes: 250 }).unwrap();
    for _ in 0..6 {
        let [.., last] = &records(2)[..] else { unreachable!() };
        journal.append(std::slice::from_ref(last), now()).unwrap();
        journal.sync().unwrap();
    }
    journal
}

fn segment(data_dir: &Path, first: u64) -> PathBuf {
    data_dir.join("journal").join(name_of(Position(first)))
}

fn change(data_dir: &Path, first: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(segment(data_dir, first)).unwrap();
    change(&mut bytes);
    std::fs::write(segment(data_dir, first), bytes).unwrap();
}

fn verified(directory: &Path) -> (Condition, String) {
    let mut out = Vec::new();
    let condition = verify(directory, &Evidence::default(), &mut out).unwrap();
    (condition, String::from_utf8(out).unwrap())
}
