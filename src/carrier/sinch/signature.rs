//! `x-sinch-webhook-signature`: an HMAC over body, nonce and time. The URL is not covered, so nothing of it is parsed.
//! <https://developers.sinch.com/docs/conversation/callbacks/#validating-callbacks>

use super::{Settings, Sinch};
use crate::carrier::{NotVerified, Webhook, basic};
use crate::model::Secret;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, Mac, digest::KeyInit};
use http::Method;
use sha2::Sha256;

const SIGNATURE: &str = "x-sinch-webhook-signature";
const NONCE: &str = "x-sinch-webhook-signature-nonce";
const TIME: &str = "x-sinch-webhook-signature-timestamp";
const ALGORITHM: &str = "x-sinch-webhook-signature-algorithm";

/// Verifies the signature, if secrets are configured and there is one, else the key in the URL or a login.
pub(super) fn verify(sinch: &Sinch, hook: &Webhook) -> Result<(), NotVerified> {
    let Settings { webhook_secrets, logins, .. } = &sinch.settings;
    if hook.method != Method::POST {
        return Err(NotVerified::Wrong);
    }
    if !webhook_secrets.is_empty()
        && let Some(offered) = hook.only_header(SIGNATURE)?
    {
        return signed(hook, offered, webhook_secrets);
    }
    if sinch.url_keys.are_in(hook) {
        return Ok(());
    }
    if logins.is_empty() { Err(NotVerified::Missing) } else { basic::verify(&hook.headers, logins) }
}

fn signed(hook: &Webhook, offered: &[u8], secrets: &[Secret]) -> Result<(), NotVerified> {
    let nonce = hook.only_header(NONCE)?.ok_or(NotVerified::Missing)?;
    let time = hook.only_header(TIME)?.ok_or(NotVerified::Missing)?;
    if hook.only_header(ALGORITHM)?.is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case(b"HmacSHA256")) {
        return Err(NotVerified::Wrong);
    }
    let offered = BASE64.decode(offered).map_err(|_| NotVerified::Wrong)?;
    let fits = secrets.iter().any(|secret| mac(secret, &hook.body, nonce, time).verify_slice(&offered).is_ok());
    if fits { Ok(()) } else { Err(NotVerified::Wrong) }
}

fn mac(secret: &Secret, body: &[u8], nonce: &[u8], time: &[u8]) -> Hmac<Sha256> {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose());
    let mut mac = mac.expect("HMAC takes a key of any length");
    for part in [body, b".", nonce, b".", time] {
        mac.update(part);
    }
    mac
}

/// The headers with which Sinch signs a body.
#[cfg(feature = "test-support")]
pub fn sign(secret: &Secret, body: &[u8], nonce: &str, time: &str) -> [(&'static str, String); 4] {
    let signature = BASE64.encode(mac(secret, body, nonce.as_bytes(), time.as_bytes()).finalize().into_bytes());
    let algorithm = "HmacSHA256".to_owned();
    [(SIGNATURE, signature), (NONCE, nonce.to_owned()), (TIME, time.to_owned()), (ALGORITHM, algorithm)]
}
