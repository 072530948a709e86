//! Facts of what carriers bring: webhooks, messages, receipts.

use super::label::labels;
use super::limited::{Cause, limited};
use super::names;
use metrics::counter;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

labels! {
    /// What became of a webhook. Every webhook ends in exactly one.
    WebhookOutcome {
        /// Everything in it is on disk.
        Taken = "taken",
        /// All of it had been taken before.
        Duplicate = "duplicate",
        /// Of a kind that means nothing to us; answered 2xx.
        Ignored = "ignored",
        /// Signed, but not readable: quarantined.
        Unreadable = "unreadable",
        /// No signature, or a wrong one.
        BadSignature = "bad_signature",
        /// Taken in spite of a bad signature, since the account only reports them for now.
        Reported = "reported",
        /// For an account that we do not have.
        UnknownAccount = "unknown_account",
        /// Larger than its carrier ever sends.
        TooLarge = "too_large",
        /// The body did not come in time, or not whole.
        TooSlow = "too_slow",
        /// No request that its carrier makes: method, media type or encoding.
        NotAWebhook = "not_a_webhook",
        /// Refused with 503, as we had no room or no time.
        Overloaded = "overloaded",
        /// Refused with 503 unverified: the machine was short of CPU, and its client's address had failed too often.
        Shed = "shed",
    }
}

labels! {
    /// What became of a message that somebody sent us. Every message ends in exactly one.
    InboundOutcome {
        /// It belongs to a call.
        Joined = "joined",
        /// It belongs to no call.
        Late = "late",
        /// From outside the US, with those switched off.
        Dropped = "dropped",
        /// Seen before.
        Duplicate = "duplicate",
    }
}

labels! {
    /// Whether somebody who writes after the call was answered, or why not.
    AutoReplied {
        /// A reply was queued.
        Queued = "queued",
        /// Switched off.
        Off = "off",
        /// No text in that language nor in the default one.
        NoText = "no_text",
        /// They wrote to a number that is none of ours.
        NotOurs = "not_ours",
        /// Who wrote has no number to answer to.
        NoNumber = "no_number",
        /// One of our own numbers wrote.
        OurOwnNumber = "our_own_number",
        /// They wrote STOP, START or HELP.
        Keyword = "keyword",
        /// Whoever wrote has opted out.
        OptedOut = "opted_out",
        /// Our own words came back.
        Echo = "echo",
        /// From outside the US, with those switched off.
        NonUs = "non_us",
        /// Somebody we never talked to, on a number that answers only those it knows.
        Stranger = "stranger",
        /// Not so soon after the last one.
        Quiet = "quiet",
        /// Enough for one day.
        DayCap = "day_cap",
        /// Somebody who was on no call, after the hour's answers to such senders.
        StrangersCap = "strangers_cap",
    }
}

labels! {
    /// What became of a receipt.
    ReceiptOutcome {
        /// It moved a message forward.
        Applied = "applied",
        /// It says what we knew, or less.
        Stale = "stale",
        /// Of a message that we do not know.
        UnknownMessage = "unknown_message",
    }
}

labels! {
    /// How we know that somebody must not be texted, or may be again.
    OptOutBy {
        /// They said so.
        Keyword = "keyword",
        /// Their carrier refused a text for it.
        Carrier = "carrier",
        /// An administrator said so.
        Administrator = "administrator",
    }
}

/// A webhook was dealt with. `account` is `None` where there is none of that name.
pub fn webhook(account: Option<&str>, outcome: WebhookOutcome) {
    let account = account.unwrap_or("none").to_owned();
    tracing::debug!(account, outcome = outcome.label(), "webhook");
    counter!(names::WEBHOOKS_TOTAL, "account" => account, "outcome" => outcome.label()).increment(1);
}

/// A webhook's signature did not hold. The URL that it was computed over is what goes wrong behind a proxy, so it is
/// shown, up to its query: that may hold what names a person. Counted by [`webhook`].
pub fn bad_signature(account: &str, why: &'static str, url: &str) {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    limited(Cause::SignatureRefused, account, || tracing::warn!(account, why, url, "signature refused"));
}

/// A webhook came for an account or a path that is not there. `nearest` is the account with the most similar name. Counted
/// by [`webhook`].
pub fn unknown_webhook(path: &str, nearest: Option<&str>) {
    let nearest = nearest.unwrap_or("none");
    limited(Cause::UnknownWebhook, nearest, || {
        let path = path_shown(path);
        tracing::warn!(
            path,
            nearest_account = nearest,
            "no such webhook address: webhooks go to /carriers/ACCOUNT/messages or /carriers/ACCOUNT/receipts; correct it \
             at the carrier, or the account's name in the configuration"
        );
    });
}

/// As much of a path as a log may show: short, visible, and without the digits of a number.
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

/// Somebody's message was taken in.
pub fn inbound_message(account: &str, outcome: InboundOutcome) {
    tracing::debug!(account, outcome = outcome.label(), "inbound message");
    counter!(names::INBOUND_MESSAGES_TOTAL, "account" => account.to_owned(), "outcome" => outcome.label()).increment(1);
}

/// Somebody wrote after the call, and was or was not answered.
pub fn auto_reply(outcome: AutoReplied) {
    match outcome {
        AutoReplied::NoText => limited(Cause::NoAutoReplyText, "none", || {
            tracing::warn!("no auto-reply: no text in this language nor in the default one");
        }),
        AutoReplied::StrangersCap => strangers_cap_reached(),
        _ => tracing::debug!(outcome = outcome.label(), "auto-reply"),
    }
    counter!(names::AUTO_REPLIES_TOTAL, "outcome" => outcome.label()).increment(1);
}

/// Somebody who was on no call was answered; `last` where the hour's bound has no room for another.
pub fn stranger_answered(last: bool) {
    counter!(names::STRANGER_ANSWERS_TOTAL).increment(1);
    if last {
        strangers_cap_reached();
    }
}

/// Says once in a while that strangers get no answers any more: in a flood that is so for each of them.
fn strangers_cap_reached() {
    const SAID_EVERY: Duration = Duration::from_secs(10 * 60);
    static SAID: Mutex<Option<Instant>> = Mutex::new(None);
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.is_some_and(|said| said.elapsed() < SAID_EVERY) {
        return;
    }
    *said = Some(Instant::now());
    tracing::error!(
        "senders who were on no call got as many answers in an hour as auto_reply.strangers_per_hour allows; more of them \
         get none: see whether message.late shows forged senders, else raise the setting"
    );
}

/// A carrier told us what became of a message.
pub fn receipt(account: &str, outcome: ReceiptOutcome) {
    tracing::debug!(account, outcome = outcome.label(), "receipt");
    counter!(names::RECEIPTS_TOTAL, "account" => account.to_owned(), "outcome" => outcome.label()).increment(1);
}

/// Something signed could not be read and lies in quarantine (A58), at the position `id` of the journal. `problem` says
/// what could not be understood and has nothing of the content.
pub fn quarantined(account: &str, problem: &str, id: u64) {
    limited(Cause::Quarantined, account, || {
        tracing::error!(
            account,
            problem,
            id,
            "a signed webhook cannot be read and was put into quarantine as it came: report the problem with this line; \
             `offhook journal inspect DIR --from {id} --limit 1` shows where it is kept"
        );
    });
    counter!(names::QUARANTINED_TOTAL, "account" => account.to_owned()).increment(1);
}

/// Somebody must not be texted any more.
pub fn opted_out(by: OptOutBy, people: usize) {
    tracing::debug!(by = by.label(), people, "opted out");
    counter!(names::OPT_OUTS_TOTAL, "by" => by.label()).increment(people as u64);
}

/// Somebody may be texted again.
pub fn opted_in(by: OptOutBy) {
    tracing::debug!(by = by.label(), "opted in");
    counter!(names::OPT_INS_TOTAL, "by" => by.label()).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_a_path_is_logged_short_visible_and_without_a_number() {
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
