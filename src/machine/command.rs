//! Commands to the machine, and its replies.

use super::erasure::{Erased, Erasure, ErasureState};
use super::event::{CallShown, Replayed, VerifiedNumber};
use super::fingerprint::ErasureKey;
use super::state::{CapOwner, Ended, MediumState, Message, OptOut, Reconciliation};
use crate::model::{
    Action, Actor, Agent, Attestation, AuditEntry, CallId, CallType, Caller, Change, Directory, E164, ErasureId,
    EventId, Expected, Inbound, InboundItem, IntakeOutcome, Language, MediaId, MessageId, OnlyIf, Phase, Position,
    PresetId, QueueId, Settled, SmartAction, Timestamp, Verification,
};
use crate::rules::opt_out::Block;
use crate::rules::refusal::Refusal;
use crate::rules::verification::Said;
use std::fmt;

/// Every request that may change state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// The process started.
    GatewayStarted,
    /// Load a directory into a gateway that has no directory yet.
    Seed {
        /// The directory, already checked against the rules.
        directory: Box<Directory>,
        /// Opted-out numbers, each with our numbers that must not text them.
        opt_outs: Vec<(E164, Block)>,
    },
    /// An administrator changes the directory: all changes apply or, if a rule is broken, none.
    ChangeDirectory {
        /// The changes, one per resource.
        changes: Vec<Change>,
        /// Allow assigning the global outbound number (A38).
        force: bool,
        /// The state in which the change applies; refused in any other.
        only_if: Option<OnlyIf>,
        /// Who changes it.
        by: Actor,
    },
    /// A carrier answered about one of our numbers (R30, A39).
    NumberChecked {
        /// Our number.
        number: E164,
        /// The account whose carrier was asked.
        account: String,
        /// The answer.
        said: Said,
        /// The URL that inbound messages of the account should go to.
        address: String,
    },
    /// An administrator's request to verify numbers was answered. The answer is stored, also for repeats with the same
    /// idempotency key.
    NumbersVerified {
        /// The results, in the order asked for.
        results: Vec<VerifiedNumber>,
        /// The request's idempotency key, if it had one.
        key: Option<IdempotencyKey>,
        /// Who asked.
        by: Actor,
    },
    /// An administrator replaces the directory by a document, and adds opt-outs: all of it, or nothing.
    ApplyDocument(Box<ApplyDocument>),
    /// An administrator says which of our numbers must not text a person.
    OptOut {
        /// The person's number.
        who: E164,
        /// Our numbers.
        block: Block,
        /// Why.
        reason: Option<String>,
        /// The state of the opt-out in which it changes; refused in any other.
        expected: Option<Expected>,
        /// Who says so.
        by: Actor,
    },
    /// An administrator uploads a list of opt-outs, which are added to the known ones; none is removed.
    ListOptOuts {
        /// People, each once, with our numbers that must not text them.
        listed: Vec<(E164, Block)>,
        /// Who uploads it.
        by: Actor,
    },
    /// An administrator removes a person's opt-out from all of our numbers.
    OptIn {
        /// The person's number.
        who: E164,
        /// Why.
        reason: String,
        /// The state of the opt-out in which it is removed; refused in any other.
        expected: Option<Expected>,
        /// Who takes responsibility for it.
        by: Actor,
    },
    /// A call starts or changes.
    PutCall(PutCall),
    /// A call ends.
    EndCall {
        /// The call.
        call: CallId,
        /// The platform's reason.
        reason: Option<String>,
        /// The idempotency key, if the request had one.
        key: Option<IdempotencyKey>,
    },
    /// An agent sends a text.
    Send(Send),
    /// Cancel a queued message.
    Cancel(MessageId),
    /// A carrier's webhook delivered an item.
    InboundItem {
        /// The account's configured name.
        account: String,
        /// The item.
        item: InboundItem,
    },
    /// A carrier's list of messages is to be read from a time on: by an operator, or by the gateway after a downtime.
    BeginReconciliation(BeginReconciliation),
    /// Which of the messages in a carrier's list are known. Nothing is recorded.
    FindKnown {
        /// The account's configured name.
        account: String,
        /// The carrier's ids of the messages.
        carrier_ids: Vec<String>,
    },
    /// A carrier's list has a message that may never have arrived.
    ListedMessage {
        /// The account's configured name.
        account: String,
        /// When the carrier received it, by the carrier's clock.
        at: Timestamp,
        /// The message.
        message: Box<Inbound>,
    },
    /// A carrier's list was read to its end.
    EndReconciliation {
        /// The account's configured name.
        account: String,
        /// The reconciliation. If another was begun since, that one goes on.
        ended: Reconciliation,
    },
    /// The dispatcher has a permit for a message and is about to send it to the carrier.
    StartSend {
        /// The message.
        message: MessageId,
        /// When the lane's bucket is empty, including the cost of this message.
        lane_empty_at: Timestamp,
        /// The same for the account's bucket.
        account_empty_at: Timestamp,
    },
    /// The dispatcher reports the outcome of an attempt.
    Settle {
        /// The message.
        message: MessageId,
        /// The attempt's number, from 1.
        attempt: u32,
        /// The outcome.
        settled: Settled,
    },
    /// A queued message has expired.
    Expire(MessageId),
    /// A medium was fetched and stored, or is not kept.
    SettleMedium {
        /// Its message.
        message: MessageId,
        /// The medium.
        medium: MediaId,
        /// What became of it.
        state: MediumState,
    },
    /// An endpoint received everything before the watermark except the events of parked threads.
    AdvanceFeed {
        /// Its name.
        endpoint: String,
        /// The first position that is not fully delivered.
        watermark: Position,
        /// Threads whose parking changed, each with the position of its oldest undelivered event; `None` if it is no
        /// longer parked.
        parked: Vec<(String, Option<Position>)>,
    },
    /// An operator suspends a number or an account, or changes its suspension: nothing is sent from it meanwhile.
    Suspend(Suspend),
    /// An operator resumes a number or an account.
    Resume {
        /// What was suspended.
        owner: CapOwner,
        /// Who asks for it.
        by: Actor,
        /// The idempotency key, if the request had one.
        key: Option<IdempotencyKey>,
    },
    /// An operator has a quarantined webhook read again: its items but the last were taken in. With the last it leaves
    /// the quarantine.
    ReplayQuarantined {
        /// The position of its frame.
        position: Position,
        /// What became of those taken in.
        taken: Vec<IntakeOutcome>,
        /// The last one; `None` if it contains nothing.
        last: Option<Box<InboundItem>>,
        /// Who asks for it.
        by: Actor,
        /// The idempotency key, if the request had one.
        key: Option<IdempotencyKey>,
    },
    /// An operator discards a quarantined webhook.
    DiscardQuarantined {
        /// The position of its frame.
        position: Position,
        /// Who asks for it.
        by: Actor,
    },
    /// Somebody did something at a door that only the audit notes.
    Audit {
        /// Who.
        by: Actor,
        /// What.
        action: Action,
        /// The particulars.
        entry: Box<AuditEntry>,
    },
    /// The configuration was reloaded: paused accounts are retried at once.
    TryAccounts,
    /// Time passed: leases and unsettled sends may be due.
    Tick,
    /// The clock jumped: leases that expired only because of the jump are extended by its length. Handles a limited
    /// number at a time; repeat until a decision has no events.
    CarryLeases {
        /// The time before the jump.
        from: Timestamp,
        /// The time after the jump.
        to: Timestamp,
    },
    /// The journal's time advanced further than real time: debts of lanes and accounts are shifted by the difference.
    CarryDebts {
        /// The time without the excess.
        from: Timestamp,
        /// The current time.
        to: Timestamp,
    },
    /// Events were deleted by retention before an endpoint received them.
    FeedGap {
        /// Its name.
        endpoint: String,
        /// The first event that may be missing.
        from: EventId,
        /// The first event after the gap.
        until: EventId,
    },
    /// Frames of the journal were lost, and the operator accepted the loss.
    JournalLost {
        /// The first event that may be missing.
        from: EventId,
        /// The first event after the loss.
        until: EventId,
    },
    /// A replay of a time range was requested. The answer is stored for repeats with the same idempotency key.
    Replayed {
        /// The request's idempotency key, if it had one.
        key: Option<IdempotencyKey>,
        /// The range and its endpoints.
        replayed: Replayed,
        /// Who requested it.
        by: Actor,
    },
    /// A person is about to be erased from everything written so far.
    Erase {
        /// The person's number.
        who: E164,
        /// A random key for fingerprints of erased numbers; ignored if there is a key already.
        key: ErasureKey,
        /// The idempotency key, if the request had one.
        idempotency: Option<IdempotencyKey>,
        /// Who erases them.
        by: Actor,
    },
    /// An erasure is worked on now, or it ended.
    ChangeErasure {
        /// The erasure.
        id: ErasureId,
        /// Its new state.
        state: ErasureState,
        /// What was erased.
        erased: Erased,
    },
}

/// A request to read a carrier's list of messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BeginReconciliation {
    /// The account's configured name.
    pub account: String,
    /// What the carrier received since then is looked for, by its clock.
    pub since: Timestamp,
    /// Who asks for it; `None` if the gateway does, after a downtime.
    pub by: Option<Actor>,
    /// The idempotency key, if the request had one.
    pub key: Option<IdempotencyKey>,
}

/// A document that replaces the directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplyDocument {
    /// The directory.
    pub directory: Directory,
    /// People, each once, with our numbers that must not text them. They are added to the known opt-outs.
    pub opt_outs: Vec<(E164, Block)>,
    /// Allow assigning the global outbound number (A38).
    pub force: bool,
    /// The state in which the document applies; refused in any other. The whole directory is absent before the first.
    pub expected: Option<Expected>,
    /// Who applies it.
    pub by: Actor,
}

#[cfg(feature = "test-support")]
impl Command {
    /// An administrator opts a person out from all of our numbers.
    pub fn opt_out(who: E164) -> Self {
        let by = Actor::named("admin".to_owned());
        Self::OptOut { who, block: Block::everywhere(), reason: None, expected: None, by }
    }

    /// An administrator uploads a list of opt-outs.
    pub fn list_opt_outs(listed: Vec<(E164, Block)>) -> Self {
        Self::ListOptOuts { listed, by: Actor::named("admin".to_owned()) }
    }

    /// An administrator removes a person's opt-out.
    pub fn opt_in(who: E164) -> Self {
        let by = Actor::named("admin".to_owned());
        Self::OptIn { who, reason: "asked for by mail".to_owned(), expected: None, by }
    }
}

/// A call as the platform reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutCall {
    /// The platform's id of the call.
    pub call: CallId,
    /// The caller.
    pub caller: Caller,
    /// The queue the call is in.
    pub queue: QueueId,
    /// The language; the queue's language if absent.
    pub language: Option<Language>,
    /// Waiting or connected.
    pub phase: Phase,
    /// Absent keeps the agent, null clears it.
    pub agent: Option<Option<Agent>>,
    /// The platform's type of call.
    pub call_type: CallType,
    /// Whether a waiting caller agreed to texts.
    pub wait_sms_consent: bool,
    /// The platform's version of this update.
    pub version: Option<i64>,
    /// Another number to text instead of the caller's.
    pub alternative: Option<E164>,
    /// The network's attestation of the caller id.
    pub attestation: Option<Attestation>,
    /// Who reports it.
    pub by: Actor,
}

#[cfg(feature = "test-support")]
impl PutCall {
    /// A connected inbound call, with nothing said that may be left out.
    pub fn new(call: CallId, caller: Caller, queue: QueueId) -> Self {
        Self {
            call,
            caller,
            queue,
            language: None,
            phase: Phase::Connected,
            agent: None,
            call_type: "inbound_ivr".to_owned(),
            wait_sms_consent: false,
            version: None,
            alternative: None,
            attestation: None,
            by: Actor::named("platform".to_owned()),
        }
    }
}

/// A request to send an agent's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Send {
    /// The call.
    pub call: CallId,
    /// The preset or the text.
    pub content: Content,
    /// The sending agent.
    pub agent: Option<Agent>,
    /// What the text asks of the caller, such as a photo.
    pub smart_action: Option<SmartAction>,
    /// The platform's own reference to the message.
    pub client_ref: Option<String>,
    /// Who forces it, even to a landline (scope `admin`); `None` if nobody does.
    pub force: Option<Actor>,
    /// The idempotency key, if the request had one.
    pub key: Option<IdempotencyKey>,
}

/// A request to suspend a number or an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Suspend {
    /// What is suspended.
    pub owner: CapOwner,
    /// Why.
    pub reason: String,
    /// When it ends by itself; `None` if only a resume ends it.
    pub until: Option<Timestamp>,
    /// Who asks for it.
    pub by: Actor,
    /// The idempotency key, if the request had one.
    pub key: Option<IdempotencyKey>,
}

impl fmt::Debug for Suspend {
    /// Omits the reason, which may name a person (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspend").field("owner", &self.owner).field("until", &self.until).finish_non_exhaustive()
    }
}

/// The content of an agent's text.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A preset by its id, in the given language or else the call's.
    Preset(PresetId, Option<Language>),
    /// A text the agent wrote.
    Text(String),
}

impl fmt::Debug for Content {
    /// Omits the text, which must not be logged (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(id, language) => f.debug_tuple("Preset").field(id).field(language).finish(),
            Self::Text(_) => f.write_str("a text"),
        }
    }
}

/// An idempotency key and its request body, both as digests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// Digest of token, path and key.
    pub key: [u8; 16],
    /// Digest of the body.
    pub body: [u8; 16],
}

/// The reply to a command. It is returned only after the command's events are durable.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done, or there was nothing to do.
    Done,
    /// A tick left something that is due: it is repeated at once.
    More,
    /// Whether it was recorded what became of the medium.
    MediumSettled(bool),
    /// The directory as the command left it.
    Directory {
        /// The directory, with its versions.
        after: Box<Directory>,
        /// Whether the first resource that was changed existed before.
        existed: bool,
    },
    /// The current state of the call.
    Call {
        /// Whether this command created the call.
        created: bool,
        /// The call.
        shown: Box<CallShown>,
    },
    /// The call's end was reported before its start (A8).
    EndedBeforeStart {
        /// The platform's id of the call.
        call: CallId,
        /// How it ended.
        ended: Ended,
    },
    /// The current state of the message.
    Message {
        /// The message.
        message: Box<Message>,
        /// Its text, if the decision had it at hand.
        text: Option<String>,
    },
    /// The request was answered before, by the frame at this position: repeat that answer.
    Again(Position),
    /// A document was applied.
    DocumentApplied {
        /// The position of its frame.
        position: Position,
        /// The directory's version since then, which opt-outs do not change.
        version: Position,
    },
    /// The current state of an opt-out.
    OptOut {
        /// Whether this command created it.
        created: bool,
        /// The opt-out.
        opt_out: OptOut,
    },
    /// Nothing was done, for this reason.
    Refused(Refusal),
    /// A carrier's item was handled.
    InboundItem(IntakeOutcome),
    /// The attempt is recorded: the dispatcher may send.
    Started {
        /// The message.
        message: Box<Message>,
    },
    /// The message must not be sent: it was cancelled, expired, or already started.
    NotStarted,
    /// The message stays in its lane, because its number or account is suspended.
    Suspended,
    /// A quarantined webhook was read again and has left the quarantine; what became of each of its items.
    QuarantineReplayed(Vec<IntakeOutcome>),
    /// The gateway already has a directory.
    SeedRefused,
    /// The current verification of the number.
    Verification(Box<Verification>),
    /// The erasure of the person, begun now or before.
    Erasure(Erasure),
    /// The reconciliation that was begun. It goes back to where one that was not done began.
    Reconciliation(Reconciliation),
    /// Whether each of the messages is known.
    Known(Vec<bool>),
}

impl fmt::Debug for Reply {
    /// Omits the text, which must not be logged (A57).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::More => f.write_str("More"),
            Self::MediumSettled(recorded) => f.debug_tuple("MediumSettled").field(recorded).finish(),
            Self::Directory { existed, .. } => f.debug_struct("Directory").field("existed", existed).finish(),
            Self::Call { created, shown } => f.debug_tuple("Call").field(created).field(shown).finish(),
            Self::EndedBeforeStart { call, ended } => {
                f.debug_tuple("EndedBeforeStart").field(call).field(ended).finish()
            }
            Self::Message { message, .. } => f.debug_tuple("Message").field(message).finish(),
            Self::Again(position) => f.debug_tuple("Again").field(position).finish(),
            Self::DocumentApplied { position, .. } => f.debug_tuple("DocumentApplied").field(position).finish(),
            Self::OptOut { created, .. } => f.debug_tuple("OptOut").field(created).finish(),
            Self::Refused(refusal) => f.debug_tuple("Refused").field(refusal).finish(),
            Self::InboundItem(outcome) => f.debug_tuple("InboundItem").field(outcome).finish(),
            Self::Started { message } => f.debug_tuple("Started").field(message).finish(),
            Self::NotStarted => f.write_str("NotStarted"),
            Self::Suspended => f.write_str("Suspended"),
            Self::QuarantineReplayed(outcomes) => f.debug_tuple("QuarantineReplayed").field(outcomes).finish(),
            Self::SeedRefused => f.write_str("SeedRefused"),
            Self::Verification(verification) => f.debug_tuple("Verification").field(verification).finish(),
            Self::Erasure(erasure) => f.debug_tuple("Erasure").field(erasure).finish(),
            Self::Reconciliation(begun) => f.debug_tuple("Reconciliation").field(begun).finish(),
            Self::Known(known) => f.debug_tuple("Known").field(known).finish(),
        }
    }
}

/// The time and journal position of a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    /// The journal's time, which never goes back.
    pub time: Timestamp,
    /// The position its frame will have.
    pub position: Position,
}
