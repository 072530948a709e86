//! `[retention]`: how much data is kept on disk.

use super::section::{Reading, Section};
use crate::work::Keep;
use std::time::Duration;

/// Four segments: with fewer, the segment being written would be most of the journal.
const JOURNAL_MIN_BYTES: usize = 256 * 1024 * 1024;

const DAY_SECS: u64 = 24 * 60 * 60;

/// The retention limits; problems are recorded.
pub(super) fn retention(root: &Section<'_>, reading: &mut Reading<'_>) -> Keep {
    let empty = Section::empty(root, "retention");
    let section = root.section("retention", reading).unwrap_or(empty);
    let default = Keep::default();
    let bytes = JOURNAL_MIN_BYTES..=1 << 50;
    let journal_max_bytes = section.count("journal_max_bytes", bytes, default.journal_max_bytes as usize, reading);
    let days = (default.events_max_age.as_secs() / DAY_SECS) as usize;
    let days = section.count("events_max_age_days", 1..=3_650, days, reading);
    section.no_other_keys(reading);
    let events_max_age = Duration::from_secs(days as u64 * DAY_SECS);
    Keep { journal_max_bytes: journal_max_bytes as u64, events_max_age }
}
