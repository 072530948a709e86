//! Fills an index from snapshot and journal.
//!
//! Invariant: after `load`, only the journal's frames after `Index::applied` are missing from the index; otherwise the
//! start is refused, because state would be lost.

use super::core::EngineFailed;
use crate::index::{Claims, Index};
use crate::journal::JournalReader;
use crate::journal::snapshot::{Snapshot, Snapshots};
use crate::machine::apply::{apply, listed};
use crate::machine::event::{CommittedFrame, Event};
use crate::machine::keys::{decode_row, kind, name_in, state_key};
use crate::machine::record;
use crate::machine::rows::{Key, Write};
use crate::machine::state::CallRow;
use crate::model::{CallId, Claim, Position, Timestamp};
use std::time::Instant;

/// Bytes of frames read at a time.
const REPLAY_BYTES: usize = 1024 * 1024;

/// Rows written at a time.
const LOAD_ROWS: usize = 1_000;

/// Loads the latest snapshot into an index that is empty or ends before the journal begins. Returns the number of rows
/// loaded. `turn` is called regularly, because this takes a while.
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
            tracing::warn!(%unusable, "snapshot unusable: ignored, the journal or index is complete");
            return Ok(0);
        }
        Err(unusable) if unusable.is_unusable() => return Err(lost(unusable.to_string())),
        Err(error) => return Err(error.into()),
    };
    if snapshot.covers < before {
        return Err(lost(format!("the snapshot ends at position {}", snapshot.covers.0)));
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
            tracing::warn!(%unusable, "snapshot unusable: ignored, the journal is complete");
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
        // Snapshots before version 4 of the rows do not list calls by time.
        writes.extend(listed_call(&key, &row));
        writes.push(Write::Put(key, row));
        if writes.len() >= LOAD_ROWS {
            // A half-loaded snapshot is not a usable index, so its position stays 0.
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

/// The write that lists a call's row by its time.
fn listed_call(key: &Key, row: &[u8]) -> Option<Write> {
    let prefix = state_key(kind::CALL, &[]);
    let name = if key.table == prefix.table && key.bytes.starts_with(&prefix.bytes) {
        name_in(&key.bytes, &prefix)
    } else {
        None
    };
    Some(listed(decode_row::<CallRow>(row)?.at(), &CallId::read(name?)?))
}

/// Replays the rows and claims of journal frames that index or claims lack. Returns the journal's latest time.
pub(super) fn replay(
    reader: &dyn JournalReader,
    index: &mut dyn Index,
    claims: &mut Claims,
    last: Position,
    turn: &mut dyn FnMut(),
) -> Result<Timestamp, EngineFailed> {
    let mut latest = Timestamp::default();
    // The journal may have deleted frames with claims; those are older than any repeat.
    let claims_from = claims.applied().next().max(reader.bounds().0);
    // The last frame is always read, for its time.
    let mut next = index.applied().next().min(claims_from).min(last).max(Position(1));
    while next <= last {
        turn();
        let frames = reader.read(next, REPLAY_BYTES)?;
        let mut writes = Vec::new();
        let applied = index.applied();
        let claimed = claims.applied();
        for frame in frames {
            let position = frame.position;
            let frame = record::decode(position, &frame.meta, frame.bodies)
                .map_err(|why| EngineFailed::Record { position, why })?;
            if position > applied {
                writes.extend(apply(&frame));
            }
            if position > claimed {
                if latest.day() != frame.at.day() {
                    // A day's file holds only the claims of that day.
                    claims.flush_batch(Position(position.0 - 1).max(claimed), latest.day())?;
                }
                insert_claims(claims, &frame);
            }
            latest = latest.max(frame.at);
            next = position.next();
        }
        let reached = Position(next.0 - 1);
        if reached > claimed {
            claims.flush_batch(reached, latest.day())?;
        }
        if reached > applied {
            index.write(&writes, reached)?;
        }
    }
    Ok(latest)
}

pub(super) fn insert_claims(claims: &mut Claims, frame: &CommittedFrame) {
    for claim in frame.events.iter().filter_map(|event| claim_of(&event.event)) {
        claims.insert(&claim, frame.position);
    }
}

pub(super) fn claim_of(event: &Event) -> Option<Claim> {
    match event {
        Event::Claimed { account, carrier_id, kind } => {
            Some(Claim { account: account.clone(), carrier_id: carrier_id.clone(), kind: kind.clone() })
        }
        _ => None,
    }
}
