//! Fuzz entry points: one per carrier, covering everything that parses untrusted input, and one for `Retry-After`,
//! which all carriers use.

mod bandwidth;
mod generic;
mod infobip;
mod plivo;
mod sinch;
mod telnyx;
mod vonage;
mod vonage_sms;

pub use bandwidth::bandwidth;
pub use generic::generic;
pub use infobip::infobip;
pub use plivo::plivo;
pub use sinch::sinch;
pub use telnyx::telnyx;
pub use vonage::vonage;
pub use vonage_sms::vonage_sms;

use super::answer::{self, RETRY_AFTER_MAX};
use super::twilio::{self, Algorithm, SharedKey, Twilio};
use super::{Dialect, Inbox, ListPart, LookUp, NotVerified, Numbers, Unreadable, Webhook};
use crate::model::{E164, InboundItem, Secret, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use std::sync::{Arc, LazyLock};

/// The public URL under which [`fn@twilio`] signs webhooks.
const PUBLIC_URL: &str = "https://gw.example.com";

/// The time of everything: 2025-11-22T06:00:00Z.
const NOW: Timestamp = Timestamp::from_ms(1_763_791_200_000);

/// The account that all fuzz targets use.
pub(crate) static TWILIO: LazyLock<Arc<Twilio>> = LazyLock::new(|| {
    Arc::new(Twilio::new(twilio::Settings {
        name: "main".to_owned(),
        public_url: PUBLIC_URL.parse().expect("it is an address"),
        api_url: twilio::API_URL.parse().expect("it is an address"),
        account_sid: "AC11223344556677889900aabbccddeeff".to_owned(),
        auth_token: TWILIO_TOKEN.clone(),
        other_auth_token: None,
        keywords_off: false,
        shared_keys: vec![SharedKey {
            id: "k1".to_owned(),
            algorithm: Algorithm::HmacSha256,
            secret: Secret::new("whk_3kq9Zr7Yb1Xn5TdWf8Lm"),
        }],
    }))
});

/// The carrier's signature of a form.
pub(crate) fn signature(path_and_query: &str, form: &[u8]) -> HeaderValue {
    let signature = twilio::sign(&TWILIO_TOKEN, &format!("{PUBLIC_URL}{path_and_query}"), form);
    HeaderValue::try_from(signature).expect("base64 has no character that a header may not have")
}

/// Uses `input` both as a webhook and as a response: verify, parse, outcome, look-up, media. A form without a signature
/// gets a valid one, and must then pass verification.
///
/// The input is formatted like a request: a line `POST /path?query` (for a response the status, `429`, replaces the
/// method), one line per header, an empty line, the body.
pub fn twilio(input: &[u8]) {
    let written = Written::read(input);
    let (mut hook, verified, parsed) = dialect(&**TWILIO, &written);
    assert!(TWILIO.signed_url(&hook).starts_with(PUBLIC_URL));

    let small_form = hook.body.iter().filter(|byte| **byte == b'&').count() < 500;
    if verified.is_err() && hook.headers.is_empty() && hook.method == Method::POST && small_form {
        hook.headers.insert("x-twilio-signature", signature(&hook.path_and_query, &hook.body));
        assert_eq!(TWILIO.verify(&hook, NOW), Ok(()), "a webhook signed by Twilio passes");
        assert_eq!(TWILIO.parse(&hook), parsed, "the signature does not affect the content");
    }
    if let Ok(parsed) = parsed {
        assert_eq!(parsed.len(), 1, "a Twilio webhook has one item");
    }
    let result = TWILIO.look_up(number(), &[written.response()], None);
    assert!(!matches!(result, LookUp::Request(_)), "one response is enough");
}

/// The webhook, and what a dialect makes of it.
type Judged = (Webhook, Result<(), NotVerified>, Result<Vec<InboundItem>, Unreadable>);

/// Everything that a dialect parses of what a carrier, or somebody else, sends.
fn dialect(dialect: &dyn Dialect, written: &Written<'_>) -> Judged {
    let hook = Webhook {
        method: written.method.clone(),
        path_and_query: format!("/{}", written.target.trim_start_matches('/')),
        headers: written.headers.clone(),
        body: written.body.clone(),
    };
    // Both are called, because the parser must not panic on input that verification would reject.
    let (verified, parsed) = (dialect.verify(&hook, NOW), dialect.parse(&hook));
    if let Err(why) = verified {
        let refusal = dialect.refuse(why);
        assert!(!refusal.status().is_success(), "a webhook that is not verified is not acknowledged");
    }
    let answer = written.response();
    let _ = dialect.outcome(&answer, NOW);
    let _ = dialect.token(&answer, NOW);
    let _ = dialect.look_up(number(), &[answer], None);
    for part in [
        ListPart::Page { since: NOW, next: Some(written.target.clone()) },
        ListPart::Media { place: written.target.clone() },
    ] {
        let _ = dialect.list(&part, None, None);
        let _ = dialect.list(&part, Some(&written.response()), None);
    }
    let _ = dialect.media(&written.target, None, NOW);
    (hook, verified, parsed)
}

/// What a dialect quarantined of an array is, read again by itself, one item with the same problem.
fn array_is_read_again(dialect: &dyn Dialect, items: &[InboundItem]) {
    for item in items {
        let InboundItem::Unreadable { raw, request, .. } = item else { continue };
        let hook = Webhook::quarantined(raw.clone(), request.as_deref());
        assert_eq!(dialect.parse(&hook), Ok(vec![item.clone()]), "a quarantined element stays what it is");
    }
}

fn number() -> E164 {
    "+14155550199".parse().expect("it is a number")
}

static TWILIO_TOKEN: LazyLock<Secret> = LazyLock::new(|| Secret::new("5f3a9c0e7b21d4468ac0ff13572b9e60"));

/// Parses `input` as a `Retry-After`: the result must never exceed the maximum.
pub fn retry_after(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value)]);
    let wait = answer::requested_wait(&headers, NOW);
    assert_eq!(answer::retry_after(&headers, NOW), wait.map(|wait| wait.min(RETRY_AFTER_MAX)));
    let trimmed = input.trim_ascii();
    if !trimmed.is_empty() && trimmed.iter().all(u8::is_ascii_digit) {
        assert!(wait.is_some(), "digits are seconds");
    }
}

/// A request or response in the format of the corpora: a line `POST /path?query`, one line per header, an empty line,
/// the body.
pub(crate) struct Written<'a> {
    /// The text before the first space.
    first: &'a [u8],
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl<'a> Written<'a> {
    /// Parses any bytes; without a valid method the request is a POST.
    pub(crate) fn read(input: &'a [u8]) -> Self {
        let (head, body) = split(input, b"\n\n");
        let (line, headers) = split(head, b"\n");
        let (first, target) = split(line, b" ");
        Self {
            first,
            method: Method::from_bytes(first).unwrap_or(Method::POST),
            target: String::from_utf8_lossy(target).into_owned(),
            headers: read_headers(headers),
            body: Bytes::copy_from_slice(body),
        }
    }

    /// The same as a response.
    fn response(&self) -> Response<Bytes> {
        let mut answer = Response::new(self.body.clone());
        *answer.status_mut() = StatusCode::from_bytes(self.first).unwrap_or(StatusCode::CREATED);
        *answer.headers_mut() = self.headers.clone();
        answer
    }
}

/// Splits at the first `border`.
fn split<'a>(bytes: &'a [u8], border: &[u8]) -> (&'a [u8], &'a [u8]) {
    match bytes.windows(border.len()).position(|window| window == border) {
        Some(at) => (&bytes[..at], &bytes[at + border.len()..]),
        None => (bytes, &[]),
    }
}

/// Parses `Name: value` lines. Invalid headers are skipped, because no HTTP library would pass them on.
fn read_headers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(64) {
        let (name, value) = split(line, b": ");
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::{fs, path::Path};

    #[test]
    fn g23_the_seeds_and_their_prefixes_pass() {
        seeds("twilio", super::twilio);
        seeds("bandwidth", super::bandwidth);
        seeds("telnyx", super::telnyx);
        seeds("plivo", super::plivo);
        seeds("vonage", super::vonage);
        seeds("vonage_sms", super::vonage_sms);
        seeds("generic", super::generic);
        seeds("infobip", super::infobip);
        seeds("sinch", super::sinch);
    }

    fn seeds(carrier: &str, target: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(carrier);
        let mut seeds = 0;
        for entry in fs::read_dir(corpus).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            (0..=seed.len()).step_by(31).for_each(|end| target(&seed[..end]));
            target(&seed);
            seeds += 1;
        }
        assert!(seeds >= 11, "{carrier}: {seeds} seeds");
    }

    proptest! {
        #[test]
        fn g23_no_input_panics(
            first in "(POST|GET|PUT|[0-9]{3}|) (/[ -~]{0,30}|https?://[ -~]{0,20}|)",
            body in prop_oneof!["([A-Za-z]{0,12}=[ -~é]{0,12}&){0,6}".prop_map(String::into_bytes), any::<Vec<u8>>()],
        ) {
            let input = [first.as_bytes(), b"\n\n", &body].concat();
            super::twilio(&input);
            super::bandwidth(&input);
            super::telnyx(&input);
            super::plivo(&input);
            super::vonage(&input);
            super::vonage_sms(&input);
            super::generic(&input);
            super::infobip(&input);
            super::sinch(&input);
        }
    }
}
