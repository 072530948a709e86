//! Who may post webhooks.
//!
//! Invariant: with an HMAC, everything that is parsed of a message is in the body, which is signed. So only a POST with
//! a body passes. Our id in the query of a receipt's URL is not signed: if the carrier can return it in the body instead,
//! that is better.

use super::settings::{Algorithm, Encoding, HmacRules, HookAuth};
use crate::carrier::{NotVerified, Webhook, basic};
use crate::model::Secret;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac, digest::KeyInit};
use http::Method;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

pub(super) fn verify(auth: &HookAuth, hook: &Webhook) -> Result<(), NotVerified> {
    match auth {
        HookAuth::None => Ok(()),
        HookAuth::Basic(logins) => basic::verify(&hook.headers, logins),
        HookAuth::Bearer(tokens) => bearer(tokens, hook),
        HookAuth::Hmac(rules) => signature(rules, hook),
    }
}

fn bearer(tokens: &[Secret], hook: &Webhook) -> Result<(), NotVerified> {
    let offered = hook.only_header("authorization")?.ok_or(NotVerified::Missing)?;
    let (scheme, token) = offered.split_at_checked(7).ok_or(NotVerified::Wrong)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return Err(NotVerified::Wrong);
    }
    // All are compared, so that the time does not tell which one is near.
    let fits = tokens.iter().fold(false, |fits, known| fits | known.matches(token.trim_ascii()));
    if fits { Ok(()) } else { Err(NotVerified::Wrong) }
}

fn signature(rules: &HmacRules, hook: &Webhook) -> Result<(), NotVerified> {
    let offered = hook.only_header(rules.header.as_str())?.ok_or(NotVerified::Missing)?;
    if hook.method != Method::POST || hook.body.is_empty() {
        return Err(NotVerified::Wrong);
    }
    let written = offered.strip_prefix(rules.prefix.as_bytes()).ok_or(NotVerified::Wrong)?;
    let digest = match rules.encoding {
        Encoding::Hex => from_hex(written),
        Encoding::Base64 => BASE64.decode(written).ok(),
    };
    let digest = digest.ok_or(NotVerified::Wrong)?;
    let is_by = |secret: &Secret| match rules.algorithm {
        Algorithm::Sha1 => is_mac::<Hmac<Sha1>>(secret, &hook.body, &digest),
        Algorithm::Sha256 => is_mac::<Hmac<Sha256>>(secret, &hook.body, &digest),
        Algorithm::Sha512 => is_mac::<Hmac<Sha512>>(secret, &hook.body, &digest),
    };
    if rules.secrets.iter().any(is_by) { Ok(()) } else { Err(NotVerified::Wrong) }
}

/// Compares in constant time; a digest of another length is another one.
fn is_mac<M: Mac + KeyInit>(secret: &Secret, body: &[u8], digest: &[u8]) -> bool {
    let mut mac = <M as KeyInit>::new_from_slice(secret.expose()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(digest).is_ok()
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}
