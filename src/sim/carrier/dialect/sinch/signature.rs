//! Signed callbacks, the same for both APIs: an HMAC over body, nonce and time.

use super::super::notation::unix_secs;
use super::super::{About, CarrierCore, Content, Posted, nonce};
use super::ulid;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Of the service plan's callbacks, and of the app's webhook.
pub(super) const WEBHOOK_SECRET: &str = "pg_5tR8wK1mXq9Zc3Ld";
const FORGED_SECRET: &str = "pg_0000000000000000";

/// A webhook with this JSON.
pub(super) fn posted(core: &CarrierCore, elements: &[&Content], about: About<'_>) -> Posted {
    let body: String = elements.iter().map(|element| element.json().to_string()).collect();
    let secret = if about.genuine { WEBHOOK_SECRET } else { FORGED_SECRET };
    let (nonce, time) = (ulid(&mut nonce(core, about)), unix_secs().to_string());
    Posted {
        content_type: "application/json",
        headers: vec![
            ("x-sinch-webhook-signature", signature(secret, &body, &nonce, &time)),
            ("x-sinch-webhook-signature-nonce", nonce),
            ("x-sinch-webhook-signature-timestamp", time),
            ("x-sinch-webhook-signature-algorithm", "HmacSHA256".to_owned()),
        ],
        body: body.into(),
    }
}

fn signature(secret: &str, body: &str, nonce: &str, time: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(format!("{body}.{nonce}.{time}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::testing::vector_header;
    use super::*;
    use serde_json::Value;

    #[test]
    fn signatures_match_the_vectors() {
        let vectors: Vec<Value> =
            serde_json::from_str(include_str!("../../../../../tests/vectors/sinch.json")).unwrap();
        let mut checked = 0;
        for vector in &vectors {
            let text = |at: &str| vector.pointer(at).and_then(Value::as_str).unwrap_or_default();
            let header = |name: &str| vector_header(vector, &format!("x-sinch-webhook-signature{name}"));
            let ours = signature(text("/secret/webhook_secret"), text("/body"), header("-nonce"), header("-timestamp"));
            assert_eq!(ours == header(""), vector["valid"] == true, "{}: {}", text("/name"), text("/note"));
            checked += 1;
        }
        assert!(checked > 20, "only {checked} vectors");
    }
}
