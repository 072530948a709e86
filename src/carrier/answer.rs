//! The meaning of a carrier's responses to our requests.

use crate::model::{Secret, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use std::fmt;
use std::time::Duration;
use url::Url;

/// Maximum pause of a lane for a carrier's `Retry-After`: longer than the lifetime of any text, and short enough that a
/// carrier's mistake does not block a number for a day.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// Maximum length of a carrier's message id.
pub(super) const CARRIER_ID_MAX_CHARACTERS: usize = 64;

/// The carrier rejects the access token, and did not read the text: with a new token the same request may succeed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRefused {
    /// What the carrier answered.
    pub detail: String,
}

/// A token for requests to the carrier.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token as sent in requests.
    pub secret: Secret,
    /// How long to use it: a little less than the carrier accepts it.
    pub use_for: Duration,
}

/// Why there is no token. Nothing was sent: messages wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// The carrier rejects the account's credentials.
    #[error("{detail}")]
    Refused {
        /// What happened and what to check.
        detail: String,
    },
    /// The carrier gave no token now.
    #[error("{reason}")]
    Later {
        /// The wait that the carrier requests, at most [`RETRY_AFTER_MAX`].
        retry_after: Option<Duration>,
        /// The carrier's reason.
        reason: String,
    },
    /// There was no complete response.
    #[error("{0}")]
    Unanswered(String),
}

/// The next step of looking up a number.
pub enum LookUp {
    /// Send this request, and call `look_up` again with the response.
    Request(Box<Request<Bytes>>),
    /// The number is on the account.
    Found(NumberFacts),
    /// The number is not on the account.
    NotOurs,
    /// The look-up failed.
    Failed {
        /// What went wrong and what to do.
        reason: String,
        /// Whether a retry may succeed without a change by an operator.
        retryable: bool,
    },
}

impl fmt::Debug for LookUp {
    /// Omits the request, which has the whole number in its URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(_) => f.write_str("Request"),
            Self::Found(facts) => f.debug_tuple("Found").field(facts).finish(),
            Self::NotOurs => f.write_str("NotOurs"),
            Self::Failed { reason, retryable } => {
                f.debug_struct("Failed").field("reason", reason).field("retryable", retryable).finish()
            }
        }
    }
}

/// The carrier's data about one of our numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberFacts {
    /// The number can send and receive SMS.
    pub sms: bool,
    /// The number can send and receive MMS.
    pub mms: bool,
    /// Where its inbound messages go.
    pub webhook: Pointing,
}

/// Where a number's inbound messages go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pointing {
    /// To this gateway.
    Here,
    /// To another URL, which is this one, for people and without what may be secret in it: no texts reach the gateway.
    Elsewhere(String),
    /// Decided by something other than the number itself.
    Unknown,
}

impl Pointing {
    /// What the URL that a number's messages go to means, when the gateway's own are `ours`: compared as normalised, so
    /// that it does not matter how it was entered at the carrier. Both webhook paths take messages.
    pub(super) fn of(written: &str, ours: [&str; 2]) -> Self {
        let normal = written.parse::<Url>().map_or_else(|_| written.to_owned(), Into::into);
        let here = ours.contains(&normal.trim_end_matches('/'));
        if here { Self::Here } else { Self::Elsewhere(for_people(written)) }
    }
}

/// A URL without credentials and without the values of its query.
fn for_people(target: &str) -> String {
    let Ok(mut url) = target.parse::<Url>() else { return target.split('?').next().unwrap_or_default().to_owned() };
    // Both fail only for URLs without a host, which have neither.
    let _no_host = url.set_username("").and_then(|()| url.set_password(None));
    let query = if url.query().is_some() { "?..." } else { "" };
    url.set_query(None);
    format!("{url}{query}")
}

/// A look-up that failed, and whether a retry may succeed.
pub(super) fn failed(reason: &str, retryable: bool) -> LookUp {
    LookUp::Failed { reason: reason.to_owned(), retryable }
}

/// The `Retry-After` of a carrier's response, at most [`RETRY_AFTER_MAX`].
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    requested_wait(headers, now).map(|wait| wait.min(RETRY_AFTER_MAX))
}

/// The `Retry-After` of a response: seconds or an HTTP date. An invalid value is ignored.
pub fn requested_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    wait_in(headers.get(header::RETRY_AFTER)?, now)
}

/// The wait that a `Retry-After` requests.
pub fn wait_in(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit in a u64 count as "very long".
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        // An HTTP date is an RFC 2822 date whose zone is GMT.
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Timestamp::from_ms(u64::try_from(at.as_millisecond()).ok()?).since(now)
    };
    Some(wait)
}

/// Whether the status means that the request was not processed and can be retried.
pub(super) fn never_read(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY)
}

/// Whether a carrier's id is usable: printable ASCII of bounded length, because it is used as a key.
pub(super) fn plausible_id(id: &str) -> bool {
    (1..=CARRIER_ID_MAX_CHARACTERS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a64_retry_after_is_parsed_as_seconds_or_a_date_and_capped() {
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
