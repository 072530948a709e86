//! The platform: its desk asks for calls and texts, its endpoint hears events and checks them as they come.

use super::carrier::CALLERS;
use super::dice::Dice;
use super::directory::{QUEUES, language, name, number, queue_id};
use super::world::breach;
use offhook::machine::command::{Command, Content, IdempotencyKey, PutCall, Reply, Send};
use offhook::machine::show::Told;
use offhook::machine::state::Ended;
use offhook::model::{CallId, Caller, MessageId, Phase, Position};
use offhook::work::feed::Delivered;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// A request, repeated where its answer was lost and a repeat is safe.
pub(crate) struct Request {
    /// What is asked.
    pub(crate) command: Command,
    /// How often it may be asked still.
    pub(crate) tries: u32,
}

/// Who asks.
#[derive(Default)]
pub(crate) struct Desk {
    /// Everything asked.
    pub(crate) requests: Vec<Request>,
    /// Sends answered with 202.
    pub(crate) accepted: BTreeSet<MessageId>,
    /// Keyed sends whose answer was "as before": the frame of the first answer.
    pub(crate) again: Vec<Position>,
    /// Calls whose end was answered.
    pub(crate) ended: Vec<(CallId, Ended)>,
    calls: Vec<(CallId, &'static str)>,
}

impl Desk {
    /// Something happens on the phone or at an agent's desk. Returns where the request is.
    pub(crate) fn acts(&mut self, dice: &mut Dice) -> usize {
        let command = match dice.below(100) {
            _ if self.calls.is_empty() => self.start(dice),
            0..18 => self.start(dice),
            18..30 => self.update(dice),
            30..42 => {
                Command::EndCall { call: self.call(dice).0, reason: Some("agent_hangup".into()), key: self.key(dice) }
            }
            42..46 => match self.accepted.iter().nth_back(dice.place(4)) {
                Some(message) => Command::Cancel(*message),
                None => self.send(dice),
            },
            _ => self.send(dice),
        };
        self.requests.push(Request { command, tries: 4 });
        self.requests.len() - 1
    }

    /// A request is asked, if it has tries left.
    pub(crate) fn ask(&mut self, request: usize) -> Option<Command> {
        let request = &mut self.requests[request];
        request.tries = request.tries.checked_sub(1)?;
        Some(request.command.clone())
    }

    /// Whether a repeat of the request is safe.
    pub(crate) fn may_repeat(&self, request: usize) -> bool {
        match &self.requests[request].command {
            Command::PutCall(_) | Command::EndCall { .. } => true,
            Command::Send(send) => send.key.is_some(),
            _ => false,
        }
    }

    /// A request is answered.
    pub(crate) fn hears(&mut self, request: usize, reply: &Reply) {
        match (&self.requests[request].command, reply) {
            (Command::Send(_), Reply::Message { message, .. }) => {
                self.accepted.insert(message.id);
            }
            (Command::Send(_), Reply::Again(position)) => self.again.push(*position),
            (Command::EndCall { call, .. }, Reply::Call { shown, .. }) => match &shown.call.ended {
                Some(ended) => self.ended.push((call.clone(), ended.clone())),
                None => breach("A8", format!("the end of {call} was answered and it goes on")),
            },
            _ => {}
        }
    }

    fn start(&mut self, dice: &mut Dice) -> Command {
        let call = CallId::read(&format!("c-{}", self.calls.len())).expect("it is a call id");
        let caller = if dice.percent(4) { "anonymous" } else { dice.one(&CALLERS) };
        self.calls.push((call.clone(), caller));
        // A8: the end may be the first we hear of a call.
        if dice.percent(5) {
            return Command::EndCall { call, reason: None, key: None };
        }
        put(call, caller, dice)
    }

    fn update(&self, dice: &mut Dice) -> Command {
        let (call, caller) = self.call(dice);
        put(call, caller, dice)
    }

    fn send(&self, dice: &mut Dice) -> Command {
        let content = match dice.below(10) {
            0..4 => Content::Preset(name("welcome"), dice.percent(30).then(|| language("it"))),
            4..8 => Content::Text(format!("text of an agent, number {}", self.requests.len())),
            8 => Content::Text("è ".repeat(1 + dice.place(400))),
            _ => Content::Text("long ".repeat(1 + dice.place(190))),
        };
        let (call, _) = self.call(dice);
        let key = self.key(dice);
        Command::Send(Send { call, content, agent: Some("a".into()), smart_action: None, force: dice.percent(5), key })
    }

    fn key(&self, dice: &mut Dice) -> Option<IdempotencyKey> {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&(self.requests.len() as u64).to_be_bytes());
        dice.percent(60).then_some(IdempotencyKey { key, body: key })
    }

    /// One of the latest calls, which may have ended.
    fn call(&self, dice: &mut Dice) -> (CallId, &'static str) {
        let latest = self.calls.len().saturating_sub(6);
        dice.one(&self.calls[latest..])
    }
}

fn put(call: CallId, caller: &str, dice: &mut Dice) -> Command {
    Command::PutCall(PutCall {
        call,
        caller: Caller::read(caller).expect("callers are written as callers"),
        queue: queue_id(dice.one(&QUEUES)),
        language: dice.percent(30).then(|| language("it")),
        phase: if dice.percent(15) { Phase::Waiting } else { Phase::Connected },
        agent: dice.one(&[None, Some(None), Some(Some("a".to_owned())), Some(Some("b".to_owned()))]),
        call_type: "inbound_ivr".to_owned(),
        wait_sms_consent: dice.percent(50),
        version: dice.percent(20).then(|| i64::try_from(dice.below(9)).expect("it is below 9")),
        alternative: dice.percent(4).then(|| number(dice.one(&CALLERS))),
        attestation: None,
    })
}

/// Where events arrive.
#[derive(Default)]
pub(crate) struct Endpoint {
    /// Each event once, with its bytes.
    pub(crate) events: BTreeMap<String, Vec<u8>>,
    /// What was told of each message of ours, in order.
    pub(crate) states: BTreeMap<String, Vec<String>>,
    /// The last `call_sequence` of each call.
    last: HashMap<String, u64>,
    illness: Illness,
    /// What it refuses until faults stop, and how: calls it knows nothing of, or chokes on.
    refused: HashMap<String, Illness>,
}

/// What is wrong with the endpoint, or with it and one call.
#[derive(Clone, Copy, Default, Debug)]
enum Illness {
    /// Nobody listens.
    #[default]
    Absent,
    /// It reads and never answers.
    Hangs,
    /// It says 500 to everything.
    Refuses,
    /// It says 410.
    Gone,
    /// It says 429.
    Throttles,
    /// It says 503.
    Busy,
}

/// What the gateway gets to know of a delivery, and when.
pub(crate) struct Heard {
    pub(crate) after_ms: u64,
    pub(crate) how: Delivered,
}

/// How long the gateway waits for an answer to a delivery.
const PATIENCE_MS: u64 = 15_000;

impl Endpoint {
    /// Something else goes wrong with it.
    pub(crate) fn falls_ill(&mut self, dice: &mut Dice) {
        let illnesses = [Illness::Refuses, Illness::Gone, Illness::Throttles, Illness::Busy];
        self.illness = dice.one(&[&[Illness::Absent, Illness::Hangs][..], &illnesses[..]].concat());
    }

    /// An event is delivered to it.
    pub(crate) fn hears(&mut self, told: &Told, down: bool, faults: bool, dice: &mut Dice) -> Heard {
        if !faults {
            self.refused.clear();
        } else if dice.percent(1) {
            let how = dice.one(&[Illness::Hangs, Illness::Refuses, Illness::Gone, Illness::Throttles, Illness::Busy]);
            self.refused.insert(told.thread.clone(), how);
        }
        let ill = match dice.below(100) {
            _ if down => Some(self.illness),
            _ if !faults => None,
            _ if self.refused.contains_key(&told.thread) => self.refused.get(&told.thread).copied(),
            0..88 => None,
            88..92 => Some(Illness::Hangs),
            92..96 => Some(Illness::Refuses),
            _ => Some(Illness::Busy),
        };
        // An answer that is no 2xx may be of a platform that has the event all the same.
        if ill.is_none_or(|ill| matches!(ill, Illness::Hangs | Illness::Busy) && dice.percent(20)) {
            self.takes(told);
        }
        let soon = dice.ms(500);
        let wish = dice.percent(50).then(|| Duration::from_secs(dice.below(60)));
        let (after_ms, how) = match ill {
            None => (soon, Delivered::Yes),
            Some(Illness::Absent) => (soon, Delivered::Down(None)),
            Some(Illness::Hangs) => (PATIENCE_MS, Delivered::Down(None)),
            Some(Illness::Refuses) => (soon, Delivered::Refused),
            Some(Illness::Gone) => (soon, Delivered::Gone),
            Some(Illness::Throttles) => (soon, Delivered::Later(wish)),
            Some(Illness::Busy) => (soon, Delivered::Down(wish)),
        };
        Heard { after_ms, how }
    }

    /// An event arrives, for the first time or again.
    fn takes(&mut self, told: &Told) {
        let id = told.id.to_string();
        if let Some(before) = self.events.get(&id) {
            if *before != told.body {
                breach("I3", format!("{id} has other bytes than before"));
            }
            return;
        }
        let event: Value = serde_json::from_slice(&told.body).expect("events are JSON");
        if let Some(call) = event["call_id"].as_str() {
            let last = self.last.entry(call.to_owned()).or_default();
            *last += 1;
            if event["call_sequence"].as_u64() != Some(*last) {
                breach("I4", format!("{id} of {call} has sequence {}, and {last} is next", event["call_sequence"]));
            }
        } else if !event["call_sequence"].is_null() {
            breach("I4", format!("{id} is of no call and has a sequence"));
        }
        if let (Some(message), Some("outbound")) = (event["data"]["id"].as_str(), event["data"]["direction"].as_str()) {
            let state = told.kind.trim_start_matches("message.").to_owned();
            self.states.entry(message.to_owned()).or_default().push(state);
        }
        self.events.insert(id, told.body.clone());
    }
}
