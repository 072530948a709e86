//! Reading the directory.

use super::{check, quick, shown};
use crate::http::test_gateway::{SUPPORT, TestGateway};
use crate::http::wall_clock;
use crate::machine::command::Command;
use crate::machine::view::SendingQueries;
use crate::model::{MessageId, Outcome, Settled, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_number_shows_its_label_limits_queues_and_lane() {
    let world = TestGateway::new();
    let answer = world.get(&format!("/v1/numbers/{SUPPORT}")).await;
    let number = shown(&answer, 200);
    assert_eq!((&number["number"], &number["label"]), (&json!(SUPPORT), &json!("Support")));
    let limits = json!({
        "segments_per_second": 1.0, "burst": 1, "segments_per_day": null, "day_zone": "America/Los_Angeles",
    });
    assert_eq!(number["limits"], limits);
    // R32 prescribes this wording.
    assert_eq!(number["verification"]["status"], "Verified for SMS messaging only");
    assert_eq!(number["queues"], json!({ "inbound": "support", "outbound": [] }));
    assert_eq!(number["lane"]["queued"], 0);
    for path in ["%2B12065550102", "+12065550102", "12065550102"] {
        let number = shown(&world.get(&format!("/v1/numbers/{path}")).await, 200);
        assert_eq!(number["queues"]["outbound"], json!(["sales", "support"]), "{path}");
    }
}

#[tokio::test]
async fn a64_a_lane_shows_the_wait_of_its_oldest_text_and_the_end_of_its_pause() {
    let mut world = quick();
    world.start_call("c-1").await;
    let submit = async |command| world.handle.submit(command, Duration::from_secs(10)).await.unwrap();
    let send = async || {
        let sent = shown(&world.post("/v1/calls/c-1/messages", json!({ "text": "x" })).await, 202);
        sent["id"].as_str().unwrap().parse::<MessageId>().unwrap()
    };
    assert_eq!(lane(&world).await, (Value::Null, Value::Null));

    // The first is postponed, so the second is the oldest that is ready.
    let first = send().await;
    assert!(lane(&world).await.0.is_u64());
    submit(Command::StartSend {
        message: first,
        lane_empty_at: Timestamp::default(),
        account_empty_at: Timestamp::default(),
    })
    .await;
    assert_eq!(lane(&world).await, (Value::Null, Value::Null));
    let later = Outcome::Later { retry_after: Some(Duration::from_secs(5)) };
    submit(Command::Settle {
        message: first,
        attempt: 1,
        settled: Settled { outcome: later, status: Some(429), detail: None },
    })
    .await;
    let (ready, rests) = lane(&world).await;
    assert!(ready.is_null() && rests.is_string(), "{ready} {rests}");
    send().await;
    assert!(lane(&world).await.0.as_u64().unwrap() < 10_000);

    world.set_clock(|| wall_clock() + Duration::from_secs(60));
    let (ready, rests) = lane(&world).await;
    assert!(ready.as_u64().unwrap() >= 60_000 && rests.is_null(), "{ready} {rests}");
}

#[tokio::test]
async fn a64_a_lane_is_paused_with_its_account() {
    let world = quick();
    world.start_call("c-1").await;
    let submit = async |command| world.handle.submit(command, Duration::from_secs(10)).await.unwrap();
    for _ in 0..6 {
        let sent = shown(&world.post("/v1/calls/c-1/messages", json!({ "text": "x" })).await, 202);
        let message = sent["id"].as_str().unwrap().parse().unwrap();
        submit(Command::StartSend {
            message,
            lane_empty_at: Timestamp::default(),
            account_empty_at: Timestamp::default(),
        })
        .await;
        let settled = Settled { outcome: Outcome::NeverWritten, status: None, detail: None };
        submit(Command::Settle { message, attempt: 1, settled }).await;
    }
    let account = world.reads.ask(|view| view.breaker("main")).unwrap().unwrap().paused.unwrap();
    assert_eq!(lane(&world).await.1, json!(account.until.to_string()));
}

/// The lane's `oldest_ready_ms` and `paused_until`.
async fn lane(world: &TestGateway) -> (Value, Value) {
    let number = shown(&world.get(&format!("/v1/numbers/{SUPPORT}")).await, 200);
    let listed = shown(&world.get("/v1/numbers").await, 200)["items"][0]["lane"].clone();
    assert_eq!(listed["paused_until"], number["lane"]["paused_until"]);
    assert_eq!(listed["oldest_ready_ms"].is_null(), number["lane"]["oldest_ready_ms"].is_null());
    (number["lane"]["oldest_ready_ms"].clone(), number["lane"]["paused_until"].clone())
}

#[tokio::test]
async fn each_resource_is_found_by_name_has_an_etag_and_is_in_its_list() {
    let world = quick();
    for (list, one) in [
        ("/v1/numbers", format!("/v1/numbers/{SUPPORT}")),
        ("/v1/queues", "/v1/queues/support".to_owned()),
        ("/v1/presets?language=it", "/v1/presets/it/welcome".to_owned()),
    ] {
        let answer = world.get(&one).await;
        let resource = shown(&answer, 200);
        let tag = answer.header("etag").unwrap();
        assert_eq!(tag, "\"2\"", "the position of the frame that loaded the directory");
        let items = shown(&world.get(list).await, 200)["items"].clone();
        assert!(items.as_array().unwrap().contains(&resource), "{list}: {items}");
    }
    check(&world.get("/v1/numbers/+12065550177").await, 404, "number_not_found");
    check(&world.get("/v1/queues/nowhere").await, 404, "queue_not_found");
    check(&world.get("/v1/queues/a%20b").await, 404, "queue_not_found");
    check(&world.get("/v1/presets/it/only-english").await, 404, "preset_not_found");
}

#[tokio::test]
async fn lists_come_in_pages() {
    // Without rate limits, because a lane's tokens would grow between two pages.
    let world = quick();
    for (path, expected) in
        [("/v1/numbers?", 3), ("/v1/queues?", 2), ("/v1/presets?", 3), ("/v1/presets?language=en&", 2)]
    {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = shown(&world.get(&format!("{path}limit=1{cursor}")).await, 200);
            items.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(items.len(), expected, "{path}");
        let at_once = shown(&world.get(path).await, 200);
        assert_eq!((&at_once["items"], &at_once["next_cursor"]), (&Value::Array(items), &Value::Null));
    }
}

#[tokio::test]
async fn a_queue_and_the_settings_show_their_defaults() {
    let world = TestGateway::new();
    let queue = shown(&world.get("/v1/queues/support").await, 200);
    let expected = json!({
        "id": "support", "name": "Support", "parent": null, "in_call_sms": true, "inbound_numbers": [SUPPORT],
        "outbound_numbers": ["+12065550102"], "default_outbound": SUPPORT, "language": null,
        "effective": { "in_call_sms": true, "language": "en" },
    });
    assert_eq!(queue, expected);

    let settings = shown(&world.get("/v1/settings").await, 200);
    let mut fields: Vec<_> = settings.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let of_the_contract = [
        "activation_required",
        "attach_cross_queue",
        "auto_reply",
        "call_lease_minutes",
        "call_types",
        "closing",
        "contact_memory_days",
        "custom_messages",
        "default_language",
        "drop_non_us_inbound",
        "in_call_sms",
        "landline_memory_days",
        "late_text",
        "max_wait_ms",
        "media_retention_days",
        "minimum_attestation",
        "non_us",
        "opt_out",
        "opt_out_scope",
        "presets_only",
        "retention_days",
    ];
    assert_eq!(fields, of_the_contract);
    assert_eq!(settings["non_us"], json!({ "in_call": false, "wait_time": false, "rule": "plus_one" }));
    assert_eq!(settings["closing"]["texts"]["it"], "Grazie. La conversazione è finita.");
}

#[tokio::test]
async fn r46_a_preset_shows_encoding_and_segments() {
    let world = TestGateway::new();
    let preset = shown(&world.get("/v1/presets/it/welcome").await, 200);
    let expected = json!({
        "language": "it", "id": "welcome", "label": "a preset", "text": "Buongiorno, sono il suo agente.", "position": null,
        "encoding": "gsm7", "segments": 1, "warnings": [],
    });
    assert_eq!(preset, expected);
}
