//! The items of a carrier's webhook, independent of the carrier's format.

use super::id::MessageId;
use super::message::FailureCode;
use super::number::Address;
use std::fmt;

/// One item of a webhook.
#[derive(Clone, PartialEq, Eq)]
pub enum InboundItem {
    /// A text or multimedia message to one of our numbers.
    Message(Inbound),
    /// A delivery receipt for one of our messages.
    Receipt(Receipt),
    /// An unknown kind of event in a known envelope: acknowledged with 2xx and counted, because an error would only
    /// make the carrier repeat it.
    Ignored {
        /// The carrier's name for it.
        kind: String,
    },
    /// An authentic webhook that cannot be parsed: its raw bytes are quarantined (A58).
    Unreadable {
        /// The raw bytes as received.
        raw: Vec<u8>,
        /// What could not be parsed, without any of the content.
        problem: String,
        /// The rest of the webhook that a parser needs to read it again; `None` if it came over a session.
        request: Option<Box<RawRequest>>,
    },
}

/// What a parser needs of a webhook besides its content. Signatures are not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct RawRequest {
    /// `POST` or `GET`.
    pub method: String,
    /// The target of the request line, unchanged.
    pub path_and_query: String,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The body was empty: the content is the query.
    pub in_query: bool,
}

impl fmt::Debug for RawRequest {
    /// Omits the target, whose query can contain numbers and texts (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} of {:?}", self.method, self.content_type)
    }
}

impl fmt::Debug for InboundItem {
    /// Omits raw bodies, which contain numbers and texts (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => message.fmt(f),
            Self::Receipt(receipt) => receipt.fmt(f),
            Self::Ignored { kind } => write!(f, "ignored {kind:?}"),
            Self::Unreadable { raw, problem, .. } => write!(f, "unreadable, {} bytes: {problem}", raw.len()),
        }
    }
}

/// A message from a caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The carrier's id of the message; a repeated webhook carries the same one.
    pub carrier_id: String,
    /// The sender.
    pub from: Address,
    /// Our number.
    pub to: Address,
    /// The text; empty if the message has media only.
    pub text: String,
    /// Photos, videos and other media, in the carrier's order.
    pub media: Vec<InboundMedia>,
    /// Segments as counted by the carrier, if it reports them.
    pub segments: Option<u16>,
    /// `STOP`, `START` or `HELP` if the carrier recognised a keyword and acts on it.
    pub keyword: Option<String>,
    /// Which part of a long text this is, for carriers that deliver the parts by themselves. `text` is empty then.
    pub part: Option<Box<Part>>,
}

impl fmt::Debug for Inbound {
    /// Omits the text, which must not be logged (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("carrier_id", &self.carrier_id)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("media", &self.media.len())
            .finish_non_exhaustive()
    }
}

/// A part of a long text. Parts with the same account, sender, recipient, reference and total make one text.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// The carrier's reference of the text, at most [`Part::REFERENCE_MAX_BYTES`] long.
    pub reference: String,
    /// The place of this part in the text, from 1 to `total`.
    pub number: u8,
    /// How many parts the text has, at least 2.
    pub total: u8,
    /// The characters of this part as UTF-8 in which a surrogate may stand alone, because its other half can be in the
    /// next part. They are decoded once the parts are joined.
    pub content: Vec<u8>,
}

impl Part {
    /// Maximum length of a reference.
    pub const REFERENCE_MAX_BYTES: usize = 32;

    /// A part; `None` if there is no such part of a text, as 3 of 2 or 1 of 1. What came is a text by itself then.
    pub fn new(reference: &str, number: u64, total: u64, content: Vec<u8>) -> Option<Box<Self>> {
        let (number, total) = (u8::try_from(number).ok()?, u8::try_from(total).ok()?);
        let fits = total >= 2 && (1..=total).contains(&number) && reference.len() <= Self::REFERENCE_MAX_BYTES;
        fits.then(|| Box::new(Self { reference: reference.to_owned(), number, total, content }))
    }
}

impl fmt::Debug for Part {
    /// Omits the content, which must not be logged (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part {} of {}", self.number, self.total)
    }
}

/// A medium of an inbound message, not fetched yet.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundMedia {
    /// The carrier's URL of it.
    pub url: String,
    /// The type claimed by the carrier; the actual type is determined from the first bytes (A52).
    pub content_type: Option<String>,
}

impl fmt::Debug for InboundMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a medium")
    }
}

/// A delivery receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Which message it is about.
    pub about: ReceiptRef,
    /// The carrier's id of the message.
    pub carrier_id: String,
    /// The carrier's own word for the state; part of the deduplication key (A62).
    pub status: String,
    /// The state in the gateway's terms.
    pub state: ReceiptState,
    /// The carrier's error code, if it gave one.
    pub carrier_code: Option<String>,
    /// What that code means and what to do, if the adapter knows the code.
    pub detail: Option<String>,
    /// Segments as counted by the carrier, if it reports them.
    pub segments: Option<u16>,
}

/// How a receipt refers to its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiptRef {
    /// By our message id, from the callback URL or an echoed tag.
    Ours(MessageId),
    /// By our message id, and about a part of its text, which has a carrier's id of its own.
    PartOf(MessageId),
    /// By the carrier's id only.
    CarrierOnly,
}

/// The state a receipt reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiptState {
    /// The carrier accepted the message and has not sent it yet.
    Queued,
    /// The carrier passed the message on; no further receipt may follow.
    Sent,
    /// The message was delivered.
    Delivered,
    /// The network could not deliver it.
    Undelivered(FailureCode),
    /// The carrier rejected it.
    Failed(FailureCode),
    /// The message expired before delivery.
    Expired,
}

/// The deduplication key of a webhook item (A62). It never contains the text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Claim {
    /// The configured name of the carrier account.
    pub account: String,
    /// The carrier's id.
    pub carrier_id: String,
    /// The kind of item.
    pub kind: ClaimKind,
}

/// The kind of a claimed item, with the status for receipts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ClaimKind {
    /// A message.
    Message,
    /// A receipt. The status is part of the key, so that `delivered` is not dropped as a duplicate of `sent`.
    Receipt {
        /// The carrier's word for the state.
        status: String,
    },
    /// A quarantined webhook; its id is the digest of its bytes.
    Quarantine,
}
