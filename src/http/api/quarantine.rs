//! Quarantined webhooks: list, show, replay, discard (A58).

use super::idempotency::replayed;
use super::page::{invalid_cursor, list as page_list};
use super::{
    Answered, Api, ApiRequest, OUTCOME_WITHIN, openapi, outcome_unknown, storage_failed, storage_unavailable,
    unexpected_reply,
};
use crate::carrier::Webhook;
use crate::engine::{FollowFailed, Reads, SubmitError};
use crate::http::answer::json;
use crate::journal::JournalFailed;
use crate::machine::command::{Command, Reply};
use crate::machine::event::{CommittedFrame, Event};
use crate::machine::state::QuarantineEntry;
use crate::machine::urgency::is_new;
use crate::machine::view::Queries;
use crate::model::{InboundItem, IntakeOutcome, Position, QuarantineId, RawRequest};
use crate::observe::NotReady;
use crate::rules::refusal::{Code, Refusal};
use crate::work::submit_in_order;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json as object};
use std::time::Duration;
use tokio::time::timeout;

/// How long all items of a webhook that is read again may wait for the engine: less than the client does.
const TAKEN_IN_WITHIN: Duration = Duration::from_secs(8);

/// `GET /v1/quarantine`.
#[utoipa::path(
    get,
    path = "/v1/quarantine",
    operation_id = "list_quarantine",
    summary = "Lists authentic webhooks that could not be read, oldest first.",
    params(openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::QuarantinePage))
)]
pub(super) async fn list(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?;
    let after = page.after.map(|after| after.parse::<QuarantineId>().map_err(|_| invalid_cursor())).transpose()?;
    let mut found = api
        .query(move |reads, _| {
            let after = after.map(QuarantineId::position);
            let found = reads.ask(|view| view.quarantined(after).take(page.limit + 1).collect::<Vec<_>>());
            found.map_err(|failed| storage_failed(&failed))
        })
        .await?;
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    let items: Vec<_> = found.iter().map(|(position, entry)| document(id(*position, entry), entry)).collect();
    let next = found.last().filter(|_| more).map(|(position, entry)| id(*position, entry).to_string());
    Ok(page_list(&items, next.as_deref()))
}

/// `GET /v1/quarantine/{quarantine_id}`.
#[utoipa::path(
    get,
    path = "/v1/quarantine/{quarantine_id}",
    operation_id = "get_quarantined",
    summary = "Gets a quarantined webhook with its raw bytes. Needs a token that may read texts.",
    params(openapi::QuarantinePath),
    responses((status = 200, description = "The webhook.", body = openapi::QuarantinedWebhook))
)]
pub(super) async fn one(api: &Api, request: ApiRequest) -> Answered {
    let id = quarantine_id(&request)?;
    if !request.client.texts {
        let detail = "the token may not read texts, which a raw webhook contains: use one without `texts = false`";
        return Err(Refusal::new(Code::ScopeMissing, detail));
    }
    let Quarantined { entry, raw, request } = api.query(move |reads, _| quarantined(reads, id)).await?;
    let mut document = document(id, &entry);
    document["content_type"] = object!(request.and_then(|request| request.content_type));
    document["body"] = object!(raw.as_deref().map(String::from_utf8_lossy));
    document["body_base64"] = object!(raw.as_deref().map(|raw| BASE64.encode(raw)));
    Ok(json(StatusCode::OK, &document))
}

/// `POST /v1/quarantine/{quarantine_id}/replay`.
#[utoipa::path(
    post,
    path = "/v1/quarantine/{quarantine_id}/replay",
    operation_id = "replay_quarantined",
    summary = "Reads a quarantined webhook again, as if it had just come. It leaves the quarantine, or stays there if it \
               is still unreadable.",
    params(openapi::QuarantinePath, openapi::KeyHeader),
    request_body = Option<openapi::QuarantineReplayAsk>,
    responses((status = 200, description = "What became of its items.", body = openapi::QuarantineReplayed))
)]
pub(super) async fn replay(api: &Api, request: ApiRequest) -> Answered {
    let id = quarantine_id(&request)?;
    let key = request.key()?;
    if !request.body.is_empty() {
        super::fields::read(&request.body, &[], &[], |_| Some(()))?;
    }
    if let Some(key) = key
        && let Some(position) = api.answered(key).await?
    {
        return again(api, id, position).await;
    }
    let Quarantined { entry, raw, request: raw_request } = api.query(move |reads, _| quarantined(reads, id)).await?;
    let gone = || {
        let detail = "its bytes were erased with the person they named, or are past their retention: discard it";
        Refusal::new(Code::StillUnreadable, detail)
    };
    let hook = Webhook::quarantined(raw.ok_or_else(gone)?, raw_request.as_ref());
    let account = api.accounts.get(&entry.account);
    let inbox = account.and_then(|account| account.inbox.clone()).ok_or_else(|| {
        let detail = format!("its account {} is no longer configured: add it again and reload", entry.account);
        Refusal::new(Code::StillUnreadable, detail)
    })?;
    let items = inbox.parse(&hook).unwrap_or_else(|unreadable| vec![unreadable.into()]);
    let (position, by) = (id.position(), request.client.actor.clone());
    let (taken, last) = all_but_the_last(api, &entry.account, items).await?;
    match api.decide(Command::ReplayQuarantined { position, taken, last, by, key }, key).await? {
        Reply::QuarantineReplayed(outcomes) => {
            let outcomes: Vec<_> = outcomes.into_iter().map(IntakeOutcome::word).collect();
            Ok(outcome(id, &outcomes))
        }
        Reply::Again(position) => again(api, id, position).await,
        _ => Err(unexpected_reply("replay_quarantined")),
    }
}

/// Takes in the items but the last, one after another as from the carrier, and returns the last. If one of them is still
/// unreadable, nothing happens.
async fn all_but_the_last(
    api: &Api,
    account: &str,
    mut items: Vec<InboundItem>,
) -> Result<(Vec<IntakeOutcome>, Option<Box<InboundItem>>), Refusal> {
    let unreadable = items.iter().find_map(|item| match item {
        InboundItem::Unreadable { problem, .. } => Some(problem.as_str()),
        _ => None,
    });
    if let Some(problem) = unreadable {
        return Err(still_unreadable(problem));
    }
    api.takes_work()?;
    if api.readiness.holds(NotReady::LowDisk) && items.iter().any(is_new) {
        return Err(storage_unavailable());
    }
    let last = items.pop().map(Box::new);
    let replies = timeout(OUTCOME_WITHIN, submit_in_order(&api.engine, account, items, TAKEN_IN_WITHIN)).await;
    let taken = replies.map_err(|_late| outcome_unknown())?.into_iter().map(|reply| match reply {
        Ok(Reply::InboundItem(outcome)) => Ok(outcome),
        Ok(_) => Err(still_unreadable("an item is too large to store")),
        Err(SubmitError::Busy | SubmitError::TooLate) => {
            let detail = "overloaded: it stays in quarantine; retry, what was taken in of it is not taken in again";
            Err(Refusal::new(Code::Overloaded, detail))
        }
        Err(SubmitError::Stopped) => Err(outcome_unknown()),
    });
    Ok((taken.collect::<Result<_, _>>()?, last))
}

fn still_unreadable(problem: &str) -> Refusal {
    let detail = format!(
        "it is still unreadable and stays in quarantine: {problem}; correct the account's configuration or install a \
         version that reads it, then replay it again, or discard it"
    );
    Refusal::new(Code::StillUnreadable, detail)
}

/// Repeats the response of an earlier request, from the frame that holds it.
async fn again(api: &Api, id: QuarantineId, position: Position) -> Answered {
    let frame = api.frame(position).await?;
    let outcomes = frame.events.iter().find_map(|event| match &event.event {
        Event::QuarantineResolved { outcomes: Some(outcomes), .. } => Some(outcomes),
        _ => None,
    });
    let outcomes: Vec<_> = outcomes.ok_or_else(storage_unavailable)?.iter().map(String::as_str).collect();
    Ok(replayed(outcome(id, &outcomes)))
}

fn outcome(id: QuarantineId, outcomes: &[&str]) -> Response {
    json(StatusCode::OK, &object!({ "id": id.to_string(), "outcomes": outcomes }))
}

/// `DELETE /v1/quarantine/{quarantine_id}`.
#[utoipa::path(
    delete,
    path = "/v1/quarantine/{quarantine_id}",
    operation_id = "discard_quarantined",
    summary = "Discards a quarantined webhook.",
    params(openapi::QuarantinePath),
    responses((status = 200, description = "The discarded webhook.", body = openapi::QuarantineEntry))
)]
pub(super) async fn discard(api: &Api, request: ApiRequest) -> Answered {
    let id = quarantine_id(&request)?;
    let entry = api.query(move |reads, _| entry(reads, id)).await?;
    let by = request.client.actor.clone();
    match api.decide(Command::DiscardQuarantined { position: id.position(), by }, None).await? {
        Reply::Done => Ok(json(StatusCode::OK, &document(id, &entry))),
        _ => Err(unexpected_reply("discard_quarantined")),
    }
}

fn quarantine_id(request: &ApiRequest) -> Result<QuarantineId, Refusal> {
    request.param("quarantine_id").parse().map_err(|_| no_such_entry())
}

fn no_such_entry() -> Refusal {
    let detail = "no such webhook in quarantine: it was replayed, discarded or is past its retention; \
                  GET /v1/quarantine lists them";
    Refusal::new(Code::NotFound, detail)
}

fn id(position: Position, entry: &QuarantineEntry) -> QuarantineId {
    QuarantineId::new(entry.at.day(), position, 0)
}

fn document(id: QuarantineId, entry: &QuarantineEntry) -> Value {
    object!({
        "id": id.to_string(),
        "account": entry.account,
        "at": entry.at.to_string(),
        "problem": entry.problem,
        "bytes": entry.bytes,
    })
}

fn entry(reads: &Reads, wanted: QuarantineId) -> Result<QuarantineEntry, Refusal> {
    let found = reads.ask(|view| view.quarantine_entry(wanted.position())).map_err(|failed| storage_failed(&failed))?;
    found.filter(|entry| id(wanted.position(), entry) == wanted).ok_or_else(no_such_entry)
}

/// A quarantined webhook with what was kept of it.
struct Quarantined {
    entry: QuarantineEntry,
    /// `None` if it was erased, or is past its retention.
    raw: Option<Vec<u8>>,
    request: Option<RawRequest>,
}

fn quarantined(reads: &Reads, id: QuarantineId) -> Result<Quarantined, Refusal> {
    let entry = entry(reads, id)?;
    let frame = match reads.follow().frame(id.position()) {
        Err(FollowFailed::Journal(JournalFailed::Gone { .. })) | Ok(None) => None,
        Err(failed) => return Err(storage_failed(&failed)),
        Ok(frame) => frame,
    };
    let (raw, request) = frame.map(|frame| kept(&frame)).unwrap_or_default();
    Ok(Quarantined { entry, raw, request })
}

fn kept(frame: &CommittedFrame) -> (Option<Vec<u8>>, Option<RawRequest>) {
    let found = frame.events.iter().find_map(|event| match &event.event {
        Event::Quarantined { raw, request, .. } => {
            let request = request.as_ref().and_then(|request| request.kept()).cloned();
            Some((raw.kept().cloned(), request))
        }
        _ => None,
    });
    found.unwrap_or_default()
}
