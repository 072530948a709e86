//! Reports events that an endpoint did not accept in time.
//!
//! Invariant: a gap is recorded before any progress beyond it, so that a watermark never hides missed events.

use crate::engine::{Follow, FollowFailed, Handle, SubmitError};
use crate::journal::JournalFailed;
use crate::machine::command::Command;
use crate::machine::show;
use crate::model::{EventId, Position};
use crate::observe;
use crate::work::feed::Feed;
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait for the engine to record a gap.
const PATIENCE: Duration = Duration::from_secs(60);

/// The delay before a gap is submitted again after the engine was busy.
const AGAIN: Duration = Duration::from_millis(200);

/// The gap that is not yet recorded.
#[derive(Default)]
pub(super) struct Gap {
    /// The first position that may be missed, and the first that is not.
    owed: Option<(Position, Position)>,
    again_at: Option<Instant>,
}

impl Gap {
    /// Skips events before `oldest`, which are deleted or too old to deliver except in a replay.
    pub(super) fn skip_to(&mut self, feed: &mut Feed, endpoint: &str, oldest: Position) {
        let Some(from) = feed.skip_to(oldest) else { return };
        observe::feed_gap(endpoint, oldest.0);
        let (first, until) = self.owed.unwrap_or((from, oldest));
        self.owed = Some((first.min(from), until.max(oldest)));
    }

    /// Whether every gap is recorded.
    pub(super) fn is_recorded(&self) -> bool {
        self.owed.is_none()
    }

    /// Records the gap, so that the endpoint gets a gap event; returns whether nothing is left to record.
    pub(super) async fn record(
        &mut self,
        endpoint: &str,
        engine: &Handle,
        follow: &Follow,
    ) -> Result<bool, FollowFailed> {
        let Some((from, until)) = self.owed else { return Ok(true) };
        if self.again_at.is_some_and(|at| Instant::now() < at) {
            return Ok(false);
        }
        let journal = follow.clone();
        // Finding the cursors may read from disk.
        let cursors_read = tokio::task::spawn_blocking(move || cursors(&journal, from, until)).await;
        let (from, until) = cursors_read.map_err(|_| FollowFailed::Stopped)??;
        let gap = Command::FeedGap { endpoint: endpoint.to_owned(), from, until };
        match engine.submit(gap, PATIENCE).await {
            Ok(_) => {
                *self = Self::default();
                Ok(true)
            }
            Err(SubmitError::Busy | SubmitError::TooLate) => {
                self.again_at = Some(Instant::now() + AGAIN);
                Ok(false)
            }
            Err(SubmitError::Stopped) => Err(FollowFailed::Stopped),
        }
    }
}

/// The cursors of the gap, as event ids: read on after the first to get everything missed, up to the second. The day of
/// a deleted frame is unknown; the day of the frame that follows is used instead.
fn cursors(follow: &Follow, from: Position, until: Position) -> Result<(EventId, EventId), FollowFailed> {
    let day = |position| match follow.frame(position) {
        Ok(frame) => Ok(frame.map(|frame| frame.at.day())),
        Err(FollowFailed::Journal(JournalFailed::Gone { .. }) | FollowFailed::Record { .. }) => Ok(None),
        Err(failed) => Err(failed),
    };
    let after = match day(until)? {
        Some(after) => after,
        None => day(follow.committed())?.unwrap_or_default(),
    };
    let before = day(from)?.unwrap_or(after);
    Ok((show::before(before, from), EventId::new(after, until, 0)))
}
