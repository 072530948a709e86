//! Queries about the usage counters of days.

use super::{Queries, View};
use crate::machine::keys::{decode_row, usage_counters_key, usage_key};
use crate::machine::rows::{Key, Table};
use crate::machine::state::{Usage, UsageOf};
use crate::model::{Day, Month};
use std::ops::RangeInclusive;

/// Typed queries about usage.
pub trait UsageQueries: Queries {
    /// Returns a counter; `None` if nothing was counted by it.
    fn usage(&self, of: &UsageOf) -> Option<(UsageOf, Usage)> {
        self.typed(&usage_key(of))
    }

    /// Returns how many counters a day has.
    fn usage_counters(&self, day: Day) -> u32 {
        self.typed(&usage_counters_key(day)).unwrap_or_default()
    }

    /// Whether a month has counters.
    fn has_usage(&self, month: Month) -> bool {
        !self.rows(Table::Usage(month), &[], &[], 1).is_empty()
    }

    /// Returns the counters of a month's days within `days`, sorted by day.
    fn usage_in(&self, month: Month, days: RangeInclusive<Day>) -> impl Iterator<Item = (UsageOf, Usage)> {
        let (first, last) = (usage_counters_key(*days.start()).bytes, usage_counters_key(*days.end()).bytes);
        let counters = self.scan(Key { table: Table::Usage(month), bytes: Vec::new() }, first);
        let within = counters.take_while(move |(key, _)| key.get(..last.len()).is_some_and(|day| *day <= *last));
        // A day's first row is the number of its counters.
        within.filter(|(key, _)| key.len() > 2).filter_map(|(_, row)| decode_row(&row))
    }
}

impl<V: View + ?Sized> UsageQueries for V {}
