//! The deadlines of one connection, and the socket wrapper that feeds them.
//!
//! hyper limits only the headers, counts idle time as part of them, and nothing limits a write. So the connection's
//! task checks these deadlines after every poll.

use super::listen::Bounds;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How much a slow reader must take within each write deadline. A peer that takes less than this in ten seconds is only
/// holding the connection open.
const WRITE_PROGRESS_BYTES: usize = 64 * 1024;

/// One connection's deadlines. Only the connection's own task uses them.
pub(super) struct Deadlines {
    headers: Duration,
    idle: Duration,
    write: Duration,
    state: Mutex<State>,
}

struct State {
    reading: Reading,
    /// Bytes received of incomplete headers.
    unfinished_bytes: usize,
    /// When the headers or the next request must have arrived; `None` while a request is processed.
    read_by: Option<Instant>,
    /// When the written data must have been taken; `None` while no data waits.
    write_by: Option<Instant>,
    /// Bytes taken since `write_by` was set.
    taken_bytes: usize,
    /// The write deadline passed: unsent data is discarded when the connection closes.
    given_up: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    /// No byte of the next request has arrived.
    Idle,
    /// Its headers are being received.
    Headers,
    /// It is being processed; its body has a separate deadline.
    Answering,
}

/// Which deadline passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Late {
    Headers,
    Idle,
    Write,
}

impl Deadlines {
    /// Deadlines for a connection that begins now. The first headers are due from the start.
    pub(super) fn new(bounds: &Bounds) -> Arc<Self> {
        Arc::new(Self {
            headers: bounds.headers,
            idle: bounds.idle,
            write: bounds.write,
            state: Mutex::new(State {
                reading: Reading::Headers,
                unfinished_bytes: 0,
                read_by: Some(Instant::now() + bounds.headers),
                write_by: None,
                taken_bytes: 0,
                given_up: false,
            }),
        })
    }

    /// The earliest deadline, if any.
    pub(super) fn deadline(&self) -> Option<(Instant, Late)> {
        let state = self.state();
        let late = if state.reading == Reading::Idle { Late::Idle } else { Late::Headers };
        let read = state.read_by.map(|by| (by, late));
        let write = state.write_by.map(|by| (by, Late::Write));
        [read, write].into_iter().flatten().min_by_key(|(by, _)| *by)
    }

    /// Bytes received of incomplete headers.
    pub(super) fn unfinished_bytes(&self) -> usize {
        self.state().unfinished_bytes
    }

    /// The headers are complete and the request is being processed.
    pub(super) fn request_begins(&self) {
        let mut state = self.state();
        state.reading = Reading::Answering;
        state.unfinished_bytes = 0;
        state.read_by = None;
    }

    /// The response has been written to the socket.
    pub(super) fn request_ends(&self) {
        let mut state = self.state();
        state.reading = Reading::Idle;
        state.read_by = Some(Instant::now() + self.idle);
    }

    /// The peer reads nothing: unsent data is discarded with the connection.
    pub(super) fn give_up(&self) {
        self.state().given_up = true;
    }

    fn bytes_received(&self, count: usize) {
        let mut state = self.state();
        if state.reading == Reading::Idle {
            state.reading = Reading::Headers;
            state.read_by = Some(Instant::now() + self.headers);
        }
        if state.reading == Reading::Headers {
            state.unfinished_bytes += count;
        }
    }

    fn write_blocked(&self) {
        let mut state = self.state();
        if state.write_by.is_none() {
            state.write_by = Some(Instant::now() + self.write);
            state.taken_bytes = 0;
        }
    }

    fn bytes_taken(&self, count: usize) {
        let mut state = self.state();
        if state.write_by.is_none() {
            return;
        }
        state.taken_bytes += count;
        if state.taken_bytes >= WRITE_PROGRESS_BYTES {
            state.write_by = Some(Instant::now() + self.write);
            state.taken_bytes = 0;
        }
    }

    fn all_taken(&self) {
        self.state().write_by = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket, plaintext or under TLS.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The underlying TCP socket.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

/// A socket that reports received and sent bytes to its [`Deadlines`].
pub(super) struct WithDeadlines<S: Socket> {
    inner: S,
    deadlines: Arc<Deadlines>,
}

impl<S: Socket> Drop for WithDeadlines<S> {
    fn drop(&mut self) {
        // A graceful close blocks behind unsent data for minutes, with a kernel buffer larger than all we keep for a
        // connection. A reset frees it at once. If setting it fails, the close is graceful.
        if self.deadlines.state().given_up {
            let _ = self.inner.tcp().set_zero_linger();
        }
    }
}

impl<S: Socket> WithDeadlines<S> {
    pub(super) fn new(inner: S, deadlines: Arc<Deadlines>) -> Self {
        Self { inner, deadlines }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(count)) => self.deadlines.bytes_taken(*count),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.deadlines.write_blocked(),
        }
        result
    }

    /// hyper flushes once the socket has taken all its data, so a finished flush means that no data waits.
    fn flushed(&self, result: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match &result {
            Poll::Ready(Ok(())) => self.deadlines.all_taken(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.deadlines.write_blocked(),
        }
        result
    }
}

impl<S: Socket> AsyncRead for WithDeadlines<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        let received = buf.filled().len() - before;
        if received > 0 {
            self.deadlines.bytes_received(received);
        }
        result
    }
}

impl<S: Socket> AsyncWrite for WithDeadlines<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.flushed(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.flushed(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_idle_deadline_and_the_header_deadline_are_separate() {
        let deadlines = Deadlines::new(&Bounds { headers: 10 * SECOND, idle: 60 * SECOND, ..Bounds::default() });
        assert_eq!(
            left(&deadlines),
            Some((10 * SECOND, Late::Headers)),
            "the headers of a new connection are due from the start"
        );
        deadlines.bytes_received(1);
        tokio::time::advance(3 * SECOND).await;
        deadlines.bytes_received(1);
        assert_eq!(left(&deadlines), Some((7 * SECOND, Late::Headers)), "more bytes do not extend the deadline");
        assert_eq!(deadlines.unfinished_bytes(), 2);
        deadlines.request_begins();
        assert_eq!(left(&deadlines), None);
        deadlines.bytes_received(9);
        assert_eq!(deadlines.unfinished_bytes(), 0, "body bytes do not count");
        deadlines.request_ends();
        assert_eq!(left(&deadlines), Some((60 * SECOND, Late::Idle)));
        deadlines.bytes_received(1);
        assert_eq!(left(&deadlines), Some((10 * SECOND, Late::Headers)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_too_slowly_hits_the_write_deadline() {
        let deadlines = Deadlines::new(&Bounds { write: 10 * SECOND, ..Bounds::default() });
        deadlines.request_begins();
        deadlines.write_blocked();
        tokio::time::advance(6 * SECOND).await;
        deadlines.bytes_taken(1000);
        deadlines.write_blocked();
        assert_eq!(left(&deadlines), Some((4 * SECOND, Late::Write)));
        deadlines.bytes_taken(WRITE_PROGRESS_BYTES);
        assert_eq!(left(&deadlines), Some((10 * SECOND, Late::Write)));
        deadlines.all_taken();
        assert_eq!(left(&deadlines), None);
    }

    fn left(deadlines: &Deadlines) -> Option<(Duration, Late)> {
        deadlines.deadline().map(|(by, late)| (by - Instant::now(), late))
    }
}
