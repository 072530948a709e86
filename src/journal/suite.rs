//! The test suite for all implementations of a journal: `journal_suite!(name, constructor)`.

use super::{BODIES_MAX, FRAME_BYTES_MAX, Frame, Journal, JournalFailed, JournalReader, Record};
use crate::model::{Position, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A journal that can be closed and reopened.
pub(super) trait Subject {
    /// Opens it, like a starting process.
    fn open(&mut self) -> Box<dyn Journal>;

    /// Simulates `kill -9`.
    fn kill(&mut self) {}
}

macro_rules! journal_suite {
    ($name:ident, $constructor:expr) => {
        mod $name {
            #[allow(unused_imports)] // The constructor uses the caller's imports.
            use super::*;

            journal_suite!(@tests $constructor =>
                positions_count_from_1_without_a_gap,
                nothing_is_read_before_it_is_synced,
                synced_records_are_read_as_written,
                a_read_returns_at_least_one_frame_and_stops_past_its_byte_limit,
                a_read_before_the_first_frame_is_gone_and_past_the_last_is_empty,
                a_record_too_large_is_refused_and_the_journal_stays_usable,
                after_a_kill_synced_frames_are_there_and_then_a_prefix_of_the_rest,
                the_identity_is_kept,
                a_reader_on_another_thread_follows_the_writer,
                any_records_are_read_as_written,
                deleted_frames_stay_deleted_and_later_ones_remain_after_a_kill,
                erased_bodies_stay_erased_and_everything_else_remains_after_a_kill,
                a_frame_not_recorded_as_durable_is_not_erased,
            );
        }
    };
    (@tests $constructor:expr => $($test:ident,)*) => {
        $(
            #[test]
            fn $test() {
                crate::journal::suite::$test(&|| Box::new($constructor));
            }
        )*
    };
}
pub(super) use journal_suite;

pub(super) type Subjects<'a> = &'a dyn Fn() -> Box<dyn Subject>;

pub(super) fn positions_count_from_1_without_a_gap(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    assert_eq!(journal.next(), Position(1));
    journal.append(&records(3), now()).unwrap();
    assert_eq!(journal.next(), Position(4));
    journal.append(&[], now()).unwrap();
    journal.append(&records(1), now()).unwrap();
    journal.sync().unwrap();
    assert_eq!(journal.reader().bounds(), (Position(1), Position(5)));
    assert_eq!(positions(&all(&*journal.reader())), [1, 2, 3, 4]);
}

pub(super) fn nothing_is_read_before_it_is_synced(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    let reader = journal.reader();
    journal.append(&records(2), now()).unwrap();
    assert_eq!(reader.bounds(), (Position(1), Position(1)));
    assert_eq!(all(&*reader), []);

    journal.sync().unwrap();
    journal.append(&records(2), now()).unwrap();
    assert_eq!(reader.bounds(), (Position(1), Position(3)));
    assert_eq!(positions(&all(&*reader)), [1, 2]);
}

pub(super) fn synced_records_are_read_as_written(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    let written = [
        record(b"", &[]),
        record(b"meta", &[]),
        record(b"", &[b""]),
        record(b"meta", &[b"", &[0; 100], b"+12065550142"]),
        record(b"meta", &[&[b'x'; 100_000]]),
        record(&[0; 1000], &[b"text".as_slice(); 300]),
    ];
    journal.append(&written, now()).unwrap();
    journal.sync().unwrap();
    assert_eq!(contents(&all(&*journal.reader())), written);
}

pub(super) fn a_read_returns_at_least_one_frame_and_stops_past_its_byte_limit(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    journal.append(&vec![record(&[b'm'; 1000], &[]); 50], now()).unwrap();
    journal.sync().unwrap();
    let reader = journal.reader();
    assert_eq!(positions(&reader.read(Position(7), 0).unwrap()), [7]);
    assert_eq!(positions(&reader.read(Position(7), 1).unwrap()), [7]);
    let some = positions(&reader.read(Position(7), 10_000).unwrap());
    assert!(some.starts_with(&[7, 8, 9]) && (9..=11).contains(&some.len()), "{some:?}");
    assert_eq!(positions(&reader.read(Position(49), usize::MAX).unwrap()), [49, 50]);
}

pub(super) fn a_read_before_the_first_frame_is_gone_and_past_the_last_is_empty(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    let reader = journal.reader();
    assert_eq!(reader.read(Position(1), 100).unwrap(), []);
    journal.append(&records(1), now()).unwrap();
    journal.sync().unwrap();
    assert!(matches!(reader.read(Position(0), 100), Err(JournalFailed::Gone { oldest: Position(1) })));
    assert_eq!(reader.read(Position(2), 100).unwrap(), []);
    assert_eq!(reader.read(Position(u64::MAX), 100).unwrap(), []);
}

pub(super) fn a_record_too_large_is_refused_and_the_journal_stays_usable(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    let too_long = record(b"", &[&vec![1; FRAME_BYTES_MAX]]);
    let too_many = record(b"", &vec![b"".as_slice(); BODIES_MAX + 1]);
    for bad in [too_long, too_many] {
        let refused = journal.append(&[record(b"good", &[]), bad], now());
        assert!(matches!(refused, Err(JournalFailed::TooLarge { .. })));
    }
    assert_eq!(journal.next(), Position(1));
    journal.append(&[record(b"good", &[])], now()).unwrap();
    journal.sync().unwrap();
    assert_eq!(contents(&all(&*journal.reader())), [record(b"good", &[])]);
}

pub(super) fn after_a_kill_synced_frames_are_there_and_then_a_prefix_of_the_rest(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut written = Vec::new();
    for round in 0..3 {
        let mut journal = subject.open();
        let batch = records(4 + round);
        journal.append(&batch, now()).unwrap();
        journal.sync().unwrap();
        written.extend(batch);
        journal.append(&records(3), now()).unwrap();
        drop(journal);
        subject.kill();

        let journal = subject.open();
        let found = contents(&all(&*journal.reader()));
        assert_eq!(journal.next(), Position(found.len() as u64 + 1));
        assert!(found.starts_with(&written));
        assert!(records(3).starts_with(&found[written.len()..]));
        written = found;
    }
}

pub(super) fn the_identity_is_kept(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    let identity = journal.identity();
    journal.append(&records(1), now()).unwrap();
    journal.sync().unwrap();
    drop(journal);
    subject.kill();
    assert_eq!(subject.open().identity(), identity);
}

pub(super) fn a_reader_on_another_thread_follows_the_writer(subjects: Subjects<'_>) {
    const FRAMES: u64 = 150;
    let mut subject = subjects();
    let mut journal = subject.open();
    let reader = journal.reader();
    let read = std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            for _ in 0..FRAMES / 3 {
                journal.append(&records(3), now()).unwrap();
                journal.sync().unwrap();
            }
        });
        let mut read = Vec::new();
        loop {
            let last_round = writing.is_finished();
            let more = reader.read(Position(read.len() as u64 + 1), 700).unwrap();
            read.extend(positions(&more));
            if more.is_empty() && last_round {
                return read;
            }
        }
    });
    assert_eq!(read, (1..=FRAMES).collect::<Vec<_>>());
}

pub(super) fn any_records_are_read_as_written(subjects: Subjects<'_>) {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..max);
    let same = |max: usize| (0..max, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]);
    let body = prop_oneof![8 => bytes(60), 1 => (0..300_usize).prop_map(|length| vec![0; length]), 1 => same(100_000)];
    let record = (bytes(300), prop::collection::vec(body, 0..5)).prop_map(|(meta, bodies)| Record { meta, bodies });
    let batches = prop::collection::vec(prop::collection::vec(record, 0..6), 0..6);
    let story = (batches, 0..5_000_usize, any::<bool>());
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&story, |(batches, budget, killed)| {
        let mut subject = subjects();
        let mut journal = subject.open();
        for batch in &batches {
            journal.append(batch, now()).unwrap();
            journal.sync().unwrap();
        }
        if killed {
            drop(journal);
            subject.kill();
            journal = subject.open();
        }
        let written: Vec<Record> = batches.concat();
        let reader = journal.reader();
        let mut read: Vec<Frame> = Vec::new();
        loop {
            let more = reader.read(Position(read.len() as u64 + 1), budget).unwrap();
            if more.is_empty() {
                break;
            }
            read.extend(more);
        }
        prop_assert_eq!(positions(&read), (1..=written.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(contents(&read), written);
        Ok(())
    });
    outcome.unwrap();
}

pub(super) fn deleted_frames_stay_deleted_and_later_ones_remain_after_a_kill(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    let reader = journal.reader();
    journal.append(&records(9), now()).unwrap();
    journal.sync().unwrap();
    for asked in [3, 6, 2, 1, 0] {
        let before = reader.bounds();
        journal.drop_before(Position(asked)).unwrap();
        let (oldest, next) = reader.bounds();
        assert!(before.0 <= oldest && oldest <= before.0.max(Position(asked)), "{oldest:?} after {asked}");
        assert_eq!(next, Position(10));
        assert_eq!(contents(&all(&*reader)), records(9)[oldest.0 as usize - 1..]);
        let gone = reader.read(Position(oldest.0 - 1), 100);
        assert!(matches!(gone, Err(JournalFailed::Gone { oldest: at }) if at == oldest), "{gone:?}");
    }
    // Whatever position is given, the current segment is kept and remains writable.
    for _ in 0..9 {
        journal.drop_before(Position(u64::MAX)).unwrap();
    }
    let (oldest, next) = reader.bounds();
    assert!(oldest < next && next == Position(10));
    journal.append(&records(2), now()).unwrap();
    journal.sync().unwrap();
    drop(journal);
    subject.kill();

    let journal = subject.open();
    assert_eq!(journal.reader().bounds(), (oldest, Position(12)));
    let written = [records(9), records(2)].concat();
    assert_eq!(contents(&all(&*journal.reader())), written[oldest.0 as usize - 1..]);
}

pub(super) fn erased_bodies_stay_erased_and_everything_else_remains_after_a_kill(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    let written = [
        record(b"a", &[b"+12065550142", b"", &[0; 50]]),
        record(b"b", &[b"another", &[7; 100_000]]),
        record(b"c", &[]),
        record(b"d", &[b"+12065550142"]),
    ];
    journal.append(&written, now()).unwrap();
    journal.sync().unwrap();
    journal.append(&[record(b"said", &[])], now()).unwrap();
    journal.sync().unwrap();
    let which = |frame: &Frame| match frame.position.0 {
        1 => vec![0, 1, 2],
        2 => vec![1],
        _ => Vec::new(),
    };
    assert_eq!(journal.erase(&mut { which }).unwrap(), 4);
    assert_eq!(journal.erase(&mut { which }).unwrap(), 0, "once is enough");
    let check = |journal: &dyn Journal| {
        let frames = all(&*journal.reader());
        assert_eq!(frames[0].bodies, [None, None, None]);
        assert_eq!(frames[1].bodies, [Some(b"another".to_vec()), None]);
        assert_eq!(contents(&frames[2..4]), written[2..]);
        assert_eq!(
            frames[..5].iter().map(|frame| &*frame.meta).collect::<Vec<_>>(),
            [b"a", b"b", b"c", b"d", b"said" as &[_]]
        );
    };
    check(&*journal);
    journal.append(&records(1), now()).unwrap();
    journal.sync().unwrap();
    drop(journal);
    subject.kill();
    let journal = subject.open();
    assert_eq!(journal.next(), Position(7));
    check(&*journal);
    assert_eq!(contents(&all(&*journal.reader())[5..]), records(1));
}

pub(super) fn a_frame_not_recorded_as_durable_is_not_erased(subjects: Subjects<'_>) {
    let mut subject = subjects();
    let mut journal = subject.open();
    journal.append(&[record(b"a", &[b"first"])], now()).unwrap();
    journal.sync().unwrap();
    assert_eq!(journal.erase(&mut |_| vec![0]).unwrap(), 0);
    journal.append(&[record(b"b", &[b"second"])], now()).unwrap();
    assert_eq!(journal.erase(&mut |_| vec![0]).unwrap(), 0);
    journal.sync().unwrap();
    assert_eq!(journal.erase(&mut |_| vec![0]).unwrap(), 1);
    assert_eq!(contents(&all(&*journal.reader())[1..]), [record(b"b", &[b"second"])]);
}

/// A time on 2025-11-22.
pub(super) fn now() -> Timestamp {
    Timestamp::from_ms(1_763_791_200_500)
}

pub(super) fn record(meta: &[u8], bodies: &[&[u8]]) -> Record {
    Record { meta: meta.to_vec(), bodies: bodies.iter().map(|body| body.to_vec()).collect() }
}

/// `count` distinct records, deterministic.
pub(super) fn records(count: usize) -> Vec<Record> {
    let body = |index: usize| format!("+1206555{index:04}").into_bytes();
    (0..count)
        .map(|index| Record { meta: vec![index as u8; index % 7 * 10], bodies: vec![body(index); index % 3] })
        .collect()
}

/// All readable frames.
pub(super) fn all(reader: &dyn JournalReader) -> Vec<Frame> {
    let (oldest, _) = reader.bounds();
    reader.read(oldest, usize::MAX).unwrap()
}

pub(super) fn positions(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.position.0).collect()
}

/// The records of frames without erased bodies.
pub(super) fn contents(frames: &[Frame]) -> Vec<Record> {
    let record = |frame: &Frame| {
        let bodies = frame.bodies.iter().map(|body| body.clone().expect("not erased")).collect();
        Record { meta: frame.meta.clone(), bodies }
    };
    frames.iter().map(record).collect()
}
