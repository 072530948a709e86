//! Stops in good order, and starts that must not be.

use crate::ending::judge;
use crate::load::{CALLERS, Load, ours, theirs, world};
use crate::process::{Gateway, Outside, SOON, TOKEN, offhook, said};
use offhook::sim::carrier::{Again, Behaviour, CarrierSettings, Resend};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A load needs a moment to be one.
const UNDER_LOAD: Duration = Duration::from_secs(2);

/// How long a stop may take, from the signal until the process is gone: what the gateway promises on any machine.
const STOPS_IN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g30_sigterm_under_load_exits_0_and_loses_nothing_that_was_accepted() {
    let world = world().await;
    let load = Load::start(&world);
    let gateway = world.start().await;
    tokio::time::sleep(UNDER_LOAD).await;
    let took = stops(&world, gateway).await;
    assert!(!world.home.log().contains("shutdown timed out"), "{}", world.home.log());

    let _gateway = world.start().await;
    tokio::time::sleep(UNDER_LOAD / 2).await;
    let promised = load.end().await;
    let summary = judge(&world, &promised, 0).await;
    println!("a stop under load in {took:.1?}: {summary:?}");
    assert!(promised.acknowledged > 50, "there was hardly any load: {summary:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g30_what_was_refused_while_it_stopped_was_not_done_and_what_was_accepted_was() {
    // Each request is sent once, so that each answer can be compared with what was done.
    let world = crate::load::world_of(CarrierSettings {
        resend: Resend { again: Again::NotConnected, attempts_max: 1, ..Resend::default() },
        ..CarrierSettings::default()
    });
    let world = world.await;
    world.carrier.set_behaviour(Behaviour::default());
    let gateway = world.start().await;
    for nth in 0..CALLERS {
        let body = json!({ "caller": theirs(nth).to_string(), "queue": format!("queue-{}", nth % 4), "agent": "a-1" });
        assert_eq!(world.client.put_call(&call(nth), &body).await.unwrap().status, 201);
    }
    let (mut sends, mut texts) = (JoinSet::new(), JoinSet::new());
    for nth in 0..CALLERS {
        let asking = Arc::clone(&world);
        sends.spawn(async move {
            let mut answers = Vec::new();
            for text in (0..).map(|text| format!("{nth}-{text}")) {
                let answer = asking.client.send_text(&call(nth), &text, "a-1").await;
                let status = answer.as_ref().map_or(0, |answer| answer.status);
                answers.push((nth, text, status));
                // 429: enough wait already, and more would only be refused again.
                if !matches!(status, 202 | 429) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            answers
        });
        let asking = Arc::clone(&world);
        texts.spawn(async move {
            let phone = asking.carrier.phone(theirs(nth));
            loop {
                let text = phone.marked("hello");
                let webhook = phone.text(ours(nth % 4), &text).await;
                if !webhook.acknowledged() {
                    return (nth, text, webhook);
                }
            }
        });
    }
    tokio::time::sleep(UNDER_LOAD / 2).await;
    stops(&world, gateway).await;
    let cut_off = world.home.log().contains("cut off");
    assert!(!cut_off, "nothing delays this stop, so nothing is cut off:\n{}", world.home.log());
    let (sends, texts) = (sends.join_all().await.concat(), texts.join_all().await);

    let _gateway = world.start().await;
    let mut counts = [0; 4];
    for nth in 0..CALLERS {
        let known = texts_of(&world, nth).await;
        for (_, text, status) in sends.iter().filter(|(caller, ..)| *caller == nth) {
            let there = known.iter().any(|known| known == text);
            match status {
                202 => assert!(there, "{text} was accepted and is lost"),
                // It says that the outcome is unknown, which the contract allows after ten seconds without a decision.
                504 => {}
                // What was read is answered before the gateway exits, so what was not answered was not read.
                0 => assert!(!there, "{text} was accepted and never answered"),
                _ => assert!(!there, "{text} was refused with {status} and is there"),
            }
            counts[0] += usize::from(*status == 202);
            counts[1] += usize::from(*status == 503);
            counts[2] += usize::from(*status == 0);
            counts[3] += usize::from(*status == 504);
        }
        for (_, text, webhook) in texts.iter().filter(|(caller, ..)| *caller == nth) {
            // On a stalled machine, a webhook is answered 503 after 13 s with its outcome unknown.
            let put_off = webhook.answers.contains(&Some(503)) && webhook.slowest_us >= 12_000_000;
            assert!(put_off || !known.contains(text), "{text:?} was taken and not acknowledged: {webhook:?}");
        }
    }
    let [accepted, refused, unanswered, unknown] = counts;
    println!(
        "{accepted} sends were accepted, {refused} refused, {unanswered} not answered, {unknown} answered with 504"
    );
    assert!(accepted > CALLERS, "there was hardly any load");
}

/// Stops a gateway in good order and in time; tells how long it took.
async fn stops(world: &Outside, gateway: Gateway) -> Duration {
    let began = Instant::now();
    assert_eq!(gateway.terminate().await.code(), Some(0), "{}", world.home.log());
    let took = began.elapsed();
    assert!(took <= STOPS_IN, "it took {took:?}\n{}", world.home.log());
    took
}

fn call(nth: usize) -> String {
    format!("call-{nth}")
}

/// Every text of a call, of both sides.
async fn texts_of(world: &Outside, nth: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let first = format!("/v1/calls/{}/messages?limit=500", call(nth));
    let mut path = first.clone();
    loop {
        let page = world.client.ask("GET".parse().unwrap(), &path, None).await.unwrap();
        assert_eq!(page.status, 200, "{}", page.json);
        let items = page.json["items"].as_array().expect("a page has items");
        texts.extend(items.iter().filter_map(|message| message["text"].as_str().map(str::to_owned)));
        let Some(next) = page.json["next_cursor"].as_str() else { return texts };
        path = format!("{first}&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g30_a_second_signal_cuts_off_what_is_still_at_work_and_closes_the_journal_well() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM")] {
        let world = world().await;
        let gateway = world.start().await;
        let body = json!({ "caller": theirs(0).to_string(), "queue": "queue-0", "agent": "a-1" });
        assert_eq!(world.client.put_call("c-1", &body).await.unwrap().status, 201);
        let _half = half_a_request(&world).await;
        // The other one is the client's own.
        connections(&gateway, 2).await;
        gateway.signal(first);
        world.home.says("serve: stopping").await;
        gateway.signal(second);
        assert_eq!(gateway.exit().await.code(), Some(1), "{}", world.home.log());
        let log = world.home.log();
        assert!(log.contains("second signal: forced shutdown: "), "{log}");
        assert!(!log.contains("shutdown timed out") && !log.contains("at shutdown deadline"), "{log}");

        let data = world.home.data();
        let verified = offhook(&["journal", "verify", data.to_str().unwrap()]);
        assert!(verified.status.success() && said(&verified).contains("whole"), "{}", said(&verified));
        let gateway = world.start().await;
        assert!(world.home.log().contains("replayed=0"), "the index was closed well:\n{}", world.home.log());
        assert_eq!(world.client.call("c-1").await.unwrap().text("/state"), "active");
        assert_eq!(world.client.call("c-2").await.unwrap().status, 404, "half a request has no effect");
        gateway.signal("INT");
        assert_eq!(gateway.exit().await.code(), Some(0), "one signal alone is a stop in good order");
    }
}

/// A request without the end of its body, which a gateway that stops in good order waits for.
async fn half_a_request(world: &Outside) -> TcpStream {
    let head = format!(
        "PUT /v1/calls/c-2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    begun(world.home.doors.platform, &head).await
}

/// A connection with these bytes written to it, and no more to come.
async fn begun(door: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(door).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn g30_peers_that_never_finish_do_not_hold_up_a_stop_for_ten_seconds() {
    let world = world().await;
    let gateway = world.start().await;
    assert_eq!(world.client.call("c-1").await.unwrap().status, 404);
    let doors = world.home.doors;
    let _half = half_a_request(&world).await;
    let mut held = Vec::new();
    for door in [doors.carriers, doors.platform, doors.ops] {
        held.push(begun(door, "").await);
        held.push(begun(door, "GET /").await);
    }
    connections(&gateway, 4).await;
    let took = stops(&world, gateway).await;
    println!("a stop with peers that never finish in {took:.1?}");
    assert!(world.home.log().contains("cut off at shutdown deadline"), "{}", world.home.log());
}

/// Waits until the platform's door has this many connections.
async fn connections(gateway: &Gateway, count: usize) {
    let until = Instant::now() + SOON;
    let line = format!("offhook_connections_open{{door=\"platform\"}} {count}");
    while !gateway.metrics().await.lines().any(|found| found == line) {
        assert!(Instant::now() < until, "{line} does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g30_a_gateway_that_still_recovers_stops_when_asked() {
    let stuck = Stuck::new().await;
    let gateway = stuck.recovering().await;
    assert_eq!(gateway.terminate().await.code(), Some(0), "{}", stuck.world.home.log());
    assert!(stuck.world.home.log().contains("stopping before it was ready"), "{}", stuck.world.home.log());

    fs::remove_file(&stuck.pipe).unwrap();
    let gateway = stuck.world.start().await;
    assert_eq!(stuck.world.client.call("c-1").await.unwrap().text("/state"), "active");
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn g33_a_gateway_that_is_told_to_reload_while_it_recovers_does_so_once_it_has() {
    let stuck = Stuck::new().await;
    let mut gateway = stuck.recovering().await;
    for _ in 0..10 {
        gateway.signal("HUP");
    }
    // The reader of the pipe continues at its end: an empty file of claims.
    let pipe = stuck.pipe.clone();
    tokio::task::spawn_blocking(move || drop(fs::OpenOptions::new().write(true).open(pipe))).await.unwrap();
    gateway.ready().await;
    stuck.world.home.says("configuration reloaded").await;
    assert_eq!(stuck.world.client.call("c-1").await.unwrap().text("/state"), "active");
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

/// A gateway's data with a call in it, and a pipe among its files that holds up whoever reads them: a disk that takes
/// however long it takes.
struct Stuck {
    world: Arc<Outside>,
    pipe: PathBuf,
}

impl Stuck {
    async fn new() -> Self {
        let world = world().await;
        let gateway = world.start().await;
        let body = json!({ "caller": theirs(0).to_string(), "queue": "queue-0", "agent": "a-1" });
        assert_eq!(world.client.put_call("c-1", &body).await.unwrap().status, 201);
        assert_eq!(gateway.terminate().await.code(), Some(0));
        // The claims of a day long ago.
        let pipe = world.home.data().join("claims").join("1");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        Self { world, pipe }
    }

    /// A gateway that has begun to read and is held up: ops see it, and it has the lock.
    async fn recovering(&self) -> Gateway {
        let doors_before = self.world.home.log().matches("door open").count();
        let gateway = self.world.home.start();
        let until = Instant::now() + SOON;
        while self.world.home.log().matches("door open").count() == doors_before {
            assert!(Instant::now() < until, "{}", self.world.home.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answer = crate::process::wire::get(self.world.home.doors.ops, "/readyz").await.unwrap();
        let reasons: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(reasons["reasons"], json!(["starting", "recovering"]));
        gateway
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_data_says_who_has_it_and_exits_1() {
    let world = world().await;
    let first = world.start().await;
    let beside = fs_config_on_other_ports(&world.home.path("offhook.toml"));
    let second = world.home.start_with(&world.home.write("second.toml", &beside));
    assert_eq!(second.exit().await.code(), Some(1));
    let holder = format!("is in use by process {}: stop that one first", first.id());
    assert!(world.home.log().contains(&holder), "{}", world.home.log());
    assert_eq!(first.terminate().await.code(), Some(0), "the first is not affected");
}

/// The same configuration with doors wherever the system puts them.
fn fs_config_on_other_ports(file: &std::path::Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let door = |line: &str| match line.split_once(" = \"127.0.0.1:") {
        Some((door, _)) => format!("{door} = \"127.0.0.1:0\""),
        None => line.to_owned(),
    };
    text.lines().map(door).collect::<Vec<_>>().join("\n")
}
