//! Vonage's two kinds of JSON web tokens: its webhooks carry one signed with the account's secret (HS256), requests
//! to it one signed with the application's private key (RS256).

use super::super::notation::hex;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The public half of the application's key, which was made for this simulator.
const PUBLIC_KEY: &[u8] = include_bytes!("application.pub.der");
/// The longest time that a request's token may be valid.
const VALID_MAX_SECS: i64 = 24 * 60 * 60;
/// How far the clocks of both sides may differ.
const LEEWAY_SECS: i64 = 30;

/// What a webhook's token says besides the hash of its body.
pub(super) struct Claims<'a> {
    pub(super) iat: i64,
    pub(super) jti: &'a str,
    pub(super) api_key: &'a str,
    pub(super) application_id: &'a str,
}

/// The token of a webhook with this body.
pub(super) fn of_webhook(secret: &str, body: &[u8], claims: &Claims<'_>) -> String {
    let claims = json!({
        "iat": claims.iat, "jti": claims.jti, "iss": "Vonage", "payload_hash": hex(&Sha256::digest(body)),
        "api_key": claims.api_key, "application_id": claims.application_id,
    });
    let signed = format!("{}.{}", coded(&json!({ "alg": "HS256", "typ": "JWT" })), coded(&claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Whether a request's token is signed with the application's key, names it, and is valid at this time.
pub(super) fn is_of_application(token: &str, application_id: &str, now_secs: i64) -> bool {
    claims_of_application(token).is_some_and(|claims| {
        let time = |name: &str| claims[name].as_i64().unwrap_or_default();
        let (begin, end) = (time("iat"), time("exp"));
        claims["application_id"] == application_id
            && claims["jti"].as_str().is_some_and(|jti| !jti.is_empty())
            && begin <= now_secs + LEEWAY_SECS
            && (now_secs..=begin + VALID_MAX_SECS).contains(&end)
    })
}

fn claims_of_application(token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (head, claims) = signed.split_once('.')?;
    if decoded(head)?["alg"] != "RS256" {
        return None;
    }
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC_KEY);
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    decoded(claims)
}

fn coded(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

    const NOW: i64 = 1_763_791_200;

    #[test]
    fn webhook_tokens_match_the_vectors() {
        let vectors: Vec<Value> =
            serde_json::from_str(include_str!("../../../../../tests/vectors/vonage.json")).unwrap();
        let mut checked = 0;
        for vector in vectors.iter().filter(|vector| vector["scheme"] == "messages-jwt" && vector["valid"] == true) {
            let text = |at: &str| vector.pointer(at).and_then(Value::as_str).unwrap_or_default();
            let given = text("/headers/Authorization").trim_start_matches("Bearer ");
            let said = decoded(given.split('.').nth(1).unwrap()).unwrap();
            let word = |name: &str| said[name].as_str().unwrap_or_default();
            // Others have claims that we do not send.
            if said.as_object().unwrap().len() != 6 || word("application_id").is_empty() {
                continue;
            }
            let claims = Claims {
                iat: said["iat"].as_i64().unwrap(),
                jti: word("jti"),
                api_key: word("api_key"),
                application_id: word("application_id"),
            };
            let ours = of_webhook(text("/secret/signature_secret"), text("/body").as_bytes(), &claims);
            assert_eq!(ours, given, "{}", text("/name"));
            checked += 1;
        }
        assert!(checked > 4, "only {checked} vectors are of this kind");
    }

    #[test]
    fn request_is_admitted_only_with_a_valid_token_of_the_application() {
        let valid = json!({ "application_id": "app", "iat": NOW, "exp": NOW + 900, "jti": "1" });
        let admits = |claims: &Value| is_of_application(&signed("RS256", claims), "app", NOW);
        assert!(admits(&valid));
        for (name, value) in [
            ("application_id", json!("other")),
            ("iat", json!(NOW + 60)),
            ("exp", json!(NOW - 1)),
            ("exp", json!(NOW + VALID_MAX_SECS + 1)),
            ("jti", json!("")),
        ] {
            let mut claims = valid.clone();
            claims[name] = value;
            assert!(!admits(&claims), "{claims}");
        }
        assert!(!is_of_application(&signed("none", &valid), "app", NOW), "another algorithm");
        let token = signed("RS256", &valid);
        let foreign = format!("{}A", &token[..token.len() - 1]);
        assert!(!is_of_application(&foreign, "app", NOW) || foreign == token, "another signature");
        assert!(!is_of_application("", "app", NOW));
    }

    fn signed(algorithm: &str, claims: &Value) -> String {
        let pem: String = super::super::PRIVATE_KEY.lines().filter(|line| !line.starts_with('-')).collect();
        let key = base64::engine::general_purpose::STANDARD.decode(pem).unwrap();
        let key = RsaKeyPair::from_pkcs8(&key).unwrap();
        let signed = format!("{}.{}", coded(&json!({ "alg": algorithm, "typ": "JWT" })), coded(claims));
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
