//! What a description says.

use crate::carrier::{Login, PublicUrl};
use crate::model::{FailureCode, Secret};
use http::{HeaderName, HeaderValue};
use std::time::Duration;
use url::Url;

/// The settings of a described account: each value by itself checked by the configuration, all together by
/// [`super::Generic::new`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name of the account, which is part of the webhook path.
    pub name: String,
    /// The URL of the carriers' listener as the carrier calls it.
    pub public_url: PublicUrl,
    /// The base URL of the carrier's API.
    pub api_url: Url,
    /// Whether every number that is entered is believed to be on the account.
    pub believe_numbers: bool,
    /// Its webhooks.
    pub webhook: Hook,
    /// Where the fields of a message are.
    pub message: MessageFields,
    /// Where the fields of a receipt are, if there are any.
    pub receipt: Option<ReceiptFields>,
    /// How a text is sent.
    pub send: SendRules,
    /// What the carrier's codes mean.
    pub codes: Codes,
    /// How media are fetched.
    pub media: MediaRules,
}

/// A carrier's codes, each with its meaning.
pub type Codes = Vec<(String, Meant)>;

/// How something is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// JSON.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// How webhooks are authenticated, written and answered.
#[derive(Clone, Debug)]
pub struct Hook {
    /// How they are authenticated.
    pub auth: HookAuth,
    /// How they are written.
    pub format: Format,
    /// Where the list of items is, if not everything is one item or one list.
    pub items: Option<String>,
    /// How messages and receipts are told apart, if not by the path they come to.
    pub kinds: Option<Kinds>,
    /// Numbers are written without their plus.
    pub without_plus: bool,
    /// How long the gateway may take.
    pub answer_within: Duration,
    /// The status of the answer, a 2xx.
    pub answer_status: u16,
    /// Its content type.
    pub answer_type: HeaderValue,
    /// Its body.
    pub answer_body: String,
}

/// How webhooks are authenticated. The secrets are those that are valid at once during a rotation.
#[derive(Clone, Debug)]
pub enum HookAuth {
    /// Not at all, on loopback only.
    None,
    /// By a user and a password.
    Basic(Vec<Login>),
    /// By a token in `Authorization: Bearer`.
    Bearer(Vec<Secret>),
    /// By an HMAC over the body.
    Hmac(HmacRules),
}

/// An HMAC over the raw body in a header.
#[derive(Clone, Debug)]
pub struct HmacRules {
    /// The header.
    pub header: HeaderName,
    /// The hash.
    pub algorithm: Algorithm,
    /// How the digest is written.
    pub encoding: Encoding,
    /// What is before it, like `sha256=`.
    pub prefix: String,
    /// The keys.
    pub secrets: Vec<Secret>,
}

/// The hash of an HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a digest is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Hexadecimal digits of either case.
    Hex,
    /// Base64 with padding.
    Base64,
}

/// The field that tells messages and receipts apart. Other words are ignored.
#[derive(Clone, Debug)]
pub struct Kinds {
    /// Where it is.
    pub path: String,
    /// Its words for messages.
    pub messages: Vec<String>,
    /// Its words for receipts.
    pub receipts: Vec<String>,
}

/// Where the fields of a message are.
#[derive(Clone, Debug)]
pub struct MessageFields {
    /// The carrier's id.
    pub id: String,
    /// The sender.
    pub from: String,
    /// Our number.
    pub to: String,
    /// The text.
    pub text: String,
    /// The media: a list, or in a form fields with `{n}` for their number.
    pub media: Option<String>,
    /// Where the URL is in each of the list, if they are no texts.
    pub media_url: Option<String>,
    /// The count of segments.
    pub segments: Option<String>,
    /// Texts by which the carrier itself blocks a number, and which it answers.
    pub stop_words: Vec<String>,
    /// Texts for which the carrier itself sends help.
    pub help_words: Vec<String>,
}

/// Where the fields of a receipt are.
#[derive(Clone, Debug)]
pub struct ReceiptFields {
    /// The carrier's id of the message.
    pub id: String,
    /// Our id of the message.
    pub reference: Option<String>,
    /// The word for the state.
    pub status: String,
    /// The code of an error.
    pub code: Option<String>,
    /// What each word means. Other words are ignored.
    pub states: Vec<(String, State)>,
}

/// What a receipt's word means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Accepted, and not sent yet.
    Queued,
    /// Passed on.
    Sent,
    /// Delivered.
    Delivered,
    /// Not delivered, for the reason of its code.
    Undelivered,
    /// Rejected, for the reason of its code.
    Failed,
    /// Expired.
    Expired,
}

/// How a text is sent, and what the answers mean.
#[derive(Clone, Debug)]
pub struct SendRules {
    /// The path below `api_url`.
    pub path: String,
    /// GET with a query instead of POST.
    pub by_get: bool,
    /// How the body is written.
    pub format: Format,
    /// The body, with places like `{to}`.
    pub body: String,
    /// More headers, as `Name: value` with places.
    pub headers: Vec<String>,
    /// How it is authorised.
    pub auth: SendAuth,
    /// Where the carrier's id is in an answer.
    pub id: String,
    /// Where the count of segments is.
    pub segments: Option<String>,
    /// Where a code is.
    pub code: Option<String>,
    /// Statuses that mean sent; if there are none, every 2xx.
    pub sent: Vec<u16>,
    /// More statuses that mean later than 408, 425, 429 and 5xx.
    pub later: Vec<u16>,
    /// Statuses that refuse the text.
    pub refused: Vec<u16>,
    /// Statuses that refuse the account; if there are none, 401, 403, 404 and 405.
    pub account: Vec<u16>,
}

/// How a request to the carrier is authorised.
#[derive(Clone, Debug)]
pub enum SendAuth {
    /// Not at all.
    None,
    /// By a user and a password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// By a token that stays the same.
    Bearer(Secret),
    /// By a secret in a header of its own.
    Header {
        /// The header.
        name: HeaderName,
        /// Its value.
        secret: Secret,
    },
    /// By tokens that client credentials get.
    OAuth {
        /// Where they are given.
        token_url: Url,
        /// The id of the credentials.
        client_id: String,
        /// Their secret.
        client_secret: Secret,
    },
}

/// What a code means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meant {
    /// The text was accepted. If any code means that, an answer with another one is a refusal whatever its status.
    Sent,
    /// The text was not accepted now.
    Later,
    /// The account is refused, whatever the text.
    Account,
    /// The text is refused.
    Text(FailureCode),
}

/// How media are fetched.
#[derive(Clone, Debug, Default)]
pub struct MediaRules {
    /// Where they are, if not at `api_url`.
    pub url: Option<Url>,
    /// Whether to send the credentials of sends along.
    pub credentials: bool,
}
