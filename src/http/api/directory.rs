//! Read access to numbers, queues, presets and settings.

use super::fields::number_in_path;
use super::{Answered, Api, ApiRequest, openapi, storage_failed};
use crate::http::answer::json;
use crate::machine::show::{self, resources};
use crate::machine::state::CapOwner;
use crate::machine::view::{Queries, SendingQueries, View};
use crate::model::{
    Directory, E164, Language, Limits, Number, Preset, PresetId, Queue, QueueId, Resource, Timestamp, measure,
};
use crate::rules::refusal::{Code, Refusal};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json as object};
use std::collections::{BTreeMap, BTreeSet};

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
pub(super) async fn numbers(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?;
    api.query(move |reads, now| {
        let directory = &*reads.directory();
        let found = reads.ask(|view| {
            let numbers = directory.numbers.iter();
            let ready = &ready_since(view, now);
            let mut items: Vec<_> = numbers
                .map(|(number, entry)| {
                    (number.to_string(), move || number_document(view, directory, *number, entry, ready, now))
                })
                .collect();
            // Sorted as strings, because cursors are compared as strings.
            items.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            page.of(items.into_iter())
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
pub(super) async fn number(api: &Api, request: ApiRequest) -> Answered {
    let number = number_in_path("e164", request.param("e164"))?;
    api.query(move |reads, now| {
        let directory = reads.directory();
        let Some(entry) = directory.numbers.get(&number) else {
            return Err(Refusal::new(Code::NotFound, "not one of our numbers: GET /v1/numbers lists them"));
        };
        let document = reads.ask(|view| number_document(view, &directory, number, entry, &ready_since(view, now), now));
        let document = document.map_err(|failed| storage_failed(&failed))?;
        Ok(resource(&directory, &Resource::Number(number), &document))
    })
    .await
}

fn number_document(
    view: &impl View,
    directory: &Directory,
    number: E164,
    entry: &Number,
    ready: &BTreeMap<E164, Timestamp>,
    now: Timestamp,
) -> Value {
    let outbound = directory.queues.iter().filter(|(_, queue)| queue.outbound_numbers.contains(&number));
    let lane = view.lane(number);
    let checked_at = view.checked_number(number, &entry.account).map(|checked| checked.at);
    let mut document = object!({ "number": number.to_string() });
    extend(&mut document, resources::number(entry));
    document["verification"] = show::verification(&entry.verification, checked_at);
    document["suspended"] = show::suspension(view.suspension(&CapOwner::Number(number)).as_ref());
    document["queues"] = object!({
        "inbound": directory.owner_of(number),
        "outbound": outbound.map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
    });
    document["lane"] = object!({
        "queued": lane.queued_segments,
        "tokens": tokens(&entry.limits, lane.empty_at, now),
        "oldest_ready_ms": ready.get(&number).map(|since| now.since(*since).as_millis()),
        "paused_until": paused_until(view, number, &entry.account, now).map(|until| until.to_string()),
    });
    document
}

/// Adds the fields that a document of the directory has, too.
fn extend(document: &mut Value, fields: Map<String, Value>) {
    document.as_object_mut().expect("a resource is an object").extend(fields);
}

/// The end of the lane's pause: one requested by the carrier, that of a failing account, or that of a suspension. `None`
/// if the lane is not paused, or suspended without an end.
fn paused_until(view: &impl View, number: E164, account: &str, now: Timestamp) -> Option<Timestamp> {
    let own = view.pause(number).map(|pause| pause.until);
    let of_account = view.breaker(account).and_then(|breaker| breaker.paused).map(|paused| paused.until);
    let suspended = view.suspensions_of(number, account).into_iter().filter_map(|suspension| suspension.until).max();
    own.max(of_account).max(suspended).filter(|until| *until > now)
}

/// The time since which the oldest ready text of each lane waits for the rate limit. The scan goes from old to new, so
/// if it reaches its limit, only lanes with newer texts are missing.
pub(super) fn ready_since(view: &impl View, now: Timestamp) -> BTreeMap<E164, Timestamp> {
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
pub(super) fn tokens(limits: &Limits, empty_at: Timestamp, now: Timestamp) -> Option<f64> {
    let rate = limits.millisegments_per_second?;
    let filled = now.since(empty_at).as_secs_f64() * f64::from(rate) / 1_000.0;
    let tokens = filled.min(f64::from(limits.burst));
    Some((tokens * 1_000.0).floor() / 1_000.0)
}

/// `GET /v1/queues`.
#[utoipa::path(
    get,
    path = "/v1/queues",
    operation_id = "list_queues",
    summary = "Lists queues.",
    params(openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::QueuePage))
)]
pub(super) async fn queues(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?;
    let directory = api.reads.directory();
    let queues = directory.queues.iter();
    Ok(page.of(queues.map(|(id, queue)| (id.to_string(), || queue_document(&directory, id, queue)))))
}

/// `GET /v1/queues/{queue_id}`.
#[utoipa::path(
    get,
    path = "/v1/queues/{queue_id}",
    operation_id = "get_queue",
    summary = "Gets a queue.",
    params(openapi::QueuePath),
    responses((status = 200, description = "The queue.", body = openapi::Queue, headers(("ETag" = String))))
)]
pub(super) async fn queue(api: &Api, request: ApiRequest) -> Answered {
    let directory = api.reads.directory();
    let id = QueueId::try_from(request.param("queue_id").to_owned()).ok();
    let Some((id, queue)) = id.and_then(|id| directory.queues.get_key_value(&id)) else {
        return Err(Refusal::new(Code::QueueNotFound, "no such queue: GET /v1/queues lists them"));
    };
    Ok(resource(&directory, &Resource::Queue(id.clone()), &queue_document(&directory, id, queue)))
}

fn queue_document(directory: &Directory, id: &QueueId, queue: &Queue) -> Value {
    let mut document = object!({ "id": id });
    extend(&mut document, resources::queue(queue));
    document["language"] = object!(directory.language_of(id));
    document
}

/// `GET /v1/presets`: sorted by language and id.
#[utoipa::path(
    get,
    path = "/v1/presets",
    operation_id = "list_presets",
    summary = "Lists presets, sorted by language and id.",
    params(openapi::PresetFilter, openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::PresetPage))
)]
pub(super) async fn presets(api: &Api, request: ApiRequest) -> Answered {
    let query = &request.query;
    let page = query.page()?;
    let language = query.value("language").map(language).transpose()?;
    let directory = api.reads.directory();
    let mut presets: Vec<_> = directory
        .presets
        .iter()
        .filter(|(found, _)| language.as_ref().is_none_or(|language| language == *found))
        .flat_map(|(language, presets)| presets.iter().map(move |(id, preset)| (language, id, preset)))
        .map(|(language, id, preset)| (format!("{language}/{id}"), move || preset_document(language, id, preset)))
        .collect();
    presets.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(page.of(presets.into_iter()))
}

fn language(text: &str) -> Result<Language, Refusal> {
    let read = Language::try_from(text.to_owned());
    read.map_err(|error| Refusal::new(Code::InvalidField, format!("`language` is {error}")))
}

/// `GET /v1/presets/{language}/{preset_id}`.
#[utoipa::path(
    get,
    path = "/v1/presets/{language}/{preset_id}",
    operation_id = "get_preset",
    summary = "Gets a preset.",
    params(openapi::PresetPath),
    responses((status = 200, description = "The preset.", body = openapi::Preset, headers(("ETag" = String))))
)]
pub(super) async fn preset(api: &Api, request: ApiRequest) -> Answered {
    let directory = api.reads.directory();
    let language = Language::try_from(request.param("language").to_owned()).ok();
    let id = PresetId::try_from(request.param("preset_id").to_owned()).ok();
    let found = language.zip(id).and_then(|(language, id)| {
        let preset = directory.presets.get(&language)?.get(&id)?;
        let document = preset_document(&language, &id, preset);
        Some(resource(&directory, &Resource::Preset(language, id), &document))
    });
    found.ok_or_else(|| {
        let detail = "no such preset in that language: GET /v1/presets?language= lists them";
        Refusal::new(Code::PresetNotFound, detail)
    })
}

fn preset_document(language: &Language, id: &PresetId, preset: &Preset) -> Value {
    let measured = measure(&preset.text);
    let mut document = object!({ "language": language, "id": id });
    extend(&mut document, resources::preset(preset));
    document["encoding"] = object!(measured.encoding);
    document["segments"] = object!(measured.segments);
    document["warnings"] = object!(measured.warnings());
    document
}

/// `GET /v1/settings`.
#[utoipa::path(
    get,
    path = "/v1/settings",
    operation_id = "get_settings",
    summary = "Gets the settings.",
    responses((status = 200, description = "The settings.", body = openapi::Settings, headers(("ETag" = String))))
)]
pub(super) async fn settings(api: &Api, _: ApiRequest) -> Answered {
    let directory = api.reads.directory();
    let document = serde_json::to_value(&directory.settings).expect("settings are plain values with names for keys");
    Ok(resource(&directory, &Resource::Settings, &document))
}

/// A resource with its ETag, the version of the stored part, which derived fields of the document do not change.
fn resource(directory: &Directory, resource: &Resource, document: &Value) -> Response {
    let mut response = json(StatusCode::OK, document);
    let tag = format!("\"{}\"", directory.versions.of(resource).0);
    let tag = HeaderValue::try_from(tag).expect("digits in quotes are visible ASCII");
    response.headers_mut().insert(header::ETAG, tag);
    response
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
