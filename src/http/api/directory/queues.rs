//! `/v1/queues`.

use super::*;
use crate::directory::resources;
use crate::http::api::page::invalid_cursor;
use crate::machine::show::resources as render;
use crate::model::{Json, Queue, QueueId};
use serde_json::json as object;
use std::ops::Bound;

/// `GET /v1/queues`.
#[utoipa::path(
    get,
    path = "/v1/queues",
    operation_id = "list_queues",
    summary = "Lists queues.",
    params(openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::QueuePage))
)]
pub(in crate::http::api) async fn queues(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?;
    let after = page.after.clone().map(|cursor| QueueId::try_from(cursor).map_err(|_| invalid_cursor())).transpose()?;
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let directory = api.reads.directory();
    let queues = directory.queues.range((from, Bound::Unbounded));
    Ok(page.shown(queues.map(|(id, queue)| (id.to_string(), || document(&directory, id, queue)))))
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
pub(in crate::http::api) async fn queue(api: &Api, request: ApiRequest) -> Answered {
    let id = QueueId::try_from(request.param("queue_id").to_owned()).map_err(|_| no_queue())?;
    one(StatusCode::OK, &api.reads.directory(), id)
}

/// `PUT /v1/queues/{queue_id}` (R19-R23, R62, R63).
#[utoipa::path(
    put,
    path = "/v1/queues/{queue_id}",
    operation_id = "put_queue",
    summary = "Adds a queue, or changes it as a whole. What is left out has its default.",
    params(openapi::QueuePath, openapi::ForceQuery, openapi::IfHeaders),
    request_body = openapi::QueuePut,
    responses(
        (status = 201, description = "The queue is new.", body = openapi::Queue, headers(("ETag" = String))),
        (status = 200, description = "The queue was there before.", body = openapi::Queue, headers(("ETag" = String))),
    )
)]
pub(in crate::http::api) async fn put_queue(api: &Api, request: ApiRequest) -> Answered {
    let id: QueueId = name_in_path(&request, "queue_id")?;
    let read = |fields: &Fields<'_>| Change::Queue(id.clone(), Some(Json(resources::queue(fields))));
    let change = read_put(api, &request, &Resource::Queue(id.clone()), read, |_, _| None)?;
    let written = write(api, &request, change).await?;
    one(written.status(), &written.after, id)
}

/// `DELETE /v1/queues/{queue_id}`.
#[utoipa::path(
    delete,
    path = "/v1/queues/{queue_id}",
    operation_id = "delete_queue",
    summary = "Deletes a queue that has no live call and is no other queue's parent.",
    params(openapi::QueuePath, openapi::IfHeaders),
    responses((status = 204, description = "The queue is deleted."))
)]
pub(in crate::http::api) async fn delete_queue(api: &Api, request: ApiRequest) -> Answered {
    let id = QueueId::try_from(request.param("queue_id").to_owned()).map_err(|_| no_queue())?;
    let written = write(api, &request, Change::Queue(id, None)).await?;
    if written.existed { Ok(deleted()) } else { Err(no_queue()) }
}

fn no_queue() -> Refusal {
    Refusal::new(Code::QueueNotFound, "no such queue: GET /v1/queues lists them")
}

fn one(status: StatusCode, directory: &Directory, id: QueueId) -> Answered {
    let queue = directory.queues.get(&id).ok_or_else(no_queue)?;
    let document = document(directory, &id, queue);
    Ok(resource(status, directory, &Resource::Queue(id), &document))
}

fn document(directory: &Directory, id: &QueueId, queue: &Queue) -> Value {
    let mut document = object!({ "id": id });
    extend(&mut document, render::queue(queue));
    document["effective"] = object!({
        // The main switch is above every queue's own (R14, R62).
        "in_call_sms": directory.settings.in_call_sms && directory.feature_on(id),
        "language": directory.language_of(id),
    });
    document
}
