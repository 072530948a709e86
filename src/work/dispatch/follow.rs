//! How the dispatcher learns the state of lanes: from the index after a restart, then from committed frames.

use super::{Dispatch, Due};
use crate::machine::event::{CommittedFrame, Event};
use crate::machine::state::{CapOwner, Message, Open};
use crate::model::{Address, AttemptOutcome, Directory, E164, MessageId, Timestamp};
use crate::rules::breaker::Paused;
use crate::rules::rate::DayCount;
use crate::work::Moment;
use std::sync::Arc;

impl Dispatch {
    /// Adds a message found after a restart, with its lane from the index.
    pub fn found(&mut self, id: MessageId, open: &Open, lane_empty_at: Timestamp, now: Moment) {
        self.lane(open.ours, lane_empty_at, now);
        if !open.started {
            self.enqueue(id, open, now);
        }
    }

    /// Adds an account's bucket from the index, after a restart.
    pub fn found_account(&mut self, name: &str, empty_at: Timestamp, now: Moment) {
        let limits = self.directory.account_limits(name);
        self.accounts.entry(name.to_owned()).or_default().limit(limits, empty_at.max(self.started_at), now);
    }

    /// Sets the count of a daily cap.
    pub fn counted(&mut self, owner: &CapOwner, count: DayCount, now: Moment) {
        match owner {
            CapOwner::Number(number) => drop(self.days.insert(*number, count)),
            CapOwner::Account(name) => self.account(name, now).day = count,
        }
    }

    /// Pauses a lane, or resumes it.
    pub fn paused(&mut self, ours: E164, until: Option<Timestamp>, now: Moment) {
        match until {
            Some(until) => drop(self.pauses.insert(ours, until)),
            None => drop(self.pauses.remove(&ours)),
        }
        self.schedule(Due::Lane(ours), now.elapsed);
    }

    /// Suspends a number or an account, or resumes it.
    pub fn suspended(&mut self, owner: &CapOwner, suspended: bool, now: Moment) {
        if suspended {
            self.suspended.insert(owner.clone());
        } else {
            self.suspended.remove(owner);
        }
        let lanes: Vec<_> = match owner {
            CapOwner::Number(number) => vec![*number],
            CapOwner::Account(name) => {
                self.lanes.keys().copied().filter(|number| self.account_name(*number) == *name).collect()
            }
        };
        lanes.into_iter().for_each(|number| self.schedule(Due::Lane(number), now.elapsed));
    }

    /// Whether an operator suspended it.
    pub fn is_suspended(&self, owner: &CapOwner) -> bool {
        self.suspended.contains(owner)
    }

    /// The number of suspended numbers.
    pub fn suspended_numbers(&self) -> usize {
        self.suspended.iter().filter(|owner| matches!(owner, CapOwner::Number(_))).count()
    }

    /// Pauses an account, or resumes it.
    pub fn account_paused(&mut self, name: &str, paused: Option<Paused>, now: Moment) {
        self.account(name, now).paused = paused;
        self.schedule(Due::Account(name.to_owned()), now.elapsed);
    }

    /// Applies a committed frame.
    pub fn follow(&mut self, frame: &CommittedFrame, now: Moment) {
        for event in &frame.events {
            match &event.event {
                // The message was already found in the index when this worker started.
                Event::MessageQueued { message, .. } if self.lane_of.contains_key(&message.id) => {}
                Event::MessageQueued { message, lane, .. } | Event::SendPostponed { message, lane } => {
                    if let Some(open) = open(message) {
                        self.release_lane(message.id, now);
                        self.release_account(message.id, now);
                        self.lane(message.ours, lane.empty_at, now);
                        self.enqueue(message.id, &open, now);
                    }
                }
                Event::SendStarted { message, .. } => self.started(message.id, frame.at, now),
                Event::SendUnknown { message, .. } | Event::MessageChanged { message, .. } => {
                    self.remove(message.id, now);
                    // After a receipt the request may still be in flight, and a cancelled message may have a permit
                    // whose start is being requested.
                    if message.attempts.last().is_some_and(|last| last.outcome != AttemptOutcome::Open) {
                        self.release_account(message.id, now);
                    }
                }
                Event::MessageStored { message } => {
                    self.release_lane(message.id, now);
                    self.release_account(message.id, now);
                }
                Event::Suspended { owner, .. } => self.suspended(owner, true, now),
                Event::SuspensionEnded { owner } => self.suspended(owner, false, now),
                Event::DayCounted { owner, count } => self.counted(owner, *count, now),
                Event::LanePaused { ours, pause } => self.paused(*ours, pause.map(|pause| pause.until), now),
                Event::AccountFailed { account, breaker, .. } => {
                    self.account_paused(account, breaker.as_ref().and_then(|breaker| breaker.paused), now);
                }
                Event::AccountPaused { account, breaker, .. } => self.account_paused(account, breaker.paused, now),
                Event::AccountResumed { account, .. } => self.account_paused(account, None, now),
                // The level refers to the journal's current time, and not to that of this worker's start.
                Event::LaneStored { ours, .. } => drop(self.used.insert(*ours)),
                event => {
                    if let Some(directory) = event.directory_after(&self.directory, frame.position) {
                        self.use_directory(directory, frame, now);
                    }
                }
            }
        }
    }

    /// Applies new limits and accounts; the same frame has the levels of the accounts' buckets.
    fn use_directory(&mut self, directory: Directory, frame: &CommittedFrame, now: Moment) {
        self.directory = Arc::new(directory);
        let known = &self.directory.numbers;
        // A number that comes back later is not suspended.
        self.suspended.retain(|owner| !matches!(owner, CapOwner::Number(number) if !known.contains_key(number)));
        let numbers: Vec<_> = self.lanes.keys().copied().collect();
        for number in numbers {
            let limits = self.directory.limits_of(number);
            if let Some(lane) = self.lanes.get_mut(&number) {
                lane.limit(limits, now);
            }
            self.schedule(Due::Lane(number), now.elapsed);
        }
        for name in self.directory.accounts.keys() {
            self.accounts.entry(name.clone()).or_default();
        }
        for (name, account) in &mut self.accounts {
            let empty_at = frame.events.iter().find_map(|event| match &event.event {
                Event::AccountLaneStored { account, lane } if account == name => Some(lane.empty_at),
                _ => None,
            });
            account.limit(self.directory.account_limits(name), empty_at.unwrap_or(now.wall), now);
        }
        let names: Vec<_> = self.accounts.keys().cloned().collect();
        for name in names {
            self.schedule(Due::Account(name), now.elapsed);
        }
    }
}

pub(super) fn open(message: &Message) -> Option<Open> {
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
