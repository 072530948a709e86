//! From a carrier's webhook to the signed event, over HTTP: `cargo bench --bench inbound`.
//!
//! Runs the real binary with a durable journal, posts signed texts of callers on the phone over 64 connections, and
//! waits until the platform's endpoint has every event. `-- --baseline PATH` runs another build in turn with it and
//! compares the two; `--streams N` runs the build without and with N open streams of events, each of a call that gets
//! texts, in turn, and `--quiet-streams N` the same with streams of calls that get none;
//! `--texts N` and `--rounds N` set the size; `--quick` makes it small.

#[path = "gateway/gateway.rs"]
#[allow(dead_code, unreachable_pub, reason = "benches use different parts of it")]
mod gateway;

use bytes::Bytes;
use gateway::{ACCOUNT_SID, API_TOKEN, Failed, Gateway, PATIENCE, exchange, request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Callers on the phone; each text goes to the call of the next one.
const CALLS: usize = 1_000;

/// Connections of the carrier, each with one request in flight.
const CONNECTIONS: usize = 64;

const OURS: &str = "+14155550199";
const DIRECTORY: &str = r#"{
  "settings": { "in_call_sms": true, "call_lease_minutes": 600 },
  "numbers": { "+14155550199": { "label": "Support", "account": "main", "limits": {},
                                 "verification": { "state": "verified", "sms": true, "mms": true } } },
  "queues": { "support": { "name": "Support", "inbound_numbers": ["+14155550199"] } },
  "presets": {}, "opt_outs": []
}"#;

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|one| one == name).and_then(|at| arguments.get(at + 1));
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let number = |name: &str, default: usize| value(name).map_or(Ok(default), |text| text.parse());
    let (texts, rounds) = if quick { (2_000, 1) } else { (40_000, 5) };
    let (texts, rounds) = (number("--texts", texts)?, number("--rounds", rounds)?);
    let this = PathBuf::from(env!("CARGO_BIN_EXE_offhook"));
    let mut builds = vec![("this build", this.clone(), 0)];
    let (streams, quiet) = (number("--streams", 0)?, number("--quiet-streams", 0)?);
    match (value("--baseline"), streams + quiet) {
        (Some(path), 0) => builds.push(("baseline", PathBuf::from(path), 0)),
        (None, 0) => {}
        (None, streams) => builds = vec![("with streams", this.clone(), streams), ("without", this, 0)],
        (Some(_), _) => return Err("give --baseline or streams, not both".into()),
    }
    let of = if quiet > 0 { "q" } else { "c" };

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut results: Vec<Vec<Round>> = vec![Vec::new(); builds.len()];
    for round in 0..rounds {
        // Each goes first in every second round.
        for turn in 0..builds.len() {
            let which = (round + turn) % builds.len();
            let (_, binary, streams) = &builds[which];
            let measured = runtime.block_on(run(binary, texts, *streams, of))?;
            println!("round {}, {}: {measured}", round + 1, builds[which].0);
            results[which].push(measured);
        }
    }
    let medians: Vec<Round> = results.iter().map(|rounds| median(rounds)).collect();
    for ((name, ..), median) in builds.iter().zip(&medians) {
        println!("median of {rounds}, {name}: {median}");
    }
    if let [this, baseline] = medians[..] {
        let percent = |this: f64, baseline: f64| (this / baseline - 1.0) * 100.0;
        println!(
            "{} against {}: {:+.1} % texts/s, {:+.1} % CPU each",
            builds[0].0,
            builds[1].0,
            percent(this.per_second, baseline.per_second),
            percent(this.cpu_us, baseline.cpu_us)
        );
    }
    Ok(())
}

/// What one round measured.
#[derive(Clone, Copy)]
struct Round {
    /// Texts per second, from the first webhook to the last event.
    per_second: f64,
    /// CPU of the gateway's process for each text, in microseconds.
    cpu_us: f64,
    /// From a webhook to its acknowledgement, in milliseconds.
    p50_ms: f64,
    p99_ms: f64,
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { per_second, cpu_us, p50_ms, p99_ms } = self;
        write!(
            f,
            "{per_second:.0} texts/s to the signed event, {cpu_us:.1} µs CPU each, acknowledged after {p50_ms:.1} ms \
            (p99 {p99_ms:.1} ms)"
        )
    }
}

fn median(rounds: &[Round]) -> Round {
    let middle = |of: fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Round {
        per_second: middle(|round| round.per_second),
        cpu_us: middle(|round| round.cpu_us),
        p50_ms: middle(|round| round.p50_ms),
        p99_ms: middle(|round| round.p99_ms),
    }
}

/// Starts the binary, posts the texts, and waits for their events. Streams are of calls whose ids begin with `of`; `c` are
/// those that get texts.
async fn run(binary: &Path, texts: usize, streams: usize, of: &str) -> Result<Round, Failed> {
    let root = std::env::var_os("OFFHOOK_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let home = tempfile::Builder::new().prefix("offhook-inbound-").tempdir_in(root)?;
    let received = Arc::new(AtomicUsize::new(0));
    let endpoint = endpoint(Arc::clone(&received)).await?;
    let gateway = Gateway::start(binary, home.path(), endpoint, Some(DIRECTORY)).await?;
    for call in 0..CALLS {
        let body = format!(r#"{{"caller":"{}","queue":"support","agent":"a-1"}}"#, caller(call));
        let head = format!("Authorization: Bearer {API_TOKEN}\r\nContent-Type: application/json\r\n");
        let mut connection = TcpStream::connect(gateway.platform).await?;
        let answer = exchange(&mut connection, &request("PUT", &format!("/v1/calls/c{call}"), &head, &body)).await?;
        if answer.status != 201 {
            return Err(format!("the call was answered {}", answer.status).into());
        }
    }
    let requests: Vec<Vec<Vec<u8>>> =
        (0..CONNECTIONS).map(|connection| (connection..texts).step_by(CONNECTIONS).map(webhook).collect()).collect();
    until(|| received.load(Ordering::Relaxed) == CALLS).await?;
    let mut open = JoinSet::new();
    let streamed = Arc::new(AtomicUsize::new(0));
    for nth in 0..streams {
        open.spawn(follow(stream(gateway.platform, &format!("{of}{}", nth % CALLS)).await?, Arc::clone(&streamed)));
    }

    let cpu_before = gateway.cpu()?;
    let began = Instant::now();
    let mut posting = JoinSet::new();
    for requests in requests {
        let door = gateway.carriers;
        posting.spawn(async move {
            let mut connection = TcpStream::connect(door).await?;
            connection.set_nodelay(true)?;
            let mut took = Vec::with_capacity(requests.len());
            for request in requests {
                let began = Instant::now();
                match exchange(&mut connection, &request).await?.status {
                    200 => took.push(began.elapsed().as_secs_f64() * 1_000.0),
                    status => return Err(Failed::from(format!("a text was answered {status}"))),
                }
            }
            Ok(took)
        });
    }
    let mut took = Vec::with_capacity(texts);
    while let Some(one) = posting.join_next().await {
        took.extend(one??);
    }
    until(|| received.load(Ordering::Relaxed) == CALLS + texts).await?;
    let secs = began.elapsed().as_secs_f64();
    let each = |nth: usize| (nth % CALLS..texts).step_by(CALLS).count();
    let expected: usize = if of == "c" { (0..streams).map(each).sum() } else { 0 };
    until(|| streamed.load(Ordering::Relaxed) == expected).await?;
    let cpu_us = (gateway.cpu()? - cpu_before).as_secs_f64() * 1e6 / texts as f64;
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    Ok(Round { per_second: texts as f64 / secs, cpu_us, p50_ms: at(0.5), p99_ms: at(0.99) })
}

/// Opens the stream of a call's events from now on.
async fn stream(platform: SocketAddr, call: &str) -> Result<TcpStream, Failed> {
    let head = format!("Authorization: Bearer {API_TOKEN}\r\nAccept: text/event-stream\r\n");
    let mut connection = TcpStream::connect(platform).await?;
    connection.write_all(&request("GET", &format!("/v1/events?after=now&call_id={call}"), &head, "")).await?;
    let mut status = [0; 12];
    connection.read_exact(&mut status).await?;
    if status != *b"HTTP/1.1 200" {
        return Err(format!("a stream was answered {}", String::from_utf8_lossy(&status)).into());
    }
    Ok(connection)
}

/// Counts the texts that a stream brings.
async fn follow(mut connection: TcpStream, streamed: Arc<AtomicUsize>) {
    const EVENT: &[u8] = b"event: message.received";
    let (mut bytes, mut read) = (Vec::new(), vec![0; 16 * 1024]);
    while let Ok(count @ 1..) = connection.read(&mut read).await {
        bytes.extend_from_slice(&read[..count]);
        while let Some(at) = bytes.windows(EVENT.len()).position(|window| window == EVENT) {
            bytes.drain(..at + EVENT.len());
            streamed.fetch_add(1, Ordering::Relaxed);
        }
        bytes.drain(..bytes.len().saturating_sub(EVENT.len() - 1));
    }
}

/// The platform's endpoint: answers 200 and counts the events. Returns its address.
async fn endpoint(received: Arc<AtomicUsize>) -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let received = Arc::clone(&received);
            let service = service_fn(move |request: Request<Incoming>| {
                let received = Arc::clone(&received);
                async move {
                    request.into_body().collect().await?;
                    received.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::default()))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

async fn until(done: impl Fn() -> bool) -> Result<(), Failed> {
    let began = Instant::now();
    while !done() {
        if began.elapsed() > PATIENCE {
            return Err("the events did not come".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// The caller's number in the `nth` call.
fn caller(nth: usize) -> String {
    format!("+1415556{nth:04}")
}

/// The `nth` text, as a signed webhook of Twilio.
fn webhook(nth: usize) -> Vec<u8> {
    let from = caller(nth % CALLS);
    let sid = format!("SM{nth:032x}");
    let text = format!("The meter shows {nth:06}, what shall I do next?");
    let mut parameters = [
        ("AccountSid", ACCOUNT_SID),
        ("Body", &text),
        ("From", &from),
        ("MessageSid", &sid),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("SmsStatus", "received"),
        ("To", OURS),
    ];
    gateway::webhook(0, &mut parameters)
}
