//! Secrets that are never printed.

use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// A token, password or key. It is wiped when dropped, compared in constant time, and prints as `secret`.
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Wraps the bytes unchanged.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into().into())
    }

    /// The bytes, for computing a signature or sending a credential.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// Whether `offered` equals this secret. Digests are compared, so the time taken does not depend on either length.
    pub fn matches(&self, offered: &[u8]) -> bool {
        Sha256::digest(self.expose()).ct_eq(&Sha256::digest(offered)).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_only_itself_and_is_not_printed() {
        let secret = Secret::new("hunter2");
        assert!(secret.matches(b"hunter2"));
        assert!(!secret.matches(b"hunter"));
        assert!(!secret.matches(b""));
        assert_eq!(format!("{secret:?}"), "secret");
    }
}
