//! The directory as one document.
//!
//! Invariant: a document is applied whole or not at all, to the directory it was compared with. One document is worked
//! on at a time, so that memory is bounded.

use super::{Answered, Api, ApiRequest, openapi, overloaded, panicked, storage_failed, storage_unavailable};
use crate::directory::{self, Differences, Document, Known, render};
use crate::engine::Reads;
use crate::http::answer::json;
use crate::json::Problem;
use crate::machine::command::{ApplyDocument, Command, Reply};
use crate::machine::document_changed;
use crate::model::{Expected, Position};
use crate::observe::NotReady;
use crate::rules::refusal::{Code, FieldError, Refusal};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::json as object;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// The header with the number of opt-outs that belong to erased people and are therefore in no document.
pub const ERASED_OPT_OUTS: HeaderName = HeaderName::from_static("offhook-erased-opt-outs");

/// How long a document waits until those before it are done.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Maximum number of problems in a response; the number of further ones is said.
const PROBLEMS_SHOWN: usize = 100;

/// How often a document is compared again because the directory changed meanwhile.
const ATTEMPTS: usize = 5;

/// A document, compared with the directory at a version.
struct Compared {
    version: Option<Position>,
    after: Document,
    differences: Differences,
    needs_force: bool,
}

/// `GET /v1/directory`.
#[utoipa::path(
    get,
    path = "/v1/directory",
    operation_id = "get_directory",
    summary = "Gets the whole directory as one document.",
    responses((status = 200, description = "The document. Its ETag does not depend on the opt-outs, which a PUT only adds to.",
        body = openapi::Directory, headers(("ETag" = String), ("Offhook-Erased-Opt-Outs" = u64))))
)]
pub(super) async fn get(api: &Api, _: ApiRequest) -> Answered {
    let turn = api.document_turn().await?;
    let rendered = api.work(&turn, |reads| {
        let known = known(reads)?;
        if !known.has_directory {
            let detail = "the gateway has no directory yet: PUT one here, or start it with --seed";
            return Err(Refusal::new(Code::NotFound, detail));
        }
        let mut response = json(StatusCode::OK, &render::document(&known.document));
        tag(&mut response, known.document.directory.versions.directory);
        response.headers_mut().insert(ERASED_OPT_OUTS, HeaderValue::from(known.erased));
        Ok(response)
    });
    rendered.await
}

/// `POST /v1/directory/diff`.
#[utoipa::path(
    post,
    path = "/v1/directory/diff",
    operation_id = "diff_directory",
    summary = "Tells what a PUT of the document would change. Changes nothing.",
    request_body = openapi::Directory,
    responses((status = 200, description = "What would change.", body = openapi::DirectoryDiff))
)]
pub(super) async fn diff(api: &Api, request: ApiRequest) -> Answered {
    let turn = request.turn()?;
    let (body, accounts) = (request.body, api.account_names());
    let compared = api.work(&turn, move |reads| compared(&body, &known(reads)?, &accounts, true)).await?;
    let mut shown = compared.differences.document();
    shown["needs_force"] = object!(compared.needs_force);
    Ok(json(StatusCode::OK, &shown))
}

/// `PUT /v1/directory`.
#[utoipa::path(
    put,
    path = "/v1/directory",
    operation_id = "put_directory",
    summary = "Replaces the directory by the document: all of it, or nothing. Opt-outs are only added.",
    params(openapi::ForceQuery, openapi::IfHeaders),
    request_body = openapi::Directory,
    responses(
        (status = 200, description = "What changed.", body = openapi::DirectoryApplied, headers(("ETag" = String))),
        (status = 201, description = "The first directory.", body = openapi::DirectoryApplied, headers(("ETag" = String)))
    )
)]
pub(super) async fn put(api: &Api, request: ApiRequest) -> Answered {
    let (turn, expected, force) = (request.turn()?, request.expected()?, request.force()?);
    for _ in 0..ATTEMPTS {
        let (body, accounts) = (request.body.clone(), api.account_names());
        let step = api.work(&turn, move |reads| compared(&body, &known(reads)?, &accounts, force)).await?;
        let Compared { version, after, differences, .. } = step;
        if let Some(refusal) =
            expected.as_ref().filter(|expected| !expected.is(version)).map(|_| document_changed(version))
        {
            return Err(refusal);
        }
        if differences.is_empty() {
            return Ok(applied(StatusCode::OK, &differences, None, version.unwrap_or_default()));
        }
        let expected = version.map_or(Expected::Absent, |version| Expected::At(vec![version]));
        let Document { directory, opt_outs } = after;
        let command = Command::ApplyDocument(Box::new(ApplyDocument {
            directory,
            opt_outs,
            force,
            expected: Some(expected),
            by: request.client.actor.clone(),
        }));
        match api.decide(command, None).await {
            Ok(Reply::DocumentApplied { position, version: now }) => {
                let status = if version.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                return Ok(applied(status, &differences, Some(position), now));
            }
            Ok(_) => return Err(super::unexpected_reply("ApplyDocument")),
            // Somebody else changed it in between: the document is compared with the new one.
            Err(refusal) if refusal.code == Code::PreconditionFailed => {}
            Err(refusal) if refusal.code == Code::BodyTooLarge => return Err(in_parts(&refusal)),
            Err(refusal) => return Err(refusal),
        }
    }
    Err(overloaded())
}

fn known(reads: &Reads) -> Result<Known, Refusal> {
    reads.ask(|view| Known::of(view)).map_err(|failed| storage_failed(&failed))
}

/// Reads a document that is to replace what is known.
fn compared(body: &Bytes, known: &Known, accounts: &[String], force: bool) -> Result<Compared, Refusal> {
    let after = directory::read_body(body, known.onto(accounts, force)).map_err(refused)?;
    let version = known.has_directory.then_some(known.document.directory.versions.directory);
    let differences = known.differences(&after);
    let needs_force = known.needs_force(&after);
    Ok(Compared { version, after, differences, needs_force })
}

/// The refusal of a document with these problems, of which there is at least one.
fn refused(problems: Vec<Problem>) -> Refusal {
    let more = problems.len().saturating_sub(PROBLEMS_SHOWN);
    let error = |Problem { field, code, detail, place }: Problem| {
        let at = place.map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default();
        FieldError { field, code, detail: format!("{detail}{at}") }
    };
    let mut errors: Vec<_> = problems.into_iter().take(PROBLEMS_SHOWN).map(error).collect();
    if more > 0 {
        let detail = format!("there are at least {more} more problems: fix these first");
        errors.push(FieldError { field: String::new(), code: Code::InvalidField, detail });
    }
    let first = errors.first().cloned();
    let (code, detail) = first.map_or((Code::Internal, String::new()), |first| (first.code, first.detail));
    Refusal { errors: errors.into(), ..Refusal::new(code, detail) }
}

/// The changes do not fit into a frame.
fn in_parts(refusal: &Refusal) -> Refusal {
    let detail = format!(
        "{}: apply the document in parts, first with some of its numbers, queues, presets or opt-outs, then with all",
        refusal.detail
    );
    Refusal::new(Code::BodyTooLarge, detail)
}

fn applied(status: StatusCode, differences: &Differences, position: Option<Position>, version: Position) -> Response {
    let mut shown = differences.document();
    shown["position"] = object!(position.map(|position| position.0));
    let mut response = json(status, &shown);
    tag(&mut response, version);
    response
}

fn tag(response: &mut Response, version: Position) {
    let tag = HeaderValue::try_from(format!("\"{}\"", version.0)).expect("digits in quotes are visible ASCII");
    response.headers_mut().insert(header::ETAG, tag);
}

/// Permission to hold a document in memory. Clones share it.
pub(super) type Turn = Arc<OwnedSemaphorePermit>;

impl Api {
    /// Waits for the turn of one more document.
    pub(super) async fn document_turn(&self) -> Result<Turn, Refusal> {
        let turn = timeout(TURN_WITHIN, Arc::clone(&self.documents).acquire_owned()).await;
        Ok(Arc::new(turn.map_err(|_| overloaded())?.map_err(|_| overloaded())?))
    }

    /// Works on a document off the runtime, for as long as it takes, which its size bounds.
    async fn work<T: Send + 'static>(
        &self,
        turn: &Turn,
        work: impl FnOnce(&Reads) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        if self.readiness.holds(NotReady::StorageUnavailable) {
            return Err(storage_unavailable());
        }
        let (reads, turn) = (self.reads.clone(), Arc::clone(turn));
        let result = tokio::task::spawn_blocking(move || {
            // Held until the work ends, even if the client has disconnected.
            let _turn = turn;
            work(&reads)
        });
        result.await.unwrap_or_else(|_panicked| Err(panicked()))
    }
}

impl ApiRequest {
    /// The turn that was taken before the body was read.
    fn turn(&self) -> Result<Turn, Refusal> {
        self.turn.clone().ok_or_else(crate::http::answer::internal)
    }
}
