//! Events on their way out: endpoints that are gone and come back, that want little, and that want all of it again.

use crate::process::{Gateway, Outside, SOON, TOKEN, nothing_for, offhook, said, wire};
use crate::shared::{OURS, api, on_the_phone, world};
use offhook::sim::platform::{Delivery, Fault, Platform, PlatformBehaviour, PlatformSettings};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An endpoint that said 410 is probed every five seconds.
const LOOKED_AT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a65_an_endpoint_that_answers_410_raises_an_alarm_and_resumes_in_order() {
    let world = world().await;
    let gateway = world.start().await;
    let gone = PlatformBehaviour { faults: 1.0, fault: Fault::Status(410), ..PlatformBehaviour::default() };
    world.platform.set_behaviour(gone);
    let caller = on_the_phone(&world).await;
    let paused = "offhook_feed_paused{endpoint=\"main\"}";
    counted(&gateway, &format!("{paused} 1")).await;
    assert!(world.home.log().contains("endpoint paused: it answers 410"), "{}", world.home.log());

    world.platform.set_behaviour(PlatformBehaviour::default());
    let ours = |event: &Delivery| event.call_id.as_deref() == Some(&*caller.call);
    world.platform.wait_for(LOOKED_AT, ours).await.unwrap();
    let events = caller.hangs_up(&world).await;
    let sequences: Vec<_> = events.iter().map(|event| event.call_sequence.unwrap()).collect();
    assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>());
    nothing_for(Duration::from_millis(1_500)).await;
    assert!(gateway.metrics().await.contains(&format!("{paused} 0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a65_what_was_told_of_a_time_is_told_once_more_by_a_command() {
    let world = world().await;
    let config = world.home.path("offhook.toml");
    let config = config.to_str().unwrap();
    let replay = |rest: &[&str]| offhook(&[&["events", "replay", "--config", config], rest].concat());
    let unanswered = replay(&["--since", "2020-01-01T00:00:00Z"]);
    assert_eq!(unanswered.status.code(), Some(1));
    assert!(said(&unanswered).contains("no gateway with this configuration answers"), "{}", said(&unanswered));

    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let events = caller.hangs_up(&world).await;
    for (rest, why) in [
        (&["--since", "yesterday"][..], "`since` is not a valid time: it must be a time with its zone"),
        (&["--since", "2020-01-01T00:00:00Z", "--endpoint", "mian"], "use one of main, or omit it for all"),
        (&["--since", "2020-01-01T00:00:00Z", "--until", "2019-01-01T00:00:00Z"], "`until` is before `since`"),
    ] {
        let refused = replay(rest);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains(why), "{}", said(&refused));
    }
    let nothing = replay(&["--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z"]);
    assert!(said(&nothing).contains("no events in that time range"), "{}", said(&nothing));

    let replayed = replay(&["--since", "2020-01-01T00:00:00Z", "--endpoint", "main"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", said(&replayed));
    assert!(said(&replayed).contains("will be re-delivered to main"), "{}", said(&replayed));
    let until = Instant::now() + SOON;
    while world.platform.count() < 2 * events.len() {
        assert!(Instant::now() < until, "{} of {}", world.platform.count(), 2 * events.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut by_id: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for delivery in world.platform.record().deliveries {
        by_id.entry(delivery.id.clone()).or_default().push(delivery);
    }
    assert!(by_id.values().all(|twice| twice.len() == 2 && twice[0].bytes == twice[1].bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_told_of_what_they_name() {
    let world = world().await;
    let good = fs::read_to_string(world.home.path("offhook.toml")).unwrap();
    let second = format!(
        "[[platform.webhook]]\nname = \"ends\"\nurl = \"{}\"\nsecret_files = [\"webhook\"]\nevents = [\"call.ended\"]\n\
         [[account]]",
        world.platform.url()
    );
    let config = world.home.write("two.toml", &good.replace("[[account]]", &second));
    let mut gateway = world.home.start_with(&config);
    gateway.ready().await;
    let caller = on_the_phone(&world).await;
    caller.hangs_up(&world).await;
    let until = Instant::now() + SOON;
    loop {
        let deliveries = world.platform.record().deliveries;
        let times = |kind: &str| deliveries.iter().filter(|event| event.kind == kind).count();
        if (times("call.started"), times("call.ended")) == (1, 2) {
            break;
        }
        assert!(Instant::now() < until, "{deliveries:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a65_each_start_warns_of_a_removed_endpoint_with_undelivered_events() {
    let world = world().await;
    let gateway = world.start().await;
    on_the_phone(&world).await.hangs_up(&world).await;
    assert!(gateway.terminate().await.success());
    let says = "endpoint removed from the configuration";
    assert!(!world.home.log().contains(says), "{}", world.home.log());

    world.home.configure(|good| good.replace("name = \"main\"\nurl", "name = \"renamed\"\nurl"));
    let gateway = world.start().await;
    let missed = on_the_phone(&world).await;
    assert!(gateway.terminate().await.success());
    let _gateway = world.start().await;
    let said = world.home.log();
    let lines: Vec<_> = said.lines().filter(|line| line.contains(says)).collect();
    assert!(lines.len() == 2 && lines[1].contains("endpoint=\"main\""), "{said}");
    let after = lines[1].split("after=\"").nth(1).map(|rest| rest.trim_end_matches('"'));
    let pulled = world.client.events(after, 10).await.unwrap();
    assert_eq!(pulled.text("/items/0/call_id"), missed.call, "{}", pulled.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_gets_events_at_once_and_an_open_stream_does_not_delay_a_stop() {
    let world = world().await;
    let gateway = world.start().await;
    let end = world.client.events(None, 10).await.unwrap().text("/next_cursor").to_owned();
    let began = Instant::now();
    let path = format!("/v1/events?wait_ms=30000&after={end}");
    let (pulled, caller) = tokio::join!(api(&world, "GET", &path, b""), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        on_the_phone(&world).await
    });
    assert!(pulled.status == 200 && pulled.body.contains(&caller.call), "{pulled:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());

    let mut listening = listen(&world, &end).await;
    said_on(&mut listening, &caller.call).await;
    let next = on_the_phone(&world).await;
    said_on(&mut listening, &next.call).await;
    let path =
        format!("/v1/events?wait_ms=30000&after={}", world.client.events(None, 10).await.unwrap().text("/next_cursor"));
    let began = Instant::now();
    let (waits, ended) = tokio::join!(api(&world, "GET", &path, b""), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        gateway.terminate().await
    });
    assert!(ended.success());
    assert!(began.elapsed() < STOPS_WITHIN, "{:?}", began.elapsed());
    assert_eq!(waits.status, 200, "a waiting request is answered: {waits:?}");
    let mut rest = Vec::new();
    listening.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the stream ends as it should: {}", String::from_utf8_lossy(&rest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a65_a_delivery_that_times_out_is_repeated_with_the_same_bytes() {
    let world = world().await;
    let gateway = world.start().await;
    world.platform.set_behaviour(PlatformBehaviour {
        faults: 1.0,
        fault: Fault::Silent,
        ..PlatformBehaviour::default()
    });
    let caller = on_the_phone(&world).await;
    counted(&gateway, "offhook_deliveries_total{endpoint=\"main\",outcome=\"unanswered\"} 1").await;
    world.platform.set_behaviour(PlatformBehaviour::default());
    taken_again(&world, &caller.call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a65_an_endpoint_that_points_elsewhere_has_taken_nothing_and_nobody_else_is_told() {
    let world = world().await;
    let gateway = world.start().await;
    let elsewhere = Platform::start(&PlatformSettings::default()).await.unwrap();
    let points = Fault::Redirect(elsewhere.url());
    world.platform.set_behaviour(PlatformBehaviour { faults: 1.0, fault: points, ..PlatformBehaviour::default() });
    let caller = on_the_phone(&world).await;
    counted(&gateway, "offhook_deliveries_total{endpoint=\"main\",outcome=\"refused\"} 1").await;
    world.platform.set_behaviour(PlatformBehaviour::default());
    taken_again(&world, &caller.call).await;
    assert_eq!(elsewhere.count(), 0);
}

/// An endpoint that is down is seen to be, and what ten strangers said meanwhile comes in its order when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn f03_f23_stop_start_stop_of_strangers_arrive_in_order_after_an_outage() {
    let world = world().await;
    let gateway = world.start().await;
    world.platform.set_behaviour(PlatformBehaviour {
        faults: 1.0,
        fault: Fault::Status(503),
        ..PlatformBehaviour::default()
    });
    for nth in 0..10 {
        let stranger = world.carrier.phone(format!("+1415555{nth:04}").parse().unwrap());
        for word in ["STOP", "START", "STOP"] {
            assert!(stranger.text(OURS.parse().unwrap(), word).await.acknowledged());
        }
    }
    let paused = "offhook_feed_paused{endpoint=\"main\"}";
    counted(&gateway, &format!("{paused} 1")).await;
    let ready = wire::get(world.home.doors.ops, "/readyz").await.unwrap();
    assert!(ready.status == 200 && ready.body.contains("endpoint main: accepts no events"), "{}", ready.body);

    world.platform.set_behaviour(PlatformBehaviour::default());
    let of_contacts = |event: &Delivery| event.taken && event.kind.starts_with("contact.");
    let events = world.platform.wait_for_all(30, SOON, of_contacts).await.unwrap();
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events {
        let contact = event.json()["data"]["contact"].as_str().unwrap().to_owned();
        said.entry(contact).or_default().push(event.kind.clone());
    }
    assert_eq!(said.len(), 10);
    for (contact, kinds) in said {
        assert_eq!(kinds, ["contact.opted_out", "contact.opted_in", "contact.opted_out"], "{contact}");
    }
    counted(&gateway, &format!("{paused} 0")).await;
    let ready = wire::get(world.home.doors.ops, "/readyz").await.unwrap();
    assert_eq!(ready.body, r#"{"ready":true,"reasons":[]}"#);
}

/// Waits until the metrics have this line.
async fn counted(gateway: &Gateway, line: &str) {
    let until = Instant::now() + SOON;
    while !gateway.metrics().await.contains(line) {
        assert!(Instant::now() < until, "{}", gateway.metrics().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The endpoint now accepts the start of a call that it refused before, with the same bytes.
async fn taken_again(world: &Outside, call: &str) {
    let ours = |event: &Delivery| event.call_id.as_deref() == Some(call);
    let taken = world.platform.wait_for(SOON, ours).await.unwrap();
    let before = world.platform.record().deliveries.into_iter().find(ours).unwrap();
    assert!(!before.taken && before.id == taken.id && before.bytes == taken.bytes);
}

/// A waiting request checks once a second whether the gateway stops; the rest is for a busy machine.
const STOPS_WITHIN: Duration = Duration::from_secs(8);

/// Listens to what happens after a cursor.
async fn listen(world: &Outside, after: &str) -> TcpStream {
    let door = world.home.doors.platform;
    let mut stream = TcpStream::connect(door).await.unwrap();
    let request = format!(
        "GET /v1/events HTTP/1.1\r\nHost: {door}\r\nAuthorization: Bearer {TOKEN}\r\nAccept: text/event-stream\r\n\
         Last-Event-ID: {after}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads on until `word` was said.
async fn said_on(stream: &mut TcpStream, word: &str) {
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains(word) {
        let read = tokio::time::timeout(SOON, stream.read_buf(&mut said)).await.unwrap().unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&said));
    }
}
