//! The platform's door: `/v1`.
//!
//! Invariant: nothing is read or written without a token with the route's scope, or a link to that one medium. To a write, a 2xx means that it is on
//! disk, a 503 that it was not accepted, and a 504 that its outcome is unknown. Every error response is a problem with
//! a code from the closed list.

mod audit;
mod auth;
mod calls;
mod conditions;
mod console_links;
mod directory;
mod document;
mod erasures;
mod events;
mod explain;
pub(in crate::http) mod fields;
mod health;
mod idempotency;
mod lanes;
mod links;
mod me;
mod media;
mod messages;
mod openapi;
mod opt_outs;
mod page;
mod quarantine;
mod reconcile;
mod replay;
mod reports;
mod routes;
mod suspend;
#[cfg(test)]
mod tests;
mod verify;

pub use document::ERASED_OPT_OUTS;

pub use auth::{Client, Scope, Token, Tokens};
pub(super) use links::is_link;

use self::events::{ClientLimits, LiveEvents, PULLS, STREAMS};
use self::idempotency::{Held, InFlight};
use super::answer::{encoded, internal, problem};
use super::console::SignInLinks;
use crate::engine::{ErasureHandle, Handle, ReadAt, Reads, SubmitError};
use crate::machine::command::{Command, IdempotencyKey, Reply};
use crate::machine::show;
use crate::machine::urgency::NewWork;
use crate::model::{EventId, Timestamp};
use crate::net::{BodyRefused, MayBeDone, read_body};
use crate::observe::{self, Door, NotReady, Readiness};
use crate::rules::refusal::{Code, Refusal};
use crate::work::media::links::MediaLinks;
use crate::work::{Accounts, EndpointStatus, MediaStore, Reconciler, Replays, Verifier};
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request};
use axum::response::Response;
use bytes::Bytes;
use document::Turn;
use health::Refusals;
use page::Query;
use routes::Route;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

pub use routes::router;

/// Maximum size of a request body other than a document of the directory. A text has at most 918 characters, and no other field is longer.
pub const BODY_MAX_BYTES: usize = 64 * 1024;

/// How long a command may wait for the engine; after that it is dropped and the response is 503.
const DECIDED_WITHIN: Duration = Duration::from_millis(1_500);

/// How long to wait for a command's outcome; after that the response is 504.
const OUTCOME_WITHIN: Duration = Duration::from_secs(10);

/// Maximum number of concurrent queries of rows and files. Each blocks a thread; more do not help two cores and one
/// disk.
const QUERIES_MAX: usize = 8;

/// Maximum number of concurrent reads of events from files.
const EVENT_READS_MAX: usize = 4;

/// How long a query may wait for its permit, and again for its result.
const QUERY_WITHIN: Duration = Duration::from_secs(2);

/// The header that names the position an answer was read at.
const CURSOR_HEADER: &str = "offhook-cursor";

/// The platform's door: its state and its handles to the rest of the gateway. Clones share them.
#[derive(Clone)]
pub struct Api {
    engine: Handle,
    reads: Reads,
    readiness: Readiness,
    tasks: TaskTracker,
    tokens: Tokens,
    in_flight: InFlight,
    queries: Arc<Semaphore>,
    pulls: ClientLimits,
    streams: ClientLimits,
    /// Permits to read events from files.
    files: Arc<Semaphore>,
    live: LiveEvents,
    /// One document of the directory at a time.
    documents: Arc<Semaphore>,
    replays: Replays,
    verifier: Verifier,
    reconciler: Reconciler,
    demo: bool,
    /// Clients are people, named by the console's door from their sessions; tokens are not read.
    for_people: bool,
    /// What names this build to its clients.
    build: &'static str,
    sign_in: Option<SignInLinks>,
    accounts: Accounts,
    endpoints: BTreeMap<String, EndpointStatus>,
    refusals: Arc<Refusals>,
    erasures: ErasureHandle,
    media: Option<MediaStore>,
    links: Option<MediaLinks>,
    clock: fn() -> Timestamp,
}

/// An authorized and fully read request.
struct ApiRequest {
    client: Arc<Client>,
    headers: HeaderMap,
    /// The path of the request line.
    path: String,
    /// The path parameters of the route.
    params: Params,
    query: Query,
    body: Bytes,
    /// For a document of the directory: permission to hold it in memory.
    turn: Option<Turn>,
}

/// Path parameters, by name.
type Params = Vec<(String, String)>;

type Answered = Result<Response, Refusal>;

impl Api {
    /// A door that accepts these tokens. Work that has begun runs to its end in `tasks`, even if the client
    /// disconnects.
    pub fn new(
        engine: Handle,
        reads: Reads,
        readiness: Readiness,
        tasks: TaskTracker,
        tokens: impl Into<Tokens>,
    ) -> Self {
        let live = LiveEvents::new(reads.follow(), &readiness, &tasks);
        Self {
            engine,
            reads,
            readiness,
            tasks,
            tokens: tokens.into(),
            in_flight: InFlight::default(),
            queries: Arc::new(Semaphore::new(QUERIES_MAX)),
            pulls: ClientLimits::new(PULLS),
            streams: ClientLimits::new(STREAMS),
            files: Arc::new(Semaphore::new(EVENT_READS_MAX)),
            live,
            documents: Arc::new(Semaphore::new(1)),
            replays: Replays::default(),
            verifier: Verifier::stopped(),
            reconciler: Reconciler::default(),
            demo: false,
            for_people: false,
            build: env!("CARGO_PKG_VERSION"),
            sign_in: None,
            accounts: Accounts::default(),
            endpoints: BTreeMap::new(),
            refusals: Arc::default(),
            media: None,
            links: None,
            erasures: ErasureHandle::new().0,
            clock: super::wall_clock,
        }
    }

    /// The names of the configured accounts, sorted.
    fn account_names(&self) -> Vec<String> {
        let mut names = self.accounts.names();
        names.sort_unstable();
        names
    }

    /// Enables replays of events.
    pub fn with_replays(self, replays: Replays) -> Self {
        Self { replays, ..self }
    }

    /// Whether this is the gateway of the demo.
    pub fn in_demo(self, demo: bool) -> Self {
        Self { demo, ..self }
    }

    /// Makes one-time links for the console.
    pub fn with_sign_in(self, links: SignInLinks) -> Self {
        Self { sign_in: Some(links), ..self }
    }

    /// The same for the console's door, whose pages are of this build.
    pub(super) fn for_people(self, build: &'static str) -> Self {
        Self { for_people: true, build, ..self }
    }

    /// Has a command decided whose outcome changes no answer. It is, whether somebody waits for it or not.
    pub(super) fn note(&self, command: Command) -> JoinHandle<()> {
        let engine = self.engine.clone();
        self.tasks.spawn(async move {
            if let Err(error) = engine.submit(command, OUTCOME_WITHIN).await {
                tracing::warn!(%error, "an act at the console is not in the audit");
            }
        })
    }

    /// Counts a refusal for `/v1/health`.
    pub(super) fn count(&self, code: Code) {
        self.refusals.count(code);
    }

    /// Makes the configured accounts known.
    pub fn with_accounts(self, accounts: Accounts) -> Self {
        Self { accounts, ..self }
    }

    /// Makes the platform's endpoints known, each with its status.
    pub fn with_endpoints(self, endpoints: BTreeMap<String, EndpointStatus>) -> Self {
        Self { endpoints, ..self }
    }

    /// Enables verification of numbers.
    pub fn with_verifier(self, verifier: Verifier) -> Self {
        Self { verifier, ..self }
    }

    /// Enables lists of messages to be read.
    pub fn with_reconciler(self, reconciler: Reconciler) -> Self {
        Self { reconciler, ..self }
    }

    /// Enables erasures to be worked on.
    pub fn with_erasures(self, erasures: ErasureHandle) -> Self {
        Self { erasures, ..self }
    }

    /// Serves the media of this store, also by these links.
    pub fn with_media(self, media: MediaStore, links: MediaLinks) -> Self {
        Self { media: Some(media), links: Some(links), ..self }
    }

    /// Replaces the clock.
    #[cfg(test)]
    pub(super) fn at(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    async fn answer(self: Arc<Self>, route: &'static Route, request: Request) -> Response {
        let answered = Arc::clone(&self).authorize_and_route(route, request).await;
        let refused = answered.as_ref().err().map(|refusal| refusal.code.word());
        if let Err(refusal) = &answered {
            self.refusals.count(refusal.code);
        }
        let response = answered.unwrap_or_else(|refusal| problem(&refusal));
        observe::api_request(route.verb.word(), route.path, response.status(), refused);
        response
    }

    /// Checks credential, scope, query and body, then calls the route's handler.
    async fn authorize_and_route(self: Arc<Self>, route: &'static Route, request: Request) -> Answered {
        let (mut head, body) = request.into_parts();
        let params = params(&mut head).await;
        let client = match self.linked(route, &head, params.as_deref().unwrap_or_default())? {
            Some(client) => client,
            None => self.client(&head)?,
        };
        client.require(route.scope)?;
        let query = Query::read(head.uri.query().unwrap_or_default(), route.query)?;
        let params = params?;
        let turn = if route.is_document() { Some(self.document_turn().await?) } else { None };
        let body = match route.verb.has_body() {
            true => json_body(&head.headers, body, route.body_max_bytes()).await?,
            false => Bytes::new(),
        };
        let path = head.uri.path().to_owned();
        let request = ApiRequest { client, path, headers: head.headers, params, query, body, turn };
        // From here on the write may reach the engine.
        if let Some(may_be_done) = head.extensions.get::<MayBeDone>().filter(|_| route.verb.writes()) {
            may_be_done.set();
        }
        if route.verb.writes() {
            return (route.answer)(self, request).await;
        }
        let read_at = ReadAt::default();
        let reader = Arc::new(Self { reads: self.reads.noting(&read_at), ..Self::clone(&self) });
        let mut response = (route.answer)(reader, request).await?;
        if response.status() == StatusCode::OK && !response.headers().contains_key(CURSOR_HEADER) {
            // What is not read from the journal's state is the same at any position.
            cursor_header(&mut response, read_at.cursor().unwrap_or_else(|| self.reads.follow().end()));
        }
        Ok(response)
    }

    /// Refuses a request that matches no route; without a valid token the refusal is a 401.
    async fn not_found(self: Arc<Self>, refusal: Refusal, request: Request) -> Response {
        let (head, _) = request.into_parts();
        let refusal = self.client(&head).map_or_else(|unauthorized| unauthorized, |_| refusal);
        self.refusals.count(refusal.code);
        let response = problem(&refusal);
        observe::api_request("other", "elsewhere", response.status(), Some(refusal.code.word()));
        response
    }

    /// Submits a command. It runs as its own task, so a client that disconnects does not cancel it.
    async fn decide(&self, command: Command, key: Option<IdempotencyKey>) -> Result<Reply, Refusal> {
        self.takes_work()?;
        if self.readiness.holds(NotReady::LowDisk) && self.is_new_work(&command).await? {
            return Err(storage_unavailable());
        }
        let held = key.map(|key| self.in_flight.hold(key)).transpose()?;
        self.submit(command, held).await
    }

    async fn is_new_work(&self, command: &Command) -> Result<bool, Refusal> {
        match command.new_work() {
            NewWork::Yes => Ok(true),
            NewWork::No => Ok(false),
            NewWork::IfUnknown(call) => Ok(!self.call_exists(call.clone()).await?),
        }
    }

    /// Like [`Self::decide`], without its checks and with the idempotency key already held.
    async fn submit(&self, command: Command, held: Option<Held>) -> Result<Reply, Refusal> {
        let engine = self.engine.clone();
        let work = self.tasks.spawn(async move {
            // Held until the outcome is known, even after the client's timeout.
            let _held = held;
            engine.submit(command, DECIDED_WITHIN).await
        });
        match timeout(OUTCOME_WITHIN, work).await {
            Ok(Ok(Ok(Reply::Refused(refusal)))) => Err(refusal),
            Ok(Ok(Ok(reply))) => Ok(reply),
            Ok(Ok(Err(SubmitError::Busy | SubmitError::TooLate))) => Err(overloaded()),
            Ok(Ok(Err(SubmitError::Stopped))) | Err(_) => Err(outcome_unknown()),
            Ok(Err(_panicked)) => Err(panicked()),
        }
    }

    /// Refuses work while the gateway is draining or its storage is unavailable.
    fn takes_work(&self) -> Result<(), Refusal> {
        if self.readiness.holds(NotReady::Draining) {
            return Err(Refusal::new(Code::Draining, "shutting down; nothing was changed, retry"));
        }
        if self.readiness.holds(NotReady::StorageUnavailable) {
            return Err(storage_unavailable());
        }
        Ok(())
    }

    /// Runs a query of committed state off the runtime, because it may read the disk.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reads, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        if self.readiness.holds(NotReady::StorageUnavailable) {
            return Err(storage_unavailable());
        }
        let permit = timeout(QUERY_WITHIN, Arc::clone(&self.queries).acquire_owned()).await;
        let permit = permit.map_err(|_| overloaded())?.map_err(|_| internal())?;
        let (reads, clock) = (self.reads.clone(), self.clock);
        let result = tokio::task::spawn_blocking(move || {
            // Held until the query ends, even after the client's timeout.
            let _permit = permit;
            query(&reads, clock())
        });
        match timeout(QUERY_WITHIN, result).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panicked)) => Err(panicked()),
            Err(_late) => Err(overloaded()),
        }
    }
}

impl ApiRequest {
    /// A path parameter; empty if the route has none of that name.
    fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Reads the path parameters.
async fn params(head: &mut request::Parts) -> Result<Params, Refusal> {
    let params = RawPathParams::from_request_parts(head, &()).await;
    let params = params.map_err(|_| Refusal::new(Code::NotFound, "path is not valid UTF-8"))?;
    Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Reads the body: unencoded JSON, at most `max_bytes`.
pub(super) async fn json_body(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Bytes, Refusal> {
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
    let body = read_body(body, max_bytes).await.map_err(|refused| match refused {
        BodyRefused::TooLarge => {
            let detail = format!("the body is larger than {max_bytes} bytes: send less at once");
            Refusal::new(Code::BodyTooLarge, detail)
        }
        BodyRefused::AtCapacity => overloaded(),
        BodyRefused::TooSlow | BodyRefused::Cut => {
            Refusal::new(Code::MalformedJson, "the body was incomplete or too slow; retry")
        }
    })?;
    // An empty body needs no content type.
    if json || body.is_empty() { Ok(body) } else { Err(not_json()) }
}

/// Adds the position that an answer was read at.
fn cursor_header(response: &mut Response, at: EventId) {
    let cursor = HeaderValue::try_from(show::cursor(at)).expect("a cursor consists of letters and digits");
    response.headers_mut().insert(CURSOR_HEADER, cursor);
}

fn overloaded() -> Refusal {
    Refusal::new(Code::Overloaded, "overloaded; nothing was changed, retry")
}

fn outcome_unknown() -> Refusal {
    let detail = "the outcome is not known yet: retry with the same Idempotency-Key, or query the call";
    Refusal::new(Code::OutcomeUnknown, detail)
}

fn storage_unavailable() -> Refusal {
    Refusal::new(Code::StorageUnavailable, "storage is failing or full; nothing was changed, retry later")
}

fn storage_failed(failed: &impl std::fmt::Display) -> Refusal {
    tracing::error!(%failed, "API query failed: storage error");
    storage_unavailable()
}

fn panicked() -> Refusal {
    observe::request_panicked(Door::Platform);
    internal()
}

/// The engine's reply does not match its command (bug).
fn unexpected_reply(command: &'static str) -> Refusal {
    tracing::error!(command, "engine reply does not match the command (bug)");
    internal()
}
