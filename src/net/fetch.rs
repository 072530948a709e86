//! Fetches a file from a URL that a stranger chose, and hands its bytes on as they come.
//!
//! Invariant: a request goes only to a host on the account's list, and only to an address that was checked, whatever
//! names, redirects or look-ups say; credentials go to the first host only. No more than a piece of the file is in
//! memory, no more than the maximum is read, and each wait has a deadline. Nothing is decoded, and nothing that the
//! response says of its length or type is relied on.

mod connect;
mod hosts;
mod public;
#[cfg(test)]
mod tests;
mod verdict;

use super::client::error::describe;
use bytes::Bytes;
pub use connect::{Internet, Network, Socket};
use connect::{NoConnection, connect};
pub use hosts::{Checked, ForbiddenAddress, InvalidHost, MediaHosts};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, RANGE, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_rustls::ConfigBuilderExt;
use hyper_util::rt::TokioIo;
pub use public::is_public;
use rustls::ClientConfig;
use rustls::crypto::ring;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
pub use verdict::FetchFailed;
use verdict::{Verdict, judge};

/// Maximum number of redirects that are followed.
const REDIRECTS_MAX: u8 = 3;

/// Headers of the first request that follow a redirect; all others may be credentials.
const KEPT_ON_REDIRECT: [HeaderName; 2] = [ACCEPT, USER_AGENT];

/// Headers that are ours to set, or to leave out: they say which part of the file comes, in what form, to whom.
const NOT_TAKEN_OVER: [HeaderName; 6] = [ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, RANGE, TRANSFER_ENCODING];

/// The deadlines of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchBounds {
    /// Name lookup, connect and TLS handshake together, for each request.
    pub connect: Duration,
    /// From the connection to the end of the response's headers.
    pub first_byte: Duration,
    /// Between two pieces of the body.
    pub idle: Duration,
    /// From the call to the last byte, all redirects included.
    pub whole: Duration,
    /// Maximum bytes of a response's headers, and of a piece of its body. At least 8,192.
    pub buffer_max_bytes: usize,
}

impl Default for FetchBounds {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            whole: Duration::from_secs(60),
            buffer_max_bytes: 64 * 1024,
        }
    }
}

/// Takes the bytes of a file.
pub trait FileSink: Send {
    /// Why it does not take more.
    type Error: Send;

    /// Takes the next bytes, which are never empty. The next are read once this is done.
    fn write(&mut self, piece: Bytes) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A file was fetched to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its size.
    pub bytes: u64,
    /// How many redirects led to it.
    pub redirects: u8,
}

/// Fetches files. Each request has a connection of its own, which ends with it.
#[derive(Clone)]
pub struct Fetcher<N = Internet> {
    network: N,
    tls: TlsConnector,
    bounds: FetchBounds,
}

impl Fetcher {
    /// Fetches from the internet, trusting the certificate authorities that browsers trust.
    pub fn new(bounds: FetchBounds) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_webpki_roots()
            .with_no_client_auth();
        Self::on(Internet, config, bounds)
    }
}

impl<N: Network> Fetcher<N> {
    /// Fetches from this network, with this TLS configuration.
    pub fn on(network: N, tls: ClientConfig, bounds: FetchBounds) -> Self {
        Self { network, tls: TlsConnector::from(Arc::new(tls)), bounds }
    }

    /// Fetches what is at the request's URL with a GET that has the request's headers, and writes it to `sink`.
    ///
    /// The sink has the whole file only after `Ok`; after an error, or when the future is dropped, it may have the
    /// beginning of one.
    pub async fn fetch<S: FileSink>(
        &self,
        request: Request<Bytes>,
        hosts: &MediaHosts,
        max_bytes: u64,
        sink: &mut S,
    ) -> Result<Fetched, FetchFailed<S::Error>> {
        let whole = self.bounds.whole;
        timeout(whole, self.follow(&request, hosts, max_bytes, sink))
            .await
            .unwrap_or_else(|_| Err(FetchFailed::later(format!("no whole file within {} s", whole.as_secs_f32()))))
    }

    async fn follow<S: FileSink>(
        &self,
        request: &Request<Bytes>,
        hosts: &MediaHosts,
        max_bytes: u64,
        sink: &mut S,
    ) -> Result<Fetched, FetchFailed<S::Error>> {
        let mut to = hosts.check(&request.uri().to_string())?;
        let mut headers = first_headers(request.headers());
        for redirects in 0..=REDIRECTS_MAX {
            // The connection lives as long as this handle.
            let (response, _connection) = self.request(&to, headers).await?;
            let (head, body) = response.into_parts();
            match judge(&head)? {
                Verdict::File => {
                    let bytes = self.read(body, max_bytes, sink).await?;
                    return Ok(Fetched { bytes, redirects });
                }
                Verdict::Redirect(location) => to = hosts.check_redirect(&to, &location)?,
            }
            headers = redirected_headers(request.headers());
        }
        Err(FetchFailed::refused(format!("more than {REDIRECTS_MAX} redirects")))
    }

    /// Sends a GET on a new connection and waits for the head of the response.
    async fn request<E>(
        &self,
        to: &Checked,
        headers: HeaderMap,
    ) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), FetchFailed<E>> {
        let socket = connect(&self.network, &self.tls, to, self.bounds.connect).await?;
        let request = get(to, headers)?;
        let answered = async {
            let (mut sender, connection) = http1::Builder::new()
                .max_buf_size(self.bounds.buffer_max_bytes)
                .handshake(TokioIo::new(socket))
                .await?;
            let connection = AbortOnDropHandle::new(tokio::spawn(async move {
                // The reader of the response gets the error, too.
                let _ = connection.await;
            }));
            Ok((sender.send_request(request).await?, connection))
        };
        let within = self.bounds.first_byte;
        match timeout(within, answered).await {
            Ok(answered) => answered.map_err(|error: hyper::Error| FetchFailed::later(describe(&error))),
            Err(_) => Err(FetchFailed::later(format!("no response within {} s", within.as_secs_f32()))),
        }
    }

    /// Hands the body on, piece by piece. Its end is where the framing says; a body cut before that is not whole.
    async fn read<S: FileSink>(
        &self,
        mut body: Incoming,
        max_bytes: u64,
        sink: &mut S,
    ) -> Result<u64, FetchFailed<S::Error>> {
        let idle = self.bounds.idle;
        let mut bytes = 0;
        loop {
            let frame = timeout(idle, body.frame())
                .await
                .map_err(|_| FetchFailed::later(format!("nothing came for {} s", idle.as_secs_f32())))?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| FetchFailed::later(format!("the file was cut: {}", describe(&error))))?;
            let Ok(piece) = frame.into_data() else { continue }; // Trailers are ignored; hyper limits their size.
            if piece.is_empty() {
                continue;
            }
            bytes += piece.len() as u64;
            if bytes > max_bytes {
                return Err(FetchFailed::TooLarge(max_bytes));
            }
            sink.write(piece).await.map_err(FetchFailed::Sink)?;
        }
        if bytes == 0 { Err(FetchFailed::later("the file is empty")) } else { Ok(bytes) }
    }
}

impl<N> fmt::Debug for Fetcher<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl<E> From<NoConnection> for FetchFailed<E> {
    fn from(reason: NoConnection) -> Self {
        match reason {
            NoConnection::Forbidden(why) => Self::ForbiddenAddress(why),
            NoConnection::Failed(_) => Self::later(reason.to_string()),
        }
    }
}

fn get<E>(to: &Checked, mut headers: HeaderMap) -> Result<Request<Empty<Bytes>>, FetchFailed<E>> {
    let host = HeaderValue::try_from(to.authority()).map_err(|_| ForbiddenAddress::Unreadable)?;
    headers.insert(HOST, host);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = to.target().parse().map_err(|_| ForbiddenAddress::Unreadable)?;
    *request.headers_mut() = headers;
    Ok(request)
}

fn first_headers(given: &HeaderMap) -> HeaderMap {
    let mut headers = given.clone();
    NOT_TAKEN_OVER.iter().for_each(|name| drop(headers.remove(name)));
    headers
}

fn redirected_headers(given: &HeaderMap) -> HeaderMap {
    KEPT_ON_REDIRECT.iter().filter_map(|name| Some((name.clone(), given.get(name)?.clone()))).collect()
}
