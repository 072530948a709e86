//! G9 and G3 in small: seeded tests with disks that fail and lose power.

use super::super::segment::name_of;
use super::super::sim_disk::{SeededRng, SimDisk};
use super::super::suite::{all, contents, now, records};
use super::super::{FileJournal, Journal, JournalFailed, Options, Record};
use super::segments;
use crate::model::{Position, Timestamp};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn g9_after_any_failure_nothing_is_acknowledged_and_a_restart_loses_nothing() {
    let mut failures = 0;
    for power_is_lost in [false, true] {
        for count in 0.. {
            let disk = SimDisk::default();
            disk.fail_after(count);
            let mut story = Story::new(disk.clone(), 1_500, count);
            for _ in 0..12 {
                story.append_and_sync();
            }
            if !disk.has_failed() {
                assert!(count > 20, "the run has more disk operations");
                break;
            }
            failures += 1;
            story.restart(power_is_lost);
            story.append_and_sync();
            story.restart(!power_is_lost);
        }
    }
    assert!(failures > 40);
}

#[test]
fn g9_a_dead_journal_stays_dead_after_the_disk_recovers() {
    let disk = SimDisk::default();
    let mut journal = FileJournal::on(Arc::new(disk.clone()), &Options { segment_bytes: 1_000 }).unwrap();
    journal.append(&records(1), now()).unwrap();
    disk.fail_after(0);
    assert!(matches!(journal.sync(), Err(JournalFailed::Disk(_))));
    disk.heal();
    assert!(matches!(journal.sync(), Err(JournalFailed::Disk(_))));
    assert!(matches!(journal.append(&records(1), now()), Err(JournalFailed::Disk(_))));
    assert_eq!(journal.reader().bounds(), (Position(1), Position(1)));
}

#[test]
fn g9_the_disk_may_fail_while_a_journal_is_recovered() {
    for seed in 0..15 {
        let disk = SimDisk::default();
        let mut story = Story::new(disk.clone(), 900, seed);
        for _ in 0..4 {
            story.append_and_sync();
        }
        story.append();
        story.lose_power();
        for count in 0.. {
            disk.fail_after(count);
            let opened = FileJournal::on(Arc::new(disk.clone()), &Options { segment_bytes: 900 });
            let failed = disk.has_failed();
            assert_eq!(opened.is_err(), failed, "seed {seed}");
            if !failed {
                break;
            }
            if story.dice.roll(2) == 0 {
                story.lose_power();
            }
        }
        disk.heal();
        story.restart(false);
    }
}

#[test]
fn g7_on_a_nearly_full_disk_segments_are_smaller_and_writing_continues() {
    let disk = SimDisk::default();
    let options = Options { segment_bytes: 6_400 };
    let mut journal = FileJournal::on(Arc::new(disk.clone()), &options).unwrap();
    let mut kept = 0;
    // The first segment fits; the second gets an eighth, later ones a 64th or what a frame needs.
    disk.has_only(6_400 + 1_500);
    let failed = loop {
        match journal.append(&records(1), now()).and_then(|()| journal.sync()) {
            Ok(()) => kept += 1,
            Err(failed) => break failed,
        }
    };
    assert!(matches!(failed, JournalFailed::Disk(_)), "{failed}");
    drop(journal);

    // A segment that could not be created leaves no trace, and with space writing continues.
    disk.has_only(20_000);
    let mut journal = FileJournal::on(Arc::new(disk.clone()), &options).unwrap();
    assert_eq!(all(&*journal.reader()).len(), kept);
    assert!(segments(&disk).len() > 3, "{:?}", segments(&disk));
    journal.append(&records(1), now()).unwrap();
    journal.sync().unwrap();
    assert_eq!(all(&*journal.reader()).len(), kept + 1);
    assert_eq!(disk.bytes(&name_of(Position(kept as u64 + 1))).len(), 6_400);
}

#[test]
fn g3_no_seed_loses_a_frame_that_was_synced_or_shown() {
    for seed in 0..250 {
        let disk = SimDisk::default();
        let segment_bytes = 300 + SeededRng(seed).roll(3_000);
        let mut story = Story::new(disk.clone(), segment_bytes, seed);
        for _ in 0..30 {
            match story.dice.roll(12) {
                0 => story.restart(false),
                1 => story.restart(true),
                2 => disk.fail_after(story.dice.roll(12)),
                3 => story.a_day_passes(),
                4..=6 => story.append(),
                _ => story.append_and_sync(),
            }
        }
        story.restart(true);
    }
}

/// A journal, and what the test knows about it.
struct Story {
    disk: SimDisk,
    segment_bytes: u64,
    seed: u64,
    dice: SeededRng,
    now: Timestamp,
    /// `None` if the disk failed while it was opened.
    journal: Option<FileJournal>,
    /// All appended records, in order.
    appended: Vec<Record>,
    /// The number of them that must never be lost.
    kept: usize,
}

impl Story {
    fn new(disk: SimDisk, segment_bytes: u64, seed: u64) -> Self {
        let journal = FileJournal::on(Arc::new(disk.clone()), &Options { segment_bytes }).ok();
        Self { disk, segment_bytes, seed, dice: SeededRng(seed), now: now(), journal, appended: Vec::new(), kept: 0 }
    }

    fn append(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        let batch: Vec<Record> = (0..1 + self.dice.roll(5)).map(|_| any_record(&mut self.dice)).collect();
        // After a failure a part of it may be present.
        let _ = journal.append(&batch, self.now);
        self.appended.extend(batch);
        self.check_shown();
    }

    fn append_and_sync(&mut self) {
        self.append();
        if self.journal.as_mut().is_some_and(|journal| journal.sync().is_ok()) {
            self.kept = self.appended.len();
        }
        self.check_shown();
    }

    fn a_day_passes(&mut self) {
        self.now = self.now + Duration::from_secs(24 * 60 * 60);
    }

    fn lose_power(&mut self) {
        self.journal = None;
        self.disk.lose_power(self.dice.roll(u64::MAX));
    }

    /// The process or the machine dies; the journal is reopened and read.
    fn restart(&mut self, power_is_lost: bool) {
        self.journal = None;
        self.disk.heal();
        if power_is_lost {
            self.lose_power();
        }
        let seed = self.seed;
        let options = Options { segment_bytes: self.segment_bytes };
        let journal = FileJournal::on(Arc::new(self.disk.clone()), &options);
        let journal = journal.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = contents(&all(&*journal.reader()));
        assert!(found.len() >= self.kept, "seed {seed}: {} of {} are left", found.len(), self.kept);
        assert!(self.appended.starts_with(&found), "seed {seed}: unwritten records are read");
        // Frames that were readable once must remain.
        self.kept = found.len();
        self.appended = found;
        self.journal = Some(journal);
    }

    fn check_shown(&self) {
        let Some(journal) = &self.journal else { return };
        assert_eq!(journal.reader().bounds().1, Position(self.kept as u64 + 1), "seed {}", self.seed);
    }
}

fn any_record(dice: &mut SeededRng) -> Record {
    let mut bytes = |max| (0..dice.roll(max)).map(|_| dice.roll(256) as u8).collect::<Vec<u8>>();
    let meta = bytes(60);
    let bodies = (0..meta.len() % 4).map(|_| bytes(200)).collect();
    Record { meta, bodies }
}
