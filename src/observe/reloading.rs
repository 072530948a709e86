//! Logs and metrics of configuration reloads.

use super::label::labels;
use super::names;
use metrics::counter;
use std::fmt::Display;

labels! {
    /// The outcome of a reload.
    Reloaded {
        /// The new configuration is in use.
        Taken = "taken",
        /// The new configuration is invalid, and nothing of it is used.
        Refused = "refused",
    }
}

/// The configuration was reloaded. `waiting` are the changed keys that need a restart.
pub fn reloaded(warnings: &[String], waiting: &[String]) {
    tracing::info!(
        "configuration reloaded: certificates, tokens, people of the console, signing keys and accounts are updated"
    );
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for key in waiting {
        tracing::warn!("{key} changed; takes effect after a restart");
    }
    count(Reloaded::Taken);
}

/// The new configuration is invalid, and the previous one stays in use. Each line of `problems` is logged on its own.
pub fn reload_refused(problems: &impl Display) {
    for problem in problems.to_string().lines() {
        tracing::error!("{problem}");
    }
    tracing::error!("configuration reload refused: the previous one stays in use; correct the file and reload again");
    count(Reloaded::Refused);
}

fn count(outcome: Reloaded) {
    counter!(names::RELOADS_TOTAL, "outcome" => outcome.label()).increment(1);
}
