//! Facts that are both logged and counted. May be used from floor 2 up.
//!
//! Invariant: something that happens has one function here, which counts and logs it, so that the two cannot disagree.
//! Every name stands in [`names`]; labels come from closed enums or from the configuration. No phone number, message id,
//! text, secret or error's text is ever a label, and no number, text or secret is ever logged.

mod doors;
mod engine;
mod feed;
mod label;
mod logging;
mod messages;
pub mod names;
mod readiness;
mod sends;

pub use doors::{
    Door, Refused, accept_failed, api_request, connection_closed, connection_opened, connection_refused,
    connections_cut, credential_refused, door_closed, door_open, request_panicked,
};
pub use engine::{
    Queue, RebuildReason, batch_committed, commands_dropped_late, engine_busy, index_rebuilt, journal_position,
    queue_depth,
};
pub use feed::{Delivery, delivery, feed_lag};
pub use label::ConnectionEnd;
pub use logging::{LoggingFailed, logging};
pub use messages::{
    AutoReplied, ReceiptOutcome, Taken, WebhookOutcome, auto_reply, bad_signature, inbound_message, quarantined,
    receipt, webhook,
};
pub use readiness::{NotReady, Readiness};
pub use sends::{Attempt, SendOutcome, attempt, lanes_waiting, refusal, send_settled};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// The recorder that this process counts with.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Begins to count. A process counts in one place, so a second call gives the same one: tests may all call it.
///
/// # Panics
/// If something else in this process has installed a recorder of its own; that is an error of the program.
pub fn install() -> Metrics {
    static INSTALLED: OnceLock<Metrics> = OnceLock::new();
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
            Metrics(handle)
        })
        .clone()
}

impl Metrics {
    /// Everything counted so far, as Prometheus reads it.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what histograms have gathered. To be called every few seconds, or they keep each value until someone asks.
    pub fn fold(&self) {
        self.0.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_counted_where_every_installer_sees_it() {
        let first = install();
        webhook(Some("observe-test"), WebhookOutcome::Duplicate);
        let line = "offhook_webhooks_total{account=\"observe-test\",outcome=\"duplicate\"} 1";
        assert!(first.render().contains(line));
        assert!(install().render().contains(line));
    }

    #[test]
    fn help_says_what_a_rise_means() {
        let metrics = install();
        batch_committed(3, std::time::Duration::from_millis(2));
        let text = metrics.render();
        assert!(text.contains("# HELP offhook_commit_seconds "), "{text}");
        assert!(text.contains("offhook_commit_seconds_bucket{le=\"0.0025\"}"), "{text}");
    }
}
