//! Telnyx.

use super::{NOW, PUBLIC_URL, Written, dialect, number};
use crate::carrier::telnyx::{API_URL, Settings, Telnyx, public_key, sign};
use crate::carrier::{Inbox, LookUp, Numbers};
use crate::model::Secret;
use http::HeaderValue;
use std::sync::LazyLock;

const SEED: [u8; 32] = [7; 32];

static TELNYX: LazyLock<Telnyx> = LazyLock::new(|| {
    Telnyx::new(Settings {
        name: "main".to_owned(),
        public_url: PUBLIC_URL.parse().expect("it is an address"),
        api_url: API_URL.parse().expect("it is an address"),
        api_key: Secret::new("KEY0189AB"),
        public_keys: vec![public_key(&SEED)],
        messaging_profile_id: None,
    })
});

/// Uses `input`, written as for [`twilio`](fn@super::twilio), both as a webhook and as a response. A body without a
/// signature gets a valid one, and must then pass verification; any other body with that signature must not.
pub fn telnyx(input: &[u8]) {
    let written = Written::read(input);
    let (mut hook, _, parsed) = dialect(&*TELNYX, &written);
    if hook.headers.is_empty() {
        let time = NOW.as_secs().to_string();
        let signature = HeaderValue::try_from(sign(&SEED, &time, &hook.body)).expect("base64 is a header's");
        hook.headers.insert("telnyx-timestamp", HeaderValue::try_from(time).expect("digits are a header's"));
        hook.headers.insert("telnyx-signature-ed25519", signature);
        assert_eq!(TELNYX.verify(&hook, NOW), Ok(()), "a webhook signed by Telnyx passes");
        assert_eq!(TELNYX.parse(&hook), parsed, "the signature does not affect the content");
        hook.body = [&hook.body, &b" "[..]].concat().into();
        assert!(TELNYX.verify(&hook, NOW).is_err(), "the signature covers the whole body");
    }
    if let Ok(parsed) = parsed {
        assert_eq!(parsed.len(), 1, "a Telnyx webhook has one item");
    }
    let result = TELNYX.look_up(number(), &[written.response(), written.response()], None);
    assert!(!matches!(result, LookUp::Request(_)), "two responses are enough");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn g23_no_input_panics(
            first in "(POST|GET|[0-9]{3}|) (/[ -~]{0,30}|https?://[ -~]{0,20}|)",
            value in r#"(\{[ -~]{0,40}\}|\[[ -~]{0,20}\]|"[ -~]{0,20}"|[0-9]{1,12}|null|\PC{0,12})"#,
            field in "(id|type|from|to|text|media|parts|errors|direction|webhook_url|autoresponse_type|status)",
            event in "(received|sent|finalized|read|[a-z.]{0,12})",
        ) {
            let body = format!(r#"{{"data":{{"event_type":"message.{event}","payload":{{"id":"x","{field}":{value}}}}}}}"#);
            super::telnyx(&[first.as_bytes(), b"\n\n", body.as_bytes()].concat());
            super::telnyx(&[first.as_bytes(), b"\n\n", value.as_bytes()].concat());
        }
    }
}
