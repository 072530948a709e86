//! The platform's desk: it asks for calls and texts.

use super::carrier::CALLERS;
use super::dice::SeededRng;
use super::directory::{QUEUES, language, name, number, queue_id};
use super::world::violation;
use offhook::machine::command::{Command, Content, IdempotencyKey, PutCall, Reply, Send};
use offhook::machine::state::Ended;
use offhook::model::{CallId, Caller, MessageId, Phase, Position};
use std::collections::BTreeSet;

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
    pub(crate) fn acts(&mut self, dice: &mut SeededRng) -> usize {
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
                None => violation("A8", format!("the end of {call} was answered and it goes on")),
            },
            _ => {}
        }
    }

    fn start(&mut self, dice: &mut SeededRng) -> Command {
        let call = CallId::read(&format!("c-{}", self.calls.len())).expect("it is a call id");
        let caller = if dice.percent(4) { "anonymous" } else { dice.one(&CALLERS) };
        self.calls.push((call.clone(), caller));
        // A8: the end may be the first we hear of a call.
        if dice.percent(5) {
            return Command::EndCall { call, reason: None, key: None };
        }
        put(call, caller, dice)
    }

    fn update(&self, dice: &mut SeededRng) -> Command {
        let (call, caller) = self.call(dice);
        put(call, caller, dice)
    }

    fn send(&self, dice: &mut SeededRng) -> Command {
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

    fn key(&self, dice: &mut SeededRng) -> Option<IdempotencyKey> {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&(self.requests.len() as u64).to_be_bytes());
        dice.percent(60).then_some(IdempotencyKey { key, body: key })
    }

    /// One of the latest calls, which may have ended.
    fn call(&self, dice: &mut SeededRng) -> (CallId, &'static str) {
        let latest = self.calls.len().saturating_sub(6);
        dice.one(&self.calls[latest..])
    }
}

fn put(call: CallId, caller: &str, dice: &mut SeededRng) -> Command {
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
