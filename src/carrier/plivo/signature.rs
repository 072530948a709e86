//! `X-Plivo-Signature-V2` and `-V3`: HMACs over the public URL, a nonce, and in version 3 the parameters.
//! <https://www.plivo.com/docs/messaging/concepts/signature-validation>
//!
//! Version 2 covers neither the body nor the query: who has seen one request can send it again with another content. HTTPS
//! and claims carry the weight, and an account whose messages come with version 3 can require it. What version 3 covers
//! is everything that `read` parses, so a body is treated as a form, and a GET must have none.

use super::Settings;
use crate::carrier::form::{self, Pair};
use crate::carrier::public_url::PublicBase;
use crate::carrier::{NotVerified, Webhook};
use crate::model::Secret;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac};
use http::Method;
use sha2::Sha256;

/// Maximum number of parameters; Plivo sends about fifteen. It bounds the sorting that an attacker can cause.
const PARAMETERS_MAX: usize = 1_000;

/// Maximum number of signatures in a header: two during a rotation.
const OFFERED_MAX: usize = 4;

/// The length of a signature in standard base64, padded: 32 bytes.
const SIGNATURE_CHARACTERS: usize = 44;

/// Verifies that one of the account's tokens made one of the signatures. Those of a main account, which come beside those
/// of the sub-account that has the number, count like them: which token is ours is a matter of the configuration.
pub(super) fn verify(account: &Settings, base: &PublicBase, hook: &Webhook) -> Result<(), NotVerified> {
    let v3 = Offered::of(hook, "x-plivo-signature-v3", "x-plivo-signature-ma-v3", "x-plivo-signature-v3-nonce")?;
    let v2 = Offered::of(hook, "x-plivo-signature-v2", "x-plivo-signature-ma-v2", "x-plivo-signature-v2-nonce")?;
    let v2 = v2.filter(|_| !account.require_v3);
    if v3.is_none() && v2.is_none() {
        return Err(NotVerified::Missing);
    }
    let is_sound = hook.method == Method::POST || (hook.method == Method::GET && hook.body.is_empty());
    if !is_sound {
        return Err(NotVerified::Wrong);
    }
    let is_v3 = |offered: &Offered<'_>| Ok(offered.fit(account, base, hook.path(), &parameters(hook)?));
    let is_v2 = |offered: &Offered<'_>| offered.fit(account, base, hook.path(), b"");
    let fits = v3.as_ref().map(is_v3).transpose()?.unwrap_or(false) || v2.as_ref().is_some_and(is_v2);
    if fits { Ok(()) } else { Err(NotVerified::Wrong) }
}

/// The signatures of one version, and what makes each unique.
struct Offered<'a> {
    signatures: Vec<Vec<u8>>,
    nonce: &'a [u8],
}

impl<'a> Offered<'a> {
    /// `None` without a signature or nonce. What is not a signature by its form is left out.
    fn of(hook: &'a Webhook, own: &str, main: &str, nonce: &str) -> Result<Option<Self>, NotVerified> {
        let headers = [hook.only_header(own)?, hook.only_header(main)?];
        let nonce = hook.only_header(nonce)?.filter(|nonce| !nonce.is_empty());
        let (true, Some(nonce)) = (headers.iter().any(Option::is_some), nonce) else { return Ok(None) };
        let listed = headers.into_iter().flatten().flat_map(|header| header.split(|byte| *byte == b','));
        let signatures = listed.take(OFFERED_MAX).filter_map(|text| decode(text.trim_ascii())).collect();
        Ok(Some(Self { signatures, nonce }))
    }

    /// Whether one of the signatures is that of the URL with these parameters, as either token makes it.
    fn fit(&self, account: &Settings, base: &PublicBase, path: &str, parameters: &[u8]) -> bool {
        let tokens = [Some(&account.auth_token), account.other_auth_token.as_ref()];
        tokens.into_iter().flatten().any(|token| {
            base.candidates().iter().any(|base| {
                let mac = mac_of(token, &[base.as_bytes(), path.as_bytes(), parameters, self.nonce]);
                self.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
            })
        })
    }
}

/// What version 3 signs between the URL without its query and the nonce: `?a=1&b=2.NameValueNameValue.`, where query and
/// body are decoded and sorted by name and value.
fn parameters(hook: &Webhook) -> Result<Vec<u8>, NotVerified> {
    let query = sorted(hook.query().as_bytes())?;
    let body = sorted(&hook.body)?;
    let mut text = Vec::with_capacity(hook.query().len() + hook.body.len() + 3);
    if !query.is_empty() || !body.is_empty() {
        text.push(b'?');
    }
    for (place, (name, value)) in query.iter().enumerate() {
        if place > 0 {
            text.push(b'&');
        }
        text.extend([name, &b"="[..], value].into_iter().flatten());
    }
    if !query.is_empty() && !body.is_empty() {
        text.push(b'.');
    }
    text.extend(body.iter().flat_map(|(name, value)| name.iter().chain(&**value)));
    text.push(b'.');
    Ok(text)
}

fn sorted(form: &[u8]) -> Result<Vec<Pair<'_>>, NotVerified> {
    let mut pairs: Vec<_> = form::pairs(form).take(PARAMETERS_MAX + 1).collect();
    if pairs.len() > PARAMETERS_MAX {
        return Err(NotVerified::Wrong);
    }
    pairs.sort_unstable();
    Ok(pairs)
}

/// Decodes a signature from standard base64, strictly.
fn decode(offered: &[u8]) -> Option<Vec<u8>> {
    (offered.len() == SIGNATURE_CHARACTERS).then(|| BASE64.decode(offered).ok()).flatten()
}

fn mac_of(token: &Secret, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.expose()).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// The signature of version 2 for a URL without its query, as Plivo makes it.
#[cfg(feature = "test-support")]
pub fn sign_v2(token: &Secret, url: &str, nonce: &str) -> String {
    BASE64.encode(mac_of(token, &[url.as_bytes(), nonce.as_bytes()]).finalize().into_bytes())
}

/// The signature of version 3 for a webhook below `public_url`, as Plivo makes it.
#[cfg(feature = "test-support")]
pub fn sign_v3(token: &Secret, public_url: &str, hook: &Webhook, nonce: &str) -> String {
    let parameters = parameters(hook).expect("a webhook of Plivo has few parameters");
    let parts = [public_url.as_bytes(), hook.path().as_bytes(), &parameters, nonce.as_bytes()];
    BASE64.encode(mac_of(token, &parts).finalize().into_bytes())
}
