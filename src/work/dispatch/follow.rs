//! What the lanes learn: what the index has after a restart, and what is committed since.

use super::{Dispatch, Due, account_limits};
use crate::machine::event::{CommittedFrame, Event};
use crate::machine::state::{AttemptOutcome, CapOwner, Message, Open};
use crate::model::{Address, Directory, E164, MessageId, Timestamp};
use crate::rules::breaker::Paused;
use crate::rules::rate::DayCount;
use crate::work::Moment;
use std::sync::Arc;

impl Dispatch {
    /// A message found after a restart, with its lane as the index has it.
    pub fn found(&mut self, id: MessageId, open: &Open, lane_empty_at: Timestamp, now: Moment) {
        self.lane(open.ours, lane_empty_at, now);
        if !open.started {
            self.wait(id, open, now);
        }
    }

    /// An account's bucket, as the index has it after a restart.
    pub fn found_account(&mut self, name: &str, empty_at: Timestamp, now: Moment) {
        let limits = account_limits(&self.directory, name);
        self.accounts.entry(name.to_owned()).or_default().limit(limits, empty_at.max(self.started_at), now);
    }

    /// What a daily cap has counted.
    pub fn counted(&mut self, whose: &CapOwner, count: DayCount, now: Moment) {
        match whose {
            CapOwner::Number(number) => drop(self.days.insert(*number, count)),
            CapOwner::Account(name) => self.account(name, now).day = count,
        }
    }

    /// A lane rests, or not any more.
    pub fn paused(&mut self, ours: E164, until: Option<Timestamp>, now: Moment) {
        match until {
            Some(until) => drop(self.pauses.insert(ours, until)),
            None => drop(self.pauses.remove(&ours)),
        }
        self.schedule(Due::Lane(ours), now.elapsed);
    }

    /// An account is left alone, or not any more.
    pub fn account_paused(&mut self, name: &str, paused: Option<Paused>, now: Moment) {
        self.account(name, now).paused = paused;
        self.schedule(Due::Account(name.to_owned()), now.elapsed);
    }

    /// Takes note of what was committed.
    pub fn follow(&mut self, story: &CommittedFrame, now: Moment) {
        for event in &story.events {
            match &event.fact {
                // Found in the rows already, when this worker began.
                Event::MessageQueued { message, .. } if self.lane_of.contains_key(&message.id) => {}
                Event::MessageQueued { message, lane, .. } | Event::SendPostponed { message, lane } => {
                    if let Some(open) = open(message) {
                        self.left(message.id, now);
                        self.landed(message.id, now);
                        self.lane(message.ours, lane.empty_at, now);
                        self.wait(message.id, &open, now);
                    }
                }
                Event::SendStarted { message, .. } => self.started(message.id, story.at, now),
                Event::SendUnknown { message, .. } | Event::MessageChanged { message, .. } => {
                    self.gone(message.id, now);
                    // What changed by a receipt may still be on its way, and what is not to be sent may have a permit that
                    // is asked for.
                    if message.attempts.last().is_some_and(|last| last.outcome != AttemptOutcome::Open) {
                        self.landed(message.id, now);
                    }
                }
                Event::MessageStored { message } => {
                    self.left(message.id, now);
                    self.landed(message.id, now);
                }
                Event::DayCounted { whose, count } => self.counted(whose, *count, now),
                Event::LanePaused { ours, pause } => self.paused(*ours, pause.map(|pause| pause.until), now),
                Event::AccountFailed { account, trouble } => {
                    self.account_paused(account, trouble.as_ref().and_then(|trouble| trouble.paused), now);
                }
                Event::AccountPaused { account, trouble }
                | Event::AccountFailing { account, trouble, .. }
                | Event::AccountHeld { account, trouble, .. } => self.account_paused(account, trouble.paused, now),
                Event::AccountResumed { account } => self.account_paused(account, None, now),
                // Told by the journal's time as it is now, not as it was when this worker began.
                Event::LaneStored { ours, .. } => drop(self.used.insert(*ours)),
                fact => {
                    if let Some(directory) = fact.directory_after(&self.directory) {
                        self.use_directory(directory, story, now);
                    }
                }
            }
        }
    }

    /// Limits and accounts are these now; the rest of the story says what the accounts' buckets hold.
    fn use_directory(&mut self, directory: Directory, story: &CommittedFrame, now: Moment) {
        self.directory = Arc::new(directory);
        let numbers: Vec<_> = self.lanes.keys().copied().collect();
        for number in numbers {
            let limits = self.limits(number);
            if let Some(lane) = self.lanes.get_mut(&number) {
                lane.limit(limits, now);
            }
            self.schedule(Due::Lane(number), now.elapsed);
        }
        for name in self.directory.accounts.keys() {
            self.accounts.entry(name.clone()).or_default();
        }
        for (name, account) in &mut self.accounts {
            let empty_at = story.events.iter().find_map(|event| match &event.fact {
                Event::AccountLaneStored { account, lane } if account == name => Some(lane.empty_at),
                _ => None,
            });
            account.limit(account_limits(&self.directory, name), empty_at.unwrap_or(now.wall), now);
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
