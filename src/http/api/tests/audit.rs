//! The audit over HTTP (A72).

use super::operate::quarantine;
use super::{check, quick, sample, shown};
use crate::http::api::Scope;
use crate::http::api::routes::{ROUTES, Route, Verb};
use crate::http::test_gateway::{CALLER, TestGateway, request};
use axum::body::Body;
use serde_json::{Value, json};

/// Items of a page of the audit.
async fn items(world: &TestGateway, query: &str) -> Vec<Value> {
    shown(&world.get(&format!("/v1/audit{query}")).await, 200)["items"].as_array().unwrap().clone()
}

/// A call with these other numbers to text, one after the other.
async fn alternatives(world: &TestGateway, call: &str, numbers: &[&str]) {
    for number in numbers {
        let body = json!({ "caller": CALLER, "queue": "support", "agent": "agent-17", "alternative": number });
        assert!(world.put(&format!("/v1/calls/{call}"), body).await.status < 300);
    }
}

#[tokio::test]
async fn a16_a72_the_audit_shows_who_gave_a_call_another_number() {
    let world = quick();
    alternatives(&world, "c-1", &["+12065550143", "+12065550144"]).await;
    let shown = |number: &str| json!({ "caller": CALLER, "alternative": number, "agent": "agent-17" });
    let found = items(&world, "").await;
    let newest = &found[0];
    assert_eq!(newest["before"], shown("+12065550143"));
    assert_eq!(newest["after"], shown("+12065550144"));
    let about: Vec<_> = ["actor", "action", "resource", "reason"].iter().map(|name| &newest[name]).collect();
    assert_eq!(json!(about), json!(["everything", "text_alternative", "calls/c-1", null]));
    assert_eq!((&found[1]["before"], &found[1]["after"]), (&Value::Null, &shown("+12065550143")));
    assert_eq!((&found[2]["actor"], &found[2]["action"]), (&json!("seed"), &json!("seed")));
    assert_eq!(found.len(), 3);
}

#[tokio::test]
async fn a72_the_audit_is_filtered_and_paged_newest_first() {
    let world = quick();
    for call in ["c-1", "c-2"] {
        alternatives(&world, call, &["+12065550143", "+12065550144", "+12065550145"]).await;
    }
    let all = items(&world, "").await;
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by_key(|item| std::cmp::Reverse(item["at"].as_str().unwrap().to_owned())));
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shown(&world.get(&format!("/v1/audit?limit=2{cursor}")).await, 200);
        paged.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        assert!(next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)), "{next}");
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all);

    for (query, expected) in [
        ("?resource=calls/c-1", 3),
        ("?resource=calls", 6),
        ("?resource=calls/c", 0),
        ("?resource=directory", 1),
        ("?actor=everything", 6),
        ("?actor=every", 0),
        ("?actor=seed&resource=calls", 0),
        ("?since=2020-01-01T00:00:00Z", 7),
        ("?since=9999-12-30T00:00:00Z", 0),
    ] {
        assert_eq!(items(&world, query).await.len(), expected, "{query}");
    }
    let since = all[3]["at"].as_str().unwrap();
    assert!(items(&world, &format!("?since={since}")).await.len() >= 4);
}

#[tokio::test]
async fn a72_a_large_resource_is_changed_and_shown_whole_before_and_afterwards() {
    let world = TestGateway::new();
    let mut settings = shown(&world.get("/v1/settings").await, 200);
    for language in ["de", "en", "es", "fr", "it"] {
        settings["closing"]["texts"][language] = json!("x".repeat(900));
        settings["auto_reply"]["texts"][language] = json!("y".repeat(900));
    }
    assert_eq!(world.put("/v1/settings", &settings).await.status, 200);
    settings["custom_messages"] = json!(false);
    shown(&world.put("/v1/settings", &settings).await, 200);
    let newest = &items(&world, "?resource=settings").await[0];
    let switch = |side: &str| newest[side]["custom_messages"].clone();
    assert_eq!((switch("before"), switch("after")), (json!(true), json!(false)));
    assert_eq!(newest["after"]["closing"]["texts"]["fr"], "x".repeat(900));
    // As large as a reason and an opt-out get.
    let out = json!({ "everywhere": true, "reason": "\u{1F600}".repeat(500) });
    assert_eq!(world.put(&format!("/v1/opt-outs/{PERSON}"), out).await.status, 201);
}

#[tokio::test]
async fn an_invalid_query_of_the_audit_is_refused_with_its_name() {
    let world = TestGateway::new();
    for (query, status, code, named) in [
        ("since=yesterday", 400, "invalid_field", "`since`"),
        ("since=2026-13-01T00:00:00Z", 400, "invalid_field", "`since`"),
        ("since=", 400, "invalid_field", "`since`"),
        ("until=2026-01-01T00:00:00Z", 400, "unknown_field", "`until`"),
        ("limit=501", 400, "invalid_field", "`limit`"),
        ("cursor=bm9uc2Vuc2U", 422, "cursor_invalid", "`cursor`"),
        ("cursor=%21", 422, "cursor_invalid", "`cursor`"),
    ] {
        let answer = world.get(&format!("/v1/audit?{query}")).await;
        check(&answer, status, code);
        assert!(answer.body.contains(named), "{query}: {}", answer.body);
    }
    let request = crate::http::test_gateway::anonymous("GET", "/v1/audit").header("authorization", "Bearer agent");
    check(&world.ask(request.body(Body::empty()).unwrap()).await, 403, "scope_missing");
}

/// A number that nothing uses, and a person who is on no call.
const SPARE: &str = "+12065550109";
const PERSON: &str = "+12065550155";

/// A body with which an act succeeds.
async fn body_of(world: &TestGateway, route: &Route) -> Value {
    match (route.verb, route.path) {
        (Verb::Get | Verb::Delete, _) => Value::Null,
        (_, "/v1/events/replay") => json!({ "since": "2020-01-01T00:00:00Z" }),
        (_, "/v1/erasures") => json!({ "number": PERSON }),
        (_, "/v1/numbers/verify") => {
            world.verify_numbers();
            json!({ "numbers": [SPARE] })
        }
        (_, "/v1/numbers/{e164}") => json!({ "label": "Another", "account": "main" }),
        (_, "/v1/queues/{queue_id}") => json!({ "name": "Another" }),
        (_, "/v1/presets/{language}/{preset_id}") => json!({ "label": "Another", "text": "Another" }),
        (_, "/v1/settings") => json!({ "in_call_sms": false }),
        (_, "/v1/accounts/{name}") => json!({ "limits": { "segments_per_second": 9.0 } }),
        (_, "/v1/directory") => {
            let mut document = shown(&world.get("/v1/directory").await, 200);
            document["queues"]["support"]["name"] = json!("Another");
            document
        }
        (_, "/v1/opt-outs/{e164}") => json!({ "everywhere": true, "reason": "a test" }),
        (_, "/v1/console/links") => json!({}),
        (_, path) if path.ends_with("/suspend") => json!({ "reason": "a test" }),
        (_, path) if path.ends_with("/reconcile") => json!({ "since": crate::http::wall_clock().to_string() }),
        (_, path) if path.ends_with("/resume") || path.starts_with("/v1/quarantine/") => json!({}),
        (_, path) => panic!("{path}: say here what its body may be"),
    }
}

#[tokio::test]
async fn a72_every_route_for_administrators_and_operators_leaves_an_entry() {
    let acts = ROUTES.iter().filter(|route| matches!(route.scope, Some(Scope::Admin | Scope::Operate)));
    // A comparison changes nothing.
    let acts = acts.filter(|route| route.verb.writes() && route.path != "/v1/directory/diff");
    for route in acts {
        let world = TestGateway::new();
        let unreadable = quarantine(&world, "SM1", "hello").await;
        world.put(&format!("/v1/numbers/{SPARE}"), json!({ "label": "Spare", "account": "main" })).await;
        let path = route.path.replace("{quarantine_id}", &unreadable);
        let mut path = sample(&path.replace("/opt-outs/{e164}", &format!("/opt-outs/{PERSON}")));
        if route.verb == Verb::Delete && path.starts_with("/v1/numbers/") {
            path = format!("/v1/numbers/{SPARE}");
        }
        if route.verb == Verb::Delete && path.starts_with("/v1/opt-outs/") {
            world.put(&path, json!({ "reason": "a test" })).await;
            path += "?reason=a-test";
        }
        if let Some(resource) = path.strip_suffix("/resume") {
            world.post(&format!("{resource}/suspend"), json!({ "reason": "a test" })).await;
        }
        let before = items(&world, "?limit=500").await.len();
        let body = body_of(&world, route).await;
        let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
        let answer = world.ask(request(route.verb.word(), &path).body(body).unwrap()).await;
        assert!(answer.status < 300, "{} {path}: {}", route.verb.word(), answer.body);
        let found = items(&world, "?limit=500").await;
        assert!(found.len() > before, "{} {path} leaves no entry", route.verb.word());
        assert_eq!(found[0]["actor"], "everything", "{} {path}", route.verb.word());
    }
}

#[tokio::test]
async fn a72_a_replay_without_a_key_is_audited_too() {
    let world = TestGateway::new();
    let replay = json!({ "since": "2020-01-01T00:00:00Z", "endpoint": "main" });
    let accepted = world.post("/v1/events/replay", &replay).await;
    assert_eq!(accepted.status, 202);
    let found = items(&world, "?resource=events").await;
    assert_eq!((&found[0]["action"], &found[0]["after"]), (&json!("replay_events"), &accepted.json()));
}
