//! Stories: sequences of any acts, with so few names that collisions are frequent.

use offhook::model::{FailureCode, Phase, ReceiptState};
use std::fmt;

/// One of the few names below, or a code of the contract.
pub(crate) type Name = &'static str;

/// The callers; `roma` is outside the US.
pub(crate) const CALLERS: [Name; 3] = ["ann", "bob", "roma"];

/// A sender that is not a telephone number.
pub(crate) const SHORT_CODE: Name = "72975";

/// Our numbers: the inbound number of each queue, named like the queue, and a shared outbound number.
pub(crate) const OURS: [Name; 3] = ["support", "sales", "shared"];

/// The queues.
pub(crate) const QUEUES: [Name; 2] = ["support", "sales"];

/// The calls.
pub(crate) const CALLS: [Name; 5] = ["a", "b", "c", "d", "e"];

/// Steps, in order.
#[derive(Clone, Debug)]
pub(crate) struct Story(pub(crate) Vec<Step>);

/// An act, some time after the previous one.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) after: Pause,
    pub(crate) act: Act,
}

/// Time before an act.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pause {
    Secs(u64),
    /// Until the first such time, or one second earlier.
    Until(Due, bool),
}

/// A time at which a rule applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// A text expires.
    Expiry,
    /// An unsettled text becomes unconfirmed.
    Unconfirmed,
    Lease,
    /// The quiet time after a reply ends.
    Quiet,
    /// A reply leaves the daily count.
    Day,
    /// A landline is forgotten.
    Landline,
    /// An ended session is forgotten.
    PastSession,
    /// The end of an unknown call is forgotten.
    End,
}

/// An act of a story.
#[derive(Clone)]
pub(crate) enum Act {
    Put(Put),
    End(Name),
    Send(Send),
    Text(Text),
    Go(Which),
    Settle(Which, CarrierResponse),
    Receipt(Which, ReceiptStatus),
    Cancel(Which),
    Expire(Which),
    Tick,
    Restart,
    Flip(Switch),
    OptOut(Name),
    OptIn(Name),
}

/// The platform's update of a call.
#[derive(Clone)]
pub(crate) struct Put {
    pub(crate) call: Name,
    /// `None` is withheld.
    pub(crate) caller: Option<Name>,
    pub(crate) alternative: Option<Name>,
    pub(crate) queue: Name,
    pub(crate) language: Option<Name>,
    pub(crate) phase: Phase,
    pub(crate) consent: bool,
    pub(crate) agent: AgentField,
    pub(crate) version: Option<i64>,
}

/// The agent field of an update.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AgentField {
    Named,
    Omitted,
    Null,
}

/// An agent sends.
#[derive(Clone)]
pub(crate) struct Send {
    pub(crate) call: Name,
    pub(crate) words: Words,
    pub(crate) smart_action: bool,
    pub(crate) force: bool,
}

/// What an agent sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Words {
    /// A preset, in the given language or the call's: `welcome` exists in both, `fee` in English, `none` in neither.
    Preset(Name, Option<Name>),
    /// A custom text with this many letters.
    Own(usize),
}

/// An inbound text.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) from: Name,
    pub(crate) to: Name,
    /// `photo` is a photo without text.
    pub(crate) words: Name,
    /// The keyword that the carrier reports and handles itself.
    pub(crate) mark: Option<Name>,
    /// The carrier's id, if it may repeat in the story.
    pub(crate) id: Option<u8>,
}

/// An outbound text: counted back from the latest in a stage.
#[derive(Clone, Copy)]
pub(crate) struct Which(pub(crate) Stage, pub(crate) usize);

/// The stage of outbound texts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    Waiting,
    InFlight,
    Tried,
    All,
}

/// A carrier's response to a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CarrierResponse {
    Accepted,
    Refused(FailureCode),
    /// Retry after 40 seconds, which is longer than any backoff of ours.
    Later,
    Nothing,
    /// The account is refused, whatever the text.
    AccountRefused,
}

/// A receipt's state and the carrier's status for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiptStatus(pub(crate) ReceiptState, pub(crate) Name);

/// A setting that an administrator turns on or off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Switch {
    InCallSms,
    Support,
    Sales,
    SupportIsVerified,
    SharedIsVerified,
    SupportGetsPictures,
    /// Both queues send from the shared number by default.
    SharedIsDefault,
    NonUsInCall,
    NonUsWaiting,
    DropNonUs,
    CustomMessages,
    PresetsOnly,
    StopIsForOneNumber,
    ConfirmStop,
    AutoReply,
    ReplyToStrangers,
    Closing,
    AttachCrossQueue,
}

impl Act {
    /// The outbound text it is about.
    pub(crate) fn which(&self) -> Option<Which> {
        match self {
            Self::Go(which) | Self::Cancel(which) | Self::Expire(which) => Some(*which),
            Self::Settle(which, _) | Self::Receipt(which, _) => Some(*which),
            _ => None,
        }
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(put) => put.fmt(f),
            Self::End(call) => write!(f, "call {call} ends"),
            Self::Send(send) => send.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Go(which) => write!(f, "{which:?} is sent"),
            Self::Settle(which, CarrierResponse::Accepted) => write!(f, "{which:?} is accepted by the carrier"),
            Self::Settle(which, CarrierResponse::Refused(code)) => {
                write!(f, "{which:?} is refused by the carrier: {code:?}")
            }
            Self::Settle(which, CarrierResponse::Later) => write!(f, "{which:?} is postponed by 40s"),
            Self::Settle(which, CarrierResponse::AccountRefused) => write!(f, "the account is refused with {which:?}"),
            Self::Settle(which, CarrierResponse::Nothing) => write!(f, "{which:?} is not answered by the carrier"),
            Self::Receipt(which, ReceiptStatus(state, _)) => write!(f, "{which:?} has a receipt: {state:?}"),
            Self::Cancel(which) => write!(f, "{which:?} is cancelled"),
            Self::Expire(which) => write!(f, "{which:?} expires if it is too old"),
            Self::Tick => f.write_str("tick"),
            Self::Restart => f.write_str("restart"),
            Self::Flip(switch) => write!(f, "administrator flips {switch:?}"),
            Self::OptOut(who) => write!(f, "administrator opts {who} out"),
            Self::OptIn(who) => write!(f, "administrator opts {who} in"),
        }
    }
}

impl fmt::Debug for Put {
    /// Omits the usual values: connected, an agent, nothing else set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}: {} in {}", self.call, self.caller.unwrap_or("withheld"), self.queue)?;
        if self.phase == Phase::Waiting {
            write!(f, ", waiting{}", if self.consent { " and agreed" } else { "" })?;
        }
        match self.agent {
            AgentField::Named => {}
            AgentField::Omitted => write!(f, ", agent omitted")?,
            AgentField::Null => write!(f, ", no agent")?,
        }
        if let Some(alternative) = self.alternative {
            write!(f, ", text {alternative} instead")?;
        }
        if let Some(language) = self.language {
            write!(f, ", in {language}")?;
        }
        if let Some(version) = self.version {
            write!(f, ", version {version}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Send {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words {
            Words::Preset(id, None) => write!(f, "agent in {} sends preset {id}", self.call)?,
            Words::Preset(id, Some(language)) => write!(f, "agent in {} sends preset {id} in {language}", self.call)?,
            Words::Own(letters) => write!(f, "agent in {} sends {letters} letters", self.call)?,
        }
        let (smart_action, force) = (self.smart_action, self.force);
        write!(f, "{}{}", if smart_action { ", asking for a photo" } else { "" }, if force { ", by force" } else { "" })
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} texts {}: {}", self.from, self.to, self.words)?;
        if let Some(mark) = self.mark {
            write!(f, " (the carrier acts on {mark})")?;
        }
        if let Some(id) = self.id {
            write!(f, " (id {id})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.0 {
            Stage::Waiting => "waiting text",
            Stage::InFlight => "text in flight",
            Stage::Tried => "attempted text",
            Stage::All => "outbound text",
        };
        write!(f, "the latest {of}")?;
        if self.1 > 0 { write!(f, " but {}", self.1) } else { Ok(()) }
    }
}
