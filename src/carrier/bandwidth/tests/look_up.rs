//! Tests of look-ups of numbers.

use super::*;
use crate::carrier::{NumberFacts, Pointing};

const NUMBER: &str = body!("number.xml");
const LOCATION: &str = body!("location.xml");
const APPLICATION_XML: &str = body!("application.xml");

/// What Bandwidth answers, step by step: number, SMS, MMS, location, application.
type Answers<'a> = [(u16, &'a str); 5];

const GOOD: Answers<'static> = [(200, NUMBER), (200, "<A/>"), (200, "<A/>"), (200, LOCATION), (200, APPLICATION_XML)];

#[test]
fn a40_a_number_is_looked_up_in_five_steps() {
    let (asked, result) = look_up(GOOD);
    let location = "/api/accounts/9900000/sites/479/sippeers/500014/products/messaging";
    assert_eq!(
        asked,
        [
            "/api/tns/4155550199/tndetails".to_owned(),
            format!("{location}/features/sms"),
            format!("{location}/features/mms"),
            format!("{location}/applicationSettings"),
            format!("/api/accounts/9900000/applications/{APPLICATION}"),
        ]
    );
    assert_eq!(facts(result), NumberFacts { sms: true, mms: true, webhook: Pointing::Here });
}

#[test]
fn a40_a_number_of_another_account_or_not_in_service_is_not_ours() {
    for number in
        [(404, ""), (200, &*NUMBER.replace("9900000", "9900001")), (200, &*NUMBER.replace("Inservice", "Aging"))]
    {
        let (asked, result) = look_up(with(0, number));
        assert!(matches!(result, LookUp::NotOurs) && asked.len() == 1, "{result:?}");
    }
}

#[test]
fn a40_the_location_decides_about_sms_and_mms() {
    let result = |answers: Answers<'_>| facts(look_up(answers).1);
    assert!(!result(with(1, (404, ""))).sms, "SMS is off at the location");
    let off = NUMBER.replace("<SmsEnabled>true", "<SmsEnabled>false");
    assert!(!result(with(0, (200, &off))).sms, "SMS is off for the number");
    let without_mms = result(with(2, (404, "")));
    assert_eq!((without_mms.sms, without_mms.mms), (true, false));
    let nowhere = NUMBER.replace("PeerId>", "Other>").replace("<Id>479</Id>", "");
    assert_eq!(result(with(0, (200, &nowhere))), NumberFacts { sms: true, mms: false, webhook: Pointing::Unknown });
}

#[test]
fn a40_where_the_messages_go_is_the_applications_word() {
    let webhook = |step, answer| facts(look_up(with(step, answer)).1).webhook;
    let other = LOCATION.replace(APPLICATION, "00000000-9669-4e07-948d-329f4b722ee2");
    assert!(matches!(webhook(3, (200, &other)), Pointing::Elsewhere(place) if place.contains("application 00000000-")));
    assert!(matches!(webhook(3, (404, "")), Pointing::Elsewhere(place) if place.starts_with("no application")));
    let elsewhere =
        APPLICATION_XML.replace("gw.example.com/carriers/main/messages", "u:p@other.example/bw?a=1&amp;b=2");
    let expected = Pointing::Elsewhere("https://other.example/bw?...".to_owned());
    assert_eq!(webhook(4, (200, &elsewhere)), expected);
    assert_eq!(webhook(4, (404, "")), Pointing::Unknown);
    assert_eq!(webhook(4, (200, "<Application/>")), Pointing::Unknown);
    assert_eq!(webhook(4, (200, &APPLICATION_XML.replace("InboundCallbackUrl", "MsgCallbackUrl"))), Pointing::Here);
}

#[test]
fn a39_a_fault_is_no_answer_about_the_number() {
    for step in 0..5 {
        for (status, may_pass) in [(500, true), (429, true), (401, true), (403, false), (302, false)] {
            let (asked, result) = look_up(with(step, (status, "")));
            let LookUp::Failed { reason, retryable } = result else { panic!("{step} {status}: {result:?}") };
            assert_eq!((asked.len(), retryable), (step + 1, may_pass), "{step} {status}: {reason}");
        }
    }
    for body in ["", "{}", "<TelephoneNumberResponse/>"] {
        let (_, result) = look_up(with(0, (200, body)));
        assert!(matches!(result, LookUp::Failed { retryable: true, .. }), "{body}");
    }
}

fn with<'a>(step: usize, answer: (u16, &'a str)) -> Answers<'a> {
    let mut answers: Answers<'a> = GOOD;
    answers[step] = answer;
    answers
}

/// The paths that were asked for, and the result.
fn look_up(answers: Answers<'_>) -> (Vec<String>, LookUp) {
    let token = Secret::new("a-token");
    let (mut asked, mut given) = (Vec::new(), Vec::new());
    loop {
        match bandwidth().look_up("+14155550199".parse().unwrap(), &given, Some(&token)) {
            LookUp::Request(request) => {
                assert_eq!((request.uri().host(), request.method()), (Some("api.bandwidth.com"), &Method::GET));
                assert_eq!(request.headers()["authorization"], "Bearer a-token");
                let (status, body) = answers[asked.len()];
                asked.push(request.uri().path().to_owned());
                given.push(answer(status, body.to_owned()));
            }
            result => return (asked, result),
        }
    }
}

#[track_caller]
fn facts(result: LookUp) -> NumberFacts {
    match result {
        LookUp::Found(facts) => facts,
        other => panic!("{other:?}"),
    }
}
