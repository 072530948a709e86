//! Self-signed certificates for tests, with rcgen's defaults but for their end. `tests/` includes this file as well.

use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{CertificateParams, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm, SigningKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use std::time::SystemTime;

/// A certificate and its key, as PEM.
pub(crate) struct SelfSigned {
    /// The certificate.
    pub(crate) certificate: String,
    /// Its private key.
    pub(crate) key: String,
}

impl SelfSigned {
    /// A certificate for `name`, valid for longer than any test.
    pub(crate) fn new(name: &str) -> Self {
        Self::made(name, None)
    }

    /// A certificate for `name`, valid until `end`.
    pub(crate) fn until(name: &str, end: SystemTime) -> Self {
        Self::made(name, Some(end))
    }

    fn made(name: &str, end: Option<SystemTime>) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let key =
            Key(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &SystemRandom::new())
                .unwrap());
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // From the key, so that no two certificates have the same.
        params.serial_number = Some(SerialNumber::from_slice(&key.der_bytes()[1..20]));
        if let Some(end) = end {
            params.not_after = end.into();
        }
        let certificate = params.self_signed(&key).unwrap().pem();
        let pkcs8 = BASE64_STANDARD.encode(pkcs8);
        Self { certificate, key: format!("-----BEGIN PRIVATE KEY-----\n{pkcs8}\n-----END PRIVATE KEY-----\n") }
    }
}

/// A key of ring, for rcgen.
struct Key(EcdsaKeyPair);

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }
}
