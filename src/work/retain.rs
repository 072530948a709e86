//! What is kept, and until when: what is older goes, a segment of the journal at a time.
//!
//! Invariant: nothing goes that a rebuild of the index would need, nor the text of a message that is still to be sent. A
//! dead endpoint holds nothing: it hears of the gap when it is back.

#[cfg(test)]
mod together;

use crate::engine::{CompactionHandle, Forget, Handle, Reads, SubmitError};
use crate::machine::view::Queries;
use crate::model::Position;
use crate::observe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often it is looked what may go. Some segments go at a time, which is faster than any can be filled.
const EVERY: Duration = Duration::from_secs(10);

/// How long the engine is given to let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// Days that are kept whatever the settings say: longer than any send, and than any key is remembered.
const DAYS_MIN: u32 = 2;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is in snapshots.
pub trait Folded: Send + Sync {
    /// The last position whose rows are in a snapshot that is on the disk: a rebuild needs no frame up to there.
    fn covers(&self) -> Position;

    /// Asks for a snapshot of everything in closed segments.
    fn ask(&self);
}

impl Folded for CompactionHandle {
    fn covers(&self) -> Position {
        CompactionHandle::covers(self)
    }

    fn ask(&self) {
        CompactionHandle::ask(self);
    }
}

/// What is kept at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// Bytes of the journal, however young they are.
    pub journal_max_bytes: u64,
    /// Until when an endpoint can take an event.
    pub events_max_age: Duration,
}

impl Default for Keep {
    /// 50 GiB, which is a month of 40 messages a second, and a week.
    fn default() -> Self {
        Self { journal_max_bytes: 50 * 1024 * 1024 * 1024, events_max_age: DAY * 7 }
    }
}

/// What is known of a journal. Each position is the beginning of a segment, or none of its frames may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Known {
    /// Everything before is past its retention.
    aged: Position,
    /// From here on there are no more bytes than may be.
    within: Position,
    /// Everything before is too old to be told of.
    untold: Position,
    /// The oldest message that is still to be sent.
    unsent: Option<Position>,
    /// The last position that a snapshot covers.
    covers: Position,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Plan {
    forget: Forget,
    /// More goes than is past its retention, because there are too many bytes.
    early: bool,
    /// There are too many bytes, and what would have to go is needed.
    held: bool,
    /// Something would go if it were in a snapshot.
    fold: bool,
}

fn plan(known: &Known) -> Plan {
    let wanted = known.aged.max(known.within);
    let wanted = wanted.min(known.unsent.unwrap_or(wanted));
    let kept_from = wanted.min(known.covers.next());
    let forget = Forget { told_from: known.untold.max(kept_from), kept_from };
    let fold = kept_from < wanted;
    Plan { forget, early: kept_from > known.aged, held: kept_from < known.within, fold }
}

/// Lets go of what is too old or too much, until `stop`.
pub async fn retain(
    keep: Keep,
    engine: Handle,
    reads: Reads,
    folded: Arc<dyn Folded>,
    stop: CancellationToken,
) -> Result<(), String> {
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = observe::Retention::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = every.tick() => {}
        }
        let (reads, covers) = (reads.clone(), folded.covers());
        // It reads the heads of some segments.
        let looked = tokio::task::spawn_blocking(move || look(keep, &reads, covers)).await;
        let Some((plan, bytes)) = looked.map_err(|_panicked| "it panicked, which is a defect".to_owned())?? else {
            continue;
        };
        let standing = observe::Retention { bytes, early: plan.early, held: plan.held };
        observe::retention(standing, std::mem::replace(&mut told, standing));
        if plan.fold {
            folded.ask();
        }
        match engine.forget(plan.forget, PATIENCE).await {
            // The next look says the same again.
            Ok(()) | Err(SubmitError::Busy | SubmitError::TooLate) => {}
            Err(SubmitError::Stopped) => return Err(SubmitError::Stopped.to_string()),
        }
    }
}

/// What is to be done, and how many bytes there are; nothing before anything was written.
fn look(keep: Keep, reads: &Reads, covers: Position) -> Result<Option<(Plan, u64)>, String> {
    let follow = reads.follow();
    // The journal's own time: it does not believe a clock that jumped.
    let latest = follow.story(follow.committed()).map_err(|failed| failed.to_string())?;
    let Some(now) = latest.map(|story| story.at) else { return Ok(None) };
    let days = reads.directory().settings.retention_days.max(DAYS_MIN);
    let all_before = |age| follow.all_before(now - age).map_err(|failed| failed.to_string());
    let (bytes, within) = follow.kept_within(keep.journal_max_bytes);
    // Where there are not too many, nothing has to go for that, wherever the journal begins.
    let within = if bytes > keep.journal_max_bytes { within } else { Position(0) };
    let unsent = reads.ask(|view| view.open_page(&[], 1).first().map(|(_, message, _)| message.position()));
    // Rows that cannot be read are being rebuilt; until they are nothing goes.
    let Ok(unsent) = unsent else { return Ok(None) };
    let known =
        Known { aged: all_before(DAY * days)?, within, untold: all_before(keep.events_max_age)?, unsent, covers };
    Ok(Some((plan(&known), bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is old, nothing is too much, and all of it is covered.
    const YOUNG: Known =
        Known { aged: Position(1), within: Position(1), untold: Position(1), unsent: None, covers: Position(100) };

    #[test]
    fn nothing_goes_before_its_time() {
        check(YOUNG, 1, 1, [false, false]);
    }

    #[test]
    fn what_is_past_its_retention_goes_and_is_told_of_no_more() {
        check(Known { aged: Position(20), ..YOUNG }, 20, 20, [false, false]);
    }

    #[test]
    fn what_is_not_in_a_snapshot_or_still_to_be_sent_stays_however_old_it_is() {
        check(Known { aged: Position(20), covers: Position(14), ..YOUNG }, 15, 15, [false, false]);
        check(Known { aged: Position(20), covers: Position(0), ..YOUNG }, 1, 1, [false, false]);
        check(Known { aged: Position(20), unsent: Some(Position(7)), ..YOUNG }, 7, 7, [false, false]);
    }

    #[test]
    fn too_many_bytes_go_before_their_time_but_for_what_is_needed() {
        check(Known { aged: Position(20), within: Position(30), ..YOUNG }, 30, 30, [true, false]);
        check(Known { aged: Position(20), within: Position(30), covers: Position(24), ..YOUNG }, 25, 25, [true, true]);
        check(Known { within: Position(30), unsent: Some(Position(1)), ..YOUNG }, 1, 1, [false, true]);
        check(Known { aged: Position(40), within: Position(30), ..YOUNG }, 40, 40, [false, false]);
    }

    #[test]
    fn a65_events_too_old_for_an_endpoint_are_kept_and_not_told() {
        check(Known { untold: Position(50), ..YOUNG }, 1, 50, [false, false]);
        check(Known { untold: Position(50), aged: Position(60), ..YOUNG }, 60, 60, [false, false]);
    }

    #[test]
    fn a_snapshot_is_asked_for_where_nothing_else_is_in_the_way() {
        let old = Known { aged: Position(20), covers: Position(14), ..YOUNG };
        assert!(plan(&old).fold);
        assert!(!plan(&Known { covers: Position(19), ..old }).fold);
        assert!(!plan(&Known { unsent: Some(Position(15)), ..old }).fold);
        assert!(!plan(&YOUNG).fold);
    }

    #[track_caller]
    fn check(known: Known, kept_from: u64, told_from: u64, early_and_held: [bool; 2]) {
        let forget = Forget { told_from: Position(told_from), kept_from: Position(kept_from) };
        let [early, held] = early_and_held;
        let plan = plan(&known);
        assert_eq!((plan.forget, plan.early, plan.held), (forget, early, held));
    }
}
