//! Signatures of our events as computed outside the gateway (Standard Webhooks).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Maximum difference between an event's timestamp and now, as in the Standard Webhooks libraries.
pub(super) const TOLERANCE_SECS: u64 = 5 * 60;

/// Why an event's signature is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// A header of `webhook-id`, `webhook-timestamp`, `webhook-signature` is missing or not text.
    #[error("a signature header is missing")]
    Missing,
    /// The timestamp is not a number, or too far from now.
    #[error("the timestamp is too far from now")]
    Stale,
    /// No signature in the list matches.
    #[error("no signature matches")]
    Wrong,
}

/// The three signature headers of an event.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) id: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) signatures: &'a str,
}

/// Checks an event's signature against each of `keys` (raw bytes); one match is enough, as during a rotation.
pub(super) fn check_event(
    keys: &[Vec<u8>],
    signed: Signed<'_>,
    body: &[u8],
    now_secs: u64,
) -> Result<(), BadSignature> {
    let stamp: u64 = signed.timestamp.parse().map_err(|_| BadSignature::Stale)?;
    if stamp.abs_diff(now_secs) > TOLERANCE_SECS {
        return Err(BadSignature::Stale);
    }
    let offered = |mac: &Hmac<Sha256>| {
        let versions = signed.signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
        versions.filter_map(|one| STANDARD.decode(one).ok()).any(|one| mac.clone().verify_slice(&one).is_ok())
    };
    let matches = keys.iter().any(|key| offered(&event_mac(key, signed.id, signed.timestamp, body)));
    if matches { Ok(()) } else { Err(BadSignature::Wrong) }
}

/// Parses a configured secret: `whsec_` and base64. `None` if it has another form.
pub(super) fn read_event_secret(secret: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret.trim().strip_prefix("whsec_")?).ok()
}

fn event_mac(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NOW: u64 = 1_763_791_200;

    #[test]
    fn event_signed_by_the_standard_webhooks_library_is_accepted() {
        let library = standardwebhooks::Webhook::new(SECRET).unwrap();
        let signature = library.sign("evt_1", NOW as i64, b"{}").unwrap();
        assert_eq!(check(&[SECRET], "evt_1", NOW, &signature, b"{}"), Ok(()));
    }

    #[test]
    fn one_valid_signature_of_several_is_enough() {
        let library = standardwebhooks::Webhook::new(SECRET).unwrap();
        let good = library.sign("evt_1", NOW as i64, b"{}").unwrap();
        let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
        assert_eq!(check(&[other, SECRET], "evt_1", NOW, &format!("v1,AAAA v1a,x {good}"), b"{}"), Ok(()));
        assert_eq!(check(&[other], "evt_1", NOW, &good, b"{}"), Err(BadSignature::Wrong));
    }

    #[test]
    fn other_body_other_id_or_old_time_is_refused() {
        let library = standardwebhooks::Webhook::new(SECRET).unwrap();
        let good = library.sign("evt_1", NOW as i64, b"{}").unwrap();
        assert_eq!(check(&[SECRET], "evt_1", NOW, &good, b"{ }"), Err(BadSignature::Wrong));
        assert_eq!(check(&[SECRET], "evt_2", NOW, &good, b"{}"), Err(BadSignature::Wrong));
        assert_eq!(check(&[SECRET], "evt_1", NOW + 1, &good, b"{}"), Err(BadSignature::Wrong));
        assert_eq!(check(&[SECRET], "evt_1", NOW - 301, &good, b"{}"), Err(BadSignature::Stale));
    }

    fn check(secrets: &[&str], id: &str, stamp: u64, signatures: &str, body: &[u8]) -> Result<(), BadSignature> {
        let keys: Vec<Vec<u8>> = secrets.iter().map(|secret| read_event_secret(secret).unwrap()).collect();
        check_event(&keys, Signed { id, timestamp: &stamp.to_string(), signatures }, body, NOW)
    }
}
