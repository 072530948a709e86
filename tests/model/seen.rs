//! The visible state by which model and machine are compared.

use crate::story::Name;
use offhook::model::{ClosedReason, FailureCode, Kind, MessageState, Session};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// The reply to a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Done,
    /// The call's current state; `refusal` is what a send would get.
    Call {
        created: bool,
        ended: bool,
        refusal: Option<Name>,
        custom_allowed: bool,
    },
    EndedBeforeStart,
    /// The message's state.
    Message(MessageState),
    /// The code, and the conflicting call.
    Refused(Name, Option<Name>),
    /// The outcome of a carrier's item.
    InboundItem(Name),
    Started,
    NotStarted,
}

/// All visible state of a gateway.
#[derive(PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub(crate) calls: BTreeMap<Name, CallSeen>,
    /// The live call that each pair of our number and theirs is bound to.
    pub(crate) pairs: BTreeMap<(Name, Name), Name>,
    pub(crate) opt_outs: BTreeMap<Name, Block>,
    /// Outbound texts, in the order they were queued.
    pub(crate) texts: Vec<TextSeen>,
    /// Inbound texts that were not dropped, as reported to the platform.
    pub(crate) inbound: Vec<InboundSeen>,
    /// Each attempt: our number, theirs, and the kind.
    pub(crate) attempts: Vec<(Name, Name, Kind)>,
}

/// A call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CallSeen {
    /// Why it ended.
    pub(crate) ended: Option<String>,
    pub(crate) queue: Name,
    pub(crate) language: Name,
    pub(crate) session: Session,
    pub(crate) closed_reason: Option<ClosedReason>,
    pub(crate) our_number: Option<Name>,
    /// The number of the agent's queued texts.
    pub(crate) waiting: usize,
    /// What a send would be refused with now.
    pub(crate) refusal: Option<Name>,
    pub(crate) used: Used,
}

/// A call's usage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Used {
    pub(crate) preset: u32,
    pub(crate) custom: u32,
    pub(crate) smart_action: u32,
    pub(crate) system: u32,
    pub(crate) segments: u32,
    pub(crate) received: u32,
    pub(crate) media: u32,
}

/// Our numbers that a person has opted out of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Block {
    pub(crate) everywhere: bool,
    pub(crate) numbers: BTreeSet<Name>,
}

/// An outbound text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TextSeen {
    pub(crate) kind: Kind,
    pub(crate) state: MessageState,
    pub(crate) failure: Option<FailureCode>,
    pub(crate) from: Name,
    pub(crate) to: Name,
    pub(crate) call: Option<Name>,
    pub(crate) words: String,
    pub(crate) attempts: usize,
}

/// An inbound text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum InboundSeen {
    InCall { from: Name, to: Name, call: Name, keyword: Option<Keyword>, reply_blocked: bool },
    Late { from: Name, to: Name, replied: bool, last_call: Option<Name> },
}

/// The keyword of an inbound text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keyword {
    Stop,
    Start,
    Help,
}

impl Seen {
    /// The differences, one paragraph each; empty if there are none.
    pub(crate) fn differences(machine: &Self, model: &Self) -> String {
        let mut found = String::new();
        let names: BTreeSet<_> = machine.calls.keys().chain(model.calls.keys()).collect();
        for name in names {
            let (machine, model) = (machine.calls.get(name), model.calls.get(name));
            if let (Some(machine), Some(model)) = (machine, model) {
                differ_in_call(name, machine, model, &mut found);
            } else {
                differ(&format!("call {name}"), &machine, &model, &mut found);
            }
        }
        differ("pairs (ours, theirs) and their calls", &machine.pairs, &model.pairs, &mut found);
        differ("opt-outs", &machine.opt_outs, &model.opt_outs, &mut found);
        differ_in_list("outbound text", &machine.texts, &model.texts, &mut found);
        differ_in_list("inbound text", &machine.inbound, &model.inbound, &mut found);
        differ_in_list("attempt (from, to, kind)", &machine.attempts, &model.attempts, &mut found);
        found
    }
}

fn differ_in_call(name: Name, machine: &CallSeen, model: &CallSeen, found: &mut String) {
    let mut part = |of: &str, machine: &dyn Debug, model: &dyn Debug| {
        let (machine, model) = (format!("{machine:?}"), format!("{model:?}"));
        if machine != model {
            found.push_str(&format!("call {name}, {of}:\n  machine {machine}\n  model   {model}\n"));
        }
    };
    part("ended", &machine.ended, &model.ended);
    part("queue", &machine.queue, &model.queue);
    part("language", &machine.language, &model.language);
    part("session", &machine.session, &model.session);
    part("closed_reason", &machine.closed_reason, &model.closed_reason);
    part("our_number", &machine.our_number, &model.our_number);
    part("queued texts", &machine.waiting, &model.waiting);
    part("refusal of a send", &machine.refusal, &model.refusal);
    part("usage", &machine.used, &model.used);
}

fn differ_in_list<T: PartialEq + Debug>(what: &str, machine: &[T], model: &[T], found: &mut String) {
    for nth in 0..machine.len().max(model.len()) {
        differ(&format!("{what} {}", nth + 1), &machine.get(nth), &model.get(nth), found);
    }
}

/// Adds a paragraph if the two differ.
pub(crate) fn differ<T: PartialEq + Debug + ?Sized>(what: &str, machine: &T, model: &T, found: &mut String) {
    if machine != model {
        found.push_str(&format!("{what}:\n  machine {machine:?}\n  model   {model:?}\n"));
    }
}
