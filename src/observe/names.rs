//! Every metric, by the stage it belongs to: its labels, what it is, what a rise or a fall of it means, and where to look.
//!
//! `offhook_<noun>[_<unit>]`; counters end in `_total`; seconds and bytes are base units. `offhook metrics` prints the list.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// A metric.
pub struct Metric {
    /// The part of the gateway it tells of.
    pub stage: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its name at `/metrics`; a histogram shows as `_bucket`, `_sum` and `_count` of it.
    pub name: &'static str,
    /// Its labels, each of which stands in [`LABELS`].
    pub labels: &'static [&'static str],
    /// What it is, what its moves mean, and what to look at next.
    pub help: &'static str,
}

/// A histogram and the upper bounds of its buckets.
pub(super) struct Histogram {
    pub(super) name: &'static str,
    pub(super) buckets: &'static [f64],
}

/// The disk and what waits for it: a sync takes a tenth of a millisecond on a good disk and seconds on one that stalls.
const DISK: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// Answers of our doors: a carrier gets 503 by 1.5 s, and the platform's question is given up by 10 s.
const DOORS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0];

/// Other people's answers, given up at 15 s, and what waits for them, given up within two minutes.
const OUTSIDE: &[f64] =
    &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0];

/// A batch has at most 512 commands.
const COMMANDS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Each label, and where its values come from. None comes from who is on the phone or from what they write, so nobody
/// outside can make a new series, and none can hold a number or a text.
pub const LABELS: &[(&str, &str)] = &[
    (
        "account",
        "the configuration's accounts; `none` for one that is not there, or of a number that is ours no longer",
    ),
    ("by", "keyword, carrier, administrator"),
    ("code", "`ok`, or a code of the closed list that refusals are answered with"),
    ("door", "carriers, platform, console, ops"),
    ("end", "a closed list in this program"),
    ("endpoint", "the configuration's webhooks"),
    ("method", "GET, PUT, POST, DELETE; `other` where no route was met"),
    (
        "number",
        "labels of the directory's numbers, cut to 32 characters, `#` for digits where there are over four; `other` past 1,000",
    ),
    ("outcome", "a closed list in this program"),
    ("priority", "closing (and answers to STOP and HELP), agent, auto_reply"),
    ("queue", "urgent, ordinary"),
    ("reason", "a closed list in this program"),
    ("route", "the patterns of the API's addresses; `elsewhere` where none was met"),
    ("status", "2xx, 3xx, 4xx, 5xx"),
    ("version", "the version of this program"),
];

macro_rules! names {
    ($($stage:literal {
        $($kind:ident $constant:ident = $name:literal [$($label:ident),*] $(in $buckets:ident)?, $help:literal;)+
    })+) => {
        $($(
            #[doc = $help]
            pub const $constant: &str = $name;
        )+)+

        /// Every metric there is.
        pub const ALL: &[Metric] = &[$($(Metric {
            stage: $stage,
            kind: stringify!($kind),
            name: $name,
            labels: &[$(stringify!($label)),*],
            help: $help,
        },)+)+];

        pub(super) const HISTOGRAMS: &[Histogram] = &[$($($(Histogram { name: $name, buckets: $buckets },)?)+)+];

        /// Tells the recorder what each is.
        pub(super) fn describe() {
            $($(names!(@describe $kind $name, $help);)+)+
        }
    };
    (@describe counter $name:literal, $help:literal) => { describe_counter!($name, $help); };
    (@describe gauge $name:literal, $help:literal) => { describe_gauge!($name, $help); };
    (@describe histogram $name:literal, $help:literal) => { describe_histogram!($name, $help); };
}

names! {
    "Program" {
        gauge BUILD_INFO = "offhook_build_info" [version],
            "1, with the version that runs. A rise of the versions that are seen beyond one: not every gateway runs the same; a fall to nothing: no gateway runs, or its ops door is not reached.";
    }
    "Doors" {
        histogram REQUEST_SECONDS = "offhook_request_seconds" [door] in DOORS,
            "Time from a request's headers to the last byte of its answer, by door. Rising at carriers or platform: the disk is slow or too much comes, see offhook_engine_commit_seconds and offhook_engine_oldest_waiting_seconds; near 1.5 s carriers are told to come again.";
        gauge CONNECTIONS_OPEN = "offhook_connections_open" [door],
            "Connections open now, by door. Rising near limits.connections_max: raise that, and the limit of open files with it.";
        counter CONNECTIONS_TOTAL = "offhook_connections_total" [door, end],
            "Connections that ended, by door and how. handshake_late, headers_late, write_late or crowded rising: somebody holds connections open on purpose; handshake_failed: a certificate or a protocol does not fit, the log says why; proxy_header: a door of limits.proxy_protocol is reached by a proxy that does not speak it.";
        counter CONNECTIONS_REFUSED_TOTAL = "offhook_connections_refused_total" [door, reason],
            "Connections closed unread, by door and reason. full rising: raise limits.connections_max; address_full: one address opens too many, and if it is your proxy, name it in limits.trusted_proxies.";
        counter ACCEPT_FAILURES_TOTAL = "offhook_accept_failures_total" [door],
            "Times the system gave us no connection, by door. Any rise: raise the limit of open files (LimitNOFILE).";
        gauge CERTIFICATE_EXPIRES = "offhook_certificate_expires_timestamp_seconds" [door],
            "When a door's certificate expires, in seconds since 1970, by door; nothing where a door has none. It rises with each renewal. Not rising until less than time() + 1814400 is left: it expires within 21 days, renew it and reload; less than time(): clients refuse the door.";
        counter CREDENTIALS_REFUSED_TOTAL = "offhook_credentials_refused_total" [door],
            "Requests without a credential that holds, by door. Rising: a token was changed on one side only, or somebody tries; the log has the addresses.";
        counter PANICS_TOTAL = "offhook_panics_total" [door],
            "Requests that panicked, by door. Any rise is an error in this program: report it with the log.";
        gauge NOT_READY = "offhook_not_ready" [reason],
            "1 while there is this reason against new work, else 0. Rising outside of starts and stops: /readyz and the log say why; low_disk: make room on the disk of data_dir; overloaded: commands wait for over a second, see offhook_journal_sync_seconds.";
        counter RELOADS_TOTAL = "offhook_reloads_total" [outcome],
            "Times the configuration was read again on SIGHUP, by outcome. refused rising: something in it is wrong, the log names key and line; until it is mended the gateway goes on with what it had, certificates that expire included.";
    }
    "Carriers: what they bring" {
        counter WEBHOOKS_TOTAL = "offhook_webhooks_total" [account, outcome],
            "Webhooks, by account and outcome. bad_signature rising: public_url or a token is wrong, or somebody forges; reported: the account only reports bad signatures, end that soon; overloaded: the disk is too slow or too much comes; shed: the machine is short of CPU, and addresses that forge are put off unverified; unknown_account: somebody calls an address that no account has, a carrier set up with a wrong one or a scanner, and the log has the path and the nearest account. taken falling to nothing: the carrier does not reach us.";
        counter INBOUND_MESSAGES_TOTAL = "offhook_inbound_messages_total" [account, outcome],
            "Messages from people, by account and outcome. late rising: people write when nobody is on the phone with them, or calls are not told of in time; duplicate: the carrier does not hear our answers, see offhook_request_seconds.";
        counter RECEIPTS_TOTAL = "offhook_receipts_total" [account, outcome],
            "Receipts, by account and outcome. unknown_message rising: something else sends with this account. applied falling while messages are sent: receipts do not reach us, look at the number's settings at the carrier.";
        counter QUARANTINED_TOTAL = "offhook_quarantined_total" [account],
            "Signed webhooks that could not be read, by account. Any rise: the carrier has changed its words; `offhook journal inspect` shows when, and each is kept as it came.";
        counter AUTO_REPLIES_TOTAL = "offhook_auto_replies_total" [outcome],
            "What who writes after the call got: queued, or why nothing. no_text rising: add a text in that language or in the default one; echo, quiet or day_cap: another machine may be answering us, look at the senders; strangers_cap: many senders who were on no call write, see offhook_stranger_answers_total.";
        counter STRANGER_ANSWERS_TOTAL = "offhook_stranger_answers_total" [],
            "Answers to senders who were on no call: auto-replies, and answers to STOP and HELP. Rising fast: numbers may be forged, and each answer is a paid text; auto_reply.strangers_per_hour bounds each kind.";
        counter OPT_OUTS_TOTAL = "offhook_opt_outs_total" [by],
            "People who must not be texted any more, by how we know. keyword rising: they do not want these texts, look at what was sent; carrier: they said STOP where we did not hear it.";
        counter OPT_INS_TOTAL = "offhook_opt_ins_total" [by],
            "People who may be texted again, by who said so. Rising with offhook_opt_outs_total: STOP is found in words that do not mean it, look at settings.opt_out.";
    }
    "Platform: what it asks" {
        counter API_REQUESTS_TOTAL = "offhook_api_requests_total" [method, route, status, code],
            "Requests of the platform, by route and by what they were answered with. status 5xx rising: see offhook_not_ready and offhook_engine_refused_total; rate_limited: the queue needs more numbers or higher limits; number_pair_busy: calls are not ended; opted_out: people said STOP.";
    }
    "Engine: the one writer" {
        gauge ENGINE_WAITING_COMMANDS = "offhook_engine_waiting_commands" [queue],
            "Commands that wait to be decided, by queue, looked at each second. Rising and staying: the disk is too slow for the load, see offhook_journal_sync_seconds; ordinary ones are refused at 2,048.";
        gauge ENGINE_OLDEST_WAITING_SECONDS = "offhook_engine_oldest_waiting_seconds" [queue],
            "How long the command that waits longest has waited, by queue, looked at each second. Rising second by second: the engine is stuck in one commit, look at the disk and the log.";
        counter ENGINE_REFUSED_TOTAL = "offhook_engine_refused_total" [reason],
            "Commands that were not decided, by reason. busy rising: too many wait, the disk is too slow for the load; too_late: they waited longer than who asked, the disk stalls; stopped: the gateway stops, or its engine has failed, see the log.";
        histogram ENGINE_BATCH_COMMANDS = "offhook_engine_batch_commands" [] in COMMANDS,
            "Commands decided in one commit. Rising: more comes at once, or the disk is slower; at 512 no more fit.";
        histogram ENGINE_COMMIT_SECONDS = "offhook_engine_commit_seconds" [] in DISK,
            "Time from the first decision of a batch until all of it is durable and readable. Rising: compare offhook_journal_sync_seconds; if that rises too the disk is slow, else batches are large or the index is.";
        gauge CLOCK_AHEAD_SECONDS = "offhook_clock_ahead_seconds" [],
            "How far the machine's clock is ahead of the time that passed, while that is not believed; else 0. A rise: somebody set the clock forward by over five minutes; set it right within ten minutes of that, or calls and keys are as much older.";
        gauge CLOCK_OFFSET_SECONDS = "offhook_clock_offset_seconds" [],
            "The journal's time minus the machine's clock, looked at each second; about 0 where all is well. Rising past 1: the clock was set back, or was ahead when the journal was written; falling below -1: it was set forward by more than is believed, or the machine slept. Check what sets the clock.";
        counter CLOCK_JUMPS_TOTAL = "offhook_clock_jumps_total" [],
            "Times the machine's clock was set forward by over five minutes. Any rise: see what sets the clock, and offhook_clock_ahead_seconds.";
        counter INDEX_REBUILDS_TOTAL = "offhook_index_rebuilds_total" [reason],
            "Times the index was made anew, by reason. corrupt rising: look at the disk; unclean_stop: the machine lost power or the process was killed.";
    }
    "Journal and disk" {
        gauge JOURNAL_POSITION = "offhook_journal_position" [],
            "The last position on disk. Not rising under load: the engine is stuck, see offhook_engine_oldest_waiting_seconds.";
        histogram JOURNAL_SYNC_SECONDS = "offhook_journal_sync_seconds" [] in DISK,
            "Time of one sync of the journal to the disk. Rising: the disk is slow or shared with somebody greedy; everything that is answered waits for it.";
        counter JOURNAL_WRITTEN_BYTES_TOTAL = "offhook_journal_written_bytes_total" [],
            "Bytes written to the journal. A rise beyond the usual: more traffic, or webhooks that are kept as they came; with offhook_disk_free_bytes it says when the disk is full.";
        gauge JOURNAL_KEPT_BYTES = "offhook_journal_kept_bytes" [],
            "Bytes of the journal that are kept, looked at every ten seconds. Rising past the usual: more traffic, or nothing is let go; see offhook_journal_retention_reduced and offhook_journal_over_limit.";
        gauge JOURNAL_RETENTION_REDUCED = "offhook_journal_retention_reduced" [],
            "1 while texts and events go before their retention_days have passed, because the journal would be over journal_max_bytes, else 0. A rise: give it more room, or keep fewer days.";
        gauge JOURNAL_OVER_LIMIT = "offhook_journal_over_limit" [],
            "1 while the journal is over journal_max_bytes and nothing more can go, because it is not in a snapshot yet or is still to be sent, else 0. Rising and staying so for an hour: no snapshot comes to be, see the log; or a text waits that can never go.";
        gauge JOURNAL_UNCOMPACTED_BYTES = "offhook_journal_uncompacted_bytes" [],
            "Bytes of closed segments that no snapshot covers, looked at every five seconds. Rising past 600 MB: snapshots are not made, see offhook_snapshots_total; a rebuild takes longer, and no old segment can go.";
        gauge SNAPSHOT_POSITION = "offhook_snapshot_position" [],
            "The last position that the snapshot covers, 0 for none. Not rising while offhook_journal_uncompacted_bytes does: see offhook_snapshots_total.";
        gauge SNAPSHOT_AGE_SECONDS = "offhook_snapshot_age_seconds" [],
            "How long ago what the snapshot covers ends; what came after would be replayed from the journal. Rising over days under load: see offhook_snapshots_total.";
        gauge SNAPSHOT_BYTES = "offhook_snapshot_bytes" [],
            "Bytes of the snapshot. Rising: more calls, messages and people are kept; a disk needs room for two of it.";
        counter SNAPSHOTS_TOTAL = "offhook_snapshots_total" [outcome],
            "Times closed segments were folded into a snapshot, by outcome: made or failed. failed rising: the log says why, most often the disk is full, see offhook_disk_free_bytes.";
        gauge SNAPSHOT_SECONDS = "offhook_snapshot_seconds" [],
            "How long making the last snapshot took, its rests among it. Rising with offhook_snapshot_bytes: that is as it should be; rising alone: the disk is slow, see offhook_journal_sync_seconds.";
        gauge DISK_FREE_BYTES = "offhook_disk_free_bytes" [],
            "Bytes free for us on the disk of data_dir, looked at four times a second. Falling: nothing new is taken below offhook_disk_low_water_bytes; make room well before, see offhook_journal_written_bytes_total for how fast.";
        gauge DISK_LOW_WATER_BYTES = "offhook_disk_low_water_bytes" [],
            "Bytes that must be free on the disk of data_dir for new work to be taken: storage.low_water_bytes and a segment of the journal. Rising or falling only with the configuration and the disk; compare offhook_disk_free_bytes.";
        gauge DISK_BALLAST_BYTES = "offhook_disk_ballast_bytes" [],
            "Bytes held by data_dir/ballast for the day on which the disk is full. Falling to 0: that day is today, make room; it comes back by itself.";
        counter DISK_LOW_TOTAL = "offhook_disk_low_total" [],
            "Times the disk of data_dir had no room for new work. Any rise: make room, or give it a larger disk; see offhook_disk_free_bytes.";
    }
    "Dispatch: what goes out" {
        gauge DISPATCH_LANES_WAITING = "offhook_dispatch_lanes_waiting" [account],
            "Numbers with messages that are not done, by account, looked at every five seconds. Rising and staying: the limits are below the load, or the carrier is slow, see offhook_carrier_request_seconds.";
        gauge DISPATCH_WAITING_MESSAGES = "offhook_dispatch_waiting_messages" [account, priority],
            "Messages that wait for a permit or for their next attempt, by account and priority, looked at every five seconds. agent rising: the limits are below the load; auto_reply alone: they go last, that is as it should be.";
        gauge DISPATCH_OLDEST_READY_SECONDS = "offhook_dispatch_oldest_ready_seconds" [account],
            "How long the message has waited that might go and waits longest, by account, looked at every five seconds. Rising: limits, a daily cap or a pause hold it, see offhook_account_paused and offhook_lane_pauses_total; from 60 s on messages expire.";
        gauge DISPATCH_IN_FLIGHT_REQUESTS = "offhook_dispatch_in_flight_requests" [account],
            "Requests at the carrier, by account, looked at every five seconds. Rising to 64, which is all there may be: the carrier is slow, see offhook_carrier_request_seconds.";
        counter DISPATCH_PERMITS_TOTAL = "offhook_dispatch_permits_total" [account],
            "Permits given to messages to start, by account. Not rising while messages wait: limits or a pause hold them, see offhook_dispatch_oldest_ready_seconds.";
        counter DISPATCH_PERMITS_UNUSED_TOTAL = "offhook_dispatch_permits_unused_total" [account, reason],
            "Permits that no message used, by account and reason. not_to_be rising: messages are taken back while they wait, as calls end or people say STOP; not_now: the engine has no room, see offhook_engine_refused_total.";
        counter DISPATCH_SEGMENTS_STARTED_TOTAL = "offhook_dispatch_segments_started_total" [number],
            "Segments whose sending began, by the number's label. The rate near a number's limit: give its queue another number. Falling to nothing while messages wait: see offhook_dispatch_oldest_ready_seconds.";
        histogram DISPATCH_LATENESS_SECONDS = "offhook_dispatch_lateness_seconds" [account] in OUTSIDE,
            "How much later than promised a message began to be sent, by account; 0 where it was in time. Rising: pauses or retries were in the way, see offhook_lane_pauses_total and offhook_attempts_total; agents see waits that are too short.";
        counter SENDS_TOTAL = "offhook_sends_total" [account, outcome],
            "Messages of ours, by account and final outcome. expired rising: the limits are below the load, or the carrier was away; failed or undelivered: the carrier's codes at GET /v1/messages say why; unconfirmed: receipts do not reach us. A receipt that comes after unconfirmed or expired counts once more, as what it says.";
        counter ATTEMPTS_TOTAL = "offhook_attempts_total" [account, outcome],
            "Attempts to hand a message to a carrier, by account and outcome. later rising: the carrier slows us down, lower the limits; rejected: look at the log for its words; account_refused: the carrier refuses the account, see offhook_account_credentials_refused; never_written or unknown: the way to the carrier is broken.";
        histogram CARRIER_REQUEST_SECONDS = "offhook_carrier_request_seconds" [account] in OUTSIDE,
            "Time of one request to a carrier's API until its answer or its failure, by account. Rising: the carrier or the way to it is slow; at 15 s a request is given up and its message is unknown, see offhook_attempts_total.";
        counter LANE_PAUSES_TOTAL = "offhook_lane_pauses_total" [number],
            "Times a number rested because its carrier said not now, by the number's label. Rising: its limit here is above what the carrier allows, lower it.";
        gauge ACCOUNT_PAUSED = "offhook_account_paused" [account],
            "1 while an account is paused because it failed time and again or its carrier refuses it, else 0. Rising: the carrier is down, out of reach, or refuses the account (offhook_account_credentials_refused); nothing of this account goes out, /readyz and the log say why.";
        gauge ACCOUNT_CREDENTIALS_REFUSED = "offhook_account_credentials_refused" [account],
            "1 while an account is paused because its carrier refuses it, else 0. A rise: no text of this account goes out until somebody acts; /readyz and the log say what to check (credentials, address, a suspended account), and a reload tries it at once.";
        counter ACCOUNT_PAUSES_TOTAL = "offhook_account_pauses_total" [account],
            "Times an account was paused. Rising again and again: the carrier comes and goes, see offhook_attempts_total and the carrier's status page.";
    }
    "Feed: what the platform is told" {
        counter DELIVERIES_TOTAL = "offhook_deliveries_total" [endpoint, outcome],
            "Deliveries of events, by endpoint and outcome. Anything but delivered rising: look at that endpoint and at the log; gone: it answers 410.";
        histogram DELIVERY_SECONDS = "offhook_delivery_seconds" [endpoint] in OUTSIDE,
            "Time of one delivery until the endpoint's answer or its failure. Rising: the endpoint is slow; agents see texts late, see offhook_feed_lag_positions.";
        gauge FEED_LAG_POSITIONS = "offhook_feed_lag_positions" [endpoint],
            "Positions of the journal that an endpoint has still to be told of, parked calls aside. Rising: it is down or too slow, see offhook_deliveries_total.";
        gauge FEED_OLDEST_SECONDS = "offhook_feed_oldest_seconds" [endpoint],
            "Age of the oldest event that waits for an endpoint, parked calls aside. Rising: it is down, too slow, or refuses a call that is not parked yet.";
        gauge FEED_PARKED_CALLS = "offhook_feed_parked_calls" [endpoint],
            "Calls whose events an endpoint refuses while it takes others; each is tried again by the schedule, up to ten hours apart. Any rise: look at the endpoint's log for those events; at 100,000 no more are parked and everything behind waits.";
        gauge FEED_PAUSED = "offhook_feed_paused" [endpoint],
            "1 while an endpoint answers 410 or has accepted no event for ten seconds, else 0; it is probed every 5 s and the first 2xx opens it. A rise: check that it runs and that its url is right.";
        counter FEED_GAPS_TOTAL = "offhook_feed_gaps_total" [endpoint],
            "Times that events an endpoint had not taken were no longer kept. Any rise: events were lost to it, read what it missed from the API; keep more, or mend it sooner.";
        counter REPLAYS_GIVEN_UP_TOTAL = "offhook_replays_given_up_total" [endpoint],
            "Events of a replay that an endpoint refused again and again. Any rise: it does not take events that it took before.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_has_a_name_by_the_rules_and_says_what_its_moves_mean() {
        for Metric { kind, name, help, .. } in ALL {
            assert!(name.starts_with("offhook_"), "{name}");
            assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}: counters, and they alone, end in _total");
            let (what, then) = help.split_once(". ").unwrap_or_else(|| panic!("{name} says what it is, and then more"));
            assert!(what.len() > 10 && help.ends_with('.'), "{name}: {help}");
            let moves = ["rise", "rising", "fall", "falling"];
            assert!(
                moves.iter().any(|word| then.to_lowercase().contains(word)),
                "{name} says what a move means: {then}"
            );
        }
        let distinct: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(distinct.len(), ALL.len());
    }

    #[test]
    fn what_a_help_names_to_look_at_next_is_there() {
        let named = ALL.iter().flat_map(|metric| metric.help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
        for word in named.filter(|word| word.starts_with("offhook_")) {
            assert!(ALL.iter().any(|metric| metric.name == word), "{word}");
        }
    }

    #[test]
    fn it_is_said_of_every_label_where_its_values_come_from_and_of_no_other() {
        let used: BTreeSet<_> = ALL.iter().flat_map(|metric| metric.labels).copied().collect();
        let said: Vec<_> = LABELS.iter().map(|(label, _)| *label).collect();
        assert_eq!(used.into_iter().collect::<Vec<_>>(), said);
    }

    #[test]
    fn every_histogram_has_buckets_of_its_own_and_those_of_times_lie_between_a_tenth_of_a_millisecond_and_a_minute() {
        let named: Vec<_> = ALL.iter().filter(|metric| metric.kind == "histogram").map(|metric| metric.name).collect();
        let bucketed: Vec<_> = HISTOGRAMS.iter().map(|histogram| histogram.name).collect();
        assert_eq!(named, bucketed);
        for Histogram { name, buckets } in HISTOGRAMS {
            assert!(buckets.is_sorted() && !buckets.is_empty(), "{name}");
            let times = buckets.iter().all(|bound| (0.000_1..=60.0).contains(bound));
            assert_eq!(times, name.ends_with("_seconds"), "{name}");
        }
    }
}
