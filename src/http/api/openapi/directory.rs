//! Schemas of the directory: numbers, queues, presets and accounts.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::operate::{Breaker, PauseReason, Reconciliation, Suspension};
use super::scalars::{Encoding, Language, PhoneNumber, ResourceId, Time, Warning, pages};
use utoipa::ToSchema;

pages! {
    NumberPage of Number;
    QueuePage of Queue;
    PresetPage of Preset;
    LanguagePage of LanguageItem;
    AccountPage of Account;
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Number {
    /// E.164, like +12065550142
    #[schema(pattern = "^\\+[1-9][0-9]{6,14}$")]
    number: String,
    label: String,
    account: String,
    purpose: Purpose,
    global_outbound: bool,
    limits: Limits,
    verification: Verification,
    queues: NumberQueues,
    lane: Lane,
    /// Null unless an operator has suspended the number.
    #[schema(required)]
    suspended: Option<Suspension>,
}

/// A number as a PUT sets it.
#[derive(ToSchema)]
pub(in crate::http::api) struct NumberPut {
    /// What people call it; not blank.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// The name of a configured account.
    account: String,
    #[schema(inline, nullable = false, default = "in_call")]
    purpose: Option<Purpose>,
    #[schema(nullable = false, default = false)]
    global_outbound: Option<bool>,
    #[schema(nullable = false)]
    limits: Option<LimitsPut>,
}

/// Limits of sending; null means no limit.
#[derive(ToSchema)]
struct LimitsPut {
    /// At most three decimals.
    #[schema(minimum = 0.001)]
    segments_per_second: Option<f64>,
    #[schema(minimum = 1, maximum = 100_000)]
    burst: Option<u32>,
    #[schema(minimum = 1)]
    segments_per_day: Option<u32>,
    /// A time zone of the tz database.
    #[schema(nullable = false, default = "America/Los_Angeles")]
    day_zone: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Purpose {
    InCall,
    Chat,
}

/// Limits of sending; null means no limit.
#[derive(ToSchema)]
struct Limits {
    #[schema(required)]
    segments_per_second: Option<f64>,
    burst: u32,
    #[schema(required)]
    segments_per_day: Option<u64>,
    day_zone: String,
}

/// What is known of our right to use the number.
#[derive(ToSchema)]
struct Verification {
    state: VerificationState,
    status: String,
    sms: bool,
    mms: bool,
    /// Why it failed.
    #[schema(required)]
    code: Option<VerificationCode>,
    /// The same as a sentence, and what to do.
    #[schema(required)]
    reason: Option<String>,
    /// When the carrier last answered.
    #[schema(required)]
    checked_at: Option<Time>,
    /// Who said so; a document until the carrier was asked, null for a number that nobody has verified.
    #[schema(required)]
    by: Option<VerifiedBy>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum VerifiedBy {
    Carrier,
    Document,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum VerificationState {
    Unverified,
    Verified,
    Failed,
}

/// Why a number is not verified, or was not checked now. The last three are found in answers to a request only.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum VerificationCode {
    NotOnAccount,
    CannotText,
    WebhookElsewhere,
    NotFound,
    CannotCheck,
    NoAnswer,
}

/// Numbers to verify.
#[derive(ToSchema)]
pub(in crate::http::api) struct VerifyAsk {
    #[schema(min_items = 1, max_items = 500)]
    numbers: Vec<PhoneNumber>,
}

/// What is known of each number, in the order asked for.
#[derive(ToSchema)]
pub(in crate::http::api) struct VerifyResults {
    results: Vec<VerifyResult>,
}

#[derive(ToSchema)]
struct VerifyResult {
    number: PhoneNumber,
    state: VerificationState,
    /// Why it failed, or why the carrier did not say.
    #[schema(required)]
    code: Option<VerificationCode>,
    /// The same as a sentence, and what to do.
    #[schema(required)]
    reason: Option<String>,
}

/// The queues that use the number.
#[derive(ToSchema)]
struct NumberQueues {
    #[schema(required)]
    inbound: Option<ResourceId>,
    outbound: Vec<ResourceId>,
}

/// The outbound queue of the number.
#[derive(ToSchema)]
struct Lane {
    /// Segments waiting.
    queued: u32,
    /// Segments that may be sent at once; null without a rate limit.
    #[schema(required)]
    tokens: Option<f64>,
    #[schema(required)]
    oldest_ready_ms: Option<u64>,
    #[schema(required)]
    paused_until: Option<Time>,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Queue {
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    id: String,
    name: String,
    #[schema(required)]
    parent: Option<ResourceId>,
    #[schema(required)]
    in_call_sms: Option<bool>,
    inbound_numbers: Vec<PhoneNumber>,
    outbound_numbers: Vec<PhoneNumber>,
    #[schema(required)]
    default_outbound: Option<PhoneNumber>,
    #[schema(required)]
    language: Option<Language>,
    effective: EffectiveQueue,
}

/// What holds for the queue, with what it inherits from its ancestors and the settings.
#[derive(ToSchema)]
struct EffectiveQueue {
    in_call_sms: bool,
    language: Language,
}

/// A queue as a PUT sets it.
#[derive(ToSchema)]
pub(in crate::http::api) struct QueuePut {
    /// What people call it; not blank.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The queue from which null fields are inherited.
    parent: Option<ResourceId>,
    in_call_sms: Option<bool>,
    /// Numbers of this queue alone, which also send.
    #[schema(nullable = false)]
    inbound_numbers: Option<Vec<PhoneNumber>>,
    #[schema(nullable = false)]
    outbound_numbers: Option<Vec<PhoneNumber>>,
    default_outbound: Option<PhoneNumber>,
    language: Option<Language>,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Preset {
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,16}$")]
    language: String,
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    id: String,
    label: String,
    text: String,
    #[schema(required)]
    position: Option<u32>,
    encoding: Encoding,
    segments: u32,
    warnings: Vec<Warning>,
}

/// A preset as a PUT sets it.
#[derive(ToSchema)]
pub(in crate::http::api) struct PresetPut {
    /// What agents see; not blank.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// What callers get; not blank.
    #[schema(min_length = 1, max_length = 918, pattern = "^[^\\x00]*$")]
    text: String,
    /// The place in the list; null is after those that have one.
    position: Option<u32>,
}

/// A language and what is written in it.
#[derive(ToSchema)]
pub(in crate::http::api) struct LanguageItem {
    code: Language,
    /// The number of presets.
    presets: u32,
    /// Whether there is a closing message.
    closing: bool,
    /// Whether there is an auto-reply.
    auto_reply: bool,
    /// The number of queues whose callers have it by default.
    queues: u32,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Account {
    name: String,
    limits: AccountLimits,
    carrier: String,
    #[schema(required)]
    public_url: Option<String>,
    webhooks: AccountWebhooks,
    #[schema(required)]
    report_only_until: Option<Time>,
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
    /// The last reading of its carrier's list of messages; null if there was none since the start of the gateway.
    #[schema(required)]
    reconciliation: Option<Reconciliation>,
}

/// Limits of all numbers of an account together; null means no limit.
#[derive(ToSchema)]
struct AccountLimits {
    #[schema(required)]
    segments_per_second: Option<f64>,
    #[schema(required)]
    burst: Option<u32>,
    #[schema(required)]
    segments_per_day: Option<u64>,
    day_zone: String,
}

/// The addresses to give to the carrier.
#[derive(ToSchema)]
struct AccountWebhooks {
    #[schema(required)]
    messages: Option<String>,
    #[schema(required)]
    receipts: Option<String>,
}

/// An account as a PUT sets it.
#[derive(ToSchema)]
pub(in crate::http::api) struct AccountPut {
    #[schema(nullable = false)]
    limits: Option<LimitsPut>,
}
