//! The platform's endpoints: each hears events, checks them as they come, and is not always well.

use super::dice::SeededRng;
use super::plan::{Behaviour, Plan};
use super::world::violation;
use offhook::machine::show::RenderedEvent;
use offhook::model::Position;
use offhook::work::feed::{Delivered, Delivery, Filter};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// The endpoint that is told of everything.
pub(crate) const MAIN: &str = "main";

/// The other one, and what it may want.
const SECOND: &str = "audit";
const WANTS: [&[&str]; 4] =
    [&[], &["message.*"], &["call.ended", "message.failed", "contact.opted_out"], &["account.*", "message.late"]];

/// The endpoints of a seed.
pub(crate) fn panicked(plan: &Plan, dice: &mut SeededRng) -> Vec<Endpoint> {
    let second = plan.throws(Behaviour::Endpoints, 50, dice);
    let wants = dice.one(&WANTS);
    let all = [(MAIN, &[][..], true), (SECOND, wants, second)];
    all.into_iter().filter(|(.., there)| *there).map(|(name, wants, _)| Endpoint::new(name, wants)).collect()
}

/// Where events arrive.
pub(crate) struct Endpoint {
    pub(crate) name: &'static str,
    pub(crate) filter: Filter,
    /// Until when, in true time, it is ill.
    pub(crate) down_until: u64,
    /// Its watermark when the last process began.
    pub(crate) watermark: Position,
    /// Each event once, with its bytes.
    pub(crate) events: BTreeMap<String, Vec<u8>>,
    /// What it has answered with a complete 2xx.
    pub(crate) thanked: BTreeSet<String>,
    /// When, in true time, this life's process heard that an event is delivered.
    pub(crate) known_ms: BTreeMap<String, u64>,
    /// How often each event came once more because somebody asked for it, and was taken or given up: in this life.
    pub(crate) again: BTreeMap<String, usize>,
    /// What was told of each message of ours, in order.
    pub(crate) states: BTreeMap<String, Vec<String>>,
    /// The last `call_sequence` of each call.
    last: HashMap<String, u64>,
    /// The last event of each contact, account and number: ids are ordered as things happened.
    last_outside: HashMap<String, String>,
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
    /// It has the event, and says 200 with a body that does not end.
    Endless,
    /// It has the event, and the connection breaks in the middle of its 200.
    CutAnswer,
}

impl Illness {
    /// Those of an endpoint that reads what comes.
    const AWAKE: [Self; 7] =
        [Self::Hangs, Self::Refuses, Self::Gone, Self::Throttles, Self::Busy, Self::Endless, Self::CutAnswer];

    /// Whether an endpoint that is ill in this way has the event all the same: an answer that is no 2xx may be of one that
    /// does.
    fn has_it(self, dice: &mut SeededRng) -> bool {
        match self {
            Self::Endless | Self::CutAnswer => true,
            Self::Hangs | Self::Busy => dice.percent(20),
            Self::Absent | Self::Refuses | Self::Gone | Self::Throttles => false,
        }
    }
}

/// What the gateway gets to know of a delivery, and when.
pub(crate) struct Heard {
    pub(crate) after_ms: u64,
    pub(crate) how: Delivered,
}

/// How long the gateway waits for an answer to a delivery.
const PATIENCE_MS: u64 = 15_000;

impl Endpoint {
    fn new(name: &'static str, wants: &[&str]) -> Self {
        Self {
            name,
            filter: Filter::read(wants).expect("these are types of events"),
            down_until: 0,
            watermark: Position(1),
            events: BTreeMap::new(),
            thanked: BTreeSet::new(),
            known_ms: BTreeMap::new(),
            again: BTreeMap::new(),
            states: BTreeMap::new(),
            last: HashMap::new(),
            last_outside: HashMap::new(),
            illness: Illness::default(),
            refused: HashMap::new(),
        }
    }

    /// Something else goes wrong with it.
    pub(crate) fn falls_ill(&mut self, dice: &mut SeededRng) {
        self.illness = dice.one(&[&[Illness::Absent][..], &Illness::AWAKE[..]].concat());
    }

    /// An event is delivered to it.
    pub(crate) fn hears(
        &mut self,
        told: &RenderedEvent,
        at_ms: u64,
        faults: Option<&Plan>,
        dice: &mut SeededRng,
    ) -> Heard {
        let down = at_ms < self.down_until;
        let refuses = faults.is_some_and(|plan| plan.has(Behaviour::Refusals));
        if !refuses {
            self.refused.clear();
        } else if dice.percent(1) {
            self.refused.insert(told.thread.clone(), dice.one(&Illness::AWAKE));
        }
        let ill = match dice.below(100) {
            _ if down => Some(self.illness),
            _ if !refuses => None,
            _ if self.refused.contains_key(&told.thread) => self.refused.get(&told.thread).copied(),
            0..86 => None,
            86..89 => Some(Illness::Hangs),
            89..92 => Some(Illness::Refuses),
            92..95 => Some(Illness::Busy),
            95..98 => Some(Illness::Endless),
            _ => Some(Illness::CutAnswer),
        };
        if ill.is_none_or(|ill| ill.has_it(dice)) {
            self.takes(told);
        }
        if ill.is_none() {
            self.thanked.insert(told.id.to_string());
        }
        let soon = dice.ms(500);
        let wish = dice.percent(50).then(|| Duration::from_secs(dice.below(60)));
        let (after_ms, how) = match ill {
            None => (soon, Delivered::Yes),
            Some(Illness::Absent | Illness::CutAnswer) => (soon, Delivered::Down(None)),
            Some(Illness::Hangs) => (PATIENCE_MS, Delivered::Down(None)),
            Some(Illness::Refuses | Illness::Endless) => (soon, Delivered::Refused),
            Some(Illness::Gone) => (soon, Delivered::Gone),
            Some(Illness::Throttles) => (soon, Delivered::Later(wish)),
            Some(Illness::Busy) => (soon, Delivered::Down(wish)),
        };
        Heard { after_ms, how }
    }

    /// The process hears how a delivery ended; `given_up`: of what is told once more, that this event is not.
    pub(crate) fn is_known(&mut self, delivery: &Delivery, how: Delivered, given_up: bool, at_ms: u64) {
        let id = delivery.told.id.to_string();
        if delivery.replay {
            *self.again.entry(id).or_default() += usize::from(how == Delivered::Yes || given_up);
        } else if how == Delivered::Yes {
            self.known_ms.entry(id).or_insert(at_ms);
        }
    }

    /// Another process begins, which knows nothing of what the one before it was asked.
    pub(crate) fn is_another_life(&mut self) {
        self.known_ms.clear();
        self.again.clear();
    }

    /// An event arrives, for the first time or again.
    fn takes(&mut self, told: &RenderedEvent) {
        let id = told.id.to_string();
        if let Some(before) = self.events.get(&id) {
            if *before != told.body {
                violation("I3", format!("{} hears {id} with other bytes than before", self.name));
            }
            return;
        }
        let event: Value = serde_json::from_slice(&told.body).expect("events are JSON");
        if let Some(call) = event["call_id"].as_str() {
            let last = self.last.entry(call.to_owned()).or_default();
            let sequence = event["call_sequence"].as_u64().unwrap_or(0);
            // Who does not want all of it sees gaps, and no more than that.
            let next = if self.filter.words().is_empty() { sequence == *last + 1 } else { sequence > *last };
            if !next {
                violation("I4", format!("{} hears {id} of {call}: sequence {sequence} after {last}", self.name));
            }
            *last = sequence;
        } else if !event["call_sequence"].is_null() {
            violation("I4", format!("{id} is of no call and has a sequence"));
        }
        if let Some(about) = about(told.kind, &event["data"]) {
            let last = self.last_outside.entry(about).or_default();
            if id < *last {
                violation("A68", format!("{} hears {id}, {}, after {last} of the same", self.name, told.kind));
            }
            last.clone_from(&id);
        }
        if let (Some(message), Some("outbound")) = (event["data"]["id"].as_str(), event["data"]["direction"].as_str()) {
            let state = told.kind.trim_start_matches("message.").to_owned();
            self.states.entry(message.to_owned()).or_default().push(state);
        }
        self.events.insert(id, told.body.clone());
    }
}

/// What an event outside a call is about, where that is a contact, an account or a number. Who was erased is nobody.
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
