//! Schemas of the settings.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::{Attestation, CallType, Language};
use std::collections::BTreeMap;
use utoipa::ToSchema;

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
    opt_out: OptOutWords,
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
    media_retention_days: u32,
    /// Whether a verified US (+1) number for calls is still missing.
    activation_required: bool,
}

/// The settings as a PUT sets them.
#[derive(ToSchema)]
pub(in crate::http::api) struct SettingsPut {
    #[schema(nullable = false, default = false)]
    in_call_sms: Option<bool>,
    #[schema(nullable = false)]
    non_us: Option<NonUsPut>,
    #[schema(nullable = false, default = true)]
    custom_messages: Option<bool>,
    #[schema(nullable = false, default = false)]
    presets_only: Option<bool>,
    #[schema(inline, nullable = false)]
    default_language: Option<Language>,
    #[schema(nullable = false)]
    closing: Option<ClosingPut>,
    #[schema(nullable = false)]
    auto_reply: Option<AutoReplyPut>,
    #[schema(inline, nullable = false, default = "all_numbers")]
    opt_out_scope: Option<OptOutScope>,
    #[schema(nullable = false)]
    opt_out: Option<OptOutWordsPut>,
    #[schema(nullable = false)]
    call_types: Option<Vec<CallType>>,
    #[schema(nullable = false, default = false)]
    attach_cross_queue: Option<bool>,
    #[schema(nullable = false, minimum = 1, maximum = 10_080, default = 240)]
    call_lease_minutes: Option<u32>,
    #[schema(nullable = false, default = false)]
    late_text: Option<bool>,
    minimum_attestation: Option<Attestation>,
    #[schema(nullable = false, default = false)]
    drop_non_us_inbound: Option<bool>,
    #[schema(nullable = false, minimum = 1, maximum = 365, default = 90)]
    contact_memory_days: Option<u32>,
    #[schema(nullable = false, minimum = 1, maximum = 365, default = 30)]
    landline_memory_days: Option<u32>,
    #[schema(nullable = false, minimum = 0, maximum = 120_000, default = 10_000)]
    max_wait_ms: Option<u32>,
    #[schema(nullable = false, minimum = 2, maximum = 3_650, default = 30)]
    retention_days: Option<u32>,
    #[schema(nullable = false, minimum = 1, maximum = 3_650, default = 7)]
    media_retention_days: Option<u32>,
}

#[derive(ToSchema)]
struct NonUsPut {
    #[schema(nullable = false, default = false)]
    in_call: Option<bool>,
    #[schema(nullable = false, default = false)]
    wait_time: Option<bool>,
    #[schema(inline, nullable = false, default = "plus_one")]
    rule: Option<NonUsRule>,
}

#[derive(ToSchema)]
struct ClosingPut {
    #[schema(nullable = false, default = true)]
    enabled: Option<bool>,
    /// One text per language.
    #[schema(nullable = false)]
    texts: Option<BTreeMap<String, String>>,
}

#[derive(ToSchema)]
struct AutoReplyPut {
    #[schema(nullable = false, default = true)]
    enabled: Option<bool>,
    /// One text per language.
    #[schema(nullable = false)]
    texts: Option<BTreeMap<String, String>>,
    #[schema(nullable = false, minimum = 0, maximum = 1_440, default = 15)]
    quiet_minutes: Option<u32>,
    #[schema(nullable = false, minimum = 0, maximum = 50, default = 3)]
    per_day: Option<u32>,
    #[schema(inline, nullable = false, default = "reply")]
    unknown_sender: Option<UnknownSender>,
    /// Null for no limit.
    #[schema(minimum = 0, maximum = 100_000, default = 200)]
    strangers_per_hour: Option<u32>,
}

#[derive(ToSchema)]
struct OptOutWordsPut {
    #[schema(nullable = false, default = true)]
    confirm: Option<bool>,
    #[schema(nullable = false)]
    texts: Option<BTreeMap<String, String>>,
    #[schema(nullable = false)]
    help_texts: Option<BTreeMap<String, String>>,
    #[schema(nullable = false, default = false)]
    first_word: Option<bool>,
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
struct OptOutWords {
    confirm: bool,
    texts: BTreeMap<String, String>,
    help_texts: BTreeMap<String, String>,
    first_word: bool,
}
