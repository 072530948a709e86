//! Opt-outs: people who must not be texted.

use super::fields::{number_in_path, read};
use super::page::{self, invalid_cursor};
use super::{Answered, Api, ApiRequest, openapi, storage_failed, unexpected_reply};
use crate::directory::block;
use crate::http::answer::json;
use crate::machine::command::{Command, Reply};
use crate::machine::show::resources;
use crate::machine::state::OptOut;
use crate::machine::view::PeopleQueries;
use crate::model::E164;
use crate::rules::refusal::{Code, Refusal};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json as object};

/// Fields of a PUT.
pub(super) const FIELDS: &[&str] = &["everywhere", "our_numbers", "reason"];

/// Fields of an answer that a PUT ignores.
pub(super) const READ_ONLY: &[&str] = &["number", "since", "by"];

/// Maximum length of a reason.
const REASON_MAX_CHARACTERS: usize = 500;

/// `GET /v1/opt-outs`: sorted by number. The opt-outs of erased people are in no list; each is found by its number.
#[utoipa::path(
    get,
    path = "/v1/opt-outs",
    operation_id = "list_opt_outs",
    summary = "Lists opt-outs, sorted by number. That of an erased person is found by `number` only.",
    params(openapi::OptOutFilter, openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::OptOutPage))
)]
pub(super) async fn list(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?;
    let only = request.query.number("number")?;
    let after = page.after.map(|after| after.parse::<E164>().map_err(|_| invalid_cursor())).transpose()?;
    api.query(move |reads, _| {
        let found = reads.ask(|view| match only {
            Some(number) => view.opt_out(number).map(|opt_out| (number, opt_out)).into_iter().collect(),
            None => view.opt_outs_after(after).take(page.limit + 1).collect::<Vec<_>>(),
        });
        let mut found = found.map_err(|failed| storage_failed(&failed))?;
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        let next = found.last().filter(|_| more).map(|(number, _)| number.to_string());
        let items: Vec<_> = found.iter().map(|(number, opt_out)| document(*number, opt_out)).collect();
        Ok(page::list(&items, next.as_deref()))
    })
    .await
}

/// `GET /v1/opt-outs/{e164}`.
#[utoipa::path(
    get,
    path = "/v1/opt-outs/{e164}",
    operation_id = "get_opt_out",
    summary = "Gets the opt-out of a person.",
    params(openapi::NumberPath),
    responses((status = 200, description = "The opt-out.", body = openapi::PersonOptOut, headers(("ETag" = String))))
)]
pub(super) async fn one(api: &Api, request: ApiRequest) -> Answered {
    let number = number_in_path("e164", request.param("e164"))?;
    let found = api.query(move |reads, _| {
        let found = reads.ask(|view| view.opt_out(number)).map_err(|failed| storage_failed(&failed))?;
        found.ok_or_else(not_opted_out)
    });
    Ok(answer(StatusCode::OK, number, &found.await?))
}

/// `PUT /v1/opt-outs/{e164}`.
#[utoipa::path(
    put,
    path = "/v1/opt-outs/{e164}",
    operation_id = "put_opt_out",
    summary = "Opts a person out from all of our numbers, or from some. What the person or their carrier asked for is not \
               narrowed: that takes a DELETE with a reason.",
    params(openapi::NumberPath, openapi::IfHeaders),
    request_body = openapi::OptOutPut,
    responses(
        (status = 200, description = "The opt-out.", body = openapi::PersonOptOut, headers(("ETag" = String))),
        (status = 201, description = "The new opt-out.", body = openapi::PersonOptOut, headers(("ETag" = String)))
    )
)]
pub(super) async fn put(api: &Api, request: ApiRequest) -> Answered {
    let who = number_in_path("e164", request.param("e164"))?;
    let expected = request.expected()?;
    let (block, reason) = read(&request.body, FIELDS, READ_ONLY, |fields| {
        let reason = fields.word_or_null("reason", REASON_MAX_CHARACTERS);
        // Without our numbers nothing but all of them can be meant.
        Some((block(fields, fields.is_empty("our_numbers")), reason))
    })?;
    let command = Command::OptOut { who, block, reason, expected, by: request.client.actor.clone() };
    match api.decide(command, None).await? {
        Reply::OptOut { created, opt_out } => {
            Ok(answer(if created { StatusCode::CREATED } else { StatusCode::OK }, who, &opt_out))
        }
        _ => Err(unexpected_reply("OptOut")),
    }
}

/// `DELETE /v1/opt-outs/{e164}`.
#[utoipa::path(
    delete,
    path = "/v1/opt-outs/{e164}",
    operation_id = "delete_opt_out",
    summary = "Removes the opt-out of a person: they may be texted again. Somebody takes responsibility for that, so it \
               takes a reason.",
    params(openapi::NumberPath, openapi::ReasonQuery, openapi::IfHeaders),
    responses((status = 204, description = "The person may be texted again."))
)]
pub(super) async fn delete(api: &Api, request: ApiRequest) -> Answered {
    let who = number_in_path("e164", request.param("e164"))?;
    let expected = request.expected()?;
    let reason = reason(request.query.value("reason"))?;
    let command = Command::OptIn { who, reason, expected, by: request.client.actor.clone() };
    match api.decide(command, None).await? {
        Reply::Done => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        _ => Err(unexpected_reply("OptIn")),
    }
}

fn reason(given: Option<&str>) -> Result<String, Refusal> {
    let wrong = |what: &str| {
        let detail = format!(
            "`reason` {what}: say in 1 to {REASON_MAX_CHARACTERS} characters, without control characters, why this \
             person may be texted again, as in ?reason=asked+by+mail"
        );
        Refusal::new(Code::InvalidField, detail)
    };
    let given = given.ok_or_else(|| wrong("is missing"))?;
    let fits = given.chars().count() <= REASON_MAX_CHARACTERS && !given.chars().any(char::is_control);
    if fits && !given.trim().is_empty() { Ok(given.to_owned()) } else { Err(wrong("is not valid")) }
}

fn not_opted_out() -> Refusal {
    Refusal::new(Code::NotFound, "this person is not opted out: GET /v1/opt-outs lists those who are")
}

fn document(number: E164, opt_out: &OptOut) -> Value {
    let mut document = object!({ "number": number.to_string() });
    document.as_object_mut().expect("it is an object").extend(resources::opt_out(opt_out));
    document
}

fn answer(status: StatusCode, number: E164, opt_out: &OptOut) -> Response {
    let mut response = json(status, &document(number, opt_out));
    let tag = HeaderValue::try_from(format!("\"{}\"", opt_out.version.0)).expect("digits in quotes are visible ASCII");
    response.headers_mut().insert(header::ETAG, tag);
    response
}
