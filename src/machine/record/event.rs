//! The forms of events.

use super::codec::{Invalid, Reader, Stored, Writer};
use super::form::{Named, stored};
use super::v1;
use crate::machine::erasure::Erasure;
use crate::machine::event::{CallChange, CallShown, Event, LateMessage, NumberedEvent, Replayed, VerifiedNumber};
use crate::machine::fingerprint::{ErasureKey, Fingerprint};
use crate::machine::private::Private;
use crate::machine::rows::Table;
use crate::machine::state::{
    Call, CapOwner, Contact, Ended, IncompleteText, KeptReceipt, KeptReceiptId, Lane, Message, OptOut, Pause,
    Suspension, Sweep, Usage, UsageOf, WaitingPart,
};
use crate::model::{
    Action, Address, AuditEntry, CallId, Change, ClaimKind, E164, ErasureId, EventId, Json, Kind, MediaId, MessageId,
    Number, Position, RawRequest, Resource, Session, Timestamp, VerificationCode, VerificationState,
};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::opt_out::Block;
use crate::rules::rate::DayCount;
use crate::rules::refusal::Code;
use crate::rules::strangers::LastHour;

stored! {
    struct NumberedEvent {
        call_sequence: Option<u64>,
        event: Event,
    }
    // Versions 2 to 4 added variants. Version 5 gave 32 and 33 the cause, which 43 and 44 were for.
    enum Event {
        0 => GatewayStarted,
        1 => DirectoryLoaded { directory: Box<v1::Directory>, opt_outs: Vec<Private<E164>> },
        2 => Claimed { account: String, carrier_id: String, kind: ClaimKind },
        3 => Answered { key: [u8; 16], body: [u8; 16], call: Option<Box<CallShown>> },
        4 => CallStarted(change: Box<CallChange>),
        5 => CallUpdated(change: Box<CallChange>),
        6 => CallEnded(change: Box<CallChange>),
        7 => CallStored(change: Box<CallChange>),
        8 => EndRecorded { call: CallId, ended: Ended },
        9 => MessageReceived { message: Box<Message>, text: Private<String>, media_urls: Vec<Private<String>> },
        10 => MessageLate(late: Box<LateMessage>),
        11 => MessageQueued { message: Box<Message>, text: Private<String>, lane: Lane },
        12 => SendStarted { message: Box<Message>, lane: Lane },
        13 => SendPostponed { message: Box<Message>, lane: Lane },
        14 => SendUnknown { message: Box<Message>, until: Timestamp },
        15 => MessageChanged { message: Box<Message>, lane: Option<Lane> },
        16 => MessageStored { message: Box<Message> },
        17 => ContactStored { ours: E164, theirs: Private<E164>, contact: Contact },
        18 => LandlineFound { number: Private<E164>, until: Timestamp },
        19 => Quarantined {
            account: String, problem: String, raw: Private<Vec<u8>>,
            #[since(5)] bytes: u32, #[since(5)] request: Option<Private<RawRequest>>,
        },
        20 => FeedAdvanced { endpoint: String, watermark: Position },
        21 => TimerDone { due: Timestamp, message: MessageId },
        22 => DirectoryChanged { changes: Vec<Change> },
        23 => VerificationChanged { number: E164, entry: Json<Number> },
        24 => OptOutsLoaded { opt_outs: Vec<(Private<E164>, Block)> },
        25 => OptedOut { contact: Private<E164>, ours: Option<E164>, call: Option<CallId>, opt_out: OptOut },
        26 => OptedIn { contact: Private<E164>, ours: Option<E164>, call: Option<CallId>, opt_out: Option<OptOut> },
        27 => Forgotten { tables: Vec<Table> },
        28 => LaneStored { ours: E164, lane: Lane },
        29 => AccountLaneStored { account: String, lane: Lane },
        30 => DayCounted { owner: CapOwner, count: DayCount },
        31 => LanePaused { ours: E164, pause: Option<Pause> },
        32 => AccountFailed { account: String, breaker: Option<BreakerState>, #[since(5)] cause: Option<Cause> },
        33 => AccountPaused { account: String, breaker: BreakerState, #[since(5)] cause: Option<Cause> },
        34 => AccountResumed { account: String, #[since(5)] cause: Option<Cause> },
        35 => FeedParked { endpoint: String, thread: String, position: Option<Position> },
        36 => PersonErased { key: Private<ErasureKey> },
        37 => ErasedOptOut { who: Fingerprint, opt_out: Option<OptOut> },
        38 => Swept { calls: Vec<CallId>, quarantined: Vec<Position>, reached: Sweep, #[since(5)] times: Vec<Timestamp> },
        39 => FeedGap { endpoint: String, from: EventId, until: EventId },
        40 => Replayed(replayed: Replayed),
        41 => LeaseDone { due: Timestamp, call: CallId },
        42 => StrangerAnswered { kind: Kind, answers: LastHour },
        45 => JournalLost { from: EventId, until: EventId },
        46 => Audited { actor: String, action: Action, entry: Private<AuditEntry>, changed: Option<Resource> },
        47 => NumberChecked { number: E164, account: String },
        48 => NumbersVerified { results: Private<Vec<VerifiedNumber>> },
        50 => UsageCounted { of: UsageOf, usage: Usage, counters: Option<u32> },
        51 => ClosingWithoutText { call: CallId },
        53 => ErasureBegun { who: Private<E164>, erasure: Erasure },
        54 => ErasureChanged { erasure: Erasure },
        55 => ErasureAnswered { id: ErasureId, at: Timestamp },
        56 => Suspended { owner: CapOwner, suspension: Suspension },
        57 => SuspensionEnded { owner: CapOwner },
        58 => QuarantineResolved { position: Position, account: String, outcomes: Option<Vec<String>> },
        59 => MediumSettled { message: Box<Message>, medium: MediaId },
        60 => PartReceived { text: [u8; 16], number: u8, part: Box<WaitingPart>, until: Timestamp, waiting: u32 },
        61 => PartsTaken {
            account: String, text: [u8; 16], numbers: Vec<u8>, due: Timestamp, waiting: u32,
            incomplete: Option<IncompleteText>,
        },
        62 => ReceiptKept { account: String, carrier_id: String, receipt: KeptReceipt, kept: u32 },
        63 => ReceiptTaken { id: KeptReceiptId, due: Timestamp, kept: u32 },
        64 => ReconciliationBegun { account: String, since: Timestamp },
        65 => ReconciliationEnded { account: String };
        43 was { account: String, breaker: BreakerState, cause: Cause }
            => Self::AccountFailed { account, breaker: Some(breaker), cause: Some(cause) },
        44 was { account: String, breaker: BreakerState, cause: Cause }
            => Self::AccountPaused { account, breaker, cause: Some(cause) },
    }
    struct VerifiedNumber {
        number: E164,
        state: VerificationState,
        reason: Option<String>,
        #[since(5)] code: Option<VerificationCode>,
    }
    struct CallChange {
        shown: CallShown,
        lease_was: Option<Timestamp>,
        live: bool,
        party_was: Option<Private<E164>>,
        #[since(5)] session_was: Option<Session>,
    }
    struct CallShown {
        call: Call,
        refusal: Option<Code>,
        custom_allowed: bool,
    }
    struct Replayed {
        endpoints: Vec<String>,
        ends: Option<(EventId, EventId)>,
    }
    struct LateMessage {
        from: Private<Address>,
        to: Private<Address>,
        text: Option<Private<String>>,
        auto_replied: bool,
        last_call: Option<CallId>,
        #[since(5)] reconciled: bool,
    }
}
