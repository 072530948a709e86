//! Tests of Telnyx's dialect. Signatures are also tested in `tests/vectors.rs`, against Telnyx's own verifiers.

mod forged;
mod read;
mod send;

use super::*;
use http::{HeaderMap, Method};

const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);
const TIME: &str = "1763791200";
const SEED: [u8; 32] = [7; 32];
const PROFILE: &str = "740572b6-099c-44a1-89b9-6c92163bc68d";

/// A body of `tests/bodies/telnyx`.
macro_rules! body {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/bodies/telnyx/", $name))
    };
}
use body;

fn account() -> Settings {
    Settings {
        name: "main".to_owned(),
        public_url: "https://gw.example.com".parse().unwrap(),
        api_url: API_URL.parse().unwrap(),
        api_key: Secret::new("KEY0189AB"),
        public_keys: vec![public_key(&SEED)],
        messaging_profile_id: None,
    }
}

fn telnyx() -> Telnyx {
    Telnyx::new(account())
}

/// A body posted to `path_and_query`, signed as by Telnyx.
fn post(path_and_query: &str, body: impl Into<Bytes>) -> Webhook {
    signed(&SEED, TIME, path_and_query, body)
}

fn signed(seed: &[u8; 32], time: &str, path_and_query: &str, body: impl Into<Bytes>) -> Webhook {
    let body = body.into();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("telnyx-timestamp", time.parse().unwrap());
    headers.insert("telnyx-signature-ed25519", sign(seed, time, &body).parse().unwrap());
    Webhook { method: Method::POST, path_and_query: path_and_query.to_owned(), headers, body }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

#[test]
fn an_acknowledgement_comes_before_telnyx_gives_up_and_refusals_are_identical() {
    let telnyx = telnyx();
    assert!(telnyx.answer_within() < Duration::from_millis(1_500));
    assert_eq!((telnyx.ack().status().as_u16(), telnyx.ack().body().len()), (200, 0));
    let refusals = [NotVerified::Missing, NotVerified::Wrong, NotVerified::Stale].map(|why| telnyx.refuse(why));
    assert!(refusals.iter().all(|refusal| refusal.status() == 403 && refusal.body() == refusals[0].body()));
}

#[test]
fn media_are_fetched_with_the_key_only_from_telnyx_itself() {
    let key = |url: &str| Some(telnyx().media(url, None, NOW)?.headers().contains_key("authorization"));
    assert_eq!(key("https://media.telnyx.com/a.jpg"), Some(true));
    assert_eq!(key("https://api.telnyx.com/v2/media/a"), Some(true));
    assert_eq!(key("https://us-central-1.telnyxcloudstorage.com/a?X-Amz-Signature=1"), Some(false));
    for bad in [
        "http://media.telnyx.com/a",
        "https://media.telnyx.com:8443/a",
        "https://u:p@media.telnyx.com/a",
        "https://media.telnyx.com@evil.example/a",
        "https://telnyx.com.evil.example/a",
        "https://eviltelnyx.com/a",
        "https://169.254.169.254/a",
        "file:///etc/passwd",
        "a",
        "",
    ] {
        assert_eq!(key(bad), None, "{bad}");
    }
    assert!(telnyx().media("https://media.telnyx.com/a", None, NOW).unwrap().headers()["authorization"].is_sensitive());
    assert_eq!(telnyx().media_from(), MediaFrom::Hosts(&[".telnyx.com", ".telnyxcloudstorage.com"]));

    let api_url: Url = "http://127.0.0.1:9100".parse().unwrap();
    let simulated = Telnyx::new(Settings { api_url: api_url.clone(), ..account() });
    assert_eq!(simulated.media_from(), MediaFrom::Origin(api_url));
    assert!(simulated.media("http://127.0.0.1:9100/a", None, NOW).is_some());
    assert!(simulated.media("http://127.0.0.1:9101/a", None, NOW).is_none());
}
