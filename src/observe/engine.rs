//! Facts of the engine, its journal, its index and its disk.

use super::label::labels;
use super::limited::{Cause, limited};
use super::names;
use super::once::Once;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::fmt::Display;
use std::time::Duration;

labels! {
    /// The two queues to the one writer.
    Queue {
        /// Receipts, settlements, call ends and ticks: practically never refused for load.
        Urgent = "urgent",
        /// The rest: refused when full.
        Ordinary = "ordinary",
    }
}

labels! {
    /// Why a command was not decided.
    Undecided {
        /// Too many waited.
        Busy = "busy",
        /// Whoever asked had given up before its turn came.
        TooLate = "too_late",
        /// The engine stopped, or failed.
        Stopped = "stopped",
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
        /// It failed while the gateway ran: on a full disk, or because a row could not be read.
        FailedWhileRunning = "failed_while_running",
        /// The machine stopped without a clean stop of ours.
        UncleanStop = "unclean_stop",
    }
}

static BATCH_COMMANDS: Once<Histogram> = Once::new(|| histogram!(names::ENGINE_BATCH_COMMANDS));
static COMMIT_SECONDS: Once<Histogram> = Once::new(|| histogram!(names::ENGINE_COMMIT_SECONDS));
static POSITION: Once<Gauge> = Once::new(|| gauge!(names::JOURNAL_POSITION));
static SYNC_SECONDS: Once<Histogram> = Once::new(|| histogram!(names::JOURNAL_SYNC_SECONDS));
static WRITTEN_BYTES: Once<Counter> = Once::new(|| counter!(names::JOURNAL_WRITTEN_BYTES_TOTAL));

/// A batch is on disk, so long after its first decision.
pub fn batch_committed(commands: usize, took: Duration) {
    BATCH_COMMANDS.tell(|histogram| histogram.record(commands as f64));
    COMMIT_SECONDS.tell(|histogram| histogram.record(took.as_secs_f64()));
}

/// How many commands wait in a queue, and for how long the one that has waited longest.
pub fn queue(queue: Queue, waiting: usize, oldest: Duration) {
    gauge!(names::ENGINE_WAITING_COMMANDS, "queue" => queue.label()).set(waiting as f64);
    gauge!(names::ENGINE_OLDEST_WAITING_SECONDS, "queue" => queue.label()).set(oldest.as_secs_f64());
}

/// A command was not decided.
pub fn undecided(why: Undecided) {
    tracing::debug!(why = why.label(), "a command was not decided");
    counter!(names::ENGINE_REFUSED_TOTAL, "reason" => why.label()).increment(1);
}

/// A command was refused because its rows would be too large. `why` holds sizes and no content.
pub fn command_too_large(why: &impl Display) {
    limited(Cause::CommandTooLarge, "none", || {
        tracing::error!(too_long = %why, "a command was refused because its rows would not fit");
    });
}

/// The index was made anew from snapshot and journal.
pub fn index_rebuilt(why: RebuildReason, took: Duration) {
    tracing::warn!(why = why.label(), seconds = took.as_secs_f64(), "index rebuilt");
    counter!(names::INDEX_REBUILDS_TOTAL, "reason" => why.label()).increment(1);
}

/// The last position that is on disk.
pub fn journal_position(position: u64) {
    POSITION.tell(|gauge| gauge.set(position as f64));
}

/// Bytes were written to the journal; they are not durable yet.
pub fn journal_written(bytes: u64) {
    WRITTEN_BYTES.tell(|counter| counter.increment(bytes));
}

/// What was written to the journal is durable.
pub fn journal_synced(took: Duration) {
    SYNC_SECONDS.tell(|histogram| histogram.record(took.as_secs_f64()));
}

/// How many bytes are free for us where the data lies, below how many no new work is taken, and how many the ballast holds.
pub fn disk(free: u64, low_water: u64, ballast: u64) {
    gauge!(names::DISK_FREE_BYTES).set(free as f64);
    gauge!(names::DISK_LOW_WATER_BYTES).set(low_water as f64);
    gauge!(names::DISK_BALLAST_BYTES).set(ballast as f64);
}

/// The disk has no room for new work from now on, or it has again.
pub fn disk_low(low: bool, free: u64, low_water: u64) {
    if low {
        tracing::error!(
            free,
            low_water,
            "the disk of data_dir is nearly full: make room, no new work is taken until then"
        );
        counter!(names::DISK_LOW_TOTAL).increment(1);
    } else {
        tracing::info!(free, low_water, "the disk of data_dir has room for new work again");
    }
}

/// The ballast was given up, so that what is under way has room.
pub fn ballast_given_up(bytes: u64) {
    tracing::warn!(bytes, "the disk of data_dir is full: its ballast was given up, and no more room is held back");
}

/// How far the machine's clock is ahead of the time that passed, while it is not believed; 0 where all is well.
pub fn clock_ahead(ahead: Duration) {
    gauge!(names::CLOCK_AHEAD_SECONDS).set(ahead.as_secs_f64());
}

/// How far the journal's time is from the machine's clock; above 0 where it is ahead.
pub fn clock_offset(offset_ms: i64) {
    gauge!(names::CLOCK_OFFSET_SECONDS).set(offset_ms as f64 / 1_000.0);
}

/// The journal's time and the machine's clock differ by more than a second from now on, or no longer.
pub fn clock_differs(offset_ms: Option<i64>) {
    match offset_ms {
        Some(offset_ms) => tracing::warn!(
            offset_ms,
            "the journal's time and the machine's clock differ: check that the clock is right. Events keep the journal's \
             time and order, webhooks are signed with the clock's"
        ),
        None => tracing::info!("the journal's time and the machine's clock agree again"),
    }
}

/// The machine's clock was set forward by much.
pub fn clock_suspect(ahead: Duration) {
    let secs = ahead.as_secs();
    tracing::error!(
        secs,
        "the machine's clock jumped ahead: set it right, it is believed once it has stood for 10 minutes"
    );
    counter!(names::CLOCK_JUMPS_TOTAL).increment(1);
}

/// The machine was started anew, and nobody can say whether it rested for so long or its clock is wrong.
pub fn clock_doubted(rest: Duration) {
    let secs = rest.as_secs();
    tracing::warn!(
        secs,
        "the machine was started anew and its clock is so far past the journal: if that is wrong, set it right. Until it \
         has stood for 10 minutes no lease ends and nothing is forgotten"
    );
}

/// It has stood for long enough.
pub fn clock_believed(by: Duration) {
    let secs = by.as_secs();
    tracing::warn!(
        secs,
        "the machine's clock is believed where it jumped to: leases go on, what is older is older now"
    );
}

/// It was set back before that.
pub fn clock_set_right() {
    tracing::info!("the machine's clock is right again, and nothing came of its jump");
}

/// How retention stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Bytes of the journal that are kept.
    pub bytes: u64,
    /// More goes than is past its retention, because there are too many bytes.
    pub early: bool,
    /// There are too many bytes, and what would have to go is needed.
    pub held: bool,
}

/// How retention stands, and how it stood before.
pub fn retention(now: Retention, before: Retention) {
    if now.early && !before.early {
        tracing::error!(
            bytes = now.bytes,
            "the journal is at journal_max_bytes: texts and events go before their retention_days; give it more room, or \
             keep fewer days"
        );
    }
    if now.held && !before.held {
        tracing::error!(
            bytes = now.bytes,
            "the journal is over journal_max_bytes, and what would have to go is not in a snapshot yet or is still to be \
             sent: make room on the disk if this stays"
        );
    }
    gauge!(names::JOURNAL_KEPT_BYTES).set(now.bytes as f64);
    gauge!(names::JOURNAL_RETENTION_REDUCED).set(f64::from(u8::from(now.early)));
    gauge!(names::JOURNAL_OVER_LIMIT).set(f64::from(u8::from(now.held)));
}
