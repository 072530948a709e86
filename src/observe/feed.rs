//! Facts of the feed: what the platform is told.

use super::label::labels;
use super::names;
use metrics::{counter, gauge};

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

/// How many positions of the journal an endpoint has still to be told of.
pub fn feed_lag(endpoint: &str, positions: u64) {
    gauge!(names::FEED_LAG_POSITIONS, "endpoint" => endpoint.to_owned()).set(positions as f64);
}

/// An endpoint is left alone until a person acts.
pub fn endpoint_paused(endpoint: &str, why: &'static str) {
    tracing::error!(endpoint, why, "endpoint paused: its events wait");
    gauge!(names::ENDPOINT_PAUSED, "endpoint" => endpoint.to_owned()).set(1.0);
}

/// An endpoint is told things again.
pub fn endpoint_resumed(endpoint: &str) {
    tracing::info!(endpoint, "endpoint resumed");
    gauge!(names::ENDPOINT_PAUSED, "endpoint" => endpoint.to_owned()).set(0.0);
}

/// Events grew too old before an endpoint took them; it gets one `feed.gap` instead.
pub fn feed_gap(endpoint: &str, events: u64) {
    tracing::error!(endpoint, events, "events given up: the endpoint was away for too long");
    counter!(names::EVENTS_GIVEN_UP_TOTAL, "endpoint" => endpoint.to_owned()).increment(events);
}
