//! Twilio (Programmable Messaging, API 2010-04-01). <https://www.twilio.com/docs/messaging/guides/webhook-request>
//!
//! An inbound message, one per request, as a form (unused values omitted):
//!
//! ```text
//! POST /carriers/main/messages          X-Twilio-Signature: sOrpXazLpSo1GaQ8w7yZogAyj3k=
//! MessageSid=MM2b7f0c4ad6e94f1e8a5d3c9b70e1f264&AccountSid=AC11223344556677889900aabbccddeeff&From=%2B14155550101
//! &To=%2B14155550199&Body=look&NumMedia=1&MediaUrl0=https%3A%2F%2Fapi.twilio.com%2F...&MediaContentType0=image%2Fjpeg
//! &NumSegments=1&SmsStatus=received
//! ```
//!
//! A receipt is similar, with `MessageStatus` and possibly `ErrorCode`; our message id is in the query of its URL,
//! which is signed too. Neither has a timestamp, so a replayed webhook passes verification and is deduplicated by its
//! claim (A62).

mod codes;
mod list;
mod look_up;
mod read;
mod send;
mod signature;

#[cfg(feature = "test-support")]
pub use signature::sign;

use super::basic;
use super::public_url::{PublicBase, below};
use super::{
    Inbox, ListPart, ListStep, LookUp, MediaFrom, NotVerified, Numbers, Outbound, Outbox, PublicUrl, TokenRefused,
    Unreadable, Webhook,
};
use crate::model::{E164, InboundItem, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use std::time::Duration;
use url::Url;

/// The default API URL of Twilio; regional ones are `https://api.{edge}.{region}.twilio.com`.
pub const API_URL: &str = "https://api.twilio.com";

/// Twilio gives up on a webhook after 15 s; the rest is for the network.
const ANSWER_WITHIN: Duration = Duration::from_secs(13);

/// The settings of an account, checked by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name of the account, which is part of the webhook path.
    pub name: String,
    /// The URL of the carriers' listener as Twilio calls it: `https://host`, with a path only if a proxy strips that
    /// path.
    pub public_url: PublicUrl,
    /// The URL of Twilio's API: [`API_URL`], a regional one, or a simulator. A plain one, like `public_url`: no user,
    /// query or fragment.
    pub api_url: Url,
    /// `AC` and 32 hex digits.
    pub account_sid: String,
    /// The token used for sends; webhooks may be signed with it.
    pub auth_token: Secret,
    /// Another token that webhooks may be signed with, during a rotation.
    pub other_auth_token: Option<Secret>,
    /// Keys that webhooks may be signed with instead of a token.
    pub shared_keys: Vec<SharedKey>,
    /// Whether Twilio's own handling of STOP and HELP is switched off for this account, so that the gateway answers
    /// them.
    pub keywords_off: bool,
}

/// A key used only for signing webhooks.
#[derive(Clone, Debug)]
pub struct SharedKey {
    /// Twilio's id of the key.
    pub id: String,
    /// The only algorithm it may be used with.
    pub algorithm: Algorithm,
    /// The key.
    pub secret: Secret,
}

/// The algorithm of a webhook signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// `HMAC_SHA1`, which auth tokens always use.
    HmacSha1,
    /// `HMAC_SHA256`.
    HmacSha256,
}

impl Algorithm {
    /// Parses Twilio's name of an algorithm.
    pub fn read(name: &str) -> Option<Self> {
        match name {
            "HMAC_SHA1" => Some(Self::HmacSha1),
            "HMAC_SHA256" => Some(Self::HmacSha256),
            _ => None,
        }
    }
}

/// The dialect of one Twilio account.
#[derive(Clone, Debug)]
pub struct Twilio {
    settings: Settings,
    /// The possible prefixes of the signed URL.
    base: PublicBase,
    /// The URL for inbound messages.
    messages_url: String,
    /// The URL for receipts, without the query with the message id.
    receipts_url: String,
    /// The URL for sends.
    send_uri: Uri,
    /// The URL of the list of our numbers, without the query.
    numbers_url: String,
    /// The URL of the list of messages, without the query.
    list_url: String,
    /// The Basic credentials: account SID and first token.
    authorization: HeaderValue,
}

impl Twilio {
    /// The dialect of an account with these settings.
    pub fn new(settings: Settings) -> Self {
        let resource = |name: &str| below(&settings.api_url, &["2010-04-01", "Accounts", &settings.account_sid, name]);
        Self {
            base: PublicBase::new(&settings.public_url),
            messages_url: settings.public_url.messages(&settings.name),
            receipts_url: settings.public_url.receipts(&settings.name),
            numbers_url: resource("IncomingPhoneNumbers.json"),
            list_url: resource("Messages.json"),
            // Only a URL too long for a request is no URI; without one nothing is ever written.
            send_uri: resource("Messages.json").parse().unwrap_or_default(),
            authorization: basic::authorization(&settings.account_sid, &settings.auth_token),
            settings,
        }
    }
}

impl Inbox for Twilio {
    fn answer_within(&self) -> Duration {
        ANSWER_WITHIN
    }

    fn verify(&self, hook: &Webhook, _now: Timestamp) -> Result<(), NotVerified> {
        signature::verify(&self.settings, &self.base, hook)
    }

    fn signed_url(&self, hook: &Webhook) -> String {
        self.base.for_log(hook)
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        read::webhook(&self.settings, hook).map(|item| vec![item])
    }

    /// An empty TwiML document, so that Twilio sends no reply. Never `text/plain`, which Twilio texts to the sender.
    fn ack(&self) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::from_static(br#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        answer
    }
}

impl Outbox for Twilio {
    fn request(&self, send: &Outbound, _token: Option<&Secret>, _now: Timestamp) -> Request<Bytes> {
        send::request(self, send)
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
        Ok(send::outcome(answer, now))
    }
}

impl Numbers for Twilio {
    fn messages_url(&self) -> Option<&str> {
        Some(&self.messages_url)
    }

    fn look_up(&self, number: E164, answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        match answers.last() {
            None => look_up::request(self, number),
            Some(answer) => look_up::result(self, number, answer),
        }
    }

    fn list(&self, part: &ListPart, answer: Option<&Response<Bytes>>, _token: Option<&Secret>) -> ListStep {
        match answer {
            None => list::request(self, part),
            Some(answer) => list::result(self, part, answer),
        }
    }

    fn media_from(&self) -> MediaFrom {
        /// Its API in all regions, and where that redirects to.
        const HOSTS: &[&str] = &[".twilio.com", ".twiliocdn.com", "s3-external-1.amazonaws.com"];
        let is_twilio = self.settings.api_url.host_str().is_some_and(|host| host.ends_with(".twilio.com"));
        if is_twilio { MediaFrom::Hosts(HOSTS) } else { MediaFrom::Origin(self.settings.api_url.clone()) }
    }

    /// Twilio redirects to its storage, which needs no credentials and must not see them.
    fn media(&self, text: &str, _token: Option<&Secret>, _now: Timestamp) -> Option<Request<Bytes>> {
        let url = Url::parse(text).ok()?;
        let region_of_twilio = url.scheme() == "https"
            && url.port().is_none()
            && url.host_str().is_some_and(|host| host.starts_with("api.") && host.ends_with(".twilio.com"));
        // The origin of api_url is allowed for simulators, which are neither https nor under twilio.com.
        let allowed = region_of_twilio || url.origin() == self.settings.api_url.origin();
        if !allowed || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        // As it was sent, because the fetch refuses a host that is written in an unusual form.
        self.authorized_get(text)
    }
}

impl Twilio {
    /// A GET with the account's credentials; `None` if `url` is not a valid URI.
    fn authorized_get(&self, url: &str) -> Option<Request<Bytes>> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.parse().ok()?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        Some(request)
    }
}

#[cfg(test)]
mod tests;
