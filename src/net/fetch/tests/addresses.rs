//! Addresses that names lead to, and connections that must not happen (G26).

use super::network::{SILENT, redirect, whole};
use super::*;
use crate::net::fetch::connect::Network;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, lookup_host};

#[tokio::test(start_paused = true)]
async fn a_name_with_an_address_that_is_not_public_is_not_connected_to() {
    for answer in [
        &["127.0.0.1"][..],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["100.64.0.1"],
        &["0.0.0.0"],
        &["::1"],
        &["fe80::1"],
        &["fd00:ec2::254"],
        &["::ffff:169.254.169.254"],
        &["64:ff9b::a9fe:a9fe"],
        &["64:ff9b::808:808"],
        &["2002:7f00:1::"],
        &["93.184.216.34", "10.0.0.1"],
        &["2606:2800:220:1::1", "93.184.216.34", "::1"],
    ] {
        let network = TestNetwork::new([Site::new(API, [whole("photo")]).answering(&[answer])]);
        let expected = Outcome::Forbidden(ForbiddenAddress::NotPublic);
        assert_eq!(fetch(&network, MEDIUM).await.0, expected, "{answer:?}");
        assert!(network.connected().is_empty(), "{answer:?}");
        let to_there = redirect(302, "https://mms.cdn.example/f");
        let storage = Site::new(STORAGE, [whole("photo")]).answering(&[answer]);
        let network = TestNetwork::new([Site::new(API, [to_there]), storage]);
        assert_eq!(fetch(&network, MEDIUM).await.0, expected, "redirected to {answer:?}");
        assert_eq!(network.connected().len(), 1, "redirected to {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_once_for_each_request_and_checked_each_time() {
    let site = |scripts: Vec<Script>| Site::new(API, scripts);
    let address = site(vec![whole("")]).address().to_string();
    let rebound: &[&[&str]] = &[&[&address], &["127.0.0.1"]];
    let network = TestNetwork::new([site(vec![whole("photo")]).answering(rebound)]);
    assert_eq!(fetch(&network, MEDIUM).await.0, file("photo", 0));
    assert_eq!(fetch(&network, MEDIUM).await.0, Outcome::Forbidden(ForbiddenAddress::NotPublic));
    let network = TestNetwork::new([site(vec![redirect(302, "/again")]).answering(rebound)]);
    assert_eq!(fetch(&network, MEDIUM).await.0, Outcome::Forbidden(ForbiddenAddress::NotPublic));
    assert_eq!(network.connected(), [format!("{address}:443").parse().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_be_reached_is_tried_again_later() {
    let unknown = TestNetwork::new([]);
    assert_eq!(fetch(&unknown, MEDIUM).await.0, Outcome::Later);
    let without_address = TestNetwork::new([Site::new(API, [whole("photo")]).answering(&[&[]])]);
    assert_eq!(fetch(&without_address, MEDIUM).await.0, Outcome::Later);
    let refused = TestNetwork::new([Site::new(API, [whole("photo")]).answering(&[&["1.1.1.1", "1.0.0.1"]])]);
    assert_eq!(fetch(&refused, MEDIUM).await.0, Outcome::Later);
    assert_eq!(refused.connected().len(), 2);
    let address = Site::new(API, [whole("")]).address().to_string();
    let one_works = TestNetwork::new([Site::new(API, [whole("photo")]).answering(&[&["1.1.1.1", &address]])]);
    assert_eq!(fetch(&one_works, MEDIUM).await.0, file("photo", 0));
}

#[tokio::test(start_paused = true)]
async fn a_silent_address_leaves_time_for_the_next() {
    let address = Site::new(API, [whole("")]).address().to_string();
    for (answer, expected, millis) in [
        (&[SILENT][..], Outcome::Later, 3_000),
        (&[SILENT, SILENT], Outcome::Later, 3_000),
        (&[SILENT, &address], file("photo", 0), 1_500),
    ] {
        let network = TestNetwork::new([Site::new(API, [whole("photo")]).answering(&[answer])]);
        let began = tokio::time::Instant::now();
        assert_eq!(fetch(&network, MEDIUM).await.0, expected, "{answer:?}");
        assert_eq!((began.elapsed().as_millis() / 100 * 100, network.connected().len()), (millis, answer.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_for_another_name_is_not_accepted() {
    let network = TestNetwork::new([Site::new(API, [whole("photo")]).certified_as("evil.example")]);
    assert_eq!(fetch(&network, MEDIUM).await.0, Outcome::Later);
    assert!(network.requests().is_empty());
}

#[tokio::test]
async fn g26_no_forbidden_url_connects_to_anything() {
    let listener = Counted::new().await;
    let port = listener.address.port();
    let names = [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "0",
        "127.0.0.1.",
        "localhost.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::]",
        "[64:ff9b::7f00:1]",
        "%31%32%37.0.0.1",
        "user@127.0.0.1",
        "user:pass@localhost",
        "@127.0.0.1",
        "api.carrier.example@127.0.0.1",
        "api.carrier.example:443@127.0.0.1",
        "api.carrier.example.",
        "mms.cdn.example",
        "api.carrier.example",
        "evil.example",
        "127.0.0.1.nip.io",
    ];
    let schemes = ["http", "https", "ftp", "file", "ws", "HTTPS"];
    let urls = names.iter().flat_map(|name| {
        let with_port = schemes.map(|scheme| format!("{scheme}://{name}:{port}/f"));
        with_port.into_iter().chain(schemes.map(|scheme| format!("{scheme}://{name}/f")))
    });
    let mut tried = 0;
    for url in urls {
        // The first URL, one that is redirected to, and both where another origin is the account's own.
        if let Ok(request) = Request::get(&url).body(Bytes::new()) {
            let fetcher = to_loopback(port);
            let forbidden = fetcher.fetch(request.clone(), &hosts(), MAX, &mut Kept::default()).await;
            assert!(matches!(forbidden, Err(FetchFailed::ForbiddenAddress(_))), "{url}: {forbidden:?}");
            let other = origin("http://127.0.0.1:1");
            let forbidden = fetcher.fetch(request, &other, MAX, &mut Kept::default()).await;
            assert!(matches!(forbidden, Err(FetchFailed::ForbiddenAddress(_))), "{url}: {forbidden:?}");
        }
        let from = hosts().check(MEDIUM).unwrap();
        if let Ok(to) = hosts().check_redirect(&from, &url) {
            assert!(matches!(connect_to(port, &to).await, Err(NoConnection::Forbidden(_))), "{url}");
        }
        tried += 1;
    }
    assert_eq!((tried, listener.count()), (names.len() * schemes.len() * 2, 0));
}

#[tokio::test]
async fn g26_a_redirect_from_the_own_origin_connects_to_no_other() {
    let (other, own) = (Counted::new().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (port, api_url) = (other.address.port(), format!("http://{}", own.local_addr().unwrap()));
    let locations = ["127.0.0.1", "localhost", "[::1]", "2130706433", "[::ffff:127.0.0.1]", "127.0.0.1."]
        .map(|host| format!("http://{host}:{port}/f"));
    let own_address = own.local_addr().unwrap();
    let mut served = 0;
    for location in locations.iter().chain([&format!("https://{own_address}/f"), &format!("http://u@{own_address}/f")])
    {
        let request = Request::get(format!("{api_url}/m")).body(Bytes::new()).unwrap();
        let (hosts, mut sink, fetcher) = (origin(&api_url), Kept::default(), Fetcher::new(FetchBounds::default()));
        let answer = async {
            let (mut peer, _) = own.accept().await.unwrap();
            network::read_head(&mut peer).await.unwrap();
            let head = format!("HTTP/1.1 302 Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            peer.write_all(head.as_bytes()).await.unwrap();
            peer
        };
        let (fetched, _peer) = tokio::join!(fetcher.fetch(request, &hosts, MAX, &mut sink), answer);
        assert!(matches!(fetched, Err(FetchFailed::ForbiddenAddress(_))), "{location}: {fetched:?}");
        served += 1;
    }
    assert_eq!((served, other.count()), (8, 0));
}

#[tokio::test]
async fn an_own_origin_is_reached_over_http_at_loopback() {
    let listener = Counted::new().await;
    let url = format!("http://{}/m", listener.address);
    let request = Request::get(&url).body(Bytes::new()).unwrap();
    let mut sink = Kept::default();
    let fetcher = Fetcher::new(FetchBounds::default());
    let fetched = fetcher.fetch(request.clone(), &origin(&url), MAX, &mut sink).await.unwrap();
    assert_eq!((fetched.bytes, &sink.bytes[..], listener.count()), (5, &b"photo"[..], 1));
    let by_name = to_loopback(listener.address.port());
    let named = origin("http://sim.example:9100");
    let request = Request::get("http://sim.example:9100/m").body(Bytes::new()).unwrap();
    assert!(by_name.fetch(request, &named, MAX, &mut Kept::default()).await.is_ok());
    assert_eq!(listener.count(), 2, "the network of these tests connects where it is not kept from it");
}

/// A listener at loopback that counts its connections and serves a file on each.
struct Counted {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Counted {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    network::read_head(&mut peer).await;
                    let _ = peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nphoto").await;
                });
            }
        });
        Self { address, connections }
    }

    fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A network whose names all lead to one port of loopback, unless the system knows better.
struct ToLoopback(u16);

impl Network for ToLoopback {
    type Stream = TcpStream;

    async fn look_up(&self, name: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let numeric = name.bytes().all(|byte| byte.is_ascii_hexdigit() || b".x".contains(&byte));
        if numeric && let Ok(found) = lookup_host((name, self.0)).await {
            return Ok(found.collect());
        }
        Ok(vec![SocketAddr::new(IpAddr::from([127, 0, 0, 1]), self.0)])
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect((to.ip(), self.0)).await
    }
}

fn to_loopback(port: u16) -> Fetcher<ToLoopback> {
    let fetcher = TestNetwork::new([]).fetcher();
    Fetcher { network: ToLoopback(port), tls: fetcher.tls, bounds: fetcher.bounds }
}

async fn connect_to(port: u16, to: &Checked) -> Result<Box<dyn Socket>, NoConnection> {
    let fetcher = to_loopback(port);
    connect(&fetcher.network, &fetcher.tls, to, fetcher.bounds.connect).await
}
