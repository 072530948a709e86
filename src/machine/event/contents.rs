//! Frames of events, and what several events, requests or responses carry together.

use super::Event;
use crate::machine::private::Private;
use crate::machine::state::Call;
use crate::model::{Address, CallId, E164, EventId, Position, Session, Timestamp, VerificationCode, VerificationState};
use crate::rules::refusal::Code;

/// An event, with its sequence number among the platform-visible events of its call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberedEvent {
    /// Counts from 1 without gaps within a call; `None` if the platform gets no event, or one that belongs to no call.
    pub call_sequence: Option<u64>,
    /// The event.
    pub event: Event,
}

/// A decoded frame of the journal: one command's events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommittedFrame {
    /// Its position in the journal.
    pub position: Position,
    /// When it was decided.
    pub at: Timestamp,
    /// Its events, in order.
    pub events: Vec<NumberedEvent>,
}

/// A call's new state, and the old keys of its rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallChange {
    /// The call.
    pub shown: CallShown,
    /// The old time of its lease's timer, if the timer moved or was removed.
    pub lease_was: Option<Timestamp>,
    /// Whether a field that correlation needs changed: its number, queue, session or end.
    pub live: bool,
    /// The number that was texted before, if it changed.
    pub party_was: Option<Private<E164>>,
    /// The session before, if it changed.
    pub session_was: Option<Session>,
}

/// A call, with what the agent may do in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallShown {
    /// The call.
    pub call: Call,
    /// The refusal code that a send would get now; `None` if it would be accepted.
    pub refusal: Option<Code>,
    /// Whether agents may send their own texts.
    pub custom_allowed: bool,
}

/// A replay of events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// The endpoints that get it.
    pub endpoints: Vec<String>,
    /// The first and the last event; `None` if the time range has no events.
    pub ends: Option<(EventId, EventId)>,
}

/// A received message that belongs to no call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LateMessage {
    /// The sender.
    pub from: Private<Address>,
    /// Our number.
    pub to: Private<Address>,
    /// The text, if the setting `late_text` is on.
    pub text: Option<Private<String>>,
    /// Whether the sender gets the auto-reply.
    pub auto_replied: bool,
    /// The sender's last call with this number.
    pub last_call: Option<CallId>,
    /// Its webhook never came: it was found in the carrier's list of messages.
    pub reconciled: bool,
}

/// The result of verifying a number for an administrator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedNumber {
    /// The number.
    pub number: E164,
    /// Its state; failed if it is not one of our numbers.
    pub state: VerificationState,
    /// Why it failed or was not checked, for programs and translations.
    pub code: Option<VerificationCode>,
    /// The same as a sentence, and what to do.
    pub reason: Option<String>,
}
