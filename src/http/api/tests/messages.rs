//! Messages: sent, cancelled, read.

use super::{check, quick, shown};
use crate::http::api::messages::transcript_page;
use crate::http::test_gateway::{Answer, CALLER, SUPPORT, TestGateway, request, signed, text};
use crate::machine::event::Event;
use crate::model::MessageId;
use serde_json::{Value, json};
use std::sync::Arc;

const SEND: &str = "/v1/calls/c-1/messages";

#[tokio::test]
async fn r7_a_text_and_a_preset_are_queued_and_shown_as_they_will_be_sent() {
    let world = quick();
    world.start_call("c-1").await;
    let custom = json!({ "text": "Please send a photo of the meter.", "agent": "agent-17", "smart_action": "photo" });
    let custom = shown(&world.post(SEND, custom).await, 202);
    for (field, expected) in [
        ("call_id", json!("c-1")),
        ("direction", json!("outbound")),
        ("kind", json!("smart_action")),
        ("smart_action", json!("photo")),
        ("state", json!("queued")),
        ("from", json!(SUPPORT)),
        ("to", json!(CALLER)),
        ("text", json!("Please send a photo of the meter.")),
        ("encoding", json!("gsm7")),
        ("segments", json!(1)),
        ("warnings", json!([])),
        ("media", json!([])),
        ("agent", json!("agent-17")),
    ] {
        assert_eq!(custom[field], expected, "{field}");
    }
    let preset = shown(&world.post(SEND, json!({ "preset": "welcome", "language": "it" })).await, 202);
    assert_eq!((&preset["kind"], &preset["text"]), (&json!("preset"), &json!("Buongiorno, sono il suo agente.")));

    for message in [custom, preset] {
        let path = format!("/v1/messages/{}", message["id"].as_str().unwrap());
        assert_eq!(shown(&world.get(&path).await, 200), message);
    }
}

#[tokio::test]
async fn a_client_ref_is_repeated_in_the_message_and_in_its_events() {
    let world = quick();
    world.start_call("c-1").await;
    let reference = "~".repeat(64);
    let send = json!({ "text": "hello", "client_ref": reference });
    let sent = shown(&world.post(SEND, &send).await, 202);
    assert_eq!(sent["client_ref"], json!(reference));
    let path = format!("/v1/messages/{}", sent["id"].as_str().unwrap());
    assert_eq!(shown(&world.delete(&path).await, 200)["client_ref"], json!(reference));
    assert_eq!(shown(&world.get(SEND).await, 200)["items"][0]["client_ref"], json!(reference));
    let events = shown(&world.get("/v1/events?types=message.*").await, 200);
    let found: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| &event["data"]["client_ref"]).collect();
    assert_eq!(found, [&json!(reference), &json!(reference)]);

    assert_eq!(shown(&world.post(SEND, json!({ "text": "hi" })).await, 202)["client_ref"], Value::Null);
    for bad in [json!(""), json!("a b"), json!("é"), json!("x".repeat(65)), json!("a\n"), json!(7)] {
        let refused = world.post(SEND, json!({ "text": "hi", "client_ref": bad })).await;
        check(&refused, 400, "invalid_field");
        assert!(refused.json()["detail"].as_str().unwrap().starts_with("`client_ref` is "), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_received_message_has_the_kind_inbound() {
    let world = quick();
    world.start_call("c-1").await;
    world.webhook(signed("/carriers/main/messages", &text("SM1", "hello"))).await;
    assert_eq!(shown(&world.get(SEND).await, 200)["items"][0]["kind"], "inbound");
    let events = shown(&world.get("/v1/events?types=message.received").await, 200);
    assert_eq!(events["items"][0]["data"]["kind"], "inbound");
}

#[tokio::test]
async fn a_queued_message_is_cancelled_once() {
    let world = quick();
    world.start_call("c-1").await;
    let id = shown(&world.post(SEND, json!({ "text": "oops" })).await, 202)["id"].as_str().unwrap().to_owned();
    let cancelled = shown(&world.delete(&format!("/v1/messages/{id}")).await, 200);
    assert_eq!((&cancelled["state"], &cancelled["text"]), (&json!("cancelled"), &json!("oops")));
    assert_eq!(cancelled["error"]["code"], "cancelled_by_request");
    assert_eq!(shown(&world.get(&format!("/v1/messages/{id}")).await, 200), cancelled);
}

#[tokio::test]
async fn a_transcript_shows_both_sides_oldest_first_page_by_page() {
    let world = quick();
    world.start_call("c-1").await;
    world.post(SEND, json!({ "text": "1" })).await;
    world.webhook(signed("/carriers/main/messages", &text("SM1", "2"))).await;
    world.post(SEND, json!({ "text": "3" })).await;
    world.webhook(signed("/carriers/main/messages", &text("SM2", "4"))).await;
    for limit in [1, 2, 3, 4, 500] {
        let (mut texts, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = shown(&world.get(&format!("{SEND}?limit={limit}{cursor}")).await, 200);
            texts.extend(page["items"].as_array().unwrap().iter().map(|item| item["text"].clone()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(texts, ["1", "2", "3", "4"], "{limit}");
    }
    let received = &shown(&world.get(SEND).await, 200)["items"][1];
    assert_eq!((&received["direction"], &received["from"]), (&json!("inbound"), &json!(CALLER)));
}

#[tokio::test]
async fn a_transcript_longer_than_the_scan_limit_shows_the_latest_and_says_so() {
    let world = quick();
    world.start_call("c-1").await;
    for text in ["1", "2", "3", "4", "5"] {
        assert_eq!(world.post(SEND, json!({ "text": text })).await.status, 202);
    }
    let whole = shown(&world.get(SEND).await, 200);
    assert_eq!((&whole["oldest_left_out"], &whole["next_cursor"]), (&json!(false), &Value::Null));
    let ids: Vec<MessageId> =
        whole["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().parse().unwrap()).collect();
    for (after, limit, walked_max, expected, more, oldest_left_out) in [
        (None, 2, 5, &ids[..2], true, false),
        (Some(1), 2, 3, &ids[2..4], true, false),
        (Some(3), 2, 1, &ids[4..], false, false),
        // The scan limit is three messages.
        (None, 2, 3, &ids[2..4], true, true),
        (Some(0), 9, 3, &ids[2..], false, true),
        (None, 9, 5, &ids[..], false, false),
    ] {
        let after = after.map(|place: usize| ids[place]);
        let page =
            world.reads.ask(|view| transcript_page(view, ids.last().copied(), after, limit, walked_max)).unwrap();
        let found: Vec<_> = page.messages.iter().map(|message| message.id).collect();
        assert_eq!((&*found, page.more, page.oldest_left_out), (expected, more, oldest_left_out), "{after:?} {limit}");
    }
}

#[tokio::test]
async fn r46_an_estimate_shows_encoding_and_segments_of_any_text() {
    let world = TestGateway::new();
    let estimate = async |text: &str| shown(&world.post("/v1/estimate", json!({ "text": text })).await, 200);
    let short = json!({
        "encoding": "gsm7", "characters": 2, "units": 3, "segments": 1, "over_limit": false, "warnings": [],
    });
    assert_eq!(estimate("a€").await, short);
    let long = estimate(&"ç".repeat(919)).await;
    assert_eq!((&long["encoding"], &long["segments"], &long["over_limit"]), (&json!("ucs2"), &json!(14), &json!(true)));
    assert_eq!(long["warnings"], json!(["over_one_segment", "not_gsm7"]));
    check(&world.post("/v1/estimate", json!({})).await, 400, "invalid_field");
}

#[tokio::test]
async fn the_same_key_and_body_send_once_and_get_the_same_response() {
    let world = quick();
    world.start_call("c-1").await;
    let first = with_key(&world, "k-1", json!({ "text": "once" })).await;
    let again = with_key(&world, "k-1", json!({ "text": "once" })).await;
    assert_eq!((first.status, again.status, &first.body), (202, 202, &again.body));
    assert_eq!((first.header("idempotent-replay"), again.header("idempotent-replay")), (None, Some("true")));
    assert_eq!(world.count(queued), 1);
}

#[tokio::test]
async fn a_key_with_another_body_is_refused_and_is_scoped_to_token_and_path() {
    let world = quick();
    world.start_call("c-1").await;
    assert_eq!(with_key(&world, "k-1", json!({ "text": "one" })).await.status, 202);
    check(&with_key(&world, "k-1", json!({ "text": "two" })).await, 422, "idempotency_key_reused");
    assert_eq!(with_key(&world, "k-2", json!({ "text": "two" })).await.status, 202);
    let mut other_token = keyed("k-1", &json!({ "text": "three" }));
    other_token.headers_mut().insert("authorization", "Bearer agent".parse().unwrap());
    assert_eq!(world.ask(other_token).await.status, 202);
    assert_eq!(world.count(queued), 3);
}

#[tokio::test]
async fn a_refusal_is_not_stored_under_its_key() {
    let world = quick();
    check(&with_key(&world, "k-1", json!({ "text": "early" })).await, 404, "call_not_found");
    world.start_call("c-1").await;
    assert_eq!(with_key(&world, "k-1", json!({ "text": "early" })).await.status, 202);
}

#[tokio::test]
async fn a_request_repeated_while_the_first_is_in_flight_sends_once() {
    let world = Arc::new(quick());
    world.start_call("c-1").await;
    let repeats: Vec<_> = (0..8)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { with_key(&world, "k-1", json!({ "text": "once" })).await })
        })
        .collect();
    let mut sent = Vec::new();
    for repeat in repeats {
        let answer = repeat.await.unwrap();
        match answer.status {
            202 => sent.push(answer.body),
            _ => check(&answer, 409, "idempotency_in_progress"),
        }
    }
    sent.dedup();
    assert_eq!((sent.len(), world.count(queued)), (1, 1));
}

#[tokio::test]
async fn a_message_is_queued_even_if_the_client_disconnects() {
    let world = Arc::new(quick());
    world.start_call("c-1").await;
    world.disk.stall();
    let sending = tokio::spawn({
        let world = Arc::clone(&world);
        async move { with_key(&world, "k-1", json!({ "text": "stay" })).await.status }
    });
    world.disk.is_stalling().await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    world.disk.work();
    let mut answer = with_key(&world, "k-1", json!({ "text": "stay" })).await;
    while answer.status == 409 {
        tokio::task::yield_now().await;
        answer = with_key(&world, "k-1", json!({ "text": "stay" })).await;
    }
    assert_eq!((answer.status, answer.header("idempotent-replay")), (202, Some("true")));
    assert_eq!(world.count(queued), 1);
}

fn queued(event: &Event) -> bool {
    matches!(event, Event::MessageQueued { .. })
}

async fn with_key(world: &TestGateway, key: &str, body: Value) -> Answer {
    world.ask(keyed(key, &body)).await
}

fn keyed(key: &str, body: &Value) -> axum::http::Request<axum::body::Body> {
    request("POST", SEND).header("idempotency-key", key).body(body.to_string().into()).unwrap()
}
