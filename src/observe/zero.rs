//! Creates series with value 0. Prometheus sees an increase only between two scrapes, so a series must exist before its
//! first event.

use super::{
    CallEnd, CheckOutcome, Closing, Delivery, Door, ErasureOutcome, MediumOutcome, NotReady, RebuildReason, Refused,
    Reloaded, Resolved, SignIn, SnapshotOutcome, Undecided, Unused, WebhookOutcome, messages, names, sends,
};
use crate::model::{AttemptOutcome, ClosedReason, NoReplyReason, OptOutBy};
use metrics::{Counter, counter, gauge};

/// Creates the series that every gateway has.
pub(super) fn gateway() {
    gauge!(names::NUMBERS_SUSPENDED).set(0.0);
    gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for door in Door::ALL {
        zero(&counter!(names::ACCEPT_FAILURES_TOTAL, "door" => door.label()));
        zero(&counter!(names::CREDENTIALS_REFUSED_TOTAL, "door" => door.label()));
        zero(&counter!(names::PANICS_TOTAL, "door" => door.label()));
        for why in Refused::ALL {
            zero(&counter!(names::CONNECTIONS_REFUSED_TOTAL, "door" => door.label(), "reason" => why.label()));
        }
    }
    for outcome in SignIn::ALL {
        zero(&counter!(names::CONSOLE_SIGN_INS_TOTAL, "outcome" => outcome.label()));
    }
    for why in Undecided::ALL {
        zero(&counter!(names::ENGINE_REFUSED_TOTAL, "reason" => why.label()));
    }
    zero(&counter!(names::CLOCK_JUMPS_TOTAL));
    gauge!(names::STREAMS).set(0.0);
    zero(&counter!(names::STREAMS_CUT_TOTAL));
    zero(&counter!(names::DISK_LOW_TOTAL));
    for why in RebuildReason::ALL {
        zero(&counter!(names::INDEX_REBUILDS_TOTAL, "reason" => why.label()));
    }
    for outcome in SnapshotOutcome::ALL {
        zero(&counter!(names::SNAPSHOTS_TOTAL, "outcome" => outcome.label()));
    }
    for outcome in ErasureOutcome::ALL {
        zero(&counter!(names::ERASURES_TOTAL, "outcome" => outcome.label()));
    }
    for snapshot in [
        names::SNAPSHOT_POSITION,
        names::SNAPSHOT_AGE_SECONDS,
        names::SNAPSHOT_BYTES,
        names::SNAPSHOT_SECONDS,
        names::JOURNAL_UNCOMPACTED_BYTES,
    ] {
        gauge!(snapshot).set(0.0);
    }
    zero(&counter!(names::AUTO_REPLIES_TOTAL, "outcome" => messages::REPLY_QUEUED));
    for why in NoReplyReason::ALL {
        zero(&counter!(names::AUTO_REPLIES_TOTAL, "outcome" => why.label()));
    }
    zero(&counter!(names::STRANGER_ANSWERS_TOTAL));
    zero(&counter!(names::CALLS_STARTED_TOTAL));
    for why in CallEnd::ALL {
        zero(&counter!(names::CALLS_ENDED_TOTAL, "reason" => why.label()));
    }
    zero(&counter!(names::SESSIONS_OPENED_TOTAL));
    for reason in ClosedReason::ALL {
        zero(&counter!(names::SESSIONS_CLOSED_TOTAL, "reason" => reason.word()));
    }
    for outcome in Closing::ALL {
        zero(&counter!(names::CLOSINGS_TOTAL, "outcome" => outcome.label()));
    }
    for by in OptOutBy::ALL {
        zero(&counter!(names::OPT_OUTS_TOTAL, "by" => by.label()));
    }
    for outcome in Reloaded::ALL {
        zero(&counter!(names::RELOADS_TOTAL, "outcome" => outcome.label()));
    }
    gauge!(names::MEDIA_PENDING).set(0.0);
    gauge!(names::MEDIA_OLDEST_SECONDS).set(0.0);
    gauge!(names::MEDIA_STORE_FAILING).set(0.0);
    for reason in NotReady::ALL {
        gauge!(names::NOT_READY, "reason" => reason.label()).set(0.0);
    }
}

/// Creates the series of a configured account.
pub fn account(account: &str) {
    let account = || account.to_owned();
    zero(&counter!(names::QUARANTINED_TOTAL, "account" => account()));
    for outcome in Resolved::ALL {
        let outcome = outcome.label();
        zero(&counter!(names::QUARANTINE_RESOLVED_TOTAL, "account" => account(), "outcome" => outcome));
    }
    zero(&counter!(names::RECONCILED_MESSAGES_TOTAL, "account" => account()));
    gauge!(names::ACCOUNT_SUSPENDED, "account" => account()).set(0.0);
    zero(&counter!(names::ACCOUNT_PAUSES_TOTAL, "account" => account()));
    gauge!(names::ACCOUNT_CREDENTIALS_REFUSED, "account" => account()).set(0.0);
    zero(&counter!(names::DISPATCH_PERMITS_TOTAL, "account" => account()));
    for why in Unused::ALL {
        zero(&counter!(names::DISPATCH_PERMITS_UNUSED_TOTAL, "account" => account(), "reason" => why.label()));
    }
    for outcome in WebhookOutcome::ALL {
        zero(&counter!(names::WEBHOOKS_TOTAL, "account" => account(), "outcome" => outcome.label()));
    }
    gauge!(names::NUMBERS_FAILED, "account" => account()).set(0.0);
    for outcome in CheckOutcome::ALL {
        zero(&counter!(names::NUMBER_CHECKS_TOTAL, "account" => account(), "outcome" => outcome.label()));
    }
    for outcome in MediumOutcome::ALL {
        zero(&counter!(names::MEDIA_TOTAL, "account" => account(), "outcome" => outcome.label()));
    }
    zero(&counter!(names::MEDIA_BYTES_TOTAL, "account" => account()));
    zero(&counter!(names::MEDIA_RETRIES_TOTAL, "account" => account()));
    for outcome in AttemptOutcome::SETTLED {
        zero(&counter!(names::ATTEMPTS_TOTAL, "account" => account(), "outcome" => outcome.label()));
    }
    for state in sends::ENDED {
        zero(&counter!(names::SENDS_TOTAL, "account" => account(), "outcome" => state.word()));
    }
}

/// Creates the series of a configured endpoint.
pub fn endpoint(endpoint: &str) {
    zero(&counter!(names::FEED_GAPS_TOTAL, "endpoint" => endpoint.to_owned()));
    zero(&counter!(names::REPLAYS_GIVEN_UP_TOTAL, "endpoint" => endpoint.to_owned()));
    for outcome in Delivery::ALL {
        let endpoint = endpoint.to_owned();
        zero(&counter!(names::DELIVERIES_TOTAL, "endpoint" => endpoint, "outcome" => outcome.label()));
    }
}

fn zero(counter: &Counter) {
    counter.increment(0);
}
