//! What the machine keeps: the rows' contents, which events carry as absolute new values.
//!
//! These are records, apart from the model: their form on disk is versioned (see `record`), the model's is not.

use super::private::Private;
use crate::model::{
    Address, Agent, Attestation, CallId, CallType, Caller, ClosedReason, Day, Direction, E164, Encoding, EndReason,
    Failure, Kind, Language, MediaId, MessageId, MessageState, Phase, Position, QueueId, Session, SmartAction,
    Timestamp,
};
use crate::rules::keyword::Keyword;
use crate::rules::lane::Waiting;
use crate::rules::opt_out::Block;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The platform's name of it.
    pub id: CallId,
    /// Who is on the phone.
    pub caller: Private<Caller>,
    /// The queue it is in now.
    pub queue: QueueId,
    /// The language of its texts.
    pub language: Language,
    /// Waiting or connected.
    pub phase: Phase,
    /// Who talks with the caller.
    pub agent: Option<Agent>,
    /// The platform's type of it.
    pub call_type: CallType,
    /// A waiting caller agreed to texts (A56).
    pub wait_sms_consent: bool,
    /// The platform's version of its last word.
    pub version: Option<i64>,
    /// Another number to text, confirmed by the agent (A16).
    pub alternative: Private<Option<E164>>,
    /// How far the network vouches for the caller id (A17).
    pub attestation: Option<Attestation>,
    /// Whether texts flow.
    pub session: Session,
    /// Why they do not.
    pub closed_reason: Option<ClosedReason>,
    /// The number it is bound to (A9: for good).
    pub our_number: Option<E164>,
    /// When it was first heard of.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended: Option<Ended>,
    /// When it ends by itself unless the platform says something (A7).
    pub lease_until: Timestamp,
    /// What it used (R4-R6).
    pub usage: Usage,
    /// How many events the platform was told of it.
    pub told: u64,
    /// Its latest message; messages name the one before, so the transcript is a chain.
    pub last_message: Option<MessageId>,
    /// Texts of the agent that wait in their lane.
    pub queued: Vec<MessageId>,
}

impl Call {
    /// The number texts go to: the alternative, else the caller's. Nobody, where there was an alternative and it is erased:
    /// the texts went there, and not to the caller.
    pub fn party(&self) -> Option<E164> {
        let alternative = *self.alternative.kept()?;
        alternative.or_else(|| self.caller.kept().and_then(|caller| caller.number()))
    }

    /// What stays of an ended call whose caller was erased (A70): no number, and all else, so that its id stays taken, its
    /// events go on being counted, and reports still have its usage.
    pub fn tombstone(&self) -> Self {
        Self { caller: Private::Erased, alternative: Private::Erased, ..self.clone() }
    }
}

/// How and when a call ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// When, by the journal.
    pub at: Timestamp,
    /// Why: the platform's word, or `lease_expired`.
    pub reason: Option<EndReason>,
}

/// What stands under a call's id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CallRow {
    /// A call.
    Call(Box<Call>),
    /// Its end was heard before its start (A8): remembered 24 hours.
    EndedBeforeStart(Ended),
}

impl CallRow {
    /// Whether it holds at `now`: the end of a call never heard of does only for its day, though the row stays for longer.
    pub fn stands(&self, now: Timestamp) -> bool {
        const END_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
        match self {
            Self::Call(_) => true,
            Self::EndedBeforeStart(ended) => now.since(ended.at) < END_KEPT,
        }
    }
}

/// What a call used (R4-R6). A message counts when its first attempt starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Presets sent.
    pub preset_sent: u32,
    /// Texts of the agents' own.
    pub custom_sent: u32,
    /// Requests for photos and the like.
    pub smart_action_sent: u32,
    /// Closing messages and other texts of ours.
    pub system_sent: u32,
    /// Messages received.
    pub received: u32,
    /// Photos and videos received.
    pub media_received: u32,
    /// Segments sent.
    pub segments_sent: u32,
}

/// A message, without its text: that stands in the journal alone, in the frame its id names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Ours.
    pub id: MessageId,
    /// The call it belongs to; none for auto-replies.
    pub call: Option<CallId>,
    /// Which way.
    pub direction: Direction,
    /// What for.
    pub kind: Kind,
    /// How far.
    pub state: MessageState,
    /// The carrier account it goes through.
    pub account: String,
    /// Our number.
    pub ours: E164,
    /// The other's.
    pub theirs: Private<Address>,
    /// Who sent it, for an agent's.
    pub agent: Option<Agent>,
    /// What was asked for.
    pub smart_action: Option<SmartAction>,
    /// Its alphabet.
    pub encoding: Encoding,
    /// Segments by our count, then by the carrier's, which wins.
    pub segments: u16,
    /// The wait promised at accept, in milliseconds.
    pub estimated_wait_ms: u64,
    /// Photos, videos and the like.
    pub media: Vec<Medium>,
    /// When it was taken in.
    pub created_at: Timestamp,
    /// When it is too late to send it.
    pub expires_at: Timestamp,
    /// How it ended badly.
    pub failure: Option<Failure>,
    /// What was tried, oldest first.
    pub attempts: Vec<Attempt>,
    /// When the next attempt may start, while one is due again.
    pub not_before: Option<Timestamp>,
    /// The carrier's id.
    pub carrier_id: Option<String>,
    /// Nobody in the call could answer it (A34).
    pub reply_blocked: bool,
    /// The keyword it is (A47).
    pub keyword: Option<Keyword>,
    /// The message before it in its call.
    pub previous: Option<MessageId>,
}

impl Message {
    /// When the message is given up on if the carrier took it and says nothing more: 72 hours after its last attempt
    /// (A54). Nothing while there was none.
    pub fn unconfirmed_at(&self) -> Option<Timestamp> {
        const SILENT_FOR: Duration = Duration::from_secs(72 * 60 * 60);
        self.attempts.last().map(|last| last.at + SILENT_FOR)
    }
}

/// A part of a message. Where the carrier has it stands in the message's frame alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Medium {
    /// Ours.
    pub id: MediaId,
    /// The type the carrier claims.
    pub content_type: Option<String>,
}

/// One attempt to hand a message to the carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was recorded, before the request.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
}

/// What came of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Nobody knows yet.
    Open,
    /// The carrier took it.
    Sent,
    /// The carrier refused it for good.
    Refused,
    /// The carrier said not now (429 or 5xx).
    Later,
    /// Nothing was written to the carrier.
    NeverWritten,
    /// Written, and no answer that could be read: not sent again (A60).
    Unknown,
    /// The carrier refused the account, and so did not take the text: it waits for the account.
    AccountRefused,
}

/// A live call of a number, as correlation needs it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Live {
    /// The call.
    pub call: CallId,
    /// The queue it is in.
    pub queue: QueueId,
    /// The number it is bound to.
    pub our_number: Option<E164>,
    /// Whether texts flow.
    pub session: Session,
}

/// A number's lane, as estimates need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Lane {
    /// When its bucket is empty with all debts paid (`lane_free_at`).
    pub empty_at: Timestamp,
    /// Segments that wait in it.
    pub queued_segments: u32,
}

/// Whose day a cap counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CapOwner {
    /// Of one of our numbers.
    Number(E164),
    /// Of a carrier account.
    Account(String),
}

/// A lane whose carrier said "not now".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pause {
    /// Nothing of it starts before this.
    pub until: Timestamp,
    /// How often it was said in a row.
    pub laters: u32,
}

/// What we remember of one of our numbers with one of theirs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Contact {
    /// Their last call with this number.
    pub last_call: Option<CallId>,
    /// Its language.
    pub language: Option<Language>,
    /// When its texts closed.
    pub closed_at: Option<Timestamp>,
    /// Our auto-replies of the last 24 hours, oldest first.
    pub replied_at: Vec<Timestamp>,
}

impl Contact {
    /// When we last had to do with them.
    pub fn last(&self) -> Option<Timestamp> {
        self.closed_at.max(self.replied_at.last().copied())
    }
}

/// Somebody who must not be texted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OptOut {
    /// From where.
    pub block: Block,
    /// Since when.
    pub since: Timestamp,
    /// How we know.
    pub by: OptOutBy,
}

/// How we know that somebody must not be texted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutBy {
    /// They said so.
    Keyword,
    /// Their carrier refused a text for it.
    Carrier,
    /// An administrator said so.
    Administrator,
}

/// An outbound message that is not done: dispatch finds it here after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Open {
    /// Its number's lane.
    pub ours: E164,
    /// Who gets it.
    pub theirs: E164,
    /// What for, which is its priority.
    pub kind: Kind,
    /// Its cost.
    pub segments: u16,
    /// When it is too late.
    pub expires_at: Timestamp,
    /// When the next attempt may start.
    pub not_before: Option<Timestamp>,
    /// An attempt is recorded and unsettled.
    pub started: bool,
}

impl Open {
    /// As its lane is told ahead.
    pub fn waiting(&self, id: MessageId) -> Waiting {
        let Self { theirs, kind, segments, expires_at, not_before, started, .. } = *self;
        Waiting { id, kind, theirs, segments, not_before, expires_at, started }
    }
}

/// What a timer is for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Timer {
    /// A call's lease (A7).
    Lease(CallId),
    /// A message of which nobody says any more: its attempt was not answered (A60), or no receipt came (A54).
    Unknown(MessageId),
}

/// An answer to repeat on the same idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answered {
    /// The digest of the body it answered.
    pub body: [u8; 16],
    /// The frame that holds it.
    pub position: Position,
    /// When.
    pub at: Timestamp,
}

/// The daily look through rows that no table of a day holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sweep {
    /// The day it is of.
    pub day: Day,
    /// The last call that was looked at; none where all were.
    pub after: Option<CallId>,
}

/// What the gateway itself notes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Gateway {
    /// When it last started; lanes are empty then (A30).
    pub started_at: Timestamp,
}
