//! Connections that are held open by doing as little as possible, by the hundred and by the ten thousand.

use crate::peer::{PATIENCE, aside, connect, connect_narrow, source};
use crate::process::{Gateway, TOKEN, skipped};
use crate::stage::{Stage, quiet, value};
use offhook::net::{Shares, connections_that_fit, descriptors_max};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections of each kind, unless `OFFHOOK_SLOW` says otherwise.
const EACH: usize = 100;

/// Between two bytes of somebody who drips.
const DRIP_EVERY: Duration = Duration::from_millis(500);

/// Connections that are being opened at once.
const OPENING_MAX: usize = 200;

/// The goals: how long a slow connection lives, how long an honest one waits meanwhile, and what all that costs.
const LIFE_MAX: Duration = Duration::from_secs(15);
/// On a machine that is busy with other things.
const LIFE_MAX_BUSY: Duration = Duration::from_secs(20);
const HONEST_P99_MAX: Duration = Duration::from_millis(100);
const RESIDENT_MAX_KB: u64 = 400_000;

/// Doors that share the gateway's descriptors, and what one of them has beside slow connections.
const DOORS: usize = 3;
const OTHERWISE: usize = 100;

/// What is done slowly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// No TLS handshake begins.
    NoReplyReason,
    /// The handshake comes byte by byte.
    Handshake,
    /// A handshake of which everything comes at once but the last byte, as large as it may be.
    HelloAlmostWhole,
    /// A header that does not end.
    Headers,
    /// Headers of which everything comes at once but the last bytes, as large as they may be.
    HeadersAlmostWhole,
    /// A body that comes byte by byte.
    Body,
    /// A body of which everything comes at once but the last byte.
    BodyAlmostWhole,
    /// Answers that nobody reads.
    Unread,
    /// Answers that are read byte by byte.
    Crumbs,
}

static KINDS: [Kind; 9] = [
    Kind::NoReplyReason,
    Kind::Handshake,
    Kind::HelloAlmostWhole,
    Kind::Headers,
    Kind::HeadersAlmostWhole,
    Kind::Body,
    Kind::BodyAlmostWhole,
    Kind::Unread,
    Kind::Crumbs,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g19_slow_connections_of_every_kind_are_closed_while_honest_ones_are_answered() {
    let wanted = std::env::var("OFFHOOK_SLOW").ok().map(|text| text.parse().expect("OFFHOOK_SLOW is a count"));
    let each: usize = wanted.unwrap_or(EACH);
    // All at once, or, where they are many, one kind after the other: a door has 16,384 places.
    let rounds: Vec<&'static [Kind]> = if wanted.is_some() { KINDS.chunks(1).collect() } else { vec![&KINDS] };
    let most = each * rounds[0].len();
    let room = Shares::of(connections_that_fit(descriptors_max()), DOORS).most();
    if room < most + OTHERWISE {
        skipped(&format!(
            "{most} slow connections at a door take more descriptors than there are: raise them with ulimit -n"
        ));
        return;
    }
    let stage = Arc::new(Stage::new().await);
    let gateway = stage.world.start().await;
    let mut worst = (Duration::ZERO, Duration::ZERO);
    for kinds in rounds {
        let (life, p99) = round(&stage, &gateway, kinds, each, wanted.is_some()).await;
        worst = (worst.0.max(life), worst.1.max(p99));
    }
    ends_as_counted(&gateway, each as u64).await;
    let life_max = if wanted.is_some() { LIFE_MAX } else { LIFE_MAX_BUSY };
    assert!(worst.0 <= life_max, "a slow connection lived for {:.1?}", worst.0);
    if wanted.is_some() {
        assert!(worst.1 <= HONEST_P99_MAX, "an honest request in a hundred waited for {:.1?}", worst.1);
    }
}

/// Holds connections of these kinds until all are closed. Shows the longest life of one, and the slowest hundredth of the
/// honest answers meanwhile. Where that is asserted, whoever is slow comes last on the machine.
async fn round(
    stage: &Arc<Stage>,
    gateway: &Gateway,
    kinds: &'static [Kind],
    each: usize,
    last: bool,
) -> (Duration, Duration) {
    println!("{each} each of {kinds:?}:");
    let honest = stage.honest();
    let holding = aside(last, {
        let stage = Arc::clone(stage);
        move || hold_all(stage, kinds, each)
    });
    let (mut resident_kb, mut tcp_kb) = (0, 0);
    while !holding.is_finished() {
        (resident_kb, tcp_kb) = (resident_kb.max(gateway.resident_kb()), tcp_kb.max(tcp_memory_kb()));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let longest = holding.await.unwrap();
    let p99 = honest.ends().await.p99;
    quiet(gateway, "carriers").await;
    let (resident, tcp) = (resident_kb / 1_000, tcp_kb / 1_000);
    println!(
        "  the longest lived {longest:.1?}; {resident} MB resident at most, and {tcp} MB in all TCP sockets of the machine"
    );
    assert!(resident_kb < RESIDENT_MAX_KB, "{resident_kb} kB");
    (longest, p99)
}

/// Holds connections of these kinds until all are closed. Shows the longest life of one.
async fn hold_all(stage: Arc<Stage>, kinds: &'static [Kind], each: usize) -> Duration {
    let opening = Arc::new(Semaphore::new(OPENING_MAX));
    let mut held = JoinSet::new();
    for nth in 0..each * kinds.len() {
        let (stage, opening, kind) = (Arc::clone(&stage), Arc::clone(&opening), kinds[nth % kinds.len()]);
        held.spawn(async move {
            hold(kind, &stage, &opening, nth).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"))
        });
    }
    held.join_all().await.into_iter().max().unwrap_or_default()
}

/// What the sockets of this machine hold, at both their ends, as the system counts it: in pages.
fn tcp_memory_kb() -> u64 {
    const PAGE_KB: u64 = 4;
    let told = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let pages = told.lines().find(|line| line.starts_with("TCP:")).and_then(|line| line.split(" mem ").nth(1));
    pages.and_then(|pages| pages.trim().parse::<u64>().ok()).unwrap_or_default() * PAGE_KB
}

/// Holds one connection for as long as the door lets it. Shows for how long that was.
async fn hold(kind: Kind, stage: &Stage, opening: &Semaphore, nth: usize) -> io::Result<Duration> {
    let doors = stage.world.home.doors;
    let turn = opening.acquire().await.expect("nobody closes it");
    let from = source(nth);
    match kind {
        Kind::NoReplyReason => held(turn, connect(doors.carriers, from).await?, b"", b"").await,
        Kind::Handshake => held(turn, connect(doors.carriers, from).await?, b"", &stage.client_hello()).await,
        Kind::HelloAlmostWhole => held(turn, connect(doors.carriers, from).await?, &almost_a_hello(), b"").await,
        Kind::Headers => held(turn, stage.carriers(from).await?, HEADER, DRIPS).await,
        Kind::HeadersAlmostWhole => {
            let first = [HEADER, &[b'x'; HEADERS_BYTES]].concat();
            held(turn, stage.carriers(from).await?, &first, b"").await
        }
        Kind::Body => held(turn, stage.carriers(from).await?, HEAD, DRIPS).await,
        Kind::BodyAlmostWhole => {
            let first = [HEAD, &[b'x'; BODY_BYTES - 1]].concat();
            held(turn, stage.carriers(from).await?, &first, b"").await
        }
        Kind::Unread | Kind::Crumbs => {
            let mut stream = connect_narrow(doors.platform, from).await?;
            let request = format!("GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
            stream.write_all(request.repeat(REQUESTS).as_bytes()).await?;
            drop(turn);
            let began = Instant::now();
            within(thrown_away(&mut stream, kind == Kind::Crumbs)).await?;
            Ok(began.elapsed())
        }
    }
}

/// A header that has begun, and how much of it comes at once where nearly all does: 32 kB are too much.
const HEADER: &[u8] = b"POST / HTTP/1.1\r\nX-Slow: ";
const HEADERS_BYTES: usize = 32_000;

/// The first word of a handshake without its last byte; 16 kB are too much.
fn almost_a_hello() -> Vec<u8> {
    const BYTES: u16 = 16_000;
    let mut hello = vec![22, 3, 1, 0, 0, 1, 0, 0, 0];
    hello[3..5].copy_from_slice(&BYTES.to_be_bytes());
    hello[7..9].copy_from_slice(&(BYTES - 4).to_be_bytes());
    hello.resize(usize::from(BYTES) + 4, 0);
    hello
}

/// What stands before a body.
const HEAD: &[u8] = b"POST /carriers/main/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n";
const BODY_BYTES: usize = 65_536;

/// What is dripped where anything will do.
const DRIPS: &[u8] = &[b'x'; 1_000];

/// Requests whose answers are more than the systems between take for nobody: 46 kB each.
const REQUESTS: usize = 128;

/// Writes `first`, then `drips` one by one, until the door closes the connection.
async fn held(
    turn: tokio::sync::SemaphorePermit<'_>,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    first: &[u8],
    drips: &[u8],
) -> io::Result<Duration> {
    let began = Instant::now();
    if stream.write_all(first).await.is_err() || stream.flush().await.is_err() {
        return Ok(began.elapsed());
    }
    drop(turn);
    let began = Instant::now();
    within(async {
        let (mut drips, mut heard) = (drips.iter(), [0; 1_024]);
        loop {
            tokio::select! {
                read = stream.read(&mut heard) => if !matches!(read, Ok(1..)) { return },
                () = tokio::time::sleep(DRIP_EVERY) => if let Some(drip) = drips.next() {
                    let dripped = stream.write_all(&[*drip]).await;
                    if dripped.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                },
            }
        }
    })
    .await?;
    Ok(began.elapsed())
}

/// Waits until the door has thrown the connection away, reading crumbs of what it says or nothing.
async fn thrown_away(stream: &mut TcpStream, crumbs: bool) {
    while stream.take_error().is_ok_and(|error| error.is_none()) {
        tokio::time::sleep(DRIP_EVERY).await;
        if crumbs && !matches!(stream.read(&mut [0]).await, Ok(1)) {
            return;
        }
    }
}

async fn within(closed: impl Future<Output = ()>) -> io::Result<()> {
    tokio::time::timeout(PATIENCE, closed).await.map_err(|_| io::Error::other("the door has not closed it"))
}

/// What was seen from outside is what the gateway says of it.
async fn ends_as_counted(gateway: &Gateway, each: u64) {
    quiet(gateway, "platform").await;
    let metrics = gateway.metrics().await;
    let ended = |door, end| value(&metrics, &format!("offhook_connections_total{{door=\"{door}\",end=\"{end}\"}}"));
    let (hands, heads) = (ended("carriers", "handshake_late"), ended("carriers", "headers_late"));
    let slow = value(&metrics, "offhook_webhooks_total{account=\"main\",outcome=\"too_slow\"}");
    // Of those that are almost whole, the ones beyond what is kept at once end sooner.
    assert!((2 * each..=3 * each).contains(&hands), "{metrics}");
    assert!((each..=2 * each).contains(&heads), "{metrics}");
    assert!((each..=2 * each).contains(&slow), "{metrics}");
    assert_eq!(hands + heads + ended("carriers", "crowded"), 5 * each, "{metrics}");
    assert_eq!(ended("platform", "write_late"), 2 * each, "{metrics}");
}
