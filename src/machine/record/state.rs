//! The forms of the machine's state, which rows hold and events carry.

use super::codec::{Invalid, Reader, Stored, Writer};
use super::form::{Named, stored};
use crate::machine::erasure::{Erased, Erasure, ErasureState};
use crate::machine::fingerprint::{ErasureKey, Fingerprint};
use crate::machine::private::Private;
use crate::machine::rows::Table;
use crate::machine::state::{
    Answered, Attempt, Audited, Call, CallRow, CapOwner, CheckedNumber, Contact, Ended, Gateway, IncompleteText,
    KeptMedium, KeptReceipt, KeptReceiptId, Lane, Live, Medium, MediumState, Message, Open, OptOut, Pause,
    PendingMedia, QuarantineEntry, Reconciliation, StoredMedium, Suspension, Sweep, Timer, Usage, UsageOf, WaitingPart,
};
use crate::model::{
    Action, Address, AttemptOutcome, Attestation, AuditEntry, CallId, Caller, ClosedReason, Day, Direction, E164,
    Encoding, ErasureId, Failure, FailureCode, Kind, Language, MediaId, MessageId, MessageState, Month, OptOutBy,
    Phase, Position, QueueId, ReceiptState, Session, SmartAction, Timestamp,
};
use crate::rules::keyword::Keyword;
use crate::rules::media::{MediaType, Unkept};
use crate::rules::opt_out::Block;

impl Stored for ErasureKey {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        Stored::read(reader).map(Self)
    }
}

impl Stored for Fingerprint {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        Stored::read(reader).map(Self)
    }
}

stored! {
    enum Table {
        0 => State,
        1 => Messages(day: Day),
        2 => Idempotency(day: Day),
        3 => Contacts(month: Month),
        4 => Audit(month: Month),
        5 => Usage(month: Month),
        6 => Media(day: Day),
        7 => CarrierIds(day: Day),
    }
    enum Action {
        0 => Create,
        1 => Change,
        2 => Delete,
        3 => Seed,
        4 => OptOut,
        5 => OptIn,
        6 => Verify,
        7 => Suspend,
        8 => Resume,
        9 => ReplayEvents,
        10 => ReplayQuarantined,
        11 => DiscardQuarantined,
        12 => Erase,
        13 => SendToLandline,
        14 => TextAlternative,
        15 => Reconcile,
        16 => SignIn,
        17 => RefuseSignIn,
        18 => SignOut,
        19 => ReadTexts,
        20 => MakeSignInLink,
    }
    struct AuditEntry {
        resource: String,
        reason: Option<String>,
        before: Option<String>,
        after: Option<String>,
        address: Option<String>,
    }
    struct Audited {
        at: Timestamp,
        actor: String,
        action: Action,
        entry: Private<AuditEntry>,
    }
    struct Call {
        id: CallId,
        caller: Private<Caller>,
        queue: QueueId,
        language: Language,
        phase: Phase,
        agent: Option<String>,
        call_type: String,
        wait_sms_consent: bool,
        version: Option<i64>,
        alternative: Private<Option<E164>>,
        attestation: Option<Attestation>,
        session: Session,
        closed_reason: Option<ClosedReason>,
        our_number: Option<E164>,
        started_at: Timestamp,
        ended: Option<Ended>,
        lease_until: Timestamp,
        usage: Usage,
        last_sequence: u64,
        last_message: Option<MessageId>,
        queued: Vec<MessageId>,
        #[since(5)] last_event_at: Option<Timestamp>,
    }
    struct Ended {
        at: Timestamp,
        reason: Option<String>,
    }
    enum CallRow {
        0 => Call(call: Box<Call>),
        1 => EndedBeforeStart(ended: Ended),
    }
    struct Usage {
        preset_sent: u32,
        custom_sent: u32,
        smart_action_sent: u32,
        system_sent: u32,
        received: u32,
        media_received: u32,
        segments_sent: u32,
        #[since(5)] delivered: u32,
        #[since(5)] failed: u32,
        #[since(5)] late: u32,
    }
    struct UsageOf {
        day: Day,
        queue: Option<QueueId>,
        agent: Option<String>,
        ours: Option<E164>,
        kind: Kind,
    }
    struct Message {
        id: MessageId,
        call: Option<CallId>,
        direction: Direction,
        kind: Kind,
        state: MessageState,
        account: String,
        ours: E164,
        theirs: Private<Address>,
        agent: Option<String>,
        smart_action: Option<SmartAction>,
        encoding: Encoding,
        segments: u16,
        estimated_wait_ms: u64,
        media: Vec<Medium>,
        created_at: Timestamp,
        expires_at: Timestamp,
        failure: Option<Failure>,
        attempts: Vec<Attempt>,
        not_before: Option<Timestamp>,
        carrier_id: Option<String>,
        reply_blocked: bool,
        keyword: Option<Keyword>,
        previous: Option<MessageId>,
        #[since(5)] counted: Option<Box<UsageOf>>,
        #[since(5)] suspended: bool,
        #[since(5)] client_ref: Option<String>,
        #[since(5)] incomplete: bool,
        #[since(5)] reconciled: bool,
    }
    struct Medium {
        id: MediaId,
        content_type: Option<String>,
        #[since(5)] state: MediumState,
    }
    enum MediumState {
        0 => Pending,
        1 => Ready(stored: StoredMedium),
        2 => Failed { reason: Unkept, found: Option<String> },
    }
    struct StoredMedium {
        media_type: MediaType,
        bytes: u64,
        sha256: [u8; 32],
        day: Day,
    }
    enum Unkept {
        0 => UnsupportedMedia,
        1 => TooLarge,
        2 => TooMany,
        3 => TooLate,
        4 => NotFound,
        5 => ForbiddenAddress,
        6 => CarrierError,
    }
    enum MediaType {
        0 => Jpeg,
        1 => Png,
        2 => Gif,
        3 => Mp4,
        4 => ThreeGpp,
        5 => Quicktime,
    }
    struct PendingMedia {
        account: String,
        theirs: Private<Address>,
    }
    struct KeptMedium {
        message: MessageId,
        theirs: Private<Address>,
    }
    struct Attempt {
        at: Timestamp,
        outcome: AttemptOutcome,
        status: Option<u16>,
    }
    enum AttemptOutcome {
        0 => Open,
        1 => Sent,
        2 => Refused,
        3 => Later,
        4 => NeverWritten,
        5 => Unknown,
        6 => AccountRefused,
    }
    struct Live {
        call: CallId,
        queue: QueueId,
        our_number: Option<E164>,
        session: Session,
    }
    struct Lane {
        empty_at: Timestamp,
        queued_segments: u32,
    }
    enum CapOwner {
        0 => Number(number: E164),
        1 => Account(account: String),
    }
    struct Pause {
        until: Timestamp,
        laters: u32,
    }
    struct Suspension {
        reason: Private<String>,
        until: Option<Timestamp>,
        since: Timestamp,
        by: String,
    }
    struct QuarantineEntry {
        account: String,
        problem: String,
        at: Timestamp,
        #[since(5)] bytes: u32,
    }
    struct Contact {
        last_call: Option<CallId>,
        language: Option<Language>,
        closed_at: Option<Timestamp>,
        replied_at: Vec<Timestamp>,
    }
    struct OptOut {
        block: Block,
        since: Timestamp,
        by: OptOutBy,
        #[since(5)] version: Position,
        #[since(5)] by_person: bool,
    }
    enum OptOutBy {
        0 => Keyword,
        1 => Carrier,
        2 => Administrator,
    }
    struct Open {
        ours: E164,
        theirs: E164,
        kind: Kind,
        segments: u16,
        expires_at: Timestamp,
        not_before: Option<Timestamp>,
        started: bool,
    }
    enum Timer {
        0 => Lease(call: CallId),
        1 => Unknown(message: MessageId),
        2 => LongText(text: [u8; 16]),
        3 => KeptReceipt(id: KeptReceiptId),
    }
    struct WaitingPart {
        account: String,
        carrier_id: String,
        from: Private<Address>,
        to: Address,
        total: u8,
        content: Private<Vec<u8>>,
        since: Timestamp,
    }
    struct IncompleteText {
        missing: Vec<u8>,
        until: Timestamp,
    }
    struct KeptReceiptId {
        account: String,
        carrier_id: String,
        position: Position,
        index: u16,
    }
    struct KeptReceipt {
        status: String,
        state: ReceiptState,
        carrier_code: Option<String>,
        detail: Option<String>,
        segments: Option<u16>,
        until: Timestamp,
    }
    enum ReceiptState {
        0 => Queued,
        1 => Sent,
        2 => Delivered,
        3 => Undelivered(code: FailureCode),
        4 => Failed(code: FailureCode),
        5 => Expired,
    }
    struct CheckedNumber {
        account: String,
        at: Timestamp,
    }
    struct Answered {
        body: [u8; 16],
        position: Position,
        at: Timestamp,
    }
    struct Sweep {
        day: Day,
        after: Option<CallId>,
    }
    struct Gateway {
        started_at: Timestamp,
    }
    struct Reconciliation {
        since: Timestamp,
        at: Timestamp,
    }
    struct Erasure {
        id: ErasureId,
        at: Timestamp,
        state: ErasureState,
        who: Option<Fingerprint>,
        erased: Erased,
    }
    enum ErasureState {
        0 => Running,
        1 => Done,
        2 => Failed,
    }
    struct Erased {
        records: u64,
        bodies: u64,
        named_elsewhere: u64,
    }
}
