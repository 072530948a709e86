//! Operating a running gateway: suspensions, lanes, health, endpoints and `top`. Each test has a gateway of its own.

use crate::hooks::hear;
use crate::process::{Outside, SOON, TOKEN, offhook, said};
use crate::shared::{OURS, OnThePhone, on_the_phone, world};
use offhook::model::Timestamp;
use offhook::sim::platform::{ApiAnswer, Delivery};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) async fn get(world: &Outside, path: &str) -> ApiAnswer {
    world.client.ask("GET".parse().unwrap(), path, None).await.unwrap()
}

pub(crate) async fn post(world: &Outside, path: &str, body: Value) -> ApiAnswer {
    world.client.ask("POST".parse().unwrap(), path, Some(&body)).await.unwrap()
}

/// Asks again and again until the answer is such.
async fn until(world: &Outside, path: &str, such: impl Fn(&ApiAnswer) -> bool) -> ApiAnswer {
    let deadline = Instant::now() + SOON;
    loop {
        let answer = get(world, path).await;
        if such(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{path}: {}", answer.json);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a command against the gateway; returns what it says, and its exit code.
pub(crate) fn command(world: &Outside, arguments: &[&str]) -> (String, Option<i32>) {
    let config = world.home.path("offhook.toml");
    let output = offhook(&[arguments, &["--config", config.to_str().unwrap()]].concat());
    let text = said(&output);
    assert!(!text.contains(TOKEN), "{text}");
    (text, output.status.code())
}

async fn texts(world: &Outside, caller: &OnThePhone, words: &str) {
    let (sid, from) = (caller.sid(words.len()), caller.number.to_string());
    let fields = [("MessageSid", &*sid), ("From", &*from), ("To", OURS), ("Body", words), ("NumMedia", "0")];
    assert_eq!(hear(world, &fields).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_number_sends_nothing_takes_what_comes_and_outlives_kill() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let number = format!("/v1/numbers/{OURS}");
    let suspended = post(&world, &format!("{number}/suspend"), json!({ "reason": "complaints" })).await;
    assert_eq!((suspended.status, suspended.text("/suspended/reason")), (200, "complaints"), "{}", suspended.json);
    assert_eq!((suspended.text("/suspended/by"), suspended.text("/number")), ("adapter", OURS));
    let sent = world.client.send_text(&caller.call, "not yet", "a-1").await.unwrap();
    assert_eq!((sent.status, &sent.json["estimated_wait_ms"]), (202, &Value::Null), "{}", sent.json);
    texts(&world, &caller, "are you there?").await;
    let received = |event: &Delivery| event.kind == "message.received";
    world.platform.wait_for(SOON, received).await.unwrap();

    gateway.kill();
    let _gateway = world.start().await;
    let explain = format!("/v1/messages/{}/explain", sent.text("/id"));
    let why = get(&world, &explain).await;
    assert_eq!((why.text("/state"), why.text("/waiting_for")), ("queued", "suspended"), "{}", why.json);
    let (said, code) = command(&world, &["explain", sent.text("/id")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("an operator suspended it\nsuspended because: complaints\n"), "{said}");
    let waits = get(&world, "/v1/messages?state=queued").await;
    assert_eq!(waits.text("/items/0/id"), sent.text("/id"), "{}", waits.json);
    let lanes = get(&world, "/v1/lanes?sort=oldest").await;
    assert_eq!((lanes.text("/items/0/waiting_for"), &lanes.json["items"][0]["queued"]), ("suspended", &json!(1)));
    assert_eq!(world.carrier.counts().0, 0, "nothing went out");
    until(&world, "/v1/health", |health| health.json["notes"].to_string().contains("1 suspended by operators")).await;

    let resumed = post(&world, &format!("{number}/resume"), json!({})).await;
    assert_eq!((resumed.status, &resumed.json["suspended"]), (200, &Value::Null));
    let id = sent.text("/id").to_owned();
    let went = |event: &Delivery| event.kind == "message.sent" && event.json()["data"]["id"] == *id;
    world.platform.wait_for(SOON, went).await.unwrap();
    assert_eq!(get(&world, "/v1/messages?state=queued").await.json["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_resumed_at_its_time_and_the_platform_hears_both() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let end = Timestamp::from_ms(offhook::engine::wall().as_ms() + 3_000);
    let body = json!({ "reason": "maintenance", "until": end.to_string() });
    let suspended = post(&world, "/v1/accounts/main/suspend", body).await;
    assert_eq!((suspended.status, suspended.text("/name")), (200, "main"), "{}", suspended.json);
    let sent = world.client.send_text(&caller.call, "later", "a-1").await.unwrap();
    assert_eq!((sent.status, &sent.json["estimated_wait_ms"]), (202, &Value::Null), "{}", sent.json);
    let paused = world.platform.wait_for(SOON, |event| event.kind == "account.paused").await.unwrap().json();
    let expected =
        json!({ "account": "main", "reason": "suspended", "detail": "maintenance", "until": end.to_string() });
    assert_eq!(paused["data"], expected);
    let resumed = world.platform.wait_for(SOON, |event| event.kind == "account.resumed").await.unwrap().json();
    let over = json!({ "account": "main", "reason": "suspended", "detail": null, "until": null });
    assert_eq!(resumed["data"], over, "why it was paused; nothing is left to wait for");
    assert!(Timestamp::parse(resumed["at"].as_str().unwrap()).unwrap() >= end, "{resumed}");
    let went = world.platform.wait_for(SOON, |event| event.kind == "message.sent").await.unwrap().json();
    assert!(Timestamp::parse(went["at"].as_str().unwrap()).unwrap() >= end, "{went}");
    let forever = json!({ "reason": "for long", "until": "2100-01-01T00:00:00Z" });
    assert_eq!(post(&world, "/v1/accounts/main/suspend", forever).await.status, 200);
    let refused = world.client.send_text(&caller.call, "too long", "a-1").await.unwrap();
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"), "{}", refused.json);
    let deadline = Instant::now() + SOON;
    while !gateway.metrics().await.contains("offhook_account_suspended{account=\"main\"} 1") {
        assert!(Instant::now() < deadline, "the metric says it within five seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_endpoints_say_how_carrier_and_platform_do() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let before = get(&world, "/v1/health").await;
    assert_eq!((before.status, &before.json["ready"]), (200, &json!(true)), "{}", before.json);
    assert_eq!(before.json["accounts"][0]["last_success_at"], Value::Null);
    let sent = world.client.send_text(&caller.call, "hello", "a-1").await.unwrap();
    assert_eq!(sent.status, 202);
    world.platform.wait_for(SOON, |event| event.kind == "message.sent").await.unwrap();
    assert_eq!(world.client.send_text("nobody", "hello", "a-1").await.unwrap().code(), "call_not_found");
    let health = until(&world, "/v1/health", |health| health.json["accounts"][0]["last_success_at"].is_string()).await;
    assert_eq!(health.text("/accounts/0/breaker"), "closed");
    assert_eq!(health.json["refusals"], json!([{ "code": "call_not_found", "count": 1 }]));

    // The status is sampled every second.
    let deadline = Instant::now() + SOON;
    loop {
        let endpoints = get(&world, "/v1/endpoints").await;
        let endpoint = &endpoints.json["items"][0];
        assert_eq!((&endpoint["name"], &endpoint["paused"]), (&json!("main"), &json!(false)), "{endpoint}");
        let after = endpoint["watermark"].as_str().unwrap_or_default();
        let rest = get(&world, &format!("/v1/events?after={after}")).await;
        if rest.json["items"] == json!([]) {
            assert_eq!((&endpoint["behind_events"], &endpoint["behind_ms"]), (&json!(0), &json!(0)), "{endpoint}");
            assert_eq!(endpoint["last_answer"]["outcome"], "delivered");
            break;
        }
        assert!(Instant::now() < deadline, "everything before the watermark is delivered: {endpoint} {}", rest.json);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.platform.go_down().await;
    texts(&world, &caller, "is it on?").await;
    let failing = |endpoints: &ApiAnswer| {
        let endpoint = &endpoints.json["items"][0];
        endpoint["next_try_at"].is_string() && endpoint["behind_events"] != 0
    };
    let failing = until(&world, "/v1/endpoints", failing).await;
    assert_eq!(failing.text("/items/0/last_answer/outcome"), "unanswered", "{}", failing.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn top_prints_one_screen_where_there_is_no_terminal() {
    let world = world().await;
    let gateway = world.start().await;
    assert_eq!(post(&world, "/v1/accounts/main/suspend", json!({ "reason": "complaints" })).await.status, 200);
    let (screen, code) = command(&world, &["top"]);
    assert_eq!(code, Some(0), "{screen}");
    for part in ["offhook: ready\n", "suspended by adapter: complaints\n", OURS, "REFUSED IN THE LAST HOUR: none\n"] {
        assert!(screen.contains(part), "{part} is not in:\n{screen}");
    }
    gateway.kill();
    let (screen, code) = command(&world, &["top"]);
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("start it with `offhook serve`"), "{screen}");
}
