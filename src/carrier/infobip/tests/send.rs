//! Tests of sends, their responses, and look-ups of numbers.

use super::*;
use crate::carrier::{NumberFacts, Pointing};
use crate::model::{FailureCode, Outcome, Settled};
use serde_json::{Value, json};
use std::slice;

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

fn sent(infobip: &Infobip, send: &Outbound) -> Value {
    serde_json::from_slice(infobip.request(send, None, NOW).body()).unwrap()
}

/// Path and query of the URL for receipts.
pub(super) fn receipts_target(infobip: &Infobip) -> String {
    let body = sent(infobip, &outbound(60));
    let url = body["messages"][0]["webhooks"]["delivery"]["url"].as_str().unwrap();
    url.strip_prefix("https://gw.example.com").unwrap().to_owned()
}

fn outcome(status: u16, body: impl Into<Bytes>) -> Settled {
    infobip().outcome(&answer(status, body), NOW).unwrap()
}

/// The response to a text that ended with this status.
fn with_status(group: u32, id: u32) -> String {
    let status = json!({ "groupId": group, "id": id });
    json!({ "messages": [{ "messageId": message().to_string(), "status": status }] }).to_string()
}

#[test]
fn a_send_has_our_own_message_id_and_numbers_without_plus() {
    let request = infobip().request(&outbound(3_600), None, NOW);
    assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, format!("{BASE_URL}/sms/3/messages")));
    assert_eq!(request.headers()["content-type"], "application/json");
    let authorization = &request.headers()["authorization"];
    assert!(authorization.is_sensitive() && authorization.to_str().unwrap() == format!("App {API_KEY}"));
    assert!(!format!("{request:?}").contains(API_KEY));

    let body = sent(&infobip(), &outbound(3_600));
    let text = &body["messages"][0];
    assert_eq!(text["sender"], "14155550199");
    assert_eq!(text["destinations"], json!([{ "to": "14155550101", "messageId": message().to_string() }]));
    assert_eq!((&text["content"]["text"], &text["content"]["transliteration"]), (&json!("Café at 8?"), &json!("NONE")));
    assert_eq!(text["options"], json!({ "validityPeriod": { "amount": 3_600, "timeUnit": "SECONDS" } }));
    assert_eq!(body["options"], json!({ "includeSmsCountInResponse": true }));
    let target = receipts_target(&infobip());
    assert!(target.starts_with("/carriers/main/receipts?key=") && target.len() == 60, "{target}");
    let again = Outbound { attempt: 2, ..outbound(3_600) };
    assert_eq!(sent(&infobip(), &again), body, "Infobip takes the id once, so another attempt must have the same");
    let refused = Outbound { refused_before: 1, ..again };
    let id = sent(&infobip(), &refused)["messages"][0]["destinations"][0]["messageId"].clone();
    assert_eq!(id, format!("{}.1", message()), "an id that was refused may count as taken");
}

#[test]
fn the_validity_period_is_clamped_and_an_application_is_named() {
    for (requested, expected) in [(0, 1), (120, 120), (172_800, 172_800), (u32::MAX, 172_800)] {
        let body = sent(&infobip(), &outbound(requested));
        assert_eq!(body["messages"][0]["options"]["validityPeriod"]["amount"], expected);
    }
    let of_shop = Infobip::new(Settings { application_id: Some("shop".into()), ..account() });
    let body = sent(&of_shop, &outbound(60));
    assert_eq!(body["messages"][0]["options"]["platform"]["applicationId"], "shop");
}

#[test]
fn an_accepted_send_has_an_id_and_segments() {
    let body = body!("sent");
    let carrier_id: Value = serde_json::from_str(body).unwrap();
    let carrier_id = carrier_id["messages"][0]["messageId"].as_str().unwrap().to_owned();
    assert_eq!(outcome(200, body).outcome, Outcome::Sent { carrier_id: carrier_id.clone(), segments: Some(2) });
    let bare = body.replace(r#","details":{"messageCount":2}"#, "");
    assert_eq!(outcome(200, bare).outcome, Outcome::Sent { carrier_id, segments: None });
    for (group, id) in [(0, 0), (1, 7), (3, 5)] {
        assert!(matches!(outcome(200, with_status(group, id)).outcome, Outcome::Sent { .. }), "{group}");
    }
}

#[test]
fn a60_a_200_that_does_not_say_what_became_of_the_text_is_unknown() {
    for body in [
        "",
        "{}",
        "<html>",
        "[]",
        r#"{"messages":[]}"#,
        r#"{"messages":[{"messageId":"m"}]}"#,
        r#"{"messages":[{"messageId":"m","status":{"groupId":9}}]}"#,
        r#"{"messages":[{"messageId":"a b","status":{"groupId":1}}]}"#,
        r#"{"messages":[{"status":{"groupId":1}}]}"#,
        &body!("sent")[..90],
    ] {
        for status in [200, 201, 204] {
            assert_eq!(outcome(status, body.to_owned()).outcome, Outcome::Unknown, "{status} {body}");
        }
    }
}

#[test]
fn a60_a_repeated_id_says_that_infobip_has_the_text() {
    let carrier_id = message().to_string();
    assert_eq!(outcome(200, with_status(5, 23)).outcome, Outcome::Sent { carrier_id, segments: None });
    let anonymous = r#"{"messages":[{"status":{"groupId":5,"id":23}}]}"#;
    assert_eq!(outcome(200, anonymous).outcome, Outcome::Unknown);
}

#[test]
fn a_rejection_within_a_200_has_our_code_and_advice() {
    use FailureCode::{Blocked, CarrierError, CarrierRejected, NumberInvalid, OptedOut};

    for (group, id, expected, says) in [
        (5, 6, CarrierRejected, "route"),
        (5, 10, Blocked, "do-not-disturb"),
        (5, 14, OptedOut, "START"),
        (5, 20, CarrierError, "too many"),
        (5, 25, CarrierRejected, "longer"),
        (5, 52, NumberInvalid, "not valid"),
        (2, 9, CarrierError, "not delivered"),
        (5, 777, CarrierRejected, "answered 200 with code 777"),
    ] {
        let settled = outcome(200, with_status(group, id));
        let expected = Outcome::Refused { code: expected, carrier_code: Some(id.to_string()) };
        assert_eq!(settled.outcome, expected, "{id}");
        assert!(settled.detail.as_deref().is_some_and(|detail| detail.contains(says)), "{:?}", settled.detail);
    }
    for body in [body!("no_credit").to_owned(), with_status(5, 17)] {
        let settled = outcome(200, body);
        assert_eq!(settled.outcome, Outcome::AccountRefused);
        assert!(settled.detail.unwrap().contains("Infobip's web interface"));
    }
    assert_eq!(outcome(200, with_status(5, 21)).outcome, Outcome::Later { retry_after: None });
}

#[test]
fn a64_statuses_of_responses_have_their_class() {
    for status in [408, 425, 429, 500, 503] {
        assert_eq!(outcome(status, body!("bad_request")).outcome, Outcome::Later { retry_after: None }, "{status}");
    }
    let mut busy = answer(429, "");
    busy.headers_mut().insert("retry-after", "9".parse().unwrap());
    let nine_seconds = Outcome::Later { retry_after: Some(Duration::from_secs(9)) };
    assert_eq!(infobip().outcome(&busy, NOW).unwrap().outcome, nine_seconds);
    for (status, says) in [(401, "api_key_file"), (403, "scopes"), (404, "base_url"), (302, "redirect")] {
        let settled = outcome(status, "");
        assert_eq!(settled.outcome, Outcome::AccountRefused, "{status}");
        assert!(settled.detail.as_deref().is_some_and(|detail| detail.contains(says)), "{:?}", settled.detail);
    }
    let wrong = outcome(400, body!("bad_request"));
    let code = FailureCode::NumberInvalid;
    assert_eq!(wrong.outcome, Outcome::Refused { code, carrier_code: Some("E400".into()) });
    let older = r#"{"requestError":{"serviceException":{"messageId":"BAD_REQUEST","text":"Bad Request"}}}"#;
    let code = FailureCode::CarrierRejected;
    assert_eq!(outcome(400, older).outcome, Outcome::Refused { code, carrier_code: Some("BAD_REQUEST".into()) });
}

#[test]
fn a39_a_look_up_asks_for_the_number_and_then_for_its_forwarding() {
    let (infobip, number) = (infobip(), "+14155550199".parse().unwrap());
    let request = |answers: &[Response<Bytes>]| match infobip.look_up(number, answers, None) {
        LookUp::Request(request) => request.uri().to_string(),
        other => panic!("{other:?} is no request"),
    };
    assert_eq!(request(&[]), format!("{BASE_URL}/numbers/1/numbers?number=14155550199"));
    let list = answer(200, body!("numbers"));
    let key = "84E1CE5B1A3B4B5C9A2F6D7E8F901234";
    assert_eq!(request(slice::from_ref(&list)), format!("{BASE_URL}/numbers/2/numbers/{key}/sms"));

    let facts = |second| match infobip.look_up(number, &[list.clone(), second], None) {
        LookUp::Found(facts) => facts,
        other => panic!("{other:?} is not found"),
    };
    let found = |webhook| NumberFacts { sms: true, mms: true, webhook };
    assert_eq!(facts(answer(200, body!("forwarding"))), found(Pointing::Here));
    let elsewhere = body!("forwarding").replace("gw.example.com", "old.example.com");
    let old = Pointing::Elsewhere("https://old.example.com/carriers/main/messages".into());
    assert_eq!(facts(answer(200, elsewhere)), found(old));
    let subscribed = r#"{"configurations":[{"action":{"type":"FORWARD_TO_SUBSCRIPTION"}}]}"#;
    for (status, body) in [(200, r#"{"configurations":[]}"#), (200, ""), (429, ""), (200, subscribed)] {
        assert_eq!(facts(answer(status, body)), found(Pointing::Unknown), "{status} {body}");
    }
}

#[test]
fn a39_a_look_up_that_fails_says_what_to_do() {
    let look_up = |number: &str, status, body: &'static str| {
        infobip().look_up(number.parse().unwrap(), &[answer(status, body)], None)
    };
    assert!(matches!(look_up("+14155550198", 200, body!("numbers")), LookUp::NotOurs));
    for (status, body, says, can_retry) in [
        (401, "", "api_key_file", false),
        (403, "", "scope", false),
        (404, "", "base_url", false),
        (429, "", "answered 429", true),
        (500, "", "answered 500", true),
        (200, "{}", "cannot be parsed", true),
    ] {
        let LookUp::Failed { reason, retryable } = look_up("+14155550199", status, body) else { panic!("{status}") };
        assert!(reason.contains(says) && retryable == can_retry, "{status}: {reason}");
    }
}
