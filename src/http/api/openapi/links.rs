//! Schemas of links to media.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::Time;
use utoipa::{IntoParams, ToSchema};

/// A link that is wanted.
#[derive(ToSchema)]
pub(in crate::http::api) struct LinkAsk {
    /// How long it lasts.
    #[schema(minimum = 1, maximum = 3600, default = 300, nullable = false)]
    expires_in_secs: Option<u32>,
}

/// A link to a medium.
#[derive(ToSchema)]
pub(in crate::http::api) struct MediaLink {
    /// Path and query, to be appended to the address of the door.
    url: String,
    /// When it ends.
    #[schema(inline)]
    expires_at: Time,
}

/// The parameters of a link, which stand for a token; both or none.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct LinkQuery {
    /// When the link ends, as the link has it. Afterwards the response is 403 link_invalid.
    #[param(nullable = false)]
    expires: Option<String>,
    /// The signature, as the link has it.
    #[param(nullable = false)]
    signature: Option<String>,
}
