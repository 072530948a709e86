//! Doors: HTTP/1.1 servers whose peers cannot hold anything for long.
//!
//! Invariant: every connection has a place and a deadline at every moment but while we ourselves are at work on its
//! request. A request runs as a task of its own: a client that leaves does not stop it half-way, and a panic in it is
//! that client's 500 and nobody else's trouble.

mod connection;
mod handshake;
#[cfg(test)]
mod tests;
mod turns;

use self::handshake::Handshakes;
use super::body::RequestBody;
use super::places::{ConnectionLimits, NoPlace, Shares};
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

/// What a door bears. The defaults are right for doors that strangers reach.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// From the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From a request's first byte to the end of its headers; for a connection's first request, from the connection.
    pub headers: Duration,
    /// From the end of the headers to the end of the body.
    pub body: Duration,
    /// How long an answer may wait for a peer to take the next 64 KiB of it, or all of it where it is less.
    pub write: Duration,
    /// Between one answer and the first byte of the next request.
    pub idle: Duration,
    /// Header fields of a request; one more is 431.
    pub headers_max: usize,
    /// Bytes of a request's first line and headers; one more is 431. At least 8,192.
    pub header_max_bytes: usize,
    /// Connections that have sent more than a little of headers and not all, and as many again of handshakes.
    pub unfinished_max: usize,
    /// Connections in all. A request whose client has left keeps its place until it is done.
    pub connections_max: usize,
    /// What there is for all doors, where that is less.
    pub shares: Option<Shares>,
    /// Connections from one address (a /64 for IPv6). Loopback has no bound of its own.
    pub connections_per_address_max: usize,
    /// Proxies of ours, which have no bound of their own either, and whose word on a client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Trusted proxies begin each connection with a PROXY protocol header; for it they have as long as for a handshake.
    pub proxy_protocol: bool,
    /// How long who has come and not said yet what for is listened to once the door closes: it was let in, and not every
    /// carrier comes again after that.
    pub first_request: Duration,
    /// How long connections may take to finish what is in flight once the door closes.
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
            // At 52 kB each they stay below 30 MB. Ten thousand that end a byte too early would take more memory than all of
            // the gateway may.
            unfinished_max: 512,
            // Ten thousand slow connections leave room for honest ones. At about 20 kB each they stay below 400 MB.
            connections_max: 16_384,
            shares: None,
            connections_per_address_max: 256,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            first_request: Duration::from_secs(1),
            // Below the ten seconds in which the whole gateway stops.
            drain: Duration::from_secs(5),
        }
    }
}

/// Whether a request may be carried out although its answer is never computed; among the request's extensions. A service
/// says so before it hands work on, and where time is up afterwards the answer is 504 and not 503.
#[derive(Clone, Debug, Default)]
pub struct MayBeDone(Arc<AtomicBool>);

impl MayBeDone {
    /// From now on this request may be carried out, whatever becomes of its answer.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// From here on headers or a handshake that are not whole are large: it is what hyper reads first, before it makes room for
/// more, and more than the whole of nearly all of them.
const UNFINISHED_BYTES: usize = 8 * 1024;

/// Connections that the kernel holds for us until we take them.
const BACKLOG: u32 = 4_096;

/// The first pause after the system had no descriptor for us, and the longest.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A bound socket. Connections wait in it until [`Listener::serve`] takes them, so bind first and recover later.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Binds. Port 0 lets the system choose one.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Without it a restart has to wait for the old connections to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self(socket.listen(BACKLOG)?))
    }

    /// Takes over a socket that systemd has bound for us.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(TcpListener::from_std(listener)?))
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until `stop`, then lets what is in flight finish within `bounds.drain`, and cuts the rest off. Once it
    /// returns nothing of this door runs any more.
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
        let places = ConnectionLimits::of(&bounds);
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
            match places.take(peer.ip()) {
                Ok(place) => {
                    tasks.spawn(connection::run(Arc::clone(&shared), stream, peer.ip(), place));
                }
                Err(NoPlace::Full) => observe::connection_refused(door, Refused::Full, peer.ip()),
                Err(NoPlace::AddressFull) => observe::connection_refused(door, Refused::AddressFull, peer.ip()),
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

    /// The next connection, or `None` once we stop.
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
                    // Descriptors or memory are gone. Asking again at once would only burn the processor.
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
    /// Places for headers that are large and not whole.
    unfinished: Semaphore,
    service: S,
    /// No new requests.
    stop: CancellationToken,
    /// No more time.
    cut: CancellationToken,
    /// Connections and requests.
    tasks: TaskTracker,
}

/// A connection that was gone before we took it is no trouble of ours.
fn is_peer_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// How many connections fit with this many descriptors: all but those kept for the other doors' health checks, the
/// journal, the index and what goes out. So a flood at one door leaves `/healthz` and the disk their descriptors.
pub fn connections_that_fit(descriptors: usize) -> usize {
    descriptors.saturating_sub(DESCRIPTORS_RESERVED.min(descriptors / 2))
}

/// How many descriptors this process may have, where the system tells.
pub fn descriptors_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        count => count.parse().ok(),
    }
}

/// Journal segments, the index, claims, the ops door, carriers' and platform's connections.
const DESCRIPTORS_RESERVED: usize = 512;
