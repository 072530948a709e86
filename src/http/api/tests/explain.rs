//! Explanations of why a message waits (A67).

use super::{check, quick, shown};
use crate::http::api::explain::document;
use crate::http::test_gateway::{CALLER, SUPPORT, TestGateway, anonymous, form, signed, text};
use crate::machine::command::Command;
use crate::machine::explain::explain_message;
use crate::model::{FailureCode, Limits, Outcome, Settled, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

const SEND: &str = "/v1/calls/c-1/messages";

/// A lane with a rate of one segment per ten seconds.
fn slow() -> TestGateway {
    let change = |directory: &mut crate::model::Directory| {
        let number = directory.numbers.get_mut(&SUPPORT.parse().unwrap()).unwrap();
        number.limits = Limits { millisegments_per_second: Some(100), ..Limits::default() };
        directory.settings.max_wait_ms = 100_000;
    };
    TestGateway::with(change, &[])
}

async fn send(world: &TestGateway) -> Value {
    shown(&world.post(SEND, json!({ "text": "x" })).await, 202)
}

async fn explained(world: &TestGateway, message: &Value) -> Value {
    let id = message["id"].as_str().unwrap();
    shown(&world.get(&format!("/v1/messages/{id}/explain")).await, 200)
}

/// Starts an attempt, and settles it with the given answer.
async fn attempt(world: &TestGateway, message: &Value, answer: Option<(Outcome, Option<u16>)>) {
    let id = message["id"].as_str().unwrap().parse().unwrap();
    let submit = async |command| world.handle.submit(command, Duration::from_secs(10)).await.unwrap();
    submit(Command::StartSend {
        message: id,
        lane_empty_at: Timestamp::default(),
        account_empty_at: Timestamp::default(),
    })
    .await;
    if let Some((outcome, status)) = answer {
        submit(Command::Settle { message: id, attempt: 1, settled: Settled { outcome, status, detail: None } }).await;
    }
}

/// Sends a receipt for a message with the carrier id `SMout`.
async fn receipt(world: &TestGateway, message: &Value, status: &str) {
    let path = format!("/carriers/main/receipts?message={}", message["id"].as_str().unwrap());
    let form = form(&[("MessageSid", "SMout"), ("MessageStatus", status), ("From", SUPPORT), ("To", CALLER)]);
    assert_eq!(world.webhook(signed(&path, &form)).await.status, 200);
}

fn events(explained: &Value) -> Vec<&str> {
    explained["timeline"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a67_each_text_of_a_lane_has_a_position_and_is_due_as_estimated() {
    let world = slow();
    world.start_call("c-1").await;
    for position in 1..=5 {
        let message = send(&world).await;
        let explanation = explained(&world, &message).await;
        let promised = Duration::from_millis(message["estimated_wait_ms"].as_u64().unwrap());
        let due_at = Timestamp::parse(message["created_at"].as_str().unwrap()).unwrap() + promised;
        for (field, expected) in [
            ("state", json!("queued")),
            ("lane", json!(SUPPORT)),
            ("position", json!(position)),
            ("waiting_for", json!("number_rate")),
            ("due_at", json!(due_at.to_string())),
            ("attempts", json!([])),
        ] {
            assert_eq!(explanation[field], expected, "{field} of {position}");
        }
        assert_eq!(events(&explanation), ["accepted", "due", "expires"]);
        assert_eq!(explanation["timeline"][0]["at"], message["created_at"]);
        assert_eq!(explanation["timeline"][1]["at"], explanation["due_at"]);
    }
}

#[tokio::test]
async fn a67_a64_a_postponed_text_and_the_next_one_wait_for_the_carriers_pause() {
    let world = quick();
    world.start_call("c-1").await;
    let other = json!({ "caller": "+12065550143", "queue": "support" });
    assert_eq!(world.put("/v1/calls/c-2", other).await.status, 201);
    let (first, second) = (send(&world).await, send(&world).await);
    let passes = shown(&world.post("/v1/calls/c-2/messages", json!({ "text": "x" })).await, 202);
    let wait = Some(Duration::from_secs(60));
    attempt(&world, &first, Some((Outcome::Later { retry_after: wait }, Some(429)))).await;
    let explanation = explained(&world, &first).await;
    assert_eq!((&explanation["state"], &explanation["waiting_for"]), (&json!("queued"), &json!("carrier_pause")));
    let detail = "the carrier answered 429: it asked us to wait";
    let tried = &explanation["attempts"][0];
    assert_eq!((&tried["outcome"], &tried["status"], &tried["detail"]), (&json!("later"), &json!(429), &json!(detail)));
    assert_eq!(events(&explanation), ["accepted", "attempt", "due", "expires"]);

    // The carrier accepts another text that was in flight when it asked for a pause; the pause must stay.
    let accepted = Outcome::Sent { carrier_id: "SMother".to_owned(), segments: None };
    attempt(&world, &passes, Some((accepted, Some(201)))).await;
    let explanation = explained(&world, &first).await;
    assert_eq!((&explanation["waiting_for"], &explanation["position"]), (&json!("carrier_pause"), &json!(1)));
    let behind = explained(&world, &second).await;
    assert_eq!((&behind["waiting_for"], &behind["position"]), (&json!("carrier_pause"), &json!(2)));
    assert_eq!(behind["due_at"], explanation["due_at"]);
}

#[tokio::test]
async fn a67_a_sent_message_waits_for_its_receipt() {
    let world = quick();
    world.start_call("c-1").await;
    let message = send(&world).await;
    attempt(&world, &message, None).await;
    let explanation = explained(&world, &message).await;
    assert_eq!((&explanation["state"], &explanation["waiting_for"]), (&json!("sending"), &json!("receipt")));
    assert_eq!((&explanation["position"], &explanation["due_at"]), (&Value::Null, &Value::Null));
    assert_eq!(explanation["attempts"][0]["outcome"], "open");

    let message = send(&world).await;
    let sent = Outcome::Sent { carrier_id: "SMout".to_owned(), segments: None };
    attempt(&world, &message, Some((sent, Some(201)))).await;
    let explanation = explained(&world, &message).await;
    assert_eq!((&explanation["state"], &explanation["waiting_for"]), (&json!("sent"), &json!("receipt")));
    assert_eq!(events(&explanation), ["accepted", "attempt", "sent", "expires"]);

    receipt(&world, &message, "delivered").await;
    let explanation = explained(&world, &message).await;
    assert_eq!((&explanation["state"], &explanation["waiting_for"]), (&json!("delivered"), &Value::Null));
    assert_eq!(events(&explanation), ["accepted", "attempt", "delivered"]);
    assert_eq!(explanation["timeline"][2]["at"], Value::Null, "the row does not hold the time");
}

#[tokio::test]
async fn a67_a_lost_answer_and_a_refusal_are_described() {
    let world = quick();
    world.start_call("c-1").await;
    let message = send(&world).await;
    attempt(&world, &message, Some((Outcome::Unknown, None))).await;
    let explanation = explained(&world, &message).await;
    assert_eq!((&explanation["state"], &explanation["waiting_for"]), (&json!("sending"), &json!("receipt")));
    let detail = "the answer was lost: the carrier may have the message, so it is not sent again";
    let tried = &explanation["attempts"][0];
    assert_eq!((&tried["outcome"], &tried["detail"]), (&json!("unknown"), &json!(detail)));

    let message = send(&world).await;
    let refused = Outcome::Refused { code: FailureCode::Blocked, carrier_code: Some("30007".to_owned()) };
    attempt(&world, &message, Some((refused, Some(400)))).await;
    let explanation = explained(&world, &message).await;
    assert_eq!((&explanation["state"], &explanation["lane"]), (&json!("failed"), &json!(SUPPORT)));
    let why = "filtered or blocked in transit; the same text will be blocked again (the carrier's code: 30007)";
    assert_eq!(explanation["timeline"][2], json!({ "at": null, "event": "failed", "detail": why }));
}

#[tokio::test]
async fn a67_a_received_message_has_no_lane() {
    let world = quick();
    world.start_call("c-1").await;
    world.webhook(signed("/carriers/main/messages", &text("SM1", "hi"))).await;
    let received = &shown(&world.get(SEND).await, 200)["items"][0];
    let explanation = explained(&world, received).await;
    let timeline =
        json!([{ "at": received["created_at"], "event": "received", "detail": "received from the carrier" }]);
    let expected = json!({
        "state": "received", "lane": null, "position": null, "waiting_for": null, "reason": null, "due_at": null,
        "attempts": [],
        "timeline": timeline,
    });
    assert_eq!(explanation, expected);
}

#[tokio::test]
async fn a67_an_unknown_message_is_not_found_and_explain_needs_the_scope() {
    let world = quick();
    world.start_call("c-1").await;
    let unknown = crate::model::MessageId::new(Timestamp::from_ms(0).day(), crate::model::Position(9), 0);
    for id in [unknown.to_string(), "msg_x".to_owned()] {
        check(&world.get(&format!("/v1/messages/{id}/explain")).await, 404, "not_found");
    }
    let path = format!("/v1/messages/{}/explain", send(&world).await["id"].as_str().unwrap());
    let request = anonymous("GET", &path).header("authorization", "Bearer agent");
    check(&world.ask(request.body(axum::body::Body::empty()).unwrap()).await, 403, "scope_missing");
}

#[tokio::test]
async fn a67_with_too_many_open_messages_there_is_no_position_but_a_note() {
    let world = slow();
    world.start_call("c-1").await;
    for _ in 0..3 {
        send(&world).await;
    }
    let last = send(&world).await;
    let now = Timestamp::parse(last["created_at"].as_str().unwrap()).unwrap();
    let id = last["id"].as_str().unwrap().parse().unwrap();
    let explanation =
        |scanned_max| world.reads.ask(|view| document(&explain_message(view, id, scanned_max, now).unwrap())).unwrap();
    let (all, some) = (explanation(4), explanation(2));
    assert_eq!((&all["position"], &all["position_note"]), (&json!(4), &Value::Null));
    assert_eq!((&some["position"], &some["waiting_for"]), (&Value::Null, &json!("number_rate")));
    assert!(some["position_note"].as_str().unwrap().contains("earliest time"));
    let due = |explanation: &Value| Timestamp::parse(explanation["due_at"].as_str().unwrap()).unwrap();
    assert_eq!(due(&all).since(due(&some)), Duration::from_secs(10));
}
