//! Sinch, by its SMS REST API or its Conversation API. <https://developers.sinch.com/docs/sms/api-reference/> and
//! <https://developers.sinch.com/docs/conversation/callbacks>
//!
//! One event per request, signed in the same way by both (headers shortened):
//!
//! ```text
//! POST /carriers/main/messages          x-sinch-webhook-signature: gftAmj898bTiazFPY5htClRgiOOKjcqeN43gVfiM/ak=
//!                                       ...-nonce: 01J9Z6Q3M4T5V6W7X8Y9ZABCDE  ...-timestamp: 1763791200
//! {"type":"mo_text","id":"01FC66621XXXXX119Z8PMV1QPA","from":"14155550101","to":"14155550199","body":"Hello gateway",
//! "received_at":"2025-11-22T06:00:00.000Z","operator_id":"310260"}
//! ```
//!
//! The time in the signature is not checked: a retry comes up to 23 hours later, and it is not documented whether it is
//! signed again. A replayed webhook is deduplicated by its claim (A62). After a 4xx Sinch never repeats a webhook.

mod codes;
mod conversation;
mod look_up;
mod rest;
mod signature;

#[cfg(feature = "test-support")]
pub use signature::sign;

use super::public_url::below;
use super::read::keyword;
use super::url_key::UrlKeys;
use super::{
    Inbox, Login, LookUp, MediaFrom, NoToken, NotVerified, Numbers, Outbound, Outbox, PublicUrl, Token, TokenRefused,
    Unreadable, Webhook, come_again, forbidden, oauth,
};
use crate::model::{E164, InboundItem, Secret, Settled, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use std::time::Duration;
use url::Url;

/// The regions of the SMS API, which are part of its host.
pub const REGIONS: [&str; 5] = ["us", "eu", "br", "au", "ca"];

/// How many of them, from the first, have the Conversation API.
pub const CONVERSATION_REGIONS: usize = 3;

/// Sinch does not document how long it waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The settings of an account, checked by the configuration. It has webhook secrets or logins, or both.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name of the account, which is part of the webhook path.
    pub name: String,
    /// The URL of the carriers' listener as Sinch calls it.
    pub public_url: PublicUrl,
    /// Takes the place of all of Sinch's own URLs, as a simulator does.
    pub api_url: Option<Url>,
    /// One of [`REGIONS`].
    pub region: String,
    /// The API that the account uses.
    pub api: Api,
    /// What webhooks may be signed with; two during a rotation.
    pub webhook_secrets: Vec<Secret>,
    /// What webhooks may carry; two during a rotation.
    pub logins: Vec<Login>,
    /// Whether the account's numbers get MMS, which Sinch's API does not say.
    pub mms: bool,
    /// Whether Sinch answers STOP and HELP for this account, so that the gateway does not.
    pub keywords_on: bool,
}

impl Settings {
    /// The keyword that Sinch answers, by the text alone, because its webhooks mark none. START words are not matched,
    /// because the block to lift is known from STOP.
    fn keyword(&self, text: &str) -> Option<String> {
        let class = self.keywords_on.then(|| keyword(text)).flatten();
        class.filter(|class| *class != "START").map(str::to_owned)
    }
}

/// The API that an account uses, with its credentials.
#[derive(Clone, Debug)]
pub enum Api {
    /// The SMS REST API.
    Rest {
        /// The id of the service plan.
        service_plan_id: String,
        /// The service plan's token.
        api_token: Secret,
        /// For look-ups of numbers, which a service plan's token does not allow.
        project: Option<Project>,
    },
    /// The Conversation API.
    Conversation {
        /// The app's project.
        project: Project,
        /// The id of the app.
        app_id: String,
    },
}

/// A project and an access key to it.
#[derive(Clone, Debug)]
pub struct Project {
    /// The id of the project.
    pub id: String,
    /// The id of the access key.
    pub key_id: String,
    /// The secret of the access key.
    pub key_secret: Secret,
}

/// The dialect of one Sinch account.
#[derive(Clone, Debug)]
pub struct Sinch {
    settings: Settings,
    /// The URL for inbound messages.
    messages_url: String,
    /// The URL for receipts, with what it has in place of credentials.
    receipts_url: String,
    url_keys: UrlKeys,
    /// The URL for sends.
    send_uri: Uri,
    /// The URL for tokens.
    token_uri: Uri,
}

impl Sinch {
    /// The dialect of an account with these settings.
    pub fn new(settings: Settings) -> Self {
        let (region, own) = (&settings.region, &settings.api_url);
        let base = |url: String| own.clone().or_else(|| url.parse().ok());
        let uri = |url: Option<Url>, path: &[&str]| url.and_then(|url| below(&url, path).parse().ok());
        let send_uri = match &settings.api {
            Api::Rest { service_plan_id, .. } => {
                let sms = base(format!("https://{region}.sms.api.sinch.com"));
                uri(sms, &["xms", "v1", service_plan_id, "batches"])
            }
            Api::Conversation { project, .. } => {
                let conversation = base(format!("https://{region}.conversation.api.sinch.com"));
                uri(conversation, &["v1", "projects", &project.id, "messages:send"])
            }
        };
        let passwords = settings.logins.iter().map(|login| &login.password);
        let url_keys = UrlKeys::of(&settings.name, settings.webhook_secrets.iter().chain(passwords));
        Self {
            messages_url: settings.public_url.messages(&settings.name),
            receipts_url: url_keys.add_to(&settings.public_url.receipts(&settings.name)),
            url_keys,
            // Only a URL too long for a request is no URI; without one nothing is ever written.
            send_uri: send_uri.unwrap_or_default(),
            token_uri: uri(base("https://auth.sinch.com".to_owned()), &["oauth2", "token"]).unwrap_or_default(),
            settings,
        }
    }

    /// The project, if it is known.
    fn project(&self) -> Option<&Project> {
        match &self.settings.api {
            Api::Rest { project, .. } => project.as_ref(),
            Api::Conversation { project, .. } => Some(project),
        }
    }

    /// The `Authorization` of sends and media: a service plan has a token of its own.
    fn bearer(&self, token: Option<&Secret>) -> Option<HeaderValue> {
        match &self.settings.api {
            Api::Rest { api_token, .. } => oauth::bearer(api_token),
            Api::Conversation { .. } => token.and_then(oauth::bearer),
        }
    }

    /// A send with this body.
    fn post(&self, token: Option<&Secret>, body: String) -> Request<Bytes> {
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.send_uri.clone();
        let headers = request.headers_mut();
        headers.extend(self.bearer(token).map(|value| (header::AUTHORIZATION, value)));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        request
    }
}

impl Inbox for Sinch {
    fn answer_within(&self) -> Duration {
        ANSWER_WITHIN
    }

    fn verify(&self, hook: &Webhook, _now: Timestamp) -> Result<(), NotVerified> {
        signature::verify(self, hook)
    }

    /// What is wrong is refused for good. What is missing comes again for 23 hours, in which the account's callback can be
    /// set right.
    fn refuse(&self, why: NotVerified) -> Response<Bytes> {
        match why {
            NotVerified::Missing | NotVerified::Challenge => come_again(),
            NotVerified::Wrong | NotVerified::Stale => forbidden(),
        }
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        let items = match &self.settings.api {
            Api::Rest { .. } => rest::webhook(&self.settings, hook),
            Api::Conversation { project, app_id } => {
                conversation::webhook(&self.settings, project, app_id, hook).map(|item| vec![item])
            }
        };
        items.map(|items| self.url_keys.only_receipts(hook, items))
    }
}

impl Outbox for Sinch {
    fn token_request(&self) -> Option<Request<Bytes>> {
        match &self.settings.api {
            Api::Rest { .. } => None,
            Api::Conversation { project, .. } => {
                Some(oauth::request(&self.token_uri, &project.key_id, &project.key_secret))
            }
        }
    }

    fn token(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Token, NoToken> {
        oauth::token(answer, now, "Sinch", "key_id and key_secret_file")
    }

    fn request(&self, send: &Outbound, token: Option<&Secret>, now: Timestamp) -> Request<Bytes> {
        match &self.settings.api {
            Api::Rest { .. } => self.post(token, rest::body(self, send, now)),
            Api::Conversation { app_id, .. } => self.post(token, conversation::body(app_id, send)),
        }
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused> {
        match &self.settings.api {
            Api::Rest { .. } => Ok(rest::outcome(answer, now)),
            Api::Conversation { .. } => conversation::outcome(answer, now),
        }
    }
}

impl Numbers for Sinch {
    fn messages_url(&self) -> Option<&str> {
        Some(&self.messages_url)
    }

    fn look_up(&self, number: E164, answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        match answers.last() {
            None => look_up::request(self, number),
            Some(answer) => look_up::result(self, number, answer),
        }
    }

    fn media_from(&self) -> MediaFrom {
        /// Its API, and the storage that it names in webhooks.
        const HOSTS: &[&str] = &[".sinch.com", ".amazonaws.com"];
        match &self.settings.api_url {
            Some(url) => MediaFrom::Origin(url.clone()),
            None => MediaFrom::Hosts(HOSTS),
        }
    }

    /// The storage must not see our credentials.
    fn media(&self, text: &str, token: Option<&Secret>, _now: Timestamp) -> Option<Request<Bytes>> {
        let url = Url::parse(text).ok()?;
        let below = |domain: &str| {
            url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(|host| host.ends_with(domain))
        };
        let of_sinch = match &self.settings.api_url {
            Some(base) => url.origin() == base.origin(),
            None => below(".sinch.com"),
        };
        let of_storage = self.settings.api_url.is_none() && below(".amazonaws.com");
        if !(of_sinch || of_storage) || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let mut request = Request::new(Bytes::new());
        // As it was sent, because the fetch refuses a host that is written in an unusual form.
        *request.uri_mut() = text.parse().ok()?;
        let authorization = of_sinch.then(|| self.bearer(token)).flatten();
        request.headers_mut().extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        Some(request)
    }
}

#[cfg(test)]
mod tests;
