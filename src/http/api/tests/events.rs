//! Pulling events.

use super::shown;
use crate::engine::DropBefore;
use crate::http::test_gateway::{Answer, TestGateway, anonymous, request, signed, text};
use crate::machine::command::Command;
use crate::machine::show;
use crate::model::{Day, EventId, Position};
use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
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
    let end = world.reads.follow().end();
    let made_up = |day, position, index| show::cursor(EventId::new(day, position, index));
    for (query, status, code) in [
        ("after=nonsense", 422, "cursor_invalid"),
        ("after=7zzzzzzzzzzzzzzzzzzzzzz", 422, "cursor_invalid"),
        // A position that was not reached, a day that it was not written on, and an event that its frame does not have.
        (&*format!("after={}", made_up(end.day(), Position(end.position().0 + 1), 0)), 422, "cursor_invalid"),
        (&*format!("after={}", made_up(Day(end.day().0 + 1), end.position(), 0)), 422, "cursor_invalid"),
        (&*format!("after={}", made_up(Day(end.day().0 - 1), end.position(), u16::MAX)), 422, "cursor_invalid"),
        (&*format!("after={}", made_up(end.day(), end.position(), 900)), 422, "cursor_invalid"),
        (&*format!("after={}", made_up(Day(0), Position(0), 0)), 422, "cursor_invalid"),
        ("after=", 422, "cursor_invalid"),
        ("cursor=abc", 400, "invalid_field"),
        ("types=", 400, "invalid_field"),
        ("types=call.ended,", 400, "invalid_field"),
        ("types=*", 400, "invalid_field"),
        ("call_id=a%20b", 400, "invalid_field"),
        ("wait_ms=30001", 400, "invalid_field"),
        ("wait_ms=-1", 400, "invalid_field"),
        ("limit=0", 400, "invalid_field"),
        ("before=abc", 400, "unknown_field"),
    ] {
        super::check(&world.get(&format!("/v1/events?{query}")).await, status, code);
    }
    super::check(&world.ask(listen(Some("nonsense".to_owned()))).await, 422, "cursor_invalid");
    let unknown = world.get("/v1/events?types=call.ended,message.recieved").await;
    super::check(&unknown, 400, "invalid_field");
    let detail = unknown.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("\"message.recieved\"") && detail.contains("(did you mean message.received?)"), "{detail}");
    // Between two frames both days are right: `oldest` of a 410 and the ends of a gap have the later one.
    for cursor in [show::before(end.day(), end.position()), end] {
        pull(&world, &format!("after={}", show::cursor(cursor))).await;
    }
}

#[tokio::test]
async fn events_are_pulled_by_type_by_call_and_from_now_on() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    world.put("/v1/calls/c-2", json!({ "caller": "+12065550143", "queue": "support" })).await;
    world.post("/v1/calls/c-1/messages", json!({ "text": "hi" })).await;
    world.post("/v1/calls/c-1/end", json!({})).await;
    for (query, expected) in [
        ("call_id=c-2", &["call.started"][..]),
        ("call_id=c-3", &[]),
        ("types=call.*", &["call.started", "call.started", "call.ended"]),
        ("types=call.ended,message.queued", &["message.queued", "call.ended"]),
        ("types=message.*&call_id=c-1", &["message.queued", "message.cancelled"]),
        ("types=message.*&call_id=c-2", &[]),
        ("after=now", &[]),
    ] {
        let page = pull(&world, query).await;
        assert_eq!(types(&page), expected, "{query}");
        // The page's cursor is after what was left out.
        let next = pull(&world, &format!("after={}", page["next_cursor"].as_str().unwrap())).await;
        assert_eq!(types(&next), Vec::<&str>::new(), "{query}");
    }
    let first = pull(&world, "types=call.*&limit=1").await;
    let rest = pull(&world, &format!("types=call.*&after={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!(calls(&rest), ["c-2", "c-1"]);
    let (page, ()) = tokio::join!(pull(&world, "after=now&call_id=c-9&wait_ms=30000"), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.start_call("c-8").await;
        world.put("/v1/calls/c-9", json!({ "caller": "+12065550149", "queue": "support" })).await;
    });
    assert_eq!(calls(&page), ["c-9"]);
}

/// The cursor of a response.
fn read_at(answer: &Answer) -> String {
    answer.header("offhook-cursor").expect("every 200 of a GET has one").to_owned()
}

#[tokio::test]
async fn events_after_the_cursor_of_a_response_are_those_it_does_not_reflect() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let seen = read_at(&world.get("/v1/calls/c-1").await);
    assert_eq!(types(&pull(&world, &format!("after={seen}")).await), Vec::<&str>::new());
    world.post("/v1/calls/c-1/end", json!({})).await;
    assert_eq!(types(&pull(&world, &format!("after={seen}")).await), ["call.ended"]);
    let page = world.get("/v1/events?limit=1").await;
    assert_eq!(read_at(&page), page.json()["next_cursor"].as_str().unwrap());
    let listened = world.open(listen(Some(seen.clone()))).await;
    assert_eq!(listened.headers()["offhook-cursor"], *seen);
    for refused in [world.get("/v1/calls/c-9").await, world.put("/v1/calls/c-3", json!({})).await] {
        assert_eq!(refused.header("offhook-cursor"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cursor_is_exact_although_batches_are_committed_while_it_is_read() {
    const VERSIONS: u64 = 400;
    let world = Arc::new(TestGateway::new());
    let put =
        |nth: u64| json!({ "caller": "+12065550142", "queue": "support", "agent": format!("a{nth}."), "version": nth });
    world.put("/v1/calls/c-1", put(0)).await;
    let writer = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            for version in 1..=VERSIONS {
                world.put("/v1/calls/c-1", put(version)).await;
            }
        })
    };
    let mut reached = 0;
    while reached < VERSIONS {
        for path in ["/v1/calls/c-1", "/v1/calls"] {
            let answer = world.get(path).await;
            let shown = shown(&answer, 200);
            let call = if path == "/v1/calls" { &shown["items"][0] } else { &shown };
            reached = call["version"].as_u64().unwrap();
            let next = pull(&world, &format!("after={}&limit=1&wait_ms=20", read_at(&answer))).await;
            let next = &next["items"][0]["data"]["version"];
            assert!(next.is_null() || *next == json!(reached + 1), "{path}: {next} follows {reached}");
        }
    }
    writer.await.unwrap();
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
    assert_eq!(lines, ["retry:", ":", "id:", "", "id:", "event:", "data:", ""], "{first}");
    assert!(first.contains("event: call.started\ndata: {"), "{first}");
    world.webhook(signed("/carriers/main/messages", &text("SM1", "hello"))).await;
    let second = until(&mut body, "message.received").await;
    let id = second.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(body);
    world.start_call("c-2").await;
    let again = until(&mut world.open(listen(Some(id))).await.into_body(), "c-2").await;
    assert!(!again.contains("\"call_id\":\"c-1\""), "{again}");
}

#[tokio::test]
async fn a_stream_sends_only_what_its_client_wants_and_says_its_position_first() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let request = |query: &str| {
        let request = request("GET", &format!("/v1/events?{query}")).header("accept", "text/event-stream");
        request.body(Body::empty()).unwrap()
    };
    let mut from_now = world.open(request("after=now&types=call.*&call_id=c-2")).await.into_body();
    let opened = until(&mut from_now, "id: ").await;
    let position = opened.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    for (call, caller) in [("c-2", "+12065550143"), ("c-3", "+12065550144")] {
        world.put(&format!("/v1/calls/{call}"), json!({ "caller": caller, "queue": "support" })).await;
    }
    world.post("/v1/calls/c-2/messages", json!({ "text": "hi" })).await;
    world.post("/v1/calls/c-2/end", json!({})).await;
    let received = until(&mut from_now, "call.ended").await;
    let kinds: Vec<_> = received.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds, ["call.started", "call.ended"], "{received}");
    drop(from_now);
    // Who got no event yet resumes from the position.
    let again = until(&mut world.open(listen(Some(position))).await.into_body(), "call.ended").await;
    assert!(again.contains("\"call_id\":\"c-3\"") && !again.contains("\"call_id\":\"c-1\""), "{again}");
}

#[tokio::test]
async fn a_stream_that_begins_in_the_journal_reaches_the_live_events_without_a_gap() {
    const PUTS: u64 = 600;
    let world = Arc::new(TestGateway::new());
    let put =
        |nth: u64| json!({ "caller": "+12065550142", "queue": "support", "agent": format!("a{nth}."), "version": nth });
    for version in 1..=PUTS / 2 {
        world.put("/v1/calls/c-1", put(version)).await;
    }
    let last = format!("\"version\":{PUTS},");
    let mut body = world.open(listen(None)).await.into_body();
    let writer = async {
        for version in PUTS / 2 + 1..=PUTS {
            world.put("/v1/calls/c-1", put(version)).await;
        }
    };
    let (received, ()) = tokio::join!(until(&mut body, &last), writer);
    let events = received.lines().filter_map(|line| line.strip_prefix("data: "));
    let sequences =
        events.map(|event| serde_json::from_str::<Value>(event).unwrap()["call_sequence"].as_u64().unwrap());
    assert_eq!(sequences.collect::<Vec<_>>(), (1..=PUTS).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_cut_and_resumes_by_its_cursor() {
    const PUTS: u64 = 400;
    let world = TestGateway::new();
    let put =
        |nth: u64| json!({ "caller": "+12065550142", "queue": "support", "agent": format!("a{nth}."), "version": nth });
    world.put("/v1/calls/c-1", put(1)).await;
    let mut body = world.open(listen(None)).await.into_body();
    until(&mut body, "call.started").await;
    // The next frame is asked for, so that the stream waits for live events.
    let mut received = Box::pin(until(&mut body, "call.updated"));
    assert!(futures_util::poll!(&mut received).is_pending());
    for version in 2..=PUTS {
        world.put("/v1/calls/c-1", put(version)).await;
    }
    let mut received = received.await;
    while let Some(frame) = body.frame().await {
        received.push_str(std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap());
    }
    let count = |received: &str| received.matches("event: call.updated").count() as u64;
    assert!((1..PUTS - 1).contains(&count(&received)), "{} events", count(&received));
    let last = received.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let rest = until(&mut world.open(listen(Some(last))).await.into_body(), &format!("\"version\":{PUTS},")).await;
    assert_eq!(count(&received) + count(&rest), PUTS - 1);
}

#[tokio::test]
async fn streams_are_counted_per_token_and_apart_from_pulls() {
    let world = TestGateway::new();
    let mut open = Vec::new();
    let refused = loop {
        let response = world.open(listen(None)).await;
        if response.status() != 200 {
            break response;
        }
        open.push(response);
    };
    assert_eq!((refused.status().as_u16(), open.len()), (429, 2_048));
    assert!(refused.headers().contains_key("retry-after"));
    let refused = world.ask(listen(None)).await;
    super::check(&refused, 429, "rate_limited");
    assert!(refused.body.contains("this token has 2048 streams of events open"), "{}", refused.body);
    pull(&world, "").await;
    let of_another = anonymous("GET", "/v1/events").header("accept", "text/event-stream");
    let of_another = of_another.header("authorization", "Bearer observer").body(Body::empty()).unwrap();
    assert_eq!(world.open(of_another).await.status(), 200);
    open.pop();
    assert_eq!(world.open(listen(None)).await.status(), 200);
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
