//! One-time links for the console.

use super::{Answered, Api, ApiRequest, fields, openapi};
use crate::http::answer::json;
use crate::http::console::Link;
use crate::machine::command::Command;
use crate::model::{Action, AuditEntry};
use crate::rules::refusal::{Code, Refusal};
use axum::http::StatusCode;
use serde_json::json as object;

/// Fields of a request.
pub(super) const FIELDS: &[&str] = &["as"];

/// `POST /v1/console/links`.
#[utoipa::path(
    post,
    path = "/v1/console/links",
    operation_id = "make_console_link",
    summary = "Makes a link that signs a person in at the console, once, within ten minutes. Each request makes a new \
               link, also with the same Idempotency-Key.",
    request_body = openapi::ConsoleLinkAsk,
    responses((status = 200, description = "The link.", body = openapi::ConsoleLink))
)]
pub(super) async fn make(api: &Api, request: ApiRequest) -> Answered {
    request.key()?;
    // A person could otherwise become another one, with other scopes.
    if request.client.actor.address.is_some() {
        let detail = "links are made at the platform's door: run offhook console link";
        return Err(Refusal::new(Code::NotFound, detail));
    }
    let name = fields::read(&request.body, FIELDS, &[], |fields| Some(fields.text("as").map(str::to_owned)))?;
    let links = api.sign_in.as_ref().ok_or_else(|| Refusal::new(Code::NotFound, "this gateway has no console"))?;
    let Link { url, expires_at, name } = links.make(name.as_deref(), (api.clock)())?;
    let entry = Box::new(AuditEntry { resource: format!("console/{name}"), ..AuditEntry::default() });
    let by = request.client.actor.clone();
    api.decide(Command::Audit { by, action: Action::MakeSignInLink, entry }, None).await?;
    Ok(json(StatusCode::OK, &object!({ "url": url, "expires_at": expires_at.to_string() })))
}
