//! Links to media: who gets one, and what it opens for how long.

use super::{check, shown};
use crate::engine::wall;
use crate::http::test_gateway::{Answer, CALLER, SUPPORT, TestGateway, anonymous, form, request, signed};
use crate::machine::command::{Command, Reply};
use crate::machine::event::Event;
use crate::machine::state::{MediumState, StoredMedium};
use crate::model::{Day, MediaId, MessageId, Timestamp};
use crate::rules::media::MediaType;
use axum::body::Body;
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A picture in letters, as answers of tests are texts.
const PICTURE: &str = "GIF89a, as far as its first bytes say";

/// A message of the caller with a medium that is pending.
pub(super) async fn received(world: &TestGateway, sid: &str) -> (MessageId, MediaId) {
    let webhook = form(&[
        ("MessageSid", sid),
        ("From", CALLER),
        ("To", SUPPORT),
        ("Body", ""),
        ("NumMedia", "1"),
        ("MediaUrl0", "https://api.twilio.com/a-medium"),
        ("MediaContentType0", "image/gif"),
    ]);
    assert_eq!(world.webhook(signed("/carriers/main/messages", &webhook)).await.status, 200);
    let frames = world.frames();
    let mut events = frames.iter().rev().flat_map(|frame| &frame.events);
    let found = events.find_map(|event| match &event.event {
        Event::MessageReceived { message, .. } => Some((message.id, message.media[0].id)),
        _ => None,
    });
    found.unwrap()
}

/// A medium in this state.
pub(super) async fn settled(world: &TestGateway, sid: &str, state: MediumState) -> MediaId {
    let (message, medium) = received(world, sid).await;
    let reply = world.handle.submit(Command::SettleMedium { message, medium, state }, PATIENCE).await.unwrap();
    assert_eq!(reply, Reply::MediumSettled(true));
    medium
}

/// A medium with these bytes.
pub(super) async fn ready(world: &TestGateway, sid: &str, bytes: &[u8]) -> MediaId {
    ready_since(world, sid, bytes, 0).await
}

/// The same, stored some days ago.
async fn ready_since(world: &TestGateway, sid: &str, bytes: &[u8], days: u16) -> MediaId {
    let day = Day(wall().day().0 - days);
    let mut incoming = world.media.store.writer(day);
    incoming.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    let stored = incoming.finish().await.unwrap();
    let state = StoredMedium { media_type: MediaType::Gif, bytes: stored.bytes, sha256: stored.sha256, day };
    settled(world, sid, MediumState::Ready(state)).await
}

/// A medium whose days are over.
pub(super) async fn gone(world: &TestGateway, sid: &str) -> MediaId {
    let medium = ready_since(world, sid, b"GIF89a", 30).await;
    world.handle.submit(Command::Tick, PATIENCE).await.unwrap();
    medium
}

/// A gateway with a medium, and its path.
async fn with_medium() -> (TestGateway, String) {
    let world = TestGateway::new();
    world.start_call("c-1").await;
    let medium = ready(&world, "SM1", PICTURE.as_bytes()).await;
    (world, format!("/v1/media/{medium}"))
}

/// Makes a link and returns its path.
async fn link(world: &TestGateway, medium: &str) -> String {
    let made = shown(&world.post(&format!("{medium}/link"), json!({})).await, 200);
    made["url"].as_str().unwrap().to_owned()
}

/// Asks without a token.
async fn open(world: &TestGateway, verb: &str, path: &str) -> Answer {
    world.ask(anonymous(verb, path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_link_opens_its_medium_without_a_token() {
    let (world, medium) = with_medium().await;
    let before = wall();
    let made = shown(&world.post(&format!("{medium}/link"), json!({ "expires_in_secs": 60 })).await, 200);
    let path = made["url"].as_str().unwrap();
    let expires_at = Timestamp::parse(made["expires_at"].as_str().unwrap()).unwrap();
    assert!(path.starts_with(&format!("{medium}?expires={}&signature=", expires_at.as_ms())), "{path}");
    assert!((before..=wall()).contains(&(expires_at - Duration::from_secs(60))), "{made}");
    let opened = open(&world, "GET", path).await;
    assert_eq!((opened.status, &*opened.body), (200, PICTURE));
    let with_token = world.get(&medium).await;
    for name in ["content-type", "etag", "content-security-policy", "x-content-type-options", "cache-control"] {
        assert_eq!(opened.header(name), with_token.header(name));
    }
    let head = open(&world, "HEAD", path).await;
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.header("content-length"), Some(&*PICTURE.len().to_string()));
    let range = anonymous("GET", path).header("range", "bytes=0-5").body(Body::empty()).unwrap();
    let part = world.ask(range).await;
    assert_eq!((part.status, &*part.body), (206, "GIF89a"));
}

#[tokio::test]
async fn a_link_lasts_five_minutes_unless_the_request_says_otherwise() {
    let (mut world, medium) = with_medium().await;
    world.set_clock(|| Timestamp::from_ms(1_796_000_000_000));
    let path = link(&world, &medium).await;
    assert!(path.contains("expires=1796000300000&"), "{path}");
    let hour = world.post(&format!("{medium}/link"), json!({ "expires_in_secs": 3600 })).await.json();
    assert_eq!(hour["expires_at"], Timestamp::from_ms(1_796_003_600_000).to_string());
    world.set_clock(|| Timestamp::from_ms(1_796_000_299_999));
    assert_eq!(open(&world, "GET", &path).await.status, 200);
    world.set_clock(|| Timestamp::from_ms(1_796_000_300_000));
    for verb in ["GET", "HEAD"] {
        assert_eq!(open(&world, verb, &path).await.status, 403);
    }
    check(&open(&world, "GET", &path).await, 403, "link_invalid");
    assert_eq!(open(&world, "GET", hour["url"].as_str().unwrap()).await.status, 200);
    world.set_clock(|| Timestamp::from_ms(1_796_003_600_000));
    check(&open(&world, "GET", hour["url"].as_str().unwrap()).await, 403, "link_invalid");
}

#[tokio::test]
async fn a_link_outlives_the_replacement_of_its_key() {
    let (mut world, medium) = with_medium().await;
    // The key was made now, and is due a day later.
    world.set_clock(|| wall() + Duration::from_secs(24 * 3600 - 60));
    let path = link(&world, &medium).await;
    world.set_clock(|| wall() + Duration::from_secs(24 * 3600 + 60));
    let other = link(&world, &medium).await;
    for path in [&path, &other] {
        assert_eq!(open(&world, "GET", path).await.status, 200);
    }
    world.set_clock(|| wall() + Duration::from_secs(24 * 3600 + 600));
    check(&open(&world, "GET", &path).await, 403, "link_invalid");
}

#[tokio::test]
async fn a_link_that_was_changed_is_refused_whatever_token_comes_along() {
    let (world, medium) = with_medium().await;
    let second = ready(&world, "SM2", b"GIF89a, another one").await;
    let path = link(&world, &medium).await;
    let (before, signature) = path.split_once("&signature=").unwrap();
    let (_, expires) = before.split_once("?expires=").unwrap();
    let (other, later) = (format!("/v1/media/{second}"), expires.parse::<u64>().unwrap() + 1);
    let second_signature = link(&world, &other).await.split_once("&signature=").unwrap().1.to_owned();
    for changed in [
        format!("{other}?expires={expires}&signature={signature}"),
        format!("{medium}?expires={expires}&signature={second_signature}"),
        format!("{medium}?expires={later}&signature={signature}"),
        format!("{medium}?expires=%2B{expires}&signature={signature}"),
        format!("{medium}?expires={expires}&signature={}", signature.to_lowercase()),
        format!("{medium}?expires={expires}&signature={}", &signature[1..]),
        format!("{medium}?expires={expires}&signature={signature}%3D"),
        format!("{medium}?expires={expires}"),
        format!("{medium}?signature={signature}"),
        format!("{medium}?expires=&signature="),
        format!("/v1/media/nonsense?expires={expires}&signature={signature}"),
    ] {
        check(&open(&world, "GET", &changed).await, 403, "link_invalid");
        check(&world.get(&changed).await, 403, "link_invalid");
        assert_eq!(open(&world, "HEAD", &changed).await.status, 403);
    }
    let with_wrong_token = anonymous("GET", &path).header("authorization", "Bearer nobody").body(Body::empty());
    assert_eq!(world.ask(with_wrong_token.unwrap()).await.status, 200, "the link counts");
    check(&open(&world, "GET", &format!("{path}&colour=blue")).await, 400, "unknown_field");
    check(&open(&world, "GET", &format!("{path}&expires={expires}")).await, 400, "invalid_field");
}

#[tokio::test]
async fn a_link_opens_nothing_else() {
    let (world, medium) = with_medium().await;
    let path = link(&world, &medium).await;
    let (_, query) = path.split_once('?').unwrap();
    for (verb, other) in [
        ("GET", "/v1/settings".to_owned()),
        ("GET", "/v1/calls/c-1/messages".to_owned()),
        ("GET", "/v1/events".to_owned()),
        ("POST", format!("{medium}/link")),
        ("DELETE", medium.clone()),
        ("POST", medium.clone()),
        ("GET", format!("{medium}/link")),
    ] {
        check(&open(&world, verb, &format!("{other}?{query}")).await, 401, "unauthorized");
    }
    check(&open(&world, "GET", &medium).await, 401, "unauthorized");
}

#[tokio::test]
async fn a_link_outlives_the_call_and_ends_with_its_medium() {
    let (world, _) = with_medium().await;
    let medium = format!("/v1/media/{}", ready_since(&world, "SM2", PICTURE.as_bytes(), 3).await);
    let path = link(&world, &medium).await;
    shown(&world.post("/v1/calls/c-1/end", json!({})).await, 200);
    world.handle.submit(Command::Tick, PATIENCE).await.unwrap();
    assert_eq!(open(&world, "GET", &path).await.status, 200);
    let mut settings = world.get("/v1/settings").await.json();
    settings["media_retention_days"] = json!(2);
    shown(&world.put("/v1/settings", settings).await, 200);
    world.handle.submit(Command::Tick, PATIENCE).await.unwrap();
    check(&open(&world, "GET", &path).await, 410, "media_gone");
    check(&world.post(&format!("{medium}/link"), json!({})).await, 410, "media_gone");
}

#[tokio::test]
async fn only_who_may_read_media_gets_a_link() {
    let (world, medium) = with_medium().await;
    let path = format!("{medium}/link");
    for (token, status, code) in
        [("blind", 403, "scope_missing"), ("agent", 403, "scope_missing"), ("nobody", 401, "unauthorized")]
    {
        let asked = anonymous("POST", &path).header("authorization", format!("Bearer {token}"));
        check(&world.ask(asked.body("{}".into()).unwrap()).await, status, code);
    }
    let reader = anonymous("POST", &path).header("authorization", "Bearer observer").body("{}".into());
    shown(&world.ask(reader.unwrap()).await, 200);
}

#[tokio::test]
async fn there_is_a_link_only_to_what_can_be_read() {
    let (world, medium) = with_medium().await;
    let (_, pending) = received(&world, "SM2").await;
    check(&world.post(&format!("/v1/media/{pending}/link"), json!({})).await, 409, "media_pending");
    check(&world.post("/v1/media/med_x/link", json!({})).await, 404, "media_not_found");
    let path = format!("{medium}/link");
    for secs in [json!(0), json!(3_601), json!(-1), json!(1.5), json!("300"), Value::Null] {
        let refused = world.post(&path, json!({ "expires_in_secs": secs })).await;
        check(&refused, 400, "invalid_field");
        assert!(refused.body.contains("`expires_in_secs`"), "{}", refused.body);
    }
    check(&world.post(&path, json!({ "secs": 5 })).await, 400, "unknown_field");
    let keyed = request("POST", &path).header("idempotency-key", "two words").body("{}".into()).unwrap();
    check(&world.ask(keyed).await, 400, "invalid_field");
}
