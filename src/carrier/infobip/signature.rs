//! How a webhook shows that Infobip made it: Basic, an HMAC over the body, or the key in the URL for receipts.
//! <https://www.infobip.com/docs/cpaas-x/subscriptions-management>
//!
//! Infobip offers HMAC and does not publish its header and encoding, so these are configured.

use super::{Infobip, Settings};
use crate::carrier::{NotVerified, Webhook, basic};
use crate::model::Secret;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac, digest::KeyInit};
use http::{HeaderName, Method};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

/// How webhooks are signed.
#[derive(Clone, Debug)]
pub struct HmacSettings {
    /// The header with the signature.
    pub header: HeaderName,
    /// The hash.
    pub algorithm: Algorithm,
    /// How the signature is written.
    pub encoding: Encoding,
    /// The keys; two during a rotation.
    pub secrets: Vec<Secret>,
}

/// How a signature is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Standard base64 with padding.
    Base64,
    /// Hexadecimal, in either case.
    Hex,
}

/// The algorithms that Infobip offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// `HMAC_MD5`.
    Md5,
    /// `HMAC_SHA_1`.
    Sha1,
    /// `HMAC_SHA_224`.
    Sha224,
    /// `HMAC_SHA_256`.
    Sha256,
    /// `HMAC_SHA_384`.
    Sha384,
    /// `HMAC_SHA_512`.
    Sha512,
}

impl Algorithm {
    /// Parses Infobip's name of an algorithm.
    pub fn read(name: &str) -> Option<Self> {
        match name {
            "HMAC_MD5" => Some(Self::Md5),
            "HMAC_SHA_1" => Some(Self::Sha1),
            "HMAC_SHA_224" => Some(Self::Sha224),
            "HMAC_SHA_256" => Some(Self::Sha256),
            "HMAC_SHA_384" => Some(Self::Sha384),
            "HMAC_SHA_512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Whether `offered` is the digest of the body, compared in constant time.
    fn fits(self, key: &Secret, body: &[u8], offered: &[u8]) -> bool {
        match self {
            Self::Md5 => fits::<Hmac<Md5>>(key, body, offered),
            Self::Sha1 => fits::<Hmac<Sha1>>(key, body, offered),
            Self::Sha224 => fits::<Hmac<Sha224>>(key, body, offered),
            Self::Sha256 => fits::<Hmac<Sha256>>(key, body, offered),
            Self::Sha384 => fits::<Hmac<Sha384>>(key, body, offered),
            Self::Sha512 => fits::<Hmac<Sha512>>(key, body, offered),
        }
    }
}

fn mac_of<M: Mac + KeyInit>(key: &Secret, body: &[u8]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(key.expose()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac
}

fn fits<M: Mac + KeyInit>(key: &Secret, body: &[u8], offered: &[u8]) -> bool {
    mac_of::<M>(key, body).verify_slice(offered).is_ok()
}

/// Verifies one of the account's credentials. Nothing but the body is parsed later, so the URL need not be covered.
pub(super) fn verify(infobip: &Infobip, hook: &Webhook) -> Result<(), NotVerified> {
    if hook.method != Method::POST {
        return Err(NotVerified::Wrong);
    }
    let Settings { hmac, logins, .. } = &infobip.settings;
    if let Some(hmac) = hmac
        && let Some(offered) = hook.only_header(hmac.header.as_str())?
    {
        return hmac.verify(offered, &hook.body);
    }
    if infobip.url_keys.are_in(hook) {
        return Ok(());
    }
    if logins.is_empty() { Err(NotVerified::Missing) } else { basic::verify(&hook.headers, logins) }
}

impl HmacSettings {
    fn verify(&self, offered: &[u8], body: &[u8]) -> Result<(), NotVerified> {
        let decoded = match self.encoding {
            Encoding::Base64 => BASE64.decode(offered).ok(),
            Encoding::Hex => unhex(offered),
        };
        let offered = decoded.ok_or(NotVerified::Wrong)?;
        let fits = self.secrets.iter().any(|secret| self.algorithm.fits(secret, body, &offered));
        if fits { Ok(()) } else { Err(NotVerified::Wrong) }
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}
