//! An erasure while segments are folded, the index is rebuilt and others go on.

use super::snapshots::UNTHROTTLED;
use super::*;
use crate::index::{Beside, Place, Replaced};
use crate::journal::snapshot::{Origin, Snapshots};
use crate::journal::{FileJournal, Options};
use crate::machine::erasure::ErasureState;
use crate::machine::fingerprint::ErasureKey;
use crate::machine::keys::encode_row;
use crate::machine::rows::{Key, Rows, RowsFailed, ScannedRow, Table, Write};
use crate::machine::view::PeopleQueries as _;
use crate::model::{Actor, E164, ErasureId};
use crate::observe::Readiness;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;
use tempfile::TempDir;

const ANN: &str = "+14155550107";
const BOB: &str = "+14155550108";

/// A word in every text from Ann, and in no other.
const CANARY: &str = "nightingale";

/// So small that a few texts fill a segment.
const SEGMENT_BYTES: u64 = 2_000;

const PATIENCE: Duration = Duration::from_secs(60);

/// Texts of Bob's between two rebuilds of the index, and how many rebuilds there are.
const BETWEEN: usize = 40;
const REBUILDS: usize = 3;

/// After so many, Bob waits for the erasure: on a busy machine each would be folded, and it would never catch up.
const TEXTS_MAX: usize = 2_000;

/// How long the erasure may take.
const ERASED_WITHIN: Duration = Duration::from_secs(300);

/// A fold that has read frames as they were ends after the journal was erased, and there is no snapshot before it.
#[test]
fn an_erasure_waits_for_the_first_snapshot_and_rewrites_it() {
    check_with_a_fold_under_way(false);
}

#[test]
fn an_erasure_waits_for_a_later_snapshot_and_rewrites_it() {
    check_with_a_fold_under_way(true);
}

fn check_with_a_fold_under_way(later: bool) {
    let home = Files::new();
    let (mut core, snapshots) = home.core(false);
    ann_talks(&mut core);
    if later {
        compact(core.journal().as_ref(), &snapshots, &UNTHROTTLED, &mut || true).unwrap().expect("segments are closed");
        core.commit([put("c-ann-2", ANN), text_of(ANN, "again", CANARY), end("c-ann-2")]).unwrap();
    }
    core.commit((0..30).map(|nth| text_of(BOB, &format!("bob-{nth}"), "sparrow"))).unwrap();
    let (journal, eraser, reads) = (core.journal(), core.eraser(), core.reads());
    let (under_way, reached) = sync_channel(1);
    let (release, released) = sync_channel::<()>(0);
    let folding = thread::spawn({
        let (journal, snapshots) = (Arc::clone(&journal), Arc::clone(&snapshots));
        move || {
            let mut waited = false;
            let mut pause = || {
                if !std::mem::replace(&mut waited, true) {
                    under_way.send(()).unwrap();
                    released.recv().unwrap();
                }
                true
            };
            compact(journal.as_ref(), &snapshots, &UNTHROTTLED, &mut pause).unwrap().expect("segments are closed")
        }
    });
    reached.recv().unwrap();
    erase(&mut core);
    let mut erasures = Erasures::running(&reads).unwrap().expect("it was begun");
    core.commit(erasures.begin()).unwrap();
    erasures.erase_from_journal(eraser.as_ref(), &mut || true).unwrap();
    let erasing = thread::spawn({
        let snapshots = Arc::clone(&snapshots);
        move || erasures.erase_from_snapshot(journal.as_ref(), &snapshots, &mut || true).unwrap()
    });
    // It has the time to overlook the fold. A fold that ends early shows nothing, and fails nothing.
    thread::sleep(Duration::from_millis(100));
    release.send(()).unwrap();
    folding.join().unwrap();
    erasing.join().unwrap();
    assert!(snapshots.latest().unwrap().expect("it was made").count > 5);
    assert_eq!(traces(&home.snapshot_dir()), []);
}

/// Everything at once, again and again: folds, rebuilds of the index, texts of another person, and the erasure.
#[test]
fn an_erasure_beside_folds_and_rebuilds_leaves_nothing_of_the_person() {
    let home = Files::new();
    let (mut core, snapshots) = home.core(true);
    core.repair_with(Arc::clone(&snapshots), Readiness::new());
    ann_talks(&mut core);
    core.commit([put("c-bob", BOB)]).unwrap();
    assert!(traces(home.path()).len() > 2, "it is looked for where it is: {:?}", traces(home.path()));
    let (journal, reads, eraser, place) = (core.journal(), core.reads(), core.eraser(), core.index_place());
    let (engine, handle) = Engine::start(core).unwrap();
    let folds = CompactionOptions { at_bytes: 1, again_after: Duration::ZERO, ..UNTHROTTLED };
    let compactor = Compactor::start(Arc::clone(&journal), Arc::clone(&snapshots), folds, Box::new(|| None)).unwrap();
    let parts = ErasureParts {
        handle: handle.clone(),
        reads: reads.clone(),
        eraser,
        journal,
        snapshots: Arc::clone(&snapshots),
        place,
        spare: Box::new(|| None),
        sweep_media: Box::new(|| Ok(())),
        again_after: Duration::from_millis(1),
    };
    let worker = ErasureWorker::start(parts).unwrap();
    let bob = |nth: usize| handle.submit_blocking(text_of(BOB, &format!("bob-{nth}"), "sparrow"), PATIENCE).unwrap();
    (0..BETWEEN).for_each(|nth| assert_eq!(bob(nth), Reply::InboundItem(IntakeOutcome::Attached)));
    let began = handle.submit_blocking(erasure(), PATIENCE).unwrap();
    let Reply::Erasure(began) = began else { panic!("{began:?}") };
    worker.handle().ask();
    let mut sent = BETWEEN;
    let mut rebuilds = 0;
    let give_up = Instant::now() + ERASED_WITHIN;
    while rebuilds < REBUILDS || !is_done(&reads, began.id) {
        for _ in 0..BETWEEN {
            worker.handle().ask();
            if sent < TEXTS_MAX {
                assert_eq!(bob(sent), Reply::InboundItem(IntakeOutcome::Attached));
                sent += 1;
            } else {
                thread::sleep(Duration::from_millis(1));
            }
        }
        if rebuilds < REBUILDS {
            home.fail.store(true, Ordering::Relaxed);
            rebuilds += 1;
        }
        assert!(Instant::now() < give_up, "the erasure does not end");
    }
    // A fold after it reads what is left.
    let folded = compactor.handle().covers();
    while compactor.handle().covers() == folded {
        assert_eq!(bob(sent), Reply::InboundItem(IntakeOutcome::Attached));
        sent += 1;
        assert!(sent < 50_000, "nothing is folded");
    }
    assert!(worker.stop() && compactor.stop());
    assert!(home.rebuilds.load(Ordering::Relaxed) >= REBUILDS as u64);
    assert_eq!(traces(home.path()), []);
    let call = |id: &str| match reads.ask(|view| view.call(&call_id(id))) {
        Ok(Some(CallRow::Call(call))) => call,
        other => panic!("{id}: {other:?}"),
    };
    assert_eq!(call("c-bob").usage.received as usize, sent);
    assert_eq!(call("c-bob").caller.kept(), Some(&Caller::read(BOB).unwrap()));
    assert_eq!((call("c-ann").caller.kept(), call("c-ann").usage.received), (None, 10));
    assert!(matches!(engine.stop(), Stopped::Cleanly));
    assert_eq!(traces(home.path()), []);
}

fn is_done(reads: &Reads, id: ErasureId) -> bool {
    // While the index is rebuilt, nothing is read.
    let erasure = reads.ask(|view| view.erasure(id)).ok().flatten();
    let state = erasure.map(|erasure| erasure.state);
    assert_ne!(state, Some(ErasureState::Failed));
    state == Some(ErasureState::Done)
}

/// A call of Ann's with ten texts, which has ended, and a text after it.
fn ann_talks(core: &mut Core) {
    let seed = Command::Seed { directory: Box::new(without_own_texts()), opt_outs: Vec::new() };
    core.commit([Command::GatewayStarted, seed, put("c-ann", ANN)]).unwrap();
    core.commit((0..10).map(|nth| text_of(ANN, &format!("ann-{nth}"), CANARY))).unwrap();
    core.commit([end("c-ann")]).unwrap();
}

/// Nothing is sent here, so nothing may wait to be sent.
fn without_own_texts() -> crate::model::Directory {
    let mut directory = example();
    directory.settings.closing.enabled = false;
    directory.settings.auto_reply.enabled = false;
    directory
}

fn end(id: &str) -> Command {
    Command::EndCall { call: call_id(id), reason: None, key: None }
}

fn text_of(from: &str, sid: &str, words: &str) -> Command {
    match text(sid, &format!("{words} {sid}")) {
        Command::InboundItem { account, item: InboundItem::Message(message) } => {
            let message = Inbound { from: Address::Number(number(from)), ..message };
            Command::InboundItem { account, item: InboundItem::Message(message) }
        }
        other => other,
    }
}

fn erasure() -> Command {
    Command::Erase { who: number(ANN), key: ErasureKey([7; 16]), idempotency: None, by: Actor::command_line() }
}

fn erase(core: &mut Core) {
    let replies = core.commit([erasure()]).unwrap();
    assert!(matches!(replies[..], [Reply::Erasure(_)]), "{replies:?}");
}

fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

/// A data directory, and an index in it that fails when it is told to.
struct Files {
    directory: TempDir,
    fail: Arc<AtomicBool>,
    rebuilds: Arc<AtomicU64>,
}

impl Files {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), fail: Arc::default(), rebuilds: Arc::default() }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn snapshot_dir(&self) -> PathBuf {
        self.path().join("snapshots")
    }

    fn core(&self, in_sled: bool) -> (Core, Arc<Snapshots>) {
        let options = Options { segment_bytes: SEGMENT_BYTES };
        let journal = FileJournal::open(&self.path().join("journal"), options).unwrap();
        let index: Box<dyn Index> = if in_sled { Box::new(self.index(&journal)) } else { Box::new(MemoryIndex::new()) };
        let claims = Claims::in_memory([2; 16], CLAIMS_MAX);
        let origin = Origin { journal: journal.identity(), rows_version: ROWS_VERSION };
        let snapshots = Arc::new(Snapshots::open(&self.snapshot_dir(), origin).unwrap());
        let (core, _) = Core::recover(Box::new(journal), index, claims, Box::new(SetClock::at(wall(0)))).unwrap();
        (core, snapshots)
    }

    fn index(&self, journal: &FileJournal) -> Failing {
        let owner = Owner { journal: journal.identity(), rows_version: ROWS_VERSION };
        let sled = SledIndex::open(&self.path().join("index"), owner).unwrap().index;
        Failing { sled, fail: Arc::clone(&self.fail), rebuilds: Arc::clone(&self.rebuilds) }
    }
}

struct Failing {
    sled: SledIndex,
    fail: Arc<AtomicBool>,
    rebuilds: Arc<AtomicU64>,
}

impl Index for Failing {
    fn applied(&self) -> Position {
        self.sled.applied()
    }

    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed> {
        if self.fail.swap(false, Ordering::Relaxed) {
            return Err(RowsFailed("it failed".to_owned()));
        }
        self.sled.write(writes, position)
    }

    fn reader(&self) -> Arc<dyn Rows + Send + Sync> {
        self.sled.reader()
    }

    fn hide(&mut self, hidden: bool) {
        self.sled.hide(hidden);
    }

    fn tables(&self) -> Vec<Table> {
        self.sled.tables()
    }

    fn start_over(&mut self) -> Result<(), RowsFailed> {
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
        self.sled.start_over()
    }

    fn place(&self) -> Option<Place> {
        self.sled.place()
    }

    fn replace_by(&mut self, beside: Beside) -> Result<Replaced, RowsFailed> {
        self.sled.replace_by(beside)
    }

    fn close(self: Box<Self>) -> Result<(), RowsFailed> {
        Box::new(self.sled).close()
    }
}

impl Rows for Failing {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        self.sled.get(key)
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        self.sled.scan(table, prefix, from, limit)
    }
}

/// Files with something of Ann in them, and what.
fn traces(directory: &Path) -> Vec<(PathBuf, &'static str)> {
    let ann = number(ANN);
    let forms = [
        ("digits", ANN.as_bytes()[1..].to_vec()),
        ("encoded", encode_row(&ann)),
        ("key", ann.key().to_vec()),
        ("text", CANARY.as_bytes().to_vec()),
    ];
    let mut traces = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            traces.extend(self::traces(&path));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let found = forms.iter().filter(|(_, form)| memchr::memmem::find(&bytes, form).is_some());
        traces.extend(found.map(|(name, _)| (path.clone(), *name)));
    }
    traces
}
