//! `sig`: a digest over all parameters. <https://developer.vonage.com/en/getting-started/concepts/signing-messages>
//!
//! Invariant: everything that `read` parses is covered. To the signature `&`, `=` and `_` in a value are the same
//! character, by Vonage's definition. Names are not changed for it, so a name with one of these could stand for two
//! parameters, and is rejected; so is a name that occurs twice.

use super::{Settings, SignatureMethod};
use crate::carrier::form::{Fields, Pair};
use crate::carrier::read::LooseText;
use crate::carrier::surrogates::replace_surrogates;
use crate::carrier::vonage::is_fresh;
use crate::carrier::{NotVerified, Webhook};
use crate::model::{Secret, Timestamp};
use hmac::{Hmac, Mac, digest::KeyInit};
use http::{HeaderMap, Method, header};
use md5::Md5;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use std::borrow::Cow;
use std::fmt;
use subtle::ConstantTimeEq;

/// Maximum number of parameters; Vonage sends about twenty.
const PARAMETERS_MAX: usize = 100;

/// The name of the signature itself.
const SIG: &[u8] = b"sig";

/// Verifies that one of the account's secrets signed the parameters.
pub(super) fn verify(account: &Settings, hook: &Webhook, now: Timestamp) -> Result<(), NotVerified> {
    let fields = parameters(hook).ok_or(NotVerified::Wrong)?;
    let offered = fields.text("sig").map_err(|_| NotVerified::Wrong)?.filter(|sig| !sig.is_empty());
    let offered = from_hex(offered.ok_or(NotVerified::Missing)?).ok_or(NotVerified::Wrong)?;
    let signed = signed(&fields).ok_or(NotVerified::Wrong)?;
    if !spellings(signed).iter().any(|signed| is_signed(account, signed, &offered)) {
        return Err(NotVerified::Wrong);
    }
    let made = fields.text("timestamp").ok().flatten().and_then(|at| at.parse().ok());
    if made.is_some_and(|at| !is_fresh(at, now)) { Err(NotVerified::Stale) } else { Ok(()) }
}

/// The parameters of a webhook: of the query of a GET, or of the body. `None` if it is of no known form.
pub(super) fn parameters(hook: &Webhook) -> Option<Fields<'_>> {
    match hook.method {
        Method::GET if hook.body.is_empty() => Some(Fields::of(hook.query().as_bytes())),
        Method::POST => match kind(&hook.headers)? {
            Kind::Form => Some(Fields::of(&hook.body)),
            Kind::Json => serde_json::from_slice(&hook.body).ok().map(|Object(pairs)| Fields::from(pairs)),
        },
        _ => None,
    }
}

/// The forms of a body.
enum Kind {
    Form,
    Json,
}

/// The form that the content type names; without one it is a form.
fn kind(headers: &HeaderMap) -> Option<Kind> {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return Some(Kind::Form) };
    let kind = content_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(b"application/json") {
        Some(Kind::Json)
    } else {
        kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded").then_some(Kind::Form)
    }
}

/// The parameters of a JSON object, whose values are texts; a number or a boolean is what it is written as.
struct Object<'a>(Vec<Pair<'a>>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parameters;

        impl<'de> Visitor<'de> for Parameters {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value = map.next_value::<&'de RawValue>()?;
                    let value = scalar(value).ok_or_else(|| A::Error::custom("a value is not a text"))?;
                    pairs.push((Cow::Owned(name.into_bytes()), value));
                }
                Ok(Object(pairs))
            }
        }

        deserializer.deserialize_map(Parameters)
    }
}

fn scalar(value: &RawValue) -> Option<Cow<'_, [u8]>> {
    let written = value.get();
    match written.as_bytes().first()? {
        b'"' => serde_json::from_str::<LooseText>(written).ok().map(|text| Cow::Owned(text.0)),
        b'{' | b'[' => None,
        b'n' => Some(Cow::Borrowed(&[])),
        _ => Some(Cow::Borrowed(written.as_bytes())),
    }
}

/// What is signed: every parameter but the signature, by name. `None` if a name is ambiguous, or there are too many.
fn signed(fields: &Fields<'_>) -> Option<Vec<u8>> {
    let mut pairs: Vec<&Pair<'_>> = fields.pairs().iter().filter(|(name, _)| &**name != SIG).collect();
    if pairs.len() > PARAMETERS_MAX {
        return None;
    }
    pairs.sort_unstable();
    let is_ambiguous = |name: &[u8]| name.iter().any(|byte| matches!(byte, b'&' | b'='));
    if pairs.iter().any(|(name, _)| is_ambiguous(name)) || pairs.windows(2).any(|two| two[0].0 == two[1].0) {
        return None;
    }
    let mut signed = Vec::with_capacity(512);
    for (name, value) in pairs {
        signed.push(b'&');
        signed.extend_from_slice(name);
        signed.push(b'=');
        signed.extend(value.iter().map(|byte| if matches!(byte, b'&' | b'=') { b'_' } else { *byte }));
    }
    Some(signed)
}

/// The spellings that may have been signed. It is undocumented as what bytes half a character, at the end of a part,
/// is signed.
fn spellings(signed: Vec<u8>) -> Vec<Vec<u8>> {
    let replaced = [&b"?"[..], "\u{fffd}".as_bytes()].map(|with| replace_surrogates(&signed, with));
    let mut spellings: Vec<_> = replaced.into_iter().flatten().collect();
    spellings.push(signed);
    spellings
}

fn is_signed(account: &Settings, signed: &[u8], offered: &[u8]) -> bool {
    let method = account.signature_method;
    account.signature_secrets.iter().any(|secret| method.digest(secret, signed).ct_eq(offered).into())
}

impl SignatureMethod {
    fn digest(self, secret: &Secret, signed: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5Hash => Md5::new().chain_update(signed).chain_update(secret.expose()).finalize().to_vec(),
            Self::HmacMd5 => hmac::<Hmac<Md5>>(secret, signed),
            Self::HmacSha1 => hmac::<Hmac<Sha1>>(secret, signed),
            Self::HmacSha256 => hmac::<Hmac<Sha256>>(secret, signed),
            Self::HmacSha512 => hmac::<Hmac<Sha512>>(secret, signed),
        }
    }
}

fn hmac<M: Mac + KeyInit>(secret: &Secret, signed: &[u8]) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(secret.expose()).expect("HMAC takes a key of any length");
    mac.chain_update(signed).finalize().into_bytes().to_vec()
}

/// Decodes hex of either case.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// The `sig` that Vonage gives a webhook with these parameters; `None` if it would not be accepted.
#[cfg(feature = "test-support")]
pub fn sign(method: SignatureMethod, secret: &Secret, hook: &Webhook) -> Option<String> {
    let digest = method.digest(secret, &signed(&parameters(hook)?)?);
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
