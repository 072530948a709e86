//! Infobip (SMS API 3). <https://www.infobip.com/docs/api/channels/sms>
//!
//! Messages and receipts come in arrays, of which the elements say what they are:
//!
//! ```text
//! POST /carriers/main/messages          Authorization: Basic b2ZmaG9vazouLi4=
//! {"results":[{"messageId":"817790313235066447","from":"14155550101","to":"14155550199","text":"QUIZ Paris",
//! "cleanText":"Paris","keyword":"QUIZ","receivedAt":"2025-11-22T06:00:00.000+0000","smsCount":1}],"messageCount":1}
//! ```
//!
//! An MMS has the parts in `message`, a receipt has a `status`. Texts are sent under our own message id, which Infobip
//! accepts once, so a text that is sent again after an answer got lost is not delivered twice.
//!
//! Whether Infobip adds credentials to the receipts that a text asks for is not documented. So their URL has a key,
//! which is derived from the account's secret and counts as a credential for receipts.

mod codes;
mod look_up;
mod read;
mod send;
mod signature;

pub use signature::{Algorithm, Encoding, HmacSettings};

use super::public_url::below;
use super::url_key::UrlKeys;
use super::{
    Inbox, Login, LookUp, MediaFrom, NotVerified, Numbers, Outbound, Outbox, PublicUrl, TokenRefused, Unreadable,
    Webhook, array, basic, forbidden,
};
use crate::model::{E164, InboundItem, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use std::time::Duration;
use url::Url;

/// Infobip does not document how long it waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The settings of an account, checked by the configuration. It has logins or an HMAC, or both.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name of the account, which is part of the webhook path.
    pub name: String,
    /// The URL of the carriers' listener as Infobip calls it.
    pub public_url: PublicUrl,
    /// The account's base URL, as `https://xyz123.api.infobip.com`, or a simulator.
    pub api_url: Url,
    /// The key for sends, look-ups and media.
    pub api_key: Secret,
    /// What webhooks may carry; two during a rotation.
    pub logins: Vec<Login>,
    /// How webhooks may be signed.
    pub hmac: Option<HmacSettings>,
    /// The application that texts are sent for. Webhooks of another one are quarantined.
    pub application_id: Option<String>,
    /// Whether Infobip's blocklist answers keywords for this account, so that the gateway does not.
    pub keywords_on: bool,
}

/// The dialect of one Infobip account.
#[derive(Clone, Debug)]
pub struct Infobip {
    settings: Settings,
    /// The URL for inbound messages.
    messages_url: String,
    /// The URL for receipts, without the key.
    receipts_url: String,
    /// What the URL for receipts has in place of credentials.
    url_keys: UrlKeys,
    /// The URL for sends.
    send_uri: Uri,
    /// `App` and the key.
    authorization: HeaderValue,
}

impl Infobip {
    /// The dialect of an account with these settings.
    pub fn new(settings: Settings) -> Self {
        let mut authorization = HeaderValue::try_from([b"App ", settings.api_key.expose()].concat())
            .unwrap_or_else(|_| HeaderValue::from_static("App"));
        authorization.set_sensitive(true);
        let passwords = settings.logins.iter().map(|login| &login.password);
        let of_hmac = settings.hmac.iter().flat_map(|hmac| &hmac.secrets);
        Self {
            messages_url: settings.public_url.messages(&settings.name),
            receipts_url: settings.public_url.receipts(&settings.name),
            url_keys: UrlKeys::of(&settings.name, passwords.chain(of_hmac)),
            // Only a URL too long for a request is no URI; without one nothing is ever written.
            send_uri: below(&settings.api_url, &["sms", "3", "messages"]).parse().unwrap_or_default(),
            authorization,
            settings,
        }
    }

    /// A GET with the account's key; `None` if `url` is not a valid URI.
    fn authorized_get(&self, url: &str) -> Option<Request<Bytes>> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.parse().ok()?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        Some(request)
    }
}

impl Inbox for Infobip {
    fn body_max_bytes(&self) -> usize {
        array::BODY_MAX_BYTES
    }

    fn answer_within(&self) -> Duration {
        ANSWER_WITHIN
    }

    fn verify(&self, hook: &Webhook, _now: Timestamp) -> Result<(), NotVerified> {
        signature::verify(self, hook)
    }

    fn refuse(&self, why: NotVerified) -> Response<Bytes> {
        if why == NotVerified::Challenge { basic::challenge() } else { forbidden() }
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        read::webhook(&self.settings, hook).map(|items| self.url_keys.only_receipts(hook, items))
    }
}

impl Outbox for Infobip {
    fn request(&self, send: &Outbound, _token: Option<&Secret>, _now: Timestamp) -> Request<Bytes> {
        send::request(self, send)
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
        Ok(send::outcome(answer, now))
    }
}

impl Numbers for Infobip {
    fn messages_url(&self) -> Option<&str> {
        Some(&self.messages_url)
    }

    fn look_up(&self, number: E164, answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        look_up::step(self, number, answers)
    }

    fn media_from(&self) -> MediaFrom {
        const HOSTS: &[&str] = &[".infobip.com"];
        if self.is_infobip() { MediaFrom::Hosts(HOSTS) } else { MediaFrom::Origin(self.settings.api_url.clone()) }
    }

    fn media(&self, text: &str, _token: Option<&Secret>, _now: Timestamp) -> Option<Request<Bytes>> {
        let url = Url::parse(text).ok()?;
        let at_infobip = url.scheme() == "https"
            && url.port().is_none()
            && url.host_str().is_some_and(|host| host.ends_with(".infobip.com"));
        // With another api_url, as that of a simulator, only its origin is allowed.
        let allowed = if self.is_infobip() { at_infobip } else { url.origin() == self.settings.api_url.origin() };
        if !allowed || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        // As it was sent, because the fetch refuses a host that is written in an unusual form.
        self.authorized_get(text)
    }
}

impl Infobip {
    /// Whether requests go to Infobip itself.
    fn is_infobip(&self) -> bool {
        self.settings.api_url.host_str().is_some_and(|host| host.ends_with(".infobip.com"))
    }
}

#[cfg(test)]
mod tests;
