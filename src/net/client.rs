//! HTTP client for carriers and the platform's endpoints, with deadlines and size limits.
//!
//! Invariant: a request is written at most once. There are no redirects, no proxies from the environment and no
//! retries. An error says whether the request can have been written, because only that decides whether it may be sent
//! again.

pub(super) mod error;
#[cfg(test)]
mod tests;

use super::BoxError;
use bytes::{Bytes, BytesMut};
use error::{describe, was_never_written};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;
use tower::Service;

/// The limits of a client: deadlines, sizes and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientBounds {
    /// Name lookup, connect and TLS handshake together.
    pub connect: Duration,
    /// From the call to the end of the response.
    pub total: Duration,
    /// Bytes of a response's body that are kept; the rest is not read.
    pub answer_max_bytes: usize,
    /// Maximum bytes of a response's headers; more is an error. At least 8,192.
    pub answer_header_max_bytes: usize,
    /// How long an idle connection is kept. A request written to a connection that the peer is just closing ends as
    /// [`SendFailed::Unanswered`], so this stays below the five seconds after which common servers close one.
    pub idle: Duration,
    /// Maximum number of idle connections.
    pub idle_max: usize,
}

impl Default for ClientBounds {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            total: Duration::from_secs(15),
            answer_max_bytes: 64 * 1024,
            answer_header_max_bytes: 32 * 1024,
            idle: Duration::from_secs(4),
            idle_max: 32,
        }
    }
}

/// A client with its own connection pool. Each account and each endpoint has one, so that none waits for another's.
/// Clones share the connections.
#[derive(Clone)]
pub struct Client {
    http: hyper_util::client::legacy::Client<Within<HttpsConnector<HttpConnector>>, Full<Bytes>>,
    bounds: ClientBounds,
}

/// A complete response, or the beginning of one that is too long.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status. 4xx and 5xx are responses too, and 3xx is not followed.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its first `answer_max_bytes`.
    pub body: Bytes,
    /// Whether the body was cut off at that limit.
    pub cut: bool,
}

impl From<Answer> for Response<Bytes> {
    fn from(answer: Answer) -> Self {
        let mut response = Self::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        response
    }
}

/// There is no response. The variant says whether a retry is safe; the text is for logs and contains no URL, number or
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFailed {
    /// No byte of the request was written: sending it again is safe.
    #[error("nothing was written: {0}")]
    NeverWritten(String),
    /// The request may have been written and processed: sending it again may repeat its effect.
    #[error("no response: {0}")]
    Unanswered(String),
}

impl Client {
    /// A client that trusts the certificate authorities that browsers trust.
    pub fn new(bounds: ClientBounds) -> Self {
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(ring::default_provider())
            .expect("ring speaks TLS 1.2 and 1.3");
        Self::with_connector(bounds, |http| builder.https_or_http().enable_http1().wrap_connector(http))
    }

    /// A client with the TLS configuration `tls`.
    pub fn with_tls(bounds: ClientBounds, tls: rustls::ClientConfig) -> Self {
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        Self::with_connector(bounds, |http| builder.https_or_http().enable_http1().wrap_connector(http))
    }

    /// The same client, with the same connections, for responses of up to `answer_max_bytes`.
    pub fn accepting(&self, answer_max_bytes: usize) -> Self {
        Self { http: self.http.clone(), bounds: ClientBounds { answer_max_bytes, ..self.bounds } }
    }

    fn with_connector(
        bounds: ClientBounds,
        secured: impl FnOnce(HttpConnector) -> HttpsConnector<HttpConnector>,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // hyper divides it among a name's addresses, so that one dead address does not use up all the time.
        tcp.set_connect_timeout(Some(bounds.connect));
        let connector = Within { inner: secured(tcp), limit: bounds.connect };

        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(bounds.idle)
            .pool_max_idle_per_host(bounds.idle_max)
            .http1_max_buf_size(bounds.answer_header_max_bytes)
            .retry_canceled_requests(false)
            .build(connector);
        Self { http, bounds }
    }

    /// Sends a request to its absolute `http` or `https` URL and waits for the response.
    ///
    /// Dropping the future does not unsend anything: the outcome is then as unknown as after
    /// [`SendFailed::Unanswered`].
    pub async fn send(&self, request: Request<Bytes>) -> Result<Answer, SendFailed> {
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) || request.uri().host().is_none() {
            return Err(SendFailed::NeverWritten("the URL is not an absolute http or https URL".to_owned()));
        }
        match timeout(self.bounds.total, self.request(request)).await {
            Ok(answered) => answered,
            Err(_) => {
                let total = self.bounds.total.as_secs_f32();
                Err(SendFailed::Unanswered(format!("no complete response within {total} s")))
            }
        }
    }

    async fn request(&self, request: Request<Bytes>) -> Result<Answer, SendFailed> {
        match self.http.request(request.map(Full::new)).await {
            Ok(response) => self.read(response).await,
            Err(error) if was_never_written(&error) => Err(SendFailed::NeverWritten(describe(&error))),
            Err(error) => Err(SendFailed::Unanswered(describe(&error))),
        }
    }

    /// A response is complete when its last byte has arrived, or when it exceeds `answer_max_bytes`.
    async fn read(&self, response: Response<Incoming>) -> Result<Answer, SendFailed> {
        let (head, mut body) = response.into_parts();
        let mut kept = BytesMut::new();
        let mut cut = false;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| SendFailed::Unanswered(describe(&error)))?;
            let Ok(piece) = frame.into_data() else { continue };
            let room = self.bounds.answer_max_bytes - kept.len();
            if piece.len() > room {
                kept.extend_from_slice(&piece[..room]);
                cut = true;
                break; // Dropping the unread rest closes the connection.
            }
            kept.extend_from_slice(&piece);
        }
        Ok(Answer { status: head.status, headers: head.headers, body: kept.freeze(), cut })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    /// Omits body and headers, because carriers repeat numbers and texts in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer {{ status: {}, body: {} bytes, cut: {} }}", self.status.as_u16(), self.body.len(), self.cut)
    }
}

/// A connector with one deadline for name lookup, connect and handshake.
#[derive(Clone)]
struct Within<C> {
    inner: C,
    limit: Duration,
}

/// Connecting took too long.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {} s", .0.as_secs_f32())]
struct ConnectLate(Duration);

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let limit = self.limit;
        let connecting = self.inner.call(to);
        Box::pin(async move { timeout(limit, connecting).await.unwrap_or_else(|_| Err(ConnectLate(limit).into())) })
    }
}
