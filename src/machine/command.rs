//! What the machine is asked, and what it answers.

use super::erase;
use super::event::{CallShown, Replayed};
use super::state::{AttemptOutcome, Ended, Message};
use crate::model::{
    Agent, Attestation, CallId, CallType, Caller, Change, Directory, E164, EventId, FailureCode, InboundItem, Language,
    MessageId, Phase, Position, PresetId, QueueId, SmartAction, Timestamp, Verification,
};
use crate::rules::auto_reply::NoReplyReason;
use crate::rules::opt_out::Block;
use crate::rules::refusal::Refusal;
use std::fmt;
use std::time::Duration;

/// Everything that may change something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// The process started.
    GatewayStarted,
    /// Load a directory into a gateway that has none.
    Seed {
        /// Checked against the rules.
        directory: Box<Directory>,
        /// Who must not be texted, and from where.
        opt_outs: Vec<(E164, Block)>,
    },
    /// An administrator changes the directory: all of it or, where a rule is broken, nothing.
    ChangeDirectory {
        /// What becomes of which resource.
        changes: Vec<Change>,
        /// The global outbound number may be assigned (A38).
        force: bool,
    },
    /// A carrier was asked about one of our numbers (R30, A39).
    Verified {
        /// Which.
        number: E164,
        /// What follows from its answer.
        verification: Verification,
    },
    /// An administrator says that somebody must not be texted from any of our numbers.
    OptOut(E164),
    /// An administrator brings a list of who must not be texted, and from where; nobody is taken off it.
    ListOptOuts(Vec<(E164, Block)>),
    /// An administrator says that somebody may be texted again from all of them.
    OptIn(E164),
    /// A call starts or changes.
    PutCall(PutCall),
    /// A call ends.
    EndCall {
        /// Which.
        call: CallId,
        /// The platform's word for why.
        reason: Option<String>,
        /// The request it answers, where it came with a key.
        key: Option<IdempotencyKey>,
    },
    /// An agent sends.
    Send(Send),
    /// A queued message is taken back.
    Cancel(MessageId),
    /// A carrier's webhook said something.
    InboundItem {
        /// Our name of the account.
        account: String,
        /// What it said.
        item: InboundItem,
    },
    /// The dispatcher has a permit for a message and wants to hand it to the carrier.
    StartSend {
        /// Which.
        message: MessageId,
        /// When the lane's bucket is empty with this message paid for.
        lane_empty_at: Timestamp,
        /// The same of the account's.
        account_empty_at: Timestamp,
    },
    /// The dispatcher knows what became of an attempt.
    Settle {
        /// Which message.
        message: MessageId,
        /// Which of its attempts, from 1.
        attempt: u32,
        /// What became of it.
        settled: Settled,
    },
    /// A queued message's time has passed.
    Expire(MessageId),
    /// An endpoint has everything before the watermark but the events of parked threads.
    AdvanceFeed {
        /// Its name.
        endpoint: String,
        /// The first position not all delivered.
        watermark: Position,
        /// Threads that are parked now, each with the position of its oldest undelivered event; none for one that no
        /// longer is.
        parked: Vec<(String, Option<Position>)>,
    },
    /// The configuration was read again: accounts that are paused are tried at once.
    TryAccounts,
    /// Time passed: leases and unknown sends may be due.
    Tick,
    /// Time jumped, and nothing passed in between: leases that this overtook go on for as long as they had left. Some of
    /// them; asked until nothing happens, it is all.
    CarryLeases {
        /// What time it was.
        from: Timestamp,
        /// What time it is.
        to: Timestamp,
    },
    /// The journal's time went further than what truly passed: what lanes and accounts owe is owed for as long.
    CarryDebts {
        /// What time it would be without that.
        from: Timestamp,
        /// What time it is.
        to: Timestamp,
    },
    /// Events were not kept until an endpoint took them.
    FeedGap {
        /// Its name.
        endpoint: String,
        /// The first event that may be missing.
        from: EventId,
        /// Where it goes on.
        until: EventId,
    },
    /// Frames of the journal were lost, and the operator went on without them.
    JournalLost {
        /// The first event that may be missing.
        from: EventId,
        /// The first event after the loss.
        until: EventId,
    },
    /// Endpoints are being told once more what they were told of a time. What that was answered with is kept for who asks
    /// with the same key again.
    Replayed {
        /// The request.
        key: IdempotencyKey,
        /// What is told to whom.
        replayed: Replayed,
    },
    /// Somebody is about to be erased from everything that was written so far.
    Erase {
        /// Who.
        who: E164,
        /// Random: what fingerprints of the erased are made with, unless there is such a key already.
        key: erase::Key,
    },
}

/// A call as the platform tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutCall {
    /// The platform's name.
    pub call: CallId,
    /// Who is on the phone.
    pub caller: Caller,
    /// The queue.
    pub queue: QueueId,
    /// The language, or the queue's.
    pub language: Option<Language>,
    /// Waiting or connected.
    pub phase: Phase,
    /// Left out keeps the agent, null clears it.
    pub agent: Option<Option<Agent>>,
    /// The platform's type of call.
    pub call_type: CallType,
    /// Whether a waiting caller agreed to texts.
    pub wait_sms_consent: bool,
    /// The platform's version of this word.
    pub version: Option<i64>,
    /// Another number to text.
    pub alternative: Option<E164>,
    /// How far the network vouches.
    pub attestation: Option<Attestation>,
}

/// What an agent sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Send {
    /// In which call.
    pub call: CallId,
    /// What.
    pub content: Content,
    /// Who.
    pub agent: Option<Agent>,
    /// What it asks of the caller.
    pub smart_action: Option<SmartAction>,
    /// Even to a landline (scope `admin`).
    pub force: bool,
    /// The request's key, where it came with one.
    pub key: Option<IdempotencyKey>,
}

/// What an agent sends.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A preset by its id, in a language or the call's.
    Preset(PresetId, Option<Language>),
    /// The agent's own words.
    Text(String),
}

impl fmt::Debug for Content {
    /// Without the words, which no log may hold (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(id, language) => f.debug_tuple("Preset").field(id).field(language).finish(),
            Self::Text(_) => f.write_str("a text"),
        }
    }
}

/// An idempotency key with what it stands for, both as digests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// Of token, path and key.
    pub key: [u8; 16],
    /// Of the body.
    pub body: [u8; 16],
}

/// What became of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// In which way.
    pub outcome: SettledAs,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What it means and what to do, for people; nothing of the message in it.
    pub detail: Option<String>,
}

/// In which way an attempt ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SettledAs {
    /// The carrier took it.
    Sent {
        /// The carrier's id.
        carrier_id: String,
        /// The carrier's count of segments.
        segments: Option<u16>,
    },
    /// The carrier refused it for good.
    Refused {
        /// In our words.
        code: FailureCode,
        /// In the carrier's.
        carrier_code: Option<String>,
    },
    /// The carrier said not now.
    Later {
        /// The least it wants us to wait.
        retry_after: Option<Duration>,
    },
    /// Nothing was written to the carrier.
    NeverWritten,
    /// Written, and nobody answered in a way that could be read.
    Unknown,
    /// Nobody knows, because the gateway stopped meanwhile: it says nothing of the carrier.
    Interrupted,
    /// The carrier refused the account: this text was not taken, and no other would be.
    AccountRefused,
}

impl SettledAs {
    /// The same, as attempts note it.
    pub fn outcome(&self) -> AttemptOutcome {
        match self {
            Self::Sent { .. } => AttemptOutcome::Sent,
            Self::Refused { .. } => AttemptOutcome::Refused,
            Self::Later { .. } => AttemptOutcome::Later,
            Self::NeverWritten => AttemptOutcome::NeverWritten,
            Self::Unknown | Self::Interrupted => AttemptOutcome::Unknown,
            Self::AccountRefused => AttemptOutcome::AccountRefused,
        }
    }
}

/// What the asker hears. It is said only once what follows from the command is on disk.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done, or there was nothing to do.
    Done,
    /// The call as it is now.
    Call {
        /// It was not known before.
        created: bool,
        /// The call.
        shown: Box<CallShown>,
    },
    /// The call ended before we heard of its start (A8).
    EndedBeforeStart {
        /// The platform's name of it.
        call: CallId,
        /// How it ended.
        ended: Ended,
    },
    /// The message as it is now.
    Message {
        /// The message.
        message: Box<Message>,
        /// Its text, where the decision had it at hand.
        text: Option<String>,
    },
    /// The request was answered before, in this frame: the same answer again.
    Again(Position),
    /// Not done, and why.
    Refused(Refusal),
    /// A carrier's item is taken care of.
    InboundItem(IntakeOutcome),
    /// The attempt is recorded: send.
    Started {
        /// The message.
        message: Box<Message>,
    },
    /// The message is not to be sent: it was taken back, is too old, or started already.
    NotStarted,
    /// A directory is there already.
    SeedRefused,
}

impl fmt::Debug for Reply {
    /// Without the text, which no log may hold (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Call { created, shown } => f.debug_tuple("Call").field(created).field(shown).finish(),
            Self::EndedBeforeStart { call, ended } => f.debug_tuple("EndedUnheard").field(call).field(ended).finish(),
            Self::Message { message, .. } => f.debug_tuple("Message").field(message).finish(),
            Self::Again(position) => f.debug_tuple("Again").field(position).finish(),
            Self::Refused(refusal) => f.debug_tuple("Refused").field(refusal).finish(),
            Self::InboundItem(taken) => f.debug_tuple("Heard").field(taken).finish(),
            Self::Started { message } => f.debug_tuple("Started").field(message).finish(),
            Self::NotStarted => f.write_str("NotStarted"),
            Self::SeedRefused => f.write_str("SeedRefused"),
        }
    }
}

/// What became of a carrier's item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntakeOutcome {
    /// A message, attached to its call.
    Attached,
    /// A message of no call, answered by the auto-reply.
    Replied,
    /// A message of no call, met with silence.
    Silent(NoReplyReason),
    /// A message dropped by the setting `drop_non_us_inbound`.
    Dropped,
    /// A receipt that changed a state.
    Advanced,
    /// A receipt that said nothing new.
    Stale,
    /// A receipt for a message we do not know.
    NoSuchMessage,
    /// Seen before.
    Duplicate,
    /// Kept unread (A58), at this position.
    Quarantined(Position),
    /// A kind we do not know.
    Ignored,
}

/// When and where a command is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    /// The journal's time: it never goes back.
    pub time: Timestamp,
    /// The position its frame will have.
    pub position: Position,
}
