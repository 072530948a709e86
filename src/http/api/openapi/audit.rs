//! Schemas of the audit.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::{Time, pages};
use utoipa::openapi::schema::Object;
use utoipa::{IntoParams, ToSchema};

/// An act: a change of the directory, or an act with the scope admin or operate. Kept for the setting retention_days, at
/// least 90. After an erasure the entries that named the person have null for what was acted on.
#[derive(ToSchema)]
struct AuditEntry {
    at: Time,
    /// The name of the token, or of the person in the console, whose entries have an `address`; `seed` or `command line` for what
    /// nobody at a door did.
    actor: String,
    /// Where a person in the console acted from.
    #[schema(required)]
    address: Option<String>,
    action: Action,
    /// What was acted on, as its path below /v1/, like queues/support.
    #[schema(required)]
    resource: Option<String>,
    /// Why, as the actor gave it.
    #[schema(required)]
    reason: Option<String>,
    /// The resource before; null if there was none. That of a large resource, over some 1,800 bytes before and afterwards,
    /// is kept as long as the events of its time; that of many large ones changed at once is not kept.
    #[schema(required)]
    before: Option<Object>,
    /// The resource afterwards.
    #[schema(required)]
    after: Option<Object>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Action {
    Create,
    Change,
    Delete,
    Seed,
    OptOut,
    OptIn,
    Verify,
    Suspend,
    Resume,
    ReplayEvents,
    ReplayQuarantined,
    DiscardQuarantined,
    Erase,
    SendToLandline,
    TextAlternative,
    MakeSignInLink,
    SignIn,
    RefuseSignIn,
    SignOut,
    ReadTexts,
}

pages! {
    AuditPage of AuditEntry;
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct AuditFilter {
    /// The earliest time.
    #[param(inline, nullable = false)]
    since: Option<Time>,
    /// The name of who acted.
    #[param(min_length = 1, nullable = false)]
    actor: Option<String>,
    /// What was acted on, as its path below /v1/: one like queues/support, or all below one like queues.
    #[param(min_length = 1, nullable = false)]
    resource: Option<String>,
}
