//! Logs and metrics of outbound messages: attempts and outcomes.

use super::label::account as named;
use super::limited::{Cause, limited};
use super::names;
use crate::model::{AttemptOutcome, MessageState};
use metrics::counter;

/// The final states of an outbound message. Every accepted message ends in exactly one.
pub(super) const ENDED: [MessageState; 6] = [
    MessageState::Delivered,
    MessageState::Undelivered,
    MessageState::Failed,
    MessageState::Cancelled,
    MessageState::Expired,
    MessageState::Unconfirmed,
];

/// An outbound message's state changed: counts it once, when the state is final.
pub fn send_settled(account: &str, state: MessageState) {
    if !ENDED.contains(&state) {
        return;
    }
    tracing::debug!(account, outcome = state.word(), "send settled");
    counter!(names::SENDS_TOTAL, "account" => named(account), "outcome" => state.word()).increment(1);
}

/// An attempt to send a message ended. `detail` goes to the log only and contains no number and no text.
pub fn attempt(account: &str, outcome: AttemptOutcome, detail: &str) {
    let label = outcome.label();
    match outcome {
        AttemptOutcome::Open | AttemptOutcome::Sent => tracing::debug!(account, outcome = label, "attempt"),
        AttemptOutcome::Refused | AttemptOutcome::Later | AttemptOutcome::AccountRefused => {
            tracing::info!(account, outcome = label, detail, "attempt");
        }
        AttemptOutcome::NeverWritten | AttemptOutcome::Unknown => {
            limited(Cause::AttemptFailed, account, || {
                tracing::warn!(account, outcome = label, detail, "attempt");
            });
        }
    }
    counter!(names::ATTEMPTS_TOTAL, "account" => named(account), "outcome" => label).increment(1);
}
