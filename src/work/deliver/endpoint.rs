//! One delivery: signs an event, posts it and interprets the response.

use super::status::{EndpointStatus, LastAnswer};
use crate::carrier::requested_wait;
use crate::machine::show::RenderedEvent;
use crate::model::Timestamp;
use crate::net::{Answer, Client, SendFailed};
use crate::observe::{self, Delivery};
use crate::work::feed::{Delivered, Filter};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Uri, header};
use standardwebhooks::Webhook;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

/// The longest `Retry-After` that is honoured.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// One of the platform's endpoints.
pub struct Endpoint {
    /// The configured name.
    pub name: String,
    /// The address that events are posted to.
    pub url: Uri,
    /// The signing keys; every one signs, so that a key can be rotated without interruption.
    pub keys: Keys,
    /// The endpoint's own HTTP client and connections.
    pub client: Client,
    /// The event types it subscribes to.
    pub events: Filter,
    /// How it does, for those who ask.
    pub status: EndpointStatus,
}

/// The current signing keys. Clones share them: a replacement applies to all.
#[derive(Clone)]
pub struct Keys(Arc<ArcSwap<Vec<Webhook>>>);

impl Keys {
    /// Replaces the keys, also for events that are not delivered yet.
    pub fn replace(&self, keys: Vec<Webhook>) {
        self.0.store(Arc::new(keys));
    }
}

impl From<Vec<Webhook>> for Keys {
    fn from(keys: Vec<Webhook>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(keys)))
    }
}

impl Endpoint {
    /// Posts an event, at `now` by the machine's clock.
    pub(super) async fn deliver(&self, event: &RenderedEvent, now: Timestamp) -> Delivered {
        let (outcome, detail, delivered) = match self.request(event, now) {
            Err(why) => (Delivery::Refused, why, Delivered::Refused),
            Ok(request) => {
                let began = Instant::now();
                let answered = self.client.send(request).await;
                observe::endpoint_request(&self.name, began.elapsed());
                match answered {
                    Ok(answer) => interpret(&answer, now),
                    Err(SendFailed::NeverWritten(why) | SendFailed::Unanswered(why)) => {
                        (Delivery::Unanswered, why, Delivered::Down(None))
                    }
                }
            }
        };
        observe::delivery(&self.name, outcome, &detail);
        self.status.answered(LastAnswer { at: now, outcome, detail });
        delivered
    }

    /// The request of one attempt: id and body are the event's, the timestamp is the attempt's.
    fn request(&self, event: &RenderedEvent, now: Timestamp) -> Result<Request<Bytes>, String> {
        let id = event.id.to_string();
        let timestamp = i64::try_from(now.as_secs()).map_err(|_| "the clock is out of range".to_owned())?;
        let keys = self.keys.0.load();
        let signatures: Result<Vec<_>, _> = keys.iter().map(|key| key.sign(&id, timestamp, &event.body)).collect();
        let signatures = signatures.map_err(|error| format!("cannot sign the event: {error}"))?;
        Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "))
            .body(Bytes::copy_from_slice(&event.body))
            .map_err(|error| format!("cannot build the request: {error}"))
    }
}

/// Interprets a response: the label, the log detail, and the result for the event. Only a complete 2xx accepts an
/// event, because an endless one may come from any server that happens to listen there.
fn interpret(answer: &Answer, now: Timestamp) -> (Delivery, String, Delivered) {
    let retry_after = requested_wait(&answer.headers, now).map(|retry_after| retry_after.min(RETRY_AFTER_MAX));
    let status = answer.status.as_str();
    let (outcome, delivered) = match answer.status.as_u16() {
        200..=299 if answer.cut => {
            let detail = format!("{status} with a body over {} bytes: send a short response", answer.body.len());
            return (Delivery::Unanswered, detail, Delivered::Refused);
        }
        200..=299 => (Delivery::Delivered, Delivered::Yes),
        410 => (Delivery::Gone, Delivered::Gone),
        429 => (Delivery::Later, Delivered::Later(retry_after)),
        503 => (Delivery::Later, Delivered::Down(retry_after)),
        502 | 504 => (Delivery::Refused, Delivered::Down(None)),
        _ => (Delivery::Refused, Delivered::Refused),
    };
    (outcome, status.to_owned(), delivered)
}

#[cfg(test)]
mod tests;
