//! Schemas of who asks.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::Language;
use utoipa::ToSchema;

/// Who asks, and what it may do.
#[derive(ToSchema)]
pub(in crate::http::api) struct Me {
    kind: ActorKind,
    /// The name in the configuration.
    name: String,
    scopes: Vec<Scope>,
    /// Whether it gets texts and media.
    texts: bool,
    /// The version of the gateway.
    build: String,
    /// Whether this is the gateway of `offhook demo`.
    demo: bool,
    /// The languages that the directory uses, sorted.
    languages: Vec<Language>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ActorKind {
    Token,
    Person,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Scope {
    Send,
    Calls,
    Admin,
    Read,
    Operate,
}
