//! Links to media, for a browser that has no token.
//!
//! Invariant: a link stands for a client that may read this one medium by this one route, for as long as it lasts.
//! Whether there is still something to read is checked at each request, as with a token.

use super::auth::{Client, address};
use super::media::{find, readable};
use super::routes::Route;
use super::{Answered, Api, ApiRequest, Scope, fields, openapi, storage_unavailable};
use crate::http::answer::json;
use crate::model::{Actor, MediaId};
use crate::observe::{self, Door};
use crate::rules::refusal::{Code, Refusal};
use crate::work::media::links::{LINK_MAX, Link, LinkRefused};
use axum::http::{StatusCode, Uri, request};
use serde_json::json as object;
use std::sync::Arc;
use std::time::Duration;

/// Fields of a request.
pub(super) const FIELDS: &[&str] = &["expires_in_secs"];

/// How long a link lasts, unless the request says something else.
const LASTS_SECS: u64 = 300;

/// `POST /v1/media/{medium_id}/link`.
#[utoipa::path(
    post,
    path = "/v1/media/{medium_id}/link",
    operation_id = "link_medium",
    summary = "Makes a link to a photo or video, which a browser can open without a token. It ends at its time, with \
               the medium, or when the person is erased. Needs a token that may read texts. Each request makes a \
               new link, also with the same Idempotency-Key.",
    params(openapi::MediumPath),
    request_body = openapi::LinkAsk,
    responses((status = 200, description = "The link.", body = openapi::MediaLink))
)]
pub(super) async fn make(api: &Api, request: ApiRequest) -> Answered {
    // A link lasts for an hour at most, and nothing changes: it is not remembered for the key.
    request.key()?;
    let id = readable(&request)?;
    let lasts = fields::read(&request.body, FIELDS, &[], |fields| {
        let most = LINK_MAX.as_secs();
        let secs = fields.whole("expires_in_secs", LASTS_SECS);
        if !(1..=most).contains(&secs) {
            fields.note("expires_in_secs", format!("is {secs}: it must be a whole number from 1 to {most}"));
        }
        Some(Duration::from_secs(secs))
    })?;
    let links = api.links.clone().ok_or_else(storage_unavailable)?;
    let made = api.query(move |reads, now| {
        find(reads, id)?;
        let expires = now + lasts;
        Ok((links.sign(id, expires, now), expires))
    });
    let (Link { expires, signature }, expires_at) = made.await?;
    let url = format!("/v1/media/{id}?expires={expires}&signature={signature}");
    Ok(json(StatusCode::OK, &object!({ "url": url, "expires_at": expires_at.to_string() })))
}

impl Api {
    /// The client that a link stands for; `None` if the request has no link. A link counts before a token.
    pub(super) fn linked(
        &self,
        route: &Route,
        head: &request::Parts,
        params: &[(String, String)],
    ) -> Result<Option<Arc<Client>>, Refusal> {
        let Some(link) = route.takes_links().then(|| link(head.uri.query().unwrap_or_default())).flatten() else {
            return Ok(None);
        };
        let id = params.iter().find(|(name, _)| name == "medium_id").and_then(|(_, id)| id.parse::<MediaId>().ok());
        let checked = match (&self.links, id) {
            (Some(links), Some(id)) => links.check(id, &link, (self.clock)()),
            _ => Err(LinkRefused::Forged),
        };
        match checked {
            Ok(()) => Ok(Some(Arc::new(reader()))),
            Err(LinkRefused::Over) => Err(invalid("the link is over: ask for a new one")),
            Err(LinkRefused::Forged) => {
                observe::credential_refused(Door::Platform, address(head));
                Err(invalid("this is not a link as the gateway made it: use its whole address, or ask for a new one"))
            }
        }
    }
}

/// Whether an address is a link, right or not.
pub(in crate::http) fn is_link(uri: &Uri) -> bool {
    link(uri.query().unwrap_or_default()).is_some()
}

/// The link in a query, if it has any part of one. What is left out is empty.
fn link(query: &str) -> Option<Link> {
    let value = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    };
    let (expires, signature) = (value("expires"), value("signature"));
    let is_link = expires.is_some() || signature.is_some();
    is_link.then(|| Link { expires: expires.unwrap_or_default(), signature: signature.unwrap_or_default() })
}

/// Who opens a link.
fn reader() -> Client {
    Client { actor: Actor::named("link".to_owned()), scopes: [Scope::Read].into(), texts: true }
}

fn invalid(detail: &str) -> Refusal {
    Refusal::new(Code::LinkInvalid, detail)
}
