//! Photos and videos, from the phone to the platform, over the real binary.

use crate::media_faults::{pair, photo, send, transcript};
use crate::process::{Outside, SOON, TOKEN, wire};
use crate::shared::{OURS, OnThePhone, on_the_phone, world};
use bytes::Bytes;
use offhook::sim::carrier::{MediumAnswer, SentMedium};
use offhook::sim::platform::Delivery;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn r1_r2_r12_r13_a49_what_a_caller_sends_is_ready_in_order_and_served_byte_for_byte() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    let files = [
        ("image/jpeg", "image/jpeg", file(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", 700_000)),
        ("image/jpeg", "image/png", file(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 40_000)),
        ("image/gif", "image/gif", file(b"GIF89a\x40\x01\xf0\0", 3_000)),
        ("video/mp4", "video/mp4", file(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", 3_000_000)),
    ];
    let sent = files.iter().map(|(declared, _, bytes)| medium(declared, bytes)).collect();
    assert!(phone.media(OURS.parse().unwrap(), "the meter", sent).await.acknowledged());
    let events = media_events(&world, &caller, files.len()).await;
    assert!(events.iter().all(|event| event["type"] == "media.ready"), "{events:?}");
    let sequences: Vec<_> = events.iter().map(|event| event["call_sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, [3, 4, 5, 6], "after the start and the message");
    let ids: Vec<String> = of_transcript(&world, &caller).await.iter().map(|one| text(&one["id"])).collect();
    for ((_, content_type, bytes), id) in files.iter().zip(&ids) {
        let event = events.iter().find(|event| event["data"]["medium"]["id"] == **id).unwrap();
        let expected = json!({ "id": id, "state": "ready", "content_type": content_type, "bytes": bytes.len(),
            "sha256": hex(bytes), "url": format!("/v1/media/{id}") });
        assert_eq!(event["data"]["medium"], expected);
        check_served(&world, id, content_type, bytes).await;
    }
    assert_eq!(of_transcript(&world, &caller).await[3]["state"], "ready");

    // They are there after a kill, and none is fetched or announced again.
    let fetches = world.carrier.record().fetches.len();
    gateway.kill();
    let _gateway = world.start().await;
    check_served(&world, &ids[0], "image/jpeg", &files[0].2).await;
    assert_eq!(world.carrier.record().fetches.len(), fetches);
    assert!(world.carrier.record().fetches.iter().all(|fetch| !fetch.leaked_credentials));
}

#[tokio::test(flavor = "multi_thread")]
async fn a49_a50_a52_what_is_not_kept_says_why_and_the_text_is_delivered_all_the_same() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    let html = Bytes::from_static(b"<!DOCTYPE html><script>alert(1)</script>");
    let heic = file(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", 5_000);
    let large = file(b"\xff\xd8\xff\xe0", 5 * 1024 * 1024 + 1);
    let good = file(b"GIF89a\x40\x01\xf0\0", 2_000);
    let also_zip = Bytes::from([&good[..], b"PK\x05\x06", &[0; 18]].concat());
    let sent = vec![
        medium("image/jpeg", &html),
        medium("image/jpeg", &heic),
        medium("image/jpeg", &large),
        medium("text/vcard", &Bytes::from_static(b"BEGIN:VCARD")),
        medium("image/gif", &good),
        medium("image/gif", &also_zip),
    ];
    assert!(phone.media(OURS.parse().unwrap(), "here", sent).await.acknowledged());
    let events = media_events(&world, &caller, 6).await;
    let shown = of_transcript(&world, &caller).await;
    let states: Vec<_> = shown.iter().map(|medium| (text(&medium["state"]), text(&medium["reason"]))).collect();
    let failed = |reason: &str| ("failed".to_owned(), reason.to_owned());
    let unsupported = || failed("unsupported_media");
    let ready = ("ready".to_owned(), String::new());
    assert_eq!(states, [unsupported(), unsupported(), failed("too_large"), unsupported(), ready, unsupported()]);
    assert!(text(&shown[0]["detail"]).contains("text/html"), "{}", shown[0]);
    assert_eq!(shown[1]["detail"], "iPhone photo in HEIC: ask the caller to send it as JPEG");
    assert!(text(&shown[3]["detail"]).contains("text/vcard"), "{}", shown[3]);
    assert!(text(&shown[5]["detail"]).contains("application/zip"), "{}", shown[5]);
    assert_eq!(events.iter().filter(|event| event["type"] == "media.failed").count(), 5);
    let answer = get(&world, &text(&shown[0]["id"]), &[]).await;
    assert_eq!((answer.status, code(&answer)), (404, "media_failed".to_owned()));
    check_served(&world, &text(&shown[4]["id"]), "image/gif", &good).await;
    for made_up in ["med_0000000000000000000000", "nothing"] {
        assert_eq!(code(&get(&world, made_up, &[]).await), "media_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a51_a_photo_that_waits_for_the_store_is_ready_after_its_call_has_ended() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let (store, elsewhere) = (world.home.path("data/media"), world.home.path("elsewhere"));
    fs::rename(&store, &elsewhere).unwrap();
    let photo = file(b"\xff\xd8\xff\xe0", 1_000);
    let sent = vec![medium("image/jpeg", &photo)];
    assert!(world.carrier.phone(caller.number).media(OURS.parse().unwrap(), "here", sent).await.acknowledged());
    let ours = |event: &Delivery| event.call_id.as_deref() == Some(&*caller.call);
    let text = world.platform.wait_for(SOON, |event| ours(event) && event.kind == "message.received").await.unwrap();
    assert_eq!(text.json()["data"]["text"], "here", "a text does not wait for its photo");
    let ended = caller.hangs_up(&world).await.pop().unwrap();
    until_readiness_notes(&world, true).await;
    let id = text.json()["data"]["media"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(code(&get(&world, &id, &[]).await), "media_pending");

    fs::rename(&elsewhere, &store).unwrap();
    let ready = media_events(&world, &caller, 1).await.remove(0);
    assert_eq!((&ready["type"], &ready["data"]["medium"]["id"]), (&json!("media.ready"), &json!(id)));
    assert!(ready["call_sequence"].as_u64() > ended.call_sequence, "{ready}");
    check_served(&world, &id, "image/jpeg", &photo).await;
    until_readiness_notes(&world, false).await;
}

/// Waits until the gateway is ready with a note that the store fails, or without one.
async fn until_readiness_notes(world: &Outside, failing: bool) {
    let until = Instant::now() + SOON;
    loop {
        let answer = wire::get(world.home.doors.ops, "/readyz").await.unwrap();
        assert_eq!(answer.status, 200, "texts go on: {}", answer.body);
        if answer.body.contains("the media store is not there") == failing {
            return;
        }
        assert!(Instant::now() < until, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// More callers at once than media are fetched at once, from a carrier that takes its time.
#[tokio::test(flavor = "multi_thread")]
async fn a51_more_media_than_the_worker_takes_all_arrive_in_their_calls_order() {
    const CALLERS: usize = 12;
    const MESSAGES: usize = 2;
    const EACH: usize = 5;
    let world = world().await;
    let _gateway = world.start().await;
    let slowly = MediumAnswer::Slow { pieces: 2, wait: Duration::from_millis(50) };
    let of_message =
        |caller: usize, message: usize| (0..EACH).map(move |nth| (caller * MESSAGES + message) * EACH + nth);
    let sent = |nth: usize| medium("image/jpeg", &photo(nth, 2_000)).answered([slowly.clone()]);
    let callers = futures_util::future::join_all((0..CALLERS).map(|_| on_the_phone(&world))).await;
    let sends = callers.iter().enumerate().map(|(caller, on_the_phone)| {
        let world = &world;
        async move {
            for message in 0..MESSAGES {
                send(world, on_the_phone, of_message(caller, message).map(sent).collect()).await;
            }
        }
    });
    futures_util::future::join_all(sends).await;
    for (caller, on_the_phone) in callers.iter().enumerate() {
        let ours = |event: &Delivery| event.call_id.as_deref() == Some(&*on_the_phone.call);
        let count = 1 + MESSAGES + MESSAGES * EACH;
        let events = world.platform.wait_for_all(count, SOON, ours).await.unwrap();
        let sequences: Vec<u64> = events.iter().map(|event| event.call_sequence.unwrap()).collect();
        assert_eq!(sequences, (1..=count as u64).collect::<Vec<_>>(), "delivered in order, without a gap");
        let ready = events.iter().filter(|event| event.kind == "media.ready").count();
        assert_eq!(ready, MESSAGES * EACH, "caller {caller}");
        for (message, shown) in transcript(&world, on_the_phone).await.iter().enumerate() {
            let media = shown["media"].as_array().unwrap();
            for (nth, of) in of_message(caller, message).zip(media) {
                assert_eq!((text(&of["state"]), text(&of["sha256"])), pair("ready", &hex(&photo(nth, 2_000))), "{of}");
            }
            assert_eq!(media.len(), EACH);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_a_medium_is_served_and_a_known_one_is_not_sent_again() {
    let world = world().await;
    let _gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    let bytes = file(b"\xff\xd8\xff\xe0", 1_000);
    let sent = vec![medium("image/jpeg", &bytes)];
    assert!(phone.media(OURS.parse().unwrap(), "", sent).await.acknowledged());
    media_events(&world, &caller, 1).await;
    let id = text(&of_transcript(&world, &caller).await[0]["id"]);
    for (range, first, last) in [("bytes=0-9", 0, 9), ("bytes=990-", 990, 999), ("bytes=-5", 995, 999)] {
        let answer = get(&world, &id, &[&format!("Range: {range}")]).await;
        assert_eq!(answer.status, 206, "{range}");
        assert!(answer.head.to_lowercase().contains(&format!("content-range: bytes {first}-{last}/1000")), "{range}");
        assert_eq!(answer.bytes, bytes[first..=last], "{range}");
    }
    let beyond = get(&world, &id, &["Range: bytes=1000-"]).await;
    assert_eq!((beyond.status, code(&beyond)), (416, "range_invalid".to_owned()));
    let known = get(&world, &id, &[&format!("If-None-Match: \"{}\"", hex(&bytes))]).await;
    assert_eq!((known.status, known.bytes.len()), (304, 0));
}

/// The bytes are served with the headers of the contract.
pub(crate) async fn check_served(world: &Outside, id: &str, content_type: &str, bytes: &Bytes) {
    let answer = get(world, id, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.bytes == *bytes, "{id}: {} bytes of {}", answer.bytes.len(), bytes.len());
    let head = answer.head.to_lowercase();
    for line in [
        format!("content-type: {content_type}"),
        "content-disposition: inline".to_owned(),
        "x-content-type-options: nosniff".to_owned(),
        "content-security-policy: sandbox; default-src 'none'".to_owned(),
        format!("etag: \"{}\"", hex(bytes)),
    ] {
        assert!(head.contains(&line), "{line} is missing in {head}");
    }
}

pub(crate) async fn get(world: &Outside, id: &str, more: &[&str]) -> wire::Answer {
    let token = format!("Authorization: Bearer {TOKEN}");
    let head: Vec<&str> = [&*token].into_iter().chain(more.iter().copied()).collect();
    wire::ask(world.home.doors.platform, "GET", &format!("/v1/media/{id}"), &head, b"").await.unwrap()
}

/// The first `count` events about media of the call, in its order.
pub(crate) async fn media_events(world: &Outside, caller: &OnThePhone, count: usize) -> Vec<Value> {
    let ours = |event: &Delivery| event.kind.starts_with("media.") && event.call_id.as_deref() == Some(&*caller.call);
    let events = world.platform.wait_for_all(count, SOON, ours).await.unwrap();
    let mut events: Vec<Value> = events.iter().map(Delivery::json).collect();
    events.sort_by_key(|event| event["call_sequence"].as_u64());
    events
}

/// The media of the first message in the call's transcript.
pub(crate) async fn of_transcript(world: &Outside, caller: &OnThePhone) -> Vec<Value> {
    let path = format!("/v1/calls/{}/messages", caller.call);
    let answer = world.client.ask("GET".parse().unwrap(), &path, None).await.unwrap();
    answer.json["items"][0]["media"].as_array().unwrap().clone()
}

pub(crate) fn medium(content_type: &str, bytes: &Bytes) -> SentMedium {
    SentMedium::new(content_type, bytes.clone())
}

/// A file of this size that begins with these bytes.
pub(crate) fn file(first: &[u8], size: usize) -> Bytes {
    let rest = (first.len()..size).map(|nth| (nth * 31 % 251) as u8);
    first.iter().copied().chain(rest).collect()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn code(answer: &wire::Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
    text(&problem["code"])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
