//! Telnyx (Messaging, API v2). <https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks>
//!
//! An event, one per request, as JSON (shortened):
//!
//! ```text
//! POST /carriers/main/messages        telnyx-timestamp: 1763791200        telnyx-signature-ed25519: kdS64coQ2piz...
//! {"data":{"event_type":"message.received","payload":{"id":"84cca175-9755-4859-b67f-4730d7f58aa3","type":"MMS",
//! "from":{"phone_number":"+14155550101"},"to":[{"phone_number":"+14155550199"}],"text":"look","parts":1,
//! "media":[{"url":"https://media.telnyx.com/a.jpg","content_type":"image/jpeg"}],"autoresponse_type":null}}}
//! ```
//!
//! A receipt is an event about the message that we sent, with the recipient's `status` and `errors`. Our message id is
//! in the query of its URL, which Telnyx repeats in the signed body. Time and body are signed, the URL is not.

mod codes;
mod look_up;
mod read;
mod send;
mod signature;

pub use signature::{InvalidPublicKey, PublicKey};
#[cfg(feature = "test-support")]
pub use signature::{public_key, sign};

use super::public_url::below;
use super::{
    Inbox, LookUp, MediaFrom, NotVerified, Numbers, Outbound, Outbox, PublicUrl, TokenRefused, Unreadable, Webhook,
    oauth,
};
use crate::model::{E164, InboundItem, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use std::time::Duration;
use url::Url;

/// The API URL of Telnyx.
pub const API_URL: &str = "https://api.telnyx.com";

/// Telnyx gives up on a webhook after 2 s; the rest is for the network.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_300);

/// The settings of an account, checked by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name of the account, which is part of the webhook path.
    pub name: String,
    /// The URL of the carriers' listener as Telnyx calls it.
    pub public_url: PublicUrl,
    /// The URL of Telnyx's API, without `/v2`: [`API_URL`], or a simulator.
    pub api_url: Url,
    /// The key of the API.
    pub api_key: Secret,
    /// The keys that webhooks may be signed with, two during a rotation.
    pub public_keys: Vec<PublicKey>,
    /// The only messaging profile whose webhooks are ours; `None` for all of the account's.
    pub messaging_profile_id: Option<String>,
}

/// The dialect of one Telnyx account.
#[derive(Clone, Debug)]
pub struct Telnyx {
    settings: Settings,
    /// The URL for inbound messages, and for receipts where the other one fails.
    messages_url: String,
    /// The URL for receipts, without the query with the message id.
    receipts_url: String,
    /// The URL for sends.
    send_uri: Uri,
    /// The API key as a header.
    authorization: HeaderValue,
}

impl Telnyx {
    /// The dialect of an account with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            messages_url: settings.public_url.messages(&settings.name),
            receipts_url: settings.public_url.receipts(&settings.name),
            // Only a URL too long for a request is no URI; without one nothing is ever written.
            send_uri: below(&settings.api_url, &["v2", "messages"]).parse().unwrap_or_default(),
            // A key is printable, as the configuration checks; Telnyx refuses an empty header.
            authorization: oauth::bearer(&settings.api_key).unwrap_or(HeaderValue::from_static("")),
            settings,
        }
    }

    /// A GET with the account's key; `None` if `url` is not a valid URI.
    fn authorized_get(&self, url: &str) -> Option<Request<Bytes>> {
        let mut request = get(url)?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        Some(request)
    }
}

fn get(url: &str) -> Option<Request<Bytes>> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.parse().ok()?;
    Some(request)
}

impl Inbox for Telnyx {
    fn answer_within(&self) -> Duration {
        ANSWER_WITHIN
    }

    fn verify(&self, hook: &Webhook, now: Timestamp) -> Result<(), NotVerified> {
        signature::verify(&self.settings.public_keys, hook, now)
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        read::webhook(&self.settings, hook).map(|item| vec![item])
    }
}

impl Outbox for Telnyx {
    fn request(&self, send: &Outbound, _token: Option<&Secret>, _now: Timestamp) -> Request<Bytes> {
        send::request(self, send)
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
        Ok(send::outcome(answer, now))
    }
}

impl Numbers for Telnyx {
    fn messages_url(&self) -> Option<&str> {
        Some(&self.messages_url)
    }

    fn look_up(&self, number: E164, answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        look_up::step(self, number, answers)
    }

    fn media_from(&self) -> MediaFrom {
        let is_telnyx = self.settings.api_url.host_str().is_some_and(is_api_host);
        if is_telnyx { MediaFrom::Hosts(MEDIA_HOSTS) } else { MediaFrom::Origin(self.settings.api_url.clone()) }
    }

    /// Telnyx's storage must not see the key: its URLs are signed.
    fn media(&self, text: &str, _token: Option<&Secret>, _now: Timestamp) -> Option<Request<Bytes>> {
        let url = Url::parse(text).ok()?;
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        if url.origin() == self.settings.api_url.origin() {
            return self.authorized_get(text);
        }
        let host = url.host_str().filter(|_| url.scheme() == "https" && url.port().is_none())?;
        if is_api_host(host) {
            self.authorized_get(text)
        } else if host.ends_with(STORAGE_HOSTS) {
            get(text)
        } else {
            None
        }
    }

    /// Telnyx's documents contradict each other.
    fn media_may_be_open(&self) -> bool {
        true
    }
}

/// Telnyx's own hosts, and its storage.
const MEDIA_HOSTS: &[&str] = &[API_HOSTS, STORAGE_HOSTS];
const API_HOSTS: &str = ".telnyx.com";
const STORAGE_HOSTS: &str = ".telnyxcloudstorage.com";

fn is_api_host(host: &str) -> bool {
    host.ends_with(API_HOSTS)
}

#[cfg(test)]
mod tests;
