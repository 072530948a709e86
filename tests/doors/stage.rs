//! A gateway with a certificate on the carriers' door, and honest traffic to all of its doors.

use crate::peer::{Line, PATIENCE, connect, source};
use crate::process::{Doors, Gateway, Home, Outside, TOKEN, offhook, said, wire};
use crate::self_signed::SelfSigned;
use crate::webhook::{OURS, Webhook};
use offhook::sim::carrier::CarrierSettings;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

/// Between an honest answer and the next honest request.
const PAUSE: Duration = Duration::from_millis(20);

/// What the gateway notes of itself, asked or not.
const ITS_OWN: [&str; 3] = ["FeedAdvanced", "NumberChecked", "Swept"];

/// A gateway's surroundings. The carriers' door speaks TLS.
pub(crate) struct Stage {
    pub world: Outside,
    tls: Arc<rustls::ClientConfig>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let world = plain().await;
        let made = SelfSigned::new("localhost");
        let certificate = world.home.write("certificate.pem", &made.certificate);
        world.home.write("key.pem", &made.key);
        let files = "certificate_file = \"certificate.pem\"\nkey_file = \"key.pem\"";
        world.home.configure(|text| format!("{text}\n[listen.carriers_tls]\n{files}\n"));
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        Self { world, tls: Arc::new(tls) }
    }

    /// A connection to the carriers' door, its handshake done.
    pub(crate) async fn carriers(&self, from: IpAddr) -> io::Result<TlsStream<TcpStream>> {
        carriers(self.world.home.doors.carriers, &self.tls, from).await
    }

    /// What a client says first.
    pub(crate) fn client_hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        let mut client = rustls::ClientConnection::new(Arc::clone(&self.tls), localhost()).unwrap();
        client.write_tls(&mut hello).unwrap();
        hello
    }

    /// Begins honest traffic to all doors.
    pub(crate) fn honest(&self) -> Honest {
        Honest::begin(&ALL, self.world.home.doors, Some(&self.tls))
    }
}

async fn carriers(door: SocketAddr, tls: &Arc<rustls::ClientConfig>, from: IpAddr) -> io::Result<TlsStream<TcpStream>> {
    let stream = connect(door, from).await?;
    TlsConnector::from(Arc::clone(tls)).connect(localhost(), stream).await
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

/// Surroundings whose doors are all in clear.
pub(crate) async fn plain() -> Outside {
    Outside::new(CarrierSettings::default(), &directory()).await
}

fn directory() -> Value {
    json!({
        "settings": { "in_call_sms": true },
        "numbers": { OURS: {
            "label": "Support", "account": "main", "limits": { "segments_per_second": 50.0, "burst": 50 },
            "verification": { "state": "verified", "sms": true, "mms": true }
        } },
        "queues": { "support": { "name": "Support", "inbound_numbers": [OURS] } },
        "presets": {},
        "opt_outs": [],
    })
}

/// Whom honest requests go to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Webhooks,
    Platform,
    Ops,
}

/// Every door.
pub(crate) const ALL: [What; 3] = [What::Webhooks, What::Platform, What::Ops];

/// Requests that ought to be answered.
pub(crate) struct Honest {
    asking: Vec<JoinHandle<Asked>>,
    stop: CancellationToken,
}

/// What came of them.
pub(crate) struct Fared {
    /// The slowest hundredth of those at the slowest door.
    pub p99: Duration,
    /// Texts that were taken in.
    pub webhooks: usize,
}

/// How one kind of them fared.
struct Asked {
    what: What,
    took: Vec<Duration>,
    /// What was not answered 2xx.
    failed: Vec<String>,
}

impl Honest {
    /// Begins such traffic to these doors, all of which are in clear.
    pub(crate) fn plain(to: &[What], world: &Outside) -> Self {
        Self::begin(to, world.home.doors, None)
    }

    fn begin(to: &[What], doors: Doors, tls: Option<&Arc<rustls::ClientConfig>>) -> Self {
        let stop = CancellationToken::new();
        let begin = |what: &What| {
            let (what, tls, stop) = (*what, tls.cloned(), stop.clone());
            tokio::spawn(async move { ask_until(&stop, what, doors, tls.as_ref()).await })
        };
        Self { asking: to.iter().map(begin).collect(), stop }
    }

    /// Ends it: all were answered 2xx. Prints how long that took.
    pub(crate) async fn ends(self) -> Fared {
        self.stop.cancel();
        let mut fared = Fared { p99: Duration::ZERO, webhooks: 0 };
        for asking in self.asking {
            let mut asked = asking.await.unwrap();
            asked.took.sort_unstable();
            let of = |percent: usize| asked.took.get(asked.took.len() * percent / 100).copied().unwrap_or_default();
            let (what, count) = (asked.what, asked.took.len());
            println!("  honest {what:?}: {count} answered, p50 {:.1?}, p99 {:.1?}", of(50), of(99));
            assert!(asked.failed.is_empty(), "{what:?}: {} of {count}: {:?}", asked.failed.len(), asked.failed);
            assert!(count > 0, "{what:?}: nothing was asked");
            fared.p99 = fared.p99.max(of(99));
            fared.webhooks += if what == What::Webhooks { count } else { 0 };
        }
        fared
    }
}

async fn ask_until(
    stop: &CancellationToken,
    what: What,
    doors: Doors,
    tls: Option<&Arc<rustls::ClientConfig>>,
) -> Asked {
    let mut asked = Asked { what, took: Vec::new(), failed: Vec::new() };
    let mut nth = 0;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let status = ask(what, nth, doors, tls).await;
        asked.took.push(began.elapsed());
        if !matches!(status, Ok(200..300)) {
            asked.failed.push(format!("the {nth}th: {status:?} after {:.1?}", began.elapsed()));
        }
        nth += 1;
        tokio::time::sleep(PAUSE).await;
    }
    asked
}

/// Asks once, on a connection of its own, which is the hardest on the door.
async fn ask(what: What, nth: usize, doors: Doors, tls: Option<&Arc<rustls::ClientConfig>>) -> io::Result<u16> {
    match what {
        What::Webhooks => {
            static TEXTS: AtomicUsize = AtomicUsize::new(0);
            let text = TEXTS.fetch_add(1, Ordering::Relaxed);
            let webhook = Webhook::text(&format!("SMhonest{text}"), "+14155550177", "hello");
            let answer = match tls {
                Some(tls) => Line::new(carriers(doors.carriers, tls, source(nth)).await?).ask(&webhook.bytes()).await?,
                None => Line::new(connect(doors.carriers, source(nth)).await?).ask(&webhook.bytes()).await?,
            };
            Ok(answer.status)
        }
        What::Platform => {
            let token = format!("Authorization: Bearer {TOKEN}");
            Ok(wire::ask(doors.platform, "GET", "/v1/queues", &[&token], b"").await?.status)
        }
        What::Ops => {
            let path = if nth.is_multiple_of(2) { "/readyz" } else { "/metrics" };
            Ok(wire::get(doors.ops, path).await?.status)
        }
    }
}

/// The value of a series, 0 where nothing was counted yet.
pub(crate) fn value(metrics: &str, series: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse::<f64>().unwrap() as u64)
}

/// Waits until a door has no more connections than the one that asks.
pub(crate) async fn quiet(gateway: &Gateway, door: &str) {
    let series = format!("offhook_connections_open{{door=\"{door}\"}}");
    let until = Instant::now() + PATIENCE;
    while value(&gateway.metrics().await, &series) > 0 {
        assert!(Instant::now() < until, "connections to {door} are still open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the journal says has happened, a line for each frame, without what the gateway notes of itself.
pub(crate) fn happened(home: &Home) -> Vec<String> {
    let output = offhook(&["journal", "inspect", home.data().to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let of_itself = |line: &&str| line.starts_with('#') || ITS_OWN.iter().any(|fact| line.ends_with(fact));
    text.lines().filter(|line| !of_itself(line)).map(str::to_owned).collect()
}

/// Texts in what has happened.
pub(crate) fn texts(happened: &[String]) -> usize {
    happened.iter().filter(|line| line.contains("MessageReceived") || line.contains("MessageLate")).count()
}

/// Between these two nothing has happened but that honest texts came in, so many of them.
#[track_caller]
pub(crate) fn nothing_but_texts(before: &[String], after: &[String], count: usize) {
    let more = after.strip_prefix(before).expect("what has happened stays");
    assert_eq!((more.len(), texts(more)), (count, count), "{more:?}");
}
