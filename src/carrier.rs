//! Floor 2: what each carrier says and how it signs it.
//!
//! Invariant: no I/O, no clock, no state. A dialect is handed bytes and the time, and hands back words of the model or
//! a request to send; the same input gives the same output. What it holds is its account's checked settings.
//!
//! Built: [`twilio`]. How those to come fit the same trait:
//!
//! * Telnyx: Ed25519 over the time and the body, so `verify` uses `now` and answers `Stale`; the public URL is not signed.
//!   Our id goes out in the webhook URL's query, as with Twilio.
//! * Bandwidth: Basic, so `refuse(Missing)` is a 401 with a challenge; the body is an array, so `parse` gives several
//!   items, unreadable ones among them as [`InboundItem::Unreadable`]; our id goes out as the `tag`. Sends carry a token got
//!   with `token_request` and read by `token`; a 401 on a send is `Later`, and who keeps the token forgets it then. A
//!   number's check asks several addresses one after another, which is why `look_up` is handed the answers so far.
//! * Vonage: `refuse(Missing)` is a 503, because a 4xx would end its retries; a JWT is made for each send from `now`,
//!   the message and the attempt; parts of a long text are items of their own, and joining them is the machine's.

mod answer;
mod form;
pub mod fuzz;
mod public_url;
pub mod twilio;
mod webhook;

pub use answer::{LookUp, NoToken, NumberFacts, Outcome, Pointing, RETRY_AFTER_MAX, Token, asked_to_wait};
pub use public_url::PublicUrl;
pub use webhook::{BadSignature, Unreadable, Webhook};

use crate::model::{E164, InboundItem, MessageId, Secret, Timestamp};
use crate::rules::refusal::Code;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use std::fmt;

/// The most bytes a webhook of a carrier that sends one item at a time may have.
pub const WEBHOOK_MAX_BYTES: usize = 64 * 1024;

/// The most requests one look-up of a number may take.
pub const LOOK_UP_REQUESTS_MAX: usize = 6;

/// One account at one carrier: its words, its signatures and its addresses. Secrets live inside.
pub trait Dialect: Send + Sync {
    /// The most bytes a webhook may have; more is answered 413 unread.
    fn body_max_bytes(&self) -> usize {
        WEBHOOK_MAX_BYTES
    }

    /// Whether the carrier made this webhook. Sees the bytes as they came; `parse` is for those that passed.
    fn verify(&self, hook: &Webhook, now: Timestamp) -> Result<(), BadSignature>;

    /// The address the carrier must have called for `verify` to pass, fit for a log (A59): values in its query, which
    /// may be numbers and texts, are left out.
    fn signed_url(&self, hook: &Webhook) -> String;

    /// The answer to a webhook that did not pass: the same 403 whatever was wrong, or what makes this carrier come back.
    fn refuse(&self, _why: BadSignature) -> Response<Bytes> {
        forbidden()
    }

    /// What the webhook says, in the carrier's order. An error is kept in quarantine by the caller (A58).
    fn parse(&self, hook: &Webhook) -> Result<Vec<InboundItem>, Unreadable>;

    /// The answer that ends the carrier's duty. Only for webhooks whose every item is on disk.
    fn ack(&self) -> Response<Bytes>;

    /// The request that gets a token for `request`, `look_up` and `media`; none where the carrier needs none.
    fn token_request(&self) -> Option<Request<Bytes>> {
        None
    }

    /// Reads the answer to `token_request`.
    fn token(&self, _answer: &Response<Bytes>, _now: Timestamp) -> Result<Token, NoToken> {
        Err(NoToken("this carrier gives no tokens".to_owned()))
    }

    /// The request that sends a text, with an absolute URI and its credentials.
    fn request(&self, send: &Outbound, token: Option<&Secret>, now: Timestamp) -> Request<Bytes>;

    /// What a complete answer to `request` means. An answer that was cut or never came is the caller's to call unknown.
    fn outcome(&self, answer: &Response<Bytes>, now: Timestamp) -> Outcome;

    /// One step of asking the carrier about a number of ours: the answers so far in (none at first, at most
    /// [`LOOK_UP_REQUESTS_MAX`]), the next question or the result out.
    fn look_up(&self, number: E164, answers: &[Response<Bytes>], token: Option<&Secret>) -> LookUp;

    /// The request that fetches a medium of an inbound message, with the credentials it needs. None where the address is
    /// no place this carrier keeps media at: it must not be asked at all. Credentials are dropped on any redirect.
    fn media(&self, url: &str, token: Option<&Secret>) -> Option<Request<Bytes>>;
}

/// A text to hand to a carrier.
#[derive(Clone, PartialEq, Eq)]
pub struct Outbound {
    /// Our id; the carrier gives it back with each receipt.
    pub message: MessageId,
    /// Which attempt this is, from 1; with `message` it names the attempt.
    pub attempt: u16,
    /// Our number.
    pub from: E164,
    /// The caller.
    pub to: E164,
    /// The text, as it is to arrive: nothing on the way may change it.
    pub text: String,
    /// Seconds until nobody wants it any more. A carrier that allows less or more gets its nearest bound.
    pub valid_for_secs: u32,
}

impl fmt::Debug for Outbound {
    /// Without the text, which no log may hold (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// The one answer to everything that fails authentication, word by word, so that nobody learns what was wrong with it.
/// Never `text/plain`: Twilio has been known to text such a body to the sender.
fn forbidden() -> Response<Bytes> {
    const DETAIL: &str = "this webhook is not authenticated and nothing of it was taken: let the gateway's log say why";
    let code = Code::SignatureInvalid;
    let (status, code) = (code.status(), code.word());
    let body = format!(r#"{{"title":"Signature invalid","status":{status},"code":"{code}","detail":"{DETAIL}"}}"#);
    let mut answer = Response::new(body.into());
    *answer.status_mut() = StatusCode::FORBIDDEN;
    let content_type = header::HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer
}
