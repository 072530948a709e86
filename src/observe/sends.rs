//! Logs and metrics of outbound messages: attempts and outcomes.

use super::label::{account as named, labels};
use super::limited::{Cause, limited};
use super::names;
use metrics::counter;

labels! {
    /// The final outcome of an outbound message. Every accepted message has exactly one.
    SendOutcome {
        /// It reached the caller's phone.
        Delivered = "delivered",
        /// The carrier could not deliver it.
        Undelivered = "undelivered",
        /// The carrier refused it.
        Failed = "failed",
        /// It was cancelled before it was sent.
        Cancelled = "cancelled",
        /// It was too old to be sent.
        Expired = "expired",
        /// It was sent, but no receipt came.
        Unconfirmed = "unconfirmed",
    }
}

labels! {
    /// The outcome of one attempt to send a message.
    Attempt {
        /// The carrier accepted it.
        Accepted = "accepted",
        /// The carrier refused it permanently.
        Rejected = "rejected",
        /// The carrier answered "not now".
        Later = "later",
        /// Nothing was written to the carrier.
        NeverWritten = "never_written",
        /// The request was written, but no response came.
        Unknown = "unknown",
        /// The carrier refused the account, whatever the text.
        AccountRefused = "account_refused",
    }
}

/// An outbound message reached its final outcome.
pub fn send_settled(account: &str, outcome: SendOutcome) {
    tracing::debug!(account, outcome = outcome.label(), "send settled");
    counter!(names::SENDS_TOTAL, "account" => named(account), "outcome" => outcome.label()).increment(1);
}

/// An attempt to send a message ended. `detail` goes to the log only and contains no number and no text.
pub fn attempt(account: &str, outcome: Attempt, detail: &str) {
    match outcome {
        Attempt::Accepted => tracing::debug!(account, outcome = outcome.label(), "attempt"),
        Attempt::Rejected | Attempt::Later | Attempt::AccountRefused => {
            tracing::info!(account, outcome = outcome.label(), detail, "attempt");
        }
        Attempt::NeverWritten | Attempt::Unknown => {
            limited(Cause::AttemptFailed, account, || {
                tracing::warn!(account, outcome = outcome.label(), detail, "attempt");
            });
        }
    }
    counter!(names::ATTEMPTS_TOTAL, "account" => named(account), "outcome" => outcome.label()).increment(1);
}
