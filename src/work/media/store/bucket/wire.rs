//! HTTP to a bucket: our own TLS, no redirects, no proxies, and a deadline for each step.

use crate::net::BoxError;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::{Client, Error as ClientFailed};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use rustls::crypto::ring;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, timeout};

/// To an open connection, without TLS.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// From the call to the response's headers, of a request with little in its body.
const HEADERS_WITHIN: Duration = Duration::from_secs(20);

/// Between two pieces of a response.
const PIECE_WITHIN: Duration = Duration::from_secs(20);

/// How long an idle connection is kept: less than the five seconds after which common servers close one.
const IDLE: Duration = Duration::from_secs(4);

/// Maximum number of idle connections.
const IDLE_MAX: usize = 8;

/// The body of a request.
pub(super) type Outgoing = UnsyncBoxBody<Bytes, BoxError>;

/// A client for one bucket. Clones share the connections.
#[derive(Clone, Debug)]
pub(super) struct Wire(Client<HttpsConnector<Tcp>, Outgoing>);

/// A deadline has passed.
#[derive(Debug, thiserror::Error)]
#[error("no answer in time")]
struct Late;

impl Wire {
    pub(super) fn new() -> Self {
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_WITHIN));
        let secured = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(ring::default_provider())
            .expect("ring speaks TLS 1.2 and 1.3")
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(secured);
        Self(client)
    }

    /// Sends a request; its response's headers come within `limit`.
    pub(super) async fn send(
        &self,
        request: Request<Outgoing>,
        limit: Duration,
    ) -> Result<Response<Incoming>, HttpError> {
        match timeout(limit, self.0.request(request)).await {
            Ok(answered) => answered.map_err(not_sent),
            Err(_) => Err(HttpError::new(HttpErrorKind::Timeout, Late)),
        }
    }
}

impl HttpConnector for Wire {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Wire {
    fn call<'life, 'future>(
        &'life self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let request = request.map(|body| body.map_err(BoxError::from).boxed_unsync());
            let response = self.send(request, HEADERS_WITHIN).await?;
            Ok(response.map(|body| HttpResponseBody::new(Timely::new(body))))
        })
    }
}

fn not_sent(error: ClientFailed) -> HttpError {
    let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request };
    HttpError::new(kind, error)
}

/// A response's body that fails if it makes a pause.
struct Timely {
    body: Incoming,
    pause: Pin<Box<Sleep>>,
}

impl Timely {
    fn new(body: Incoming) -> Self {
        Self { body, pause: Box::pin(tokio::time::sleep(PIECE_WITHIN)) }
    }
}

impl Body for Timely {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.pause.as_mut().reset(Instant::now() + PIECE_WITHIN);
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))),
            );
        }
        self.pause.as_mut().poll(context).map(|()| Some(Err(HttpError::new(HttpErrorKind::Timeout, Late))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
