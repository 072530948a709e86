//! Replays of events.

use super::{check, shown};
use crate::http::test_gateway::{TestGateway, anonymous, request};
use crate::model::Position;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::ops::Range;

const REPLAY: &str = "/v1/events/replay";

/// The ranges requested of an endpoint's feed.
fn requested(world: &mut TestGateway, endpoint: &str) -> Vec<Range<Position>> {
    let receiver = world.replays.get_mut(endpoint).unwrap();
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

#[tokio::test]
async fn a65_events_since_a_time_are_replayed_to_one_endpoint_or_to_all() {
    let mut world = TestGateway::new();
    // The journal's time has millisecond resolution.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    world.start_call("c-1").await;
    let since = world.frames()[0].at.to_string();
    world.start_call("c-2").await;
    let end = world.reads.follow().committed().next();
    let accepted = shown(&world.post(REPLAY, json!({ "since": since, "endpoint": "main" })).await, 202);
    assert_eq!(accepted["endpoints"], json!(["main"]));
    let (from, to) = (accepted["from"].as_str().unwrap(), accepted["to"].as_str().unwrap());
    assert!(from <= to && from.len() == 23, "{accepted}");
    let ranges = requested(&mut world, "main");
    assert_eq!(ranges, [world.frames()[0].position..end]);
    assert!(requested(&mut world, "audit").is_empty());

    // The first replay is in the journal.
    let end = end.next();
    let accepted = shown(&world.post(REPLAY, json!({ "since": "2020-01-01T00:00:00Z" })).await, 202);
    assert_eq!(accepted["endpoints"], json!(["audit", "main"]));
    assert_eq!(
        (requested(&mut world, "main"), requested(&mut world, "audit")),
        (vec![Position(1)..end], vec![Position(1)..end])
    );
}

#[tokio::test]
async fn a65_a_replay_repeated_with_its_key_is_done_once() {
    let mut world = TestGateway::new();
    world.start_call("c-1").await;
    let body = json!({ "since": "2020-01-01T00:00:00Z", "endpoint": "main" });
    let first = world.ask(keyed("k-1", &body)).await;
    // A second replay would include what happens in between.
    world.start_call("c-2").await;
    let again = world.ask(keyed("k-1", &body)).await;
    assert_eq!((first.status, again.status, &again.body), (202, 202, &first.body));
    assert_eq!((first.header("idempotent-replay"), again.header("idempotent-replay")), (None, Some("true")));
    assert_eq!(requested(&mut world, "main").len(), 1);

    let other = json!({ "since": "2020-01-01T00:00:00Z" });
    check(&world.ask(keyed("k-1", &other)).await, 422, "idempotency_key_reused");
    assert!(requested(&mut world, "audit").is_empty());
    shown(&world.ask(keyed("k-2", &body)).await, 202);
    assert_eq!(requested(&mut world, "main").len(), 1);
    check(&world.ask(keyed("not a word", &body)).await, 400, "invalid_field");
}

#[tokio::test]
async fn a_replay_in_flight_is_not_started_again_by_its_key() {
    let mut world = TestGateway::new();
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
    assert_eq!(requested(&mut world, "main").len(), 1);
}

fn keyed(key: &str, body: &Value) -> Request<Body> {
    request("POST", REPLAY).header("idempotency-key", key).body(body.to_string().into()).unwrap()
}

#[tokio::test]
async fn a_replay_of_an_empty_range_delivers_nothing() {
    let mut world = TestGateway::new();
    let times = json!({ "since": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z", "endpoint": "main" });
    let accepted = shown(&world.post(REPLAY, times).await, 202);
    assert_eq!((&accepted["from"], &accepted["to"]), (&Value::Null, &Value::Null));
    assert!(requested(&mut world, "main").iter().all(Range::is_empty));
    let later = shown(&world.post(REPLAY, json!({ "since": "2120-01-01T00:00:00Z" })).await, 202);
    assert_eq!(later["from"], Value::Null);
}

#[tokio::test]
async fn an_invalid_replay_is_refused_with_what_is_valid() {
    let world = TestGateway::new();
    for (body, detail) in [
        (json!({}), "`since` is missing: it must be a time with its zone"),
        (json!({ "since": "yesterday" }), "`since` is not a valid time"),
        (json!({ "since": "2026-01-31T12:00:00" }), "`since` is not a valid time"),
        (json!({ "since": 7 }), "`since` is a number"),
        (json!({ "since": "2026-01-31T12:00:00Z", "until": "noon" }), "`until` is not a valid time"),
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
async fn pending_replays_are_limited_and_refused_for_all_endpoints_at_once() {
    let mut world = TestGateway::new();
    for _ in 0..4 {
        shown(&world.post(REPLAY, json!({ "since": "2026-01-31T12:00:00Z", "endpoint": "main" })).await, 202);
    }
    let answer = world.post(REPLAY, json!({ "since": "2026-01-31T12:00:00Z" })).await;
    check(&answer, 503, "overloaded");
    assert!(requested(&mut world, "audit").is_empty());
}

#[tokio::test]
async fn a_replay_needs_the_scope_admin() {
    let world = TestGateway::new();
    let request = anonymous("POST", REPLAY).header("authorization", "Bearer observer");
    let answer = world.ask(request.body(Body::from("{\"since\":\"2026-01-31T12:00:00Z\"}")).unwrap()).await;
    check(&answer, 403, "scope_missing");
}
