//! Suspends and resumes numbers and accounts.

use super::directory::accounts::account;
use super::directory::numbers::number;
use super::fields::{self, number_in_path};
use super::idempotency::replayed;
use super::{Answered, Api, ApiRequest, openapi, unexpected_reply};
use crate::machine::command::{Command, IdempotencyKey, Reply, Suspend};
use crate::machine::state::CapOwner;
use crate::rules::refusal::{Code, Refusal};

/// Fields of a request to suspend.
pub(super) const SUSPEND_FIELDS: &[&str] = &["reason", "until"];

/// Fields of a request to resume.
pub(super) const RESUME_FIELDS: &[&str] = &[];

const REASON_MAX_CHARACTERS: usize = 256;

/// `POST /v1/numbers/{e164}/suspend`.
#[utoipa::path(
    post,
    path = "/v1/numbers/{e164}/suspend",
    operation_id = "suspend_number",
    summary = "Suspends a number: nothing is sent from it meanwhile, and what comes in is taken. Suspending it again \
               changes reason and end.",
    params(openapi::NumberPath, openapi::KeyHeader),
    request_body = openapi::SuspendAsk,
    responses((status = 200, description = "The number.", body = openapi::Number, headers(("ETag" = String))))
)]
pub(super) async fn suspend_number(api: &Api, request: ApiRequest) -> Answered {
    let ours = number_in_path("e164", request.param("e164"))?;
    let again = suspend(api, &request, CapOwner::Number(ours)).await?;
    answer(again, number(api, request).await)
}

/// `POST /v1/numbers/{e164}/resume`.
#[utoipa::path(
    post,
    path = "/v1/numbers/{e164}/resume",
    operation_id = "resume_number",
    summary = "Resumes a suspended number. Nothing changes if it is not suspended.",
    params(openapi::NumberPath, openapi::KeyHeader),
    request_body = Option<openapi::ResumeAsk>,
    responses((status = 200, description = "The number.", body = openapi::Number, headers(("ETag" = String))))
)]
pub(super) async fn resume_number(api: &Api, request: ApiRequest) -> Answered {
    let ours = number_in_path("e164", request.param("e164"))?;
    let again = resume(api, &request, CapOwner::Number(ours)).await?;
    answer(again, number(api, request).await)
}

/// `POST /v1/accounts/{name}/suspend`.
#[utoipa::path(
    post,
    path = "/v1/accounts/{name}/suspend",
    operation_id = "suspend_account",
    summary = "Suspends an account: nothing is sent from its numbers meanwhile, and what comes in is taken. Suspending \
               it again changes reason and end.",
    params(openapi::AccountPath, openapi::KeyHeader),
    request_body = openapi::SuspendAsk,
    responses((status = 200, description = "The account.", body = openapi::Account, headers(("ETag" = String))))
)]
pub(super) async fn suspend_account(api: &Api, request: ApiRequest) -> Answered {
    let name = account_name(api, &request)?;
    let again = suspend(api, &request, CapOwner::Account(name)).await?;
    answer(again, account(api, request).await)
}

/// `POST /v1/accounts/{name}/resume`.
#[utoipa::path(
    post,
    path = "/v1/accounts/{name}/resume",
    operation_id = "resume_account",
    summary = "Resumes a suspended account. Nothing changes if it is not suspended.",
    params(openapi::AccountPath, openapi::KeyHeader),
    request_body = Option<openapi::ResumeAsk>,
    responses((status = 200, description = "The account.", body = openapi::Account, headers(("ETag" = String))))
)]
pub(super) async fn resume_account(api: &Api, request: ApiRequest) -> Answered {
    let name = account_name(api, &request)?;
    let again = resume(api, &request, CapOwner::Account(name)).await?;
    answer(again, account(api, request).await)
}

pub(super) fn account_name(api: &Api, request: &ApiRequest) -> Result<String, Refusal> {
    let name = request.param("name").to_owned();
    if api.accounts.get(&name).is_none() {
        let known = api.accounts.names().join(", ");
        let detail = format!("no such account in the configuration: it has {known}");
        return Err(Refusal::new(Code::AccountNotFound, detail));
    }
    Ok(name)
}

/// Suspends; returns whether the request had been answered before.
async fn suspend(api: &Api, request: &ApiRequest, owner: CapOwner) -> Result<bool, Refusal> {
    let key = request.key()?;
    let (reason, until) = fields::read(&request.body, SUSPEND_FIELDS, &[], |fields| {
        let reason = fields.word_or_null("reason", REASON_MAX_CHARACTERS);
        if fields.value_or_null("reason").is_none() {
            fields.missing("reason", "why it is suspended, for those who find its texts waiting");
        }
        let until = fields.time_or_null("until");
        Some((reason?, until))
    })?;
    let by = request.client.actor.clone();
    let command = Command::Suspend(Suspend { owner, reason, until, by, key });
    decide(api, command, key).await
}

/// Resumes; returns whether the request had been answered before.
async fn resume(api: &Api, request: &ApiRequest, owner: CapOwner) -> Result<bool, Refusal> {
    let key = request.key()?;
    if !request.body.is_empty() {
        fields::read(&request.body, RESUME_FIELDS, &[], |_| Some(()))?;
    }
    decide(api, Command::Resume { owner, by: request.client.actor.clone(), key }, key).await
}

async fn decide(api: &Api, command: Command, key: Option<IdempotencyKey>) -> Result<bool, Refusal> {
    match api.decide(command, key).await? {
        Reply::Done => Ok(false),
        Reply::Again(_) => Ok(true),
        _ => Err(unexpected_reply("suspend")),
    }
}

/// The resource as it is now.
fn answer(again: bool, answered: Answered) -> Answered {
    if again { answered.map(replayed) } else { answered }
}
