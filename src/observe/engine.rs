//! Logs and metrics of the engine, its journal, index, disk and clock.

use super::label::labels;
use super::limited::{Cause, limited};
use super::names;
use super::once::Once;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::fmt::Display;
use std::time::Duration;

labels! {
    /// The engine's two command queues.
    Queue {
        /// Receipts, send outcomes, call ends and ticks; almost never refused for load.
        Urgent = "urgent",
        /// All other commands; refused when the queue is full.
        Ordinary = "ordinary",
    }
}

labels! {
    /// Why a command was not executed.
    Undecided {
        /// The queue was full.
        Busy = "busy",
        /// The client had timed out before the command's turn.
        TooLate = "too_late",
        /// The engine has stopped or failed.
        Stopped = "stopped",
    }
}

labels! {
    /// Why the index had to be rebuilt.
    RebuildReason {
        /// There was no index.
        Missing = "missing",
        /// It could not be opened or read.
        Corrupt = "corrupt",
        /// Another version of this program wrote it.
        OtherVersion = "other_version",
        /// It belongs to another journal.
        OtherJournal = "other_journal",
        /// It failed while the gateway ran: on a full disk, or because a row could not be read.
        FailedWhileRunning = "failed_while_running",
        /// The previous run did not shut down cleanly.
        UncleanStop = "unclean_stop",
    }
}

static BATCH_COMMANDS: Once<Histogram> = Once::new(|| histogram!(names::ENGINE_BATCH_COMMANDS));
static COMMIT_SECONDS: Once<Histogram> = Once::new(|| histogram!(names::ENGINE_COMMIT_SECONDS));
static POSITION: Once<Gauge> = Once::new(|| gauge!(names::JOURNAL_POSITION));
static SYNC_SECONDS: Once<Histogram> = Once::new(|| histogram!(names::JOURNAL_SYNC_SECONDS));
static WRITTEN_BYTES: Once<Counter> = Once::new(|| counter!(names::JOURNAL_WRITTEN_BYTES_TOTAL));

/// A batch is durable. `took`: since the execution of its first command.
pub fn batch_committed(commands: usize, took: Duration) {
    BATCH_COMMANDS.with(|histogram| histogram.record(commands as f64));
    COMMIT_SECONDS.with(|histogram| histogram.record(took.as_secs_f64()));
}

/// The length of a queue and the age of its oldest command.
pub fn queue(queue: Queue, waiting: usize, oldest: Duration) {
    gauge!(names::ENGINE_WAITING_COMMANDS, "queue" => queue.label()).set(waiting as f64);
    gauge!(names::ENGINE_OLDEST_WAITING_SECONDS, "queue" => queue.label()).set(oldest.as_secs_f64());
}

/// A command was not executed.
pub fn undecided(why: Undecided) {
    tracing::debug!(why = why.label(), "command not executed");
    counter!(names::ENGINE_REFUSED_TOTAL, "reason" => why.label()).increment(1);
}

/// A command was refused because its rows would be too large. `why` contains sizes only.
pub fn command_too_large(why: &impl Display) {
    limited(Cause::CommandTooLarge, "none", || {
        tracing::error!(too_long = %why, "command refused: too large to store");
    });
}

/// The index was rebuilt from snapshot and journal.
pub fn index_rebuilt(why: RebuildReason, took: Duration) {
    tracing::warn!(why = why.label(), seconds = took.as_secs_f64(), "index rebuilt");
    counter!(names::INDEX_REBUILDS_TOTAL, "reason" => why.label()).increment(1);
}

/// The last durable position.
pub fn journal_position(position: u64) {
    POSITION.with(|gauge| gauge.set(position as f64));
}

/// Bytes were written to the journal; they are not durable yet.
pub fn journal_written(bytes: u64) {
    WRITTEN_BYTES.with(|counter| counter.increment(bytes));
}

/// An fsync of the journal finished.
pub fn journal_synced(took: Duration) {
    SYNC_SECONDS.with(|histogram| histogram.record(took.as_secs_f64()));
}

/// Free bytes on the disk of `data_dir`, the low-water mark for new work, and the size of the ballast.
pub fn disk(free: u64, low_water: u64, ballast: u64) {
    gauge!(names::DISK_FREE_BYTES).set(free as f64);
    gauge!(names::DISK_LOW_WATER_BYTES).set(low_water as f64);
    gauge!(names::DISK_BALLAST_BYTES).set(ballast as f64);
}

/// The disk fell below the low-water mark, or recovered.
pub fn disk_low(low: bool, free: u64, low_water: u64) {
    if low {
        tracing::error!(free, low_water, "the disk of data_dir is nearly full and no new work is taken: free space");
        counter!(names::DISK_LOW_TOTAL).increment(1);
    } else {
        tracing::info!(free, low_water, "the disk of data_dir has enough free space for new work again");
    }
}

/// The ballast was released to give work in progress space.
pub fn ballast_given_up(bytes: u64) {
    tracing::warn!(
        bytes,
        "the disk of data_dir is full: the ballast was released and no reserve is left; free space now"
    );
}

/// How far the machine's clock is ahead of elapsed time while a jump is not accepted; otherwise 0.
pub fn clock_ahead(ahead: Duration) {
    gauge!(names::CLOCK_AHEAD_SECONDS).set(ahead.as_secs_f64());
}

/// The journal's time minus the machine's clock.
pub fn clock_offset(offset_ms: i64) {
    gauge!(names::CLOCK_OFFSET_SECONDS).set(offset_ms as f64 / 1_000.0);
}

/// The journal's time and the machine's clock began to differ by more than a second, or agree again (`None`).
pub fn clock_differs(offset_ms: Option<i64>) {
    match offset_ms {
        Some(offset_ms) => tracing::warn!(
            offset_ms,
            "the journal's time and the machine's clock differ: check the clock. Events use the journal's time and \
             order; webhooks are signed with the clock's time"
        ),
        None => tracing::info!("the journal's time and the machine's clock agree again"),
    }
}

/// The machine's clock jumped forward by more than is accepted at once.
pub fn clock_suspect(ahead: Duration) {
    let secs = ahead.as_secs();
    tracing::error!(
        secs,
        "the machine's clock jumped ahead: correct it within 10 minutes, after that the jump is accepted"
    );
    counter!(names::CLOCK_JUMPS_TOTAL).increment(1);
}

/// After a reboot the clock is far past the journal: the machine was off for that long, or its clock is wrong.
pub fn clock_untrusted(rest: Duration) {
    let secs = rest.as_secs();
    tracing::warn!(
        secs,
        "the machine was rebooted and its clock is far ahead of the journal: correct it if it is wrong. For 10 \
         minutes no lease expires and nothing is deleted"
    );
}

/// The clock's jump lasted long enough and was accepted.
pub fn clock_accepted(by: Duration) {
    let secs = by.as_secs();
    tracing::warn!(secs, "accepting the clock jump: timestamps continue from the new time");
}

/// The clock was corrected before its jump was accepted.
pub fn clock_set_right() {
    tracing::info!("clock is back; the jump was ignored");
}

/// The state of the journal's retention.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Size of the journal's segments.
    pub bytes: u64,
    /// Segments are deleted before their retention ends, because of `journal_max_bytes`.
    pub early: bool,
    /// The journal is over `journal_max_bytes`, and no segment can be deleted.
    pub held: bool,
}

/// Records the state of retention; logs what changed since `before`.
pub fn retention(now: Retention, before: Retention) {
    if now.early && !before.early {
        tracing::error!(
            bytes = now.bytes,
            "the journal is at journal_max_bytes: texts and events are deleted before their retention_days; raise \
             journal_max_bytes, or keep fewer days"
        );
    }
    if now.held && !before.held {
        tracing::error!(
            bytes = now.bytes,
            "the journal is over journal_max_bytes and no segment can be deleted: it is not in a snapshot yet, or has \
             messages still to be sent; free disk space if this persists"
        );
    }
    gauge!(names::JOURNAL_KEPT_BYTES).set(now.bytes as f64);
    gauge!(names::JOURNAL_RETENTION_REDUCED).set(f64::from(u8::from(now.early)));
    gauge!(names::JOURNAL_OVER_LIMIT).set(f64::from(u8::from(now.held)));
}
