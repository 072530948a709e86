//! Events the platform was told already, told once more.

use super::fields::{Fields, missing};
use super::{Answered, Api, Asked, storage_failed};
use crate::engine::{Follow, FollowFailed, Reads};
use crate::http::answer::json;
use crate::machine::show;
use crate::model::{EventId, Position, Timestamp};
use crate::rules::refusal::{Code, Refusal};
use crate::work::ReplayRefused;
use axum::http::StatusCode;
use serde_json::json;
use std::ops::Range;

/// What a replay is asked for with.
pub(super) const REPLAY_FIELDS: &[&str] = &["since", "until", "endpoint"];

/// `POST /v1/events/replay`: endpoints are told once more what they were told of a time.
pub(super) async fn replay(api: &Api, asked: Asked) -> Answered {
    let fields = Fields::read(&asked.body, REPLAY_FIELDS, &[])?;
    let since = time(&fields, "since")?.ok_or_else(|| missing("since", TIME))?;
    let until = time(&fields, "until")?;
    if until.is_some_and(|until| until < since) {
        return Err(Refusal::new(Code::InvalidField, "`until` is before `since`: nothing is between them"));
    }
    let endpoint = fields.text("endpoint")?;
    api.takes_work()?;
    let found = api.look(move |reads, _| stretch(reads, since, until).map_err(|failed| storage_failed(&failed)));
    let Stretch { range, cursors } = found.await?;
    let endpoints = api.replays.replay(endpoint, range).map_err(|refused| match refused {
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
    })?;
    let (from, to) = cursors.unzip();
    Ok(json(StatusCode::ACCEPTED, &json!({ "endpoints": endpoints, "from": from, "to": to })))
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
    /// The cursors of the first and of the last; none where nothing happened.
    cursors: Option<(String, String)>,
}

/// What happened from `since` on and before `until`.
fn stretch(reads: &Reads, since: Timestamp, until: Option<Timestamp>) -> Result<Stretch, FollowFailed> {
    let follow = reads.follow();
    let first = follow.first_at(since)?;
    let end = until.map_or_else(|| Ok(follow.committed().next()), |until| follow.first_at(until))?;
    if end <= first {
        return Ok(Stretch { range: first..first, cursors: None });
    }
    let cursors = cursor(follow, first)?.zip(cursor(follow, Position(end.0 - 1))?);
    Ok(Stretch { range: first..end, cursors })
}

/// What a cursor at a position looks like.
fn cursor(follow: &Follow, position: Position) -> Result<Option<String>, FollowFailed> {
    let story = follow.story(position)?;
    Ok(story.map(|story| show::cursor(EventId::new(story.at.day(), position, 0))))
}
