//! The rules once more, as plainly as they can be said: names are names, lists are searched from one end to the other,
//! and everything is worked out anew whenever it is asked for.
//!
//! Invariant: no rule and nothing of the machine is used here, only the model's words for states and kinds.

use crate::seen::{Answer, Block, CallSeen, HeardSeen, Seen, TextSeen, Used};
use crate::story::{Act, CALLERS, Due, Name, Pause, Switch};
use offhook::model::{ClosedReason, FailureCode, Kind, MessageState, Phase, Session};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// How long we remember whom a call texted (A23).
pub(crate) const MEMORY: u64 = 90 * DAY;

/// What is on at the beginning of a story.
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

/// A gateway.
pub(crate) struct Model {
    /// Seconds since the story began.
    pub(crate) now: u64,
    pub(crate) on: BTreeSet<Switch>,
    pub(crate) calls: BTreeMap<Name, Call>,
    /// Calls whose end was heard before their start, and when.
    pub(crate) ended_before_start: BTreeMap<Name, u64>,
    /// Texts of ours, in the order they were queued.
    pub(crate) texts: Vec<Text>,
    pub(crate) heard: Vec<HeardSeen>,
    pub(crate) attempts: Vec<(Name, Name, Kind)>,
    /// What carriers told us, by its id.
    pub(crate) items: BTreeSet<String>,
    pub(crate) blocks: BTreeMap<Name, Block>,
    /// Landlines, and until when we believe it.
    pub(crate) landlines: BTreeMap<Name, u64>,
    /// The last texting of each pair of our number and theirs that is over.
    pub(crate) talked: BTreeMap<(Name, Name), Talked>,
    /// When we last replied to who was on no call, for each pair.
    pub(crate) replies: BTreeMap<(Name, Name), Vec<u64>>,
    /// When we answered somebody who was on no call, and what for.
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
    /// A message was received, or one of ours tried, since texts were closed last (A20).
    pub(crate) opened: bool,
    pub(crate) closed: Option<ClosedReason>,
    pub(crate) our_number: Option<Name>,
    pub(crate) used: Used,
}

impl Call {
    /// Who is texted.
    pub(crate) fn party(&self) -> Option<Name> {
        self.alternative.or(self.caller)
    }
}

/// A text of ours.
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
    /// The latest attempt was answered, or will never be.
    pub(crate) settled: bool,
    /// When it turned out that no answer comes.
    pub(crate) unknown_since: Option<u64>,
}

impl Text {
    /// Whether an agent wrote it.
    pub(crate) fn is_agents(&self) -> bool {
        matches!(self.kind, Kind::Preset | Kind::Custom | Kind::SmartAction)
    }
}

/// A texting that is over.
#[derive(Clone)]
pub(crate) struct Talked {
    pub(crate) call: Name,
    pub(crate) language: Name,
    pub(crate) at: u64,
    /// How long it is remembered.
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
            heard: Vec::new(),
            attempts: Vec::new(),
            items: BTreeSet::new(),
            blocks: BTreeMap::new(),
            landlines: BTreeMap::new(),
            talked: BTreeMap::new(),
            replies: BTreeMap::new(),
            strangers: Vec::new(),
        }
    }

    /// Lets time pass. What it passes to is only of the story's making: no rule is asked.
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
            Due::NoReplyReason => {
                let unknown = self.texts.iter().filter_map(|text| text.unknown_since).map(|since| since + 10 * MINUTE);
                unknown.chain(self.texts.iter().map(|text| text.tried_at + 3 * DAY)).collect()
            }
            Due::Lease => self.calls.values().map(|call| call.lease).collect(),
            Due::Quiet => replies(15 * MINUTE),
            Due::Day => replies(DAY),
            Due::Landline => self.landlines.values().copied().collect(),
            Due::Talked => self.talked.values().map(|talked| talked.until).collect(),
            Due::End => self.ended_before_start.values().map(|at| at + DAY).collect(),
        }
    }

    /// What follows from an act; `nth` is the text of ours it is about, where it is about one.
    pub(crate) fn act(&mut self, act: &Act, nth: usize) -> Answer {
        match act {
            Act::Put(put) => self.put(put),
            Act::End(call) => self.end(call),
            Act::Send(send) => self.send(send),
            Act::Text(text) => self.hear(text),
            Act::Go(_) => self.go(nth),
            Act::Settle(_, answered) => self.settle(nth, *answered),
            Act::Receipt(_, said) => self.receipt(nth, *said),
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
                if self.blocks.remove(who).is_some() {
                    self.reopen(who);
                }
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

    /// Whether a number may begin to be texted from (A37).
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

    /// Whether texts to somebody are switched off for being abroad (R36, R37).
    pub(crate) fn abroad_off(&self, who: Name, phase: Phase) -> bool {
        let switch = match phase {
            Phase::Waiting => Switch::AbroadWaiting,
            Phase::Connected => Switch::AbroadInCall,
        };
        who == "roma" && !self.on(switch)
    }

    /// Whether somebody must not be texted from one of our numbers.
    pub(crate) fn blocked(&self, who: Name, ours: Name) -> bool {
        self.blocks.get(who).is_some_and(|block| block.everywhere || block.numbers.contains(ours))
    }

    /// The live calls of somebody.
    pub(crate) fn calls_of(&self, who: Name) -> Vec<Name> {
        let live = |(_, call): &(&Name, &Call)| call.ended.is_none() && call.party() == Some(who);
        self.calls.iter().filter(live).map(|(name, _)| *name).collect()
    }

    /// The live call that a pair of our number and theirs is bound to (A1).
    pub(crate) fn bound_to(&self, ours: Name, who: Name) -> Option<Name> {
        self.calls_of(who).into_iter().find(|call| self.calls[call].our_number == Some(ours))
    }

    /// The last texting of a pair that is over, while it is remembered.
    pub(crate) fn talked(&self, ours: Name, who: Name) -> Option<&Talked> {
        self.talked.get(&(ours, who)).filter(|talked| self.now <= talked.until)
    }

    /// Everything that can be seen.
    pub(crate) fn seen(&self) -> Seen {
        let bound = |who| move |name: Name| self.calls[name].our_number.map(|ours| ((ours, who), name));
        Seen {
            calls: self.calls.keys().map(|name| (*name, self.call_seen(name))).collect(),
            pairs: CALLERS.into_iter().flat_map(|who| self.calls_of(who).into_iter().filter_map(bound(who))).collect(),
            opt_outs: self.blocks.clone(),
            texts: self.texts.iter().map(text_seen).collect(),
            heard: self.heard.clone(),
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
