//! One connection: handshake, requests one after another, close.

use super::{MayBeDone, Shared, UNFINISHED_BYTES};
use crate::net::BoxError;
use crate::net::body::RequestBody;
use crate::net::origin::{client_of, is_trusted};
use crate::net::pace::{Deadlines, Late, Socket, WithDeadlines};
use crate::net::places::ConnectionPermit;
use crate::net::proxy_header;
use crate::observe::{self, ConnectionEnd, Door};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_user_timeout};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower::{Service, ServiceExt};

/// The kernel's send buffer for unread responses; Linux doubles it for its own bookkeeping. By default it grows to
/// megabytes per peer, which does not count as this process's memory and is limited only for all sockets of the machine
/// together. Most responses fit, and a peer 100 ms away can still receive 640 kB/s.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// How long data that is sent may stay without the peer's acknowledgment. A peer that has vanished without a word would
/// otherwise hold its connection for a quarter of an hour, and a stream of events also its place.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// How long the final responses may take to be written after the drain deadline.
const LAST_ANSWER: Duration = Duration::from_millis(250);

/// Headers of the listener's own responses, fit for a browser too.
const OWN_HEADERS: [(header::HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "application/problem+json"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Serves one connection to its end. The permit is released once the connection and its last request are done.
pub(super) async fn run<S, B>(shared: Arc<Shared<S>>, stream: TcpStream, peer: IpAddr, permit: ConnectionPermit)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let open = Open::new(shared.door);
    let permit = Arc::new(permit);
    let cut = shared.cut.clone();
    let end = tokio::select! {
        end = handshake_and_serve(shared, stream, peer, permit) => end,
        () = async { cut.cancelled().await; sleep(LAST_ANSWER).await } => ConnectionEnd::Cut,
    };
    open.ends(end);
}

async fn handshake_and_serve<S, B>(
    shared: Arc<Shared<S>>,
    mut stream: TcpStream,
    mut peer: IpAddr,
    permit: Arc<ConnectionPermit>,
) -> ConnectionEnd
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    prepare(&stream);
    if shared.bounds.proxy_protocol && is_trusted(peer, &shared.bounds.trusted_proxies) {
        match timeout(shared.bounds.handshake, proxy_header::read(&mut stream)).await {
            Ok(Ok(client)) => peer = client.unwrap_or(peer),
            Ok(Err(error)) => {
                observe::proxy_header_refused(shared.door, peer, &error.to_string());
                return ConnectionEnd::ProxyHeader;
            }
            Err(_) => {
                observe::proxy_header_refused(shared.door, peer, "it did not arrive in time");
                return ConnectionEnd::ProxyHeader;
            }
        }
    }
    let Some(handshakes) = &shared.handshakes else {
        return serve(shared, stream, peer, permit).await;
    };
    match timeout(shared.bounds.handshake, handshakes.shake(stream)).await {
        Ok(Ok(stream)) => serve(shared, stream, peer, permit).await,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ResourceBusy => ConnectionEnd::AtCapacity,
        Ok(Err(error)) => {
            observe::handshake_failed(shared.door, peer, &error);
            ConnectionEnd::HandshakeFailed
        }
        Err(_) => {
            observe::handshake_failed(shared.door, peer, &io::ErrorKind::TimedOut.into());
            ConnectionEnd::HandshakeLate
        }
    }
}

/// Sets the options of a connection. They are set here and not on the listener, because connections may have queued in
/// systemd's socket before it was ours. Linux accepts any of these values, so there is no failure to report.
pub(super) fn prepare(stream: &TcpStream) {
    // Responses are small and complete, so Nagle's algorithm only delays them.
    let _ = stream.set_nodelay(true);
    let _ = set_socket_send_buffer_size(stream, SEND_BUFFER_BYTES);
    let _ = set_tcp_user_timeout(stream, ACKNOWLEDGED_WITHIN.as_millis() as u32);
}

async fn serve<S, B, I>(shared: Arc<Shared<S>>, stream: I, peer: IpAddr, permit: Arc<ConnectionPermit>) -> ConnectionEnd
where
    I: Socket,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let deadlines = Deadlines::new(&shared.bounds);
    let has_request = Arc::new(AtomicBool::new(false));
    let answering = hyper::service::service_fn({
        let shared = Arc::clone(&shared);
        let deadlines = Arc::clone(&deadlines);
        let has_request = Arc::clone(&has_request);
        move |request| {
            has_request.store(true, Ordering::Relaxed);
            deadlines.request_begins();
            answer(Arc::clone(&shared), request, peer, Arc::clone(&permit), Arc::clone(&deadlines))
        }
    });
    let io = TokioIo::new(WithDeadlines::new(stream, Arc::clone(&deadlines)));
    let mut connection = pin!(
        http1::Builder::new()
            // `Deadlines` has separate ones for headers and for idle time; hyper's single timeout would cover both.
            .header_read_timeout(None)
            .max_headers(shared.bounds.headers_max)
            .max_header_size(shared.bounds.header_max_bytes)
            .max_buf_size(shared.bounds.header_max_bytes)
            .serve_connection(io, answering)
    );
    let mut alarm = pin!(sleep(shared.bounds.headers));
    let mut stopped = pin!(shared.stop.cancelled());
    let mut first_request_due = pin!(async {
        shared.stop.cancelled().await;
        sleep(shared.bounds.first_request).await;
    });
    let (mut stopping, mut leaving) = (false, false);
    let mut header_permit = None;

    poll_fn(|cx| {
        stopping = stopping || stopped.as_mut().poll(cx).is_ready();
        loop {
            if stopping
                && !leaving
                && (has_request.load(Ordering::Relaxed) || first_request_due.as_mut().poll(cx).is_ready())
            {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(if result.is_ok() { ConnectionEnd::Closed } else { ConnectionEnd::Broken });
            }
            // A request may have arrived during this poll.
            if leaving || !stopping || !has_request.load(Ordering::Relaxed) {
                break;
            }
        }
        // Bytes arrive, headers end and deadlines move only inside the poll above, so they are checked after it and
        // nowhere else.
        if deadlines.unfinished_bytes() < UNFINISHED_BYTES {
            header_permit = None;
        } else if header_permit.is_none() {
            let Ok(permit) = shared.unfinished.try_acquire() else {
                return Poll::Ready(ConnectionEnd::AtCapacity);
            };
            header_permit = Some(permit);
        }
        let Some((deadline, late)) = deadlines.deadline() else {
            return Poll::Pending;
        };
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).map(|()| match late {
            Late::Headers => ConnectionEnd::HeadersLate,
            Late::Idle => ConnectionEnd::Idle,
            Late::Write => {
                deadlines.give_up();
                ConnectionEnd::WriteLate
            }
        })
    })
    .await
}

/// Processes the request in its own task and waits for the response.
async fn answer<S, B>(
    shared: Arc<Shared<S>>,
    request: Request<Incoming>,
    peer: IpAddr,
    permit: Arc<ConnectionPermit>,
    deadlines: Arc<Deadlines>,
) -> Result<Response<AnswerBody<B>>, Infallible>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
{
    let began = Instant::now();
    let answered = Answered { deadlines, door: shared.door, began };
    // The console refuses it itself, like any host that it does not have.
    if shared.door != Door::Console && !has_one_host(&request) {
        let detail = "an HTTP/1.1 request must have exactly one Host header";
        let mut refused = own_response(StatusCode::BAD_REQUEST, "invalid_field", detail, answered);
        refused.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        return Ok(refused);
    }
    let client = client_of(peer, request.headers(), &shared.bounds.trusted_proxies);
    let may_be_done = MayBeDone::default();
    let mut request = request.map(|body| RequestBody::new(body, shared.bounds.body));
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(may_be_done.clone());
    let service = shared.service.clone();
    let cut = shared.cut.clone();
    let task = shared.tasks.spawn(async move {
        let _permit = permit;
        tokio::select! {
            answer = service.oneshot(request) => Some(answer.unwrap_or_else(|never| match never {})),
            () = cut.cancelled() => None,
        }
    });
    Ok(match task.await {
        Ok(Some(answer)) => answer.map(|body| AnswerBody::of(Box::pin(body), answered)),
        Ok(None) if may_be_done.is_set() => {
            let detail = "the gateway stopped before the outcome was known: retry with the same \
                          Idempotency-Key, or query the result";
            own_response(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", detail, answered)
        }
        Ok(None) => own_response(StatusCode::SERVICE_UNAVAILABLE, "draining", "shutting down; retry", answered),
        Err(_) => {
            observe::request_panicked(shared.door);
            own_response(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "internal error, logged; contact the operator",
                answered,
            )
        }
    })
}

/// Whether a request has exactly one Host header, as HTTP/1.1 requires. With none or several, a proxy in front of us
/// may have routed it by a different one.
fn has_one_host(request: &Request<Incoming>) -> bool {
    request.version() < Version::HTTP_11 || request.headers().get_all(header::HOST).iter().count() == 1
}

/// A response made by the listener itself.
fn own_response<B>(status: StatusCode, code: &str, detail: &str, answered: Answered) -> Response<AnswerBody<B>> {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = serde_json::json!({ "title": title, "status": status.as_u16(), "code": code, "detail": detail });
    let mut response =
        Response::new(AnswerBody { kind: Kind::Own(Full::new(problem.to_string().into())), _answered: answered });
    *response.status_mut() = status;
    for (name, value) in OWN_HEADERS {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// A response's body, which updates the deadlines when it is dropped.
struct AnswerBody<B> {
    kind: Kind<B>,
    /// Dropped with the body, when the response is finished.
    _answered: Answered,
}

enum Kind<B> {
    Service(Pin<Box<B>>),
    Own(Full<Bytes>),
}

/// Ends the request when dropped: hyper drops a body once it is written or the client has disconnected.
struct Answered {
    deadlines: Arc<Deadlines>,
    door: Door,
    began: Instant,
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.deadlines.request_ends();
        observe::answered(self.door, self.began.elapsed());
    }
}

impl<B> AnswerBody<B> {
    fn of(body: Pin<Box<B>>, answered: Answered) -> Self {
        Self { kind: Kind::Service(body), _answered: answered }
    }
}

impl<B: Body<Data = Bytes>> Body for AnswerBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().kind {
            Kind::Service(body) => body.as_mut().poll_frame(cx).map_err(Into::into),
            Kind::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Service(body) => body.is_end_stream(),
            Kind::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Service(body) => body.size_hint(),
            Kind::Own(body) => body.size_hint(),
        }
    }
}

/// Counts a connection as open for as long as it lives, even if its task panics.
struct Open {
    door: Door,
    end: ConnectionEnd,
}

impl Open {
    fn new(door: Door) -> Self {
        observe::connection_opened(door);
        Self { door, end: ConnectionEnd::Broken }
    }

    fn ends(mut self, end: ConnectionEnd) {
        self.end = end;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        observe::connection_closed(self.door, self.end);
    }
}
