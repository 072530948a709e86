//! Calls: started, changed, ended, read.

use super::{check, quick, shown};
use crate::http::test_gateway::{CALLER, SUPPORT, TestGateway, call, request, signed, text};
use crate::http::wall_clock;
use crate::machine::event::Event;
use axum::body::Body;
use serde_json::{Value, json};
use std::time::Duration;

/// Between two starts, so that their times differ.
const APART: Duration = Duration::from_millis(2);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_call_is_created_once_then_changed_and_shows_every_default() {
    let world = TestGateway::new();
    let started = shown(&world.put("/v1/calls/c-1", call()).await, 201);
    for (field, expected) in [
        ("id", json!("c-1")),
        ("state", json!("active")),
        ("caller", json!(CALLER)),
        ("queue", json!("support")),
        ("language", json!("en")),
        ("phase", json!("connected")),
        ("agent", Value::Null),
        ("call_type", json!("inbound_ivr")),
        ("wait_sms_consent", json!(false)),
        ("our_number", Value::Null),
    ] {
        assert_eq!(started[field], expected, "{field}");
    }
    let sms =
        json!({ "session": "none", "closed_reason": null, "can_send": true, "refusal": null, "custom_allowed": true });
    assert_eq!(started["sms"], sms);

    let transferred = json!({ "caller": CALLER, "queue": "sales", "language": "it", "agent": "agent-17" });
    let changed = shown(&world.put("/v1/calls/c-1", transferred).await, 200);
    assert_eq!(
        (&changed["queue"], &changed["language"], &changed["agent"]),
        (&json!("sales"), &json!("it"), &json!("agent-17"))
    );
    assert_eq!(changed["started_at"], started["started_at"]);
}

#[tokio::test]
async fn the_result_of_a_get_can_be_edited_and_put() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let mut got = shown(&world.get("/v1/calls/c-1").await, 200);
    got["agent"] = json!("agent-17");
    let put = shown(&world.put("/v1/calls/c-1", &got).await, 200);
    assert_eq!(put["agent"], "agent-17");
    assert_eq!(put, shown(&world.get("/v1/calls/c-1").await, 200));
}

#[tokio::test]
async fn an_omitted_agent_is_kept_and_null_clears_it() {
    let world = TestGateway::new();
    let with_agent = json!({ "caller": CALLER, "queue": "support", "agent": "agent-17" });
    world.put("/v1/calls/c-1", with_agent).await;
    assert_eq!(shown(&world.put("/v1/calls/c-1", call()).await, 200)["agent"], "agent-17");
    let cleared = json!({ "caller": CALLER, "queue": "support", "agent": null });
    let cleared = shown(&world.put("/v1/calls/c-1", cleared).await, 200);
    assert_eq!((&cleared["agent"], &cleared["sms"]["closed_reason"]), (&Value::Null, &json!("no_agent")));
}

#[tokio::test]
async fn a16_every_form_of_a_withheld_caller_is_shown_as_anonymous() {
    let world = TestGateway::new();
    for (place, form) in ["anonymous", "", "Restricted", "+266696687"].into_iter().enumerate() {
        let answer = world.put(&format!("/v1/calls/c-{place}"), json!({ "caller": form, "queue": "support" })).await;
        let call = shown(&answer, 201);
        assert_eq!((&call["caller"], &call["sms"]["refusal"]), (&json!("anonymous"), &json!("caller_unreachable")));
    }
}

#[tokio::test]
async fn a15_every_call_type_the_settings_can_name_is_accepted() {
    let named = "call-back_2";
    let world =
        TestGateway::with(|directory| directory.settings.call_types.push(crate::model::call_type(named).unwrap()), &[]);
    let of = |call_type: &str| json!({ "caller": CALLER, "queue": "support", "call_type": call_type });
    assert_eq!(shown(&world.put("/v1/calls/c-1", of(named)).await, 201)["call_type"], named);
    check(&world.put("/v1/calls/c-2", of("call-back_3")).await, 403, "call_type_off");
}

#[tokio::test]
async fn a_put_with_a_lower_version_changes_nothing() {
    let world = TestGateway::new();
    let of = |version: i64, queue: &str| json!({ "caller": CALLER, "queue": queue, "version": version });
    world.put("/v1/calls/c-1", of(7, "sales")).await;
    assert_eq!(shown(&world.put("/v1/calls/c-1", of(6, "support")).await, 200)["queue"], "sales");
}

#[tokio::test]
async fn a8_an_end_before_the_start_is_stored_and_the_late_start_is_ignored() {
    let world = TestGateway::new();
    let ended = shown(&world.post("/v1/calls/c-1/end", json!({ "reason": "caller_hangup" })).await, 200);
    assert_eq!((&ended["state"], &ended["end_reason"]), (&json!("ended"), &json!("caller_hangup")));
    assert_eq!((&ended["caller"], &ended["lease_until"]), (&Value::Null, &Value::Null));
    for answer in [
        world.put("/v1/calls/c-1", call()).await,
        world.get("/v1/calls/c-1").await,
        world.post("/v1/calls/c-1/end", json!({ "reason": "another" })).await,
    ] {
        assert_eq!(shown(&answer, 200), ended);
    }
    assert_eq!(shown(&world.get("/v1/calls/c-1/messages").await, 200)["items"], json!([]));
}

#[tokio::test]
async fn a8_the_end_of_an_unknown_call_is_shown_for_a_day() {
    let mut world = TestGateway::new();
    world.start_call("b").await;
    world.post("/v1/calls/a/end", json!({})).await;
    world.set_clock(|| wall_clock() + DAY - Duration::from_secs(60));
    assert_eq!(all_pages(&world, "/v1/calls?limit=1").await, ["a", "b"]);
    world.set_clock(|| wall_clock() + DAY);
    assert_eq!(all_pages(&world, "/v1/calls?limit=1").await, ["b"]);
    for path in ["/v1/calls/a", "/v1/calls/a/messages"] {
        check(&world.get(path).await, 404, "call_not_found");
    }
}

#[tokio::test]
async fn a_put_of_an_ended_call_returns_it_and_ending_is_idempotent() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let ended = shown(&world.post("/v1/calls/c-1/end", json!({ "reason": "agent_hangup" })).await, 200);
    assert_eq!((&ended["state"], &ended["sms"]["refusal"]), (&json!("ended"), &json!("call_ended")));
    assert_eq!(shown(&world.put("/v1/calls/c-1", call()).await, 200), ended);
    assert_eq!(shown(&world.post("/v1/calls/c-1/end", json!({})).await, 200), ended);
    assert_eq!(world.count(|event| matches!(event, Event::CallEnded(_))), 1);
}

#[tokio::test]
async fn an_end_needs_no_body() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let mut bare = request("POST", "/v1/calls/c-1/end").body(Body::empty()).unwrap();
    bare.headers_mut().remove("content-type");
    assert_eq!(shown(&world.ask(bare).await, 200)["end_reason"], Value::Null);
}

#[tokio::test]
async fn an_end_repeated_with_its_key_gets_the_same_response_for_any_call() {
    let world = quick();
    world.start_call("lived").await;
    world.post("/v1/calls/known/end", json!({})).await;
    // An open session ends with a closing message, which is in the same frame as the response.
    assert_eq!(world.webhook(signed("/carriers/main/messages", &text("SM1", "hello"))).await.status, 200);
    for call in ["lived", "unheard", "known"] {
        let end = || {
            let path = format!("/v1/calls/{call}/end");
            let request = request("POST", &path).header("idempotency-key", "k-1");
            request.body(Body::from(r#"{"reason":"agent_hangup"}"#)).unwrap()
        };
        let first = world.ask(end()).await;
        let again = world.ask(end()).await;
        assert_eq!((first.status, again.status, &again.body), (200, 200, &first.body), "{call}");
        assert_eq!((first.header("idempotent-replay"), again.header("idempotent-replay")), (None, Some("true")));
    }
}

#[tokio::test]
async fn calls_are_listed_newest_first_in_pages_and_by_filter() {
    let world = TestGateway::new();
    let start = async |id: &str, caller: &str, queue: &str| {
        tokio::time::sleep(APART).await;
        let answer = world.put(&format!("/v1/calls/{id}"), json!({ "caller": caller, "queue": queue })).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    };
    start("a", CALLER, "support").await;
    start("b", CALLER, "sales").await;
    start("c", "+12065550143", "support").await;
    start("d", CALLER, "support").await;
    world.post("/v1/calls/d/end", json!({})).await;
    tokio::time::sleep(APART).await;
    world.post("/v1/calls/e/end", json!({})).await;

    let caller = CALLER.replace('+', "%2B");
    for (query, expected) in [
        (String::new(), &["e", "d", "c", "b", "a"][..]),
        ("state=active".to_owned(), &["c", "b", "a"]),
        ("state=ended".to_owned(), &["e", "d"]),
        (format!("state=active&caller={caller}"), &["b", "a"]),
        (format!("caller={caller}"), &["d", "b", "a"]),
        ("queue=support&state=active".to_owned(), &["c", "a"]),
        // A number with an unescaped plus.
        (format!("caller={CALLER}&queue=sales"), &["b"]),
        (format!("state=active&caller={caller}&queue=sales"), &["b"]),
    ] {
        for limit in [1, 2, 500] {
            assert_eq!(
                all_pages(&world, &format!("/v1/calls?{query}&limit={limit}")).await,
                expected,
                "{query} {limit}"
            );
        }
    }
}

#[tokio::test]
async fn calls_are_listed_by_agent_and_by_the_time_they_started() {
    let world = TestGateway::new();
    let mut started = Vec::new();
    for (id, agent) in [("a", "kim"), ("b", "ann"), ("c", "kim"), ("d", "kim")] {
        tokio::time::sleep(APART).await;
        let body = json!({ "caller": CALLER, "queue": "support", "agent": agent });
        let call = shown(&world.put(&format!("/v1/calls/{id}"), body).await, 201);
        started.push(call["started_at"].as_str().unwrap().to_owned());
    }
    // The agent of now counts, and the start of then.
    world.put("/v1/calls/d", json!({ "caller": CALLER, "queue": "support", "agent": "ann" })).await;
    let (second, third) = (&started[1], &started[2]);
    // The same time with a zone whose plus is not escaped.
    let zoned = second.replace('Z', "+00:00");
    for (query, expected) in [
        ("agent=kim".to_owned(), &["c", "a"][..]),
        ("agent=ann".to_owned(), &["d", "b"]),
        ("agent=nobody".to_owned(), &[]),
        (format!("since={second}"), &["d", "c", "b"]),
        (format!("since={zoned}"), &["d", "c", "b"]),
        (format!("until={third}"), &["b", "a"]),
        (format!("since={second}&until={third}"), &["b"]),
        (format!("since={second}&until={second}"), &[]),
        (format!("since={second}&state=active&caller=%2B12065550142&agent=kim"), &["c"]),
        ("since=9999-12-30T00:00:00Z".to_owned(), &[]),
        ("until=1970-01-01T00:00:00Z".to_owned(), &[]),
    ] {
        for limit in [1, 500] {
            let path = format!("/v1/calls?{query}&limit={limit}");
            assert_eq!(all_pages(&world, &path).await, expected, "{query} {limit}");
        }
    }
    for (query, says) in [
        (format!("since={third}&until={second}"), "`until` is before `since`"),
        ("since=yesterday".to_owned(), "`since` is not a valid time: it must be a time with its zone"),
        ("until=2026-01-31".to_owned(), "`until` is not a valid time"),
    ] {
        let refused = world.get(&format!("/v1/calls?{query}")).await;
        check(&refused, 400, "invalid_field");
        assert!(refused.json()["detail"].as_str().unwrap().starts_with(says), "{}", refused.body);
    }
}

#[tokio::test]
async fn a16_calls_are_listed_by_caller_even_if_an_alternative_is_texted() {
    const OTHER: &str = "+12065550143";
    let world = TestGateway::new();
    let start = async |id: &str, caller: &str, alternative: Option<&str>| {
        tokio::time::sleep(APART).await;
        let body = json!({ "caller": caller, "queue": "support", "alternative": alternative });
        let answer = world.put(&format!("/v1/calls/{id}"), body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    };
    start("a", CALLER, Some(OTHER)).await;
    start("b", CALLER, None).await;
    start("c", OTHER, Some(CALLER)).await;
    start("d", "anonymous", Some(CALLER)).await;
    start("e", CALLER, Some(CALLER)).await;
    start("f", CALLER, Some(OTHER)).await;
    world.post("/v1/calls/f/end", json!({})).await;

    for (query, expected) in [
        (format!("caller={CALLER}"), &["f", "e", "b", "a"][..]),
        // Calls in which the caller's own number is texted are indexed, and come first.
        (format!("state=active&caller={CALLER}"), &["e", "b", "a"]),
        (format!("state=ended&caller={CALLER}"), &["f"]),
        (format!("state=active&caller={OTHER}"), &["c"]),
    ] {
        for limit in [1, 2, 500] {
            let path = format!("/v1/calls?{}&limit={limit}", query.replace('+', "%2B"));
            assert_eq!(all_pages(&world, &path).await, expected, "{query} {limit}");
        }
    }
}

#[tokio::test]
async fn the_number_a_text_came_to_is_shown_as_our_number_of_the_call() {
    let world = quick();
    world.start_call("c-1").await;
    world.webhook(signed("/carriers/main/messages", &text("SM1", "hello"))).await;
    let call = shown(&world.get("/v1/calls/c-1").await, 200);
    assert_eq!((&call["our_number"], &call["sms"]["session"]), (&json!(SUPPORT), &json!("open")));
    assert_eq!(call["usage"]["received"], 1);
}

#[tokio::test]
async fn an_unknown_call_is_not_found() {
    let world = TestGateway::new();
    for path in ["/v1/calls/c-9", "/v1/calls/c-9/messages"] {
        check(&world.get(path).await, 404, "call_not_found");
    }
}

/// The ids of a list's items, page by page. Asserts that only the last page may be short.
async fn all_pages(world: &TestGateway, path: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = shown(&world.get(&format!("{path}{cursor}")).await, 200);
        let items = page["items"].as_array().unwrap();
        ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
        assert!(!items.is_empty());
    }
}
