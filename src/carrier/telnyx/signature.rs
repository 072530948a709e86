//! `telnyx-signature-ed25519`: Ed25519 over `{telnyx-timestamp}|{body}`.
//! <https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks>
//!
//! Neither URL nor method is signed, so nothing is read from them that matters; see `read::about`.

use crate::carrier::{NotVerified, Webhook};
use crate::model::Timestamp;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ring::signature::{ED25519, ED25519_PUBLIC_KEY_LEN, UnparsedPublicKey};
#[cfg(feature = "test-support")]
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fmt;
use std::str::FromStr;

/// How far the time of a webhook may be from ours, in whole seconds, as in Telnyx's own libraries.
const APART_SECS_MAX: u64 = 300;

/// The length of a signature in standard base64, padded: 64 bytes.
const SIGNATURE_CHARACTERS: usize = 88;

/// A public key of a Telnyx account.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; ED25519_PUBLIC_KEY_LEN]);

/// The text is not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not the base64 of 32 bytes")]
pub struct InvalidPublicKey;

impl FromStr for PublicKey {
    type Err = InvalidPublicKey;

    fn from_str(text: &str) -> Result<Self, InvalidPublicKey> {
        let bytes = BASE64.decode(text).map_err(|_| InvalidPublicKey)?;
        bytes.try_into().map(Self).map_err(|_| InvalidPublicKey)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

/// Verifies that one of the keys signed time and body, and that the time is near `now`.
pub(super) fn verify(keys: &[PublicKey], hook: &Webhook, now: Timestamp) -> Result<(), NotVerified> {
    let signature = hook.only_header("telnyx-signature-ed25519")?.ok_or(NotVerified::Missing)?;
    let time = hook.only_header("telnyx-timestamp")?.ok_or(NotVerified::Missing)?;
    let signed_at = seconds(time).ok_or(NotVerified::Wrong)?;
    let is_long_enough = signature.len() == SIGNATURE_CHARACTERS;
    let signature = is_long_enough.then(|| BASE64.decode(signature).ok()).flatten().ok_or(NotVerified::Wrong)?;

    let signed = [time, b"|", &hook.body].concat();
    // Ring follows RFC 8032 strictly: a signature with another S of the same meaning is refused.
    if !keys.iter().any(|key| UnparsedPublicKey::new(&ED25519, key.0).verify(&signed, &signature).is_ok()) {
        return Err(NotVerified::Wrong);
    }
    if now.as_secs().abs_diff(signed_at) > APART_SECS_MAX { Err(NotVerified::Stale) } else { Ok(()) }
}

/// The signature of a body as Telnyx makes it, with the key pair of this seed.
#[cfg(feature = "test-support")]
pub fn sign(seed: &[u8; 32], time: &str, body: &[u8]) -> String {
    BASE64.encode(pair(seed).sign(&[time.as_bytes(), b"|", body].concat()))
}

/// The public key to the private key of this seed.
#[cfg(feature = "test-support")]
pub fn public_key(seed: &[u8; 32]) -> PublicKey {
    PublicKey(pair(seed).public_key().as_ref().try_into().expect("a public key has 32 bytes"))
}

#[cfg(feature = "test-support")]
fn pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed")
}

/// Seconds since 1970, in digits only.
fn seconds(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
