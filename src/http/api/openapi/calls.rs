//! Schemas of calls and of events.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::{Attestation, CallType, Language, PhoneNumber, ResourceId, Time, pages};
use utoipa::ToSchema;

/// A call as a PUT sets it.
#[derive(ToSchema)]
pub(in crate::http::api) struct CallPut {
    /// E.164, or a withheld form: null, empty, a word like anonymous, private or withheld, alone or as the user of a
    /// SIP address, or a keypad's spelling of one. Cannot be changed.
    #[schema(required)]
    caller: Option<String>,
    queue: ResourceId,
    /// Default: the queue's language.
    language: Option<Language>,
    #[schema(inline, nullable = false, default = "connected")]
    phase: Option<Phase>,
    /// Omit it to keep the agent; null removes it.
    #[schema(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$", min_length = 1, max_length = 128)]
    agent: Option<String>,
    #[schema(inline, nullable = false, default = "inbound_ivr")]
    call_type: Option<CallType>,
    #[schema(nullable = false, default = false)]
    wait_sms_consent: Option<bool>,
    /// A PUT with a lower version than the last one is answered but changes nothing.
    version: Option<i64>,
    /// A different number to text, confirmed by the agent.
    alternative: Option<PhoneNumber>,
    attestation: Option<Attestation>,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct CallEnd {
    #[schema(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$", min_length = 1, max_length = 128)]
    reason: Option<String>,
}

/// If a call's end was received before its start, unknown fields are null.
#[derive(ToSchema)]
pub(in crate::http::api) struct Call {
    id: String,
    state: CallState,
    #[schema(required)]
    caller: Option<String>,
    #[schema(required)]
    queue: Option<ResourceId>,
    #[schema(required)]
    language: Option<Language>,
    #[schema(required)]
    phase: Option<Phase>,
    #[schema(required)]
    agent: Option<String>,
    #[schema(required)]
    call_type: Option<String>,
    #[schema(required)]
    wait_sms_consent: Option<bool>,
    #[schema(required)]
    version: Option<i64>,
    #[schema(required)]
    alternative: Option<PhoneNumber>,
    #[schema(required)]
    attestation: Option<Attestation>,
    sms: CallSms,
    #[schema(required)]
    our_number: Option<PhoneNumber>,
    #[schema(required)]
    started_at: Option<Time>,
    #[schema(required)]
    ended_at: Option<Time>,
    #[schema(required)]
    end_reason: Option<String>,
    #[schema(required)]
    lease_until: Option<Time>,
    /// When the call's last event happened.
    #[schema(required)]
    last_event_at: Option<Time>,
    usage: CallUsage,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum CallState {
    Active,
    Ended,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Phase {
    Waiting,
    Connected,
}

/// Whether texts can be sent in the call.
#[derive(ToSchema)]
struct CallSms {
    session: Session,
    #[schema(required)]
    closed_reason: Option<ClosedReason>,
    can_send: bool,
    /// The refusal code that a send would get now.
    #[schema(required)]
    refusal: Option<String>,
    custom_allowed: bool,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Session {
    None,
    Open,
    Closed,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ClosedReason {
    CallEnded,
    NoAgent,
    OptedOut,
}

/// Texts of the call so far.
#[derive(ToSchema)]
struct CallUsage {
    preset_sent: u32,
    custom_sent: u32,
    smart_action_sent: u32,
    system_sent: u32,
    received: u32,
    media_received: u32,
    segments_sent: u32,
}

pages! {
    CallPage of Call;
}

#[derive(ToSchema)]
pub(in crate::http::api) struct ReplayAsk {
    /// Start of the range, inclusive.
    #[schema(inline)]
    since: Time,
    /// End of the range, exclusive. Null or absent: up to the latest event.
    #[schema(format = "date-time")]
    until: Option<String>,
    /// The name of a [[platform.webhook]]. Null or absent: all of them.
    endpoint: Option<String>,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Replay {
    /// The endpoints that get the replay.
    endpoints: Vec<String>,
    /// The cursor of the first event in the range; null if the range is empty.
    #[schema(required)]
    from: Option<String>,
    /// The cursor of the last event in the range; null if the range is empty.
    #[schema(required)]
    to: Option<String>,
}
