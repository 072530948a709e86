//! Tests of Sinch's dialect. Signatures are tested in `tests/vectors.rs`, against Sinch's own verifier.

mod conversation;
mod forged;
mod rest;

use super::*;
use crate::model::{Day, MessageId, Position};
use http::HeaderMap;

/// A body as Sinch sends it.
macro_rules! body {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bodies/sinch/", $name, ".json"))
    };
}
use body;

const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);
const SECRET: &str = "pg_7hQ2zR9vXc4LmT1w";
const PLAN: &str = "61f1c2a4b5d64e7f8a9b0c1d2e3f4a5b";
const PROJECT: &str = "c36f3d3d-1513-4edd-ae42-11995557ff61";
const APP: &str = "01EB37HMH1M6SV18BSNS3G135H";

fn project() -> Project {
    Project { id: PROJECT.to_owned(), key_id: "key-1".to_owned(), key_secret: Secret::new("kestrel-3b1f") }
}

fn account() -> Settings {
    Settings {
        name: "main".to_owned(),
        public_url: "https://gw.example.com".parse().unwrap(),
        api_url: None,
        region: "us".to_owned(),
        api: Api::Rest {
            service_plan_id: PLAN.to_owned(),
            api_token: Secret::new("osprey-7"),
            project: Some(project()),
        },
        webhook_secrets: vec![Secret::new(SECRET)],
        logins: vec![],
        mms: false,
        keywords_on: false,
    }
}

/// An account of the Conversation API.
fn app() -> Settings {
    Settings { api: Api::Conversation { project: project(), app_id: APP.to_owned() }, ..account() }
}

fn message() -> MessageId {
    MessageId::new(Day(20_414), Position(7), 1)
}

fn outbound(valid_for_secs: u32) -> Outbound {
    Outbound {
        message: message(),
        attempt: 1,
        refused_before: 0,
        from: "+14155550199".parse().unwrap(),
        to: "+14155550101".parse().unwrap(),
        text: "Café at 8?".to_owned(),
        valid_for_secs,
    }
}

/// A body posted to the account, signed as by Sinch.
fn post(body: impl Into<Bytes>) -> Webhook {
    let body = body.into();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    for (name, value) in sign(&Secret::new(SECRET), &body, "01J9Z6Q3M4T5V6W7X8Y9ZABCDE", "1763791200") {
        headers.insert(name, value.parse().unwrap());
    }
    Webhook { method: Method::POST, path_and_query: "/carriers/main/messages".to_owned(), headers, body }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

/// The items of a body.
fn items(settings: Settings, body: impl Into<Bytes>) -> Vec<InboundItem> {
    Sinch::new(settings).parse(&post(body)).unwrap()
}

/// Why a body is quarantined.
fn problem(settings: Settings, body: impl Into<Bytes>) -> String {
    Sinch::new(settings).parse(&post(body)).unwrap_err().problem
}

#[test]
fn what_is_missing_comes_again_and_what_is_wrong_does_not() {
    let sinch = Sinch::new(account());
    assert_eq!((sinch.ack().status().as_u16(), sinch.ack().body().len()), (200, 0));
    for (why, status) in [
        (NotVerified::Missing, 503),
        (NotVerified::Challenge, 503),
        (NotVerified::Wrong, 403),
        (NotVerified::Stale, 403),
    ] {
        assert_eq!(sinch.refuse(why).status(), status, "{why}");
    }
}

#[test]
fn media_are_fetched_from_sinch_with_credentials_and_from_its_storage_without() {
    let authorization = |settings: Settings, url: &str| {
        let request = Sinch::new(settings).media(url, Some(&Secret::new("token-1")), NOW)?;
        let value = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        Some(value.unwrap_or_default())
    };
    let (at_sinch, in_storage) = ("https://mms.us.sinch.com/m", "https://x.s3.eu-west-1.amazonaws.com/m");
    assert_eq!(authorization(account(), at_sinch).as_deref(), Some("Bearer osprey-7"));
    assert_eq!(authorization(app(), at_sinch).as_deref(), Some("Bearer token-1"));
    assert_eq!(authorization(account(), in_storage).as_deref(), Some(""));
    for bad in [
        "http://mms.us.sinch.com/m",
        "https://mms.us.sinch.com:8443/m",
        "https://u:p@mms.us.sinch.com/m",
        "https://mms.us.sinch.com@evil.example/m",
        "https://sinch.com.evil.example/m",
        "https://evilsinch.com/m",
        "https://169.254.169.254/m",
        "",
    ] {
        assert_eq!(authorization(account(), bad), None, "{bad}");
    }
    assert!(matches!(Sinch::new(account()).media_from(), MediaFrom::Hosts([".sinch.com", ".amazonaws.com"])));
    let simulated = Settings { api_url: Some("http://127.0.0.1:9100".parse().unwrap()), ..account() };
    assert_eq!(authorization(simulated.clone(), "http://127.0.0.1:9100/m").as_deref(), Some("Bearer osprey-7"));
    assert_eq!(authorization(simulated.clone(), at_sinch), None);
    assert!(matches!(Sinch::new(simulated).media_from(), MediaFrom::Origin(_)));
}

#[test]
fn a39_a_look_up_needs_a_project_and_names_the_service_plan() {
    let number: E164 = "+14155550199".parse().unwrap();
    let sinch = Sinch::new(account());
    let LookUp::Request(request) = sinch.look_up(number, &[], None) else { panic!("no request") };
    let expected = format!("https://numbers.api.sinch.com/v1/projects/{PROJECT}/activeNumbers/+14155550199");
    assert_eq!(request.uri().to_string(), expected);
    assert!(request.headers()["authorization"].is_sensitive());

    let look_up = |settings: Settings, status, body: &str| {
        Sinch::new(settings).look_up(number, &[answer(status, body.to_owned())], None)
    };
    let found = |result| match result {
        LookUp::Found(facts) => (facts.sms, facts.mms, facts.webhook),
        other => panic!("{other:?}"),
    };
    let unknown = crate::carrier::Pointing::Unknown;
    assert_eq!(found(look_up(account(), 200, body!("number"))), (true, false, unknown.clone()));
    let voice_only = body!("number").replace("\"SMS\",", "").replace(PLAN, "");
    assert_eq!(found(look_up(account(), 200, &voice_only)), (false, false, unknown.clone()));
    assert_eq!(found(look_up(Settings { mms: true, ..app() }, 200, body!("number"))), (true, true, unknown));
    let other_number = body!("number").replace("+14155550199", "+14155550198");
    assert!(matches!(look_up(account(), 200, &other_number), LookUp::NotOurs));
    assert!(matches!(look_up(account(), 404, ""), LookUp::NotOurs));
    let other_plan = body!("number").replace(PLAN, "another");
    for (settings, status, body, says, can_retry) in [
        (account(), 200, other_plan.as_str(), "service_plan_id", false),
        (account(), 401, "", "key_secret_file", false),
        (account(), 429, "", "answered 429", true),
        (account(), 200, "{}", "cannot be parsed", true),
    ] {
        let LookUp::Failed { reason, retryable } = look_up(settings, status, body) else { panic!("{says}") };
        assert!(reason.contains(says) && retryable == can_retry, "{reason}");
    }
    let api = Api::Rest { service_plan_id: PLAN.to_owned(), api_token: Secret::new("osprey-7"), project: None };
    let without = Sinch::new(Settings { api, ..account() });
    let LookUp::Failed { reason, retryable: false } = without.look_up(number, &[], None) else { panic!() };
    assert!(reason.contains("give project_id"), "{reason}");
}
