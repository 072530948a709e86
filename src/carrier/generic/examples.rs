//! Two descriptions for tests, benches and fuzzing: a carrier that signs lists of JSON and gives tokens, and one that
//! posts forms with a password and answers 200 to everything.

use super::{
    Algorithm, Encoding, Format, HmacRules, Hook, HookAuth, Kinds, Meant, MediaRules, MessageFields, ReceiptFields,
    SendAuth, SendRules, Settings, State,
};
use crate::carrier::Login;
use crate::model::{FailureCode, Secret};
use hmac::{Hmac, Mac};
use http::{HeaderName, HeaderValue};
use sha2::Sha256;
use std::time::Duration;

/// The secrets of the signing carrier's webhooks.
pub const SECRETS: [&str; 2] = ["kestrel-3b1f", "osprey-7"];

/// What the signing carrier writes in `X-Signature` for a body.
pub fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRETS[0].as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    format!("sha256={:x}", mac.finalize().into_bytes())
}

/// The carrier that signs.
pub fn json() -> Settings {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Settings {
        name: "main".to_owned(),
        public_url: "https://gw.example.com".parse().expect("it is an address"),
        api_url: "https://api.acme.io/v1".parse().expect("it is an address"),
        believe_numbers: true,
        webhook: Hook {
            auth: HookAuth::Hmac(HmacRules {
                header: HeaderName::from_static("x-signature"),
                algorithm: Algorithm::Sha256,
                encoding: Encoding::Hex,
                prefix: "sha256=".to_owned(),
                secrets: SECRETS.iter().map(|secret| Secret::new(*secret)).collect(),
            }),
            format: Format::Json,
            items: Some("data.events".to_owned()),
            kinds: Some(Kinds {
                path: "type".to_owned(),
                messages: words(&["inbound"]),
                receipts: words(&["status"]),
            }),
            without_plus: false,
            answer_within: Duration::from_secs(4),
            answer_status: 202,
            answer_type: HeaderValue::from_static("application/json"),
            answer_body: "{\"ok\":true}".to_owned(),
        },
        message: MessageFields {
            id: "sms.id".to_owned(),
            from: "sms.from".to_owned(),
            to: "sms.to.0".to_owned(),
            text: "sms.text".to_owned(),
            media: Some("sms.media".to_owned()),
            media_url: Some("url".to_owned()),
            segments: Some("sms.parts".to_owned()),
            stop_words: words(&["STOP"]),
            help_words: words(&["HELP"]),
        },
        receipt: Some(ReceiptFields {
            id: "sms.id".to_owned(),
            reference: Some("sms.ref".to_owned()),
            status: "state".to_owned(),
            code: Some("error.code".to_owned()),
            states: [
                ("accepted", State::Queued),
                ("out", State::Sent),
                ("ok", State::Delivered),
                ("dead", State::Undelivered),
                ("no", State::Failed),
                ("old", State::Expired),
            ]
            .map(|(word, state)| (word.to_owned(), state))
            .to_vec(),
        }),
        send: SendRules {
            path: "/messages?v=2".to_owned(),
            by_get: false,
            format: Format::Json,
            body: r#"{"from":"{from}","to":["{to}"],"text":"{text}","ref":"{message}","ttl":"{valid_for_secs}","plain":[1,null,"{{x}}"]}"#.to_owned(),
            headers: vec!["Idempotency-Key: {message}-{attempt}".to_owned()],
            auth: SendAuth::OAuth {
                token_url: "https://id.acme.io/token".parse().expect("it is an address"),
                client_id: "client".to_owned(),
                client_secret: Secret::new("heron-51"),
            },
            id: "id".to_owned(),
            segments: Some("parts".to_owned()),
            code: Some("error.code".to_owned()),
            sent: vec![202],
            later: vec![409],
            refused: vec![403],
            account: vec![402],
        },
        codes: [
            ("21", Meant::Text(FailureCode::OptedOut)),
            ("22", Meant::Text(FailureCode::TooLate)),
            ("23", Meant::Later),
            ("24", Meant::Account),
        ]
        .map(|(code, meant)| (code.to_owned(), meant))
        .to_vec(),
        media: MediaRules { url: Some("https://media.acme.io".parse().expect("it is an address")), credentials: true },
    }
}

/// The carrier that posts forms.
pub fn form() -> Settings {
    let login = |password: &str| Login { user: "hook".to_owned(), password: Secret::new(password) };
    let json = json();
    Settings {
        believe_numbers: false,
        webhook: Hook {
            auth: HookAuth::Basic(vec![login("kestrel"), login("osprey")]),
            format: Format::Form,
            items: None,
            kinds: None,
            without_plus: true,
            answer_status: 200,
            answer_type: HeaderValue::from_static("text/plain"),
            answer_body: "OK".to_owned(),
            ..json.webhook
        },
        message: MessageFields {
            id: "MsgId".to_owned(),
            from: "Sender".to_owned(),
            to: "Receiver".to_owned(),
            text: "Text".to_owned(),
            media: Some("Media{n}".to_owned()),
            media_url: None,
            segments: Some("Parts".to_owned()),
            stop_words: Vec::new(),
            help_words: Vec::new(),
        },
        receipt: Some(ReceiptFields {
            id: "MsgId".to_owned(),
            reference: None,
            status: "Status".to_owned(),
            code: Some("Error".to_owned()),
            states: vec![("DELIVRD".to_owned(), State::Delivered), ("UNDELIV".to_owned(), State::Undelivered)],
        }),
        send: SendRules {
            path: "/send".to_owned(),
            by_get: true,
            format: Format::Form,
            body: "user=a%26b&from={from_digits}&to={to_digits}&text={text}&dlr={receipts_url}&until={expires_at}"
                .to_owned(),
            headers: Vec::new(),
            auth: SendAuth::Basic { user: "user".to_owned(), password: Secret::new("heron-51") },
            id: "results.0.id".to_owned(),
            segments: None,
            code: Some("results.0.status".to_owned()),
            sent: Vec::new(),
            later: Vec::new(),
            refused: Vec::new(),
            account: Vec::new(),
        },
        codes: [
            ("0", Meant::Sent),
            ("1", Meant::Later),
            ("4", Meant::Account),
            ("7", Meant::Text(FailureCode::OptedOut)),
        ]
        .map(|(code, meant)| (code.to_owned(), meant))
        .to_vec(),
        media: MediaRules::default(),
        ..json
    }
}
