//! Secrets that cannot be printed.

use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// A token, password or key. It is wiped when dropped, compared in constant time, and prints as `secret`.
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into().into())
    }

    /// The bytes, for making a signature or a credential of them.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// Whether `offered` is this secret. Digests are compared, so the time taken says nothing of either length.
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
    fn a_secret_matches_itself_alone_and_cannot_be_printed() {
        let secret = Secret::new("hunter2");
        assert!(secret.matches(b"hunter2"));
        assert!(!secret.matches(b"hunter"));
        assert!(!secret.matches(b""));
        assert_eq!(format!("{secret:?}"), "secret");
    }
}
