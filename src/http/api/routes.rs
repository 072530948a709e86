//! The route table: the router and the OpenAPI document are built from it.

use super::auth::Scope;
use super::openapi::OPENAPI;
use super::{
    Answered, Api, ApiRequest, BODY_MAX_BYTES, audit, calls, console_links, directory, document, erasures, events,
    explain, health, lanes, links, me, media, messages, opt_outs, quarantine, reconcile, replay, reports, suspend,
    verify,
};
use crate::directory::DOCUMENT_MAX_BYTES;
use crate::http::without_trailing_slash;
use crate::rules::refusal::{Code, Refusal};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use std::pin::Pin;
use std::sync::Arc;

/// One path with one method.
pub(super) struct Route {
    pub(super) verb: Verb,
    /// The path template, the same in the router and the OpenAPI document.
    pub(super) path: &'static str,
    /// The scope the token needs; `None` accepts any token.
    pub(super) scope: Option<Scope>,
    /// The accepted query parameters.
    pub(super) query: &'static [&'static str],
    pub(super) answer: fn(Arc<Api>, ApiRequest) -> Answering,
}

impl Route {
    /// Whether its body is a document of the directory.
    pub(super) fn is_document(&self) -> bool {
        self.verb.has_body() && self.path.starts_with("/v1/directory")
    }

    /// Whether a link may stand for the token.
    pub(super) fn takes_links(&self) -> bool {
        self.verb == Verb::Get && self.path == "/v1/media/{medium_id}"
    }

    /// Maximum size of its body.
    pub(super) fn body_max_bytes(&self) -> usize {
        if self.is_document() { DOCUMENT_MAX_BYTES } else { BODY_MAX_BYTES }
    }
}

type Answering = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// The HTTP method of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    Get,
    Put,
    Post,
    Delete,
}

impl Verb {
    pub(super) fn has_body(self) -> bool {
        matches!(self, Self::Put | Self::Post)
    }

    /// Whether the method may change state.
    pub(super) fn writes(self) -> bool {
        !matches!(self, Self::Get)
    }

    /// The method's label in metrics.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Put => MethodFilter::PUT,
            Self::Post => MethodFilter::POST,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// The table of routes, and the paths of the OpenAPI document: each handler has an annotation `utoipa::path`.
macro_rules! routes {
    ($($verb:ident $path:literal $scope:expr => $($answer:ident)::+ $([$($query:literal),*])?;)*) => {
        pub(super) static ROUTES: &[Route] = &[$(Route {
            verb: Verb::$verb,
            path: $path,
            scope: $scope,
            query: &[$($($query),*)?],
            answer: |api, request| Box::pin(async move { $($answer)::+(&api, request).await }),
        },)*];

        /// The annotations of all handlers.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($answer)::+),*))]
        pub(super) struct Document;
    };
}

routes! {
    Get "/v1/calls" Some(Scope::Read) => calls::list ["state", "caller", "queue", "agent", "since", "until", "limit", "cursor"];
    Put "/v1/calls/{call_id}" Some(Scope::Calls) => calls::put;
    Get "/v1/calls/{call_id}" Some(Scope::Read) => calls::one;
    Post "/v1/calls/{call_id}/end" Some(Scope::Calls) => calls::end;
    Get "/v1/calls/{call_id}/messages" Some(Scope::Read) => messages::transcript ["limit", "cursor"];
    Post "/v1/calls/{call_id}/messages" Some(Scope::Send) => messages::send;
    Get "/v1/messages/{message_id}" Some(Scope::Read) => messages::one;
    Delete "/v1/messages/{message_id}" Some(Scope::Send) => messages::cancel;
    Get "/v1/messages/{message_id}/explain" Some(Scope::Read) => explain::one;
    Get "/v1/media/{medium_id}" Some(Scope::Read) => media::one ["expires", "signature"];
    Post "/v1/media/{medium_id}/link" Some(Scope::Read) => links::make;
    Get "/v1/events" Some(Scope::Read) => events::list ["after", "types", "call_id", "wait_ms", "limit", "cursor"];
    Post "/v1/estimate" Some(Scope::Send) => messages::estimate;
    Post "/v1/events/replay" Some(Scope::Admin) => replay::replay;
    Post "/v1/erasures" Some(Scope::Admin) => erasures::erase;
    Get "/v1/erasures/{erasure_id}" Some(Scope::Admin) => erasures::one;
    Post "/v1/numbers/verify" Some(Scope::Admin) => verify::verify;
    Get "/v1/numbers" Some(Scope::Read) => directory::numbers::numbers ["limit", "cursor"];
    Get "/v1/numbers/{e164}" Some(Scope::Read) => directory::numbers::number;
    Put "/v1/numbers/{e164}" Some(Scope::Admin) => directory::numbers::put_number ["force"];
    Delete "/v1/numbers/{e164}" Some(Scope::Admin) => directory::numbers::delete_number;
    Get "/v1/queues" Some(Scope::Read) => directory::queues::queues ["limit", "cursor"];
    Get "/v1/queues/{queue_id}" Some(Scope::Read) => directory::queues::queue;
    Put "/v1/queues/{queue_id}" Some(Scope::Admin) => directory::queues::put_queue ["force"];
    Delete "/v1/queues/{queue_id}" Some(Scope::Admin) => directory::queues::delete_queue;
    Get "/v1/presets" Some(Scope::Read) => directory::presets::presets ["language", "limit", "cursor"];
    Get "/v1/presets/{language}/{preset_id}" Some(Scope::Read) => directory::presets::preset;
    Put "/v1/presets/{language}/{preset_id}" Some(Scope::Admin) => directory::presets::put_preset;
    Delete "/v1/presets/{language}/{preset_id}" Some(Scope::Admin) => directory::presets::delete_preset;
    Get "/v1/languages" Some(Scope::Read) => directory::presets::languages ["limit", "cursor"];
    Get "/v1/settings" Some(Scope::Read) => directory::settings::settings;
    Put "/v1/settings" Some(Scope::Admin) => directory::settings::put_settings;
    Get "/v1/accounts" Some(Scope::Read) => directory::accounts::accounts ["limit", "cursor"];
    Get "/v1/accounts/{name}" Some(Scope::Read) => directory::accounts::account;
    Put "/v1/accounts/{name}" Some(Scope::Admin) => directory::accounts::put_account;
    Get "/v1/me" None => me::me;
    Post "/v1/console/links" Some(Scope::Admin) => console_links::make;
    Get "/v1/audit" Some(Scope::Read) => audit::list ["since", "actor", "resource", "limit", "cursor"];
    Get "/v1/reports/usage" Some(Scope::Read) => reports::usage ["from", "to", "by", "format", "limit", "cursor"];
    Post "/v1/numbers/{e164}/suspend" Some(Scope::Operate) => suspend::suspend_number;
    Post "/v1/numbers/{e164}/resume" Some(Scope::Operate) => suspend::resume_number;
    Post "/v1/accounts/{name}/suspend" Some(Scope::Operate) => suspend::suspend_account;
    Post "/v1/accounts/{name}/resume" Some(Scope::Operate) => suspend::resume_account;
    Post "/v1/accounts/{name}/reconcile" Some(Scope::Operate) => reconcile::reconcile;
    Get "/v1/health" Some(Scope::Read) => health::health;
    Get "/v1/lanes" Some(Scope::Read) => lanes::lanes ["sort", "limit", "cursor"];
    Get "/v1/endpoints" Some(Scope::Read) => health::endpoints ["limit", "cursor"];
    Get "/v1/messages" Some(Scope::Read) => lanes::queued ["state", "number", "limit", "cursor"];
    Get "/v1/quarantine" Some(Scope::Read) => quarantine::list ["limit", "cursor"];
    Get "/v1/quarantine/{quarantine_id}" Some(Scope::Read) => quarantine::one;
    Post "/v1/quarantine/{quarantine_id}/replay" Some(Scope::Operate) => quarantine::replay;
    Delete "/v1/quarantine/{quarantine_id}" Some(Scope::Operate) => quarantine::discard;
    Get "/v1/directory" Some(Scope::Read) => document::get;
    Post "/v1/directory/diff" Some(Scope::Admin) => document::diff;
    Put "/v1/directory" Some(Scope::Admin) => document::put ["force"];
    Get "/v1/opt-outs" Some(Scope::Read) => opt_outs::list ["number", "limit", "cursor"];
    Get "/v1/opt-outs/{e164}" Some(Scope::Read) => opt_outs::one;
    Put "/v1/opt-outs/{e164}" Some(Scope::Admin) => opt_outs::put;
    Delete "/v1/opt-outs/{e164}" Some(Scope::Admin) => opt_outs::delete ["reason"];
    Get "/v1/openapi.json" None => openapi_json;
}

/// The HTTP service. Requests carry their [`ClientAddress`](crate::net::ClientAddress).
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let mut router = Router::new();
    for route in ROUTES {
        let api = Arc::clone(&api);
        let answer = move |request: Request| Arc::clone(&api).answer(route, request);
        router = router.route(route.path, on(route.verb.filter(), answer));
    }
    let not_found = Arc::clone(&api);
    let router = router
        .fallback(move |request: Request| {
            let detail = "no such endpoint; see /v1/openapi.json";
            Arc::clone(&not_found).not_found(Refusal::new(Code::NotFound, detail), request)
        })
        .method_not_allowed_fallback(move |request: Request| {
            let detail = "method not allowed: the Allow header lists the methods of this endpoint";
            Arc::clone(&api).not_found(Refusal::new(Code::MethodNotAllowed, detail), request)
        });
    without_trailing_slash(router)
}

/// `GET /v1/openapi.json`.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "openapi",
    summary = "Gets this document.",
    responses((status = 200, description = "This document.", body = utoipa::openapi::schema::Object))
)]
async fn openapi_json(_: &Api, _: ApiRequest) -> Answered {
    let mut response = Response::new(OPENAPI.as_str().into());
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
