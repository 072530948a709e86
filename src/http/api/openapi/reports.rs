//! Schemas and parameters of reports.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::{PhoneNumber, ResourceId, pages};
use utoipa::{IntoParams, ToSchema};

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http::api) struct UsageQuery {
    /// The first day (UTC), from 1970-01-01 to 2149-06-06.
    #[param(format = "date")]
    from: String,
    /// The last day (UTC), which is included. Not before `from`.
    #[param(format = "date")]
    to: String,
    /// What the rows are.
    #[param(inline, nullable = false, default = "day")]
    by: Option<ReportBy>,
    /// CSV is always whole: `limit` and `cursor` are refused with it.
    #[param(inline, nullable = false, default = "json")]
    format: Option<ReportFormat>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ReportBy {
    Day,
    Queue,
    Agent,
    Number,
    Kind,
    Call,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ReportFormat {
    Json,
    Csv,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ReportKind {
    Preset,
    Custom,
    SmartAction,
    Closing,
    AutoReply,
    OptOutConfirmation,
    HelpReply,
    Inbound,
}

/// One row of a report. Of the first six fields it has the one named by `by`.
#[derive(ToSchema)]
pub(in crate::http::api) struct UsageItem {
    #[schema(format = "date", nullable = false)]
    day: Option<String>,
    /// The call's queue, else the one of our number; null for late messages to a number without one.
    queue: Option<ResourceId>,
    /// Who sent the message, else the call's agent; null without one.
    agent: Option<String>,
    /// Our number; null for late messages to a number that is not in the directory.
    number: Option<PhoneNumber>,
    #[schema(inline, nullable = false)]
    kind: Option<ReportKind>,
    #[schema(nullable = false)]
    call: Option<String>,
    preset_sent: u64,
    custom_sent: u64,
    smart_action_sent: u64,
    system_sent: u64,
    received: u64,
    media_received: u64,
    segments_sent: u64,
    /// Of the messages sent.
    delivered: u64,
    /// Of the messages sent: refused, undelivered, or given up after an attempt.
    failed: u64,
    /// Messages received outside calls.
    late: u64,
}

pages! {
    UsagePage of UsageItem;
}
