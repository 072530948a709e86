//! Raw bytes written below hyper: a response truncated anywhere, or bytes that are not HTTP.

use super::Reply;
use bytes::{Buf as _, Bytes};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes to write instead of a response, or before it. Stored in the response's extensions.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Raw {
    pub(in crate::sim) bytes: Bytes,
    pub(in crate::sim) then: Then,
}

/// What follows the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sim) enum Then {
    /// The response itself.
    Answer,
    /// A graceful close.
    Close,
    /// A reset, which may overtake the bytes.
    Reset,
}

impl Raw {
    /// A response replaced by these bytes and what follows them.
    pub(in crate::sim) fn reply(bytes: impl Into<Bytes>, then: Then, answer: Reply) -> Reply {
        let mut answer = answer;
        answer.extensions_mut().insert(Self { bytes: bytes.into(), then });
        answer
    }
}

/// What a connection writes next instead of hyper's bytes. Clones belong to the same connection.
#[derive(Clone, Default)]
pub(super) struct Next(Arc<Mutex<Option<Raw>>>);

impl Next {
    pub(super) fn set(&self, raw: Raw) {
        *self.lock() = Some(raw);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Raw>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

/// A connection whose output can be replaced.
pub(super) struct Socket {
    stream: TcpStream,
    next: Next,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> (Self, Next) {
        let next = Next::default();
        (Self { stream, next: next.clone() }, next)
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let next = self.next.clone();
        let mut next = next.lock();
        while let Some(raw) = &mut *next {
            if raw.bytes.has_remaining() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &raw.bytes))?;
                raw.bytes.advance(written);
                continue;
            }
            match raw.then {
                Then::Answer => *next = None,
                // hyper drops the connection on an error, which closes it.
                Then::Close => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Then::Reset => {
                    self.stream.set_zero_linger()?;
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
            }
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
