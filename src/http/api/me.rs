//! Who asks, and what it may do here.

use super::{Answered, Api, ApiRequest, openapi};
use crate::http::answer::json;
use crate::model::PERSON;
use axum::http::StatusCode;
use serde_json::json as object;

/// `GET /v1/me`.
#[utoipa::path(
    get,
    path = "/v1/me",
    operation_id = "me",
    summary = "Gets who asks, with its scopes, and what this gateway is.",
    responses((status = 200, description = "Who asks.", body = openapi::Me))
)]
pub(super) async fn me(api: &Api, request: ApiRequest) -> Answered {
    let scopes: Vec<_> = request.client.scopes.iter().map(|scope| scope.label()).collect();
    let actor = &request.client.actor.name;
    let (kind, name) = actor.strip_prefix(PERSON).map_or(("token", &**actor), |name| ("person", name));
    let document = object!({
        "kind": kind,
        "name": name,
        "scopes": scopes,
        "texts": request.client.texts,
        "build": api.build,
        "demo": api.demo,
        "languages": api.reads.directory().languages(),
    });
    Ok(json(StatusCode::OK, &document))
}
