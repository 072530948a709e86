//! `offhook doctor` on what goes wrong while the gateway runs. Each test has a gateway of its own.

use crate::operate::{command, get, post};
use crate::process::{Outside, SOON, nothing_for};
use crate::shared::{OURS, on_the_phone, world};
use offhook::sim::carrier::Behaviour;
use offhook::sim::platform::{ApiAnswer, Delivery};
use serde_json::json;
use std::time::{Duration, Instant};

/// Asks again and again until the answer is such.
async fn until(world: &Outside, path: &str, such: impl Fn(&ApiAnswer) -> bool) {
    let deadline = Instant::now() + SOON;
    loop {
        let answer = get(world, path).await;
        if such(&answer) {
            return;
        }
        assert!(Instant::now() < deadline, "{path}: {}", answer.json);
        nothing_for(Duration::from_millis(20)).await;
    }
}

/// Doctor prints these lines, which begin so, and finds something wrong if one of them is.
#[track_caller]
fn check(world: &Outside, lines: &[&str]) {
    let (said, code) = command(world, &["doctor"]);
    for line in lines {
        assert!(said.lines().any(|said| said.trim_start().starts_with(line)), "{line} is not in:\n{said}");
    }
    let wrong = lines.iter().filter(|line| line.starts_with("WRONG")).count();
    let last = if wrong == 0 { "nothing is wrong: ".to_owned() } else { format!("WRONG: {wrong}; ") };
    assert!(said.lines().last().unwrap().starts_with(&last), "{last} is not the end of:\n{said}");
    assert_eq!(code, Some(i32::from(wrong > 0)), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_who_suspended_what_until_when_and_how_to_resume_it() {
    let world = world().await;
    let _gateway = world.start().await;
    let right = ["ok     circuit breaker closed; no text was sent since the gateway started"];
    check(&world, &right);
    let body = json!({ "reason": "maintenance", "until": "2100-01-01T00:00:00Z" });
    assert_eq!(post(&world, "/v1/accounts/main/suspend", body).await.status, 200);
    let number = format!("/v1/numbers/{OURS}");
    assert_eq!(post(&world, &format!("{number}/suspend"), json!({ "reason": "complaints" })).await.status, 200);
    let (said, _) = command(&world, &["doctor"]);
    let ends = [
        ", until 2100-01-01T00:00:00.000Z, its texts wait: maintenance; resume it with POST \
         /v1/accounts/main/resume\n",
        ", without an end, its texts wait: complaints; resume it with POST /v1/numbers/+12065550100/resume\n",
    ];
    assert!(ends.iter().all(|end| said.contains(end)), "{said}");
    let number_is = "WRONG  +12065550100 Support: suspended by adapter since ";
    check(&world, &["WRONG  suspended by adapter since ", number_is, right[0]]);

    assert_eq!(post(&world, "/v1/accounts/main/resume", json!({})).await.status, 200);
    check(&world, &[number_is]);
    assert_eq!(post(&world, &format!("{number}/resume"), json!({})).await.status, 200);
    check(&world, &right);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_that_a_carrier_refuses_the_account_once_for_all_its_numbers() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    world.carrier.set_behaviour(Behaviour {
        refuse: 1.0,
        refuse_code: 20_003,
        refuse_status: 401,
        ..Behaviour::default()
    });
    assert_eq!(world.client.send_text(&caller.call, "hello", "a-1").await.unwrap().status, 202);
    until(&world, "/v1/accounts/main", |account| account.text("/breaker") == "open").await;
    check(
        &world,
        &["WRONG  the carrier refuses the account, its texts wait: ", "ok     +12065550100 Support: Verified"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_which_endpoint_is_behind_and_why() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let started = |event: &Delivery| event.kind == "call.started";
    world.platform.wait_for(SOON, started).await.unwrap();
    // The status is sampled every second.
    until(&world, "/v1/endpoints", |endpoints| endpoints.json["items"][0]["behind_events"] == 0).await;
    check(&world, &["ok     endpoint main takes its events"]);
    world.platform.go_down().await;
    world.client.end_call(&caller.call, "agent_hangup").await.unwrap();
    let failing = |endpoints: &ApiAnswer| {
        let endpoint = &endpoints.json["items"][0];
        endpoint["next_try_at"].is_string() && endpoint["last_answer"]["outcome"] == "unanswered"
    };
    until(&world, "/v1/endpoints", failing).await;
    check(&world, &["WRONG  endpoint main is behind: events 1, the oldest "]);
    world.platform.come_up().unwrap();
    world.platform.wait_for(SOON, |event| event.kind == "call.ended").await.unwrap();
    until(&world, "/v1/endpoints", |endpoints| endpoints.json["items"][0]["behind_events"] == 0).await;
    check(&world, &["ok     endpoint main takes its events"]);
}
