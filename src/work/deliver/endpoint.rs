//! One delivery: an event signed, posted, and what its answer means.

use crate::carrier::asked_to_wait;
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

/// The longest a `Retry-After` is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// Where the platform wants its events.
pub struct Endpoint {
    /// Our name of it.
    pub name: String,
    /// Its address.
    pub url: Uri,
    /// Its keys; all of them sign, so that a key can be changed without a gap.
    pub keys: Keys,
    /// Its own connections.
    pub client: Client,
    /// What it wants to be told of.
    pub events: Filter,
}

/// The keys that sign, now. Clones share them: what one takes over, all sign with.
#[derive(Clone)]
pub struct Keys(Arc<ArcSwap<Vec<Webhook>>>);

impl Keys {
    /// Signs with these from now on, what was not delivered before too.
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
    pub(super) async fn deliver(&self, told: &RenderedEvent, now: Timestamp) -> Delivered {
        let (outcome, detail, delivered) = match self.request(told, now) {
            Err(why) => (Delivery::Refused, why, Delivered::Refused),
            Ok(request) => {
                let began = Instant::now();
                let answered = self.client.send(request).await;
                observe::endpoint_asked(&self.name, began.elapsed());
                match answered {
                    Ok(answer) => read(&answer, now),
                    Err(SendFailed::NeverWritten(why) | SendFailed::Unanswered(why)) => {
                        (Delivery::Unanswered, why, Delivered::Down(None))
                    }
                }
            }
        };
        observe::delivery(&self.name, outcome, &detail);
        delivered
    }

    /// The request of one attempt: the id and the bytes are the event's, the time is the attempt's.
    fn request(&self, told: &RenderedEvent, now: Timestamp) -> Result<Request<Bytes>, String> {
        let id = told.id.to_string();
        let timestamp = i64::try_from(now.as_secs()).map_err(|_| "the clock is beyond its end".to_owned())?;
        let keys = self.keys.0.load();
        let signatures: Result<Vec<_>, _> = keys.iter().map(|key| key.sign(&id, timestamp, &told.body)).collect();
        let signatures = signatures.map_err(|error| format!("the event could not be signed: {error}"))?;
        Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "))
            .body(Bytes::copy_from_slice(&told.body))
            .map_err(|error| format!("the request could not be made: {error}"))
    }
}

/// What an answer means: the word for it, what the log shows, and what becomes of the event. Only a complete 2xx takes
/// an event: one that does not end may be of anything that happens to listen there.
fn read(answer: &Answer, now: Timestamp) -> (Delivery, String, Delivered) {
    let wish = asked_to_wait(&answer.headers, now).map(|wish| wish.min(RETRY_AFTER_MAX));
    let status = answer.status.as_str();
    let (outcome, delivered) = match answer.status.as_u16() {
        200..=299 if answer.cut => {
            let detail =
                format!("{status} with more than {} bytes, which is no end: answer briefly", answer.body.len());
            return (Delivery::Unanswered, detail, Delivered::Refused);
        }
        200..=299 => (Delivery::Delivered, Delivered::Yes),
        410 => (Delivery::Gone, Delivered::Gone),
        429 => (Delivery::Later, Delivered::Later(wish)),
        503 => (Delivery::Later, Delivered::Down(wish)),
        502 | 504 => (Delivery::Refused, Delivered::Down(None)),
        _ => (Delivery::Refused, Delivered::Refused),
    };
    (outcome, status.to_owned(), delivered)
}

#[cfg(test)]
mod tests;
