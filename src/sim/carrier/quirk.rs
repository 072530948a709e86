//! Responses that deviate from the carrier's data sheet.

use super::super::dice::SeededRng;
use super::super::wire::{Raw, Reply, Then, endless, reply};
use super::record::PostAnswer;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};

/// The body of a huge answer.
const HUGE_BYTES: usize = 10 << 20;
/// A head longer than any client reads.
const HEAD_BYTES: usize = 1 << 20;

/// An unusual response to a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// A complete response with this status, from a proxy in front of the carrier. The message was not accepted.
    Status(u16),
    /// 200 instead of 201.
    Ok,
    /// An unrequested `100 Continue`, then the response.
    ContinueFirst,
    /// The response, twice.
    Twice,
    /// 201 without a body.
    Empty,
    /// 201 with an array.
    Array,
    /// 201 with ten megabytes of JSON.
    Huge,
    /// 201 with an endless chunked body.
    Endless,
    /// A head of a megabyte.
    LongHead,
    /// Bytes of another protocol.
    NoHttp,
    /// A reset before any byte.
    Reset,
    /// A reset in the middle of the response.
    ResetAnswer,
    /// The first bytes of the response.
    Cut {
        /// The number of bytes.
        at: usize,
        /// Whether the response has a length. Otherwise it ends with the connection.
        announced: bool,
    },
}

impl Quirk {
    /// The quirks a carrier on a bad day chooses from.
    pub const ALL: [Self; 14] = [
        Self::Status(503),
        Self::Status(302),
        Self::Ok,
        Self::ContinueFirst,
        Self::Empty,
        Self::Array,
        Self::Huge,
        Self::Endless,
        Self::LongHead,
        Self::NoHttp,
        Self::Reset,
        Self::ResetAnswer,
        Self::Cut { at: 12, announced: true },
        Self::Cut { at: 300, announced: false },
    ];

    /// One of them.
    pub(super) fn any(dice: &mut SeededRng) -> Self {
        let nth = dice.next() % Self::ALL.len() as u64;
        Self::ALL[usize::try_from(nth).expect("there are fewer than a hundred")]
    }

    /// Whether the message is accepted, if the response is unambiguous.
    pub(super) fn takes(self) -> Option<bool> {
        match self.post_answer() {
            PostAnswer::Accepted => Some(true),
            PostAnswer::No { .. } => Some(false),
            PostAnswer::Unclear => None,
        }
    }

    /// The meaning of the response, for the record.
    pub(super) fn post_answer(self) -> PostAnswer {
        match self {
            Self::Ok | Self::ContinueFirst | Self::Twice => PostAnswer::Accepted,
            Self::Status(status) => PostAnswer::No { status, code: 0 },
            _ => PostAnswer::Unclear,
        }
    }

    /// The response, made from the regular one.
    pub(super) fn answer(self, due: Reply) -> Reply {
        let (regular, body) = (due.status(), due.body().whole());
        let written = |announced| written(regular, &body, announced);
        match self {
            Self::Status(status) => page(status),
            Self::Ok => with_status(due, StatusCode::OK),
            Self::ContinueFirst => Raw::reply("HTTP/1.1 100 Continue\r\n\r\n", Then::Answer, due),
            Self::Twice => Raw::reply(written(true), Then::Answer, due),
            Self::Empty => json(Vec::new()),
            Self::Array => json(b"[]".to_vec()),
            Self::Huge => json([b"{\"sid\":\"".to_vec(), vec![b'f'; HUGE_BYTES], b"\"}".to_vec()].concat()),
            Self::Endless => endless(StatusCode::CREATED),
            Self::LongHead => {
                let head = [b"HTTP/1.1 201 Created\r\nX: ".to_vec(), vec![b'x'; HEAD_BYTES]].concat();
                Raw::reply(head, Then::Close, due)
            }
            Self::NoHttp => Raw::reply("220 mail.example.com ESMTP\r\n", Then::Close, due),
            Self::Reset => Raw::reply("", Then::Reset, due),
            Self::ResetAnswer => {
                let whole = written(true);
                Raw::reply(whole[..whole.len() / 2].to_vec(), Then::Reset, due)
            }
            Self::Cut { at, announced } => {
                let whole = written(announced);
                Raw::reply(whole[..at.min(whole.len())].to_vec(), Then::Close, due)
            }
        }
    }
}

/// The regular response, byte by byte.
fn written(status: StatusCode, body: &[u8], announced: bool) -> Vec<u8> {
    let end = if announced { format!("Content-Length: {}", body.len()) } else { "Connection: close".to_owned() };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json;charset=utf-8\r\n{end}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn with_status(mut answer: Reply, status: StatusCode) -> Reply {
    *answer.status_mut() = status;
    answer
}

fn json(body: Vec<u8>) -> Reply {
    reply(StatusCode::CREATED, "application/json;charset=utf-8", body)
}

/// An error page of a proxy.
fn page(status: u16) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut answer = reply(status, "text/html", format!("<!DOCTYPE html><title>{status}</title>"));
    if status.is_redirection() {
        answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/2010-04-01/elsewhere"));
    }
    answer
}
