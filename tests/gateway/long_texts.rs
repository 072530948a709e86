//! What carriers deliver in pieces: long texts in parts, and receipts that have only the carrier's id.

use crate::process::{Outside, SOON, wire};
use crate::shared::{OURS, on_the_phone, world};
use bytes::Bytes;
use http::{HeaderMap, Method};
use offhook::carrier::Webhook;
use offhook::carrier::twilio;
use offhook::carrier::vonage_sms::{SignatureMethod, sign};
use offhook::model::Secret;
use offhook::sim::carrier::{ACCOUNT_SID, AUTH_TOKEN, Behaviour, CarrierSettings};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const SECRET: &str = "abcDEF0123456789ghiJKL";
const PATH: &str = "/carriers/parts/messages";

/// An account of Vonage's SMS API beside the simulated Twilio.
fn with_vonage_sms(world: &Outside) {
    world.home.write("vonage", "vonage-api-secret");
    world.home.write("vonage-signature", SECRET);
    let account = "[[account]]\nname = \"parts\"\ncarrier = \"vonage_sms\"\npublic_url = \"https://gw.example.com\"\n\
                   api_url = \"http://127.0.0.1:9\"\napi_key = \"a1b2c3d4\"\napi_secret_file = \"vonage\"\n\
                   signature_secret_files = [\"vonage-signature\"]\nsignature_method = \"sha256\"\n\n";
    world.home.configure(|text| text.replacen("[[account]]", &format!("{account}[[account]]"), 1));
}

/// A part as Vonage posts it, signed. `text` is JSON, so that half a character can be written.
async fn part(world: &Outside, from: &str, id: &str, (number, total): (u8, u8), text: &str) -> u16 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let body = |sig: &str| {
        format!(
            r#"{{"msisdn":"{}","to":"{}","messageId":"{id}","text":{text},"type":"unicode","keyword":"HI",
            "message-timestamp":"2026-11-30 11:00:00","api-key":"a1b2c3d4","concat":"true","concat-ref":"7",
            "concat-total":"{total}","concat-part":"{number}","timestamp":"{now}","nonce":"n-{id}"{sig}}}"#,
            from.trim_start_matches('+'),
            OURS.trim_start_matches('+'),
        )
    };
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, "application/json".parse().unwrap())]);
    let hook = Webhook { method: Method::POST, path_and_query: PATH.to_owned(), headers, body: Bytes::from(body("")) };
    let sig = sign(SignatureMethod::HmacSha256, &Secret::new(SECRET), &hook).unwrap();
    let body = body(&format!(r#","sig":"{sig}""#));
    let door = world.home.doors.carriers;
    wire::ask(door, "POST", PATH, &["Content-Type: application/json"], body.as_bytes()).await.unwrap().status
}

async fn received(world: &Outside, call: &str) -> Value {
    let is_it = |event: &offhook::sim::platform::Delivery| {
        event.kind == "message.received" && event.call_id.as_deref() == Some(call)
    };
    world.platform.wait_for(SOON, is_it).await.unwrap().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a53_a_long_text_in_parts_is_one_message_through_a_kill() {
    let world = world().await;
    with_vonage_sms(&world);
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let from = caller.number.to_string();
    assert_eq!(part(&world, &from, "p2", (2, 3), r#""\ude00, the meter""#).await, 200);
    gateway.kill();
    let _gateway = world.start().await;
    for _ in 0..2 {
        assert_eq!(part(&world, &from, "p3", (3, 3), r#"" reads 4711""#).await, 200);
    }
    assert_eq!(part(&world, &from, "p1", (1, 3), r#""hello \ud83d""#).await, 200);
    let message = received(&world, &caller.call).await;
    assert_eq!(message["data"]["text"], "hello \u{1f600}, the meter reads 4711");
    assert_eq!((&message["data"]["segments"], message["data"].get("incomplete")), (&json!(3), None));

    for (id, number) in [("p1", 1), ("p2", 2), ("p3", 3)] {
        assert_eq!(part(&world, &from, id, (number, 3), r#""again""#).await, 200);
    }
    let events = caller.hangs_up(&world).await;
    assert_eq!(crate::shared::count(&events, "message.received"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_waiting_parts_are_erased_with_their_sender() {
    let world = world().await;
    with_vonage_sms(&world);
    let _gateway = world.start().await;
    assert_eq!(part(&world, "+14155550177", "p1", (1, 2), r#""a secret sparrow""#).await, 200);
    let body = json!({ "number": "+14155550177" });
    let begun = world.client.ask(Method::POST, "/v1/erasures", Some(&body)).await.unwrap();
    assert_eq!(begun.status, 202, "{}", begun.json);
    let path = format!("/v1/erasures/{}", begun.text("/id"));
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let erasure = world.client.ask(Method::GET, &path, None).await.unwrap();
        if erasure.text("/state") == "done" {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{}", erasure.json);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(files_with(&world, b"secret sparrow"), Vec::<String>::new());
    assert_eq!(files_with(&world, b"14155550177"), Vec::<String>::new());
}

/// The files below the data directory that hold these bytes.
fn files_with(world: &Outside, bytes: &[u8]) -> Vec<String> {
    fn walk(folder: &std::path::Path, bytes: &[u8], found: &mut Vec<String>) {
        // A gateway at work deletes what it wrote aside.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, bytes, found);
            } else if std::fs::read(&path).is_ok_and(|read| read.windows(bytes.len()).any(|window| window == bytes)) {
                found.push(path.display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(&world.home.data(), bytes, &mut found);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a61_a_receipt_without_our_id_finds_its_text_by_the_carriers() {
    let world = world().await;
    world.carrier.set_behaviour(Behaviour { receipts_missing: 1.0, ..Behaviour::default() });
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let sent = world.client.send_text(&caller.call, "hello", "a-1").await.unwrap();
    assert_eq!(sent.status, 202, "{}", sent.json);
    let of_kind = |kind: &'static str| {
        let call = caller.call.clone();
        world.platform.wait_for(SOON, move |event| event.kind == kind && event.call_id.as_deref() == Some(&*call))
    };
    of_kind("message.sent").await.unwrap();
    let sid = world.carrier.record().posts[0].sid.clone().unwrap();

    let settings = CarrierSettings::default();
    let form = format!("MessageSid={sid}&MessageStatus=delivered&AccountSid={ACCOUNT_SID}");
    let path = "/carriers/main/receipts";
    let url = format!("{}{path}", settings.public_url);
    let signature = twilio::sign(&Secret::new(AUTH_TOKEN), &url, form.as_bytes());
    let head = ["Content-Type: application/x-www-form-urlencoded", &format!("X-Twilio-Signature: {signature}")];
    let answer = wire::ask(world.home.doors.carriers, "POST", path, &head, form.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.head);
    of_kind("message.delivered").await.unwrap();
}
