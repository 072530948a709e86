//! `/v1/accounts`: limits, which are set here, and what the configuration says, without its secrets.

use super::*;
use crate::directory::resources;
use crate::http::api::health::account_document;
use crate::http::api::page::invalid_cursor;
use crate::http::api::reconcile;
use crate::machine::show::resources as render;
use crate::machine::view::View;
use crate::model::{Account as Limited, Json, Limits, Timestamp};
use crate::work::{Account, Accounts, Reconciler};
use serde_json::json as object;
use std::sync::Arc;

/// `GET /v1/accounts`.
#[utoipa::path(
    get,
    path = "/v1/accounts",
    operation_id = "list_accounts",
    summary = "Lists the configured carrier accounts.",
    params(openapi::PageQuery),
    responses((status = 200, description = "A page.", body = openapi::AccountPage))
)]
pub(in crate::http::api) async fn accounts(api: &Api, request: ApiRequest) -> Answered {
    let page = request.query.page()?;
    let mut accounts = api.accounts.all();
    accounts.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    // A name of an account has no spaces or signs that another list's cursor would have.
    if page.after.as_ref().is_some_and(|after| !accounts.iter().any(|account| *account.name == **after)) {
        return Err(invalid_cursor());
    }
    let known = Known { accounts: api.accounts.clone(), reconciler: api.reconciler.clone() };
    api.query(move |reads, now| {
        let directory = reads.directory();
        let found = reads.ask(|view| {
            let after =
                accounts.iter().filter(|account| page.after.as_deref().is_none_or(|after| &*account.name > after));
            page.shown(
                after.map(|account| (account.name.to_string(), || document(view, &directory, &known, account, now))),
            )
        });
        found.map_err(|failed| storage_failed(&failed))
    })
    .await
}

/// `GET /v1/accounts/{name}`.
#[utoipa::path(
    get,
    path = "/v1/accounts/{name}",
    operation_id = "get_account",
    summary = "Gets a carrier account.",
    params(openapi::AccountPath),
    responses((status = 200, description = "The account.", body = openapi::Account, headers(("ETag" = String))))
)]
pub(in crate::http::api) async fn account(api: &Api, request: ApiRequest) -> Answered {
    let account = configured(api, &request)?;
    let directory = Box::new(Directory::clone(&api.reads.directory()));
    one(api, directory, account).await
}

/// `PUT /v1/accounts/{name}`: its limits. All else is configuration.
#[utoipa::path(
    put,
    path = "/v1/accounts/{name}",
    operation_id = "put_account",
    summary = "Changes the limits of an account. What is left out has its default.",
    params(openapi::AccountPath, openapi::IfHeaders),
    request_body = openapi::AccountPut,
    responses((status = 200, description = "The account.", body = openapi::Account, headers(("ETag" = String))))
)]
pub(in crate::http::api) async fn put_account(api: &Api, request: ApiRequest) -> Answered {
    let account = configured(api, &request)?;
    let name = account.name.to_string();
    let read = |fields: &Fields<'_>| Change::Account(name.clone(), Some(Json(resources::account(fields))));
    let change = read_put(api, &request, &Resource::Account(name.clone()), read, |_, _| None)?;
    let written = write(api, &request, change).await?;
    one(api, written.after, account).await
}

fn configured(api: &Api, request: &ApiRequest) -> Result<Arc<Account>, Refusal> {
    api.accounts.get(request.param("name")).ok_or_else(|| {
        let detail = "no account of that name is configured: GET /v1/accounts lists them";
        Refusal::new(Code::AccountNotFound, detail)
    })
}

async fn one(api: &Api, directory: Box<Directory>, account: Arc<Account>) -> Answered {
    let known = Known { accounts: api.accounts.clone(), reconciler: api.reconciler.clone() };
    api.query(move |reads, now| {
        let document = reads.ask(|view| document(view, &directory, &known, &account, now));
        let document = document.map_err(|failed| storage_failed(&failed))?;
        Ok(resource(StatusCode::OK, &directory, &Resource::Account(account.name.to_string()), &document))
    })
    .await
}

/// What is known of accounts besides rows.
struct Known {
    accounts: Accounts,
    reconciler: Reconciler,
}

fn document(view: &impl View, directory: &Directory, known: &Known, account: &Account, now: Timestamp) -> Value {
    let none = Limited { limits: Limits::none() };
    let mut document = account_document(view, &known.accounts, &account.name, now);
    extend(&mut document, render::account(directory.accounts.get(&*account.name).unwrap_or(&none)));
    document["carrier"] = object!(account.carrier);
    document["public_url"] = object!(account.public_url.as_ref().map(|url| url.written()));
    document["webhooks"] = object!({
        "messages": account.public_url.as_ref().map(|url| url.messages(&account.name)),
        "receipts": account.public_url.as_ref().map(|url| url.receipts(&account.name)),
    });
    let reconciliation = known.reconciler.progress(&account.name);
    document["reconciliation"] = object!(reconciliation.map(|progress| reconcile::document(&account.name, &progress)));
    document["report_only_until"] = object!(account.report_only_until.map(|until| until.to_string()));
    document
}
