//! Facts of what goes out: what waits, permits, starts, and carriers that ask for a rest.

use super::label::{account as named, labels, shown};
use super::names;
use metrics::{counter, gauge, histogram};
use std::time::Duration;

labels! {
    /// Which messages of a number go first.
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
        /// The message is not to be sent after all.
        Cancelled = "cancelled",
        /// The engine had no room to record the start.
        EngineBusy = "engine_busy",
    }
}

/// How many of an account's numbers have messages that are not done.
pub fn lanes_waiting(account: &str, lanes: usize) {
    gauge!(names::DISPATCH_LANES_WAITING, "account" => named(account)).set(lanes as f64);
}

/// How many messages of an account wait.
pub fn messages_waiting(account: &str, priority: Priority, messages: usize) {
    gauge!(names::DISPATCH_WAITING_MESSAGES, "account" => named(account), "priority" => priority.label())
        .set(messages as f64);
}

/// How long the message of an account has waited that might go and waits longest.
pub fn oldest_ready(account: &str, age: Duration) {
    gauge!(names::DISPATCH_OLDEST_READY_SECONDS, "account" => named(account)).set(age.as_secs_f64());
}

/// How many requests of an account are at the carrier.
pub fn requests_in_flight(account: &str, requests: usize) {
    gauge!(names::DISPATCH_IN_FLIGHT_REQUESTS, "account" => named(account)).set(requests as f64);
}

/// A message got its permit.
pub fn permit_given(account: &str) {
    counter!(names::DISPATCH_PERMITS_TOTAL, "account" => named(account)).increment(1);
}

/// A permit was not used.
pub fn permit_unused(account: &str, why: Unused) {
    tracing::debug!(account, why = why.label(), "permit not used");
    counter!(names::DISPATCH_PERMITS_UNUSED_TOTAL, "account" => named(account), "reason" => why.label()).increment(1);
}

/// An attempt began. `number` is the label that people gave the number, and never the number.
pub fn segments_started(number: &str, segments: u16) {
    counter!(names::DISPATCH_SEGMENTS_STARTED_TOTAL, "number" => shown(number)).increment(u64::from(segments));
}

/// A message's first attempt began, so much later than was promised.
pub fn started_late(account: &str, by: Duration) {
    histogram!(names::DISPATCH_LATENESS_SECONDS, "account" => named(account)).record(by.as_secs_f64());
}

/// A carrier was asked something, and answered or failed after so long.
pub fn carrier_asked(account: &str, took: Duration) {
    histogram!(names::CARRIER_REQUEST_SECONDS, "account" => named(account)).record(took.as_secs_f64());
}

/// A carrier said "not now" to a number, which rests. `number` is its label.
pub fn lane_paused(number: &str) {
    let number = shown(number);
    tracing::debug!(number, "a number rests, as its carrier asked");
    counter!(names::LANE_PAUSES_TOTAL, "number" => number).increment(1);
}

/// An account is paused from now on, or for another reason. `refused`: its carrier refuses it, and a person must act.
pub fn account_paused(account: &str, refused: bool, detail: &str) {
    say_paused(account, refused, detail);
    counter!(names::ACCOUNT_PAUSES_TOTAL, "account" => named(account)).increment(1);
    account_is_paused(account, true);
    account_is_refused(account, refused);
}

/// An account was paused when the gateway started.
pub fn account_still_paused(account: &str, refused: bool, detail: &str) {
    say_paused(account, refused, detail);
    account_is_paused(account, true);
    account_is_refused(account, refused);
}

fn say_paused(account: &str, refused: bool, detail: &str) {
    if refused {
        tracing::error!(
            account,
            detail,
            "the carrier refuses the account: its texts wait until that is mended; it is tried again every 30 s, and at once \
             after a reload"
        );
    } else {
        tracing::warn!(account, detail, "the account is paused: its carrier does not answer, or fails");
    }
}

/// An account works again.
pub fn account_resumed(account: &str) {
    tracing::info!(account, "the account is no longer paused");
    account_is_paused(account, false);
    account_is_refused(account, false);
}

/// Whether an account is left alone just now.
pub fn account_is_paused(account: &str, paused: bool) {
    gauge!(names::ACCOUNT_PAUSED, "account" => named(account)).set(if paused { 1.0 } else { 0.0 });
}

/// Whether an account is refused by its carrier just now.
fn account_is_refused(account: &str, refused: bool) {
    gauge!(names::ACCOUNT_CREDENTIALS_REFUSED, "account" => named(account)).set(if refused { 1.0 } else { 0.0 });
}
