//! Requirements that the doors' other tests do not cover.

use super::{check, quick, shown, without_limits};
use crate::http::test_gateway::{CALLER, SUPPORT, TestGateway, form, signed, text};
use crate::machine::command::{Command, Reply};
use crate::machine::event::Event;
use crate::model::{Address, Kind, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

const MESSAGES: &str = "/carriers/main/messages";
const SEND: &str = "/v1/calls/c-1/messages";

#[tokio::test]
async fn r6_a_call_shows_its_usage_so_far() {
    let world = quick();
    world.start_call("c-1").await;
    let photo = form(&[
        ("MessageSid", "MM1"),
        ("From", CALLER),
        ("To", SUPPORT),
        ("Body", ""),
        ("NumMedia", "1"),
        ("MediaUrl0", "https://api.twilio.com/x"),
        ("MediaContentType0", "image/jpeg"),
    ]);
    for webhook in [text("SM1", "hi"), photo] {
        assert_eq!(world.webhook(signed(MESSAGES, &webhook)).await.status, 200);
    }
    let sent = shown(&world.post(SEND, json!({ "text": "x".repeat(161) })).await, 202);
    world.post(SEND, json!({ "text": "still in its lane" })).await;
    let message = sent["id"].as_str().unwrap().parse().unwrap();
    let start =
        Command::StartSend { message, lane_empty_at: Timestamp::default(), account_empty_at: Timestamp::default() };
    let started = world.handle.submit(start, Duration::from_secs(10)).await.unwrap();
    assert!(matches!(started, Reply::Started { .. }));
    let usage = json!({
        "preset_sent": 0, "custom_sent": 1, "smart_action_sent": 0, "system_sent": 0,
        "received": 2, "media_received": 1, "segments_sent": 2,
    });
    assert_eq!(shown(&world.get("/v1/calls/c-1").await, 200)["usage"], usage);
}

#[tokio::test]
async fn r11_outbound_media_is_refused_and_nothing_is_queued() {
    let world = quick();
    world.start_call("c-1").await;
    for field in ["media", "media_urls"] {
        let with_media = json!({ "text": "look", field: ["https://example.com/a.jpg"] });
        check(&world.post(SEND, with_media).await, 422, "outbound_media_unsupported");
    }
    assert_eq!(world.count(|event| matches!(event, Event::MessageQueued { .. })), 0);
}

#[tokio::test]
async fn r39_r40_r45_every_agent_lists_presets_by_label_and_sends_one_by_id() {
    let world = TestGateway::with(
        |directory| {
            without_limits(directory);
            for (id, preset) in directory.presets.values_mut().flatten() {
                preset.label = format!("The label of {}", id.as_str());
            }
        },
        &[],
    );
    world.start_call("c-1").await;
    let listed = shown(&world.get("/v1/presets?language=en").await, 200)["items"].clone();
    let listed = listed.as_array().unwrap();
    let labels: Vec<_> = listed.iter().map(|preset| &preset["label"]).collect();
    assert_eq!(labels, ["The label of only-english", "The label of welcome"]);
    for agent in ["agent-17", "agent-18"] {
        for preset in listed {
            let sent = shown(&world.post(SEND, json!({ "preset": preset["id"], "agent": agent })).await, 202);
            assert_eq!(
                (&sent["text"], &sent["kind"], &sent["agent"]),
                (&preset["text"], &json!("preset"), &json!(agent))
            );
        }
    }
}

#[tokio::test]
async fn r44_r47_a_language_can_have_many_presets_and_each_can_be_sent() {
    let id = |nth: u32| format!("p-{nth:02}");
    let world = TestGateway::with(
        |directory| {
            without_limits(directory);
            let italian = directory.presets.get_mut(&"it".to_owned().try_into().unwrap()).unwrap();
            let welcome = italian.values().next().unwrap().clone();
            for nth in 0..60 {
                let preset = crate::model::Preset { text: format!("Numero {nth}"), ..welcome.clone() };
                italian.insert(id(nth).try_into().unwrap(), preset);
            }
        },
        &[],
    );
    world.start_call("c-1").await;
    let ids = async |language: &str| {
        let items =
            shown(&world.get(&format!("/v1/presets?language={language}&limit=500")).await, 200)["items"].clone();
        items.as_array().unwrap().iter().map(|preset| preset["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("it").await, (0..60).map(id).chain(["welcome".to_owned()]).collect::<Vec<_>>());
    assert_eq!(ids("en").await, ["only-english", "welcome"]);
    for nth in [0, 59] {
        let sent = shown(&world.post(SEND, json!({ "preset": id(nth), "language": "it" })).await, 202);
        assert_eq!(sent["text"], format!("Numero {nth}"));
    }
}

#[tokio::test]
async fn d3_a_setting_decides_whether_non_us_numbers_can_be_texted() {
    for on in [false, true] {
        let world = TestGateway::with(
            |directory| {
                without_limits(directory);
                directory.settings.non_us.in_call = on;
            },
            &[],
        );
        let call =
            shown(&world.put("/v1/calls/c-1", json!({ "caller": "+390612345678", "queue": "support" })).await, 201);
        let answer = world.post(SEND, json!({ "text": "ciao" })).await;
        if on {
            assert_eq!((answer.status, &call["sms"]["refusal"]), (202, &Value::Null));
        } else {
            check(&answer, 403, "non_us_blocked");
            assert_eq!(call["sms"]["refusal"], "non_us_blocked");
        }
    }
}

#[tokio::test]
async fn d5_a_text_after_the_hang_up_gets_200_and_the_auto_reply() {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    world.webhook(signed(MESSAGES, &text("SM1", "hi"))).await;
    assert_eq!(world.post("/v1/calls/c-1/end", json!({})).await.status, 200);
    let before = world.frames().len();
    assert_eq!(world.webhook(signed(MESSAGES, &text("SM2", "one more thing"))).await.status, 200);
    let after = &world.frames()[before..];
    let queued = after.iter().flat_map(|frame| &frame.events).find_map(|event| match &event.event {
        Event::MessageQueued { message, text, .. } => Some((message, text)),
        _ => None,
    });
    let (reply, words) = queued.unwrap();
    assert_eq!((reply.kind, reply.ours, &reply.call), (Kind::AutoReply, SUPPORT.parse().unwrap(), &None));
    assert_eq!(reply.theirs.kept(), Some(&Address::read(CALLER)));
    assert_eq!(words.kept().unwrap(), "This number is not monitored. Please call us.");
}
