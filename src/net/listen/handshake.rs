//! TLS handshakes, which cost a peer nothing and us a millisecond of CPU.
//!
//! Invariant: however many peers begin a handshake, at most half of the cores compute for them, so requests on open
//! connections continue. Nothing is computed for a peer that has disconnected, and little memory is held for a
//! handshake that never completes.

use super::turns::HandshakeQueue;
use super::{Bounds, UNFINISHED_BYTES};
use crate::net::ServerTls;
use crate::net::pace::Socket;
use rustls::server::Acceptor;
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::available_parallelism;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Maximum size of the ClientHello, and of all that follows it. A ClientHello has a few hundred bytes, or 2 kB with
/// post-quantum keys; the rest is larger only with client certificates. rustls itself would buffer 64 kB of either.
const PART_MAX_BYTES: usize = 16 * 1024;

/// Bytes of the request that may be read together with the end of the handshake: one record, and one read of rustls.
const REQUEST_MAX_BYTES: usize = (16 + 2 + 4) * 1024;

/// Maximum number of waiting peers. With one core and a millisecond each (an RSA certificate), the last of them gets
/// its turn after two seconds, which leaves it three of its five to complete the handshake.
const WAITING_MAX: usize = 2_048;

/// The handshakes of one door.
pub(super) struct Handshakes {
    /// Read for each peer, because the certificate may have been replaced.
    tls: ServerTls,
    turns: Arc<HandshakeQueue>,
    /// Permits for large incomplete handshakes.
    large: Arc<Semaphore>,
}

impl Handshakes {
    pub(super) fn new(tls: ServerTls, bounds: &Bounds) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let turns = HandshakeQueue::new((cores / 2).max(1), WAITING_MAX);
        Self { tls, turns, large: Arc::new(Semaphore::new(bounds.unfinished_max)) }
    }

    /// Performs a peer's handshake; the caller sets the deadline. It fails with [`io::ErrorKind::ResourceBusy`] if too
    /// many others are in progress.
    pub(super) async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<Measured>> {
        let part = Some(Part { bytes: 0, request_max: 0, large: Arc::clone(&self.large), permit: None });
        let mut begun = LazyConfigAcceptor::new(Acceptor::default(), Measured { stream, part }).await?;
        let turn = tokio::select! {
            // A peer that disconnects frees its slot immediately, so a flood of them blocks nobody.
            biased;
            () = disconnected(&begun.io.stream) => return Err(io::ErrorKind::ConnectionAborted.into()),
            turn = self.turns.take() => turn.ok_or(io::ErrorKind::ResourceBusy)?,
        };
        begun.io.client_hello_is_complete();
        // The expensive computation happens here, under the turn; the rest waits for the peer.
        let shaking = begun.into_stream(self.tls.config());
        drop(turn);
        let mut shaken = shaking.await?;
        shaken.get_mut().0.part = None;
        Ok(shaken)
    }
}

/// Completes once the peer has closed its side, which no peer does in the middle of a handshake.
async fn disconnected(stream: &TcpStream) {
    let mut byte = [0; 1];
    poll_fn(|cx| match stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
        Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
        // Unread data hides a later close.
        Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
    })
    .await;
}

/// A peer's socket that limits how many bytes a handshake may have.
#[derive(Debug)]
pub(super) struct Measured {
    stream: TcpStream,
    /// `None` once the handshake is complete.
    part: Option<Part>,
}

/// Bytes received of one part of a handshake: the ClientHello, or all that follows it.
#[derive(Debug)]
struct Part {
    bytes: usize,
    /// How many of them may already belong to a request.
    request_max: usize,
    large: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Measured {
    fn client_hello_is_complete(&mut self) {
        if let Some(part) = &mut self.part {
            (part.bytes, part.request_max, part.permit) = (0, REQUEST_MAX_BYTES, None);
        }
    }
}

impl Part {
    fn grows(&mut self, by: usize) -> io::Result<()> {
        self.bytes += by;
        let certain = self.bytes.saturating_sub(self.request_max);
        if certain > PART_MAX_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if certain >= UNFINISHED_BYTES && self.permit.is_none() {
            let permit = Arc::clone(&self.large).try_acquire_owned();
            self.permit = Some(permit.map_err(|_| io::ErrorKind::ResourceBusy)?);
        }
        Ok(())
    }
}

impl Socket for TlsStream<Measured> {
    fn tcp(&self) -> &TcpStream {
        &self.get_ref().0.stream
    }
}

impl AsyncRead for Measured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let received = buf.filled().len() - before;
        Poll::Ready(self.part.as_mut().map_or(Ok(()), |part| part.grows(received)))
    }
}

impl AsyncWrite for Measured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::peer::{certificate, trust, within};
    use super::*;
    use rustls::pki_types::ServerName;
    use std::path::Path;
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    #[tokio::test]
    async fn nothing_is_computed_for_a_peer_that_disconnects_while_it_waits() {
        let files = TempDir::new().unwrap();
        let handshakes = Arc::new(one_at_a_time(files.path(), &Bounds::default()));
        let turn = handshakes.turns.take().await;

        let (mut stays, leaving) = (begin(&handshakes, files.path()).await, begin(&handshakes, files.path()).await);
        let (mut gone, shaking) = leaving;
        gone.shutdown().await.unwrap();
        let left = within(shaking).await.unwrap().unwrap_err();
        assert_eq!(left.kind(), io::ErrorKind::ConnectionAborted, "{left}");
        drop(turn);

        // The remaining peer gets a turn, and releases it before its handshake is complete.
        let mut first = [0; 1];
        within(stays.0.read_exact(&mut first)).await.unwrap();
        assert_eq!(first[0], 22, "a handshake record");
        assert!(within(handshakes.turns.take()).await.is_some());
        assert!(!stays.1.is_finished());
    }

    #[tokio::test]
    async fn g19_large_incomplete_client_hellos_are_limited_in_number_and_size() {
        let files = TempDir::new().unwrap();
        let bounds = Bounds { unfinished_max: 1, ..Bounds::default() };
        let handshakes = Arc::new(one_at_a_time(files.path(), &bounds));
        let (_small, kept) = send(&handshakes, &almost_a_hello(UNFINISHED_BYTES - 100)).await;
        let (_too_large, refused) = send(&handshakes, &almost_a_hello(PART_MAX_BYTES + 100)).await;
        assert_eq!(within(refused).await.unwrap().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (first, shaking) = send(&handshakes, &almost_a_hello(UNFINISHED_BYTES + 100)).await;
        while handshakes.large.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let (_second, refused) = send(&handshakes, &almost_a_hello(UNFINISHED_BYTES + 100)).await;
        assert_eq!(within(refused).await.unwrap().unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        assert!(!kept.is_finished() && !shaking.is_finished());

        drop(first);
        assert_eq!(within(shaking).await.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(handshakes.large.available_permits(), 1, "its permit is free again");
    }

    #[tokio::test]
    async fn a_request_sent_with_the_end_of_the_handshake_is_not_counted_as_part_of_it() {
        let files = TempDir::new().unwrap();
        let bounds = Bounds { unfinished_max: 0, ..Bounds::default() };
        let handshakes = Arc::new(one_at_a_time(files.path(), &bounds));
        let (peer, shaking) = send(&handshakes, b"").await;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(trust(files.path())));
        let mut peer = within(connector.connect("localhost".try_into().unwrap(), peer)).await.unwrap();
        let request = [b'x'; 256 * 1024];
        let received = async {
            let mut received = vec![0; request.len()];
            shaking.await.unwrap().unwrap().read_exact(&mut received).await.map(|_| received)
        };
        let (written, received) = within(async { tokio::join!(peer.write_all(&request), received) }).await;
        written.unwrap();
        assert!(received.unwrap() == request);
    }

    fn one_at_a_time(files: &Path, bounds: &Bounds) -> Handshakes {
        Handshakes { turns: HandshakeQueue::new(1, WAITING_MAX), ..Handshakes::new(certificate(files), bounds) }
    }

    /// A ClientHello of `bytes` bytes without its last one.
    fn almost_a_hello(bytes: usize) -> Vec<u8> {
        let (record, message) = (u16::try_from(bytes - 5).unwrap(), u16::try_from(bytes - 9).unwrap());
        let mut hello = vec![22, 3, 1, 0, 0, 1, 0, 0, 0];
        hello[3..5].copy_from_slice(&record.to_be_bytes());
        hello[7..9].copy_from_slice(&message.to_be_bytes());
        hello.resize(bytes - 1, 0);
        hello
    }

    /// A peer that has sent its ClientHello, and the door's handshake task.
    async fn begin(handshakes: &Arc<Handshakes>, files: &Path) -> (TcpStream, Shaking) {
        let localhost = ServerName::try_from("localhost").unwrap();
        let mut hello = Vec::new();
        rustls::ClientConnection::new(Arc::new(trust(files)), localhost).unwrap().write_tls(&mut hello).unwrap();
        send(handshakes, &hello).await
    }

    /// The same with arbitrary bytes.
    async fn send(handshakes: &Arc<Handshakes>, hello: &[u8]) -> (TcpStream, Shaking) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        peer.write_all(hello).await.unwrap();
        let handshakes = Arc::clone(handshakes);
        (peer, tokio::spawn(async move { handshakes.shake(stream).await }))
    }

    type Shaking = JoinHandle<io::Result<TlsStream<Measured>>>;
}
