//! Test doors and peers.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncRead;
use tokio::task::JoinHandle;

/// A deadline that passes within a test, and one that does not.
pub(super) const SOON: Duration = Duration::from_millis(80);
pub(super) const NEVER: Duration = Duration::from_secs(60);

/// How long a test waits for an expected event before it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open door.
pub(super) struct Open {
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) serving: JoinHandle<()>,
}

impl Open {
    pub(super) fn plain(bounds: Bounds) -> Self {
        Self::with(bounds, None, echo())
    }

    pub(super) fn with<S, B>(bounds: Bounds, tls: Option<ServerTls>, service: S) -> Self
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listener.serve(Door::Carriers, bounds, tls, service, stop.clone()));
        Self { address, stop, serving }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The same, with a small receive buffer.
    pub(super) async fn connect_narrow(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2_048).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Writes `text` and reads to the end of the connection.
    pub(super) async fn ask(&self, text: &str) -> String {
        let mut peer = self.connect().await;
        // A door that refuses a request may close before it has read everything.
        let _ = peer.write_all(text.as_bytes()).await;
        rest(&mut peer).await
    }
}

/// Deadlines longer than any test.
pub(super) fn patient() -> Bounds {
    Bounds { handshake: NEVER, headers: NEVER, body: NEVER, write: NEVER, idle: NEVER, ..Bounds::default() }
}

/// Responds with the request's body, up to 64 KiB.
pub(super) fn echo()
-> impl Service<Request<RequestBody>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static {
    tower::service_fn(|request: Request<RequestBody>| async {
        let (status, body) = match read_body(request.into_body(), 65_536).await {
            Ok(body) => (StatusCode::OK, body),
            Err(BodyRefused::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, Bytes::new()),
            Err(BodyRefused::AtCapacity) => (StatusCode::SERVICE_UNAVAILABLE, Bytes::new()),
            Err(BodyRefused::TooSlow) => (StatusCode::REQUEST_TIMEOUT, Bytes::new()),
            Err(BodyRefused::Cut) => (StatusCode::BAD_REQUEST, Bytes::new()),
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        Ok(response)
    })
}

/// The progress of an endless response.
#[derive(Default)]
pub(super) struct Progress {
    /// Bytes that were passed on to be written.
    pub(super) bytes: AtomicUsize,
    /// Notified when the response's body is dropped.
    pub(super) dropped: Notify,
}

/// Responds with an endless body.
pub(super) fn endless(
    progress: Arc<Progress>,
) -> impl Service<Request<RequestBody>, Response = Response<Endless>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static {
    tower::service_fn(move |_| {
        let body = Endless(Arc::clone(&progress));
        async { Ok(Response::new(body)) }
    })
}

pub(super) struct Endless(Arc<Progress>);

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        const PIECE: &[u8] = &[b'x'; 16 * 1024];
        self.0.bytes.fetch_add(PIECE.len(), Ordering::Relaxed);
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(PIECE)))))
    }
}

/// Writes `text`, then a letter every few milliseconds, until the door closes.
pub(super) async fn drip(peer: &mut TcpStream, text: &[u8]) {
    peer.write_all(text).await.unwrap();
    within(async {
        let mut answered = [0; 1];
        loop {
            tokio::select! {
                _ = peer.peek(&mut answered) => return,
                () = tokio::time::sleep(SOON / 10) => {}
            }
            if peer.write_all(b"x").await.is_err() {
                return;
            }
        }
    })
    .await;
}

/// Waits until the door has reset the connection. A graceful close would come after the unread data, so a peer that
/// reads nothing would never see it.
pub(super) async fn is_reset(peer: &TcpStream) {
    let until = std::time::Instant::now() + PATIENCE;
    while peer.take_error().unwrap().is_none() {
        assert!(std::time::Instant::now() < until, "the connection is not reset");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Everything received until the connection ends, by close or reset.
pub(super) async fn rest(peer: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let _ = within(peer.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// The next bytes received.
pub(super) async fn some(peer: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let count = within(peer.read(&mut buffer)).await.unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

pub(in super::super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("this happens in time")
}

/// Writes a certificate for `localhost` to `directory` and loads it.
pub(in super::super) fn certificate(directory: &Path) -> ServerTls {
    let made = SelfSigned::new("localhost");
    let files = TlsFiles {
        certificate_file: directory.join("certificate.pem"),
        key_file: directory.join("key.pem"),
        client_ca_file: None,
    };
    std::fs::write(&files.certificate_file, made.certificate).unwrap();
    std::fs::write(&files.key_file, made.key).unwrap();
    ServerTls::load(&files).unwrap()
}

/// A client configuration that trusts only the certificate in `directory`.
pub(in super::super) fn trust(directory: &Path) -> rustls::ClientConfig {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.join("certificate.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
