//! A text or multimedia message, in either direction.

use serde::{Deserialize, Serialize};

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the caller (a carrier's MO).
    Inbound,
    /// To the caller (a carrier's MT).
    Outbound,
}

/// What a message is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One of the admin's ready messages (R39).
    Preset,
    /// The agent's own words (R48).
    Custom,
    /// A request for a photo, a video, a text or the like (R1).
    SmartAction,
    /// Sent when the call ends (R55).
    Closing,
    /// Sent to who writes after the call (R58).
    AutoReply,
    /// The one answer to STOP (A46).
    OptOutConfirmation,
    /// From the caller.
    Inbound,
    /// The answer to HELP, where the carrier gives none.
    HelpReply,
}

/// What an agent asks of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
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
    /// Proof of who they are.
    Verification,
}

/// How far a message has come. States only move forward (A54).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Inbound, and taken in.
    Received,
    /// Waits in its lane.
    Queued,
    /// An attempt is recorded; the carrier's answer is not.
    Sending,
    /// The carrier took it.
    Sent,
    /// The handset, or the last network that says anything, has it.
    Delivered,
    /// The network could not deliver it.
    Undelivered,
    /// The carrier refused it.
    Failed,
    /// Taken back before its first attempt.
    Cancelled,
    /// Too old to be of use before it could be sent.
    Expired,
    /// Nobody will ever say what became of it.
    Unconfirmed,
}

impl MessageState {
    /// Whether nothing but a late receipt can follow.
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

    /// The word for it at our doors.
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

/// What the agent should know of a text that is sent all the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// More than one segment: over 160 septets, or 70 units where it is not GSM-7 (R46).
    OverOneSegment,
    /// A character outside GSM-7 made the whole text UCS-2.
    NotGsm7,
}

/// Why a message failed, in our words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The call ended before its first attempt (A19).
    CancelledCallEnded,
    /// Somebody asked for it.
    CancelledByRequest,
    /// The recipient said STOP.
    OptedOut,
    /// The number is a landline (R9).
    Landline,
    /// The number does not exist or cannot get texts.
    NumberInvalid,
    /// Filtered or blocked on the way.
    Blocked,
    /// The handset was off or out of reach.
    Unreachable,
    /// The carrier said no, for good.
    CarrierRejected,
    /// The carrier failed, and went on failing.
    CarrierError,
    /// Its time passed.
    TooLate,
}

/// How a message ended badly.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// In our words.
    pub code: FailureCode,
    /// In the carrier's.
    pub carrier_code: Option<String>,
    /// What it means and what to do.
    pub detail: String,
    /// Whether the same text to the same number may pass later.
    pub retryable: bool,
}
