//! Logs and metrics of erasures. None of them names the person.

use super::label::labels;
use super::names;
use metrics::counter;
use std::time::Duration;

labels! {
    /// What became of erasures.
    ErasureOutcome {
        /// Nothing of the person is left.
        Done = "done",
        /// It will be repeated.
        Delayed = "delayed",
        /// It ended without being complete.
        Failed = "failed",
    }
}

/// Erasures were completed.
pub fn erasures_done(count: usize, took: Duration) {
    tracing::info!(count, seconds = took.as_secs_f64(), "erasures done");
    count_outcome(ErasureOutcome::Done, count as u64);
}

/// Erasures cannot be completed now and will be repeated.
pub fn erasure_delayed(why: &str) {
    tracing::error!(why, "cannot complete an erasure: will retry; until then data of the person is left");
    count_outcome(ErasureOutcome::Delayed, 1);
}

/// Erasures ended without being complete, because data is damaged.
pub fn erasure_failed(why: &str) {
    tracing::error!(why, "an erasure failed: data of the person is left; repair this, then request it again");
    count_outcome(ErasureOutcome::Failed, 1);
}

fn count_outcome(outcome: ErasureOutcome, count: u64) {
    counter!(names::ERASURES_TOTAL, "outcome" => outcome.label()).increment(count);
}
