//! The journal in memory, for simulations and tests.
//!
//! Invariant: it behaves exactly like the journal on disk: readers see what is synced, and a crash may lose everything
//! else.

use super::{Closed, Eraser, Frame, Journal, JournalFailed, JournalReader, Record, Which};
use crate::model::{Position, Timestamp};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A journal in memory. Clones share the same journal: a simulation keeps one and uses another as the writer. There
/// must be only one writer at a time.
#[derive(Clone, Default)]
pub struct MemoryJournal {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    identity: [u8; 16],
    /// Number of deleted frames, all before `frames`.
    forgotten: u64,
    frames: Vec<Frame>,
    /// The time when each of `frames` was written.
    times: Vec<Timestamp>,
    /// Number of synced `frames`.
    synced: usize,
    /// Number of `frames` that a later synced one records as durable.
    known_durable: usize,
    /// The next operation fails.
    failing: bool,
    /// An operation has failed, so the journal accepts nothing more.
    dead: bool,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new(identity: [u8; 16]) -> Self {
        Self { kept: Arc::new(Mutex::new(Kept { identity, ..Kept::default() })) }
    }

    /// Simulates a crash and restart: the first `keep` of the unsynced frames survive (and are synced, as after
    /// recovery), the others are lost. A failed disk works again.
    pub fn crash(&self, keep: usize) {
        let mut kept = self.lock();
        let left = kept.synced.saturating_add(keep).min(kept.frames.len());
        kept.frames.truncate(left);
        kept.times.truncate(left);
        kept.synced = left;
        kept.known_durable = 0;
        kept.failing = false;
        kept.dead = false;
    }

    /// Makes the next append or sync fail. The journal is then dead until `crash`.
    pub fn fail(&self) {
        self.lock().failing = true;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> Result<MutexGuard<'_, Kept>, JournalFailed> {
        let mut kept = self.lock();
        kept.dead |= kept.failing;
        if kept.dead { Err(JournalFailed::Disk("simulated disk failure".to_owned())) } else { Ok(kept) }
    }
}

impl Journal for MemoryJournal {
    fn identity(&self) -> [u8; 16] {
        self.lock().identity
    }

    fn next(&self) -> Position {
        self.lock().after(usize::MAX)
    }

    fn append(&mut self, records: &[Record], now: Timestamp) -> Result<(), JournalFailed> {
        records.iter().try_for_each(Record::check)?;
        let mut kept = self.alive()?;
        for record in records {
            let position = kept.after(usize::MAX);
            let bodies = record.bodies.iter().cloned().map(Some).collect();
            kept.times.push(now);
            kept.frames.push(Frame { position, meta: record.meta.clone(), bodies });
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalFailed> {
        let mut kept = self.alive()?;
        if kept.synced < kept.frames.len() {
            kept.known_durable = kept.synced;
        }
        kept.synced = kept.frames.len();
        Ok(())
    }

    fn drop_before(&mut self, position: Position) -> Result<(), JournalFailed> {
        let mut kept = self.alive()?;
        // The last frame is kept, like the current segment on disk.
        let before = usize::try_from(position.0.saturating_sub(kept.forgotten + 1)).unwrap_or(usize::MAX);
        let count = before.min(kept.synced.saturating_sub(1));
        kept.frames.drain(..count);
        kept.times.drain(..count);
        kept.forgotten += count as u64;
        kept.synced -= count;
        kept.known_durable = kept.known_durable.saturating_sub(count);
        Ok(())
    }

    fn eraser(&self) -> Arc<dyn Eraser> {
        Arc::new(self.clone())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(self.clone())
    }
}

impl Eraser for MemoryJournal {
    fn erase(
        &self,
        range: RangeInclusive<Position>,
        which: Which<'_>,
        _goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<u64, JournalFailed> {
        let mut kept = self.alive()?;
        let known_durable = kept.known_durable;
        let mut erased = 0;
        for frame in kept.frames[..known_durable].iter_mut().filter(|frame| range.contains(&frame.position)) {
            for index in which(frame) {
                erased += u64::from(frame.bodies[index].take().is_some());
            }
        }
        Ok(erased)
    }
}

impl JournalReader for MemoryJournal {
    fn bounds(&self) -> (Position, Position) {
        let kept = self.lock();
        (kept.after(0), kept.after(kept.synced))
    }

    fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Frame>, JournalFailed> {
        let kept = self.lock();
        let oldest = kept.after(0);
        let Some(skip) = from.0.checked_sub(oldest.0) else { return Err(JournalFailed::Gone { oldest }) };
        let readable = &kept.frames[..kept.synced];
        let mut frames = Vec::new();
        let mut bytes = 0;
        for frame in readable.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
            if !frames.is_empty() && bytes >= max_bytes {
                break;
            }
            bytes += bytes_of(frame);
            frames.push(frame.clone());
        }
        Ok(frames)
    }

    // In memory each frame counts as a segment of its own.
    fn all_before(&self, at: Timestamp) -> Result<Position, JournalFailed> {
        let kept = self.lock();
        let begun = kept.times[..kept.synced].partition_point(|written| *written <= at);
        Ok(kept.after(begun.saturating_sub(1)))
    }

    fn kept_within(&self, most: u64) -> (u64, Position) {
        let kept = self.lock();
        let mut bytes = 0;
        let mut from = kept.after(kept.synced.saturating_sub(1));
        for (place, frame) in kept.frames[..kept.synced].iter().enumerate().rev() {
            bytes += bytes_of(frame) as u64;
            if bytes <= most {
                from = kept.after(place);
            }
        }
        (bytes, from)
    }

    fn closed_after(&self, _position: Position) -> Closed {
        // There are no files.
        Closed { last: Position(0), bytes: 0 }
    }
}

fn bytes_of(frame: &Frame) -> usize {
    frame.meta.len() + frame.bodies.iter().flatten().map(Vec::len).sum::<usize>()
}

impl Kept {
    /// The position after the first `count` frames.
    fn after(&self, count: usize) -> Position {
        Position(self.forgotten + self.frames.len().min(count) as u64 + 1)
    }
}
