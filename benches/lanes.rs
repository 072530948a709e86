//! Ten thousand lanes with work due, and a hundred thousand without: `cargo bench --bench lanes`.
//!
//! The first part runs the engine on a disk (every start and every outcome is journaled with fdatasync), the dispatcher
//! and its sends over loopback to a carrier that takes everything, and tells how late the starts are that the journal
//! has. The second tells what limits cost that nobody uses. `--quick` makes both small.

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use offhook::carrier::twilio::{self, Twilio};
use offhook::engine::{Core, Engine, Handle, Reads, WallClock};
use offhook::index::{CLAIMS_MAX, Claims, Owner, SledIndex};
use offhook::journal::{FileJournal, Journal, Options};
use offhook::machine::command::{Command, Content, PutCall, Reply, Send};
use offhook::machine::event::Event;
use offhook::machine::rows::ROWS_VERSION;
use offhook::model::{
    Actor, CallId, Caller, Directory, E164, Limits, Number, Phase, Position, Purpose, Queue, QueueId, Secret, Settings,
    Timestamp, Verification, VerificationState,
};
use offhook::net::ClientBounds;
use offhook::observe::Readiness;

use offhook::work::dispatch::Dispatch;
use offhook::work::{Account, Accounts, HttpLink, Moment, send};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Lanes with work, and how long each has some.
const LANES: u64 = 10_000;
const BUSY_SECS: u64 = 15;

/// Numbers without work.
const IDLE: u64 = 100_000;

/// The engine is asked by so many at once while the backlog is made.
const ASKERS: u64 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (lanes, secs, idle) = if quick { (500, 5, 5_000) } else { (LANES, BUSY_SECS, IDLE) };
    let root = std::env::var_os("OFFHOOK_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let home = tempfile::Builder::new().prefix("offhook-lanes-").tempdir_in(root)?;
    idle_limits(idle)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        busy_lanes(&home.path().join("rates"), lanes, secs, "rates", by_rate).await?;
        busy_lanes(&home.path().join("periods"), lanes, secs, "periods", by_period).await
    })
}

/// What limits of numbers cost that nothing is sent from.
fn idle_limits(numbers: u64) -> Result<(), Box<dyn Error>> {
    let mut resident = Vec::new();
    // The first is not counted: with it the allocator takes what it keeps.
    for limits in [Limits::none(), Limits::none(), Limits { segments_per_day: Some(2_000), ..Limits::default() }] {
        let before = resident_bytes()?;
        let directory = Arc::new(directory(numbers, |_| limits.clone()));
        let now = Moment { elapsed: Duration::ZERO, wall: Timestamp::from_ms(1) };
        let mut dispatch = Dispatch::new(directory, now.wall, now);
        assert_eq!((dispatch.next(now).len(), dispatch.due()), (0, None), "nobody wakes for a number at rest");
        resident.push(resident_bytes()?.saturating_sub(before));
        std::mem::forget(dispatch);
    }
    println!(
        "{numbers} numbers at rest: {} MB without limits, {} MB with (rate, burst and daily cap); no timer for any",
        resident[1] >> 20,
        resident[2] >> 20
    );
    Ok(())
}

/// How late starts are while `lanes` lanes of 0.1 to 1 segments a second have a backlog for `secs` seconds. `limits` spreads
/// them, evenly by what it says.
async fn busy_lanes(
    home: &Path,
    lanes: u64,
    secs: u64,
    evenly: &str,
    limits: fn(u64) -> Limits,
) -> Result<(), Box<dyn Error>> {
    let mut core = open(home)?;
    let directory = directory(lanes, limits);
    let seed = Command::Seed { directory: Box::new(directory), opt_outs: Vec::new() };
    core.commit([Command::GatewayStarted, seed])?;
    let calls: Vec<_> = (0..lanes).map(put_call).collect();
    for page in calls.chunks(256) {
        core.commit(page.to_vec())?;
    }
    let reads = core.reads();
    let (engine, handle) = Engine::start(core)?;
    let from = reads.follow().committed().next();
    let queued = backlog(&handle, lanes, secs, limits).await;

    let stop = CancellationToken::new();
    let accounts = Accounts::from_iter([carrier().await?]);
    let sending = tokio::spawn(send(handle.clone(), reads.clone(), accounts, Readiness::new(), stop.clone()));
    let (began, cpu) = (Instant::now(), cpu_time()?);
    tokio::time::sleep(Duration::from_secs(secs)).await;
    let (took, cpu) = (began.elapsed(), cpu_time()?.saturating_sub(cpu));
    stop.cancel();
    sending.await??;
    let mut late = lateness(&reads, from)?;
    late.sort_unstable();
    let at = |permille: usize| late.get(late.len().saturating_sub(1) * permille / 1_000).copied().unwrap_or_default();
    println!(
        "{lanes} lanes of 0.1 to 1 segments/s, {evenly} spread evenly, {queued} texts, {:.0} starts/s for {secs} s, each start and outcome with \
         fdatasync: late by {} ms p50, {} ms p99, {} ms at most; {:.0} % of a core, the carrier's part included",
        late.len() as f64 / took.as_secs_f64(),
        at(500),
        at(990),
        at(1_000),
        cpu.as_secs_f64() / took.as_secs_f64() * 100.0,
    );
    // Whether it stopped cleanly is not what is measured here.
    drop(engine.stop());
    Ok(())
}

/// Milliseconds by which each start of a lane but its first came after its segment was there, by the journal.
fn lateness(reads: &Reads, from: Position) -> Result<Vec<u64>, Box<dyn Error>> {
    let mut last: HashMap<E164, Timestamp> = HashMap::new();
    let (mut late, mut next) = (Vec::new(), from);
    let directory = reads.directory();
    loop {
        let page = reads.follow().read(next, 512)?;
        if page.is_empty() {
            return Ok(late);
        }
        for story in page {
            next = story.position.next();
            for event in &story.events {
                let Event::SendStarted { message, .. } = &event.event else { continue };
                let rate = directory.numbers[&message.ours].limits.millisegments_per_second.unwrap_or(1);
                let period = Duration::from_nanos(1_000_000_000_000 / u64::from(rate));
                if let Some(before) = last.insert(message.ours, story.at) {
                    late.push(u64::try_from(story.at.since(before + period).as_millis())?);
                }
            }
        }
    }
}

/// As many texts as each lane can send in `secs` seconds, and one more.
async fn backlog(engine: &Handle, lanes: u64, secs: u64, limits: fn(u64) -> Limits) -> u64 {
    let askers = (0..ASKERS).map(|asker| {
        let engine = engine.clone();
        tokio::spawn(async move {
            let mut queued = 0;
            for lane in (asker..lanes).step_by(ASKERS as usize) {
                let rate = limits(lane).millisegments_per_second.unwrap_or(1);
                for _ in 0..u64::from(rate) * secs / 1_000 + 1 {
                    let reply = engine.submit(text(lane), Duration::from_secs(60)).await;
                    assert!(matches!(reply, Ok(Reply::Message { .. })), "{reply:?}");
                    queued += 1;
                }
            }
            queued
        })
    });
    let mut queued = 0;
    for asker in askers.collect::<Vec<_>>() {
        queued += asker.await.unwrap_or(0);
    }
    queued
}

/// A carrier that takes everything.
async fn carrier() -> Result<Account, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serve =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(take));
            tokio::spawn(serve);
        }
    });
    let dialect = Twilio::new(twilio::Settings {
        name: "main".to_owned(),
        public_url: "https://gw.example.com".parse()?,
        api_url: format!("http://{address}").parse()?,
        account_sid: "AC11223344556677889900aabbccddeeff".to_owned(),
        auth_token: Secret::new("an auth token of a bench"),
        other_auth_token: None,
        shared_keys: vec![],
        keywords_off: false,
    });
    Ok(Account::http("main", Arc::new(dialect), HttpLink::new(ClientBounds::default())))
}

async fn take(_: Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body =
        Bytes::from_static(br#"{"sid":"SM9d01e7b35c2f4688b0a7c4e6f8135792","status":"queued","num_segments":"1"}"#);
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = http::StatusCode::CREATED;
    Ok(answer)
}

fn open(home: &Path) -> Result<Core, Box<dyn Error>> {
    let journal = FileJournal::open(&home.join("journal"), Options::default())?;
    let identity = journal.identity();
    let opened = SledIndex::open(&home.join("index"), Owner { journal: identity, rows_version: ROWS_VERSION })?;
    let today = (Timestamp::default() + SystemTime::now().duration_since(UNIX_EPOCH)?).day();
    let claims = Claims::open(&home.join("claims"), identity, today, CLAIMS_MAX)?;
    let (core, _) = Core::recover(Box::new(journal), Box::new(opened.index), claims, Box::new(WallClock::new()))?;
    Ok(core)
}

/// Rates from 0.1 to 1, evenly and each its own: lanes of the same rate, all made empty by the same start, would be due in
/// the same millisecond for ever.
fn by_rate(lane: u64) -> Limits {
    limits(100 + u32::try_from(lane % 901).unwrap_or(0))
}

/// From a segment in a second to one in ten, evenly.
fn by_period(lane: u64) -> Limits {
    limits(1_000_000 / (1_000 + u32::try_from(lane % 901).unwrap_or(0) * 10))
}

fn limits(millisegments_per_second: u32) -> Limits {
    Limits { millisegments_per_second: Some(millisegments_per_second), burst: 1, ..Limits::none() }
}

fn directory(numbers: u64, limits: impl Fn(u64) -> Limits) -> Directory {
    let entry = |nth: u64| Number {
        label: format!("Number {nth}"),
        account: "main".to_owned(),
        purpose: Purpose::InCall,
        global_outbound: false,
        limits: limits(nth),
        verification: Verification {
            state: VerificationState::Verified,
            sms: true,
            mms: true,
            ..Verification::default()
        },
    };
    let queue = |nth: u64| Queue {
        name: format!("Queue {nth}"),
        parent: None,
        in_call_sms: Some(true),
        inbound_numbers: Vec::new(),
        outbound_numbers: vec![ours(nth)],
        default_outbound: Some(ours(nth)),
        language: None,
    };
    let settings = Settings { in_call_sms: true, max_wait_ms: 120_000, ..Settings::default() };
    let queues = (0..numbers.min(LANES)).map(|nth| (queue_id(nth), queue(nth)));
    Directory::new(
        settings,
        (0..numbers).map(|nth| (ours(nth), entry(nth))).collect(),
        queues.collect(),
        BTreeMap::new(),
        BTreeMap::new(),
    )
}

fn queue_id(nth: u64) -> QueueId {
    format!("q{nth}").try_into().expect("a short name")
}

fn ours(nth: u64) -> E164 {
    format!("+1303{nth:07}").parse().expect("eleven digits")
}

fn put_call(nth: u64) -> Command {
    Command::PutCall(PutCall {
        call: CallId::read(&format!("c{nth}")).expect("a short name"),
        caller: Caller::Number(format!("+1206{nth:07}").parse().expect("eleven digits")),
        queue: queue_id(nth),
        language: None,
        phase: Phase::Connected,
        agent: Some(Some("agent".to_owned())),
        call_type: "inbound_ivr".to_owned(),
        wait_sms_consent: false,
        version: None,
        alternative: None,
        attestation: None,
        by: Actor::named("platform".to_owned()),
    })
}

fn text(nth: u64) -> Command {
    Command::Send(Send {
        call: CallId::read(&format!("c{nth}")).expect("a short name"),
        content: Content::Text("Please send a photo of the meter.".to_owned()),
        agent: Some("agent".to_owned()),
        smart_action: None,
        client_ref: None,
        force: None,
        key: None,
    })
}

/// Memory this process has in use.
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let resident: u64 = pages.split(' ').nth(1).ok_or("no second field")?.parse()?;
    Ok(resident * 4_096)
}

/// Time this process has had a processor.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
