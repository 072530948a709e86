//! Tests of sends, their responses, and look-ups of numbers.

use super::*;
use crate::carrier::{NumberFacts, Pointing};
use crate::model::{Day, FailureCode, MessageId, Outcome, Position, Settled};
use serde_json::{Value, json};

const SENT: &str = body!("sent.json");
const TOO_MANY: &str = body!("too_many.json");
const NUMBER: &str = body!("number.json");
const WITH_URL: &str = body!("profile.json");

#[test]
fn a_send_has_callback_urls_with_our_message_id_and_a_key_of_its_attempt() {
    let request = telnyx().request(&outbound("Café at 8?"), None, NOW);
    assert_eq!(
        (request.method(), request.uri()),
        (&Method::POST, &Uri::from_static("https://api.telnyx.com/v2/messages"))
    );
    let id = outbound("").message;
    let expected = json!({
        "from": "+14155550199", "to": "+14155550101", "text": "Café at 8?", "type": "SMS",
        "webhook_url": format!("https://gw.example.com/carriers/main/receipts?message={id}"),
        "webhook_failover_url": format!("https://gw.example.com/carriers/main/messages?message={id}"),
        "use_profile_webhooks": false,
    });
    assert_eq!(serde_json::from_slice::<Value>(request.body()).unwrap(), expected);
    let headers = request.headers();
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["authorization"], "Bearer KEY0189AB");
    assert_eq!(headers["idempotency-key"], format!("{id}-2"));
    assert!(headers["authorization"].is_sensitive() && !format!("{request:?}").contains("KEY0189AB"));
}

#[test]
fn r8_r10_r11_a_text_to_telnyx_is_sent_unchanged_in_the_encoding_it_was_measured_in() {
    for (text, encoding) in
        [("{Ça} €5", None), ("“quoted” – 👍", Some("ucs2")), ("https://example.com/u?a=1&b=2#c", None)]
    {
        let request = telnyx().request(&outbound(text), None, NOW);
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!((body["text"].as_str(), body["encoding"].as_str()), (Some(text), encoding));
        assert!(body.get("media_urls").is_none() && body.get("subject").is_none());
    }
}

#[test]
fn public_and_api_urls_may_have_a_path() {
    let account = Settings {
        public_url: "https://gw.example.com/sms/".parse().unwrap(),
        api_url: "http://127.0.0.1:9100/sim".parse().unwrap(),
        ..account()
    };
    let request = Telnyx::new(account).request(&outbound("hi"), None, NOW);
    assert_eq!(request.uri(), "http://127.0.0.1:9100/sim/v2/messages");
    assert!(
        std::str::from_utf8(request.body()).unwrap().contains("gw.example.com/sms/carriers/main/receipts?message=")
    );
}

#[test]
fn an_accepted_send_has_telnyxs_id_and_parts() {
    let sent = |segments| Outcome::Sent { carrier_id: "ac012cbf-5e09-46af-a69a-7c0e2d90993c".into(), segments };
    assert_eq!(outcome(200, SENT).outcome, sent(Some(1)));
    assert_eq!(outcome(202, SENT.replace("\"parts\":1", "\"parts\":\"6\"")).outcome, sent(Some(6)));
    assert_eq!(outcome(200, SENT.replace("\"parts\":1", "\"parts\":null")).outcome, sent(None));
}

#[test]
fn a60_a_2xx_of_telnyx_without_an_id_is_unknown() {
    let no_id = r#"{"data":{"id":7}}"#;
    for body in
        ["", "{}", "<html>", "[]", "null", no_id, r#"{"data":{"id":""}}"#, r#"{"data":{"id":"a b"}}"#, &SENT[..40]]
    {
        assert_eq!(outcome(200, body.to_owned()).outcome, Outcome::Unknown, "{body}");
    }
}

#[test]
fn a64_a_429_or_a_5xx_of_telnyx_is_for_later() {
    for (status, body) in [
        (429, TOO_MANY.to_owned()),
        (429, String::new()),
        (500, "<html>".to_owned()),
        (503, coded("40300")),
        (408, String::new()),
        (400, coded("40318")),
        (400, coded("40006")),
    ] {
        let Settled { outcome, detail, .. } = outcome(status, body.clone());
        assert_eq!(outcome, Outcome::Later { retry_after: None }, "{status} {body}");
        assert!(detail.unwrap().starts_with(&format!("Telnyx answered {status}")), "{status} {body}");
    }
    let mut busy = answer(429, TOO_MANY);
    busy.headers_mut().insert("retry-after", "9".parse().unwrap());
    let nine_seconds = Outcome::Later { retry_after: Some(Duration::from_secs(9)) };
    assert_eq!(telnyx().outcome(&busy, NOW).unwrap().outcome, nine_seconds);
}

#[test]
fn a_refusal_has_our_code_telnyxs_code_and_advice() {
    use FailureCode::{Blocked, CarrierRejected, Landline, NumberInvalid, OptedOut};

    for (status, code, expected, says) in [
        (400, "40001", Landline, "landline"),
        (400, "40010", CarrierRejected, "campaign"),
        (400, "40015", Blocked, "wording"),
        (403, "40300", OptedOut, "START"),
        (400, "40305", CarrierRejected, "messaging profile"),
        (400, "40309", CarrierRejected, "country"),
        (400, "40310", NumberInvalid, "not valid"),
        (422, "49999", CarrierRejected, "answered 422 with code 49999"),
    ] {
        let settled = outcome(status, coded(code));
        assert_eq!(settled.outcome, Outcome::Refused { code: expected, carrier_code: Some(code.to_owned()) });
        let detail = settled.detail.unwrap();
        assert!(detail.contains(says) && !detail.contains("555"), "{code}: {detail}");
    }
    assert!(matches!(outcome(400, body!("opted_out.json")).outcome, Outcome::Refused { code: OptedOut, .. }));
    for body in ["", "<html>", r#"{"errors":[]}"#, r#"{"errors":{"code":"40300"}}"#] {
        let rejected = Outcome::Refused { code: CarrierRejected, carrier_code: None };
        assert_eq!(outcome(422, body).outcome, rejected, "{body}");
    }
}

#[test]
fn f06_account_errors_of_telnyx_do_not_fail_the_text() {
    for (status, body, says) in [
        (401, coded("10009"), "check api_key_file"),
        (401, String::new(), "check api_key_file"),
        (402, String::new(), "no funds"),
        (403, String::new(), "denies this to our API key"),
        (403, coded("20100"), "no funds"),
        (404, "<html>".to_owned(), "check api_url"),
        (400, coded("40314"), "disabled messaging"),
        (302, String::new(), "redirect"),
    ] {
        let settled = outcome(status, body);
        assert_eq!(settled.outcome, Outcome::AccountRefused, "{status} {says}");
        let detail = settled.detail.unwrap();
        assert!(detail.contains(says) && !detail.contains("555"), "{status}: {detail}");
    }
}

#[test]
fn a40_a_number_is_looked_up_with_its_messaging_profile() {
    let uri = |answers: &[Response<Bytes>]| match telnyx().look_up(ours(), answers, None) {
        LookUp::Request(request) if request.headers().contains_key("authorization") => request.uri().to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(uri(&[]), "https://api.telnyx.com/v2/phone_numbers/+14155550199/messaging");
    assert_eq!(uri(&[answer(200, NUMBER)]), format!("https://api.telnyx.com/v2/messaging_profiles/{PROFILE}"));
    assert_eq!(found(NUMBER, WITH_URL), NumberFacts { sms: true, mms: true, webhook: Pointing::Here });
    assert!(matches!(telnyx().look_up(ours(), &[answer(404, "{}")], None), LookUp::NotOurs));
}

#[test]
fn what_a_number_can_do_is_what_works_both_ways() {
    let domestic = |sms: bool| NUMBER.replacen("\"domestic_two_way\":true", &format!("\"domestic_two_way\":{sms}"), 1);
    assert!(found(&domestic(false), WITH_URL).sms, "it works abroad");
    let no_mms = json!({ "data": { "messaging_profile_id": PROFILE, "features": { "sms": {}, "mms": null } } });
    let NumberFacts { sms, mms, .. } = found(&no_mms.to_string(), WITH_URL);
    assert_eq!((sms, mms), (false, false));
    for none in ["null", "\"\""] {
        let orphan = NUMBER.replace(&format!("\"{PROFILE}\""), none);
        let LookUp::Found(facts) = looked_up(&[answer(200, orphan)]) else { panic!("{none}") };
        assert_eq!(facts, NumberFacts { sms: false, mms: false, webhook: Pointing::Unknown });
    }
    let disabled = WITH_URL.replace("\"enabled\":true", "\"enabled\":false");
    assert!(!found(NUMBER, &disabled).sms);
}

#[test]
fn a39_a_profile_whose_webhook_goes_elsewhere_is_detected() {
    let pointing = |from: &str, to: &str| found(NUMBER, &WITH_URL.replacen(from, to, 1)).webhook;
    let url = "https://gw.example.com/carriers/main/messages";
    let elsewhere = |written: &str| Pointing::Elsewhere(written.to_owned());
    assert_eq!(pointing(url, "https://gw.example.com/carriers/main/receipts/"), Pointing::Here);
    assert_eq!(pointing(url, "https://old.example.com/sms?key=1"), elsewhere("https://old.example.com/sms?..."));
    assert_eq!(pointing(&format!("\"{url}\""), "null"), elsewhere("nowhere"));
    let version_1 = format!("{url} with a webhook API version other than 2");
    assert_eq!(pointing("\"webhook_api_version\":\"2\"", "\"webhook_api_version\":\"1\""), elsewhere(&version_1));
    assert_eq!(pointing("\"webhook_api_version\":\"2\"", "\"x\":\"1\""), Pointing::Here);

    let other = Telnyx::new(Settings { messaging_profile_id: Some("another".to_owned()), ..account() });
    let LookUp::Found(facts) = other.look_up(ours(), &[answer(200, NUMBER)], None) else { panic!("not found") };
    assert!(matches!(facts.webhook, Pointing::Elsewhere(profile) if profile.contains(PROFILE)));

    // The key may see no profiles.
    for status in [403, 404] {
        let LookUp::Found(facts) = looked_up(&[answer(200, NUMBER), answer(status, "")]) else { panic!("{status}") };
        assert_eq!(facts, NumberFacts { sms: true, mms: true, webhook: Pointing::Unknown });
    }
}

#[test]
fn a_look_up_at_telnyx_without_information_has_failed() {
    for (status, body, can_retry) in [
        (401, "", false),
        (403, "", false),
        (302, "", true),
        (429, TOO_MANY, true),
        (500, "", true),
        (200, "", true),
        (200, "{}", true),
        (200, r#"{"data":null}"#, true),
        (200, r#"{"data":{"features":7}}"#, true),
    ] {
        let LookUp::Failed { retryable, reason } = looked_up(&[answer(status, body)]) else {
            panic!("{status} {body}")
        };
        assert_eq!(retryable, can_retry, "{status}: {reason}");
    }
    assert!(matches!(looked_up(&[answer(200, NUMBER), answer(500, "")]), LookUp::Failed { retryable: true, .. }));
}

fn found(number: &str, profile: &str) -> NumberFacts {
    match looked_up(&[answer(200, number.to_owned()), answer(200, profile.to_owned())]) {
        LookUp::Found(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn looked_up(answers: &[Response<Bytes>]) -> LookUp {
    telnyx().look_up(ours(), answers, None)
}

fn outbound(text: &str) -> Outbound {
    Outbound {
        message: MessageId::new(Day(20_414), Position(7), 1),
        attempt: 2,
        refused_before: 0,
        from: ours(),
        to: "+14155550101".parse().unwrap(),
        text: text.to_owned(),
        valid_for_secs: 60,
    }
}

fn ours() -> E164 {
    "+14155550199".parse().unwrap()
}

fn outcome(status: u16, body: impl Into<Bytes>) -> Settled {
    telnyx().outcome(&answer(status, body), NOW).unwrap()
}

/// An error body that contains a number, as Telnyx's do.
fn coded(code: &str) -> String {
    format!(r#"{{"errors":[{{"code":"{code}","title":"No","detail":"the number +14155550101 is no good"}}]}}"#)
}
