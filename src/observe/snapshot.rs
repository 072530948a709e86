//! Facts of snapshots.

use super::label::labels;
use super::names;
use metrics::{counter, gauge};
use std::time::Duration;

labels! {
    /// What became of a fold.
    SnapshotOutcome {
        /// There is a new snapshot.
        Made = "made",
        /// There is none.
        Failed = "failed",
    }
}

/// A snapshot that was made.
pub struct Folded {
    /// The last position in it.
    pub position: u64,
    /// How many rows it holds.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// A snapshot is there: the last position in it, and its size.
pub fn snapshot(position: u64, bytes: u64) {
    gauge!(names::SNAPSHOT_POSITION).set(position as f64);
    gauge!(names::SNAPSHOT_BYTES).set(bytes as f64);
}

/// How long ago what the snapshot covers ends.
pub fn snapshot_age(age: Duration) {
    gauge!(names::SNAPSHOT_AGE_SECONDS).set(age.as_secs_f64());
}

/// Bytes of closed segments that are in no snapshot.
pub fn unfolded(bytes: u64) {
    gauge!(names::JOURNAL_UNCOMPACTED_BYTES).set(bytes as f64);
}

/// Closed segments have become a snapshot.
pub fn folded(folded: &Folded) {
    let Folded { position, rows, bytes, took } = folded;
    tracing::info!(position, rows, bytes, seconds = took.as_secs_f64(), "snapshot made");
    gauge!(names::SNAPSHOT_SECONDS).set(took.as_secs_f64());
    counter!(names::SNAPSHOTS_TOTAL, "outcome" => SnapshotOutcome::Made.label()).increment(1);
}

/// There is no new snapshot. The gateway goes on, and the journal grows.
pub fn fold_failed(why: &str) {
    tracing::error!(why, "no snapshot could be made: it is tried again, and until then no old segment can go");
    counter!(names::SNAPSHOTS_TOTAL, "outcome" => SnapshotOutcome::Failed.label()).increment(1);
}
