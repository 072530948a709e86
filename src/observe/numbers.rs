//! Logs and metrics of our numbers' verification.

use super::label::{account as named, labels};
use super::limited::{Cause, limited};
use super::names;
use crate::model::E164;
use metrics::{counter, gauge};

labels! {
    /// The outcome of asking a carrier about one of our numbers.
    CheckOutcome {
        /// The number can be used.
        Verified = "verified",
        /// It cannot, for a reason that an operator must correct.
        Failed = "failed",
        /// The carrier did not answer: nothing changes, and it is asked again.
        NoAnswer = "no_answer",
    }
}

/// A carrier was asked about a number. `reason` says why it failed, or why there is no answer.
pub fn number_checked(account: &str, number: E164, outcome: CheckOutcome, reason: &str) {
    match outcome {
        CheckOutcome::Verified => tracing::debug!(account, ?number, "number verified"),
        CheckOutcome::Failed => limited(Cause::NumberFailed, account, || {
            tracing::warn!(account, ?number, reason, "number failed its verification");
        }),
        CheckOutcome::NoAnswer => limited(Cause::NumberNotChecked, account, || {
            tracing::warn!(account, ?number, reason, "the carrier gave no answer about a number; it is asked again");
        }),
    }
    counter!(names::NUMBER_CHECKS_TOTAL, "account" => named(account), "outcome" => outcome.label()).increment(1);
}

/// How many of an account's numbers have failed their verification.
pub fn numbers_failed(account: &str, numbers: usize) {
    gauge!(names::NUMBERS_FAILED, "account" => named(account)).set(numbers as f64);
}
