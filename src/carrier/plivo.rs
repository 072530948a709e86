//! Plivo (Messaging API v1). <https://www.plivo.com/docs/messaging/use-cases/receive-messages>
//!
//! An inbound message, one per request, as a form:
//!
//! ```text
//! POST /carriers/main/messages        X-Plivo-Signature-V2: HagqhQBF2w7F5E8+...  X-Plivo-Signature-V2-Nonce: 0542956...
//! From=14155550101&To=14155550199&Text=look&Type=mms&MessageUUID=b48d95dc-e3ac-11eb-a9c2-0242ac110005
//! &Media0=https%3A%2F%2Fmedia.plivo.com%2F...&Units=1
//! ```
//!
//! A receipt is similar, with `Status` and `ErrorCode`; our message id is in the query of its URL. Nothing has a time, so
//! a replayed webhook passes verification and is deduplicated by its claim. Signatures of version 2, which is what Plivo
//! promises for messages, cover neither content nor query: see `signature`.

mod codes;
mod look_up;
mod read;
mod send;
mod signature;

#[cfg(feature = "test-support")]
pub use signature::{sign_v2, sign_v3};

use super::basic;
use super::public_url::{PublicBase, below};
use super::{
    Inbox, LookUp, MediaFrom, NotVerified, Numbers, Outbound, Outbox, PublicUrl, TokenRefused, Unreadable, Webhook,
};
use crate::model::{E164, InboundItem, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use std::time::Duration;
use url::Url;

/// The API URL of Plivo.
pub const API_URL: &str = "https://api.plivo.com";

/// Plivo does not document how long it waits for a response; this is less than any carrier does but Telnyx.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// The settings of an account, checked by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name of the account, which is part of the webhook path.
    pub name: String,
    /// The URL of the carriers' listener as Plivo calls it. It is signed.
    pub public_url: PublicUrl,
    /// The URL of Plivo's API, without `/v1`: [`API_URL`], or a simulator.
    pub api_url: Url,
    /// `MA` or, of a sub-account, `SA`, and 18 letters and digits.
    pub auth_id: String,
    /// The token used for sends; webhooks may be signed with it.
    pub auth_token: Secret,
    /// Another token that webhooks may be signed with, during a rotation.
    pub other_auth_token: Option<Secret>,
    /// Whether only signatures of version 3 count, which cover the content.
    pub require_v3: bool,
    /// Whether Plivo's own handling of STOP and HELP is switched off for this account, so that the gateway answers them.
    pub keywords_off: bool,
}

/// The dialect of one Plivo account.
#[derive(Clone, Debug)]
pub struct Plivo {
    settings: Settings,
    /// The possible prefixes of the signed URL.
    base: PublicBase,
    /// The URL for inbound messages.
    messages_url: String,
    /// The URL for receipts, without the query with the message id.
    receipts_url: String,
    /// The URL for sends.
    send_uri: Uri,
    /// The Basic credentials: auth id and first token.
    authorization: HeaderValue,
}

impl Plivo {
    /// The dialect of an account with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            base: PublicBase::new(&settings.public_url),
            messages_url: settings.public_url.messages(&settings.name),
            receipts_url: settings.public_url.receipts(&settings.name),
            // Only a URL too long for a request is no URI; without one nothing is ever written.
            send_uri: resource(&settings, &["Message"]).parse().unwrap_or_default(),
            authorization: basic::authorization(&settings.auth_id, &settings.auth_token),
            settings,
        }
    }

    /// A GET with the account's credentials; `None` if `url` is not a valid URI.
    fn authorized_get(&self, url: &str) -> Option<Request<Bytes>> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.parse().ok()?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        Some(request)
    }
}

/// The URL of a resource of the account. All of Plivo's end in a slash.
fn resource(settings: &Settings, path: &[&str]) -> String {
    below(&settings.api_url, &[&["v1", "Account", &settings.auth_id], path, &[""]].concat())
}

impl Inbox for Plivo {
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
}

impl Outbox for Plivo {
    fn request(&self, send: &Outbound, _token: Option<&Secret>, _now: Timestamp) -> Request<Bytes> {
        send::request(self, send)
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
        Ok(send::outcome(answer, now))
    }
}

impl Numbers for Plivo {
    fn messages_url(&self) -> Option<&str> {
        Some(&self.messages_url)
    }

    fn look_up(&self, number: E164, answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        look_up::step(self, number, answers)
    }

    fn media_from(&self) -> MediaFrom {
        let is_plivo = self.settings.api_url.host_str().is_some_and(|host| host.ends_with(HOSTS));
        if is_plivo { MediaFrom::Hosts(&[HOSTS]) } else { MediaFrom::Origin(self.settings.api_url.clone()) }
    }

    fn media(&self, text: &str, _token: Option<&Secret>, _now: Timestamp) -> Option<Request<Bytes>> {
        let url = Url::parse(text).ok()?;
        let is_plivo =
            url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(|host| host.ends_with(HOSTS));
        let allowed = is_plivo || url.origin() == self.settings.api_url.origin();
        if !allowed || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        self.authorized_get(text)
    }

    /// Plivo does not document whether its media want credentials.
    fn media_may_be_open(&self) -> bool {
        true
    }
}

/// Plivo's hosts.
const HOSTS: &str = ".plivo.com";

#[cfg(test)]
mod tests;
