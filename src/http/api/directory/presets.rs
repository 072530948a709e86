//! `/v1/presets` and `/v1/languages`.

use super::*;
use crate::directory::resources;
use crate::http::api::page::invalid_cursor;
use crate::machine::show::resources as render;
use crate::model::{Json, Language, Preset, PresetId, measure};
use serde_json::json as object;
use std::collections::HashMap;

/// `GET /v1/presets`: in the order in which agents see them.
#[utoipa::path(
    get,
    path = "/v1/presets",
    operation_id = "list_presets",
    summary = "Lists presets, sorted by language, position and id. Those without a position come last.",
    params(openapi::PresetFilter, openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::PresetPage))
)]
pub(in crate::http::api) async fn presets(api: &Api, request: ApiRequest) -> Answered {
    let query = &request.query;
    let page = query.page()?;
    let only = query.value("language").map(language).transpose()?;
    let after = page.after.as_deref().map(|cursor| Place::read(cursor).ok_or_else(invalid_cursor)).transpose()?;
    let directory = api.reads.directory();
    // Of the languages before the cursor's nothing is read.
    let first = only.as_ref().or(after.as_ref().map(|after| &after.language));
    let languages = match first {
        Some(first) => directory.presets.range(first..),
        None => directory.presets.range::<Language, _>(..),
    };
    let listed = languages
        .filter(|(language, _)| only.as_ref().is_none_or(|only| only == *language))
        .flat_map(|(language, presets)| {
            let mut presets: Vec<_> =
                presets.iter().map(|(id, preset)| (Place::of(language, id, preset), preset)).collect();
            presets.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            presets
        })
        .skip_while(|(place, _)| after.as_ref().is_some_and(|after| place <= after));
    Ok(page.shown(listed.map(|(place, preset)| (place.cursor(), move || document(&place.language, &place.id, preset)))))
}

/// The place of a preset in the list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    language: Language,
    /// Beyond every `u32` without a position.
    position: u64,
    id: PresetId,
}

impl Place {
    fn of(language: &Language, id: &PresetId, preset: &Preset) -> Self {
        let position = preset.position.map_or(u64::MAX, u64::from);
        Self { language: language.clone(), position, id: id.clone() }
    }

    fn cursor(&self) -> String {
        format!("{}/{}/{}", self.language, self.position, self.id)
    }

    fn read(cursor: &str) -> Option<Self> {
        let mut parts = cursor.split('/');
        let mut next = || parts.next().map(str::to_owned);
        let language = next()?.try_into().ok()?;
        let position = next()?.parse().ok()?;
        let id = next()?.try_into().ok()?;
        next().is_none().then_some(Self { language, position, id })
    }
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
pub(in crate::http::api) async fn preset(api: &Api, request: ApiRequest) -> Answered {
    let (language, id) = name(&request)?;
    one(StatusCode::OK, &api.reads.directory(), language, id)
}

/// `PUT /v1/presets/{language}/{preset_id}` (R43-R47).
#[utoipa::path(
    put,
    path = "/v1/presets/{language}/{preset_id}",
    operation_id = "put_preset",
    summary = "Adds a preset, or changes it as a whole. Without a position it comes after those with one.",
    params(openapi::PresetPath, openapi::IfHeaders),
    request_body = openapi::PresetPut,
    responses(
        (status = 201, description = "The preset is new.", body = openapi::Preset, headers(("ETag" = String))),
        (status = 200, description = "The preset was there before.", body = openapi::Preset, headers(("ETag" = String))),
    )
)]
pub(in crate::http::api) async fn put_preset(api: &Api, request: ApiRequest) -> Answered {
    let (language, id): (Language, PresetId) =
        (name_in_path(&request, "language")?, name_in_path(&request, "preset_id")?);
    let this = Resource::Preset(language.clone(), id.clone());
    let read =
        |fields: &Fields<'_>| Change::Preset(language.clone(), id.clone(), Some(Json(resources::preset(fields))));
    let change = read_put(api, &request, &this, read, |_, _| None)?;
    let written = write(api, &request, change).await?;
    one(written.status(), &written.after, language, id)
}

/// `DELETE /v1/presets/{language}/{preset_id}`. Texts that were sent or wait keep their words.
#[utoipa::path(
    delete,
    path = "/v1/presets/{language}/{preset_id}",
    operation_id = "delete_preset",
    summary = "Deletes a preset. Texts already queued from it are sent.",
    params(openapi::PresetPath, openapi::IfHeaders),
    responses((status = 204, description = "The preset is deleted."))
)]
pub(in crate::http::api) async fn delete_preset(api: &Api, request: ApiRequest) -> Answered {
    let (language, id) = name(&request)?;
    let written = write(api, &request, Change::Preset(language, id, None)).await?;
    if written.existed { Ok(deleted()) } else { Err(no_preset()) }
}

/// The preset that the path of a GET or DELETE names.
fn name(request: &ApiRequest) -> Result<(Language, PresetId), Refusal> {
    let language = Language::try_from(request.param("language").to_owned()).ok();
    let id = PresetId::try_from(request.param("preset_id").to_owned()).ok();
    language.zip(id).ok_or_else(no_preset)
}

fn no_preset() -> Refusal {
    let detail = "no such preset in that language: GET /v1/presets?language= lists them";
    Refusal::new(Code::PresetNotFound, detail)
}

fn one(status: StatusCode, directory: &Directory, language: Language, id: PresetId) -> Answered {
    let preset = directory.preset(&language, &id).ok_or_else(no_preset)?;
    let document = document(&language, &id, preset);
    Ok(resource(status, directory, &Resource::Preset(language, id), &document))
}

fn document(language: &Language, id: &PresetId, preset: &Preset) -> Value {
    let measured = measure(&preset.text);
    let mut document = object!({ "language": language, "id": id });
    extend(&mut document, render::preset(preset));
    document["encoding"] = object!(measured.encoding);
    document["segments"] = object!(measured.segments);
    document["warnings"] = object!(measured.warnings());
    document
}

/// `GET /v1/languages`: which languages texts are in, and what is written in each.
#[utoipa::path(
    get,
    path = "/v1/languages",
    operation_id = "list_languages",
    summary = "Lists languages, and what is written in each.",
    params(openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::LanguagePage))
)]
pub(in crate::http::api) async fn languages(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?;
    let after =
        page.after.clone().map(|cursor| Language::try_from(cursor).map_err(|_| invalid_cursor())).transpose()?;
    let directory = api.reads.directory();
    let mut queues: HashMap<Language, usize> = HashMap::new();
    for id in directory.queues.keys() {
        *queues.entry(directory.language_of(id)).or_default() += 1;
    }
    let (directory, queues) = (&*directory, &queues);
    let listed =
        directory.languages().into_iter().filter(|language| after.as_ref().is_none_or(|after| *language > after));
    Ok(page.shown(listed.map(|language| {
        let item = move || {
            object!({
                "code": language,
                "presets": directory.presets.get(language).map_or(0, |presets| presets.len()),
                "closing": directory.settings.closing.texts.contains_key(language),
                "auto_reply": directory.settings.auto_reply.texts.contains_key(language),
                "queues": queues.get(language).copied().unwrap_or_default(),
            })
        };
        (language.to_string(), item)
    })))
}
