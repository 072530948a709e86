//! How the gateway does: readiness, accounts, refusals, endpoints.

use super::page::invalid_cursor;
use super::{Answered, Api, ApiRequest, openapi, storage_failed};
use crate::engine::Reads;
use crate::http::answer::json;
use crate::machine::show;
use crate::machine::state::CapOwner;
use crate::machine::view::{SendingQueries, View};
use crate::model::{Position, Timestamp};
use crate::rules::refusal::{Code, Refusal};
use crate::work::{Accounts, EndpointState};
use axum::http::StatusCode;
use serde_json::{Value, json as object};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// `GET /v1/health`.
#[utoipa::path(
    get,
    path = "/v1/health",
    operation_id = "health",
    summary = "Says whether the gateway takes new work, how its accounts do, and what was refused in the last hour.",
    responses((status = 200, description = "Its health.", body = openapi::Health))
)]
pub(super) async fn health(api: &Api, _: ApiRequest) -> Answered {
    let reasons: Vec<_> = api.readiness.reasons().into_iter().map(|reason| reason.label()).collect();
    let mut names = api.accounts.names();
    names.sort_unstable();
    let accounts = api.accounts.clone();
    let documents = api.query(move |reads, now| {
        let all = reads.ask(|view| {
            let documents = names.iter().map(|name| account_document(view, &accounts, name, now));
            documents.collect::<Vec<_>>()
        });
        all.map_err(|failed| storage_failed(&failed))
    });
    let refusals = api.refusals.last_hour();
    let refusals: Vec<_> =
        refusals.into_iter().map(|(code, count)| object!({ "code": code, "count": count })).collect();
    let document = object!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "notes": api.readiness.notes(),
        "accounts": documents.await?,
        "refusals": refusals,
    });
    Ok(json(StatusCode::OK, &document))
}

/// The health of one account.
pub(super) fn account_document(view: &impl View, accounts: &Accounts, name: &str, now: Timestamp) -> Value {
    let paused = view.breaker(name).and_then(|breaker| breaker.paused);
    let cause = paused.map(|_| view.cause(name).unwrap_or_default());
    object!({
        "name": name,
        "breaker": if paused.is_some() { "open" } else { "closed" },
        "paused_until": paused.map(|paused| paused.until).filter(|until| *until > now).map(|until| until.to_string()),
        "reason": cause.as_ref().map(|cause| cause.reason),
        "detail": cause.as_ref().map(|cause| &cause.detail),
        "suspended": show::suspension(view.suspension(&CapOwner::Account(name.to_owned())).as_ref()),
        "last_success_at": accounts.last_success(name).map(|at| at.to_string()),
    })
}

/// `GET /v1/endpoints`.
#[utoipa::path(
    get,
    path = "/v1/endpoints",
    operation_id = "list_endpoints",
    summary = "Lists the platform's endpoints: how far each is behind, and what it answered last.",
    params(openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::EndpointPage))
)]
pub(super) async fn endpoints(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?;
    // A name of an endpoint has no spaces or signs that another list's cursor would have.
    if page.after.as_ref().is_some_and(|after| !api.endpoints.contains_key(after)) {
        return Err(invalid_cursor());
    }
    let states: Vec<_> = api.endpoints.iter().map(|(name, status)| (name.clone(), status.get())).collect();
    api.query(move |reads, _| {
        let mut items = Vec::new();
        for (name, state) in states {
            let watermark = state.watermark.map(|watermark| cursor_of(reads, watermark)).transpose()?.flatten();
            items.push((name.clone(), endpoint_document(&name, &state, watermark.as_deref())));
        }
        Ok(page.of(items.into_iter().map(|(name, document)| (name, || document))))
    })
    .await
}

fn endpoint_document(name: &str, state: &EndpointState, watermark: Option<&str>) -> Value {
    object!({
        "name": name,
        "watermark": watermark,
        "behind_events": state.behind_events,
        "behind_ms": state.behind_ms,
        "parked_calls": state.parked,
        "last_answer": state.last_answer.as_ref().map(|answer| object!({
            "at": answer.at.to_string(),
            "outcome": answer.outcome.label(),
            "detail": answer.detail,
        })),
        "next_try_at": state.next_try_at.map(|at| at.to_string()),
        "paused": state.paused,
    })
}

/// The cursor from which a pull gets what is not delivered yet; `None` if its day is no longer known.
fn cursor_of(reads: &Reads, watermark: Position) -> Result<Option<String>, Refusal> {
    let follow = reads.follow();
    let known = watermark.min(follow.committed()).max(follow.oldest());
    let frame = follow.frame(known).map_err(|failed| storage_failed(&failed))?;
    Ok(frame.map(|frame| show::cursor(show::before(frame.at.day(), watermark))))
}

/// Refusals of the last hour by code, counted by minute since the start of the gateway.
pub(super) struct Refusals {
    began: Instant,
    minutes: Mutex<VecDeque<(u64, BTreeMap<&'static str, u64>)>>,
}

/// Minutes that are kept.
const KEPT: u64 = 60;

impl Default for Refusals {
    fn default() -> Self {
        Self { began: Instant::now(), minutes: Mutex::default() }
    }
}

impl Refusals {
    /// A request was refused.
    pub(super) fn count(&self, code: Code) {
        self.count_at(code, self.began.elapsed());
    }

    /// The refusals of the last hour by code, the most frequent first.
    fn last_hour(&self) -> Vec<(&'static str, u64)> {
        self.hour_before(self.began.elapsed())
    }

    fn count_at(&self, code: Code, at: Duration) {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = at.as_secs() / 60;
        if minutes.back().is_none_or(|(last, _)| *last != minute) {
            minutes.push_back((minute, BTreeMap::new()));
            while minutes.len() > KEPT as usize {
                minutes.pop_front();
            }
        }
        if let Some((_, counts)) = minutes.back_mut() {
            *counts.entry(code.word()).or_default() += 1;
        }
    }

    fn hour_before(&self, at: Duration) -> Vec<(&'static str, u64)> {
        let minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let since = (at.as_secs() / 60).saturating_sub(KEPT - 1);
        let mut all: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (code, count) in minutes.iter().filter(|(minute, _)| *minute >= since).flat_map(|(_, counts)| counts) {
            *all.entry(code).or_default() += count;
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|(code, count)| (Reverse(*count), *code));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_code_for_an_hour() {
        let refusals = Refusals::default();
        let at = |minutes: u64| Duration::from_secs(60 * minutes);
        refusals.count_at(Code::Unauthorized, at(0));
        refusals.count_at(Code::RateLimited, at(1));
        refusals.count_at(Code::RateLimited, at(59));
        assert_eq!(refusals.hour_before(at(59)), [("rate_limited", 2), ("unauthorized", 1)]);
        assert_eq!(refusals.hour_before(at(60)), [("rate_limited", 2)]);
        assert_eq!(refusals.hour_before(at(119)), []);
        (200..400).for_each(|minute| refusals.count_at(Code::NotFound, at(minute)));
        assert_eq!(refusals.minutes.lock().unwrap().len(), 60, "memory is bounded");
        assert_eq!(refusals.hour_before(at(399)), [("not_found", 60)]);
    }
}
