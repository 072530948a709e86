//! `/v1/numbers`.

use super::*;
use crate::directory::resources;
use crate::http::api::fields::number_in_path;
use crate::http::api::page::invalid_cursor;
use crate::machine::show::{self, resources as render};
use crate::machine::state::{CapOwner, Pause};
use crate::machine::view::{Queries, SendingQueries, View};
use crate::model::{E164, Json, Limits, Number, Timestamp};
use crate::rules::directory::number_s_account;
use serde_json::json as object;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

/// Maximum number of open messages scanned, of all lanes together.
const SCANNED_MAX: usize = 20_000;

/// `GET /v1/numbers`.
#[utoipa::path(
    get,
    path = "/v1/numbers",
    operation_id = "list_numbers",
    summary = "Lists our numbers.",
    params(openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::NumberPage))
)]
pub(in crate::http::api) async fn numbers(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?;
    let after = page.after.as_deref().map(|cursor| cursor.parse::<E164>().map_err(|_| invalid_cursor())).transpose()?;
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    api.query(move |reads, now| {
        let directory = &*reads.directory();
        let found =
            reads.ask(|view| {
                let lanes = &Lanes::of(view, now);
                let numbers = directory.numbers.range((from, Bound::Unbounded));
                page.shown(numbers.map(|(number, entry)| {
                    (number.to_string(), move || document(view, directory, *number, entry, lanes))
                }))
            });
        found.map_err(|failed| storage_failed(&failed))
    })
    .await
}

/// `GET /v1/numbers/{e164}`.
#[utoipa::path(
    get,
    path = "/v1/numbers/{e164}",
    operation_id = "get_number",
    summary = "Gets one of our numbers.",
    params(openapi::NumberPath),
    responses((status = 200, description = "The number.", body = openapi::Number, headers(("ETag" = String))))
)]
pub(in crate::http::api) async fn number(api: &Api, request: ApiRequest) -> Answered {
    let number = number_in_path("e164", request.param("e164"))?;
    let directory = Box::new(Directory::clone(&api.reads.directory()));
    one(api, StatusCode::OK, directory, number).await
}

/// `PUT /v1/numbers/{e164}`: adds a number or changes one (R26, R28, R29).
#[utoipa::path(
    put,
    path = "/v1/numbers/{e164}",
    operation_id = "put_number",
    summary = "Adds a number, or changes it as a whole. What is left out has its default.",
    params(openapi::NumberPath, openapi::ForceQuery, openapi::IfHeaders),
    request_body = openapi::NumberPut,
    responses(
        (status = 201, description = "The number is new.", body = openapi::Number, headers(("ETag" = String))),
        (status = 200, description = "The number was there before.", body = openapi::Number, headers(("ETag" = String))),
    )
)]
pub(in crate::http::api) async fn put_number(api: &Api, request: ApiRequest) -> Answered {
    let number = number_in_path("e164", request.param("e164"))?;
    let read = |fields: &Fields<'_>| Change::Number(number, Some(Json(resources::number_alone(fields))));
    let change = read_put(api, &request, &Resource::Number(number), read, |change, configured| match change {
        Change::Number(number, Some(Json(entry))) if !entry.account.is_empty() => {
            number_s_account(*number, entry, configured)
        }
        _ => None,
    })?;
    let written = write(api, &request, change).await?;
    one(api, written.status(), written.after, number).await
}

/// `DELETE /v1/numbers/{e164}`.
#[utoipa::path(
    delete,
    path = "/v1/numbers/{e164}",
    operation_id = "delete_number",
    summary = "Deletes a number that no queue holds and from which nobody is texted.",
    params(openapi::NumberPath, openapi::IfHeaders),
    responses((status = 204, description = "The number is deleted."))
)]
pub(in crate::http::api) async fn delete_number(api: &Api, request: ApiRequest) -> Answered {
    let number = number_in_path("e164", request.param("e164"))?;
    let written = write(api, &request, Change::Number(number, None)).await?;
    if written.existed { Ok(deleted()) } else { Err(no_number()) }
}

pub(in crate::http::api) fn no_number() -> Refusal {
    Refusal::new(Code::NumberNotFound, "not one of our numbers: GET /v1/numbers lists them")
}

/// A number of this directory as a response.
async fn one(api: &Api, status: StatusCode, directory: Box<Directory>, number: E164) -> Answered {
    api.query(move |reads, now| {
        let entry = directory.numbers.get(&number).ok_or_else(no_number)?;
        let document = reads.ask(|view| document(view, &directory, number, entry, &Lanes::of(view, now)));
        let document = document.map_err(|failed| storage_failed(&failed))?;
        Ok(resource(status, &directory, &Resource::Number(number), &document))
    })
    .await
}

fn document(view: &impl View, directory: &Directory, number: E164, entry: &Number, lanes: &Lanes) -> Value {
    let holders = directory.holders_of(number);
    let lane = view.lane(number);
    let mut document = object!({ "number": number.to_string() });
    extend(&mut document, render::number(entry));
    let checked_at = view.checked_number(number, &entry.account).map(|checked| checked.at);
    document["verification"] = show::verification(&entry.verification, checked_at);
    document["suspended"] = show::suspension(view.suspension(&CapOwner::Number(number)).as_ref());
    document["queues"] = object!({
        "inbound": holders.and_then(|holders| holders.inbound.first()),
        "outbound": holders.map(|holders| &*holders.outbound).unwrap_or_default(),
    });
    document["lane"] = object!({
        "queued": lane.queued_segments,
        "tokens": tokens(&entry.limits, lane.empty_at, lanes.now),
        "oldest_ready_ms": lanes.ready.get(&number).map(|since| lanes.now.since(*since).as_millis()),
        "paused_until": lanes.paused_until(number, &entry.account).map(|until| until.to_string()),
    });
    document
}

/// What is known of all lanes, read once for a page of them.
struct Lanes {
    now: Timestamp,
    ready: BTreeMap<E164, Timestamp>,
    pauses: HashMap<E164, Pause>,
    /// The ends of the pauses of failing accounts.
    accounts: HashMap<String, Timestamp>,
    /// The ends of suspensions that have one.
    suspended: BTreeMap<CapOwner, Timestamp>,
}

impl Lanes {
    fn of(view: &impl View, now: Timestamp) -> Self {
        let failing = view.failing_accounts().into_iter();
        let accounts = failing.filter_map(|(name, breaker, _)| Some((name, breaker.paused?.until))).collect();
        let suspended = view.suspensions().filter_map(|(owner, suspension)| Some((owner, suspension.until?))).collect();
        Self { now, ready: ready_since(view, now), pauses: view.pauses().collect(), accounts, suspended }
    }

    /// The end of the lane's pause: one requested by the carrier, that of a failing account, or that of a suspension.
    /// `None` if the lane is not paused, or suspended without an end.
    fn paused_until(&self, number: E164, account: &str) -> Option<Timestamp> {
        let own = self.pauses.get(&number).map(|pause| pause.until);
        let owners = [CapOwner::Number(number), CapOwner::Account(account.to_owned())];
        let suspended = owners.iter().filter_map(|owner| self.suspended.get(owner)).max();
        own.max(self.accounts.get(account).copied()).max(suspended.copied()).filter(|until| *until > self.now)
    }
}

/// The time since which the oldest ready text of each lane waits for the rate limit. The scan goes from old to new, so
/// if it reaches its limit, only lanes with newer texts are missing.
pub(in crate::http::api) fn ready_since(view: &impl View, now: Timestamp) -> BTreeMap<E164, Timestamp> {
    let mut ready: BTreeMap<E164, Timestamp> = BTreeMap::new();
    // Among a lane's texts that were never postponed the first is the oldest, so only its creation time is read.
    let mut first_seen = BTreeSet::new();
    for (id, open) in view.open().take(SCANNED_MAX).filter(|(_, open)| !open.started) {
        let since = match open.not_before {
            Some(not_before) => Some(not_before),
            None if first_seen.insert(open.ours) => view.message(id).map(|message| message.created_at),
            None => None,
        };
        let Some(since) = since.filter(|since| *since <= now) else { continue };
        ready.entry(open.ours).and_modify(|oldest| *oldest = since.min(*oldest)).or_insert(since);
    }
    ready
}

/// Segments that may be sent at once; `None` for a number without a rate limit.
pub(in crate::http::api) fn tokens(limits: &Limits, empty_at: Timestamp, now: Timestamp) -> Option<f64> {
    let rate = limits.millisegments_per_second?;
    let filled = now.since(empty_at).as_secs_f64() * f64::from(rate) / 1_000.0;
    let tokens = filled.min(f64::from(limits.burst));
    Some((tokens * 1_000.0).floor() / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn tokens_of_a_lane_grow_with_time_up_to_the_burst() {
        let limits = Limits { millisegments_per_second: Some(500), burst: 3, ..Limits::none() };
        let empty_at = Timestamp::from_ms(10_000);
        let tokens_after = |secs| tokens(&limits, empty_at, empty_at + Duration::from_secs(secs));
        assert_eq!([tokens_after(0), tokens_after(3), tokens_after(60)], [Some(0.0), Some(1.5), Some(3.0)]);
        assert_eq!(tokens(&limits, empty_at, Timestamp::from_ms(0)), Some(0.0));
        assert_eq!(tokens(&Limits::none(), empty_at, empty_at), None);
    }
}
