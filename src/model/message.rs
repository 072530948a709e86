//! A text or multimedia message, in either direction.

use serde::Serialize;

/// The direction of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the caller (a carrier's MO).
    Inbound,
    /// To the caller (a carrier's MT).
    Outbound,
}

/// The kind of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A message predefined by an administrator (R39).
    Preset,
    /// A message written by the agent (R48).
    Custom,
    /// A request for a photo, a video, a text or the like (R1).
    SmartAction,
    /// Sent when the call ends (R55).
    Closing,
    /// The reply to a text that arrives after the call (R58).
    AutoReply,
    /// The single confirmation of a STOP (A46).
    OptOutConfirmation,
    /// From the caller.
    Inbound,
    /// The answer to HELP, if the carrier sends none.
    HelpReply,
}

impl Kind {
    /// All kinds, in the order of the contract.
    pub const ALL: [Self; 8] = [
        Self::Preset,
        Self::Custom,
        Self::SmartAction,
        Self::Closing,
        Self::AutoReply,
        Self::OptOutConfirmation,
        Self::HelpReply,
        Self::Inbound,
    ];

    /// The name of the kind in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Custom => "custom",
            Self::SmartAction => "smart_action",
            Self::Closing => "closing",
            Self::AutoReply => "auto_reply",
            Self::OptOutConfirmation => "opt_out_confirmation",
            Self::Inbound => "inbound",
            Self::HelpReply => "help_reply",
        }
    }
}

/// What an agent asks a caller for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SmartAction {
    /// A photo.
    Photo,
    /// A video.
    Video,
    /// A screenshot.
    Screenshot,
    /// A typed answer.
    TextInput,
    /// Proof of identity.
    Verification,
}

/// The state of a message. States only move forward (A54).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// An inbound message that was accepted.
    Received,
    /// The message waits in its lane.
    Queued,
    /// An attempt has started; its outcome is not recorded yet.
    Sending,
    /// The carrier accepted it.
    Sent,
    /// It reached the handset, or the last network that reports a state.
    Delivered,
    /// The network could not deliver it.
    Undelivered,
    /// The carrier refused it.
    Failed,
    /// Cancelled before its first attempt.
    Cancelled,
    /// Expired before it could be sent.
    Expired,
    /// Its outcome will not become known.
    Unconfirmed,
}

impl MessageState {
    /// Whether the state is final; only a late receipt can still change it.
    #[cfg(feature = "test-support")]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Received
                | Self::Delivered
                | Self::Undelivered
                | Self::Failed
                | Self::Cancelled
                | Self::Expired
                | Self::Unconfirmed
        )
    }

    /// The name of the state in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// A warning to the agent about a text that is sent nevertheless.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// More than one segment: over 160 septets, or 70 units where it is not GSM-7 (R46).
    OverOneSegment,
    /// A character outside GSM-7 makes the whole text UCS-2.
    NotGsm7,
}

/// Why a message failed, as a code of the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The call ended before its first attempt (A19).
    CancelledCallEnded,
    /// Cancelled by a request.
    CancelledByRequest,
    /// The recipient sent STOP.
    OptedOut,
    /// The number is a landline (R9).
    Landline,
    /// The number does not exist or cannot get texts.
    NumberInvalid,
    /// The message was filtered or blocked in transit.
    Blocked,
    /// The handset was off or out of reach.
    Unreachable,
    /// The carrier rejected it permanently.
    CarrierRejected,
    /// The carrier failed repeatedly.
    CarrierError,
    /// The message expired.
    TooLate,
}

/// The failure of a message.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Failure {
    /// The gateway's code.
    pub code: FailureCode,
    /// The carrier's code, if there is one.
    pub carrier_code: Option<String>,
    /// What it means and what to do.
    pub detail: String,
    /// Whether the same text to the same number may succeed later.
    pub retryable: bool,
}
