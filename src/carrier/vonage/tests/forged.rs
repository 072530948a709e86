//! Forged webhooks.

use super::*;
use NotVerified::{Missing, Stale, Wrong};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[test]
fn a59_during_a_rotation_either_secret_is_accepted() {
    let with = |secrets: &[&str]| {
        let signature_secrets = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        Vonage::new(Settings { signature_secrets, ..account() }).verify(&post(SMS), NOW)
    };
    assert_eq!(with(&[SECRET, "next"]), Ok(()));
    assert_eq!(with(&["next", SECRET]), Ok(()));
    assert_eq!(with(&["next"]), Err(Wrong));
}

#[test]
fn g24_no_webhook_with_one_other_bit_is_accepted() {
    let vonage = vonage();
    let genuine = post(SMS);
    assert_eq!(vonage.verify(&genuine, NOW), Ok(()));
    for place in 0..SMS.len() {
        for bit in 0..8 {
            let mut body = SMS.as_bytes().to_vec();
            body[place] ^= 1 << bit;
            let hook = Webhook { body: body.into(), ..genuine.clone() };
            assert_eq!(vonage.verify(&hook, NOW), Err(Wrong), "bit {bit} of byte {place} of the body");
            // It is never read, and must not panic if it were.
            let _ = vonage.parse(&hook);
        }
    }
    let header = genuine.headers["authorization"].as_bytes().to_vec();
    for place in "Bearer ".len()..header.len() {
        for bit in 0..8 {
            let mut tampered = header.clone();
            tampered[place] ^= 1 << bit;
            // What a header cannot contain never reaches the verifier.
            let Ok(value) = HeaderValue::from_bytes(&tampered) else { continue };
            let mut hook = genuine.clone();
            hook.headers.insert("authorization", value);
            let verdict = vonage.verify(&hook, NOW);
            assert!(verdict.is_err(), "bit {bit} of byte {place} of the header");
        }
    }
    for length in 0..SMS.len() {
        let hook = Webhook { body: SMS[..length].to_owned().into(), ..genuine.clone() };
        assert_eq!(vonage.verify(&hook, NOW), Err(Wrong), "the first {length} bytes");
    }
}

#[test]
fn a59_a_missing_signature_is_distinguished_from_a_wrong_one() {
    let verdict = |value: Option<&str>| {
        let mut hook = post(SMS);
        hook.headers.remove("authorization");
        hook.headers.extend(value.map(|value| (header::AUTHORIZATION, value.parse::<HeaderValue>().unwrap())));
        vonage().verify(&hook, NOW)
    };
    let good = post(SMS).headers["authorization"].to_str().unwrap().to_owned();
    assert_eq!(verdict(Some(&good)), Ok(()));
    assert_eq!(verdict(Some(&good.replace("Bearer ", "bearer   "))), Ok(()));
    for missing in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic")] {
        assert_eq!(verdict(missing), Err(Missing), "{missing:?}");
    }
    for wrong in ["Basic YTpi", "Bearer abc.d", "Bearer a", "Bearer ..", "Bearer ."] {
        assert_eq!(verdict(Some(wrong)), Err(Wrong), "{wrong}");
    }
    for changed in [good.replace("Bearer ", "Token "), format!("{good}="), format!("{good}.x"), good.replace('.', "")] {
        assert_eq!(verdict(Some(&changed)), Err(Wrong), "{changed}");
    }
    let mut twice = post(SMS);
    twice.headers.append("authorization", good.parse().unwrap());
    assert_eq!(vonage().verify(&twice, NOW), Err(Wrong));
}

#[test]
fn only_hs256_counts_whatever_the_token_says() {
    let claims = claims(&[]);
    assert_eq!(with(&json!({ "alg": "HS256", "typ": "JWT" }), &claims), Ok(()));
    assert_eq!(with(&json!({ "typ": "JWT", "alg": "HS256", "kid": "1" }), &claims), Ok(()));
    for algorithm in ["none", "None", "HS512", "HS384", "RS256", "hs256", "", "HS256 "] {
        assert_eq!(with(&json!({ "alg": algorithm }), &claims), Err(Wrong), "{algorithm}");
    }
    for head in [json!({}), json!({ "alg": null }), json!({ "alg": ["HS256"] }), json!("HS256"), json!(null)] {
        assert_eq!(with(&head, &claims), Err(Wrong), "{head}");
    }
    // Signed by nobody, and by the application's own key.
    let good = signed(&Secret::new(SECRET), &json!({ "alg": "none" }), &claims);
    let unsigned = format!("Bearer {}.", good.rsplit_once('.').unwrap().0);
    assert_eq!(vonage().verify(&with_authorization(&unsigned, SMS), NOW), Err(Wrong));
    let ours = account().application.unwrap().authorization("x", NOW);
    assert_eq!(vonage().verify(&with_authorization(ours.to_str().unwrap(), SMS), NOW), Err(Wrong));
}

#[test]
fn the_hash_must_be_that_of_this_body() {
    let hash = |value: Value| verdict(&[("payload_hash", value)]);
    let right = format!("{:x}", Sha256::digest(SMS));
    assert_eq!(hash(json!(right)), Ok(()));
    assert_eq!(hash(json!(right.to_uppercase())), Ok(()));
    let other = format!("{:x}", Sha256::digest("{}"));
    for wrong in [json!(other), json!(""), json!(right[..63]), json!(format!("{right}0")), json!(null), json!(7)] {
        assert_eq!(hash(wrong.clone()), Err(Wrong), "{wrong}");
    }
}

#[test]
fn a_token_is_stale_after_it_expires_or_days_after_it_was_made_or_from_the_future() {
    let now = NOW.as_secs();
    for (claim, value, expected) in [
        ("exp", json!(now + 1), Ok(())),
        ("exp", json!(now), Err(Stale)),
        ("exp", json!(now - 4_000), Err(Stale)),
        ("exp", json!(0.5), Err(Stale)),
        ("iat", json!(now + 300), Ok(())),
        ("iat", json!(now + 301), Err(Stale)),
        ("iat", json!(now + 86_400), Err(Stale)),
        // A retry may have its first signature: Vonage retries for a day or longer.
        ("iat", json!(now - 86_400), Ok(())),
        ("iat", json!(now - 72 * 3_600), Ok(())),
        ("iat", json!(now - 72 * 3_600 - 1), Err(Stale)),
        ("iat", json!(0), Err(Stale)),
        ("iat", json!(-1e300), Err(Stale)),
        ("iat", json!(1e300), Err(Stale)),
        // Without a time there is nothing to compare; the token itself is genuine.
        ("iat", json!(null), Ok(())),
        ("iat", json!("soon"), Ok(())),
    ] {
        assert_eq!(verdict(&[(claim, value.clone())]), expected, "{claim} {value}");
    }
    assert_eq!(verdict(&[("iss", json!("Nexmo"))]), Err(Wrong));
    assert_eq!(verdict(&[("iss", json!(null))]), Ok(()));
}

/// What becomes of a genuine token with these claims instead.
fn verdict(changed: &[(&str, Value)]) -> Result<(), NotVerified> {
    with(&json!({ "alg": "HS256" }), &claims(changed))
}

fn with(head: &Value, claims: &Value) -> Result<(), NotVerified> {
    let token = signed(&Secret::new(SECRET), head, claims);
    vonage().verify(&with_authorization(&format!("Bearer {token}"), SMS), NOW)
}

fn claims(changed: &[(&str, Value)]) -> Value {
    let mut claims = json!({
        "iat": NOW.as_secs(), "jti": "c5ba8f24", "iss": "Vonage", "payload_hash": format!("{:x}", Sha256::digest(SMS)),
        "api_key": "a1b2c3d4",
    });
    for (name, value) in changed {
        claims[*name] = value.clone();
    }
    claims
}
