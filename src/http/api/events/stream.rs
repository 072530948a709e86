//! A stream of events in the `text/event-stream` format.
//!
//! A stream first reads the journal itself, until it has reached the end; then it takes the live events. It subscribes
//! to them before it reads the rest of the journal, so that none falls in between.

use super::limits::ClientPermit;
use super::live::LiveEvents;
use super::pull::Pull;
use crate::http::api::cursor_header;
use crate::machine::show::{RenderedEvent, cursor};
use crate::model::{EventId, Position};
use crate::observe;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, timeout_at};

/// Events read at a time from the journal.
const AHEAD: usize = 64;

/// Maximum silence of a stream. After it the stream repeats its position, which shows both sides that the connection
/// lives, and lets a client that wants few events resume from there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When a browser connects again after its stream ended, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// An event as it is written to streams.
pub(super) struct Chunk {
    id: EventId,
    bytes: Bytes,
}

impl Chunk {
    /// An event's JSON contains no line break.
    pub(super) fn of(event: &RenderedEvent, texts: bool) -> Self {
        let body = event.for_texts(texts);
        let (id, kind, body) = (cursor(event.id), event.kind, String::from_utf8_lossy(&body));
        Self { id: event.id, bytes: format!("id: {id}\nevent: {kind}\ndata: {body}\n\n").into() }
    }
}

/// A streamed response, which ends when the client disconnects or is too slow, or when the gateway stops.
pub(super) fn respond(pull: Pull, permit: ClientPermit, live: &LiveEvents) -> Response {
    let start = pull.reached();
    let opened: Bytes = format!("retry: {RETRY_MS}\n{}", position(start)).into();
    observe::stream_opened();
    let erased = pull.erased_until();
    let stream = Stream {
        erased,
        pull,
        read: VecDeque::new(),
        live: live.clone(),
        queue: None,
        is_live: false,
        last_sent: Instant::now(),
        _permit: permit,
    };
    let events = stream::unfold(stream, async |mut stream| Some((stream.next().await?, stream)));
    let chunks = stream::once(async { opened }).chain(events).map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(chunks));
    cursor_header(&mut response, start);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would otherwise collect events before it passes them on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// An event without data: clients dispatch nothing, and resume after its id.
fn position(at: EventId) -> String {
    format!(": position\nid: {}\n\n", cursor(at))
}

/// The state of a stream. The connection asks for the next event when it can be written.
struct Stream {
    pull: Pull,
    /// Events read from the journal and not sent yet.
    read: VecDeque<Chunk>,
    live: LiveEvents,
    /// The live events, from the first time that the end of the journal was reached.
    queue: Option<Receiver<Arc<Chunk>>>,
    /// The journal is read up to where the live events begin.
    is_live: bool,
    /// What is held was read after the erasures up to this position.
    erased: Position,
    last_sent: Instant,
    _permit: ClientPermit,
}

impl Drop for Stream {
    fn drop(&mut self) {
        observe::stream_closed();
    }
}

impl Stream {
    /// The next event, or the position after [`KEEP_ALIVE`] without one; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.holds_erased() {
            return None;
        }
        let bytes = self.next_bytes().await?;
        self.last_sent = Instant::now();
        Some(bytes)
    }

    /// Whether something was read before a person was erased and is not sent yet. The stream then ends, and its client
    /// resumes by its cursor.
    fn holds_erased(&mut self) -> bool {
        let before = std::mem::replace(&mut self.erased, self.pull.erased_until());
        let waits = !self.read.is_empty() || self.queue.as_ref().is_some_and(|queue| !queue.is_empty());
        before != self.erased && waits
    }

    async fn next_bytes(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.read.pop_front() {
                return Some(chunk.bytes);
            }
            match &mut self.queue {
                Some(queue) if self.is_live => {
                    let silent_until = self.last_sent + KEEP_ALIVE;
                    let chunk = match timeout_at(silent_until, queue.recv()).await {
                        Ok(chunk) => chunk?,
                        Err(_elapsed) => {
                            // Taken before the queue is looked at: an event that comes now is not before it.
                            let reached = self.live.reached();
                            match queue.try_recv() {
                                Ok(chunk) => chunk,
                                Err(TryRecvError::Disconnected) => return None,
                                Err(TryRecvError::Empty) => {
                                    return Some(position(reached.max(self.pull.reached())).into());
                                }
                            }
                        }
                    };
                    // Events that the journal was read up to may be among the first live ones.
                    if self.pull.after.is_none_or(|after| chunk.id > after) {
                        return Some(chunk.bytes.clone());
                    }
                }
                queue => {
                    if self.pull.is_draining() {
                        return None;
                    }
                    let found = self.pull.next(AHEAD).await.ok()?;
                    self.read = found.events.iter().map(|event| Chunk::of(event, self.pull.texts)).collect();
                    if found.at_the_end {
                        self.is_live = queue.is_some();
                        queue.get_or_insert_with(|| self.live.subscribe(self.pull.wanted.clone(), self.pull.texts));
                    } else if self.read.is_empty() && self.last_sent.elapsed() >= KEEP_ALIVE {
                        return Some(position(self.pull.reached()).into());
                    }
                }
            }
        }
    }
}
