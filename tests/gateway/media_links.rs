//! Links to photos, for a browser without a token, over the real binary.

use crate::media::{code, file, media_events, medium, of_transcript, text};
use crate::process::{Outside, SOON, wire};
use crate::shared::{OURS, OnThePhone, on_the_phone, world};
use bytes::Bytes;
use http::Method;
use offhook::model::Timestamp;
use serde_json::json;
use std::time::{Duration, Instant, SystemTime};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_link_outlives_a_kill_and_ends_at_its_time_or_with_its_person() {
    let world = world().await;
    let gateway = world.start().await;
    let caller = on_the_phone(&world).await;
    let photo = file(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", 90_000);
    let sent = vec![medium("image/jpeg", &photo)];
    assert!(world.carrier.phone(caller.number).media(OURS.parse().unwrap(), "", sent).await.acknowledged());
    media_events(&world, &caller, 1).await;
    let id = text(&of_transcript(&world, &caller).await[0]["id"]);

    let (hour, _) = link(&world, &id, 3_600).await;
    check_opens(&world, &hour, &photo).await;
    gateway.kill();
    let _gateway = world.start().await;
    check_opens(&world, &hour, &photo).await;
    let (short, expires) = link(&world, &id, 1).await;
    check_ends_at(&world, &short, expires).await;
    check_opens(&world, &hour, &photo).await;

    caller.hangs_up(&world).await;
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    check_opens(&world, &hour, &photo).await;
    erase(&world, &caller).await;
    let gone = open(&world, &hour).await;
    assert_eq!((gone.status, code(&gone)), (410, "media_gone".to_owned()));
}

/// Makes a link: its path, and when it ends.
async fn link(world: &Outside, medium: &str, secs: u64) -> (String, Timestamp) {
    let (path, body) = (format!("/v1/media/{medium}/link"), json!({ "expires_in_secs": secs }));
    let made = world.client.ask(Method::POST, &path, Some(&body)).await.unwrap();
    assert_eq!(made.status, 200, "{}", made.json);
    (made.text("/url").to_owned(), Timestamp::parse(made.text("/expires_at")).unwrap())
}

/// Opens a link as a browser does, without a token.
async fn open(world: &Outside, path: &str) -> wire::Answer {
    wire::get(world.home.doors.platform, path).await.unwrap()
}

async fn check_opens(world: &Outside, path: &str, photo: &Bytes) {
    let answer = open(world, path).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(
        answer.bytes == *photo && answer.head.to_lowercase().contains("content-type: image/jpeg"),
        "{}",
        answer.head
    );
}

/// A link works before its time and never after it.
async fn check_ends_at(world: &Outside, path: &str, expires: Timestamp) {
    let deadline = Instant::now() + SOON;
    loop {
        let before = now();
        let answer = open(world, path).await;
        if answer.status != 200 {
            assert_eq!((answer.status, code(&answer)), (403, "link_invalid".to_owned()));
            assert!(now() >= expires, "it ended too early");
            return;
        }
        assert!(before < expires, "it ends too late");
        assert!(Instant::now() < deadline, "it does not end");
        sleep(Duration::from_millis(50)).await;
    }
}

fn now() -> Timestamp {
    Timestamp::default() + SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

/// Erases the caller, as soon as the closing message is sent, and waits until that is done.
async fn erase(world: &Outside, caller: &OnThePhone) {
    let body = json!({ "number": caller.number.to_string() });
    let deadline = Instant::now() + SOON;
    let begun = loop {
        let answer = world.client.ask(Method::POST, "/v1/erasures", Some(&body)).await.unwrap();
        if answer.code() != "still_texting" {
            break answer;
        }
        assert!(Instant::now() < deadline, "{}", answer.json);
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(begun.status, 202, "{}", begun.json);
    let path = format!("/v1/erasures/{}", begun.text("/id"));
    loop {
        let erasure = world.client.ask(Method::GET, &path, None).await.unwrap();
        if erasure.text("/state") == "done" {
            return;
        }
        assert!(Instant::now() < deadline, "{}", erasure.json);
        sleep(Duration::from_millis(50)).await;
    }
}
