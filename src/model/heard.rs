//! What a carrier's webhook says, once its dialect is understood.

use super::id::MessageId;
use super::message::FailureCode;
use super::number::Address;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One item of a webhook.
#[derive(Clone, PartialEq, Eq)]
pub enum InboundItem {
    /// A text or multimedia message to one of our numbers.
    Message(Inbound),
    /// What became of a message of ours.
    Receipt(Receipt),
    /// A kind we do not know in an envelope we do: answered 2xx and counted, since an error would only bring it again.
    Ignored {
        /// The carrier's name for it.
        kind: String,
    },
    /// Authentic, but not to be understood: kept as it came (A58).
    Unreadable {
        /// The bytes as they came.
        raw: Vec<u8>,
        /// What could not be understood, without any of its content.
        problem: String,
    },
}

impl fmt::Debug for InboundItem {
    /// Without raw bodies, which hold numbers and texts (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => message.fmt(f),
            Self::Receipt(receipt) => receipt.fmt(f),
            Self::Ignored { kind } => write!(f, "ignored {kind:?}"),
            Self::Unreadable { raw, problem } => write!(f, "unreadable, {} bytes: {problem}", raw.len()),
        }
    }
}

/// A message from a caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The carrier's id of the message; repeats carry the same.
    pub carrier_id: String,
    /// Who wrote.
    pub from: Address,
    /// Our number.
    pub to: Address,
    /// The text; empty where only media came.
    pub text: String,
    /// Photos, videos and the like, in the carrier's order.
    pub media: Vec<InboundMedia>,
    /// Segments as the carrier counted them, where it says.
    pub segments: Option<u16>,
    /// `STOP`, `START` or `HELP` where the carrier recognised a keyword and acts on it.
    pub keyword: Option<String>,
}

impl fmt::Debug for Inbound {
    /// Without the text, which no log may hold (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("carrier_id", &self.carrier_id)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("media", &self.media.len())
            .finish_non_exhaustive()
    }
}

/// Where a medium can be fetched from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundMedia {
    /// The carrier's address of it.
    pub url: String,
    /// The type the carrier claims; its own first bytes will say the truth (A52).
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
    /// The carrier's own word for the state; part of the dedupe key (A62).
    pub status: String,
    /// The state in our words.
    pub state: ReceiptState,
    /// The carrier's error code, where it gave one.
    pub carrier_code: Option<String>,
    /// What that code means and what to do, where its dialect knows.
    pub detail: Option<String>,
    /// Segments as the carrier counted them, where it says.
    pub segments: Option<u16>,
}

/// How a receipt names its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiptRef {
    /// By our own id, which stood in the callback's URL or came back as a tag.
    Ours(MessageId),
    /// By the carrier's id alone.
    CarrierOnly,
}

/// What a receipt says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ReceiptState {
    /// The carrier has it and works on it; nothing changes.
    Queued,
    /// Handed on, and maybe the last word.
    Sent,
    /// There.
    Delivered,
    /// The network could not.
    Undelivered(FailureCode),
    /// The carrier would not.
    Failed(FailureCode),
    /// Too late.
    Expired,
}

/// What makes a webhook's item the same as one heard before (A62): never its text.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Our name of the carrier account.
    pub account: String,
    /// The carrier's id.
    pub carrier_id: String,
    /// What the item is.
    pub kind: ClaimKind,
}

/// The kind of a claimed item, with the status for receipts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ClaimKind {
    /// A message.
    Message,
    /// A receipt: `delivered` must not be dropped because `sent` was seen.
    Receipt {
        /// The carrier's word for the state.
        status: String,
    },
    /// Kept unread; its id is the digest of its bytes.
    Quarantine,
}
