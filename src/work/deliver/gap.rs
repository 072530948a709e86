//! What an endpoint did not take in time: it hears of that.
//!
//! Invariant: no progress is noted before the gap it passes is, so that what was missed is never hidden by a watermark.

use crate::engine::{Follow, FollowFailed, Handle, SubmitError, Urgency};
use crate::journal::JournalFailed;
use crate::machine::command::Command;
use crate::machine::show;
use crate::model::{EventId, Position};
use crate::observe;
use crate::work::feed::Feed;
use std::time::Duration;
use tokio::time::Instant;

/// How long the engine is given to note a gap.
const PATIENCE: Duration = Duration::from_secs(60);

/// The wait before a gap the engine had no room for is offered again.
const AGAIN: Duration = Duration::from_millis(200);

/// What the endpoint missed and was not told of yet.
#[derive(Default)]
pub(super) struct Gap {
    /// The first position that it may have missed, and the first that it has not.
    owed: Option<(Position, Position)>,
    again_at: Option<Instant>,
}

impl Gap {
    /// What is older than the journal is nowhere, and what is too old is told to nobody who does not ask for it.
    pub(super) fn skip_to(&mut self, feed: &mut Feed, endpoint: &str, oldest: Position) {
        let Some(from) = feed.skip_to(oldest) else { return };
        observe::feed_gap(endpoint, oldest.0);
        let (first, until) = self.owed.unwrap_or((from, oldest));
        self.owed = Some((first.min(from), until.max(oldest)));
    }

    /// Whether the endpoint will hear of all that it missed.
    pub(super) fn is_noted(&self) -> bool {
        self.owed.is_none()
    }

    /// Notes what the endpoint missed, so that it hears of that; whether nothing is left to be noted.
    pub(super) async fn note(
        &mut self,
        endpoint: &str,
        engine: &Handle,
        follow: &Follow,
    ) -> Result<bool, FollowFailed> {
        let Some((from, until)) = self.owed else { return Ok(true) };
        if self.again_at.is_some_and(|at| Instant::now() < at) {
            return Ok(false);
        }
        let looking = follow.clone();
        // It may touch the disk.
        let looked = tokio::task::spawn_blocking(move || cursors(&looking, from, until)).await;
        let (from, until) = looked.map_err(|_| FollowFailed::Stopped)??;
        let gap = Command::FeedGap { endpoint: endpoint.to_owned(), from, until };
        match engine.submit(gap, Urgency::Urgent, PATIENCE).await {
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

/// What to read on after to have all that is missed, and where it goes on, in the form of events' ids. The day of what is
/// gone already is not known: then it is that of what follows.
fn cursors(follow: &Follow, from: Position, until: Position) -> Result<(EventId, EventId), FollowFailed> {
    let day = |position| match follow.story(position) {
        Ok(story) => Ok(story.map(|story| story.at.day())),
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
