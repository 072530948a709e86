//! Floor 0: the domain types. Invariant: a value that exists is valid, and nothing here does I/O.
//!
//! Input is parsed into these types at the edge; code past the edge does not validate again.

mod actor;
mod call;
mod directory;
#[cfg(feature = "test-support")]
pub mod fuzz;
mod id;
mod inbound;
mod label;
mod message;
mod number;
mod outcome;
mod secret;
mod text;
mod time;
mod whole;

pub use actor::{Action, Actor, AuditEntry, PERSON};
pub use call::{
    Agent, Attestation, CALL_TYPE_FORM, CallId, CallType, Caller, ClosedReason, EndReason, Phase, Session, call_type,
};
pub use directory::{
    Account, AutoReply, Change, Closing, Directory, Expected, Holders, InvalidName, Json, Language, Limits, NonUs,
    NonUsRule, Number, OnlyIf, OptOutScope, OptOutWords, Preset, PresetId, Purpose, QUEUE_DEPTH_MAX, Queue, QueueId,
    Resource, Settings, Shared, UnknownSender, Verification, VerificationCode, VerificationState, Versions,
};
pub use id::{ErasureId, EventId, InvalidId, MediaId, MessageId, Position, QuarantineId};
pub use inbound::{
    Claim, ClaimKind, Inbound, InboundItem, InboundMedia, Part, RawRequest, Receipt, ReceiptRef, ReceiptState,
};
pub(crate) use label::labels;
pub use message::{Direction, Failure, FailureCode, Kind, MessageState, SmartAction, Warning};
pub use number::{Address, E164, InvalidNumber};
pub use outcome::{AttemptOutcome, IntakeOutcome, NoReplyReason, OptOutBy, Outcome, Settled};
pub use secret::Secret;
pub use text::{Encoding, Measured, TEXT_MAX_CHARACTERS, decode_with_surrogates, is_blank, is_format, measure};
pub use time::{Day, LocalDay, Month, Timestamp, local_day, zone_exists};
pub use whole::whole;
