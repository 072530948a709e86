//! Facts of the feed: what the platform is told.

use super::label::labels;
use super::names;
use metrics::{counter, gauge, histogram};
use std::time::Duration;

labels! {
    /// How one delivery to an endpoint ended.
    Delivery {
        /// A complete 2xx.
        Delivered = "delivered",
        /// Any other status but those below.
        Refused = "refused",
        /// 429 or 503: not now.
        Later = "later",
        /// 410: never again.
        Gone = "gone",
        /// No answer, or none that was complete.
        Unanswered = "unanswered",
    }
}

/// An endpoint was told something, and answered or did not. `detail` is shown in the log only.
pub fn delivery(endpoint: &str, outcome: Delivery, detail: &str) {
    match outcome {
        Delivery::Delivered => tracing::debug!(endpoint, outcome = outcome.label(), "delivery"),
        _ => tracing::warn!(endpoint, outcome = outcome.label(), detail, "delivery"),
    }
    counter!(names::DELIVERIES_TOTAL, "endpoint" => endpoint.to_owned(), "outcome" => outcome.label()).increment(1);
}

/// An endpoint was asked to take something, and answered or failed after so long.
pub fn endpoint_asked(endpoint: &str, took: Duration) {
    histogram!(names::DELIVERY_SECONDS, "endpoint" => endpoint.to_owned()).record(took.as_secs_f64());
}

/// How many positions of the journal an endpoint has still to be told of.
pub fn feed_lag(endpoint: &str, positions: u64) {
    gauge!(names::FEED_LAG_POSITIONS, "endpoint" => endpoint.to_owned()).set(positions as f64);
}
