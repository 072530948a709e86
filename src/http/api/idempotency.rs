//! `Idempotency-Key`: the same key and body get the same response again.
//!
//! Responses are stored by the machine. This module parses keys and tracks those whose first request is in flight.

use super::ApiRequest;
use crate::machine::command::IdempotencyKey;
use crate::rules::refusal::{Code, Refusal};
use axum::http::HeaderValue;
use axum::response::Response;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum length of a key.
const KEY_MAX_CHARACTERS: usize = 128;

const HEADER: &str = "idempotency-key";

impl ApiRequest {
    /// The request's idempotency key, if any.
    pub(super) fn key(&self) -> Result<Option<IdempotencyKey>, Refusal> {
        let mut values = self.headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key = value.as_bytes();
        let fits = (1..=KEY_MAX_CHARACTERS).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        if !fits || values.next().is_some() {
            let detail =
                format!("`Idempotency-Key` must be one word of 1 to {KEY_MAX_CHARACTERS} visible ASCII characters");
            return Err(Refusal::new(Code::InvalidField, detail));
        }
        // The parts cannot contain the separator zero byte.
        let key = digest(&[self.client.actor.name.as_bytes(), b"\0", self.path.as_bytes(), b"\0", key]);
        Ok(Some(IdempotencyKey { key, body: digest(&[&self.body]) }))
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finalize()[..16]);
    half
}

/// Marks a response as a repetition of an earlier one.
pub(super) fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    response
}

/// Keys whose first request is in flight. Bounded by the capacity of the engine's queues.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashSet<[u8; 16]>>>);

/// Guard for a key in flight; released when dropped.
pub(super) struct Held {
    keys: Arc<Mutex<HashSet<[u8; 16]>>>,
    key: [u8; 16],
}

impl InFlight {
    /// Reserves the key, or refuses if its first request is still in flight.
    pub(super) fn hold(&self, IdempotencyKey { key, .. }: IdempotencyKey) -> Result<Held, Refusal> {
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            let detail = "the first request with this Idempotency-Key is still in flight; retry shortly";
            return Err(Refusal::new(Code::IdempotencyInProgress, detail));
        }
        Ok(Held { keys: Arc::clone(&self.0), key })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
