//! `[storage]`: free space to keep on the disk.

use super::section::{Reading, Section};

/// Space to keep, in bytes. Each value is capped at a tenth of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Below this much free space, beyond the journal's next segment, new work is rejected.
    pub low_water_bytes: u64,
    /// Size of a placeholder file that is deleted if the disk fills up anyway.
    pub ballast_bytes: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self { low_water_bytes: 512 * 1024 * 1024, ballast_bytes: 64 * 1024 * 1024 }
    }
}

/// A petabyte: a larger value is a typo.
const BYTES_MAX: usize = 1 << 50;

/// `[storage]`, each key with its default.
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
