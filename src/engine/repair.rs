//! Rebuilds an index that fails while the gateway runs, from snapshot and journal.
//!
//! Invariant: everything acknowledged is in the journal, so nothing is lost with an index; and nothing is read from the
//! index until it is complete again.

use super::compaction::CompactionOptions;
use super::core::{Core, EngineFailed};
use super::rebuild;
use crate::journal::snapshot::Snapshots;
use crate::machine::keys;
use crate::machine::rows::{Key, PAGE_ROWS, RowsFailed, Write};
use crate::observe::{self, NotReady, Readiness, RebuildReason};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The interval between attempts while the disk is full.
const AGAIN_EVERY: Duration = Duration::from_millis(250);

/// What an engine needs to rebuild its index. Without it a failure of the index ends the engine.
pub(super) struct Repair {
    snapshots: Arc<Snapshots>,
    readiness: Readiness,
    /// Counts a heartbeat; returns whether to continue.
    pub(super) turn: Box<dyn FnMut() -> bool + Send>,
}

impl Core {
    /// Makes the engine survive a failure of the index: it rebuilds the index and refuses new work until that is done.
    pub fn repair_with(&mut self, snapshots: Arc<Snapshots>, readiness: Readiness) {
        self.repair = Some(Repair { snapshots, readiness, turn: Box::new(|| true) });
    }

    /// Rebuilds the index if a reader found that it failed.
    pub(super) fn rebuild_index_if_failed(&mut self) -> Result<(), EngineFailed> {
        if self.index.has_failed() { self.repair(RowsFailed("a row cannot be read".to_owned())) } else { Ok(()) }
    }

    /// Rebuilds the index up to the journal's end. On a full disk it waits until there is space.
    ///
    /// # Errors
    /// If the rebuild fails for another reason than a full disk, or the engine must stop.
    pub(super) fn repair(&mut self, why: RowsFailed) -> Result<(), EngineFailed> {
        let Some(mut repair) = self.repair.take() else { return Err(why.into()) };
        tracing::error!(%why, "index failed: rebuilding it from the journal; new work is refused until then");
        repair.readiness.set(NotReady::StorageUnavailable, true);
        self.index.hide(true);
        let began = Instant::now();
        while let Err(failed) = self.rebuild(&mut repair) {
            if self.index.has_room() || !(repair.turn)() {
                return Err(failed);
            }
            thread::sleep(AGAIN_EVERY);
        }
        self.index.hide(false);
        repair.readiness.set(NotReady::StorageUnavailable, false);
        observe::index_rebuilt(RebuildReason::FailedWhileRunning, began.elapsed());
        self.repair = Some(repair);
        Ok(())
    }

    fn rebuild(&mut self, repair: &mut Repair) -> Result<(), EngineFailed> {
        let mut turn = || _ = (repair.turn)();
        self.index.start_over()?;
        rebuild::load(Some(&repair.snapshots), self.reader.as_ref(), self.index.as_mut(), &mut turn)?;
        let last = self.reader.last();
        rebuild::replay(self.reader.as_ref(), self.index.as_mut(), &mut self.claims, last, &mut turn)?;
        Ok(())
    }

    /// Makes a snapshot of the current rows, including those whose frames the journal has lost, which would otherwise
    /// be lost with the index.
    pub fn keep_in_snapshot(&mut self, snapshots: &Snapshots) -> Result<(), EngineFailed> {
        let mut compaction = snapshots.compact(false, CompactionOptions::default().run_bytes)?;
        let mut goes_on = || true;
        for table in self.index.tables() {
            for page in keys::pages(Vec::new(), |from| self.index.scan(table, &[], from, PAGE_ROWS)) {
                let writes = page?.into_iter().map(|(bytes, row)| Write::Put(Key { table, bytes }, row));
                compaction.add(writes.collect(), &mut goes_on)?;
            }
        }
        compaction.finish(self.index.applied(), self.clock.now(), &mut goes_on)?;
        Ok(())
    }
}
