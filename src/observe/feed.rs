//! Logs and metrics of the feed, which delivers events to the platform.

use super::label::labels;
use super::limited::{Cause, limited};
use super::names;
use metrics::{counter, gauge, histogram};
use std::time::Duration;

labels! {
    /// How one delivery to an endpoint ended.
    Delivery {
        /// A complete 2xx.
        Delivered = "delivered",
        /// Any other status.
        Refused = "refused",
        /// 429 or 503: not now.
        Later = "later",
        /// 410: the endpoint no longer exists.
        Gone = "gone",
        /// No response, or an incomplete one.
        Unanswered = "unanswered",
    }
}

/// A delivery to an endpoint ended. `detail` goes to the log only.
pub fn delivery(endpoint: &str, outcome: Delivery, detail: &str) {
    match outcome {
        Delivery::Delivered => tracing::debug!(endpoint, outcome = outcome.label(), "delivery"),
        _ => limited(Cause::DeliveryFailed, endpoint, || {
            tracing::warn!(endpoint, outcome = outcome.label(), detail, "delivery");
        }),
    }
    counter!(names::DELIVERIES_TOTAL, "endpoint" => endpoint.to_owned(), "outcome" => outcome.label()).increment(1);
}

/// A request to an endpoint ended after `took`.
pub fn endpoint_request(endpoint: &str, took: Duration) {
    histogram!(names::DELIVERY_SECONDS, "endpoint" => endpoint.to_owned()).record(took.as_secs_f64());
}

/// The state of an endpoint's feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeedStatus {
    /// Journal positions not yet delivered to it.
    pub lag: u64,
    /// The age of the oldest event waiting for it in memory.
    pub oldest: Option<Duration>,
    /// Number of parked calls.
    pub parked: usize,
    /// It answers 410, or has accepted nothing for ten seconds.
    pub paused: bool,
}

/// Records the state of an endpoint's feed.
pub fn feed_status(endpoint: &str, status: FeedStatus) {
    let set = |name: &'static str, value: f64| gauge!(name, "endpoint" => endpoint.to_owned()).set(value);
    set(names::FEED_LAG_POSITIONS, status.lag as f64);
    set(names::FEED_OLDEST_SECONDS, status.oldest.unwrap_or_default().as_secs_f64());
    set(names::FEED_PARKED_CALLS, status.parked as f64);
    set(names::FEED_PAUSED, f64::from(u8::from(status.paused)));
}

/// An endpoint is paused, or no longer is.
pub fn feed_paused(endpoint: &str, paused: bool) {
    if paused {
        tracing::error!(
            endpoint,
            "endpoint paused: it answers 410, or has accepted no event for ten seconds. Its events stay in the \
             journal and it is probed every 5 s: check that it runs and that its url in the configuration is right"
        );
    } else {
        tracing::info!(endpoint, "endpoint accepts events again: waiting events follow in order");
    }
}

/// Events were deleted before an endpoint had accepted them: the journal now begins at `oldest`.
pub fn feed_gap(endpoint: &str, oldest: u64) {
    tracing::error!(
        endpoint,
        oldest,
        "events were deleted before this endpoint accepted them: read the missing ones from the API"
    );
    counter!(names::FEED_GAPS_TOTAL, "endpoint" => endpoint.to_owned()).increment(1);
}

/// An endpoint was removed from the configuration before it had accepted all events. `after` is the cursor to read the
/// missing ones from.
pub fn endpoint_missing(endpoint: &str, lag: u64, parked: usize, after: Option<&str>) {
    tracing::warn!(
        endpoint,
        lag,
        parked,
        after,
        "endpoint removed from the configuration with undelivered events; re-add it by the same name to resume, or \
         read them at GET /v1/events?after="
    );
}

/// An endpoint refused an event of a replay too often.
pub fn replay_given_up(endpoint: &str, event: &str) {
    tracing::warn!(endpoint, event, "an event of a replay was refused repeatedly: the replay continues without it");
    counter!(names::REPLAYS_GIVEN_UP_TOTAL, "endpoint" => endpoint.to_owned()).increment(1);
}

/// The events of a replay cannot be read.
pub fn replay_unreadable(endpoint: &str, why: &str) {
    tracing::error!(endpoint, why, "replay stopped: an event cannot be read; start another replay after it");
}

/// A client opened a stream of events.
pub fn stream_opened() {
    gauge!(names::STREAMS).increment(1.0);
}

/// A stream of events ended.
pub fn stream_closed() {
    gauge!(names::STREAMS).decrement(1.0);
}

/// A stream of events was ended because its client reads too slowly; the client resumes by its cursor.
pub fn stream_cut() {
    counter!(names::STREAMS_CUT_TOTAL).increment(1);
}

/// New events cannot be read for the streams, which end.
pub fn live_events_failed(why: &str) {
    tracing::error!(why, "cannot read new events: all streams of events end");
}
