//! Twilio (Programmable Messaging, API 2010-04-01). <https://www.twilio.com/docs/messaging/guides/webhook-request>
//!
//! An inbound message, one to a request, as a form; values of no use to us left out:
//!
//! ```text
//! POST /carriers/main/messages          X-Twilio-Signature: sOrpXazLpSo1GaQ8w7yZogAyj3k=
//! MessageSid=MM2b7f0c4ad6e94f1e8a5d3c9b70e1f264&AccountSid=AC11223344556677889900aabbccddeeff&From=%2B14155550101
//! &To=%2B14155550199&Body=look&NumMedia=1&MediaUrl0=https%3A%2F%2Fapi.twilio.com%2F...&MediaContentType0=image%2Fjpeg
//! &NumSegments=1&SmsStatus=received
//! ```
//!
//! A receipt is the same with `MessageStatus` and maybe `ErrorCode`; our own id stands in its URL's query, which is
//! signed like the rest. There is no time in either, so a replay passes the signature and is left to the claims (A62).

mod codes;
mod look_up;
mod read;
mod send;
mod signature;

pub use signature::sign;

use self::signature::PublicBase;
use super::public_url::below;
use super::{BadSignature, Dialect, LookUp, Outbound, Outcome, PublicUrl, Unreadable, Webhook};
use crate::model::{E164, InboundItem, Secret, Timestamp};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use url::Url;

/// Twilio's own API; regional ones are `https://api.{edge}.{region}.twilio.com`.
pub const API_URL: &str = "https://api.twilio.com";

/// The most auth tokens at once: the one in use and its successor.
pub const AUTH_TOKENS_MAX: usize = 2;

/// The most shared keys at once; verifying looks through all of them.
pub const SHARED_KEYS_MAX: usize = 8;

/// An account's settings, as the configuration gives them.
#[derive(Clone, Debug)]
pub struct Account {
    /// Our name of it, which stands in the webhooks' path.
    pub name: String,
    /// How Twilio sees the carriers' door: `https://host`, with a path only if a proxy takes that path off.
    pub public_url: PublicUrl,
    /// Where Twilio's API is: [`API_URL`], a region's, or a simulator's.
    pub api_url: Url,
    /// `AC` and 32 hex digits.
    pub account_sid: String,
    /// One or two: the first sends, each may have signed.
    pub auth_tokens: Vec<Secret>,
    /// Keys that may have signed instead of a token.
    pub shared_keys: Vec<SharedKey>,
    /// Twilio's own handling of STOP and HELP is switched off for this account, so that both are ours to answer.
    pub keywords_off: bool,
}

/// A key made for signing webhooks alone.
#[derive(Clone, Debug)]
pub struct SharedKey {
    /// Twilio's id of it.
    pub id: String,
    /// The one way it may be used.
    pub algorithm: Algorithm,
    /// The key.
    pub secret: Secret,
}

/// How a webhook is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// `HMAC_SHA1`, which auth tokens always use.
    HmacSha1,
    /// `HMAC_SHA256`.
    HmacSha256,
}

impl Algorithm {
    /// Reads Twilio's name of it.
    pub fn read(name: &str) -> Option<Self> {
        match name {
            "HMAC_SHA1" => Some(Self::HmacSha1),
            "HMAC_SHA256" => Some(Self::HmacSha256),
            _ => None,
        }
    }
}

/// The settings cannot be those of a Twilio account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("; "))]
pub struct InvalidAccount {
    /// One for each setting, beginning with its name and saying what to do.
    pub problems: Vec<String>,
}

/// The dialect of one account.
#[derive(Clone, Debug)]
pub struct Twilio {
    account: Account,
    /// What the signed URL begins with.
    base: PublicBase,
    /// Where a number's inbound messages should go.
    messages_url: String,
    /// Where receipts go, without the query that names the message.
    receipts_url: String,
    /// Where sends go.
    send_uri: Uri,
    /// Where our numbers are listed, without the query.
    numbers_url: String,
    /// Basic, of the account and its first token.
    authorization: HeaderValue,
}

impl Twilio {
    /// The dialect of `account`, or everything that is wrong with its settings.
    pub fn new(account: Account) -> Result<Self, InvalidAccount> {
        let mut problems = problems_of(&account);
        let resource = |name: &str| below(&account.api_url, &["2010-04-01", "Accounts", &account.account_sid, name]);
        let send_uri = resource("Messages.json").parse::<Uri>();
        if send_uri.is_err() && problems.is_empty() {
            problems.push(format!("api_url cannot be called: write {API_URL}"));
        }
        let Ok(send_uri) = send_uri else { return Err(InvalidAccount { problems }) };
        let Some(token) = account.auth_tokens.first().filter(|_| problems.is_empty()) else {
            return Err(InvalidAccount { problems });
        };
        Ok(Self {
            base: PublicBase::new(&account.public_url),
            messages_url: account.public_url.messages(&account.name),
            receipts_url: account.public_url.receipts(&account.name),
            numbers_url: resource("IncomingPhoneNumbers.json"),
            send_uri,
            authorization: basic(&account.account_sid, token),
            account,
        })
    }
}

impl Dialect for Twilio {
    fn verify(&self, hook: &Webhook, _now: Timestamp) -> Result<(), BadSignature> {
        signature::verify(&self.account, &self.base, hook)
    }

    fn signed_url(&self, hook: &Webhook) -> String {
        self.base.for_log(hook)
    }

    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable> {
        read::webhook(&self.account, hook).map(|heard| vec![heard])
    }

    /// An empty TwiML document: nothing is to be sent back. Never `text/plain`, which Twilio texts to the sender.
    fn ack(&self) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::from_static(br#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        answer
    }

    fn request(&self, send: &Outbound, _token: Option<&Secret>, _now: Timestamp) -> Request<Bytes> {
        send::request(self, send)
    }

    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Outcome {
        send::outcome(answer, now)
    }

    fn look_up(&self, number: E164, answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        match answers.last() {
            None => look_up::question(self, number),
            Some(answer) => look_up::result(self, number, answer),
        }
    }

    /// Twilio redirects to its storage, which needs no credentials and must not see them.
    fn media(&self, url: &str, _token: Option<&Secret>) -> Option<Request<Bytes>> {
        let url = Url::parse(url).ok()?;
        let region_of_twilio = url.scheme() == "https"
            && url.port().is_none()
            && url.host_str().is_some_and(|host| host.starts_with("api.") && host.ends_with(".twilio.com"));
        // The API's own origin is there for simulators, which are neither https nor Twilio's.
        let allowed = region_of_twilio || url.origin() == self.account.api_url.origin();
        if !allowed || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        self.authorized_get(url.as_str())
    }
}

impl Twilio {
    /// A GET with the account's credentials; none if `url` cannot stand in a request.
    fn authorized_get(&self, url: &str) -> Option<Request<Bytes>> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.parse().ok()?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        Some(request)
    }
}

/// What is wrong with the settings, one line each.
fn problems_of(account: &Account) -> Vec<String> {
    let mut problems = Vec::new();
    for (key, url, example) in
        [("public_url", account.public_url.url(), "https://sms.example.com"), ("api_url", &account.api_url, API_URL)]
    {
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !plain {
            problems.push(format!("{key} is no plain http or https address: write it like {example}"));
        }
    }
    let sid = account.account_sid.strip_prefix("AC").unwrap_or_default();
    if sid.len() != 32 || !sid.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        problems.push("account_sid is not AC and 32 hex digits: copy it from Twilio's console".to_owned());
    }
    if !(1..=AUTH_TOKENS_MAX).contains(&account.auth_tokens.len()) {
        let found = account.auth_tokens.len();
        problems.push(format!("auth_token_files has {found} entries: give one, or two during a rotation"));
    }
    if account.auth_tokens.iter().any(|token| token.expose().is_empty()) {
        problems.push("auth_token_files names an empty file: write the auth token into it".to_owned());
    }
    if account.shared_keys.len() > SHARED_KEYS_MAX {
        problems.push(format!("shared_keys has over {SHARED_KEYS_MAX} entries: take out those no longer in use"));
    }
    if account.shared_keys.iter().any(|key| key.id.is_empty() || key.secret.expose().is_empty()) {
        problems
            .push("shared_keys has an entry with an empty id or an empty secret: fill it or take it out".to_owned());
    }
    problems
}

/// The `Authorization` of a user and a password.
fn basic(user: &str, password: &Secret) -> HeaderValue {
    let mut plain = format!("{user}:").into_bytes();
    plain.extend_from_slice(password.expose());
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(plain)))
        .expect("base64 has no character that a header may not have");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests;
