//! Queries about the audit (A72).

use super::Queries;
use crate::machine::keys::{self, audit_id, audit_key, decode_row, kind, state_key};
use crate::machine::rows::{Key, Table};
use crate::machine::state::Audited;
use crate::machine::view::View;
use crate::model::{EventId, Month};
use std::iter;

/// Typed queries about the audit.
pub trait AuditQueries: Queries {
    /// Returns the first month whose entries are kept; `None` before the first tick.
    fn audited_since(&self) -> Option<Month> {
        self.typed(&state_key(kind::AUDITED_SINCE, &[]))
    }

    /// Returns the entries from the month `newest` back, the newest first, each with the id of its event; only those
    /// before `before`, if there is one.
    fn audited(&self, newest: Month, before: Option<EventId>) -> impl Iterator<Item = (EventId, Audited)> {
        let newest = before.map_or(newest, |before| before.day().month());
        let oldest = self.audited_since().unwrap_or(newest.previous());
        let months = iter::successors(Some(newest), |month| Some(month.previous()));
        months.take_while(move |month| *month >= oldest).flat_map(move |month| {
            let from = before.filter(|before| before.day().month() == month);
            let from = from.map(|before| keys::after(&audit_key(before).bytes)).unwrap_or_default();
            let rows = self.scan(Key { table: Table::Audit(month), bytes: Vec::new() }, from);
            rows.filter_map(|(key, row)| {
                let audited: Audited = decode_row(&row)?;
                Some((audit_id(&key, audited.at.day())?, audited))
            })
        })
    }
}

impl<V: View + ?Sized> AuditQueries for V {}
