//! Opt-outs.

use super::{check, quick, shown};
use crate::http::test_gateway::{CALLER, SUPPORT, TestGateway, request, signed, text};
use crate::machine::command::Command;
use crate::machine::event::Event;
use axum::body::Body;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a46_an_administrator_opts_a_person_out_and_in_again() {
    let world = quick();
    let path = format!("/v1/opt-outs/{CALLER}");
    check(&world.get(&path).await, 404, "not_found");
    let created = world.put(&path, json!({ "reason": "asked on the phone" })).await;
    let opt_out = shown(&created, 201);
    let fields = ["number", "everywhere", "our_numbers", "by"].map(|key| opt_out[key].clone());
    assert_eq!(fields, [json!(CALLER), json!(true), json!([]), json!("administrator")]);
    let tag = created.header("etag").unwrap().to_owned();
    let read = world.get(&path).await;
    assert_eq!((shown(&read, 200), read.header("etag")), (opt_out.clone(), Some(&*tag)));

    // What was read can be sent, and changes nothing.
    let frames = world.frames().len();
    let again = world.put(&path, &opt_out).await;
    assert_eq!((shown(&again, 200), again.header("etag")), (opt_out.clone(), Some(&*tag)));
    assert_eq!(world.frames().len(), frames);

    check(&world.delete(&path).await, 400, "invalid_field");
    check(&world.delete(&format!("{path}?reason=%20")).await, 400, "invalid_field");
    check(&world.delete(&format!("{path}?reason={}", "x".repeat(501))).await, 400, "invalid_field");
    check(&world.delete(&format!("{path}?raison=x")).await, 400, "unknown_field");
    let deleted = world.delete(&format!("{path}?reason=asked+by+mail")).await;
    assert_eq!((deleted.status, &*deleted.body), (204, ""));
    check(&world.delete(&format!("{path}?reason=again")).await, 404, "not_found");
    let audited: Vec<_> = (world.frames().iter().flat_map(|frame| &frame.events))
        .filter_map(|event| match &event.event {
            Event::Audited { actor, entry, .. } => {
                let entry = entry.kept().unwrap();
                Some((actor.clone(), entry.resource.clone(), entry.reason.clone()))
            }
            _ => None,
        })
        .collect();
    let entry = |reason: &str| ("everything".to_owned(), format!("opt-outs/{CALLER}"), Some(reason.to_owned()));
    assert_eq!(audited, [entry("asked on the phone"), entry("asked by mail")]);
}

#[tokio::test]
async fn a46_an_opted_out_person_is_not_texted_and_a_session_closes_in_order() {
    let world = quick();
    world.start_call("c-1").await;
    let send = async || world.post("/v1/calls/c-1/messages", json!({ "text": "hello" })).await;
    shown(&send().await, 202);
    shown(&world.put(&format!("/v1/opt-outs/{CALLER}"), json!({})).await, 201);
    check(&send().await, 409, "session_closed");
    let call = shown(&world.get("/v1/calls/c-1").await, 200);
    assert_eq!(call["sms"]["closed_reason"], "opted_out");
    world.put("/v1/calls/c-2", json!({ "caller": "+12065550177", "queue": "support" })).await;
    shown(&world.put("/v1/opt-outs/+12065550177", json!({})).await, 201);
    check(&world.post("/v1/calls/c-2/messages", json!({ "text": "hello" })).await, 403, "opted_out");
    let events = shown(&world.get("/v1/events").await, 200);
    let of_the_person: Vec<_> = (events["items"].as_array().unwrap().iter())
        .filter(|event| event["call_id"] == "c-1" || event["data"]["contact"] == CALLER)
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let expected = ["call.started", "message.queued", "contact.opted_out", "message.cancelled", "call.updated"];
    assert_eq!(of_the_person, expected);
    assert_eq!(world.delete(&format!("/v1/opt-outs/{CALLER}?reason=by+mail")).await.status, 204);
    shown(&send().await, 202);
}

#[tokio::test]
async fn a46_a_stop_is_not_narrowed_by_a_put() {
    let world = quick();
    let path = format!("/v1/opt-outs/{CALLER}");
    world.webhook(signed("/carriers/main/messages", &text("SM1", "STOP"))).await;
    let opt_out = shown(&world.get(&path).await, 200);
    assert_eq!(
        (&opt_out["everywhere"], &opt_out["our_numbers"], &opt_out["by"]),
        (&json!(true), &json!([SUPPORT]), &json!("keyword"))
    );
    let narrow = json!({ "everywhere": false, "our_numbers": [SUPPORT] });
    let refused = world.put(&path, &narrow).await;
    check(&refused, 403, "opted_out");
    assert!(refused.json()["detail"].as_str().unwrap().contains("DELETE"), "{}", refused.body);
    assert_eq!(shown(&world.put(&path, json!({})).await, 200), opt_out, "it covers that already");

    // What an administrator set, an administrator narrows.
    let other = "/v1/opt-outs/+12065550177";
    shown(&world.put(other, json!({})).await, 201);
    let narrowed = shown(&world.put(other, &narrow).await, 200);
    assert_eq!((&narrowed["everywhere"], &narrowed["our_numbers"]), (&json!(false), &json!([SUPPORT])));
}

#[tokio::test]
async fn opt_outs_change_on_condition() {
    let world = quick();
    let path = format!("/v1/opt-outs/{CALLER}");
    let put = async |header: &str, value: &str| {
        world.ask(request("PUT", &path).header(header, value).body("{}".into()).unwrap()).await
    };
    check(&put("If-Match", "*").await, 412, "precondition_failed");
    let created = put("If-None-Match", "*").await;
    shown(&created, 201);
    let tag = created.header("etag").unwrap();
    let lost = put("If-None-Match", "*").await;
    check(&lost, 412, "precondition_failed");
    assert_eq!(lost.header("etag"), Some(tag));
    check(&put("If-Match", "\"1\"").await, 412, "precondition_failed");
    check(&put("If-Match", &format!("W/{tag}")).await, 412, "precondition_failed");
    shown(&put("If-Match", &format!("\"1\", {tag}")).await, 200);
    let delete = async |tag: &str| {
        let delete = request("DELETE", &format!("{path}?reason=x")).header("If-Match", tag);
        world.ask(delete.body(Body::empty()).unwrap()).await
    };
    check(&delete("\"1\"").await, 412, "precondition_failed");
    assert_eq!(delete(tag).await.status, 204);
}

#[tokio::test]
async fn wrong_opt_outs_are_refused_with_field_and_way_out() {
    let world = quick();
    let path = format!("/v1/opt-outs/{CALLER}");
    let many: Vec<_> = (0..65).map(|nth| format!("+120655502{nth:02}")).collect();
    for (body, code, part) in [
        (json!({ "everywhere": false }), "invalid_field", "`our_numbers` is empty, which blocks nothing: "),
        (json!({ "everywhere": "yes" }), "invalid_field", "`everywhere` is a string: it must be true or false"),
        (json!({ "our_numbers": SUPPORT }), "invalid_field", "`our_numbers` is a string: it must be an array"),
        (json!({ "our_numbers": ["2065550100"] }), "number_invalid", "`our_numbers[1]` is not an E.164 number"),
        (json!({ "our_numbers": many }), "invalid_field", "`our_numbers` has 65 numbers: list at most 64"),
        (json!({ "our_number": [SUPPORT] }), "unknown_field", "(did you mean `our_numbers`?)"),
        (json!({ "reason": "x".repeat(501) }), "invalid_field", "`reason` is a string of 501 characters"),
        (json!([]), "invalid_field", "the body is an array: it must be an object"),
    ] {
        let answer = world.put(&path, &body).await;
        assert_eq!(answer.code(), code, "{body}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(part), "{body}: {}", answer.body);
    }
    let foreign = world.put(&path, json!({ "our_numbers": [SUPPORT, "+12065550188"] })).await;
    assert_eq!(foreign.status, 404, "{}", foreign.body);
    assert!(foreign.json()["detail"].as_str().unwrap().contains("`our_numbers[2]`"), "{}", foreign.body);
    check(&world.put("/v1/opt-outs/2065550142x", json!({})).await, 422, "number_invalid");
    check(&world.get("/v1/opt-outs?number=1206").await, 422, "number_invalid");
    check(&world.get("/v1/opt-outs?cursor=bm93aGVyZQ").await, 422, "cursor_invalid");
    assert_eq!(world.frames().len(), 0);
}

#[tokio::test]
async fn a70_the_opt_out_of_an_erased_person_is_found_by_the_number_only() {
    let world = TestGateway::with(|_| {}, &["+12065550142", "+12065550143", "+12065550144"]);
    let (who, key) = ("+12065550143".parse().unwrap(), crate::machine::fingerprint::ErasureKey([7; 16]));
    world
        .handle
        .submit(
            Command::Erase { who, key, idempotency: None, by: crate::model::Actor::command_line() },
            Duration::from_secs(10),
        )
        .await
        .unwrap();
    // In memory, rows are not erased: what a rebuild from the erased journal has is the fingerprint alone.
    let found = shown(&world.get("/v1/opt-outs?number=%2B12065550143").await, 200);
    assert_eq!(found["items"][0]["everywhere"], json!(true));
    assert_eq!(shown(&world.get("/v1/opt-outs?number=%2B12065550149").await, 200)["items"], json!([]));
}

#[tokio::test]
async fn opt_outs_are_listed_in_pages_by_number() {
    let people: Vec<_> = (0..7).map(|nth| format!("+1206555020{nth}")).chain(["+390612345678".to_owned()]).collect();
    let world = TestGateway::with(|_| {}, &people.iter().map(String::as_str).collect::<Vec<_>>());
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shown(&world.get(&format!("/v1/opt-outs?limit=3{cursor}")).await, 200);
        found.extend(page["items"].as_array().unwrap().iter().map(|item| item["number"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        assert!(next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)), "{next}");
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, people.iter().map(|number| json!(number)).collect::<Vec<Value>>());
}
