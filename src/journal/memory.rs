//! The journal in memory: the twin of the one on disk, for simulations and tests.
//!
//! Invariant: it shows, keeps and loses exactly what a disk would: readers see what is synced, and a crash may take all
//! else.

use super::{Closed, Frame, Journal, JournalFailed, JournalReader, Record};
use crate::model::{Position, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A journal without a disk. Clones are the same journal: a simulation keeps one and gives the other away as the
/// writing end, and there must be one writing end at a time.
#[derive(Clone, Default)]
pub struct MemoryJournal {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    identity: [u8; 16],
    frames: Vec<Frame>,
    /// How many of `frames` are synced.
    synced: usize,
    /// The disk is to fail from now on.
    failing: bool,
    /// It failed, and what is written is no more to be believed.
    dead: bool,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new(identity: [u8; 16]) -> Self {
        Self { kept: Arc::new(Mutex::new(Kept { identity, ..Kept::default() })) }
    }

    /// The process dies and comes again: of the frames that were not synced the first `keep` are still there (now synced
    /// and readable, as after recovery), the others never were. A disk that failed works again.
    pub fn crash(&self, keep: usize) {
        let mut kept = self.lock();
        let left = kept.synced.saturating_add(keep).min(kept.frames.len());
        kept.frames.truncate(left);
        kept.synced = left;
        kept.failing = false;
        kept.dead = false;
    }

    /// Makes the next append or sync fail. The journal is dead from then on, until a crash.
    pub fn fail(&self) {
        self.lock().failing = true;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> Result<MutexGuard<'_, Kept>, JournalFailed> {
        let mut kept = self.lock();
        kept.dead |= kept.failing;
        if kept.dead { Err(JournalFailed::Disk("the disk in memory was told to fail".to_owned())) } else { Ok(kept) }
    }
}

impl Journal for MemoryJournal {
    fn identity(&self) -> [u8; 16] {
        self.lock().identity
    }

    fn next(&self) -> Position {
        self.lock().after(usize::MAX)
    }

    fn append(&mut self, records: &[Record], _now: Timestamp) -> Result<(), JournalFailed> {
        records.iter().try_for_each(Record::check)?;
        let mut kept = self.alive()?;
        for record in records {
            let position = kept.after(usize::MAX);
            let bodies = record.bodies.iter().cloned().map(Some).collect();
            kept.frames.push(Frame { position, meta: record.meta.clone(), bodies });
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalFailed> {
        let mut kept = self.alive()?;
        kept.synced = kept.frames.len();
        Ok(())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(self.clone())
    }
}

impl JournalReader for MemoryJournal {
    fn bounds(&self) -> (Position, Position) {
        let kept = self.lock();
        (Position(1), kept.after(kept.synced))
    }

    fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Frame>, JournalFailed> {
        let kept = self.lock();
        let Some(skip) = from.0.checked_sub(1) else { return Err(JournalFailed::Gone { oldest: Position(1) }) };
        let readable = &kept.frames[..kept.synced];
        let mut frames = Vec::new();
        let mut bytes = 0;
        for frame in readable.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
            if !frames.is_empty() && bytes >= max_bytes {
                break;
            }
            bytes += frame.meta.len() + frame.bodies.iter().flatten().map(Vec::len).sum::<usize>();
            frames.push(frame.clone());
        }
        Ok(frames)
    }

    fn closed_after(&self, _position: Position) -> Closed {
        // It has no files.
        Closed { last: Position(0), bytes: 0 }
    }
}

impl Kept {
    /// The position after the first `count` frames.
    fn after(&self, count: usize) -> Position {
        Position(self.frames.len().min(count) as u64 + 1)
    }
}
