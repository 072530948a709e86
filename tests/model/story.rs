//! Stories: anything that can happen, with so few names that things collide.

use offhook::model::{FailureCode, Phase, ReceiptState};
use std::fmt;

/// Every name is one of the few below, or a word of the contract.
pub(crate) type Name = &'static str;

/// The callers; `roma` is abroad.
pub(crate) const CALLERS: [Name; 3] = ["ann", "bob", "roma"];

/// A sender that is no telephone number.
pub(crate) const SHORT_CODE: Name = "72975";

/// Our numbers: the inbound number of each queue, named like it, and one that both only send from.
pub(crate) const OURS: [Name; 3] = ["support", "sales", "shared"];

/// The queues.
pub(crate) const QUEUES: [Name; 2] = ["support", "sales"];

/// The calls.
pub(crate) const CALLS: [Name; 5] = ["a", "b", "c", "d", "e"];

/// What happens, in order.
#[derive(Clone, Debug)]
pub(crate) struct Story(pub(crate) Vec<Step>);

/// One thing that happens, some time after the one before.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) after: Pause,
    pub(crate) act: Act,
}

/// How long nothing happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pause {
    Secs(u64),
    /// Until the first such moment, or a second less.
    Until(Due, bool),
}

/// What a rule waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// A text is too old to be sent.
    Expiry,
    /// A text that nobody speaks of is given up.
    NoReplyReason,
    Lease,
    /// Who was replied to may be replied to again.
    Quiet,
    /// A reply does not count any more.
    Day,
    /// A landline is forgotten.
    Landline,
    /// A texting is forgotten.
    Talked,
    /// The end of a call never heard of is forgotten.
    End,
}

/// What can happen.
#[derive(Clone)]
pub(crate) enum Act {
    Put(Put),
    End(Name),
    Send(Send),
    Text(Text),
    Go(Which),
    Settle(Which, Answered),
    Receipt(Which, Said),
    Cancel(Which),
    Expire(Which),
    Tick,
    Restart,
    Flip(Switch),
    OptOut(Name),
    OptIn(Name),
}

/// A call as the platform tells it.
#[derive(Clone)]
pub(crate) struct Put {
    pub(crate) call: Name,
    /// None is withheld.
    pub(crate) caller: Option<Name>,
    pub(crate) alternative: Option<Name>,
    pub(crate) queue: Name,
    pub(crate) language: Option<Name>,
    pub(crate) phase: Phase,
    pub(crate) consent: bool,
    pub(crate) agent: AgentWord,
    pub(crate) version: Option<i64>,
}

/// What the platform says of the agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AgentWord {
    Named,
    LeftOut,
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
    /// A preset, in a language or the call's: `welcome` is there in both, `fee` in English, `none` in neither.
    Preset(Name, Option<Name>),
    /// Their own words: so many letters.
    Own(usize),
}

/// A text comes in.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) from: Name,
    pub(crate) to: Name,
    /// `photo` is a photo without words.
    pub(crate) words: Name,
    /// The keyword the carrier says it is and acts on.
    pub(crate) mark: Option<Name>,
    /// Its carrier's id, where others of the story may have the same.
    pub(crate) id: Option<u8>,
}

/// A text of ours: of those that wait, were handed over, and so on, the latest but so many.
#[derive(Clone, Copy)]
pub(crate) struct Which(pub(crate) Of, pub(crate) usize);

/// Texts of ours by how far they are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Waiting,
    InTheAir,
    Tried,
    All,
}

/// What a carrier answers to a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answered {
    IntakeOutcome,
    Refused(FailureCode),
    /// Not before 40 seconds have passed, which is longer than any wait of our own.
    Later,
    Nothing,
    /// The account is refused, whatever the text.
    AccountRefused,
}

/// What a receipt says, and the carrier's word for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said(pub(crate) ReceiptState, pub(crate) Name);

/// What an administrator switches on and off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Switch {
    InCallSms,
    Support,
    Sales,
    SupportIsVerified,
    SharedIsVerified,
    SupportGetsPictures,
    /// Both queues send from it rather than from their own.
    SharedIsDefault,
    AbroadInCall,
    AbroadWaiting,
    DropFromAbroad,
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
    /// The text of ours it is about.
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
            Self::Go(which) => write!(f, "{which:?} goes to the carrier"),
            Self::Settle(which, Answered::IntakeOutcome) => write!(f, "{which:?} is taken by the carrier"),
            Self::Settle(which, Answered::Refused(code)) => write!(f, "{which:?} is refused by the carrier: {code:?}"),
            Self::Settle(which, Answered::Later) => write!(f, "{which:?} shall come again in 40s"),
            Self::Settle(which, Answered::AccountRefused) => write!(f, "the account is refused with {which:?}"),
            Self::Settle(which, Answered::Nothing) => write!(f, "{which:?} is not answered by the carrier"),
            Self::Receipt(which, Said(state, _)) => write!(f, "{which:?} has a receipt: {state:?}"),
            Self::Cancel(which) => write!(f, "{which:?} is taken back"),
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
    /// What is as usual is left out: connected, an agent, nothing else said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}: {} in {}", self.call, self.caller.unwrap_or("withheld"), self.queue)?;
        if self.phase == Phase::Waiting {
            write!(f, ", waiting{}", if self.consent { " and agreed" } else { "" })?;
        }
        match self.agent {
            AgentWord::Named => {}
            AgentWord::LeftOut => write!(f, ", no word of an agent")?,
            AgentWord::Null => write!(f, ", no agent")?,
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
            Of::Waiting => "waiting text",
            Of::InTheAir => "text in the air",
            Of::Tried => "text that was tried",
            Of::All => "text of ours",
        };
        write!(f, "the latest {of}")?;
        if self.1 > 0 { write!(f, " but {}", self.1) } else { Ok(()) }
    }
}
