//! Schemas of the console.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::Time;
use utoipa::ToSchema;

/// A link to the console that is wanted.
#[derive(ToSchema)]
pub(in crate::http::api) struct ConsoleLinkAsk {
    /// The person it signs in, by the name in the configuration. It can be left out where there is one person only.
    #[schema(rename = "as", nullable = false)]
    name: Option<String>,
}

/// A link to the console.
#[derive(ToSchema)]
pub(in crate::http::api) struct ConsoleLink {
    /// The URL to open in a browser.
    url: String,
    /// When it ends.
    #[schema(inline)]
    expires_at: Time,
}
