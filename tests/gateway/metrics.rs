//! What is counted, against the list of it.

use crate::hooks::hear;
use crate::process::{Gateway, Outside, SOON, wire};
use crate::self_signed::SelfSigned;
use crate::shared::{self, OURS, api, directory, on_the_phone};
use offhook::model::E164;
use offhook::observe::names::{ALL, Metric};
use offhook::sim::carrier::{Behaviour, CarrierSettings, MediumAnswer, SentMedium};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// Stands in every text.
const CANARY: &str = "kingfisher";

/// Gives a door a certificate whose end can be shown.
fn certify(world: &Outside) {
    let made = SelfSigned::new("localhost");
    world.home.write("door.pem", &made.certificate);
    world.home.write("door.key", &made.key);
    let tls = "[listen.console_tls]\ncertificate_file = \"door.pem\"\nkey_file = \"door.key\"\n";
    world.home.configure(|text| format!("{text}\n{tls}"));
}

/// Digits that no label has: fewer tell two lines apart and no two people.
const DIGITS_MAX: usize = 4;

/// What stays at 0 here, and why.
const STILL: &[(&str, &str)] = &[
    ("offhook_reconciled_messages_total", "texts would have to be lost: see reconcile"),
    ("offhook_accept_failures_total", "the system would have to run out of descriptors"),
    ("offhook_connections_refused_total", "it takes more connections than fit"),
    ("offhook_panics_total", "no request is known to panic"),
    ("offhook_engine_refused_total", "it takes a disk that stalls"),
    ("offhook_clock_jumps_total", "the machine's clock would have to be set"),
    ("offhook_disk_low_total", "the disk would have to be full"),
    ("offhook_feed_gaps_total", "nothing drops what an endpoint has not taken yet"),
    ("offhook_event_streams_cut_total", "a client would have to leave a stream unread: the API's own tests do"),
    ("offhook_erasures_total", "a person is erased from a gateway of its own: see erasures"),
    ("offhook_console_sign_ins_total", "people sign in at a gateway of its own: see console"),
    ("offhook_snapshots_total", "it takes half a gigabyte of journal"),
    ("offhook_replays_given_up_total", "an endpoint would have to refuse what it took before"),
    ("offhook_dispatch_permits_unused_total", "a message would have to be taken back between its permit and its start"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a57_r4_every_metric_is_listed_and_counted_and_no_label_names_a_person() {
    let mut directory = directory();
    directory["numbers"][OURS]["label"] = format!("Support {OURS}").into();
    let world = Outside::new(CarrierSettings::default(), &directory).await;
    certify(&world);
    let gateway = restarted_without_an_index(&world).await;
    a_conversation(&world).await;
    stop_and_start(&world).await;
    what_is_wrong(&world).await;
    a_carrier_with_no_time(&world, &gateway).await;
    a_carrier_that_is_away(&world, &gateway).await;
    let numbers = serde_json::json!({ "numbers": [OURS] });
    let verified = world.client.ask("POST".parse().unwrap(), "/v1/numbers/verify", Some(&numbers)).await.unwrap();
    assert_eq!(verified.status, 200);
    gateway.signal("HUP");
    wait_for(&gateway, "offhook_reloads_total", |reloads| reloads > 0.0).await;

    let metrics = gateway.metrics().await;
    let all: Vec<Series<'_>> = series(&metrics).collect();
    let counted: BTreeSet<&str> = all.iter().map(|series| series.metric.name).collect();
    let listed: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(counted, listed);
    for Metric { name, kind, help, .. } in ALL {
        assert!(metrics.contains(&format!("# HELP {name} {help}\n")), "{name}: {metrics}");
        assert!(metrics.contains(&format!("# TYPE {name} {kind}\n")), "{name}: {metrics}");
        let moved = *kind == "gauge" || all.iter().any(|series| series.metric.name == *name && series.value > 0.0);
        assert!(moved || STILL.iter().any(|(still, _)| still == name), "{name} stands still: {metrics}");
    }
    for series in &all {
        let labels: Vec<&str> = series.labels.iter().map(|(label, _)| *label).filter(|label| *label != "le").collect();
        assert_eq!(labels, series.metric.labels, "{}", series.line);
        for (_, value) in series.labels.iter().filter(|(label, _)| *label != "le") {
            let digits = value.chars().filter(char::is_ascii_digit).count();
            assert!(digits <= DIGITS_MAX && !value.contains(CANARY) && !value.contains("call-"), "{}", series.line);
        }
    }
    assert!(
        metrics.contains(r#"offhook_dispatch_segments_started_total{number="Support +###########"} "#),
        "{metrics}"
    );
    assert!(!metrics.contains(CANARY));
}

#[test]
fn f19_metrics_are_in_a_stable_order_and_name_the_build() {
    shared::run(async |world| {
        let metrics = wire::get(world.home.doors.ops, "/metrics").await.unwrap().body;
        let names: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(names.len() > 30 && names.is_sorted(), "{names:?}");
        let doors: Vec<_> = metrics.lines().filter(|line| line.starts_with("offhook_panics_total{")).collect();
        assert!(doors.len() == 4 && doors.is_sorted(), "{doors:?}");
        let build = format!("offhook_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
        assert!(metrics.contains(&build), "{metrics}");
    });
}

/// A gateway whose last life was cut short, and whose index is gone.
async fn restarted_without_an_index(world: &Outside) -> Gateway {
    let first = world.start().await;
    on_the_phone(world).await;
    first.kill();
    fs::remove_dir_all(world.home.data().join("index")).unwrap();
    world.start().await
}

/// Texts both ways, a closing message, and an auto-reply.
async fn a_conversation(world: &Outside) {
    let caller = on_the_phone(world).await;
    let phone = world.carrier.phone(caller.number);
    let ours: E164 = OURS.parse().unwrap();
    assert!(phone.text(ours, CANARY).await.acknowledged());
    let photo = SentMedium::photo().answered([MediumAnswer::status_of(500)]);
    assert!(phone.media(ours, "", vec![photo]).await.acknowledged());
    world.platform.wait_for(SOON, |event| event.kind == "media.ready").await.unwrap();
    assert_eq!(world.client.send_text(&caller.call, CANARY, "a-1").await.unwrap().status, 202);
    phone.wait_for(1, SOON).await.unwrap();
    caller.hangs_up(world).await;
    phone.wait_for(2, SOON).await.unwrap();
    assert!(phone.text(ours, CANARY).await.acknowledged());
    phone.wait_for(3, SOON).await.unwrap();
    let stranger = world.carrier.phone(crate::shared::somebody().number);
    assert!(stranger.text(ours, CANARY).await.acknowledged());
    stranger.wait_for(1, SOON).await.unwrap();
    world.carrier.wait_for_receipts(SOON).await.unwrap();
}

async fn stop_and_start(world: &Outside) {
    let caller = on_the_phone(world).await;
    let phone = world.carrier.phone(caller.number);
    for word in ["STOP", "START"] {
        assert!(phone.text(OURS.parse().unwrap(), word).await.acknowledged());
    }
    caller.hangs_up(world).await;
}

/// What is refused, and what cannot be read.
async fn what_is_wrong(world: &Outside) {
    let caller = on_the_phone(world).await;
    let from = caller.number.to_string();
    let forged = world.carrier.phone(caller.number).forge(OURS.parse().unwrap(), CANARY).await;
    assert_eq!(forged.answers, [Some(403)]);
    let unreadable = [("MessageSid", "SM900"), ("From", &*from), ("Body", CANARY)];
    assert_eq!(hear(world, &unreadable).await.status, 200);
    let listed = api(world, "GET", "/v1/quarantine", b"").await;
    let listed: serde_json::Value = serde_json::from_str(&listed.body).unwrap();
    let id = listed["items"][0]["id"].as_str().unwrap();
    assert_eq!(api(world, "DELETE", &format!("/v1/quarantine/{id}"), b"").await.status, 200);
    let text = serde_json::json!({ "text": CANARY.repeat(100) }).to_string();
    let messages = format!("/v1/calls/{}/messages", caller.call);
    assert_eq!(api(world, "POST", &messages, text.as_bytes()).await.status, 422);
    assert_eq!(api(world, "GET", &format!("/v1/{CANARY}/{from}"), b"").await.status, 404);
    let nobody = wire::ask(world.home.doors.platform, "GET", "/v1/calls", &["Authorization: Bearer x"], b"").await;
    assert_eq!(nobody.unwrap().status, 401);
}

/// "Not now", and a number rests.
async fn a_carrier_with_no_time(world: &Outside, gateway: &Gateway) {
    let caller = on_the_phone(world).await;
    world.carrier.set_behaviour_towards(caller.number, Some(Behaviour { too_many: 1.0, ..Behaviour::default() }));
    assert_eq!(world.client.send_text(&caller.call, CANARY, "a-1").await.unwrap().status, 202);
    wait_for(gateway, "offhook_lane_pauses_total", |rest_factor| rest_factor > 0.0).await;
    world.carrier.set_behaviour_towards(caller.number, None);
    world.carrier.phone(caller.number).wait_for(1, SOON).await.unwrap();
}

/// No carrier answers there, so the account stays paused.
async fn a_carrier_that_is_away(world: &Outside, gateway: &Gateway) {
    const TEXTS: usize = 6;
    world.carrier.go_down().await;
    let mut last = None;
    for _ in 0..TEXTS {
        let caller = on_the_phone(world).await;
        assert_eq!(world.client.send_text(&caller.call, CANARY, "a-1").await.unwrap().status, 202);
        last = Some(caller.number);
    }
    wait_for(gateway, "offhook_account_pauses_total", |pauses| pauses > 0.0).await;
    world.carrier.come_up().unwrap();
    // The first may have been written to a connection that was open still, and is not sent again then.
    world.carrier.phone(last.unwrap()).wait_for(1, SOON).await.unwrap();
    wait_for(gateway, "offhook_account_paused", |paused| paused == 0.0).await;
}

/// Waits until the sum over a metric's series is such.
async fn wait_for(gateway: &Gateway, name: &str, such: impl Fn(f64) -> bool) {
    let until = Instant::now() + SOON;
    loop {
        let metrics = gateway.metrics().await;
        let of = series(&metrics).filter(|series| series.metric.name == name);
        if such(of.map(|series| series.value).sum()) {
            return;
        }
        assert!(Instant::now() < until, "{name}:\n{metrics}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn series(metrics: &str) -> impl Iterator<Item = Series<'_>> {
    metrics.lines().filter(|line| !line.starts_with('#')).filter_map(Series::read)
}

/// A line at /metrics.
struct Series<'a> {
    line: &'a str,
    metric: &'static Metric,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

impl<'a> Series<'a> {
    #[track_caller]
    fn read(line: &'a str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let plain = ["_bucket", "_sum", "_count"].into_iter().find_map(|part| name.strip_suffix(part));
        let is = |metric: &&Metric| match metric.kind {
            "histogram" => plain == Some(metric.name),
            _ => name == metric.name,
        };
        let metric = ALL.iter().find(is).unwrap_or_else(|| panic!("{line} is not in the list"));
        let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once("=\""));
        let labels = labels.map(|(label, value)| (label, value.trim_end_matches('"'))).collect();
        Some(Self { line, metric, labels, value: value.parse().unwrap() })
    }
}
