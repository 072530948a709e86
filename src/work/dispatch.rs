//! Decides which text is sent next, and when: one lane for each of our numbers, and the limits that lanes share in a
//! carrier account.
//!
//! Invariants: no number sends more than `max(burst, largest message) + rate × window` segments in any window, measured
//! at the start times in the journal; texts to one caller keep their order, across retries; and every text that waits
//! is in exactly one lane.

mod account;
mod backlog;
mod bucket;
mod follow;
mod lane;
mod recover;

pub use backlog::Backlog;

use super::Moment;
use crate::machine::state::{CapOwner, Open};
use crate::model::{Directory, E164, MessageId, Timestamp};
use crate::rules::lane::priority;
use crate::rules::rate::DayCount;
use crate::rules::retry;
use account::{Account, Capacity};
use lane::{Held, Lane, Next, Waiting};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// An action for the sender loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The message has its permit: record the attempt, then send.
    Start {
        /// The message to send.
        message: MessageId,
        /// When the lane's bucket will be empty with this message paid for.
        lane_empty_at: Timestamp,
        /// When the account's bucket will be empty with this message paid for.
        account_empty_at: Timestamp,
    },
    /// The message has expired.
    Expire(MessageId),
}

/// All lanes and accounts.
pub struct Dispatch {
    directory: Arc<Directory>,
    /// When the gateway started: an unused lane's bucket was empty then (A30).
    started_at: Timestamp,
    /// When this worker began. Lane levels left by the last process are converted with the wall clock of that moment.
    began: Moment,
    lanes: HashMap<E164, Lane>,
    /// Numbers that have had a lane in this process. A lane is removed only once its bucket is full.
    used: HashSet<E164>,
    accounts: HashMap<String, Account>,
    /// Lanes paused at their carrier's request.
    pauses: HashMap<E164, Timestamp>,
    /// Numbers and accounts that an operator suspended.
    suspended: BTreeSet<CapOwner>,
    /// Counts of the numbers' daily caps.
    days: HashMap<E164, DayCount>,
    /// Lanes and accounts to check, by time.
    due: BTreeSet<(Duration, Due)>,
    /// The lane of each message that is queued or in flight.
    lane_of: HashMap<MessageId, E164>,
    /// The account of each message in flight.
    account_of: HashMap<MessageId, String>,
}

/// A lane or an account to check.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Lane(E164),
    Account(String),
}

impl Dispatch {
    /// No messages yet; a lane's `empty_at` comes with its first message.
    pub fn new(directory: Arc<Directory>, started_at: Timestamp, now: Moment) -> Self {
        Self {
            directory,
            started_at,
            began: now,
            lanes: HashMap::new(),
            used: HashSet::new(),
            accounts: HashMap::new(),
            pauses: HashMap::new(),
            suspended: BTreeSet::new(),
            days: HashMap::new(),
            due: BTreeSet::new(),
            lane_of: HashMap::new(),
            account_of: HashMap::new(),
        }
    }

    /// The actions due now. Each one ends with a committed event, with `cancelled` or with `engine_busy`.
    pub fn next(&mut self, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        while self.due.first().is_some_and(|(at, _)| *at <= now.elapsed) {
            match self.due.pop_first() {
                Some((_, Due::Lane(number))) => {
                    if let Some(lane) = self.lanes.get_mut(&number) {
                        lane.due = None;
                    }
                    self.check_lane(number, now, &mut actions);
                }
                Some((_, Due::Account(name))) => {
                    if let Some(account) = self.accounts.get_mut(&name) {
                        account.due = None;
                    }
                    self.serve_account(&name, now, &mut actions);
                }
                None => break,
            }
        }
        actions
    }

    /// Checks what a lane can do next.
    fn check_lane(&mut self, number: E164, now: Moment, actions: &mut Vec<Action>) {
        let held = self.held(number);
        if self.lanes.get(&number).is_some_and(|lane| lane.at_account) {
            // The account is scheduled for its first lane's ready message, which may have changed or gone.
            let name = self.account_name(number);
            if self.accounts.get(&name).is_some_and(|account| account.waiting.front() == Some(&number)) {
                self.schedule(Due::Account(name), now.elapsed);
            }
        }
        loop {
            let Some(lane) = self.lanes.get_mut(&number) else { return };
            match lane.next(now, held) {
                Next::Expire(message) => actions.push(Action::Expire(message)),
                Next::At(at) => return self.schedule(Due::Lane(number), at),
                Next::Nothing => {
                    match lane.idle_at(now).filter(|_| !lane.at_account) {
                        Some(at) if at <= now.elapsed => drop(self.lanes.remove(&number)),
                        Some(at) => self.schedule(Due::Lane(number), at),
                        None => {}
                    }
                    return;
                }
                Next::Ready { .. } => {
                    // The lane joins the end of its account's queue and is served in turn.
                    let was_waiting = std::mem::replace(&mut lane.at_account, true);
                    if let Some(at) = lane.next_expiry(now) {
                        self.schedule(Due::Lane(number), at);
                    }
                    if !was_waiting {
                        let name = self.account_name(number);
                        self.account(&name, now).waiting.push_back(number);
                        self.schedule(Due::Account(name), now.elapsed);
                    }
                    return;
                }
            }
        }
    }

    /// Serves the lanes of an account in turn, while the account has capacity.
    fn serve_account(&mut self, name: &str, now: Moment, actions: &mut Vec<Action>) {
        while let Some(number) = self.accounts.get(name).and_then(|account| account.waiting.front().copied()) {
            let held = self.held(number);
            let ready = self.lanes.get_mut(&number).map(|lane| lane.next(now, held));
            if let Some(Next::Ready { message, segments }) = ready {
                let at = match self.account(name, now).capacity(segments, now) {
                    Capacity::Available => self.take_permits(name, number, message, segments, now, actions).err(),
                    Capacity::At(at) => Some(at),
                    Capacity::AfterResponse => return,
                };
                if let Some(at) = at {
                    return self.schedule(Due::Account(name.to_owned()), at);
                }
            } else if let Some(Next::Expire(message)) = ready {
                actions.push(Action::Expire(message));
                continue;
            }
            self.account(name, now).waiting.pop_front();
            if let Some(lane) = self.lanes.get_mut(&number) {
                lane.at_account = false;
            }
            self.check_lane(number, now, actions);
        }
    }

    /// Takes the permits for a message, the account's first. If a bucket refuses, returns when to retry.
    fn take_permits(
        &mut self,
        name: &str,
        number: E164,
        id: MessageId,
        segments: u16,
        now: Moment,
        actions: &mut Vec<Action>,
    ) -> Result<(), Duration> {
        let later = |wait: Duration| now.elapsed + wait.max(Duration::from_millis(1));
        self.account(name, now).take(id, segments, now).map_err(later)?;
        let Some(lane) = self.lanes.get_mut(&number) else { return Ok(()) };
        match lane.start(id, now) {
            Ok(lane_empty_at) => {
                self.account_of.insert(id, name.to_owned());
                let account_empty_at = self.account(name, now).empty_at(now);
                actions.push(Action::Start { message: id, lane_empty_at, account_empty_at });
                Ok(())
            }
            Err(wait) => {
                self.account(name, now).release(id);
                Err(later(wait))
            }
        }
    }

    /// When to call `next` again, if nothing else happens before.
    pub fn due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The engine refused to start the message: it is removed from its lane, and its permits go to the next message.
    pub fn cancelled(&mut self, id: MessageId, now: Moment) {
        self.remove(id, now);
        self.release_account(id, now);
    }

    /// The engine was too busy to start the message: it stays in its lane. Its permits are spent, so that it is not
    /// retried at once.
    pub fn engine_busy(&mut self, id: MessageId, now: Moment) {
        if let Some(account) = self.account_of.get(&id).and_then(|name| self.accounts.get_mut(name)) {
            account.started(id, now.wall, now);
        }
        if let Some(lane) = self.lane_of.get(&id).and_then(|number| self.lanes.get_mut(number)) {
            lane.spent(id);
        }
        self.release_lane(id, now);
        self.release_account(id, now);
    }

    /// The start of a message is in the journal: its lane may start the next one.
    fn started(&mut self, id: MessageId, at: Timestamp, now: Moment) {
        if let Some(account) = self.account_of.get(&id).and_then(|name| self.accounts.get_mut(name)) {
            account.started(id, at, now);
        }
        let Some(number) = self.lane_of.get(&id).copied() else { return };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.started(id, at, now);
        }
        self.schedule(Due::Lane(number), now.elapsed);
    }

    /// The message no longer occupies its lane and its pair. Its request may still be in flight, because a receipt can
    /// overtake the response (A61).
    fn release_lane(&mut self, id: MessageId, now: Moment) {
        let Some(number) = self.lane_of.get(&id).copied() else { return };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.release(id);
        }
        self.schedule(Due::Lane(number), now.elapsed);
    }

    /// The request of a message has ended, which frees its slot at the account.
    fn release_account(&mut self, id: MessageId, now: Moment) {
        let Some(name) = self.account_of.remove(&id) else { return };
        if let Some(account) = self.accounts.get_mut(&name) {
            account.release(id);
        }
        self.schedule(Due::Account(name), now.elapsed);
    }

    /// The number of lanes with queued messages, by account.
    pub fn lanes_waiting(&self) -> HashMap<String, usize> {
        let mut lanes = HashMap::new();
        for number in self.lanes.iter().filter(|(_, lane)| lane.waits()).map(|(number, _)| *number) {
            *lanes.entry(self.account_name(number)).or_default() += 1;
        }
        lanes
    }

    /// Removes the message from its lane.
    fn remove(&mut self, id: MessageId, now: Moment) {
        let Some(number) = self.lane_of.remove(&id) else { return };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.remove(id);
        }
        self.schedule(Due::Lane(number), now.elapsed);
    }

    fn enqueue(&mut self, id: MessageId, open: &Open, now: Moment) {
        let waiting = Waiting {
            theirs: open.theirs,
            segments: open.segments,
            since: open.expires_at - retry::send_ttl(open.kind),
            expires_at: open.expires_at,
            not_before: open.not_before,
        };
        self.lane_of.insert(id, open.ours);
        if let Some(lane) = self.lanes.get_mut(&open.ours) {
            lane.enqueue(priority(open.kind), id, waiting);
        }
        self.schedule(Due::Lane(open.ours), now.elapsed);
    }

    fn lane(&mut self, number: E164, empty_at: Timestamp, now: Moment) {
        let limits = self.directory.limits_of(number);
        let empty_at = empty_at.max(self.started_at);
        self.lanes.entry(number).or_insert_with(|| {
            // An idle lane's stored bucket level refers to the wall clock at the start of the process.
            let seen = if self.used.insert(number) { self.began } else { now };
            Lane::new(limits, empty_at, seen)
        });
    }

    fn account(&mut self, name: &str, now: Moment) -> &mut Account {
        let (directory, started_at) = (&self.directory, self.started_at);
        self.accounts.entry(name.to_owned()).or_insert_with(|| {
            let mut account = Account::default();
            account.limit(directory.account_limits(name), started_at, now);
            account
        })
    }

    fn held(&self, number: E164) -> Held {
        Held {
            suspended: !self.suspended.is_empty()
                && (self.suspended.contains(&CapOwner::Number(number))
                    || self.suspended.contains(&CapOwner::Account(self.account_name(number)))),
            paused_until: self.pauses.get(&number).copied(),
            day: self.days.get(&number).copied().unwrap_or_default(),
        }
    }

    fn schedule(&mut self, what: Due, at: Duration) {
        let place = match &what {
            Due::Lane(number) => self.lanes.get_mut(number).map(|lane| &mut lane.due),
            Due::Account(name) => self.accounts.get_mut(name).map(|account| &mut account.due),
        };
        let Some(due) = place else { return };
        if let Some(before) = *due {
            if before <= at {
                return;
            }
            self.due.remove(&(before, what.clone()));
        }
        *due = Some(at);
        self.due.insert((at, what));
    }

    fn account_name(&self, number: E164) -> String {
        self.directory.account_of(number).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests;
