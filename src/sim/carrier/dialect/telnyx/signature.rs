//! Telnyx's signatures: <https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::Ed25519KeyPair;

pub(super) fn pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed")
}

/// `telnyx-signature-ed25519`, over time and body.
pub(super) fn signature(pair: &Ed25519KeyPair, time: &str, body: &str) -> String {
    STANDARD.encode(pair.sign(format!("{time}|{body}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::vector_header;
    use super::*;
    use ring::signature::{ED25519, UnparsedPublicKey};
    use serde_json::Value;

    /// The seed of the vectors' valid cases is not known, so their signatures are checked in the form that ours have.
    #[test]
    fn signed_bytes_are_those_of_the_vectors() {
        let vectors: Vec<Value> =
            serde_json::from_str(include_str!("../../../../../tests/vectors/telnyx.json")).unwrap();
        let mut checked = 0;
        for vector in vectors.iter().filter(|vector| vector["valid"] == true) {
            let text = |at: &str| vector.pointer(at).and_then(Value::as_str).unwrap_or_default();
            let key = STANDARD.decode(text("/secret/public_key_base64")).unwrap();
            let theirs = STANDARD.decode(vector_header(vector, "telnyx-signature-ed25519")).unwrap();
            let signed = format!("{}|{}", vector_header(vector, "telnyx-timestamp"), text("/body"));
            let verified = UnparsedPublicKey::new(&ED25519, key).verify(signed.as_bytes(), &theirs);
            assert!(verified.is_ok(), "{}: {}", text("/name"), text("/note"));
            checked += 1;
        }
        assert!(checked > 10, "only {checked} vectors are valid");
    }
}
