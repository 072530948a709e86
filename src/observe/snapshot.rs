//! Logs and metrics of snapshots.

use super::label::labels;
use super::names;
use metrics::{counter, gauge};
use std::time::Duration;

labels! {
    /// The outcome of a compaction.
    SnapshotOutcome {
        /// A new snapshot was written.
        Made = "made",
        /// No snapshot was written.
        Failed = "failed",
    }
}

/// Figures of a new snapshot.
pub struct NewSnapshot {
    /// The last position in it.
    pub position: u64,
    /// How many rows it holds.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// The last position in the current snapshot, and its size.
pub fn snapshot(position: u64, bytes: u64) {
    gauge!(names::SNAPSHOT_POSITION).set(position as f64);
    gauge!(names::SNAPSHOT_BYTES).set(bytes as f64);
}

/// The age of the last frame in the snapshot.
pub fn snapshot_age(age: Duration) {
    gauge!(names::SNAPSHOT_AGE_SECONDS).set(age.as_secs_f64());
}

/// Bytes of closed segments that no snapshot covers.
pub fn uncompacted(bytes: u64) {
    gauge!(names::JOURNAL_UNCOMPACTED_BYTES).set(bytes as f64);
}

/// Closed segments were compacted into a snapshot.
pub fn snapshot_made(snapshot: &NewSnapshot) {
    let NewSnapshot { position, rows, bytes, took } = snapshot;
    tracing::info!(position, rows, bytes, seconds = took.as_secs_f64(), "snapshot made");
    gauge!(names::SNAPSHOT_SECONDS).set(took.as_secs_f64());
    counter!(names::SNAPSHOTS_TOTAL, "outcome" => SnapshotOutcome::Made.label()).increment(1);
}

/// A compaction failed. The gateway continues, and the journal grows.
pub fn snapshot_failed(why: &str) {
    tracing::error!(why, "cannot make a snapshot: will retry; until it succeeds no old segment can be deleted");
    counter!(names::SNAPSHOTS_TOTAL, "outcome" => SnapshotOutcome::Failed.label()).increment(1);
}
