//! How the carrier and its storage answer requests for media, well or badly.

use super::super::super::wire::{Cut, Raw, Reply, Then, endless_of, reply, slow};
use super::SentMedium;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use std::time::Duration;

/// Bytes of an endless file that are written at once, at least.
const ENDLESS_PIECE_BYTES: usize = 16_384;

/// The answer to one request for a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediumAnswer {
    /// The file.
    File,
    /// The carrier refuses, with this status.
    Status {
        /// The status.
        status: u16,
        /// The seconds of its `Retry-After`, if it has one.
        retry_after: Option<u32>,
    },
    /// The carrier redirects to this address instead of its storage.
    Redirect(String),
    /// The carrier does not answer.
    Silent,
    /// The storage redirects to the URL that was requested.
    Loop,
    /// The storage sends the file in so many pieces, each after this wait.
    Slow {
        /// How many pieces.
        pieces: usize,
        /// The wait before each.
        wait: Duration,
    },
    /// The storage closes the connection after so many of the file's bytes.
    Cut(usize),
    /// The storage states this length, whatever the file's is, sends the whole file, and closes the connection.
    Length(usize),
    /// The storage says that the file is encoded in this way.
    Encoded(&'static str),
    /// The storage sends the file over and over.
    Endless,
    /// The storage has an empty file.
    Empty,
}

impl MediumAnswer {
    /// A status without `Retry-After`.
    pub fn status_of(status: u16) -> Self {
        Self::Status { status, retry_after: None }
    }

    /// Whether the storage answers so, and not the carrier.
    pub(super) fn is_of_storage(&self) -> bool {
        match self {
            Self::Status { .. } | Self::Redirect(_) | Self::Silent => false,
            Self::File | Self::Loop | Self::Slow { .. } | Self::Cut(_) | Self::Length(_) => true,
            Self::Encoded(_) | Self::Endless | Self::Empty => true,
        }
    }

    /// Its status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Status { status, .. } => StatusCode::from_u16(*status).expect("a test uses valid statuses"),
            Self::Redirect(_) | Self::Loop => StatusCode::TEMPORARY_REDIRECT,
            _ => StatusCode::OK,
        }
    }
}

/// Gives an answer about this medium at this URL.
pub(super) async fn play(answer: MediumAnswer, medium: &SentMedium, url: &str) -> Result<Reply, Cut> {
    let (file, text) = (&medium.bytes, &*medium.content_type);
    let ok = |bytes: &Bytes| typed(reply(StatusCode::OK, "application/octet-stream", bytes.clone()), text);
    Ok(match &answer {
        MediumAnswer::File => ok(file),
        MediumAnswer::Status { retry_after, .. } => {
            let refused = reply(answer.status(), "application/json", "{}");
            retry_after.iter().fold(refused, |refused, secs| with(refused, RETRY_AFTER, &secs.to_string()))
        }
        MediumAnswer::Redirect(to) => with(reply(answer.status(), "text/plain", ""), LOCATION, to),
        MediumAnswer::Loop => with(reply(answer.status(), "text/plain", ""), LOCATION, url),
        MediumAnswer::Silent => std::future::pending().await,
        MediumAnswer::Slow { pieces, wait } => typed(slow(answer.status(), file.clone(), *pieces, *wait), text),
        MediumAnswer::Cut(at) => by_hand(text, file.len(), &file[..file.len().min(*at)]),
        MediumAnswer::Length(stated) => by_hand(text, *stated, file),
        MediumAnswer::Encoded(encoding) => with(ok(file), CONTENT_ENCODING, encoding),
        MediumAnswer::Endless => {
            let times = ENDLESS_PIECE_BYTES.div_ceil(file.len().max(1));
            typed(endless_of(answer.status(), file.repeat(times).into()), text)
        }
        MediumAnswer::Empty => ok(&Bytes::new()),
    })
}

fn typed(answer: Reply, content_type: &str) -> Reply {
    with(answer, CONTENT_TYPE, content_type)
}

/// A header, unless it cannot be one.
fn with(mut answer: Reply, name: HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::try_from(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// A response that states this length and has these bytes, after which the connection is closed.
fn by_hand(content_type: &str, stated: usize, bytes: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {stated}\r\n\r\n");
    let mut whole = BytesMut::from(head.as_bytes());
    whole.extend_from_slice(bytes);
    Raw::reply(whole.freeze(), Then::Close, reply(StatusCode::OK, "text/plain", ""))
}
