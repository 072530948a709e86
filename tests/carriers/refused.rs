//! A carrier that refuses the account: texts stay queued, the operator sees what to check, and a reload retries at
//! once.

use crate::process::{Gateway, Outside, SOON, wire};
use crate::stage::{self, Line, frames};
use offhook::sim::carrier::{Behaviour, CarrierSettings};
use offhook::sim::checker;
use offhook::sim::platform::Delivery;
use serde_json::Value;
use std::fs;
use std::time::Instant;

/// A well-formed token that the carrier does not know.
const OTHER_TOKEN: &str = "ffffffffffffffffffffffffffffffff";

const TEXTS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a69_refused_credentials_fail_no_text_and_a_reload_sends_them_all() {
    let world = world().await;
    let right = fs::read_to_string(world.home.path("twilio")).unwrap();
    world.home.write("twilio", OTHER_TOKEN);
    let gateway = world.start().await;
    let texts = ten_texts(&world).await;

    let paused = world.platform.wait_for(SOON, |event| event.kind == "account.paused").await.unwrap();
    let data = &paused.json()["data"];
    assert_eq!((&data["account"], &data["reason"]), (&"main".into(), &"credentials_refused".into()));
    assert!(data["detail"].as_str().unwrap().contains("check account_sid and auth_token_files"), "{data}");
    wait_until_paused(&world, &gateway).await;
    wait_until_queued(&world, &texts).await;
    let log = world.home.log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].contains("account=\"main\"") && errors[0].contains("auth_token_files"), "{}", errors[0]);

    // A restart keeps both the pause and its cause.
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let gateway = world.start().await;
    wait_until_paused(&world, &gateway).await;
    wait_until_queued(&world, &texts).await;

    world.home.write("twilio", &right);
    gateway.signal("HUP");
    world.platform.wait_for(SOON, |event| event.kind == "account.resumed").await.unwrap();
    for id in &texts {
        stage::until_state(&world, id, &["delivered"]).await;
    }
    // The reload writes a frame of its own, which ends the pause.
    assert!(frames(&world).iter().any(|frame| frame.ends_with("Z AccountFailed")), "{:#?}", frames(&world));
    assert_eq!(notes(&world).await, Value::Null);
    let metrics = gateway.metrics().await;
    assert_eq!(value(&metrics, "offhook_account_credentials_refused{account=\"main\"}"), 0.0);
    assert_eq!(value(&metrics, "offhook_sends_total{account=\"main\",outcome=\"failed\"}"), 0.0);
    check_invariants(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_suspended_account_is_probed_and_resumes_by_itself() {
    let world = world().await;
    let gateway = world.start().await;
    world.carrier.set_behaviour(Behaviour::named("account suspended").unwrap());
    let texts = ten_texts(&world).await;
    let paused = world.platform.wait_for(SOON, |event| event.kind == "account.paused").await.unwrap();
    assert!(paused.json()["data"]["detail"].as_str().unwrap().contains("suspended"), "{}", paused.json());
    wait_until_paused(&world, &gateway).await;
    world.carrier.set_behaviour(Behaviour::default());
    world.platform.wait_for(SOON, |event| event.kind == "account.resumed").await.unwrap();
    for id in &texts {
        stage::until_state(&world, id, &["delivered"]).await;
    }
    let deliveries = world.platform.record().deliveries;
    assert_eq!(deliveries.iter().filter(|event| event.taken && event.kind == "account.paused").count(), 1);
    check_invariants(&world).await;
}

/// Two numbers without limits.
async fn world() -> Outside {
    let lines = [Line::free(0), Line::free(1)];
    let settings = CarrierSettings { numbers: lines.iter().map(Line::number).collect(), ..CarrierSettings::default() };
    Outside::new(settings, &stage::directory(&lines, SOON)).await
}

/// Ten callers in two queues; a text is sent to each.
async fn ten_texts(world: &Outside) -> Vec<String> {
    let mut callers = Vec::new();
    for nth in 0..TEXTS {
        let caller = stage::calls(world, &Line::free(nth % 2)).await;
        world.carrier.phone(caller.number);
        callers.push(caller);
    }
    let mut texts = Vec::new();
    for caller in &callers {
        let sent = world.client.send_text(&caller.call, "hello", "a-1").await.unwrap();
        assert_eq!(sent.status, 202, "{}", sent.json);
        texts.push(sent.text("/id").to_owned());
    }
    texts
}

/// Waits until readiness shows the account as paused, and checks the metric.
async fn wait_until_paused(world: &Outside, gateway: &Gateway) {
    let is_noted = |notes: Value| notes.to_string().contains("account main: paused, its texts wait: Twilio");
    let until = Instant::now() + SOON;
    while !is_noted(notes(world).await) {
        assert!(Instant::now() < until, "it is not paused: {}", notes(world).await);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let metrics = gateway.metrics().await;
    assert_eq!(value(&metrics, "offhook_account_credentials_refused{account=\"main\"}"), 1.0);
}

/// Waits until all texts are queued; none has failed.
async fn wait_until_queued(world: &Outside, texts: &[String]) {
    for id in texts {
        stage::until_state(world, id, &["queued"]).await;
    }
}

/// The notes of `/readyz`, which is ready regardless.
async fn notes(world: &Outside) -> Value {
    let answer = wire::get(world.home.doors.ops, "/readyz").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str::<Value>(&answer.body).unwrap()["notes"].clone()
}

fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
}

/// Invariants I1 to I6.
async fn check_invariants(world: &Outside) {
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    let delivered = |event: &Delivery| event.kind == "message.delivered";
    world.platform.wait_for_all(TEXTS, SOON, delivered).await.unwrap();
    let sends = world.client.accepted_with_states().await.unwrap();
    let seen = checker::Observed::new(vec![world.carrier.record()], world.platform.record(), sends);
    assert_eq!(checker::check(&seen), []);
}
