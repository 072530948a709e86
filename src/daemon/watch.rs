//! Periodic sampling of what sends no notifications: the engine's queues and the free disk space.

use super::disk_space::{DiskAction, DiskSpace};
use crate::config::{Config, Storage};
use crate::engine::Handle;
use crate::journal::Ballast;
use crate::observe::{self, NotReady, Readiness};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often queues are sampled.
const QUEUES_EVERY: Duration = Duration::from_secs(1);

/// How often the disk is sampled: writes of 2 GB/s are noticed before the default low-water reserve is used up.
const DISK_EVERY: Duration = Duration::from_millis(250);

/// How long to wait after the ballast could not be created or deleted.
const BALLAST_AGAIN: Duration = Duration::from_secs(60);

/// A command that waits longer is too late for a carrier, which gets 503 soon after.
const WAITS_MAX: Duration = Duration::from_secs(1);

/// How long no command may have waited that long before the overload is over.
const CALM_FOR: Duration = Duration::from_secs(5);

/// Samples the engine's queues until `stop`.
pub(super) async fn queues(engine: Handle, readiness: Readiness, stop: CancellationToken) {
    let mut load = Load { readiness, since: None };
    let mut every = interval(QUEUES_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => load.see(engine.observe(), Instant::now()),
        }
    }
}

/// Whether the engine is overloaded. It only reports: no door rejects anything for it, since incoming work is what
/// shows that the disk has recovered.
struct Load {
    readiness: Readiness,
    /// When a command was last seen to wait for too long.
    since: Option<Instant>,
}

impl Load {
    fn see(&mut self, oldest: Duration, now: Instant) {
        if oldest > WAITS_MAX {
            self.since = Some(now);
        } else if self.since.is_some_and(|since| now.duration_since(since) >= CALM_FOR) {
            self.since = None;
        }
        self.readiness.set(NotReady::Overloaded, self.since.is_some());
    }
}

/// The disk of `data_dir`, and what was last reported about it.
pub(super) struct Disk {
    data_dir: PathBuf,
    storage: Storage,
    readiness: Readiness,
    /// The last sampling failed.
    silent: bool,
    /// The ballast is left alone until then.
    ballast_rests: Option<Instant>,
}

/// The disk of `data_dir`, sampled once; updates the readiness.
pub(super) async fn disk(config: &Config, readiness: &Readiness) -> io::Result<Disk> {
    let mut disk = Disk::new(config.data_dir.clone(), config.storage, readiness.clone());
    let looked = tokio::task::spawn_blocking(move || {
        disk.look(Instant::now());
        disk
    });
    looked.await.map_err(|_panicked| io::Error::other(super::PANICKED))
}

impl Disk {
    fn new(data_dir: PathBuf, storage: Storage, readiness: Readiness) -> Self {
        Self { data_dir, storage, readiness, silent: false, ballast_rests: None }
    }

    /// Samples the disk until `stop`. The caller holds the lock of the directory.
    pub(super) async fn watch(mut self, stop: CancellationToken) {
        let mut every = interval(DISK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            // A hanging disk blocks a thread of its own, and no other.
            let looking = tokio::task::spawn_blocking(move || {
                self.look(Instant::now());
                self
            });
            tokio::select! {
                () = stop.cancelled() => return,
                looked = looking => match looked {
                    Ok(disk) => self = disk,
                    // A panic, which has been logged.
                    Err(_panicked) => return,
                }
            }
        }
    }

    /// Samples once, and acts on it. Blocks.
    fn look(&mut self, now: Instant) {
        let space = match DiskSpace::of(&self.data_dir) {
            Ok(space) => space,
            Err(error) => {
                if !std::mem::replace(&mut self.silent, true) {
                    tracing::warn!(%error, "cannot read free space of data_dir");
                }
                return;
            }
        };
        self.silent = false;
        self.see(space, now);
    }

    fn see(&mut self, space: DiskSpace, now: Instant) {
        let took = !self.readiness.holds(NotReady::LowDisk);
        let takes = space.takes_work(&self.storage, took);
        let low_water = space.low_water(&self.storage);
        observe::disk(space.free, low_water, space.ballast);
        if takes != took {
            observe::disk_low(!takes, space.free, low_water);
            self.readiness.set(NotReady::LowDisk, !takes);
        }
        self.move_ballast(space, now);
    }

    fn move_ballast(&mut self, space: DiskSpace, now: Instant) {
        if self.ballast_rests.is_some_and(|until| now < until) {
            return;
        }
        let ballast = Ballast::of(&self.data_dir);
        let moved = match space.ballast(&self.storage) {
            DiskAction::Nothing => return,
            DiskAction::GiveUp => ballast.give_up().map(|_| observe::ballast_given_up(space.ballast)),
            DiskAction::Make(bytes) => ballast.make(bytes).map(|()| tracing::info!(bytes, "ballast created")),
        };
        if let Err(error) = moved {
            tracing::warn!(%error, "cannot create or delete the ballast of data_dir");
            self.ballast_rests = Some(now + BALLAST_AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than any disk has.
    const TOO_MUCH: u64 = 1 << 60;

    const MB: u64 = 1024 * 1024;

    #[test]
    fn g7_readiness_follows_the_free_space() {
        let readiness = Readiness::new();
        let directory = tempfile::tempdir().unwrap();
        let mut disk = Disk::new(directory.path().to_owned(), Storage::default(), readiness.clone());
        let mut low_at = |free| {
            disk.see(DiskSpace { free, total: TOO_MUCH, ballast: 64 * MB }, Instant::now());
            readiness.holds(NotReady::LowDisk)
        };
        let seen = [1_000, 600, 575, 600, 649, 600].map(|mb| low_at(mb * MB));
        assert_eq!(seen, [false, false, true, true, false, false]);
    }

    #[test]
    fn a66_commands_waiting_over_a_second_are_reported_as_overload() {
        let readiness = Readiness::new();
        readiness.set(NotReady::Starting, false);
        let mut load = Load { readiness: readiness.clone(), since: None };
        let begin = Instant::now();
        let mut at = |secs, waited_ms| {
            load.see(Duration::from_millis(waited_ms), begin + Duration::from_secs(secs));
            readiness.reasons()
        };
        assert_eq!([at(0, 0), at(1, 900), at(2, 1_000)], [[]; 3]);
        assert_eq!(at(3, 1_001), [NotReady::Overloaded]);
        // With a disk that takes five seconds to sync, the queue can be empty in between.
        assert_eq!(at(4, 0), [NotReady::Overloaded]);
        assert_eq!(at(6, 3_000), [NotReady::Overloaded]);
        assert_eq!(at(10, 0), [NotReady::Overloaded]);
        assert_eq!(at(11, 0), []);
    }

    #[test]
    fn ballast_creation_is_retried_after_a_minute_not_at_every_sample() {
        let directory = tempfile::tempdir().unwrap();
        let mut disk = Disk::new(directory.path().to_owned(), Storage::default(), Readiness::new());
        let plenty = DiskSpace { free: TOO_MUCH, total: TOO_MUCH, ballast: 0 };
        disk.storage.ballast_bytes = TOO_MUCH / 100;
        let begin = Instant::now();
        disk.move_ballast(plenty, begin);
        assert_eq!(disk.ballast_rests, Some(begin + BALLAST_AGAIN));
        disk.storage.ballast_bytes = 4096;
        disk.move_ballast(plenty, begin + BALLAST_AGAIN / 2);
        assert_eq!(Ballast::of(directory.path()).held(), 0);
        disk.move_ballast(plenty, begin + BALLAST_AGAIN);
        assert!(Ballast::of(directory.path()).held() > 0);
        disk.move_ballast(DiskSpace { free: 0, total: TOO_MUCH, ballast: 4096 }, begin + BALLAST_AGAIN * 2);
        assert_eq!(Ballast::of(directory.path()).held(), 0);
    }
}
