//! The client of the simulated world: keep-alive connections, a deadline per request, responses read completely.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// Idle connections kept per address: more than a load run has requests in flight.
const IDLE_CONNECTIONS_MAX: usize = 1_024;
/// Idle connections are closed before the gateway closes them (60 s), so that a request does not meet a closing one.
const IDLE_SECS: u64 = 15;
/// Maximum time to connect, as with Twilio.
const CONNECT_SECS: u64 = 5;
/// Maximum response size.
const ANSWER_MAX_BYTES: usize = 8 << 20;

/// A complete response.
#[derive(Clone)]
pub(in crate::sim) struct Answer {
    pub(in crate::sim) status: StatusCode,
    pub(in crate::sim) headers: HeaderMap,
    pub(in crate::sim) body: Bytes,
}

/// There was no complete response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing listens there, so the request was not sent.
    #[error("cannot connect")]
    NotConnected,
    /// The connection broke; the request may have been read.
    #[error("the connection broke before the response was complete")]
    Broken,
    /// The deadline passed; the request may have been read.
    #[error("no complete response within the deadline")]
    TooLate,
}

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub(in crate::sim) struct HttpClient(Client<HttpConnector, Full<Bytes>>);

impl HttpClient {
    pub(in crate::sim) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECS)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECS))
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Self(client)
    }

    /// Sends a request (its URI is the address to connect to; an existing `Host` header is kept) and reads the whole
    /// response.
    pub(in crate::sim) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Duration,
    ) -> Result<Answer, NoAnswer> {
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| match error.is_connect() {
                true => NoAnswer::NotConnected,
                false => NoAnswer::Broken,
            })?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await.map_err(|_| NoAnswer::Broken)?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(deadline, exchange).await.unwrap_or(Err(NoAnswer::TooLate))
    }
}
