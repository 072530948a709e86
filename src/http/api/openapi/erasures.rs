//! Schemas of erasures.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::{PhoneNumber, Time};
use utoipa::{IntoParams, ToSchema};

/// A person to erase.
#[derive(ToSchema)]
pub(in crate::http::api) struct ErasureAsk {
    #[schema(inline)]
    number: PhoneNumber,
}

/// The erasure of a person. It does not say whose.
#[derive(ToSchema)]
pub(in crate::http::api) struct Erasure {
    id: String,
    state: ErasureState,
    /// When it was requested.
    #[schema(inline)]
    at: Time,
    /// Records that contained data of the person; null while it runs.
    records: Option<u64>,
    /// Numbers, texts and media URLs that were erased; null while it runs.
    bodies: Option<u64>,
    /// Records with the number in an identifier chosen by others, such as a call id. They cannot be erased, and are
    /// deleted when their retention ends. Null while it runs.
    named_elsewhere: Option<u64>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ErasureState {
    Running,
    Done,
    /// Data is damaged; the gateway's log says which. Repair it and request the erasure again.
    Failed,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http::api) struct ErasurePath {
    /// The `id` of the response that began the erasure.
    erasure_id: String,
}
