//! Reports of usage.

use super::{check, quick, shown};
use crate::http::test_gateway::{SUPPORT, TestGateway, form, signed};
use crate::machine::command::{Command, PutCall, Reply};
use crate::model::{CallId, Caller, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const REPORT: &str = "/v1/reports/usage?from=2020-01-01&to=2099-12-31";

/// Two calls, each with a text and a photo from the caller and a text of the agent, and a late text.
async fn talked() -> TestGateway {
    let world = quick();
    for (nth, (id, agent)) in [("c-1", "agent-1"), ("c:2", "=cmd|' /C calc'!A0")].into_iter().enumerate() {
        let caller = format!("+1206555014{nth}");
        let call = json!({ "caller": caller, "queue": "support", "agent": agent });
        assert_eq!(world.put(&format!("/v1/calls/{id}"), call).await.status, 201);
        let photo = form(&[
            ("MessageSid", &format!("MM{nth}")),
            ("From", &caller),
            ("To", SUPPORT),
            ("Body", "look"),
            ("NumMedia", "1"),
            ("MediaUrl0", "https://api.twilio.com/x"),
            ("MediaContentType0", "image/jpeg"),
        ]);
        assert_eq!(world.webhook(signed("/carriers/main/messages", &photo)).await.status, 200);
        let sent = world.post(&format!("/v1/calls/{id}/messages"), json!({ "text": "x".repeat(161) })).await;
        start(&world, &shown(&sent, 202)).await;
    }
    world.webhook(signed("/carriers/main/messages", &text_from("SM9", "+12065550149"))).await;
    world
}

fn text_from(sid: &str, from: &str) -> String {
    form(&[("MessageSid", sid), ("From", from), ("To", SUPPORT), ("Body", "hello?"), ("NumMedia", "0")])
}

async fn start(world: &TestGateway, sent: &Value) {
    let message = sent["id"].as_str().unwrap().parse().unwrap();
    let (lane_empty_at, account_empty_at) = (Timestamp::default(), Timestamp::default());
    let start = Command::StartSend { message, lane_empty_at, account_empty_at };
    let started = world.handle.submit(start, Duration::from_secs(10)).await.unwrap();
    assert!(matches!(started, Reply::Started { .. }));
}

/// The rows of a report: key, and what is not zero.
async fn rows(world: &TestGateway, by: &str) -> Vec<(Value, BTreeMap<String, u64>)> {
    let report = shown(&world.get(&format!("{REPORT}&by={by}")).await, 200);
    assert_eq!(report["next_cursor"], Value::Null);
    let row = |item: &Value| {
        let mut item = item.as_object().unwrap().clone();
        let key = item.remove(by).unwrap();
        assert_eq!(item.len(), 10, "{item:?}");
        let counts = item.into_iter().map(|(name, count)| (name, count.as_u64().unwrap()));
        (key, counts.filter(|(_, count)| *count > 0).collect())
    };
    report["items"].as_array().unwrap().iter().map(row).collect()
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[tokio::test]
async fn r4_r6_a_report_counts_by_queue_agent_number_kind_and_call() {
    let world = talked().await;
    let in_call = || counts([("custom_sent", 1), ("segments_sent", 2), ("received", 1), ("media_received", 1)]);
    let all =
        || counts([("custom_sent", 2), ("segments_sent", 4), ("received", 2), ("media_received", 2), ("late", 1)]);
    assert_eq!(rows(&world, "queue").await, [(json!("support"), all())]);
    assert_eq!(rows(&world, "number").await, [(json!(SUPPORT), all())]);
    assert_eq!(
        rows(&world, "agent").await,
        [(Value::Null, counts([("late", 1)])), (json!("=cmd|' /C calc'!A0"), in_call()), (json!("agent-1"), in_call()),]
    );
    assert_eq!(
        rows(&world, "kind").await,
        [
            (json!("custom"), counts([("custom_sent", 2), ("segments_sent", 4)])),
            (json!("inbound"), counts([("received", 2), ("media_received", 2), ("late", 1)])),
        ]
    );
    assert_eq!(rows(&world, "call").await, [(json!("c-1"), in_call()), (json!("c:2"), in_call())]);
    let mut days: BTreeMap<String, u64> = BTreeMap::new();
    for (day, counts) in rows(&world, "day").await {
        assert!(crate::model::Day::parse(day.as_str().unwrap()).is_some(), "{day}");
        counts.into_iter().for_each(|(name, count)| *days.entry(name).or_default() += count);
    }
    assert_eq!(days, all());
    for nothing in ["from=2020-01-01&to=2020-01-01", "from=2099-01-01&to=2149-06-06"] {
        for by in ["day", "call"] {
            let report = shown(&world.get(&format!("/v1/reports/usage?{nothing}&by={by}")).await, 200);
            assert_eq!(report, json!({ "items": [], "next_cursor": null }));
        }
    }
}

#[tokio::test]
async fn a_report_in_csv_is_whole_and_no_cell_runs_in_a_spreadsheet() {
    let world = talked().await;
    let columns = "preset_sent,custom_sent,smart_action_sent,system_sent,received,media_received,segments_sent,delivered,failed,late";
    for (by, expected) in [
        ("agent", ",0,0,0,0,0,0,0,0,0,1\r\n'=cmd|' /C calc'!A0,0,1,0,0,1,1,2,0,0,0\r\nagent-1,0,1,0,0,1,1,2,0,0,0\r\n"),
        ("number", "'+12065550100,0,2,0,0,2,2,4,0,0,1\r\n"),
        ("call", "c-1,0,1,0,0,1,1,2,0,0,0\r\nc:2,0,1,0,0,1,1,2,0,0,0\r\n"),
    ] {
        let answer = world.get(&format!("{REPORT}&by={by}&format=csv")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/csv; charset=utf-8")));
        let file = format!("attachment; filename=\"usage-by-{by}-2020-01-01-2099-12-31.csv\"");
        assert_eq!(answer.header("content-disposition"), Some(&*file));
        assert_eq!(answer.body, format!("{by},{columns}\r\n{expected}"));
    }
}

#[tokio::test]
async fn a_report_is_paged_and_its_cursor_fits_no_other() {
    let world = talked().await;
    for by in ["agent", "kind", "call"] {
        let whole = shown(&world.get(&format!("{REPORT}&by={by}")).await, 200)["items"].as_array().unwrap().clone();
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = shown(&world.get(&format!("{REPORT}&by={by}&limit=1{cursor}")).await, 200);
            items.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            check(&world.get(&format!("{REPORT}&by=number&cursor={next}")).await, 422, "cursor_invalid");
            cursor = format!("&cursor={next}");
        }
        assert_eq!(items, whole, "{by}");
    }
}

#[tokio::test]
async fn r5_a_report_has_every_call_however_many_there_are() {
    const CALLS: usize = 2_100;
    let world = quick();
    let caller = |nth| Caller::Number(format!("+1415{nth:07}").parse().unwrap());
    let id = |nth| CallId::read(&format!("call-{nth:04}")).unwrap();
    let put = |nth| Command::PutCall(PutCall::new(id(nth), caller(nth), "support".to_owned().try_into().unwrap()));
    let replies = world.handle.submit_many((0..CALLS).map(put).take(2_000), Duration::from_secs(30)).await;
    assert!(replies.iter().all(Result::is_ok));
    world.handle.submit_many((2_000..CALLS).map(put), Duration::from_secs(30)).await;

    let csv = world.get(&format!("{REPORT}&by=call&format=csv")).await;
    let lines: Vec<&str> = csv.body.lines().skip(1).collect();
    let expected = (0..CALLS).map(|nth| format!("call-{nth:04},0,0,0,0,0,0,0,0,0,0"));
    assert!(lines.iter().copied().eq(expected), "{} lines", lines.len());
    let (mut found, mut cursor) = (0, String::new());
    loop {
        let page = shown(&world.get(&format!("{REPORT}&by=call&limit=500{cursor}")).await, 200);
        found += page["items"].as_array().unwrap().len();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, CALLS);
}

#[tokio::test]
async fn a_wrong_question_for_a_report_names_the_parameter() {
    let world = quick();
    let with = |query: &str| format!("/v1/reports/usage?{query}");
    for (query, detail) in [
        ("", "`from` is missing"),
        ("to=2026-11-30", "`from` is missing"),
        ("from=2026-11-30", "`to` is missing"),
        ("from=2026-11-30&to=2026-11-29", "`from` is after `to`"),
        ("from=2026-11-30&to=9999-12-31", "`to` must be a date like 2026-11-30, from 1970-01-01 to 2149-06-06"),
        ("from=2026-02-30&to=2026-03-01", "`from` must be a date"),
        ("from=30.11.2026&to=2026-11-30", "`from` must be a date"),
        ("from=2026-11-30T00:00:00Z&to=2026-11-30", "`from` must be a date"),
        ("from=1969-12-31&to=2026-11-30", "`from` must be a date"),
        ("from=&to=2026-11-30", "`from` is empty"),
        ("from=2026-11-30&to=2026-11-30&by=week", "`by` must be one of day, queue, agent, number, kind, call"),
        ("from=2026-11-30&to=2026-11-30&format=xlsx", "`format` must be one of json, csv"),
        ("from=2026-11-30&to=2026-11-30&format=csv&limit=5", "`limit` is for format=json"),
        ("from=2026-11-30&to=2026-11-30&limit=0", "`limit` must be a whole number"),
    ] {
        let answer = world.get(&with(query)).await;
        check(&answer, 400, "invalid_field");
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{query}: {}", answer.body);
    }
    check(&world.get(&with("from=2026-11-30&to=2026-11-30&group=day")).await, 400, "unknown_field");
    for cursor in ["bm9uc2Vuc2U", "ZGF5", "ZGF5PQ", "!", "Y2FsbD0g"] {
        for by in ["day", "call"] {
            let query = with(&format!("from=2026-11-30&to=2026-11-30&by={by}&cursor={cursor}"));
            check(&world.get(&query).await, 422, "cursor_invalid");
        }
    }
}
