//! A carrier that the configuration describes: where a webhook's fields are, how it is authenticated, how a send is
//! written, and what answers, words and codes mean. For carriers that have no file of their own here.
//!
//! ```text
//! POST /carriers/other/messages          X-Signature: sha256=6f1c...
//! {"events":[{"type":"inbound","id":"m-1","from":"+14155550101","to":"+14155550199","text":"look"},
//!            {"type":"status","id":"s-1","ref":"msg_...","state":"ok"}]}
//! ```
//!
//! Invariant: a description that contradicts itself makes no dialect ([`Generic::new`]), so reading and writing need not
//! ask again whether it makes sense.

mod check;
#[cfg(feature = "test-support")]
pub mod examples;
mod fields;
mod read;
mod send;
mod settings;
mod template;
mod verify;

pub use check::Contradiction;
pub use settings::{
    Algorithm, Codes, Encoding, Format, HmacRules, Hook, HookAuth, Kinds, Meant, MediaRules, MessageFields,
    ReceiptFields, SendAuth, SendRules, Settings, State,
};

use super::public_url::below;
use super::{
    Inbox, LookUp, MediaFrom, NoToken, NotVerified, NumberFacts, Numbers, Outbound, Outbox, Pointing, Token,
    TokenRefused, Unreadable, WEBHOOK_MAX_BYTES, Webhook, answer, array, basic, oauth,
};
use crate::model::{E164, InboundItem, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use std::time::Duration;
use template::{Body, Template};
use url::Url;

/// The dialect of one described account.
#[derive(Clone, Debug)]
pub struct Generic {
    settings: Settings,
    messages_url: String,
    /// The URL for receipts, without the query with the message id.
    receipts_url: String,
    /// The URL for sends, without the query of a GET.
    send_url: String,
    body: Body,
    headers: Vec<(HeaderName, Template)>,
    /// The URL for tokens.
    token_uri: Option<Uri>,
    /// What a webhook is answered.
    ack: Response<Bytes>,
}

impl Generic {
    /// The dialect of an account with these settings, or every contradiction in them.
    pub fn new(settings: Settings) -> Result<Self, Vec<Contradiction>> {
        let check::Parsed { body, headers } = check::parsed(&settings)?;
        let token_uri = match &settings.send.auth {
            // Only a URL too long for a request is no URI; without one nothing is ever written.
            SendAuth::OAuth { token_url, .. } => Some(token_url.as_str().parse().unwrap_or_default()),
            _ => None,
        };
        let mut ack = Response::new(Bytes::from(settings.webhook.answer_body.clone()));
        *ack.status_mut() = StatusCode::from_u16(settings.webhook.answer_status).unwrap_or_default();
        ack.headers_mut().insert(header::CONTENT_TYPE, settings.webhook.answer_type.clone());
        Ok(Self {
            messages_url: settings.public_url.messages(&settings.name),
            receipts_url: settings.public_url.receipts(&settings.name),
            send_url: format!("{}{}", below(&settings.api_url, &[]).trim_end_matches('/'), settings.send.path),
            body,
            headers,
            token_uri,
            ack,
            settings,
        })
    }

    /// The header that authorises a request to the carrier.
    fn authorization(&self, token: Option<&Secret>) -> Option<(HeaderName, HeaderValue)> {
        let sensitive = |secret: &Secret| {
            let mut value = HeaderValue::from_bytes(secret.expose()).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        match &self.settings.send.auth {
            SendAuth::None => None,
            SendAuth::Basic { user, password } => Some((header::AUTHORIZATION, basic::authorization(user, password))),
            SendAuth::Bearer(token) => Some((header::AUTHORIZATION, oauth::bearer(token)?)),
            SendAuth::Header { name, secret } => Some((name.clone(), sensitive(secret)?)),
            SendAuth::OAuth { .. } => Some((header::AUTHORIZATION, oauth::bearer(token?)?)),
        }
    }
}

impl Inbox for Generic {
    fn body_max_bytes(&self) -> usize {
        match self.settings.webhook.format {
            Format::Json => array::BODY_MAX_BYTES,
            Format::Form => WEBHOOK_MAX_BYTES,
        }
    }

    fn answer_within(&self) -> Duration {
        self.settings.webhook.answer_within
    }

    fn verify(&self, hook: &Webhook, _now: Timestamp) -> Result<(), NotVerified> {
        verify::verify(&self.settings.webhook.auth, hook)
    }

    fn refuse(&self, why: NotVerified) -> Response<Bytes> {
        if why == NotVerified::Challenge { basic::challenge() } else { super::forbidden() }
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        read::webhook(self, hook)
    }

    fn ack(&self) -> Response<Bytes> {
        self.ack.clone()
    }
}

impl Outbox for Generic {
    fn token_request(&self) -> Option<Request<Bytes>> {
        match (&self.settings.send.auth, &self.token_uri) {
            (SendAuth::OAuth { client_id, client_secret, .. }, Some(uri)) => {
                Some(oauth::request(uri, client_id, client_secret))
            }
            _ => None,
        }
    }

    fn token(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Token, NoToken> {
        oauth::token(answer, now, "the carrier", "send.client_id and send.client_secret_file")
    }

    fn request(&self, send: &Outbound, token: Option<&Secret>, now: Timestamp) -> Request<Bytes> {
        send::request(self, send, token, now)
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
        send::outcome(self, answer, now)
    }
}

impl Numbers for Generic {
    fn messages_url(&self) -> Option<&str> {
        Some(&self.messages_url)
    }

    /// A description does not say how to ask. So the configuration says whether to believe who enters a number.
    fn look_up(&self, _number: E164, _answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        if !self.settings.believe_numbers {
            let reason = "a described carrier cannot be asked about numbers: set believe_numbers = true if all that are \
                          entered are on the account and can text";
            return answer::failed(reason, false);
        }
        let mms = self.settings.message.media.is_some();
        LookUp::Found(NumberFacts { sms: true, mms, webhook: Pointing::Unknown })
    }

    fn media_from(&self) -> MediaFrom {
        match (&self.settings.message.media, &self.settings.media) {
            (None, _) => MediaFrom::Nowhere,
            (Some(_), MediaRules { url: Some(url), .. }) => MediaFrom::Origin(url.clone()),
            (Some(_), MediaRules { url: None, .. }) => MediaFrom::Origin(self.settings.api_url.clone()),
        }
    }

    fn media(&self, text: &str, token: Option<&Secret>, _now: Timestamp) -> Option<Request<Bytes>> {
        let MediaFrom::Origin(base) = self.media_from() else { return None };
        let url = Url::parse(text).ok()?;
        if url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        // As it was sent, because the fetch refuses a host that is written in an unusual form.
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = text.parse().ok()?;
        if self.settings.media.credentials {
            request.headers_mut().extend(self.authorization(token).map(|(name, value)| (Some(name), value)));
        }
        Some(request)
    }
}

#[cfg(test)]
mod tests;
