//! `/v1/settings`.

use super::*;
use crate::directory::resources;
use crate::model::Json;
use crate::rules::verification::activation_required;

/// `GET /v1/settings`.
#[utoipa::path(
    get,
    path = "/v1/settings",
    operation_id = "get_settings",
    summary = "Gets the settings.",
    responses((status = 200, description = "The settings.", body = openapi::Settings, headers(("ETag" = String))))
)]
pub(in crate::http::api) async fn settings(api: &Api, _: ApiRequest) -> Answered {
    Ok(one(&api.reads.directory()))
}

/// `PUT /v1/settings` (R14, R33, R36-R38, R49, R54-R61).
#[utoipa::path(
    put,
    path = "/v1/settings",
    operation_id = "put_settings",
    summary = "Changes the settings as a whole. What is left out has its default.",
    params(openapi::IfHeaders),
    request_body = openapi::SettingsPut,
    responses((status = 200, description = "The settings.", body = openapi::Settings, headers(("ETag" = String))))
)]
pub(in crate::http::api) async fn put_settings(api: &Api, request: ApiRequest) -> Answered {
    let read = |fields: &Fields<'_>| Change::Settings(Json(Box::new(resources::settings(fields))));
    let change = read_put(api, &request, &Resource::Settings, read, |_, _| None)?;
    Ok(one(&write(api, &request, change).await?.after))
}

fn one(directory: &Directory) -> Response {
    let document = serde_json::to_value(&directory.settings);
    let mut document = document.expect("settings are plain values with names for keys");
    document["activation_required"] = activation_required(directory).into();
    resource(StatusCode::OK, directory, &Resource::Settings, &document)
}
