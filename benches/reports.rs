//! A day's report of usage, over HTTP: `cargo bench --bench reports`.
//!
//! A million calls start and end on one day, in queues and with agents that come to 40,000 counters, of at most 50,000.
//! In each call the caller and the agent text, and the closing message is sent. Each report is asked for through the
//! platform's routes. `--calls N` says how many calls, `--quick` makes it small, and `OFFHOOK_BENCH_DIR` chooses the disk.

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::Request;
use offhook::engine::{Core, Engine, WallClock};
use offhook::http::api::{Api, Scope, Token, router};
use offhook::index::{CLAIMS_MAX, Claims, Owner, SledIndex};
use offhook::journal::{FileJournal, Journal, Options};
use offhook::machine::command::{Command, Content, PutCall, Reply, Send};
use offhook::machine::rows::ROWS_VERSION;
use offhook::model::{
    Address, CallId, Caller, Closing, Directory, E164, Inbound, InboundItem, Limits, MessageId, Number, Preset,
    PresetId, Purpose, Queue, QueueId, Secret, Settings, Timestamp, Verification, VerificationState,
};
use offhook::observe::{NotReady, Readiness};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Calls of the day, and with `--quick`.
const CALLS: u64 = 1_000_000;
const CALLS_QUICK: u64 = 10_000;

/// Queues, each with a number of its own; agents, each in two queues.
const QUEUES: u64 = 20;
const AGENTS: u64 = 5_000;

/// Calls of a batch.
const BATCH: u64 = 128;

/// How often each report is asked for.
const TIMES: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == "--calls").and_then(|at| arguments.get(at + 1));
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let calls = given.map_or(Ok(if quick { CALLS_QUICK } else { CALLS }), |text| text.parse())?;
    let root = std::env::var_os("OFFHOOK_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let home = tempfile::Builder::new().prefix("offhook-reports-").tempdir_in(root)?;
    let mut core = open(home.path())?;
    let began = Instant::now();
    generate(&mut core, calls)?;
    println!("{calls} calls generated in {:.1} s", began.elapsed().as_secs_f64());
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(core))
}

fn generate(core: &mut Core, calls: u64) -> Result<(), Box<dyn Error>> {
    let seed = Command::Seed { directory: Box::new(directory()), opt_outs: Vec::new() };
    core.commit([Command::GatewayStarted, seed])?;
    for first in (0..calls).step_by(BATCH as usize) {
        let batch = first..calls.min(first + BATCH);
        core.commit(batch.clone().map(put_call))?;
        core.commit(batch.clone().map(text))?;
        let sent = core.commit(batch.clone().map(send))?;
        core.commit(sent.iter().map(|reply| match reply {
            Reply::Message { message, .. } => start(message.id),
            other => panic!("the text was not taken: {other:?}"),
        }))?;
        let ended =
            core.commit(batch.clone().map(|nth| Command::EndCall { call: call(nth), reason: None, key: None }))?;
        core.commit(ended.iter().map(|reply| match reply {
            Reply::Call { shown, .. } => start(shown.call.last_message.expect("the closing message is the last")),
            other => panic!("the call did not end: {other:?}"),
        }))?;
    }
    Ok(())
}

/// Asks for each report, and prints what it took.
async fn measure(core: Core) -> Result<(), Box<dyn Error>> {
    let reads = core.reads();
    let (engine, handle) = Engine::start(core)?;
    let readiness = Readiness::new();
    readiness.set(NotReady::Starting, false);
    let token =
        Token { name: "bench".to_owned(), scopes: [Scope::Read].into(), texts: true, secret: Secret::new("bench") };
    let api = router(Api::new(handle, reads, readiness, TaskTracker::new(), vec![token]));
    println!("goal: a day in under 200 ms");
    for format in ["json", "csv"] {
        for by in ["day", "queue", "agent", "number", "kind"] {
            let mut took = Vec::new();
            let mut bytes = 0;
            for _ in 0..TIMES {
                let began = Instant::now();
                bytes =
                    ask(&api, &format!("/v1/reports/usage?from={0}&to={0}&by={by}&format={format}", today())).await?;
                took.push(began.elapsed());
            }
            let first = took[0];
            took.sort_unstable();
            println!(
                "  by {by}, {format}: {:.1} ms (median), {:.1} ms (most), {:.1} ms (first); {bytes} bytes",
                ms(took[TIMES / 2]),
                ms(took[TIMES - 1]),
                ms(first)
            );
        }
    }
    let began = Instant::now();
    let path = format!("/v1/reports/usage?from={0}&to={0}&by=call", today());
    let bytes = ask(&api, &path).await?;
    println!("  a page of calls: {:.1} ms; {bytes} bytes", ms(began.elapsed()));
    let began = Instant::now();
    let bytes = ask(&api, &format!("{path}&format=csv")).await?;
    println!("  all calls in CSV: {:.1} s; {bytes} bytes", began.elapsed().as_secs_f64());
    drop(engine);
    // The home is removed with everything in it.
    Ok(())
}

/// Asks, and returns the length of the answer.
async fn ask(api: &Router, path: &str) -> Result<usize, Box<dyn Error>> {
    let request = Request::get(path).header("authorization", "Bearer bench").body(Body::empty())?;
    let answer = api.clone().oneshot(request).await?;
    if answer.status() != 200 {
        return Err(format!("{path} was answered {}", answer.status()).into());
    }
    Ok(answer.into_body().collect().await?.to_bytes().len())
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// Of the first calls: the bench takes minutes, and none of them may be midnight.
fn today() -> offhook::model::Day {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (Timestamp::default() + now).day()
}

fn open(home: &Path) -> Result<Core, Box<dyn Error>> {
    let journal = FileJournal::open(&home.join("journal"), Options::default())?;
    let identity = journal.identity();
    let owner = Owner { journal: identity, rows_version: ROWS_VERSION };
    let index = SledIndex::open(&home.join("index"), owner)?.index;
    let claims = Claims::open(&home.join("claims"), identity, today(), CLAIMS_MAX)?;
    let (core, _) = Core::recover(Box::new(journal), Box::new(index), claims, Box::new(WallClock::new()))?;
    Ok(core)
}

fn directory() -> Directory {
    let number = |queue: u64| Number {
        label: format!("number {queue}"),
        account: "main".to_owned(),
        purpose: Purpose::InCall,
        global_outbound: false,
        limits: Limits::none(),
        verification: Verification {
            state: VerificationState::Verified,
            sms: true,
            mms: true,
            ..Verification::default()
        },
    };
    let queue = |queue: u64| Queue {
        name: format!("Queue {queue}"),
        parent: None,
        in_call_sms: None,
        inbound_numbers: vec![ours(queue)],
        outbound_numbers: Vec::new(),
        default_outbound: None,
        language: None,
    };
    let settings = Settings { in_call_sms: true, ..Settings::default() };
    let english = settings.default_language.clone();
    let texts = [(english.clone(), "Thanks for calling.".to_owned())].into();
    let settings = Settings { closing: Closing { enabled: true, texts }, ..settings };
    let welcome = Preset { label: "Welcome".to_owned(), text: "You can text me here.".to_owned(), position: None };
    Directory::new(
        settings,
        (0..QUEUES).map(|n| (ours(n), number(n))).collect(),
        (0..QUEUES).map(|n| (queue_id(n), queue(n))).collect(),
        [(english, BTreeMap::from([(preset(), welcome)]))].into(),
        BTreeMap::new(),
    )
}

fn queue_id(queue: u64) -> QueueId {
    format!("queue-{queue}").try_into().expect("it is a name")
}

fn preset() -> PresetId {
    "welcome".to_owned().try_into().expect("it is a name")
}

fn ours(queue: u64) -> E164 {
    E164::from_digits(&format!("1206555{queue:04}")).expect("it is a number")
}

fn caller(call: u64) -> E164 {
    E164::from_digits(&format!("1303{call:07}")).expect("it is a number")
}

fn call(nth: u64) -> CallId {
    CallId::read(&format!("2f6c1a54-7c1e-4f0a-9d3e-{nth:012}")).expect("it is a call id")
}

fn agent(nth: u64) -> u64 {
    nth.wrapping_mul(7_919) % AGENTS
}

/// One of the two queues of its agent.
fn queue_of(nth: u64) -> u64 {
    (agent(nth) + nth / AGENTS % 2) % QUEUES
}

fn put_call(nth: u64) -> Command {
    Command::PutCall(PutCall {
        agent: Some(Some(format!("agent-{}", agent(nth)))),
        ..PutCall::new(call(nth), Caller::Number(caller(nth)), queue_id(queue_of(nth)))
    })
}

fn text(nth: u64) -> Command {
    Command::InboundItem {
        account: "main".to_owned(),
        item: InboundItem::Message(Inbound {
            carrier_id: format!("SM{nth:032x}"),
            from: Address::Number(caller(nth)),
            to: Address::Number(ours(queue_of(nth))),
            text: "The meter shows 7.".to_owned(),
            media: Vec::new(),
            segments: Some(1),
            keyword: None,
            part: None,
        }),
    }
}

fn send(nth: u64) -> Command {
    let content = match nth / AGENTS / 2 % 2 {
        0 => Content::Preset(preset(), None),
        _ => Content::Text("One moment, please.".to_owned()),
    };
    let (agent, smart_action, client_ref, force, key) = (None, None, None, None, None);
    Command::Send(Send { call: call(nth), content, agent, smart_action, client_ref, force, key })
}

fn start(message: MessageId) -> Command {
    Command::StartSend { message, lane_empty_at: Timestamp::default(), account_empty_at: Timestamp::default() }
}
