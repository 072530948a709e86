//! Retention: deletes old journal segments, and stops delivery of events that are too old.
//!
//! Invariant: nothing is deleted that a rebuild of the index needs, nor the text of a message that is still to be sent.
//! An endpoint that is down keeps nothing from being deleted: it gets a gap event when it is back.

#[cfg(test)]
mod together;

use crate::engine::{CompactionHandle, DropBefore, Handle, Reads, SubmitError};
use crate::machine::view::SendingQueries;
use crate::model::Position;
use crate::observe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// The interval between checks. Each check can delete several segments, which is faster than segments are filled.
const EVERY: Duration = Duration::from_secs(10);

/// How long to wait for the engine to delete.
const PATIENCE: Duration = Duration::from_secs(30);

/// The minimum retention in days: longer than any send takes, and than any deduplication key is remembered.
const DAYS_MIN: u32 = 2;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What snapshots cover.
pub trait SnapshotCoverage: Send + Sync {
    /// The last position covered by a snapshot on disk: a rebuild needs no frame up to there.
    fn covers(&self) -> Position;

    /// Requests a snapshot of all closed segments.
    fn ask(&self);
}

impl SnapshotCoverage for CompactionHandle {
    fn covers(&self) -> Position {
        CompactionHandle::covers(self)
    }

    fn ask(&self) {
        CompactionHandle::ask(self);
    }
}

/// Limits of what is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// The maximum size of the journal in bytes, whatever the age of its frames.
    pub journal_max_bytes: u64,
    /// How long an undelivered event stays available to an endpoint.
    pub events_max_age: Duration,
}

impl Default for Keep {
    /// 50 GiB, which holds a month at 40 messages a second, and one week for events.
    fn default() -> Self {
        Self { journal_max_bytes: 50 * 1024 * 1024 * 1024, events_max_age: DAY * 7 }
    }
}

/// The state of a journal. A position inside a segment keeps that whole segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Known {
    /// Everything before this is past its retention.
    aged: Position,
    /// From here on the journal is within its size limit.
    within: Position,
    /// Events before this are too old to deliver.
    undeliverable: Position,
    /// The oldest message that is still to be sent.
    unsent: Option<Position>,
    /// The last position covered by a snapshot.
    covers: Position,
}

/// What to delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Plan {
    drop_before: DropBefore,
    /// Frames are deleted before the end of their retention, because the journal is too large.
    early: bool,
    /// The journal is too large, but its oldest frames are still needed.
    held: bool,
    /// More could be deleted once a snapshot covers it.
    snapshot: bool,
}

fn plan(known: &Known) -> Plan {
    let wanted = known.aged.max(known.within);
    let wanted = wanted.min(known.unsent.unwrap_or(wanted));
    let kept_from = wanted.min(known.covers.next());
    let drop_before = DropBefore { deliver_from: known.undeliverable.max(kept_from), kept_from };
    let snapshot = kept_from < wanted;
    Plan { drop_before, early: kept_from > known.aged, held: kept_from < known.within, snapshot }
}

/// Deletes frames that are too old or exceed the size limit, until `stop`.
pub async fn retain(
    keep: Keep,
    engine: Handle,
    reads: Reads,
    snapshots: Arc<dyn SnapshotCoverage>,
    stop: CancellationToken,
) -> Result<(), String> {
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = observe::Retention::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = every.tick() => {}
        }
        let (reads, covers) = (reads.clone(), snapshots.covers());
        // This reads the headers of some segments from disk.
        let checked = tokio::task::spawn_blocking(move || check_journal(keep, &reads, covers)).await;
        let Some((plan, bytes)) = checked.map_err(|_panicked| "retention check panicked (bug)".to_owned())?? else {
            continue;
        };
        let state = observe::Retention { bytes, early: plan.early, held: plan.held };
        observe::retention(state, std::mem::replace(&mut reported, state));
        if plan.snapshot {
            snapshots.ask();
        }
        match engine.drop_before(plan.drop_before, PATIENCE).await {
            // The next check repeats the request.
            Ok(()) | Err(SubmitError::Busy | SubmitError::TooLate) => {}
            Err(SubmitError::Stopped) => return Err(SubmitError::Stopped.to_string()),
        }
    }
}

/// The plan, and the journal's size in bytes; `None` while the journal is empty.
fn check_journal(keep: Keep, reads: &Reads, covers: Position) -> Result<Option<(Plan, u64)>, String> {
    let follow = reads.follow();
    // Uses the journal's time, which ignores jumps of the machine's clock.
    let latest = follow.frame(follow.committed()).map_err(|failed| failed.to_string())?;
    let Some(now) = latest.map(|frame| frame.at) else { return Ok(None) };
    let days = reads.directory().settings.retention_days.max(DAYS_MIN);
    let all_before = |age| follow.all_before(now - age).map_err(|failed| failed.to_string());
    let (bytes, within) = follow.kept_within(keep.journal_max_bytes);
    // Below the size limit nothing is deleted for size, wherever the journal begins.
    let within = if bytes > keep.journal_max_bytes { within } else { Position(0) };
    let unsent = reads.ask(|view| view.oldest_open().map(|message| message.position()));
    // Unreadable rows are being rebuilt; nothing is deleted until that is done.
    let Ok(unsent) = unsent else { return Ok(None) };
    let known = Known {
        aged: all_before(DAY * days)?,
        within,
        undeliverable: all_before(keep.events_max_age)?,
        unsent,
        covers,
    };
    Ok(Some((plan(&known), bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is old, the size is within its limit, and everything is covered.
    const YOUNG: Known = Known {
        aged: Position(1),
        within: Position(1),
        undeliverable: Position(1),
        unsent: None,
        covers: Position(100),
    };

    #[test]
    fn nothing_is_deleted_before_its_time() {
        check(YOUNG, 1, 1, [false, false]);
    }

    #[test]
    fn frames_past_their_retention_are_deleted_and_not_delivered() {
        check(Known { aged: Position(20), ..YOUNG }, 20, 20, [false, false]);
    }

    #[test]
    fn frames_not_in_a_snapshot_or_still_to_be_sent_are_kept_at_any_age() {
        check(Known { aged: Position(20), covers: Position(14), ..YOUNG }, 15, 15, [false, false]);
        check(Known { aged: Position(20), covers: Position(0), ..YOUNG }, 1, 1, [false, false]);
        check(Known { aged: Position(20), unsent: Some(Position(7)), ..YOUNG }, 7, 7, [false, false]);
    }

    #[test]
    fn excess_bytes_are_deleted_early_unless_needed() {
        check(Known { aged: Position(20), within: Position(30), ..YOUNG }, 30, 30, [true, false]);
        check(Known { aged: Position(20), within: Position(30), covers: Position(24), ..YOUNG }, 25, 25, [true, true]);
        check(Known { within: Position(30), unsent: Some(Position(1)), ..YOUNG }, 1, 1, [false, true]);
        check(Known { aged: Position(40), within: Position(30), ..YOUNG }, 40, 40, [false, false]);
    }

    #[test]
    fn a65_events_too_old_for_an_endpoint_are_kept_and_not_delivered() {
        check(Known { undeliverable: Position(50), ..YOUNG }, 1, 50, [false, false]);
        check(Known { undeliverable: Position(50), aged: Position(60), ..YOUNG }, 60, 60, [false, false]);
    }

    #[test]
    fn a_snapshot_is_requested_only_where_nothing_else_blocks_deletion() {
        let old = Known { aged: Position(20), covers: Position(14), ..YOUNG };
        assert!(plan(&old).snapshot);
        assert!(!plan(&Known { covers: Position(19), ..old }).snapshot);
        assert!(!plan(&Known { unsent: Some(Position(15)), ..old }).snapshot);
        assert!(!plan(&YOUNG).snapshot);
    }

    #[track_caller]
    fn check(known: Known, kept_from: u64, deliver_from: u64, early_and_held: [bool; 2]) {
        let drop_before = DropBefore { deliver_from: Position(deliver_from), kept_from: Position(kept_from) };
        let [early, held] = early_and_held;
        let plan = plan(&known);
        assert_eq!((plan.drop_before, plan.early, plan.held), (drop_before, early, held));
    }
}
