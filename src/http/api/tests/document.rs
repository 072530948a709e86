//! The directory as one document.

use super::{check, quick, shown};
use crate::directory::DOCUMENT_MAX_BYTES;
use crate::http::test_gateway::{Answer, SUPPORT, TestGateway, anonymous, request};
use axum::body::Body;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

const PATH: &str = "/v1/directory";

#[tokio::test]
async fn what_is_read_can_be_sent_and_changes_nothing() {
    let world = TestGateway::with(|_| {}, &["+12065550199"]);
    let read = world.get(PATH).await;
    let document = shown(&read, 200);
    let keys: Vec<_> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["settings", "numbers", "queues", "presets", "accounts", "opt_outs"]);
    assert_eq!(document["opt_outs"], json!(["+12065550199"]));
    assert_eq!((read.header("etag"), read.header("offhook-erased-opt-outs")), (Some("\"2\""), Some("0")));
    let put = world.put(PATH, &document).await;
    let applied = shown(&put, 200);
    assert_eq!((&applied["changes"], &applied["position"]), (&json!([]), &Value::Null));
    assert_eq!((put.header("etag"), world.frames().len()), (Some("\"2\""), 0));
}

#[tokio::test]
async fn r38_a_document_is_compared_and_then_applied_whole() {
    let world = quick();
    let mut document = shown(&world.get(PATH).await, 200);
    document["settings"]["custom_messages"] = json!(false);
    document["queues"]["night"] = json!({ "name": "Night" });
    document["presets"]["it"].as_object_mut().unwrap().remove("welcome");
    document["opt_outs"] = json!(["+12065550177"]);
    let differs = shown(&world.post("/v1/directory/diff", &document).await, 200);
    let changes: Vec<_> = (differs["changes"].as_array().unwrap().iter())
        .map(|change| {
            format!("{} {} {}", change["change"].as_str().unwrap(), change["resource"].as_str().unwrap(), change["id"])
        })
        .collect();
    let expected = [
        "changed settings null",
        "created queues \"night\"",
        "deleted presets \"it/welcome\"",
        "created opt_outs \"+12065550177\"",
    ];
    assert_eq!(changes, expected);
    assert_eq!((&differs["needs_force"], &differs["opt_outs_added"]), (&json!(false), &json!(1)));
    assert_eq!(world.frames().len(), 0, "to compare is not to apply");

    let put = world.put(PATH, &document).await;
    let applied = shown(&put, 200);
    assert_eq!((&applied["changes"], &applied["position"]), (&differs["changes"], &json!(3)));
    assert_eq!((put.header("etag"), world.frames().len()), (Some("\"3\""), 1));
    assert_eq!(shown(&world.get("/v1/settings").await, 200)["custom_messages"], json!(false));
    assert_eq!(shown(&world.get("/v1/queues/night").await, 200)["name"], json!("Night"));
    check(&world.get("/v1/presets/it/welcome").await, 404, "preset_not_found");
    world.put("/v1/calls/c-1", json!({ "caller": "+12065550177", "queue": "support" })).await;
    check(&world.post("/v1/calls/c-1/messages", json!({ "preset": "welcome" })).await, 403, "opted_out");

    // Opt-outs alone do not change the directory's version.
    document["opt_outs"] = json!(["+12065550178"]);
    let put = world.put(PATH, &document).await;
    assert_eq!((&shown(&put, 200)["opt_outs_added"], put.header("etag")), (&json!(1), Some("\"3\"")));
    assert_eq!(shown(&world.get(PATH).await, 200)["opt_outs"], json!(["+12065550177", "+12065550178"]));
}

#[tokio::test]
async fn a_document_applies_only_to_the_version_it_was_made_from() {
    let world = quick();
    let mut document = shown(&world.get(PATH).await, 200);
    let put = async |header: &str, value: &str, document: &Value| {
        world.ask(request("PUT", PATH).header(header, value).body(document.to_string().into()).unwrap()).await
    };
    document["settings"]["late_text"] = json!(true);
    check(&put("If-None-Match", "*", &document).await, 412, "precondition_failed");
    let lost = put("If-Match", "\"1\"", &document).await;
    check(&lost, 412, "precondition_failed");
    assert_eq!(lost.header("etag"), Some("\"2\""));
    shown(&put("If-Match", "\"2\"", &document).await, 200);
    check(&put("If-Match", "\"2\"", &document).await, 412, "precondition_failed");
    shown(&put("If-Match", "*", &document).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_32_clients_at_once_end_in_one_order() {
    let world = quick();
    let mut document = shown(&world.get(PATH).await, 200);
    let puts = (0..32).map(|nth| {
        document["settings"]["call_lease_minutes"] = json!(100 + nth);
        world.put(PATH, document.to_string())
    });
    let answers = futures_util::future::join_all(puts.collect::<Vec<_>>()).await;
    let mut tags: Vec<_> = answers.iter().map(|answer| answer.header("etag").unwrap().to_owned()).collect();
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{:?}",
        answers.iter().map(|it| it.status).collect::<Vec<_>>()
    );
    tags.sort_unstable();
    tags.dedup();
    assert_eq!((tags.len(), world.frames().len()), (32, 32), "each has its own version");
    let last = world.get(PATH).await;
    let by_tag = answers.iter().position(|answer| answer.header("etag") == last.header("etag")).unwrap();
    assert_eq!(shown(&last, 200)["settings"]["call_lease_minutes"], json!(100 + by_tag));
}

#[tokio::test]
async fn every_breach_of_a_document_is_named_and_nothing_changes() {
    let world = quick();
    let mut document = shown(&world.get(PATH).await, 200);
    document["settings"]["custom_messages"] = json!("no");
    document["settings"]["retention_days"] = json!(1);
    document["numbers"]["2065550105"] = json!({ "label": "Without its country", "account": "main" });
    document["numbers"][SUPPORT]["account"] = json!("mian");
    document["opt_outs"] = json!([{ "number": "+12065550188", "our_numbers": [] }]);
    for answer in [world.put(PATH, &document).await, world.post("/v1/directory/diff", &document).await] {
        let problem = answer.json();
        let errors = problem["errors"].as_array().unwrap();
        let fields: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        let expected = [
            "settings.custom_messages",
            "numbers.2065550105",
            "opt_outs[1].our_numbers",
            "settings.retention_days",
            &format!("numbers.{SUPPORT}.account"),
        ];
        assert_eq!(fields, expected, "{}", answer.body);
        assert_eq!((&problem["code"], &problem["detail"]), (&errors[0]["code"], &errors[0]["detail"]));
        assert_eq!((answer.status, errors[1]["code"].as_str()), (400, Some("number_invalid")));
        assert!(errors.iter().all(|error| !error["detail"].as_str().unwrap().contains("0188")), "{}", answer.body);
    }
    let many = json!({ "opt_outs": vec![""; 10_000] });
    let errors = world.put(PATH, many).await.json()["errors"].as_array().unwrap().clone();
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100]["detail"], "there are at least 901 more problems: fix these first");
    assert_eq!(world.frames().len(), 0);
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let world = quick();
    let put = async |body: Vec<u8>| world.ask(request("PUT", PATH).body(body.into()).unwrap()).await;
    for body in [
        b"\xef\xbb\xbf{}".to_vec(),
        b"".to_vec(),
        b"{".to_vec(),
        b"{\"settings\":{\"default_language\":\"\xff\"}}".to_vec(),
        "[".repeat(100_000).into_bytes(),
        format!("{{\"settings\":{}", "{\"a\":".repeat(100_000)).into_bytes(),
        b"{\"settings\":{},\"settings\":{}}".to_vec(),
    ] {
        check(&put(body).await, 400, "malformed_json");
    }
    check(&put(b"[]".to_vec()).await, 400, "invalid_field");
    check(&put(b"{\"setings\":{}}".to_vec()).await, 400, "unknown_field");
    check(&world.put("/v1/directory?force=yes", json!({})).await, 400, "invalid_field");
    check(&world.put("/v1/directory?fource=true", json!({})).await, 400, "unknown_field");
    check(&world.get("/v1/directory?limit=1").await, 400, "unknown_field");
    for (token, status) in [("observer", 403), ("agent", 403), ("nobody", 401)] {
        let put = anonymous("PUT", PATH).header("authorization", format!("Bearer {token}"));
        assert_eq!(world.ask(put.body("{}".into()).unwrap()).await.status, status, "{token}");
    }
    let observer = anonymous("GET", PATH).header("authorization", "Bearer observer");
    assert_eq!(world.ask(observer.body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn documents_may_be_larger_than_other_bodies_up_to_a_bound() {
    let world = quick();
    let spaces = |count: usize| format!("{{}}{}", " ".repeat(count - 2));
    check(&world.post("/v1/directory/diff", spaces(DOCUMENT_MAX_BYTES + 1)).await, 413, "body_too_large");
    shown(&world.post("/v1/directory/diff", spaces(1024 * 1024)).await, 200);
    check(&world.put("/v1/opt-outs/+12065550142", spaces(64 * 1024 + 1)).await, 413, "body_too_large");
}

#[tokio::test]
async fn a_document_of_very_many_numbers_has_to_come_in_parts() {
    let world = quick();
    let put = async |count: usize| world.put(PATH, document_of(count)).await;
    let refused = put(100_000).await;
    check(&refused, 413, "body_too_large");
    assert!(refused.json()["detail"].as_str().unwrap().contains("apply it in parts"), "{}", refused.body);
    // The first numbers have to come first; those that are there already need not fit again.
    shown(&put(2_000).await, 200);
    let more_people: Vec<_> = (0..=u16::MAX).map(|nth| format!("+1312{nth:07}")).collect();
    let refused = world.put(PATH, json!({ "opt_outs": more_people })).await;
    check(&refused, 413, "body_too_large");
    assert!(refused.json()["detail"].as_str().unwrap().contains("in parts"), "{}", refused.body);
    assert_eq!(world.reads.directory().numbers.len(), 2_000, "nothing of it was applied");
}

/// A document with this many numbers and nothing else.
fn document_of(count: usize) -> String {
    let mut document = "{\"numbers\":{".to_owned();
    for nth in 0..count {
        let comma = if nth == 0 { "" } else { "," };
        let _ = write!(document, "{comma}\"+1206{nth:07}\":{{\"label\":\"a\",\"account\":\"main\"}}");
    }
    document + "}}"
}

#[tokio::test]
async fn a38_the_global_outbound_number_stays_with_a_queue_only_by_force() {
    let world = quick();
    let mut document = shown(&world.get(PATH).await, 200);
    document["numbers"][SUPPORT]["global_outbound"] = json!(true);
    let differs = shown(&world.post("/v1/directory/diff", &document).await, 200);
    assert_eq!(differs["needs_force"], json!(true));
    check(&world.put(PATH, &document).await, 409, "number_is_global_outbound");
    shown(&world.put("/v1/directory?force=true", &document).await, 200);
    assert_eq!(shown(&world.get(&format!("/v1/numbers/{SUPPORT}")).await, 200)["global_outbound"], json!(true));
}

#[tokio::test]
async fn a_gateway_without_a_directory_gets_its_first() {
    let world = TestGateway::empty();
    check(&world.get(PATH).await, 404, "not_found");
    let differs = shown(&world.post("/v1/directory/diff", json!({})).await, 200);
    assert_eq!(differs["first"], json!(true));
    let put = async |header: &str, value: &str| {
        world
            .ask(request("PUT", PATH).header(header, value).body("{\"opt_outs\":[\"+12065550142\"]}".into()).unwrap())
            .await
    };
    check(&put("If-Match", "*").await, 412, "precondition_failed");
    let created: Answer = put("If-None-Match", "*").await;
    assert_eq!((&shown(&created, 201)["first"], created.header("etag")), (&json!(true), Some("\"2\"")));
    assert_eq!(shown(&world.get(PATH).await, 200)["opt_outs"], json!(["+12065550142"]));
    check(&put("If-None-Match", "*").await, 412, "precondition_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_waits_for_the_one_before_it_and_calls_do_not() {
    let world = quick();
    world.disk.stall();
    let first = world.put(PATH, json!({}));
    let second = async {
        world.disk.is_stalling().await;
        tokio::time::timeout(Duration::from_millis(50), world.get(PATH)).await.is_err()
    };
    let others = async {
        world.disk.is_stalling().await;
        world.get("/v1/settings").await.status
    };
    let waiting = async {
        let both = tokio::join!(second, others);
        world.disk.work();
        both
    };
    let (put, waited) = tokio::join!(first, waiting);
    assert_eq!((put.status, waited), (200, (true, 200)));
}
