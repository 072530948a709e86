//! Reconciliation: a carrier's list of messages is read for what never arrived.

use super::idempotency::replayed;
use super::suspend::account_name;
use super::{Answered, Api, ApiRequest, fields, openapi, storage_unavailable, unexpected_reply};
use crate::http::answer::json;
use crate::machine::command::{BeginReconciliation, Command, Reply};
use crate::machine::event::Event;
use crate::machine::state::Reconciliation;
use crate::model::{Position, Timestamp};
use crate::rules::refusal::{Code, Refusal};
use crate::work::reconcile::{Progress, REACH, State};
use axum::http::StatusCode;
use serde_json::{Value, json as object};

/// Fields of the request.
pub(super) const FIELDS: &[&str] = &["since"];

/// `POST /v1/accounts/{name}/reconcile`.
#[utoipa::path(
    post,
    path = "/v1/accounts/{name}/reconcile",
    operation_id = "reconcile_account",
    summary = "Reads the carrier's list of messages since a time, and takes in what never arrived, once and in the \
               carrier's order. It goes on by itself, also after a restart of the gateway; `reconciliation` of the \
               account says how far it is.",
    params(openapi::AccountPath, openapi::KeyHeader),
    request_body = openapi::ReconcileAsk,
    responses((status = 202, description = "It has begun.", body = openapi::Reconciliation))
)]
pub(super) async fn reconcile(api: &Api, request: ApiRequest) -> Answered {
    let account = account_name(api, &request)?;
    let key = request.key()?;
    let now = (api.clock)();
    let since = fields::read(&request.body, FIELDS, &[], |fields| {
        let since = fields.required_time("since")?;
        if since > now {
            fields.note("since", "is in the future: give the time from which messages may be missing");
        } else if now.since(since) > REACH {
            let days = REACH.as_secs() / (24 * 60 * 60);
            let oldest = now - REACH;
            let what = format!(
                "is more than {days} days ago: of older messages it is not known whether they arrived, so they could \
                 come twice; use {oldest} or later"
            );
            fields.note("since", what);
        }
        Some(since)
    })?;
    if api.accounts.get(&account).is_none_or(|known| known.lists.is_none()) {
        return Err(no_list());
    }
    let begin = BeginReconciliation { account: account.clone(), since, by: Some(request.client.actor.clone()), key };
    match api.decide(Command::BeginReconciliation(begin), key).await? {
        Reply::Reconciliation(begun) => {
            api.reconciler.begin(&account, begun);
            Ok(json(StatusCode::ACCEPTED, &document(&account, &Progress::begun(begun))))
        }
        Reply::Again(position) => again(api, position).await.map(replayed),
        _ => Err(unexpected_reply("reconcile")),
    }
}

fn no_list() -> Refusal {
    let detail = "this account's carrier has no list of received messages with their texts: look for them in the carrier's \
                  own console, or ask its support to deliver their webhooks again";
    Refusal::new(Code::NoMessageList, detail)
}

/// Repeats the response of an earlier request, from the frame that holds it.
async fn again(api: &Api, position: Position) -> Answered {
    let frame = api.frame(position).await?;
    let begun = frame.events.iter().find_map(|event| match &event.event {
        Event::ReconciliationBegun { account, since } => {
            let begun = Reconciliation { since: *since, at: frame.at };
            Some(json(StatusCode::ACCEPTED, &document(account, &Progress::begun(begun))))
        }
        _ => None,
    });
    begun.ok_or_else(storage_unavailable)
}

/// The JSON object of a reconciliation.
pub(super) fn document(account: &str, progress: &Progress) -> Value {
    let Progress { begun, state, pages, read, known, taken_in, unreadable } = progress;
    let time = |at: &Timestamp| at.to_string();
    let (word, detail, next_try_at, ended_at) = match state {
        State::Running => ("running", None, None, None),
        State::Waiting { reason, until } => ("waiting", Some(reason), Some(time(until)), None),
        State::Done { at } => ("done", None, None, Some(time(at))),
    };
    object!({
        "account": account,
        "since": time(&begun.since),
        "state": word,
        "begun_at": time(&begun.at),
        "ended_at": ended_at,
        "pages": pages,
        "read": read,
        "known": known,
        "taken_in": taken_in,
        "unreadable": unreadable,
        "detail": detail,
        "next_try_at": next_try_at,
    })
}
