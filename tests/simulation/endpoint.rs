//! The platform's endpoints: each receives and checks events, and fails at times.

use super::plan::{Behaviour, Plan};
use super::rng::SeededRng;
use super::world::violation;
use offhook::machine::show::RenderedEvent;
use offhook::model::Position;
use offhook::work::feed::{Delivered, Delivery, Filter};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// The endpoint that gets every event.
pub(crate) const MAIN: &str = "main";

/// The second endpoint, and the filters it may have.
const SECOND: &str = "audit";
const WANTS: [&[&str]; 4] =
    [&[], &["message.*"], &["call.ended", "message.failed", "contact.opted_out"], &["account.*", "message.late"]];

/// Random endpoints: the main one, and sometimes a second.
pub(crate) fn random(plan: &Plan, rng: &mut SeededRng) -> Vec<Endpoint> {
    let second = plan.chance(Behaviour::Endpoints, 50, rng);
    let wants = rng.pick(&WANTS);
    let all = [(MAIN, &[][..], true), (SECOND, wants, second)];
    all.into_iter().filter(|(.., there)| *there).map(|(name, wants, _)| Endpoint::new(name, wants)).collect()
}

/// An endpoint and what it received.
pub(crate) struct Endpoint {
    pub(crate) name: &'static str,
    pub(crate) filter: Filter,
    /// Until when, in true time, its fault lasts.
    pub(crate) down_until: u64,
    /// Its watermark when the last process began.
    pub(crate) watermark: Position,
    /// Each event once, with its bytes.
    pub(crate) events: BTreeMap<String, Vec<u8>>,
    /// Events answered with a complete 2xx.
    pub(crate) acknowledged: BTreeSet<String>,
    /// When, in true time, the current process learned that an event was delivered.
    pub(crate) known_ms: BTreeMap<String, u64>,
    /// How often each event's replay was delivered or given up by the current process.
    pub(crate) replayed: BTreeMap<String, usize>,
    /// The reported states of each outbound message, in order.
    pub(crate) states: BTreeMap<String, Vec<String>>,
    /// The last `call_sequence` of each call.
    last: HashMap<String, u64>,
    /// The last event of each contact, account and number: event ids are in journal order.
    last_outside: HashMap<String, String>,
    fault: Fault,
    /// Threads that it refuses until faults stop, and how.
    refused: HashMap<String, Fault>,
}

/// A fault of the endpoint, or of the endpoint for one thread.
#[derive(Clone, Copy, Default, Debug)]
enum Fault {
    /// It refuses connections.
    #[default]
    Absent,
    /// It reads the request and never answers.
    Hangs,
    /// It answers 500.
    Refuses,
    /// It answers 410.
    Gone,
    /// It answers 429.
    Throttles,
    /// It answers 503.
    Busy,
    /// It stores the event and answers 200 with a body that never ends.
    Endless,
    /// It stores the event, and the connection breaks in the middle of its 200.
    CutAnswer,
}

impl Fault {
    /// The faults of an endpoint that reads requests.
    const READING: [Self; 7] =
        [Self::Hangs, Self::Refuses, Self::Gone, Self::Throttles, Self::Busy, Self::Endless, Self::CutAnswer];

    /// Whether the endpoint stores the event despite the fault: it may do so without answering 2xx.
    fn stores_event(self, rng: &mut SeededRng) -> bool {
        match self {
            Self::Endless | Self::CutAnswer => true,
            Self::Hangs | Self::Busy => rng.percent(20),
            Self::Absent | Self::Refuses | Self::Gone | Self::Throttles => false,
        }
    }
}

/// The result of a delivery as the gateway sees it, and when.
pub(crate) struct Response {
    pub(crate) after_ms: u64,
    pub(crate) how: Delivered,
}

/// The gateway's timeout for a delivery.
const TIMEOUT_MS: u64 = 15_000;

impl Endpoint {
    fn new(name: &'static str, wants: &[&str]) -> Self {
        Self {
            name,
            filter: Filter::read(wants).expect("these are event types"),
            down_until: 0,
            watermark: Position(1),
            events: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            known_ms: BTreeMap::new(),
            replayed: BTreeMap::new(),
            states: BTreeMap::new(),
            last: HashMap::new(),
            last_outside: HashMap::new(),
            fault: Fault::default(),
            refused: HashMap::new(),
        }
    }

    /// Picks a new fault.
    pub(crate) fn pick_fault(&mut self, rng: &mut SeededRng) {
        self.fault = rng.pick(&[&[Fault::Absent][..], &Fault::READING[..]].concat());
    }

    /// Receives a delivery.
    pub(crate) fn receive(
        &mut self,
        event: &RenderedEvent,
        at_ms: u64,
        faults: Option<&Plan>,
        rng: &mut SeededRng,
    ) -> Response {
        let down = at_ms < self.down_until;
        let refuses = faults.is_some_and(|plan| plan.has(Behaviour::Refusals));
        if !refuses {
            self.refused.clear();
        } else if rng.percent(1) {
            self.refused.insert(event.thread.clone(), rng.pick(&Fault::READING));
        }
        let fault = match rng.below(100) {
            _ if down => Some(self.fault),
            _ if !refuses => None,
            _ if self.refused.contains_key(&event.thread) => self.refused.get(&event.thread).copied(),
            0..86 => None,
            86..89 => Some(Fault::Hangs),
            89..92 => Some(Fault::Refuses),
            92..95 => Some(Fault::Busy),
            95..98 => Some(Fault::Endless),
            _ => Some(Fault::CutAnswer),
        };
        if fault.is_none_or(|fault| fault.stores_event(rng)) {
            self.store(event);
        }
        if fault.is_none() {
            self.acknowledged.insert(event.id.to_string());
        }
        let soon = rng.ms(500);
        let wish = rng.percent(50).then(|| Duration::from_secs(rng.below(60)));
        let (after_ms, how) = match fault {
            None => (soon, Delivered::Yes),
            Some(Fault::Absent | Fault::CutAnswer) => (soon, Delivered::Down(None)),
            Some(Fault::Hangs) => (TIMEOUT_MS, Delivered::Down(None)),
            Some(Fault::Refuses | Fault::Endless) => (soon, Delivered::Refused),
            Some(Fault::Gone) => (soon, Delivered::Gone),
            Some(Fault::Throttles) => (soon, Delivered::Later(wish)),
            Some(Fault::Busy) => (soon, Delivered::Down(wish)),
        };
        Response { after_ms, how }
    }

    /// The process learns the outcome of a delivery; `given_up` is for replays that will not be retried.
    pub(crate) fn record_outcome(&mut self, delivery: &Delivery, how: Delivered, given_up: bool, at_ms: u64) {
        let id = delivery.event.id.to_string();
        if delivery.replay {
            *self.replayed.entry(id).or_default() += usize::from(how == Delivered::Yes || given_up);
        } else if how == Delivered::Yes {
            self.known_ms.entry(id).or_insert(at_ms);
        }
    }

    /// Another process starts, without the previous one's replays.
    pub(crate) fn on_restart(&mut self) {
        self.known_ms.clear();
        self.replayed.clear();
    }

    /// Stores an event and checks it against those before.
    fn store(&mut self, event: &RenderedEvent) {
        let id = event.id.to_string();
        if let Some(before) = self.events.get(&id) {
            if *before != event.body {
                violation("I3", format!("{} got {id} again with different bytes", self.name));
            }
            return;
        }
        let json: Value = serde_json::from_slice(&event.body).expect("events are JSON");
        if let Some(call) = json["call_id"].as_str() {
            let last = self.last.entry(call.to_owned()).or_default();
            let sequence = json["call_sequence"].as_u64().unwrap_or(0);
            // An endpoint with a filter sees gaps, but the order must hold.
            let next = if self.filter.words().is_empty() { sequence == *last + 1 } else { sequence > *last };
            if !next {
                violation("I4", format!("{} got {id} of {call}: call_sequence {sequence} after {last}", self.name));
            }
            *last = sequence;
        } else if !json["call_sequence"].is_null() {
            violation("I4", format!("{id} has a call_sequence but no call"));
        }
        if let Some(about) = about(event.kind, &json["data"]) {
            let last = self.last_outside.entry(about).or_default();
            if id < *last {
                violation("A68", format!("{} got {id} ({}) after {last} of the same thread", self.name, event.kind));
            }
            last.clone_from(&id);
        }
        if let (Some(message), Some("outbound")) = (json["data"]["id"].as_str(), json["data"]["direction"].as_str()) {
            let state = event.kind.trim_start_matches("message.").to_owned();
            self.states.entry(message.to_owned()).or_default().push(state);
        }
        self.events.insert(id, event.body.clone());
    }
}

/// The contact, account or number of an event outside a call, unless it was erased.
fn about(kind: &str, data: &Value) -> Option<String> {
    let (group, field) = match kind.split_once('.')? {
        ("contact", _) => ("contact", "contact"),
        ("message", "late") => ("contact", "from"),
        ("account", _) => ("account", "account"),
        ("number", _) => ("number", "number"),
        _ => return None,
    };
    Some(format!("{group} {}", data[field].as_str()?))
}
