//! One connection: handshake, requests one after another, end.

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
use rustix::net::sockopt::set_socket_send_buffer_size;
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

/// What the system keeps of answers that a peer does not take; Linux doubles it for its own bookkeeping. Left to itself it
/// grows to megabytes for one peer, which is neither in what this process has resident nor bounded by anything but what
/// all sockets of the machine may have together. Most answers fit, and a peer 100 ms away can still take 640 kB a second.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// How long an answer that says that time is up may take to be written.
const LAST_ANSWER: Duration = Duration::from_millis(250);

/// Serves one connection to its end. The place is free again once the connection and its last request are done.
pub(super) async fn run<S, B>(shared: Arc<Shared<S>>, stream: TcpStream, peer: IpAddr, place: ConnectionPermit)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let open = Open::new(shared.door);
    let place = Arc::new(place);
    let cut = shared.cut.clone();
    let end = tokio::select! {
        end = handshake_and_serve(shared, stream, peer, place) => end,
        () = async { cut.cancelled().await; sleep(LAST_ANSWER).await } => ConnectionEnd::Cut,
    };
    open.ends(end);
}

async fn handshake_and_serve<S, B>(
    shared: Arc<Shared<S>>,
    mut stream: TcpStream,
    mut peer: IpAddr,
    place: Arc<ConnectionPermit>,
) -> ConnectionEnd
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    // Answers are small and complete: waiting to fill a packet only delays them. Failing to say so only delays them.
    let _ = stream.set_nodelay(true);
    // Here and not at the listener: connections have waited in systemd's socket since before it was ours. Linux takes any
    // size, so there is no failure to tell of.
    let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
    if shared.bounds.proxy_protocol && is_trusted(peer, &shared.bounds.trusted_proxies) {
        match timeout(shared.bounds.handshake, proxy_header::read(&mut stream)).await {
            Ok(Ok(client)) => peer = client.unwrap_or(peer),
            Ok(Err(error)) => {
                observe::proxy_header_refused(shared.door, peer, &error.to_string());
                return ConnectionEnd::ProxyHeader;
            }
            Err(_) => {
                observe::proxy_header_refused(shared.door, peer, "it did not come in time");
                return ConnectionEnd::ProxyHeader;
            }
        }
    }
    let Some(handshakes) = &shared.handshakes else {
        return serve(shared, stream, peer, place).await;
    };
    match timeout(shared.bounds.handshake, handshakes.shake(stream)).await {
        Ok(Ok(stream)) => serve(shared, stream, peer, place).await,
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

async fn serve<S, B, I>(shared: Arc<Shared<S>>, stream: I, peer: IpAddr, place: Arc<ConnectionPermit>) -> ConnectionEnd
where
    I: Socket,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let pace = Deadlines::new(&shared.bounds);
    let heard = Arc::new(AtomicBool::new(false));
    let answering = hyper::service::service_fn({
        let shared = Arc::clone(&shared);
        let pace = Arc::clone(&pace);
        let heard = Arc::clone(&heard);
        move |request| {
            heard.store(true, Ordering::Relaxed);
            pace.request_begins();
            answer(Arc::clone(&shared), request, peer, Arc::clone(&place), Arc::clone(&pace))
        }
    });
    let io = TokioIo::new(WithDeadlines::new(stream, Arc::clone(&pace)));
    let mut connection = pin!(
        http1::Builder::new()
            // The pace has a deadline for headers and another for idleness; hyper's one would be both.
            .header_read_timeout(None)
            .max_headers(shared.bounds.headers_max)
            .max_header_size(shared.bounds.header_max_bytes)
            .max_buf_size(shared.bounds.header_max_bytes)
            .serve_connection(io, answering)
    );
    let mut alarm = pin!(sleep(shared.bounds.headers));
    let mut stopped = pin!(shared.stop.cancelled());
    let mut listened_to = pin!(async {
        shared.stop.cancelled().await;
        sleep(shared.bounds.first_request).await;
    });
    let (mut stopping, mut leaving) = (false, false);
    let mut place_of_headers = None;

    poll_fn(|cx| {
        stopping = stopping || stopped.as_mut().poll(cx).is_ready();
        loop {
            if stopping && !leaving && (heard.load(Ordering::Relaxed) || listened_to.as_mut().poll(cx).is_ready()) {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(if result.is_ok() { ConnectionEnd::Closed } else { ConnectionEnd::Broken });
            }
            // It may have been heard just now.
            if leaving || !stopping || !heard.load(Ordering::Relaxed) {
                break;
            }
        }
        // Bytes come and headers end inside the poll above, and every deadline moves there: so all of that is asked for
        // after it and nowhere else.
        if pace.unfinished_bytes() < UNFINISHED_BYTES {
            place_of_headers = None;
        } else if place_of_headers.is_none() {
            let Ok(place) = shared.unfinished.try_acquire() else {
                return Poll::Ready(ConnectionEnd::AtCapacity);
            };
            place_of_headers = Some(place);
        }
        let Some((deadline, late)) = pace.deadline() else {
            return Poll::Pending;
        };
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).map(|()| match late {
            Late::Headers => ConnectionEnd::HeadersLate,
            Late::Idle => ConnectionEnd::Idle,
            Late::Write => {
                pace.give_up();
                ConnectionEnd::WriteLate
            }
        })
    })
    .await
}

/// Has the request answered by a task of its own, and waits for it.
async fn answer<S, B>(
    shared: Arc<Shared<S>>,
    request: Request<Incoming>,
    peer: IpAddr,
    place: Arc<ConnectionPermit>,
    pace: Arc<Deadlines>,
) -> Result<Response<AnswerBody<B>>, Infallible>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
{
    let began = Instant::now();
    let answered = Answered { pace, door: shared.door, began };
    if !is_addressed(&request) {
        let detail = "a request of HTTP/1.1 names its host in exactly one Host header";
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
        let _place = place;
        tokio::select! {
            answer = service.oneshot(request) => Some(answer.unwrap_or_else(|never| match never {})),
            () = cut.cancelled() => None,
        }
    });
    Ok(match task.await {
        Ok(Some(answer)) => answer.map(|body| AnswerBody::of(Box::pin(body), answered)),
        Ok(None) if may_be_done.is_set() => {
            let detail = "the gateway stopped before it knew whether this was done: repeat it with the same \
                          Idempotency-Key, or look it up";
            own_response(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", detail, answered)
        }
        Ok(None) => {
            own_response(StatusCode::SERVICE_UNAVAILABLE, "draining", "the gateway is stopping: repeat", answered)
        }
        Err(_) => {
            observe::request_panicked(shared.door);
            own_response(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "an error of the gateway, which is logged",
                answered,
            )
        }
    })
}

/// Whether a request names its host as HTTP/1.1 demands. Where it names none or several, a proxy before us may have routed it
/// by another one.
fn is_addressed(request: &Request<Incoming>) -> bool {
    request.version() < Version::HTTP_11 || request.headers().get_all(header::HOST).iter().count() == 1
}

/// An answer that the listener itself makes.
fn own_response<B>(status: StatusCode, code: &str, detail: &str, answered: Answered) -> Response<AnswerBody<B>> {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = serde_json::json!({ "title": title, "status": status.as_u16(), "code": code, "detail": detail });
    let mut response =
        Response::new(AnswerBody { kind: Kind::Ours(Full::new(problem.to_string().into())), _answered: answered });
    *response.status_mut() = status;
    let media_type = header::HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// An answer's body, which tells the pace when it is over.
struct AnswerBody<B> {
    kind: Kind<B>,
    /// Dropped with the body, which is when the answer is over.
    _answered: Answered,
}

enum Kind<B> {
    Theirs(Pin<Box<B>>),
    Ours(Full<Bytes>),
}

/// hyper drops a body once it has written the last of it, or the client has left.
struct Answered {
    pace: Arc<Deadlines>,
    door: Door,
    began: Instant,
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.pace.request_ends();
        observe::answered(self.door, self.began.elapsed());
    }
}

impl<B> AnswerBody<B> {
    fn of(body: Pin<Box<B>>, answered: Answered) -> Self {
        Self { kind: Kind::Theirs(body), _answered: answered }
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
            Kind::Theirs(body) => body.as_mut().poll_frame(cx).map_err(Into::into),
            Kind::Ours(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Theirs(body) => body.is_end_stream(),
            Kind::Ours(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Theirs(body) => body.size_hint(),
            Kind::Ours(body) => body.size_hint(),
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
