//! `X-Twilio-Signature`: an HMAC over the public URL and the form's pairs.
//! <https://www.twilio.com/docs/usage/webhooks/webhooks-security>
//!
//! Invariant: everything that `read` parses is covered by the signature. So a body is treated as a form, whose pairs
//! are signed, unless the URL contains its digest; and a GET must have no body.

use super::{Algorithm, Settings};
use crate::carrier::form::{self, Pair, is_form};
use crate::carrier::public_url::PublicBase;
use crate::carrier::{NotVerified, Webhook};
use crate::model::Secret;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac, digest::KeyInit};
use http::Method;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::iter;
use subtle::ConstantTimeEq;

/// Maximum number of form parameters; Twilio sends about thirty. It bounds the sorting that an attacker can cause.
const PARAMETERS_MAX: usize = 1_000;

/// Verifies that one of the account's keys signed the request. Cheap checks come before any hashing.
pub(super) fn verify(account: &Settings, base: &PublicBase, hook: &Webhook) -> Result<(), NotVerified> {
    let offered = hook.only_header("x-twilio-signature")?.ok_or(NotVerified::Missing)?;
    let settings = hook.only_header("x-twilio-webhooks-signature-settings")?;
    let (algorithm, keys) = keys(account, settings);
    let offered = decode(offered, algorithm).ok_or(NotVerified::Wrong)?;
    let covered = Covered::of(hook)?;

    let fits = keys.iter().any(|key| {
        base.candidates()
            .iter()
            .any(|base| algorithm.mac(key, [base, &hook.path_and_query], &covered.pairs).matches(&offered))
    });
    if !fits {
        return Err(NotVerified::Wrong);
    }
    match covered.body_digest {
        Some(digest) if !bool::from(digest.ct_eq(hex_digest(&hook.body).as_bytes())) => Err(NotVerified::Wrong),
        _ => Ok(()),
    }
}

/// The signature of a form (or an empty body) posted to `url`, as Twilio computes it.
#[cfg(feature = "test-support")]
pub fn sign(token: &Secret, url: &str, form: &[u8]) -> String {
    let mac: Hmac<Sha1> = mac_of(token, [url, ""], &sorted(form::pairs(form).collect()));
    BASE64.encode(mac.finalize().into_bytes())
}

/// The signed parts of a webhook besides its URL.
struct Covered<'a> {
    /// The pairs of the form in signing order.
    pairs: Vec<Pair<'a>>,
    /// The digest of the body from the URL, if the body is not a form.
    body_digest: Option<Vec<u8>>,
}

impl<'a> Covered<'a> {
    fn of(hook: &'a Webhook) -> Result<Self, NotVerified> {
        match hook.method {
            Method::GET if hook.body.is_empty() => Ok(Self { pairs: Vec::new(), body_digest: None }),
            Method::POST => match body_digest(hook)? {
                Some(digest) => Ok(Self { pairs: Vec::new(), body_digest: Some(digest) }),
                None => Self::of_form(&hook.body),
            },
            _ => Err(NotVerified::Wrong),
        }
    }

    fn of_form(body: &'a [u8]) -> Result<Self, NotVerified> {
        let pairs: Vec<_> = form::pairs(body).take(PARAMETERS_MAX + 1).collect();
        if pairs.len() > PARAMETERS_MAX {
            return Err(NotVerified::Wrong);
        }
        Ok(Self { pairs: sorted(pairs), body_digest: None })
    }
}

/// Sorts by name and then by value, as bytes (equivalent to code point order); equal pairs count once.
fn sorted(mut pairs: Vec<Pair<'_>>) -> Vec<Pair<'_>> {
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// The `bodySHA256` of the URL's query, for a body that is not a form. Two are an error, because it would be ambiguous
/// which one counts.
fn body_digest(hook: &Webhook) -> Result<Option<Vec<u8>>, NotVerified> {
    if is_form(&hook.headers) {
        return Ok(None);
    }
    let mut digests = form::pairs(hook.query().as_bytes()).filter(|(name, _)| &**name == b"bodySHA256");
    match (digests.next(), digests.next()) {
        (found, None) => Ok(found.map(|(_, digest)| digest.into_owned())),
        (_, Some(_)) => Err(NotVerified::Wrong),
    }
}

/// The algorithm and the keys that may have signed. `settings` may name a shared key, which is valid only with the
/// algorithm it is configured for. If no configured key matches, an auth token must have signed, as without settings:
/// the settings header is not signed, so anybody could remove it.
fn keys<'a>(account: &'a Settings, settings: Option<&[u8]>) -> (Algorithm, Vec<&'a Secret>) {
    let named = settings.and_then(|settings| std::str::from_utf8(settings).ok()).and_then(read_settings);
    let shared = named
        .and_then(|(id, algorithm)| account.shared_keys.iter().find(|key| key.id == id && key.algorithm == algorithm));
    match shared {
        Some(key) => (key.algorithm, vec![&key.secret]),
        None => (Algorithm::HmacSha1, iter::once(&account.auth_token).chain(&account.other_auth_token).collect()),
    }
}

/// Parses `key=<id>,algorithm=HMAC_SHA256`, ignoring the case of names and algorithm, spaces, and unknown entries,
/// which may be added in the future. The two known entries must occur once each.
fn read_settings(text: &str) -> Option<(&str, Algorithm)> {
    let (mut id, mut algorithm) = (None, None);
    for (name, value) in text.split(',').filter_map(|entry| entry.split_once('=')) {
        let (name, value) = (name.trim(), value.trim());
        let earlier = if name.eq_ignore_ascii_case("key") {
            id.replace(value)
        } else if name.eq_ignore_ascii_case("algorithm") {
            algorithm.replace(value)
        } else {
            None
        };
        if earlier.is_some() {
            return None;
        }
    }
    Some((id?, Algorithm::read(&algorithm?.to_ascii_uppercase())?))
}

/// Decodes the digest from standard base64, strictly: padded, no other alphabet, no stray bits, of the right length.
fn decode(offered: &[u8], algorithm: Algorithm) -> Option<Vec<u8>> {
    let (digest_bytes, characters) = match algorithm {
        Algorithm::HmacSha1 => (20, 28),
        Algorithm::HmacSha256 => (32, 44),
    };
    let digest = (offered.len() == characters).then(|| BASE64.decode(offered).ok()).flatten()?;
    (digest.len() == digest_bytes).then_some(digest)
}

/// An HMAC over all signed data.
enum Signed {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

impl Signed {
    /// Compares in constant time.
    fn matches(self, offered: &[u8]) -> bool {
        match self {
            Self::Sha1(mac) => mac.verify_slice(offered).is_ok(),
            Self::Sha256(mac) => mac.verify_slice(offered).is_ok(),
        }
    }
}

impl Algorithm {
    fn mac(self, key: &Secret, url: [&str; 2], pairs: &[Pair<'_>]) -> Signed {
        match self {
            Self::HmacSha1 => Signed::Sha1(mac_of(key, url, pairs)),
            Self::HmacSha256 => Signed::Sha256(mac_of(key, url, pairs)),
        }
    }
}

/// The HMAC over a URL in two parts and the pairs, concatenated without separators.
fn mac_of<M: Mac + KeyInit>(key: &Secret, url: [&str; 2], pairs: &[Pair<'_>]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(key.expose()).expect("HMAC takes a key of any length");
    for part in url {
        mac.update(part.as_bytes());
    }
    for (name, value) in pairs {
        mac.update(name);
        mac.update(value);
    }
    mac
}

/// SHA-256 in lower-case hex.
fn hex_digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
