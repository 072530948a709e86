//! A carrier's list of the messages that it received for us, which shows what never arrived.

use crate::model::{Inbound, InboundMedia, Timestamp};
use bytes::Bytes;
use http::Request;
use std::fmt;

/// Maximum size of a page: a hundred messages of 1,600 characters, each escaped.
pub const PAGE_MAX_BYTES: usize = 2 * 1024 * 1024;

/// A part of the list, which one request reads.
#[derive(Clone, PartialEq, Eq)]
pub enum ListPart {
    /// A page of the messages since a time, the newest first.
    Page {
        /// Messages that the carrier received before may be missing.
        since: Timestamp,
        /// The page that the one before it named; `None` for the first.
        next: Option<String>,
    },
    /// The media of a message.
    Media {
        /// Where they are listed, as the message named it.
        place: String,
    },
}

impl fmt::Debug for ListPart {
    /// Omits the places, which name messages and can name numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page { since, next } => write!(f, "page since {since}, first: {}", next.is_none()),
            Self::Media { .. } => f.write_str("media"),
        }
    }
}

/// The next step of reading a part of the list.
pub enum ListStep {
    /// The carrier has no such list.
    NoList,
    /// Send this request, and call `list` again with the response.
    Request(Box<Request<Bytes>>),
    /// A page.
    Page(Page),
    /// The media of a message, in the carrier's order.
    Media(Vec<InboundMedia>),
    /// It failed.
    Failed {
        /// What went wrong and what to do.
        reason: String,
        /// Whether a retry may succeed without a change by an operator.
        retryable: bool,
    },
}

impl fmt::Debug for ListStep {
    /// Omits the request, which has credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoList => f.write_str("NoList"),
            Self::Request(_) => f.write_str("Request"),
            Self::Page(page) => f.debug_tuple("Page").field(page).finish(),
            Self::Media(media) => f.debug_tuple("Media").field(media).finish(),
            Self::Failed { reason, retryable } => {
                f.debug_struct("Failed").field("reason", reason).field("retryable", retryable).finish()
            }
        }
    }
}

/// A page of the list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The messages that the carrier received for us, in its order. Our sends are left out.
    pub messages: Vec<Listed>,
    /// How many others were received for us and cannot be parsed.
    pub unreadable: usize,
    /// The next page; `None` on the last one, or if all on this one are too old.
    pub next: Option<String>,
}

/// A message in the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// When the carrier received it.
    pub at: Timestamp,
    /// The message, as its webhook would have been parsed; without media if those are listed by themselves.
    pub message: Inbound,
    /// Where its media are listed; `None` if it has none, or if they are in the message.
    pub media_place: Option<String>,
}
