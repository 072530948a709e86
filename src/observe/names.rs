//! All metrics by stage, with labels and help: what is measured, what a rise or fall means, and what to check.
//!
//! `offhook_<noun>[_<unit>]`; counters end in `_total`; base units are seconds and bytes. `offhook metrics` prints the
//! list.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// A metric.
pub struct Metric {
    /// The part of the gateway it measures.
    pub stage: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its name at `/metrics`; a histogram shows as `_bucket`, `_sum` and `_count` of it.
    pub name: &'static str,
    /// Its labels; each is described in [`LABELS`].
    pub labels: &'static [&'static str],
    /// What is measured, what a change means, and what to check next.
    pub help: &'static str,
}

/// A histogram and the upper bounds of its buckets.
pub(super) struct Histogram {
    pub(super) name: &'static str,
    pub(super) buckets: &'static [f64],
}

/// Disk operations and whatever waits for them: an fsync takes 0.1 ms on a good disk and seconds on one that stalls.
const DISK: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// Our responses: a carrier gets 503 before it gives up, after 1.3 s or 13 s, and an API request is aborted after 10 s.
const DOORS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 14.0, 30.0,
];

/// Responses of other systems, which time out after 15 s, and messages waiting for them, which expire in two minutes.
const OUTSIDE: &[f64] =
    &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0];

/// A batch has at most 512 commands.
const COMMANDS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Each label and the source of its values. No value comes from callers or from texts, so outsiders cannot create
/// series and no label can hold a phone number or a text.
pub const LABELS: &[(&str, &str)] = &[
    ("account", "the configured accounts; `none` for an unknown account, or for a number that is no longer ours"),
    ("by", "keyword, carrier, administrator"),
    ("code", "`ok`, or one of the fixed set of refusal codes"),
    ("door", "carriers, platform, console, ops"),
    ("end", "a fixed set"),
    ("endpoint", "the configured webhooks"),
    ("kind", "preset, custom, smart_action, closing, auto_reply, opt_out_confirmation, help_reply, inbound"),
    ("method", "GET, PUT, POST, DELETE; `other` if no route matched"),
    (
        "number",
        "labels of the directory's numbers, cut to 32 characters, digits replaced by `#` if there are over four; `other` past 1,000",
    ),
    ("outcome", "a fixed set"),
    ("priority", "closing (includes answers to STOP and HELP), agent, auto_reply"),
    (
        "queue",
        "of the engine: urgent, ordinary; of messages: ids of the directory's queues, cut and masked like `number`, `none` without a queue; `other` past 1,000",
    ),
    ("reason", "a fixed set"),
    ("route", "the API's route patterns; `elsewhere` if none matched"),
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

        /// All metrics.
        pub const ALL: &[Metric] = &[$($(Metric {
            stage: $stage,
            kind: stringify!($kind),
            name: $name,
            labels: &[$(stringify!($label)),*],
            help: $help,
        },)+)+];

        pub(super) const HISTOGRAMS: &[Histogram] = &[$($($(Histogram { name: $name, buckets: $buckets },)?)+)+];

        /// Registers each help text with the recorder.
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
            "Always 1, labelled with the running version. More than one version rising above zero: gateways run different versions; a fall to nothing: no gateway runs, or Prometheus cannot reach its ops door.";
    }
    "Doors" {
        histogram REQUEST_SECONDS = "offhook_request_seconds" [door] in DOORS,
            "Time from a request's headers to the last byte of its response, by door. Rising at carriers or platform: the disk is slow or the load too high, see offhook_engine_commit_seconds and offhook_engine_oldest_waiting_seconds; at carriers, where it reaches the time for which the carrier waits (Twilio: 13 s of its 15 s), 503 is answered.";
        gauge CONNECTIONS_OPEN = "offhook_connections_open" [door],
            "Connections open now, by door. Rising near limits.connections_max: raise that, and the limit of open files with it.";
        counter CONNECTIONS_TOTAL = "offhook_connections_total" [door, end],
            "Connections that ended, by door and how. handshake_late, headers_late, write_late or crowded rising: clients hold connections open, perhaps on purpose; handshake_failed: a certificate or a TLS version does not match, see the log; proxy_header: a proxy that does not send the PROXY protocol connects to a door of limits.proxy_protocol.";
        counter CONNECTIONS_REFUSED_TOTAL = "offhook_connections_refused_total" [door, reason],
            "Connections closed before anything was read, by door and reason. full rising: raise limits.connections_max; address_full: one address opens too many, and if it is your proxy, name it in limits.trusted_proxies.";
        counter ACCEPT_FAILURES_TOTAL = "offhook_accept_failures_total" [door],
            "Times accept() failed for lack of file descriptors or memory, by door. Any rise: raise the limit of open files (LimitNOFILE).";
        gauge CERTIFICATE_EXPIRES = "offhook_certificate_expires_timestamp_seconds" [door],
            "When a door's TLS certificate expires, in seconds since 1970, by door; absent for a door without one. It rises with each renewal. Falling below time() + 1814400: it expires within 21 days, renew it and reload; below time(): clients refuse the certificate.";
        counter CREDENTIALS_REFUSED_TOTAL = "offhook_credentials_refused_total" [door],
            "Requests without a valid credential, by door. Rising: a token was changed on one side only, or someone is guessing; the log has the addresses.";
        counter CONSOLE_SIGN_INS_TOTAL = "offhook_console_sign_ins_total" [outcome],
            "Sign-ins at the console, by outcome. refused rising: someone forgot a password, or guesses; too_many: an address or a name is slowed down; the audit has the addresses.";
        counter PANICS_TOTAL = "offhook_panics_total" [door],
            "Requests that panicked, by door. Any rise is a bug: report it with the log.";
        gauge NOT_READY = "offhook_not_ready" [reason],
            "1 while the gateway takes no new work for this reason, else 0. Rising outside of starts and stops: see /readyz and the log; low_disk: free space on the disk of data_dir; overloaded: commands wait for over a second, see offhook_journal_sync_seconds.";
        counter RELOADS_TOTAL = "offhook_reloads_total" [outcome],
            "Configuration reloads on SIGHUP, by outcome. refused rising: the file is invalid, the log names key and line; until it is corrected the gateway keeps the previous configuration, expiring certificates included.";
    }
    "Carriers: inbound webhooks" {
        counter WEBHOOKS_TOTAL = "offhook_webhooks_total" [account, outcome],
            "Webhooks, by account and outcome. bad_signature rising: public_url or a token is wrong, or requests are forged; challenge: the carrier sends its credentials only when asked, and was asked; reported: the account accepts bad signatures and only reports them, end that soon; overloaded: the disk is too slow or the load too high; shed: the CPU is saturated, and addresses with many failures get 503 unverified; unknown_account: requests for an account that does not exist, from a misconfigured carrier or a scanner, the log has the path and the nearest account. taken falling to nothing: the carrier does not reach the gateway.";
        counter INBOUND_MESSAGES_TOTAL = "offhook_inbound_messages_total" [account, outcome],
            "Inbound messages, by account and outcome. late rising: people write outside calls, or the platform reports calls late; duplicate: the carrier does not receive our responses and retries, see offhook_request_seconds.";
        counter RECONCILED_MESSAGES_TOTAL = "offhook_reconciled_messages_total" [account],
            "Inbound messages whose webhook never came, which were found in the carrier's list after a downtime or by `offhook reconcile`, by account. Rising while the gateway was not down: webhooks get lost, see offhook_webhooks_total and the carrier's own log.";
        counter RECEIPTS_TOTAL = "offhook_receipts_total" [account, outcome],
            "Receipts, by account and outcome. unknown_message rising: another program sends with this account. applied falling while messages are sent: receipts do not arrive, check the number's settings at the carrier.";
        counter QUARANTINED_TOTAL = "offhook_quarantined_total" [account],
            "Authentic webhooks that could not be parsed, by account. Any rise: the carrier has changed its format; each is kept unchanged, `offhook journal inspect` shows where.";
        counter QUARANTINE_RESOLVED_TOTAL = "offhook_quarantine_resolved_total" [account, outcome],
            "Webhooks that left the quarantine by an operator, by account and outcome: replayed or discarded. Rising less than offhook_quarantined_total: the rest waits for somebody, see `offhook quarantine list`, or is past its retention.";
        counter AUTO_REPLIES_TOTAL = "offhook_auto_replies_total" [outcome],
            "Auto-replies, by outcome: queued, or why there was none. no_text rising: add a text in that language or in the default one; echo, quiet or day_cap: another machine may be answering us, look at the senders; strangers_cap: many senders who were on no call write, see offhook_stranger_answers_total.";
        counter STRANGER_ANSWERS_TOTAL = "offhook_stranger_answers_total" [],
            "Answers to senders who were on no call: auto-replies, and answers to STOP and HELP. Rising fast: numbers may be forged, and each answer is a paid text; auto_reply.strangers_per_hour limits each kind.";
        counter OPT_OUTS_TOTAL = "offhook_opt_outs_total" [by],
            "Opt-outs, by source. keyword rising: people do not want these texts, look at what was sent; carrier: they sent STOP to the carrier and not to the gateway.";
        counter OPT_INS_TOTAL = "offhook_opt_ins_total" [by],
            "Opt-outs revoked, by source. Rising with offhook_opt_outs_total: STOP is recognised in texts that do not mean it, see settings.opt_out.";
    }
    "Platform: API requests" {
        counter API_REQUESTS_TOTAL = "offhook_api_requests_total" [method, route, status, code],
            "API requests of the platform, by route, status and code. status 5xx rising: see offhook_not_ready and offhook_engine_refused_total; rate_limited: the queue needs more numbers or higher limits; number_pair_busy: calls are not ended; opted_out: people sent STOP.";
    }
    "Usage: calls and their texts" {
        counter MESSAGES_TOTAL = "offhook_messages_total" [queue, kind],
            "Messages received, in a call or late, and messages whose first attempt started, by queue and kind; /v1/reports/usage counts the same. Falling to nothing in one queue: its number is not verified or in_call_sms is off there; auto_reply rising: people write after their calls.";
        counter CALLS_STARTED_TOTAL = "offhook_calls_started_total" [],
            "Calls that the platform started. Falling to nothing while people call: the platform does not report calls, and every text is late.";
        counter CALLS_ENDED_TOTAL = "offhook_calls_ended_total" [reason],
            "Calls that ended, by reason: the lease expired, or a word in the platform's reason. lease_expired rising: the platform does not report ends, or renews no call for call_lease_minutes; these calls get no closing message.";
        counter SESSIONS_OPENED_TOTAL = "offhook_sessions_opened_total" [],
            "Sessions that opened, with a call's first text in either direction. Falling while calls start: agents and callers do not use texts.";
        counter SESSIONS_CLOSED_TOTAL = "offhook_sessions_closed_total" [reason],
            "Open sessions that closed, by reason. no_agent rising: the platform clears agents before their calls end, and callers get auto-replies; opted_out: people send STOP.";
        counter CLOSINGS_TOTAL = "offhook_closings_total" [outcome],
            "Closing messages that were due, by outcome: queued, or why there was none. no_text rising: calls end without a closing message, because there is no text in their language or in the default one; add one, or switch the closing message off.";
    }
    "Engine: the single writer" {
        gauge ENGINE_WAITING_COMMANDS = "offhook_engine_waiting_commands" [queue],
            "Commands in the engine's queues, by queue, sampled every second. Rising and staying high: the disk is too slow for the load, see offhook_journal_sync_seconds; at 2,048 ordinary commands are refused.";
        gauge ENGINE_OLDEST_WAITING_SECONDS = "offhook_engine_oldest_waiting_seconds" [queue],
            "Age of the oldest command in a queue, by queue, sampled every second. Rising steadily: the engine is stuck in one commit, look at the disk and the log.";
        counter ENGINE_REFUSED_TOTAL = "offhook_engine_refused_total" [reason],
            "Commands the engine did not execute, by reason. busy rising: the queue is full, the disk is too slow for the load; too_late: they waited longer than the client did, the disk stalls; stopped: the gateway is stopping, or its engine has failed, see the log.";
        histogram ENGINE_BATCH_COMMANDS = "offhook_engine_batch_commands" [] in COMMANDS,
            "Commands executed per commit. Rising: the load is higher, or the disk slower; 512 is the maximum.";
        histogram ENGINE_COMMIT_SECONDS = "offhook_engine_commit_seconds" [] in DISK,
            "Time from executing a batch's first command until the batch is durable and readable. Rising: compare offhook_journal_sync_seconds; if that rises too the disk is slow, else batches are large or the index is slow.";
        gauge CLOCK_AHEAD_SECONDS = "offhook_clock_ahead_seconds" [],
            "How far the machine's clock jumped ahead of elapsed time, while the jump is not accepted; else 0. A rise: the clock was set forward by over five minutes; correct it within ten minutes, or leases expire and data ages by as much.";
        gauge CLOCK_OFFSET_SECONDS = "offhook_clock_offset_seconds" [],
            "The journal's time minus the machine's clock, sampled every second; normally about 0. Rising past 1: the clock was set back, or was ahead when the journal was written; falling below -1: it was set forward by more than is accepted, or the machine slept. Check time synchronisation.";
        counter CLOCK_JUMPS_TOTAL = "offhook_clock_jumps_total" [],
            "Times the machine's clock jumped forward by over five minutes. Any rise: check time synchronisation, and offhook_clock_ahead_seconds.";
        counter INDEX_REBUILDS_TOTAL = "offhook_index_rebuilds_total" [reason],
            "Index rebuilds, by reason. corrupt rising: check the disk; unclean_stop: the machine lost power or the process was killed.";
    }
    "Journal and disk" {
        gauge JOURNAL_POSITION = "offhook_journal_position" [],
            "The last durable position of the journal. Not rising under load: the engine is stuck, see offhook_engine_oldest_waiting_seconds.";
        histogram JOURNAL_SYNC_SECONDS = "offhook_journal_sync_seconds" [] in DISK,
            "Duration of one fsync of the journal. Rising: the disk is slow or shared with a busy neighbour; every response waits for it.";
        counter JOURNAL_WRITTEN_BYTES_TOTAL = "offhook_journal_written_bytes_total" [],
            "Bytes written to the journal. A rate rising above the usual: more traffic, or many quarantined webhooks; with offhook_disk_free_bytes it tells when the disk will be full.";
        gauge JOURNAL_KEPT_BYTES = "offhook_journal_kept_bytes" [],
            "Size of the journal's segments in bytes, sampled every 10 s. Rising past the usual: more traffic, or no segment can be deleted; see offhook_journal_retention_reduced and offhook_journal_over_limit.";
        gauge JOURNAL_RETENTION_REDUCED = "offhook_journal_retention_reduced" [],
            "1 while texts and events are deleted before their retention_days, because the journal would exceed journal_max_bytes, else 0. A rise: raise journal_max_bytes, or keep fewer days.";
        gauge JOURNAL_OVER_LIMIT = "offhook_journal_over_limit" [],
            "1 while the journal exceeds journal_max_bytes and no segment can be deleted, because it is not in a snapshot yet or has messages still to be sent, else 0. Rising and staying so for an hour: no snapshot is being made, see the log; or an undeliverable text blocks cleanup.";
        gauge JOURNAL_UNCOMPACTED_BYTES = "offhook_journal_uncompacted_bytes" [],
            "Bytes of closed segments that no snapshot covers, sampled every 5 s. Rising past 600 MB: snapshots are not made, see offhook_snapshots_total; a rebuild takes longer, and no old segment can be deleted.";
        gauge SNAPSHOT_POSITION = "offhook_snapshot_position" [],
            "The last position that the snapshot covers, 0 without a snapshot. Not rising while offhook_journal_uncompacted_bytes does: see offhook_snapshots_total.";
        gauge SNAPSHOT_AGE_SECONDS = "offhook_snapshot_age_seconds" [],
            "Age of the last frame in the snapshot; later frames would be replayed from the journal. Rising over days under load: see offhook_snapshots_total.";
        gauge SNAPSHOT_BYTES = "offhook_snapshot_bytes" [],
            "Size of the snapshot in bytes. Rising: more calls, messages and people are stored; the disk needs space for two snapshots.";
        counter SNAPSHOTS_TOTAL = "offhook_snapshots_total" [outcome],
            "Attempts to compact closed segments into a snapshot, by outcome: made or failed. failed rising: see the log, most often the disk is full, see offhook_disk_free_bytes.";
        gauge SNAPSHOT_SECONDS = "offhook_snapshot_seconds" [],
            "Duration of the last snapshot, including throttling. Rising with offhook_snapshot_bytes: expected; rising alone: the disk is slow, see offhook_journal_sync_seconds.";
        counter ERASURES_TOTAL = "offhook_erasures_total" [outcome],
            "Erasures of people, by outcome. delayed rising: they are repeated and cannot be completed, see the log, most often the disk is full; failed: data is damaged, the log says which, and data of the person is left.";
        gauge DISK_FREE_BYTES = "offhook_disk_free_bytes" [],
            "Bytes available to the gateway on the disk of data_dir, sampled four times a second. Falling: below offhook_disk_low_water_bytes no new work is taken; free space well before, see offhook_journal_written_bytes_total for how fast.";
        gauge DISK_LOW_WATER_BYTES = "offhook_disk_low_water_bytes" [],
            "Free bytes required on the disk of data_dir for new work: storage.low_water_bytes plus one journal segment. Rising or falling only with the configuration and the disk; compare offhook_disk_free_bytes.";
        gauge DISK_BALLAST_BYTES = "offhook_disk_ballast_bytes" [],
            "Bytes reserved by data_dir/ballast, released when the disk is full. Falling to 0: the disk is full, free space; the ballast is restored automatically.";
        counter DISK_LOW_TOTAL = "offhook_disk_low_total" [],
            "Times the disk of data_dir fell below the space for new work. Any rise: free space, or use a larger disk; see offhook_disk_free_bytes.";
    }
    "Dispatch: outbound messages" {
        gauge DISPATCH_LANES_WAITING = "offhook_dispatch_lanes_waiting" [account],
            "Numbers with unfinished messages, by account, sampled every 5 s. Rising and staying high: the limits are below the load, or the carrier is slow, see offhook_carrier_request_seconds.";
        gauge DISPATCH_WAITING_MESSAGES = "offhook_dispatch_waiting_messages" [account, priority],
            "Messages waiting for a permit or for their next attempt, by account and priority, sampled every 5 s. agent rising: the limits are below the load; auto_reply alone: expected, they have the lowest priority.";
        gauge DISPATCH_OLDEST_READY_SECONDS = "offhook_dispatch_oldest_ready_seconds" [account],
            "Age of the oldest message that is ready to be sent, by account, sampled every 5 s. Rising: limits, a daily cap or a pause hold it, see offhook_account_paused and offhook_lane_pauses_total; from 60 s on messages expire.";
        gauge DISPATCH_IN_FLIGHT_REQUESTS = "offhook_dispatch_in_flight_requests" [account],
            "Requests in flight to the carrier, by account, sampled every 5 s. Rising to the maximum of 64: the carrier is slow, see offhook_carrier_request_seconds.";
        counter DISPATCH_PERMITS_TOTAL = "offhook_dispatch_permits_total" [account],
            "Permits to send that messages were granted, by account. Not rising while messages wait: limits or a pause hold them, see offhook_dispatch_oldest_ready_seconds.";
        counter DISPATCH_PERMITS_UNUSED_TOTAL = "offhook_dispatch_permits_unused_total" [account, reason],
            "Permits that no message used, by account and reason. cancelled rising: messages are cancelled while they wait, as calls end or people send STOP; engine_busy: the engine's queue is full, see offhook_engine_refused_total; suspended: an operator suspended the number or the account at that moment.";
        gauge ACCOUNT_SUSPENDED = "offhook_account_suspended" [account],
            "1 while an operator has suspended the account, else 0, sampled every five seconds. Rising to 1 and staying: its texts wait and expire until somebody resumes it; GET /v1/accounts/{name} says who suspended it and why.";
        gauge NUMBERS_SUSPENDED = "offhook_numbers_suspended" [],
            "Numbers that operators have suspended, sampled every five seconds. Rising and not falling: their texts wait and expire until somebody resumes them; GET /v1/lanes lists them with waiting_for suspended.";
        counter DISPATCH_SEGMENTS_STARTED_TOTAL = "offhook_dispatch_segments_started_total" [number],
            "Message segments whose sending began, by the number's label. A rate rising near a number's limit: give its queue another number. Falling to nothing while messages wait: see offhook_dispatch_oldest_ready_seconds.";
        histogram DISPATCH_LATENESS_SECONDS = "offhook_dispatch_lateness_seconds" [account] in OUTSIDE,
            "How much later than promised a message began to be sent, by account; 0 if it was on time. Rising: pauses or retries delayed it, see offhook_lane_pauses_total and offhook_attempts_total; agents see waits that are too short.";
        counter SENDS_TOTAL = "offhook_sends_total" [account, outcome],
            "Outbound messages, by account and final outcome. expired rising: the limits are below the load, or the carrier was down; failed or undelivered: see the carrier's codes at GET /v1/messages; unconfirmed: receipts do not arrive. A receipt after unconfirmed or expired counts the message again, under the receipt's outcome.";
        counter ATTEMPTS_TOTAL = "offhook_attempts_total" [account, outcome],
            "Attempts to send a message, by account and outcome. later rising: the carrier throttles us, lower the limits; rejected: see the log for the carrier's error; account_refused: the carrier refuses the account, see offhook_account_credentials_refused; never_written or unknown: connections to the carrier fail.";
        histogram CARRIER_REQUEST_SECONDS = "offhook_carrier_request_seconds" [account] in OUTSIDE,
            "Duration of one request to a carrier's API until its response or failure, by account. Rising: the carrier or the network to it is slow; after 15 s a request times out and its message is unknown, see offhook_attempts_total.";
        counter LANE_PAUSES_TOTAL = "offhook_lane_pauses_total" [number],
            "Times a number paused because its carrier answered 'not now', by the number's label. Rising: its limit here exceeds what the carrier allows, lower it.";
        gauge ACCOUNT_PAUSED = "offhook_account_paused" [account],
            "1 while the account's circuit breaker is open after repeated failures or the carrier refuses the account, else 0. Rising: the carrier is down, unreachable, or refuses the account (offhook_account_credentials_refused); no text of this account is sent, /readyz and the log say why.";
        gauge ACCOUNT_CREDENTIALS_REFUSED = "offhook_account_credentials_refused" [account],
            "1 while an account is paused because its carrier refuses it, else 0. A rise: no text of this account is sent until someone acts; /readyz and the log say what to check (credentials, address, a suspended account), and a reload retries at once.";
        counter ACCOUNT_PAUSES_TOTAL = "offhook_account_pauses_total" [account],
            "Times an account was paused. Rising repeatedly: the carrier is unstable, see offhook_attempts_total and the carrier's status page.";
    }
    "Numbers: verification with the carriers" {
        counter NUMBER_CHECKS_TOTAL = "offhook_number_checks_total" [account, outcome],
            "Times a carrier was asked about one of our numbers, by account and outcome; each number is asked about daily. failed rising: `offhook doctor` says what is wrong with which number; no_answer: the carrier does not answer or refuses the account, see the log. verified not rising for a day: no number is checked.";
        gauge NUMBERS_FAILED = "offhook_numbers_failed" [account],
            "Our numbers that failed their verification, by account, sampled every 30 s. A rise: the carrier has removed a number, or its webhook points elsewhere; it opens no new session, GET /v1/numbers and `offhook doctor` say why.";
    }
    "Media: photos and videos of callers" {
        counter MEDIA_TOTAL = "offhook_media_total" [account, outcome],
            "Media of received messages, by account and what became of them. Anything but ready rising: the log says why; forbidden_address: the carrier uses hosts that are not on its list; too_late and carrier_error: the carrier does not give them out.";
        counter MEDIA_BYTES_TOTAL = "offhook_media_bytes_total" [account],
            "Bytes of media that were stored, by account. Rising fast: the store fills, see offhook_media_store_bytes.";
        histogram MEDIUM_SECONDS = "offhook_medium_seconds" [outcome] in OUTSIDE,
            "Duration of the last try to fetch a medium, by outcome. Rising: the carrier's storage or the network is slow.";
        counter MEDIA_RETRIES_TOTAL = "offhook_media_retries_total" [account],
            "Tries to fetch a medium that failed and are repeated. Rising: the carrier does not give media out, see the log.";
        gauge MEDIA_PENDING = "offhook_media_pending" [],
            "Media that are still to be fetched. Rising: the carrier or the store does not work, see the log and /readyz.";
        gauge MEDIA_OLDEST_SECONDS = "offhook_media_oldest_seconds" [],
            "Age of the oldest message with media that are still to be fetched. Rising above 150: agents wait for photos, see offhook_media_store_failing and the log.";
        gauge MEDIA_STORE_FAILING = "offhook_media_store_failing" [],
            "1 while media cannot be stored, else 0; texts go on. A rise: /readyz says why and what to do.";
        gauge MEDIA_STORE_BYTES = "offhook_media_store_bytes" [],
            "Bytes in the media store, if it is a folder, sampled every ten minutes. Rising beyond what media_retention_days explains: look for files that are not the gateway's.";
    }
    "Feed: events to the platform" {
        counter DELIVERIES_TOTAL = "offhook_deliveries_total" [endpoint, outcome],
            "Deliveries of events, by endpoint and outcome. Anything but delivered rising: look at that endpoint and at the log; gone: it answers 410.";
        histogram DELIVERY_SECONDS = "offhook_delivery_seconds" [endpoint] in OUTSIDE,
            "Duration of one delivery until the endpoint's response or its failure. Rising: the endpoint is slow; agents see texts late, see offhook_feed_lag_positions.";
        gauge FEED_LAG_POSITIONS = "offhook_feed_lag_positions" [endpoint],
            "Journal positions not yet delivered to an endpoint, parked calls excluded. Rising: it is down or too slow, see offhook_deliveries_total.";
        gauge FEED_OLDEST_SECONDS = "offhook_feed_oldest_seconds" [endpoint],
            "Age of the oldest event not yet delivered to an endpoint, parked calls excluded. Rising: it is down, too slow, or refuses a call that is not parked yet.";
        gauge FEED_PARKED_CALLS = "offhook_feed_parked_calls" [endpoint],
            "Calls whose events an endpoint refuses while it accepts others; each is retried with back-off, up to ten hours apart. Any rise: look for those events in the endpoint's log; at 100,000 no more are parked and everything behind them waits.";
        gauge FEED_PAUSED = "offhook_feed_paused" [endpoint],
            "1 while an endpoint answers 410 or has accepted no event for ten seconds, else 0; it is probed every 5 s and the first 2xx ends the pause. A rise: check that it runs and that its url is right.";
        counter FEED_GAPS_TOTAL = "offhook_feed_gaps_total" [endpoint],
            "Times events were deleted before an endpoint had accepted them. Any rise: it has lost events, read them from the API; raise retention, or repair the endpoint sooner.";
        counter REPLAYS_GIVEN_UP_TOTAL = "offhook_replays_given_up_total" [endpoint],
            "Events of a replay that an endpoint refused repeatedly and that were skipped. Any rise: it refuses events that it accepted before.";
        gauge STREAMS = "offhook_event_streams" [],
            "Open streams of GET /v1/events. A fall to zero: the platform's adapters have disconnected, check them and the network between.";
        counter STREAMS_CUT_TOTAL = "offhook_event_streams_cut_total" [],
            "Streams ended because their clients read too slowly. Rising: those clients reconnect and resume by their cursor; give them fewer types, or more CPU.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_follows_the_naming_rules_and_explains_its_changes() {
        for Metric { kind, name, help, .. } in ALL {
            assert!(name.starts_with("offhook_"), "{name}");
            assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}: only counters end in _total");
            let (what, then) = help.split_once(". ").unwrap_or_else(|| panic!("{name}: the help has two sentences"));
            assert!(what.len() > 10 && help.ends_with('.'), "{name}: {help}");
            let changes = ["rise", "rising", "fall", "falling"];
            assert!(
                changes.iter().any(|word| then.to_lowercase().contains(word)),
                "{name}: the help explains a rise or fall: {then}"
            );
        }
        let distinct: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(distinct.len(), ALL.len());
    }

    #[test]
    fn metrics_mentioned_in_help_texts_exist() {
        let named = ALL.iter().flat_map(|metric| metric.help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
        for word in named.filter(|word| word.starts_with("offhook_")) {
            assert!(ALL.iter().any(|metric| metric.name == word), "{word}");
        }
    }

    #[test]
    fn exactly_the_labels_in_use_are_described() {
        let used: BTreeSet<_> = ALL.iter().flat_map(|metric| metric.labels).copied().collect();
        let described: Vec<_> = LABELS.iter().map(|(label, _)| *label).collect();
        assert_eq!(used.into_iter().collect::<Vec<_>>(), described);
    }

    #[test]
    fn every_histogram_has_buckets_and_times_lie_between_100_us_and_60_s() {
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
