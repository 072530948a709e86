//! The pace a peer must keep: deadlines of one connection, and the socket that tells of its bytes.
//!
//! hyper bounds the headers only, and counts the wait for a next request as part of them; nothing below bounds a write.
//! So the connection's one task asks here, after each step, how long it may wait for the next.

use super::listen::Bounds;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What a peer that reads slowly must take within each write deadline. A peer that takes less than this in ten seconds
/// holds a connection for the sake of holding it.
const WRITE_PROGRESS_BYTES: usize = 64 * 1024;

/// One connection's deadlines. Everything that touches it runs in the connection's own task.
pub(super) struct Deadlines {
    headers: Duration,
    idle: Duration,
    write: Duration,
    state: Mutex<State>,
}

struct State {
    reading: Reading,
    /// Of headers that are coming, what has come.
    unfinished_bytes: usize,
    /// When what the peer owes us must be here; nothing while we are at work on its request.
    read_by: Option<Instant>,
    /// When what we have written must be taken; nothing while nothing waits.
    write_by: Option<Instant>,
    /// Taken since `write_by` was set.
    taken_bytes: usize,
    /// What was not taken by then is not to be waited for.
    given_up: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    /// No byte of the next request has come.
    Idle,
    /// Its headers are coming.
    Headers,
    /// It is being answered; its body has a deadline of its own.
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
    /// A connection that begins now. A new connection owes us headers at once.
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

    /// The earliest deadline there is.
    pub(super) fn deadline(&self) -> Option<(Instant, Late)> {
        let state = self.state();
        let late = if state.reading == Reading::Idle { Late::Idle } else { Late::Headers };
        let read = state.read_by.map(|by| (by, late));
        let write = state.write_by.map(|by| (by, Late::Write));
        [read, write].into_iter().flatten().min_by_key(|(by, _)| *by)
    }

    /// How much has come of headers that are not complete.
    pub(super) fn unfinished_bytes(&self) -> usize {
        self.state().unfinished_bytes
    }

    /// The headers are complete: a request is at work.
    pub(super) fn request_begins(&self) {
        let mut state = self.state();
        state.reading = Reading::Answering;
        state.unfinished_bytes = 0;
        state.read_by = None;
    }

    /// The answer has left for the socket.
    pub(super) fn request_ends(&self) {
        let mut state = self.state();
        state.reading = Reading::Idle;
        state.read_by = Some(Instant::now() + self.idle);
    }

    /// The peer takes nothing: what is left for it goes with the connection.
    pub(super) fn give_up(&self) {
        self.state().given_up = true;
    }

    fn bytes_came(&self, count: usize) {
        let mut state = self.state();
        if state.reading == Reading::Idle {
            state.reading = Reading::Headers;
            state.read_by = Some(Instant::now() + self.headers);
        }
        if state.reading == Reading::Headers {
            state.unfinished_bytes += count;
        }
    }

    fn write_waits(&self) {
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

/// A socket, in clear or below TLS.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The socket itself.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

/// A socket that tells its [`Deadlines`] what comes and goes.
pub(super) struct WithDeadlines<S: Socket> {
    inner: S,
    pace: Arc<Deadlines>,
}

impl<S: Socket> Drop for WithDeadlines<S> {
    fn drop(&mut self) {
        // A close in good order waits behind what the peer does not take: for minutes, with a buffer in the system that
        // is larger than all we keep for a connection. A reset leaves nothing. Failing that, the close stays as it is.
        if self.pace.state().given_up {
            let _ = self.inner.tcp().set_zero_linger();
        }
    }
}

impl<S: Socket> WithDeadlines<S> {
    pub(super) fn new(inner: S, pace: Arc<Deadlines>) -> Self {
        Self { inner, pace }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(count)) => self.pace.bytes_taken(*count),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pace.write_waits(),
        }
        result
    }

    /// hyper flushes once the socket has taken all it had, so a finished flush means that nothing waits.
    fn flushed(&self, result: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match &result {
            Poll::Ready(Ok(())) => self.pace.all_taken(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pace.write_waits(),
        }
        result
    }
}

impl<S: Socket> AsyncRead for WithDeadlines<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        let came = buf.filled().len() - before;
        if came > 0 {
            self.pace.bytes_came(came);
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
    async fn the_wait_for_a_next_request_is_longer_than_the_wait_for_its_headers() {
        let pace = Deadlines::new(&Bounds { headers: 10 * SECOND, idle: 60 * SECOND, ..Bounds::default() });
        assert_eq!(left(&pace), Some((10 * SECOND, Late::Headers)), "a new connection owes us headers");
        pace.bytes_came(1);
        tokio::time::advance(3 * SECOND).await;
        pace.bytes_came(1);
        assert_eq!(left(&pace), Some((7 * SECOND, Late::Headers)), "a drip does not move the deadline");
        assert_eq!(pace.unfinished_bytes(), 2);
        pace.request_begins();
        assert_eq!(left(&pace), None);
        pace.bytes_came(9);
        assert_eq!(pace.unfinished_bytes(), 0, "that is its body");
        pace.request_ends();
        assert_eq!(left(&pace), Some((60 * SECOND, Late::Idle)));
        pace.bytes_came(1);
        assert_eq!(left(&pace), Some((10 * SECOND, Late::Headers)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_crumbs_meets_the_write_deadline_and_one_that_takes_its_share_does_not() {
        let pace = Deadlines::new(&Bounds { write: 10 * SECOND, ..Bounds::default() });
        pace.request_begins();
        pace.write_waits();
        tokio::time::advance(6 * SECOND).await;
        pace.bytes_taken(1000);
        pace.write_waits();
        assert_eq!(left(&pace), Some((4 * SECOND, Late::Write)));
        pace.bytes_taken(WRITE_PROGRESS_BYTES);
        assert_eq!(left(&pace), Some((10 * SECOND, Late::Write)));
        pace.all_taken();
        assert_eq!(left(&pace), None);
    }

    fn left(pace: &Deadlines) -> Option<(Duration, Late)> {
        pace.deadline().map(|(by, late)| (by - Instant::now(), late))
    }
}
