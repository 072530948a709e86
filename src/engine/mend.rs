//! An index that fails while the gateway runs is made anew from snapshot and journal.
//!
//! Invariant: what was acknowledged is in the journal, so nothing is lost with an index; and as long as it is not whole
//! again nothing is answered from it.

use super::compaction::CompactionOptions;
use super::core::{Core, EngineFailed};
use super::rebuild;
use crate::index::SCAN_MAX_ROWS;
use crate::journal::snapshot::Snapshots;
use crate::machine::rows::{Key, RowsFailed, Write};
use crate::observe::{self, NotReady, Readiness, RebuildReason};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long it is waited for room on a full disk before it is tried again.
const AGAIN_EVERY: Duration = Duration::from_millis(250);

/// What an engine needs to mend its index. Without it a failure of the index ends the engine.
pub(super) struct Mending {
    snapshots: Arc<Snapshots>,
    readiness: Readiness,
    /// Shows that the engine turns; says whether to go on.
    pub(super) turn: Box<dyn FnMut() -> bool + Send>,
}

impl Core {
    /// From now on a failure of the index does not end the engine: the index is rebuilt, and new work is refused meanwhile.
    pub fn mend_with(&mut self, snapshots: Arc<Snapshots>, readiness: Readiness) {
        self.mending = Some(Mending { snapshots, readiness, turn: Box::new(|| true) });
    }

    /// Mends the index where a reader has found that it fails.
    pub(super) fn look_after_the_index(&mut self) -> Result<(), EngineFailed> {
        if self.index.has_failed() { self.mend(RowsFailed("a row cannot be read".to_owned())) } else { Ok(()) }
    }

    /// Rebuilds the index up to the journal's end; on a full disk, once there is room.
    ///
    /// # Errors
    /// Where the rebuild fails for another reason than a full disk, or the engine is to stop.
    pub(super) fn mend(&mut self, why: RowsFailed) -> Result<(), EngineFailed> {
        let Some(mut mending) = self.mending.take() else { return Err(why.into()) };
        tracing::error!(%why, "the index failed: it is rebuilt from the journal, and new work is refused meanwhile");
        mending.readiness.set(NotReady::StorageUnavailable, true);
        self.index.hide(true);
        let began = Instant::now();
        while let Err(failed) = self.rebuild(&mut mending) {
            if self.index.has_room() || !(mending.turn)() {
                return Err(failed);
            }
            thread::sleep(AGAIN_EVERY);
        }
        self.index.hide(false);
        mending.readiness.set(NotReady::StorageUnavailable, false);
        observe::index_rebuilt(RebuildReason::FailedWhileRunning, began.elapsed());
        self.mending = Some(mending);
        Ok(())
    }

    fn rebuild(&mut self, mending: &mut Mending) -> Result<(), EngineFailed> {
        let mut turn = || _ = (mending.turn)();
        self.index.start_over()?;
        rebuild::load(Some(&mending.snapshots), self.reader.as_ref(), self.index.as_mut(), &mut turn)?;
        let last = self.reader.last();
        rebuild::replay(self.reader.as_ref(), self.index.as_mut(), &mut self.claims, last, &mut turn)?;
        Ok(())
    }

    /// Makes a snapshot of the rows as they are now: also of those whose frames the journal has lost, which would otherwise
    /// be gone with the index.
    pub fn keep_in_snapshot(&mut self, snapshots: &Snapshots) -> Result<(), EngineFailed> {
        let mut fold = snapshots.fold(false, CompactionOptions::default().run_bytes)?;
        let mut goes_on = || true;
        for table in self.index.tables() {
            let mut from = Vec::new();
            loop {
                let page = self.index.scan(table, &[], &from, SCAN_MAX_ROWS)?;
                let full = page.len() == SCAN_MAX_ROWS;
                if let Some((last, _)) = page.last() {
                    // The first key after this one.
                    from = last.iter().copied().chain([0]).collect();
                }
                let writes = page.into_iter().map(|(bytes, row)| Write::Put(Key { table, bytes }, row));
                fold.add(writes.collect(), &mut goes_on)?;
                if !full {
                    break;
                }
            }
        }
        fold.finish(self.index.applied(), self.clock.now(), &mut goes_on)?;
        Ok(())
    }
}
