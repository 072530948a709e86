//! Facts of what we send: attempts and outcomes.

use super::label::{account as named, labels};
use super::limited::{Cause, limited};
use super::names;
use metrics::counter;

labels! {
    /// How a message of ours ended. Every message that was accepted ends in exactly one.
    SendOutcome {
        /// On the caller's phone.
        Delivered = "delivered",
        /// The carrier could not deliver it.
        Undelivered = "undelivered",
        /// The carrier refused it.
        Failed = "failed",
        /// Taken back before it was sent.
        Cancelled = "cancelled",
        /// Too old to be sent.
        Expired = "expired",
        /// Sent, and nobody ever said what became of it.
        Unconfirmed = "unconfirmed",
    }
}

labels! {
    /// How one attempt to hand a message to a carrier ended.
    Attempt {
        /// The carrier took it.
        Accepted = "accepted",
        /// The carrier refused it for good.
        Rejected = "rejected",
        /// The carrier said: not now.
        Later = "later",
        /// Nothing was written to the carrier.
        NeverWritten = "never_written",
        /// Written, and no answer.
        Unknown = "unknown",
        /// The carrier refused the account, whatever the text.
        AccountRefused = "account_refused",
    }
}

/// A message of ours came to its end.
pub fn send_settled(account: &str, outcome: SendOutcome) {
    tracing::debug!(account, outcome = outcome.label(), "send settled");
    counter!(names::SENDS_TOTAL, "account" => named(account), "outcome" => outcome.label()).increment(1);
}

/// A carrier was asked to send, and answered or did not. `detail` is shown in the log only; it holds no number and no
/// text.
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
