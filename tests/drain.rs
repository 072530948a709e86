//! Delivery after an outage with a large backlog (G17): it takes little memory, is fast, delivers each event once and
//! in order, and does not delay calls that begin meanwhile.
//!
//! `OFFHOOK_EVENTS=360000 cargo test --release --test drain -- --nocapture` measures throughput and memory.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use offhook::engine::{Clock, Core, Engine, Handle, WallClock};
use offhook::journal::{FileJournal, Options};
use offhook::machine::command::{Command, PutCall, Reply};
use offhook::model::{CallId, Caller, Directory, Position, Queue, QueueId, Settings, Timestamp};
use offhook::net::{Client, ClientBounds};
use offhook::observe::Readiness;
use offhook::work::feed::{Bounds, Feed, Filter, Start};
use offhook::work::{Endpoint, Moment, Replays, deliver};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Events in the backlog, unless set by `OFFHOOK_EVENTS`.
const EVENTS: u64 = 12_000;

/// Events per call, and concurrent calls.
const EVENTS_OF_A_CALL: u64 = 9;
const CALLS_AT_ONCE: u64 = 1_000;

/// At this rate, the backlog of a one-hour outage at a hundred events a second is delivered in three minutes.
const EVENTS_A_SECOND_MIN: f64 = 2_000.0;

/// Serialises these tests, because they measure the memory of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// How much the feed may add to the process's memory, in kilobytes.
const MEMORY_MAX_KB: u64 = 64 * 1024;

#[test]
fn g17_a65_a_backlog_drains_in_order_in_little_memory_and_delays_no_new_call() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let setting = std::env::var("OFFHOOK_EVENTS").ok();
    // Only a long run of an optimised build measures throughput.
    let is_measured = setting.is_some() && !cfg!(debug_assertions);
    let events = setting.map_or(EVENTS, |text| text.parse().expect("OFFHOOK_EVENTS is a number"));
    let place = tempfile::tempdir().expect("a temporary directory");
    let (core, began) = filled(place.path(), events, WallClock::new());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let figures = runtime.block_on(drain(core, began, events));
    println!("{figures:#?}");
    assert_eq!(figures.duplicates, 0, "without a crash nothing is delivered twice");
    assert!(figures.before_the_new_call < events / 2, "{} events came before it", figures.before_the_new_call);
    assert!(figures.added_kb < MEMORY_MAX_KB, "{} kB more", figures.added_kb);
    assert!(!is_measured || figures.events_a_second >= EVENTS_A_SECOND_MIN, "{} a second", figures.events_a_second);
}

/// The measurements.
#[derive(Debug)]
#[allow(dead_code, reason = "printed with Debug")]
struct Figures {
    events: u64,
    seconds: f64,
    events_a_second: f64,
    /// The process's peak memory, above its memory before the feed started.
    added_kb: u64,
    /// Events delivered before the first of a call that began after the outage, and how long that took.
    before_the_new_call: u64,
    new_call_after_ms: u128,
    duplicates: u64,
}

#[test]
fn a_hundred_thousand_parked_calls_cost_a_few_hundred_bytes_each() {
    const CALLS: u64 = 100_000;
    const BYTES_MAX: u64 = 600;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before_kb = resident_kb();
    let parked = (0..CALLS).map(|call| (format!("2f6c1a54-7c1e-4f0a-9d3e-{call:012}"), Position(call + 1))).collect();
    let start = Start { watermark: Position(CALLS + 1), parked };
    let mut feed = Feed::new(start, Filter::default(), Bounds::default());
    let now = Moment { elapsed: Duration::ZERO, wall: Timestamp::default() };
    assert!(feed.next(now).is_empty());
    assert_eq!(feed.wants(Position(CALLS)).len(), 2, "the backlog reader and the one for parked calls");
    let bytes = resident_kb().saturating_sub(before_kb) * 1024 / CALLS;
    println!("{bytes} bytes for each parked call, when all of them are due for a retry");
    assert!(bytes < BYTES_MAX, "{bytes} bytes each");
}

/// A gateway's core with this many undelivered events.
fn filled(place: &Path, events: u64, clock: impl Clock + 'static) -> (Core, Position) {
    let journal = FileJournal::open(&place.join("journal"), Options::default()).expect("a journal");
    let (mut core, _) = Core::in_memory(journal, clock);
    let queue = Queue {
        name: "Support".to_owned(),
        parent: None,
        in_call_sms: None,
        inbound_numbers: Vec::new(),
        outbound_numbers: Vec::new(),
        default_outbound: None,
        language: None,
    };
    let queues = BTreeMap::from([(queue_id(), queue)]);
    let directory = Directory::new(Settings::default(), BTreeMap::new(), queues, BTreeMap::new(), BTreeMap::new());
    let seed = Command::Seed { directory: Box::new(directory), opt_outs: Vec::new() };
    assert_eq!(core.commit([seed]).expect("the journal is writable"), [Reply::Done]);
    let began = core.follow().committed().next();
    let mut commands = (0..events).map(|nth| {
        let block = CALLS_AT_ONCE * EVENTS_OF_A_CALL;
        let call = nth / block * CALLS_AT_ONCE + nth % CALLS_AT_ONCE;
        put_call(&format!("call-{call:09}"), nth)
    });
    loop {
        let batch: Vec<_> = commands.by_ref().take(256).collect();
        if batch.is_empty() {
            return (core, began);
        }
        core.commit(batch).expect("the journal is writable");
    }
}

async fn drain(core: Core, began: Position, events: u64) -> Figures {
    let follow = core.follow();
    let (engine, handle) = Engine::start(core).expect("a thread");
    let before_kb = resident_kb();
    let (reserved, address) = reserve_port();
    let (_senders, mut replays) = Replays::to(["main"]);
    let replays = replays.remove("main").expect("a receiver for main");
    let start = Start { watermark: began, parked: Vec::new() };
    let (ready, stop) = (Readiness::new(), CancellationToken::new());
    let feed = deliver(endpoint(address), start, handle.clone(), follow, replays, ready, stop.clone());
    let feed = tokio::spawn(feed);

    // While the endpoint is down the window fills.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut most_kb = resident_kb();
    let (platform, mut delivered) = Platform::new();
    let server = tokio::spawn(serve(reserved, Arc::clone(&platform)));
    delivered.wait_for(|delivered| *delivered > 0).await.expect("the platform runs");
    let first = Instant::now();
    begin(&handle, "new").await;
    let mut new_call = None;
    loop {
        let all = tokio::time::timeout(Duration::from_millis(50), delivered.wait_for(|delivered| *delivered > events))
            .await
            .is_ok();
        most_kb = most_kb.max(resident_kb());
        let seen = platform.state.lock().expect("the lock is not poisoned");
        if new_call.is_none() {
            new_call = seen.new_call.map(|(before, at)| (before, at.duration_since(first)));
        }
        if all {
            break;
        }
    }
    let seconds = first.elapsed().as_secs_f64();
    stop.cancel();
    feed.await.expect("no panic").expect("no error");
    server.abort();
    tokio::task::spawn_blocking(move || engine.stop()).await.expect("the engine stops");
    let (before_the_new_call, after) = new_call.expect("the new call was delivered");
    let duplicates = platform.state.lock().expect("the lock is not poisoned").duplicates;
    Figures {
        events,
        seconds,
        events_a_second: events as f64 / seconds,
        added_kb: most_kb.saturating_sub(before_kb),
        before_the_new_call,
        new_call_after_ms: after.as_millis(),
        duplicates,
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint {
        name: "main".to_owned(),
        url: format!("http://{address}/events").parse().expect("an address"),
        keys: vec![standardwebhooks::Webhook::from_bytes(vec![7; 32]).expect("a key")].into(),
        client: Client::new(ClientBounds { idle_max: 64, ..ClientBounds::default() }),
        events: Filter::default(),
        status: Default::default(),
    }
}

/// An endpoint answers 503 for ten seconds while 12,000 events wait: then a new call and all the others are delivered
/// soon, whereas the schedule of refused events would take minutes. The gateway's time is an hour ahead of the
/// machine's clock, which must not affect the signatures.
#[test]
fn f23_f24_events_flow_after_503s_and_are_signed_by_the_machines_clock() {
    const DOWN: Duration = Duration::from_secs(10);
    const RECOVERED_WITHIN: Duration = Duration::from_secs(60);
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = tempfile::tempdir().expect("a temporary directory");
    let (core, began) = filled(place.path(), EVENTS, Ahead(WallClock::new()));
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let follow = core.follow();
        let (engine, handle) = Engine::start(core).expect("a thread");
        let (reserved, address) = reserve_port();
        let (platform, mut delivered) = Platform::new();
        platform.down.store(true, Ordering::SeqCst);
        let server = tokio::spawn(serve(reserved, Arc::clone(&platform)));
        let (_senders, mut replays) = Replays::to(["main"]);
        let replays = replays.remove("main").expect("a receiver for main");
        let start = Start { watermark: began, parked: Vec::new() };
        let (ready, stop) = (Readiness::new(), CancellationToken::new());
        let feed = deliver(endpoint(address), start, handle.clone(), follow, replays, ready, stop.clone());
        let feed = tokio::spawn(feed);

        tokio::time::sleep(DOWN).await;
        let attempts = platform.refused.load(Ordering::SeqCst);
        assert!((2..=64 + 10).contains(&attempts), "{attempts} deliveries to an endpoint that is down");
        platform.down.store(false, Ordering::SeqCst);
        begin(&handle, "new").await;
        let all = tokio::time::timeout(RECOVERED_WITHIN, delivered.wait_for(|delivered| *delivered > EVENTS)).await;
        assert!(all.is_ok(), "{} of {EVENTS} came", *platform.delivered.borrow());
        stop.cancel();
        feed.await.expect("no panic").expect("no error");
        server.abort();
        tokio::task::spawn_blocking(move || engine.stop()).await.expect("the engine stops");
        let wrong = platform.furthest_secs.load(Ordering::SeqCst);
        assert!(wrong < 300, "a webhook's timestamp was {wrong} s off");
    });
}

/// A clock that is an hour ahead, like a journal's after the machine's clock was corrected.
struct Ahead(WallClock);

impl Clock for Ahead {
    fn now(&mut self) -> Timestamp {
        self.0.now() + Duration::from_secs(3_600)
    }

    fn not_before(&mut self, _at: Timestamp) {}
}

async fn begin(engine: &Handle, call: &str) {
    let reply = engine.submit(put_call(call, 0), Duration::from_secs(60)).await;
    assert!(matches!(reply, Ok(Reply::Call { created: true, .. })), "{reply:?}");
}

/// The platform: it accepts everything, and checks the order.
struct Platform {
    state: Mutex<Seen>,
    delivered: watch::Sender<u64>,
    /// Whether it answers 503; `refused` counts those answers.
    down: AtomicBool,
    refused: AtomicU64,
    /// The largest difference between a webhook's timestamp and its arrival.
    furthest_secs: AtomicU64,
}

#[derive(Default)]
struct Seen {
    /// The last `call_sequence` of each call.
    last: HashMap<String, u64>,
    duplicates: u64,
    /// How many events had arrived before the new call's first, and when that arrived.
    new_call: Option<(u64, Instant)>,
}

impl Platform {
    fn new() -> (Arc<Self>, watch::Receiver<u64>) {
        let (delivered, seen) = watch::channel(0);
        let platform = Self {
            state: Mutex::default(),
            delivered,
            down: AtomicBool::default(),
            refused: AtomicU64::default(),
            furthest_secs: AtomicU64::default(),
        };
        (Arc::new(platform), seen)
    }

    /// The status of the response to an event.
    fn answers(&self, timestamp: &str, body: &[u8]) -> StatusCode {
        if self.down.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
        let signed: u64 = timestamp.parse().expect("a number of seconds");
        self.furthest_secs.fetch_max(now.abs_diff(signed), Ordering::SeqCst);
        self.accepts(body);
        StatusCode::OK
    }

    fn accepts(&self, body: &[u8]) {
        let event: Value = serde_json::from_slice(body).expect("events are JSON");
        let (call, sequence) = (event["call_id"].as_str(), event["call_sequence"].as_u64());
        let (call, sequence) = call.zip(sequence).expect("all events belong to calls");
        let mut seen = self.state.lock().expect("the lock is not poisoned");
        let last = seen.last.entry(call.to_owned()).or_default();
        assert!(sequence <= *last + 1, "{call}: {sequence} follows {last}");
        if sequence <= *last {
            seen.duplicates += 1;
            return;
        }
        *last = sequence;
        if call == "new" {
            seen.new_call = Some((*self.delivered.borrow(), Instant::now()));
        }
        drop(seen);
        self.delivered.send_modify(|delivered| *delivered += 1);
    }
}

async fn serve(reserved: TcpSocket, platform: Arc<Platform>) {
    let address = reserved.local_addr().expect("the socket is bound");
    drop(reserved);
    let listener = TcpListener::bind(address).await.expect("the port is reserved");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let platform = Arc::clone(&platform);
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let platform = Arc::clone(&platform);
                async move {
                    let signed = request.headers()["webhook-timestamp"].clone();
                    let body = request.into_body().collect().await.expect("a complete body").to_bytes();
                    let mut answer = Response::new(Full::<Bytes>::default());
                    *answer.status_mut() = platform.answers(signed.to_str().expect("a text header"), &body);
                    Ok::<_, Infallible>(answer)
                }
            });
            // The client reconnects after a broken connection.
            let _broken =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// A loopback port without a listener.
fn reserve_port() -> (TcpSocket, SocketAddr) {
    let reserved = TcpSocket::new_v4().expect("a socket");
    reserved.set_reuseaddr(true).expect("an option of every socket");
    reserved.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let address = reserved.local_addr().expect("a bound socket has an address");
    (reserved, address)
}

fn queue_id() -> QueueId {
    "support".to_owned().try_into().expect("a valid queue id")
}

/// Starts a call, or changes its agent.
fn put_call(call: &str, nth: u64) -> Command {
    Command::PutCall(PutCall {
        agent: Some(Some(format!("agent-{nth}"))),
        ..PutCall::new(CallId::read(call).expect("a valid call id"), Caller::Withheld, queue_id())
    })
}

/// Memory in use, as counted by the system.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has VmRSS");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux has VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number of kilobytes")
}
