//! What a carrier's answers to our own requests mean.

use crate::model::{FailureCode, Secret, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use std::fmt;
use std::time::Duration;

/// The longest pause a carrier's `Retry-After` can put on a lane: well past the life of any text in it, and short enough
/// that a carrier's slip does not silence a number for a day.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// The most characters of a carrier's id of a message.
pub(super) const CARRIER_ID_MAX_CHARACTERS: usize = 64;

/// What the dispatcher does next with a message whose send was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The carrier has it.
    Sent {
        /// The carrier's id; receipts carry the same.
        carrier_id: String,
        /// Segments as the carrier counts them, where it says.
        segments: Option<u16>,
    },
    /// The carrier will not have it: the message has failed.
    Refused {
        /// In our words.
        code: FailureCode,
        /// In the carrier's.
        carrier_code: Option<String>,
        /// What it means and what to do; nothing of the message in it.
        detail: String,
        /// Whether the carrier says that the recipient opted out, which our own list must learn.
        opted_out: bool,
    },
    /// The carrier did not take it and may take it later: the lane waits, then tries again (A64).
    Later {
        /// How long the carrier asks us to wait; at most [`RETRY_AFTER_MAX`].
        retry_after: Option<Duration>,
        /// What it said.
        reason: String,
    },
    /// The carrier refuses the account, whatever the text: it was not taken, and the account waits until somebody acts.
    AccountRefused {
        /// What happened and what to check.
        detail: String,
    },
    /// The carrier may have it and did not give its id: never sent again, a receipt settles it (A60).
    Unknown {
        /// What could not be understood.
        reason: String,
    },
}

/// A token for sends, and how long it is good.
#[derive(Clone, Debug)]
pub struct Token {
    /// What goes into the requests.
    pub secret: Secret,
    /// From here on another is to be got; a little before the carrier stops taking it.
    pub use_until: Timestamp,
}

/// The carrier gave no token; sends wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no token: {0}")]
pub struct NoToken(pub String);

/// What to do next in finding out about a number.
pub enum LookUp {
    /// Ask this, and come again with the answer.
    Queries(Box<Request<Bytes>>),
    /// The number is on the account.
    Found(NumberFacts),
    /// The number is not on the account.
    NotOurs,
    /// The carrier did not say.
    Failed {
        /// What went wrong and what to do.
        reason: String,
        /// Whether asking again later may help without anybody doing anything.
        retryable: bool,
    },
}

impl fmt::Debug for LookUp {
    /// Without the question, which has the whole number in its address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queries(_) => f.write_str("Ask"),
            Self::Found(facts) => f.debug_tuple("Found").field(facts).finish(),
            Self::NotOurs => f.write_str("NotOurs"),
            Self::Failed { reason, retryable } => {
                f.debug_struct("Failed").field("reason", reason).field("retryable", retryable).finish()
            }
        }
    }
}

/// What a carrier knows of a number of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NumberFacts {
    /// Texts can be sent and received.
    pub sms: bool,
    /// Photos and videos too.
    pub mms: bool,
    /// Where its inbound messages go.
    pub webhook: Pointing,
}

/// Where a number's inbound messages go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pointing {
    /// To this gateway.
    Here,
    /// To another address, or to none: no text will reach us.
    Elsewhere,
    /// Something other than the number itself decides it.
    Unknown,
}

/// The `Retry-After` of a carrier's answer, at most [`RETRY_AFTER_MAX`].
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    asked_to_wait(headers, now).map(|wait| wait.min(RETRY_AFTER_MAX))
}

/// The `Retry-After` of an answer: seconds or an HTTP date. Garbage counts as none.
pub fn asked_to_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds still say "very long".
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        // An HTTP date is an RFC 2822 date whose zone is GMT.
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Timestamp::from_ms(u64::try_from(at.as_millisecond()).ok()?).since(now)
    };
    Some(wait)
}

/// Whether a carrier's id can be one: something printable, and of bounded length, since it becomes a key.
pub(super) fn plausible_id(id: &str) -> bool {
    (1..=CARRIER_ID_MAX_CHARACTERS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a64_retry_after_is_honoured_as_seconds_and_as_a_date_and_never_beyond_its_bound() {
        let now = Timestamp::parse("2025-11-22T06:00:00Z").unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("99999", Some(600)),
            ("99999999999999999999999999", Some(600)),
            ("Sat, 22 Nov 2025 06:00:30 GMT", Some(30)),
            ("Sat, 22 Nov 2025 05:00:00 GMT", Some(0)),
            ("Sun, 22 Nov 2026 06:00:00 GMT", Some(600)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sat, 99 Nov 2025 06:00:30 GMT", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
