//! Logs and metrics of what carriers send: webhooks, inbound messages, receipts.

use super::label::labels;
use super::limited::{Cause, limited};
use super::names;
use crate::model::{IntakeOutcome, NoReplyReason, OptOutBy, Timestamp};
use metrics::counter;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The label of a late message that gets the auto-reply.
pub(super) const REPLY_QUEUED: &str = "queued";

labels! {
    /// The outcome of a webhook. Every webhook has exactly one.
    WebhookOutcome {
        /// Everything in it is durable.
        Taken = "taken",
        /// All of it had been accepted before.
        Duplicate = "duplicate",
        /// Of a kind that is ignored; answered 2xx.
        Ignored = "ignored",
        /// Authentic, but not parseable: quarantined.
        Unreadable = "unreadable",
        /// Its signature is missing or wrong.
        BadSignature = "bad_signature",
        /// Without credentials, from a carrier that sends them only when asked for; it was asked.
        Challenge = "challenge",
        /// Accepted despite a bad signature, because the account only reports them.
        Reported = "reported",
        /// For an account that does not exist.
        UnknownAccount = "unknown_account",
        /// Larger than any webhook of its carrier.
        TooLarge = "too_large",
        /// The body did not arrive completely in time.
        TooSlow = "too_slow",
        /// Not a request its carrier makes: wrong method, media type or encoding.
        NotAWebhook = "not_a_webhook",
        /// Refused with 503 for lack of space or time.
        Overloaded = "overloaded",
        /// Refused with 503 unverified: the CPU was saturated, and the client's address had failed too often.
        Shed = "shed",
    }
}

/// A webhook was processed. `account` is `None` if no account has that name.
pub fn webhook(account: Option<&str>, outcome: WebhookOutcome) {
    let account = account.unwrap_or("none").to_owned();
    tracing::debug!(account, outcome = outcome.label(), "webhook");
    counter!(names::WEBHOOKS_TOTAL, "account" => account, "outcome" => outcome.label()).increment(1);
}

/// A webhook's signature is wrong. Behind a proxy the usual cause is the URL it was computed over, so that is logged,
/// without its query, which may identify a person. Counted by [`webhook`].
pub fn bad_signature(account: &str, why: &'static str, url: &str) {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    limited(Cause::SignatureRefused, account, || tracing::warn!(account, why, url, "signature refused"));
}

/// A webhook for an unknown account or path. `nearest` is the account with the most similar name. Counted by
/// [`webhook`].
pub fn unknown_webhook(path: &str, nearest: Option<&str>) {
    let nearest = nearest.unwrap_or("none");
    limited(Cause::UnknownWebhook, nearest, || {
        let path = path_shown(path);
        tracing::warn!(
            path,
            nearest_account = nearest,
            "no such webhook address: webhooks go to /carriers/ACCOUNT/messages or /carriers/ACCOUNT/receipts; correct \
             it at the carrier, or the account's name in the configuration"
        );
    });
}

/// The loggable form of a path: short, printable, and without the digits of a phone number.
fn path_shown(path: &str) -> String {
    const SHOWN_MAX: usize = 80;
    const DIGITS_MAX: usize = 4;
    let digits = path.chars().filter(|c| c.is_numeric()).count();
    let shown = |c: char| match c {
        c if c.is_numeric() && digits > DIGITS_MAX => '#',
        c if c.is_ascii_graphic() => c,
        _ => '?',
    };
    let mut line: String = path.chars().take(SHOWN_MAX).map(shown).collect();
    if path.chars().nth(SHOWN_MAX).is_some() {
        line.push('…');
    }
    line
}

/// The gateway was down: the lists of its accounts are read, as far as their carriers have some.
pub fn was_down(since: Timestamp, lists: usize) {
    if lists > 0 {
        tracing::info!(%since, lists, "the gateway was down: reading carriers' lists of messages for what never arrived");
    }
}

/// A message whose webhook never came was taken in.
pub fn reconciled_message(account: &str) {
    counter!(names::RECONCILED_MESSAGES_TOTAL, "account" => account.to_owned()).increment(1);
}

/// A carrier's list of messages was read to its end.
pub fn reconciled(account: &str, read: u64, taken_in: u64) {
    tracing::info!(account, read, taken_in, "read the carrier's list of messages for what never arrived");
}

/// A carrier's list of messages could not be read, or what is missing not be taken in, for now.
pub fn reconciliation_waits(account: &str, reason: &str) {
    limited(Cause::ListNotRead, account, || {
        tracing::warn!(account, reason, "the carrier's list of messages is not read; it is tried again");
    });
}

/// An inbound message was handled, or had been handled before. Anything but a message is not counted.
pub fn inbound_message(account: &str, outcome: IntakeOutcome) {
    let label = match outcome {
        IntakeOutcome::Attached => "joined",
        IntakeOutcome::Replied | IntakeOutcome::Silent(_) => "late",
        IntakeOutcome::Dropped => "dropped",
        IntakeOutcome::Duplicate => "duplicate",
        IntakeOutcome::Waiting => "part",
        _ => return,
    };
    tracing::debug!(account, outcome = label, "inbound message");
    counter!(names::INBOUND_MESSAGES_TOTAL, "account" => account.to_owned(), "outcome" => label).increment(1);
    match outcome {
        IntakeOutcome::Replied => auto_reply(None),
        IntakeOutcome::Silent(why) => auto_reply(Some(why)),
        _ => {}
    }
}

/// A late message was answered, or not for this reason.
fn auto_reply(not: Option<NoReplyReason>) {
    let outcome = not.map_or(REPLY_QUEUED, NoReplyReason::label);
    match not {
        Some(NoReplyReason::NoText) => limited(Cause::NoAutoReplyText, "none", || {
            tracing::warn!("no auto-reply: there is no text in this language or in the default one; add one");
        }),
        Some(NoReplyReason::StrangersCap) => strangers_cap_reached(),
        _ => tracing::debug!(outcome, "auto-reply"),
    }
    counter!(names::AUTO_REPLIES_TOTAL, "outcome" => outcome).increment(1);
}

/// A sender who was on no call was answered. `last`: the hourly limit is reached with this answer.
pub fn stranger_answered(last: bool) {
    counter!(names::STRANGER_ANSWERS_TOTAL).increment(1);
    if last {
        strangers_cap_reached();
    }
}

/// Logs that strangers get no more answers. Limited by time, because in a flood every message would log it.
fn strangers_cap_reached() {
    const LOG_INTERVAL: Duration = Duration::from_secs(10 * 60);
    static LOGGED: Mutex<Option<Instant>> = Mutex::new(None);
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.is_some_and(|at| at.elapsed() < LOG_INTERVAL) {
        return;
    }
    *logged = Some(Instant::now());
    tracing::error!(
        "auto_reply.strangers_per_hour is reached: further senders who were on no call get no answer this hour; check \
         message.late for forged senders, or raise the setting"
    );
}

/// A delivery receipt was handled, or had been handled before.
pub fn receipt(account: &str, outcome: IntakeOutcome) {
    let label = match outcome {
        IntakeOutcome::Advanced => "applied",
        IntakeOutcome::Stale | IntakeOutcome::Duplicate => "stale",
        IntakeOutcome::NoSuchMessage => "unknown_message",
        IntakeOutcome::Kept => "kept",
        _ => return,
    };
    tracing::debug!(account, outcome = label, "receipt");
    counter!(names::RECEIPTS_TOTAL, "account" => account.to_owned(), "outcome" => label).increment(1);
}

/// An authentic webhook could not be parsed and is in quarantine (A58), at the journal position `id`. `problem` says
/// what could not be parsed and contains nothing of the content.
pub fn quarantined(account: &str, problem: &str, id: u64) {
    limited(Cause::Quarantined, account, || {
        tracing::error!(
            account,
            problem,
            id,
            "an authentic webhook could not be parsed and was put into quarantine unchanged: report this line; \
             `offhook journal inspect DIR --from {id} --limit 1` shows where it is kept"
        );
    });
    counter!(names::QUARANTINED_TOTAL, "account" => account.to_owned()).increment(1);
}

labels! {
    /// How a webhook left the quarantine.
    Resolved {
        /// It was read again.
        Replayed = "replayed",
        /// It was discarded.
        Discarded = "discarded",
    }
}

/// A webhook left the quarantine.
pub fn quarantine_resolved(account: &str, outcome: Resolved) {
    tracing::info!(account, outcome = outcome.label(), "a webhook left the quarantine");
    let account = account.to_owned();
    counter!(names::QUARANTINE_RESOLVED_TOTAL, "account" => account, "outcome" => outcome.label()).increment(1);
}

/// People opted out.
pub fn opted_out(by: OptOutBy, people: usize) {
    tracing::debug!(by = by.label(), people, "opted out");
    counter!(names::OPT_OUTS_TOTAL, "by" => by.label()).increment(people as u64);
}

/// A person opted in again.
pub fn opted_in(by: OptOutBy) {
    tracing::debug!(by = by.label(), "opted in");
    counter!(names::OPT_INS_TOTAL, "by" => by.label()).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_a_logged_path_is_short_printable_and_without_a_number() {
        for (path, expected) in [
            ("/carriers/mian/messages", "/carriers/mian/messages"),
            ("/carriers/acme2/messages", "/carriers/acme2/messages"),
            ("/carriers/+12065550142/messages", "/carriers/+###########/messages"),
            ("/a\nb\u{1b}[31m", "/a?b?[31m"),
        ] {
            assert_eq!(path_shown(path), expected);
        }
        assert_eq!(path_shown(&"/".repeat(5_000)).chars().count(), 81);
    }
}
