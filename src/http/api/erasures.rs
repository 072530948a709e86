//! Erasures: a person's data is removed while the gateway runs.

use super::fields;
use super::idempotency::replayed;
use super::{Answered, Api, ApiRequest, openapi, storage_failed, storage_unavailable, unexpected_reply};
use crate::http::answer::{internal, json};
use crate::json;
use crate::machine::command::{Command, Reply};
use crate::machine::erasure::{Erased, Erasure, ErasureState};
use crate::machine::event::Event;
use crate::machine::fingerprint::ErasureKey;
use crate::machine::view::PeopleQueries as _;
use crate::model::{ErasureId, Position, Timestamp};
use crate::rules::refusal::{Code, Refusal};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json as object};

/// Fields of a request.
pub(super) const FIELDS: &[&str] = &["number"];

/// `POST /v1/erasures`: begins to erase a person.
#[utoipa::path(
    post,
    path = "/v1/erasures",
    operation_id = "erase_person",
    summary = "Erases a person: their number, what they wrote and what they were written. Their opt-out is kept, and \
               what their calls count. A request for a person who is being erased is answered with that erasure.",
    params(openapi::KeyHeader),
    request_body = openapi::ErasureAsk,
    responses((status = 202, description = "The erasure has begun.", body = openapi::Erasure))
)]
pub(super) async fn erase(api: &Api, request: ApiRequest) -> Answered {
    let idempotency = request.key()?;
    let who = fields::read(&request.body, FIELDS, &[], |fields| {
        fields.required("number", "an E.164 number like +12065550142", json::number)
    })?;
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|_| internal())?;
    let by = request.client.actor.clone();
    let command = Command::Erase { who, key: ErasureKey(key), idempotency, by };
    match api.decide(command, idempotency).await? {
        Reply::Erasure(erasure) => {
            api.erasures.ask();
            Ok(json(StatusCode::ACCEPTED, &document(&erasure)))
        }
        Reply::Again(position) => again(api, position).await.map(replayed),
        _ => Err(unexpected_reply("erase")),
    }
}

/// Repeats the response of an earlier request, from the frame that holds it.
async fn again(api: &Api, position: Position) -> Answered {
    let frame = api.frame(position).await?;
    let answered = frame.events.iter().find_map(|event| match &event.event {
        Event::ErasureAnswered { id, at } => Some(begun(*id, *at)),
        _ => None,
    });
    answered.ok_or_else(storage_unavailable)
}

/// The response to a request: the erasure runs.
fn begun(id: ErasureId, at: Timestamp) -> Response {
    let erasure = Erasure { id, at, state: ErasureState::Running, who: None, erased: Erased::default() };
    json(StatusCode::ACCEPTED, &document(&erasure))
}

/// `GET /v1/erasures/{erasure_id}`.
#[utoipa::path(
    get,
    path = "/v1/erasures/{erasure_id}",
    operation_id = "get_erasure",
    summary = "Gets an erasure. Once it is done, no file of the gateway contains the person's number or texts.",
    params(openapi::ErasurePath),
    responses((status = 200, description = "The erasure.", body = openapi::Erasure))
)]
pub(super) async fn one(api: &Api, request: ApiRequest) -> Answered {
    let unknown = || Refusal::new(Code::NotFound, "no such erasure: use the `id` of the response that began it");
    let id: ErasureId = request.param("erasure_id").parse().map_err(|_| unknown())?;
    let found = api.query(move |reads, _| reads.ask(|view| view.erasure(id)).map_err(|failed| storage_failed(&failed)));
    let erasure = found.await?.ok_or_else(unknown)?;
    Ok(json(StatusCode::OK, &document(&erasure)))
}

/// The JSON object of an erasure.
fn document(Erasure { id, at, state, erased, .. }: &Erasure) -> Value {
    let count = |count: u64| (*state != ErasureState::Running).then_some(count);
    object!({
        "id": id.to_string(),
        "state": state.word(),
        "at": at.to_string(),
        "records": count(erased.records),
        "bodies": count(erased.bodies),
        "named_elsewhere": count(erased.named_elsewhere),
    })
}
