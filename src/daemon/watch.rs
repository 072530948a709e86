//! What nobody tells of by itself: how much waits for the engine, how much room the disk has. Looked at once in a while.

use super::room::{Do, Room};
use crate::config::{Config, Storage};
use crate::engine::Handle;
use crate::journal::Ballast;
use crate::observe::{self, NotReady, Readiness};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often queues are looked at.
const QUEUES_EVERY: Duration = Duration::from_secs(1);

/// How often the disk is looked at: whoever fills it at 2 GB a second is seen before the usual low-water mark is used up.
const DISK_EVERY: Duration = Duration::from_millis(250);

/// How long a ballast that could not be made or given up is left alone.
const BALLAST_AGAIN: Duration = Duration::from_secs(60);

/// A command that waits for longer is one too late for a carrier, which hears 503 soon after.
const WAITS_MAX: Duration = Duration::from_secs(1);

/// How long none must have waited so long, before it is said that all is well.
const CALM_FOR: Duration = Duration::from_secs(5);

/// Watches the engine's queues until `stop`.
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

/// Whether too much waits. It is a report alone: no door refuses anything for it, since what comes in is what shows that
/// the disk is well again.
struct Load {
    readiness: Readiness,
    /// When something was last seen to wait for too long.
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

/// The disk that `data_dir` is on, and what was said of it last.
pub(super) struct Disk {
    data_dir: PathBuf,
    storage: Storage,
    readiness: Readiness,
    /// The last look failed.
    silent: bool,
    /// The ballast is left alone until then.
    ballast_rests: Option<Instant>,
}

/// The disk of `data_dir`, looked at once; the readiness follows it.
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

    /// Watches it until `stop`. Whoever calls holds the lock of the directory.
    pub(super) async fn watch(mut self, stop: CancellationToken) {
        let mut every = interval(DISK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            // A disk that does not answer holds a thread of its own, and no other.
            let looking = tokio::task::spawn_blocking(move || {
                self.look(Instant::now());
                self
            });
            tokio::select! {
                () = stop.cancelled() => return,
                looked = looking => match looked {
                    Ok(disk) => self = disk,
                    // A defect, which the log has told of.
                    Err(_panicked) => return,
                }
            }
        }
    }

    /// Looks once, and says what follows from it. Blocks.
    fn look(&mut self, now: Instant) {
        let room = match Room::of(&self.data_dir) {
            Ok(room) => room,
            Err(error) => {
                if !std::mem::replace(&mut self.silent, true) {
                    tracing::warn!(%error, "the disk of data_dir does not say how much room it has");
                }
                return;
            }
        };
        self.silent = false;
        self.see(room, now);
    }

    fn see(&mut self, room: Room, now: Instant) {
        let took = !self.readiness.holds(NotReady::LowDisk);
        let takes = room.takes_work(&self.storage, took);
        let low_water = room.low_water(&self.storage);
        observe::disk(room.free, low_water, room.ballast);
        if takes != took {
            observe::disk_low(!takes, room.free, low_water);
            self.readiness.set(NotReady::LowDisk, !takes);
        }
        self.move_ballast(room, now);
    }

    fn move_ballast(&mut self, room: Room, now: Instant) {
        if self.ballast_rests.is_some_and(|until| now < until) {
            return;
        }
        let ballast = Ballast::of(&self.data_dir);
        let moved = match room.ballast(&self.storage) {
            Do::Nothing => return,
            Do::GiveUp => ballast.give_up().map(|_| observe::ballast_given_up(room.ballast)),
            Do::Make(bytes) => ballast.make(bytes).map(|()| tracing::info!(bytes, "ballast made")),
        };
        if let Err(error) = moved {
            tracing::warn!(%error, "the ballast of data_dir could not be made or given up");
            self.ballast_rests = Some(now + BALLAST_AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What no disk has.
    const TOO_MUCH: u64 = 1 << 60;

    const MB: u64 = 1024 * 1024;

    #[test]
    fn g7_readiness_follows_the_room_there_is() {
        let readiness = Readiness::new();
        let directory = tempfile::tempdir().unwrap();
        let mut disk = Disk::new(directory.path().to_owned(), Storage::default(), readiness.clone());
        let mut low_at = |free| {
            disk.see(Room { free, total: TOO_MUCH, ballast: 64 * MB }, Instant::now());
            readiness.holds(NotReady::LowDisk)
        };
        let seen = [1_000, 600, 575, 600, 649, 600].map(|mb| low_at(mb * MB));
        assert_eq!(seen, [false, false, true, true, false, false]);
    }

    #[test]
    fn a66_while_commands_wait_for_over_a_second_the_gateway_says_that_it_is_overloaded() {
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
        // A disk that syncs in five seconds lets the queue be empty in between.
        assert_eq!(at(4, 0), [NotReady::Overloaded]);
        assert_eq!(at(6, 3_000), [NotReady::Overloaded]);
        assert_eq!(at(10, 0), [NotReady::Overloaded]);
        assert_eq!(at(11, 0), []);
    }

    #[test]
    fn a_ballast_that_cannot_be_made_is_tried_again_after_a_minute_and_not_at_every_look() {
        let directory = tempfile::tempdir().unwrap();
        let mut disk = Disk::new(directory.path().to_owned(), Storage::default(), Readiness::new());
        let plenty = Room { free: TOO_MUCH, total: TOO_MUCH, ballast: 0 };
        disk.storage.ballast_bytes = TOO_MUCH / 100;
        let begin = Instant::now();
        disk.move_ballast(plenty, begin);
        assert_eq!(disk.ballast_rests, Some(begin + BALLAST_AGAIN));
        disk.storage.ballast_bytes = 4096;
        disk.move_ballast(plenty, begin + BALLAST_AGAIN / 2);
        assert_eq!(Ballast::of(directory.path()).held(), 0);
        disk.move_ballast(plenty, begin + BALLAST_AGAIN);
        assert!(Ballast::of(directory.path()).held() > 0);
        disk.move_ballast(Room { free: 0, total: TOO_MUCH, ballast: 4096 }, begin + BALLAST_AGAIN * 2);
        assert_eq!(Ballast::of(directory.path()).held(), 0);
    }
}
