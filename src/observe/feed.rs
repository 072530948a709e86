//! Facts of the feed: what the platform is told.

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
        /// Any other status but those below.
        Refused = "refused",
        /// 429 or 503: not now.
        Later = "later",
        /// 410: the endpoint says that it is gone.
        Gone = "gone",
        /// No answer, or none that was complete.
        Unanswered = "unanswered",
    }
}

/// An endpoint was told something, and answered or did not. `detail` is shown in the log only.
pub fn delivery(endpoint: &str, outcome: Delivery, detail: &str) {
    match outcome {
        Delivery::Delivered => tracing::debug!(endpoint, outcome = outcome.label(), "delivery"),
        _ => limited(Cause::DeliveryFailed, endpoint, || {
            tracing::warn!(endpoint, outcome = outcome.label(), detail, "delivery");
        }),
    }
    counter!(names::DELIVERIES_TOTAL, "endpoint" => endpoint.to_owned(), "outcome" => outcome.label()).increment(1);
}

/// An endpoint was asked to take something, and answered or failed after so long.
pub fn endpoint_asked(endpoint: &str, took: Duration) {
    histogram!(names::DELIVERY_SECONDS, "endpoint" => endpoint.to_owned()).record(took.as_secs_f64());
}

/// How an endpoint's feed stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeedStatus {
    /// Positions of the journal it has still to be told of.
    pub lag: u64,
    /// The age of the oldest event that waits for it in memory.
    pub oldest: Option<Duration>,
    /// Calls that are parked.
    pub parked: usize,
    /// It is gone, or has taken nothing for ten seconds.
    pub paused: bool,
}

/// How an endpoint's feed stands just now.
pub fn feed_standing(endpoint: &str, standing: FeedStatus) {
    let set = |name: &'static str, value: f64| gauge!(name, "endpoint" => endpoint.to_owned()).set(value);
    set(names::FEED_LAG_POSITIONS, standing.lag as f64);
    set(names::FEED_OLDEST_SECONDS, standing.oldest.unwrap_or_default().as_secs_f64());
    set(names::FEED_PARKED_CALLS, standing.parked as f64);
    set(names::FEED_PAUSED, f64::from(u8::from(standing.paused)));
}

/// An endpoint is paused, or no longer is.
pub fn feed_paused(endpoint: &str, paused: bool) {
    if paused {
        tracing::error!(
            endpoint,
            "the endpoint says that it is gone (410), or has accepted no event for ten seconds; its events wait in the journal and it is \
             probed every 5 s: check that it runs, and that its url in the configuration is right"
        );
    } else {
        tracing::info!(endpoint, "the endpoint takes events again: what waited for it follows in order");
    }
}

/// Events an endpoint was still to be told of are no longer kept: the journal begins at `oldest`.
pub fn feed_gap(endpoint: &str, oldest: u64) {
    tracing::error!(
        endpoint,
        oldest,
        "events this endpoint had not taken are no longer kept: read what it missed from the API"
    );
    counter!(names::FEED_GAPS_TOTAL, "endpoint" => endpoint.to_owned()).increment(1);
}

/// An endpoint that has not taken everything is named in the configuration no more. `after` is what to pull after to have
/// what it misses.
pub fn endpoint_missing(endpoint: &str, lag: u64, parked: usize, after: Option<&str>) {
    tracing::warn!(
        endpoint,
        lag,
        parked,
        after,
        "the configuration names this endpoint no more, and nobody is told what waits for it: name it again, by the same \
         name, or read what it misses at GET /v1/events?after="
    );
}

/// An event that was to be told once more was refused too often.
pub fn replay_given_up(endpoint: &str, event: &str) {
    tracing::warn!(endpoint, event, "an event of a replay was refused again and again: the replay goes on without it");
    counter!(names::REPLAYS_GIVEN_UP_TOTAL, "endpoint" => endpoint.to_owned()).increment(1);
}

/// What was to be told once more cannot be read.
pub fn replay_unreadable(endpoint: &str, why: &str) {
    tracing::error!(
        endpoint,
        why,
        "a replay ended early, because what it comes to cannot be read: replay what comes after it"
    );
}
