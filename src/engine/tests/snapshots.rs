//! G27: a snapshot and the journal after it give the same rows as the whole journal; if neither covers the beginning,
//! the start is refused.

use super::compaction::wait_for;
use super::*;
use crate::journal::snapshot::{Origin, Snapshot, Snapshots};
use crate::journal::{FileJournal, Options};
use crate::machine::command::{Content, IdempotencyKey, Send};
use crate::machine::keys;
use crate::machine::rows::{Key, PAGE_ROWS, Table};
use crate::model::{Day, Month};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// So small that a few commands fill a segment.
pub(super) const SEGMENT_BYTES: u64 = 700;

/// Compaction without pauses, in runs of a few rows.
pub(super) const UNTHROTTLED: CompactionOptions = CompactionOptions {
    at_bytes: 5_000,
    run_bytes: 4_000,
    rest_factor: 0,
    look_every: Duration::from_millis(1),
    again_after: Duration::from_secs(60),
};

const CALLERS: [&str; 4] = ["+12065550142", "+12065550143", "+12065550144", "+390612345678"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn g27_a_snapshot_and_the_later_journal_give_the_rows_of_the_whole_journal(
        steps in prop::collection::vec((any_step(), prop::bool::weighted(0.1)), 10..120),
    ) {
        let mut home = Home::new();
        for (step, compacts) in steps {
            home.run(step);
            if compacts {
                home.compact();
            }
        }
        let lived = home.rows();
        let (replayed, from_nothing) = home.rebuilt(false).unwrap();
        prop_assert_eq!(&replayed, &lived);
        prop_assert_eq!((from_nothing.loaded, from_nothing.replayed), (0, from_nothing.last.0));
        let (loaded, recovered) = home.rebuilt(true).unwrap();
        prop_assert_eq!(&loaded, &lived);
        // The same without the segments that the snapshot covers.
        let covers = home.snapshots().latest().unwrap().map_or(Position(0), |latest| latest.covers);
        prop_assert_eq!(recovered.replayed, recovered.last.0 - covers.0);
        let dropped = home.drop_segments_up_to(covers);
        let (kept, _) = home.rebuilt(true).unwrap();
        prop_assert_eq!(&kept, &lived);
        prop_assert_eq!(home.rebuilt(false).is_err(), dropped > 0);
    }
}

#[test]
fn g27_an_index_that_ends_before_the_journal_is_filled_from_the_snapshot() {
    let home = Home::of_many_segments();
    let early = home.rebuilt(false).unwrap().1.last;
    let covers = home.snapshots().latest().unwrap().unwrap().covers;
    assert!(home.drop_segments_up_to(covers) > 1);
    let mut index = MemoryIndex::new();
    let stale = Key { table: Table::State, bytes: b"Cgone since".to_vec() };
    index.write(&[crate::machine::rows::Write::Put(stale.clone(), Vec::new())], Position(2)).unwrap();
    let (core, recovered) = home.recover(true, Box::new(index)).unwrap();
    assert_eq!((recovered.last, recovered.replayed), (early, early.0 - covers.0));
    assert!(recovered.loaded > 0);
    assert_eq!(core.index.get(&stale).unwrap(), None, "its old rows are gone");
    assert_eq!(dump(core.index.as_ref()), home.rows());
}

#[test]
fn g27_without_the_beginning_or_a_snapshot_the_start_is_refused_with_advice() {
    let home = Home::of_many_segments();
    let file = home.snapshot_file();
    let good = fs::read(&file).unwrap();
    let covers = home.snapshots().latest().unwrap().unwrap().covers;
    let whole = home.rows();

    // While the journal begins at 1, it is enough without the snapshot.
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    for damaged in [&bad[..], &good[..good.len() - 1], &good[..10], b""] {
        fs::write(&file, damaged).unwrap();
        let (rows, recovered) = home.rebuilt(true).unwrap();
        assert_eq!((&rows, recovered.loaded), (&whole, 0));
    }

    home.drop_segments_up_to(covers);
    for damaged in [&bad[..], &good[..good.len() - 1], &good[..10], b""] {
        fs::write(&file, damaged).unwrap();
        let refused = home.rebuilt(true).err().unwrap();
        assert!(matches!(refused, EngineFailed::Lost { .. }), "{refused}");
        let message = refused.to_string();
        assert!(message.contains("is damaged at byte") && message.contains("put back a good copy"), "{message}");
        assert!(home.snapshot_file().exists(), "an unusable snapshot is kept");
    }
    fs::remove_file(&file).unwrap();
    let refused = home.rebuilt(true).err().unwrap().to_string();
    assert!(refused.contains("there is no snapshot") && refused.contains("--seed"), "{refused}");
    fs::write(&file, &good).unwrap();
    assert_eq!(home.rebuilt(true).unwrap().0, whole);
    // A segment that the snapshot does not cover is missing.
    home.drop_segments_up_to(Position(covers.0 + 50));
    let refused = home.rebuilt(true).err().unwrap().to_string();
    assert!(refused.contains(&format!("the snapshot ends at position {}", covers.0)), "{refused}");
}

#[test]
fn g27_a_snapshot_ahead_of_its_journal_or_of_another_one_refuses_the_start() {
    let home = Home::of_many_segments();
    let mut segments = home.segments();
    let latest = home.snapshots().latest().unwrap().unwrap().covers;
    while segments.last().unwrap().0 > latest.0 - 5 {
        fs::remove_file(segments.pop().unwrap().1).unwrap();
    }
    let refused = home.rebuilt(true).err().unwrap().to_string();
    assert!(refused.contains("beyond the journal's end"), "{refused}");
    for (_, segment) in segments {
        fs::remove_file(segment).unwrap();
    }
    let refused = home.rebuilt(true).err().unwrap().to_string();
    assert!(refused.contains("belongs to another journal"), "{refused}");
    fs::remove_file(home.snapshot_file()).unwrap();
    assert_eq!(home.rebuilt(true).unwrap().1.last, Position(0), "a new journal begins");
}

#[test]
fn a_damaged_snapshot_is_replaced_if_the_journal_is_complete() {
    let mut home = Home::of_many_segments();
    let covers = home.snapshots().latest().unwrap().unwrap().covers;
    let file = home.snapshot_file();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let made = home.compact().expect("there are closed segments");
    assert!(made.covers > covers);
    assert_eq!(home.rebuilt(true).unwrap().0, home.rows());

    let (file, covers) = (home.snapshot_file(), home.snapshots().latest().unwrap().unwrap().covers);
    home.drop_segments_up_to(covers);
    home.core = home.recover(true, Box::new(MemoryIndex::new())).unwrap().0;
    let mut bytes = fs::read(&file).unwrap();
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let compactor = home.compactor(CompactionOptions { at_bytes: u64::MAX, ..UNTHROTTLED });
    wait_for(|| compactor.handle().covers() == covers);
    home.fill(20);
    compactor.handle().ask();
    wait_for(|| compactor.handle().covers() == Position(0));
    assert!(compactor.stop());
    assert_eq!(fs::read(&file).unwrap(), bytes, "an unusable snapshot is kept");
}

/// A step of a test.
#[derive(Clone, Debug)]
enum Step {
    Command(Command),
    Days(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let call = || (0..6usize).prop_map(|nth| format!("c-{nth}"));
    let words = prop_oneof![Just("hello"), Just("STOP"), Just("START"), Just("")];
    let command = prop_oneof![
        4 => (call(), 0..CALLERS.len()).prop_map(|(call, caller)| put(&call, CALLERS[caller])),
        2 => call().prop_map(|call| Command::EndCall { call: call_id(&call), reason: None, key: None }),
        6 => (0..CALLERS.len(), words, any::<u16>()).prop_map(|(caller, words, id)| text_from(caller, words, id)),
        4 => (call(), any::<u8>()).prop_map(|(call, key)| send(&call, key)),
        2 => Just(Command::Tick),
        1 => Just(Command::GatewayStarted),
    ];
    prop_oneof![15 => command.prop_map(Step::Command), 1 => (1..60u64).prop_map(Step::Days)]
}

fn text_from(caller: usize, words: &str, id: u16) -> Command {
    let Command::InboundItem { account, item: InboundItem::Message(mut inbound) } = text(&format!("SM{id}"), words)
    else {
        unreachable!("a text is a message")
    };
    inbound.from = Address::read(CALLERS[caller]);
    Command::InboundItem { account, item: InboundItem::Message(inbound) }
}

fn send(call: &str, key: u8) -> Command {
    let key = Some(IdempotencyKey { key: [key; 16], body: [key; 16] });
    let content = Content::Text("What does the meter show?".to_owned());
    Command::Send(Send {
        call: call_id(call),
        content,
        agent: None,
        smart_action: None,
        client_ref: None,
        force: None,
        key,
    })
}

/// A data directory with a gateway's core on it; its index is in memory.
pub(super) struct Home {
    directory: TempDir,
    clock: SetClock,
    pub(super) core: Core,
    sent: u16,
}

impl Home {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = SetClock::at(wall(0));
        let core = open(&directory.path().join("journal"), &clock, None, Box::new(MemoryIndex::new())).unwrap().0;
        let mut home = Self { directory, clock, core, sent: 0 };
        let seed = Command::Seed { directory: Box::new(example()), opt_outs: Vec::new() };
        home.core.commit([Command::GatewayStarted, seed, put("c-1", CALLERS[0])]).unwrap();
        home
    }

    /// A home with a snapshot of some segments, and more segments after it.
    pub(super) fn of_many_segments() -> Self {
        let mut home = Self::new();
        home.fill(40);
        home.compact();
        home.fill(40);
        home.compact();
        home.fill(20);
        home
    }

    /// Commits `texts` texts.
    pub(super) fn fill(&mut self, texts: u16) {
        for _ in 0..texts {
            self.sent += 1;
            self.run(Step::Command(text_from(usize::from(self.sent) % CALLERS.len(), "hello", self.sent)));
        }
    }

    fn run(&mut self, happens: Step) {
        match happens {
            Step::Command(command) => drop(self.core.commit([command]).unwrap()),
            Step::Days(days) => self.clock.pass(Duration::from_secs(days * 24 * 60 * 60)),
        }
    }

    pub(super) fn rows(&self) -> Dump {
        dump(self.core.index.as_ref())
    }

    pub(super) fn compact(&self) -> Option<Snapshot> {
        compact(self.core.journal().as_ref(), &self.snapshots(), &UNTHROTTLED, &mut || true).unwrap()
    }

    pub(super) fn compactor(&self, options: CompactionOptions) -> Compactor {
        self.compactor_with_space(options, Box::new(|| None))
    }

    /// The same with `spare` free space.
    pub(super) fn compactor_with_space(&self, options: CompactionOptions, spare: Spare) -> Compactor {
        Compactor::start(self.core.journal(), Arc::new(self.snapshots()), options, spare).unwrap()
    }

    pub(super) fn snapshot_dir(&self) -> PathBuf {
        self.directory.path().join("snapshots")
    }

    pub(super) fn snapshots(&self) -> Snapshots {
        Snapshots::open(&self.snapshot_dir(), origin(&self.journal())).unwrap()
    }

    fn snapshot_file(&self) -> PathBuf {
        let mut files: Vec<_> = fs::read_dir(self.snapshot_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }

    /// The first position of each segment with its file, oldest first.
    fn segments(&self) -> Vec<(u64, PathBuf)> {
        let entries = fs::read_dir(self.directory.path().join("journal")).unwrap();
        let first = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let mut segments: Vec<_> =
            entries.map(|entry| entry.unwrap().path()).map(|path| (first(&path), path)).collect();
        segments.sort();
        segments
    }

    /// Removes the segments that hold nothing after `covers`. Returns how many.
    fn drop_segments_up_to(&self, covers: Position) -> usize {
        let segments = self.segments();
        let gone = segments.windows(2).filter(|pair| pair[1].0 <= covers.0 + 1).map(|pair| &pair[0].1);
        gone.map(|file| fs::remove_file(file).unwrap()).count()
    }

    /// The journal opened again read-only, as by the next process.
    fn journal(&self) -> FileJournal {
        FileJournal::open(&self.directory.path().join("journal"), Options { segment_bytes: SEGMENT_BYTES }).unwrap()
    }

    /// The state of a next process without an index, rebuilt with or without the snapshot.
    pub(super) fn rebuilt(&self, snapshot: bool) -> Result<(Dump, Recovered), EngineFailed> {
        let (core, recovered) = self.recover(snapshot, Box::new(MemoryIndex::new()))?;
        Ok((dump(core.index.as_ref()), recovered))
    }

    fn recover(&self, snapshot: bool, index: Box<dyn Index>) -> Result<(Core, Recovered), EngineFailed> {
        let snapshots = snapshot.then(|| self.snapshots());
        open(&self.directory.path().join("journal"), &self.clock, snapshots.as_ref(), index)
    }
}

fn origin(journal: &FileJournal) -> Origin {
    Origin { journal: journal.identity(), rows_version: ROWS_VERSION }
}

fn open(
    directory: &Path,
    clock: &SetClock,
    snapshots: Option<&Snapshots>,
    index: Box<dyn Index>,
) -> Result<(Core, Recovered), EngineFailed> {
    let journal = FileJournal::open(directory, Options { segment_bytes: SEGMENT_BYTES })?;
    let claims = Claims::in_memory([2; 16], CLAIMS_MAX);
    Core::recover_with(snapshots, Box::new(journal), index, claims, Box::new(clock.clone()))
}

/// Every row.
pub(super) type Dump = BTreeMap<Key, Vec<u8>>;

fn dump(index: &dyn Index) -> Dump {
    let days = || (20_400..22_000).map(Day);
    let tables = [Table::State].into_iter().chain(days().map(Table::Messages)).chain(days().map(Table::Idempotency));
    let tables = tables.chain((600..760).map(|month| Table::Contacts(Month(month))));
    let mut all = Dump::new();
    for table in tables {
        for page in keys::pages(Vec::new(), |from| index.scan(table, &[], from, PAGE_ROWS)) {
            all.extend(page.unwrap().into_iter().map(|(bytes, row)| (Key { table, bytes }, row)));
        }
    }
    all
}
