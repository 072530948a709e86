//! Why a message is not sent yet, asked over the door and by the command (A67). Each test has a gateway of its own.

use crate::process::{Outside, SOON, TOKEN, offhook, said};
use crate::self_signed::SelfSigned;
use crate::shared::{OURS, directory, on_the_phone, world};
use offhook::model::Timestamp;
use offhook::sim::carrier::{Behaviour, CarrierSettings, RetryAfter};
use offhook::sim::platform::ApiAnswer;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The id of no message.
const UNKNOWN: &str = "msg_00000000000000000000000";

/// What a busy machine may make of a moment.
const LATE: Duration = Duration::from_secs(5);

async fn explained(world: &Outside, id: &str) -> ApiAnswer {
    world.client.ask("GET".parse().unwrap(), &format!("/v1/messages/{id}/explain"), None).await.unwrap()
}

/// What the command says of a message, and its exit code.
fn explanation(id: &str, config: &Path) -> (String, Option<i32>) {
    let output = offhook(&["explain", id, "--config", config.to_str().unwrap()]);
    (said(&output), output.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a67_the_last_of_a_backlog_waits_for_its_numbers_limit_and_is_due_as_promised() {
    let mut slow = directory();
    slow["numbers"][OURS]["limits"] = json!({ "segments_per_second": 0.1, "burst": 1 });
    slow["settings"]["max_wait_ms"] = json!(100_000);
    let world = Outside::new(CarrierSettings::default(), &slow).await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let mut sent = Vec::new();
    for nth in 0..4 {
        sent.push(world.client.send_text(&caller.call, &format!("number {nth}"), "a-1").await.unwrap());
    }
    let last = sent.last().unwrap();
    let promised = Timestamp::parse(last.text("/created_at")).unwrap()
        + Duration::from_millis(last.json["estimated_wait_ms"].as_u64().unwrap());
    let why = explained(&world, last.text("/id")).await;
    assert_eq!((why.status, why.text("/state"), why.text("/lane")), (200, "queued", OURS), "{}", why.json);
    assert_eq!(why.text("/waiting_for"), "number_rate", "{}", why.json);
    assert!((2..=4).contains(&why.json["position"].as_u64().unwrap()), "{}", why.json);
    let due_at = Timestamp::parse(why.text("/due_at")).unwrap();
    assert!(due_at <= promised + LATE && promised <= due_at + LATE, "promised {promised}, due at {due_at}");

    let (text, code) = explanation(last.text("/id"), &world.home.path("offhook.toml"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with(&format!("{}: queued in the lane of {OURS}, ", last.text("/id"))), "{text}");
    assert!(text.contains("\nwaits for the rate limit of its number; due at "), "{text}");
    assert!(!text.contains(TOKEN) && !text.contains(&caller.number.to_string()), "{text}");
}

/// Asks again and again until the answer is such.
async fn until(world: &Outside, id: &str, such: impl Fn(&ApiAnswer) -> bool) -> ApiAnswer {
    let until = Instant::now() + SOON;
    loop {
        let why = explained(world, id).await;
        if such(&why) {
            return why;
        }
        assert!(Instant::now() < until, "{}", why.json);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a67_a64_a_postponed_text_waits_for_the_end_of_the_carriers_pause() {
    let world = world().await;
    let _gateway = world.start().await;
    let (slow, caller) = (on_the_phone(&world).await, on_the_phone(&world).await);
    let answers_late = Behaviour { delay: Duration::from_secs(1), ..Behaviour::default() };
    world.carrier.set_behaviour_towards(slow.number, Some(answers_late));
    let under_way = world.client.send_text(&slow.call, "slow", "a-1").await.unwrap();
    world.carrier.wait_for_sends(1, SOON).await.unwrap();

    let busy = Behaviour { too_many: 1.0, retry_after: Some(RetryAfter::Secs(60)), ..Behaviour::default() };
    world.carrier.set_behaviour_towards(caller.number, Some(busy));
    let first = world.client.send_text(&caller.call, "first", "a-1").await.unwrap();
    until(&world, under_way.text("/id"), |why| why.text("/state") != "sending").await;
    let why = until(&world, first.text("/id"), |why| why.text("/attempts/0/outcome") == "later").await;
    assert_eq!((why.text("/state"), why.text("/waiting_for")), ("queued", "carrier_pause"), "{}", why.json);
    assert_eq!(why.json["attempts"][0]["status"], 429, "{}", why.json);

    let (text, code) = explanation(first.text("/id"), &world.home.path("offhook.toml"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("attempt      the carrier answered 429: it asked us to wait\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a67_a63_a_failed_text_waits_for_its_retry_and_the_next_of_its_pair_for_it() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    world.carrier.go_down().await;
    let first = world.client.send_text(&caller.call, "first", "a-1").await.unwrap();
    let second = world.client.send_text(&caller.call, "second", "a-1").await.unwrap();
    assert_eq!((first.status, second.status), (202, 202), "{} {}", first.json, second.json);
    // Two seconds, then four lie between its attempts, until so many have failed that the account is paused.
    let such = |why: &ApiAnswer| why.text("/waiting_for") == "retry" && why.json["attempts"][2].is_object();
    let why = until(&world, first.text("/id"), such).await;
    assert_eq!(why.json["attempts"][2]["outcome"], "never_written", "{}", why.json);
    until(&world, second.text("/id"), |why| why.text("/waiting_for") == "earlier_message").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_to_do_where_it_has_no_answer() {
    let world = world().await;
    let config = world.home.path("offhook.toml");
    let check = |id: &str, config: &Path, expected: &str| {
        let (text, code) = explanation(id, config);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(expected), "{expected} is not in: {text}");
        assert!(!text.contains(TOKEN), "{text}");
    };
    let door = format!("http://{}", world.home.doors.platform);
    check(UNKNOWN, &config, &format!("no gateway with this configuration answers at {door} ("));
    let _gateway = world.start().await;
    check(UNKNOWN, &config, "no such message");
    assert_eq!(explanation("msg_x", &config).1, Some(2), "an invalid id is rejected without a request");

    let good = fs::read_to_string(&config).unwrap();
    let without = world.home.write("without.toml", &good.replace("\"read\", ", ""));
    check(UNKNOWN, &without, "no [[platform.token]] has the scope read");
    world.home.write("other", "another-token-0123456789");
    let other = world.home.write("other.toml", &good.replace("token_file = \"adapter\"", "token_file = \"other\""));
    check(UNKNOWN, &other, "rejected the token adapter");
    let ops = good.replace(&world.home.doors.platform.to_string(), "127.0.0.1:0");
    let ops = ops.replace(&world.home.doors.ops.to_string(), &world.home.doors.platform.to_string());
    check(UNKNOWN, &world.home.write("no-port.toml", &ops), "listen.platform has port 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_speaks_tls_with_the_door_whose_certificate_it_knows() {
    let world = world().await;
    let made = || SelfSigned::new("sms.example.com");
    let keep = |made: &SelfSigned| {
        world.home.write("tls.pem", &made.certificate);
        world.home.write("tls.key", &made.key);
    };
    keep(&made());
    let good = fs::read_to_string(world.home.path("offhook.toml")).unwrap();
    let tls = "[listen.platform_tls]\ncertificate_file = \"tls.pem\"\nkey_file = \"tls.key\"\n[[platform.token]]";
    let config = world.home.write("tls.toml", &good.replacen("[[platform.token]]", tls, 1));
    let mut gateway = world.home.start_with(&config);
    gateway.ready().await;
    let (text, code) = explanation(UNKNOWN, &config);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("no such message"), "{text}");

    // Renewed, and the gateway still shows the one before.
    keep(&made());
    let (text, _) = explanation(UNKNOWN, &config);
    assert!(text.contains("the door's certificate differs from the one in the file"), "{text}");
    assert!(text.contains("if the file was changed since it started, restart it"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_a_carrier_that_cannot_be_reached_is_named_with_the_reason() {
    let mut slow = directory();
    slow["numbers"][OURS]["limits"] = json!({ "segments_per_second": 1.0, "burst": 1 });
    let world = Outside::new(CarrierSettings::default(), &slow).await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    world.carrier.go_down().await;
    let sent = world.client.send_text(&caller.call, "hello", "a-1").await.unwrap();
    assert_eq!(sent.status, 202, "{}", sent.json);
    let id = sent.text("/id");
    let why = until(&world, id, |why| why.json["reason"].is_string()).await;
    assert!(why.text("/reason").starts_with("the carrier cannot be reached: "), "{}", why.json);
    assert_ne!(why.text("/waiting_for"), "number_rate", "{}", why.json);
    let (text, code) = explanation(id, &world.home.path("offhook.toml"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("\nits carrier account is failing: the carrier cannot be reached: "), "{text}");
    assert!(!text.contains("limit of its number"), "{text}");
}
