//! The platform's door: `/v1`.
//!
//! Invariant: nothing is read or done without a token whose scope reaches that far; a 2xx to a write means that it is on
//! disk, a 503 that it was not taken, and a 504 that nobody can say. Every answer that is no success is a problem with a
//! code of the closed list.

mod auth;
mod calls;
mod directory;
mod events;
mod explain;
mod fields;
mod idempotency;
mod messages;
mod page;
mod replay;
mod routes;
#[cfg(test)]
mod tests;

pub use auth::{Scope, Token, Tokens};

use self::idempotency::{Held, InFlight};
use super::answer::{encoded, internal, problem};
use crate::engine::{Handle, Reads, SubmitError, Urgency};
use crate::machine::command::{Command, IdempotencyKey, Reply};
use crate::model::Timestamp;
use crate::net::{BodyRefused, MayBeDone, read_body};
use crate::observe::{self, Door, NotReady, Readiness};
use crate::rules::refusal::{Code, Refusal};
use crate::work::Replays;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::Bytes;
use page::Query;
use routes::Route;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

pub use routes::router;

/// The largest body of a request. A text has at most 918 characters, and nothing else is longer.
pub const BODY_MAX_BYTES: usize = 64 * 1024;

/// How long a command may wait to be decided; then it is dropped undecided and the answer is 503.
const DECIDED_WITHIN: Duration = Duration::from_millis(1_500);

/// How long an outcome is waited for; then the answer is 504.
const OUTCOME_WITHIN: Duration = Duration::from_secs(10);

/// Questions asked of rows and files at once. Each holds a thread; two cores and one disk have no use for more.
const LOOKS_MAX: usize = 8;

/// Clients that pull events at once, or listen to a stream of them.
const PULLS_MAX: usize = 64;

/// How long a question may wait for its turn and for its answer, each.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// What the door needs.
pub struct Api {
    engine: Handle,
    reads: Reads,
    readiness: Readiness,
    tasks: TaskTracker,
    tokens: Tokens,
    in_flight: InFlight,
    looks: Arc<Semaphore>,
    pulls: Arc<Semaphore>,
    replays: Replays,
    clock: fn() -> Timestamp,
}

/// A request that was let in, and read.
struct ApiRequest {
    token: Arc<Token>,
    headers: HeaderMap,
    /// As it stood in the request line.
    path: String,
    /// The parts of the path that its route names.
    params: Vec<(String, String)>,
    query: Query,
    body: Bytes,
}

type Answered = Result<Response, Refusal>;

impl Api {
    /// A door for whoever has one of these tokens. Work that has begun runs in `tasks` to its end, whoever leaves.
    pub fn new(
        engine: Handle,
        reads: Reads,
        readiness: Readiness,
        tasks: TaskTracker,
        tokens: impl Into<Tokens>,
    ) -> Self {
        Self {
            engine,
            reads,
            readiness,
            tasks,
            tokens: tokens.into(),
            in_flight: InFlight::default(),
            looks: Arc::new(Semaphore::new(LOOKS_MAX)),
            pulls: Arc::new(Semaphore::new(PULLS_MAX)),
            replays: Replays::default(),
            clock: super::wall_clock,
        }
    }

    /// A door through which endpoints can be told once more what they were told.
    pub fn with_replays(self, replays: Replays) -> Self {
        Self { replays, ..self }
    }

    /// A door at another time.
    #[cfg(test)]
    pub(super) fn at(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    async fn answer(self: Arc<Self>, route: &'static Route, request: Request) -> Response {
        let answered = self.authorize_and_route(route, request).await;
        let refused = answered.as_ref().err().map(|refusal| refusal.code.word());
        let response = answered.unwrap_or_else(|refusal| problem(&refusal));
        observe::api_request(route.verb.word(), route.path, response.status(), refused);
        response
    }

    /// Credential, scope, query, body; then what the route does.
    async fn authorize_and_route(self: Arc<Self>, route: &'static Route, request: Request) -> Answered {
        let (mut head, body) = request.into_parts();
        let token = self.token(&head)?;
        token.reaches(route.scope)?;
        let query = Query::read(head.uri.query().unwrap_or_default(), route.query)?;
        let params = RawPathParams::from_request_parts(&mut head, &())
            .await
            .map_err(|_| Refusal::new(Code::NotFound, "the address is no UTF-8: nothing has it"))?;
        let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = if route.verb.has_body() { self::body(&head.headers, body).await? } else { Bytes::new() };
        let asked = ApiRequest { token, path: head.uri.path().to_owned(), headers: head.headers, params, query, body };
        // From here on the engine may have it.
        if let Some(may_be_done) = head.extensions.get::<MayBeDone>().filter(|_| route.verb.writes()) {
            may_be_done.set();
        }
        (route.answer)(self, asked).await
    }

    /// What no route has: said only to who may be here.
    async fn not_found(self: Arc<Self>, refusal: Refusal, request: Request) -> Response {
        let (head, _) = request.into_parts();
        let refusal = self.token(&head).map_or_else(|unauthorized| unauthorized, |_| refusal);
        let response = problem(&refusal);
        observe::api_request("other", "elsewhere", response.status(), Some(refusal.code.word()));
        response
    }

    /// Has a command decided. It runs as its own task: a client that leaves does not take it back.
    async fn decide(&self, command: Command, urgency: Urgency, key: Option<IdempotencyKey>) -> Result<Reply, Refusal> {
        self.takes_work()?;
        // Where the disk has little room, what begins nothing goes on. Whether a PUT begins a call is known elsewhere.
        if matches!(command, Command::Send(_)) && self.readiness.holds(NotReady::LowDisk) {
            return Err(storage_unavailable());
        }
        let held = key.map(|key| self.in_flight.hold(key)).transpose()?;
        self.submit(command, urgency, held).await
    }

    /// The same, where the request's key is held already and the door has found nothing in the way.
    async fn submit(&self, command: Command, urgency: Urgency, held: Option<Held>) -> Result<Reply, Refusal> {
        let engine = self.engine.clone();
        let work = self.tasks.spawn(async move {
            // Held until the outcome is known, even if by then nobody waits for it.
            let _held = held;
            engine.submit(command, urgency, DECIDED_WITHIN).await
        });
        match timeout(OUTCOME_WITHIN, work).await {
            Ok(Ok(Ok(Reply::Refused(refusal)))) => Err(refusal),
            Ok(Ok(Ok(reply))) => Ok(reply),
            Ok(Ok(Err(SubmitError::Busy | SubmitError::TooLate))) => Err(overloaded()),
            Ok(Ok(Err(SubmitError::Stopped))) | Err(_) => Err(outcome_unknown()),
            Ok(Err(_panicked)) => Err(panicked()),
        }
    }

    /// Whether the gateway does anything at all.
    fn takes_work(&self) -> Result<(), Refusal> {
        if self.readiness.holds(NotReady::Draining) {
            return Err(Refusal::new(Code::Draining, "the gateway is stopping and nothing was done: repeat"));
        }
        if self.readiness.holds(NotReady::StorageUnavailable) {
            return Err(storage_unavailable());
        }
        Ok(())
    }

    /// Asks something of committed state, off the runtime: it may touch the disk.
    async fn look<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reads, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        if self.readiness.holds(NotReady::StorageUnavailable) {
            return Err(storage_unavailable());
        }
        let turn = timeout(LOOK_WITHIN, Arc::clone(&self.looks).acquire_owned()).await;
        let turn = turn.map_err(|_| overloaded())?.map_err(|_| internal())?;
        let (reads, now) = (self.reads.clone(), (self.clock)());
        let look = tokio::task::spawn_blocking(move || {
            // The turn is over when the question is answered, even if by then nobody waits for it.
            let _turn = turn;
            question(&reads, now)
        });
        match timeout(LOOK_WITHIN, look).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panicked)) => Err(panicked()),
            Err(_late) => Err(overloaded()),
        }
    }
}

impl ApiRequest {
    /// A part of the path.
    fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The body: JSON as it is, and not too much of it.
async fn body(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    encoded(headers)?;
    let not_json = || Refusal::new(Code::UnsupportedMediaType, "send the body as Content-Type: application/json");
    let declared = headers.get(header::CONTENT_TYPE);
    let json = declared.is_some_and(|value| {
        let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    });
    if declared.is_some() && !json {
        return Err(not_json());
    }
    let body = read_body(body, BODY_MAX_BYTES).await.map_err(|refused| match refused {
        BodyRefused::TooLarge => {
            Refusal::new(Code::BodyTooLarge, format!("a request has at most {BODY_MAX_BYTES} bytes: send less"))
        }
        BodyRefused::AtCapacity => overloaded(),
        BodyRefused::TooSlow | BodyRefused::Cut => {
            Refusal::new(Code::MalformedJson, "the body did not come whole and in time: send it again")
        }
    })?;
    // Where there is nothing there is nothing to be of a type.
    if json || body.is_empty() { Ok(body) } else { Err(not_json()) }
}

fn overloaded() -> Refusal {
    Refusal::new(Code::Overloaded, "the gateway has too much to do and nothing was done: repeat")
}

fn outcome_unknown() -> Refusal {
    let detail =
        "nobody can say yet whether this was done: repeat it with the same Idempotency-Key, or ask for the call";
    Refusal::new(Code::OutcomeUnknown, detail)
}

fn storage_unavailable() -> Refusal {
    Refusal::new(Code::StorageUnavailable, "the gateway's storage fails or is full, and nothing was done: repeat later")
}

fn storage_failed(failed: &impl std::fmt::Display) -> Refusal {
    tracing::error!(%failed, "a question at the platform's door was not answered");
    storage_unavailable()
}

fn panicked() -> Refusal {
    observe::request_panicked(Door::Platform);
    internal()
}

/// A reply that does not belong to its command: a defect of ours.
fn unexpected_reply(command: &'static str) -> Refusal {
    tracing::error!(command, "the engine gave a reply that does not belong to the command");
    internal()
}
