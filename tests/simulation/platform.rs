//! The platform: requests about calls and texts.

use super::carrier::CALLERS;
use super::directory::{QUEUES, language, name, number, queue_id};
use super::rng::SeededRng;
use super::world::violation;
use offhook::machine::command::{Command, Content, IdempotencyKey, PutCall, Reply, Send};
use offhook::machine::state::Ended;
use offhook::model::{Actor, CallId, Caller, MessageId, Phase, Position};
use std::collections::BTreeSet;

/// A request, repeated if its reply was lost and a repeat is safe.
pub(crate) struct Request {
    /// The request.
    pub(crate) command: Command,
    /// Tries left.
    pub(crate) tries: u32,
}

/// The platform's requests and the replies it got.
#[derive(Default)]
pub(crate) struct Desk {
    /// All requests.
    pub(crate) requests: Vec<Request>,
    /// Sends answered with 202.
    pub(crate) accepted: BTreeSet<MessageId>,
    /// Repeats of keyed sends that got the first reply again: the frame of that reply.
    pub(crate) repeated: Vec<Position>,
    /// Calls reported as ended.
    pub(crate) ended: Vec<(CallId, Ended)>,
    calls: Vec<(CallId, &'static str)>,
}

impl Desk {
    /// A caller or an agent acts. Returns the request's index.
    pub(crate) fn next_request(&mut self, rng: &mut SeededRng) -> usize {
        let command = match rng.below(100) {
            _ if self.calls.is_empty() => self.start(rng),
            0..18 => self.start(rng),
            18..30 => self.update(rng),
            30..42 => {
                Command::EndCall { call: self.call(rng).0, reason: Some("agent_hangup".into()), key: self.key(rng) }
            }
            42..46 => match self.accepted.iter().nth_back(rng.index(4)) {
                Some(message) => Command::Cancel(*message),
                None => self.send(rng),
            },
            _ => self.send(rng),
        };
        self.requests.push(Request { command, tries: 4 });
        self.requests.len() - 1
    }

    /// The command of a request, if it has tries left.
    pub(crate) fn command(&mut self, request: usize) -> Option<Command> {
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

    /// A reply arrives.
    pub(crate) fn receive(&mut self, request: usize, reply: &Reply) {
        match (&self.requests[request].command, reply) {
            (Command::Send(_), Reply::Message { message, .. }) => {
                self.accepted.insert(message.id);
            }
            (Command::Send(_), Reply::Again(position)) => self.repeated.push(*position),
            (Command::EndCall { call, .. }, Reply::Call { shown, .. }) => match &shown.call.ended {
                Some(ended) => self.ended.push((call.clone(), ended.clone())),
                None => violation("A8", format!("{call} was reported as ended but is live")),
            },
            _ => {}
        }
    }

    fn start(&mut self, rng: &mut SeededRng) -> Command {
        let call = CallId::read(&format!("c-{}", self.calls.len())).expect("it is a call id");
        let caller = if rng.percent(4) { "anonymous" } else { rng.pick(&CALLERS) };
        self.calls.push((call.clone(), caller));
        // A8: the end may arrive before the start.
        if rng.percent(5) {
            return Command::EndCall { call, reason: None, key: None };
        }
        put(call, caller, rng)
    }

    fn update(&self, rng: &mut SeededRng) -> Command {
        let (call, caller) = self.call(rng);
        put(call, caller, rng)
    }

    fn send(&self, rng: &mut SeededRng) -> Command {
        let content = match rng.below(10) {
            0..4 => Content::Preset(name("welcome"), rng.percent(30).then(|| language("it"))),
            4..8 => Content::Text(format!("text of an agent, number {}", self.requests.len())),
            8 => Content::Text("è ".repeat(1 + rng.index(400))),
            _ => Content::Text("long ".repeat(1 + rng.index(190))),
        };
        let (call, _) = self.call(rng);
        let key = self.key(rng);
        Command::Send(Send {
            call,
            content,
            agent: Some("a".into()),
            smart_action: None,
            client_ref: None,
            force: rng.percent(5).then(Actor::command_line),
            key,
        })
    }

    fn key(&self, rng: &mut SeededRng) -> Option<IdempotencyKey> {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&(self.requests.len() as u64).to_be_bytes());
        rng.percent(60).then_some(IdempotencyKey { key, body: key })
    }

    /// One of the latest calls, which may have ended.
    fn call(&self, rng: &mut SeededRng) -> (CallId, &'static str) {
        let latest = self.calls.len().saturating_sub(6);
        rng.pick(&self.calls[latest..])
    }
}

fn put(call: CallId, caller: &str, rng: &mut SeededRng) -> Command {
    Command::PutCall(PutCall {
        call,
        caller: Caller::read(caller).expect("a valid caller"),
        queue: queue_id(rng.pick(&QUEUES)),
        language: rng.percent(30).then(|| language("it")),
        phase: if rng.percent(15) { Phase::Waiting } else { Phase::Connected },
        agent: rng.pick(&[None, Some(None), Some(Some("a".to_owned())), Some(Some("b".to_owned()))]),
        call_type: "inbound_ivr".to_owned(),
        wait_sms_consent: rng.percent(50),
        version: rng.percent(20).then(|| i64::try_from(rng.below(9)).expect("it is below 9")),
        alternative: rng.percent(4).then(|| number(rng.pick(&CALLERS))),
        attestation: None,
        by: Actor::named("platform".to_owned()),
    })
}
