//! Facts of the engine, its journal and its index.

use super::label::labels;
use super::names;
use metrics::{counter, gauge, histogram};
use std::time::Duration;

labels! {
    /// The two queues to the one writer.
    Queue {
        /// Receipts, settlements, call ends and ticks: never refused for load.
        First = "first",
        /// The rest: refused when full.
        Bounded = "bounded",
    }
}

labels! {
    /// Why the index had to be made anew.
    RebuildReason {
        /// There was none.
        Missing = "missing",
        /// It did not open, or could not be read.
        Corrupt = "corrupt",
        /// Another version of this program wrote it.
        OtherVersion = "other_version",
        /// It belongs to another journal.
        OtherJournal = "other_journal",
        /// It knows of more than the journal holds.
        AheadOfJournal = "ahead_of_journal",
        /// The machine stopped without a clean stop of ours.
        UncleanStop = "unclean_stop",
    }
}

/// A batch is on disk.
pub fn batch_committed(commands: usize, took: Duration) {
    histogram!(names::BATCH_COMMANDS).record(commands as f64);
    histogram!(names::COMMIT_SECONDS).record(took.as_secs_f64());
}

/// How many commands wait in a queue.
pub fn queue_depth(queue: Queue, waiting: usize) {
    gauge!(names::QUEUE_DEPTH, "queue" => queue.label()).set(waiting as f64);
}

/// A command was refused because too many wait.
pub fn engine_busy() {
    tracing::debug!("refused: the engine is busy");
    counter!(names::BUSY_TOTAL).increment(1);
}

/// Commands were dropped undecided, since those who asked had given up.
pub fn commands_dropped_late(count: u64) {
    tracing::debug!(count, "dropped undecided: nobody waits any more");
    counter!(names::DROPPED_LATE_TOTAL).increment(count);
}

/// The index was made anew from snapshot and journal.
pub fn index_rebuilt(why: RebuildReason, took: Duration) {
    tracing::warn!(why = why.label(), seconds = took.as_secs_f64(), "index rebuilt");
    counter!(names::INDEX_REBUILDS_TOTAL, "reason" => why.label()).increment(1);
}

/// The last position that is on disk.
pub fn journal_position(position: u64) {
    gauge!(names::JOURNAL_POSITION).set(position as f64);
}
