//! Vonage's Messages API.

use super::{NOW, PUBLIC_URL, Written, dialect};
use crate::carrier::Inbox;
use crate::carrier::vonage::{API_URL, Settings, Vonage, sign};
use crate::model::Secret;
use http::header;
use std::sync::LazyLock;

const API_KEY: &str = "a1b2c3d4";

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::new("Zk3pQ8vN1xT6yB4mR9sW2dF7hJ5cL0aEZk3pQ8vN"));

static VONAGE: LazyLock<Vonage> = LazyLock::new(|| {
    Vonage::new(Settings {
        name: "main".to_owned(),
        public_url: PUBLIC_URL.parse().expect("it is an address"),
        api_url: API_URL.parse().expect("it is an address"),
        api_key: API_KEY.to_owned(),
        signature_secrets: vec![SECRET.clone()],
        application: None,
        api_secret: Some(Secret::new("Xy7Zw9Vu5Ts3Rq1P")),
    })
});

/// Uses `input` both as a webhook and as a response. A webhook without a signature gets a valid one, and must then pass
/// verification.
pub fn vonage(input: &[u8]) {
    let written = Written::read(input);
    let (mut hook, verified, parsed) = dialect(&*VONAGE, &written);
    if verified.is_err() && hook.headers.is_empty() {
        let authorization = sign(&SECRET, API_KEY, &hook.body, NOW);
        let authorization = authorization.parse().expect("base64 has no character that a header may not have");
        hook.headers.insert(header::AUTHORIZATION, authorization);
        assert_eq!(VONAGE.verify(&hook, NOW), Ok(()), "a webhook signed by Vonage passes");
        assert_eq!(VONAGE.parse(&hook), parsed, "the signature does not affect the content");
    }
    if let Ok(parsed) = parsed {
        assert_eq!(parsed.len(), 1, "a webhook of Vonage has one item");
    }
}
