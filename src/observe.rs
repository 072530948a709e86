//! Logging and metrics: one function per occurrence, which does both. May be used from floor 2 up.
//!
//! Invariant: each occurrence has one function here, which counts and logs it, so that the two cannot disagree. All
//! metric names and the sources of their labels are in [`names`]. No phone number, message id, text, secret or error
//! message is ever a label, and no phone number, text or secret is ever logged.

mod dispatch;
mod doors;
mod engine;
mod erasure;
mod exposition;
mod feed;
mod label;
mod limited;
mod lines;
mod list;
mod logging;
mod media;
mod messages;
pub mod names;
mod numbers;
mod once;
mod readiness;
mod reloading;
mod sends;
mod snapshot;
mod usage;
mod zero;

pub use dispatch::{
    Priority, Unused, account_is_paused, account_paused, account_resumed, account_still_paused, carrier_request,
    lane_paused, lanes_waiting, messages_waiting, oldest_ready, permit_given, permit_unused, requests_in_flight,
    resumed, segments_started, started_late, suspended, suspensions,
};
pub use doors::{
    Door, Refused, SignIn, accept_failed, answered, api_request, certificate, connection_closed, connection_opened,
    connection_refused, connections_cut, credential_refused, door_closed, door_open, few_descriptors, handshake_failed,
    proxy_header_refused, request_panicked, sign_in,
};
pub use engine::{
    Queue, RebuildReason, Retention, Undecided, ballast_given_up, batch_committed, clock_accepted, clock_ahead,
    clock_differs, clock_offset, clock_set_right, clock_suspect, clock_untrusted, command_too_large, disk, disk_low,
    index_rebuilt, journal_position, journal_synced, journal_written, queue, retention, undecided,
};
pub use erasure::{ErasureOutcome, erasure_delayed, erasure_failed, erasures_done};
pub use feed::{
    Delivery, FeedStatus, delivery, endpoint_missing, endpoint_request, feed_gap, feed_paused, feed_status,
    live_events_failed, replay_given_up, replay_unreadable, stream_closed, stream_cut, stream_opened,
};
pub use label::ConnectionEnd;
pub use limited::{Cause, report_left_out};
pub use lines::last_words;
pub use list::list;
pub use logging::{LogFormat, LoggingFailed, logging, panics};
pub use media::{
    MediumOutcome, media_not_swept, media_pending, media_store, media_store_bytes, media_swept, medium_retried,
    medium_settled,
};
pub use messages::{
    Resolved, WebhookOutcome, bad_signature, inbound_message, opted_in, opted_out, quarantine_resolved, quarantined,
    receipt, reconciled, reconciled_message, reconciliation_waits, stranger_answered, unknown_webhook, was_down,
    webhook,
};
pub use numbers::{CheckOutcome, number_checked, numbers_failed};
pub use readiness::{NotReady, Readiness};
pub use reloading::{Reloaded, reload_refused, reloaded};
pub use sends::{attempt, send_settled};
pub use snapshot::{NewSnapshot, SnapshotOutcome, snapshot, snapshot_age, snapshot_failed, snapshot_made, uncompacted};
pub use usage::{CallEnd, Closing, call_ended, call_started, closing, message, session_closed, session_opened};
pub use zero::{account, endpoint};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// The process-wide metrics recorder.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

static INSTALLED: OnceLock<Metrics> = OnceLock::new();

/// Installs the recorder. It is process-wide, so a second call returns the same one: every test may call this.
///
/// # Panics
/// If something else in this process has installed a recorder; that is a bug.
pub fn install() -> Metrics {
    INSTALLED
        .get_or_init(|| {
            let mut builder = PrometheusBuilder::new();
            for histogram in names::HISTOGRAMS {
                let matcher = Matcher::Full(histogram.name.to_owned());
                builder = builder
                    .set_buckets_for_metric(matcher, histogram.buckets)
                    .expect("every histogram has buckets, by a test of the names");
            }
            let handle = builder.install_recorder().expect("nothing else in this program installs a recorder");
            names::describe();
            zero::gateway();
            Metrics(handle)
        })
        .clone()
}

/// Whether the recorder is installed.
fn counts() -> bool {
    INSTALLED.get().is_some()
}

impl Metrics {
    /// All metrics in the Prometheus text format, in a stable order.
    pub fn render(&self) -> String {
        exposition::in_order(&self.0.render())
    }

    /// Aggregates recorded histogram values. Call it every few seconds: until then each value is kept in memory.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_installer_sees_the_same_counters() {
        let first = install();
        webhook(Some("observe-test"), WebhookOutcome::Duplicate);
        let line = "offhook_webhooks_total{account=\"observe-test\",outcome=\"duplicate\"} 1";
        assert!(first.render().contains(line));
        assert!(install().render().contains(line));
    }

    #[test]
    fn histograms_have_help_and_their_own_buckets() {
        let metrics = install();
        batch_committed(3, std::time::Duration::from_millis(2));
        let text = metrics.render();
        assert!(text.contains("# HELP offhook_engine_commit_seconds "), "{text}");
        assert!(text.contains("offhook_engine_commit_seconds_bucket{le=\"0.0025\"}"), "{text}");
    }
}
