//! The fuzz entry point of Plivo.

use super::{NOW, PUBLIC_URL, Written, dialect, number};
use crate::carrier::plivo::{API_URL, Plivo, Settings, sign_v2, sign_v3};
use crate::carrier::{Inbox, LookUp, Numbers};
use crate::model::Secret;
use http::{HeaderValue, Method};
use std::sync::LazyLock;

const NONCE: HeaderValue = HeaderValue::from_static("05429567804466091622");

static TOKEN: LazyLock<Secret> = LazyLock::new(|| Secret::new("ZTQ5YjA2M2QxMWU3NDk2ZGFjOGY1NWQ3"));

static PLIVO: LazyLock<Plivo> = LazyLock::new(|| {
    Plivo::new(Settings {
        name: "main".to_owned(),
        public_url: PUBLIC_URL.parse().expect("it is an address"),
        api_url: API_URL.parse().expect("it is an address"),
        auth_id: "MAM2YZJMOTQ1NWY3ODQ5".to_owned(),
        auth_token: TOKEN.clone(),
        other_auth_token: None,
        require_v3: false,
        keywords_off: false,
    })
});

/// Uses `input` both as a webhook and as a response, in the format of [`fn@super::twilio`]. A form without a signature
/// gets a valid one of either version, and must then pass verification.
pub fn plivo(input: &[u8]) {
    let written = Written::read(input);
    let (hook, _, parsed) = dialect(&*PLIVO, &written);
    let parameters = [hook.query().as_bytes(), &hook.body].map(|form| form.split(|byte| *byte == b'&').count());
    if hook.headers.is_empty() && hook.method == Method::POST && parameters.iter().all(|count| *count < 500) {
        let v2 = sign_v2(&TOKEN, &format!("{PUBLIC_URL}{}", hook.path()), "05429567804466091622");
        let v3 = sign_v3(&TOKEN, PUBLIC_URL, &hook, "05429567804466091622");
        for (name, nonce, signature) in [
            ("x-plivo-signature-v2", "x-plivo-signature-v2-nonce", v2),
            ("x-plivo-signature-v3", "x-plivo-signature-v3-nonce", v3),
        ] {
            let mut hook = hook.clone();
            hook.headers.insert(name, HeaderValue::try_from(signature).expect("base64 is a header's"));
            hook.headers.insert(nonce, NONCE);
            assert_eq!(PLIVO.verify(&hook, NOW), Ok(()), "a webhook signed by Plivo passes: {name}");
            assert_eq!(PLIVO.parse(&hook), parsed, "the signature does not affect the content");
            hook.path_and_query.insert(1, 'x');
            assert!(PLIVO.verify(&hook, NOW).is_err(), "the path is covered: {name}");
        }
    }
    if let Ok(parsed) = parsed {
        assert_eq!(parsed.len(), 1, "a Plivo webhook has one item");
    }
    let result = PLIVO.look_up(number(), &[written.response(), written.response()], None);
    assert!(!matches!(result, LookUp::Request(_)), "two responses are enough");
}
