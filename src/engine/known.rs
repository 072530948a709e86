//! The view for decisions: the index, overlaid with the effects of the current batch.

use super::erasure::{BeingErased, left};
use crate::index::{Claims, Index};
use crate::journal::{JournalFailed, JournalReader};
use crate::machine::event::Event;
use crate::machine::keys::after;
use crate::machine::record;
use crate::machine::rows::{Key, PAGE_ROWS, ScannedRow, Table, Write};
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
    /// People being erased: rows are read as if they did not name them.
    pub(super) being_erased: &'a [BeingErased],
    /// The first failure. Later reads return "absent", so the decision must be discarded.
    pub(super) failed: RefCell<Option<String>>,
}

impl Known<'_> {
    fn fail<T>(&self, why: &impl ToString, instead: T) -> T {
        self.failed.borrow_mut().get_or_insert_with(|| why.to_string());
        instead
    }

    /// Returns a page of the index's rows, without the overlay, and the last key of a full page.
    fn below(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> (Vec<ScannedRow>, Option<Vec<u8>>) {
        if self.overlay.dropped.contains(&table) {
            return (Vec::new(), None);
        }
        let page = self.index.scan(table, prefix, from, limit).unwrap_or_else(|failed| self.fail(&failed, Vec::new()));
        let end = (page.len() == limit).then(|| page.last().map(|(key, _)| key.clone())).flatten();
        let left = page.into_iter().filter_map(|(key, row)| {
            let row = left(self.being_erased, table, &key, row)?;
            Some((key, row))
        });
        (left.collect(), end)
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
        frame.events.iter().any(|event| match &event.event {
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
        let row = self.index.get(key).unwrap_or_else(|failed| self.fail(&failed, None))?;
        left(self.being_erased, key.table, &key.bytes, row)
    }

    fn rows(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Vec<ScannedRow> {
        let limit = limit.min(PAGE_ROWS);
        let start = Key { table, bytes: prefix.max(from).to_vec() };
        let mut laid = self
            .overlay
            .rows
            .range((Bound::Included(&start), Bound::Unbounded))
            .take_while(|(key, _)| key.table == table && key.bytes.starts_with(prefix))
            .peekable();
        let mut merged = BTreeMap::new();
        let mut next = Some(start.bytes.clone());
        // Rows that the overlay deletes are replaced by further ones, so that a short page is the last one.
        while let Some(from) = next.take().filter(|_| merged.len() < limit) {
            // A full page says nothing about rows after its last key, so overlaid rows after it wait for the next page.
            let (below, end) = self.below(table, prefix, &from, limit);
            merged.extend(below);
            while let Some((key, row)) = laid.next_if(|(key, _)| end.as_ref().is_none_or(|end| key.bytes <= *end)) {
                match row {
                    Some(row) => merged.insert(key.bytes.clone(), row.clone()),
                    None => merged.remove(&key.bytes),
                };
            }
            next = end.map(|end| after(&end));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{CLAIMS_MAX, MemoryIndex};
    use crate::journal::{Journal, MemoryJournal};
    use crate::rules::directory::example;

    #[test]
    fn a_page_is_full_although_the_batch_deleted_some_of_its_rows() {
        let key = |n: u32| Key { table: Table::State, bytes: [&b"x"[..], &n.to_be_bytes()].concat() };
        let rows = PAGE_ROWS as u32 + 5;
        let mut index = MemoryIndex::new();
        index.write(&(0..rows).map(|n| Write::Put(key(n), b"row".to_vec())).collect::<Vec<_>>(), Position(1)).unwrap();
        let mut overlay = Overlay::default();
        overlay.lay((0..3).map(|n| Write::Delete(key(n))).chain([Write::Put(key(rows), b"new".to_vec())]).collect());
        let (journal, claims) = (MemoryJournal::new([1; 16]).reader(), Claims::in_memory([2; 16], CLAIMS_MAX));
        let known = Known {
            index: &index,
            journal: journal.as_ref(),
            claims: &claims,
            overlay: &overlay,
            directory: &Arc::new(example()),
            being_erased: &[],
            failed: RefCell::new(None),
        };
        let pages = |from: &[u8]| {
            let rows = known.rows(Table::State, b"x", from, PAGE_ROWS);
            rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        let first = pages(&[]);
        assert_eq!(first, (3..rows - 2).map(|n| key(n).bytes).collect::<Vec<_>>());
        let second = pages(&after(first.last().unwrap()));
        assert_eq!(second, (rows - 2..=rows).map(|n| key(n).bytes).collect::<Vec<_>>());
    }
}
