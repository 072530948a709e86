//! Schemas of operating: suspensions, health, lanes, endpoints, quarantine.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::{PhoneNumber, Time, pages};
use utoipa::ToSchema;

pages! {
    LanePage of LaneItem;
    EndpointPage of Endpoint;
    QuarantinePage of QuarantineEntry;
}

#[derive(ToSchema)]
pub(in crate::http::api) struct SuspendAsk {
    /// Why, for those who find its texts waiting.
    #[schema(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$", min_length = 1, max_length = 256)]
    reason: String,
    /// When it ends by itself; a time to come. Null or absent: only a resume ends it.
    #[schema(format = "date-time")]
    until: Option<String>,
}

/// Nothing to say.
#[derive(ToSchema)]
pub(in crate::http::api) struct ResumeAsk {}

#[derive(ToSchema)]
pub(in crate::http::api) struct ReconcileAsk {
    /// From when on messages may be missing, by the carrier's clock: at most 7 days ago.
    #[schema(format = "date-time")]
    since: String,
}

/// A reading of the carrier's list of messages for what never arrived.
#[derive(ToSchema)]
pub(in crate::http::api) struct Reconciliation {
    account: String,
    /// The time asked for, or an earlier one if an earlier request was not done.
    since: Time,
    state: ReconciliationState,
    begun_at: Time,
    /// Null until it is done.
    #[schema(required)]
    ended_at: Option<Time>,
    /// Pages of the list that were read.
    pages: u64,
    /// Received messages in the list since the time; one that is read again counts again.
    read: u64,
    /// Those of them that were known.
    known: u64,
    /// Those that were taken in.
    taken_in: u64,
    /// Those that cannot be read, or are too large to be stored.
    unreadable: u64,
    /// Why it waits.
    #[schema(required)]
    detail: Option<String>,
    /// When it goes on, if it waits.
    #[schema(required)]
    next_try_at: Option<Time>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ReconciliationState {
    Running,
    Waiting,
    Done,
}

/// Nothing is sent while it lasts.
#[derive(ToSchema)]
pub(super) struct Suspension {
    /// Null if it was erased with the person it named.
    #[schema(required)]
    reason: Option<String>,
    /// Null: only a resume ends it.
    #[schema(required)]
    until: Option<Time>,
    since: Time,
    /// The name of the token or the person.
    by: String,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Health {
    /// Whether the gateway takes new work.
    ready: bool,
    /// Why not.
    reasons: Vec<String>,
    /// What needs an operator although the gateway takes new work.
    notes: Vec<String>,
    accounts: Vec<AccountHealth>,
    /// What the API refused in the last hour since the start of the gateway, the most frequent first.
    refusals: Vec<RefusalCount>,
}

#[derive(ToSchema)]
struct RefusalCount {
    code: String,
    count: u64,
}

/// How a carrier account does.
#[derive(ToSchema)]
pub(in crate::http::api) struct AccountHealth {
    name: String,
    breaker: Breaker,
    /// When the account is tried again while its breaker is open.
    #[schema(required)]
    paused_until: Option<Time>,
    #[schema(required)]
    reason: Option<PauseReason>,
    #[schema(required)]
    detail: Option<String>,
    /// Null unless an operator has suspended the account.
    #[schema(required)]
    suspended: Option<Suspension>,
    /// When its carrier last accepted a text; null if it has not since the start of the gateway.
    #[schema(required)]
    last_success_at: Option<Time>,
}

/// Open while the account is paused because it fails.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Breaker {
    Closed,
    Open,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum PauseReason {
    CarrierFailing,
    CredentialsRefused,
}

/// The outbound queue of one of our numbers.
#[derive(ToSchema)]
struct LaneItem {
    number: PhoneNumber,
    #[schema(required)]
    account: Option<String>,
    /// Segments waiting.
    queued: u32,
    #[schema(required)]
    oldest_ready_ms: Option<u64>,
    /// Segments that may be sent at once; null without a rate limit.
    #[schema(required)]
    tokens: Option<f64>,
    /// What its next text waits for; `suspended` also without one.
    #[schema(required)]
    waiting_for: Option<LaneWaitsFor>,
    /// When its next text is sent at the earliest, or the suspension ends; null if that is not known.
    #[schema(required)]
    until: Option<Time>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum LaneWaitsFor {
    Suspended,
    CarrierPause,
    DailyCap,
    AccountRate,
    NumberRate,
    Retry,
    EarlierMessage,
}

/// One of the platform's endpoints.
#[derive(ToSchema)]
struct Endpoint {
    name: String,
    /// The cursor from which a pull gets what is not delivered yet; null until that is known.
    #[schema(required)]
    watermark: Option<String>,
    /// Events that are not delivered, without those of parked calls; those that were not read yet are counted as one
    /// per change.
    behind_events: u64,
    /// The age of the oldest of them.
    behind_ms: u64,
    parked_calls: u64,
    /// Its last answer since the start of the gateway.
    #[schema(required)]
    last_answer: Option<EndpointAnswer>,
    /// When a delivery that failed is tried again.
    #[schema(required)]
    next_try_at: Option<Time>,
    /// It has accepted nothing for ten seconds, or is gone.
    paused: bool,
}

#[derive(ToSchema)]
struct EndpointAnswer {
    at: Time,
    outcome: DeliveryOutcome,
    /// The status, or why there was none.
    detail: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum DeliveryOutcome {
    Delivered,
    Refused,
    Later,
    Gone,
    Unanswered,
}

/// An authentic webhook that could not be read.
#[derive(ToSchema)]
pub(in crate::http::api) struct QuarantineEntry {
    id: String,
    account: String,
    at: Time,
    /// Why it could not be read.
    problem: String,
    /// The size of its content.
    bytes: u32,
}

/// An authentic webhook that could not be read, with its content.
#[derive(ToSchema)]
pub(in crate::http::api) struct QuarantinedWebhook {
    id: String,
    account: String,
    at: Time,
    /// Why it could not be read.
    problem: String,
    /// The size of its content.
    bytes: u32,
    #[schema(required)]
    content_type: Option<String>,
    /// The body, or the query if the body was empty. Bytes that are not UTF-8 are U+FFFD here. Null if it was erased with
    /// a person it named, or is past its retention.
    #[schema(required)]
    body: Option<String>,
    /// The same bytes, unchanged.
    #[schema(required)]
    body_base64: Option<String>,
}

/// Nothing to say.
#[derive(ToSchema)]
pub(in crate::http::api) struct QuarantineReplayAsk {}

#[derive(ToSchema)]
pub(in crate::http::api) struct QuarantineReplayed {
    id: String,
    /// What became of each of its items.
    outcomes: Vec<ItemOutcome>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ItemOutcome {
    Attached,
    AutoReplied,
    Late,
    Dropped,
    Applied,
    Stale,
    UnknownMessage,
    Duplicate,
    Ignored,
}
