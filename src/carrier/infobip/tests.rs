//! Tests of Infobip's dialect. Logins are tested in `tests/vectors.rs` too.

mod forged;
mod read;
mod send;

use super::*;
use crate::model::{Day, MessageId, Position};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderMap, Method};

/// A body as Infobip sends it.
macro_rules! body {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/bodies/infobip/", $name, ".json"))
    };
}
use body;

const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);
const BASE_URL: &str = "https://xyz123.api.infobip.com";
const API_KEY: &str = "003026bbc133714df1834b8638bb496e-8f4b3d9a";
const PASSWORD: &str = "t0p:secret?&";

fn account() -> Settings {
    Settings {
        name: "main".to_owned(),
        public_url: "https://gw.example.com".parse().unwrap(),
        api_url: BASE_URL.parse().unwrap(),
        api_key: Secret::new(API_KEY),
        logins: vec![login(PASSWORD)],
        hmac: None,
        application_id: None,
        keywords_on: false,
    }
}

fn login(password: &str) -> Login {
    Login { user: "ib-hook".to_owned(), password: Secret::new(password) }
}

fn infobip() -> Infobip {
    Infobip::new(account())
}

fn message() -> MessageId {
    MessageId::new(Day(20_414), Position(7), 1)
}

/// A body posted with the account's login.
fn post(path_and_query: &str, body: impl Into<Bytes>) -> Webhook {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("authorization", basic::authorization("ib-hook", &Secret::new(PASSWORD)));
    Webhook { method: Method::POST, path_and_query: path_and_query.to_owned(), headers, body: body.into() }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

#[test]
fn a_webhook_without_credentials_is_asked_for_them_and_a_wrong_one_is_refused() {
    let infobip = infobip();
    assert_eq!((infobip.ack().status().as_u16(), infobip.ack().body().len()), (200, 0));
    let asked = infobip.refuse(NotVerified::Challenge);
    assert_eq!(asked.status(), 401);
    assert!(asked.headers().contains_key("www-authenticate"));
    for why in [NotVerified::Wrong, NotVerified::Missing] {
        assert_eq!(infobip.refuse(why).status(), 403);
    }
}

#[test]
fn media_are_fetched_with_the_key_only_from_infobip() {
    let good = "https://xyz123.api.infobip.com/mms/1/content/123456";
    let request = infobip().media(good, None, NOW).unwrap();
    assert_eq!(request.uri(), good);
    let authorization = &request.headers()["authorization"];
    assert_eq!((authorization.to_str().unwrap(), authorization.is_sensitive()), (&*format!("App {API_KEY}"), true));
    for bad in [
        "http://xyz123.api.infobip.com/m",
        "https://xyz123.api.infobip.com:8443/m",
        "https://xyz123.api.infobip.com@evil.example/m",
        "https://u:p@xyz123.api.infobip.com/m",
        "https://api.infobip.com.evil.example/m",
        "https://evilinfobip.com/m",
        "https://169.254.169.254/m",
        "file:///etc/passwd",
        "",
    ] {
        assert!(infobip().media(bad, None, NOW).is_none(), "{bad}");
    }
    assert!(matches!(infobip().media_from(), MediaFrom::Hosts([".infobip.com"])));
    let simulated = Settings { api_url: "http://127.0.0.1:9100".parse().unwrap(), ..account() };
    let simulated = Infobip::new(simulated);
    assert!(simulated.media("http://127.0.0.1:9100/m", None, NOW).is_some());
    assert!(simulated.media(good, None, NOW).is_none());
    assert!(matches!(simulated.media_from(), MediaFrom::Origin(_)));
}
