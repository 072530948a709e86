//! Fingerprints of erased people's numbers, under which their opt-outs are kept.

use crate::model::E164;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// The HMAC key for fingerprints of erased numbers. It is stored with the data, so someone who has both can test every
/// possible number; a fingerprint without the key reveals nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErasureKey(pub [u8; 16]);

/// Replaces the number of an erased person in their opt-out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint(pub [u8; 16]);

impl ErasureKey {
    /// Returns a number's fingerprint: the first half of its HMAC-SHA-256.
    pub fn fingerprint(self, number: E164) -> Fingerprint {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        mac.update(&number.key());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        Fingerprint(*digest.first_chunk().expect("32 bytes are more than 16"))
    }
}

impl fmt::Debug for ErasureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
}
