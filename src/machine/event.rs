//! What happened: the contents of the journal.
//!
//! Invariant: an event carries absolute new values, never increments, so applying it twice is harmless; and everything a
//! platform event shows of it, so that feed and pull render from the frame alone.

use super::erase::{Fingerprint, Key};
use super::private::Private;
use super::record::v1;
use super::rows::Table;
use super::state::{Call, CapOwner, Contact, Ended, Lane, Message, OptOut, Pause, Sweep};
use crate::model::{
    Address, CallId, Change, ClaimKind, Directory, E164, EventId, Json, Kind, MessageId, Number, Position, Timestamp,
};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::opt_out::Block;
use crate::rules::rate::DayCount;
use crate::rules::refusal::Code;
use crate::rules::strangers::LastHour;
use serde::{Deserialize, Serialize};

/// One thing that happened, and its place among what the platform hears of its call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NumberedEvent {
    /// Dense from 1 within its call; none where the platform hears nothing, or of no call.
    pub call_sequence: Option<u64>,
    /// What.
    pub fact: Event,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// The gateway started; lanes are empty from here (A30).
    GatewayStarted,
    /// A directory was loaded into a gateway that had none: as version 1 wrote it.
    DirectoryLoaded {
        /// All of it.
        directory: Box<v1::Directory>,
        /// Who must not be texted.
        opt_outs: Vec<Private<E164>>,
    },
    /// A carrier's item was taken in: its repeats have no effect (A53, A62).
    Claimed {
        /// The account.
        account: String,
        /// The carrier's id.
        carrier_id: String,
        /// What it is.
        kind: ClaimKind,
    },
    /// An API call was answered: the same key gets the same answer.
    Answered {
        /// The digest of token, path and key.
        key: [u8; 16],
        /// The digest of the body.
        body: [u8; 16],
        /// What the answer shows, where it is no message of this frame.
        call: Option<Box<CallShown>>,
    },
    /// `call.started`.
    CallStarted(Box<CallChange>),
    /// `call.updated`.
    CallUpdated(Box<CallChange>),
    /// `call.ended`.
    CallEnded(Box<CallChange>),
    /// A call's row changed in what the platform does not see, or already saw in this frame.
    CallStored(Box<CallChange>),
    /// The end of a call we never heard of (A8).
    EndRecorded {
        /// The call.
        call: CallId,
        /// How it ended.
        ended: Ended,
    },
    /// `message.received`.
    MessageReceived {
        /// The message.
        message: Box<Message>,
        /// Its text.
        text: Private<String>,
        /// Where the carrier has its media, in their order.
        media_urls: Vec<Private<String>>,
    },
    /// `message.late`: a text that belongs to no call (R52, R53).
    MessageLate(Box<LateMessage>),
    /// `message.queued`.
    MessageQueued {
        /// The message.
        message: Box<Message>,
        /// Its text.
        text: Private<String>,
        /// The lane with it.
        lane: Lane,
    },
    /// An attempt begins: recorded before anything is written to the carrier.
    SendStarted {
        /// The message.
        message: Box<Message>,
        /// The lane without it.
        lane: Lane,
    },
    /// An attempt came to nothing and another follows.
    SendPostponed {
        /// The message.
        message: Box<Message>,
        /// The lane with it again.
        lane: Lane,
    },
    /// An attempt was written and nobody answered: no other follows (A60).
    SendUnknown {
        /// The message.
        message: Box<Message>,
        /// When it becomes `unconfirmed`.
        until: Timestamp,
    },
    /// `message.sent`, `.delivered`, `.failed` and the like: the state says which.
    MessageChanged {
        /// The message.
        message: Box<Message>,
        /// The lane, where the message left it unsent.
        lane: Option<Lane>,
    },
    /// The carrier's id or count became known; the state did not change.
    MessageStored {
        /// The message.
        message: Box<Message>,
    },
    /// We replied to, or closed with, somebody.
    ContactStored {
        /// Our number.
        ours: E164,
        /// Theirs.
        theirs: Private<E164>,
        /// What we remember.
        contact: Contact,
    },
    /// The number turned out to be a landline (A18).
    LandlineFound {
        /// The number.
        number: Private<E164>,
        /// How long we believe it.
        until: Timestamp,
    },
    /// An authentic webhook that could not be read (A58). `quarantine.added`.
    Quarantined {
        /// The account.
        account: String,
        /// What could not be understood.
        problem: String,
        /// As it came.
        raw: Private<Vec<u8>>,
    },
    /// An endpoint of the platform has everything before this position but the events of parked threads.
    FeedAdvanced {
        /// The endpoint's name.
        endpoint: String,
        /// The first position not all delivered.
        watermark: Position,
    },
    /// A message's timer was done with.
    TimerDone {
        /// When it was due.
        due: Timestamp,
        /// The message.
        message: MessageId,
    },
    /// The directory changed.
    DirectoryChanged {
        /// What became of which resource.
        changes: Vec<Change>,
    },
    /// `number.verification_changed`.
    VerificationChanged {
        /// The number.
        number: E164,
        /// As it is now.
        entry: Json<Number>,
    },
    /// A seed's list of who must not be texted.
    OptOutsLoaded {
        /// Who, and from where.
        opt_outs: Vec<(Private<E164>, Block)>,
    },
    /// `contact.opted_out`.
    OptedOut {
        /// Who must not be texted.
        contact: Private<E164>,
        /// Our number that heard of it; none where an administrator said so.
        ours: Option<E164>,
        /// The call it was said in.
        call: Option<CallId>,
        /// The row afterwards.
        stands: OptOut,
    },
    /// `contact.opted_in`.
    OptedIn {
        /// Who may be texted again.
        contact: Private<E164>,
        /// Our number that heard of it; none where an administrator said so.
        ours: Option<E164>,
        /// The call it was said in.
        call: Option<CallId>,
        /// The row afterwards, where other numbers stay blocked.
        stands: Option<OptOut>,
    },
    /// Whole tables are too old to be remembered (A23): a view answers "absent" from here on.
    Forgotten {
        /// Which.
        tables: Vec<Table>,
    },
    /// A lane's level, under other limits.
    LaneStored {
        /// Our number.
        ours: E164,
        /// The lane.
        lane: Lane,
    },
    /// The bucket of an account that is limited, and what waits for it.
    AccountLaneStored {
        /// The account.
        account: String,
        /// All its lanes together.
        lane: Lane,
    },
    /// Segments were counted against a daily cap.
    DayCounted {
        /// Whose.
        whose: CapOwner,
        /// The count.
        count: DayCount,
    },
    /// A carrier said "not now", or something else after that.
    LanePaused {
        /// Our number.
        ours: E164,
        /// Nothing where the lane goes on.
        pause: Option<Pause>,
    },
    /// A carrier account failed, or works again before it was paused.
    AccountFailed {
        /// The account.
        account: String,
        /// What is held against it.
        trouble: Option<BreakerState>,
    },
    /// `account.paused`.
    AccountPaused {
        /// The account.
        account: String,
        /// What is held against it.
        trouble: BreakerState,
    },
    /// `account.resumed`.
    AccountResumed {
        /// The account.
        account: String,
    },
    /// What an endpoint is told of in one order (a call) was parked: the watermark goes on without it.
    FeedParked {
        /// The endpoint's name.
        endpoint: String,
        /// The thread of events.
        thread: String,
        /// Where its oldest undelivered event stands; none where it is parked no longer.
        position: Option<Position>,
    },
    /// Somebody is erased from everything before this.
    PersonErased {
        /// What the fingerprints of the erased are made with; the same each time.
        key: Private<Key>,
    },
    /// Somebody who was erased must not be texted; or said something since, and is known by the number again.
    ErasedOptOut {
        /// Who.
        who: Fingerprint,
        /// The row afterwards.
        stands: Option<OptOut>,
    },
    /// Rows that no table of a day holds were looked through, and some are past their retention.
    Swept {
        /// Calls that are remembered no longer.
        calls: Vec<CallId>,
        /// Webhooks nobody could read that are remembered no longer.
        quarantined: Vec<Position>,
        /// How far it came.
        reached: Sweep,
    },
    /// `feed.gap`: events were not kept until an endpoint took them. It alone is told.
    FeedGap {
        /// The endpoint's name.
        endpoint: String,
        /// The first event that may be missing.
        from: EventId,
        /// Where it goes on: everything from here is told.
        until: EventId,
    },
    /// Endpoints are told once more what they were told of a time: what whoever asked for it is shown.
    Replayed(Replayed),
    /// A lease ran out whose call is not known: whoever was in it was erased.
    LeaseDone {
        /// When it was due.
        due: Timestamp,
        /// The call.
        call: CallId,
    },
    /// A sender who was on no call was answered (A71).
    StrangerAnswered {
        /// What for.
        kind: Kind,
        /// Those of the last hour, this one among them.
        answers: LastHour,
    },
    /// A carrier account failed, and why. In place of `AccountFailed` since version 4, where something is held against it.
    AccountFailing {
        /// The account.
        account: String,
        /// What is held against it.
        trouble: BreakerState,
        /// Why.
        cause: Cause,
    },
    /// `account.paused`, with the reason. In place of `AccountPaused` since version 4.
    AccountHeld {
        /// The account.
        account: String,
        /// What is held against it.
        trouble: BreakerState,
        /// Why.
        cause: Cause,
    },
    /// `journal.loss`: frames of the journal were lost, and the operator went on without them.
    JournalLost {
        /// The first event that may be missing.
        from: EventId,
        /// The first event after the loss.
        until: EventId,
    },
}

impl Event {
    /// The directory after this fact; `None` where it is none of its business.
    pub fn directory_after(&self, before: &Directory) -> Option<Directory> {
        match self {
            Self::DirectoryLoaded { directory, .. } => Some(v1::Directory::clone(directory).into()),
            Self::DirectoryChanged { changes } => {
                let mut after = before.clone();
                changes.iter().for_each(|change| after.change(change));
                Some(after)
            }
            Self::VerificationChanged { number, entry } => {
                let mut after = before.clone();
                after.change(&Change::Number(*number, Some(entry.clone())));
                Some(after)
            }
            _ => None,
        }
    }

    /// The message it is about, as it is afterwards.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::MessageReceived { message, .. }
            | Self::MessageQueued { message, .. }
            | Self::SendStarted { message, .. }
            | Self::SendPostponed { message, .. }
            | Self::SendUnknown { message, .. }
            | Self::MessageChanged { message, .. }
            | Self::MessageStored { message } => Some(message),
            _ => None,
        }
    }

    /// The call it is a part of.
    pub fn call(&self) -> Option<&CallId> {
        match self {
            Self::CallStarted(change)
            | Self::CallUpdated(change)
            | Self::CallEnded(change)
            | Self::CallStored(change) => Some(&change.shown.call.id),
            Self::OptedOut { call, .. } | Self::OptedIn { call, .. } => call.as_ref(),
            _ => self.message()?.call.as_ref(),
        }
    }

    /// What kind of fact it is, in a word for people who look at a journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GatewayStarted => "GatewayStarted",
            Self::DirectoryLoaded { .. } => "DirectoryLoaded",
            Self::Claimed { .. } => "Claimed",
            Self::Answered { .. } => "Answered",
            Self::CallStarted(_) => "CallStarted",
            Self::CallUpdated(_) => "CallUpdated",
            Self::CallEnded(_) => "CallEnded",
            Self::CallStored(_) => "CallKept",
            Self::EndRecorded { .. } => "EndNoted",
            Self::MessageReceived { .. } => "MessageReceived",
            Self::MessageLate(_) => "MessageLate",
            Self::MessageQueued { .. } => "MessageQueued",
            Self::SendStarted { .. } => "SendStarted",
            Self::SendPostponed { .. } => "SendPostponed",
            Self::SendUnknown { .. } => "SendUnknown",
            Self::MessageChanged { .. } => "MessageChanged",
            Self::MessageStored { .. } => "MessageKept",
            Self::ContactStored { .. } => "ContactKept",
            Self::LandlineFound { .. } => "LandlineFound",
            Self::Quarantined { .. } => "Quarantined",
            Self::FeedAdvanced { .. } => "FeedAdvanced",
            Self::TimerDone { .. } => "TimerDone",
            Self::LeaseDone { .. } => "LeaseDone",
            Self::StrangerAnswered { .. } => "StrangerAnswered",
            Self::DirectoryChanged { .. } => "DirectoryChanged",
            Self::VerificationChanged { .. } => "VerificationChanged",
            Self::OptOutsLoaded { .. } => "OptOutsLoaded",
            Self::OptedOut { .. } => "OptedOut",
            Self::OptedIn { .. } => "OptedIn",
            Self::LaneStored { .. } => "LaneKept",
            Self::AccountLaneStored { .. } => "AccountLaneKept",
            Self::DayCounted { .. } => "DayCounted",
            Self::LanePaused { .. } => "LanePaused",
            Self::AccountFailed { .. } => "AccountFailed",
            Self::AccountPaused { .. } => "AccountPaused",
            Self::AccountResumed { .. } => "AccountResumed",
            Self::Forgotten { .. } => "Forgotten",
            Self::FeedParked { .. } => "FeedParked",
            Self::PersonErased { .. } => "PersonErased",
            Self::ErasedOptOut { .. } => "ErasedOptOut",
            Self::Swept { .. } => "Swept",
            Self::FeedGap { .. } => "FeedGap",
            Self::Replayed(_) => "Replayed",
            Self::AccountFailing { .. } => "AccountFailing",
            Self::AccountHeld { .. } => "AccountHeld",
            Self::JournalLost { .. } => "JournalLost",
        }
    }
}

/// A call as it is afterwards, and what of its rows was elsewhere before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallChange {
    /// The call.
    pub shown: CallShown,
    /// Where its lease's timer stood, if it moved or is done with.
    pub lease_was: Option<Timestamp>,
    /// What correlation needs of it changed: its number, queue, session or life.
    pub live: bool,
    /// The number that was texted before, where it is another now.
    pub party_was: Option<Private<E164>>,
}

/// A call with what the agent may do in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallShown {
    /// The call.
    pub call: Call,
    /// The code a send would get now; none is yes.
    pub refusal: Option<Code>,
    /// Whether agents may write their own texts.
    pub custom_allowed: bool,
}

/// What is told once more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Replayed {
    /// To whom.
    pub endpoints: Vec<String>,
    /// The first and the last of it; none where nothing happened in that time.
    pub ends: Option<(EventId, EventId)>,
}

/// A text that belongs to no call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LateMessage {
    /// Who wrote.
    pub from: Private<Address>,
    /// Our number.
    pub to: Private<Address>,
    /// The text, where the setting `late_text` is on.
    pub text: Option<Private<String>>,
    /// Whether they get the auto-reply.
    pub auto_replied: bool,
    /// Their last call with this number.
    pub last_call: Option<CallId>,
}

/// What a record of the journal holds: one command's events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommittedFrame {
    /// Its place.
    pub position: Position,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened, in order.
    pub events: Vec<NumberedEvent>,
}
