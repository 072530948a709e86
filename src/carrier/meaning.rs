//! What a carrier's error code means for a text.

use super::answer::{never_read, plausible_id, retry_after};
use crate::model::{FailureCode, Outcome, Settled, Timestamp};
use bytes::Bytes;
use http::{Response, StatusCode};

/// The consequence of a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// The carrier rejects the text, or could not deliver it.
    Text(FailureCode),
    /// The carrier did not accept the text now: the lane pauses and the text is retried. In a receipt it is a carrier error.
    Later,
    /// The carrier rejects the account, independent of the text: the account is paused. In a receipt the text is rejected.
    Account,
}

/// The meaning of a code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    /// The consequence.
    pub(super) class: Class,
    /// What happened and what to do, in one sentence.
    pub(super) detail: &'static str,
}

impl Meaning {
    /// The failure code for a text that ended with it.
    pub(super) fn failure(&self) -> FailureCode {
        match self.class {
            Class::Text(failure) => failure,
            Class::Later => FailureCode::CarrierError,
            Class::Account => FailureCode::CarrierRejected,
        }
    }
}

/// The outcome of a send whose response is not a 2xx. `code` is the carrier's code in the response, and `meaning` what
/// it or the status means, if that is known. The text of the response is not repeated, because it contains the number.
pub(super) fn refused(
    carrier: &str,
    answer: &Response<Bytes>,
    code: Option<String>,
    meaning: Option<Meaning>,
    now: Timestamp,
) -> Settled {
    let status = answer.status();
    let known = meaning.map(|meaning| meaning.detail);
    let summary = match &code {
        Some(code) => format!("{carrier} answered {} with code {code}", status.as_u16()),
        None => format!("{carrier} answered {}", status.as_u16()),
    };
    let class = match meaning.map(|meaning| meaning.class) {
        // A server error says nothing about the text, whatever its code.
        _ if status.is_server_error() || never_read(status) => Class::Later,
        Some(class) => class,
        None if status == StatusCode::TOO_MANY_REQUESTS => Class::Later,
        // Every request to this URL is redirected, so the account is affected and not the text.
        None if status.is_redirection() => Class::Account,
        None => Class::Text(FailureCode::CarrierRejected),
    };
    match class {
        Class::Later => {
            let reason = known.map_or_else(|| summary.clone(), |detail| format!("{summary}: {detail}"));
            Outcome::Later { retry_after: retry_after(answer.headers(), now) }.because(reason)
        }
        Class::Account => {
            let advice = known.unwrap_or("api_url responds with a redirect, which is not followed: correct it");
            Outcome::AccountRefused.because(format!("{summary}: {advice}"))
        }
        Class::Text(failure) => {
            Outcome::Refused { code: failure, carrier_code: code }.because(known.map_or(summary, str::to_owned))
        }
    }
}

/// The outcome of a send whose response is a 2xx: the carrier accepted the message, even if its `id` cannot be parsed.
pub(super) fn accepted(carrier: &str, status: StatusCode, id: Option<&str>, segments: Option<u16>) -> Settled {
    let unknown = |but| Outcome::Unknown.because(format!("{}: {carrier} accepted it, {but}", status.as_u16()));
    match id {
        Some(id) if plausible_id(id) => Outcome::Sent { carrier_id: id.to_owned(), segments }.because(None),
        Some(_) => unknown("with an invalid id"),
        None => unknown("but its response has no id"),
    }
}

/// Checks a table of codes: each once, in order, with one sentence for people.
#[cfg(test)]
pub(super) fn assert_table<C: Ord + std::fmt::Display>(table: impl IntoIterator<Item = (C, Class, &'static str)>) {
    let mut last = None;
    for (code, class, detail) in table {
        assert!(last.is_none_or(|last| last < code), "{code}: each code once, in order");
        assert!((15..=120).contains(&detail.len()) && !detail.ends_with('.'), "{code}: {detail}");
        assert!(!detail.contains("http") && !detail.contains(|c: char| c.is_ascii_digit()), "{code}: {detail}");
        // Only retryable failures may suggest trying again.
        let retryable = crate::rules::receipt::failure(Meaning { class, detail }.failure(), None, None).retryable;
        assert!(!detail.contains("try again") || retryable, "{code}: {detail}");
        last = Some(code);
    }
}
