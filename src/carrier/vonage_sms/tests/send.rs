//! Tests of sends, their responses, and look-ups of numbers.

use super::*;
use crate::carrier::{NumberFacts, Pointing};
use crate::model::{Day, FailureCode, MessageId, Outcome, Position, Settled};

const SENT: &str = include_str!("../../../../tests/bodies/vonage_sms/sent.json");
const SENT_IN_PARTS: &str = include_str!("../../../../tests/bodies/vonage_sms/sent_in_parts.json");
const THROTTLED: &str = include_str!("../../../../tests/bodies/vonage_sms/throttled.json");
const HALF_SENT: &str = include_str!("../../../../tests/bodies/vonage_sms/half_sent.json");
const NUMBERS: &str = include_str!("../../../../tests/bodies/vonage/numbers.json");

#[test]
fn a_send_is_a_form_with_our_message_id_as_client_ref() {
    let request = vonage().request(&outbound("Café at 8?", 3_600), None, NOW);
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "https://rest.nexmo.com/sms/json");
    assert_eq!(
        std::str::from_utf8(request.body()).unwrap(),
        format!(
            "api_key=a1b2c3d4&api_secret=Xy7Zw9Vu5Ts3Rq1P&from=14155550199&to=14155550101&text=Caf%C3%A9+at+8%3F&type=text\
             &ttl=3600000&status-report-req=1&client-ref={}\
             &callback=https%3A%2F%2Fgw.example.com%2Fcarriers%2Fmain%2Freceipts",
            outbound("", 0).message
        )
    );
    assert!(!format!("{:?}", vonage()).contains("Xy7Zw9Vu5Ts3Rq1P"));
    let body = |text: &str, secs| {
        String::from_utf8(vonage().request(&outbound(text, secs), None, NOW).into_body().into()).unwrap()
    };
    assert!(body("👍", 60).contains("&type=unicode&"));
    for (requested, expected) in [(0, 20_000), (120, 120_000), (u32::MAX, 604_800_000)] {
        assert!(body("x", requested).contains(&format!("&ttl={expected}&")), "{requested}");
    }
    let far = VonageSms::new(Settings { name: "x".repeat(80), ..account() });
    let request = far.request(&outbound("x", 60), None, NOW);
    assert!(!std::str::from_utf8(request.body()).unwrap().contains("callback"));
}

#[test]
fn an_accepted_send_has_the_id_of_its_first_part_and_the_number_of_parts() {
    let sent = |segments| Outcome::Sent { carrier_id: "0A0000000123ABCD1".into(), segments: Some(segments) };
    assert_eq!(outcome(200, SENT).outcome, sent(1));
    assert_eq!(outcome(200, SENT_IN_PARTS).outcome, sent(2));
    assert_eq!(outcome(200, SENT.replace("\"status\":\"0\"", "\"status\":0")).outcome, sent(1));
    for body in ["", "{}", "<html>", "[]", "{\"messages\":[]}", "{\"messages\":[{\"status\":\"0\"}]}", &SENT[..90]] {
        assert_eq!(outcome(200, body.to_owned()).outcome, Outcome::Unknown, "{body}");
    }
    let bad_id = SENT.replace("0A0000000123ABCD1", "");
    assert_eq!(outcome(200, bad_id).outcome, Outcome::Unknown);
}

#[test]
fn a_text_of_which_only_some_parts_were_accepted_has_failed_and_is_not_sent_again() {
    for (status, code) in
        [("9", FailureCode::CarrierRejected), ("1", FailureCode::CarrierError), ("7", FailureCode::Blocked)]
    {
        let settled = outcome(200, HALF_SENT.replace("\"9\"", &format!("\"{status}\"")));
        assert_eq!(settled.outcome, Outcome::Refused { code, carrier_code: Some(status.to_owned()) });
        let detail = settled.detail.unwrap();
        assert!(
            detail.starts_with("Vonage accepted 1 of 2 parts of the text: ") && !detail.contains("555"),
            "{detail}"
        );
    }
}

#[test]
fn a64_a_429_or_a_5xx_or_a_throttled_text_is_for_later() {
    for (status, body) in [(200, THROTTLED), (429, ""), (500, ""), (503, SENT), (408, "")] {
        let Settled { outcome, detail, .. } = outcome(status, body);
        assert_eq!(outcome, Outcome::Later { retry_after: None }, "{status} {body}");
        assert!(detail.unwrap().starts_with(&format!("Vonage answered {status}")));
    }
    let mut busy = answer(429, "");
    busy.headers_mut().insert("retry-after", "7".parse().unwrap());
    let seven_seconds = Outcome::Later { retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(vonage().outcome(&busy, NOW).unwrap().outcome, seven_seconds);
}

#[test]
fn a_refusal_has_our_code_vonages_status_and_advice() {
    use FailureCode::{Blocked, CarrierRejected, NumberInvalid, OptedOut};

    for (status, expected, says) in [
        ("3", CarrierRejected, "value"),
        ("6", NumberInvalid, "does not exist"),
        ("7", Blocked, "barred"),
        ("15", CarrierRejected, "our number"),
        ("29", CarrierRejected, "trial account"),
        ("33", NumberInvalid, "no longer in use"),
        ("101", OptedOut, "STOP"),
        ("98", CarrierRejected, "answered 200 with code 98"),
    ] {
        let settled = outcome(200, coded(status));
        assert_eq!(settled.outcome, Outcome::Refused { code: expected, carrier_code: Some(status.to_owned()) });
        let detail = settled.detail.unwrap();
        assert!(detail.contains(says) && !detail.contains("555"), "{status}: {detail}");
    }
    let rejected = Outcome::Refused { code: CarrierRejected, carrier_code: None };
    for (status, body) in [(200, coded("soon")), (400, String::new()), (400, SENT.to_owned())] {
        assert_eq!(outcome(status, body).outcome, rejected, "{status}");
    }
}

#[test]
fn f06_account_errors_do_not_fail_the_text() {
    for (status, body, says) in [
        (200, coded("4"), "check api_key and api_secret_file"),
        (200, coded("8"), "suspended"),
        (200, coded("9"), "top it up"),
        (200, coded("32"), "signed requests only"),
        (401, String::new(), "check api_key and api_secret_file"),
        (402, String::new(), "top it up"),
        (403, String::new(), "check api_key"),
        (404, String::new(), "api_url"),
        (302, String::new(), "redirect"),
    ] {
        let settled = outcome(status, body);
        assert_eq!(settled.outcome, Outcome::AccountRefused, "{status} {says}");
        let detail = settled.detail.unwrap();
        assert!(detail.contains(says), "{status}: {detail}");
    }
}

#[test]
fn a40_a_number_is_looked_up_by_exact_match() {
    let LookUp::Request(request) = vonage().look_up(ours(), &[], None) else { panic!("no request") };
    assert_eq!(request.uri(), "https://rest.nexmo.com/account/numbers?pattern=14155550199&search_pattern=0");
    assert_eq!(request.headers()["authorization"], "Basic YTFiMmMzZDQ6WHk3Wnc5VnU1VHMzUnExUA==");
    assert!(matches!(looked_up(200, "{}"), LookUp::NotOurs));
    for (status, body, can_retry) in [(401, "", false), (500, "", true), (200, "", true)] {
        let LookUp::Failed { retryable, .. } = looked_up(status, body) else { panic!("{status}") };
        assert_eq!(retryable, can_retry, "{status}");
    }
}

#[test]
fn a39_a_number_whose_webhook_goes_elsewhere_is_detected() {
    let pointing = |numbers: String| match looked_up(200, numbers) {
        LookUp::Found(NumberFacts { sms: true, mms: true, webhook }) => webhook,
        other => panic!("{other:?}"),
    };
    let elsewhere = |to: &str| Pointing::Elsewhere(to.to_owned());
    let linked = "the application aaaaaaaa-bbbb-cccc-dddd-0123456789ab";
    assert_eq!(pointing(NUMBERS.to_owned()), elsewhere(linked));
    let unlinked = NUMBERS.replace("\"app\"", "\"\"");
    assert_eq!(pointing(unlinked.clone()), elsewhere("https://old.example.com/sms?..."));
    let old = "https://old.example.com/sms?key=secret";
    let here = unlinked.replace(old, "https://gw.example.com/carriers/main/messages");
    assert_eq!(pointing(here), Pointing::Here);
    assert_eq!(pointing(unlinked.replace(old, "")), Pointing::Unknown);
}

fn looked_up(status: u16, body: impl Into<Bytes>) -> LookUp {
    vonage().look_up(ours(), &[answer(status, body)], None)
}

fn outbound(text: &str, valid_for_secs: u32) -> Outbound {
    Outbound {
        message: MessageId::new(Day(20_414), Position(7), 1),
        attempt: 1,
        refused_before: 0,
        from: ours(),
        to: "+14155550101".parse().unwrap(),
        text: text.to_owned(),
        valid_for_secs,
    }
}

fn ours() -> E164 {
    "+14155550199".parse().unwrap()
}

fn outcome(status: u16, body: impl Into<Bytes>) -> Settled {
    vonage().outcome(&answer(status, body), NOW).unwrap()
}

/// A rejection with a status, whose text contains a number.
fn coded(status: &str) -> String {
    format!(r#"{{"message-count":"1","messages":[{{"status":"{status}","error-text":"No +14155550101"}}]}}"#)
}
