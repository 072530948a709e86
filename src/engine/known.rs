//! The view for decisions: the index, overlaid with the effects of the current batch.

use crate::index::{Claims, Index};
use crate::journal::{JournalFailed, JournalReader};
use crate::machine::event::Event;
use crate::machine::record;
use crate::machine::rows::{Key, PAGE_ROWS, Table, Write};
use crate::machine::view::View;
use crate::model::{Claim, Directory, Position};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::Arc;

/// The effects of a batch that is not in the index yet: the new value of each row, or `None` if it is deleted.
#[derive(Default)]
pub(super) struct Overlay {
    pub(super) rows: BTreeMap<Key, Option<Vec<u8>>>,
    /// Tables that were dropped; entries in `rows` were written after that.
    dropped: BTreeSet<Table>,
    pub(super) claims: HashSet<Claim>,
}

impl Overlay {
    pub(super) fn lay(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Put(key, row) => drop(self.rows.insert(key, Some(row))),
                Write::Delete(key) => drop(self.rows.insert(key, None)),
                Write::DropTable(table) => {
                    self.rows.retain(|key, _| key.table != table);
                    self.dropped.insert(table);
                }
            }
        }
    }

    /// The equivalent writes to the index, in order.
    pub(super) fn into_writes(self) -> Vec<Write> {
        let dropped = self.dropped.into_iter().map(Write::DropTable);
        let rows = self.rows.into_iter().map(|(key, row)| match row {
            Some(row) => Write::Put(key, row),
            None => Write::Delete(key),
        });
        dropped.chain(rows).collect()
    }
}

/// The view on which a command is decided.
pub(super) struct Known<'a> {
    pub(super) index: &'a dyn Index,
    pub(super) journal: &'a dyn JournalReader,
    pub(super) claims: &'a Claims,
    pub(super) overlay: &'a Overlay,
    pub(super) directory: &'a Arc<Directory>,
    /// The first failure. Later reads return "absent", so the decision must be discarded.
    pub(super) failed: RefCell<Option<String>>,
}

impl Known<'_> {
    fn fail<T>(&self, why: &impl ToString, instead: T) -> T {
        self.failed.borrow_mut().get_or_insert_with(|| why.to_string());
        instead
    }

    /// Whether the frame at `position` holds the claim. A deleted or unreadable frame counts as holding it, because
    /// treating a repeat as new would duplicate a message.
    fn holds(&self, position: Position, claim: &Claim) -> bool {
        let frames = match self.journal.read(position, 1) {
            Ok(frames) => frames,
            Err(JournalFailed::Gone { .. }) => return true,
            Err(failed) => return self.fail(&failed, true),
        };
        let Some(frame) = frames.into_iter().next().filter(|frame| frame.position == position) else { return true };
        let Ok(frame) = record::decode(position, &frame.meta, frame.bodies) else { return true };
        frame.events.iter().any(|event| match &event.fact {
            Event::Claimed { account, carrier_id, kind } => {
                (account, carrier_id, kind) == (&claim.account, &claim.carrier_id, &claim.kind)
            }
            _ => false,
        })
    }
}

impl View for Known<'_> {
    fn row(&self, key: &Key) -> Option<Vec<u8>> {
        if let Some(laid) = self.overlay.rows.get(key) {
            return laid.clone();
        }
        if self.overlay.dropped.contains(&key.table) {
            return None;
        }
        self.index.get(key).unwrap_or_else(|failed| self.fail(&failed, None))
    }

    fn rows(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let limit = limit.min(PAGE_ROWS);
        let start = Key { table, bytes: prefix.max(from).to_vec() };
        let laid: Vec<_> = self
            .overlay
            .rows
            .range((Bound::Included(&start), Bound::Unbounded))
            .take_while(|(key, _)| key.table == table && key.bytes.starts_with(prefix))
            .collect();
        let below = if self.overlay.dropped.contains(&table) {
            Vec::new()
        } else {
            let below = self.index.scan(table, prefix, from, limit);
            below.unwrap_or_else(|failed| self.fail(&failed, Vec::new()))
        };
        // A full page says nothing about rows after its last key, so overlaid rows after it must not be returned.
        let end = (below.len() == limit).then(|| below.last().map(|(key, _)| key.clone())).flatten();
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = below.into_iter().collect();
        for (key, row) in laid {
            if end.as_ref().is_some_and(|end| key.bytes > *end) {
                break;
            }
            match row {
                Some(row) => merged.insert(key.bytes.clone(), row.clone()),
                None => merged.remove(&key.bytes),
            };
        }
        merged.into_iter().take(limit).collect()
    }

    fn claimed(&self, claim: &Claim) -> bool {
        self.overlay.claims.contains(claim) || self.claims.find(claim).any(|position| self.holds(position, claim))
    }

    fn directory(&self) -> &Directory {
        self.directory
    }
}
