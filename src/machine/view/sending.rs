//! Queries about sending: open messages, lanes, accounts, daily caps and pauses.

use super::{Queries, View};
use crate::machine::keys::{
    checked_key, dated_id, day_key, decode_row, kind, name_in, number_in, state_key, suspended, suspension_key,
};
use crate::machine::rows::Table;
use crate::machine::state::{CapOwner, CheckedNumber, Lane, Open, Pause, Suspension};
use crate::model::{E164, MessageId, Timestamp};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::rate::DayCount;

/// Typed queries about sending.
pub trait SendingQueries: Queries {
    /// Returns the outbound messages that are not settled, oldest first.
    fn open(&self) -> impl Iterator<Item = (MessageId, Open)> {
        let open = self.scan(state_key(kind::OPEN, &[]), Vec::new());
        open.filter_map(|(key, row)| Some((dated_id(&key)?, decode_row(&row)?)))
    }

    /// Returns the oldest outbound message that is not settled.
    fn oldest_open(&self) -> Option<MessageId> {
        self.rows(Table::State, &[kind::OPEN], &[], 1).first().and_then(|(key, _)| dated_id(key))
    }

    /// Returns a lane. A lane that was never used counts as empty since the gateway's start (A30).
    fn lane(&self, ours: E164) -> Lane {
        let mut lane: Lane = self.typed(&state_key(kind::LANE, &ours.key())).unwrap_or_default();
        lane.empty_at = lane.empty_at.max(self.gateway().started_at);
        lane
    }

    /// Returns the bucket of an account. A bucket that was never used counts as empty since the gateway's start (A30).
    fn account_lane(&self, account: &str) -> Lane {
        let mut lane: Lane = self.typed(&state_key(kind::ACCOUNT_LANE, account.as_bytes())).unwrap_or_default();
        lane.empty_at = lane.empty_at.max(self.gateway().started_at);
        lane
    }

    /// Returns lanes whose buckets are empty only after `at`, that is, which are in debt at `at`.
    fn lanes_in_debt(&self, at: Timestamp) -> Vec<(E164, Lane)> {
        let lanes = self.scan(state_key(kind::LANE, &[]), Vec::new());
        let lanes = lanes.filter_map(|(key, row)| Some((number_in(&key)?, decode_row::<Lane>(&row)?)));
        lanes.filter(|(_, lane)| lane.empty_at > at).collect()
    }

    /// Returns accounts whose buckets are empty only after `at`.
    fn accounts_in_debt(&self, at: Timestamp) -> Vec<(String, Lane)> {
        let prefix = state_key(kind::ACCOUNT_LANE, &[]);
        let lanes = self.scan(prefix.clone(), Vec::new());
        let lanes =
            lanes.filter_map(|(key, row)| Some((name_in(&key, &prefix)?.to_owned(), decode_row::<Lane>(&row)?)));
        lanes.filter(|(_, lane)| lane.empty_at > at).collect()
    }

    /// Returns the last count of a daily cap.
    fn day_count(&self, owner: &CapOwner) -> DayCount {
        self.typed(&day_key(owner)).unwrap_or_default()
    }

    /// Returns the pause of a lane, if it is paused.
    fn pause(&self, ours: E164) -> Option<Pause> {
        self.typed(&state_key(kind::PAUSE, &ours.key()))
    }

    /// Returns the suspension of a number or an account, if it is suspended.
    fn suspension(&self, owner: &CapOwner) -> Option<Suspension> {
        self.typed(&suspension_key(owner))
    }

    /// Returns the suspensions that keep a text of `ours` from being sent: the number's and the account's.
    fn suspensions_of(&self, ours: E164, account: &str) -> Vec<Suspension> {
        let owners = [CapOwner::Number(ours), CapOwner::Account(account.to_owned())];
        owners.iter().filter_map(|owner| self.suspension(owner)).collect()
    }

    /// Returns all suspensions.
    fn suspensions(&self) -> impl Iterator<Item = (CapOwner, Suspension)> {
        let found = self.scan(state_key(kind::SUSPENSION, &[]), Vec::new());
        found.filter_map(|(key, row)| Some((suspended(&key)?, decode_row(&row)?)))
    }

    /// Returns the paused lanes.
    fn pauses(&self) -> impl Iterator<Item = (E164, Pause)> {
        let pauses = self.scan(state_key(kind::PAUSE, &[]), Vec::new());
        pauses.filter_map(|(key, row)| Some((number_in(&key)?, decode_row(&row)?)))
    }

    /// Returns the last check of one of our numbers with the carrier of its account; `None` if there was none.
    fn checked_number(&self, number: E164, account: &str) -> Option<CheckedNumber> {
        self.typed(&checked_key(number)).filter(|checked: &CheckedNumber| checked.account == account)
    }

    /// Returns the last check of each number that was ever checked.
    fn checked_numbers(&self) -> impl Iterator<Item = (E164, CheckedNumber)> {
        let checked = self.scan(state_key(kind::CHECKED, &[]), Vec::new());
        checked.filter_map(|(key, row)| Some((number_in(&key)?, decode_row(&row)?)))
    }

    /// Returns the state of an account's circuit breaker; `None` if the account works.
    fn breaker(&self, account: &str) -> Option<BreakerState> {
        self.typed(&state_key(kind::BREAKER, account.as_bytes()))
    }

    /// Returns why an account fails; `None` if it works, or if a record version before 4 recorded the failure.
    fn cause(&self, account: &str) -> Option<Cause> {
        self.typed(&state_key(kind::CAUSE, account.as_bytes()))
    }

    /// Returns the failing accounts with their causes, sorted by name.
    fn failing_accounts(&self) -> Vec<(String, BreakerState, Option<Cause>)> {
        let prefix = state_key(kind::BREAKER, &[]);
        let failing = self.scan(prefix.clone(), Vec::new());
        failing
            .filter_map(|(key, row)| Some((name_in(&key, &prefix)?.to_owned(), decode_row(&row)?)))
            .map(|(account, breaker)| (account.clone(), breaker, self.cause(&account)))
            .collect()
    }
}

impl<V: View + ?Sized> SendingQueries for V {}
