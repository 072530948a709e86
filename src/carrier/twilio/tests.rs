//! Tests of Twilio's dialect. Signatures are tested in `tests/vectors.rs`, against Twilio's own verifier.

mod forged;
mod list;
mod read;
mod send;

use super::*;
use crate::model::Timestamp;
use http::{HeaderMap, Method};

const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);
const PUBLIC: &str = "https://gw.example.com";
const TOKEN: &str = "5f3a9c0e7b21d4468ac0ff13572b9e60";
const SID: &str = "AC11223344556677889900aabbccddeeff";

fn account() -> Settings {
    Settings {
        name: "main".to_owned(),
        public_url: PUBLIC.parse().unwrap(),
        api_url: API_URL.parse().unwrap(),
        account_sid: SID.to_owned(),
        auth_token: Secret::new(TOKEN),
        other_auth_token: None,
        shared_keys: vec![],
        keywords_off: false,
    }
}

fn twilio() -> Twilio {
    Twilio::new(account())
}

/// A form posted to `path_and_query`, signed as by Twilio.
fn post(path_and_query: &str, form: impl Into<Bytes>) -> Webhook {
    let body = form.into();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/x-www-form-urlencoded; charset=UTF-8".parse().unwrap());
    let signature = sign(&Secret::new(TOKEN), &format!("{PUBLIC}{path_and_query}"), &body);
    headers.insert("x-twilio-signature", signature.parse().unwrap());
    Webhook { method: Method::POST, path_and_query: path_and_query.to_owned(), headers, body }
}

/// A GET without a body, signed as by Twilio.
fn fetch(path_and_query: &str) -> Webhook {
    Webhook { method: Method::GET, ..post(path_and_query, "") }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

#[test]
fn the_acknowledgement_is_empty_twiml_and_refusals_are_identical() {
    let twilio = twilio();
    let ack = twilio.ack();
    assert_eq!((ack.status().as_u16(), &ack.headers()["content-type"]), (200, &"text/xml".parse().unwrap()));
    assert_eq!(ack.body(), &r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#);

    let refusals = [NotVerified::Missing, NotVerified::Wrong, NotVerified::Stale].map(|why| twilio.refuse(why));
    for refusal in &refusals {
        assert_eq!((refusal.status().as_u16(), refusal.body()), (403, refusals[0].body()));
        assert_eq!(refusal.headers()["content-type"], "application/problem+json");
    }
    let problem: serde_json::Value = serde_json::from_slice(refusals[0].body()).unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&403.into(), &"signature_invalid".into()));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("log")), "{problem}");
}

#[test]
fn a59_the_logged_url_contains_no_numbers_or_texts() {
    let shown = |path: &str| twilio().signed_url(&fetch(path));
    assert_eq!(shown("/carriers/main/messages"), "https://gw.example.com/carriers/main/messages");
    assert_eq!(shown("/c?From=%2B14155550101&Body=hi&x"), "https://gw.example.com/c?From=…&Body=…&…");
    assert!(shown(&format!("/{}", "é".repeat(9_000))).chars().count() <= 501);
}

#[test]
fn media_are_fetched_with_credentials_only_from_twilio() {
    let good = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1";
    let request = twilio().media(good, None, NOW).unwrap();
    assert_eq!(request.uri(), good);
    assert!(request.headers()["authorization"].is_sensitive());
    assert!(twilio().media("https://api.dublin.ie1.twilio.com/m", None, NOW).is_some());
    for bad in [
        "http://api.twilio.com/m",
        "https://api.twilio.com:8443/m",
        "https://api.twilio.com@evil.example/m",
        "https://u:p@api.twilio.com/m",
        "https://api.twilio.com.evil.example/m",
        "https://169.254.169.254/m",
        "https://files.twilio.com/m",
        "file:///etc/passwd",
        "m",
        "",
    ] {
        assert!(twilio().media(bad, None, NOW).is_none(), "{bad}");
    }
    let simulated = Settings { api_url: "http://127.0.0.1:9100".parse().unwrap(), ..account() };
    let simulated = Twilio::new(simulated);
    assert!(simulated.media("http://127.0.0.1:9100/m", None, NOW).is_some());
    assert!(simulated.media("http://127.0.0.1:9101/m", None, NOW).is_none());
}
