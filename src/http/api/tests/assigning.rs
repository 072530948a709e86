//! Numbers and queues, changed over HTTP.

use super::resources::errors;
use super::{check, quick, shown, without_limits};
use crate::http::test_gateway::{CALLER, SUPPORT, TestGateway, signed, text};
use crate::machine::command::Command;
use crate::machine::event::Event;
use crate::rules::verification::{Said, Webhook};
use serde_json::{Value, json};
use std::time::Duration;

const SALES: &str = "+12065550101";
const SHARED: &str = "+12065550102";

#[tokio::test]
async fn r26_r28_r29_numbers_are_added_one_by_one_each_with_a_label() {
    let world = TestGateway::new();
    for (path, number) in [
        ("/v1/numbers/+12065550111", "+12065550111"),
        ("/v1/numbers/%2B12065550112", "+12065550112"),
        ("/v1/numbers/12065550113", "+12065550113"),
    ] {
        let created = shown(&world.put(path, json!({ "label": number, "account": "main" })).await, 201);
        let expected = json!({
            "number": number, "label": number, "account": "main", "purpose": "in_call", "global_outbound": false,
            "limits": {
                "segments_per_second": 1.0, "burst": 1, "segments_per_day": null, "day_zone": "America/Los_Angeles",
            },
            "queues": { "inbound": null, "outbound": [] },
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&created[field], value, "{field}");
        }
        assert_eq!(created["verification"]["state"], "unverified");
    }
    let without_label = world.put("/v1/numbers/+12065550114", json!({ "account": "main" })).await;
    assert_eq!(errors(&without_label, 400), [("label".to_owned(), "invalid_field".to_owned())]);
    check(&world.put("/v1/numbers/5550114", json!({})).await, 400, "invalid_field");
    check(&world.put("/v1/numbers/+0206555", json!({})).await, 422, "number_invalid");
}

#[tokio::test]
async fn r31_a_put_cannot_say_that_a_number_is_verified() {
    let world = quick();
    let verified = json!({ "label": "New", "account": "main", "verification": { "state": "verified", "x": 1 } });
    let created = shown(&world.put("/v1/numbers/+12065550109", &verified).await, 201);
    assert_eq!(created["verification"]["state"], "unverified");
    let queue = json!({ "name": "Night", "inbound_numbers": ["+12065550109"] });
    let refused = world.put("/v1/queues/night", queue).await;
    assert_eq!(errors(&refused, 409), [("inbound_numbers".to_owned(), "number_not_verified".to_owned())]);
    let kept =
        shown(&world.put(&format!("/v1/numbers/{SALES}"), json!({ "label": "S", "account": "main" })).await, 200);
    assert_eq!(kept["verification"]["state"], "verified", "and a PUT takes nothing away");
}

#[tokio::test]
async fn a42_a_queue_is_not_its_own_ancestor_and_inherits_from_the_nearest() {
    let world = TestGateway::with(|directory| directory.queues.clear(), &[]);
    let put = async |id: &str, body: Value| world.put(&format!("/v1/queues/{id}"), body).await;
    check(&put("a", json!({ "name": "A", "parent": "a" })).await, 422, "parent_cycle");
    for (id, parent) in [("a", Value::Null), ("b", json!("a")), ("c", json!("b"))] {
        assert_eq!(put(id, json!({ "name": id, "parent": parent })).await.status, 201);
    }
    let cycle = put("a", json!({ "name": "A", "parent": "c" })).await;
    check(&cycle, 422, "parent_cycle");
    assert_eq!(errors(&cycle, 422)[0].0, "parent");

    let effective = async |id: &str| {
        let queue = shown(&world.get(&format!("/v1/queues/{id}")).await, 200);
        assert_eq!((&queue["in_call_sms"], &queue["language"]), (&Value::Null, &Value::Null), "{id}");
        queue["effective"].clone()
    };
    assert_eq!(effective("c").await, json!({ "in_call_sms": true, "language": "en" }));
    put("a", json!({ "name": "A", "in_call_sms": false, "language": "it" })).await;
    assert_eq!(effective("c").await, json!({ "in_call_sms": false, "language": "it" }));
    let in_use = world.delete("/v1/queues/b").await;
    check(&in_use, 409, "queue_in_use");
    assert!(in_use.body.contains("queues.c.parent"), "{}", in_use.body);
}

#[tokio::test]
async fn r19_r20_r21_r22_r23_numbers_of_queues_are_assigned_over_http() {
    let world = TestGateway::with(
        |directory| {
            let sales = directory.numbers[&SALES.parse().unwrap()].clone();
            for number in ["+12065550104", "+12065550105"] {
                directory.numbers.insert(number.parse().unwrap(), sales.clone());
            }
            without_limits(directory);
        },
        &[],
    );
    // R20, R23: several inbound and several outbound numbers. R21: an inbound number sends for others, too.
    let queue = json!({ "name": "Night", "inbound_numbers": ["+12065550104", "+12065550105"],
        "outbound_numbers": [SHARED, SUPPORT], "default_outbound": "+12065550105" });
    let created = shown(&world.put("/v1/queues/night", &queue).await, 201);
    assert_eq!(created["inbound_numbers"], queue["inbound_numbers"]);
    let shared = shown(&world.get(&format!("/v1/numbers/{SHARED}")).await, 200);
    assert_eq!(shared["queues"], json!({ "inbound": null, "outbound": ["night", "sales", "support"] }), "R22");

    // It is in use at once: a call in the queue is texted from it, and a text to either number finds the call.
    let body = json!({ "caller": CALLER, "queue": "night" });
    assert_eq!(world.put("/v1/calls/c-1", body).await.status, 201);
    let sent = shown(&world.post("/v1/calls/c-1/messages", json!({ "text": "hello" })).await, 202);
    assert_eq!(sent["from"], "+12065550105");
    let webhook = text("SM1", "hi").replace("%2B12065550100", "%2B12065550104");
    assert_eq!(world.webhook(signed("/carriers/main/messages", &webhook)).await.status, 200);
    assert_eq!(world.count(|event| matches!(event, Event::MessageReceived { .. })), 1);

    // R19: one queue only. R21: an outbound number does not become inbound while queues hold it so.
    let taken = json!({ "name": "Sales", "inbound_numbers": [SALES, "+12065550104"] });
    check(&world.put("/v1/queues/sales", &taken).await, 409, "inbound_number_taken");
    let outbound = json!({ "name": "Sales", "inbound_numbers": [SALES, SHARED] });
    check(&world.put("/v1/queues/sales", &outbound).await, 409, "outbound_only");
}

#[tokio::test]
async fn r18_r27_a38_a41_chat_and_global_numbers_are_not_assigned() {
    let world = quick();
    let number = |changes: Value| {
        let mut body = json!({ "label": "x", "account": "main" });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let path = format!("/v1/numbers/{SALES}");
    let in_use = world.put(&path, number(json!({ "purpose": "chat" }))).await;
    check(&in_use, 409, "number_in_use");
    assert!(in_use.body.contains("queue sales"), "{}", in_use.body);
    let global = number(json!({ "global_outbound": true }));
    check(&world.put(&path, &global).await, 409, "number_is_global_outbound");
    check(&world.put(&format!("{path}?force=yes"), &global).await, 400, "invalid_field");
    assert_eq!(shown(&world.put(&format!("{path}?force=true"), &global).await, 200)["global_outbound"], true);
    let support = json!({ "name": "Support", "inbound_numbers": [SUPPORT], "outbound_numbers": [SALES] });
    check(&world.put("/v1/queues/support", &support).await, 409, "number_is_global_outbound");
    assert_eq!(world.put("/v1/queues/support?force=true", &support).await.status, 200);

    // Released by both queues, it becomes a number for chat, and no queue gets it.
    for (id, inbound) in [("support", json!([SUPPORT])), ("sales", json!([]))] {
        let body = json!({ "name": id, "inbound_numbers": inbound });
        assert_eq!(world.put(&format!("/v1/queues/{id}"), body).await.status, 200);
    }
    assert_eq!(world.put(&path, number(json!({ "purpose": "chat" }))).await.status, 200);
    check(&world.put("/v1/queues/support?force=true", &support).await, 409, "number_is_chat");
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted_and_says_by_what() {
    let world = quick();
    let number = format!("/v1/numbers/{SUPPORT}");
    let held = world.delete(&number).await;
    check(&held, 409, "number_in_use");
    assert!(held.body.contains("queues.support.inbound_numbers"), "{}", held.body);

    world.start_call("c-1").await;
    assert_eq!(world.post("/v1/calls/c-1/messages", json!({ "text": "hi" })).await.status, 202);
    let busy = world.delete("/v1/queues/support").await;
    check(&busy, 409, "queue_in_use");
    assert!(busy.body.contains("1 live call is in it"), "{}", busy.body);

    // No queue holds it any more, but the call does, and then the closing message.
    assert_eq!(
        world.put("/v1/queues/support", json!({ "name": "Support", "outbound_numbers": [SHARED] })).await.status,
        200
    );
    check(&world.delete(&number).await, 409, "still_texting");
    let queued = world.delete(&number).await.json()["detail"].as_str().unwrap().to_owned();
    assert!(queued.contains("1 live call texts from it, and texts wait in its lane"), "{queued}");
    assert_eq!(world.post("/v1/calls/c-1/end", json!({})).await.status, 200);
    // The text that waited is cancelled, and no session was opened, so there is no closing message either.
    assert_eq!(world.delete(&number).await.status, 204);
    assert_eq!(world.delete("/v1/queues/support").await.status, 204);
    check(&world.get(&number).await, 404, "number_not_found");
}

#[tokio::test]
async fn r16_r17_activation_is_required_until_a_us_number_is_verified() {
    let world = TestGateway::with(
        |directory| {
            directory.queues.clear();
            for entry in directory.numbers.values_mut() {
                entry.verification = Default::default();
            }
        },
        &[],
    );
    let required = async || shown(&world.get("/v1/settings").await, 200)["activation_required"].clone();
    assert_eq!(required().await, true);
    let number = SUPPORT.parse().unwrap();
    let said = Said::Found { sms: true, mms: true, webhook: Webhook::Here };
    let (account, address) = ("main".to_owned(), "https://sms.example.com/carriers/main/messages".to_owned());
    let command = Command::NumberChecked { number, account, said, address };
    world.handle.submit(command, Duration::from_secs(10)).await.unwrap();
    assert_eq!(required().await, false);
    // It is shown, and not set.
    let settings = shown(&world.put("/v1/settings", json!({ "activation_required": true })).await, 200);
    assert_eq!(settings["activation_required"], false);
}
