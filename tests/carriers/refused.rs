//! A carrier that refuses the account: its texts wait, somebody is told what to check, and a reload tries at once.

use crate::process::{Gateway, SOON, World, wire};
use crate::stage::{self, Line, frames};
use offhook::sim::carrier::{Behaviour, CarrierSettings};
use offhook::sim::checker;
use offhook::sim::platform::Delivery;
use serde_json::Value;
use std::fs;

/// A token of the right form that the carrier does not know.
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
    told(&world, &gateway).await;
    waits(&world, &texts).await;
    let said = world.home.log();
    let errors: Vec<_> = said.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].contains("account=\"main\"") && errors[0].contains("auth_token_files"), "{}", errors[0]);

    // A restart forgets neither the pause nor what is to be done.
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let gateway = world.start().await;
    told(&world, &gateway).await;
    waits(&world, &texts).await;

    world.home.write("twilio", &right);
    gateway.signal("HUP");
    world.platform.wait_for(SOON, |event| event.kind == "account.resumed").await.unwrap();
    for id in &texts {
        stage::until_state(&world, id, &["delivered"]).await;
    }
    // What a reload notes stands alone in its frame: that the pause is over now.
    assert!(frames(&world).iter().any(|frame| frame.ends_with("Z AccountFailing")), "{:#?}", frames(&world));
    assert_eq!(notes(&world).await, Value::Null);
    let metrics = gateway.metrics().await;
    assert_eq!(value(&metrics, "offhook_account_credentials_refused{account=\"main\"}"), 0.0);
    assert_eq!(value(&metrics, "offhook_sends_total{account=\"main\",outcome=\"failed\"}"), 0.0);
    nothing_is_broken(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_suspended_account_is_probed_and_goes_on_by_itself() {
    let world = world().await;
    let gateway = world.start().await;
    world.carrier.set_mood(Behaviour::named("account suspended").unwrap());
    let texts = ten_texts(&world).await;
    let paused = world.platform.wait_for(SOON, |event| event.kind == "account.paused").await.unwrap();
    assert!(paused.json()["data"]["detail"].as_str().unwrap().contains("suspended"), "{}", paused.json());
    told(&world, &gateway).await;
    world.carrier.set_mood(Behaviour::default());
    world.platform.wait_for(SOON, |event| event.kind == "account.resumed").await.unwrap();
    for id in &texts {
        stage::until_state(&world, id, &["delivered"]).await;
    }
    let told = world.platform.record().deliveries;
    assert_eq!(told.iter().filter(|event| event.taken && event.kind == "account.paused").count(), 1);
    nothing_is_broken(&world).await;
}

/// Two numbers without limits.
async fn world() -> World {
    let lines = [Line::free(0), Line::free(1)];
    let settings = CarrierSettings { numbers: lines.iter().map(Line::number).collect(), ..CarrierSettings::default() };
    World::new(settings, &stage::directory(&lines, SOON)).await
}

/// Ten people on two queues, each of whom is texted.
async fn ten_texts(world: &World) -> Vec<String> {
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

/// The account is paused, and ops can see it.
async fn told(world: &World, gateway: &Gateway) {
    let noted = |notes: Value| notes.to_string().contains("account main: paused, its texts wait: Twilio");
    while !noted(notes(world).await) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let metrics = gateway.metrics().await;
    assert_eq!(value(&metrics, "offhook_account_credentials_refused{account=\"main\"}"), 1.0);
}

/// All texts wait, and none has failed.
async fn waits(world: &World, texts: &[String]) {
    for id in texts {
        stage::until_state(world, id, &["queued"]).await;
    }
}

/// What `/readyz` has to say, though it takes new work.
async fn notes(world: &World) -> Value {
    let answer = wire::get(world.home.doors.ops, "/readyz").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str::<Value>(&answer.body).unwrap()["notes"].clone()
}

fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series}")).parse().unwrap()
}

/// I1 to I6.
async fn nothing_is_broken(world: &World) {
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    let delivered = |event: &Delivery| event.kind == "message.delivered";
    world.platform.wait_for_all(TEXTS, SOON, delivered).await.unwrap();
    let sends = world.client.accepted_with_states().await.unwrap();
    let seen = checker::World::new(vec![world.carrier.record()], world.platform.record(), sends);
    assert_eq!(checker::check(&seen), []);
}
