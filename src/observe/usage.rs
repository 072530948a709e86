//! Logs and metrics of usage: messages by queue and kind, calls, sessions, and closing messages.

use super::label::{labels, queue as named};
use super::limited::{Cause, limited};
use super::names;
use crate::model::{ClosedReason, Kind};
use metrics::counter;

labels! {
    /// Why a call ended. The platform's reasons are free text, so they are only told apart by a word in them.
    CallEnd {
        /// The platform reported nothing about the call until its lease expired (A7).
        LeaseExpired = "lease_expired",
        /// The reason names the agent.
        Agent = "agent",
        /// The reason names the caller or customer.
        Caller = "caller",
        /// The reason names a transfer.
        Transfer = "transfer",
        /// Any other reason.
        Other = "other",
        /// The platform gave no reason.
        None = "none",
    }
}

labels! {
    /// What became of a closing message that was due.
    Closing {
        /// It was queued.
        Queued = "queued",
        /// There is no text in the call's language, nor in the default one (A25).
        NoText = "no_text",
    }
}

impl CallEnd {
    /// The reason in the platform's words.
    pub fn of(reason: Option<&str>) -> Self {
        let Some(reason) = reason else { return Self::None };
        let reason = reason.to_lowercase();
        let names = |words: &[&str]| words.iter().any(|word| reason.contains(word));
        if names(&["transfer"]) {
            Self::Transfer
        } else if names(&["agent"]) {
            Self::Agent
        } else if names(&["caller", "customer"]) {
            Self::Caller
        } else {
            Self::Other
        }
    }
}

/// A message of this queue was received, or its first attempt started.
pub fn message(queue: Option<&str>, kind: Kind) {
    counter!(names::MESSAGES_TOTAL, "queue" => named(queue), "kind" => kind.word()).increment(1);
}

/// A call started.
pub fn call_started() {
    tracing::debug!("call started");
    counter!(names::CALLS_STARTED_TOTAL).increment(1);
}

/// A call ended.
pub fn call_ended(why: CallEnd) {
    tracing::debug!(reason = why.label(), "call ended");
    counter!(names::CALLS_ENDED_TOTAL, "reason" => why.label()).increment(1);
}

/// The first text of a call was received, or its first attempt started.
pub fn session_opened() {
    tracing::debug!("session opened");
    counter!(names::SESSIONS_OPENED_TOTAL).increment(1);
}

/// An open session closed.
pub fn session_closed(reason: ClosedReason) {
    tracing::debug!(reason = reason.word(), "session closed");
    counter!(names::SESSIONS_CLOSED_TOTAL, "reason" => reason.word()).increment(1);
}

/// A closing message was due.
pub fn closing(outcome: Closing) {
    match outcome {
        Closing::Queued => tracing::debug!(outcome = outcome.label(), "closing message"),
        Closing::NoText => limited(Cause::NoClosingText, "none", || {
            tracing::warn!("no closing message: there is no text in this language or in the default one; add one");
        }),
    }
    counter!(names::CLOSINGS_TOTAL, "outcome" => outcome.label()).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_the_platforms_reasons_are_told_apart_by_a_word() {
        for (reason, expected) in [
            (None, CallEnd::None),
            (Some("agent_hangup"), CallEnd::Agent),
            (Some("Caller hung up"), CallEnd::Caller),
            (Some("CUSTOMER_DISCONNECT"), CallEnd::Caller),
            (Some("transferred by the agent"), CallEnd::Transfer),
            (Some("lease_expired"), CallEnd::Other),
            (Some("+12065550142"), CallEnd::Other),
        ] {
            assert_eq!(CallEnd::of(reason), expected, "{reason:?}");
        }
    }
}
