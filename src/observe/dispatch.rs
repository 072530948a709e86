//! Logs and metrics of dispatch: waiting messages, permits, starts and pauses.

use super::label::{account as named, labels, shown};
use super::names;
use metrics::{counter, gauge, histogram};
use std::time::Duration;

labels! {
    /// A message's priority on its number, highest first.
    Priority {
        /// Closing messages, and answers to STOP and HELP.
        Closing = "closing",
        /// Texts of agents.
        Agent = "agent",
        /// Auto-replies.
        AutoReply = "auto_reply",
    }
}

labels! {
    /// Why a permit was not used.
    Unused {
        /// The message was cancelled.
        Cancelled = "cancelled",
        /// The engine's queue was full, so the start could not be recorded.
        EngineBusy = "engine_busy",
        /// The number or the account was suspended meanwhile.
        Suspended = "suspended",
    }
}

/// How many of an account's numbers have unfinished messages.
pub fn lanes_waiting(account: &str, lanes: usize) {
    gauge!(names::DISPATCH_LANES_WAITING, "account" => named(account)).set(lanes as f64);
}

/// How many messages of an account wait.
pub fn messages_waiting(account: &str, priority: Priority, messages: usize) {
    gauge!(names::DISPATCH_WAITING_MESSAGES, "account" => named(account), "priority" => priority.label())
        .set(messages as f64);
}

/// The age of an account's oldest message that is ready to be sent.
pub fn oldest_ready(account: &str, age: Duration) {
    gauge!(names::DISPATCH_OLDEST_READY_SECONDS, "account" => named(account)).set(age.as_secs_f64());
}

/// How many requests of an account are in flight.
pub fn requests_in_flight(account: &str, requests: usize) {
    gauge!(names::DISPATCH_IN_FLIGHT_REQUESTS, "account" => named(account)).set(requests as f64);
}

/// A message was granted its permit.
pub fn permit_given(account: &str) {
    counter!(names::DISPATCH_PERMITS_TOTAL, "account" => named(account)).increment(1);
}

/// A permit was not used.
pub fn permit_unused(account: &str, why: Unused) {
    tracing::debug!(account, why = why.label(), "permit not used");
    counter!(names::DISPATCH_PERMITS_UNUSED_TOTAL, "account" => named(account), "reason" => why.label()).increment(1);
}

/// An attempt began. `number` is the number's label, never the phone number.
pub fn segments_started(number: &str, segments: u16) {
    counter!(names::DISPATCH_SEGMENTS_STARTED_TOTAL, "number" => shown(number)).increment(u64::from(segments));
}

/// A message's first attempt began, later than promised by `by`.
pub fn started_late(account: &str, by: Duration) {
    histogram!(names::DISPATCH_LATENESS_SECONDS, "account" => named(account)).record(by.as_secs_f64());
}

/// A request to a carrier ended after `took`.
pub fn carrier_request(account: &str, took: Duration) {
    histogram!(names::CARRIER_REQUEST_SECONDS, "account" => named(account)).record(took.as_secs_f64());
}

/// A carrier answered "not now" for a number, which is paused. `number` is its label.
pub fn lane_paused(number: &str) {
    let number = shown(number);
    tracing::debug!(number, "number paused at its carrier's request");
    counter!(names::LANE_PAUSES_TOTAL, "number" => number).increment(1);
}

/// An account was paused, or its reason changed. `refused`: its carrier refuses it, and an operator must act.
pub fn account_paused(account: &str, refused: bool, detail: &str) {
    log_paused(account, refused, detail);
    counter!(names::ACCOUNT_PAUSES_TOTAL, "account" => named(account)).increment(1);
    account_is_paused(account, true);
    account_is_refused(account, refused);
}

/// An operator suspended an account, or a number by its label.
pub fn suspended(account: Option<&str>, number: Option<&str>) {
    let (account, number) = (account.unwrap_or_default(), number.map(shown).unwrap_or_default());
    tracing::warn!(account, number, "suspended by an operator: nothing is sent from it until it is resumed");
}

/// The suspension of an account, or of a number by its label, ended.
pub fn resumed(account: Option<&str>, number: Option<&str>) {
    let (account, number) = (account.unwrap_or_default(), number.map(shown).unwrap_or_default());
    tracing::info!(account, number, "no longer suspended");
}

/// Records which of the accounts are suspended, and how many numbers.
pub fn suspensions<'a>(accounts: impl Iterator<Item = (&'a str, bool)>, numbers: usize) {
    for (account, suspended) in accounts {
        gauge!(names::ACCOUNT_SUSPENDED, "account" => named(account)).set(if suspended { 1.0 } else { 0.0 });
    }
    gauge!(names::NUMBERS_SUSPENDED).set(numbers as f64);
}

/// An account was paused when the gateway started.
pub fn account_still_paused(account: &str, refused: bool, detail: &str) {
    log_paused(account, refused, detail);
    account_is_paused(account, true);
    account_is_refused(account, refused);
}

fn log_paused(account: &str, refused: bool, detail: &str) {
    if refused {
        tracing::error!(
            account,
            detail,
            "the carrier refuses the account: its texts wait until this is fixed; retried every 30 s, and immediately \
             after a reload"
        );
    } else {
        tracing::warn!(account, detail, "account paused: its carrier does not answer, or fails");
    }
}

/// An account is no longer paused.
pub fn account_resumed(account: &str) {
    tracing::info!(account, "account no longer paused");
    account_is_paused(account, false);
    account_is_refused(account, false);
}

/// Records whether an account is paused.
pub fn account_is_paused(account: &str, paused: bool) {
    gauge!(names::ACCOUNT_PAUSED, "account" => named(account)).set(if paused { 1.0 } else { 0.0 });
}

/// Records whether an account is refused by its carrier.
fn account_is_refused(account: &str, refused: bool) {
    gauge!(names::ACCOUNT_CREDENTIALS_REFUSED, "account" => named(account)).set(if refused { 1.0 } else { 0.0 });
}
