//! Tests of sends, their responses, and look-ups of numbers.

use super::*;
use crate::carrier::{NumberFacts, Pointing};
use crate::model::{Day, FailureCode, MessageId, Outcome, Position, Settled};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use std::time::Duration;

const SENT: &str = include_str!("../bodies/sent.json");
const OPTED_OUT: &str = include_str!("../bodies/opted_out.json");
const TOO_MANY: &str = include_str!("../bodies/too_many.json");
const NUMBERS: &str = include_str!("../bodies/numbers.json");

#[test]
fn a_send_is_a_form_with_a_callback_url_that_has_our_message_id() {
    let twilio = Twilio::new(Settings { other_auth_token: Some(Secret::new("next")), ..account() });
    let request = twilio.request(&outbound(3_600), None, NOW);
    assert_eq!(
        (request.method(), request.uri().path()),
        (&Method::POST, format!("/2010-04-01/Accounts/{SID}/Messages.json").as_str())
    );
    assert_eq!(request.uri().to_string(), format!("https://api.twilio.com/2010-04-01/Accounts/{SID}/Messages.json"));
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(
        std::str::from_utf8(request.body()).unwrap(),
        format!(
            "To=%2B14155550101&From=%2B14155550199&Body=Caf%C3%A9+at+8%3F\
             &StatusCallback=https%3A%2F%2Fgw.example.com%2Fcarriers%2Fmain%2Freceipts%3Fmessage%3D{}\
             &ValidityPeriod=3600&SmartEncoded=false",
            outbound(0).message
        )
    );
    let authorization = &request.headers()["authorization"];
    assert!(authorization.is_sensitive());
    let (scheme, credentials) = authorization.to_str().unwrap().split_once(' ').unwrap();
    assert_eq!((scheme, BASE64.decode(credentials).unwrap()), ("Basic", format!("{SID}:{TOKEN}").into_bytes()));
    assert!(!format!("{request:?}").contains(credentials));
    assert!(!format!("{:?}", outbound(1)).contains("Caf"));
}

#[test]
fn the_validity_period_is_clamped_to_twilios_range() {
    for (requested, expected) in [(0, 1), (120, 120), (36_000, 36_000), (u32::MAX, 36_000)] {
        let request = twilio().request(&outbound(requested), None, NOW);
        let body = String::from_utf8(request.into_body().into()).unwrap();
        assert!(body.contains(&format!("&ValidityPeriod={expected}&")), "{requested}");
    }
}

#[test]
fn public_and_api_urls_may_have_a_path() {
    let account = Settings {
        name: "süd".into(),
        public_url: "https://gw.example.com/sms/".parse().unwrap(),
        api_url: "http://127.0.0.1:9100/sim".parse().unwrap(),
        ..account()
    };
    let request = Twilio::new(account).request(&outbound(1), None, NOW);
    assert_eq!(request.uri().to_string(), format!("http://127.0.0.1:9100/sim/2010-04-01/Accounts/{SID}/Messages.json"));
    let body = std::str::from_utf8(request.body()).unwrap();
    assert!(body.contains("gw.example.com%2Fsms%2Fcarriers%2Fs%25C3%25BCd%2Freceipts%3Fmessage%3Dmsg_"), "{body}");
}

#[test]
fn an_accepted_send_has_an_id_and_segments() {
    let sent = |segments| Outcome::Sent { carrier_id: "SM9d01e7b35c2f4688b0a7c4e6f8135792".into(), segments };
    assert_eq!(outcome(201, SENT).outcome, sent(Some(1)));
    assert_eq!(outcome(200, SENT.replace(r#""1""#, "6")).outcome, sent(Some(6)));
    for unsaid in [r#""0""#, "null", r#""many""#, "-1", "99999", "[]"] {
        assert_eq!(outcome(201, SENT.replace(r#""1""#, unsaid)).outcome, sent(None), "{unsaid}");
    }
}

#[test]
fn a60_a_2xx_without_an_id_is_unknown() {
    for body in
        ["", "{}", "<html>", "[]", "{\"sid\":null}", "{\"sid\":7}", "{\"sid\":\"\"}", "{\"sid\":\"a b\"}", &SENT[..90]]
    {
        for status in [200, 201, 202, 204] {
            assert_eq!(outcome(status, body.to_owned()).outcome, Outcome::Unknown, "{status} {body}");
        }
    }
}

#[test]
fn a64_a_429_or_a_5xx_is_for_later() {
    for (status, body) in
        [(429, TOO_MANY), (429, ""), (500, ""), (503, "{}"), (599, "<html>"), (408, ""), (400, TOO_MANY)]
    {
        let Settled { outcome, detail, .. } = outcome(status, body);
        assert_eq!(outcome, Outcome::Later { retry_after: None }, "{status} {body}");
        let reason = detail.unwrap();
        assert!(reason.starts_with(&format!("Twilio answered {status}")), "{reason}");
    }
    // Twilio's queue for the sender is full now, but drains within ten hours.
    assert!(matches!(outcome(400, coded(21_611)).outcome, Outcome::Later { .. }));

    let mut busy = answer(503, "");
    busy.headers_mut().insert("retry-after", "Sat, 22 Nov 2025 06:00:09 GMT".parse().unwrap());
    let nine_seconds = Outcome::Later { retry_after: Some(Duration::from_secs(9)) };
    assert_eq!(twilio().outcome(&busy, NOW).unwrap().outcome, nine_seconds);
}

#[test]
fn a_refusal_has_our_code_twilios_code_and_advice() {
    use FailureCode::{Blocked, CarrierError, CarrierRejected, Landline, NumberInvalid, OptedOut, Unreachable};

    for (status, code, expected, can_retry, says) in [
        (400, 21_211, NumberInvalid, false, "does not exist"),
        (400, 21_408, CarrierRejected, false, "country"),
        (400, 21_606, CarrierRejected, false, "our number"),
        (400, 21_608, CarrierRejected, false, "trial account"),
        (400, 21_610, OptedOut, false, "STOP"),
        (400, 21_614, Landline, false, "mobile"),
        (400, 21_617, CarrierRejected, false, "longer"),
        (400, 21_635, Landline, false, "landline"),
        (400, 30_003, Unreachable, true, "out of reach"),
        (400, 30_007, Blocked, false, "filtered"),
        // A daily limit is not lifted within the lifetime of a text, whatever the status says.
        (429, 63_038, CarrierError, true, "today"),
        (400, 12_345, CarrierRejected, false, "answered 400 with code 12345"),
    ] {
        let settled = outcome(status, coded(code));
        let Outcome::Refused { code: failure, carrier_code } = settled.outcome else {
            panic!("{code} is not a refusal")
        };
        let detail = settled.detail.unwrap();
        let retryable = crate::rules::receipt::failure(failure, None, None).retryable;
        assert_eq!((failure, retryable), (expected, can_retry), "{code}");
        assert_eq!(carrier_code, Some(code.to_string()));
        assert!(detail.contains(says), "{code}: {detail}");
        assert!(!detail.contains("555"), "Twilio's own text contains the number");
    }
    assert!(matches!(outcome(400, OPTED_OUT).outcome, Outcome::Refused { code: OptedOut, .. }));
}

#[test]
fn f06_account_errors_do_not_fail_the_text() {
    for (status, body, says) in [
        (401, coded(20_003), "401 with code 20003: Twilio rejects our credentials: check account_sid"),
        (403, coded(20_003), "check account_sid and auth_token_files"),
        (401, coded(70_051), "answered 401 with code 70051: Twilio rejects our credentials"),
        (401, String::new(), "answered 401: Twilio rejects our credentials"),
        (401, "<html>".to_owned(), "auth_token_files"),
        (403, String::new(), "forbids"),
        (403, coded(20_005), "not active"),
        (403, coded(20_008), "test credentials"),
        (404, coded(20_404), "check account_sid and api_url"),
        (404, String::new(), "no such account"),
        (400, coded(30_002), "suspended"),
        (403, coded(30_002), "suspended"),
        (301, String::new(), "redirect"),
        (307, "<html>".to_owned(), "redirect"),
    ] {
        let settled = outcome(status, body);
        assert_eq!(settled.outcome, Outcome::AccountRefused, "{status} {says}");
        let detail = settled.detail.unwrap();
        assert!(detail.contains(says) && !detail.contains("555"), "{status}: {detail}");
    }
    // A server error says nothing about the account, and neither does a rejected text.
    assert!(matches!(outcome(500, coded(20_003)).outcome, Outcome::Later { .. }));
    assert!(matches!(outcome(403, coded(21_610)).outcome, Outcome::Refused { .. }));
}

#[test]
fn a_refusal_without_a_code_reports_the_status() {
    for (status, says) in [(400, "answered 400"), (413, "answered 413")] {
        for body in ["", "<html>", "{\"code\":\"21610\"}"] {
            let settled = outcome(status, body);
            let rejected = Outcome::Refused { code: FailureCode::CarrierRejected, carrier_code: None };
            assert_eq!(settled.outcome, rejected, "{status}");
            let detail = settled.detail.unwrap();
            assert!(detail.contains(says), "{status}: {detail}");
        }
    }
}

#[test]
fn a40_a_number_is_looked_up_by_exact_match() {
    let LookUp::Request(request) = twilio().look_up(ours(), &[], None) else { panic!("no request") };
    assert_eq!(
        request.uri().to_string(),
        format!(
            "https://api.twilio.com/2010-04-01/Accounts/{SID}/IncomingPhoneNumbers.json?PhoneNumber=%2B14155550199"
        )
    );
    assert!(request.headers().contains_key("authorization"));

    let LookUp::Found(facts) = looked_up(200, NUMBERS) else { panic!("not found") };
    assert_eq!(facts, NumberFacts { sms: true, mms: true, webhook: Pointing::Here });
    assert!(matches!(looked_up(200, NUMBERS.replace("+14155550199", "+14155550198")), LookUp::NotOurs));
    assert!(matches!(looked_up(200, r#"{"incoming_phone_numbers":[]}"#), LookUp::NotOurs));
}

#[test]
fn a39_a_number_whose_webhook_goes_elsewhere_is_detected() {
    let pointing = |from: &str, to: &str| match looked_up(200, NUMBERS.replace(from, to)) {
        LookUp::Found(facts) => facts.webhook,
        other => panic!("{other:?}"),
    };
    let url = r#""sms_url":"https://gw.example.com/carriers/main/messages#rc=5&rp=all""#;
    assert_eq!(pointing(url, r#""sms_url":"https://gw.example.com/carriers/main/messages""#), Pointing::Here);
    let receipts = r#""sms_url":"https://gw.example.com/carriers/main/receipts/""#;
    assert_eq!(pointing(url, receipts), Pointing::Here);
    let elsewhere = |written: &str| match pointing(url, &format!(r#""sms_url":"{written}""#)) {
        Pointing::Elsewhere(found) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(elsewhere("https://demo.twilio.com/reply"), "https://demo.twilio.com/reply");
    assert_eq!(elsewhere("https://me:secret@old.example.com/sms?key=secret#rc=5"), "https://old.example.com/sms?...");
    assert_eq!(elsewhere("nonsense?key=secret"), "nonsense");
    let by_get = "https://gw.example.com/carriers/main/messages by GET".to_owned();
    assert_eq!(pointing(r#""sms_method":"POST""#, r#""sms_method":"GET""#), Pointing::Elsewhere(by_get));
    assert_eq!(pointing(url, r#""sms_url":"""#), Pointing::Unknown);
    assert_eq!(pointing(r#""sms_application_sid":"""#, r#""sms_application_sid":"AP1""#), Pointing::Unknown);
}

#[test]
fn a_look_up_without_information_about_the_number_has_failed() {
    for (status, body, can_retry) in [
        (401, "", false),
        (403, "", false),
        (404, "", false),
        (302, "", true),
        (429, TOO_MANY, true),
        (500, "", true),
        (200, "", true),
        (200, "{}", true),
        (200, r#"{"incoming_phone_numbers":[{}]}"#, true),
    ] {
        let LookUp::Failed { retryable, reason } = looked_up(status, body) else { panic!("{status} {body}") };
        assert_eq!(retryable, can_retry, "{status}: {reason}");
    }
}

#[test]
fn r8_r10_r11_a_text_is_sent_unchanged_with_links_and_without_media() {
    let words = "Upload it at https://example.com/u?call=7&lang=en#photo or reply here 👍";
    let request = twilio().request(&Outbound { text: words.into(), ..outbound(60) }, None, NOW);
    let sent: Vec<(String, String)> = form_urlencoded::parse(request.body()).into_owned().collect();
    let names: Vec<_> = sent.iter().map(|(name, _)| &**name).collect();
    // No MediaUrl, no ShortenUrls, and nothing that only an app could display, like ContentSid.
    assert_eq!(names, ["To", "From", "Body", "StatusCallback", "ValidityPeriod", "SmartEncoded"]);
    assert_eq!(sent[2].1, words);
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
    twilio().outcome(&answer(status, body), NOW).unwrap()
}

fn looked_up(status: u16, body: impl Into<Bytes>) -> LookUp {
    twilio().look_up(ours(), &[answer(status, body)], None)
}

/// An error body that contains a number, as Twilio's do.
fn coded(code: u32) -> String {
    format!(r#"{{"code":{code},"message":"The 'To' number +14155550101 is no good","status":400}}"#)
}
