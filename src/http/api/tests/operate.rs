//! Operating: suspensions, health, lanes, what waits, and the quarantine.

use super::{check, quick, shown};
use crate::http::test_gateway::{SUPPORT, TestGateway, anonymous, form, request, signed, text};
use crate::machine::command::Command;
use crate::machine::event::Event;
use crate::model::{InboundItem, RawRequest};
use axum::body::Body;
use axum::http::header;
use serde_json::{Value, json};
use std::time::Duration;

const SUSPEND: &str = "/v1/numbers/+12065550100/suspend";

/// Puts a webhook into quarantine that today's parser reads, as if an older one had not; returns its id.
pub(super) async fn quarantine(world: &TestGateway, sid: &str, words: &str) -> String {
    let request = RawRequest {
        method: "POST".to_owned(),
        path_and_query: "/carriers/main/messages".to_owned(),
        content_type: Some("application/x-www-form-urlencoded".to_owned()),
        in_query: false,
    };
    let item = InboundItem::Unreadable {
        raw: text(sid, words).into_bytes(),
        problem: "an older parser did not read it".to_owned(),
        request: Some(Box::new(request)),
    };
    let command = Command::InboundItem { account: "main".to_owned(), item };
    world.handle.submit(command, Duration::from_secs(10)).await.unwrap();
    let listed = shown(&world.get("/v1/quarantine").await, 200);
    listed["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn suspending_shows_in_the_number_and_resuming_ends_it() {
    let world = quick();
    let suspension = json!({ "reason": "complaints", "until": "2100-01-01T00:00:00Z" });
    let number = shown(&world.post(SUSPEND, &suspension).await, 200);
    let found = &number["suspended"];
    assert_eq!((&found["reason"], &found["by"]), (&json!("complaints"), &json!("everything")));
    assert_eq!(found["until"], "2100-01-01T00:00:00.000Z");
    assert_eq!(number["lane"]["paused_until"], found["until"]);
    let number = shown(&world.post("/v1/numbers/+12065550100/resume", "").await, 200);
    assert_eq!((&number["suspended"], &number["lane"]["paused_until"]), (&Value::Null, &Value::Null));
    shown(&world.post("/v1/numbers/+12065550100/resume", "{}").await, 200);
}

#[tokio::test]
async fn a_send_meanwhile_is_queued_without_an_estimate_or_refused_with_retry_after() {
    let world = quick();
    world.start_call("c-1").await;
    shown(&world.post("/v1/accounts/main/suspend", json!({ "reason": "maintenance" })).await, 200);
    let sent = shown(&world.post("/v1/calls/c-1/messages", json!({ "text": "hi" })).await, 202);
    assert_eq!((&sent["state"], &sent["estimated_wait_ms"]), (&json!("queued"), &Value::Null));
    let explained = world.get(&format!("/v1/messages/{}/explain", sent["id"].as_str().unwrap())).await.json();
    assert_eq!((&explained["waiting_for"], &explained["due_at"]), (&json!("suspended"), &Value::Null));
    assert_eq!(explained["suspended_because"], "maintenance");
    let until = json!({ "reason": "maintenance", "until": "2100-01-01T00:00:00Z" });
    shown(&world.post("/v1/accounts/main/suspend", until).await, 200);
    let refused = world.post("/v1/calls/c-1/messages", json!({ "text": "hi" })).await;
    check(&refused, 429, "rate_limited");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 1_000_000, "{:?}", refused.headers);
}

#[tokio::test]
async fn bad_suspensions_are_refused_with_the_field_and_the_way_out() {
    let world = TestGateway::new();
    for (path, body, status, code, says) in [
        (SUSPEND, json!({}), 400, "invalid_field", "`reason` is missing"),
        (SUSPEND, json!({ "reason": "" }), 400, "invalid_field", "`reason`"),
        (SUSPEND, json!({ "reason": "x".repeat(257) }), 400, "invalid_field", "1 to 256 characters"),
        (SUSPEND, json!({ "reason": "x", "until": "tomorrow" }), 400, "invalid_field", "`until`"),
        (SUSPEND, json!({ "reason": "x", "until": "2020-01-01T00:00:00Z" }), 400, "invalid_field", "in the past"),
        (SUSPEND, json!({ "reason": "x", "untill": null }), 400, "unknown_field", "did you mean `until`"),
        ("/v1/numbers/+12065550199/suspend", json!({ "reason": "x" }), 404, "number_not_found", "GET /v1/numbers"),
        ("/v1/numbers/x/suspend", json!({ "reason": "x" }), 422, "number_invalid", "`e164`"),
        ("/v1/accounts/other/suspend", json!({ "reason": "x" }), 404, "account_not_found", "main"),
        ("/v1/accounts/other/resume", json!({}), 404, "account_not_found", "main"),
        ("/v1/accounts/main/resume", json!({ "reason": "x" }), 400, "unknown_field", "`reason`"),
    ] {
        let answer = world.post(path, &body).await;
        check(&answer, status, code);
        assert!(answer.body.contains(says), "{path} {body}: {}", answer.body);
    }
    assert_eq!(world.count(|event| matches!(event, Event::Suspended { .. })), 0);
}

#[tokio::test]
async fn operating_needs_the_scope_operate() {
    let world = TestGateway::new();
    let id = quarantine(&world, "SM1", "hi").await;
    let one = format!("/v1/quarantine/{id}");
    for (method, path) in [
        ("POST", SUSPEND.to_owned()),
        ("POST", "/v1/numbers/+12065550100/resume".to_owned()),
        ("POST", "/v1/accounts/main/suspend".to_owned()),
        ("POST", "/v1/accounts/main/resume".to_owned()),
        ("POST", format!("{one}/replay")),
        ("DELETE", one.clone()),
    ] {
        let request = anonymous(method, &path).header(header::AUTHORIZATION, "Bearer observer");
        let answer = world.ask(request.body(Body::from(r#"{"reason":"x"}"#)).unwrap()).await;
        check(&answer, 403, "scope_missing");
        assert!(answer.body.contains("operate"), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_idempotency_key_repeats_a_suspension_and_a_replay_once() {
    let world = TestGateway::new();
    let post = async |path: &str, body: &str| {
        let request = request("POST", path).header("Idempotency-Key", "k-1");
        world.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    let body = r#"{"reason":"x"}"#;
    shown(&post(SUSPEND, body).await, 200);
    shown(&world.post("/v1/numbers/+12065550100/resume", "").await, 200);
    let again = post(SUSPEND, body).await;
    assert_eq!((again.status, again.header("idempotent-replay")), (200, Some("true")), "{}", again.body);
    assert_eq!(again.json()["suspended"], Value::Null);
    check(&post(SUSPEND, r#"{"reason":"y"}"#).await, 422, "idempotency_key_reused");
    let path = format!("/v1/quarantine/{}/replay", quarantine(&world, "SM1", "hi").await);
    let first = post(&path, "").await;
    let again = post(&path, "").await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
}

#[tokio::test]
async fn lanes_show_what_the_next_text_waits_for_the_oldest_first() {
    let world = TestGateway::new();
    let by_number = shown(&world.get("/v1/lanes").await, 200);
    let numbers = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|lane| lane["number"].as_str().unwrap().to_owned()).collect()
    };
    assert!(numbers(&by_number).is_sorted() && numbers(&by_number).len() > 2, "{by_number}");
    let idle = &by_number["items"][0];
    assert_eq!((&idle["queued"], &idle["waiting_for"], &idle["until"]), (&json!(0), &Value::Null, &Value::Null));
    world.start_call("c-1").await;
    let sent = shown(&world.post("/v1/calls/c-1/messages", json!({ "text": "hi" })).await, 202);
    let (from, last) = (sent["from"].as_str().unwrap(), numbers(&by_number).pop().unwrap());
    shown(&world.post(&format!("/v1/numbers/{last}/suspend"), json!({ "reason": "x" })).await, 200);
    let oldest = shown(&world.get("/v1/lanes?sort=oldest&limit=1").await, 200);
    let lane = &oldest["items"][0];
    assert_eq!((lane["number"].as_str(), lane["queued"].as_u64()), (Some(from), Some(1)), "{oldest}");
    assert!(lane["oldest_ready_ms"].is_u64() && lane["account"] == "main", "{lane}");
    let cursor = oldest["next_cursor"].as_str().unwrap();
    let rest = shown(&world.get(&format!("/v1/lanes?sort=oldest&cursor={cursor}")).await, 200);
    assert_eq!(numbers(&rest).len(), numbers(&by_number).len() - 1);
    let suspended = rest["items"].as_array().unwrap().iter().find(|lane| lane["number"] == *last).unwrap();
    assert_eq!((&suspended["waiting_for"], &suspended["until"]), (&json!("suspended"), &Value::Null));
    check(&world.get("/v1/lanes?sort=newest").await, 400, "invalid_field");
}

#[tokio::test]
async fn what_waits_is_listed_in_the_order_it_goes_out() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let mut ids = Vec::new();
    for nth in 0..3 {
        let sent = world.post("/v1/calls/c-1/messages", json!({ "text": format!("number {nth}") })).await;
        ids.push(shown(&sent, 202)["id"].as_str().unwrap().to_owned());
    }
    let queued = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|message| message["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = shown(&world.get("/v1/messages?state=queued").await, 200);
    assert_eq!(queued(&all), ids);
    assert_eq!(all["items"][2]["text"], "number 2");
    let first = shown(&world.get("/v1/messages?state=queued&limit=2").await, 200);
    assert_eq!(queued(&first), ids[..2]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = shown(&world.get(&format!("/v1/messages?state=queued&cursor={cursor}")).await, 200);
    assert_eq!((queued(&second), &second["next_cursor"]), (ids[2..].to_vec(), &Value::Null));
    let from = all["items"][0]["from"].as_str().unwrap();
    assert_eq!(queued(&world.get(&format!("/v1/messages?state=queued&number={from}")).await.json()), ids);
    let other = if from == SUPPORT { "+12065550101" } else { SUPPORT };
    assert!(queued(&world.get(&format!("/v1/messages?state=queued&number={other}")).await.json()).is_empty());
    for (query, status, code, says) in [
        ("", 400, "invalid_field", "`state` is missing"),
        ("?state=sent", 400, "invalid_field", "must be queued"),
        ("?state=queued&number=%2B12065550199", 404, "number_not_found", "GET /v1/numbers"),
        ("?state=queued&number=x", 422, "number_invalid", "`number`"),
        ("?state=queued&limit=0", 400, "invalid_field", "`limit`"),
        ("?state=queued&cursor=%21", 422, "cursor_invalid", "cursor"),
        ("?state=queued&since=x", 400, "unknown_field", "`since`"),
    ] {
        let answer = world.get(&format!("/v1/messages{query}")).await;
        check(&answer, status, code);
        assert!(answer.body.contains(says), "{query}: {}", answer.body);
    }
}

#[tokio::test]
async fn health_counts_refusals_and_shows_accounts() {
    let world = TestGateway::new();
    world.get("/v1/calls/nobody").await;
    world.get("/v1/nowhere").await;
    shown(&world.post("/v1/accounts/main/suspend", json!({ "reason": "x" })).await, 200);
    let health = shown(&world.get("/v1/health").await, 200);
    assert_eq!((&health["ready"], &health["reasons"]), (&json!(true), &json!([])));
    let account = &health["accounts"][0];
    assert_eq!((&account["name"], &account["breaker"]), (&json!("main"), &json!("closed")));
    assert_eq!((&account["suspended"]["reason"], &account["last_success_at"]), (&json!("x"), &Value::Null));
    let expected = json!([{ "code": "call_not_found", "count": 1 }, { "code": "not_found", "count": 1 }]);
    assert_eq!(health["refusals"], expected);
    let endpoints = shown(&world.get("/v1/endpoints").await, 200);
    assert_eq!((&endpoints["items"][0]["name"], &endpoints["next_cursor"]), (&json!("main"), &Value::Null));
}

#[tokio::test]
async fn a58_the_quarantine_is_listed_shown_replayed_and_discarded() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let (first, second) = (quarantine(&world, "SM1", "hello").await, quarantine(&world, "SM2", "again").await);
    let page = shown(&world.get("/v1/quarantine?limit=1").await, 200);
    assert_eq!(page["items"][0]["id"], first);
    assert_eq!(page["items"][0]["bytes"].as_u64(), Some(text("SM1", "hello").len() as u64));
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = shown(&world.get(&format!("/v1/quarantine?cursor={cursor}")).await, 200);
    assert_eq!((&page["items"][0]["id"], &page["next_cursor"]), (&json!(second), &Value::Null));
    let one = shown(&world.get(&format!("/v1/quarantine/{first}")).await, 200);
    assert_eq!((&one["body"], &one["account"]), (&json!(text("SM1", "hello")), &json!("main")));
    assert_eq!(one["content_type"], "application/x-www-form-urlencoded");
    let replayed = shown(&world.post(&format!("/v1/quarantine/{first}/replay"), "").await, 200);
    assert_eq!(replayed, json!({ "id": first, "outcomes": ["attached"] }));
    let transcript = world.get("/v1/calls/c-1/messages").await.json();
    assert_eq!(transcript["items"][0]["text"], "hello");
    check(&world.post(&format!("/v1/quarantine/{first}/replay"), "").await, 404, "not_found");
    check(&world.get(&format!("/v1/quarantine/{first}")).await, 404, "not_found");
    shown(&world.delete(&format!("/v1/quarantine/{second}")).await, 200);
    check(&world.delete(&format!("/v1/quarantine/{second}")).await, 404, "not_found");
    assert_eq!(world.get("/v1/quarantine").await.json()["items"], json!([]));
    // A retry of the carrier after the replay is a duplicate.
    let retry = world.webhook(signed("/carriers/main/messages", &text("SM1", "hello"))).await;
    assert_eq!((retry.status, world.count(|event| matches!(event, Event::MessageReceived { .. }))), (200, 1));
    for id in ["x", "qua_00000000000000000000000", "msg_00000000000000000000000", &first.replace("qua", "evt")] {
        check(&world.get(&format!("/v1/quarantine/{id}")).await, 404, "not_found");
    }
}

#[tokio::test]
async fn a58_a_webhook_that_is_still_unreadable_stays_and_says_why() {
    let world = TestGateway::new();
    let unreadable = form(&[("MessageSid", "SM1"), ("To", SUPPORT), ("Body", "caff\u{e8}")]);
    world.webhook(signed("/carriers/main/messages?x=1", &unreadable)).await;
    let id = world.get("/v1/quarantine").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let answer = world.post(&format!("/v1/quarantine/{id}/replay"), "").await;
    check(&answer, 422, "still_unreadable");
    assert!(answer.body.contains("From is missing"), "{}", answer.body);
    let one = shown(&world.get(&format!("/v1/quarantine/{id}")).await, 200);
    assert_eq!((&one["problem"], &one["body"]), (&json!("From is missing"), &json!(unreadable)));
}

#[tokio::test]
async fn of_two_replays_at_once_one_wins() {
    let world = quick();
    world.start_call("c-1").await;
    let path = format!("/v1/quarantine/{}/replay", quarantine(&world, "SM1", "hello").await);
    world.disk.stall();
    let both = async { tokio::join!(world.post(&path, ""), world.post(&path, "")) };
    let goes_on = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.disk.work();
    };
    let ((one, other), ()) = tokio::join!(both, goes_on);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404], "{} {}", one.body, other.body);
    assert_eq!(world.count(|event| matches!(event, Event::MessageReceived { .. })), 1);
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_shown_whole_in_base64() {
    let world = TestGateway::new();
    let item = InboundItem::Unreadable { raw: vec![b'a', 0xff], problem: "x".to_owned(), request: None };
    let command = Command::InboundItem { account: "main".to_owned(), item };
    world.handle.submit(command, Duration::from_secs(10)).await.unwrap();
    let id = world.get("/v1/quarantine").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let one = shown(&world.get(&format!("/v1/quarantine/{id}")).await, 200);
    assert_eq!((&one["body"], &one["body_base64"]), (&json!("a\u{fffd}"), &json!("Yf8=")));
    assert_eq!(one["content_type"], Value::Null);
}
