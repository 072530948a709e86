//! Tests of sends, their responses, and look-ups of numbers.

use super::*;
use crate::carrier::{NumberFacts, Pointing};
use crate::model::{Day, FailureCode, MessageId, Outcome, Position, Settled};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::{Value, json};

const SENT: &str = include_str!("../../../../tests/bodies/vonage/sent.json");
const REFUSED: &str = include_str!("../../../../tests/bodies/vonage/refused.json");
const NUMBERS: &str = include_str!("../../../../tests/bodies/vonage/numbers.json");
const APP: &str = include_str!("../../../../tests/bodies/vonage/application.json");
const PUBLIC_KEY: &str = include_str!("../../../../tests/bodies/vonage/application.pub.pem");

#[test]
fn a_send_is_json_with_our_message_id_as_client_ref() {
    let request = vonage().request(&outbound(3_600), None, NOW);
    assert_eq!(
        (request.method(), request.uri().to_string().as_str()),
        (&Method::POST, "https://api.nexmo.com/v1/messages")
    );
    assert_eq!(request.headers()["content-type"], "application/json");
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let expected = json!({
        "message_type": "text", "channel": "sms", "to": "14155550101", "from": "14155550199", "text": "Café at 8? 👍",
        "client_ref": outbound(0).message.to_string(), "ttl": 3_600,
        "webhook_url": "https://gw.example.com/carriers/main/receipts", "webhook_version": "v1",
        "sms": { "encoding_type": "auto" },
    });
    assert_eq!(body, expected);
    for (requested, expected) in [(0, 20), (120, 120), (u32::MAX, 604_800)] {
        let request = vonage().request(&outbound(requested), None, NOW);
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["ttl"], expected, "{requested}");
    }
}

#[test]
fn a_send_is_authorised_by_a_token_that_the_application_signs() {
    let request = vonage().request(&outbound(60), None, NOW);
    let authorization = &request.headers()["authorization"];
    assert!(authorization.is_sensitive());
    let token = authorization.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = SubjectPublicKeyInfoDer::from_pem_slice(PUBLIC_KEY.as_bytes()).unwrap();
    // The key itself begins after 24 bytes that name the algorithm.
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key[24..]);
    key.verify(signed.as_bytes(), &BASE64URL.decode(signature).unwrap()).unwrap();
    let part = |part: &str| serde_json::from_slice::<Value>(&BASE64URL.decode(part).unwrap()).unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    assert_eq!(part(head), json!({ "alg": "RS256", "typ": "JWT" }));
    let claims = part(claims);
    let made = NOW.as_secs();
    assert_eq!((&claims["application_id"], &claims["iat"]), (&APPLICATION.into(), &made.into()));
    assert_eq!(claims["exp"], made + 900);

    // The same input gives the same request; another attempt has another token.
    let again = vonage().request(&outbound(60), None, NOW);
    assert_eq!(again.headers()["authorization"], authorization);
    let next = vonage().request(&Outbound { attempt: 2, ..outbound(60) }, None, NOW);
    assert_ne!(next.headers()["authorization"], authorization);
    assert!(!format!("{:?}", vonage()).contains("PRIVATE"));
}

#[test]
fn without_an_application_a_send_is_authorised_by_the_accounts_secret() {
    let vonage = Vonage::new(Settings { application: None, ..account() });
    let request = vonage.request(&outbound(60), None, NOW);
    // `printf 'a1b2c3d4:Xy7Zw9Vu5Ts3Rq1P' | base64`
    assert_eq!(request.headers()["authorization"], "Basic YTFiMmMzZDQ6WHk3Wnc5VnU1VHMzUnExUA==");
    assert!(request.headers()["authorization"].is_sensitive());
}

#[test]
fn a_private_key_is_read_in_both_of_its_forms_and_nothing_else_is() {
    let read = |pem: &str| Application::new(APPLICATION.to_owned(), pem).err();
    assert_eq!(read(PRIVATE_KEY), None);
    assert_eq!(read(&PRIVATE_KEY.replace('\n', "\r\n")), None);
    assert_eq!(read(PUBLIC_KEY), Some(InvalidKey::NotPem));
    assert_eq!(read("secret"), Some(InvalidKey::NotPem));
    assert_eq!(read(""), Some(InvalidKey::NotPem));
    let elliptic = elliptic_key();
    assert_eq!(read(&elliptic), Some(InvalidKey::NotRsa));
}

/// An elliptic key in PEM, which Vonage does not make.
fn elliptic_key() -> String {
    use base64::engine::general_purpose::STANDARD as BASE64;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(key))
}

#[test]
fn an_accepted_send_has_an_id() {
    let sent = Outcome::Sent { carrier_id: "3f2b1c0d-9e8f-4a7b-8c6d-5e4f3a2b1c0d".into(), segments: None };
    for status in [200, 202] {
        assert_eq!(outcome(status, SENT).outcome, sent);
    }
    for body in ["", "{}", "<html>", "[]", "{\"message_uuid\":null}", "{\"message_uuid\":\"\"}", &SENT[..40]] {
        assert_eq!(outcome(202, body.to_owned()).outcome, Outcome::Unknown, "{body}");
    }
}

#[test]
fn a64_a_429_or_a_5xx_is_for_later() {
    for (status, body) in [(429, ""), (429, "{}"), (500, ""), (503, REFUSED), (599, "<html>"), (408, "")] {
        let Settled { outcome, detail, .. } = outcome(status, body);
        assert_eq!(outcome, Outcome::Later { retry_after: None }, "{status} {body}");
        assert!(detail.unwrap().starts_with(&format!("Vonage answered {status}")));
    }
    for code in ["1000", "1030", "1100"] {
        assert!(matches!(outcome(422, coded(code)).outcome, Outcome::Later { .. }), "{code}");
    }
    let mut busy = answer(429, "");
    busy.headers_mut().insert("retry-after", "7".parse().unwrap());
    let seven_seconds = Outcome::Later { retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(vonage().outcome(&busy, NOW).unwrap().outcome, seven_seconds);
}

#[test]
fn a_refusal_has_our_code_vonages_code_and_advice() {
    use FailureCode::{Blocked, CarrierRejected, NumberInvalid, OptedOut};

    for (status, code, expected, says) in [
        (422, "1120", CarrierRejected, "our number"),
        (422, "1020", CarrierRejected, "value"),
        (422, "1040", NumberInvalid, "does not exist"),
        (403, "1050", Blocked, "barred"),
        (422, "1160", CarrierRejected, "trial account"),
        (422, "1240", OptedOut, "STOP"),
        (422, "invalid-params", CarrierRejected, "value"),
        (422, "9999", CarrierRejected, "answered 422 with code 9999"),
    ] {
        let settled = outcome(status, coded(code));
        assert_eq!(settled.outcome, Outcome::Refused { code: expected, carrier_code: Some(code.to_owned()) });
        let detail = settled.detail.unwrap();
        assert!(detail.contains(says) && !detail.contains("555"), "{code}: {detail}");
    }
    let refused = Outcome::Refused { code: CarrierRejected, carrier_code: Some("1120".to_owned()) };
    assert_eq!(outcome(422, REFUSED).outcome, refused);
    for body in ["", "<html>", "{\"title\":\"Invalid params\"}"] {
        let rejected = Outcome::Refused { code: CarrierRejected, carrier_code: None };
        assert_eq!(outcome(422, body.to_owned()).outcome, rejected, "{body}");
    }
}

#[test]
fn f06_account_errors_do_not_fail_the_text() {
    for (status, body, says) in [
        (401, String::new(), "application_id and private_key_file"),
        (401, coded("unauthorized"), "401 with code unauthorized: Vonage rejects our credentials"),
        (401, coded("jwt-expired"), "set the clock"),
        (402, String::new(), "top it up"),
        (402, coded("low-balance"), "top it up"),
        (403, String::new(), "Messages API"),
        (422, coded("1060"), "suspended"),
        (422, coded("1070"), "top it up"),
        (404, String::new(), "api_url"),
        (301, String::new(), "redirect"),
    ] {
        let settled = outcome(status, body);
        assert_eq!(settled.outcome, Outcome::AccountRefused, "{status} {says}");
        let detail = settled.detail.unwrap();
        assert!(detail.contains(says), "{status}: {detail}");
    }
}

#[test]
fn a40_a_number_is_looked_up_by_exact_match_and_then_its_application() {
    let LookUp::Request(first) = look_up(&[]) else { panic!("no request") };
    assert_eq!(first.uri(), "https://rest.nexmo.com/account/numbers?pattern=14155550199&search_pattern=0");
    assert_eq!(first.headers()["authorization"], "Basic YTFiMmMzZDQ6WHk3Wnc5VnU1VHMzUnExUA==");
    let LookUp::Request(second) = look_up(&[answer(200, NUMBERS)]) else { panic!("no request") };
    assert_eq!(second.uri().to_string(), format!("https://api.nexmo.com/v2/applications/{APPLICATION}"));

    let LookUp::Found(facts) = look_up(&[answer(200, NUMBERS), answer(200, APP)]) else { panic!("not found") };
    assert_eq!(facts, NumberFacts { sms: true, mms: true, webhook: Pointing::Here });
    for none in ["{}", "{\"count\":0}", "{\"count\":0,\"numbers\":[]}", &NUMBERS.replace("\"14155550199\"", "\"1\"")] {
        assert!(matches!(look_up(&[answer(200, none.to_owned())]), LookUp::NotOurs), "{none}");
    }
    let simulated = Vonage::new(Settings { api_url: "http://127.0.0.1:9100/sim".parse().unwrap(), ..account() });
    let LookUp::Request(first) = simulated.look_up(ours(), &[], None) else { panic!("no request") };
    assert!(first.uri().to_string().starts_with("http://127.0.0.1:9100/sim/account/numbers?"));
    let regional = Vonage::new(Settings { api_url: "https://api-eu.nexmo.com".parse().unwrap(), ..account() });
    let LookUp::Request(first) = regional.look_up(ours(), &[], None) else { panic!("no request") };
    assert!(first.uri().to_string().starts_with("https://rest.nexmo.com/"));
    let LookUp::Request(second) = regional.look_up(ours(), &[answer(200, NUMBERS)], None) else { panic!("no request") };
    assert!(second.uri().to_string().starts_with("https://api.nexmo.com/v2/"));
}

#[test]
fn a39_a_number_whose_webhook_goes_elsewhere_is_detected() {
    let pointing =
        |numbers: String, application: String| match look_up(&[answer(200, numbers), answer(200, application)]) {
            LookUp::Found(facts) => facts.webhook,
            other => panic!("{other:?}"),
        };
    let elsewhere = |to: &str| Pointing::Elsewhere(to.to_owned());
    let here = "https://gw.example.com/carriers/main/messages\",\"http";
    let app = |from: &str, to: &str| pointing(NUMBERS.to_owned(), APP.replace(from, to));
    assert_eq!(app("inbound_url", "inbound_url"), Pointing::Here);
    assert_eq!(
        app(here, "https://old.example.com/sms?key=secret\",\"http"),
        elsewhere("https://old.example.com/sms?...")
    );
    assert_eq!(app("\"v1\"", "\"v0.1\""), elsewhere("this gateway by version v0.1"));
    assert_eq!(app("inbound_url", "other"), Pointing::Unknown);
    assert_eq!(app("\"messages\"", "\"voice\""), elsewhere("an application without the Messages capability"));

    let number = |from: &str, to: &str| pointing(NUMBERS.replace(from, to), APP.to_owned());
    let other = "aaaaaaaa-bbbb-cccc-dddd-000000000000";
    assert_eq!(number(APPLICATION, other), elsewhere(&format!("the application {other}")));
    let unlinked = NUMBERS.replace(APPLICATION, "");
    assert_eq!(pointing(unlinked.clone(), String::new()), elsewhere("https://old.example.com/sms?... by the SMS API"));
    let unset = unlinked.replace("https://old.example.com/sms?key=secret", "");
    assert_eq!(pointing(unset, String::new()), Pointing::Unknown);
}

#[test]
fn a_look_up_without_information_about_the_number_has_failed() {
    for (answers, can_retry) in [
        (vec![answer(401, "")], false),
        (vec![answer(403, "")], false),
        (vec![answer(404, "")], false),
        (vec![answer(302, "")], true),
        (vec![answer(429, "")], true),
        (vec![answer(500, "")], true),
        (vec![answer(200, "")], true),
        (vec![answer(200, "[]")], true),
        (vec![answer(200, "{\"numbers\":[{}]}")], true),
        (vec![answer(200, NUMBERS), answer(500, "")], true),
        (vec![answer(200, NUMBERS), answer(401, "")], false),
        (vec![answer(200, NUMBERS), answer(200, "")], true),
    ] {
        let LookUp::Failed { retryable, reason } = look_up(&answers) else { panic!("{answers:?}") };
        assert_eq!(retryable, can_retry, "{answers:?}: {reason}");
    }
    let keyless = Vonage::new(Settings { api_secret: None, ..account() });
    let LookUp::Failed { retryable: false, reason } = keyless.look_up(ours(), &[], None) else { panic!("looked up") };
    assert!(reason.contains("add api_secret_file"), "{reason}");
}

fn look_up(answers: &[Response<Bytes>]) -> LookUp {
    vonage().look_up(ours(), answers, None)
}

fn outbound(valid_for_secs: u32) -> Outbound {
    Outbound {
        message: MessageId::new(Day(20_414), Position(7), 1),
        attempt: 1,
        refused_before: 0,
        from: ours(),
        to: "+14155550101".parse().unwrap(),
        text: "Café at 8? 👍".into(),
        valid_for_secs,
    }
}

fn ours() -> E164 {
    "+14155550199".parse().unwrap()
}

fn outcome(status: u16, body: impl Into<Bytes>) -> Settled {
    vonage().outcome(&answer(status, body), NOW).unwrap()
}

/// An error with a code, whose text contains a number.
fn coded(code: &str) -> String {
    format!(
        r#"{{"type":"https://developer.vonage.com/api-errors/messages#{code}","title":"No","detail":"+14155550101"}}"#
    )
}
