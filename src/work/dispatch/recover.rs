//! Restores the lanes when a process starts.

use super::Dispatch;
use crate::machine::state::CapOwner;
use crate::machine::view::{Queries, SendingQueries, View};
use crate::model::{Directory, MessageId};
use crate::work::Moment;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Dispatch {
    /// The lanes from the index, and the attempts that were recorded and never settled: each message with the number of
    /// its attempt, from 1.
    pub fn recover(view: &impl View, directory: Arc<Directory>, now: Moment) -> (Self, Vec<(MessageId, u32)>) {
        let mut dispatch = Self::new(directory, view.gateway().started_at, now);
        let mut unsettled = Vec::new();
        for (id, open) in view.open() {
            dispatch.found(id, &open, view.lane(open.ours).empty_at, now);
            if open.started {
                let attempts = view.message(id).map_or(0, |message| message.attempts.len());
                unsettled.push((id, u32::try_from(attempts).unwrap_or(u32::MAX)));
            }
        }
        dispatch.found_held(view, now);
        (dispatch, unsettled)
    }

    /// Restores the pauses, daily counts and bucket levels.
    fn found_held(&mut self, view: &impl View, now: Moment) {
        for (ours, pause) in view.pauses() {
            self.paused(ours, Some(pause.until), now);
        }
        for (owner, _) in view.suspensions() {
            self.suspended(&owner, true, now);
        }
        let directory = view.directory();
        for (number, _) in directory.numbers.iter().filter(|(_, entry)| entry.limits.segments_per_day.is_some()) {
            let owner = CapOwner::Number(*number);
            self.counted(&owner, view.day_count(&owner), now);
        }
        let of_numbers = directory.numbers.values().map(|entry| entry.account.as_str());
        let names: BTreeSet<&str> = of_numbers.chain(directory.accounts.keys().map(String::as_str)).collect();
        for name in names {
            self.found_account(name, view.account_lane(name).empty_at, now);
            let owner = CapOwner::Account(name.to_owned());
            self.counted(&owner, view.day_count(&owner), now);
            self.account_paused(name, view.breaker(name).and_then(|breaker| breaker.paused), now);
        }
    }
}
