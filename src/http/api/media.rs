//! Photos and videos: their bytes, as they are in the store.
//!
//! Invariant: what is served has the type that its first bytes say, and is never run: the headers forbid it to a browser
//! whatever it contains. It is streamed, so a medium is never whole in memory.

use super::{Answered, Api, ApiRequest, storage_failed, storage_unavailable};
use crate::engine::Reads;
use crate::http::answer::problem;
use crate::machine::state::{Medium, MediumState, StoredMedium};
use crate::machine::view::Queries;
use crate::model::{Day, MediaId};
use crate::rules::refusal::{Code, Refusal};
use crate::work::media::store::Reading;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use std::ops::Range;

/// `GET /v1/media/{medium_id}`, also with `HEAD` and ranges of bytes.
#[utoipa::path(
    get,
    path = "/v1/media/{medium_id}",
    operation_id = "get_medium",
    summary = "Gets the bytes of a photo or video. Needs a token that may read texts, or the parameters of a link.",
    params(super::openapi::MediumPath, super::openapi::LinkQuery),
    responses(
        (status = 200, description = "The bytes.", content_type = "application/octet-stream", body = inline(super::openapi::Bytes)),
        (status = 206, description = "A range of them.", content_type = "application/octet-stream", body = inline(super::openapi::Bytes)),
        (status = 304, description = "The client has them."),
    )
)]
pub(super) async fn one(api: &Api, request: ApiRequest) -> Answered {
    let id = readable(&request)?;
    let stored = api.query(move |reads, _| find(reads, id)).await?;
    let etag = format!("\"{}\"", hex(&stored.sha256));
    if is_known(&request.headers, &etag) {
        return Ok(with_headers(Response::new(Body::empty()), StatusCode::NOT_MODIFIED, &stored, &etag));
    }
    let range = match range(&request.headers, &etag, stored.bytes) {
        Ok(range) => range,
        Err(refusal) => {
            let mut response = problem(&refusal);
            set(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", stored.bytes));
            return Ok(response);
        }
    };
    send(api, &stored, range, &etag).await
}

/// The medium that is asked for, by a client that may have it.
pub(super) fn readable(request: &ApiRequest) -> Result<MediaId, Refusal> {
    if !request.client.texts {
        let detail = "the token may not read texts, and so no media: use one without `texts = false`";
        return Err(Refusal::new(Code::ScopeMissing, detail));
    }
    request.param("medium_id").parse().map_err(|_| no_medium())
}

/// Where the medium is in the store. Blocks.
pub(super) fn find(reads: &Reads, id: MediaId) -> Result<StoredMedium, Refusal> {
    let found = reads.ask(|view| (view.message_of(id), view.media_since()));
    let (Some(message), since) = found.map_err(|failed| storage_failed(&failed))? else { return Err(no_medium()) };
    let erased = message.theirs.kept().is_none();
    let medium = message.media.into_iter().find(|medium| medium.id == id).ok_or_else(no_medium)?;
    stored(medium, erased, since)
}

async fn send(api: &Api, stored: &StoredMedium, range: Option<Range<u64>>, etag: &str) -> Answered {
    let Some(media) = &api.media else { return Err(storage_unavailable()) };
    let is_part = range.is_some();
    let reading = media.store.read(stored.day, stored.sha256, range).await;
    let Reading { size, range, pieces } = reading.map_err(|failed| not_read(&failed.to_string()))?.ok_or_else(gone)?;
    let status = if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = with_headers(Response::new(Body::from_stream(pieces)), status, stored, etag);
    set(&mut response, header::CONTENT_LENGTH, &(range.end - range.start).to_string());
    if is_part {
        let last = range.end.saturating_sub(1);
        set(&mut response, header::CONTENT_RANGE, &format!("bytes {}-{last}/{size}", range.start));
    }
    Ok(response)
}

/// The medium in the store, or why it cannot be served.
fn stored(medium: Medium, erased: bool, since: Option<Day>) -> Result<StoredMedium, Refusal> {
    match medium.state {
        _ if erased => Err(gone()),
        MediumState::Ready(stored) if since.is_some_and(|since| stored.day < since) => Err(gone()),
        MediumState::Ready(stored) => Ok(stored),
        MediumState::Pending => {
            Err(Refusal::new(Code::MediaPending, "it is being fetched from the carrier: wait for media.ready"))
        }
        MediumState::Failed { reason, found } => {
            Err(Refusal::new(Code::MediaFailed, format!("{}: {}", reason.word(), reason.detail(found.as_deref()))))
        }
    }
}

/// The range of bytes that is asked for; `None` for all of them. More than one range, and other units, are ignored, as
/// HTTP allows.
fn range(headers: &HeaderMap, etag: &str, size: u64) -> Result<Option<Range<u64>>, Refusal> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(wanted) = text(header::RANGE).and_then(|range| range.trim().strip_prefix("bytes=")) else {
        return Ok(None);
    };
    if wanted.contains(',') || text(header::IF_RANGE).is_some_and(|known| known != etag) {
        return Ok(None);
    }
    let invalid = || {
        let detail = format!("the medium has {size} bytes: ask for a range of them, such as bytes=0-{}", size - 1);
        Refusal::new(Code::RangeInvalid, detail)
    };
    let (first, last) = wanted.split_once('-').ok_or_else(invalid)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| invalid());
    let range = match (first.trim(), last.trim()) {
        ("", last) => size.saturating_sub(number(last)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => number(first)?..number(last)?.saturating_add(1).min(size),
    };
    if range.start < range.end && range.start < size { Ok(Some(range)) } else { Err(invalid()) }
}

/// Whether the client has these bytes already.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    known.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
}

fn with_headers(mut response: Response, status: StatusCode, stored: &StoredMedium, etag: &str) -> Response {
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, stored.media_type.content_type()),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::ETAG, etag),
    ] {
        set(&mut response, name, value);
    }
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    response.headers_mut().insert(name, HeaderValue::from_str(value).expect("it is visible ASCII"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn no_medium() -> Refusal {
    Refusal::new(Code::MediaNotFound, "no such medium: use an id from a message or an event")
}

fn gone() -> Refusal {
    Refusal::new(Code::MediaGone, "the medium was deleted: its days are over, or its sender was erased")
}

fn not_read(why: &str) -> Refusal {
    tracing::warn!(why, "a medium cannot be read");
    Refusal::new(Code::StorageUnavailable, "the media store does not work now: try again, and tell the operator")
}
