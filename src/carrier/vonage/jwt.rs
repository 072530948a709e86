//! JSON Web Tokens: those that webhooks are signed with, and those of our requests. RFC 7519.
//! <https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks>
//!
//! Invariant: a webhook's token is HS256 with the account's signature secret, and its `payload_hash` is that of the
//! body. Nothing else of the request is signed, so nothing else is read.

use crate::carrier::{NotVerified, Webhook};
use crate::model::{Secret, Timestamp};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use hmac::{Hmac, Mac};
use http::HeaderValue;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// How much later than now a token may be made: clocks differ.
pub(in crate::carrier) const AHEAD_MAX_SECS: u64 = 300;

/// How old a token may be. It is undocumented whether a retry is signed again, so the longest retries must pass; repeats
/// are recognised by their claims, which are kept for longer.
pub(in crate::carrier) const AGE_MAX_SECS: u64 = 72 * 60 * 60;

/// How long a token for a request is valid.
const VALID_SECS: u64 = 15 * 60;

/// Verifies the token and the hash of the body.
pub(super) fn verify(secrets: &[Secret], hook: &Webhook, now: Timestamp) -> Result<(), NotVerified> {
    let token = bearer(hook)?;
    let (signed, signature) = token.rsplit_once('.').ok_or(NotVerified::Wrong)?;
    let (head, payload) = signed.split_once('.').ok_or(NotVerified::Wrong)?;
    let head: Head = decode(head).ok_or(NotVerified::Wrong)?;
    if head.alg != "HS256" {
        return Err(NotVerified::Wrong);
    }
    let signature = BASE64URL.decode(signature).map_err(|_| NotVerified::Wrong)?;
    let fits = |secret: &Secret| mac(secret, signed.as_bytes()).verify_slice(&signature).is_ok();
    if !secrets.iter().any(fits) {
        return Err(NotVerified::Wrong);
    }
    let claims: Claims = decode(payload).ok_or(NotVerified::Wrong)?;
    let hash = claims.payload_hash.ok_or(NotVerified::Wrong)?;
    if !hash.eq_ignore_ascii_case(&hex_digest(&hook.body)) || claims.iss.is_some_and(|issuer| issuer != "Vonage") {
        return Err(NotVerified::Wrong);
    }
    let (made, expires) = (seconds(claims.iat.as_ref()), seconds(claims.exp.as_ref()));
    if expires.is_some_and(|at| at <= now.as_secs()) || made.is_some_and(|at| !is_fresh(at, now)) {
        return Err(NotVerified::Stale);
    }
    Ok(())
}

/// Whether a webhook that was signed at this second is neither too old nor from the future.
pub(in crate::carrier) fn is_fresh(at: u64, now: Timestamp) -> bool {
    let now = now.as_secs();
    (now.saturating_sub(AGE_MAX_SECS)..=now.saturating_add(AHEAD_MAX_SECS)).contains(&at)
}

/// The account and the application that a webhook's token names. They are not verified, and quarantined webhooks have
/// no token.
pub(super) fn named(hook: &Webhook) -> Option<Named> {
    decode(bearer(hook).ok()?.split('.').nth(1)?)
}

/// Which account and application a token is of.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) api_key: Option<String>,
    pub(super) application_id: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    payload_hash: Option<String>,
    iat: Option<Value>,
    exp: Option<Value>,
}

/// The token of the webhook. A header without one is the same as no header.
fn bearer(hook: &Webhook) -> Result<&str, NotVerified> {
    let value = hook.only_header("authorization")?.ok_or(NotVerified::Missing)?;
    let value = std::str::from_utf8(value).map_err(|_| NotVerified::Wrong)?.trim();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    match token.trim() {
        "" => Err(NotVerified::Missing),
        token if scheme.eq_ignore_ascii_case("bearer") => Ok(token),
        _ => Err(NotVerified::Wrong),
    }
}

/// Decodes a part of a token: strict base64url without padding, and JSON in it.
fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&BASE64URL.decode(part).ok()?).ok()
}

/// The seconds of a time in a token. What is not a number is ignored, because the token itself is genuine.
fn seconds(time: Option<&Value>) -> Option<u64> {
    // A float that does not fit is clamped.
    time?.as_f64().map(|seconds| seconds as u64)
}

fn mac(secret: &Secret, signed: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose()).expect("HMAC takes a key of any length").chain_update(signed)
}

/// SHA-256 in lower-case hex.
fn hex_digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Two parts of a token, encoded and joined.
fn encode(head: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64URL.encode(head.to_string()), BASE64URL.encode(claims.to_string()))
}

/// An application at Vonage, and the key that it signs requests with.
#[derive(Clone)]
pub struct Application {
    id: String,
    key: Arc<KeyPair>,
}

/// A private key that cannot sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is not PEM, or not a private key.
    #[error("is not a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----")]
    NotPem,
    /// Vonage makes RSA keys of 2048 bits.
    #[error("is not an RSA key of 2048 to 4096 bits, as Vonage makes them")]
    NotRsa,
}

impl Application {
    /// The application with this id, and its private key in PEM as downloaded from Vonage.
    pub fn new(id: String, private_key: &str) -> Result<Self, InvalidKey> {
        let key = PrivateKeyDer::from_pem_slice(private_key.as_bytes()).map_err(|_| InvalidKey::NotPem)?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(InvalidKey::NotRsa),
        };
        Ok(Self { id, key: Arc::new(key.map_err(|_| InvalidKey::NotRsa)?) })
    }

    /// Vonage's id of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The `Authorization` of a request made now; `purpose` tells it from others of the same second.
    pub(super) fn authorization(&self, purpose: &str, now: Timestamp) -> HeaderValue {
        let made = now.as_secs();
        let token_id = hex_digest(format!("{purpose} {}", now.as_ms()).as_bytes());
        let claims = json!({ "application_id": self.id, "iat": made, "exp": made + VALID_SECS, "jti": token_id[..32] });
        let signed = encode(&json!({ "alg": "RS256", "typ": "JWT" }), &claims);
        let mut signature = vec![0; self.key.public().modulus_len()];
        // It fails only if there is no randomness, which is needed against measuring, or with a faulty key; the request is
        // refused then.
        let _refused = self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature);
        let mut value = HeaderValue::try_from(format!("Bearer {signed}.{}", BASE64URL.encode(signature)))
            .expect("base64 has no character that a header may not have");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Application {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "application {}", self.id)
    }
}

/// A token with this head and these claims, as Vonage signs its webhooks.
#[cfg(feature = "test-support")]
pub fn signed(secret: &Secret, head: &Value, claims: &Value) -> String {
    let signed = encode(head, claims);
    let signature = mac(secret, signed.as_bytes()).finalize().into_bytes();
    format!("{signed}.{}", BASE64URL.encode(signature))
}

/// The `Authorization` of a webhook with this body that Vonage makes at `now`.
#[cfg(feature = "test-support")]
pub fn sign(secret: &Secret, api_key: &str, body: &[u8], now: Timestamp) -> String {
    let claims = json!({
        "iat": now.as_secs(), "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5", "iss": "Vonage",
        "payload_hash": hex_digest(body), "api_key": api_key,
    });
    format!("Bearer {}", signed(secret, &json!({ "alg": "HS256", "typ": "JWT" }), &claims))
}
