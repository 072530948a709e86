//! The rules in their simplest form: people and numbers are names, lists are searched linearly, and nothing is cached.
//!
//! Invariant: this uses nothing of the rules or the machine, only the library's enums for states and kinds.

use crate::seen::{Answer, Block, CallSeen, InboundSeen, Seen, TextSeen, Used};
use crate::story::{Act, CALLERS, Due, Name, Pause, Switch};
use offhook::model::{ClosedReason, FailureCode, Kind, MessageState, Phase, Session};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// How long a call's contact is remembered (A23).
pub(crate) const MEMORY: u64 = 90 * DAY;

/// The switches that are on at the start of a story.
pub(crate) const ON_AT_FIRST: [Switch; 11] = [
    Switch::InCallSms,
    Switch::Support,
    Switch::Sales,
    Switch::SupportIsVerified,
    Switch::SharedIsVerified,
    Switch::SupportGetsPictures,
    Switch::CustomMessages,
    Switch::ConfirmStop,
    Switch::AutoReply,
    Switch::ReplyToStrangers,
    Switch::Closing,
];

/// The model of a gateway.
pub(crate) struct Model {
    /// Seconds since the story began.
    pub(crate) now: u64,
    pub(crate) on: BTreeSet<Switch>,
    pub(crate) calls: BTreeMap<Name, Call>,
    /// Calls whose end arrived before their start, and when.
    pub(crate) ended_before_start: BTreeMap<Name, u64>,
    /// Outbound texts, in the order they were queued.
    pub(crate) texts: Vec<Text>,
    pub(crate) inbound: Vec<InboundSeen>,
    pub(crate) attempts: Vec<(Name, Name, Kind)>,
    /// Ids of the carriers' items received so far.
    pub(crate) items: BTreeSet<String>,
    pub(crate) blocks: BTreeMap<Name, Block>,
    /// Known landlines, and until when.
    pub(crate) landlines: BTreeMap<Name, u64>,
    /// The last ended session of each pair of our number and theirs.
    pub(crate) past_sessions: BTreeMap<(Name, Name), PastSession>,
    /// Times of auto-replies, for each pair.
    pub(crate) replies: BTreeMap<(Name, Name), Vec<u64>>,
    /// Answers to strangers: kind and time.
    pub(crate) strangers: Vec<(Kind, u64)>,
}

/// A call.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) caller: Option<Name>,
    pub(crate) alternative: Option<Name>,
    pub(crate) queue: Name,
    pub(crate) language: Name,
    pub(crate) phase: Phase,
    pub(crate) consent: bool,
    pub(crate) agent: bool,
    pub(crate) version: Option<i64>,
    pub(crate) lease: u64,
    pub(crate) ended: Option<&'static str>,
    /// Whether a text was received or attempted since the session was last closed (A20).
    pub(crate) opened: bool,
    pub(crate) closed: Option<ClosedReason>,
    pub(crate) our_number: Option<Name>,
    pub(crate) used: Used,
}

impl Call {
    /// The person texted.
    pub(crate) fn party(&self) -> Option<Name> {
        self.alternative.or(self.caller)
    }
}

/// An outbound text.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) kind: Kind,
    pub(crate) state: MessageState,
    pub(crate) failure: Option<FailureCode>,
    pub(crate) from: Name,
    pub(crate) to: Name,
    pub(crate) call: Option<Name>,
    pub(crate) words: String,
    pub(crate) expires: u64,
    pub(crate) attempts: usize,
    pub(crate) tried_at: u64,
    /// Whether the latest attempt has an outcome.
    pub(crate) settled: bool,
    /// When the attempt's outcome became unknown.
    pub(crate) unknown_since: Option<u64>,
}

impl Text {
    /// Whether an agent wrote it.
    pub(crate) fn is_agents(&self) -> bool {
        matches!(self.kind, Kind::Preset | Kind::Custom | Kind::SmartAction)
    }
}

/// A session that is over.
#[derive(Clone)]
pub(crate) struct PastSession {
    pub(crate) call: Name,
    pub(crate) language: Name,
    pub(crate) at: u64,
    /// Until when it is remembered.
    pub(crate) until: u64,
}

/// The queue an inbound number belongs to.
pub(crate) fn owner(ours: Name) -> Option<Name> {
    (ours != "shared").then_some(ours)
}

/// The language of a queue.
pub(crate) fn language_of(queue: Name) -> Name {
    if queue == "sales" { "it" } else { "en" }
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            on: BTreeSet::from(ON_AT_FIRST),
            calls: BTreeMap::new(),
            ended_before_start: BTreeMap::new(),
            texts: Vec::new(),
            inbound: Vec::new(),
            attempts: Vec::new(),
            items: BTreeSet::new(),
            blocks: BTreeMap::new(),
            landlines: BTreeMap::new(),
            past_sessions: BTreeMap::new(),
            replies: BTreeMap::new(),
            strangers: Vec::new(),
        }
    }

    /// Lets time pass as the story says; no rule depends on it.
    pub(crate) fn wait(&mut self, pause: Pause) {
        self.now += match pause {
            Pause::Secs(secs) => secs,
            Pause::Until(due, early) => {
                let next = self.due(due).into_iter().filter(|at| *at > self.now).min().unwrap_or(self.now);
                (next - self.now).saturating_sub(u64::from(early))
            }
        };
    }

    fn due(&self, due: Due) -> Vec<u64> {
        let replies = |time: u64| self.replies.values().flatten().map(|at| at + time).collect();
        match due {
            Due::Expiry => self.texts.iter().map(|text| text.expires).collect(),
            Due::Unconfirmed => {
                let unknown = self.texts.iter().filter_map(|text| text.unknown_since).map(|since| since + 10 * MINUTE);
                unknown.chain(self.texts.iter().map(|text| text.tried_at + 3 * DAY)).collect()
            }
            Due::Lease => self.calls.values().map(|call| call.lease).collect(),
            Due::Quiet => replies(15 * MINUTE),
            Due::Day => replies(DAY),
            Due::Landline => self.landlines.values().copied().collect(),
            Due::PastSession => self.past_sessions.values().map(|session| session.until).collect(),
            Due::End => self.ended_before_start.values().map(|at| at + DAY).collect(),
        }
    }

    /// Performs an act; `nth` is its outbound text, if it has one.
    pub(crate) fn act(&mut self, act: &Act, nth: usize) -> Answer {
        match act {
            Act::Put(put) => self.put(put),
            Act::End(call) => self.end(call),
            Act::Send(send) => self.send(send),
            Act::Text(text) => self.receive(text),
            Act::Go(_) => self.go(nth),
            Act::Settle(_, response) => self.settle(nth, *response),
            Act::Receipt(_, status) => self.receipt(nth, *status),
            Act::Cancel(_) => self.cancel(nth),
            Act::Expire(_) => self.expire(nth),
            Act::Tick => self.tick(),
            Act::Restart => Answer::Done,
            Act::Flip(switch) => {
                if !self.on.remove(switch) {
                    self.on.insert(*switch);
                }
                Answer::Done
            }
            Act::OptOut(who) => {
                let mut block = self.blocks.get(who).cloned().unwrap_or_default();
                block.everywhere = true;
                if self.blocks.get(who) != Some(&block) {
                    self.block(who, block);
                }
                Answer::Done
            }
            Act::OptIn(who) => {
                if self.blocks.remove(who).is_none() {
                    return Answer::Refused("not_found", None);
                }
                self.reopen(who);
                Answer::Done
            }
        }
    }

    pub(crate) fn on(&self, switch: Switch) -> bool {
        self.on.contains(&switch)
    }

    /// Whether the feature is on for a queue (R14, R62).
    pub(crate) fn queue_on(&self, queue: Name) -> bool {
        self.on(if queue == "support" { Switch::Support } else { Switch::Sales })
    }

    /// Whether a number may start new sessions (A37).
    pub(crate) fn verified(&self, ours: Name) -> bool {
        match ours {
            "support" => self.on(Switch::SupportIsVerified),
            "shared" => self.on(Switch::SharedIsVerified),
            _ => true,
        }
    }

    /// The numbers a queue sends from, its default first.
    pub(crate) fn numbers_of(&self, queue: Name) -> Vec<Name> {
        let numbers = if self.on(Switch::SharedIsDefault) { ["shared", queue] } else { [queue, "shared"] };
        numbers.into_iter().filter(|ours| self.verified(ours)).collect()
    }

    /// Whether texts to a non-US person are switched off (R36, R37).
    pub(crate) fn non_us_blocked(&self, who: Name, phase: Phase) -> bool {
        let switch = match phase {
            Phase::Waiting => Switch::NonUsWaiting,
            Phase::Connected => Switch::NonUsInCall,
        };
        who == "roma" && !self.on(switch)
    }

    /// Whether a person has opted out of one of our numbers.
    pub(crate) fn blocked(&self, who: Name, ours: Name) -> bool {
        self.blocks.get(who).is_some_and(|block| block.everywhere || block.numbers.contains(ours))
    }

    /// A person's live calls.
    pub(crate) fn calls_of(&self, who: Name) -> Vec<Name> {
        let live = |(_, call): &(&Name, &Call)| call.ended.is_none() && call.party() == Some(who);
        self.calls.iter().filter(live).map(|(name, _)| *name).collect()
    }

    /// The live call that a pair of our number and theirs is bound to (A1).
    pub(crate) fn bound_to(&self, ours: Name, who: Name) -> Option<Name> {
        self.calls_of(who).into_iter().find(|call| self.calls[call].our_number == Some(ours))
    }

    /// The last ended session of a pair, while it is remembered.
    pub(crate) fn past_session(&self, ours: Name, who: Name) -> Option<&PastSession> {
        self.past_sessions.get(&(ours, who)).filter(|session| self.now <= session.until)
    }

    /// All visible state.
    pub(crate) fn seen(&self) -> Seen {
        let bound = |who| move |name: Name| self.calls[name].our_number.map(|ours| ((ours, who), name));
        Seen {
            calls: self.calls.keys().map(|name| (*name, self.call_seen(name))).collect(),
            pairs: CALLERS.into_iter().flat_map(|who| self.calls_of(who).into_iter().filter_map(bound(who))).collect(),
            opt_outs: self.blocks.clone(),
            texts: self.texts.iter().map(text_seen).collect(),
            inbound: self.inbound.clone(),
            attempts: self.attempts.clone(),
        }
    }

    fn call_seen(&self, name: Name) -> CallSeen {
        let call = self.calls[name].clone();
        let waits = |text: &&Text| text.call == Some(name) && text.is_agents() && text.state == MessageState::Queued;
        CallSeen {
            ended: call.ended.map(str::to_owned),
            queue: call.queue,
            language: call.language,
            session: if call.closed.is_some() {
                Session::Closed
            } else if call.opened {
                Session::Open
            } else {
                Session::None
            },
            closed_reason: call.closed,
            our_number: call.our_number,
            waiting: self.texts.iter().filter(waits).count(),
            refusal: self.refusal(name),
            used: call.used,
        }
    }
}

fn text_seen(text: &Text) -> TextSeen {
    let Text { kind, state, failure, from, to, call, words, attempts, .. } = text.clone();
    TextSeen { kind, state, failure, from, to, call, words, attempts }
}
