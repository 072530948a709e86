//! Every metric, with what a rise means and what to turn.
//!
//! `offhook_<noun>[_<unit>]`; counters end in `_total`; seconds and bytes are base units.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// A histogram and the upper bounds of its buckets.
pub(super) struct Histogram {
    pub(super) name: &'static str,
    pub(super) buckets: &'static [f64],
}

/// Webhooks reach to 1.5 s, when a carrier gets 503; a commit on a good disk takes half a millisecond.
const SECONDS: &[f64] = &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 5.0];

/// A batch has at most 512 frames.
const COMMANDS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

pub(super) const HISTOGRAMS: &[Histogram] =
    &[Histogram { name: COMMIT_SECONDS, buckets: SECONDS }, Histogram { name: BATCH_COMMANDS, buckets: COMMANDS }];

macro_rules! names {
    ($($kind:ident $constant:ident = $name:literal, $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: &str = $name;
        )+

        /// Every metric there is: kind, name and help.
        pub const ALL: &[(&str, &str, &str)] = &[$((stringify!($kind), $name, $help),)+];

        /// Tells the recorder what each is.
        pub(super) fn describe() {
            $(names!(@describe $kind $name, $help);)+
        }
    };
    (@describe counter $name:literal, $help:literal) => { describe_counter!($name, $help); };
    (@describe gauge $name:literal, $help:literal) => { describe_gauge!($name, $help); };
    (@describe histogram $name:literal, $help:literal) => { describe_histogram!($name, $help); };
}

names! {
    counter WEBHOOKS_TOTAL = "offhook_webhooks_total",
        "Webhooks by account and outcome. bad_signature rising: public_url or a token is wrong, or somebody forges; reported rising: the account only reports bad signatures, end that soon; overloaded rising: the disk is too slow or too much comes.";
    counter INBOUND_MESSAGES_TOTAL = "offhook_inbound_messages_total",
        "Messages from people by account and outcome. late or unknown_sender rising: people write to numbers nobody reads.";
    counter AUTO_REPLIES_TOTAL = "offhook_auto_replies_total",
        "Auto-replies by outcome. breaker: another machine may be answering us, look at the senders; no_text: add a text in that language or in the default one.";
    counter RECEIPTS_TOTAL = "offhook_receipts_total",
        "Receipts by account and outcome. unknown_message rising: something else sends with this account.";
    counter QUARANTINED_TOTAL = "offhook_quarantined_total",
        "Signed webhooks that could not be read, by account. Any rise: the carrier has changed its words; `offhook journal inspect` shows when.";
    counter SENDS_TOTAL = "offhook_sends_total",
        "Messages of ours by account and final outcome. expired rising: the limits are below the load; unconfirmed rising: receipts do not reach us.";
    counter ATTEMPTS_TOTAL = "offhook_attempts_total",
        "Attempts to hand a message to a carrier, by account and outcome. later: the carrier slows us down, lower the limits; never_written or unknown: the way to the carrier is broken.";
    counter REFUSALS_TOTAL = "offhook_refusals_total",
        "Sends refused at our door, by code. rate_limited rising: the queue needs more numbers.";
    gauge LANES_WAITING = "offhook_lanes_waiting",
        "Numbers with messages that wait, by account. Rising and staying: the limits are below the load.";
    counter API_REQUESTS_TOTAL = "offhook_api_requests_total",
        "Requests of the platform by route and status class. 5xx rising: see offhook_not_ready and offhook_busy_total.";
    counter CREDENTIALS_REFUSED_TOTAL = "offhook_credentials_refused_total",
        "Requests without a credential that holds, by door. Rising: a token was changed on one side only, or somebody tries.";
    gauge CONNECTIONS_OPEN = "offhook_connections_open",
        "Connections open now, by door. Near limits.connections_max: raise it, and the limit of open files with it.";
    counter CONNECTIONS_TOTAL = "offhook_connections_total",
        "Connections that ended, by door and end. handshake_late, headers_late or write_late rising: somebody holds connections open on purpose.";
    counter CONNECTIONS_REFUSED_TOTAL = "offhook_connections_refused_total",
        "Connections closed unread, by door and reason. address_full: one address opens too many; if it is your proxy, name it in limits.trusted_proxies.";
    counter ACCEPT_FAILURES_TOTAL = "offhook_accept_failures_total",
        "Times the system gave us no connection, by door. Any rise: raise the limit of open files (LimitNOFILE).";
    counter PANICS_TOTAL = "offhook_panics_total",
        "Requests that panicked, by door. Any rise is an error in this program: report it with the log.";
    gauge NOT_READY = "offhook_not_ready",
        "1 while there is this reason against new work.";
    histogram BATCH_COMMANDS = "offhook_batch_commands",
        "Commands in one commit. Rising: more comes at once, or the disk is slower.";
    histogram COMMIT_SECONDS = "offhook_commit_seconds",
        "Time to make one batch durable. Rising: the disk is slow; everything else waits for it.";
    gauge QUEUE_DEPTH = "offhook_queue_depth",
        "Commands that wait for the engine, by queue. Staying high: the disk is too slow for the load.";
    counter BUSY_TOTAL = "offhook_busy_total",
        "Commands refused because too many waited. Rising: the disk is too slow for the load.";
    counter DROPPED_LATE_TOTAL = "offhook_dropped_late_total",
        "Commands dropped undecided because whoever asked had given up. Rising: the disk stalls.";
    counter INDEX_REBUILDS_TOTAL = "offhook_index_rebuilds_total",
        "Times the index was made anew, by reason. corrupt: look at the disk; unclean_stop: the machine lost power.";
    gauge JOURNAL_POSITION = "offhook_journal_position",
        "The last position on disk. Standing still under load: the engine is stuck.";
    counter DELIVERIES_TOTAL = "offhook_deliveries_total",
        "Deliveries of events by endpoint and outcome. Anything but delivered rising: look at that endpoint.";
    gauge FEED_LAG_POSITIONS = "offhook_feed_lag_positions",
        "Positions of the journal that an endpoint has still to be told of. Rising: it is down or too slow.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_says_what_it_is() {
        for (kind, name, help) in ALL {
            assert!(name.starts_with("offhook_"), "{name}");
            assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}: counters, and they alone, end in _total");
            assert!(help.ends_with('.') && help.len() > 20, "{name} says what a rise means");
        }
        let distinct: BTreeSet<_> = ALL.iter().map(|(_, name, _)| name).collect();
        assert_eq!(distinct.len(), ALL.len());
    }

    #[test]
    fn every_histogram_has_buckets_of_its_own() {
        let named: BTreeSet<_> =
            ALL.iter().filter(|(kind, ..)| *kind == "histogram").map(|(_, name, _)| *name).collect();
        let bucketed: BTreeSet<_> = HISTOGRAMS.iter().map(|histogram| histogram.name).collect();
        assert_eq!(named, bucketed);
        assert!(HISTOGRAMS.iter().all(|histogram| histogram.buckets.is_sorted() && !histogram.buckets.is_empty()));
    }
}
