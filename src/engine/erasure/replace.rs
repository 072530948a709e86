//! Replaces the index by one without the people who are erased, because sled's files keep rows that were overwritten.
//!
//! Invariant: the new index is filled from the rows of the current one, without these people, and from the frames
//! written meanwhile; it takes the current one's place between two batches, when it has everything.

use super::{BeingErased, GoesOn, filter};
use crate::engine::core::{Core, EngineFailed};
use crate::index::{Beside, Place, Replaced};
use crate::journal::JournalReader;
use crate::machine::apply::apply;
use crate::machine::keys;
use crate::machine::record;
use crate::machine::rows::{Key, PAGE_ROWS, Write};
use crate::model::Position;
use std::sync::mpsc::SyncSender;

/// Bytes of frames read at a time.
const READ_BYTES: usize = 256 * 1024;

/// The engine is left at most so many frames to add, which takes it a few milliseconds.
const LEFT_MAX: u64 = 128;

/// An index that is to replace the current one.
pub(in crate::engine) struct Replacement {
    pub(super) beside: Beside,
    /// The last position whose rows it has.
    pub(super) applied: Position,
    /// The frames that began the erasures.
    pub(super) erasures: Vec<Position>,
    /// Gets the index that was replaced, or why none was.
    pub(super) answer: SyncSender<Result<Replaced, EngineFailed>>,
}

/// Copies the current index without these people.
pub(super) fn copy(place: &Place, erased: &[BeingErased], goes_on: GoesOn<'_>) -> Result<Beside, EngineFailed> {
    let mut beside = place.begin()?;
    let current = place.current();
    for table in place.tables() {
        for page in keys::pages(Vec::new(), |from| current.scan(table, &[], from, PAGE_ROWS)) {
            let rows = page?.into_iter().filter_map(|(bytes, row)| {
                let row = filter::left(erased, table, &bytes, row)?;
                Some(Write::Put(Key { table, bytes }, row))
            });
            beside.write(&rows.collect::<Vec<_>>())?;
            if !goes_on() {
                return Err(crate::journal::JournalFailed::Interrupted.into());
            }
        }
    }
    Ok(beside)
}

/// Adds the rows of frames after `applied` until few are left; returns the last position added.
pub(super) fn catch_up(
    journal: &dyn JournalReader,
    beside: &mut Beside,
    mut applied: Position,
    goes_on: GoesOn<'_>,
) -> Result<Position, EngineFailed> {
    while journal.count_from(applied.next()) > LEFT_MAX {
        applied = add(journal, beside, applied, READ_BYTES)?;
        if !goes_on() {
            return Err(crate::journal::JournalFailed::Interrupted.into());
        }
    }
    Ok(applied)
}

/// Adds the rows of some frames after `applied`; returns the last position added.
fn add(
    journal: &dyn JournalReader,
    beside: &mut Beside,
    applied: Position,
    max_bytes: usize,
) -> Result<Position, EngineFailed> {
    let mut last = applied;
    for frame in journal.read(applied.next(), max_bytes)? {
        last = frame.position;
        let frame = record::decode(last, &frame.meta, frame.bodies)
            .map_err(|why| EngineFailed::Record { position: last, why })?;
        beside.write(&apply(&frame))?;
    }
    Ok(last)
}

impl Core {
    /// Replaces the index, and forgets what is held in memory of the people who are erased. After an error the index is
    /// the one before.
    pub(in crate::engine) fn replace_index(&mut self, replacement: Replacement) {
        let Replacement { mut beside, applied, erasures, answer } = replacement;
        let replaced = self.complete(&mut beside, applied).and_then(|()| Ok(self.index.replace_by(beside)?));
        if replaced.is_ok() {
            self.end_erasures(&erasures);
        }
        // The worker may have stopped; the next start removes what was replaced.
        let _gone = answer.send(replaced);
    }

    fn complete(&self, beside: &mut Beside, mut applied: Position) -> Result<(), EngineFailed> {
        while applied < self.index.applied() {
            let last = add(self.reader.as_ref(), beside, applied, READ_BYTES)?;
            if last == applied {
                break;
            }
            applied = last;
        }
        Ok(())
    }
}
