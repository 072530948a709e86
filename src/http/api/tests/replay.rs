//! What was told is told once more for who asks.

use super::{check, shown};
use crate::http::world::{World, anonymous, request};
use crate::model::Position;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::ops::Range;

const REPLAY: &str = "/v1/events/replay";

/// What the feed of an endpoint is asked to tell once more.
fn asked(world: &mut World, endpoint: &str) -> Vec<Range<Position>> {
    let receiver = world.asked_again.get_mut(endpoint).unwrap();
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

#[tokio::test]
async fn a65_what_happened_since_a_time_is_told_once_more_to_one_endpoint_or_to_all() {
    let mut world = World::new();
    // The journal's time is in milliseconds.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    world.start_call("c-1").await;
    let since = world.stories()[0].at.to_string();
    world.start_call("c-2").await;
    let end = world.reads.follow().committed().next();
    let told = shown(&world.post(REPLAY, json!({ "since": since, "endpoint": "main" })).await, 202);
    assert_eq!(told["endpoints"], json!(["main"]));
    let (from, to) = (told["from"].as_str().unwrap(), told["to"].as_str().unwrap());
    assert!(from <= to && from.len() == 23, "{told}");
    let ranges = asked(&mut world, "main");
    assert_eq!(ranges, [world.stories()[0].position..end]);
    assert!(asked(&mut world, "audit").is_empty());

    let told = shown(&world.post(REPLAY, json!({ "since": "2020-01-01T00:00:00Z" })).await, 202);
    assert_eq!(told["endpoints"], json!(["audit", "main"]));
    assert_eq!(
        (asked(&mut world, "main"), asked(&mut world, "audit")),
        (vec![Position(1)..end], vec![Position(1)..end])
    );
}

#[tokio::test]
async fn a65_a_replay_asked_for_again_with_its_key_is_done_once_and_answered_alike() {
    let mut world = World::new();
    world.start_call("c-1").await;
    let body = json!({ "since": "2020-01-01T00:00:00Z", "endpoint": "main" });
    let first = world.ask(keyed("k-1", &body)).await;
    // What happens meanwhile would be told as well by a second one.
    world.start_call("c-2").await;
    let again = world.ask(keyed("k-1", &body)).await;
    assert_eq!((first.status, again.status, &again.body), (202, 202, &first.body));
    assert_eq!((first.header("idempotent-replay"), again.header("idempotent-replay")), (None, Some("true")));
    assert_eq!(asked(&mut world, "main").len(), 1);

    let other = json!({ "since": "2020-01-01T00:00:00Z" });
    check(&world.ask(keyed("k-1", &other)).await, 422, "idempotency_key_reused");
    assert!(asked(&mut world, "audit").is_empty());
    shown(&world.ask(keyed("k-2", &body)).await, 202);
    assert_eq!(asked(&mut world, "main").len(), 1);
    check(&world.ask(keyed("not a word", &body)).await, 400, "invalid_field");
}

#[tokio::test]
async fn a_replay_that_is_still_being_kept_in_mind_is_not_begun_again() {
    let mut world = World::new();
    let body = json!({ "since": "2020-01-01T00:00:00Z", "endpoint": "main" });
    world.disk.stall();
    let repeat = async {
        world.disk.is_stalling().await;
        let repeat = world.ask(keyed("k-1", &body)).await;
        world.disk.work();
        repeat
    };
    let (first, repeat) = tokio::join!(world.ask(keyed("k-1", &body)), repeat);
    assert_eq!(first.status, 202, "{}", first.body);
    check(&repeat, 409, "idempotency_in_progress");
    assert_eq!(asked(&mut world, "main").len(), 1);
}

fn keyed(key: &str, body: &Value) -> Request<Body> {
    request("POST", REPLAY).header("idempotency-key", key).body(body.to_string().into()).unwrap()
}

#[tokio::test]
async fn what_happened_when_nothing_did_is_nothing() {
    let mut world = World::new();
    let times = json!({ "since": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z", "endpoint": "main" });
    let told = shown(&world.post(REPLAY, times).await, 202);
    assert_eq!((&told["from"], &told["to"]), (&Value::Null, &Value::Null));
    assert!(asked(&mut world, "main").iter().all(Range::is_empty));
    let later = shown(&world.post(REPLAY, json!({ "since": "2120-01-01T00:00:00Z" })).await, 202);
    assert_eq!(later["from"], Value::Null);
}

#[tokio::test]
async fn what_cannot_be_told_once_more_is_refused_with_what_can() {
    let world = World::new();
    for (body, detail) in [
        (json!({}), "`since` is missing: it must be a time with its zone"),
        (json!({ "since": "yesterday" }), "`since` is no time"),
        (json!({ "since": "2026-01-31T12:00:00" }), "`since` is no time"),
        (json!({ "since": 7 }), "`since` is a number"),
        (json!({ "since": "2026-01-31T12:00:00Z", "until": "noon" }), "`until` is no time"),
        (json!({ "since": "2026-01-31T12:00:00Z", "until": "2026-01-31T11:59:59Z" }), "`until` is before `since`"),
        (json!({ "since": "2026-01-31T12:00:00Z", "endpoint": "mian" }), "use one of audit, main"),
    ] {
        let answer = world.post(REPLAY, body).await;
        check(&answer, 400, "invalid_field");
        assert!(answer.body.contains(detail), "{detail}: {}", answer.body);
    }
    check(&world.post(REPLAY, json!({ "since": "2026-01-31T12:00:00Z", "for": "ever" })).await, 400, "unknown_field");
}

#[tokio::test]
async fn so_many_replays_may_wait_and_one_that_does_not_fit_everywhere_is_refused_whole() {
    let mut world = World::new();
    for _ in 0..4 {
        shown(&world.post(REPLAY, json!({ "since": "2026-01-31T12:00:00Z", "endpoint": "main" })).await, 202);
    }
    let answer = world.post(REPLAY, json!({ "since": "2026-01-31T12:00:00Z" })).await;
    check(&answer, 503, "overloaded");
    assert!(asked(&mut world, "audit").is_empty());
}

#[tokio::test]
async fn a_replay_needs_an_administrators_token() {
    let world = World::new();
    let request = anonymous("POST", REPLAY).header("authorization", "Bearer observer");
    let answer = world.ask(request.body(Body::from("{\"since\":\"2026-01-31T12:00:00Z\"}")).unwrap()).await;
    check(&answer, 403, "scope_missing");
}
