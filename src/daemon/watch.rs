//! What nobody tells of by itself: how much waits for the engine, how much room the disk has. Looked at once in a while.

use crate::engine::Handle;
use crate::observe;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often queues are looked at.
const QUEUES_EVERY: Duration = Duration::from_secs(1);

/// How often the disk is looked at.
const DISK_EVERY: Duration = Duration::from_secs(10);

/// Watches the engine's queues until `stop`.
pub(super) async fn queues(engine: Handle, stop: CancellationToken) {
    let mut every = interval(QUEUES_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => engine.observe(),
        }
    }
}

/// Watches the disk that `directory` is on until `stop`.
pub(super) async fn disk(directory: PathBuf, stop: CancellationToken) {
    let mut every = interval(DISK_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        let directory = directory.clone();
        // A disk that does not answer holds a thread of its own, and no other.
        let looked = tokio::task::spawn_blocking(move || look(&directory));
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looked => {}
        }
    }
}

fn look(directory: &Path) {
    match rustix::fs::statvfs(directory) {
        Ok(disk) => observe::disk_free(disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => tracing::warn!(%error, "the disk of data_dir does not say how much room it has"),
    }
}
