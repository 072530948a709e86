//! Pulling events: page by page with a long poll, or as a stream. An event's bytes are the same as when it is pushed.

use super::page::Query;
use super::{Answered, Api, ApiRequest, openapi, overloaded, storage_failed};
use crate::engine::{FollowFailed, Reads};
use crate::journal::JournalFailed;
use crate::machine::show::{self, RenderedEvent, cursor};
use crate::model::{EventId, Position};
use crate::observe::{NotReady, Readiness};
use crate::rules::refusal::{Code, Refusal};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

/// How long a request may wait for an event, in milliseconds.
const WAIT_MAX_MS: u64 = 30_000;

/// Maximum number of frames scanned per read. Frames of workers often hold no visible event.
const FRAMES_MAX: usize = 4_096;

/// Frames read from the journal at a time.
const PAGE: usize = 256;

/// Events read at a time for a stream.
const STREAM_AHEAD: usize = 64;

/// Maximum silence of a stream; a comment is sent after it, so that the client sees the connection is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often a waiting request checks whether the gateway is stopping.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// `GET /v1/events`: the events pushed to the platform's endpoints, in commit order.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "pull_events",
    summary = "Lists events in commit order, with the same bytes as when pushed: a page, or with Accept: \
               text/event-stream a stream that Last-Event-ID resumes.",
    params(openapi::PullQuery),
    responses((
        status = 200,
        description = "A page. Send next_cursor as `after` in the next request, even if the page was empty. It is null \
                       only before the first event.",
        content((openapi::EventPage = "application/json"), (String = "text/event-stream")),
    ))
)]
pub(super) async fn list(api: &Api, request: ApiRequest) -> Answered {
    let query = &request.query;
    if query.value("cursor").is_some() {
        return Err(Refusal::new(Code::InvalidField, "use `after` instead of `cursor` for events"));
    }
    let accepts = request.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let stream = accepts.split(',').any(|kind| kind.trim().starts_with("text/event-stream"));
    let resumes = request.headers.get("last-event-id").filter(|_| stream).and_then(|value| value.to_str().ok());
    let after = resumes.or(query.value("after")).map(read_cursor).transpose()?;
    let wait = wait(query)?;
    let limit = query.page()?.limit;
    // The permit is held until the response, or until the stream ends.
    let permit = Arc::clone(&api.pulls).try_acquire_owned().map_err(|_| overloaded())?;

    let texts = request.client.texts;
    let mut pull = Pull { reads: api.reads.clone(), readiness: api.readiness.clone(), after, texts };
    pull.check_cursor()?;
    if stream {
        return Ok(pull.into_stream(permit));
    }
    let until = Instant::now() + wait;
    loop {
        let found = pull.next(limit).await?;
        let time_is_up = Instant::now() >= until || pull.is_draining();
        if !found.events.is_empty() || (found.at_the_end && time_is_up) {
            return Ok(page(&found.events, pull.after, texts));
        }
        if found.at_the_end {
            pull.wait(until.min(Instant::now() + CHECK_EVERY)).await;
        }
    }
}

fn wait(query: &Query) -> Result<Duration, Refusal> {
    let Some(text) = query.value("wait_ms") else { return Ok(Duration::ZERO) };
    let ms = text.parse().ok().filter(|ms| *ms <= WAIT_MAX_MS).ok_or_else(|| {
        let detail = format!("`wait_ms` must be a whole number of milliseconds from 0 to {WAIT_MAX_MS}");
        Refusal::new(Code::InvalidField, detail)
    })?;
    Ok(Duration::from_millis(ms))
}

/// Parses a cursor: an event's id without its prefix.
fn read_cursor(text: &str) -> Result<EventId, Refusal> {
    let detail = "invalid `after`: use the cursor of an event or the next_cursor of a response, or omit it";
    format!("evt_{text}").parse().map_err(|_| Refusal::new(Code::CursorInvalid, detail))
}

/// A cursor after every event of the frame at `position`.
fn after_frame(day: crate::model::Day, position: Position) -> EventId {
    EventId::new(day, position, u16::MAX)
}

/// A reader of events, with its position.
struct Pull {
    reads: Reads,
    readiness: Readiness,
    /// The last event read, or a cursor after the last frame scanned.
    after: Option<EventId>,
    /// Whether the client may see texts.
    texts: bool,
}

/// A batch of events.
struct Found {
    events: Vec<RenderedEvent>,
    /// No further frame is committed yet.
    at_the_end: bool,
}

impl Pull {
    /// Refuses a cursor whose next events are no longer kept, or that is ahead of the journal.
    fn check_cursor(&self) -> Result<(), Refusal> {
        let Some(after) = self.after else { return Ok(()) };
        let follow = self.reads.follow();
        if after.position() > follow.committed() {
            let detail = "`after` is ahead of this gateway's journal: it comes from another gateway, or data was lost";
            return Err(Refusal::new(Code::CursorInvalid, detail));
        }
        if after.position().next() < follow.oldest() { Err(self.expired()) } else { Ok(()) }
    }

    fn expired(&self) -> Refusal {
        let follow = self.reads.follow();
        let oldest = follow.oldest();
        let first = follow.frame(oldest).ok().flatten();
        let oldest = first.map(|frame| cursor(show::before(frame.at.day(), oldest)).into());
        let detail = "events after that cursor are no longer kept: continue from `oldest`, or omit `after`";
        Refusal { oldest_cursor: oldest, ..Refusal::new(Code::EventsExpired, detail) }
    }

    /// Reads the next events, at most `limit`, and advances past them.
    async fn next(&mut self, limit: usize) -> Result<Found, Refusal> {
        let (reads, after) = (self.reads.clone(), self.after);
        // Off the runtime, because it may read the disk.
        let read = tokio::task::spawn_blocking(move || read(&reads, after, limit)).await;
        let (found, after) = read.map_err(|_| super::panicked())?.map_err(|failed| match failed {
            FollowFailed::Journal(JournalFailed::Gone { .. }) => self.expired(),
            failed => storage_failed(&failed),
        })?;
        self.after = after;
        Ok(found)
    }

    /// Waits for the next commit, at most until `until`.
    async fn wait(&self, until: Instant) {
        let mut follow = self.reads.follow().clone();
        let next = self.after.map_or_else(|| follow.committed().next(), |after| after.position().next());
        let _in_time = timeout(until.saturating_duration_since(Instant::now()), follow.wait_for(next)).await;
    }

    fn is_draining(&self) -> bool {
        self.readiness.holds(NotReady::Draining)
    }

    /// A streamed response, which ends when the client disconnects or the gateway stops.
    fn into_stream(self, permit: OwnedSemaphorePermit) -> Response {
        let opened = stream::once(async { Ok::<_, Infallible>(Event::default().comment("events")) });
        let streaming = Streaming { pull: self, found: VecDeque::new(), last_sent: Instant::now(), _permit: permit };
        let events = stream::unfold(streaming, async |mut streaming| Some((Ok(streaming.next().await?), streaming)));
        let mut response = Sse::new(opened.chain(events)).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The state of a stream. The connection asks for the next event when it can be written.
struct Streaming {
    pull: Pull,
    /// Events read and not sent yet.
    found: VecDeque<RenderedEvent>,
    last_sent: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Streaming {
    /// The next event, or a comment after [`KEEP_ALIVE`] without one; `None` once the gateway stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.found.pop_front() {
                self.last_sent = Instant::now();
                return Some(stream_event(&event, self.pull.texts));
            }
            if self.pull.is_draining() {
                return None;
            }
            let found = self.pull.next(STREAM_AHEAD).await.ok()?;
            if found.events.is_empty() && self.last_sent.elapsed() >= KEEP_ALIVE {
                self.last_sent = Instant::now();
                return Some(Event::default().comment("still here"));
            }
            if found.events.is_empty() && found.at_the_end {
                self.pull.wait(Instant::now() + CHECK_EVERY).await;
            }
            self.found = found.events.into();
        }
    }
}

/// Reads events after `after`. Also returns the cursor to continue from.
fn read(reads: &Reads, after: Option<EventId>, limit: usize) -> Result<(Found, Option<EventId>), FollowFailed> {
    let follow = reads.follow();
    // The cursor's own frame may have been deleted while the next ones are kept.
    let mut from = after.map_or(Position(0), |after| after.position()).max(follow.oldest());
    let (mut events, mut reached) = (Vec::new(), after);
    let mut scanned = 0;
    while scanned < FRAMES_MAX {
        let frames = follow.read(from, PAGE)?;
        if frames.is_empty() {
            return Ok((Found { events, at_the_end: true }, reached));
        }
        for frame in frames {
            for event in show::rendered(&frame).into_iter().filter(|event| after.is_none_or(|after| event.id > after)) {
                reached = Some(event.id);
                events.push(event);
                if events.len() == limit {
                    return Ok((Found { events, at_the_end: false }, reached));
                }
            }
            reached = reached.max(Some(after_frame(frame.at.day(), frame.position)));
            from = frame.position.next();
            scanned += 1;
        }
    }
    Ok((Found { events, at_the_end: false }, reached))
}

/// A page of events, each with the same bytes as when it is pushed, but for texts that the client may not see.
fn page(events: &[RenderedEvent], after: Option<EventId>, texts: bool) -> Response {
    let items: Vec<_> =
        events.iter().map(|event| String::from_utf8_lossy(&event.for_texts(texts)).into_owned()).collect();
    let next = after.map_or_else(|| "null".to_owned(), |after| format!("\"{}\"", cursor(after)));
    let mut response = Response::new(Body::from(format!("{{\"items\":[{}],\"next_cursor\":{next}}}", items.join(","))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An event in the `text/event-stream` format. Its JSON contains no line break.
fn stream_event(event: &RenderedEvent, texts: bool) -> Event {
    let body = event.for_texts(texts);
    Event::default().id(cursor(event.id)).event(event.kind).data(String::from_utf8_lossy(&body))
}
