//! Vonage's Messages API, version 1. <https://developer.vonage.com/en/api/messages>
//!
//! An inbound message, one per request; numbers have no plus:
//!
//! ```text
//! POST /carriers/main/messages          Authorization: Bearer eyJhbGciOiJIUzI1NiIs...
//! {"channel":"sms","message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab","to":"14155550199","from":"14155550101",
//!  "timestamp":"2025-11-22T06:00:00.000Z","text":"Hello gateway","sms":{"num_messages":"1","keyword":"HELLO"}}
//! ```
//!
//! A receipt has a `status` and our message id as `client_ref`, which is signed with the rest of the body. Vonage
//! retries only after 429 and 5xx, for 24 hours: whatever it should send again must be answered with one of these.

mod codes;
mod jwt;
pub(super) mod numbers;
mod read;
mod send;

pub(super) use jwt::is_fresh;
pub use jwt::{Application, InvalidKey};
#[cfg(feature = "test-support")]
pub use jwt::{sign, signed};

use super::basic;
use super::{
    Inbox, LookUp, MediaFrom, NotVerified, Numbers, Outbound, Outbox, PublicUrl, TokenRefused, Unreadable, Webhook,
    come_again, forbidden,
};
use crate::model::{E164, InboundItem, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use std::time::Duration;
use url::Url;

/// The default URL of the Messages API; regional ones are `https://api-us.nexmo.com` and `https://api-eu.nexmo.com`.
pub const API_URL: &str = "https://api.nexmo.com";

/// Vonage gives up on a webhook after 15 s; the rest is for the network.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(13);

/// The settings of an account, checked by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name of the account, which is part of the webhook path.
    pub name: String,
    /// The URL of the carriers' listener as Vonage calls it.
    pub public_url: PublicUrl,
    /// The URL of the Messages API: [`API_URL`], a regional one, or a simulator.
    pub api_url: Url,
    /// Vonage's id of the account.
    pub api_key: String,
    /// The secrets that webhooks may be signed with: one, or two during a rotation.
    pub signature_secrets: Vec<Secret>,
    /// The application that sends and that inbound numbers are linked to.
    pub application: Option<Application>,
    /// The account's secret. It sends if there is no application, and looks up numbers.
    pub api_secret: Option<Secret>,
}

/// The dialect of one Vonage account with the Messages API.
#[derive(Clone, Debug)]
pub struct Vonage {
    settings: Settings,
    /// The URL for inbound messages.
    messages_url: String,
    /// The URL for receipts.
    receipts_url: String,
    /// The URL for sends.
    send_uri: Uri,
    /// The Basic credentials: key and secret of the account.
    basic: Option<HeaderValue>,
}

impl Vonage {
    /// The dialect of an account with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            messages_url: settings.public_url.messages(&settings.name),
            receipts_url: settings.public_url.receipts(&settings.name),
            // Only a URL too long for a request is no URI; without one nothing is ever written.
            send_uri: super::public_url::below(&settings.api_url, &["v1", "messages"]).parse().unwrap_or_default(),
            basic: settings.api_secret.as_ref().map(|secret| basic::authorization(&settings.api_key, secret)),
            settings,
        }
    }
}

impl Inbox for Vonage {
    fn answer_within(&self) -> Duration {
        ANSWER_WITHIN
    }

    fn verify(&self, hook: &Webhook, now: Timestamp) -> Result<(), NotVerified> {
        jwt::verify(&self.settings.signature_secrets, hook, now)
    }

    fn refuse(&self, why: NotVerified) -> Response<Bytes> {
        refuse(why)
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        read::webhook(&self.settings, hook).map(|item| vec![item])
    }
}

/// After a fault of its own Vonage sends a webhook without a signature, and signs its retry. A stale signature is
/// genuine, so the clock of this machine may be wrong. Both must come again. What is signed with another secret must not.
pub(super) fn refuse(why: NotVerified) -> Response<Bytes> {
    match why {
        NotVerified::Missing | NotVerified::Stale => come_again(),
        NotVerified::Wrong | NotVerified::Challenge => forbidden(),
    }
}

impl Outbox for Vonage {
    fn request(&self, send: &Outbound, _token: Option<&Secret>, now: Timestamp) -> Request<Bytes> {
        send::request(self, send, now)
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
        Ok(send::outcome(answer, now))
    }
}

impl Numbers for Vonage {
    fn messages_url(&self) -> Option<&str> {
        Some(&self.messages_url)
    }

    fn look_up(&self, number: E164, answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        let Some(basic) = &self.basic else {
            let reason = "numbers are looked up with the account's secret: add api_secret_file";
            return super::answer::failed(reason, false);
        };
        let ours = numbers::Ours {
            api_url: &self.settings.api_url,
            authorization: basic,
            urls: [&self.messages_url, &self.receipts_url],
        };
        let application = self.settings.application.as_ref().map(Application::id);
        numbers::look_up_for_messages(&ours, application, number, answers)
    }

    fn media_from(&self) -> MediaFrom {
        /// Its API in all regions.
        const HOSTS: &[&str] = &[".nexmo.com", ".vonage.com"];
        if is_vonage(&self.settings.api_url) {
            MediaFrom::Hosts(HOSTS)
        } else {
            MediaFrom::Origin(self.settings.api_url.clone())
        }
    }

    /// An application can protect its inbound media; others are open, and ignore the token.
    fn media(&self, text: &str, _token: Option<&Secret>, now: Timestamp) -> Option<Request<Bytes>> {
        let url = Url::parse(text).ok()?;
        let allowed = if is_vonage(&self.settings.api_url) {
            url.scheme() == "https" && url.port().is_none() && is_vonage(&url)
        } else {
            url.origin() == self.settings.api_url.origin()
        };
        if !allowed || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let mut request = Request::new(Bytes::new());
        // As it was sent, because the fetch refuses a host that is written in an unusual form.
        *request.uri_mut() = text.parse().ok()?;
        if let Some(application) = &self.settings.application {
            request.headers_mut().insert(header::AUTHORIZATION, application.authorization(text, now));
        }
        Some(request)
    }
}

/// Whether the URL's host is one of Vonage's.
pub(super) fn is_vonage(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host.ends_with(".nexmo.com") || host.ends_with(".vonage.com"))
}

#[cfg(test)]
mod tests;
