//! Which text goes out next, and when: a lane for each of our numbers, and what the lanes of a carrier account share.
//!
//! Invariants: no number sends more than `max(burst, largest message) + rate × window` segments in any window, measured at
//! the starts the journal has; texts to one caller keep their order, across retries; and what waits, waits in a lane and
//! nowhere else.

mod account;
mod backlog;
mod bucket;
mod follow;
mod lane;
mod recover;

pub use backlog::Backlog;

use super::Moment;
use crate::machine::state::Open;
use crate::model::{Directory, E164, Limits, MessageId, Timestamp};
use crate::rules::lane::priority;
use crate::rules::rate::DayCount;
use crate::rules::retry;
use account::{Account, Room};
use lane::{Held, Lane, Next, Waiting};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// What the loop is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The message has its permit: record the attempt, then send.
    Start {
        /// Which.
        message: MessageId,
        /// When its lane's bucket is empty with this message paid for.
        lane_empty_at: Timestamp,
        /// The same of its account's.
        account_empty_at: Timestamp,
    },
    /// The message is too old.
    Expire(MessageId),
}

/// All lanes.
pub struct Dispatch {
    directory: Arc<Directory>,
    /// When the gateway started: a lane that was never used is empty since then (A30).
    started_at: Timestamp,
    /// When this worker began. What the last process left of a lane is told by the wall as it was then.
    began: Moment,
    lanes: HashMap<E164, Lane>,
    /// Numbers that had a lane since. One without a lane had a full bucket when it was forgotten.
    used: HashSet<E164>,
    accounts: HashMap<String, Account>,
    /// Lanes that rest because their carrier asked for it.
    pauses: HashMap<E164, Timestamp>,
    /// What the caps of numbers have counted.
    days: HashMap<E164, DayCount>,
    /// What is due, by its time.
    due: BTreeSet<(Duration, Due)>,
    /// Where a message is that waits or is on its way.
    lane_of: HashMap<MessageId, E164>,
    /// Through which account a message is on its way.
    account_of: HashMap<MessageId, String>,
}

/// Something that may have something to do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Lane(E164),
    Account(String),
}

impl Dispatch {
    /// No message yet; `empty_at` of lanes comes with the first message of each.
    pub fn new(directory: Arc<Directory>, started_at: Timestamp, now: Moment) -> Self {
        Self {
            directory,
            started_at,
            began: now,
            lanes: HashMap::new(),
            used: HashSet::new(),
            accounts: HashMap::new(),
            pauses: HashMap::new(),
            days: HashMap::new(),
            due: BTreeSet::new(),
            lane_of: HashMap::new(),
            account_of: HashMap::new(),
        }
    }

    /// What is to be done now. Each action's end comes back by what was committed, or by `not_started`.
    pub fn next(&mut self, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        while self.due.first().is_some_and(|(at, _)| *at <= now.elapsed) {
            match self.due.pop_first() {
                Some((_, Due::Lane(number))) => {
                    if let Some(lane) = self.lanes.get_mut(&number) {
                        lane.due = None;
                    }
                    self.look(number, now, &mut actions);
                }
                Some((_, Due::Account(name))) => {
                    if let Some(account) = self.accounts.get_mut(&name) {
                        account.due = None;
                    }
                    self.serve(&name, now, &mut actions);
                }
                None => break,
            }
        }
        actions
    }

    /// Asks a lane what it wants.
    fn look(&mut self, number: E164, now: Moment, actions: &mut Vec<Action>) {
        let held = self.held(number);
        if self.lanes.get(&number).is_some_and(|lane| lane.at_account) {
            // The account waits for what its first lane had ready, which may be gone by now or be another text.
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
                    // It goes to its account's end of the queue, and is served in turn.
                    let was_there = std::mem::replace(&mut lane.at_account, true);
                    if let Some(at) = lane.next_expiry(now) {
                        self.schedule(Due::Lane(number), at);
                    }
                    if !was_there {
                        let name = self.account_name(number);
                        self.account(&name, now).waiting.push_back(number);
                        self.schedule(Due::Account(name), now.elapsed);
                    }
                    return;
                }
            }
        }
    }

    /// Lets lanes of an account go, one after another, while it has room.
    fn serve(&mut self, name: &str, now: Moment, actions: &mut Vec<Action>) {
        while let Some(number) = self.accounts.get(name).and_then(|account| account.waiting.front().copied()) {
            let held = self.held(number);
            let ready = self.lanes.get_mut(&number).map(|lane| lane.next(now, held));
            if let Some(Next::Ready { message, segments }) = ready {
                let at = match self.account(name, now).room(segments, now) {
                    Room::Yes => self.go(name, number, message, segments, now, actions).err(),
                    Room::At(at) => Some(at),
                    Room::Later => return,
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
            self.look(number, now, actions);
        }
    }

    /// A message takes its permits, the account's first. If a bucket says no after all, when to ask again.
    fn go(
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
                self.account(name, now).land(id);
                Err(later(wait))
            }
        }
    }

    /// When `next` has something to do, if nothing else happens before.
    pub fn due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The machine says that a message is not to be sent; it has left its lane already, and its permits go to the next.
    pub fn not_started(&mut self, id: MessageId, now: Moment) {
        self.gone(id, now);
        self.landed(id, now);
    }

    /// The start of a message could not be asked for just now: it waits on in its lane. Its permits are spent, so that
    /// nobody asks again at once.
    pub fn not_taken(&mut self, id: MessageId, now: Moment) {
        if let Some(account) = self.account_of.get(&id).and_then(|name| self.accounts.get_mut(name)) {
            account.started(id, now.wall, now);
        }
        if let Some(lane) = self.lane_of.get(&id).and_then(|number| self.lanes.get_mut(number)) {
            lane.spent(id);
        }
        self.left(id, now);
        self.landed(id, now);
    }

    /// The start of a message is in the journal: its lane may look at the next.
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

    /// The message is not on its way any more, as far as its lane and its pair are concerned. Its request may be: a receipt
    /// can be faster than the answer (A61).
    fn left(&mut self, id: MessageId, now: Moment) {
        let Some(number) = self.lane_of.get(&id).copied() else { return };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.land(id);
        }
        self.schedule(Due::Lane(number), now.elapsed);
    }

    /// The request of a message is over, and its place among its account's is free.
    fn landed(&mut self, id: MessageId, now: Moment) {
        let Some(name) = self.account_of.remove(&id) else { return };
        if let Some(account) = self.accounts.get_mut(&name) {
            account.land(id);
        }
        self.schedule(Due::Account(name), now.elapsed);
    }

    /// How many lanes of each account have messages that wait.
    pub fn lanes_waiting(&self) -> HashMap<String, usize> {
        let mut lanes = HashMap::new();
        for number in self.lanes.iter().filter(|(_, lane)| lane.waits()).map(|(number, _)| *number) {
            *lanes.entry(self.account_name(number)).or_default() += 1;
        }
        lanes
    }

    /// The message waits in no lane any more.
    fn gone(&mut self, id: MessageId, now: Moment) {
        let Some(number) = self.lane_of.remove(&id) else { return };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.forget(id);
        }
        self.schedule(Due::Lane(number), now.elapsed);
    }

    fn wait(&mut self, id: MessageId, open: &Open, now: Moment) {
        let waiting = Waiting {
            theirs: open.theirs,
            segments: open.segments,
            since: open.expires_at - retry::send_ttl(open.kind),
            expires_at: open.expires_at,
            not_before: open.not_before,
        };
        self.lane_of.insert(id, open.ours);
        if let Some(lane) = self.lanes.get_mut(&open.ours) {
            lane.wait(priority(open.kind), id, waiting);
        }
        self.schedule(Due::Lane(open.ours), now.elapsed);
    }

    fn lane(&mut self, number: E164, empty_at: Timestamp, now: Moment) {
        let limits = self.limits(number);
        let empty_at = empty_at.max(self.started_at);
        self.lanes.entry(number).or_insert_with(|| {
            // What an idle lane has left of its bucket is told by the wall as it was when the process began.
            let seen = if self.used.insert(number) { self.began } else { now };
            Lane::new(limits, empty_at, seen)
        });
    }

    fn account(&mut self, name: &str, now: Moment) -> &mut Account {
        let (directory, started_at) = (&self.directory, self.started_at);
        self.accounts.entry(name.to_owned()).or_insert_with(|| {
            let mut account = Account::default();
            account.limit(account_limits(directory, name), started_at, now);
            account
        })
    }

    fn held(&self, number: E164) -> Held {
        Held {
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

    fn limits(&self, number: E164) -> Limits {
        self.directory.numbers.get(&number).map(|entry| entry.limits.clone()).unwrap_or_default()
    }

    fn account_name(&self, number: E164) -> String {
        self.directory.numbers.get(&number).map(|entry| entry.account.clone()).unwrap_or_default()
    }
}

fn account_limits<'a>(directory: &'a Directory, name: &str) -> Option<&'a Limits> {
    directory.accounts.get(name).map(|account| &account.limits)
}

#[cfg(test)]
mod tests;
