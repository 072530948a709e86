//! Which text goes out next, and when: a lane for each of our numbers.
//!
//! Invariants: no number sends more than `max(burst, largest message) + rate × window` segments in any window; texts to
//! one caller keep their order, across retries; and what waits, waits in a lane and nowhere else.

mod lane;

use crate::machine::event::{Fact, Story};
use crate::machine::state::{Message, Open};
use crate::model::{Address, Directory, E164, Kind, MessageId, Timestamp};
use lane::{Lane, Pick, Waiting};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::Moment;

/// Requests under way at one carrier account. A slow account fills its own, and nobody else's.
pub const IN_FLIGHT_PER_ACCOUNT: usize = 64;

/// What the loop is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The message has its permit: record the attempt, then send.
    Start {
        /// Which.
        message: MessageId,
        /// When its lane's bucket is empty with this message paid for.
        lane_empty_at: Timestamp,
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
    /// Lanes by the time something may happen in them.
    due: BTreeSet<(Duration, E164)>,
    /// Where a message is that waits or is on its way.
    lane_of: HashMap<MessageId, E164>,
    in_flight: HashMap<String, usize>,
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
            due: BTreeSet::new(),
            lane_of: HashMap::new(),
            in_flight: HashMap::new(),
        }
    }

    /// Limits and accounts are these now.
    pub fn use_directory(&mut self, directory: Arc<Directory>, now: Moment) {
        if Arc::ptr_eq(&directory, &self.directory) {
            return;
        }
        self.directory = directory;
        let numbers: Vec<_> = self.lanes.keys().copied().collect();
        for number in numbers {
            let limits = self.limits(number);
            if let Some(lane) = self.lanes.get_mut(&number) {
                lane.limit(limits, now);
            }
            self.schedule(number, now.elapsed);
        }
    }

    /// A message found after a restart, with its lane as the index has it.
    pub fn found(&mut self, id: MessageId, open: &Open, lane_empty_at: Timestamp, now: Moment) {
        self.lane(open.ours, lane_empty_at, now);
        if !open.started {
            self.wait(id, open, now);
        }
    }

    /// Takes note of what was committed.
    pub fn follow(&mut self, story: &Story, now: Moment) {
        for event in &story.events {
            match &event.fact {
                // Found in the rows already, when this worker began.
                Fact::MessageQueued { message, .. } if self.lane_of.contains_key(&message.id) => {}
                Fact::MessageQueued { message, lane, .. } | Fact::SendPostponed { message, lane } => {
                    if let Some(open) = open(message) {
                        self.settled(message.id, now);
                        self.lane(message.ours, lane.empty_at, now);
                        self.wait(message.id, &open, now);
                    }
                }
                Fact::SendStarted { message, lane } => self.started(message.id, lane.empty_at, now),
                Fact::SendUnknown { message, .. } | Fact::MessageChanged { message, .. } => {
                    self.gone(message.id, now);
                }
                Fact::MessageKept { message } => self.settled(message.id, now),
                fact => {
                    if let Some(directory) = fact.directory_after(&self.directory) {
                        self.use_directory(Arc::new(directory), now);
                    }
                }
            }
        }
    }

    /// What is to be done now. Each action's end comes back by what was committed, or by `not_started`.
    pub fn next(&mut self, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(&(at, number)) = self.due.first() {
            if at > now.elapsed {
                break;
            }
            self.due.pop_first();
            let account = self.account(number);
            let Some(lane) = self.lanes.get_mut(&number) else { continue };
            lane.due = None;
            let free = IN_FLIGHT_PER_ACCOUNT.saturating_sub(self.in_flight.get(&account).copied().unwrap_or(0));
            match lane.pick(now, free > 0) {
                Pick::Start { message, empty_at } => {
                    *self.in_flight.entry(account).or_default() += 1;
                    actions.push(Action::Start { message, lane_empty_at: empty_at });
                    self.schedule(number, now.elapsed);
                }
                Pick::Expire(message) => {
                    actions.push(Action::Expire(message));
                    self.schedule(number, now.elapsed);
                }
                Pick::At(at) => self.schedule(number, at),
                Pick::Nothing => match lane.idle_at(now) {
                    Some(at) if at <= now.elapsed => {
                        self.lanes.remove(&number);
                    }
                    Some(at) => self.schedule(number, at),
                    None => {}
                },
            }
        }
        actions
    }

    /// When `next` has something to do, if nothing else happens before.
    pub fn due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The machine says that a message is not to be sent; it has left its lane already.
    pub fn not_started(&mut self, id: MessageId, now: Moment) {
        self.gone(id, now);
    }

    /// The start of a message could not be asked for just now: it waits on in its lane. Its permit is spent.
    pub fn not_taken(&mut self, id: MessageId, now: Moment) {
        self.settled(id, now);
    }

    /// The start of a message is in the journal: its lane may look at the next.
    fn started(&mut self, id: MessageId, empty_at: Timestamp, now: Moment) {
        let Some(number) = self.lane_of.get(&id).copied() else { return };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.started(id, empty_at, now);
        }
        self.schedule(number, now.elapsed);
    }

    /// The request of a message is over, and its outcome is in the journal.
    fn settled(&mut self, id: MessageId, now: Moment) {
        let Some(number) = self.lane_of.get(&id).copied() else { return };
        let Some(lane) = self.lanes.get_mut(&number) else { return };
        if lane.land(id) {
            let account = self.account(number);
            if let Some(in_flight) = self.in_flight.get_mut(&account) {
                *in_flight = in_flight.saturating_sub(1);
            }
            self.wake(&account, number, now);
        }
    }

    /// How many lanes of each account have messages that wait.
    pub fn lanes_waiting(&self) -> HashMap<String, usize> {
        let mut lanes = HashMap::new();
        for number in self.lanes.iter().filter(|(_, lane)| lane.waits()).map(|(number, _)| *number) {
            *lanes.entry(self.account(number)).or_default() += 1;
        }
        lanes
    }

    fn gone(&mut self, id: MessageId, now: Moment) {
        self.settled(id, now);
        let Some(number) = self.lane_of.remove(&id) else { return };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.forget(id);
        }
        self.schedule(number, now.elapsed);
    }

    fn wait(&mut self, id: MessageId, open: &Open, now: Moment) {
        let waiting = Waiting {
            theirs: open.theirs,
            segments: open.segments,
            expires_at: open.expires_at,
            not_before: open.not_before,
        };
        let Some(lane) = self.lanes.get_mut(&open.ours) else { return };
        lane.wait(priority(open.kind), id, waiting);
        self.lane_of.insert(id, open.ours);
        self.schedule(open.ours, now.elapsed);
    }

    fn lane(&mut self, number: E164, empty_at: Timestamp, now: Moment) {
        let limits = self.limits(number);
        let empty_at = empty_at.max(self.started_at);
        self.lanes.entry(number).or_insert_with(|| {
            // Whoever set the clock forward meanwhile has paid no debt with it.
            let seen = if self.used.insert(number) { self.began } else { now };
            Lane::new(limits, empty_at, seen)
        });
    }

    /// A place at the account is free: lanes of it that had to wait for one look again.
    fn wake(&mut self, account: &str, number: E164, now: Moment) {
        self.schedule(number, now.elapsed);
        let crowded: Vec<_> = self
            .lanes
            .iter()
            .filter(|(other, lane)| lane.crowded && self.account(**other) == account)
            .map(|(other, _)| *other)
            .collect();
        for other in crowded {
            self.schedule(other, now.elapsed);
        }
    }

    fn schedule(&mut self, number: E164, at: Duration) {
        let Some(lane) = self.lanes.get_mut(&number) else { return };
        if let Some(before) = lane.due {
            if before <= at {
                return;
            }
            self.due.remove(&(before, number));
        }
        lane.due = Some(at);
        self.due.insert((at, number));
    }

    fn limits(&self, number: E164) -> crate::model::Limits {
        self.directory.numbers.get(&number).map(|entry| entry.limits.clone()).unwrap_or_default()
    }

    fn account(&self, number: E164) -> String {
        self.directory.numbers.get(&number).map(|entry| entry.account.clone()).unwrap_or_default()
    }
}

/// Closing messages first, auto-replies last (A21).
fn priority(kind: Kind) -> u8 {
    match kind {
        Kind::Closing | Kind::OptOutConfirmation | Kind::HelpReply => 0,
        Kind::Preset | Kind::Custom | Kind::SmartAction => 1,
        Kind::AutoReply | Kind::Inbound => 2,
    }
}

fn open(message: &Message) -> Option<Open> {
    let Some(Address::Number(theirs)) = message.theirs.kept() else { return None };
    Some(Open {
        ours: message.ours,
        theirs: *theirs,
        kind: message.kind,
        segments: message.segments,
        expires_at: message.expires_at,
        not_before: message.not_before,
        started: false,
    })
}

#[cfg(test)]
mod tests;
