//! Bad webhooks of every carrier, at accounts of all of them in one gateway.

use crate::accounts::{
    self, CARRIERS, bandwidth, infobip, messages, post, post_with, signed, telnyx_signed, text, unsigned_vonage_sms,
    vonage_token, written,
};
use crate::operate::get;
use crate::process::{Gateway, Outside, SOON};
use crate::shared::{OnThePhone, count, on_the_phone, world};
use offhook::sim::platform::Delivery;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Instant;

/// A gateway with an account of every carrier.
async fn gateway() -> (Outside, Gateway) {
    let world = world().await;
    accounts::add(&world);
    let gateway = world.start().await;
    (world, gateway)
}

/// Waits until a counter of webhooks has this value.
async fn counted(gateway: &Gateway, account: &str, outcome: &str, value: u64) {
    let line = format!("offhook_webhooks_total{{account=\"{account}\",outcome=\"{outcome}\"}} {value}");
    let give_up = Instant::now() + SOON;
    loop {
        let metrics = gateway.metrics().await;
        if metrics.lines().any(|found| found == line) {
            return;
        }
        let found = metrics.lines().filter(|found| found.starts_with("offhook_webhooks_total")).collect::<Vec<_>>();
        assert!(Instant::now() < give_up, "{line} is not in {found:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The texts that came to a call, in order.
async fn received(world: &Outside, caller: &OnThePhone) -> Vec<String> {
    let events = caller.hangs_up(world).await;
    let texts = events.iter().filter(|event| event.kind == "message.received");
    texts.map(|event| event.json()["data"]["text"].as_str().unwrap().to_owned()).collect()
}

async fn quarantined(world: &Outside) -> Vec<Value> {
    get(world, "/v1/quarantine?limit=500").await.json["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a59_a_webhook_of_one_carrier_at_the_account_of_another_is_refused() {
    let (world, gateway) = gateway().await;
    let caller = on_the_phone(&world).await;
    let number = caller.number.to_string();
    for from in CARRIERS {
        for to in CARRIERS.into_iter().filter(|to| *to != from) {
            let path = messages(to);
            let body = text(from, &format!("x-{from}-{to}"), &written(from, &number), r#""not for you""#);
            // Signed for where it comes to, as a carrier does whose webhooks were pointed there.
            let (head, body) = signed(from, &path, &body);
            let answer = post_with(&world, &path, &head, &body).await;
            assert!([401, 403, 503].contains(&answer.status), "{from} to {to}: {} {}", answer.status, answer.body);
        }
    }
    // Each carrier's own account takes it.
    for carrier in CARRIERS {
        let words = format!("\"by {carrier}\"");
        let answer =
            post(&world, carrier, &text(carrier, &format!("y-{carrier}"), &written(carrier, &number), &words)).await;
        assert_eq!(answer.status, 200, "{carrier}: {}", answer.body);
        counted(&gateway, carrier, "taken", 1).await;
    }
    assert_eq!(received(&world, &caller).await, CARRIERS.map(|carrier| format!("by {carrier}")));
    assert_eq!(quarantined(&world).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a59_webhooks_of_telnyx_have_a_time_near_ours() {
    let (world, gateway) = gateway().await;
    let caller = on_the_phone(&world).await;
    let now = accounts::now();
    let times = [now - 360, now + 360, now - 200, now + 200].map(|time| time.to_string());
    let no_numbers = ["soon", "", "2026-11-30T06:00:00Z"].map(str::to_owned);
    let path = messages("telnyx");
    let mut statuses = Vec::new();
    for (nth, time) in times.iter().chain(&no_numbers).enumerate() {
        let body = text("telnyx", &format!("t{nth}"), &caller.number.to_string(), &format!("\"{nth}\""));
        statuses.push(post_with(&world, &path, &telnyx_signed(time, &body), &body).await.status);
    }
    assert_eq!(statuses, [403, 403, 200, 200, 403, 403, 403]);
    counted(&gateway, "telnyx", "bad_signature", 5).await;
    assert_eq!(received(&world, &caller).await, ["2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a59_tokens_of_vonage_are_hs256_of_this_body_and_of_our_time() {
    let (world, gateway) = gateway().await;
    let caller = on_the_phone(&world).await;
    let number = written("vonage", &caller.number.to_string());
    let (path, now) = (messages("vonage"), accounts::now());
    let hs256 = json!({ "alg": "HS256", "typ": "JWT" });
    let mut statuses = Vec::new();
    for (nth, (head, claim)) in [
        (Some(&json!({ "alg": "none" })), json!({})),
        (Some(&json!({ "alg": "RS256" })), json!({})),
        (Some(&hs256), json!({ "payload_hash": format!("{:x}", Sha256::digest("{}")) })),
        // These come again, when they may be signed: after a 4xx Vonage would give them up.
        (None, json!({})),
        (Some(&hs256), json!({ "exp": now - 10 })),
        (Some(&hs256), json!({ "iat": now + 3_600 })),
        (Some(&hs256), json!({})),
    ]
    .into_iter()
    .enumerate()
    {
        let body = text("vonage", &format!("v{nth}"), &number, &format!("\"{nth}\""));
        let mut claims = json!({ "iat": now, "iss": "Vonage", "payload_hash": format!("{:x}", Sha256::digest(&body)) });
        claims.as_object_mut().unwrap().extend(claim.as_object().unwrap().clone());
        let mut lines = vec!["Content-Type: application/json".to_owned()];
        lines.extend(head.map(|head| format!("Authorization: Bearer {}", vonage_token(head, &claims))));
        statuses.push(post_with(&world, &path, &lines, &body).await.status);
    }
    assert_eq!(statuses, [403, 403, 403, 503, 503, 503, 200]);
    counted(&gateway, "vonage", "bad_signature", 6).await;
    assert_eq!(received(&world, &caller).await, ["6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a59_bandwidth_is_asked_for_its_password_which_is_no_forgery() {
    let (world, gateway) = gateway().await;
    let caller = on_the_phone(&world).await;
    let body = text("bandwidth", "b1", &caller.number.to_string(), r#""hello""#);
    let path = messages("bandwidth");
    let (head, _) = signed("bandwidth", &path, &body);
    let asked = post_with(&world, &path, &head[..1], &body).await;
    assert_eq!(asked.status, 401);
    assert!(asked.head.to_ascii_lowercase().contains("www-authenticate: basic"), "{}", asked.head);
    counted(&gateway, "bandwidth", "challenge", 1).await;
    let wrong = ["Authorization: Basic Ync6Z3Vlc3NlZA==".to_owned()];
    let refused = post_with(&world, &path, &wrong, &body).await;
    assert_eq!((refused.status, refused.head.to_ascii_lowercase().contains("www-authenticate")), (403, false));
    counted(&gateway, "bandwidth", "bad_signature", 1).await;
    let forgeries = world.home.log().lines().filter(|line| line.contains("account=\"bandwidth\"")).count();
    assert_eq!(forgeries, 1, "only the wrong one is reported: {}", world.home.log());
    assert_eq!(post(&world, "bandwidth", &body).await.status, 200);
    assert_eq!(received(&world, &caller).await, ["hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_of_none_to_500_items_keep_their_order_and_their_good_items() {
    let (world, gateway) = gateway().await;
    let array = |items: &[String]| format!("[{}]", items.join(",")).into_bytes();
    assert_eq!(post(&world, "bandwidth", b"[]").await.status, 200);
    assert_eq!(post(&world, "infobip", br#"{"results":[]}"#).await.status, 200);
    counted(&gateway, "bandwidth", "ignored", 1).await;
    counted(&gateway, "infobip", "ignored", 1).await;

    let caller = on_the_phone(&world).await;
    let number = caller.number.to_string();
    let item = |nth: usize| bandwidth(&format!("a{nth}"), &number, &format!("\"{nth}\""));
    let mut all: Vec<_> = (0..500).map(item).collect();
    assert_eq!(post(&world, "bandwidth", &array(&all[..1])).await.status, 200);
    // With the same item twice, and one that cannot be read.
    all.insert(250, item(249));
    all.insert(300, r#"{"type":"message-received","message":{"id":"bad"}}"#.to_owned());
    assert_eq!(post(&world, "bandwidth", &array(&all)).await.status, 200);
    assert_eq!(post(&world, "bandwidth", &array(&all)).await.status, 200, "as a carrier repeats it");
    assert_eq!(received(&world, &caller).await, (0..500).map(|nth| nth.to_string()).collect::<Vec<_>>());
    let bad = quarantined(&world).await;
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert_eq!(bad[0]["account"], "bandwidth");

    let caller = on_the_phone(&world).await;
    let number = written("infobip", &caller.number.to_string());
    let of = |id: &str, words: &str| infobip(id, &number, &format!("\"{words}\""));
    let results = [of("i1", "one"), "{}".to_owned(), of("i2", "two"), of("i1", "one")].join(",");
    assert_eq!(post(&world, "infobip", format!(r#"{{"results":[{results}]}}"#).as_bytes()).await.status, 200);
    assert_eq!(received(&world, &caller).await, ["one", "two"]);
    assert_eq!(quarantined(&world).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_of_10_000_items_is_taken_in_whole_and_one_over_the_size_limit_is_not() {
    let (world, gateway) = gateway().await;
    // The shortest events that Bandwidth could send: so many are just below the limit.
    let item = |nth: usize| format!(r#"{{"type":"message-sent","message":{{"id":"{nth:05}"}}}}"#);
    let body = format!("[{}]", (0..10_000).map(item).collect::<Vec<_>>().join(","));
    assert!((470 * 1_024..512 * 1_024).contains(&body.len()), "{}", body.len());
    let give_up = Instant::now() + 4 * SOON;
    // A busy machine may need several times, as from the carrier; what is stored is then a duplicate.
    while post(&world, "bandwidth", body.as_bytes()).await.status != 200 {
        assert!(Instant::now() < give_up, "it is never acknowledged");
    }
    assert_eq!(quarantined(&world).await, Vec::<Value>::new());
    let kept = "offhook_receipts_total{account=\"bandwidth\",outcome=\"kept\"} 10000";
    let metrics = gateway.metrics().await;
    let receipts: Vec<_> = metrics.lines().filter(|line| line.starts_with("offhook_receipts_total")).collect();
    assert!(receipts.contains(&kept), "{receipts:#?}");

    let long = format!("[{}]", " ".repeat(512 * 1_024));
    assert_eq!(post(&world, "bandwidth", long.as_bytes()).await.status, 413);
    assert_eq!(post(&world, "telnyx", " ".repeat(64 * 1_024 + 1).as_bytes()).await.status, 413);
}

/// Posts a part of a text as Vonage's SMS API does.
async fn part(world: &Outside, from: &str, id: &str, reference: &str, (number, total): (u32, u32), words: &str) {
    let more =
        format!(r#","concat":"true","concat-ref":"{reference}","concat-total":"{total}","concat-part":"{number}""#);
    let body = unsigned_vonage_sms(id, from, &json!(words).to_string(), &more);
    let answer = post(world, "vonage_sms", body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{id}: {}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_make_no_sense_come_by_themselves_and_mixed_texts_are_put_together() {
    let (world, _gateway) = gateway().await;
    let caller = on_the_phone(&world).await;
    let from = written("vonage_sms", &caller.number.to_string());
    for (nth, place) in [(3, 2), (0, 0), (0, 2), (1, 0), (256, 256), (1, 70_000)].into_iter().enumerate() {
        part(&world, &from, &format!("odd{nth}"), "1", place, &format!("odd {nth}")).await;
    }
    // Two texts at once, each part twice.
    for (id, reference, place, words) in [
        ("a2", "7", (2, 2), "second"),
        ("b1", "8", (1, 2), "other first, "),
        ("a2", "7", (2, 2), "second"),
        ("a1", "7", (1, 2), "first, "),
        ("b2", "8", (2, 2), "other second"),
        ("b1", "8", (1, 2), "other first, "),
    ] {
        part(&world, &from, id, reference, place, words).await;
    }
    // The most parts that a text can have, the last first.
    for number in (1..=255).rev() {
        part(&world, &from, &format!("l{number}"), "9", (number, 255), &format!("{number} ")).await;
    }
    // One that is never completed waits.
    part(&world, &from, "m1", "10", (1, 2), "never").await;
    let long: String = (1..=255).map(|number| format!("{number} ")).collect();
    let texts = received(&world, &caller).await;
    let odd = (0..6).map(|nth| format!("odd {nth}"));
    let expected: Vec<_> = odd.chain(["first, second".into(), "other first, other second".into(), long]).collect();
    assert_eq!(texts, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_senders_are_acknowledged_by_every_carrier_and_join_no_call() {
    let (world, _gateway) = gateway().await;
    let caller = on_the_phone(&world).await;
    let digits = caller.number.to_string().trim_start_matches('+').to_owned();
    let odd = [
        format!("00{digits}"),
        format!("++{digits}"),
        digits[1..].to_owned(),
        "12345".to_owned(),
        "ACME Parcel".to_owned(),
        "+".to_owned(),
        "anonymous".to_owned(),
    ];
    for carrier in CARRIERS {
        for (nth, from) in odd.iter().enumerate() {
            let answer = post(&world, carrier, &text(carrier, &format!("o{nth}"), from, r#""who is this?""#)).await;
            assert_eq!(answer.status, 200, "{from} by {carrier}: {}", answer.body);
        }
        let ours = written(carrier, &caller.number.to_string());
        assert_eq!(post(&world, carrier, &text(carrier, "right", &ours, r#""it is me""#)).await.status, 200);
    }
    assert_eq!(received(&world, &caller).await, ["it is me"; CARRIERS.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a58_a_text_in_any_encoding_is_kept_by_every_carrier() {
    let (world, _gateway) = gateway().await;
    let caller = on_the_phone(&world).await;
    let number = caller.number.to_string();
    // What a form can say too, and what only JSON can.
    let whole = [r#""\u0000""#, r#""\u202e\ufeff 👩‍👩‍👧‍👦 è €\r\n""#, r#""\ud83d\ude00""#];
    let halves = [r#""cut \ud83d""#, r#""\ude00 cut""#];
    for carrier in CARRIERS {
        let from = written(carrier, &number);
        let is_form = matches!(carrier, "main" | "plivo");
        let words = whole.iter().chain(halves.iter().filter(|_| !is_form));
        for (nth, words) in words.enumerate() {
            let answer = post(&world, carrier, &text(carrier, &format!("e{nth}"), &from, words)).await;
            assert_eq!(answer.status, 200, "{words} by {carrier}: {}", answer.body);
        }
        // Bytes that are not UTF-8: Latin-1, and half a character.
        let marked = text(carrier, "latin", &from, r#""caf#""#);
        let mark = if is_form { &b"%23"[..] } else { b"#" };
        let place = marked.windows(mark.len()).position(|bytes| bytes == mark).unwrap();
        let cut: &[u8] = if is_form { b"%E9" } else { b"\xe9" };
        let latin = [&marked[..place], cut, &marked[place + mark.len()..]].concat();
        let answer = post(&world, carrier, &latin).await;
        // Parameters that cannot be parsed cannot be signed.
        let expected = if carrier == "vonage_sms" { vec![403, 503] } else { vec![200] };
        assert!(expected.contains(&answer.status), "{carrier}: {} {}", answer.status, answer.body);
    }
    let texts = received(&world, &caller).await;
    let of = |words: &str| texts.iter().filter(|text| *text == words).count();
    assert_eq!((of("\u{0}"), of("😀")), (CARRIERS.len(), CARRIERS.len()), "{texts:?}");
    assert_eq!(of("\u{202e}\u{feff} 👩‍👩‍👧‍👦 è €\r\n"), CARRIERS.len());
    assert_eq!((of("cut \u{fffd}"), of("\u{fffd} cut")), (CARRIERS.len() - 2, CARRIERS.len() - 2), "{texts:?}");
    let lost: Vec<_> = texts.iter().filter(|text| text.starts_with("caf")).collect();
    assert_eq!(lost.len() + quarantined(&world).await.len(), CARRIERS.len() - 1, "{lost:?}");
}

/// A receipt as a carrier posts it, with its own id and ours.
fn receipt(carrier: &str, id: &str, ours: &str, status: &str) -> Vec<u8> {
    let body = match carrier {
        "main" => format!("MessageSid={id}&MessageStatus={status}"),
        "bandwidth" => format!(r#"[{{"type":"message-{status}","message":{{"id":"{id}","tag":"{ours}"}}}}]"#),
        "telnyx" => format!(
            r#"{{"data":{{"event_type":"message.finalized","payload":{{"id":"{id}","direction":"outbound",
            "to":[{{"phone_number":"+14155550101","status":"{status}"}}],"tags":["{ours}"]}}}}}}"#
        ),
        "vonage" => format!(
            r#"{{"channel":"sms","message_uuid":"{id}","to":"14155550101","from":"12065550100","status":"{status}",
            "timestamp":"2026-11-30T06:00:00.000Z","client_ref":"{ours}"}}"#
        ),
        "vonage_sms" => {
            let more = format!(r#","status":"{status}","client-ref":"{ours}""#);
            unsigned_vonage_sms(id, "14155550101", "\"\"", &more)
        }
        "plivo" => format!("MessageUUID={id}&Status={status}&From=12065550100&To=14155550101"),
        "sinch" => format!(
            r#"{{"type":"recipient_delivery_report_sms","batch_id":"{id}","status":"{status}","code":0,
            "recipient":"14155550101","client_reference":"{ours}"}}"#
        ),
        "infobip" => {
            let group = if status == "delivered" { 3 } else { 77 };
            format!(r#"{{"results":[{{"messageId":"{ours}","status":{{"groupId":{group},"name":"{status}"}}}}]}}"#)
        }
        _ => format!(r#"{{"events":[{{"type":"status","id":"{id}","ref":"{ours}","state":"{status}"}}]}}"#),
    };
    body.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_for_nobody_and_with_unknown_words_are_acknowledged_and_change_nothing() {
    let (world, gateway) = gateway().await;
    let caller = on_the_phone(&world).await;
    for carrier in CARRIERS {
        for (nth, ours) in ["msg_0000m9b000000000zz4g000", "gw-1", ""].into_iter().enumerate() {
            for (id, status) in [("r", "delivered"), ("u", "teleported")] {
                let body = receipt(carrier, &format!("{id}{nth}"), ours, status);
                let answer = post(&world, carrier, &body).await;
                assert_eq!(answer.status, 200, "{status} of {ours:?} by {carrier}: {}", answer.body);
            }
        }
    }
    let metrics = gateway.metrics().await;
    let applied =
        metrics.lines().filter(|line| line.starts_with("offhook_receipts_total{") && line.contains("applied"));
    assert!(applied.clone().all(|line| line.ends_with(" 0")), "{:?}", applied.collect::<Vec<_>>());
    assert_eq!(count(&caller.hangs_up(&world).await, "message.delivered"), 0);
    // Only one without any id is unreadable.
    let problems: Vec<_> = quarantined(&world).await.into_iter().map(|entry| entry["problem"].clone()).collect();
    assert!(problems.iter().all(|problem| problem == "messageId is invalid"), "{problems:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a58_a_webhook_of_several_items_is_replayed_item_by_item_once() {
    let world = world().await;
    accounts::add(&world);
    let described = "items = \"events\"";
    world.home.configure(|text| text.replace(described, "items = \"data\""));
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let item = |id: &str, words: &str| json!({ "type": "inbound", "id": id, "from": caller.number.to_string(), "to": crate::shared::OURS, "text": words });
    let items =
        json!({ "events": [item("g1", "first"), item("g2", "second"), item("g1", "first"), item("g3", "third")] });
    assert_eq!(post(&world, "generic", items.to_string().as_bytes()).await.status, 200);
    let listed = quarantined(&world).await;
    assert_eq!(listed[0]["problem"], "data is missing");
    let path = format!("/v1/quarantine/{}/replay", listed[0]["id"].as_str().unwrap());
    let still = crate::operate::post(&world, &path, json!({})).await;
    assert_eq!((still.status, still.text("/code")), (422, "still_unreadable"), "{}", still.json);

    gateway.kill();
    world.home.configure(|text| text.replace("items = \"data\"", described));
    let _gateway = world.start().await;
    let replayed = crate::operate::post(&world, &path, json!({})).await;
    assert_eq!(
        replayed.json["outcomes"],
        json!(["attached", "attached", "duplicate", "attached"]),
        "{}",
        replayed.json
    );
    assert_eq!(crate::operate::post(&world, &path, json!({})).await.status, 404);
    assert_eq!(quarantined(&world).await, Vec::<Value>::new());
    let is_message = |event: &&Delivery| event.kind == "message.received";
    let events = caller.hangs_up(&world).await;
    let events: Vec<_> = events.iter().filter(is_message).map(Delivery::json).collect();
    let texts: Vec<_> = events.iter().map(|event| event["data"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["first", "second", "third"]);
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event["data"]["id"].to_string()).collect();
    assert_eq!(ids.len(), 3, "each is a message of its own");
}
