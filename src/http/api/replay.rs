//! Events the platform was told already, told once more.

use super::fields::{Fields, missing};
use super::idempotency::replayed as replayed_before;
use super::{Answered, Api, ApiRequest, outcome_unknown, storage_failed, storage_unavailable, unexpected_reply};
use crate::engine::{Follow, FollowFailed, Reads, Urgency};
use crate::http::answer::json;
use crate::machine::command::{Command, IdempotencyKey, Reply};
use crate::machine::event::{Event, Replayed};
use crate::machine::{self, show};
use crate::model::{EventId, Position, Timestamp};
use crate::rules::refusal::{Code, Refusal};
use crate::work::ReplayRefused;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use std::ops::Range;

/// What a replay is asked for with.
pub(super) const REPLAY_FIELDS: &[&str] = &["since", "until", "endpoint"];

/// `POST /v1/events/replay`: endpoints are told once more what they were told of a time.
pub(super) async fn replay(api: &Api, asked: ApiRequest) -> Answered {
    let key = asked.key()?;
    let fields = Fields::read(&asked.body, REPLAY_FIELDS, &[])?;
    let since = time(&fields, "since")?.ok_or_else(|| missing("since", TIME))?;
    let until = time(&fields, "until")?;
    if until.is_some_and(|until| until < since) {
        return Err(Refusal::new(Code::InvalidField, "`until` is before `since`: nothing is between them"));
    }
    let endpoint = fields.text("endpoint")?;
    api.takes_work()?;
    let held = key.map(|key| api.in_flight.hold(key)).transpose()?;
    if let Some(key) = key
        && let Some(position) = api.answered(key).await?
    {
        return again(api, position).await.map(replayed_before);
    }
    let found = api.look(move |reads, _| stretch(reads, since, until).map_err(|failed| storage_failed(&failed)));
    let Stretch { range, ends } = found.await?;
    let endpoints = api.replays.replay(endpoint, range).map_err(|refused| no_replay(api, refused))?;
    let replayed = Replayed { endpoints: endpoints.into_iter().map(str::to_owned).collect(), ends };
    if let Some(key) = key {
        let command = Command::Replayed { key, replayed: replayed.clone() };
        // The feeds have been asked: where that cannot be kept in mind, it was done all the same.
        let kept = api.submit(command, Urgency::Ordinary, held).await.map_err(|_| outcome_unknown())?;
        if kept != Reply::Done {
            return Err(unexpected_reply("replayed"));
        }
    }
    Ok(accepted(&replayed))
}

fn no_replay(api: &Api, refused: ReplayRefused) -> Refusal {
    match refused {
        ReplayRefused::NoSuchEndpoint => {
            let known: Vec<_> = api.replays.endpoints().collect();
            let detail = match known.as_slice() {
                [] => "there is no endpoint: the configuration names none as [[platform.webhook]]".to_owned(),
                known => {
                    format!("`endpoint` is none of ours: use one of {}, or leave it out for all", known.join(", "))
                }
            };
            Refusal::new(Code::InvalidField, detail)
        }
        ReplayRefused::TooMany => {
            Refusal::new(Code::Overloaded, "too many replays wait for that endpoint already: repeat when they are done")
        }
        ReplayRefused::Stopping => Refusal::new(Code::Draining, "the gateway is stopping and nothing was done: repeat"),
    }
}

fn accepted(Replayed { endpoints, ends }: &Replayed) -> Response {
    let (from, to) = ends.map(|(first, last)| (show::cursor(first), show::cursor(last))).unzip();
    json(StatusCode::ACCEPTED, &json!({ "endpoints": endpoints, "from": from, "to": to }))
}

impl Api {
    /// Where the answer stands that was given before on the same key.
    async fn answered(&self, key: IdempotencyKey) -> Result<Option<Position>, Refusal> {
        self.look(move |reads, now| {
            reads.ask(|view| machine::answered(view, key, now)).map_err(|failed| storage_failed(&failed))?
        })
        .await
    }
}

/// The answer given before, from the frame that holds it.
async fn again(api: &Api, position: Position) -> Answered {
    let story = api.story(position).await?;
    let replayed = story.events.iter().find_map(|event| match &event.fact {
        Event::Replayed(replayed) => Some(accepted(replayed)),
        _ => None,
    });
    replayed.ok_or_else(storage_unavailable)
}

const TIME: &str = "a time with its zone, as in 2026-01-31T12:00:00Z";

fn time(fields: &Fields, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    let read = Timestamp::parse(text);
    read.map(Some).ok_or_else(|| Refusal::new(Code::InvalidField, format!("`{name}` is no time: it must be {TIME}")))
}

/// What happened in a time.
struct Stretch {
    range: Range<Position>,
    /// The first and the last of it; none where nothing happened.
    ends: Option<(EventId, EventId)>,
}

/// What happened from `since` on and before `until`.
fn stretch(reads: &Reads, since: Timestamp, until: Option<Timestamp>) -> Result<Stretch, FollowFailed> {
    let follow = reads.follow();
    let first = follow.first_at(since)?;
    let end = until.map_or_else(|| Ok(follow.committed().next()), |until| follow.first_at(until))?;
    if end <= first {
        return Ok(Stretch { range: first..first, ends: None });
    }
    let ends = event(follow, first)?.zip(event(follow, Position(end.0 - 1))?);
    Ok(Stretch { range: first..end, ends })
}

/// What an event at a position would be called.
fn event(follow: &Follow, position: Position) -> Result<Option<EventId>, FollowFailed> {
    let story = follow.story(position)?;
    Ok(story.map(|story| EventId::new(story.at.day(), position, 0)))
}
