//! Sends by their description, and their responses.

use super::*;
use crate::model::{Day, FailureCode, MessageId, Outcome, Position};
use serde_json::{Value, json};

#[test]
fn a_json_body_is_filled_with_its_places() {
    let token = Secret::new("a-token");
    let request = signing().request(&outbound(), Some(&token), NOW);
    assert_eq!(
        (request.method(), request.uri().to_string().as_str()),
        (&Method::POST, "https://api.acme.io/v1/messages?v=2")
    );
    let headers = request.headers();
    assert_eq!(
        (&headers["authorization"], &headers["content-type"]),
        (&"Bearer a-token".parse().unwrap(), &"application/json".parse().unwrap())
    );
    assert!(headers["authorization"].is_sensitive());
    let id = outbound().message.to_string();
    assert_eq!(headers["idempotency-key"], format!("{id}-2"));
    let expected = json!({
        "from": "+14155550199",
        "to": ["+14155550101"],
        "text": "Café \"at\" {to}?\n👋",
        "ref": id,
        "ttl": 3_600,
        "plain": [1, null, "{x}"],
    });
    assert_eq!(serde_json::from_slice::<Value>(request.body()).unwrap(), expected);
    let token_request = signing().token_request().unwrap();
    assert_eq!(token_request.uri(), "https://id.acme.io/token");
    assert!(posting().token_request().is_none());
}

#[test]
fn a_form_is_filled_and_may_be_the_query_of_a_get() {
    let request = posting().request(&outbound(), None, NOW);
    assert_eq!((request.method(), request.body().len()), (&Method::GET, 0));
    let uri = request.uri().to_string();
    let id = outbound().message;
    assert_eq!(
        uri,
        format!(
            "https://api.acme.io/v1/send?user=a%26b&from=14155550199&to=14155550101\
             &text=Caf%C3%A9+%22at%22+%7Bto%7D%3F%0A%F0%9F%91%8B\
             &dlr=https%3A%2F%2Fgw.example.com%2Fcarriers%2Fmain%2Freceipts%3Fmessage%3D{id}\
             &until=2025-11-22T07%3A00%3A00.000Z"
        )
    );
    assert_eq!(request.headers()["authorization"], basic::authorization("user", &Secret::new("heron-51")));
    let mut by_post = form();
    (by_post.send.by_get, by_post.send.auth) =
        (false, SendAuth::Header { name: HeaderName::from_static("x-key"), secret: Secret::new("k") });
    let request = Generic::new(by_post).unwrap().request(&outbound(), None, NOW);
    assert_eq!(request.uri(), "https://api.acme.io/v1/send");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert!(request.headers()["x-key"].is_sensitive() && request.body().starts_with(b"user=a%26b&from="));
}

#[test]
fn statuses_mean_what_the_description_says() {
    let sent = Outcome::Sent { carrier_id: "s-1".into(), segments: Some(2) };
    let rejected = |code: Option<&str>| Outcome::Refused {
        code: FailureCode::CarrierRejected,
        carrier_code: code.map(str::to_owned),
    };
    let later = Outcome::Later { retry_after: None };
    let opted_out = Outcome::Refused { code: FailureCode::OptedOut, carrier_code: Some("21".into()) };
    for (status, body, expected) in [
        (202, r#"{"id":"s-1","parts":2}"#, sent),
        (200, r#"{"id":"s-1"}"#, Outcome::Unknown),
        (202, "{}", Outcome::Unknown),
        (202, "", Outcome::Unknown),
        (202, r#"{"id":"s-1","error":{"code":21}}"#, opted_out.clone()),
        (400, r#"{"error":{"code":"21"}}"#, opted_out),
        (400, r#"{"error":{"code":23}}"#, later.clone()),
        (400, r#"{"error":{"code":24}}"#, Outcome::AccountRefused),
        (400, r#"{"error":{"code":99}}"#, rejected(Some("99"))),
        (403, "", rejected(None)),
        (409, "", later.clone()),
        (429, "", later.clone()),
        (408, "", later.clone()),
        (500, r#"{"error":{"code":21}}"#, later.clone()),
        (402, "", Outcome::AccountRefused),
        (302, "", Outcome::AccountRefused),
        (404, "", rejected(None)),
    ] {
        let settled = signing().outcome(&answer(status, body), NOW).unwrap();
        assert_eq!(settled.outcome, expected, "{status} {body}");
        assert!(matches!(settled.outcome, Outcome::Sent { .. }) || settled.detail.is_some());
    }
    assert!(signing().outcome(&answer(401, ""), NOW).is_err(), "the token is refused, and not the text");
    assert_eq!(posting().outcome(&answer(401, ""), NOW).unwrap().outcome, Outcome::AccountRefused);
    let mut busy = answer(429, "");
    busy.headers_mut().insert("retry-after", HeaderValue::from_static("7"));
    let expected = Outcome::Later { retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(signing().outcome(&busy, NOW).unwrap().outcome, expected);
}

#[test]
fn a_carrier_that_always_answers_200_is_judged_by_its_code() {
    let outcome = |body: &str| posting().outcome(&answer(200, body.to_owned()), NOW).unwrap().outcome;
    let refused = |code, carrier_code: &str| Outcome::Refused { code, carrier_code: Some(carrier_code.into()) };
    assert_eq!(
        outcome(r#"{"results":[{"id":9001,"status":0}]}"#),
        Outcome::Sent { carrier_id: "9001".into(), segments: None }
    );
    assert_eq!(outcome(r#"{"results":[{"status":"1"}]}"#), Outcome::Later { retry_after: None });
    assert_eq!(outcome(r#"{"results":[{"status":4}]}"#), Outcome::AccountRefused);
    assert_eq!(outcome(r#"{"results":[{"status":7}]}"#), refused(FailureCode::OptedOut, "7"));
    assert_eq!(outcome(r#"{"results":[{"id":9001,"status":5}]}"#), refused(FailureCode::CarrierRejected, "5"));
    for body in [r#"{"results":[{"id":9001}]}"#, r#"{"results":[{"status":0}]}"#, "", "OK 9001"] {
        assert_eq!(outcome(body), Outcome::Unknown, "{body}");
    }
}

fn outbound() -> Outbound {
    Outbound {
        message: MessageId::new(Day(20_414), Position(7), 1),
        attempt: 2,
        refused_before: 0,
        from: "+14155550199".parse().unwrap(),
        to: "+14155550101".parse().unwrap(),
        text: "Café \"at\" {to}?\n👋".to_owned(),
        valid_for_secs: 3_600,
    }
}
