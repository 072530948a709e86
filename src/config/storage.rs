//! `[storage]`: how much room the disk keeps for what must go on.

use super::section::{Reading, Section};

/// Room that is kept, in bytes. Neither is ever more than a tenth of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Where less is free, beyond the room for the journal's next segment, no new work is taken.
    pub low_water_bytes: u64,
    /// A file that is given up where the disk is full all the same.
    pub ballast_bytes: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self { low_water_bytes: 512 * 1024 * 1024, ballast_bytes: 64 * 1024 * 1024 }
    }
}

/// A petabyte: more is a slip of the pen.
const BYTES_MAX: usize = 1 << 50;

/// `[storage]`, each with its default.
pub(super) fn storage(root: &Section<'_>, reading: &mut Reading<'_>) -> Storage {
    let empty = Section::empty(root, "storage");
    let section = root.section("storage", reading).unwrap_or(empty);
    let mut bytes = |key, default: u64| section.count(key, 0..=BYTES_MAX, default as usize, reading) as u64;
    let usual = Storage::default();
    let storage = Storage {
        low_water_bytes: bytes("low_water_bytes", usual.low_water_bytes),
        ballast_bytes: bytes("ballast_bytes", usual.ballast_bytes),
    };
    section.no_other_keys(reading);
    storage
}
