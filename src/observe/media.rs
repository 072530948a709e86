//! Logs and metrics of media.

use super::label::{account as named, labels};
use super::limited::{Cause, limited};
use super::names;
use metrics::{counter, gauge, histogram};
use std::time::Duration;

labels! {
    /// What became of a medium.
    MediumOutcome {
        /// It is in the store.
        Ready = "ready",
        /// It is not an image or video of a supported type.
        UnsupportedMedia = "unsupported_media",
        /// It is too large.
        TooLarge = "too_large",
        /// Too many media come before it.
        TooMany = "too_many",
        /// It was not received in time.
        TooLate = "too_late",
        /// The carrier does not have it.
        NotFound = "not_found",
        /// Its address is not one that media are fetched from.
        ForbiddenAddress = "forbidden_address",
        /// The carrier refuses it.
        CarrierError = "carrier_error",
    }
}

/// It is recorded what became of a medium: its size if it is ready, how long the last try took, and why that failed.
pub fn medium_settled(account: &str, outcome: MediumOutcome, bytes: u64, took: Duration, why: &str) {
    match outcome {
        MediumOutcome::Ready => tracing::debug!(account, bytes, "medium stored"),
        _ => limited(Cause::MediumFailed, account, || {
            tracing::warn!(account, reason = outcome.label(), why, "a medium is not kept");
        }),
    }
    counter!(names::MEDIA_TOTAL, "account" => named(account), "outcome" => outcome.label()).increment(1);
    counter!(names::MEDIA_BYTES_TOTAL, "account" => named(account)).increment(bytes);
    histogram!(names::MEDIUM_SECONDS, "outcome" => outcome.label()).record(took.as_secs_f64());
}

/// A medium was not fetched and is tried again.
pub fn medium_retried(account: &str, why: &str) {
    limited(Cause::MediumRetried, account, || tracing::warn!(account, why, "a medium is not fetched yet"));
    counter!(names::MEDIA_RETRIES_TOTAL, "account" => named(account)).increment(1);
}

/// How many media wait, and the age of the oldest one's message.
pub fn media_pending(count: usize, oldest: Duration) {
    gauge!(names::MEDIA_PENDING).set(count as f64);
    gauge!(names::MEDIA_OLDEST_SECONDS).set(oldest.as_secs_f64());
}

/// Whether the media store works. Media stay pending while it does not.
pub fn media_store(failed: Option<&str>) {
    if let Some(why) = failed {
        limited(Cause::MediaStoreFailed, "", || tracing::error!(why, "media cannot be stored; they stay pending"));
    }
    gauge!(names::MEDIA_STORE_FAILING).set(if failed.is_some() { 1.0 } else { 0.0 });
}

/// The size of the media store, in bytes.
pub fn media_store_bytes(bytes: u64) {
    gauge!(names::MEDIA_STORE_BYTES).set(bytes as f64);
}

/// The media store was swept: `deleted` media were listed by no message any more.
pub fn media_swept(deleted: u64) {
    if deleted > 0 {
        tracing::info!(deleted, "deleted media that no message lists");
    }
}

/// The media store could not be swept.
pub fn media_not_swept(why: &str) {
    tracing::warn!(why, "the media store is not swept; it is tried again");
}
