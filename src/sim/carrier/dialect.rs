//! What a carrier says on the wire, and its habits: a file per carrier, written from its data sheet and not from the
//! gateway's code.
//!
//! Invariant: no I/O. What is the same with every carrier (behaviours, retries, batches, records) stands beside it.
//! Error codes are Twilio's everywhere in the simulator; another carrier says the same in its own words, and repeats
//! a code that it has no words for.

mod bandwidth;
mod generic;
mod infobip;
mod notation;
mod plivo;
mod sinch;
mod telnyx;
#[cfg(test)]
mod testing;
mod twilio;
mod vonage;
mod vonage_sms;

#[cfg(test)]
pub(super) use self::twilio::signature;
pub use self::twilio::{ACCOUNT_SID, AUTH_TOKEN};

use super::super::Redacted;
use super::super::dice::SeededRng;
use super::super::wire::{Answer, Reply};
use super::{Again, CarrierCore, NumberThere, Resend};
use crate::model::E164;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

/// The code of a send to a person who opted out.
pub(super) const OPTED_OUT: u32 = 21_610;
/// The code of a send to an address that is no number.
pub(super) const NUMBER_INVALID: u32 = 21_211;
/// The code of a send that comes too soon after others.
pub(super) const TOO_MANY: u32 = 20_429;
/// The code of a failure at the carrier.
pub(super) const SERVER_ERROR: u32 = 20_500;
/// The code of a receipt from a landline.
pub(super) const LANDLINE: u32 = 30_006;
/// The code of a receipt for a text that the carrier filtered.
pub(super) const FILTERED: u32 = 30_007;

/// The carriers that can be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Twilio.
    Twilio,
    /// Bandwidth.
    Bandwidth,
    /// Vonage's Messages API.
    Vonage,
    /// Vonage's SMS API.
    VonageSms,
    /// Infobip.
    Infobip,
    /// "Example Telecom", which the gateway's configuration describes.
    Generic,
    /// Telnyx.
    Telnyx,
    /// Plivo.
    Plivo,
    /// Sinch's SMS API.
    Sinch,
    /// Sinch's Conversation API.
    SinchConversation,
}

/// Each carrier: its name on the command line, its name in the gateway's configuration, and how it speaks.
const CARRIERS: &[(Kind, &str, &str, &dyn Dialect)] = &[
    (Kind::Twilio, "twilio", "twilio", &twilio::Twilio),
    (Kind::Bandwidth, "bandwidth", "bandwidth", &bandwidth::Bandwidth),
    (Kind::Vonage, "vonage", "vonage", &vonage::Vonage),
    (Kind::VonageSms, "vonage_sms", "vonage_sms", &vonage_sms::VonageSms),
    (Kind::Infobip, "infobip", "infobip", &infobip::Infobip),
    (Kind::Generic, "generic", "generic", &generic::Generic),
    (Kind::Telnyx, "telnyx", "telnyx", &telnyx::Telnyx),
    (Kind::Plivo, "plivo", "plivo", &plivo::Plivo),
    (Kind::Sinch, "sinch", "sinch", &sinch::Sinch),
    (Kind::SinchConversation, "sinch_conversation", "sinch", &sinch::Conversation),
];

impl Kind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        CARRIERS.iter().map(|carrier| carrier.0)
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// Its name in the gateway's configuration.
    pub fn carrier(self) -> &'static str {
        self.entry().2
    }

    /// Whether its numbers get photos and videos.
    pub fn has_mms(self) -> bool {
        self.dialect().habits().mms
    }

    pub(super) fn dialect(self) -> &'static dyn Dialect {
        self.entry().3
    }

    fn entry(self) -> &'static (Self, &'static str, &'static str, &'static dyn Dialect) {
        CARRIERS.iter().find(|carrier| carrier.0 == self).expect("every carrier has a line")
    }
}

/// No carrier has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no carrier is called {name:?}: use one of {}", Kind::all().map(Kind::name).collect::<Vec<_>>().join(", "))]
pub struct NoSuchCarrier {
    name: String,
}

impl FromStr for Kind {
    type Err = NoSuchCarrier;

    fn from_str(name: &str) -> Result<Self, NoSuchCarrier> {
        Self::all().find(|kind| kind.name() == name).ok_or_else(|| NoSuchCarrier { name: name.to_owned() })
    }
}

/// How one carrier speaks.
pub(super) trait Dialect: Sync {
    /// What it does besides speaking.
    fn habits(&self) -> Habits;

    /// A new id of a message.
    fn id(&self, dice: &mut SeededRng, _media: bool) -> String {
        dice.hex()
    }

    /// Its account in the gateway's configuration: the keys that are its own, and the files they name.
    fn keys(&self) -> Keys;

    /// Checks a request's credentials. Requests for tokens pass.
    fn admits(&self, core: &CarrierCore, head: &Parts) -> Result<(), Refused>;

    /// What an admitted request is.
    fn route(&self, core: &CarrierCore, head: &Parts) -> Result<Route, Refused>;

    /// Parses a send.
    fn read(&self, core: &CarrierCore, head: &Parts, body: &[u8]) -> Result<Send, Refused>;

    /// The response to a send that it accepts under this id.
    fn accepted(&self, core: &CarrierCore, id: &str, send: &Send) -> Reply;

    /// A response that accepts a send, and lacks the id.
    fn without_id(&self) -> Reply;

    /// An error with this status and code.
    fn problem(&self, status: StatusCode, code: u32, message: &str) -> Reply;

    /// The response to a send that it refuses, where that differs from errors of other requests. `send` is absent if
    /// it could not be read.
    fn refuse(&self, _send: Option<&Send>, status: StatusCode, code: u32, message: &str) -> Reply {
        self.problem(status, code, message)
    }

    /// The response to a send with a mark that it accepted before. `None`: it accepts it again.
    fn repeated(&self, _send: &Send) -> Option<Reply> {
        None
    }

    /// The response to a request for a token, for carriers that use them.
    fn token(&self, _token: &str, _valid: Duration) -> Reply {
        self.problem(StatusCode::NOT_FOUND, 20_404, "The requested resource was not found")
    }

    /// A text from a phone: one element, or one for each part.
    fn text(&self, core: &CarrierCore, text: &Text<'_>) -> Vec<Element>;

    /// A receipt, if it has one with this status.
    fn receipt(&self, core: &CarrierCore, receipt: &Receipt<'_>) -> Option<Element>;

    /// The receipts for all parts of a text, if each has its own.
    fn receipts(&self, core: &CarrierCore, receipt: &Receipt<'_>) -> Vec<Element> {
        self.receipt(core, receipt).into_iter().collect()
    }

    /// A webhook with these elements, signed: one, or up to the habit's `batch_max`.
    fn post(&self, core: &CarrierCore, url: &str, elements: &[&Content], about: About<'_>) -> Posted;

    /// The text in the gateway's response that this carrier would send to the phone.
    fn said(&self, _answer: &Answer) -> Option<String> {
        None
    }

    /// The URL of a medium of a message.
    fn medium_url(&self, base: &str, id: &str, medium: &str) -> String {
        format!("{base}/media/{id}/{medium}")
    }
}

/// What a carrier does besides speaking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// How long it waits for the response to a webhook.
    pub(super) waits: Duration,
    /// When it posts a webhook again. Waits of minutes and hours are short here.
    pub(super) resend: Resend,
    /// Maximum elements in a webhook.
    pub(super) batch_max: usize,
    /// It refuses a send to a person who opted out. Others accept it, and say in a receipt that it failed.
    pub(super) refuses_opted_out: bool,
    /// The keywords that it handles itself.
    pub(super) keywords: Option<Keywords>,
    /// Its media need its credentials.
    pub(super) media_secured: bool,
    /// Its media are elsewhere: it redirects to them.
    pub(super) media_redirect: bool,
    /// Its numbers get photos and videos.
    pub(super) mms: bool,
}

impl Default for Habits {
    /// Waits 10 s, tries three times when the gateway is busy or absent, one element, no keywords, media in the open.
    fn default() -> Self {
        let resend = Resend { again: Again::Busy, attempts_max: 3, spacing: Duration::from_millis(200) };
        Self {
            waits: Duration::from_secs(10),
            resend,
            batch_max: 1,
            refuses_opted_out: true,
            keywords: None,
            media_secured: false,
            media_redirect: false,
            mms: true,
        }
    }
}

/// Keywords that a carrier handles and confirms itself if they are the whole text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keywords {
    /// The beginning of our numbers on which it does.
    pub(super) numbers: &'static str,
    pub(super) stop: &'static [&'static str],
    pub(super) start: &'static [&'static str],
    pub(super) stopped: &'static str,
    pub(super) started: &'static str,
}

/// The keys of an account that only this carrier has.
pub(super) struct Keys {
    /// Lines of TOML.
    pub(super) lines: String,
    /// The files that they name, and their content.
    pub(super) secrets: Vec<(&'static str, String)>,
}

/// What a request is.
pub(super) enum Route {
    /// A send; its body is still to be read.
    Send,
    /// A look-up: of this number, if it is to be noted.
    LookUp(Option<E164>, Reply),
    /// A request for a token.
    Token,
    /// Something else, already answered.
    Other(Reply),
}

/// A request that is refused.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) code: u32,
    pub(super) message: &'static str,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: u32, message: &'static str) -> Self {
        Self { status, code, message }
    }

    /// 401.
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 20_003, "Authenticate")
    }

    /// 404.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, 20_404, "The requested resource was not found")
    }
}

/// A send, as parsed.
pub(super) struct Send {
    pub(super) from: E164,
    pub(super) to: E164,
    pub(super) text: String,
    pub(super) media: usize,
    /// The URL for its receipts, if the send has one.
    pub(super) callback: Option<String>,
    /// The gateway's own mark, which receipts repeat.
    pub(super) reference: Option<String>,
}

/// A text from a phone.
pub(super) struct Text<'a> {
    pub(super) id: &'a str,
    pub(super) from: E164,
    pub(super) to: E164,
    pub(super) text: &'a str,
    /// Type and URL of each medium.
    pub(super) media: Vec<(String, String)>,
    /// STOP or START, if the carrier handles it.
    pub(super) keyword: Option<&'static str>,
}

/// A receipt for an accepted send.
pub(super) struct Receipt<'a> {
    pub(super) taken: &'a Taken,
    /// `sent`, `delivered`, `undelivered`, `failed`.
    pub(super) status: &'static str,
    pub(super) code: Option<u32>,
}

/// An accepted send.
#[derive(Clone)]
pub(super) struct Taken {
    pub(super) sid: String,
    pub(super) from: E164,
    pub(super) to: E164,
    pub(super) text: Redacted,
    pub(super) callback: Option<String>,
    pub(super) reference: Option<String>,
}

impl Taken {
    /// The gateway's own id of the message.
    pub(super) fn message_id(&self) -> Option<String> {
        message_id(self.callback.as_deref(), self.reference.as_deref())
    }
}

/// The gateway's own id of a message, in the URL or the mark of its send: `msg_` followed by letters and digits.
pub(super) fn message_id(callback: Option<&str>, reference: Option<&str>) -> Option<String> {
    [callback, reference].into_iter().flatten().find_map(|text| {
        let from = text.find("msg_")?;
        let letters = text[from + 4..].bytes().take_while(u8::is_ascii_alphanumeric).count();
        (letters > 0).then(|| text[from..from + 4 + letters].to_owned())
    })
}

/// A piece of news for the gateway, and the URL it goes to.
#[derive(Clone)]
pub(super) struct Element {
    pub(super) url: String,
    pub(super) content: Content,
}

/// Name and value of a form's field.
pub(super) type Field = (Cow<'static, str>, String);

#[derive(Clone)]
pub(super) enum Content {
    Form(Vec<Field>),
    Json(Value),
}

impl Content {
    /// The JSON; a form is null.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Form(_) => Value::Null,
            Self::Json(value) => value.clone(),
        }
    }

    /// The fields of a form; JSON has none.
    pub(super) fn fields(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Form(fields) => fields.iter().map(|(name, value)| (&**name, &**value)).collect(),
            Self::Json(_) => Vec::new(),
        }
    }
}

/// What a webhook is about.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    /// The id of its message.
    pub(super) id: &'a str,
    /// The status in a receipt, `received` for a text.
    pub(super) status: &'a str,
    /// Signed with the account's secret, or by a forger.
    pub(super) genuine: bool,
}

/// A webhook, ready to be sent.
pub(super) struct Posted {
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

/// The URL of the gateway's door for `kind`: `messages` or `receipts`.
pub(super) fn hook_url(core: &CarrierCore, kind: &str) -> String {
    format!("{}/carriers/{}/{kind}", core.settings.public_url, core.settings.account)
}

/// Random numbers, different in every attempt at a webhook.
pub(super) fn nonce(core: &CarrierCore, about: About<'_>) -> SeededRng {
    let attempt = core.state().nth(&["nonce", about.id, about.status], core.settings.record_max);
    SeededRng::of(core.settings.seed, &["nonce", about.id, about.status], attempt)
}

/// A header's value; empty if absent.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The first value of a query's parameter.
pub(super) fn parameter(head: &Parts, name: &str) -> Option<String> {
    let query = head.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A response with JSON.
pub(super) fn json_reply(status: StatusCode, body: &Value) -> Reply {
    super::super::wire::reply(status, "application/json;charset=utf-8", Bytes::from(body.to_string()))
}
