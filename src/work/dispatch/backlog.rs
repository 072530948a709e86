//! What waits, for who watches. Nothing here is asked by dispatch itself.

use super::Dispatch;
use crate::model::{MessageId, Timestamp};
use crate::rules::lane::PRIORITIES;
use crate::work::Moment;
use std::collections::HashMap;

/// What waits for one account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Backlog {
    /// Messages that wait and are not under way, by priority: closing, agents', auto-replies.
    pub waiting: [usize; PRIORITIES as usize],
    /// Since when the one has waited that might go and waits longest.
    pub ready_since: Option<Timestamp>,
    /// Requests under way.
    pub in_flight: usize,
    /// The account is left alone (A64).
    pub paused: bool,
}

impl Dispatch {
    /// What waits, by account. Of an account that is not in it nothing does. Looks at every message that waits.
    pub fn backlog(&self, now: Moment) -> HashMap<String, Backlog> {
        let mut backlogs: HashMap<String, Backlog> = HashMap::new();
        for (name, account) in &self.accounts {
            let backlog = backlogs.entry(name.clone()).or_default();
            (backlog.in_flight, backlog.paused) = (account.in_flight(), account.paused.is_some());
        }
        for (number, lane) in &self.lanes {
            let backlog = backlogs.entry(self.account_name(*number)).or_default();
            for (priority, since) in lane.waiting(now.wall) {
                backlog.waiting[usize::from(priority)] += 1;
                backlog.ready_since = backlog.ready_since.into_iter().chain(since).min();
            }
        }
        backlogs
    }

    /// The account that a message is on its way through; empty where it is not.
    pub fn through(&self, id: MessageId) -> &str {
        self.account_of.get(&id).map_or("", String::as_str)
    }
}
