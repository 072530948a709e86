//! Tests of the dialect of Vonage's SMS API. Its signatures are tested in `tests/vectors.rs` too, against Vonage's own
//! verifier.

mod forged;
mod read;
mod send;

use super::*;
use http::{HeaderMap, Method};

const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);
const SECRET: &str = "Zk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aEZk3pQ8vN";
const SMS: &str = include_str!("../../../tests/bodies/vonage_sms/sms.json");
const SMS_FORM: &str = include_str!("../../../tests/bodies/vonage_sms/sms.form");

fn account() -> Settings {
    Settings {
        name: "main".to_owned(),
        public_url: "https://gw.example.com".parse().unwrap(),
        api_url: API_URL.parse().unwrap(),
        api_key: "a1b2c3d4".to_owned(),
        api_secret: Secret::new("Xy7Zw9Vu5Ts3Rq1P"),
        signature_secrets: vec![Secret::new(SECRET)],
        signature_method: SignatureMethod::HmacSha256,
    }
}

fn vonage() -> VonageSms {
    VonageSms::new(account())
}

/// JSON or a form without a signature, posted.
fn unsigned(body: impl Into<Bytes>) -> Webhook {
    let body = body.into();
    let kind = if body.starts_with(b"{") { "application/json" } else { "application/x-www-form-urlencoded" };
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
    Webhook { method: Method::POST, path_and_query: "/carriers/main/messages".to_owned(), headers, body }
}

/// JSON or a form, signed as by Vonage and posted.
fn post(body: impl Into<Bytes>) -> Webhook {
    with_signature(unsigned(body), SignatureMethod::HmacSha256)
}

/// A query, signed as by Vonage.
fn fetch(query: &str) -> Webhook {
    let path_and_query = format!("/carriers/main/messages?{query}");
    let unsigned = Webhook { method: Method::GET, path_and_query, headers: HeaderMap::new(), body: Bytes::new() };
    with_signature(unsigned, SignatureMethod::HmacSha256)
}

fn with_signature(mut hook: Webhook, method: SignatureMethod) -> Webhook {
    let sig = sign(method, &Secret::new(SECRET), &hook).expect("it can be signed");
    if hook.method == Method::GET {
        hook.path_and_query = format!("{}&sig={sig}", hook.path_and_query);
    } else if let Some(object) = hook.body.strip_suffix(b"}") {
        hook.body = [object, format!(",\"sig\":\"{sig}\"}}").as_bytes()].concat().into();
    } else {
        hook.body = [&*hook.body, format!("&sig={sig}").as_bytes()].concat().into();
    }
    hook
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

#[test]
fn a_webhook_without_a_signature_comes_again_and_a_forged_one_does_not() {
    for (why, status) in [(NotVerified::Missing, 503), (NotVerified::Stale, 503), (NotVerified::Wrong, 403)] {
        assert_eq!(vonage().refuse(why).status(), status, "{why}");
    }
    assert_eq!(vonage().ack().status(), 200);
    assert!(vonage().answer_within() < Duration::from_secs(15));
    // It has no media.
    assert_eq!(vonage().media_from(), crate::carrier::MediaFrom::Nowhere);
    assert!(vonage().media("https://rest.nexmo.com/m", None, NOW).is_none());
}
