//! An in-memory gateway for the doors' tests: the real engine on its thread, a journal whose syncs can be stalled, and
//! one Twilio account.

use super::api::{self, Api, Scope, Token};
use super::console::{Console, Gate, Person, SessionLimits, SignInLinks};
use super::hooks::Hooks;
use crate::carrier::{Dialect, twilio};
use crate::engine::{Core, Engine, Handle, Reads, Stopped, WallClock, wall};
use crate::journal::{HookedJournal, MemoryJournal, Operation};
use crate::machine::command::{Command, Reply};
use crate::machine::event::{CommittedFrame, Event};
use crate::model::{Directory, Position, Secret, Timestamp};
use crate::net::{ClientAddress, ClientBounds};
use crate::observe::{NotReady, Readiness};
use crate::rules;
use crate::rules::opt_out::Block;
use crate::work::media::links::MediaLinks;
use crate::work::media::store::{MediaConfig, Store};
use crate::work::{
    Account, Accounts, EndpointStatus, HttpLink, MediaStore, Receivers, Replays, Requests, Verifier, verify,
};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// The caller of most tests.
pub(crate) const CALLER: &str = "+12065550142";

/// The inbound number of the queue `support`.
pub(crate) const SUPPORT: &str = "+12065550100";

const ACCOUNT_SID: &str = "AC00112233445566778899aabbccddeeff";
const AUTH_TOKEN: &str = "an auth token of a test";

pub(crate) struct TestGateway {
    pub(crate) handle: Handle,
    pub(crate) reads: Reads,
    pub(crate) readiness: Readiness,
    pub(crate) disk: Disk,
    /// Requests to verify numbers, until a worker answers them.
    to_verify: Mutex<Option<Requests>>,
    /// Replays requested of the feeds; no feed consumes them.
    pub(crate) replays: Receivers,
    engine: Engine,
    /// Where media are, without a worker that fetches any.
    pub(crate) media: MediaStore,
    links: MediaLinks,
    _folder: TempDir,
    api: Router,
    console: Router,
    hooks: Router,
}

/// A response as a client sees it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl TestGateway {
    /// A gateway with the example directory.
    pub(crate) fn new() -> Self {
        Self::with(|_| {}, &[])
    }

    /// A gateway with a modified example directory, and opted-out numbers.
    pub(crate) fn with(change: impl FnOnce(&mut Directory), opt_outs: &[&str]) -> Self {
        Self::with_account(change, opt_outs, Arc::new(dialect()), None)
    }

    /// Like [`Self::with`], with another dialect for the account `main`.
    pub(crate) fn with_account(
        change: impl FnOnce(&mut Directory),
        opt_outs: &[&str],
        dialect: Arc<dyn Dialect>,
        report_only_until: Option<Timestamp>,
    ) -> Self {
        let mut directory = rules::directory::example();
        change(&mut directory);
        let opt_outs = opt_outs.iter().map(|number| (number.parse().unwrap(), Block::everywhere())).collect();
        let seed = Command::Seed { directory: Box::new(directory), opt_outs };
        Self::seeded(Some(seed), dialect, report_only_until)
    }

    /// A gateway without a directory.
    pub(crate) fn empty() -> Self {
        Self::seeded(None, Arc::new(dialect()), None)
    }

    fn seeded(seed: Option<Command>, dialect: Arc<dyn Dialect>, report_only_until: Option<Timestamp>) -> Self {
        let disk = Disk::default();
        let stalling = disk.clone();
        let journal = HookedJournal::new(MemoryJournal::new([7; 16]), move |operation, run| {
            if operation == Operation::Sync {
                stalling.sync();
            }
            run()
        });
        let (mut core, _) = Core::in_memory(journal, WallClock::new());
        let replies = core.commit([Command::GatewayStarted].into_iter().chain(seed)).unwrap();
        assert!(replies.iter().all(|reply| *reply == Reply::Done), "{replies:?}");
        let reads = core.reads();
        let (engine, handle) = Engine::start(core).unwrap();

        let readiness = Readiness::new();
        readiness.set(NotReady::Starting, false);
        let tasks = TaskTracker::new();
        let api = Api::new(handle.clone(), reads.clone(), readiness.clone(), tasks.clone(), tokens());
        let (replays, receivers) = Replays::to(["audit", "main"]);
        let account = Account::http("main", dialect, HttpLink::new(ClientBounds::default()));
        let (carrier, public_url) = ("twilio", "https://sms.example.com".parse().ok());
        let accounts = Accounts::from_iter([Account { carrier, public_url, report_only_until, ..account }]);
        let endpoints = BTreeMap::from([("main".to_owned(), EndpointStatus::default())]);
        let api = api.with_accounts(accounts.clone()).with_endpoints(endpoints);
        let hooks = Hooks::new(accounts, handle.clone(), readiness.clone(), tasks);
        let folder = tempfile::tempdir().unwrap();
        let media = MediaStore::new(Store::open(&MediaConfig::folder(folder.path().join("media"))).unwrap());
        let links = MediaLinks::open(folder.path(), wall()).unwrap();
        let api = api.with_media(media.clone(), links.clone());
        let (verifier, requests) = Verifier::new();
        let person =
            Person { name: "anna".to_owned(), scopes: Scope::ALL.into_iter().collect(), texts: true, password: None };
        let sign_in = SignInLinks::new(
            vec![person],
            Gate { address: ([127, 0, 0, 1], 8082).into(), tls: false, public_url: None },
        );
        let api = api.with_replays(replays).with_verifier(verifier).with_sign_in(sign_in.clone());
        let limits = SessionLimits::default();
        let console = Console::new(api.clone(), sign_in, folder.path(), limits, None).router();
        let api = api::router(api);
        let to_verify = Mutex::new(Some(requests));
        Self {
            handle,
            reads,
            readiness,
            disk,
            to_verify,
            replays: receivers,
            engine,
            media,
            links,
            _folder: folder,
            api,
            console,
            hooks: hooks.router(),
        }
    }

    /// Sets the clock of the platform's door; the engine's time is unaffected.
    pub(crate) fn set_clock(&mut self, clock: fn() -> Timestamp) {
        let (handle, reads, readiness) = (self.handle.clone(), self.reads.clone(), self.readiness.clone());
        let api = Api::new(handle, reads, readiness, TaskTracker::new(), tokens());
        self.api = api::router(api.with_media(self.media.clone(), self.links.clone()).at(clock));
    }

    /// Answers requests to verify numbers from now on, without a carrier to ask.
    pub(crate) fn verify_numbers(&self) {
        let requests = self.to_verify.lock().unwrap().take().expect("a gateway has one worker");
        let (handle, reads) = (self.handle.clone(), self.reads.clone());
        tokio::spawn(verify(handle, reads, Accounts::from_iter([]), requests, CancellationToken::new()));
    }

    /// Sends a request to the console's door.
    pub(crate) async fn ask_console(&self, request: Request<Body>) -> Answer {
        answer(self.console.clone(), request).await
    }

    /// Sends a request to the platform's door.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        answer(self.api.clone(), request).await
    }

    /// Like [`Self::ask`], for a streamed response.
    pub(crate) async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.api.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn put(&self, path: &str, body: impl ToString) -> Answer {
        self.ask(request("PUT", path).body(body.to_string().into()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl ToString) -> Answer {
        self.ask(request("POST", path).body(body.to_string().into()).unwrap()).await
    }

    /// Sends a request to the carriers' door.
    pub(crate) async fn webhook(&self, request: Request<Body>) -> Answer {
        answer(self.hooks.clone(), request).await
    }

    /// The carriers' door, to serve on a listener.
    pub(crate) fn hooks(&self) -> Router {
        self.hooks.clone()
    }

    /// The platform's door, to serve on a listener.
    pub(crate) fn api(&self) -> Router {
        self.api.clone()
    }

    /// Starts a call of [`CALLER`] in `support`.
    pub(crate) async fn start_call(&self, id: &str) {
        let answer = self.put(&format!("/v1/calls/{id}"), call()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }

    /// The frames committed since the directory was loaded.
    pub(crate) fn frames(&self) -> Vec<Arc<CommittedFrame>> {
        self.reads.follow().read(Position(3), 1_000).unwrap()
    }

    /// The number of committed events that match.
    pub(crate) fn count(&self, matches: impl Fn(&Event) -> bool) -> usize {
        self.frames().iter().flat_map(|frame| &frame.events).filter(|event| matches(&event.event)).count()
    }

    /// Stops the engine, as a failed disk would.
    pub(crate) fn stop_engine(&self) {
        assert!(matches!(self.engine.stop(), Stopped::Cleanly));
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.disk.work();
        let _ended = self.engine.stop();
    }
}

async fn answer(door: Router, request: Request<Body>) -> Answer {
    let (head, body) = door.oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, 100_000_000).await.unwrap();
    Answer { status: head.status.as_u16(), headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The code of a problem; panics if the response is not a complete problem document.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let problem = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.body);
        assert_eq!(problem["status"], self.status, "{}", self.body);
        for member in ["title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{}", self.body);
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// The body that starts a call of [`CALLER`] in `support`.
pub(crate) fn call() -> Value {
    serde_json::json!({ "caller": CALLER, "queue": "support" })
}

/// A request with a token that has every scope.
pub(crate) fn request(method: &str, path: &str) -> axum::http::request::Builder {
    anonymous(method, path).header(header::AUTHORIZATION, "Bearer everything")
}

/// A request without a token.
pub(crate) fn anonymous(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json")
}

fn tokens() -> Vec<Token> {
    let token = |name: &str, scopes: &[Scope]| Token {
        name: name.to_owned(),
        scopes: scopes.iter().copied().collect(),
        texts: name != "blind",
        secret: Secret::new(name),
    };
    vec![
        token("everything", &Scope::ALL),
        token("agent", &[Scope::Send]),
        token("telephony", &[Scope::Calls]),
        token("observer", &[Scope::Read]),
        // Everything but texts.
        token("blind", &Scope::ALL),
    ]
}

fn dialect() -> twilio::Twilio {
    twilio::Twilio::new(twilio::Settings {
        name: "main".to_owned(),
        public_url: "https://sms.example.com".parse().unwrap(),
        api_url: twilio::API_URL.parse().unwrap(),
        account_sid: ACCOUNT_SID.to_owned(),
        auth_token: Secret::new(AUTH_TOKEN),
        other_auth_token: None,
        shared_keys: Vec::new(),
        keywords_off: false,
    })
}

/// The form body of a text from [`CALLER`] to [`SUPPORT`], as Twilio posts it.
pub(crate) fn text(sid: &str, body: &str) -> String {
    form(&[("MessageSid", sid), ("From", CALLER), ("To", SUPPORT), ("Body", body), ("NumMedia", "0")])
}

/// A form body with the account's SID.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("AccountSid", ACCOUNT_SID).extend_pairs(pairs).finish()
}

/// A webhook with a valid signature.
pub(crate) fn signed(path: &str, form: &str) -> Request<Body> {
    unsigned(path, form, &[&signature(path, form)])
}

/// Twilio's signature over the public URL and the form.
pub(crate) fn signature(path: &str, form: &str) -> String {
    twilio::sign(&Secret::new(AUTH_TOKEN), &format!("https://sms.example.com{path}"), form.as_bytes())
}

/// A webhook with the given signatures, from a public address.
pub(crate) fn unsigned(path: &str, form: &str, signatures: &[&str]) -> Request<Body> {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for signature in signatures {
        request = request.header("x-twilio-signature", *signature);
    }
    let client = ClientAddress("192.0.2.1".parse().unwrap());
    request.extension(client).body(form.to_owned().into()).unwrap()
}

/// A disk whose syncs can be stalled. Clones share their state.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<(Mutex<Stall>, Condvar)>);

#[derive(Default)]
struct Stall {
    stalls: bool,
    /// A sync is waiting.
    waiting: bool,
}

impl Disk {
    /// Makes every further sync wait.
    pub(crate) fn stall(&self) {
        self.0.0.lock().unwrap().stalls = true;
    }

    /// Lets syncs continue.
    pub(crate) fn work(&self) {
        self.0.0.lock().unwrap().stalls = false;
        self.0.1.notify_all();
    }

    /// Waits, off the runtime, until a sync is stalled: the engine is then busy with a batch.
    pub(crate) async fn is_stalling(&self) {
        let disk = self.clone();
        let waiting = move || {
            let (stall, changed) = &*disk.0;
            drop(changed.wait_while(stall.lock().unwrap(), |stall| !stall.waiting).unwrap());
        };
        tokio::task::spawn_blocking(waiting).await.unwrap();
    }

    fn sync(&self) {
        let (stall, changed) = &*self.0;
        let mut stall = stall.lock().unwrap();
        stall.waiting = stall.stalls;
        changed.notify_all();
        let mut stall = changed.wait_while(stall, |stall| stall.stalls).unwrap();
        stall.waiting = false;
        drop(stall);
    }
}
