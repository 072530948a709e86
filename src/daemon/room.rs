//! How much room the disk must have for new work, and what becomes of the ballast. Plain functions of what was seen.
//!
//! Invariant: what is under way (receipts, settlements, ends of calls, the feed's progress) is never refused for room. New
//! work is, well before there is none: what it would leave behind must still be told, sent and ended.

use crate::config::Storage;
use crate::engine::Spare;
use crate::journal::{Ballast, SEGMENT_BYTES};
use std::io;
use std::path::{Path, PathBuf};

/// Of the disk no more than this part is kept free, or held by the ballast: a small disk is for work, too.
const PART_OF_THE_DISK: u64 = 10;

/// Bytes of a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Room {
    /// Free for us.
    pub(super) free: u64,
    /// All there are.
    pub(super) total: u64,
    /// Those of the ballast.
    pub(super) ballast: u64,
}

/// What is to be done with the ballast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Do {
    Nothing,
    GiveUp,
    /// Of so many bytes.
    Make(u64),
}

impl Room {
    /// Looks at the disk that `data_dir` is on, or will be.
    pub(super) fn of(data_dir: &Path) -> io::Result<Self> {
        let there = data_dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
        let disk = rustix::fs::statvfs(there)?;
        Ok(Self {
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            total: disk.f_blocks.saturating_mul(disk.f_frsize),
            ballast: Ballast::of(data_dir).held(),
        })
    }

    /// Below this much free room no new work is taken. The journal's next segment comes on top of what is configured, so
    /// that it is there when the current one is full.
    pub(super) fn low_water(&self, storage: &Storage) -> u64 {
        storage.low_water_bytes.min(self.total / PART_OF_THE_DISK) + SEGMENT_BYTES
    }

    /// What is free above the mark.
    fn spare(&self, storage: &Storage) -> u64 {
        self.free.saturating_sub(self.low_water(storage))
    }

    /// Whether there is room for new work; `takes` says whether there was. What begins and ends at the same mark would
    /// come and go with every segment, so it begins again an eighth above it.
    pub(super) fn takes_work(&self, storage: &Storage, takes: bool) -> bool {
        let mark = self.low_water(storage);
        self.free >= if takes { mark } else { mark + mark / 8 }
    }

    /// The ballast goes where a quarter of it is all that is free, and comes back where it costs no new work.
    pub(super) fn ballast(&self, storage: &Storage) -> Do {
        let wanted = storage.ballast_bytes.min(self.total / PART_OF_THE_DISK);
        let mark = self.low_water(storage);
        if self.ballast > 0 && self.free < self.ballast / 4 {
            Do::GiveUp
        } else if self.ballast == 0 && wanted > 0 && self.free >= mark + mark / 8 + wanted {
            Do::Make(wanted)
        } else {
            Do::Nothing
        }
    }
}

/// Tells how much of the disk that `data_dir` is on is free above the low-water mark.
pub(super) fn spare(data_dir: PathBuf, storage: Storage) -> Spare {
    Box::new(move || Some(Room::of(&data_dir).ok()?.spare(&storage)))
}

/// Makes room for a start on a full disk, from the ballast. Whoever calls holds the lock of `data_dir`.
pub(super) fn for_a_start(data_dir: &Path) -> io::Result<Option<u64>> {
    let Room { free, ballast, .. } = Room::of(data_dir)?;
    let wanted = ballast > 0 && free < ballast;
    Ok((wanted && Ballast::of(data_dir).give_up()?).then_some(ballast))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1024 * 1024;

    /// 512 MiB and a ballast of 64.
    fn usual() -> Storage {
        Storage::default()
    }

    fn room(free: u64, ballast: u64) -> Room {
        Room { free: free * MB, total: 100_000 * MB, ballast: ballast * MB }
    }

    #[test]
    fn g7_new_work_ends_where_the_mark_and_the_next_segment_do_not_fit_and_begins_again_above_that() {
        assert_eq!(room(0, 0).low_water(&usual()), 576 * MB);
        assert!(room(576, 64).takes_work(&usual(), true) && !room(575, 64).takes_work(&usual(), true));
        assert_eq!([576, 575, 600].map(|free| room(free, 64).spare(&usual()) / MB), [0, 0, 24]);
        assert!(room(648, 64).takes_work(&usual(), false) && !room(647, 64).takes_work(&usual(), false));
    }

    #[test]
    fn g7_of_a_small_disk_a_tenth_is_kept_for_each() {
        let small = |free, ballast| Room { total: 400 * MB, ..room(free, ballast) };
        assert_eq!(small(0, 0).low_water(&usual()), 104 * MB);
        assert_eq!(small(200, 0).ballast(&usual()), Do::Make(40 * MB));
        let none = Storage { low_water_bytes: 0, ballast_bytes: 0 };
        assert_eq!(small(0, 0).low_water(&none), 64 * MB);
        assert_eq!(small(200, 0).ballast(&none), Do::Nothing);
    }

    #[test]
    fn g7_the_ballast_goes_when_hardly_anything_is_free_and_comes_back_where_it_costs_no_work() {
        assert_eq!(room(16, 64).ballast(&usual()), Do::Nothing);
        assert_eq!(room(15, 64).ballast(&usual()), Do::GiveUp);
        // Given up it made room, and that alone brings it not back.
        assert_eq!(room(15 + 64, 0).ballast(&usual()), Do::Nothing);
        assert_eq!(room(711, 0).ballast(&usual()), Do::Nothing);
        let back = room(712, 0);
        assert_eq!(back.ballast(&usual()), Do::Make(64 * MB));
        assert!(Room { free: back.free - 64 * MB, ..back }.takes_work(&usual(), false));
        assert_eq!(room(712, 64).ballast(&usual()), Do::Nothing);
    }
}
