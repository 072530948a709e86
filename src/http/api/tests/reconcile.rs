//! `POST /v1/accounts/{name}/reconcile`.

use super::{check, shown};
use crate::carrier::plivo::{Plivo, Settings};
use crate::http::test_gateway::{Answer, TestGateway, request};
use crate::http::wall_clock;
use crate::machine::view::Queries;
use crate::model::{Secret, Timestamp};
use crate::work::reconcile::REACH;
use axum::body::Body;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const PATH: &str = "/v1/accounts/main/reconcile";

/// A gateway whose carrier has no list of messages with their texts.
pub(super) fn without_list() -> TestGateway {
    let plivo = Plivo::new(Settings {
        name: "main".to_owned(),
        public_url: "https://sms.example.com".parse().unwrap(),
        api_url: crate::carrier::plivo::API_URL.parse().unwrap(),
        auth_id: "MA112233445566778899".to_owned(),
        auth_token: Secret::new("5f3a9c0e7b21d4468ac0ff13572b9e60"),
        other_auth_token: None,
        require_v3: false,
        keywords_off: false,
    });
    TestGateway::with_account(|_| {}, &[], Arc::new(plivo), None)
}

fn since(at: Timestamp) -> Value {
    json!({ "since": at.to_string() })
}

fn ago(secs: u64) -> Timestamp {
    wall_clock() - Duration::from_secs(secs)
}

#[tokio::test]
async fn a_reconciliation_begins_and_shows_in_its_account_and_in_the_audit() {
    let world = TestGateway::new();
    assert_eq!(world.get("/v1/accounts/main").await.json()["reconciliation"], Value::Null);
    let from = ago(3_600);
    let begun = shown(&world.post(PATH, since(from)).await, 202);
    let expected = json!({
        "account": "main", "since": from.to_string(), "state": "running", "begun_at": begun["begun_at"], "ended_at": null,
        "pages": 0, "read": 0, "known": 0, "taken_in": 0, "unreadable": 0, "detail": null, "next_try_at": null,
    });
    assert_eq!(begun, expected);
    assert_eq!(world.get("/v1/accounts/main").await.json()["reconciliation"], begun);
    let recorded = world.reads.ask(|view| view.reconciliations()).unwrap();
    assert_eq!(recorded.len(), 1, "it survives a restart");
    let audit = world.get("/v1/audit?resource=accounts/main").await.json();
    let entry = &audit["items"][0];
    assert_eq!((entry["action"].as_str(), &entry["after"]), (Some("reconcile"), &since(from)), "{audit}");
    assert!(entry["actor"].is_string(), "{audit}");
}

#[tokio::test]
async fn a_repeat_with_its_key_gets_the_first_answer_and_begins_nothing() {
    let world = TestGateway::new();
    let body = since(ago(60));
    let ask = async || -> Answer {
        let request = request("POST", PATH).header("idempotency-key", "k1");
        world.ask(request.body(Body::from(body.to_string())).unwrap()).await
    };
    let (first, again) = (ask().await, ask().await);
    assert_eq!((shown(&first, 202), again.headers["idempotent-replay"].as_bytes()), (shown(&again, 202), &b"true"[..]));
    let at = |answer: &Answer| answer.json()["begun_at"].clone();
    assert_eq!(at(&world.get("/v1/accounts/main").await), Value::Null);
    assert_eq!(world.get("/v1/accounts/main").await.json()["reconciliation"]["begun_at"], at(&first));
}

#[tokio::test]
async fn a_time_that_cannot_be_read_from_is_refused_with_what_to_do() {
    let world = TestGateway::new();
    for (body, detail) in [
        (since(ago(0) + Duration::from_secs(60)), "future"),
        (since(wall_clock() - REACH - Duration::from_secs(60)), "7 days"),
        (json!({ "since": "yesterday" }), "since"),
        (json!({ "since": 7 }), "since"),
        (json!({ "since": null }), "since"),
        (json!({}), "since"),
    ] {
        let answer = world.post(PATH, &body).await;
        check(&answer, 400, "invalid_field");
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{body}: {}", answer.body);
    }
    check(&world.post(PATH, json!({ "until": "x" })).await, 400, "unknown_field");
    shown(&world.post(PATH, since(wall_clock() - REACH + Duration::from_secs(60))).await, 202);
}

#[tokio::test]
async fn an_unknown_account_and_one_without_a_list_are_refused() {
    check(&TestGateway::new().post("/v1/accounts/other/reconcile", since(ago(60))).await, 404, "account_not_found");
    let answer = without_list().post(PATH, since(ago(60))).await;
    check(&answer, 422, "no_message_list");
    assert!(answer.json()["detail"].as_str().unwrap().contains("console"), "{}", answer.body);
}
