//! HTTP of the simulated world: a server that can also misbehave, and a pooled client.
//!
//! Invariant: a server keeps its port until it is dropped, whether it listens or not, and all its tasks end when it
//! is closed, stopped or dropped.

mod client;
mod raw;

pub use self::client::NoAnswer;
pub(super) use self::client::{Answer, HttpClient};
pub(super) use self::raw::{Raw, Then};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Interval, interval_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Maximum concurrent connections of a simulated server; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 4_096;
/// The kernel's queue of connections not yet accepted.
const BACKLOG: u32 = 1_024;
/// Maximum request body. A send has at most 1,600 characters, an event far less than this.
const BODY_MAX_BYTES: usize = 1 << 20;
/// Size at which an endless response ends after all.
const ENDLESS_MAX_BYTES: u64 = 1 << 30;

/// The connection is closed without a (complete) response.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(super) struct Cut;

/// Answers requests.
pub(super) trait Serve: Send + Sync + 'static {
    /// The response to a request, or none.
    fn serve(self: Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Result<Reply, Cut>> + Send;
}

/// A complete or incomplete response.
pub(super) type Reply = Response<Output>;

/// The body of a response.
pub(super) enum Output {
    /// All of it, or nothing left.
    Whole(Option<Bytes>),
    /// The first part; then the connection is cut.
    Cut { first: Option<Bytes>, flushed: bool },
    /// These bytes over and over, for as long as the other side reads.
    Endless { bytes: Bytes, left: u64 },
    /// As many bytes at once as `piece`, each after the wait.
    Slow { bytes: Bytes, piece: usize, wait: Pin<Box<Interval>> },
}

impl Output {
    /// The whole body, if it is known.
    pub(super) fn whole(&self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes.clone().unwrap_or_default(),
            Self::Cut { .. } | Self::Endless { .. } | Self::Slow { .. } => Bytes::new(),
        }
    }
}

/// A complete response.
pub(super) fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Output::Whole(Some(body.into())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    reply
}

/// The same response, of which only the first half of the body is sent.
pub(super) fn cut_in_the_middle(reply: Reply) -> Reply {
    let (mut head, body) = reply.into_parts();
    let Output::Whole(Some(whole)) = body else { return Response::from_parts(head, body) };
    head.headers.insert(http::header::CONTENT_LENGTH, whole.len().into());
    Response::from_parts(head, Output::Cut { first: Some(whole.slice(..whole.len() / 2)), flushed: false })
}

/// A response with an endless body of spaces.
pub(super) fn endless(status: StatusCode) -> Reply {
    static SPACES: [u8; 16_384] = [b' '; 16_384];
    endless_of(status, Bytes::from_static(&SPACES))
}

/// A response with an endless body: these bytes over and over.
pub(super) fn endless_of(status: StatusCode, bytes: Bytes) -> Reply {
    let left = if bytes.is_empty() { 0 } else { ENDLESS_MAX_BYTES };
    let mut reply = Response::new(Output::Endless { bytes, left });
    *reply.status_mut() = status;
    reply
}

/// A response whose body comes in so many pieces, each after a wait.
pub(super) fn slow(status: StatusCode, bytes: Bytes, pieces: usize, wait: Duration) -> Reply {
    let piece = bytes.len().div_ceil(pieces.max(1)).max(1);
    let wait = Box::pin(interval_at(Instant::now() + wait, wait.max(Duration::from_millis(1))));
    let mut reply = Response::new(Output::Slow { bytes, piece, wait });
    *reply.status_mut() = status;
    reply
}

/// Reads the whole body of a request; a body that is too long or incomplete cuts the connection.
pub(super) async fn read_body(body: Incoming) -> Result<Bytes, Cut> {
    Limited::new(body, BODY_MAX_BYTES).collect().await.map(http_body_util::Collected::to_bytes).map_err(|_| Cut)
}

impl Body for Output {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Cut { first, flushed } => match first.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                // hyper flushes its buffer when a body is not ready; an immediate error would discard the first part.
                None if !*flushed => {
                    *flushed = true;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                None => Poll::Ready(Some(Err(Cut))),
            },
            Self::Endless { left: 0, .. } => Poll::Ready(None),
            Self::Endless { bytes, left } => {
                *left = left.saturating_sub(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(bytes.clone()))))
            }
            Self::Slow { bytes, .. } if bytes.is_empty() => Poll::Ready(None),
            Self::Slow { bytes, piece, wait } => {
                ready!(wait.poll_tick(cx));
                let next = bytes.split_to((*piece).min(bytes.len()));
                Poll::Ready(Some(Ok(Frame::data(next))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(None) | Self::Endless { left: 0, .. } => true,
            Self::Slow { bytes, .. } => bytes.is_empty(),
            Self::Whole(_) | Self::Cut { .. } | Self::Endless { .. } => false,
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Slow { bytes, .. } => hyper::body::SizeHint::with_exact(bytes.len() as u64),
            Self::Cut { .. } | Self::Endless { .. } => hyper::body::SizeHint::new(),
        }
    }
}

/// A loopback port chosen by the OS, reserved whether something listens on it or not.
///
/// A bound socket that never listens reserves it: Linux lets a second one with `SO_REUSEADDR` listen on the same
/// port, and assigns the port to no other process.
pub(super) struct Port {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Port {
    pub(super) fn take() -> io::Result<Self> {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// This address.
    pub(super) fn at(address: SocketAddr) -> io::Result<Self> {
        let held = bind(address)?;
        Ok(Self { address: held.local_addr()?, _held: held })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn listen(&self) -> io::Result<TcpListener> {
        bind(self.address)?.listen(BACKLOG)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A server on its port. Dropping it ends all its tasks.
pub(super) struct Server<S> {
    port: Port,
    serve: Arc<S>,
    open: Mutex<Option<Open>>,
    connections: Arc<AtomicUsize>,
}

/// One period of listening, from open to close.
struct Open {
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl<S: Serve> Server<S> {
    pub(super) fn start(port: Port, serve: Arc<S>) -> io::Result<Self> {
        let server = Self { port, serve, open: Mutex::new(None), connections: Arc::default() };
        server.open()?;
        Ok(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Connections accepted so far.
    #[cfg(feature = "test-support")]
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Listens (again). Does nothing if it is already listening.
    pub(super) fn open(&self) -> io::Result<()> {
        let mut open = self.open.lock().expect("nothing panics while it holds this lock");
        if open.is_none() {
            let session = Open { closing: CancellationToken::new(), tasks: TaskTracker::new() };
            let listener = self.port.listen()?;
            let (serve, connections) = (self.serve.clone(), self.connections.clone());
            session.tasks.spawn(accept(listener, serve, connections, session.closing.clone(), session.tasks.clone()));
            *open = Some(session);
        }
        Ok(())
    }

    /// Closes every connection and refuses new ones until `open`.
    pub(super) async fn close(&self) {
        let session = self.open.lock().expect("nothing panics while it holds this lock").take();
        if let Some(session) = session {
            session.closing.cancel();
            session.tasks.close();
            session.tasks.wait().await;
        }
    }
}

impl<S> Drop for Server<S> {
    fn drop(&mut self) {
        if let Ok(Some(session)) = self.open.get_mut().map(Option::take) {
            session.closing.cancel();
        }
    }
}

async fn accept<S: Serve>(
    listener: TcpListener,
    serve: Arc<S>,
    connections: Arc<AtomicUsize>,
    closing: CancellationToken,
    tasks: TaskTracker,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let next = async || {
        let place = room.clone().acquire_owned().await.expect("the semaphore is never closed");
        (listener.accept().await, place)
    };
    while let Some((accepted, place)) = closing.run_until_cancelled(next()).await {
        // A connection that died in the queue, or no file descriptors left: the next one may succeed.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        connections.fetch_add(1, Ordering::Relaxed);
        let (serve, closing) = (serve.clone(), closing.clone());
        tasks.spawn(async move {
            closing.run_until_cancelled(converse(stream, serve)).await;
            drop(place);
        });
    }
}

async fn converse<S: Serve>(stream: TcpStream, serve: Arc<S>) {
    // Small responses under load: Nagle's algorithm would delay each by 40 ms.
    let _ = stream.set_nodelay(true);
    let (socket, raw) = raw::Socket::new(stream);
    let service = service_fn(move |request| {
        let (serve, raw) = (serve.clone(), raw.clone());
        async move {
            let mut reply = serve.serve(request).await?;
            if let Some(instead) = reply.extensions_mut().remove::<Raw>() {
                raw.set(instead);
            }
            Ok::<_, Cut>(reply)
        }
    });
    // An error is a disconnected peer, or a connection cut on purpose: both are expected here.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service).await;
}
