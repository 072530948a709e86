//! What the outside can make the gateway log, and whom a trusted proxy names.

use crate::peer::{Line, connect, source, tell};
use crate::process::{Home, TOKEN, wire};
use crate::stage::{Stage, plain, value};
use crate::webhook::{MESSAGES, Webhook};
use tokio::io::AsyncWriteExt as _;

/// Forgeries, and requests with a wrong token.
const FORGERIES: usize = 3_000;
const WRONG_TOKENS: usize = 300;

/// A log of this many lines would need minutes.
const LOG_MAX_BYTES: usize = 50_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_forgeries_and_wrong_tokens_cannot_flood_the_log_and_are_all_counted() {
    let world = plain().await;
    let gateway = world.start().await;
    let mut line = Line::new(connect(world.home.doors.carriers, source(0)).await.unwrap());
    let mut wrong = Webhook::text("SMwrong", "+14155550101", "wrong");
    wrong.signatures = vec!["AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned()];
    for _ in 0..FORGERIES {
        assert_eq!(line.ask(&wrong.bytes()).await.unwrap().status, 403);
    }
    let mut line = Line::new(connect(world.home.doors.platform, source(0)).await.unwrap());
    let asked = b"GET /v1/queues HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n";
    for _ in 0..WRONG_TOKENS {
        assert_eq!(line.ask(asked).await.unwrap().status, 401);
    }
    assert!(gateway.terminate().await.success());
    let log = world.home.log();
    assert!(log.len() < LOG_MAX_BYTES, "{} bytes", log.len());
    assert_eq!(told(&world.home, "signature refused", "signature_refused"), FORGERIES, "{log}");
    assert_eq!(told(&world.home, "credential refused", "credential_refused"), WRONG_TOKENS, "{log}");
}

/// How often the log says something, what was left out of it included.
fn told(home: &Home, line: &str, cause: &str) -> usize {
    let log = home.log();
    let left_out = log.lines().filter(|line| line.contains(&format!("cause=\"{cause}\""))).map(|line| {
        let count = line.split("left_out=").nth(1).expect("it says how many were left out");
        count.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    });
    log.matches(line).count() + left_out.sum::<usize>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_a_webhook_for_an_unknown_account_is_logged_with_path_and_nearest_name() {
    let world = plain().await;
    let gateway = world.start().await;
    let webhook = Webhook::text("SM1", "+14155550101", "hello");
    for path in ["/carriers/mian/messages?From=%2B14155550101", "/carriers/main/mesages", "/favicon.ico"] {
        let mut line = Line::new(connect(world.home.doors.carriers, source(0)).await.unwrap());
        assert_eq!(line.ask(&webhook.bytes_to(path)).await.unwrap().status, 404, "{path}");
    }
    let log = world.home.says("path=\"/*\"").await;
    for (path, nearest) in [("/carriers/mian/messages", "main"), ("/carriers/main/mesages", "main"), ("/*", "none")] {
        let expected = format!("path=\"{path}\" nearest_account=\"{nearest}\"");
        assert!(log.contains(&expected), "{expected} is not in:\n{log}");
    }
    assert!(!log.contains("14155550101"), "{log}");
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_a_path_that_ends_in_a_slash_is_the_path_without_it_at_every_door() {
    let world = plain().await;
    let gateway = world.start().await;
    let doors = world.home.doors;
    let token = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(wire::ask(doors.platform, "GET", "/v1/queues/", &[&token], b"").await.unwrap().status, 200);
    assert_eq!(wire::get(doors.ops, "/readyz/").await.unwrap().status, 200);
    let mut webhook = Webhook::text("SM1", "+14155550101", "hello");
    webhook.path = format!("{MESSAGES}/");
    let webhook = webhook.signed_for(&offhook::sim::carrier::CarrierSettings::default().public_url);
    let mut line = Line::new(connect(doors.carriers, source(0)).await.unwrap());
    assert_eq!(line.ask(&webhook.bytes()).await.unwrap().status, 200);
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_the_log_names_the_client_that_a_trusted_proxy_names() {
    const ASKED: &str = "GET /v1/queues HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let world = plain().await;
    let asked = "[limits]\nproxy_protocol = [\"ops\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n";
    world.home.configure(|text| format!("{text}\n{asked}"));
    let mut gateway = world.home.start();
    world.home.says("door=\"platform\"").await;
    let forwarded = format!("{ASKED}X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.0.0.9\r\n\r\n");
    assert_eq!(tell(world.home.doors.platform, forwarded.as_bytes()).await[0].status, 401);
    world.home.says("from=203.0.113.7").await;

    let line = "PROXY TCP4 203.0.113.8 10.0.0.5 4711 9464\r\n";
    let health = format!("{line}GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(tell(world.home.doors.ops, health.as_bytes()).await[0].status, 200);
    assert!(tell(world.home.doors.ops, &health.as_bytes()[line.len()..]).await.is_empty(), "without a header");
    world.home.says("its PROXY protocol header is missing or wrong").await;
    assert!(gateway.ended().is_none());
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f17_tls_handshakes_that_fail_are_logged_and_cannot_flood_the_log() {
    const FAILED: usize = 100;
    let stage = Stage::new().await;
    let gateway = stage.world.start().await;
    for nth in 0..FAILED {
        let mut stream = connect(stage.world.home.doors.carriers, source(nth)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let _closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await;
    }
    let series = "offhook_connections_total{door=\"carriers\",end=\"handshake_failed\"}";
    assert_eq!(value(&gateway.metrics().await, series), FAILED as u64);
    assert!(gateway.terminate().await.success());
    assert_eq!(told(&stage.world.home, "TLS handshake failed", "handshake_failed"), FAILED);
}
