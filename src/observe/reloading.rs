//! Facts of the configuration, read again while the gateway runs.

use super::label::labels;
use super::names;
use metrics::counter;
use std::fmt::Display;

labels! {
    /// What became of a configuration that was read again.
    Reloaded {
        /// It was taken over.
        Taken = "taken",
        /// Something in it was wrong, and nothing was taken.
        Refused = "refused",
    }
}

/// A configuration was taken over. `waiting` are the keys whose changes need a restart.
pub fn reloaded(warnings: &[String], waiting: &[String]) {
    tracing::info!("configuration read again: certificates, tokens, signing keys and accounts are as it says");
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for key in waiting {
        tracing::warn!("{key} is not what the gateway was started with: restart it to have it so");
    }
    count(Reloaded::Taken);
}

/// A configuration is wrong, and the one that was there holds, all of it. Each line of `problems` is one.
pub fn reload_refused(problems: &impl Display) {
    for problem in problems.to_string().lines() {
        tracing::error!("{problem}");
    }
    tracing::error!(
        "the configuration was not taken: what held before holds, all of it; mend the file and reload again"
    );
    count(Reloaded::Refused);
}

fn count(outcome: Reloaded) {
    counter!(names::RELOADS_TOTAL, "outcome" => outcome.label()).increment(1);
}
