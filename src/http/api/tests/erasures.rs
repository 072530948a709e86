//! Requests to erase a person. The work itself needs files: see `tests/gateway/erasures.rs`.

use super::{check, shown};
use crate::http::test_gateway::{CALLER, SUPPORT, TestGateway, request};
use crate::machine::event::Event;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

const ERASURES: &str = "/v1/erasures";
const OTHER: &str = "+14155550107";

#[tokio::test]
async fn an_erasure_is_accepted_and_shown_without_the_number() {
    let world = TestGateway::new();
    let begun = shown(&world.post(ERASURES, json!({ "number": OTHER })).await, 202);
    let id = begun["id"].as_str().unwrap();
    assert!(id.starts_with("era_") && begun["at"].is_string(), "{begun}");
    assert_eq!((&begun["state"], &begun["bodies"]), (&json!("running"), &json!(null)));
    let now = shown(&world.get(&format!("{ERASURES}/{id}")).await, 200);
    assert_eq!(now, begun);
    assert!(!now.to_string().contains("4155550107"));
    let audited = world.count(|event| matches!(event, Event::Audited { actor, entry, .. } if actor == "everything" && entry.kept().is_some_and(|entry| entry.resource == format!("erasures/{id}"))));
    assert_eq!(audited, 1);
}

#[tokio::test]
async fn a_request_for_a_person_who_is_being_erased_joins_that_erasure() {
    let world = TestGateway::new();
    let one = shown(&world.post(ERASURES, json!({ "number": OTHER })).await, 202);
    let same = shown(&world.post(ERASURES, json!({ "number": OTHER })).await, 202);
    let other = shown(&world.post(ERASURES, json!({ "number": CALLER })).await, 202);
    assert_eq!((&same["id"], one["id"] == other["id"]), (&one["id"], false));
    assert_eq!(world.count(|event| matches!(event, Event::ErasureBegun { .. })), 2);
}

#[tokio::test]
async fn an_erasure_requested_again_with_its_key_gets_the_same_answer() {
    let world = TestGateway::new();
    let first = world.ask(keyed("k-1", &json!({ "number": OTHER }))).await;
    let again = world.ask(keyed("k-1", &json!({ "number": OTHER }))).await;
    assert_eq!((first.status, again.status, &again.body), (202, 202, &first.body));
    assert_eq!((first.header("idempotent-replay"), again.header("idempotent-replay")), (None, Some("true")));
    check(&world.ask(keyed("k-1", &json!({ "number": CALLER }))).await, 422, "idempotency_key_reused");
    // A request that joins has an answer of its own.
    let joined = world.ask(keyed("k-2", &json!({ "number": OTHER }))).await;
    let again = world.ask(keyed("k-2", &json!({ "number": OTHER }))).await;
    assert_eq!((&joined.body, &again.body), (&first.body, &first.body));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
}

#[tokio::test]
async fn an_erasure_that_cannot_begin_says_why() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let live = world.post(ERASURES, json!({ "number": CALLER })).await;
    check(&live, 409, "still_texting");
    assert_eq!(live.json()["other_call_id"], json!("c-1"));
    check(&world.post(ERASURES, json!({ "number": SUPPORT })).await, 409, "number_in_use");
    check(&world.post(ERASURES, json!({ "number": "5550142" })).await, 422, "number_invalid");
    check(&world.post(ERASURES, json!({})).await, 400, "invalid_field");
    check(&world.post(ERASURES, json!({ "number": OTHER, "reason": "x" })).await, 400, "unknown_field");
    check(&world.get(&format!("{ERASURES}/era_x")).await, 404, "not_found");
    assert_eq!(
        world.count(|event| matches!(
            event,
            Event::ErasureBegun { .. } | Event::Audited { action: crate::model::Action::Erase, .. }
        )),
        0
    );
}

fn keyed(key: &str, body: &Value) -> Request<Body> {
    request("POST", ERASURES).header("idempotency-key", key).body(body.to_string().into()).unwrap()
}
