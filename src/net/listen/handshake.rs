//! TLS handshakes, which cost a peer nothing and us a millisecond.
//!
//! Invariant: however many peers begin a handshake, half of the cores compute for them at most, one peer after another, so
//! requests on connections that are there already go on. Nothing is computed for a peer that has left meanwhile.

use crate::net::ServerTls;
use rustls::server::Acceptor;
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::task::Poll;
use std::thread::available_parallelism;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// The handshakes of one door.
pub(super) struct Handshakes {
    /// Asked for each peer: it may have taken over another certificate meanwhile.
    tls: ServerTls,
    turns: Semaphore,
}

impl Handshakes {
    pub(super) fn new(tls: ServerTls) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self { tls, turns: Semaphore::new((cores / 2).max(1)) }
    }

    /// A peer's handshake. Its time is the caller's to bound.
    pub(super) async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let turn = self.turns.acquire().await.map_err(io::Error::other)?;
        if has_left(&begun.io).await {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        // The keys are computed here and now; what is left waits for the peer.
        let shaking = begun.into_stream(self.tls.config());
        drop(turn);
        shaking.await
    }
}

/// Whether the peer has closed its side, as nobody does who goes on with a handshake.
async fn has_left(stream: &TcpStream) -> bool {
    let mut byte = [0; 1];
    poll_fn(|cx| {
        let looked = stream.poll_peek(cx, &mut ReadBuf::new(&mut byte));
        Poll::Ready(matches!(looked, Poll::Ready(Ok(0) | Err(_))))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::super::tests::peer::{certificate, trust, within};
    use super::*;
    use rustls::pki_types::ServerName;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    #[tokio::test]
    async fn nothing_is_computed_for_who_leaves_while_others_have_their_turn() {
        let files = TempDir::new().unwrap();
        let handshakes = Arc::new(Handshakes::new(certificate(files.path())));
        let cores = u32::try_from(handshakes.turns.available_permits()).unwrap();
        let turns = handshakes.turns.acquire_many(cores).await.unwrap();

        let (leaves, mut stays) = (begin(&handshakes, files.path()).await, begin(&handshakes, files.path()).await);
        let (mut gone, shaking) = leaves;
        gone.shutdown().await.unwrap();
        // While the test waits the runtime looks at its sockets, and sees the end of this one.
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(turns);
        let left = within(shaking).await.unwrap().unwrap_err();
        assert_eq!(left.kind(), io::ErrorKind::ConnectionAborted, "{left}");

        // Whoever stays has a turn, and gives it back before its handshake is done.
        let mut said = [0; 1];
        within(stays.0.read_exact(&mut said)).await.unwrap();
        assert_eq!(said[0], 22, "a handshake");
        assert_eq!(handshakes.turns.available_permits(), cores as usize);
        assert!(!stays.1.is_finished());
    }

    /// A peer that has said its first word, and what the door does about it.
    async fn begin(
        handshakes: &Arc<Handshakes>,
        files: &Path,
    ) -> (TcpStream, JoinHandle<io::Result<TlsStream<TcpStream>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let localhost = ServerName::try_from("localhost").unwrap();
        let mut hello = Vec::new();
        rustls::ClientConnection::new(Arc::new(trust(files)), localhost).unwrap().write_tls(&mut hello).unwrap();
        peer.write_all(&hello).await.unwrap();
        let handshakes = Arc::clone(handshakes);
        (peer, tokio::spawn(async move { handshakes.shake(stream).await }))
    }
}
