//! Schemas of messages.
#![expect(dead_code, reason = "the derived schema is all that is used")]

use super::scalars::{Encoding, Language, PhoneNumber, ResourceId, Time, Warning, pages};
use utoipa::ToSchema;

/// A preset or a text. Photos cannot be sent: outbound_media_unsupported.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::http::api) enum MessageSend {
    Preset(PresetSend),
    Text(TextSend),
}

#[derive(ToSchema)]
pub(in crate::http::api) struct PresetSend {
    preset: ResourceId,
    /// The preset's language. Default: the call's.
    language: Option<Language>,
    #[schema(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$", min_length = 1, max_length = 128)]
    agent: Option<String>,
    smart_action: Option<SmartAction>,
    /// The platform's own reference, repeated in the message and its events.
    #[schema(pattern = "^[!-~]{1,64}$")]
    client_ref: Option<String>,
    /// Sends to a landline anyway; needs the scope admin.
    #[schema(nullable = false, default = false)]
    force: Option<bool>,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct TextSend {
    /// At most 918 characters.
    #[schema(pattern = "^[^\\x00]*$")]
    text: String,
    #[schema(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$", min_length = 1, max_length = 128)]
    agent: Option<String>,
    smart_action: Option<SmartAction>,
    /// The platform's own reference, repeated in the message and its events.
    #[schema(pattern = "^[!-~]{1,64}$")]
    client_ref: Option<String>,
    /// Sends to a landline anyway; needs the scope admin.
    #[schema(nullable = false, default = false)]
    force: Option<bool>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum SmartAction {
    Photo,
    Video,
    Screenshot,
    TextInput,
    Verification,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Message {
    id: String,
    #[schema(required)]
    call_id: Option<String>,
    direction: Direction,
    kind: Kind,
    state: MessageState,
    #[schema(required)]
    from: Option<String>,
    #[schema(required)]
    to: Option<String>,
    /// Absent in events other than message.received and message.queued, and if it could not be read after a
    /// cancellation.
    text: Option<String>,
    /// True if the text is no longer kept; otherwise absent.
    #[schema(nullable = false)]
    text_expired: Option<bool>,
    /// True if the token has `texts = false`; otherwise absent. The text is null then.
    #[schema(nullable = false)]
    text_hidden: Option<bool>,
    encoding: Encoding,
    segments: u32,
    warnings: Vec<Warning>,
    /// Null if its number or account was suspended when it was accepted.
    #[schema(required)]
    estimated_wait_ms: Option<u64>,
    media: Vec<Medium>,
    #[schema(required)]
    agent: Option<String>,
    #[schema(required)]
    smart_action: Option<SmartAction>,
    /// Null unless the send had one.
    #[schema(required)]
    client_ref: Option<String>,
    #[schema(required)]
    error: Option<MessageError>,
    created_at: Time,
    /// Only of a received message.
    #[schema(nullable = false)]
    before_hangup: Option<bool>,
    /// Only of a received message.
    #[schema(nullable = false)]
    reply_blocked: Option<bool>,
    /// Only of a received message.
    opt_out_keyword: Option<String>,
    /// True if the message came in parts and some of them never did; otherwise absent.
    #[schema(nullable = false)]
    incomplete: Option<bool>,
    /// True if its webhook never came and it was found in the carrier's list of messages; otherwise absent.
    #[schema(nullable = false)]
    reconciled: Option<bool>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Direction {
    Inbound,
    Outbound,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Kind {
    Preset,
    Custom,
    SmartAction,
    Closing,
    AutoReply,
    OptOutConfirmation,
    HelpReply,
    Inbound,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum MessageState {
    Received,
    Queued,
    Sending,
    Sent,
    Delivered,
    Undelivered,
    Failed,
    Cancelled,
    Expired,
    Unconfirmed,
}

/// A photo, video or other part of a received message.
#[derive(ToSchema)]
pub(in crate::http::api) struct Medium {
    id: String,
    state: MediumState,
    /// As its first bytes say once it is ready, before that as the carrier says.
    #[schema(required)]
    content_type: Option<String>,
    /// Its size, once it is ready.
    #[schema(nullable = false)]
    bytes: Option<u64>,
    /// The SHA-256 digest of its bytes in hexadecimal digits, once it is ready.
    #[schema(nullable = false)]
    sha256: Option<String>,
    /// The path to fetch it from, once it is ready.
    #[schema(nullable = false)]
    url: Option<String>,
    /// Why it failed.
    #[schema(nullable = false)]
    reason: Option<MediumFailure>,
    /// Why it failed, and what to ask the caller for: a sentence for the agent.
    #[schema(nullable = false)]
    detail: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum MediumState {
    /// It is being fetched.
    Pending,
    Ready,
    Failed,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum MediumFailure {
    UnsupportedMedia,
    TooLarge,
    TooMany,
    TooLate,
    NotFound,
    ForbiddenAddress,
    CarrierError,
}

/// Why a message failed.
#[derive(ToSchema)]
struct MessageError {
    code: String,
    #[schema(required)]
    carrier_code: Option<String>,
    detail: String,
    retryable: bool,
}

pages! {
    MessagePage of Message;
}

/// A page of a call's messages.
#[derive(ToSchema)]
pub(in crate::http::api) struct Transcript {
    items: Vec<Message>,
    #[schema(required)]
    next_cursor: Option<String>,
    /// True if the call has more than 20000 messages; older ones are not listed.
    oldest_left_out: bool,
}

/// The current state on disk. A received message has no lane and no attempts.
#[derive(ToSchema)]
pub(in crate::http::api) struct Explanation {
    state: MessageState,
    /// Our number that sends it.
    #[schema(required)]
    lane: Option<PhoneNumber>,
    /// The message's position among those waiting in its lane; 1 is next.
    #[schema(required)]
    position: Option<u64>,
    /// Why a queued message has no position.
    #[schema(nullable = false)]
    position_note: Option<String>,
    /// What delays the message longest; null if it is due now, or finished. receipt: it was sent, and no receipt has
    /// arrived yet.
    #[schema(required)]
    waiting_for: Option<WaitingFor>,
    /// Why the carrier account is failing or paused, and what to check; null if the account works, or the message is no
    /// longer waiting.
    #[schema(required)]
    reason: Option<String>,
    /// Why an operator suspended its number or account; absent if neither is.
    suspended_because: Option<String>,
    /// The earliest time it is sent, if all messages before it are sent on time.
    #[schema(required)]
    due_at: Option<Time>,
    attempts: Vec<Attempt>,
    /// Oldest first: past events, the current state, and scheduled events.
    timeline: Vec<TimelineEntry>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum WaitingFor {
    /// An operator suspended its number or account.
    Suspended,
    NumberRate,
    AccountRate,
    DailyCap,
    CarrierPause,
    EarlierMessage,
    Retry,
    Receipt,
}

/// One request to the carrier.
#[derive(ToSchema)]
struct Attempt {
    at: Time,
    outcome: AttemptOutcome,
    /// The status of the carrier's response.
    #[schema(required)]
    status: Option<u16>,
    /// Human-readable.
    detail: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum AttemptOutcome {
    Open,
    Sent,
    Refused,
    Later,
    NeverWritten,
    Unknown,
    AccountRefused,
}

/// A step of a message's life.
#[derive(ToSchema)]
struct TimelineEntry {
    /// Null for the current state: the time at which a message reached it is not kept.
    #[schema(required)]
    at: Option<Time>,
    /// due and expires are in the future.
    event: TimelineEvent,
    /// Human-readable.
    detail: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum TimelineEvent {
    Received,
    Accepted,
    Attempt,
    Sent,
    Delivered,
    Undelivered,
    Failed,
    Cancelled,
    Expired,
    Unconfirmed,
    Due,
    Expires,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct EstimateAsk {
    #[schema(pattern = "^[^\\x00]*$")]
    text: String,
}

#[derive(ToSchema)]
pub(in crate::http::api) struct Estimate {
    encoding: Encoding,
    characters: u32,
    units: u32,
    segments: u32,
    over_limit: bool,
    warnings: Vec<Warning>,
}
