//! Parameters of routes.
#![expect(dead_code, reason = "the derived parameters are all that is used")]

use super::calls::CallState;
use super::scalars::{Language, PhoneNumber, ResourceId, Time};
use utoipa::{IntoParams, ToSchema};

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http::api) struct CallPath {
    /// The platform's id of the call.
    #[param(pattern = "^[A-Za-z0-9_.:-]{1,128}$")]
    call_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http::api) struct MessagePath {
    /// A message id from a response or an event.
    message_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http::api) struct NumberPath {
    /// The number.
    #[param(inline)]
    e164: PhoneNumber,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http::api) struct AccountPath {
    /// The account's name in the configuration.
    name: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http::api) struct QuarantinePath {
    /// An id from the list or an event.
    quarantine_id: String,
}

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(in crate::http::api) struct Bytes(#[allow(dead_code, reason = "the derived schema is all that is used")] Vec<u8>);

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http::api) struct MediumPath {
    /// An id from a message or an event.
    medium_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct LaneSort {
    /// By number, or the lane whose text has been ready longest first.
    #[param(inline, nullable = false)]
    sort: Option<LaneOrder>,
}

#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case", default = "number")]
enum LaneOrder {
    Number,
    Oldest,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct QueuedFilter {
    /// Which messages.
    #[param(inline)]
    state: QueuedState,
    /// One of our numbers. Default: all.
    #[param(inline, nullable = false)]
    number: Option<PhoneNumber>,
}

#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
enum QueuedState {
    Queued,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http::api) struct QueuePath {
    /// The queue.
    #[param(inline)]
    queue_id: ResourceId,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http::api) struct PresetPath {
    /// The preset's language.
    #[param(inline)]
    language: Language,
    /// The preset's id, unique per language.
    #[param(inline)]
    preset_id: ResourceId,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct ForceQuery {
    /// Permits assigning the global outbound number to a queue.
    #[param(default = false, nullable = false)]
    force: Option<bool>,
}

/// Conditions; where they do not hold, the response is 412 precondition_failed with the current ETag.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http::api) struct IfHeaders {
    /// Write only if the resource has one of these ETags, or with * if it exists.
    #[param(rename = "If-Match", pattern = "^([*]|\"[0-9]+\")$", nullable = false)]
    if_match: Option<String>,
    /// Write only if the resource does not exist. Never true together with If-Match.
    #[param(rename = "If-None-Match", inline, nullable = false)]
    if_none_match: Option<NoTag>,
}

#[derive(ToSchema)]
enum NoTag {
    #[serde(rename = "*")]
    Any,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct CallFilter {
    /// Default: both.
    #[param(inline, nullable = false)]
    state: Option<CallState>,
    /// The caller's number.
    #[param(inline, nullable = false)]
    caller: Option<PhoneNumber>,
    /// The queue of the call.
    #[param(inline, nullable = false)]
    queue: Option<ResourceId>,
    /// The agent talking to the caller now, or at the end of the call.
    #[param(min_length = 1, nullable = false)]
    agent: Option<String>,
    /// Only calls that started at this time or later.
    #[param(inline, nullable = false)]
    since: Option<Time>,
    /// Only calls that started before this time.
    #[param(inline, nullable = false)]
    until: Option<Time>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct PresetFilter {
    /// Default: all languages.
    #[param(inline, nullable = false)]
    language: Option<Language>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct PageQuery {
    /// Maximum number of items of a page. With a selective filter a page may have fewer and still a next_cursor.
    #[param(minimum = 1, maximum = 500, default = 50, nullable = false)]
    limit: Option<u32>,
    /// The next_cursor of the previous page.
    #[param(nullable = false)]
    cursor: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct PullQuery {
    /// Maximum number of events of a page. A page may have fewer and still not be the last one.
    #[param(minimum = 1, maximum = 500, default = 50, nullable = false)]
    limit: Option<u32>,
    /// The cursor of the last event read, or the next_cursor or Offhook-Cursor of a response; `now` for events from now
    /// on. Default: start at the oldest event kept. A cursor older than that gets 410 events_expired with `oldest`.
    #[param(nullable = false)]
    after: Option<String>,
    /// Types of events, and groups of them like `message.*`, separated by commas. Default: all.
    #[param(min_length = 1, nullable = false)]
    types: Option<String>,
    /// Only events of this call.
    #[param(pattern = "^[A-Za-z0-9_.:-]{1,128}$", nullable = false)]
    call_id: Option<String>,
    /// How long to wait for the next event, in milliseconds.
    #[param(minimum = 0, maximum = 30_000, default = 0, nullable = false)]
    wait_ms: Option<u32>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http::api) struct LastEventHeader {
    /// The id of the last event of a stream, to resume it; it replaces `after`.
    #[param(rename = "Last-Event-ID", nullable = false)]
    last_event_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http::api) struct KeyHeader {
    /// The same key and body within 24 hours get the same response.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]{1,128}$", nullable = false)]
    idempotency_key: Option<String>,
}
