//! The machine's state: the contents of rows, which events carry as absolute new values.
//!
//! These types are separate from the model: their form on disk is versioned (see `record`), the model's is not.

use super::private::Private;
use crate::model::{
    Action, Address, Agent, AttemptOutcome, Attestation, AuditEntry, CallId, CallType, Caller, ClosedReason, Day,
    Direction, E164, Encoding, EndReason, Failure, Kind, Language, MediaId, MessageId, MessageState, OptOutBy, Phase,
    Position, QueueId, ReceiptState, Session, SmartAction, Timestamp,
};
use crate::rules::keyword::Keyword;
use crate::rules::lane::Waiting;
use crate::rules::media::{MediaType, Unkept};
use crate::rules::opt_out::Block;
use std::time::Duration;

/// A call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The platform's id of the call.
    pub id: CallId,
    /// The caller.
    pub caller: Private<Caller>,
    /// The queue it is in now.
    pub queue: QueueId,
    /// The language of its texts.
    pub language: Language,
    /// Waiting or connected.
    pub phase: Phase,
    /// The agent talking to the caller.
    pub agent: Option<Agent>,
    /// The platform's type of call.
    pub call_type: CallType,
    /// Whether a waiting caller agreed to texts (A56).
    pub wait_sms_consent: bool,
    /// The platform's version of its last update.
    pub version: Option<i64>,
    /// Another number to text, confirmed by the agent (A16).
    pub alternative: Private<Option<E164>>,
    /// The network's attestation of the caller id (A17).
    pub attestation: Option<Attestation>,
    /// Whether texts can be exchanged.
    pub session: Session,
    /// Why the session is closed.
    pub closed_reason: Option<ClosedReason>,
    /// Our number that the call is bound to, permanently (A9).
    pub our_number: Option<E164>,
    /// When it was first reported.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended: Option<Ended>,
    /// When it ends by itself unless the platform updates it (A7).
    pub lease_until: Timestamp,
    /// Its usage counters (R4-R6).
    pub usage: Usage,
    /// How many of its events are visible to the platform; the last `call_sequence`.
    pub last_sequence: u64,
    /// When the last of them happened; `None` if that was before version 5 of the records.
    pub last_event_at: Option<Timestamp>,
    /// Its latest message; each message names the previous one, so the transcript is a linked list.
    pub last_message: Option<MessageId>,
    /// The agent's texts that are queued.
    pub queued: Vec<MessageId>,
}

impl Call {
    /// The number texts go to: the alternative, else the caller's. `None` if the alternative was erased: the texts went
    /// there and must not go to the caller instead.
    pub fn party(&self) -> Option<E164> {
        let alternative = *self.alternative.kept()?;
        alternative.or_else(|| self.caller.kept().and_then(|caller| caller.number()))
    }

    /// What is kept of an ended call whose caller was erased (A70): everything but the numbers, so that its id stays in
    /// use, its events continue their sequence, and reports still include its usage.
    pub fn tombstone(&self) -> Self {
        Self { caller: Private::Erased, alternative: Private::Erased, ..self.clone() }
    }
}

/// How and when a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// When, in the journal's time.
    pub at: Timestamp,
    /// Why: the platform's reason, or `lease_expired`.
    pub reason: Option<EndReason>,
}

/// The row of a call's id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallRow {
    /// A call.
    Call(Box<Call>),
    /// Its end was reported before its start (A8): remembered for 24 hours.
    EndedBeforeStart(Ended),
}

impl CallRow {
    /// When the call started, as far as is known.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Call(call) => call.started_at,
            Self::EndedBeforeStart(ended) => ended.at,
        }
    }

    /// Whether the row is valid at `now`: an end without a start is valid for 24 hours only, though its row is deleted
    /// later.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        const END_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
        match self {
            Self::Call(_) => true,
            Self::EndedBeforeStart(ended) => now.since(ended.at) < END_KEPT,
        }
    }
}

/// Usage counters of a call or of a day (R4-R6). A message counts when its first attempt starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Presets sent.
    pub preset_sent: u32,
    /// Agents' own texts sent.
    pub custom_sent: u32,
    /// Requests for photos and similar sent.
    pub smart_action_sent: u32,
    /// Closing messages and other system texts sent.
    pub system_sent: u32,
    /// Messages received.
    pub received: u32,
    /// Photos and videos received.
    pub media_received: u32,
    /// Segments sent.
    pub segments_sent: u32,
    /// Of the messages sent, those that were delivered.
    pub delivered: u32,
    /// Of the messages sent, those that certainly were not: refused, undelivered, or given up after an attempt.
    pub failed: u32,
    /// Messages received that belong to no call; a call has none.
    pub late: u32,
}

/// The names of [`Usage::columns`], in the order of reports.
pub const USAGE_COLUMNS: [&str; 10] = [
    "preset_sent",
    "custom_sent",
    "smart_action_sent",
    "system_sent",
    "received",
    "media_received",
    "segments_sent",
    "delivered",
    "failed",
    "late",
];

impl Usage {
    /// The counts, in the order of [`USAGE_COLUMNS`].
    pub fn columns(&self) -> [u32; USAGE_COLUMNS.len()] {
        [
            self.preset_sent,
            self.custom_sent,
            self.smart_action_sent,
            self.system_sent,
            self.received,
            self.media_received,
            self.segments_sent,
            self.delivered,
            self.failed,
            self.late,
        ]
    }
}

/// What a day's usage counter counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageOf {
    /// The UTC day on which the messages were received or their first attempts started.
    pub day: Day,
    /// The queue of the call, or else the queue of our number.
    pub queue: Option<QueueId>,
    /// The agent who sent them, or else the call's agent.
    pub agent: Option<Agent>,
    /// Our number; `None` for a late message to a number that is not ours.
    pub ours: Option<E164>,
    /// Their kind.
    pub kind: Kind,
}

/// A message without its text, which is only in the journal, in the frame that the message's id names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The call it belongs to; `None` for auto-replies.
    pub call: Option<CallId>,
    /// Inbound or outbound.
    pub direction: Direction,
    /// Its kind, such as preset or closing message.
    pub kind: Kind,
    /// Its delivery state.
    pub state: MessageState,
    /// The carrier account it goes through.
    pub account: String,
    /// Our number.
    pub ours: E164,
    /// The other party's address.
    pub theirs: Private<Address>,
    /// The agent who sent it, if any.
    pub agent: Option<Agent>,
    /// What it asks of the caller, such as a photo.
    pub smart_action: Option<SmartAction>,
    /// Its encoding.
    pub encoding: Encoding,
    /// Segments by our count, replaced by the carrier's once known.
    pub segments: u16,
    /// The wait estimated when it was accepted, in milliseconds. Without meaning if it was accepted while `suspended`.
    pub estimated_wait_ms: u64,
    /// Its media, such as photos and videos.
    pub media: Vec<Medium>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it expires if it is still queued.
    pub expires_at: Timestamp,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Its send attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// When the next attempt may start, if one is scheduled.
    pub not_before: Option<Timestamp>,
    /// The carrier's id.
    pub carrier_id: Option<String>,
    /// The agent cannot reply to it (A34).
    pub reply_blocked: bool,
    /// The keyword it consists of, if any (A47).
    pub keyword: Option<Keyword>,
    /// The message before it in its call.
    pub previous: Option<MessageId>,
    /// The counter of the day of its first attempt. How it ends is counted there, too.
    pub counted: Option<Box<UsageOf>>,
    /// Its number or account was suspended when it was accepted.
    pub suspended: bool,
    /// The platform's own reference to it, repeated in its answers and events.
    pub client_ref: Option<String>,
    /// It was joined from parts of which some never came.
    pub incomplete: bool,
    /// Its webhook never came: it was found in the carrier's list of messages.
    pub reconciled: bool,
}

impl Message {
    /// When an accepted message without a receipt becomes `unconfirmed`: 72 hours after its last attempt (A54). `None`
    /// before the first attempt.
    pub fn unconfirmed_at(&self) -> Option<Timestamp> {
        const SILENT_FOR: Duration = Duration::from_secs(72 * 60 * 60);
        self.attempts.last().map(|last| last.at + SILENT_FOR)
    }
}

/// A medium of a message. Its URL at the carrier is only in the message's frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Medium {
    /// Its id.
    pub id: MediaId,
    /// The content type reported by the carrier.
    pub content_type: Option<String>,
    /// Whether it was fetched.
    pub state: MediumState,
}

/// Whether a medium was fetched (A51).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum MediumState {
    /// It is still to be fetched.
    #[default]
    Pending,
    /// Its bytes are in the media store.
    Ready(StoredMedium),
    /// It is not kept.
    Failed {
        /// Why.
        reason: Unkept,
        /// Its type by its first bytes, if that is why.
        found: Option<String>,
    },
}

impl MediumState {
    /// Its size in the store.
    pub fn bytes(&self) -> u64 {
        if let Self::Ready(stored) = self { stored.bytes } else { 0 }
    }
}

/// A medium in the store, where it lies by its day and its digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredMedium {
    /// Its type by its first bytes.
    pub media_type: MediaType,
    /// Its size in bytes.
    pub bytes: u64,
    /// The SHA-256 digest of its bytes.
    pub sha256: [u8; 32],
    /// The day it was stored on. It is kept for so many days from then on.
    pub day: Day,
}

/// A message with media to fetch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingMedia {
    /// The account whose carrier has them.
    pub account: String,
    /// The caller.
    pub theirs: Private<Address>,
}

/// A medium in the store, as its row has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptMedium {
    /// Its message.
    pub message: MessageId,
    /// The caller.
    pub theirs: Private<Address>,
}

/// One attempt to send a message to the carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// When it was recorded, before the request.
    pub at: Timestamp,
    /// Its outcome.
    pub outcome: AttemptOutcome,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
}

/// A live call of a number, with the fields that correlation needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Live {
    /// The call.
    pub call: CallId,
    /// The queue it is in.
    pub queue: QueueId,
    /// Our number that it is bound to.
    pub our_number: Option<E164>,
    /// Whether texts can be exchanged.
    pub session: Session,
}

/// A number's lane, with the fields that estimates need.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lane {
    /// When its bucket is empty and it owes nothing (`lane_free_at`).
    pub empty_at: Timestamp,
    /// Segments queued in it.
    pub queued_segments: u32,
}

/// A number or an account, as the owner of a daily cap or as what is suspended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CapOwner {
    /// One of our numbers.
    Number(E164),
    /// A carrier account.
    Account(String),
}

/// A number or an account that an operator suspended: nothing is sent from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suspension {
    /// Why, as the operator gave it; it may name a person.
    pub reason: Private<String>,
    /// When it ends by itself; `None` if only a resume ends it.
    pub until: Option<Timestamp>,
    /// When it began.
    pub since: Timestamp,
    /// Who suspended it, as the configuration names them.
    pub by: String,
}

/// A quarantined webhook. Its bytes are in its frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuarantineEntry {
    /// The account it came to.
    pub account: String,
    /// Why it could not be read.
    pub problem: String,
    /// When it arrived.
    pub at: Timestamp,
    /// Its size; 0 in rows of programs that did not store it.
    pub bytes: u32,
}

/// A lane paused because the carrier asked to retry later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pause {
    /// No text of the lane is sent before this.
    pub until: Timestamp,
    /// How many times in a row the carrier asked for it.
    pub laters: u32,
}

/// What is remembered of a pair of our number and a person's number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contact {
    /// The pair's last call.
    pub last_call: Option<CallId>,
    /// The last call's language.
    pub language: Option<Language>,
    /// When the last call's session closed.
    pub closed_at: Option<Timestamp>,
    /// Our auto-replies of the last 24 hours, oldest first.
    pub replied_at: Vec<Timestamp>,
}

impl Contact {
    /// The last time of a closed session or an auto-reply.
    pub fn last(&self) -> Option<Timestamp> {
        self.closed_at.max(self.replied_at.last().copied())
    }
}

/// An opt-out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OptOut {
    /// Our numbers that it covers.
    pub block: Block,
    /// When it began.
    pub since: Timestamp,
    /// Who changed it last.
    pub by: OptOutBy,
    /// The position of the frame that changed it last; 0 before record version 5.
    pub version: Position,
    /// Whether the person or their carrier asked for it, at whatever time. Not set before record version 5: use
    /// [`OptOut::is_persons`].
    pub by_person: bool,
}

impl OptOut {
    /// Whether the person or their carrier asked for it, so that only they narrow it, or an administrator who removes
    /// it with a reason.
    pub fn is_persons(&self) -> bool {
        self.by_person || self.by != OptOutBy::Administrator
    }
}

/// An outbound message that is not settled: dispatch finds it here after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Open {
    /// Our number, whose lane it is in.
    pub ours: E164,
    /// The recipient.
    pub theirs: E164,
    /// Its kind, which decides its priority.
    pub kind: Kind,
    /// Its cost in segments.
    pub segments: u16,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When the next attempt may start.
    pub not_before: Option<Timestamp>,
    /// Whether an attempt is recorded and not settled.
    pub started: bool,
}

impl Open {
    /// The message as the lane simulation needs it.
    pub fn waiting(&self, id: MessageId) -> Waiting {
        let Self { theirs, kind, segments, expires_at, not_before, started, .. } = *self;
        Waiting { id, kind, theirs, segments, not_before, expires_at, started }
    }
}

/// The last check of one of our numbers with its carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckedNumber {
    /// The account whose carrier answered. Its answer says nothing about another account.
    pub account: String,
    /// When it answered.
    pub at: Timestamp,
}

/// The subject of a timer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Timer {
    /// A call's lease (A7).
    Lease(CallId),
    /// A message whose attempt got no response (A60), or which got no receipt (A54).
    Unknown(MessageId),
    /// A long text whose missing parts are not waited for any longer.
    LongText(LongTextKey),
    /// A receipt that no message was found for (A61).
    KeptReceipt(KeptReceiptId),
}

/// The digest of what the parts of a long text have in common.
pub type LongTextKey = [u8; 16];

/// A part of a long text that waits for the others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingPart {
    /// The account it came to.
    pub account: String,
    /// The carrier's id of it.
    pub carrier_id: String,
    /// The sender.
    pub from: Private<Address>,
    /// Our number.
    pub to: Address,
    /// How many parts the text has.
    pub total: u8,
    /// Its characters, as in [`crate::model::Part`].
    pub content: Private<Vec<u8>>,
    /// When the first part came.
    pub since: Timestamp,
}

/// A long text that was delivered without some of its parts: they are delivered by themselves if they come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IncompleteText {
    /// The numbers of these parts.
    pub missing: Vec<u8>,
    /// How long they are known.
    pub until: Timestamp,
}

/// Which receipt is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptReceiptId {
    /// The account it came to.
    pub account: String,
    /// The carrier's id of the message.
    pub carrier_id: String,
    /// The frame it came in.
    pub position: Position,
    /// The index of its event in that frame.
    pub index: u16,
}

/// A receipt that is kept until the message it is about is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptReceipt {
    /// The carrier's own word for the state.
    pub status: String,
    /// The state in the gateway's terms.
    pub state: ReceiptState,
    /// The carrier's error code, if it gave one.
    pub carrier_code: Option<String>,
    /// What that code means.
    pub detail: Option<String>,
    /// Segments as counted by the carrier.
    pub segments: Option<u16>,
    /// When it is dropped.
    pub until: Timestamp,
}

/// An answer to repeat for the same idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// The digest of the request's body.
    pub body: [u8; 16],
    /// The frame that holds the answer.
    pub position: Position,
    /// When it was answered.
    pub at: Timestamp,
}

/// Progress of the daily sweep through rows that are not in a per-day table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sweep {
    /// The day of the sweep.
    pub day: Day,
    /// The last call examined; `None` once all were.
    pub after: Option<CallId>,
}

/// A reading of a carrier's list of messages that is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reconciliation {
    /// Messages that the carrier received since then are looked for, by its clock.
    pub since: Timestamp,
    /// When it was begun.
    pub at: Timestamp,
}

/// The gateway's own row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gateway {
    /// When it last started; lanes start empty then (A30).
    pub started_at: Timestamp,
}

/// An entry of the audit (A72).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audited {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What they did.
    pub action: Action,
    /// To what, why, and how it was before and afterwards.
    pub entry: Private<AuditEntry>,
}
