//! A webhook as it came, and what can be wrong with it.

use crate::model::InboundItem;
use bytes::Bytes;
use std::fmt;

/// A request of a carrier, before anything was read from it.
#[derive(Clone)]
pub struct Webhook {
    /// POST, or GET where the account is set so.
    pub method: http::Method,
    /// The target as it stood in the request line: beginning with `/`, escapes untouched, the query in its order.
    pub path_and_query: String,
    /// All headers, repeated ones included.
    pub headers: http::HeaderMap,
    /// The whole body, byte for byte.
    pub body: Bytes,
}

impl Webhook {
    /// The query without its `?`; empty where there is none.
    pub fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// The bytes that hold the content: the body, or the query where there is no body.
    pub fn content(&self) -> &[u8] {
        if self.body.is_empty() { self.query().as_bytes() } else { &self.body }
    }
}

impl fmt::Debug for Webhook {
    /// Without target, headers and body: numbers, texts and signatures stand in all three.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} of {} bytes", self.method, self.body.len())
    }
}

/// Why a webhook is not believed to be the carrier's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// No signature or credential at all.
    #[error("the signature is missing")]
    Missing,
    /// There is one, and it does not fit what came.
    #[error("the signature is wrong")]
    Wrong,
    /// It fits, but was made too long ago or too far ahead.
    #[error("the signature is stale")]
    Stale,
}

/// The carrier's own, but not to be understood: to be kept as it came (A58).
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("unreadable: {problem}")]
pub struct Unreadable {
    /// The bytes as they came.
    pub raw: Bytes,
    /// What could not be understood, without any of its content.
    pub problem: String,
}

impl fmt::Debug for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Unreadable> for InboundItem {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable { raw: unreadable.raw.into(), problem: unreadable.problem }
    }
}
