//! I10, G38: a gateway that says all it can say, in trouble, says nothing of people and shows no secret.

use crate::ending::{judge, no_canary};
use crate::load::{CANARY, Load, ours, theirs, world};
use crate::process::wire::{self, ask};
use crate::process::{TOKEN, binary, offhook, quiet, said};
use offhook::sim::platform::{Fault, PlatformBehaviour};
use serde_json::json;
use std::process::Command;
use std::time::Duration;

/// How long somebody tries with a forgery.
const INSISTS: Duration = Duration::from_millis(300);

/// How long it is under load before and after it is killed.
const UNDER_LOAD: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g38_i10_no_output_at_any_log_level_names_a_person_or_a_secret() {
    let world = world().await;
    let start = |variable: &str| {
        let mut command = Command::new(binary());
        quiet(&mut command).env(variable, "trace");
        world.home.start_by(command, &world.home.path("offhook.toml"))
    };
    let load = Load::start(&world);
    let mut gateway = start("OFFHOOK_LOG");
    gateway.ready().await;
    for fault in [Fault::Status(500), Fault::CutAnswer, Fault::Endless] {
        world.platform.set_behaviour(PlatformBehaviour { faults: 0.2, fault, ..PlatformBehaviour::default() });
        tokio::time::sleep(UNDER_LOAD / 3).await;
    }
    gateway.kill();
    world.platform.set_behaviour(PlatformBehaviour::default());
    let mut gateway = start("RUST_LOG");
    gateway.ready().await;
    tokio::time::sleep(UNDER_LOAD).await;
    let answers = wrong_requests(&world).await;
    let promised = load.end().await;
    judge(&world, &promised, 1).await;

    no_canary("/metrics", &gateway.metrics().await);
    no_canary("/readyz", &wire::get(world.home.doors.ops, "/readyz").await.unwrap().body);
    no_canary("/healthz", &wire::get(world.home.doors.ops, "/healthz").await.unwrap().body);
    no_canary("the answers to what was wrong", &answers);
    let config = world.home.path("offhook.toml");
    let config = config.to_str().unwrap();
    let (_, message) = promised.by_key.iter().next().expect("texts were taken");
    no_canary("explain", &said(&offhook(&["explain", message, "--config", config])));
    no_canary("check", &said(&offhook(&["check", config])));
    assert!(gateway.terminate().await.success());
    let data = world.home.data();
    for command in ["verify", "inspect"] {
        no_canary(command, &said(&offhook(&["journal", command, data.to_str().unwrap()])));
    }
    let log = world.home.log();
    assert!(log.contains("DEBUG") || log.contains("TRACE"), "what was looked at says all there is to say");
    no_canary("the log", &log);
}

/// What is asked wrongly, with what must not be repeated in it: the answers, which go into other people's logs.
async fn wrong_requests(world: &crate::process::Outside) -> String {
    let doors = world.home.doors;
    let caller = world.carrier.phone(theirs(0));
    // This carrier resends what is not acknowledged, forgeries too.
    let forged = format!("{CANARY} from nobody");
    let insists = tokio::time::timeout(INSISTS, caller.forge(ours(0), &forged)).await;
    assert!(insists.is_err(), "a forgery was acknowledged");
    let token = format!("Authorization: Bearer {TOKEN}");
    let other = format!("Authorization: Bearer {CANARY}-and-not-the-token");
    let json = "Content-Type: application/json";
    let wrong = json!({ "caller": format!("{} {CANARY}", theirs(1)), "queue": CANARY }).to_string();
    let half = format!("{{\"text\": \"{CANARY} to {}", theirs(2));
    let mut said = String::new();
    let asked: [(_, &str, &str, &[&str], &str); 6] = [
        (doors.platform, "PUT", "/v1/calls/c-wrong", &[&token, json], &wrong),
        (doors.platform, "POST", "/v1/calls/c-wrong/messages", &[&token, json], &half),
        (doors.platform, "GET", "/v1/calls/c-wrong", &[&other], ""),
        (doors.platform, "GET", &format!("/v1/{CANARY}/{}", theirs(3)), &[&token], ""),
        (doors.carriers, "POST", "/carriers/main/messages", &[], &half),
        (doors.carriers, "POST", &format!("/carriers/{CANARY}/{}", theirs(4)), &[], &half),
    ];
    for (door, method, path, head, body) in asked {
        let answer = ask(door, method, path, head, body.as_bytes()).await.unwrap();
        assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.status);
        said.push_str(&answer.body);
        said.push('\n');
    }
    said
}
