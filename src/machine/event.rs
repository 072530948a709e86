//! Events: the contents of the journal.
//!
//! Invariant: an event carries absolute new values, never increments, so applying it twice is harmless. It also carries
//! everything that its platform event shows, so that feed and pull render from the frame alone.

mod contents;
mod subject;
pub use contents::{CallChange, CallShown, CommittedFrame, LateMessage, NumberedEvent, Replayed, VerifiedNumber};

use super::fingerprint::{ErasureKey, Fingerprint};
use super::state::{
    CapOwner, Contact, Ended, IncompleteText, KeptReceipt, KeptReceiptId, Lane, LongTextKey, Message, OptOut, Pause,
    Suspension, Sweep, Usage, UsageOf, WaitingPart,
};
use super::{Private, erasure::Erasure, record::v1, rows::Table};
use crate::model::{
    Action, AuditEntry, CallId, Change, ClaimKind, E164, ErasureId, EventId, Json, Kind, MediaId, MessageId, Number,
    Position, RawRequest, Resource, Timestamp,
};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::{opt_out::Block, rate::DayCount, strangers::LastHour};

/// An event: a fact that a decision recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The gateway started; lanes are empty from here (A30).
    GatewayStarted,
    /// A directory was loaded into a gateway without one. Written only by record version 1.
    DirectoryLoaded {
        /// The whole directory.
        directory: Box<v1::Directory>,
        /// Opted-out numbers.
        opt_outs: Vec<Private<E164>>,
    },
    /// A carrier's item was accepted: duplicates of it have no effect (A53, A62).
    Claimed {
        /// The account.
        account: String,
        /// The carrier's id of the item.
        carrier_id: String,
        /// The kind of item.
        kind: ClaimKind,
    },
    /// An API request was answered: the same idempotency key gets the same answer.
    Answered {
        /// The digest of token, path and key.
        key: [u8; 16],
        /// The digest of the body.
        body: [u8; 16],
        /// The call that the answer shows; `None` if the answer is a message of this frame.
        call: Option<Box<CallShown>>,
    },
    /// `call.started`.
    CallStarted(Box<CallChange>),
    /// `call.updated`.
    CallUpdated(Box<CallChange>),
    /// `call.ended`.
    CallEnded(Box<CallChange>),
    /// A call's row changed, and the platform is not notified, or already was by another event of this frame.
    CallStored(Box<CallChange>),
    /// A call's end was reported before its start (A8).
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
        /// The URLs of its media at the carrier, in the order of the media.
        media_urls: Vec<Private<String>>,
    },
    /// A part of a long text came, and waits for the others.
    PartReceived {
        /// The digest of what the parts of the text have in common.
        text: LongTextKey,
        /// Its number in the text.
        number: u8,
        /// The part.
        part: Box<WaitingPart>,
        /// When the missing parts are not waited for any longer.
        until: Timestamp,
        /// How many parts wait in the account, with this one.
        waiting: u32,
    },
    /// Waiting parts of a long text were joined, or given up.
    PartsTaken {
        /// The account.
        account: String,
        /// The text.
        text: LongTextKey,
        /// The parts that wait no longer.
        numbers: Vec<u8>,
        /// The time of the text's timer, which is removed.
        due: Timestamp,
        /// How many parts wait in the account without them; without meaning if there are none.
        waiting: u32,
        /// The parts that are missing and known as such from now on, if any.
        incomplete: Option<IncompleteText>,
    },
    /// A receipt came that no message was found for: it may be about a send that is not answered yet (A61).
    ReceiptKept {
        /// The account.
        account: String,
        /// The carrier's id of the message.
        carrier_id: String,
        /// The receipt.
        receipt: KeptReceipt,
        /// How many receipts are kept for the account, with this one.
        kept: u32,
    },
    /// A kept receipt was used, or its time is over.
    ReceiptTaken {
        /// The receipt.
        id: KeptReceiptId,
        /// The time of its timer, which is removed.
        due: Timestamp,
        /// How many receipts are kept for the account without it.
        kept: u32,
    },
    /// `media.ready` or `media.failed`, depending on the medium's state (A51).
    MediumSettled {
        /// The message, with the medium's new state.
        message: Box<Message>,
        /// The medium.
        medium: MediaId,
    },
    /// `message.late`: a text that belongs to no call (R52, R53).
    MessageLate(Box<LateMessage>),
    /// `message.queued`.
    MessageQueued {
        /// The message.
        message: Box<Message>,
        /// Its text.
        text: Private<String>,
        /// The lane after adding it.
        lane: Lane,
    },
    /// An attempt begins: recorded before anything is sent to the carrier.
    SendStarted {
        /// The message.
        message: Box<Message>,
        /// The lane after removing it.
        lane: Lane,
    },
    /// An attempt failed and another follows.
    SendPostponed {
        /// The message.
        message: Box<Message>,
        /// The lane after adding it again.
        lane: Lane,
    },
    /// An attempt was sent and got no readable response: it is not repeated (A60).
    SendUnknown {
        /// The message.
        message: Box<Message>,
        /// When it becomes `unconfirmed`.
        until: Timestamp,
    },
    /// `message.sent`, `.delivered`, `.failed` and others, depending on the state.
    MessageChanged {
        /// The message.
        message: Box<Message>,
        /// The lane, if the message left it unsent.
        lane: Option<Lane>,
    },
    /// The carrier's id or segment count became known; the state did not change.
    MessageStored {
        /// The message.
        message: Box<Message>,
    },
    /// A contact's row changed, after an auto-reply or the close of a session.
    ContactStored {
        /// Our number.
        ours: E164,
        /// The person's number.
        theirs: Private<E164>,
        /// The new row.
        contact: Contact,
    },
    /// A number was found to be a landline (A18).
    LandlineFound {
        /// The number.
        number: Private<E164>,
        /// When it is no longer considered one.
        until: Timestamp,
    },
    /// An authentic webhook that could not be read (A58). `quarantine.added`.
    Quarantined {
        /// The account.
        account: String,
        /// Why it could not be read.
        problem: String,
        /// The webhook's raw bytes.
        raw: Private<Vec<u8>>,
        /// Their number.
        bytes: u32,
        /// The rest of the webhook that a parser needs; `None` in records before version 5.
        request: Option<Private<RawRequest>>,
    },
    /// An endpoint received everything before this position except the events of parked threads.
    FeedAdvanced {
        /// The endpoint's name.
        endpoint: String,
        /// The first position that is not fully delivered.
        watermark: Position,
    },
    /// A message's timer was handled.
    TimerDone {
        /// When it was due.
        due: Timestamp,
        /// The message.
        message: MessageId,
    },
    /// The directory changed.
    DirectoryChanged {
        /// The changes, one per resource.
        changes: Vec<Change>,
    },
    /// `number.verification_changed`.
    VerificationChanged {
        /// The number.
        number: E164,
        /// Its new entry.
        entry: Json<Number>,
    },
    /// A list of opt-outs was loaded, from a seed or by an administrator.
    OptOutsLoaded {
        /// Opted-out numbers, each with our numbers that must not text them.
        opt_outs: Vec<(Private<E164>, Block)>,
    },
    /// `contact.opted_out`.
    OptedOut {
        /// The opted-out number.
        contact: Private<E164>,
        /// Our number that received the keyword or the carrier's rejection; `None` if an administrator opted it out.
        ours: Option<E164>,
        /// The call it happened in, if any.
        call: Option<CallId>,
        /// The new row.
        opt_out: OptOut,
    },
    /// `contact.opted_in`.
    OptedIn {
        /// The number that may be texted again.
        contact: Private<E164>,
        /// Our number that received the keyword; `None` if an administrator opted it in.
        ours: Option<E164>,
        /// The call it happened in, if any.
        call: Option<CallId>,
        /// The new row, if other numbers of ours stay blocked.
        opt_out: Option<OptOut>,
    },
    /// Whole tables passed their retention and are dropped (A23).
    Forgotten {
        /// The dropped tables.
        tables: Vec<Table>,
    },
    /// A lane's row changed without a send, because its limits or the clock changed.
    LaneStored {
        /// Our number.
        ours: E164,
        /// The lane.
        lane: Lane,
    },
    /// The bucket and queue of an account with limits changed.
    AccountLaneStored {
        /// The account.
        account: String,
        /// The account's lane, the sum of its numbers' lanes.
        lane: Lane,
    },
    /// Segments were counted against a daily cap.
    DayCounted {
        /// The cap's owner.
        owner: CapOwner,
        /// The new count.
        count: DayCount,
    },
    /// A lane was paused because the carrier asked to retry later, or its pause ended.
    LanePaused {
        /// Our number.
        ours: E164,
        /// The pause; `None` when it ended.
        pause: Option<Pause>,
    },
    /// A carrier account failed, or recovered before it was paused.
    AccountFailed {
        /// The account.
        account: String,
        /// The state of its circuit breaker; `None` if it recovered.
        breaker: Option<BreakerState>,
        /// Why it failed; `None` if it recovered, and in records before version 4.
        cause: Option<Cause>,
    },
    /// `account.paused`.
    AccountPaused {
        /// The account.
        account: String,
        /// The state of its circuit breaker.
        breaker: BreakerState,
        /// Why it was paused; `None` in records before version 4.
        cause: Option<Cause>,
    },
    /// `account.resumed`.
    AccountResumed {
        /// The account.
        account: String,
        /// Why it was paused; `None` in records before version 5.
        cause: Option<Cause>,
    },
    /// A thread of events (a call) was parked for an endpoint, or unparked: the watermark advances without it.
    FeedParked {
        /// The endpoint's name.
        endpoint: String,
        /// The thread of events.
        thread: String,
        /// The position of its oldest undelivered event; `None` if it is no longer parked.
        position: Option<Position>,
    },
    /// A person is erased from everything before this event.
    PersonErased {
        /// The key for fingerprints of erased numbers; the same in every such event.
        key: Private<ErasureKey>,
    },
    /// The opt-out of an erased person was stored by fingerprint, or removed because it is stored by number again.
    ErasedOptOut {
        /// The fingerprint of the person's number.
        who: Fingerprint,
        /// The new row; `None` if it was removed.
        opt_out: Option<OptOut>,
    },
    /// The daily sweep examined a page of rows outside the per-day tables and deleted those past their retention.
    Swept {
        /// The deleted calls.
        calls: Vec<CallId>,
        /// The deleted quarantined webhooks.
        quarantined: Vec<Position>,
        /// The sweep's progress.
        reached: Sweep,
        /// The time of each deleted call; empty in records before version 5.
        times: Vec<Timestamp>,
    },
    /// `feed.gap`: events were deleted before an endpoint received them. Only that endpoint gets this event.
    FeedGap {
        /// The endpoint's name.
        endpoint: String,
        /// The first event that may be missing.
        from: EventId,
        /// The first event after the gap.
        until: EventId,
    },
    /// A replay of a time range was requested; holds the answer to the request.
    Replayed(Replayed),
    /// A lease expired whose call is unknown, because its caller was erased.
    LeaseDone {
        /// When it was due.
        due: Timestamp,
        /// The call.
        call: CallId,
    },
    /// A sender who was on no call got a reply (A71).
    StrangerAnswered {
        /// The reply's kind.
        kind: Kind,
        /// The replies of the last hour, including this one.
        answers: LastHour,
    },
    /// An operator suspended a number or an account, or changed its suspension. `account.paused` for an account.
    Suspended {
        /// What is suspended.
        owner: CapOwner,
        /// Its reason, its end and its author.
        suspension: Suspension,
    },
    /// A suspension ended, at its time or by an operator. `account.resumed` for an account.
    SuspensionEnded {
        /// What was suspended.
        owner: CapOwner,
    },
    /// An operator replayed or discarded a quarantined webhook, which thereby leaves the quarantine.
    QuarantineResolved {
        /// Its frame.
        position: Position,
        /// The account it came to.
        account: String,
        /// What became of its items when it was read again; `None` if it was discarded.
        outcomes: Option<Vec<String>>,
    },
    /// `journal.loss`: frames of the journal were lost, and the operator accepted the loss.
    JournalLost {
        /// The first event that may be missing.
        from: EventId,
        /// The first event after the loss.
        until: EventId,
    },
    /// Someone changed a resource of the directory, or operated the gateway (A72).
    Audited {
        /// Who.
        actor: String,
        /// What they did.
        action: Action,
        /// To what, why, and how it was before and afterwards.
        entry: Private<AuditEntry>,
        /// The resource of the directory that was changed; `None` for other acts, and for many changes at once.
        changed: Option<Resource>,
    },
    /// Messages were counted (R4-R6).
    UsageCounted {
        /// What the counter counts.
        of: UsageOf,
        /// The new counts.
        usage: Usage,
        /// The number of counters of the day with this one, if it is new.
        counters: Option<u32>,
    },
    /// A call ended without its closing message, because there is no text in its language nor in the default one (A25).
    ClosingWithoutText {
        /// The call.
        call: CallId,
    },
    /// A carrier answered about one of our numbers. What the answer changes is in an event of its own.
    NumberChecked {
        /// Our number.
        number: E164,
        /// The account whose carrier was asked.
        account: String,
    },
    /// An administrator's request to verify numbers was answered; holds the answer. A number in it may be a person's.
    NumbersVerified {
        /// The results, in the order asked for.
        results: Private<Vec<VerifiedNumber>>,
    },
    /// The erasure of a person was requested: everything before this frame is erased, and then the number in it.
    ErasureBegun {
        /// The person's number, which is nowhere else once the erasure is done.
        who: Private<E164>,
        /// The new row.
        erasure: Erasure,
    },
    /// An erasure is being worked on, or it ended.
    ErasureChanged {
        /// The new row.
        erasure: Erasure,
    },
    /// A carrier's list of messages is to be read for what never arrived. It also holds the answer to the request.
    ReconciliationBegun {
        /// The account.
        account: String,
        /// What the carrier received since then is looked for.
        since: Timestamp,
    },
    /// A carrier's list of messages was read to its end, and what was missing was taken in.
    ReconciliationEnded {
        /// The account.
        account: String,
    },
    /// A request to erase a person was answered; holds the answer.
    ErasureAnswered {
        /// The erasure.
        id: ErasureId,
        /// When it was requested.
        at: Timestamp,
    },
}
