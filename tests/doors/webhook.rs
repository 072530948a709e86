//! A carrier's webhook as it stands on the wire, right in every way until somebody makes it wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use offhook::sim::carrier::{ACCOUNT_SID, AUTH_TOKEN, CarrierSettings};
use sha1::Sha1;

/// Our number.
pub(crate) const OURS: &str = "+12065550100";

/// Where texts go.
pub(crate) const MESSAGES: &str = "/carriers/main/messages";

/// Everything that makes up a webhook.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub method: &'static str,
    /// With its query, if it has one.
    pub path: String,
    pub fields: Vec<(String, String)>,
    /// `X-Twilio-Signature`, as often as it stands there.
    pub signatures: Vec<String>,
}

impl Webhook {
    /// A text to our number, signed rightly.
    pub(crate) fn text(sid: &str, from: &str, words: &str) -> Self {
        let fields = [
            ("ToCountry", "US"),
            ("ToState", "WA"),
            ("SmsMessageSid", sid),
            ("NumMedia", "0"),
            ("ToCity", ""),
            ("SmsSid", sid),
            ("SmsStatus", "received"),
            ("Body", words),
            ("To", OURS),
            ("NumSegments", "1"),
            ("MessageSid", sid),
            ("AccountSid", ACCOUNT_SID),
            ("From", from),
            ("ApiVersion", "2010-04-01"),
        ];
        let fields: Vec<_> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let signature = STANDARD.encode(digest(&CarrierSettings::default().public_url, MESSAGES, &fields));
        Self { method: "POST", path: MESSAGES.to_owned(), fields, signatures: vec![signature] }
    }

    /// The same, signed for an address that begins otherwise.
    pub(crate) fn signed_for(mut self, public_url: &str) -> Self {
        self.signatures = vec![STANDARD.encode(digest(public_url, &self.path, &self.fields))];
        self
    }

    /// The bytes of the request. Its connection stays open.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes_to(&self.path)
    }

    /// The same with another address in its first line.
    pub(crate) fn bytes_to(&self, target: &str) -> Vec<u8> {
        let body = self.form();
        let method = self.method;
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: sms.example.com\r\n");
        for signature in &self.signatures {
            request.push_str(&format!("X-Twilio-Signature: {signature}\r\n"));
        }
        request.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        request.into_bytes()
    }

    fn form(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

/// What the carrier computes, written from its page and not from the gateway: over the URL, then names and values by name.
fn digest(public_url: &str, path: &str, fields: &[(String, String)]) -> Vec<u8> {
    let mut signed = format!("{public_url}{path}");
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    sorted.iter().for_each(|(name, value)| signed.extend([&**name, &**value]));
    let mut mac = Hmac::<Sha1>::new_from_slice(AUTH_TOKEN.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
