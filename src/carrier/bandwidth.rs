//! Bandwidth (Messaging v2). <https://dev.bandwidth.com/docs/messaging/webhooks/>
//!
//! A webhook is an array of events, messages and receipts alike:
//!
//! ```text
//! POST /carriers/main/messages          Authorization: Basic aG9vazpwYXNzd29yZA==
//! [{"time":"2025-11-22T06:00:00.502180Z","type":"message-received","to":"+14155550199",
//!   "description":"Incoming message received",
//!   "message":{"id":"14762070468292kw2fuqty55yp2b2","owner":"+14155550199","applicationId":"93de2206-...",
//!     "time":"2025-11-22T05:59:59.000000Z","segmentCount":1,"direction":"in","to":["+14155550199"],
//!     "from":"+14155550101","text":"look","media":["https://messaging.bandwidth.com/api/v2/users/.../a.jpg"]}}]
//! ```
//!
//! Nothing is signed: a webhook carries a user and a password, which some versions send only after a 401. Our message id
//! is in the `tag` of a receipt. A send has no URL for receipts: they go to the one of the application.

mod codes;
mod look_up;
mod read;
mod send;

use super::public_url::below;
use super::{
    Inbox, Login, LookUp, MediaFrom, NoToken, NotVerified, Numbers, Outbound, Outbox, PublicUrl, Token, TokenRefused,
    Unreadable, Webhook, array, basic, oauth,
};
use crate::model::{E164, InboundItem, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{Request, Response, Uri, header};
use std::time::Duration;
use url::Url;

/// Where texts are sent and media are kept.
const MESSAGING_URL: &str = "https://messaging.bandwidth.com";

/// Where tokens are given and numbers are managed.
const API_URL: &str = "https://api.bandwidth.com";

/// Bandwidth gives up on a webhook after 10 s; the rest is for the network.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// The settings of an account, checked by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name of the account, which is part of the webhook path.
    pub name: String,
    /// The URL of the carriers' listener as Bandwidth calls it.
    pub public_url: PublicUrl,
    /// The URL in place of all of Bandwidth's own, as of a simulator. A plain one, like `public_url`.
    pub api_url: Option<Url>,
    /// The account's number, of digits.
    pub account_id: String,
    /// The id of the messaging application.
    pub application_id: String,
    /// The id of the API credentials.
    pub client_id: String,
    /// Their secret.
    pub client_secret: Secret,
    /// What webhooks carry, two during a rotation.
    pub logins: Vec<Login>,
}

/// The dialect of one Bandwidth account.
#[derive(Clone, Debug)]
pub struct Bandwidth {
    settings: Settings,
    /// The URLs for inbound messages and for receipts.
    messages_url: String,
    receipts_url: String,
    /// The URL for sends.
    send_uri: Uri,
    /// The URL for tokens.
    token_uri: Uri,
    /// The base URL of the API for numbers.
    numbers_url: Url,
}

impl Bandwidth {
    /// The dialect of an account with these settings.
    pub fn new(settings: Settings) -> Self {
        let base = |own: &str| settings.api_url.clone().unwrap_or_else(|| own.parse().expect("it is a URL"));
        let (messaging, api) = (base(MESSAGING_URL), base(API_URL));
        // Only a URL too long for a request is no URI; without one nothing is ever written.
        let uri = |url: &Url, path: &[&str]| below(url, path).parse().unwrap_or_default();
        Self {
            messages_url: settings.public_url.messages(&settings.name),
            receipts_url: settings.public_url.receipts(&settings.name),
            send_uri: uri(&messaging, &["api", "v2", "users", &settings.account_id, "messages"]),
            token_uri: uri(&api, &["api", "v1", "oauth2", "token"]),
            numbers_url: api,
            settings,
        }
    }

    /// A GET with the token; `None` if `url` is not a valid URI.
    fn authorized_get(url: &str, token: Option<&Secret>) -> Option<Request<Bytes>> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.parse().ok()?;
        let authorization = token.and_then(oauth::bearer);
        request.headers_mut().extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        Some(request)
    }
}

impl Inbox for Bandwidth {
    fn body_max_bytes(&self) -> usize {
        array::BODY_MAX_BYTES
    }

    fn answer_within(&self) -> Duration {
        ANSWER_WITHIN
    }

    fn verify(&self, hook: &Webhook, _now: Timestamp) -> Result<(), NotVerified> {
        basic::verify(&hook.headers, &self.settings.logins)
    }

    fn refuse(&self, why: NotVerified) -> Response<Bytes> {
        if why == NotVerified::Challenge { basic::challenge() } else { super::forbidden() }
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        read::webhook(&self.settings, hook)
    }
}

impl Outbox for Bandwidth {
    fn token_request(&self) -> Option<Request<Bytes>> {
        Some(oauth::request(&self.token_uri, &self.settings.client_id, &self.settings.client_secret))
    }

    fn token(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Token, NoToken> {
        oauth::token(answer, now, "Bandwidth", "client_id and client_secret_file")
    }

    fn request(&self, send: &Outbound, token: Option<&Secret>, now: Timestamp) -> Request<Bytes> {
        send::request(self, send, token, now)
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
        send::outcome(answer, now)
    }
}

impl Numbers for Bandwidth {
    fn messages_url(&self) -> Option<&str> {
        Some(&self.messages_url)
    }

    fn look_up(&self, number: E164, answers: &[Response<Bytes>], token: Option<&Secret>) -> LookUp {
        look_up::next(self, number, answers, token)
    }

    fn media_from(&self) -> MediaFrom {
        /// Its API, and where that may redirect to.
        const HOSTS: &[&str] = &[".bandwidth.com"];
        match &self.settings.api_url {
            Some(url) => MediaFrom::Origin(url.clone()),
            None => MediaFrom::Hosts(HOSTS),
        }
    }

    fn media(&self, text: &str, token: Option<&Secret>, _now: Timestamp) -> Option<Request<Bytes>> {
        let url = Url::parse(text).ok()?;
        let base = self.settings.api_url.clone().or_else(|| MESSAGING_URL.parse().ok())?;
        let allowed = url.origin() == base.origin() && url.username().is_empty() && url.password().is_none();
        // As it was sent, because the fetch refuses a host that is written in an unusual form.
        if allowed { Self::authorized_get(text, token) } else { None }
    }
}

#[cfg(test)]
mod tests;
