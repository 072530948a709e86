//! TLS handshakes, which cost a peer nothing and us a millisecond.
//!
//! Invariant: however many peers begin a handshake, half of the cores compute for them at most, one peer after another, so
//! requests on connections that are there already go on. Nothing is computed for a peer that has left meanwhile, and little
//! is kept for one that does not come to an end.

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

/// A first word is some hundred bytes, and 2 kB with the keys of a day to come; what follows it is larger only where a
/// client shows certificates. rustls would keep 64 kB of either.
const PART_MAX_BYTES: usize = 16 * 1024;

/// What may be read with the end of a handshake and is none of it: a record of the request, and as much as rustls reads at a
/// time.
const REQUEST_MAX_BYTES: usize = (16 + 2 + 4) * 1024;

/// Peers that wait for their turn. At a millisecond each, which is a certificate of RSA, and one at a time, the last of them
/// has its turn after two seconds: three of its five are left for what only it can do.
const WAITING_MAX: usize = 2_048;

/// The handshakes of one door.
pub(super) struct Handshakes {
    /// Asked for each peer: it may have taken over another certificate meanwhile.
    tls: ServerTls,
    turns: Arc<HandshakeQueue>,
    /// Places for those that are large and not whole.
    large: Arc<Semaphore>,
}

impl Handshakes {
    pub(super) fn new(tls: ServerTls, bounds: &Bounds) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let turns = HandshakeQueue::new((cores / 2).max(1), WAITING_MAX);
        Self { tls, turns, large: Arc::new(Semaphore::new(bounds.unfinished_max)) }
    }

    /// A peer's handshake. Its time is the caller's to bound. It fails with [`io::ErrorKind::ResourceBusy`] where others are
    /// at the same and this one is too many.
    pub(super) async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<Measured>> {
        let part = Some(Part { bytes: 0, request_max: 0, large: Arc::clone(&self.large), place: None });
        let mut begun = LazyConfigAcceptor::new(Acceptor::default(), Measured { stream, part }).await?;
        let turn = tokio::select! {
            // Who leaves makes room at once: in a flood of such peers nobody waits behind them.
            biased;
            () = leaves(&begun.io.stream) => return Err(io::ErrorKind::ConnectionAborted.into()),
            turn = self.turns.take() => turn.ok_or(io::ErrorKind::ResourceBusy)?,
        };
        begun.io.first_word_is_whole();
        // The keys are computed here and now; what is left waits for the peer.
        let shaking = begun.into_stream(self.tls.config());
        drop(turn);
        let mut shaken = shaking.await?;
        shaken.get_mut().0.part = None;
        Ok(shaken)
    }
}

/// Ends once the peer has closed its side, as nobody does who goes on with a handshake.
async fn leaves(stream: &TcpStream) {
    let mut byte = [0; 1];
    poll_fn(|cx| match stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
        Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
        // What it has said already hides whether it leaves.
        Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
    })
    .await;
}

/// A peer's socket, of which no more is read than a handshake may have.
#[derive(Debug)]
pub(super) struct Measured {
    stream: TcpStream,
    /// None once hands are shaken.
    part: Option<Part>,
}

/// What has come of one part of a handshake: the peer's first word, or all that follows.
#[derive(Debug)]
struct Part {
    bytes: usize,
    /// How many of them may be of a request already.
    request_max: usize,
    large: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
}

impl Measured {
    fn first_word_is_whole(&mut self) {
        if let Some(part) = &mut self.part {
            (part.bytes, part.request_max, part.place) = (0, REQUEST_MAX_BYTES, None);
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
        if certain >= UNFINISHED_BYTES && self.place.is_none() {
            let place = Arc::clone(&self.large).try_acquire_owned();
            self.place = Some(place.map_err(|_| io::ErrorKind::ResourceBusy)?);
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
        let came = buf.filled().len() - before;
        Poll::Ready(self.part.as_mut().map_or(Ok(()), |part| part.grows(came)))
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
    async fn nothing_is_computed_for_who_leaves_while_others_have_their_turn() {
        let files = TempDir::new().unwrap();
        let handshakes = Arc::new(one_at_a_time(files.path(), &Bounds::default()));
        let turn = handshakes.turns.take().await;

        let (mut stays, leaves) = (begin(&handshakes, files.path()).await, begin(&handshakes, files.path()).await);
        let (mut gone, shaking) = leaves;
        gone.shutdown().await.unwrap();
        let left = within(shaking).await.unwrap().unwrap_err();
        assert_eq!(left.kind(), io::ErrorKind::ConnectionAborted, "{left}");
        drop(turn);

        // Whoever stays has a turn, and gives it back before its handshake is done.
        let mut said = [0; 1];
        within(stays.0.read_exact(&mut said)).await.unwrap();
        assert_eq!(said[0], 22, "a handshake");
        assert!(within(handshakes.turns.take()).await.is_some());
        assert!(!stays.1.is_finished());
    }

    #[tokio::test]
    async fn g19_of_first_words_that_are_large_and_not_whole_only_so_many_are_kept_and_one_over_the_bound_is_refused() {
        let files = TempDir::new().unwrap();
        let bounds = Bounds { unfinished_max: 1, ..Bounds::default() };
        let handshakes = Arc::new(one_at_a_time(files.path(), &bounds));
        let (_small, kept) = say(&handshakes, &almost_a_hello(UNFINISHED_BYTES - 100)).await;
        let (_too_large, refused) = say(&handshakes, &almost_a_hello(PART_MAX_BYTES + 100)).await;
        assert_eq!(within(refused).await.unwrap().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (first, shaking) = say(&handshakes, &almost_a_hello(UNFINISHED_BYTES + 100)).await;
        while handshakes.large.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let (_second, crowded) = say(&handshakes, &almost_a_hello(UNFINISHED_BYTES + 100)).await;
        assert_eq!(within(crowded).await.unwrap().unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        assert!(!kept.is_finished() && !shaking.is_finished());

        drop(first);
        assert_eq!(within(shaking).await.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(handshakes.large.available_permits(), 1, "its place is free again");
    }

    #[tokio::test]
    async fn a_request_that_comes_with_the_end_of_the_handshake_is_no_part_of_it() {
        let files = TempDir::new().unwrap();
        let bounds = Bounds { unfinished_max: 0, ..Bounds::default() };
        let handshakes = Arc::new(one_at_a_time(files.path(), &bounds));
        let (peer, shaking) = say(&handshakes, b"").await;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(trust(files.path())));
        let mut peer = within(connector.connect("localhost".try_into().unwrap(), peer)).await.unwrap();
        let request = [b'x'; 256 * 1024];
        let heard = async {
            let mut heard = vec![0; request.len()];
            shaking.await.unwrap().unwrap().read_exact(&mut heard).await.map(|_| heard)
        };
        let (said, heard) = within(async { tokio::join!(peer.write_all(&request), heard) }).await;
        said.unwrap();
        assert!(heard.unwrap() == request);
    }

    fn one_at_a_time(files: &Path, bounds: &Bounds) -> Handshakes {
        Handshakes { turns: HandshakeQueue::new(1, WAITING_MAX), ..Handshakes::new(certificate(files), bounds) }
    }

    /// A first word of so many bytes without its last one: a record of a message of a hello.
    fn almost_a_hello(bytes: usize) -> Vec<u8> {
        let (record, message) = (u16::try_from(bytes - 5).unwrap(), u16::try_from(bytes - 9).unwrap());
        let mut hello = vec![22, 3, 1, 0, 0, 1, 0, 0, 0];
        hello[3..5].copy_from_slice(&record.to_be_bytes());
        hello[7..9].copy_from_slice(&message.to_be_bytes());
        hello.resize(bytes - 1, 0);
        hello
    }

    /// A peer that has said its first word, and what the door does about it.
    async fn begin(handshakes: &Arc<Handshakes>, files: &Path) -> (TcpStream, Shaking) {
        let localhost = ServerName::try_from("localhost").unwrap();
        let mut hello = Vec::new();
        rustls::ClientConnection::new(Arc::new(trust(files)), localhost).unwrap().write_tls(&mut hello).unwrap();
        say(handshakes, &hello).await
    }

    /// The same, whatever it says.
    async fn say(handshakes: &Arc<Handshakes>, hello: &[u8]) -> (TcpStream, Shaking) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        peer.write_all(hello).await.unwrap();
        let handshakes = Arc::clone(handshakes);
        (peer, tokio::spawn(async move { handshakes.shake(stream).await }))
    }

    type Shaking = JoinHandle<io::Result<TlsStream<Measured>>>;
}
