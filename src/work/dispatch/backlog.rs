//! Queued messages, counted for metrics. Dispatch itself does not use this.

use super::Dispatch;
use crate::model::{MessageId, Timestamp};
use crate::rules::lane::PRIORITIES;
use crate::work::Moment;
use std::collections::HashMap;

/// The messages queued for one account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Backlog {
    /// Messages queued and not in flight, by priority: closing, agents', auto-replies.
    pub waiting: [usize; PRIORITIES as usize],
    /// Since when the message that has been ready longest is ready.
    pub ready_since: Option<Timestamp>,
    /// Requests in flight.
    pub in_flight: usize,
    /// The account is paused (A64).
    pub paused: bool,
}

impl Dispatch {
    /// The backlog by account; accounts without messages may be missing. Visits every queued message.
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

    /// The account through which a message is being sent; empty if it is not in flight.
    pub fn through(&self, id: MessageId) -> &str {
        self.account_of.get(&id).map_or("", String::as_str)
    }
}
