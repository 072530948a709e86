//! Pulling events: page by page with a long poll, or as a stream. An event's bytes are the same as when it is pushed.

mod limits;
mod live;
mod pull;
mod stream;

pub(super) use self::limits::{ClientLimits, PULLS, STREAMS};
pub(super) use self::live::LiveEvents;

use self::pull::{Pull, Wanted};
use super::page::Query;
use super::{Answered, Api, ApiRequest, cursor_header, openapi};
use crate::machine::show::{KINDS, RenderedEvent, cursor};
use crate::model::{CallId, EventId};
use crate::rules::near::nearest;
use crate::rules::refusal::{Code, Refusal};
use crate::work::feed::Filter;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use std::time::Duration;
use tokio::time::Instant;

/// How long a request may wait for an event, in milliseconds.
const WAIT_MAX_MS: u64 = 30_000;

/// How long a request may scan events that its filter leaves out; then it returns an empty page that is not the last.
const SCANS_FOR: Duration = Duration::from_secs(2);

/// How often a waiting request checks whether the gateway is stopping.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The value of `after` that stands for the end of the journal.
const NOW: &str = "now";

/// `GET /v1/events`: the events pushed to the platform's endpoints, in commit order.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "pull_events",
    summary = "Lists events in commit order, with the same bytes as when pushed: a page, or with Accept: \
               text/event-stream a stream that Last-Event-ID resumes.",
    params(openapi::PullQuery, openapi::LastEventHeader),
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
    let streams = accepts.split(',').any(|kind| kind.trim().starts_with("text/event-stream"));
    let wanted = Wanted {
        types: query.value("types").map(types).transpose()?,
        call: query.value("call_id").map(call).transpose()?,
    };
    let wait = wait(query)?;
    let limit = query.page()?.limit;
    let resumes = request.headers.get("last-event-id").filter(|_| streams).map(|value| value.to_str().unwrap_or("?"));
    let after = match (resumes, query.value("after")) {
        (Some(last), _) => Some(read_cursor("Last-Event-ID", last)?),
        (None, Some(NOW)) => Some(api.reads.follow().end()),
        (None, after) => after.map(|after| read_cursor("after", after)).transpose()?,
    };
    let limits = if streams { &api.streams } else { &api.pulls };
    // The permit is held until the response, or until the stream ends.
    let permit = limits.take(&request.client.actor.name)?;

    let mut pull = Pull::new(api, wanted, after, request.client.texts);
    if resumes.is_some() || query.value("after").is_some_and(|after| after != NOW) {
        pull.check_cursor().await?;
    }
    if streams {
        return Ok(stream::respond(pull, permit, &api.live));
    }
    let began = Instant::now();
    let until = began + wait;
    loop {
        let found = pull.next(limit).await?;
        let time_is_up = Instant::now() >= until || pull.is_draining();
        let scanned_enough = !found.at_the_end && began.elapsed() >= SCANS_FOR;
        if !found.events.is_empty() || (found.at_the_end && time_is_up) || scanned_enough {
            return Ok(page(&found.events, &pull));
        }
        if found.at_the_end {
            pull.wait(until.min(Instant::now() + CHECK_EVERY)).await;
        }
    }
}

/// Parses types like `call.ended`, and groups like `message.*`, separated by commas.
fn types(text: &str) -> Result<Filter, Refusal> {
    let words: Vec<_> = text.split(',').map(str::trim).collect();
    Filter::read(&words).map_err(|unknown| {
        const SHOWN_MAX_CHARACTERS: usize = 64;
        let word: String = unknown.first().copied().unwrap_or_default().chars().take(SHOWN_MAX_CHARACTERS).collect();
        let meant = nearest(&word, KINDS.iter().copied()).map(|meant| format!(" (did you mean {meant}?)"));
        let meant = meant.unwrap_or_default();
        let detail = format!(
            "`types` has {word:?}, which is no type of event{meant}: use types, or groups like message.*, separated by \
             commas; the types are {}",
            KINDS.join(", ")
        );
        Refusal::new(Code::InvalidField, detail)
    })
}

fn call(text: &str) -> Result<CallId, Refusal> {
    let detail = "`call_id` must be 1 to 128 of A-Z a-z 0-9 _ . : -";
    CallId::read(text).ok_or_else(|| Refusal::new(Code::InvalidField, detail))
}

fn wait(query: &Query) -> Result<Duration, Refusal> {
    let Some(text) = query.value("wait_ms") else { return Ok(Duration::ZERO) };
    let ms = text.parse().ok().filter(|ms| *ms <= WAIT_MAX_MS).ok_or_else(|| {
        let detail = format!("`wait_ms` must be a whole number of milliseconds from 0 to {WAIT_MAX_MS}");
        Refusal::new(Code::InvalidField, detail)
    })?;
    Ok(Duration::from_millis(ms))
}

/// Parses a cursor: an event's id without its prefix. `name` is where it stands in the request.
fn read_cursor(name: &str, text: &str) -> Result<EventId, Refusal> {
    format!("evt_{text}").parse().map_err(|_| {
        let detail = format!(
            "invalid `{name}`: use the cursor of an event, the next_cursor or Offhook-Cursor of a response, or omit it"
        );
        Refusal::new(Code::CursorInvalid, detail)
    })
}

/// A page of events, each with the same bytes as when it is pushed, but for texts that the client may not see.
fn page(events: &[RenderedEvent], pull: &Pull) -> Response {
    let item = |event: &RenderedEvent| String::from_utf8_lossy(&event.for_texts(pull.texts)).into_owned();
    let items: Vec<_> = events.iter().map(item).collect();
    let next = pull.after.map_or_else(|| "null".to_owned(), |after| format!("\"{}\"", cursor(after)));
    let mut response = Response::new(Body::from(format!("{{\"items\":[{}],\"next_cursor\":{next}}}", items.join(","))));
    cursor_header(&mut response, pull.reached());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
