//! F26: an index that fails while the gateway runs is rebuilt, and not read until then.

use super::*;
use crate::journal::snapshot::{Origin, Snapshots};
use crate::machine::rows::{Key, Rows, RowsFailed, ScannedRow, Table, Write};
use crate::observe::{NotReady, Readiness};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// An index whose disk can be full, and whose rows can be damaged.
#[derive(Clone)]
struct Fragile {
    kept: Arc<std::sync::Mutex<MemoryIndex>>,
    failed: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
}

impl Fragile {
    fn new() -> Self {
        let (failed, full) = Default::default();
        Self { kept: Arc::new(std::sync::Mutex::new(MemoryIndex::new())), failed, full }
    }

    fn works(&self) -> Result<std::sync::MutexGuard<'_, MemoryIndex>, RowsFailed> {
        if self.full.load(Ordering::Relaxed) {
            self.failed.store(true, Ordering::Relaxed);
        }
        if self.has_failed() { Err(RowsFailed("it failed".to_owned())) } else { Ok(self.kept.lock().unwrap()) }
    }
}

impl Index for Fragile {
    fn applied(&self) -> Position {
        self.kept.lock().unwrap().applied()
    }

    fn write(&mut self, writes: &[Write], position: Position) -> Result<(), RowsFailed> {
        self.works()?.write(writes, position)
    }

    fn reader(&self) -> Arc<dyn Rows + Send + Sync> {
        Arc::new(self.clone())
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        !self.full.load(Ordering::Relaxed)
    }

    fn tables(&self) -> Vec<Table> {
        self.kept.lock().unwrap().tables()
    }

    fn start_over(&mut self) -> Result<(), RowsFailed> {
        if !self.has_room() {
            return Err(RowsFailed("no room".to_owned()));
        }
        self.failed.store(false, Ordering::Relaxed);
        self.kept.lock().unwrap().start_over()
    }

    fn close(self: Box<Self>) -> Result<(), RowsFailed> {
        Ok(())
    }
}

impl Rows for Fragile {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RowsFailed> {
        self.works()?.get(key)
    }

    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<ScannedRow>, RowsFailed> {
        self.works()?.scan(table, prefix, from, limit)
    }
}

/// A core whose index can fail, with the call of [`TestEngine`] in it.
fn rebuilding_core(dir: &Path) -> (Core, Fragile, Readiness) {
    let world = TestEngine::new();
    let index = Fragile::new();
    let (mut core, _) = recover(&world.journal, index.clone(), &world.clock);
    let origin = Origin { journal: world.journal.identity(), rows_version: ROWS_VERSION };
    let readiness = Readiness::new();
    core.repair_with(Arc::new(Snapshots::open(dir, origin).unwrap()), readiness.clone());
    (core, index, readiness)
}

#[tokio::test]
async fn f26_with_a_full_disk_new_work_is_refused_until_the_index_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let (core, index, readiness) = rebuilding_core(dir.path());
    let reads = core.reads();
    let (engine, handle) = Engine::start(core).unwrap();
    index.full.store(true, Ordering::Relaxed);
    let patience = Duration::from_secs(60);
    let submitting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.submit(text("SM1", "hello"), patience).await }
    });
    until(|| readiness.holds(NotReady::StorageUnavailable)).await;
    let beats = engine.heartbeat().beats();
    until(|| engine.heartbeat().beats() >= beats + 3).await;
    assert!(!submitting.is_finished(), "a durable command is not answered before it can be read");
    index.full.store(false, Ordering::Relaxed);
    assert_eq!(submitting.await.unwrap(), Ok(Reply::InboundItem(IntakeOutcome::Attached)));
    assert!(!readiness.holds(NotReady::StorageUnavailable));
    let again = handle.submit(text("SM1", "hello"), patience).await;
    assert_eq!(again, Ok(Reply::InboundItem(IntakeOutcome::Duplicate)), "it was done once");
    assert!(matches!(reads.ask(|view| view.call(&call_id("c-1"))), Ok(Some(CallRow::Call(_)))));
    assert!(matches!(tokio::task::spawn_blocking(move || engine.stop()).await.unwrap(), Stopped::Cleanly));
}

#[tokio::test]
async fn f26_an_index_found_damaged_by_a_reader_is_rebuilt_without_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let (core, index, readiness) = rebuilding_core(dir.path());
    let reads = core.reads();
    let (engine, _handle) = Engine::start(core).unwrap();
    index.failed.store(true, Ordering::Relaxed);
    assert!(reads.ask(|view| view.call(&call_id("c-1"))).is_err());
    until(|| !index.has_failed() && !readiness.holds(NotReady::StorageUnavailable)).await;
    assert!(matches!(reads.ask(|view| view.call(&call_id("c-1"))), Ok(Some(CallRow::Call(_)))));
    assert!(matches!(tokio::task::spawn_blocking(move || engine.stop()).await.unwrap(), Stopped::Cleanly));
}

#[test]
fn f26_a_command_with_unreadable_rows_is_decided_after_the_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    let (mut core, index, _) = rebuilding_core(dir.path());
    core.commit([text("SM1", "hello")]).unwrap();
    index.failed.store(true, Ordering::Relaxed);
    assert_eq!(core.commit([text("SM1", "hello")]).unwrap(), [Reply::InboundItem(IntakeOutcome::Duplicate)]);
    assert_eq!(core.commit([text("SM2", "hello")]).unwrap(), [Reply::InboundItem(IntakeOutcome::Attached)]);
}

/// Waits until the condition holds.
async fn until(is: impl Fn() -> bool) {
    let polls = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), polls).await.expect("the condition is met in time");
}
