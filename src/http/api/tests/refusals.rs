//! Every refusal of the API, by its code.

use super::{check, quick, sample, without_limits};
use crate::http::api::routes::ROUTES;
use crate::http::test_gateway::{Answer, CALLER, TestGateway, anonymous, call, form, request, signed};
use crate::machine::command::{Command, Reply};
use crate::model::{Attestation, Directory, FailureCode, MessageId, Outcome, Settled, Timestamp};
use crate::observe::NotReady;
use axum::body::Body;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const SEND: &str = "/v1/calls/c-1/messages";

#[tokio::test]
async fn without_a_valid_token_every_path_gets_401() {
    let world = TestGateway::new();
    for path in ["/v1/calls", "/v1/calls/c-1", "/v1/openapi.json", "/nowhere"] {
        let answer = world.ask(anonymous("GET", path).body(Body::empty()).unwrap()).await;
        check(&answer, 401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    for shown in ["Bearer wrong", "Bearer everythin", "Basic ZXZlcnl0aGluZw=="] {
        let request = anonymous("PATCH", "/v1/calls").header("authorization", shown).body(Body::empty()).unwrap();
        check(&world.ask(request).await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn a_token_is_limited_to_its_scopes() {
    let world = quick();
    world.start_call("c-1").await;
    for (token, method, path, body, status) in [
        ("agent", "POST", SEND, json!({ "text": "hi" }), 202),
        ("agent", "PUT", "/v1/calls/c-2", call(), 403),
        ("agent", "GET", "/v1/calls/c-1", Value::Null, 403),
        ("agent", "POST", SEND, json!({ "text": "hi", "force": true }), 403),
        ("telephony", "PUT", "/v1/calls/c-2", call(), 201),
        ("telephony", "POST", SEND, json!({ "text": "hi" }), 403),
        ("observer", "GET", "/v1/calls/c-1", Value::Null, 200),
        ("observer", "POST", "/v1/calls/c-1/end", json!({}), 403),
        ("observer", "DELETE", "/v1/messages/msg_x", Value::Null, 403),
        ("everything", "POST", SEND, json!({ "text": "hi", "force": true }), 202),
    ] {
        let request = anonymous(method, path).header("authorization", format!("Bearer {token}"));
        let answer = world.ask(request.body(body.to_string().into()).unwrap()).await;
        assert_eq!(answer.status, status, "{token} {method} {path}: {}", answer.body);
        if status == 403 {
            check(&answer, 403, "scope_missing");
        }
    }
}

#[tokio::test]
async fn unknown_paths_get_404_and_known_ones_list_their_methods() {
    let world = TestGateway::new();
    for path in ["/", "/v1", "/v2/calls", "/v1/calls/a/b", "/v1/optouts", "/v1/calls/%ff"] {
        check(&world.get(path).await, 404, "not_found");
    }
    let answer = world.delete("/v1/calls/c-1").await;
    check(&answer, 405, "method_not_allowed");
    let mut allowed: Vec<_> = answer.header("allow").unwrap().split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "PUT"]);
}

#[tokio::test]
async fn a_body_must_be_unencoded_json_of_limited_size() {
    let world = TestGateway::new();
    let with = |name: &str, value: &str| {
        let mut request = request("PUT", "/v1/calls/c-1").body(Body::from(call().to_string())).unwrap();
        request.headers_mut().insert(
            axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            axum::http::HeaderValue::from_str(value).unwrap(),
        );
        request
    };
    check(&world.ask(with("content-type", "text/plain")).await, 415, "unsupported_media_type");
    check(&world.ask(with("content-type", "application/x-www-form-urlencoded")).await, 415, "unsupported_media_type");
    check(&world.ask(with("content-encoding", "gzip")).await, 415, "unsupported_media_type");
    let mut untyped = request("PUT", "/v1/calls/c-1").body(Body::from(call().to_string())).unwrap();
    untyped.headers_mut().remove("content-type");
    check(&world.ask(untyped).await, 415, "unsupported_media_type");

    let padded = |bytes: usize| format!("{}{}", call(), " ".repeat(bytes - call().to_string().len()));
    check(&world.put("/v1/calls/c-1", padded(65_537)).await, 413, "body_too_large");
    assert_eq!(world.put("/v1/calls/c-1", padded(65_536)).await.status, 201);
    assert_eq!(world.ask(with("content-type", "Application/JSON; charset=utf-8")).await.status, 200);
}

#[tokio::test]
async fn an_invalid_call_is_refused_with_the_fields_name() {
    let world = TestGateway::new();
    for (change, code, named) in [
        (json!({ "caller": "2065550142" }), "number_invalid", "`caller`"),
        (json!({ "caller": 2_065_550_142_u64 }), "invalid_field", "`caller`"),
        (json!({ "queue": null }), "invalid_field", "`queue`"),
        (json!({ "queue": "a b" }), "invalid_field", "`queue`"),
        (json!({ "queue": "nowhere" }), "queue_not_found", "nowhere"),
        (json!({ "language": "" }), "invalid_field", "`language`"),
        (json!({ "phase": "ringing" }), "invalid_field", "waiting, connected"),
        (json!({ "agent": "" }), "invalid_field", "`agent`"),
        (json!({ "agent": "x".repeat(129) }), "invalid_field", "`agent`"),
        (json!({ "agent": "a\0b" }), "invalid_field", "U+0000"),
        (json!({ "call_type": "Inbound" }), "invalid_field", "`call_type`"),
        (json!({ "call_type": "x".repeat(65) }), "invalid_field", "`call_type`"),
        (json!({ "call_type": "campaign" }), "call_type_off", "campaign"),
        (json!({ "wait_sms_consent": "yes" }), "invalid_field", "`wait_sms_consent`"),
        (json!({ "version": 1.5 }), "invalid_field", "`version`"),
        (json!({ "alternative": "no number" }), "number_invalid", "`alternative`"),
        // The keypad's "anonymous", which would text a stranger abroad (A16).
        (json!({ "alternative": "+266696687" }), "number_invalid", "`alternative`"),
        (json!({ "attestation": "D" }), "invalid_field", "A, B, C"),
        (json!({ "quueue": "support" }), "unknown_field", "`quueue`"),
    ] {
        let mut body = call();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        refused(&world.put("/v1/calls/c-1", &body).await, code, named);
    }
    refused(&world.put("/v1/calls/c-1", "").await, "malformed_json", "empty");
    refused(&world.put("/v1/calls/c-1", r#"{"caller":"\ud83d"}"#).await, "malformed_json", "line 1");
    refused(&world.put("/v1/calls/c%201", call()).await, "invalid_field", "`call_id`");
    refused(&world.put(&format!("/v1/calls/{}", "x".repeat(129)), call()).await, "invalid_field", "`call_id`");
    assert!(world.frames().is_empty());
}

#[tokio::test]
async fn an_invalid_message_is_refused_before_the_call_is_looked_up() {
    let world = TestGateway::new();
    for (body, code, named) in [
        (json!({}), "invalid_field", "`preset`"),
        (json!({ "preset": "welcome", "text": "hi" }), "invalid_field", "`text`"),
        (json!({ "preset": "wel come" }), "invalid_field", "`preset`"),
        (json!({ "text": 7 }), "invalid_field", "`text`"),
        (json!({ "text": "a\0b" }), "invalid_field", "U+0000"),
        (json!({ "text": "" }), "text_empty", "write some text"),
        (json!({ "text": " \n" }), "text_empty", "write some text"),
        (json!({ "text": "x".repeat(919) }), "text_too_long", "918"),
        (json!({ "text": "hi", "smart_action": "song" }), "invalid_field", "photo, video"),
        (json!({ "text": "hi", "agent": "x".repeat(129) }), "invalid_field", "`agent`"),
        (json!({ "text": "hi", "media": ["https://example.com/a.jpg"] }), "outbound_media_unsupported", "link"),
        (json!({ "text": "hi", "media_urls": "https://example.com" }), "outbound_media_unsupported", "link"),
        (json!({ "text": "hi", "to": CALLER }), "unknown_field", "`to`"),
        (json!({ "text": "hi", "media": [] }), "call_not_found", "PUT"),
        (json!({ "text": "x".repeat(918) }), "call_not_found", "PUT"),
    ] {
        refused(&world.post(SEND, &body).await, code, named);
    }
    refused(&world.post(SEND, r#"{"text":"\ud83d"}"#).await, "malformed_json", "line 1");
    refused(&world.post(SEND, r#"{"text":"\ude00\ud83d"}"#).await, "malformed_json", "line 1");
}

#[tokio::test]
async fn sends_forbidden_by_the_settings_are_refused_by_name() {
    use crate::model::{Queue, VerificationState};
    let queue = |directory: &mut Directory, change: fn(&mut Queue)| directory.queues.values_mut().for_each(change);
    let text = || json!({ "text": "hi" });
    let preset = |id: &str, language: Option<&str>| json!({ "preset": id, "language": language });

    sends(|_| {}, json!({}), text(), Ok(())).await;
    sends(|d| d.settings.in_call_sms = false, json!({}), text(), Err("in_call_sms_off")).await;
    sends(|d| queue(d, |queue| queue.in_call_sms = Some(false)), json!({}), text(), Err("queue_disabled")).await;
    sends(|_| {}, json!({ "phase": "waiting" }), text(), Err("wait_consent_missing")).await;
    sends(|_| {}, json!({ "caller": "anonymous" }), text(), Err("caller_unreachable")).await;
    sends(|_| {}, json!({ "caller": "" }), text(), Err("caller_unreachable")).await;
    sends(|_| {}, json!({ "caller": "anonymous", "alternative": CALLER }), text(), Ok(())).await;
    sends(|d| d.settings.minimum_attestation = Some(Attestation::A), json!({}), text(), Err("attestation_too_low"))
        .await;
    sends(|_| {}, json!({ "caller": "+390612345678" }), text(), Err("non_us_blocked")).await;
    sends(|d| d.settings.custom_messages = false, json!({}), text(), Err("custom_messages_off")).await;
    sends(|d| d.settings.presets_only = true, json!({}), text(), Err("presets_only")).await;
    sends(|d| d.settings.presets_only = true, json!({}), preset("welcome", None), Ok(())).await;
    sends(|_| {}, json!({}), preset("absent", None), Err("preset_not_found")).await;
    sends(|_| {}, json!({}), preset("only-english", Some("it")), Err("preset_not_found")).await;
    let unverify = |d: &mut Directory| {
        d.numbers.values_mut().for_each(|number| number.verification.state = VerificationState::Failed);
    };
    sends(unverify, json!({}), text(), Err("no_number")).await;
}

#[tokio::test]
async fn a46_a_caller_who_opted_out_is_not_texted() {
    let world = TestGateway::with(|_| {}, &[CALLER]);
    world.start_call("c-1").await;
    check(&world.post(SEND, json!({ "text": "hi" })).await, 403, "opted_out");
}

#[tokio::test]
async fn a12_r51_a_closed_session_and_an_ended_call_accept_no_texts() {
    let world = quick();
    let with_agent = |agent: Value| json!({ "caller": CALLER, "queue": "support", "agent": agent });
    world.put("/v1/calls/c-1", with_agent(json!("agent-17"))).await;
    world.put("/v1/calls/c-1", with_agent(Value::Null)).await;
    check(&world.post(SEND, json!({ "text": "hi" })).await, 409, "session_closed");
    world.post("/v1/calls/c-1/end", json!({})).await;
    check(&world.post(SEND, json!({ "text": "hi" })).await, 409, "call_ended");
}

#[tokio::test]
async fn a1_when_every_number_is_busy_with_the_caller_the_other_call_is_named() {
    let world = TestGateway::with(
        |directory| {
            without_limits(directory);
            directory.queues.values_mut().for_each(|queue| queue.outbound_numbers.clear());
        },
        &[],
    );
    world.start_call("c-1").await;
    world.start_call("c-2").await;
    assert_eq!(world.post(SEND, json!({ "text": "hi" })).await.status, 202);
    let busy = world.post("/v1/calls/c-2/messages", json!({ "text": "hi" })).await;
    check(&busy, 409, "number_pair_busy");
    assert_eq!(busy.json()["other_call_id"], "c-1");
}

#[tokio::test]
async fn the_caller_of_a_call_cannot_be_changed() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let other = json!({ "caller": "+12065550199", "queue": "support" });
    check(&world.put("/v1/calls/c-1", other).await, 409, "caller_differs");
}

#[tokio::test]
async fn a29_a_text_that_would_wait_too_long_is_refused_with_retry_after() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let long = json!({ "text": "x".repeat(918) });
    // Six segments each, at one per second, and the lane starts without tokens.
    assert_eq!(world.post(SEND, &long).await.status, 202);
    let mut answer = world.post(SEND, &long).await;
    for _ in 0..20 {
        if answer.status == 429 {
            break;
        }
        answer = world.post(SEND, &long).await;
    }
    check(&answer, 429, "rate_limited");
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn r9_a18_a_landline_is_refused_unless_an_administrator_forces_it() {
    let world = quick();
    world.start_call("c-1").await;
    let first = world.post(SEND, json!({ "text": "hi" })).await.json();
    let message: MessageId = first["id"].as_str().unwrap().parse().unwrap();
    let patience = Duration::from_secs(10);
    let start =
        Command::StartSend { message, lane_empty_at: Timestamp::default(), account_empty_at: Timestamp::default() };
    let started = world.handle.submit(start, patience).await.unwrap();
    assert!(matches!(started, Reply::Started { .. }));
    let outcome = Outcome::Refused { code: FailureCode::Landline, carrier_code: Some("30006".to_owned()) };
    let settle = Command::Settle { message, attempt: 1, settled: Settled { outcome, status: Some(400), detail: None } };
    world.handle.submit(settle, patience).await.unwrap();

    check(&world.post(SEND, json!({ "text": "hi" })).await, 422, "landline");
    assert_eq!(world.post(SEND, json!({ "text": "hi", "force": true })).await.status, 202);
}

#[tokio::test]
async fn a_message_that_left_its_lane_cannot_be_cancelled() {
    let world = quick();
    world.start_call("c-1").await;
    let id = world.post(SEND, json!({ "text": "hi" })).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/messages/{id}");
    assert_eq!(world.delete(&path).await.status, 200);
    check(&world.delete(&path).await, 409, "not_queued");
    for absent in ["/v1/messages/msg_00000000000000000000000", "/v1/messages/nonsense"] {
        check(&world.delete(absent).await, 404, "not_found");
        check(&world.get(absent).await, 404, "not_found");
    }
}

#[tokio::test]
async fn an_invalid_query_is_refused() {
    let world = TestGateway::new();
    for (path, code) in [
        ("/v1/calls?cursor=%21", "cursor_invalid"),
        ("/v1/calls?cursor=YSBi", "cursor_invalid"),
        ("/v1/calls?cursor=", "cursor_invalid"),
        ("/v1/calls?limit=0", "invalid_field"),
        ("/v1/calls?limit=501", "invalid_field"),
        ("/v1/calls?limit=many", "invalid_field"),
        ("/v1/calls?limit=1&limit=2", "invalid_field"),
        ("/v1/calls?state=asleep", "invalid_field"),
        ("/v1/calls?caller=2065550142", "number_invalid"),
        ("/v1/calls?caller=++12065550142", "number_invalid"),
        ("/v1/calls?caller=+", "number_invalid"),
        ("/v1/calls?state=+", "invalid_field"),
        ("/v1/calls?caller=&caller=", "invalid_field"),
        ("/v1/calls?queue=a%20b", "invalid_field"),
        ("/v1/calls?calller=%2B12065550142", "unknown_field"),
        ("/v1/numbers?language=en", "unknown_field"),
        ("/v1/presets?language=a%20b", "invalid_field"),
        ("/v1/numbers/012065550142", "number_invalid"),
        ("/v1/numbers/+1-206-555-0142", "number_invalid"),
        ("/v1/numbers?cursor=c3VwcG9ydA", "cursor_invalid"),
        ("/v1/queues?cursor=KzEyMDY1NTUwMTAw", "cursor_invalid"),
        ("/v1/presets?cursor=c3VwcG9ydA", "cursor_invalid"),
        ("/v1/languages?cursor=ZW4vMS93ZWxjb21l", "cursor_invalid"),
        ("/v1/accounts?cursor=c3VwcG9ydA", "cursor_invalid"),
    ] {
        refused(&world.get(path).await, code, "");
    }
    world.start_call("c-1").await;
    refused(&world.get("/v1/calls/c-1/messages?cursor=YSBi").await, "cursor_invalid", "");
}

#[tokio::test]
async fn f14_an_empty_query_value_is_refused() {
    let world = TestGateway::new();
    for path in
        ["/v1/calls?queue=", "/v1/calls?caller=", "/v1/calls?state=", "/v1/calls?limit=", "/v1/presets?language="]
    {
        refused(&world.get(path).await, "invalid_field", "is empty");
    }
}

#[tokio::test]
async fn f14_an_unknown_query_parameter_is_refused_on_every_route() {
    let world = TestGateway::new();
    for route in ROUTES {
        let path = sample(route.path);
        let request = request(route.verb.word(), &format!("{path}?colour=blue")).body(Body::empty()).unwrap();
        let answer = world.ask(request).await;
        check(&answer, 400, "unknown_field");
        assert!(answer.body.contains("`colour`"), "{}", answer.body);
    }
}

#[tokio::test]
async fn f14_null_is_refused_for_fields_with_another_default() {
    let world = quick();
    for name in ["wait_sms_consent", "phase", "call_type"] {
        let mut body = call();
        body[name] = Value::Null;
        refused(&world.put("/v1/calls/c-1", &body).await, "invalid_field", &format!("`{name}` is null"));
    }
    world.start_call("c-1").await;
    refused(&world.post(SEND, json!({ "text": "hi", "force": null })).await, "invalid_field", "`force` is null");
    for name in ["agent", "version", "alternative", "attestation", "language"] {
        let mut body = call();
        body[name] = Value::Null;
        assert_eq!(world.put("/v1/calls/c-1", &body).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn f14_a16_a_withheld_caller_in_any_form_is_accepted_but_not_texted() {
    let world = quick();
    let forms = [json!(null), json!(""), json!("anonymous@anonymous.invalid"), json!("sip:anonymous@example.com")];
    for (nth, caller) in forms.into_iter().chain([json!("Private"), json!("private number")]).enumerate() {
        let body = json!({ "caller": caller, "queue": "support", "version": 5.0 });
        let answer = world.put(&format!("/v1/calls/c-{nth}"), body).await;
        assert_eq!((answer.status, &answer.json()["version"]), (201, &json!(5)), "{caller}: {}", answer.body);
        let sent = world.post(&format!("/v1/calls/c-{nth}/messages"), json!({ "text": "hi" })).await;
        check(&sent, 422, "caller_unreachable");
    }
    refused(&world.put("/v1/calls/c-9", json!({ "queue": "support" })).await, "invalid_field", "`caller` is missing");
}

#[tokio::test]
async fn f10_trailing_slashes_are_ignored() {
    let world = TestGateway::new();
    assert_eq!(world.put("/v1/calls/c-1/", call()).await.status, 201);
    assert_eq!(world.get("/v1/calls/?state=active").await.json()["items"][0]["id"], "c-1");
    assert_eq!(world.get("/v1/calls/c-1//").await.status, 200);
    check(&world.get("/nowhere/").await, 404, "not_found");
    let answer = world.delete("/v1/calls/c-1/").await;
    assert_eq!(answer.header("allow").map(str::len), Some("GET,HEAD,PUT".len()));
}

#[tokio::test]
async fn an_idempotency_key_is_one_visible_word() {
    let world = TestGateway::new();
    let too_long = "x".repeat(129);
    for keys in [&[""][..], &["a b"], &["a\tb"], &["é"], &[&too_long], &["a", "a"]] {
        let mut request = request("POST", SEND);
        for key in keys {
            request = request.header("idempotency-key", *key);
        }
        let answer = world.ask(request.body(json!({ "text": "hi" }).to_string().into()).unwrap()).await;
        refused(&answer, "invalid_field", "Idempotency-Key");
    }
}

#[tokio::test]
async fn a_draining_gateway_answers_reads_and_without_storage_nothing() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let cases = [(NotReady::Draining, "draining", 200), (NotReady::StorageUnavailable, "storage_unavailable", 503)];
    for (reason, code, read) in cases {
        world.readiness.set(reason, true);
        let answer = world.put("/v1/calls/c-2", call()).await;
        check(&answer, 503, code);
        assert_eq!(answer.header("retry-after"), Some("1"));
        check(&world.post(SEND, json!({ "text": "hi" })).await, 503, code);
        assert_eq!(world.get("/v1/calls/c-1").await.status, read, "{code}");
        world.readiness.set(reason, false);
        assert_eq!(world.get("/v1/calls/c-1").await.status, 200);
    }
}

#[tokio::test]
async fn g7_with_low_disk_space_no_call_starts_and_open_ones_can_end() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let sent = world.post(SEND, json!({ "text": "hi" })).await;
    assert_eq!(sent.status, 202, "{}", sent.body);
    world.readiness.set(NotReady::LowDisk, true);
    check(&world.put("/v1/calls/c-2", call()).await, 503, "storage_unavailable");
    // A transfer, a leaving agent and a renewed lease are changes of an existing call.
    let leaves = json!({ "caller": CALLER, "queue": "sales", "agent": null });
    let answer = world.put("/v1/calls/c-1", leaves).await;
    assert_eq!((answer.status, &answer.json()["queue"]), (200, &json!("sales")), "{}", answer.body);
    check(&world.post(SEND, json!({ "text": "more" })).await, 503, "storage_unavailable");
    assert_eq!(world.get("/v1/calls/c-1").await.status, 200);
    let message = sent.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(world.delete(&format!("/v1/messages/{message}")).await.status, 200);
    assert_eq!(world.post("/v1/calls/c-1/end", json!({})).await.status, 200);
    world.readiness.set(NotReady::LowDisk, false);
    world.start_call("c-2").await;
}

#[tokio::test]
async fn when_the_engine_has_stopped_a_write_gets_outcome_unknown() {
    let world = TestGateway::new();
    world.stop_engine();
    check(&world.put("/v1/calls/c-1", call()).await, 504, "outcome_unknown");
}

#[tokio::test]
async fn after_a_disk_stall_a_retry_with_the_key_learns_the_outcome() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    world.disk.stall();
    // From here tokio's time advances whenever all tasks are idle, and the disk is stalled.
    tokio::time::pause();
    let ask = || {
        let request = request("POST", SEND).header("idempotency-key", "k-1");
        world.ask(request.body(json!({ "text": "hi" }).to_string().into()).unwrap())
    };
    check(&ask().await, 504, "outcome_unknown");
    check(&ask().await, 409, "idempotency_in_progress");
    world.disk.work();
    tokio::time::resume();
    let mut answer = ask().await;
    while answer.status == 409 {
        tokio::task::yield_now().await;
        answer = ask().await;
    }
    assert_eq!((answer.status, answer.header("idempotent-replay")), (202, Some("true")));
}

#[tokio::test]
async fn a_full_engine_queue_gets_an_immediate_503() {
    let world = Arc::new(TestGateway::new());
    world.disk.stall();
    let first = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.put("/v1/calls/c-0", call()).await.status }
    });
    world.disk.is_stalling().await;
    let waiting: Vec<_> = (1..=2_048)
        .map(|_| {
            let handle = world.handle.clone();
            let command = Command::opt_in("+12065550199".parse().unwrap());
            tokio::spawn(async move { handle.submit(command, Duration::from_secs(60)).await })
        })
        .collect();
    // Each is queued at its first poll, and this test has one thread.
    tokio::task::yield_now().await;
    let answer = world.put("/v1/calls/c-9999", call()).await;
    check(&answer, 503, "overloaded");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let hook = world.webhook(signed("/carriers/main/messages", &crate::http::test_gateway::text("SM1", "x"))).await;
    check(&hook, 503, "overloaded");
    // Urgent work is not refused: the receipt waits for the disk like every queued command.
    let receipt = tokio::spawn({
        let world = Arc::clone(&world);
        let receipt = form(&[("MessageSid", "SM1"), ("MessageStatus", "delivered")]);
        async move { world.webhook(signed("/carriers/main/receipts", &receipt)).await.status }
    });
    tokio::task::yield_now().await;
    world.disk.work();
    assert_eq!(first.await.unwrap(), 201);
    assert_eq!(receipt.await.unwrap(), 200);
    for submitted in waiting {
        assert!(submitted.await.unwrap().is_ok());
    }
}

/// Starts a call with these fields in a modified directory, and checks whether a message can be sent.
async fn sends(change: impl FnOnce(&mut Directory), fields: Value, message: Value, expected: Result<(), &str>) {
    let world = TestGateway::with(
        |directory| {
            without_limits(directory);
            change(directory);
        },
        &[],
    );
    let mut body = call();
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let started = world.put("/v1/calls/c-1", body).await;
    assert_eq!(started.status, 201, "{}", started.body);
    let answer = world.post(SEND, message).await;
    let found = if answer.status == 202 { Ok(()) } else { Err(answer.code()) };
    assert_eq!(found, expected.map_err(str::to_owned), "{}", answer.body);
    // A refusal shown in the call must be the one that the send gets.
    let of_the_call = started.json()["sms"]["refusal"].clone();
    if let Some(code) = of_the_call.as_str() {
        assert_eq!(expected, Err(code));
    }
}

/// Asserts a refusal with this code, whose detail contains `named`.
#[track_caller]
fn refused(answer: &Answer, code: &str, named: &str) {
    assert_eq!(answer.code(), code, "{}", answer.body);
    assert!(answer.json()["detail"].as_str().unwrap().contains(named), "{}", answer.body);
}
