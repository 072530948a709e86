//! What an index lacks that the journal alone cannot give it.
//!
//! Invariant: after this the journal's frames after `Index::applied` are all there is to add; or the start is refused,
//! because something that was known would be missing.

use super::core::EngineFailed;
use crate::index::Index;
use crate::journal::JournalReader;
use crate::journal::snapshot::{Snapshot, Snapshots};
use crate::machine::rows::Write;
use crate::model::Position;
use std::time::Instant;

/// Rows written at a time.
const LOAD_ROWS: usize = 1_000;

/// Loads the latest snapshot into an index that is empty, or that ends before the journal begins. Returns how many rows
/// came from it. `turn` is called now and then: it takes a while.
pub(super) fn load(
    snapshots: Option<&Snapshots>,
    journal: &dyn JournalReader,
    index: &mut dyn Index,
    turn: &mut dyn FnMut(),
) -> Result<u64, EngineFailed> {
    let (oldest, end) = journal.bounds();
    let last = Position(end.0 - 1);
    if index.applied() > last {
        return Err(EngineFailed::Ahead { index: index.applied(), last });
    }
    let lost = |why: String| EngineFailed::Lost { oldest, why };
    let before = journal.last_before_oldest();
    let whole = before == Position(0);
    let needed = index.applied() == Position(0) || index.applied() < before;
    let found = snapshots.map_or(Ok(None), Snapshots::latest);
    let snapshot = match found.and_then(|found| found.map(|found| found.within(last)).transpose()) {
        Ok(Some(snapshot)) if needed => snapshot,
        Ok(_) if !needed || whole => return Ok(0),
        Ok(_) => return Err(lost("there is no snapshot".to_owned())),
        Err(unusable) if unusable.is_unusable() && (whole || !needed) => {
            tracing::warn!(%unusable, "the snapshot is not used");
            return Ok(0);
        }
        Err(unusable) if unusable.is_unusable() => return Err(lost(unusable.to_string())),
        Err(error) => return Err(error.into()),
    };
    if snapshot.covers < before {
        return Err(lost(format!("the snapshot reaches to position {}", snapshot.covers.0)));
    }
    if index.applied() != Position(0) {
        index.start_over()?;
    }
    match fill(&snapshot, index, turn) {
        Ok(()) => Ok(snapshot.count),
        Err(EngineFailed::Snapshot(unusable)) if unusable.is_unusable() => {
            if !whole {
                return Err(lost(unusable.to_string()));
            }
            tracing::warn!(%unusable, "the snapshot is not used: the journal still has everything");
            index.start_over()?;
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

fn fill(snapshot: &Snapshot, index: &mut dyn Index, turn: &mut dyn FnMut()) -> Result<(), EngineFailed> {
    let began = Instant::now();
    tracing::info!(position = snapshot.covers.0, rows = snapshot.count, "loading the snapshot");
    let mut rows = snapshot.rows();
    let mut writes = Vec::with_capacity(LOAD_ROWS);
    while let Some((key, row)) = rows.next()? {
        writes.push(Write::Put(key, row));
        if writes.len() == LOAD_ROWS {
            // A snapshot half loaded is no index yet, so it is not said how far it has come.
            index.write(&writes, Position(0))?;
            writes.clear();
            turn();
        }
    }
    index.write(&writes, Position(0))?;
    index.write(&[], snapshot.covers)?;
    tracing::info!(seconds = began.elapsed().as_secs_f64(), "the snapshot is loaded");
    Ok(())
}
