//! A journal whose writes a test can delay, time or make fail.

use super::{Eraser, Journal, JournalFailed, JournalReader, Record};
use crate::model::{Position, Timestamp};
use std::sync::Arc;

/// What a journal is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// To write records.
    Append,
    /// To make them durable.
    Sync,
}

/// Runs an operation, or fails in its place.
type Hook = dyn FnMut(Operation, &mut dyn FnMut() -> Result<(), JournalFailed>) -> Result<(), JournalFailed> + Send;

/// A journal with a hook around its writes.
pub struct HookedJournal<J> {
    journal: J,
    hook: Box<Hook>,
}

impl<J: Journal> HookedJournal<J> {
    /// Every append and sync of `journal` goes through `hook`.
    pub fn new<H>(journal: J, hook: H) -> Self
    where
        H: FnMut(Operation, &mut dyn FnMut() -> Result<(), JournalFailed>) -> Result<(), JournalFailed>
            + Send
            + 'static,
    {
        Self { journal, hook: Box::new(hook) }
    }
}

impl<J: Journal> Journal for HookedJournal<J> {
    fn identity(&self) -> [u8; 16] {
        self.journal.identity()
    }

    fn next(&self) -> Position {
        self.journal.next()
    }

    fn append(&mut self, records: &[Record], now: Timestamp) -> Result<(), JournalFailed> {
        (self.hook)(Operation::Append, &mut || self.journal.append(records, now))
    }

    fn sync(&mut self) -> Result<(), JournalFailed> {
        (self.hook)(Operation::Sync, &mut || self.journal.sync())
    }

    fn drop_before(&mut self, position: Position) -> Result<(), JournalFailed> {
        self.journal.drop_before(position)
    }

    fn eraser(&self) -> Arc<dyn Eraser> {
        self.journal.eraser()
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        self.journal.reader()
    }
}
