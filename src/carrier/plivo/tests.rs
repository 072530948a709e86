//! Tests of Plivo's dialect. Signatures are also tested in `tests/vectors.rs`, against Plivo's own verifiers.

mod forged;
mod read;
mod send;

use super::*;
use http::{HeaderMap, Method};

const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);
const PUBLIC: &str = "https://gw.example.com";
const TOKEN: &str = "ZTQ5YjA2M2QxMWU3NDk2ZGFjOGY1NWQ3";
const NONCE: &str = "05429567804466091622";
const ID: &str = "MAM2YZJMOTQ1NWY3ODQ5";

/// A body of `tests/bodies/plivo`.
macro_rules! body {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/bodies/plivo/", $name))
    };
}
use body;

fn account() -> Settings {
    Settings {
        name: "main".to_owned(),
        public_url: PUBLIC.parse().unwrap(),
        api_url: API_URL.parse().unwrap(),
        auth_id: ID.to_owned(),
        auth_token: Secret::new(TOKEN),
        other_auth_token: None,
        require_v3: false,
        keywords_off: false,
    }
}

fn plivo() -> Plivo {
    Plivo::new(account())
}

/// A form posted to `path_and_query`, without a signature.
fn unsigned(path_and_query: &str, form: impl Into<Bytes>) -> Webhook {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/x-www-form-urlencoded; charset=utf-8".parse().unwrap());
    Webhook { method: Method::POST, path_and_query: path_and_query.to_owned(), headers, body: form.into() }
}

/// Signed as by Plivo, in version 2.
fn post(path_and_query: &str, form: impl Into<Bytes>) -> Webhook {
    let mut hook = unsigned(path_and_query, form);
    let signature = sign_v2(&Secret::new(TOKEN), &format!("{PUBLIC}{}", hook.path()), NONCE);
    hook.headers.insert("x-plivo-signature-v2", signature.parse().unwrap());
    hook.headers.insert("x-plivo-signature-v2-nonce", NONCE.parse().unwrap());
    hook
}

/// Signed as by Plivo, in version 3.
fn post_v3(path_and_query: &str, form: impl Into<Bytes>) -> Webhook {
    with_v3(unsigned(path_and_query, form))
}

fn with_v3(mut hook: Webhook) -> Webhook {
    let signature = sign_v3(&Secret::new(TOKEN), PUBLIC, &hook, NONCE);
    hook.headers.insert("x-plivo-signature-v3", signature.parse().unwrap());
    hook.headers.insert("x-plivo-signature-v3-nonce", NONCE.parse().unwrap());
    hook
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

#[test]
fn an_acknowledgement_is_empty_and_refusals_are_identical() {
    let plivo = plivo();
    assert_eq!((plivo.ack().status().as_u16(), plivo.ack().body().len()), (200, 0));
    let refusals = [NotVerified::Missing, NotVerified::Wrong, NotVerified::Stale].map(|why| plivo.refuse(why));
    assert!(refusals.iter().all(|refusal| refusal.status() == 403 && refusal.body() == refusals[0].body()));
}

#[test]
fn a59_the_logged_url_contains_no_numbers_or_texts() {
    let shown = plivo().signed_url(&unsigned("/carriers/main/messages?From=14155550101&Text=hi", ""));
    assert_eq!(shown, "https://gw.example.com/carriers/main/messages?From=…&Text=…");
}

#[test]
fn media_are_fetched_with_credentials_only_from_plivo() {
    let good = "https://media.plivo.com/Account/MA1/Media/a.jpg";
    let request = plivo().media(good, None, NOW).unwrap();
    assert!(request.uri() == good && request.headers()["authorization"].is_sensitive());
    for bad in [
        "http://media.plivo.com/a",
        "https://media.plivo.com:8443/a",
        "https://u:p@media.plivo.com/a",
        "https://media.plivo.com@evil.example/a",
        "https://plivo.com.evil.example/a",
        "https://evilplivo.com/a",
        "https://169.254.169.254/a",
        "file:///etc/passwd",
        "a",
        "",
    ] {
        assert!(plivo().media(bad, None, NOW).is_none(), "{bad}");
    }
    assert_eq!(plivo().media_from(), MediaFrom::Hosts(&[".plivo.com"]));
    let api_url: Url = "http://127.0.0.1:9100".parse().unwrap();
    let simulated = Plivo::new(Settings { api_url: api_url.clone(), ..account() });
    assert_eq!(simulated.media_from(), MediaFrom::Origin(api_url));
    assert!(simulated.media("http://127.0.0.1:9100/a", None, NOW).is_some());
    assert!(simulated.media("http://127.0.0.1:9101/a", None, NOW).is_none());
}
