//! Requests that are too large, encoded, invalid or of another protocol: each is refused, others are unaffected.

use crate::peer::{connect, source, statuses, tell};
use crate::process::{Gateway, Outside, TOKEN};
use crate::stage::{ALL, Honest, happened, nothing_but_texts, plain, texts};
use crate::webhook::{MESSAGES, Webhook};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The most that a door reads of a head, with what the systems between hold.
const HEAD_MAX_BYTES: usize = 32 * 1024;

/// How often what is quickly done is done over, so that honest requests fall into it.
const ROUNDS: usize = 10;

/// The largest body.
const BODY_MAX_BYTES: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g22_heads_of_too_many_or_too_large_lines_are_431_at_every_door() {
    let (world, gateway) = open().await;
    let honest = Honest::plain(&ALL, &world);
    for door in doors(&world).repeat(ROUNDS) {
        let many = "X: a\r\n".repeat(65);
        let empty = "a:\r\n".repeat(8_000);
        let long = format!("X: {}\r\n", "a".repeat(HEAD_MAX_BYTES));
        let endless = "a".repeat(4 << 20);
        for (what, lines) in [("many", &many), ("empty", &empty), ("long", &long), ("endless", &endless)] {
            let answers = tell(door, format!("GET / HTTP/1.1\r\n{lines}\r\n").as_bytes()).await;
            // Who says far more than is read may not hear the answer.
            let heard = statuses(&answers);
            assert!(heard == [431] || (what == "endless" && heard.is_empty()), "{what}: {heard:?}");
        }
        let path = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(HEAD_MAX_BYTES));
        assert!(matches!(statuses(&tell(door, path.as_bytes()).await)[..], [414 | 431]));
    }
    honest.ends().await;
    goes_on(&world, &gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g22_bodies_that_are_too_large_are_413_and_are_not_read_to_their_end() {
    let (world, gateway) = open().await;
    let honest = Honest::plain(&ALL, &world);
    for (door, path, head) in writes(&world) {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{head}\r\n");
        // One that says so is not waited for.
        let declared = format!("{head}Content-Length: {}\r\n\r\n", BODY_MAX_BYTES + 1);
        let declared = tell(door, declared.as_bytes()).await;
        assert_eq!(statuses(&declared), [413]);
        assert!(declared[0].body.contains("65536"), "{}", declared[0].body);

        // One that does not say so ends once it is seen.
        const MANY: usize = 256 << 20;
        let mut stream = connect(door, source(0)).await.unwrap();
        stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        let mut written = 0;
        while written < MANY && stream.write_all(chunk.as_bytes()).await.is_ok() {
            written += chunk.len();
        }
        assert!(written < MANY, "all of it was taken");
        let mut said = Vec::new();
        let _reset = stream.read_to_end(&mut said).await;
        let said = String::from_utf8_lossy(&said);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 413 "), "{said}");
    }
    honest.ends().await;
    goes_on(&world, &gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g22_bodies_that_are_encoded_are_415_unread() {
    let (world, gateway) = open().await;
    let honest = Honest::plain(&ALL, &world);
    for (door, path, head) in writes(&world) {
        for encoding in ["gzip", "deflate", "br", "zstd", "x-gzip", "identity, gzip", "gzip, gzip, gzip, gzip"] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{head}\r\nContent-Encoding: {encoding}");
            let answers = tell(door, format!("{head}\r\nContent-Length: 60000\r\n\r\n").as_bytes()).await;
            assert_eq!(statuses(&answers), [415], "{encoding}");
        }
    }
    // A bomb that does not say what it is, is a body like any other: nothing here unpacks.
    let bomb = gzip_bomb();
    let head = format!("POST {MESSAGES} HTTP/1.1\r\nHost: a\r\nConnection: close");
    let resident_kb = gateway.resident_kb();
    let lines = ["Transfer-Encoding: gzip, chunked".to_owned(), format!("Content-Length: {}", bomb.len())];
    for lines in lines.iter().cycle().take(2 * ROUNDS) {
        let body = if lines.contains("chunked") { chunked(&bomb) } else { bomb.clone() };
        let answers =
            tell(world.home.doors.carriers, &[format!("{head}\r\n{lines}\r\n\r\n").as_bytes(), &body].concat()).await;
        assert_eq!(statuses(&answers), [403], "{lines}");
    }
    assert!(gateway.resident_kb() < resident_kb + GROWN_MAX_KB, "something was unpacked");
    honest.ends().await;
    goes_on(&world, &gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g22_what_is_no_request_of_ours_is_refused_at_every_door_and_does_nothing() {
    const NONSENSE: &[&[u8]] = &[
        // Other protocols.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"EHLO example.com\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        // Methods and addresses.
        b"BREW /coffee HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"DELETE /carriers/main/messages HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /carriers/main/../../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"POST /carriers/%6dain/messages HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"POST //carriers/main/messages HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"POST /carriers/main/messages%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"GET /v1/calls/%ff%fe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET example.com HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        // A way to another protocol.
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    ];
    let (world, gateway) = open().await;
    let before = happened(&world.home);
    let honest = Honest::plain(&ALL, &world);
    for door in doors(&world) {
        for bytes in NONSENSE {
            let heard = statuses(&tell(door, bytes).await);
            let refused = heard.is_empty() || matches!(heard[..], [400..500]);
            assert!(refused, "{heard:?} to {}", String::from_utf8_lossy(bytes));
        }
    }
    let heard = honest.ends().await.webhooks;
    nothing_but_texts(&before, &happened(&world.home), heard);
    goes_on(&world, &gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g22_a_request_target_with_a_host_is_routed_by_its_path_alone() {
    let (world, gateway) = open().await;
    let door = world.home.doors.carriers;
    let right = Webhook::text("SM1", "+14155550101", "hello");
    let elsewhere = right.clone().signed_for("https://evil.example");
    let whole = |webhook: &Webhook, target: &str| {
        let text = String::from_utf8(webhook.bytes_to(target)).unwrap();
        text.replace(
            "Host: sms.example.com",
            "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close",
        )
    };
    let target = format!("https://evil.example{MESSAGES}");
    assert_eq!(statuses(&tell(door, whole(&elsewhere, &target).as_bytes()).await), [403]);
    assert_eq!(statuses(&tell(door, whole(&elsewhere, MESSAGES).as_bytes()).await), [403]);
    assert_eq!(texts(&happened(&world.home)), 0);
    assert_eq!(statuses(&tell(door, whole(&right, &target).as_bytes()).await), [200]);
    assert_eq!(texts(&happened(&world.home)), 1);
    goes_on(&world, &gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g22_a_thousand_requests_written_at_once_are_answered_one_after_the_other() {
    const MANY: usize = 1_000;
    let (world, gateway) = open().await;
    let honest = Honest::plain(&ALL, &world);
    let one = Webhook::text("SM1", "+14155550101", "hello").bytes();
    let last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answers = tell(world.home.doors.carriers, &[&*one.repeat(MANY), last.as_bytes()].concat()).await;
    let mut expected = vec![200; MANY];
    expected.push(404);
    assert_eq!(statuses(&answers), expected);
    let heard = honest.ends().await.webhooks;
    assert_eq!(texts(&happened(&world.home)), heard + 1);
    goes_on(&world, &gateway).await;
}

async fn open() -> (Outside, Gateway) {
    let world = plain().await;
    let gateway = world.start().await;
    (world, gateway)
}

fn doors(world: &Outside) -> [SocketAddr; 3] {
    let doors = world.home.doors;
    [doors.carriers, doors.platform, doors.ops]
}

/// Where bodies are read: the door, the address, and a header that opens it as far as that.
fn writes(world: &Outside) -> [(SocketAddr, &'static str, String); 2] {
    let doors = world.home.doors;
    let form = "Content-Type: application/x-www-form-urlencoded".to_owned();
    let token = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json");
    [(doors.carriers, MESSAGES, form), (doors.platform, "/v1/estimate", token)]
}

/// Nothing has panicked, and honest requests are answered as ever.
async fn goes_on(world: &Outside, gateway: &Gateway) {
    let honest = Webhook::text("SMhonest", "+14155550199", "and on it goes").bytes();
    let last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answers = tell(world.home.doors.carriers, &[&*honest, last.as_bytes()].concat()).await;
    assert_eq!(statuses(&answers), [200, 404]);
    assert_eq!(world.client.estimate("hello").await.unwrap().status, 200);
    let metrics = gateway.metrics().await;
    let panics: Vec<_> = metrics.lines().filter(|line| line.starts_with("offhook_panics_total")).collect();
    assert!(panics.iter().all(|line| line.ends_with(" 0")), "{panics:?}");
}

/// The most that the gateway may grow by while it is shown a bomb.
const GROWN_MAX_KB: u64 = 8_000;

/// A gzip stream of some 40 kB that would grow to 10 MB of zeros: a literal, then copies of the 258 bytes before it, in the
/// fixed code of RFC 1951. Its checksum is missing, which no unpacker looks for before it has unpacked.
fn gzip_bomb() -> Vec<u8> {
    const COPIES: usize = 25_000;
    // Bits in the order they are packed: the last block, of the fixed code; the literal 0; then a length of 258 from one
    // byte back, again and again; the end.
    let copies = "1100010100000".repeat(COPIES);
    let bits: Vec<u8> = format!("11000110000{copies}0000000").bytes().map(|bit| bit - b'0').collect();
    let packed = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |whole, bit| whole << 1 | bit));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(packed).collect()
}

fn chunked(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat()
}
