//! Schemas of the directory: numbers, queues, presets and settings.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::operate::Suspension;
use super::scalars::{Attestation, CallType, Encoding, Language, PhoneNumber, ResourceId, Time, Warning, pages};
use std::collections::BTreeMap;
use utoipa::ToSchema;

pages! {
    NumberPage of Number;
    QueuePage of Queue;
    PresetPage of Preset;
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Number {
    /// E.164, like +12065550142
    #[schema(pattern = "^\\+[1-9][0-9]{6,14}$", read_only)]
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
enum VerificationState {
    Unverified,
    Verified,
    Failed,
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
    /// Why it failed, or why the carrier did not say; what to do.
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
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$", read_only)]
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
    language: Language,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Preset {
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,16}$", read_only)]
    language: String,
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,64}$", read_only)]
    id: String,
    label: String,
    text: String,
    encoding: Encoding,
    #[schema(read_only)]
    segments: u32,
    warnings: Vec<Warning>,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Settings {
    in_call_sms: bool,
    non_us: NonUs,
    custom_messages: bool,
    presets_only: bool,
    default_language: Language,
    closing: Closing,
    auto_reply: AutoReply,
    opt_out_scope: OptOutScope,
    opt_out: OptOut,
    call_types: Vec<CallType>,
    attach_cross_queue: bool,
    call_lease_minutes: u32,
    late_text: bool,
    #[schema(required)]
    minimum_attestation: Option<Attestation>,
    drop_non_us_inbound: bool,
    contact_memory_days: u32,
    landline_memory_days: u32,
    max_wait_ms: u64,
    retention_days: u32,
}

/// Texts to callers outside the US.
#[derive(ToSchema)]
struct NonUs {
    in_call: bool,
    wait_time: bool,
    rule: NonUsRule,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum NonUsRule {
    PlusOne,
    StrictUs,
}

/// The text at the end of a call.
#[derive(ToSchema)]
struct Closing {
    enabled: bool,
    /// One text per language.
    texts: BTreeMap<String, String>,
}

/// The reply to texts outside a call.
#[derive(ToSchema)]
struct AutoReply {
    enabled: bool,
    /// One text per language.
    texts: BTreeMap<String, String>,
    quiet_minutes: u32,
    per_day: u32,
    unknown_sender: UnknownSender,
    /// Maximum number of auto-replies per hour to senders without a call, over all numbers; null for no limit.
    #[schema(required)]
    strangers_per_hour: Option<u32>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum UnknownSender {
    Reply,
    Silent,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum OptOutScope {
    AllNumbers,
    Number,
}

/// Replies to STOP and HELP for carriers that do not reply themselves, and whether a message that merely begins with an
/// opt-out word is an opt-out.
#[derive(ToSchema)]
struct OptOut {
    confirm: bool,
    texts: BTreeMap<String, String>,
    help_texts: BTreeMap<String, String>,
    first_word: bool,
}
