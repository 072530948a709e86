//! Rows as they are without a person who is being erased.
//!
//! Invariant: what was written before the erasure is read without the person from then on, although it is still there;
//! so nothing that is decided later contains it. Rows written since are new data, and are left as they are.

use crate::engine::core::EngineFailed;
use crate::journal::JournalReader;
use crate::machine::apply::apply;
use crate::machine::erase::Person;
use crate::machine::record;
use crate::machine::rows::{Key, Table, Write};
use crate::model::Position;
use std::collections::HashSet;

/// Bytes of frames read at a time.
const READ_BYTES: usize = 256 * 1024;

/// A person who is being erased.
pub(in crate::engine) struct BeingErased {
    /// The frame that began the erasure.
    pub(in crate::engine) from: Position,
    person: Person,
    /// Rows with the person that were written since.
    written: HashSet<Key>,
}

impl BeingErased {
    /// A person whose erasure begins with the last frame written.
    pub(in crate::engine) fn new(from: Position, person: Person) -> Self {
        Self { from, person, written: HashSet::new() }
    }

    /// The same, for rows of everything up to `until`.
    pub(super) fn from_journal(
        journal: &dyn JournalReader,
        from: Position,
        person: Person,
        until: Position,
    ) -> Result<Self, EngineFailed> {
        let mut being = Self::new(from, person);
        let mut next = from.next();
        while next <= until {
            let frames = journal.read(next, READ_BYTES)?;
            let Some(last) = frames.last() else { break };
            next = last.position.next();
            for frame in frames.into_iter().take_while(|frame| frame.position <= until) {
                let position = frame.position;
                let frame = record::decode(position, &frame.meta, frame.bodies)
                    .map_err(|why| EngineFailed::Record { position, why })?;
                being.note(&apply(&frame));
            }
        }
        Ok(being)
    }

    /// Notes rows written since the erasure began.
    pub(in crate::engine) fn note(&mut self, writes: &[Write]) {
        for write in writes {
            if let Write::Put(key, row) = write
                && (self.person.is_named_in(row) || self.person.is_named_in(&key.bytes))
            {
                self.written.insert(key.clone());
            }
        }
    }

    /// The row without the person; `None` if nothing is left of it.
    fn left(&self, table: Table, key: &[u8], row: Vec<u8>) -> Option<Vec<u8>> {
        if !self.person.is_named_in(&row) && !self.person.is_named_in(key) {
            return Some(row);
        }
        let whole = Key { table, bytes: key.to_vec() };
        if self.written.contains(&whole) { Some(row) } else { self.person.row(table, key, row) }
    }
}

/// The row without these people; `None` if nothing is left of it.
pub(in crate::engine) fn left(erased: &[BeingErased], table: Table, key: &[u8], row: Vec<u8>) -> Option<Vec<u8>> {
    erased.iter().try_fold(row, |row, being| being.left(table, key, row))
}
