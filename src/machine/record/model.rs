//! The forms of the model's types and of types of rules.

use super::codec::{Invalid, Reader, Stored, Writer};
use super::form::{Named, stored};
use crate::model::{
    Account, Address, Attestation, CallId, Caller, Change, ClaimKind, ClosedReason, Closing, Day, Direction, E164,
    Encoding, ErasureId, EventId, Failure, FailureCode, Json, Kind, Language, Limits, LocalDay, MediaId, MessageId,
    MessageState, Month, NonUs, NonUsRule, Number, OptOutScope, OptOutWords, Phase, Position, Preset, PresetId,
    Purpose, Queue, QueueId, RawRequest, Resource, Session, Settings, SmartAction, Timestamp, UnknownSender,
    Verification, VerificationCode, VerificationState,
};
use crate::rules::breaker::{BreakerState, Cause, Paused, Reason};
use crate::rules::keyword::Keyword;
use crate::rules::opt_out::Block;
use crate::rules::rate::DayCount;
use crate::rules::refusal::Code;
use crate::rules::strangers::{Answers, LastHour};
use std::collections::BTreeMap;

/// Types that are stored as one plain value.
macro_rules! plain {
    ($($name:ident as $type:ty: $get:expr, $make:expr;)*) => {
        $(impl Stored for $name {
            fn write(&self, writer: &mut Writer) {
                let get: fn(&Self) -> $type = $get;
                get(self).write(writer);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
                let make: fn($type) -> Option<Self> = $make;
                make(<$type as Stored>::read(reader)?).ok_or(Invalid::Value(stringify!($name)))
            }
        })*
    };
}

plain! {
    Timestamp as u64: |at| at.as_ms(), |ms| Some(Self::from_ms(ms));
    Position as u64: |position| position.0, |number| Some(Self(number));
    Day as u16: |day| day.0, |number| Some(Self(number));
    Month as u16: |month| month.0, |number| Some(Self(number));
    LocalDay as i32: |day| day.0, |number| Some(Self(number));
    E164 as u64: |number| number.as_u64(), Self::from_u64;
}

/// Ids, which are stored by their parts.
macro_rules! ids {
    ($($name:ident)*) => {
        $(impl Stored for $name {
            fn write(&self, writer: &mut Writer) {
                (self.day(), self.position(), self.index()).write(writer);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
                let (day, position, index) = Stored::read(reader)?;
                Ok(Self::new(day, position, index))
            }
        })*
    };
}

ids!(MessageId EventId MediaId ErasureId);

/// Names, which are stored as texts.
macro_rules! names {
    ($($name:ident: $read:expr;)*) => {
        $(impl Stored for $name {
            fn write(&self, writer: &mut Writer) {
                writer.text(self.as_str());
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
                let read: fn(&str) -> Option<Self> = $read;
                read(reader.text()?).ok_or(Invalid::Value(stringify!($name)))
            }
        })*
    };
}

names! {
    CallId: Self::read;
    QueueId: |text| Self::try_from(text.to_owned()).ok();
    PresetId: |text| Self::try_from(text.to_owned()).ok();
    Language: |text| Self::try_from(text.to_owned()).ok();
}

impl Stored for LastHour {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        Vec::read(reader).map(Self)
    }
}

stored! {
    enum Address {
        0 => Number(number: E164),
        1 => ShortCode(text: String),
        2 => Name(text: String),
    }
    enum Direction {
        0 => Inbound,
        1 => Outbound,
    }
    enum Kind {
        0 => Preset,
        1 => Custom,
        2 => SmartAction,
        3 => Closing,
        4 => AutoReply,
        5 => OptOutConfirmation,
        6 => Inbound,
        7 => HelpReply,
    }
    enum SmartAction {
        0 => Photo,
        1 => Video,
        2 => Screenshot,
        3 => TextInput,
        4 => Verification,
    }
    enum MessageState {
        0 => Received,
        1 => Queued,
        2 => Sending,
        3 => Sent,
        4 => Delivered,
        5 => Undelivered,
        6 => Failed,
        7 => Cancelled,
        8 => Expired,
        9 => Unconfirmed,
    }
    enum FailureCode {
        0 => CancelledCallEnded,
        1 => CancelledByRequest,
        2 => OptedOut,
        3 => Landline,
        4 => NumberInvalid,
        5 => Blocked,
        6 => Unreachable,
        7 => CarrierRejected,
        8 => CarrierError,
        9 => TooLate,
    }
    struct Failure {
        code: FailureCode,
        carrier_code: Option<String>,
        detail: String,
        retryable: bool,
    }
    enum Encoding {
        0 => Gsm7,
        1 => Ucs2,
    }
    enum Caller {
        0 => Number(number: E164),
        1 => Withheld,
    }
    enum Phase {
        0 => Waiting,
        1 => Connected,
    }
    enum Attestation {
        0 => A,
        1 => B,
        2 => C,
    }
    enum Session {
        0 => None,
        1 => Open,
        2 => Closed,
    }
    enum ClosedReason {
        0 => CallEnded,
        1 => NoAgent,
        2 => OptedOut,
    }
    enum ClaimKind {
        0 => Message,
        1 => Receipt { status: String },
        2 => Quarantine,
    }
    struct RawRequest {
        method: String,
        path_and_query: String,
        content_type: Option<String>,
        in_query: bool,
    }
    enum Keyword {
        0 => Stop,
        1 => Start,
        2 => Help,
    }
    struct Block {
        everywhere: bool,
        numbers: Vec<E164>,
    }
    struct Answers {
        at: Timestamp,
        count: u32,
    }
    struct DayCount {
        day: LocalDay,
        segments: u32,
    }
    struct BreakerState {
        failed_at: Vec<Timestamp>,
        paused: Option<Paused>,
    }
    struct Paused {
        since: Timestamp,
        until: Timestamp,
        probes: u32,
    }
    enum Reason {
        0 => CarrierFailing,
        1 => CredentialsRefused,
    }
    struct Cause {
        reason: Reason,
        detail: String,
    }
    enum Resource {
        0 => Settings,
        1 => Number(number: E164),
        2 => Queue(id: QueueId),
        3 => Preset(language: Language, id: PresetId),
        4 => Account(name: String),
    }
    enum Change {
        0 => Settings(settings: Json<Box<Settings>>),
        1 => Number(number: E164, entry: Option<Json<Number>>),
        2 => Queue(id: QueueId, queue: Option<Json<Queue>>),
        3 => Preset(language: Language, id: PresetId, preset: Option<Json<Preset>>),
        4 => Account(name: String, account: Option<Json<Account>>),
    }
    struct Number {
        label: String,
        account: String,
        purpose: Purpose,
        global_outbound: bool,
        limits: Limits,
        verification: Verification,
    }
    enum Purpose {
        0 => InCall,
        1 => Chat,
    }
    struct Limits {
        millisegments_per_second: Option<u32>,
        burst: u32,
        segments_per_day: Option<u32>,
        day_zone: String,
    }
    struct Verification {
        state: VerificationState,
        sms: bool,
        mms: bool,
        reason: Option<String>,
        checked_at: Option<Timestamp>,
        #[since(5)] code: Option<VerificationCode>,
    }
    enum VerificationCode {
        0 => NotOnAccount,
        1 => CannotText,
        2 => WebhookElsewhere,
        3 => NotFound,
        4 => CannotCheck,
        5 => NoAnswer,
    }
    enum VerificationState {
        0 => Unverified,
        1 => Verified,
        2 => Failed,
    }
    struct Queue {
        name: String,
        parent: Option<QueueId>,
        in_call_sms: Option<bool>,
        inbound_numbers: Vec<E164>,
        outbound_numbers: Vec<E164>,
        default_outbound: Option<E164>,
        language: Option<Language>,
    }
    struct Preset {
        label: String,
        text: String,
        #[since(5)] position: Option<u32>,
    }
    struct Account {
        limits: Limits,
    }
    struct NonUs {
        in_call: bool,
        wait_time: bool,
        rule: NonUsRule,
    }
    enum NonUsRule {
        0 => PlusOne,
        1 => StrictUs,
    }
    struct Closing {
        enabled: bool,
        texts: BTreeMap<Language, String>,
    }
    enum UnknownSender {
        0 => Reply,
        1 => Silent,
    }
    enum OptOutScope {
        0 => AllNumbers,
        1 => Number,
    }
    struct OptOutWords {
        confirm: bool,
        texts: BTreeMap<Language, String>,
        help_texts: BTreeMap<Language, String>,
        first_word: bool,
    }
    enum Code {
        0 => MalformedJson,
        1 => UnknownField,
        2 => InvalidField,
        3 => Unauthorized,
        4 => ScopeMissing,
        5 => InCallSmsOff,
        6 => QueueDisabled,
        7 => NonUsBlocked,
        8 => CustomMessagesOff,
        9 => PresetsOnly,
        10 => OptedOut,
        11 => WaitConsentMissing,
        12 => CallTypeOff,
        13 => AttestationTooLow,
        14 => NotFound,
        15 => CallNotFound,
        16 => PresetNotFound,
        17 => QueueNotFound,
        18 => MethodNotAllowed,
        19 => CallEnded,
        20 => SessionClosed,
        21 => NumberPairBusy,
        22 => CallerDiffers,
        23 => NotQueued,
        24 => IdempotencyInProgress,
        25 => StillTexting,
        26 => NumberInUse,
        27 => PresetInUse,
        28 => QueueInUse,
        29 => NumberNotVerified,
        30 => InboundNumberTaken,
        31 => NumberIsChat,
        32 => NumberIsGlobalOutbound,
        33 => OutboundOnly,
        34 => EventsExpired,
        35 => PreconditionFailed,
        36 => BodyTooLarge,
        37 => UnsupportedMediaType,
        38 => TextEmpty,
        39 => TextTooLong,
        40 => OutboundMediaUnsupported,
        41 => CallerUnreachable,
        42 => Landline,
        43 => NoNumber,
        44 => NumberInvalid,
        45 => CursorInvalid,
        46 => IdempotencyKeyReused,
        47 => RateLimited,
        48 => Internal,
        49 => Overloaded,
        50 => StorageUnavailable,
        51 => Draining,
        52 => OutcomeUnknown,
        53 => SignatureInvalid,
        54 => AccountNotFound,
        55 => NumberNotFound,
        56 => ParentCycle,
        57 => StillUnreadable,
        58 => MediaPending,
        59 => MediaFailed,
        60 => MediaGone,
        61 => MediaNotFound,
        62 => RangeInvalid,
        63 => LinkInvalid,
        64 => NoMessageList,
        65 => WrongHost,
        66 => ForeignOrigin,
        67 => TooManyAttempts,
    }
}
