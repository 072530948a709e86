//! Floor 2: carrier adapters, which translate between a carrier's protocol and the model.
//!
//! Invariant: no I/O, no clock, no state. A dialect takes bytes and the time, and returns values of the model or a
//! request to send; the same input gives the same output. It holds only the validated settings of its account.
//!
//! A dialect has three sides: [`Inbox`] (webhooks), [`Outbox`] (sends) and [`Numbers`] (look-ups and media). Implemented:
//! [`bandwidth`], [`infobip`], [`plivo`], [`sinch`], [`telnyx`], [`twilio`], [`vonage`], [`vonage_sms`], and [`generic`]
//! for others. docs/ARCHITECTURE.md has a table of what each method does for each carrier.

mod answer;
mod array;
pub mod bandwidth;
mod basic;
mod form;
#[cfg(feature = "test-support")]
pub mod fuzz;
pub mod generic;
pub mod infobip;
mod json;
mod list;
mod meaning;
mod oauth;
pub mod plivo;
mod public_url;
mod read;
pub mod sinch;
mod surrogates;
pub mod telnyx;
pub mod twilio;
mod url_key;
pub mod vonage;
pub mod vonage_sms;
mod webhook;

pub use answer::{
    LookUp, NoToken, NumberFacts, Pointing, RETRY_AFTER_MAX, Token, TokenRefused, requested_wait, wait_in,
};
pub use basic::Login;
pub use list::{ListPart, ListStep, Listed, PAGE_MAX_BYTES, Page};
pub use public_url::PublicUrl;
pub use webhook::{NotVerified, Unreadable, Webhook};

use crate::model::{E164, InboundItem, MessageId, Secret, Settled, Timestamp};
use crate::rules::refusal::Code;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use std::fmt;
use std::time::Duration;
use url::Url;

/// Maximum size in bytes of a webhook from a carrier that sends one item at a time.
pub const WEBHOOK_MAX_BYTES: usize = 64 * 1024;

/// Maximum number of requests for one look-up of a number.
pub const LOOK_UP_REQUESTS_MAX: usize = 6;

/// The protocol of one account at one carrier: formats, signatures and URLs. It holds the account's secrets.
pub trait Dialect: Inbox + Outbox + Numbers + fmt::Debug {}

impl<T: Inbox + Outbox + Numbers + fmt::Debug> Dialect for T {}

/// The webhooks of an account.
pub trait Inbox: Send + Sync {
    /// Maximum size of a webhook in bytes; a larger one gets 413 without being read.
    fn body_max_bytes(&self) -> usize {
        WEBHOOK_MAX_BYTES
    }

    /// How long the gateway may take from the complete webhook to the response, 503 included: less than the carrier
    /// waits.
    fn answer_within(&self) -> Duration;

    /// Verifies that the webhook was made by the carrier, from the raw bytes. `parse` is called only for verified
    /// webhooks.
    fn verify(&self, hook: &Webhook, now: Timestamp) -> Result<(), NotVerified>;

    /// The URL that must have been signed for `verify` to pass, safe for logs (A59): query values, which may be numbers
    /// and texts, are omitted. The path alone if the carrier signs no URL.
    fn signed_url(&self, hook: &Webhook) -> String {
        hook.path().to_owned()
    }

    /// The response to a webhook that failed verification: the same 403 for every reason, or what makes this carrier
    /// retry, or send its credentials.
    fn refuse(&self, _why: NotVerified) -> Response<Bytes> {
        forbidden()
    }

    /// The items of the webhook in the carrier's order. The caller quarantines a webhook that is an error (A58).
    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable>;

    /// The success response; after it the carrier will not retry. Only for webhooks whose every item is on disk.
    fn ack(&self) -> Response<Bytes> {
        Response::new(Bytes::new())
    }
}

/// The sends of an account.
pub trait Outbox: Send + Sync {
    /// The request for the access token that `request`, `look_up` and `media` use; `None` if the carrier needs no token.
    /// A token is used as long as this request stays the same, so it contains no time.
    fn token_request(&self) -> Option<Request<Bytes>> {
        None
    }

    /// Parses the complete response to `token_request`.
    fn token(&self, _answer: &Response<Bytes>, _now: Timestamp) -> Result<Token, NoToken> {
        Err(NoToken::Refused { detail: "this carrier does not use tokens".to_owned() })
    }

    /// The request that sends a text, with absolute URI and credentials.
    fn request(&self, send: &Outbound, token: Option<&Secret>, now: Timestamp) -> Request<Bytes>;

    /// The outcome of a complete response to `request`, without its status, which the caller adds. If the response is
    /// incomplete or missing, the caller records the outcome as unknown.
    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Result<Settled, TokenRefused>;
}

/// What an account's carrier knows of our numbers, and keeps of inbound messages: media, and a list.
pub trait Numbers: Send + Sync {
    /// The URL that inbound messages of the account's numbers must go to; `None` if the carrier delivers them otherwise.
    fn messages_url(&self) -> Option<&str> {
        None
    }

    /// One step of looking up one of our numbers: takes the responses so far (none at first, at most
    /// [`LOOK_UP_REQUESTS_MAX`]), and returns the next request or the result.
    fn look_up(&self, _number: E164, _answers: &[Response<Bytes>], _token: Option<&Secret>) -> LookUp {
        LookUp::Failed { reason: "this carrier says nothing about numbers".to_owned(), retryable: false }
    }

    /// One step of reading a part of the carrier's list of the messages that it received for us: the request, or what its
    /// response says.
    fn list(&self, _part: &ListPart, _answer: Option<&Response<Bytes>>, _token: Option<&Secret>) -> ListStep {
        ListStep::NoList
    }

    /// Where media of inbound messages are, redirects included.
    fn media_from(&self) -> MediaFrom {
        MediaFrom::Nowhere
    }

    /// The request that fetches a medium of an inbound message, with credentials. `None` if this carrier does not store
    /// media at that URL: it must not be requested at all. Credentials are dropped on any redirect.
    fn media(&self, _url: &str, _token: Option<&Secret>, _now: Timestamp) -> Option<Request<Bytes>> {
        None
    }

    /// Whether a medium that is refused with our credentials may be there without any, so that it is requested again.
    fn media_may_be_open(&self) -> bool {
        false
    }
}

/// Where media of an account's inbound messages are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaFrom {
    /// The carrier keeps none.
    Nowhere,
    /// At https hosts with these names; one that begins with a dot stands for all names below it.
    Hosts(&'static [&'static str]),
    /// At this origin only, which the account's `api_url` names.
    Origin(Url),
}

/// A text to send through a carrier.
#[derive(Clone, PartialEq, Eq)]
pub struct Outbound {
    /// Our message id; the carrier returns it with each receipt.
    pub message: MessageId,
    /// The number of the attempt, counted from 1; with `message` it identifies the attempt.
    pub attempt: u16,
    /// How many attempts before it the carrier took in and refused for the time being: none of them is the text.
    pub refused_before: u16,
    /// Our number.
    pub from: E164,
    /// The caller.
    pub to: E164,
    /// The text, to be delivered unchanged.
    pub text: String,
    /// Validity period in seconds. It is clamped to the range that the carrier allows.
    pub valid_for_secs: u32,
}

impl fmt::Debug for Outbound {
    /// Omits the text, which must not be logged (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// The response to every authentication failure. It is always identical, so that it does not reveal the reason. Never
/// `text/plain`: Twilio has been known to text such a body to the sender.
fn forbidden() -> Response<Bytes> {
    not_verified(StatusCode::FORBIDDEN)
}

/// The same for carriers that never repeat a webhook after a 403, and must repeat this one.
fn come_again() -> Response<Bytes> {
    not_verified(StatusCode::SERVICE_UNAVAILABLE)
}

fn not_verified(status: StatusCode) -> Response<Bytes> {
    const DETAIL: &str = "webhook authentication failed and nothing was stored: see the gateway's log for the reason";
    let code = Code::SignatureInvalid.word();
    let title = r#"{"title":"Signature invalid","status":"#;
    let body = format!(r#"{title}{},"code":"{code}","detail":"{DETAIL}"}}"#, status.as_u16());
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let content_type = header::HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer
}
