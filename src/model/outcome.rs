//! What became of an attempt to send a text, and of an item that a carrier delivered.

use super::{FailureCode, Position, labels};
use serde::Serialize;
use std::time::Duration;

/// The outcome of an attempt, with details.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// The outcome.
    pub outcome: Outcome,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// What it means and what to do, for people; contains nothing of the message.
    pub detail: Option<String>,
}

/// The outcome of an attempt, which determines what happens next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The carrier accepted the text.
    Sent {
        /// The carrier's id, which its receipts contain too.
        carrier_id: String,
        /// Segments as counted by the carrier, if it reports them.
        segments: Option<u16>,
    },
    /// The carrier rejected the text permanently.
    Refused {
        /// Our failure code. [`FailureCode::OptedOut`] adds the recipient to our own list.
        code: FailureCode,
        /// The carrier's code, if it gave one.
        carrier_code: Option<String>,
    },
    /// The carrier did not accept the text now: the lane pauses, then the send is retried (A64).
    Later {
        /// The minimum wait the carrier asked for.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent to the carrier.
    NeverWritten,
    /// The carrier may have accepted the text but returned no id: it is never sent again, and a receipt settles it
    /// (A60).
    Unknown,
    /// The outcome is unknown because the gateway stopped: it does not count against the carrier.
    Interrupted,
    /// The carrier rejects the account: neither this text nor any other would be accepted.
    AccountRefused,
}

impl Outcome {
    /// The outcome without its details.
    pub fn kind(&self) -> AttemptOutcome {
        match self {
            Self::Sent { .. } => AttemptOutcome::Sent,
            Self::Refused { .. } => AttemptOutcome::Refused,
            Self::Later { .. } => AttemptOutcome::Later,
            Self::NeverWritten => AttemptOutcome::NeverWritten,
            Self::Unknown | Self::Interrupted => AttemptOutcome::Unknown,
            Self::AccountRefused => AttemptOutcome::AccountRefused,
        }
    }

    /// This outcome with a detail for people, if there is one.
    pub fn because(self, detail: impl Into<Option<String>>) -> Settled {
        Settled { outcome: self, status: None, detail: detail.into() }
    }
}

/// The outcome of an attempt, as it is stored and counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Not settled yet.
    Open,
    /// The carrier accepted the text.
    Sent,
    /// The carrier rejected the text permanently.
    Refused,
    /// The carrier asked to retry later (429 or 5xx).
    Later,
    /// Nothing was sent to the carrier.
    NeverWritten,
    /// The request was sent, but no readable response came: it is not sent again (A60).
    Unknown,
    /// The carrier rejected the account, and with it the text, which waits for the account.
    AccountRefused,
}

impl AttemptOutcome {
    /// Those that an attempt can end with.
    pub const SETTLED: [Self; 6] =
        [Self::Sent, Self::Refused, Self::Later, Self::NeverWritten, Self::Unknown, Self::AccountRefused];

    /// Its name in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sent => "accepted",
            Self::Refused => "rejected",
            Self::Later => "later",
            Self::NeverWritten => "never_written",
            Self::Unknown => "unknown",
            Self::AccountRefused => "account_refused",
        }
    }
}

/// How a carrier's item was handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntakeOutcome {
    /// A message, attached to its call.
    Attached,
    /// A message that belongs to no call, answered by the auto-reply.
    Replied,
    /// A message that belongs to no call and gets no reply.
    Silent(NoReplyReason),
    /// A message dropped because of the setting `drop_non_us_inbound`.
    Dropped,
    /// A receipt that changed the message's state.
    Advanced,
    /// A receipt that changed nothing.
    Stale,
    /// A receipt for an unknown message.
    NoSuchMessage,
    /// A receipt that is kept for ten minutes, because the message it is about is not known yet (A61).
    Kept,
    /// A part of a long text, which waits for the others.
    Waiting,
    /// An item that was handled before.
    Duplicate,
    /// An unreadable webhook, kept in quarantine at this position (A58).
    Quarantined(Position),
    /// An item of an unknown kind.
    Ignored,
}

impl IntakeOutcome {
    /// The outcome as the API shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Replied => "auto_replied",
            Self::Silent(_) => "late",
            Self::Dropped => "dropped",
            Self::Advanced => "applied",
            Self::Stale => "stale",
            Self::NoSuchMessage => "unknown_message",
            Self::Kept => "kept",
            Self::Waiting => "waiting_for_parts",
            Self::Duplicate => "duplicate",
            Self::Quarantined(_) => "quarantined",
            Self::Ignored => "ignored",
        }
    }
}

labels! {
    /// Why a late text got no auto-reply.
    NoReplyReason {
        /// The feature or the auto-reply is off.
        SwitchedOff = "off",
        /// There is no text in the sender's language, nor in the default one (A25).
        NoText = "no_text",
        /// The text was sent to a number that is not ours, so no reply can be sent from it.
        NotOurs = "not_ours",
        /// The sender is a short code or a name, which cannot receive a reply (A24).
        NoNumber = "no_number",
        /// The sender is one of our own numbers (A24): two gateways would reply to each other endlessly.
        OurOwnNumber = "our_own_number",
        /// The text is STOP, START or HELP (A24).
        Keyword = "keyword",
        /// The sender has opted out.
        OptedOut = "opted_out",
        /// The text repeats one of our own messages (A24).
        Echo = "echo",
        /// The sender is outside the US, and the switch for such numbers is off (A34).
        NonUs = "non_us",
        /// The sender is unknown, and the number replies to known senders only (A4, A23).
        Stranger = "stranger",
        /// The last reply is too recent (A22).
        Quiet = "quiet",
        /// The sender has got the maximum number of replies of 24 hours (A22).
        DayCap = "day_cap",
        /// The sender was on no call, and the hourly maximum for such senders is reached (A71).
        StrangersCap = "strangers_cap",
    }
}

/// The source of an opt-out or of its revocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutBy {
    /// The person sent a keyword.
    Keyword,
    /// The carrier rejected a text because of an opt-out.
    Carrier,
    /// An administrator entered it.
    Administrator,
}

impl OptOutBy {
    /// All sources.
    pub const ALL: [Self; 3] = [Self::Keyword, Self::Carrier, Self::Administrator];

    /// Its name in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Carrier => "carrier",
            Self::Administrator => "administrator",
        }
    }
}
