//! Tests of sends, their responses, and look-ups of numbers.

use super::*;
use crate::carrier::{NumberFacts, Pointing};
use crate::model::{Day, FailureCode, MessageId, Outcome, Position, Settled};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

const SENT: &str = body!("sent.json");
const NUMBER: &str = body!("number.json");
const APPLICATION: &str = body!("application.json");

#[test]
fn a_send_has_a_callback_url_with_our_message_id() {
    let plivo = Plivo::new(Settings { other_auth_token: Some(Secret::new("next")), ..account() });
    let request = plivo.request(&outbound(3_600), None, NOW);
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri().to_string(), format!("https://api.plivo.com/v1/Account/{ID}/Message/"));
    let expected = json!({
        "src": "+14155550199", "dst": "+14155550101", "text": "Café at 8?", "type": "sms",
        "url": format!("https://gw.example.com/carriers/main/receipts?message={}", outbound(0).message),
        "method": "POST", "message_expiry": 3_600,
    });
    assert_eq!(serde_json::from_slice::<Value>(request.body()).unwrap(), expected);
    assert_eq!(request.headers()["content-type"], "application/json");
    let authorization = &request.headers()["authorization"];
    assert!(authorization.is_sensitive());
    let (scheme, credentials) = authorization.to_str().unwrap().split_once(' ').unwrap();
    assert_eq!((scheme, BASE64.decode(credentials).unwrap()), ("Basic", format!("{ID}:{TOKEN}").into_bytes()));
}

#[test]
fn r8_r10_r11_a_text_to_plivo_is_sent_unchanged_and_without_media() {
    let text = "Upload it at https://example.com/u?call=7&lang=en#photo or reply \"here\" 👍";
    let request = plivo().request(&Outbound { text: text.into(), ..outbound(60) }, None, NOW);
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    assert!(body["text"] == text && body.get("media_urls").is_none() && body.get("trackable").is_none());
}

#[test]
fn the_expiry_is_clamped_to_plivos_range() {
    for (requested, expected) in [(0, 5), (120, 120), (10_799, 10_799), (u32::MAX, 10_799)] {
        let body: Value = serde_json::from_slice(plivo().request(&outbound(requested), None, NOW).body()).unwrap();
        assert_eq!(body["message_expiry"], expected, "{requested}");
    }
}

#[test]
fn public_and_api_urls_may_have_a_path() {
    let account = Settings {
        public_url: "https://gw.example.com/sms/".parse().unwrap(),
        api_url: "http://127.0.0.1:9100/sim/".parse().unwrap(),
        ..account()
    };
    let request = Plivo::new(account).request(&outbound(60), None, NOW);
    assert_eq!(request.uri().to_string(), format!("http://127.0.0.1:9100/sim/v1/Account/{ID}/Message/"));
    assert!(
        std::str::from_utf8(request.body()).unwrap().contains("gw.example.com/sms/carriers/main/receipts?message=")
    );
}

#[test]
fn an_accepted_send_has_plivos_id_and_no_segments_yet() {
    let sent = Outcome::Sent { carrier_id: "b48d95dc-e3ac-11eb-a9c2-0242ac110005".into(), segments: None };
    assert_eq!(outcome(202, SENT).outcome, sent);
    assert_eq!(outcome(202, SENT.replace(['[', ']'], "")).outcome, sent);
}

#[test]
fn a_recipient_that_is_left_out_of_an_accepted_send_is_invalid() {
    let settled = outcome(202, r#"{"message":"message(s) queued","message_uuid":[],"invalid_number":["14155550101"]}"#);
    assert_eq!(settled.outcome, Outcome::Refused { code: FailureCode::NumberInvalid, carrier_code: None });
    assert_eq!(settled.detail.as_deref(), Some("the number is not valid"));
    let both = SENT.replace("{\"message\"", "{\"invalid_number\":[\"1\"],\"message\"");
    assert!(matches!(outcome(202, both).outcome, Outcome::Sent { .. }));
}

#[test]
fn a60_a_2xx_of_plivo_without_an_id_is_unknown() {
    for body in
        ["", "{}", "<html>", "[]", r#"{"message_uuid":[]}"#, r#"{"message_uuid":[7]}"#, r#"{"message_uuid":["a b"]}"#]
    {
        assert_eq!(outcome(202, body).outcome, Outcome::Unknown, "{body}");
    }
}

#[test]
fn a64_f06_a_refusal_of_plivo_has_the_right_outcome_by_its_status() {
    for status in [429, 500, 503, 408] {
        let Settled { outcome, detail, .. } = outcome(status, body!("error.json"));
        assert_eq!(outcome, Outcome::Later { retry_after: None }, "{status}");
        assert!(detail.unwrap().starts_with(&format!("Plivo answered {status}")));
    }
    for (status, says) in [
        (401, "check auth_id and auth_token_files"),
        (402, "no credit"),
        (403, "forbids"),
        (404, "check auth_id and api_url"),
        (301, "redirect"),
    ] {
        let Settled { outcome, detail, .. } = outcome(status, body!("error.json"));
        let detail = detail.unwrap();
        assert_eq!(outcome, Outcome::AccountRefused, "{status}");
        assert!(detail.contains(says) && !detail.contains("555"), "{status}: {detail}");
    }
    for status in [400, 413, 422] {
        let Settled { outcome, detail, .. } = outcome(status, body!("error.json"));
        let rejected = Outcome::Refused { code: FailureCode::CarrierRejected, carrier_code: None };
        assert_eq!((outcome, detail), (rejected, Some(format!("Plivo answered {status}"))));
    }
    let mut busy = answer(429, "");
    busy.headers_mut().insert("retry-after", "9".parse().unwrap());
    let nine_seconds = Outcome::Later { retry_after: Some(Duration::from_secs(9)) };
    assert_eq!(plivo().outcome(&busy, NOW).unwrap().outcome, nine_seconds);
}

#[test]
fn a40_a_number_is_looked_up_with_its_application() {
    let uri = |answers: &[Response<Bytes>]| match plivo().look_up(ours(), answers, None) {
        LookUp::Request(request) if request.headers().contains_key("authorization") => request.uri().to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(uri(&[]), format!("https://api.plivo.com/v1/Account/{ID}/Number/14155550199/"));
    let application = format!("https://api.plivo.com/v1/Account/{ID}/Application/20372631212782780/");
    assert_eq!(uri(&[answer(200, NUMBER)]), application);
    assert_eq!(found(NUMBER, APPLICATION), NumberFacts { sms: true, mms: true, webhook: Pointing::Here });
    let facts = found(&NUMBER.replace("\"mms_enabled\":true", "\"mms_enabled\":false"), APPLICATION);
    assert_eq!((facts.sms, facts.mms), (true, false));
    assert!(!found(&NUMBER.replace("\"active\":true", "\"active\":false"), APPLICATION).sms);
    assert!(matches!(looked_up(&[answer(404, body!("error.json"))]), LookUp::NotOurs));
}

#[test]
fn a39_an_application_whose_webhook_goes_elsewhere_is_detected() {
    let pointing = |from: &str, to: &str| found(NUMBER, &APPLICATION.replacen(from, to, 1)).webhook;
    let url = "https://gw.example.com/carriers/main/messages";
    let elsewhere = |written: &str| Pointing::Elsewhere(written.to_owned());
    assert_eq!(pointing(url, "https://gw.example.com/carriers/main/receipts/"), Pointing::Here);
    assert_eq!(pointing(url, "https://old.example.com/sms?key=1"), elsewhere("https://old.example.com/sms?..."));
    assert_eq!(pointing(&format!("\"{url}\""), "null"), elsewhere("nowhere"));
    assert_eq!(
        pointing("\"message_method\":\"POST\"", "\"message_method\":\"GET\""),
        elsewhere(&format!("{url} by GET"))
    );
    // Of a Powerpack, or an application that was deleted.
    let application = format!("\"/v1/Account/{ID}/Application/20372631212782780/\"");
    for none in ["null", "\"\"", "\"/\""] {
        let LookUp::Found(facts) = looked_up(&[answer(200, NUMBER.replace(&application, none))]) else {
            panic!("{none}")
        };
        assert_eq!(facts.webhook, Pointing::Unknown);
    }
    let LookUp::Found(facts) = looked_up(&[answer(200, NUMBER), answer(404, "")]) else { panic!("not found") };
    assert_eq!(facts.webhook, Pointing::Unknown);
}

#[test]
fn a_look_up_at_plivo_without_information_has_failed() {
    for (status, body, can_retry) in [
        (401, "", false),
        (403, "", false),
        (302, "", true),
        (429, "", true),
        (500, "", true),
        (200, "", true),
        (200, "[]", true),
        (200, "{}", true),
    ] {
        let LookUp::Failed { retryable, reason } = looked_up(&[answer(status, body)]) else {
            panic!("{status} {body}")
        };
        assert_eq!(retryable, can_retry, "{status}: {reason}");
    }
    assert!(matches!(looked_up(&[answer(200, NUMBER), answer(500, "")]), LookUp::Failed { retryable: true, .. }));
}

fn found(number: &str, application: &str) -> NumberFacts {
    match looked_up(&[answer(200, number.to_owned()), answer(200, application.to_owned())]) {
        LookUp::Found(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn looked_up(answers: &[Response<Bytes>]) -> LookUp {
    plivo().look_up(ours(), answers, None)
}

fn outbound(valid_for_secs: u32) -> Outbound {
    Outbound {
        message: MessageId::new(Day(20_414), Position(7), 1),
        attempt: 1,
        refused_before: 0,
        from: ours(),
        to: "+14155550101".parse().unwrap(),
        text: "Café at 8?".into(),
        valid_for_secs,
    }
}

fn ours() -> E164 {
    "+14155550199".parse().unwrap()
}

fn outcome(status: u16, body: impl Into<Bytes>) -> Settled {
    plivo().outcome(&answer(status, body), NOW).unwrap()
}
