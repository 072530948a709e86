//! Vonage's SMS API. <https://developer.vonage.com/en/messaging/sms/overview>
//!
//! An inbound message, one part per request: the parameters are a query, a form or JSON, as is chosen at Vonage. Numbers
//! have no plus:
//!
//! ```text
//! GET /carriers/main/messages?api-key=a1b2c3d4&msisdn=14155550101&to=14155550199&messageId=0A0000000123ABCD1
//! &text=Hello+gateway&type=text&keyword=HELLO&message-timestamp=2025-11-22+06%3A00%3A00&concat=true&concat-ref=1
//! &concat-total=2&concat-part=1&timestamp=1763791199&nonce=ec11dd3e-1e7f-4db5-9467-82b02cd223b9&sig=5b95f375...
//! ```
//!
//! A receipt has a `status` and our message id as `client-ref`. Vonage signs webhooks only once its support has switched
//! that on, and retries only after 429 and 5xx.

mod codes;
mod read;
mod send;
mod signature;

#[cfg(feature = "test-support")]
pub use signature::sign;

use super::public_url::below;
use super::vonage::{ANSWER_WITHIN, numbers, refuse};
use super::{
    Inbox, LookUp, NotVerified, Numbers, Outbound, Outbox, PublicUrl, TokenRefused, Unreadable, Webhook, basic,
};
use crate::model::{E164, InboundItem, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use std::time::Duration;
use url::Url;

/// The default URL of the SMS API.
pub const API_URL: &str = "https://rest.nexmo.com";

/// The settings of an account, checked by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name of the account, which is part of the webhook path.
    pub name: String,
    /// The URL of the carriers' listener as Vonage calls it.
    pub public_url: PublicUrl,
    /// The URL of the SMS API: [`API_URL`], or a simulator.
    pub api_url: Url,
    /// Vonage's id of the account.
    pub api_key: String,
    /// The account's secret, which sends and looks up numbers.
    pub api_secret: Secret,
    /// The secrets that webhooks may be signed with: one, or two during a rotation.
    pub signature_secrets: Vec<Secret>,
    /// The only method of these signatures.
    pub signature_method: SignatureMethod,
}

/// How webhooks are signed, as chosen at Vonage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureMethod {
    /// MD5 of the parameters and the secret.
    Md5Hash,
    /// HMAC with MD5.
    HmacMd5,
    /// HMAC with SHA-1.
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
}

impl SignatureMethod {
    /// Their names in the configuration, which are those of Vonage's libraries.
    pub const NAMES: [&str; 5] = ["md5hash", "md5", "sha1", "sha256", "sha512"];

    /// Parses a name.
    pub fn read(name: &str) -> Option<Self> {
        match name {
            "md5hash" => Some(Self::Md5Hash),
            "md5" => Some(Self::HmacMd5),
            "sha1" => Some(Self::HmacSha1),
            "sha256" => Some(Self::HmacSha256),
            "sha512" => Some(Self::HmacSha512),
            _ => None,
        }
    }
}

/// The dialect of one Vonage account with the SMS API.
#[derive(Clone, Debug)]
pub struct VonageSms {
    settings: Settings,
    /// The URL for inbound messages.
    messages_url: String,
    /// The URL for receipts.
    receipts_url: String,
    /// The URL for sends.
    send_uri: Uri,
    /// The Basic credentials of look-ups.
    authorization: HeaderValue,
}

impl VonageSms {
    /// The dialect of an account with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            messages_url: settings.public_url.messages(&settings.name),
            receipts_url: settings.public_url.receipts(&settings.name),
            // Only a URL too long for a request is no URI; without one nothing is ever written.
            send_uri: below(&settings.api_url, &["sms", "json"]).parse().unwrap_or_default(),
            authorization: basic::authorization(&settings.api_key, &settings.api_secret),
            settings,
        }
    }
}

impl Inbox for VonageSms {
    fn answer_within(&self) -> Duration {
        ANSWER_WITHIN
    }

    fn verify(&self, hook: &Webhook, now: Timestamp) -> Result<(), NotVerified> {
        signature::verify(&self.settings, hook, now)
    }

    /// What has no signature comes again: it is lost otherwise if Vonage has not switched signatures on yet.
    fn refuse(&self, why: NotVerified) -> Response<Bytes> {
        refuse(why)
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        read::webhook(&self.settings, hook).map(|item| vec![item])
    }
}

impl Outbox for VonageSms {
    fn request(&self, send: &Outbound, _token: Option<&Secret>, _now: Timestamp) -> Request<Bytes> {
        send::request(self, send)
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
        Ok(send::outcome(answer, now))
    }
}

impl Numbers for VonageSms {
    fn messages_url(&self) -> Option<&str> {
        Some(&self.messages_url)
    }

    fn look_up(&self, number: E164, answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        let ours = numbers::Ours {
            api_url: &self.settings.api_url,
            authorization: &self.authorization,
            urls: [&self.messages_url, &self.receipts_url],
        };
        numbers::look_up_for_sms(&ours, number, answers)
    }
}

#[cfg(test)]
mod tests;
