//! Connections that are held open by doing as little as possible, by the hundred and by the ten thousand.

use crate::peer::{PATIENCE, connect, connect_narrow, source};
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
const HONEST_P99_MAX: Duration = Duration::from_millis(100);
const RESIDENT_MAX_KB: u64 = 400_000;

/// Doors that share the gateway's descriptors, and what one of them has beside slow connections.
const DOORS: usize = 3;
const OTHERWISE: usize = 100;

/// What is done slowly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// No TLS handshake begins.
    Silence,
    /// The handshake comes byte by byte.
    Handshake,
    /// A header that does not end.
    Headers,
    /// A body that comes byte by byte.
    Body,
    /// A body of which everything comes at once but the last bytes.
    AlmostWhole,
    /// Answers that nobody reads.
    Unread,
    /// Answers that are read byte by byte.
    Crumbs,
}

const KINDS: [Kind; 7] =
    [Kind::Silence, Kind::Handshake, Kind::Headers, Kind::Body, Kind::AlmostWhole, Kind::Unread, Kind::Crumbs];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g19_slow_connections_of_every_kind_are_closed_while_honest_ones_are_answered() {
    let wanted = std::env::var("OFFHOOK_SLOW").ok().map(|text| text.parse().expect("OFFHOOK_SLOW is a count"));
    let each: usize = wanted.unwrap_or(EACH);
    // All at once, or, where they are many, one kind after the other: a door has 16,384 places.
    let rounds: Vec<&[Kind]> = if wanted.is_some() { KINDS.chunks(1).collect() } else { vec![&KINDS] };
    let most = each * rounds[0].len();
    let room = descriptors_max().map(|there| Shares::of(connections_that_fit(there), DOORS).most());
    if room.is_some_and(|room| room < most + OTHERWISE) {
        skipped(&format!(
            "{most} slow connections at a door take more descriptors than there are: raise them with ulimit -n"
        ));
        return;
    }
    let stage = Arc::new(Stage::new().await);
    let gateway = stage.world.start().await;
    let mut worst = (Duration::ZERO, Duration::ZERO);
    for kinds in rounds {
        let (life, p99) = round(&stage, &gateway, kinds, each).await;
        worst = (worst.0.max(life), worst.1.max(p99));
    }
    ends_as_counted(&gateway, each as u64).await;
    if wanted.is_some() {
        assert!(worst.0 <= LIFE_MAX, "a slow connection lived for {:.1?}", worst.0);
        assert!(worst.1 <= HONEST_P99_MAX, "an honest request in a hundred waited for {:.1?}", worst.1);
    }
}

/// Holds connections of these kinds until all are closed. Shows the longest life of one, and the slowest hundredth of the
/// honest answers meanwhile.
async fn round(stage: &Arc<Stage>, gateway: &Gateway, kinds: &[Kind], each: usize) -> (Duration, Duration) {
    println!("{each} each of {kinds:?}:");
    let honest = stage.honest();
    let opening = Arc::new(Semaphore::new(OPENING_MAX));
    let mut held = JoinSet::new();
    for nth in 0..each * kinds.len() {
        let (stage, opening, kind) = (Arc::clone(stage), Arc::clone(&opening), kinds[nth % kinds.len()]);
        held.spawn(async move { (kind, hold(kind, &stage, &opening, nth).await) });
    }
    let (mut longest, mut resident_kb) = (Duration::ZERO, 0);
    let mut look = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            ended = held.join_next() => match ended {
                Some(ended) => {
                    let (kind, life) = ended.unwrap();
                    longest = longest.max(life.unwrap_or_else(|error| panic!("{kind:?}: {error}")));
                }
                None => break,
            },
            _ = look.tick() => resident_kb = resident_kb.max(gateway.resident_kb()),
        }
    }
    let p99 = honest.ends().await;
    quiet(gateway, "carriers").await;
    println!("  the longest lived {longest:.1?}; {} MB resident at most", resident_kb / 1_000);
    assert!(resident_kb < RESIDENT_MAX_KB, "{resident_kb} kB");
    (longest, p99)
}

/// Holds one connection for as long as the door lets it. Shows for how long that was.
async fn hold(kind: Kind, stage: &Stage, opening: &Semaphore, nth: usize) -> io::Result<Duration> {
    let doors = stage.world.home.doors;
    let turn = opening.acquire().await.expect("nobody closes it");
    let from = source(nth);
    match kind {
        Kind::Silence => held(turn, connect(doors.carriers, from).await?, b"", b"").await,
        Kind::Handshake => held(turn, connect(doors.carriers, from).await?, b"", &stage.client_hello()).await,
        Kind::Headers => held(turn, stage.carriers(from).await?, b"POST / HTTP/1.1\r\nX-Slow: ", DRIPS).await,
        Kind::Body => held(turn, stage.carriers(from).await?, HEAD, DRIPS).await,
        Kind::AlmostWhole => {
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
    assert_eq!(ended("carriers", "handshake_late"), 2 * each, "{metrics}");
    assert_eq!(ended("carriers", "headers_late"), each, "{metrics}");
    assert_eq!(ended("platform", "write_late"), 2 * each, "{metrics}");
    let slow = value(&metrics, "offhook_webhooks_total{account=\"main\",outcome=\"too_slow\"}");
    // Of those that are almost whole, the ones beyond what is kept at once end sooner.
    assert!((each..=2 * each).contains(&slow), "{metrics}");
}
