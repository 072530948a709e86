//! F25: a journal with lost frames is refused, and opens without them once the loss is accepted.

use super::super::disk::Disk;
use super::super::loss::{Lost, Plan, epoch_after};
use super::super::segment::name_of;
use super::super::sim_disk::SimDisk;
use super::super::suite::{all, contents, now, positions, record, records};
use super::super::{Evidence, FileJournal, Frame, Journal, JournalFailed, JournalReader, Options};
use super::{FIRST_FRAME, segments};
use crate::model::Position;
use std::sync::Arc;

const OPTIONS: Options = Options { segment_bytes: 1_000 };

#[test]
fn f25_only_the_damaged_frame_is_given_up() {
    let disk = written();
    let frames = all(&*open(&disk).reader());
    let last = frames.last().unwrap().position.0;
    for (position, name, start, end) in places(&disk) {
        // There is no frame after the last one that could be kept.
        if position == last {
            continue;
        }
        for at in [start, start + 20, (start + end) / 2, end - 1] {
            let disk = disk.copy();
            disk.tamper(&name, |bytes| bytes[at] ^= 0x40);
            let lost = accept(&disk, last);
            assert_eq!(lost, [Lost { from: Position(position), until: Position(position + 1) }], "byte {at}");
            let mut journal = open(&disk);
            let reader = journal.reader();
            let expected: Vec<Frame> = frames.iter().filter(|frame| frame.position.0 != position).cloned().collect();
            assert_eq!(everything(&*reader), expected, "byte {at}");
            assert_eq!(reader.count_from(Position(1)), last - 1);
            assert_eq!(reader.read(Position(position), 0).unwrap()[0].position.0, position + 1);
            journal.append(&records(2), now()).unwrap();
            journal.sync().unwrap();
            drop(journal);
            assert_eq!(everything(&*open(&disk).reader()).last().unwrap().position.0, last + 2);
            assert_eq!(accept(&disk, 0), [], "the loss is accepted once");
        }
    }
}

#[test]
fn f25_damage_across_frames_and_files_loses_only_those_frames() {
    let disk = written();
    let frames = all(&*open(&disk).reader());
    let places = places(&disk);
    let firsts = segments(&disk);
    // The end of one segment, the whole next one, and the header and first frame of the one after that.
    let second: Vec<_> = places.iter().filter(|place| place.1 == name_of(Position(firsts[1]))).collect();
    let fourth = places.iter().find(|place| place.1 == name_of(Position(firsts[3]))).unwrap();
    let from = second[second.len() - 1];
    disk.tamper(&from.1, |bytes| bytes[from.2..].fill(0));
    disk.remove(&name_of(Position(firsts[2]))).unwrap();
    disk.tamper(&fourth.1, |bytes| bytes[..fourth.3].fill(0xA5));
    let (first, until) = (Position(from.0), Position(fourth.0 + 1));
    assert_eq!(accept(&disk, 0), [Lost { from: first, until }]);
    let kept = |frame: &&Frame| frame.position < first || frame.position >= until;
    let expected: Vec<Frame> = frames.iter().filter(kept).cloned().collect();
    let journal = open(&disk);
    assert_eq!(everything(&*journal.reader()), expected);
    let closed = journal.reader().closed_after(Position(0));
    assert_eq!(closed.last, Position(segments(&disk).last().unwrap() - 1));
}

#[test]
fn f25_a_lost_end_known_from_evidence_is_refused_and_nothing_is_changed() {
    let disk = written();
    let known = known(all(&*open(&disk).reader()).last().unwrap().position.0);
    let last = name_of(Position(*segments(&disk).last().unwrap()));
    let remove = |disk: &SimDisk| disk.remove(&last).unwrap();
    let empty = |disk: &SimDisk| disk.tamper(&last, |bytes| bytes.clear());
    let zeros = |disk: &SimDisk| disk.tamper(&last, |bytes| bytes.fill(0));
    let no_frames = |disk: &SimDisk| disk.tamper(&last, |bytes| bytes[FIRST_FRAME..].fill(0));
    let cut = |disk: &SimDisk| disk.tamper(&last, |bytes| bytes.truncate(FIRST_FRAME + 90));
    let damages: [&dyn Fn(&SimDisk); 5] = [&remove, &empty, &zeros, &no_frames, &cut];
    for (nth, damage) in damages.into_iter().enumerate() {
        let disk = disk.copy();
        damage(&disk);
        assert!(
            FileJournal::on(Arc::new(disk.copy()), &OPTIONS).is_ok(),
            "{nth}: the journal alone does not show the loss"
        );
        let files = disk.files();
        let refused = FileJournal::on_with(Arc::new(disk.clone()), &OPTIONS, &known).err();
        let Some(JournalFailed::Damaged(message)) = refused else { panic!("{nth}: {refused:?}") };
        assert!(message.contains("frames are missing") && message.contains("accept-loss"), "{nth}: {message}");
        assert_eq!(disk.files(), files);
    }
    assert!(FileJournal::on_with(Arc::new(disk.copy()), &OPTIONS, &known).is_ok(), "an intact journal is not refused");
    // The whole journal is gone.
    let none = FileJournal::on_with(Arc::new(SimDisk::default()), &OPTIONS, &known).err();
    assert!(matches!(none, Some(JournalFailed::Damaged(_))), "{none:?}");
}

#[test]
fn f25_after_a_lost_end_positions_continue_in_an_unused_epoch() {
    let disk = written();
    let known = known(all(&*open(&disk).reader()).last().unwrap().position.0 + 7);
    let identity = open(&disk).identity();
    disk.remove(&name_of(Position(*segments(&disk).last().unwrap()))).unwrap();
    let kept = everything(&*open(&disk).reader());
    let next = open(&disk).next();
    let first = epoch_after(known.last);
    assert!(first.0 > known.last.0 + (1 << 30), "positions of unknown frames are not reused either");
    for _ in 0..2 {
        // An epoch interrupted before the first append has no effect.
        let mut journal = open(&disk);
        journal.begin_epoch(first);
        assert_eq!((journal.next(), journal.reader().last()), (first, Position(next.0 - 1)));
        assert_eq!(journal.reader().read(next, 100).unwrap(), []);
    }
    let mut journal = open(&disk);
    journal.begin_epoch(first);
    journal.append(&records(9), now()).unwrap();
    journal.sync().unwrap();
    check_epoch(&*journal.reader(), &kept, first);
    drop(journal);
    let mut journal = FileJournal::on_with(Arc::new(disk.clone()), &OPTIONS, &known).unwrap();
    assert_eq!(journal.identity(), identity);
    let reader = journal.reader();
    check_epoch(&*reader, &kept, first);
    assert_eq!(reader.closed_after(Position(0)).last, Position(next.0 - 1));
    assert_eq!(accept(&disk, known.last.0), []);
    // Older segments may be deleted, and the epoch remains.
    journal.drop_before(first).unwrap();
    assert_eq!(reader.bounds().0, first);
    assert_eq!(reader.last_before_oldest(), Position(next.0 - 1));
    drop(journal);
    assert_eq!(open(&disk).reader().bounds(), (first, Position(first.0 + 9)));
}

#[test]
fn f25_a_new_epoch_without_a_synced_frame_leaves_the_loss_unaccepted() {
    let disk = written();
    let known = known(all(&*open(&disk).reader()).last().unwrap().position.0);
    disk.remove(&name_of(Position(*segments(&disk).last().unwrap()))).unwrap();
    let next = open(&disk).next();
    let first = epoch_after(known.last);
    let mut journal = open(&disk);
    journal.begin_epoch(first);
    journal.append(&records(1), now()).unwrap();
    drop(journal);
    disk.tamper(&name_of(first), |bytes| bytes[80..].fill(0));
    let refused = FileJournal::on_with(Arc::new(disk.clone()), &OPTIONS, &known).err();
    assert!(matches!(refused, Some(JournalFailed::Damaged(_))), "{refused:?}");
    assert_eq!(open(&disk).next(), next);
}

#[test]
fn f25_a_repair_interrupted_anywhere_is_finished_by_the_next() {
    let damaged = written();
    let frames = all(&*open(&damaged).reader());
    let (position, name, start, _) = places(&damaged)[2].clone();
    damaged.tamper(&name, |bytes| bytes[start + 10] ^= 1);
    for count in 0.. {
        let disk = damaged.copy();
        disk.fail_after(count);
        let cut_off = Plan::on(Arc::new(disk.clone()), &Evidence::default()).and_then(Plan::apply).is_err();
        disk.lose_power(count);
        disk.heal();
        accept(&disk, 0);
        let expected: Vec<Frame> = frames.iter().filter(|frame| frame.position.0 != position).cloned().collect();
        assert_eq!(everything(&*open(&disk).reader()), expected, "after {count} operations");
        if !cut_off {
            assert!(count > 5, "the repair has more than {count} operations");
            return;
        }
    }
}

#[track_caller]
fn check_epoch(reader: &dyn JournalReader, kept: &[Frame], first: Position) {
    let frames = everything(reader);
    let (before, after) = frames.split_at(kept.len());
    assert_eq!(before, kept);
    assert_eq!(contents(after), records(9));
    assert_eq!(positions(after), (first.0..first.0 + 9).collect::<Vec<_>>());
    let last = kept.last().unwrap().position;
    assert_eq!(reader.past_gap(last.next()), first);
    assert_eq!(reader.count_from(last), 10);
    assert_eq!(positions(&reader.read(last, usize::MAX).unwrap()), [last.0], "no read crosses a gap");
}

/// Reads like a follower of the journal.
fn everything(reader: &dyn JournalReader) -> Vec<Frame> {
    let mut next = reader.bounds().0;
    let mut frames = Vec::new();
    loop {
        let page = reader.read(next, 300).unwrap();
        let Some(last) = page.last() else { return frames };
        next = last.position.next();
        frames.extend(page);
    }
}

fn accept(disk: &SimDisk, known_last: u64) -> Vec<Lost> {
    let plan = Plan::on(Arc::new(disk.clone()), &known(known_last)).unwrap();
    let lost = plan.lost().to_vec();
    plan.apply().unwrap();
    lost
}

fn known(last: u64) -> Evidence {
    Evidence { identity: None, last: Position(last), by: "the index".to_owned() }
}

fn open(disk: &SimDisk) -> FileJournal {
    FileJournal::on(Arc::new(disk.clone()), &OPTIONS).unwrap()
}

/// Five segments; the last frame records all frames before it as durable.
fn written() -> SimDisk {
    let disk = SimDisk::default();
    let mut journal = open(&disk);
    while segments(&disk).len() < 5 {
        let nth = segments(&disk).len() as u8;
        journal.append(&[record(&[nth; 40], &[b"+12065550142", b"a text"]), record(b"two", &[])], now()).unwrap();
        journal.append(&records(3), now()).unwrap();
        journal.sync().unwrap();
    }
    for _ in 0..2 {
        journal.append(&records(4), now()).unwrap();
        journal.sync().unwrap();
    }
    disk
}

/// Each frame's position, its file, and its start and end there.
fn places(disk: &SimDisk) -> Vec<(u64, String, usize, usize)> {
    let mut places = Vec::new();
    let firsts = segments(disk);
    for (nth, first) in firsts.iter().enumerate() {
        let (name, mut at) = (name_of(Position(*first)), FIRST_FRAME);
        let bytes = disk.bytes(&name);
        let mut position = *first;
        while at + 12 < bytes.len() && bytes[at] != 0 {
            let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
            places.push((position, name.clone(), at, at + length));
            (at, position) = (at + length, position + 1);
        }
        assert!(firsts.get(nth + 1).is_none_or(|next| *next == position));
    }
    places
}
