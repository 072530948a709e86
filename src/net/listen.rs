//! Doors: HTTP/1.1 listeners that bound what a peer can hold, and for how long.
//!
//! Invariant: every connection has a permit, and a deadline at every moment except while its request is being
//! processed. A request runs in its own task, so a client that disconnects does not stop it half-way, and a panic in it
//! causes one 500 response and affects no other client.

mod connection;
mod handshake;
#[cfg(test)]
mod tests;
mod turns;

use self::handshake::Handshakes;
use super::body::RequestBody;
use super::places::{ConnectionLimits, LimitReached, Shares};
use super::{BoxError, ServerTls};
use crate::observe::{self, Door, Refused};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use ipnet::IpNet;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// The limits of a door. The defaults suit doors that are reachable from the internet.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// From accepting the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From a request's first byte to the end of its headers; for the first request, from accepting the connection.
    pub headers: Duration,
    /// From the end of the headers to the end of the body.
    pub body: Duration,
    /// How long the peer may take to read the next 64 KiB of a response, or the rest if less.
    pub write: Duration,
    /// Between a response and the first byte of the next request.
    pub idle: Duration,
    /// Maximum header fields of a request; one more gets 431.
    pub headers_max: usize,
    /// Maximum bytes of a request's first line and headers; one more gets 431. At least 8,192.
    pub header_max_bytes: usize,
    /// Maximum connections with large incomplete headers, and separately with large incomplete handshakes.
    pub unfinished_max: usize,
    /// Maximum connections in total. A request whose client has disconnected counts until it is done.
    pub connections_max: usize,
    /// The descriptors shared by all doors, which may limit connections further.
    pub shares: Option<Shares>,
    /// Maximum connections from one address (a /64 for IPv6). Loopback is exempt.
    pub connections_per_address_max: usize,
    /// Trusted proxies: exempt from the limit per address, and trusted to forward client addresses.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether trusted proxies begin each connection with a PROXY protocol header; its deadline is `handshake`.
    pub proxy_protocol: bool,
    /// How long a connection without a request yet may still send one once the door closes. It was already accepted,
    /// and not every carrier would retry.
    pub first_request: Duration,
    /// How long requests in flight may take to finish once the door closes.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            headers: Duration::from_secs(10),
            body: Duration::from_secs(10),
            write: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            headers_max: 64,
            header_max_bytes: 32 * 1024,
            // At 52 kB each they stay below 30 MB. Ten thousand that stop one byte short would exceed the memory of the
            // whole gateway.
            unfinished_max: 512,
            // Ten thousand slow connections still leave room for others. At about 20 kB each they stay below 400 MB.
            connections_max: 16_384,
            shares: None,
            connections_per_address_max: 256,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            first_request: Duration::from_secs(1),
            // Below the ten seconds that the whole gateway has to stop.
            drain: Duration::from_secs(5),
        }
    }
}

/// Whether a request may take effect although its response is never computed; stored in the request's extensions. A
/// service sets it before it hands work on; when time runs out afterwards the response is 504 instead of 503.
#[derive(Clone, Debug, Default)]
pub struct MayBeDone(Arc<AtomicBool>);

impl MayBeDone {
    /// Marks that this request may take effect from now on, even if it gets no response.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Incomplete headers or handshakes of this size or more count as large. It is hyper's first read buffer, and more than
/// nearly all complete ones need.
const UNFINISHED_BYTES: usize = 8 * 1024;

/// Connections that the kernel queues until we accept them.
const BACKLOG: u32 = 4_096;

/// The first and the longest pause after `accept` failed for lack of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A bound socket. Connections queue in it until [`Listener::serve`] accepts them, so bind first and recover later.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Binds `address`. Port 0 lets the system choose a port.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Without this a restart cannot bind while old connections are in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self(socket.listen(BACKLOG)?))
    }

    /// Uses a socket that systemd has already bound.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(TcpListener::from_std(listener)?))
    }

    /// The local address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until `stop`, then lets requests in flight finish within `bounds.drain` and cuts off the rest. Once it
    /// returns, no task of this door is running.
    ///
    /// `service` may be an `axum::Router`, or `tower::service_fn` around an async function of a request. Requests carry
    /// their [`ClientAddress`](super::ClientAddress) and [`MayBeDone`] as extensions.
    pub async fn serve<S, B>(
        self,
        door: Door,
        bounds: Bounds,
        tls: Option<ServerTls>,
        service: S,
        stop: CancellationToken,
    ) where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if let Ok(address) = self.address() {
            observe::door_open(door, address, tls.is_some());
        }
        let limits = ConnectionLimits::of(&bounds);
        let tasks = TaskTracker::new();
        let cut = CancellationToken::new();
        let drain = bounds.drain;
        let shared = Arc::new(Shared {
            door,
            handshakes: tls.map(|tls| Handshakes::new(tls, &bounds)),
            unfinished: Semaphore::new(bounds.unfinished_max),
            bounds,
            service,
            stop: stop.clone(),
            cut: cut.clone(),
            tasks: tasks.clone(),
        });

        while let Some((stream, peer)) = self.next(door, &stop).await {
            match limits.take(peer.ip()) {
                Ok(permit) => {
                    tasks.spawn(connection::run(Arc::clone(&shared), stream, peer.ip(), permit));
                }
                Err(LimitReached::Full) => observe::connection_refused(door, Refused::Full, peer.ip()),
                Err(LimitReached::AddressFull) => observe::connection_refused(door, Refused::AddressFull, peer.ip()),
            }
        }

        drop(self);
        tasks.close();
        if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
            observe::connections_cut(door, tasks.len());
            cut.cancel();
            tasks.wait().await;
        }
        observe::door_closed(door);
    }

    /// The next connection, or `None` once `stop` is cancelled.
    async fn next(&self, door: Door, stop: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
        let mut pause = ACCEPT_PAUSE;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                accepted = self.0.accept() => accepted,
            };
            match accepted {
                Ok(connection) => return Some(connection),
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory. Retrying at once would only burn CPU.
                    observe::accept_failed(door, &error);
                    tokio::select! {
                        () = stop.cancelled() => return None,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                }
            }
        }
    }
}

/// What all connections of a door share.
struct Shared<S> {
    door: Door,
    bounds: Bounds,
    handshakes: Option<Handshakes>,
    /// Permits for large incomplete headers.
    unfinished: Semaphore,
    service: S,
    /// Cancelled when no new requests are accepted.
    stop: CancellationToken,
    /// Cancelled when the time to drain is over.
    cut: CancellationToken,
    /// The tasks of connections and requests.
    tasks: TaskTracker,
}

/// Whether the peer closed the connection before we accepted it.
fn is_peer_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// How many connections fit with this many descriptors: all but those reserved for health checks, the journal, the
/// index and outgoing connections, so that a flood of connections leaves `/healthz` and the disk their descriptors.
pub fn connections_that_fit(descriptors: usize) -> usize {
    descriptors.saturating_sub(DESCRIPTORS_RESERVED.min(descriptors / 2))
}

/// How many descriptors this process may have.
pub fn descriptors_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    usize::try_from(limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
}

/// Descriptors for journal segments, index, claims, the ops door, and connections to carriers and platform.
const DESCRIPTORS_RESERVED: usize = 512;
