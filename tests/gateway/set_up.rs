//! A gateway with nothing in it, set up over HTTP alone, and then used by callers and agents.

use crate::process::{Outside, SOON};
use offhook::model::E164;
use offhook::sim::carrier::CarrierSettings;
use offhook::sim::phone::Phone;
use serde_json::{Value, json};

/// Two inbound numbers of the support queue, and two that send for it and for sales.
const FIRST: &str = "+12065550100";
const SECOND: &str = "+12065550101";
const OUTBOUND: [&str; 2] = ["+12065550102", "+12065550103"];

#[tokio::test(flavor = "multi_thread")]
async fn r14_r15_r16_r20_r22_r23_r39_r57_r61_what_is_set_up_over_http_is_what_people_get() {
    let numbers: Vec<E164> = [FIRST, SECOND].iter().chain(&OUTBOUND).map(|number| number.parse().unwrap()).collect();
    let nothing = json!({ "settings": {}, "numbers": {}, "queues": {}, "presets": {}, "opt_outs": [] });
    let world =
        Outside::new(CarrierSettings { numbers: numbers.clone(), ..CarrierSettings::default() }, &nothing).await;
    let _gateway = world.start().await;
    assert_eq!(get(&world, "/v1/settings").await["activation_required"], true);
    set_up(&world).await;
    assert_eq!(get(&world, "/v1/settings").await["activation_required"], false);

    // R20: a text to either inbound number reaches the call.
    let call = json!({ "caller": "+14155550150", "queue": "support", "agent": "a-1" });
    assert_eq!(world.client.put_call("c-1", &call).await.unwrap().status, 201);
    let phone = world.carrier.phone("+14155550150".parse().unwrap());
    assert!(phone.text(FIRST.parse().unwrap(), "to the first").await.acknowledged());
    assert!(phone.text(SECOND.parse().unwrap(), "to the second").await.acknowledged());
    let transcript = get(&world, "/v1/calls/c-1/messages").await;
    let texts = transcript["items"].as_array().unwrap().iter().map(|item| item["text"].clone()).collect::<Vec<_>>();
    assert_eq!(texts, ["to the first", "to the second"]);

    // R22, R23: an agent of sales texts from an outbound number that support has too. R39: by the preset as saved.
    let call = json!({ "caller": "+14155550151", "queue": "sales", "agent": "a-2", "language": "it" });
    assert_eq!(world.client.put_call("c-2", &call).await.unwrap().status, 201);
    let buyer = world.carrier.phone("+14155550151".parse().unwrap());
    assert_eq!(world.client.send_preset("c-2", "welcome", "a-2").await.unwrap().status, 202);
    assert_eq!(nth_text(&buyer, 1).await, (OUTBOUND[1].to_owned(), "Buongiorno, salvato.".to_owned()));
    for number in OUTBOUND {
        let shown = get(&world, &format!("/v1/numbers/{number}")).await;
        assert_eq!(shown["queues"]["outbound"], json!(["sales", "support"]), "{number}");
    }
    // One with the other as its default sends from that one.
    let sales = json!({ "name": "Sales", "outbound_numbers": OUTBOUND, "default_outbound": OUTBOUND[0] });
    put(&world, "/v1/queues/sales", sales, 200).await;
    let call = json!({ "caller": "+14155550152", "queue": "sales", "agent": "a-2" });
    assert_eq!(world.client.put_call("c-3", &call).await.unwrap().status, 201);
    let third = world.carrier.phone("+14155550152".parse().unwrap());
    assert_eq!(world.client.send_text("c-3", "hello", "a-2").await.unwrap().status, 202);
    assert_eq!(nth_text(&third, 1).await, (OUTBOUND[0].to_owned(), "hello".to_owned()));

    // R57: the closing message as it was saved. R61: the auto-reply as it was saved.
    assert_eq!(world.client.send_text("c-1", "thanks", "a-1").await.unwrap().status, 202);
    nth_text(&phone, 1).await;
    assert_eq!(world.client.end_call("c-1", "agent_hangup").await.unwrap().status, 200);
    assert_eq!(nth_text(&phone, 2).await.1, "Bye, as saved.");
    assert!(phone.text(FIRST.parse().unwrap(), "one more thing").await.acknowledged());
    assert_eq!(nth_text(&phone, 3).await.1, "Call us, as saved.");

    // R14: one switch turns all of it off.
    put(&world, "/v1/settings", json!({ "in_call_sms": false }), 200).await;
    assert_eq!(world.client.send_text("c-3", "too late", "a-2").await.unwrap().code(), "in_call_sms_off");
}

/// What an administrator does on the first day, in this order.
async fn set_up(world: &Outside) {
    let settings = json!({
        "in_call_sms": true,
        "closing": { "enabled": true, "texts": { "en": "Bye, as saved." } },
        "auto_reply": { "enabled": true, "texts": { "en": "Call us, as saved." } },
    });
    put(world, "/v1/settings", settings, 200).await;
    let all: Vec<&str> = [FIRST, SECOND].into_iter().chain(OUTBOUND).collect();
    for number in &all {
        let limits = json!({ "segments_per_second": 50.0, "burst": 50 });
        let body = json!({ "label": format!("Line {number}"), "account": "main", "limits": limits });
        put(world, &format!("/v1/numbers/{number}"), body, 201).await;
    }
    let queue = json!({ "name": "Support", "inbound_numbers": [FIRST, SECOND], "outbound_numbers": OUTBOUND });
    let early = put(world, "/v1/queues/support", queue.clone(), 409).await;
    assert_eq!(early["code"], "number_not_verified");
    let numbers = json!({ "numbers": all });
    let verified = world.client.ask("POST".parse().unwrap(), "/v1/numbers/verify", Some(&numbers)).await.unwrap().json;
    assert!(verified["results"].as_array().unwrap().iter().all(|one| one["state"] == "verified"), "{verified}");
    put(world, "/v1/queues/support", queue, 201).await;
    let sales = json!({ "name": "Sales", "outbound_numbers": OUTBOUND, "default_outbound": OUTBOUND[1] });
    put(world, "/v1/queues/sales", sales, 201).await;
    put(world, "/v1/presets/it/welcome", json!({ "label": "Benvenuto", "text": "Buongiorno, salvato." }), 201).await;
}

#[track_caller]
fn expect(status: u16, expected: u16, body: &Value) {
    assert_eq!(status, expected, "{body}");
}

async fn put(world: &Outside, path: &str, body: Value, expected: u16) -> Value {
    let answer = world.client.ask("PUT".parse().unwrap(), path, Some(&body)).await.unwrap();
    expect(answer.status, expected, &answer.json);
    answer.json
}

async fn get(world: &Outside, path: &str) -> Value {
    let answer = world.client.ask("GET".parse().unwrap(), path, None).await.unwrap();
    expect(answer.status, 200, &answer.json);
    answer.json
}

/// Which of our numbers the nth text on a phone came from, and what it says.
async fn nth_text(phone: &Phone, nth: usize) -> (String, String) {
    let arrived = phone.wait_for(nth, SOON).await.unwrap();
    let last = &arrived[nth - 1];
    (last.from.to_string(), (*last.text).to_owned())
}
