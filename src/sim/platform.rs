//! The platform: receives the gateway's events, verifies their signatures, and records them for a checker.
//!
//! Invariant: an event whose signature does not verify is never recorded as a delivery, and a delivery is recorded,
//! with its response, before that response is written.

mod behaviour;
mod client;
#[cfg(feature = "test-support")]
mod controls;
mod record;
#[cfg(test)]
mod tests;

pub use self::behaviour::{Fault, PlatformBehaviour};
pub use self::client::{AcceptedSend, ApiAnswer, Client};
pub use self::record::{Delivery, PlatformRecord, RefusedDelivery};
pub use super::signature::BadSignature;
pub use super::wire::NoAnswer;

use super::signature::{Signed, check_event, read_event_secret};
use super::wire::{Cut, Port, Reply, Serve, Server, cut_in_the_middle, endless, read_body, reply};
use super::{TooLate, wait_until};
use http::header::{HeaderValue, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, broadcast};

/// Events buffered per watcher; a slower watcher misses the oldest.
const WATCHED_MAX: usize = 256;

/// Settings of the platform.
#[derive(Clone)]
pub struct PlatformSettings {
    /// Seed of all random behaviour.
    pub seed: u64,
    /// `whsec_...`; an event signed with one of them is accepted.
    pub secrets: Vec<String>,
    /// Deliveries kept in the record.
    pub record_max: usize,
}

impl Default for PlatformSettings {
    fn default() -> Self {
        let secrets = vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()];
        Self { seed: 1, secrets, record_max: super::RECORD_MAX }
    }
}

/// The platform's endpoint for events. It stops when dropped.
pub struct Platform {
    server: Server<PlatformCore>,
    core: Arc<PlatformCore>,
}

struct PlatformCore {
    seed: u64,
    keys: Vec<Vec<u8>>,
    record_max: usize,
    state: Mutex<State>,
    news: Notify,
    watched: broadcast::Sender<Delivery>,
}

struct State {
    behaviour: PlatformBehaviour,
    record: PlatformRecord,
    /// How often each event id arrived.
    seen: std::collections::HashMap<String, u64>,
}

impl Platform {
    /// Starts the platform on a free loopback port.
    pub async fn start(settings: &PlatformSettings) -> io::Result<Self> {
        let keys: Option<Vec<_>> = settings.secrets.iter().map(|secret| read_event_secret(secret)).collect();
        let keys = keys.ok_or_else(|| io::Error::other("a secret is not whsec_ and base64"))?;
        let state = State {
            behaviour: PlatformBehaviour::default(),
            record: PlatformRecord::default(),
            seen: Default::default(),
        };
        let core = Arc::new(PlatformCore {
            seed: settings.seed,
            keys,
            record_max: settings.record_max,
            state: Mutex::new(state),
            news: Notify::new(),
            watched: broadcast::Sender::new(WATCHED_MAX),
        });
        Ok(Self { server: Server::start(Port::take()?, core.clone())?, core })
    }

    /// The URL for events: the `url` of the gateway's `[[platform.webhook]]`.
    pub fn url(&self) -> String {
        format!("http://{}/events", self.server.address())
    }

    /// Everything received so far.
    pub fn record(&self) -> PlatformRecord {
        self.core.state().record.clone()
    }

    /// Subscribes to received events, including repeats.
    pub fn deliveries(&self) -> broadcast::Receiver<Delivery> {
        self.core.watched.subscribe()
    }

    /// The first accepted delivery that `fits`, once there is one.
    pub async fn wait_for(&self, deadline: Duration, fits: impl Fn(&Delivery) -> bool) -> Result<Delivery, TooLate> {
        let mut found = self.wait_for_all(1, deadline, fits).await?;
        Ok(found.swap_remove(0))
    }

    /// The accepted deliveries that `fits`, once there are `wanted` with different ids.
    pub async fn wait_for_all(
        &self,
        wanted: usize,
        deadline: Duration,
        fits: impl Fn(&Delivery) -> bool,
    ) -> Result<Vec<Delivery>, TooLate> {
        // Each delivery is examined once, so that waiting for many is not quadratic.
        let (mut looked, mut ids, mut found) = (0, std::collections::HashSet::new(), Vec::new());
        wait_until(&self.core.news, deadline, (wanted, "events"), || {
            let state = self.core.state();
            for delivery in &state.record.deliveries[looked..] {
                if delivery.taken && fits(delivery) && ids.insert(delivery.id.clone()) {
                    found.push(delivery.clone());
                }
            }
            looked = state.record.deliveries.len();
            if found.len() >= wanted { Ok(found.clone()) } else { Err(found.len()) }
        })
        .await
    }

    /// Stops listening and returns everything received, when all its tasks have ended.
    pub async fn stop(self) -> PlatformRecord {
        self.server.close().await;
        self.record()
    }
}

impl Serve for PlatformCore {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Cut> {
        let (head, body) = request.into_parts();
        let body = read_body(body).await?;
        if head.method != Method::POST || head.uri.path() != "/events" {
            return Ok(reply(StatusCode::NOT_FOUND, "text/plain", "send events to POST /events"));
        }
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let id = header("webhook-id").to_owned();
        if let Err(why) = self.verify(&head.headers, &body) {
            self.refused(RefusedDelivery { at: Instant::now(), id, why });
            return Ok(reply(StatusCode::UNAUTHORIZED, "text/plain", "invalid signature"));
        }
        let (delay, fault) = self.take(id, body);
        tokio::time::sleep(delay).await;
        let Some(fault) = fault else { return Ok(reply(StatusCode::OK, "application/json", "{}")) };
        match fault {
            Fault::Status(status) => Ok(empty_reply(status)),
            Fault::RetryAfter { status, secs } => Ok(with(empty_reply(status), RETRY_AFTER, &secs.to_string())),
            Fault::Redirect(to) => Ok(with(empty_reply(302), LOCATION, &to)),
            Fault::Silent => std::future::pending().await,
            Fault::Cut => Err(Cut),
            Fault::CutAnswer => Ok(cut_in_the_middle(reply(StatusCode::OK, "application/json", "{\"taken\": true}"))),
            Fault::Endless => Ok(endless(StatusCode::OK)),
        }
    }
}

impl PlatformCore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), BadSignature> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(BadSignature::Missing);
        let signed = Signed {
            id: header("webhook-id")?,
            timestamp: header("webhook-timestamp")?,
            signatures: header("webhook-signature")?,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        check_event(&self.keys, signed, body, now.as_secs())
    }

    /// Records a valid delivery, and decides its response.
    fn take(&self, id: String, body: bytes::Bytes) -> (Duration, Option<Fault>) {
        let mut state = self.state();
        if state.seen.len() >= self.record_max {
            state.seen.clear();
        }
        let nth = state.seen.entry(id.clone()).or_default();
        *nth += 1;
        let nth = *nth;
        let mut delivery = Delivery::read(id, body, true);
        let fault = state.behaviour.fate(self.seed, &delivery.id, delivery.call_id.as_deref(), nth);
        delivery.taken = fault.as_ref().is_none_or(Fault::takes);
        // An error means that there is no watcher.
        let _watched = self.watched.send(delivery.clone());
        if state.record.deliveries.len() < self.record_max {
            state.record.deliveries.push(delivery);
        } else {
            state.record.unrecorded += 1;
        }
        let delay = state.behaviour.delay;
        drop(state);
        self.news.notify_waiters();
        (delay, fault)
    }

    fn refused(&self, refused: RefusedDelivery) {
        let mut state = self.state();
        if state.record.refused.len() < self.record_max {
            state.record.refused.push(refused);
        } else {
            state.record.unrecorded += 1;
        }
        drop(state);
        self.news.notify_waiters();
    }
}

fn empty_reply(status: u16) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply(status, "text/plain", "not now")
}

fn with(mut answer: Reply, name: http::HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}
