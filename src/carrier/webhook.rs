//! A webhook as received, and the errors of verifying and parsing it.

use crate::model::{InboundItem, RawRequest};
use bytes::Bytes;
use std::fmt;

/// A request from a carrier, not parsed yet.
#[derive(Clone)]
pub struct Webhook {
    /// POST, or GET if the account is configured so.
    pub method: http::Method,
    /// The target of the request line, unchanged: begins with `/`, escapes not decoded, query in its original order.
    pub path_and_query: String,
    /// All headers, repeated ones included.
    pub headers: http::HeaderMap,
    /// The raw body.
    pub body: Bytes,
}

impl Webhook {
    /// The path, escapes not decoded.
    pub fn path(&self) -> &str {
        self.path_and_query.split_once('?').map_or(&*self.path_and_query, |(path, _)| path)
    }

    /// The query without its `?`; empty if it has no query.
    pub fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// The bytes with the content: the body, or the query if the body is empty.
    pub fn content(&self) -> &[u8] {
        if self.body.is_empty() { self.query().as_bytes() } else { &self.body }
    }

    /// The value of a header that may occur once. Two values are rejected: one could be verified and the other one used.
    pub(super) fn only_header(&self, name: &str) -> Result<Option<&[u8]>, NotVerified> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(http::HeaderValue::as_bytes)),
            (_, Some(_)) => Err(NotVerified::Wrong),
        }
    }

    /// Says that one item of this webhook's array cannot be parsed. `body` is a webhook's body with only that item, so
    /// that it can be read again by itself.
    pub fn unreadable_item(&self, body: Bytes, problem: impl fmt::Display) -> Unreadable {
        Self { body, ..self.clone() }.unreadable(problem)
    }

    /// Says that this webhook cannot be parsed. `problem` contains nothing of the content.
    pub fn unreadable(&self, problem: impl fmt::Display) -> Unreadable {
        let content_type = self.headers.get(http::header::CONTENT_TYPE);
        let request = RawRequest {
            method: self.method.to_string(),
            path_and_query: self.path_and_query.clone(),
            content_type: content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            in_query: self.body.is_empty(),
        };
        let request = Box::new(request);
        Unreadable { raw: Bytes::copy_from_slice(self.content()), problem: problem.to_string(), request }
    }

    /// The webhook that was quarantined as these bytes. Without a request, which older programs did not keep, it is the
    /// form of a message.
    pub fn quarantined(raw: Vec<u8>, request: Option<&RawRequest>) -> Self {
        let mut headers = http::HeaderMap::new();
        let content_type =
            request.map_or(Some("application/x-www-form-urlencoded"), |request| request.content_type.as_deref());
        if let Some(value) = content_type.and_then(|value| http::HeaderValue::from_str(value).ok()) {
            headers.insert(http::header::CONTENT_TYPE, value);
        }
        let method = request.and_then(|request| request.method.parse().ok()).unwrap_or(http::Method::POST);
        let path_and_query = request.map_or_else(|| "/".to_owned(), |request| request.path_and_query.clone());
        let in_query = request.is_some_and(|request| request.in_query);
        let body = if in_query { Bytes::new() } else { raw.into() };
        Self { method, path_and_query, headers, body }
    }
}

impl fmt::Debug for Webhook {
    /// Omits target, headers and body, because all three can contain numbers, texts or signatures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} of {} bytes", self.method, self.body.len())
    }
}

/// Why a webhook failed verification. Twilio gives no `Challenge` and no `Stale`; other carriers will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// There are no credentials yet: this carrier sends them only when a response asks for them. No sign of a forgery.
    #[error("credentials are sent when asked for")]
    Challenge,
    /// There is no signature or credential.
    #[error("the signature is missing")]
    Missing,
    /// The signature does not match the request.
    #[error("the signature is wrong")]
    Wrong,
    /// The signature matches, but its timestamp is too old or too far in the future.
    #[error("the signature is stale")]
    Stale,
}

/// An authentic webhook that cannot be parsed; it is quarantined unchanged (A58).
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("unreadable: {problem}")]
pub struct Unreadable {
    /// The raw bytes as received.
    pub raw: Bytes,
    /// What could not be parsed, without any of the content.
    pub problem: String,
    /// The rest of the webhook that a parser needs to read it again.
    pub request: Box<RawRequest>,
}

impl fmt::Debug for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Unreadable> for InboundItem {
    fn from(unreadable: Unreadable) -> Self {
        let Unreadable { raw, problem, request } = unreadable;
        Self::Unreadable { raw: raw.into(), problem, request: Some(request) }
    }
}
