//! Pulling events.

use super::shown;
use crate::engine::DropBefore;
use crate::http::test_gateway::{TestGateway, request, signed, text};
use crate::machine::command::Command;
use crate::machine::show;
use crate::model::Position;
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

async fn pull(world: &TestGateway, query: &str) -> Value {
    shown(&world.get(&format!("/v1/events?{query}")).await, 200)
}

fn types(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_are_pulled_in_pages_with_the_bytes_that_are_pushed() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    world.post("/v1/calls/c-1/messages", json!({ "text": "hi" })).await;
    world.post("/v1/calls/c-1/end", json!({})).await;
    let pushed: Vec<_> =
        world.frames().iter().flat_map(|frame| show::rendered(frame)).map(|event| event.body).collect();
    let answer = world.get("/v1/events").await;
    for body in &pushed {
        assert!(answer.body.contains(std::str::from_utf8(body).unwrap()), "{}", answer.body);
    }
    let (mut pulled, mut after) = (Vec::new(), String::new());
    loop {
        let page = pull(&world, &format!("limit=2{after}")).await;
        if page["items"].as_array().unwrap().is_empty() {
            break;
        }
        pulled.extend(types(&page).into_iter().map(str::to_owned));
        after = format!("&after={}", page["next_cursor"].as_str().unwrap());
    }
    assert_eq!(pulled, ["call.started", "message.queued", "message.cancelled", "call.ended"]);
}

#[tokio::test]
async fn the_cursor_of_an_event_and_of_its_page_continue_at_the_same_place() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    world.start_call("c-2").await;
    let page = pull(&world, "limit=1").await;
    assert_eq!(page["items"][0]["cursor"], page["next_cursor"]);
    let rest = pull(&world, &format!("after={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!(rest["items"][0]["call_id"], "c-2");
}

#[tokio::test]
async fn a_long_poll_returns_at_the_next_event_and_is_empty_after_its_time() {
    let world = TestGateway::new();
    let end = pull(&world, "").await["next_cursor"].as_str().unwrap().to_owned();
    let nothing = pull(&world, &format!("after={end}&wait_ms=50")).await;
    assert_eq!(types(&nothing), Vec::<&str>::new());
    let query = format!("after={}&wait_ms=30000", nothing["next_cursor"].as_str().unwrap());
    let (page, ()) = tokio::join!(pull(&world, &query), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.start_call("c-1").await;
    });
    assert_eq!(types(&page), ["call.started"]);
}

#[tokio::test]
async fn an_invalid_or_future_cursor_is_refused_with_what_to_do() {
    let world = TestGateway::new();
    for (query, status, code) in [
        ("after=nonsense", 422, "cursor_invalid"),
        ("after=7zzzzzzzzzzzzzzzzzzzzzz", 422, "cursor_invalid"),
        ("cursor=abc", 400, "invalid_field"),
        ("wait_ms=30001", 400, "invalid_field"),
        ("wait_ms=-1", 400, "invalid_field"),
        ("limit=0", 400, "invalid_field"),
        ("before=abc", 400, "unknown_field"),
    ] {
        super::check(&world.get(&format!("/v1/events?{query}")).await, status, code);
    }
}

#[tokio::test]
async fn after_an_expired_cursor_the_oldest_one_misses_no_event_that_is_kept() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let too_late = pull(&world, "limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    world.start_call("c-2").await;
    let in_time = pull(&world, "limit=2").await["next_cursor"].as_str().unwrap().to_owned();
    let kept_from = world.reads.follow().committed().next();
    world.start_call("c-3").await;
    world.start_call("c-4").await;
    forget(&world, kept_from).await;

    let expired = world.get(&format!("/v1/events?after={too_late}")).await;
    super::check(&expired, 410, "events_expired");
    let oldest = expired.json()["oldest"].as_str().unwrap().to_owned();
    for after in [oldest, in_time] {
        let page = pull(&world, &format!("after={after}")).await;
        assert_eq!(calls(&page), ["c-3", "c-4"]);
        let listened = world.open(listen(Some(after))).await;
        assert_eq!(listened.status(), 200);
        let received = until(&mut listened.into_body(), "c-4").await;
        assert!(received.contains("\"call_id\":\"c-3\""), "{received}");
    }
    let listened = world.ask(listen(Some(too_late))).await;
    super::check(&listened, 410, "events_expired");
}

#[tokio::test]
async fn a_stream_sends_past_and_new_events_and_resumes_after_the_last_one() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let response = world.open(listen(None)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let first = until(&mut body, "c-1").await;
    let lines: Vec<&str> = first.lines().map(|line| line.split_once(' ').map_or(line, |(field, _)| field)).collect();
    assert_eq!(lines, [":", "", "id:", "event:", "data:", ""], "{first}");
    assert!(first.starts_with(": events\n\nid: ") && first.contains("event: call.started\ndata: {"), "{first}");
    world.webhook(signed("/carriers/main/messages", &text("SM1", "hello"))).await;
    let second = until(&mut body, "message.received").await;
    let id = second.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(body);
    world.start_call("c-2").await;
    let again = until(&mut world.open(listen(Some(id))).await.into_body(), "c-2").await;
    assert!(!again.contains("\"call_id\":\"c-1\""), "{again}");
}

fn calls(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|event| event["call_id"].as_str().unwrap()).collect()
}

/// A request for a stream that resumes after the given event.
fn listen(last: Option<String>) -> axum::http::Request<Body> {
    let mut request = request("GET", "/v1/events").header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.body(Body::empty()).unwrap()
}

/// Deletes every frame before `kept_from`, and commits enough to evict the kept ones from memory, so that they are only
/// in the journal.
pub(super) async fn forget(world: &TestGateway, kept_from: Position) {
    const PATIENCE: Duration = Duration::from_secs(20);
    let follow = world.reads.follow();
    while follow.recent(kept_from, 1).is_some() {
        let notes = (0..256).map(|_| {
            let note = Command::AdvanceFeed { endpoint: "main".to_owned(), watermark: Position(1), parked: Vec::new() };
            let engine = world.handle.clone();
            async move { engine.submit(note, PATIENCE).await.unwrap() }
        });
        notes.collect::<JoinSet<_>>().join_all().await;
    }
    world.handle.drop_before(DropBefore { deliver_from: kept_from, kept_from }, PATIENCE).await.unwrap();
    assert_eq!(follow.oldest(), kept_from);
}

/// Reads a stream up to the event that contains `word`.
async fn until(body: &mut Body, word: &str) -> String {
    let mut received = String::new();
    while !received.contains(word) {
        let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.unwrap().unwrap().unwrap();
        received.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    received
}
