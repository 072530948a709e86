//! Free disk space required for new work, and when to create or delete the ballast. Pure functions of sampled values.
//!
//! Invariant: work in progress (receipts, settlements, ends of calls, the feed's progress) is never rejected for lack
//! of space. New work is rejected well before the disk is full, because it causes further events, sends and endings.

use crate::config::Storage;
use crate::engine::Spare;
use crate::journal::{Ballast, SEGMENT_BYTES};
use std::io;
use std::path::{Path, PathBuf};

/// At most this part of the disk is kept free or held by the ballast, so that a small disk stays usable.
const PART_OF_THE_DISK: u64 = 10;

/// Disk sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct DiskSpace {
    /// Free for us.
    pub(super) free: u64,
    /// Size of the disk.
    pub(super) total: u64,
    /// Size of the ballast.
    pub(super) ballast: u64,
}

/// What to do with the ballast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DiskAction {
    Nothing,
    GiveUp,
    /// Create it with this many bytes.
    Make(u64),
}

impl DiskSpace {
    /// Samples the disk of `data_dir`, which may not exist yet.
    pub(super) fn of(data_dir: &Path) -> io::Result<Self> {
        let there = data_dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
        let disk = rustix::fs::statvfs(there)?;
        Ok(Self {
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            total: disk.f_blocks.saturating_mul(disk.f_frsize),
            ballast: Ballast::of(data_dir).held(),
        })
    }

    /// Below this much free space new work is rejected. The journal's next segment comes on top of the configured
    /// value, so that there is space for it when the current one is full.
    pub(super) fn low_water(&self, storage: &Storage) -> u64 {
        storage.low_water_bytes.min(self.total / PART_OF_THE_DISK) + SEGMENT_BYTES
    }

    /// Free space above the low-water mark.
    fn spare(&self, storage: &Storage) -> u64 {
        self.free.saturating_sub(self.low_water(storage))
    }

    /// Whether there is space for new work; `takes` is the previous result. Work resumes only an eighth above the
    /// mark, because a single threshold would flap with every segment.
    pub(super) fn takes_work(&self, storage: &Storage, takes: bool) -> bool {
        let mark = self.low_water(storage);
        self.free >= if takes { mark } else { mark + mark / 8 }
    }

    /// The ballast is deleted when less than a quarter of it is free, and created again when that does not cost new
    /// work.
    pub(super) fn ballast(&self, storage: &Storage) -> DiskAction {
        let wanted = storage.ballast_bytes.min(self.total / PART_OF_THE_DISK);
        let mark = self.low_water(storage);
        if self.ballast > 0 && self.free < self.ballast / 4 {
            DiskAction::GiveUp
        } else if self.ballast == 0 && wanted > 0 && self.free >= mark + mark / 8 + wanted {
            DiskAction::Make(wanted)
        } else {
            DiskAction::Nothing
        }
    }
}

/// A function that returns how much space of `data_dir`'s disk is free above the low-water mark.
pub(super) fn spare(data_dir: PathBuf, storage: Storage) -> Spare {
    Box::new(move || Some(DiskSpace::of(&data_dir).ok()?.spare(&storage)))
}

/// Frees space for a start on a full disk by deleting the ballast. The caller holds the lock of `data_dir`.
pub(super) fn for_a_start(data_dir: &Path) -> io::Result<Option<u64>> {
    let DiskSpace { free, ballast, .. } = DiskSpace::of(data_dir)?;
    let wanted = ballast > 0 && free < ballast;
    Ok((wanted && Ballast::of(data_dir).give_up()?).then_some(ballast))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1024 * 1024;

    /// 512 MiB and a ballast of 64 MiB.
    fn usual() -> Storage {
        Storage::default()
    }

    fn space(free: u64, ballast: u64) -> DiskSpace {
        DiskSpace { free: free * MB, total: 100_000 * MB, ballast: ballast * MB }
    }

    #[test]
    fn g7_new_work_stops_below_the_low_water_mark_and_resumes_above_it() {
        assert_eq!(space(0, 0).low_water(&usual()), 576 * MB);
        assert!(space(576, 64).takes_work(&usual(), true) && !space(575, 64).takes_work(&usual(), true));
        assert_eq!([576, 575, 600].map(|free| space(free, 64).spare(&usual()) / MB), [0, 0, 24]);
        assert!(space(648, 64).takes_work(&usual(), false) && !space(647, 64).takes_work(&usual(), false));
    }

    #[test]
    fn g7_small_disk_keeps_a_tenth_for_each() {
        let small = |free, ballast| DiskSpace { total: 400 * MB, ..space(free, ballast) };
        assert_eq!(small(0, 0).low_water(&usual()), 104 * MB);
        assert_eq!(small(200, 0).ballast(&usual()), DiskAction::Make(40 * MB));
        let none = Storage { low_water_bytes: 0, ballast_bytes: 0 };
        assert_eq!(small(0, 0).low_water(&none), 64 * MB);
        assert_eq!(small(200, 0).ballast(&none), DiskAction::Nothing);
    }

    #[test]
    fn g7_ballast_is_deleted_on_a_full_disk_and_created_again_with_space() {
        assert_eq!(space(16, 64).ballast(&usual()), DiskAction::Nothing);
        assert_eq!(space(15, 64).ballast(&usual()), DiskAction::GiveUp);
        // Deleting it freed space, which alone must not bring it back.
        assert_eq!(space(15 + 64, 0).ballast(&usual()), DiskAction::Nothing);
        assert_eq!(space(711, 0).ballast(&usual()), DiskAction::Nothing);
        let back = space(712, 0);
        assert_eq!(back.ballast(&usual()), DiskAction::Make(64 * MB));
        assert!(DiskSpace { free: back.free - 64 * MB, ..back }.takes_work(&usual(), false));
        assert_eq!(space(712, 64).ballast(&usual()), DiskAction::Nothing);
    }
}
