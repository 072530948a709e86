//! Tests of tokens, sends and their responses.

use super::*;
use crate::model::{Day, FailureCode, MessageId, Outcome, Position};
use serde_json::{Value, json};

const SENT: &str = body!("sent.json");

#[test]
fn a_token_is_asked_for_with_the_client_credentials() {
    let request = bandwidth().token_request().unwrap();
    assert_eq!((request.method(), request.body().as_ref()), (&Method::POST, &b"grant_type=client_credentials"[..]));
    assert_eq!(request.uri(), "https://api.bandwidth.com/api/v1/oauth2/token");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(request.headers()["authorization"], basic::authorization("CLIENT-1", &Secret::new("kestrel-3b1f")));
    let token = bandwidth().token(&answer(200, body!("token.json")), NOW).unwrap();
    assert_eq!((token.secret.expose(), token.use_for.as_secs()), (&b"eyJraWQiOiJhIn0.eyJzdWIiOiJiIn0.c2ln"[..], 3_540));
    let refused = bandwidth().token(&answer(401, r#"{"error":"invalid_client"}"#), NOW);
    assert!(matches!(refused, Err(NoToken::Refused { detail }) if detail.contains("client_secret_file")));
}

#[test]
fn a_send_is_json_with_the_token_our_id_as_tag_and_a_time_to_expire() {
    let token = Secret::new("a-token");
    let request = bandwidth().request(&outbound(3_600), Some(&token), NOW);
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "https://messaging.bandwidth.com/api/v2/users/9900000/messages");
    assert_eq!(request.headers()["authorization"], "Bearer a-token");
    assert!(request.headers()["authorization"].is_sensitive());
    assert_eq!(request.headers()["content-type"], "application/json");
    let expected = json!({
        "applicationId": APPLICATION,
        "from": "+14155550199",
        "to": ["+14155550101"],
        "text": "Café \"at\" 8?\n👋",
        "tag": outbound(0).message.to_string(),
        "expiration": "2025-11-22T07:00:00.000Z",
    });
    assert_eq!(serde_json::from_slice::<Value>(request.body()).unwrap(), expected);
    let soon = bandwidth().request(&outbound(0), None, NOW);
    assert!(!soon.headers().contains_key("authorization"));
    let soon: Value = serde_json::from_slice(soon.body()).unwrap();
    assert_eq!(soon["expiration"], "2025-11-22T06:00:15.000Z", "it is always in the future");
}

#[test]
fn with_api_url_everything_goes_there() {
    let dialect = Bandwidth::new(Settings { api_url: Some("http://127.0.0.1:9100/bw".parse().unwrap()), ..account() });
    let send = dialect.request(&outbound(1), None, NOW);
    assert_eq!(send.uri(), "http://127.0.0.1:9100/bw/api/v2/users/9900000/messages");
    assert_eq!(dialect.token_request().unwrap().uri(), "http://127.0.0.1:9100/bw/api/v1/oauth2/token");
    let LookUp::Request(request) = dialect.look_up("+14155550199".parse().unwrap(), &[], None) else { panic!() };
    assert_eq!(request.uri(), "http://127.0.0.1:9100/bw/api/tns/4155550199/tndetails");
}

#[test]
fn an_accepted_send_has_an_id_and_segments() {
    let sent = |segments| Outcome::Sent { carrier_id: "1593110555875xo7watq5px6rbe5d".into(), segments };
    assert_eq!(outcome(202, SENT), sent(Some(1)));
    assert_eq!(outcome(200, &SENT.replace("\"segmentCount\":1", "\"segmentCount\":\"6\"")), sent(Some(6)));
    for unsaid in ["0", "null", "\"many\"", "-1", "99999", "[]"] {
        let body = SENT.replace("\"segmentCount\":1", &format!("\"segmentCount\":{unsaid}"));
        assert_eq!(outcome(202, &body), sent(None), "{unsaid}");
    }
}

#[test]
fn a60_a_2xx_without_an_id_is_unknown() {
    for body in
        ["", "{}", "<html>", "[]", "{\"id\":null}", "{\"id\":7}", "{\"id\":\"\"}", "{\"id\":\"a b\"}", &SENT[..9]]
    {
        assert_eq!(outcome(202, body), Outcome::Unknown, "{body}");
    }
}

#[test]
fn a64_a_full_queue_and_a_fault_are_for_later() {
    for (status, body) in
        [(429, body!("queue_full.json")), (429, ""), (500, ""), (503, "{}"), (599, "<html>"), (408, "")]
    {
        let mut answer = answer(status, body);
        answer.headers_mut().insert("retry-after", HeaderValue::from_static("7"));
        let settled = bandwidth().outcome(&answer, NOW).unwrap();
        assert_eq!(settled.outcome, Outcome::Later { retry_after: Some(Duration::from_secs(7)) }, "{status} {body}");
        assert!(settled.detail.unwrap().starts_with(&format!("Bandwidth answered {status}")));
    }
    assert_eq!(outcome(429, ""), Outcome::Later { retry_after: None });
}

#[test]
fn a_refused_token_is_no_refusal_of_the_text() {
    let refused = bandwidth().outcome(&answer(401, r#"{"type":"unauthorized"}"#), NOW).unwrap_err();
    assert_eq!(refused.detail, "Bandwidth answered 401");
}

#[test]
fn what_concerns_every_text_refuses_the_account() {
    let application = body!("refused.json").replace("\"from\"", "\"applicationId\"");
    for (status, body, says) in [
        (403, r#"{"type":"forbidden","description":"Access Denied"}"#, "role Messaging"),
        (404, "", "account_id"),
        (302, "", "redirect"),
        (400, &application, "application_id"),
    ] {
        let settled = bandwidth().outcome(&answer(status, body.to_owned()), NOW).unwrap();
        assert_eq!(settled.outcome, Outcome::AccountRefused, "{status}");
        assert!(settled.detail.as_deref().is_some_and(|detail| detail.contains(says)), "{settled:?}");
    }
}

#[test]
fn a_refused_text_says_which_number_is_wrong_and_repeats_none() {
    let refused = body!("refused.json");
    for (status, body, code) in [
        (400, refused.to_owned(), FailureCode::CarrierRejected),
        (400, refused.replace("\"from\"", "\"to\""), FailureCode::NumberInvalid),
        (400, refused.replace("\"from\"", "\"to[0]\""), FailureCode::NumberInvalid),
        (400, refused.replace("\"from\"", "\"text\""), FailureCode::CarrierRejected),
        (415, refused.replace("fieldErrors", "others"), FailureCode::CarrierRejected),
    ] {
        let settled = bandwidth().outcome(&answer(status, body), NOW).unwrap();
        assert_eq!(settled.outcome, Outcome::Refused { code, carrier_code: Some("request-validation".into()) });
        assert!(!settled.detail.unwrap().contains("+invalid"));
    }
    assert_eq!(outcome(400, ""), Outcome::Refused { code: FailureCode::CarrierRejected, carrier_code: None });
}

#[track_caller]
fn outcome(status: u16, body: &str) -> Outcome {
    bandwidth().outcome(&answer(status, body.to_owned()), NOW).unwrap().outcome
}

fn outbound(valid_for_secs: u32) -> Outbound {
    Outbound {
        message: MessageId::new(Day(20_414), Position(7), 1),
        attempt: 1,
        refused_before: 0,
        from: "+14155550199".parse().unwrap(),
        to: "+14155550101".parse().unwrap(),
        text: "Café \"at\" 8?\n👋".to_owned(),
        valid_for_secs,
    }
}
