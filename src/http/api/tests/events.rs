//! Events are pulled as they are pushed.

use super::shown;
use crate::http::world::{World, request, signed, text};
use crate::machine::show;
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

async fn pull(world: &World, query: &str) -> Value {
    shown(&world.get(&format!("/v1/events?{query}")).await, 200)
}

fn types(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_come_page_by_page_with_the_bytes_that_are_pushed() {
    let world = World::new();
    world.start_call("c-1").await;
    world.post("/v1/calls/c-1/messages", json!({ "text": "hi" })).await;
    world.post("/v1/calls/c-1/end", json!({})).await;
    let pushed: Vec<_> = world.stories().iter().flat_map(|story| show::told(story)).map(|told| told.body).collect();
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
async fn the_cursor_of_an_event_and_that_of_its_page_go_on_at_the_same_place() {
    let world = World::new();
    world.start_call("c-1").await;
    world.start_call("c-2").await;
    let page = pull(&world, "limit=1").await;
    assert_eq!(page["items"][0]["cursor"], page["next_cursor"]);
    let rest = pull(&world, &format!("after={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!(rest["items"][0]["call_id"], "c-2");
}

#[tokio::test]
async fn who_waits_hears_of_the_next_event_at_once_and_of_none_when_the_time_is_over() {
    let world = World::new();
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
async fn a_cursor_that_is_none_or_of_a_later_time_is_refused_with_the_way_out() {
    let world = World::new();
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
async fn a_stream_tells_what_was_and_what_comes_and_is_resumed_where_it_broke() {
    let world = World::new();
    world.start_call("c-1").await;
    let listen = |last: Option<String>| {
        let mut request = request("GET", "/v1/events").header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.body(Body::empty()).unwrap()
    };
    let response = world.open(listen(None)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let first = until(&mut body, "c-1").await;
    assert!(first.contains("event: call.started\ndata: {"), "{first}");
    world.hear(signed("/carriers/main/messages", &text("SM1", "hello"))).await;
    let second = until(&mut body, "message.received").await;
    let id = second.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(body);
    world.start_call("c-2").await;
    let again = until(&mut world.open(listen(Some(id))).await.into_body(), "c-2").await;
    assert!(!again.contains("\"call_id\":\"c-1\""), "{again}");
}

/// What a stream says up to an event that holds `word`.
async fn until(body: &mut Body, word: &str) -> String {
    let mut said = String::new();
    while !said.contains(word) {
        let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.unwrap().unwrap().unwrap();
        said.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    said
}
