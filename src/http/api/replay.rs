//! Replays: re-delivery of past events.

use super::fields;
use super::idempotency::replayed as replayed_before;
use super::{
    Answered, Api, ApiRequest, openapi, outcome_unknown, storage_failed, storage_unavailable, unexpected_reply,
};
use crate::engine::{Follow, FollowFailed, Reads};
use crate::http::answer::json;
use crate::machine::command::{Command, IdempotencyKey, Reply};
use crate::machine::event::{Event, Replayed};
use crate::machine::{self, show};
use crate::model::{EventId, Position, Timestamp};
use crate::rules::refusal::{Code, Refusal};
use crate::work::ReplayRefused;
use axum::http::StatusCode;
use axum::response::Response;
use std::ops::Range;

/// Fields of a replay request.
pub(super) const REPLAY_FIELDS: &[&str] = &["since", "until", "endpoint"];

/// `POST /v1/events/replay`: re-delivers the events of a time range to endpoints.
#[utoipa::path(
    post,
    path = "/v1/events/replay",
    operation_id = "replay_events",
    summary = "Re-delivers events of a time range to endpoints, with the same ids and bytes, in order per call, while \
               no new events are pending. A restart of the gateway cancels it.",
    params(openapi::KeyHeader),
    request_body = openapi::ReplayAsk,
    responses((status = 202, description = "The replay is accepted.", body = openapi::Replay))
)]
pub(super) async fn replay(api: &Api, request: ApiRequest) -> Answered {
    let key = request.key()?;
    let (since, until, endpoint) = fields::read(&request.body, REPLAY_FIELDS, &[], |fields| {
        let since = fields.required_time("since")?;
        let until = fields.time_or_null("until");
        if until.is_some_and(|until| until < since) {
            fields.note("until", "is before `since`: the time range is empty");
        }
        Some((since, until, fields.text_or_null("endpoint").map(str::to_owned)))
    })?;
    api.takes_work()?;
    let held = key.map(|key| api.in_flight.hold(key)).transpose()?;
    if let Some(key) = key
        && let Some(position) = api.answered(key).await?
    {
        return again(api, position).await.map(replayed_before);
    }
    let found = api.query(move |reads, _| find_range(reads, since, until).map_err(|failed| storage_failed(&failed)));
    let TimeRange { range, ends } = found.await?;
    let endpoints = api.replays.replay(endpoint.as_deref(), range).map_err(|refused| no_replay(api, refused))?;
    let replayed = Replayed { endpoints: endpoints.into_iter().map(str::to_owned).collect(), ends };
    let command = Command::Replayed { key, replayed: replayed.clone(), by: request.client.actor.clone() };
    // The feeds already have the replay, so if this commit fails, the outcome is unknown.
    let stored = api.submit(command, held).await.map_err(|_| outcome_unknown())?;
    if stored != Reply::Done {
        return Err(unexpected_reply("replayed"));
    }
    Ok(accepted(&replayed))
}

fn no_replay(api: &Api, refused: ReplayRefused) -> Refusal {
    match refused {
        ReplayRefused::NoSuchEndpoint => {
            let known: Vec<_> = api.replays.endpoints().collect();
            let detail = match known.as_slice() {
                [] => "no endpoint is configured: add a [[platform.webhook]] to the configuration".to_owned(),
                known => format!("unknown `endpoint`: use one of {}, or omit it for all", known.join(", ")),
            };
            Refusal::new(Code::InvalidField, detail)
        }
        ReplayRefused::TooMany => {
            Refusal::new(Code::Overloaded, "too many replays are pending for that endpoint; retry when they are done")
        }
        ReplayRefused::Stopping => Refusal::new(Code::Draining, "shutting down; nothing was changed, retry"),
    }
}

fn accepted(replayed: &Replayed) -> Response {
    json(StatusCode::ACCEPTED, &show::replayed(replayed))
}

impl Api {
    /// The position of the frame with the response to an earlier request with the key.
    pub(super) async fn answered(&self, key: IdempotencyKey) -> Result<Option<Position>, Refusal> {
        self.query(move |reads, now| {
            reads.ask(|view| machine::answered(view, key, now)).map_err(|failed| storage_failed(&failed))?
        })
        .await
    }
}

/// Repeats the response of an earlier request, from the frame that holds it.
async fn again(api: &Api, position: Position) -> Answered {
    let frame = api.frame(position).await?;
    let replayed = frame.events.iter().find_map(|event| match &event.event {
        Event::Replayed(replayed) => Some(accepted(replayed)),
        _ => None,
    });
    replayed.ok_or_else(storage_unavailable)
}

/// The frames of a time range.
struct TimeRange {
    range: Range<Position>,
    /// The first and the last event id; `None` if the range is empty.
    ends: Option<(EventId, EventId)>,
}

/// Finds the frames from `since` (inclusive) to `until` (exclusive).
fn find_range(reads: &Reads, since: Timestamp, until: Option<Timestamp>) -> Result<TimeRange, FollowFailed> {
    let follow = reads.follow();
    let first = follow.first_at(since)?;
    let end = until.map_or_else(|| Ok(follow.committed().next()), |until| follow.first_at(until))?;
    if end <= first {
        return Ok(TimeRange { range: first..first, ends: None });
    }
    let ends = first_event_id(follow, first)?.zip(first_event_id(follow, Position(end.0 - 1))?);
    Ok(TimeRange { range: first..end, ends })
}

/// The id of the first event of a frame, whether or not it has one.
fn first_event_id(follow: &Follow, position: Position) -> Result<Option<EventId>, FollowFailed> {
    let frame = follow.frame(position)?;
    Ok(frame.map(|frame| EventId::new(frame.at.day(), position, 0)))
}
