//! Read-only access to committed state.

use super::tail::{Follow, FollowFailed};
use crate::journal::JournalFailed;
use crate::machine::event::Event;
use crate::machine::rows::{Key, Rows, RowsFailed, Table};
use crate::machine::view::View;
use crate::model::{Claim, Directory, EventId, MessageId};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Reads rows and texts from any thread. It may block on the disk, so async callers use a blocking task.
#[derive(Clone)]
pub struct Reads {
    rows: Arc<dyn Rows + Send + Sync>,
    directory: Arc<RwLock<Arc<Directory>>>,
    follow: Follow,
    /// Where to note what was read; only readers that name their position have it.
    read_at: Option<ReadAt>,
}

/// The position of the state that a reader saw, as the cursor of the events it reflects: the first, if it read several.
#[derive(Clone, Default)]
pub struct ReadAt(Arc<Mutex<Option<EventId>>>);

impl ReadAt {
    /// The cursor; `None` if nothing was read.
    pub fn cursor(&self) -> Option<EventId> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, cursor: EventId) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *first = Some(first.map_or(cursor, |first| first.min(cursor)));
    }
}

impl Reads {
    pub(super) fn new(
        rows: Arc<dyn Rows + Send + Sync>,
        directory: Arc<RwLock<Arc<Directory>>>,
        follow: Follow,
    ) -> Self {
        Self { rows, directory, follow, read_at: None }
    }

    /// The same reader, which notes the position of what it reads.
    pub fn noting(&self, read_at: &ReadAt) -> Self {
        Self { read_at: Some(read_at.clone()), ..self.clone() }
    }

    /// Reads, between two batches if the position is noted.
    fn read<T>(&self, read: impl FnOnce() -> T) -> T {
        let Some(read_at) = &self.read_at else { return read() };
        let (found, cursor) = self.follow.in_step(read);
        read_at.note(cursor);
        found
    }

    /// The current directory.
    pub fn directory(&self) -> Arc<Directory> {
        self.read(|| self.current_directory())
    }

    fn current_directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The reader of committed frames.
    pub fn follow(&self) -> &Follow {
        &self.follow
    }

    /// Runs a query on the committed state.
    pub fn ask<T>(&self, question: impl FnOnce(&Committed<'_>) -> T) -> Result<T, RowsFailed> {
        self.read(|| {
            let (rows, directory) = (self.rows.as_ref(), self.current_directory());
            let committed = Committed { rows, directory, failed: RefCell::new(None) };
            let answer = question(&committed);
            match committed.failed.into_inner() {
                None => Ok(answer),
                Some(failed) => Err(failed),
            }
        })
    }

    /// A message's text, from the frame that created it; `None` if it is no longer kept.
    pub fn text(&self, message: MessageId) -> Result<Option<String>, FollowFailed> {
        let frame = match self.follow.frame(message.position()) {
            Err(FollowFailed::Journal(JournalFailed::Gone { .. })) | Ok(None) => return Ok(None),
            Err(failed) => return Err(failed),
            Ok(Some(frame)) => frame,
        };
        Ok(frame.events.iter().find_map(|event| match &event.event {
            Event::MessageQueued { message: found, text, .. } | Event::MessageReceived { message: found, text, .. }
                if found.id == message =>
            {
                text.kept().cloned()
            }
            _ => None,
        }))
    }
}

/// A view of committed rows.
pub struct Committed<'a> {
    rows: &'a (dyn Rows + Send + Sync),
    directory: Arc<Directory>,
    failed: RefCell<Option<RowsFailed>>,
}

impl Committed<'_> {
    fn fail<T>(&self, failed: RowsFailed, instead: T) -> T {
        self.failed.borrow_mut().get_or_insert(failed);
        instead
    }
}

impl View for Committed<'_> {
    fn row(&self, key: &Key) -> Option<Vec<u8>> {
        self.rows.get(key).unwrap_or_else(|failed| self.fail(failed, None))
    }

    fn rows(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.rows.scan(table, prefix, from, limit).unwrap_or_else(|failed| self.fail(failed, Vec::new()))
    }

    fn claimed(&self, _claim: &Claim) -> bool {
        false
    }

    fn directory(&self) -> &Directory {
        &self.directory
    }
}
