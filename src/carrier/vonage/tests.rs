//! Tests of the dialect of Vonage's Messages API. Its tokens are tested in `tests/vectors.rs` too, against Vonage's own
//! verifier.

mod forged;
mod read;
mod send;

use super::*;
use http::{HeaderMap, Method};

const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);
const SECRET: &str = "Zk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aEZk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aE";
const APPLICATION: &str = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab";
const PRIVATE_KEY: &str = include_str!("../../../tests/bodies/vonage/application.pem");
const SMS: &str = include_str!("../../../tests/bodies/vonage/sms.json");

fn account() -> Settings {
    Settings {
        name: "main".to_owned(),
        public_url: "https://gw.example.com".parse().unwrap(),
        api_url: API_URL.parse().unwrap(),
        api_key: "a1b2c3d4".to_owned(),
        signature_secrets: vec![Secret::new(SECRET)],
        application: Some(Application::new(APPLICATION.to_owned(), PRIVATE_KEY).unwrap()),
        api_secret: Some(Secret::new("Xy7Zw9Vu5Ts3Rq1P")),
    }
}

fn vonage() -> Vonage {
    Vonage::new(account())
}

/// A webhook with this body, signed as by Vonage.
fn post(body: impl Into<Bytes>) -> Webhook {
    let body = body.into();
    with_authorization(&sign(&Secret::new(SECRET), "a1b2c3d4", &body, NOW), body)
}

fn with_authorization(authorization: &str, body: impl Into<Bytes>) -> Webhook {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("authorization", authorization.parse().unwrap());
    Webhook { method: Method::POST, path_and_query: "/carriers/main/messages".to_owned(), headers, body: body.into() }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

#[test]
fn a_webhook_without_a_signature_comes_again_and_a_forged_one_does_not() {
    let refused = |why| vonage().refuse(why);
    for why in [NotVerified::Missing, NotVerified::Stale] {
        assert_eq!(refused(why).status(), 503, "{why}");
    }
    assert_eq!(refused(NotVerified::Wrong).status(), 403);
    let problem: serde_json::Value = serde_json::from_slice(refused(NotVerified::Missing).body()).unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&503.into(), &"signature_invalid".into()));
    assert_eq!((vonage().ack().status().as_u16(), vonage().ack().body().len()), (200, 0));
    assert!(vonage().answer_within() < Duration::from_secs(15));
}

#[test]
fn media_are_fetched_with_a_token_and_only_from_vonage() {
    let good = "https://api-us.nexmo.com/v3/media/1b456509-974c-458b-aafa-45fc48a4d976";
    let request = vonage().media(good, None, NOW).unwrap();
    assert_eq!(request.uri(), good);
    assert!(request.headers()["authorization"].to_str().unwrap().starts_with("Bearer ey"));
    assert!(request.headers()["authorization"].is_sensitive());
    // The account's secret, which could do anything, is never sent to where a webhook points.
    let without_application = Vonage::new(Settings { application: None, ..account() });
    assert!(without_application.media(good, None, NOW).unwrap().headers().is_empty());
    for bad in [
        "http://api-us.nexmo.com/m",
        "https://api-us.nexmo.com:8443/m",
        "https://api-us.nexmo.com@evil.example/m",
        "https://u:p@api-us.nexmo.com/m",
        "https://nexmo.com.evil.example/m",
        "https://evilnexmo.com/m",
        "https://169.254.169.254/m",
        "file:///etc/passwd",
        "",
    ] {
        assert!(vonage().media(bad, None, NOW).is_none(), "{bad}");
    }
    assert_eq!(vonage().media_from(), MediaFrom::Hosts(&[".nexmo.com", ".vonage.com"]));
    let simulator: Url = "http://127.0.0.1:9100".parse().unwrap();
    let simulated = Vonage::new(Settings { api_url: simulator.clone(), ..account() });
    assert_eq!(simulated.media_from(), MediaFrom::Origin(simulator));
    assert!(simulated.media("http://127.0.0.1:9100/m", None, NOW).is_some());
    assert!(simulated.media(good, None, NOW).is_none());
}
