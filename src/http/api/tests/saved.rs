//! Settings, presets, limits and accounts, changed over HTTP.

use super::resources::{errors, etag};
use super::{check, quick, shown};
use crate::http::test_gateway::{SUPPORT, TestGateway, request, signed, text};
use crate::machine::command::Command;
use crate::machine::event::Event;
use crate::machine::view::SendingQueries;
use crate::model::{Limits, Timestamp};
use axum::body::Body;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_preset_that_waits_to_be_sent_may_be_deleted_and_is_sent() {
    let world = quick();
    world.start_call("c-1").await;
    let sent = shown(&world.post("/v1/calls/c-1/messages", json!({ "preset": "welcome" })).await, 202);
    assert_eq!(world.delete("/v1/presets/en/welcome").await.status, 204);
    let message = shown(&world.get(&format!("/v1/messages/{}", sent["id"].as_str().unwrap())).await, 200);
    assert_eq!((&message["text"], &message["state"]), (&json!("Hello, this is your agent."), &json!("queued")));
    check(&world.post("/v1/calls/c-1/messages", json!({ "preset": "welcome" })).await, 404, "preset_not_found");
}

#[tokio::test]
async fn r14_r38_r57_r61_saved_settings_hold_from_the_next_text() {
    let world = quick();
    world.start_call("c-1").await;
    let send = async |body: Value| world.post("/v1/calls/c-1/messages", body).await;
    let settings = |changes: Value| {
        let mut body = json!({ "in_call_sms": true });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let save = async |changes: Value| {
        let saved = world.put("/v1/settings", settings(changes)).await;
        let read = world.get("/v1/settings").await;
        assert_eq!((shown(&saved, 200), etag(&saved)), (shown(&read, 200), etag(&read)));
    };
    // R14, R49, R42: switches.
    save(json!({ "in_call_sms": false })).await;
    check(&send(json!({ "text": "hi" })).await, 403, "in_call_sms_off");
    save(json!({ "custom_messages": false })).await;
    check(&send(json!({ "text": "hi" })).await, 403, "custom_messages_off");
    save(json!({ "presets_only": true })).await;
    check(&send(json!({ "text": "hi" })).await, 403, "presets_only");
    assert_eq!(send(json!({ "preset": "welcome" })).await.status, 202);

    // R57: the closing message is sent as it was saved. R61: and so is the auto-reply.
    let texts = |text: &str| json!({ "enabled": true, "texts": { "en": text } });
    save(json!({ "closing": texts("Bye, saved."), "auto_reply": texts("Call us, saved.") })).await;
    world.webhook(signed("/carriers/main/messages", &text("SM1", "hello"))).await;
    assert_eq!(world.post("/v1/calls/c-1/end", json!({})).await.status, 200);
    world.webhook(signed("/carriers/main/messages", &text("SM2", "one more thing"))).await;
    let queued: Vec<_> = world
        .frames()
        .iter()
        .flat_map(|frame| &frame.events)
        .filter_map(|event| match &event.event {
            Event::MessageQueued { text, .. } => text.kept().cloned(),
            _ => None,
        })
        .collect();
    assert_eq!(queued[1..], ["Bye, saved.", "Call us, saved."]);
}

#[tokio::test]
async fn r36_r37_the_switches_for_non_us_numbers_are_saved_apart() {
    let world = quick();
    let abroad = |phase: &str| json!({ "caller": "+390612345678", "queue": "support", "phase": phase, "wait_sms_consent": true });
    for (in_call, wait_time) in [(false, true), (true, false)] {
        let settings = json!({ "in_call_sms": true, "non_us": { "in_call": in_call, "wait_time": wait_time } });
        assert_eq!(world.put("/v1/settings", settings).await.status, 200);
        for (id, phase, on) in [("c-1", "connected", in_call), ("c-2", "waiting", wait_time)] {
            let id = format!("{id}-{in_call}");
            let call = shown(&world.put(&format!("/v1/calls/{id}"), abroad(phase)).await, 201);
            let refusal = if on { Value::Null } else { json!("non_us_blocked") };
            assert_eq!(call["sms"]["refusal"], refusal, "{phase}");
            world.post(&format!("/v1/calls/{id}/end"), json!({})).await;
        }
    }
}

#[tokio::test]
async fn a28_r24_a_changed_rate_keeps_the_level_of_the_bucket() {
    let world = TestGateway::with(
        |directory| {
            for entry in directory.numbers.values_mut() {
                entry.limits = Limits { millisegments_per_second: Some(1), burst: 10, ..Limits::default() };
            }
        },
        &[],
    );
    // Six segments are sent and paid: at a thousandth of a segment per second that takes 6,000 s.
    let settings = json!({ "in_call_sms": true, "max_wait_ms": 120_000 });
    assert_eq!(world.put("/v1/settings", settings).await.status, 200);
    world.start_call("c-1").await;
    let number: crate::model::E164 = SUPPORT.parse().unwrap();
    let path = format!("/v1/numbers/{SUPPORT}");
    let rate = async |rate: Value| {
        let limits = json!({ "segments_per_second": rate, "burst": 10 });
        let body = json!({ "label": "x", "account": "main", "limits": limits });
        assert_eq!(world.put(&path, body).await.status, 200);
        world.reads.ask(|view| view.lane(number)).unwrap().empty_at
    };
    rate(Value::Null).await;
    let sent = shown(&world.post("/v1/calls/c-1/messages", json!({ "text": "x".repeat(918) })).await, 202);
    rate(json!(0.001)).await;
    let message = sent["id"].as_str().unwrap().parse().unwrap();
    let (lane_empty_at, account_empty_at) = (Timestamp::default(), Timestamp::default());
    let start = Command::StartSend { message, lane_empty_at, account_empty_at };
    world.handle.submit(start, Duration::from_secs(10)).await.unwrap();

    let (slow, now) = (world.reads.ask(|view| view.lane(number)).unwrap().empty_at, crate::http::wall_clock());
    let owed = slow.since(now).as_secs_f64() * 0.001;
    assert!((5.0..=6.0).contains(&owed), "{owed}");
    // A hundred times faster, the same six segments are paid in a hundredth of the time, and not at once.
    let fast = rate(json!(0.1)).await;
    let still = fast.since(now).as_secs_f64() * 0.1;
    assert!((owed - still).abs() < 0.5, "{owed} {still}");
    let number = shown(&world.get(&path).await, 200);
    assert_eq!(number["lane"]["tokens"], 0.0);
}

#[tokio::test]
async fn a_change_holds_for_the_account_and_shows_its_configuration() {
    let world = quick();
    let first = world.get("/v1/accounts/main").await;
    let account = shown(&first, 200);
    let expected = json!({
        "name": "main",
        "limits": { "segments_per_second": null, "burst": null, "segments_per_day": null, "day_zone": "America/Los_Angeles" },
        "carrier": "twilio",
        "public_url": "https://sms.example.com",
        "webhooks": {
            "messages": "https://sms.example.com/carriers/main/messages",
            "receipts": "https://sms.example.com/carriers/main/receipts",
        },
        "report_only_until": null,
        "breaker": "closed",
        "reason": null,
        "detail": null,
        "paused_until": null,
        "suspended": null,
        "last_success_at": null,
        "reconciliation": null,
    });
    assert_eq!(account, expected);
    assert_eq!(shown(&world.get("/v1/accounts").await, 200)["items"], json!([account]));
    // A PUT of what was read changes nothing.
    let again = world.put("/v1/accounts/main", &account).await;
    assert_eq!((shown(&again, 200), etag(&again)), (account, etag(&first)));
    let limits = json!({ "limits": { "segments_per_second": 2.5, "burst": 5, "day_zone": "Europe/Rome" } });
    let changed = world.put("/v1/accounts/main", &limits).await;
    assert_eq!(shown(&changed, 200)["limits"]["segments_per_second"], 2.5);
    assert_ne!(etag(&changed), etag(&first));
    for (method, path) in [("GET", "/v1/accounts/other"), ("PUT", "/v1/accounts/other")] {
        let answer = world.ask(request(method, path).body(Body::from("{}")).unwrap()).await;
        check(&answer, 404, "account_not_found");
    }
}

#[tokio::test]
async fn presets_are_listed_by_language_position_and_id() {
    let world = TestGateway::with(|directory| directory.presets.clear(), &[]);
    for (path, position) in [
        ("en/a", Value::Null),
        ("en/b", json!(2)),
        ("en/c", json!(1)),
        ("en/d", json!(2)),
        ("en/e", json!(u32::MAX)),
        ("fr/z", json!(0)),
        ("fr/y", Value::Null),
        ("en-GB/x", Value::Null),
    ] {
        let body = json!({ "label": path, "text": "Hello.", "position": position });
        let created = shown(&world.put(&format!("/v1/presets/{path}"), body).await, 201);
        assert_eq!(created["position"], position, "{path}");
    }
    let listed = async |query: &str| {
        let (mut labels, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = shown(&world.get(&format!("/v1/presets?limit=2{query}{cursor}")).await, 200);
            labels.extend(
                page["items"].as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next_cursor"].as_str() else { break labels };
            assert!(next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{next}");
            cursor = format!("&cursor={next}");
        }
    };
    assert_eq!(listed("").await, ["en/c", "en/b", "en/d", "en/e", "en/a", "en-GB/x", "fr/z", "fr/y"]);
    assert_eq!(listed("&language=fr").await, ["fr/z", "fr/y"]);
    for bad in [json!(-1), json!(1.5), json!("first"), json!(4_294_967_296_u64)] {
        let body = json!({ "label": "x", "text": "x", "position": bad });
        assert_eq!(errors(&world.put("/v1/presets/en/x", body).await, 400)[0].0, "position");
    }
}

#[tokio::test]
async fn r43_r44_r47_presets_in_200_languages_are_saved_listed_and_sent() {
    let world = quick();
    for nth in 0..200 {
        let body = json!({ "label": "Hello", "text": format!("Hello in {nth}.") });
        assert_eq!(world.put(&format!("/v1/presets/l-{nth:03}/hello"), body).await.status, 201);
    }
    let languages = shown(&world.get("/v1/languages?limit=500").await, 200)["items"].clone();
    assert_eq!(languages.as_array().unwrap().len(), 202);
    let expected = json!({ "code": "l-007", "presets": 1, "closing": false, "auto_reply": false, "queues": 0 });
    assert!(languages.as_array().unwrap().contains(&expected), "{languages}");
    let expected = json!({ "code": "en", "presets": 2, "closing": true, "auto_reply": true, "queues": 2 });
    assert_eq!(languages[0], expected);
    let page = shown(&world.get("/v1/languages?limit=2").await, 200);
    let next = shown(
        &world.get(&format!("/v1/languages?limit=2&cursor={}", page["next_cursor"].as_str().unwrap())).await,
        200,
    );
    assert_eq!((&page["items"][1]["code"], &next["items"][0]["code"]), (&json!("it"), &json!("l-000")));

    world.start_call("c-1").await;
    let sent = world.post("/v1/calls/c-1/messages", json!({ "preset": "hello", "language": "l-199" })).await;
    assert_eq!(shown(&sent, 202)["text"], "Hello in 199.");
}

#[tokio::test]
async fn r45_r46_r50_a_preset_has_a_label_and_a_text_of_918_characters_at_most() {
    let world = quick();
    let put =
        async |label: &str, text: &str| world.put("/v1/presets/en/long", json!({ "label": label, "text": text })).await;
    let warned = shown(&put("Long", &"x".repeat(161)).await, 201);
    assert_eq!((&warned["segments"], &warned["warnings"]), (&json!(2), &json!(["over_one_segment"])));
    assert_eq!(put("Long", &"é".repeat(918)).await.status, 200);
    for (label, text, code) in [
        ("Long", "x".repeat(919), "text_too_long"),
        ("Long", " \u{200b}".to_owned(), "text_empty"),
        ("", "x".to_owned(), "invalid_field"),
        (&"x".repeat(101), "x".to_owned(), "invalid_field"),
        ("a\0b", "x".to_owned(), "invalid_field"),
    ] {
        let refused = put(label, &text).await;
        assert_eq!(refused.code(), code, "{}", refused.body);
        assert_eq!(errors(&refused, refused.status).len(), 1);
    }
    check(&world.put("/v1/presets/e%20n/x", json!({})).await, 400, "invalid_field");
    check(&world.put(&format!("/v1/presets/en/{}", "x".repeat(65)), json!({})).await, 400, "invalid_field");
}
