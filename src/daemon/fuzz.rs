//! Fuzz entry points: the platform's and the carriers' door on an in-memory gateway, and systemd's socket names.

use super::systemd;
use crate::carrier::fuzz::{TWILIO, Written, signature};
use crate::config::seed;
use crate::engine::{Core, Engine, Reads, SetClock};
use crate::http::api::{Api, Scope, Token, router};
use crate::http::hooks::Hooks;
use crate::journal::MemoryJournal;
use crate::machine::command::{Command, PutCall};
use crate::model::{CallId, Caller, Directory, Position, QueueId, Secret, Timestamp};
use crate::net::ClientBounds;
use crate::observe::{NotReady, Readiness};
use crate::work::{Account, Accounts, HttpLink};
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

static DIRECTORY: LazyLock<Directory> = LazyLock::new(|| {
    let example = include_str!("../../config/directory.example.json");
    seed::read(example, &["main".to_owned()]).expect("a test reads the example").directory
});

/// A thread of its own for the door's tasks.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread can be had"));

/// Maximum response size that is read. Event streams never end and are not read.
const ANSWER_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Separates the requests of one input.
const AND_THEN: &[u8] = b"\n====\n";

/// Maximum requests per input.
const REQUESTS_MAX: usize = 4;

/// A request that waits for events is abandoned after this; an input cannot take 30 s.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// The time of everything, so that ids and cursors are the same in every run: 2025-11-22T06:00:00Z.
const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);

/// Sends the requests of `input` to a gateway with an active call `c-1`, one after another. No response may be a 5xx,
/// every refusal must be a problem with a code and a fix, and a send repeated with its key must have no second
/// effect.
///
/// Requests are written as for [`twilio`](fn@crate::carrier::fuzz::twilio), separated by a line `====`. A request
/// without a credential gets one with all scopes.
pub fn api(input: &[u8]) {
    let _statuses = ask_all(input);
}

/// The responses; `None` for a request that was abandoned.
fn ask_all(input: &[u8]) -> Vec<Option<StatusCode>> {
    let mut statuses = Vec::new();
    let mut gateway = None;
    for part in parts(input) {
        let written = Written::read(part);
        let Some(first) = request(&written) else { continue };
        let gateway = gateway.get_or_insert_with(Gateway::new);
        RUNTIME.block_on(async {
            let answer = gateway.ask(first).await;
            statuses.push(answer);
            let keyed = written.headers.contains_key("idempotency-key") && written.target.ends_with("/messages");
            if let Some(again) = request(&written).filter(|_| keyed && answer == Some(StatusCode::ACCEPTED)) {
                let committed = gateway.committed();
                assert_eq!(gateway.ask(again).await, answer);
                assert_eq!(gateway.committed(), committed, "the same key has no second effect");
            }
        });
    }
    statuses
}

fn parts(input: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), input);
    while let Some(at) = rest.windows(AND_THEN.len()).position(|window| window == AND_THEN) {
        parts.push(&rest[..at]);
        rest = &rest[at + AND_THEN.len()..];
    }
    parts.push(rest);
    parts.truncate(REQUESTS_MAX);
    parts
}

/// Sends `input`, written as for [`twilio`](fn@crate::carrier::fuzz::twilio), to the carriers' door. A form without a
/// signature is signed. A refused webhook must leave nothing, and an acknowledged one must have no second effect when
/// repeated.
pub fn hooks(input: &[u8]) {
    let written = Written::read(input);
    let Some(first) = webhook(&written) else { return };
    let gateway = Gateway::new();
    RUNTIME.block_on(async {
        let before = gateway.committed();
        let answer = gateway.bring(first).await;
        assert!(!answer.is_server_error(), "nothing failed in the gateway, but the answer is {answer}");
        let committed = gateway.committed();
        assert!(answer.is_success() || committed == before, "{answer}, but something was stored");
        let again = webhook(&written).expect("it was one before");
        assert_eq!(gateway.bring(again).await, answer);
        assert_eq!(gateway.committed(), committed, "the same webhook has no second effect");
    });
}

/// Reads `input` as systemd's socket activation: the number of sockets, then their names as in `LISTEN_FDNAMES`. Each
/// is for a door of its own, or all are refused.
pub fn sockets(input: &[u8]) {
    let Some((count, names)) = input.split_first() else { return };
    let count = usize::from(count % 16);
    if let Ok(doors) = systemd::doors(&String::from_utf8_lossy(names), count) {
        assert_eq!(doors.iter().collect::<BTreeSet<_>>().len(), count);
    }
}

fn webhook(written: &Written<'_>) -> Option<Request<Body>> {
    let mut request = Request::builder().method(written.method.clone()).uri(&written.target);
    let headers = request.headers_mut()?;
    headers.extend(written.headers.clone());
    if !headers.contains_key("x-twilio-signature") {
        headers.insert("x-twilio-signature", signature(&written.target, &written.body));
    }
    request.body(Body::from(written.body.clone())).ok()
}

fn request(written: &Written<'_>) -> Option<Request<Body>> {
    let mut request = Request::builder().method(written.method.clone()).uri(&written.target);
    let headers = request.headers_mut()?;
    headers.extend(written.headers.clone());
    for (name, default) in [(header::AUTHORIZATION, "Bearer everything"), (header::CONTENT_TYPE, "application/json")] {
        headers.entry(name).or_insert(HeaderValue::from_static(default));
    }
    request.body(Body::from(written.body.clone())).ok()
}

struct Gateway {
    api: Router,
    hooks: Router,
    reads: Reads,
    engine: Engine,
}

impl Gateway {
    fn new() -> Self {
        let (mut core, _) = Core::in_memory(MemoryJournal::new([1; 16]), SetClock::at(NOW));
        let seed = Command::Seed { directory: Box::new(DIRECTORY.clone()), opt_outs: Vec::new() };
        core.commit([Command::GatewayStarted, seed, Command::PutCall(call())]).expect("memory does not fail");
        let reads = core.reads();
        let (engine, handle) = Engine::start(core).expect("a thread can be had");
        let readiness = Readiness::new();
        readiness.set(NotReady::Starting, false);
        let token = Token {
            name: "everything".to_owned(),
            scopes: Scope::ALL.into(),
            texts: true,
            secret: Secret::new("everything"),
        };
        let link = HttpLink::new(ClientBounds::default());
        let accounts = Accounts::from_iter([Account::http("main", TWILIO.clone(), link)]);
        let hooks = Hooks::new(accounts, handle.clone(), readiness.clone(), TaskTracker::new());
        let api = Api::new(handle, reads.clone(), readiness, TaskTracker::new(), vec![token]);
        Self { api: router(api), hooks: hooks.router(), reads, engine }
    }

    fn committed(&self) -> Position {
        self.reads.follow().committed()
    }

    /// Sends a carrier's webhook.
    async fn bring(&self, webhook: Request<Body>) -> StatusCode {
        self.hooks.clone().oneshot(webhook).await.expect("the door cannot fail").status()
    }

    /// Sends a request, and checks what holds for every response.
    async fn ask(&self, request: Request<Body>) -> Option<StatusCode> {
        let method = request.method().clone();
        let waits = request.uri().query().is_some_and(|query| query.contains("wait_ms"));
        let response = self.api.clone().oneshot(request);
        let answer = if waits { timeout(WAIT_MAX, response).await.ok()? } else { response.await };
        let answer = answer.expect("the door cannot fail");
        let (head, body) = answer.into_parts();
        assert!(!head.status.is_server_error(), "nothing failed in the gateway, but the answer is {}", head.status);
        if kind(&head.headers) == "text/event-stream" {
            return Some(head.status);
        }
        let body = to_bytes(body, ANSWER_MAX_BYTES).await.expect("an answer is not that long");
        if method == http::Method::HEAD {
            return Some(head.status);
        }
        let body: Value = serde_json::from_slice(&body).expect("an answer is JSON");
        if !head.status.is_success() {
            assert_eq!(kind(&head.headers), "application/problem+json");
            assert_eq!(body["status"], head.status.as_u16());
            for member in ["code", "title", "detail"] {
                assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{body}");
            }
        }
        Some(head.status)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended = self.engine.stop();
    }
}

fn kind(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

fn call() -> PutCall {
    PutCall::new(
        CallId::read("c-1").expect("it is a call id"),
        Caller::read("+12065550142").expect("it is a number"),
        QueueId::try_from("support".to_owned()).expect("it is a name"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn g23_seeds_with_a_message_or_event_id_find_it() {
        for (seed, expected) in [
            ("message", [202, 200]),
            ("explain", [202, 200]),
            ("cancel", [202, 200]),
            ("transcript", [202, 200]),
            ("events", [202, 200]),
            ("stream", [202, 200]),
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/api").join(seed);
            let statuses = ask_all(&fs::read(path).unwrap());
            assert_eq!(statuses.into_iter().flatten().collect::<Vec<_>>(), expected, "{seed}");
        }
    }
}
