//! Forged webhooks.

use super::*;
use NotVerified::{Missing, Stale, Wrong};

#[test]
fn each_method_counts_only_if_it_is_the_configured_one() {
    let methods = SignatureMethod::NAMES.map(|name| SignatureMethod::read(name).unwrap());
    for signed_by in methods {
        for configured in methods {
            let vonage = VonageSms::new(Settings { signature_method: configured, ..account() });
            let expected = if configured == signed_by { Ok(()) } else { Err(Wrong) };
            let hook = with_signature(unsigned(SMS), signed_by);
            assert_eq!(vonage.verify(&hook, NOW), expected, "{signed_by:?} for {configured:?}");
        }
    }
    assert_eq!(SignatureMethod::read("none"), None);
}

#[test]
fn a59_during_a_rotation_either_secret_is_accepted() {
    let with = |secrets: &[&str]| {
        let signature_secrets = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        VonageSms::new(Settings { signature_secrets, ..account() }).verify(&post(SMS), NOW)
    };
    assert_eq!(with(&[SECRET, "next"]), Ok(()));
    assert_eq!(with(&["next", SECRET]), Ok(()));
    assert_eq!(with(&["next"]), Err(Wrong));
}

#[test]
fn g24_no_webhook_with_one_other_bit_is_accepted_unless_the_scheme_cannot_tell() {
    let vonage = vonage();
    for genuine in [post(SMS), post(SMS_FORM), fetch(SMS_FORM)] {
        let is_get = genuine.method == Method::GET;
        let original = if is_get { genuine.path_and_query.clone().into() } else { genuine.body.clone() };
        let read = vonage.parse(&genuine).unwrap();
        for (place, bit) in (0..original.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut tampered = original.to_vec();
            tampered[place] ^= 1 << bit;
            let hook = if is_get {
                let Ok(path_and_query) = String::from_utf8(tampered.clone()) else { continue };
                Webhook { path_and_query, ..genuine.clone() }
            } else {
                Webhook { body: tampered.clone().into(), ..genuine.clone() }
            };
            let parsed = vonage.parse(&hook);
            // Some changes change nothing: the case of hex, and what stands for the same character.
            if vonage.verify(&hook, NOW).is_ok() {
                assert_eq!(parsed.as_ref(), Ok(&read), "bit {bit} of {place}: {}", String::from_utf8_lossy(&tampered));
            }
        }
        for length in 0..original.len() {
            let hook = if is_get {
                Webhook { path_and_query: genuine.path_and_query[..length].to_owned(), ..genuine.clone() }
            } else {
                Webhook { body: original.slice(..length), ..genuine.clone() }
            };
            assert!(vonage.verify(&hook, NOW).is_err(), "the first {length} bytes");
            let _ = vonage.parse(&hook);
        }
    }
}

#[test]
fn a59_a_missing_signature_is_distinguished_from_a_wrong_one() {
    let verdict = |sig: &str| vonage().verify(&unsigned(format!("{SMS_FORM}{sig}")), NOW);
    let good = sign(SignatureMethod::HmacSha256, &Secret::new(SECRET), &unsigned(SMS_FORM)).unwrap();
    assert_eq!(verdict(&format!("&sig={good}")), Ok(()));
    assert_eq!(verdict(&format!("&sig={}", good.to_uppercase())), Ok(()));
    for missing in ["", "&sig=", "&sig", "&Sig=00"] {
        assert_eq!(verdict(missing), Err(Missing), "{missing}");
    }
    let short = &good[..62];
    for wrong in
        [short, &format!("{good}0"), &format!("{good}00"), &good[1..], "zz", "%FF", "é", &format!("{short}%2B0")]
    {
        assert_eq!(verdict(&format!("&sig={wrong}")), Err(Wrong), "{wrong}");
    }
    let twice = format!("&sig={good}&sig=00");
    assert_eq!(verdict(&twice), Err(Wrong));
}

#[test]
fn a_name_that_could_be_two_parameters_is_rejected() {
    // To the signature, `{"text":"1","to":"2"}` and `{"text=1&to":"2"}` are the same.
    let honest = post(SMS);
    let forged = |from: &str, to: &str| {
        let body = String::from_utf8(honest.body.to_vec()).unwrap();
        assert!(body.contains(from));
        vonage().verify(&unsigned(body.replace(from, to)), NOW)
    };
    assert_eq!(forged("x", "x"), Ok(()));
    let (text, kind) = ("\"text\":\"Hello gateway\",", "\"type\":\"text\",");
    assert_eq!(forged(&format!("{text}{kind}"), &format!("{kind}{text}")), Ok(()), "the order does not matter");
    let hidden = format!("{text}{kind}");
    assert!(SMS.contains(&format!("\"messageId\":\"0A0000000123ABCD1\",{text}")));
    assert_eq!(forged(&hidden, "\"text=Hello gateway&to\":\"14155550199\",\"type\":\"text\","), Err(Wrong));
    assert_eq!(forged(text, &format!("{text}{text}")), Err(Wrong), "a parameter twice");
    assert_eq!(forged(text, &format!("{text}\"a=b\":\"\",")), Err(Wrong));
}

#[test]
fn half_a_character_is_accepted_however_it_was_signed() {
    let body = |half: &str| SMS.replace("Hello gateway", &format!("Hello {half}"));
    let honest = unsigned(body("\\ud83d"));
    for signed in [body("\\ud83d"), body("?"), body("\\ufffd")] {
        let sig = sign(SignatureMethod::HmacSha256, &Secret::new(SECRET), &unsigned(signed)).unwrap();
        let object = honest.body.strip_suffix(b"}").unwrap();
        let hook =
            Webhook { body: [object, format!(",\"sig\":\"{sig}\"}}").as_bytes()].concat().into(), ..honest.clone() };
        assert_eq!(vonage().verify(&hook, NOW), Ok(()));
    }
}

#[test]
fn a_webhook_is_stale_days_after_it_was_made_or_from_the_future() {
    let at = |at: &str| vonage().verify(&post(SMS.replace("1763791199", at)), NOW);
    let now = NOW.as_secs();
    for (made, expected) in [
        (now + 300, Ok(())),
        (now + 301, Err(Stale)),
        (now - 86_400, Ok(())),
        (now - 72 * 3_600, Ok(())),
        (now - 72 * 3_600 - 1, Err(Stale)),
        (0, Err(Stale)),
    ] {
        assert_eq!(at(&made.to_string()), expected, "{made}");
    }
    // Without a time there is nothing to compare; the signature itself is genuine.
    assert_eq!((at("soon"), at("")), (Ok(()), Ok(())));
}

#[test]
fn g22_too_many_parameters_are_rejected() {
    let with = |count: usize| {
        let more: String = (0..count).map(|number| format!("&p{number}=1")).collect();
        let hook = unsigned(format!("{SMS_FORM}{more}"));
        sign(SignatureMethod::HmacSha256, &Secret::new(SECRET), &hook)
    };
    assert!(with(90).is_some());
    assert_eq!(with(91), None);
}

#[test]
fn only_a_get_without_a_body_and_a_post_are_webhooks() {
    let query = fetch(SMS_FORM);
    assert_eq!(vonage().verify(&query, NOW), Ok(()));
    for (method, body) in [("GET", "x"), ("PUT", ""), ("PUT", "x"), ("DELETE", "")] {
        let hook = Webhook { method: method.parse().unwrap(), body: body.into(), ..query.clone() };
        assert_eq!(vonage().verify(&hook, NOW), Err(Wrong), "{method} {body}");
    }
    // The query of a POST is neither signed nor read.
    let hook = Webhook { method: Method::POST, ..query };
    assert_eq!(vonage().verify(&hook, NOW), Err(Missing));
}
