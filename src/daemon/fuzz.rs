//! What the fuzzer calls: the platform's door, on a gateway in memory.

use crate::carrier::fuzz::Written;
use crate::config::seed;
use crate::engine::{Core, Engine, Reads, WallClock};
use crate::http::api::{Api, Scope, Token, router};
use crate::index::{Claims, MemoryIndex};
use crate::journal::MemoryJournal;
use crate::machine::command::{Command, PutCall};
use crate::model::{CallId, Caller, Directory, Phase, Position, QueueId, Secret};
use crate::observe::{NotReady, Readiness};
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde_json::Value;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

static DIRECTORY: LazyLock<Directory> = LazyLock::new(|| {
    let example = include_str!("../../config/directory.example.json");
    seed::read(example, &["main".to_owned()]).expect("a test reads the example").directory
});

/// One thread of its own for the door's work.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread can be had"));

/// The most that an answer is read of: an event stream never ends, and is not read.
const ANSWER_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Asks a gateway, in which the call `c-1` goes on, what `input` says. Whatever it is, the answer is no 5xx, and a refusal
/// is a problem with a code and a way out. A send that is asked again with its key has no second effect.
///
/// The input is written as [`twilio`](fn@crate::carrier::fuzz::twilio) has it. Without a credential it gets one for all.
pub fn api(input: &[u8]) {
    let written = Written::read(input);
    let Some(first) = request(&written) else { return };
    let gateway = Gateway::new();
    RUNTIME.block_on(async {
        let answer = gateway.ask(first).await;
        let keyed = written.headers.contains_key("idempotency-key") && written.target.ends_with("/messages");
        if let Some(again) = request(&written).filter(|_| keyed && answer == StatusCode::ACCEPTED) {
            let committed = gateway.committed();
            assert_eq!(gateway.ask(again).await, answer);
            assert_eq!(gateway.committed(), committed, "the same key has no second effect");
        }
    });
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
    door: Router,
    reads: Reads,
    engine: Engine,
}

impl Gateway {
    fn new() -> Self {
        let (journal, claims) = (MemoryJournal::new([1; 16]), Claims::in_memory([2; 16], 1_000));
        let clock = Box::new(WallClock::new());
        let core = Core::recover(Box::new(journal), Box::new(MemoryIndex::new()), claims, clock);
        let (mut core, _) = core.expect("memory does not fail");
        let seed = Command::Seed { directory: Box::new(DIRECTORY.clone()), opt_outs: Vec::new() };
        core.commit([Command::GatewayStarted, seed, Command::PutCall(call())]).expect("memory does not fail");
        let reads = core.reads();
        let (engine, handle) = Engine::start(core).expect("a thread can be had");
        let readiness = Readiness::new();
        readiness.set(NotReady::Starting, false);
        let token =
            Token { name: "everything".to_owned(), scopes: Scope::ALL.into(), secret: Secret::new("everything") };
        let api = Api::new(handle, reads.clone(), readiness, TaskTracker::new(), vec![token]);
        Self { door: router(api), reads, engine }
    }

    fn committed(&self) -> Position {
        self.reads.follow().committed()
    }

    /// Asks, and checks what can be checked of any answer.
    async fn ask(&self, request: Request<Body>) -> StatusCode {
        let method = request.method().clone();
        let answer = self.door.clone().oneshot(request).await.expect("the door cannot fail");
        let (head, body) = answer.into_parts();
        assert!(!head.status.is_server_error(), "nothing of ours failed, and the answer is {}", head.status);
        if kind(&head.headers) == "text/event-stream" {
            return head.status;
        }
        let body = to_bytes(body, ANSWER_MAX_BYTES).await.expect("an answer is not that long");
        if method == http::Method::HEAD {
            return head.status;
        }
        let body: Value = serde_json::from_slice(&body).expect("an answer is JSON");
        if !head.status.is_success() {
            assert_eq!(kind(&head.headers), "application/problem+json");
            assert_eq!(body["status"], head.status.as_u16());
            for member in ["code", "title", "detail"] {
                assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{body}");
            }
        }
        head.status
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
    PutCall {
        call: CallId::read("c-1").expect("it is a call id"),
        caller: Caller::read("+12065550142").expect("it is a number"),
        queue: QueueId::try_from("support".to_owned()).expect("it is a name"),
        language: None,
        phase: Phase::Connected,
        agent: None,
        call_type: "inbound_ivr".to_owned(),
        wait_sms_consent: false,
        version: None,
        alternative: None,
        attestation: None,
    }
}
