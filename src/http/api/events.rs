//! Events, to be pulled: page by page with a long poll, or as a stream. The bytes of an event are those that are pushed.

use super::page::Query;
use super::{Answered, Api, ApiRequest, overloaded, storage_failed};
use crate::engine::{FollowFailed, Reads};
use crate::journal::JournalFailed;
use crate::machine::show::{self, RenderedEvent, cursor};
use crate::model::{EventId, Position};
use crate::observe::{NotReady, Readiness};
use crate::rules::refusal::{Code, Refusal};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

/// How long a request may wait for an event, in milliseconds.
const WAIT_MAX_MS: u64 = 30_000;

/// Stories looked at in one go. Most tell something; those of workers tell nothing.
const STORIES_MAX: usize = 4_096;

/// Stories read at a time.
const PAGE: usize = 256;

/// Events a stream has on their way to a client that reads slowly.
const STREAM_AHEAD: usize = 64;

/// A stream says something at least so often, so that whoever listens knows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often one who waits looks whether the gateway stops.
const LOOK_UP: Duration = Duration::from_secs(1);

/// `GET /v1/events`: what is pushed to the platform's endpoints, in the order the gateway saw it.
pub(super) async fn list(api: &Api, asked: ApiRequest) -> Answered {
    let query = &asked.query;
    if query.value("cursor").is_some() {
        return Err(Refusal::new(Code::InvalidField, "events go on by `after`: send the last cursor as that"));
    }
    let accepts = asked.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let stream = accepts.split(',').any(|kind| kind.trim().starts_with("text/event-stream"));
    let resumes = asked.headers.get("last-event-id").filter(|_| stream).and_then(|value| value.to_str().ok());
    let after = resumes.or(query.value("after")).map(read_cursor).transpose()?;
    let wait = wait(query)?;
    let limit = query.page()?.limit;
    // Each holds a place until it is answered, or for as long as the client listens.
    let place = Arc::clone(&api.pulls).try_acquire_owned().map_err(|_| overloaded())?;

    let mut pull = Pull { reads: api.reads.clone(), readiness: api.readiness.clone(), after };
    pull.begin()?;
    if stream {
        return Ok(pull.into_stream(place));
    }
    let until = Instant::now() + wait;
    loop {
        let found = pull.next(limit).await?;
        let over = Instant::now() >= until || pull.stops();
        if !found.events.is_empty() || (found.at_the_end && over) {
            return Ok(page(&found.events, pull.after));
        }
        if found.at_the_end {
            pull.wait(until.min(Instant::now() + LOOK_UP)).await;
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

/// A cursor is an event's id without what it begins with.
fn read_cursor(text: &str) -> Result<EventId, Refusal> {
    let none = "`after` is none of our cursors: use that of an event or the next_cursor of an answer, or leave it out";
    format!("evt_{text}").parse().map_err(|_| Refusal::new(Code::CursorInvalid, none))
}

/// After everything in the frame at `position`, told or not.
fn behind(day: crate::model::Day, position: Position) -> EventId {
    EventId::new(day, position, u16::MAX)
}

/// Somebody who reads events one after another.
struct Pull {
    reads: Reads,
    readiness: Readiness,
    /// The last that was read, or what stands in for it where nothing was told since.
    after: Option<EventId>,
}

/// What came next.
struct Found {
    events: Vec<RenderedEvent>,
    /// There is nothing more just now.
    at_the_end: bool,
}

impl Pull {
    /// Whether what comes after the cursor is still kept.
    fn begin(&self) -> Result<(), Refusal> {
        let Some(after) = self.after else { return Ok(()) };
        let follow = self.reads.follow();
        if after.position() > follow.committed() {
            let detail = "`after` is of a later time than anything here: it is of another gateway, or its data is gone";
            return Err(Refusal::new(Code::CursorInvalid, detail));
        }
        if after.position().next() < follow.oldest() { Err(self.expired()) } else { Ok(()) }
    }

    fn expired(&self) -> Refusal {
        let follow = self.reads.follow();
        let oldest = follow.oldest();
        let first = follow.story(oldest).ok().flatten();
        let oldest = first.map(|story| cursor(show::before(story.at.day(), oldest)));
        let detail = "events after that cursor are no longer kept: go on from `oldest`, or leave `after` out";
        Refusal { oldest_cursor: oldest, ..Refusal::new(Code::EventsExpired, detail) }
    }

    /// The next events, at most `limit`; goes on after them.
    async fn next(&mut self, limit: usize) -> Result<Found, Refusal> {
        let (reads, after) = (self.reads.clone(), self.after);
        // It may touch the disk.
        let read = tokio::task::spawn_blocking(move || read(&reads, after, limit)).await;
        let (found, after) = read.map_err(|_| super::panicked())?.map_err(|failed| match failed {
            FollowFailed::Journal(JournalFailed::Gone { .. }) => self.expired(),
            failed => storage_failed(&failed),
        })?;
        self.after = after;
        Ok(found)
    }

    /// Waits until something more is committed, or until `until`.
    async fn wait(&self, until: Instant) {
        let mut follow = self.reads.follow().clone();
        let next = self.after.map_or_else(|| follow.committed().next(), |after| after.position().next());
        let _in_time = timeout(until.saturating_duration_since(Instant::now()), follow.wait_for(next)).await;
    }

    fn stops(&self) -> bool {
        self.readiness.holds(NotReady::Draining)
    }

    /// An answer that goes on for as long as the client listens and the gateway runs.
    fn into_stream(mut self, place: OwnedSemaphorePermit) -> Response {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(STREAM_AHEAD);
        tokio::spawn(async move {
            let _place = place;
            // Who listens, or the gateway, is gone.
            let _gone = self.tell(&mut sender).await;
        });
        let mut response = Response::new(Body::new(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn tell(&mut self, sender: &mut Sender<Bytes, Infallible>) -> Option<()> {
        let mut said = Instant::now();
        sender.send_data(Bytes::from_static(b": events\n\n")).await.ok()?;
        while !self.stops() {
            let found = self.next(STREAM_AHEAD).await.ok()?;
            for told in &found.events {
                sender.send_data(frame(told)).await.ok()?;
                said = Instant::now();
            }
            if said.elapsed() >= KEEP_ALIVE {
                sender.send_data(Bytes::from_static(b": still here\n\n")).await.ok()?;
                said = Instant::now();
            }
            if found.at_the_end {
                self.wait(Instant::now() + LOOK_UP).await;
            }
        }
        Some(())
    }
}

/// What comes after `after`, and after what to go on.
fn read(reads: &Reads, after: Option<EventId>, limit: usize) -> Result<(Found, Option<EventId>), FollowFailed> {
    let follow = reads.follow();
    // The cursor's own frame may be gone: what comes after it need not be.
    let mut from = after.map_or(Position(0), |after| after.position()).max(follow.oldest());
    let (mut events, mut reached) = (Vec::new(), after);
    let mut looked_at = 0;
    while looked_at < STORIES_MAX {
        let stories = follow.read(from, PAGE)?;
        if stories.is_empty() {
            return Ok((Found { events, at_the_end: true }, reached));
        }
        for story in stories {
            for told in show::told(&story).into_iter().filter(|told| after.is_none_or(|after| told.id > after)) {
                reached = Some(told.id);
                events.push(told);
                if events.len() == limit {
                    return Ok((Found { events, at_the_end: false }, reached));
                }
            }
            reached = reached.max(Some(behind(story.at.day(), story.position)));
            from = story.position.next();
            looked_at += 1;
        }
    }
    Ok((Found { events, at_the_end: false }, reached))
}

/// A page: the events' own bytes, as they are pushed.
fn page(events: &[RenderedEvent], after: Option<EventId>) -> Response {
    let items: Vec<_> = events.iter().map(|told| String::from_utf8_lossy(&told.body)).collect();
    let next = after.map_or_else(|| "null".to_owned(), |after| format!("\"{}\"", cursor(after)));
    let mut response = Response::new(Body::from(format!("{{\"items\":[{}],\"next_cursor\":{next}}}", items.join(","))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An event as a stream has it: its JSON holds no line break.
fn frame(told: &RenderedEvent) -> Bytes {
    let body = String::from_utf8_lossy(&told.body);
    Bytes::from(format!("id: {}\nevent: {}\ndata: {body}\n\n", cursor(told.id), told.kind))
}
