//! What the platform received.

use super::super::signature::BadSignature;
use bytes::Bytes;
use serde_json::Value;
use std::fmt;
use std::time::Instant;

/// Everything the platform received, in order of arrival.
#[derive(Clone, Debug, Default)]
pub struct PlatformRecord {
    /// Events with a valid signature, including repeats.
    pub deliveries: Vec<Delivery>,
    /// Events with an invalid signature.
    pub refused: Vec<RefusedDelivery>,
    /// Entries that did not fit in the lists above.
    pub unrecorded: u64,
}

/// One arrival of an event.
#[derive(Clone)]
pub struct Delivery {
    /// When it was read completely.
    pub at: Instant,
    /// `webhook-id`.
    pub id: String,
    /// The body, byte for byte.
    pub bytes: Bytes,
    /// `type`; empty if the body has none.
    pub kind: String,
    /// `call_id`.
    pub call_id: Option<String>,
    /// `call_sequence`.
    pub call_sequence: Option<u64>,
    /// The platform answered (or is about to answer) with a 2xx. Otherwise the event must be delivered again.
    pub taken: bool,
}

impl Delivery {
    /// Parses an event as received. A body that is not JSON has an empty `kind`.
    pub fn read(id: String, bytes: Bytes, taken: bool) -> Self {
        let event: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Self {
            at: Instant::now(),
            id,
            kind: event["type"].as_str().unwrap_or_default().to_owned(),
            call_id: event["call_id"].as_str().map(str::to_owned),
            call_sequence: event["call_sequence"].as_u64(),
            bytes,
            taken,
        }
    }

    /// The whole event: `{ id, cursor, call_sequence, type, at, call_id, data }`; null if the body is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Delivery {
    /// Everything but the body, which contains numbers and texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("call_id", &self.call_id)
            .field("call_sequence", &self.call_sequence)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

/// An event with an invalid signature.
#[derive(Clone, Debug)]
pub struct RefusedDelivery {
    /// When it came.
    pub at: Instant,
    /// `webhook-id`, if present.
    pub id: String,
    /// The problem.
    pub why: BadSignature,
}
