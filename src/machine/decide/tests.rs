//! Stories: commands in journal order, each with its time in seconds, and the reply and events of the last one.

mod audit;
mod auto_reply;
mod calls;
mod carrier;
mod directory;
mod erase;
mod explain;
mod hang_up;
mod inbound;
mod invariants;
mod keys;
mod limits;
mod media;
mod non_us;
mod opt_outs;
mod parts;
mod quarantine;
mod random;
mod reconcile;
mod records;
mod refused;
mod requirements;
mod retention;
mod sending;
mod steps;
mod suspended;
mod usage;

use self::steps::Step;
use super::{Decision, decide};
use crate::machine::apply::{apply, directory_from};
use crate::machine::command::{At, Command, Reply};
use crate::machine::event::{CommittedFrame, Event, NumberedEvent};
use crate::machine::keys::kind;
use crate::machine::rows::{Key, Table, Write};
use crate::machine::show;
use crate::machine::state::{Call, CallRow, Message};
use crate::machine::view::{PeopleQueries, Queries, SendingQueries, View};
use crate::model::{CallId, Claim, Directory, E164, IntakeOutcome, Language, MessageId, Position, Timestamp};
use crate::rules::directory::example;
use crate::rules::opt_out::Block;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

/// A caller.
const ANN: &str = "+12065550142";
/// Another caller.
const BOB: &str = "+12065550143";
/// A caller outside the US.
const ROMA: &str = "+390612345678";
/// The inbound number of queue `support`.
const SUPPORT: &str = "+12065550100";
/// The inbound number of queue `sales`.
const SALES: &str = "+12065550101";
/// Outbound only, for both queues.
const SHARED: &str = "+12065550102";

/// Second 0 of every story: noon, so that a story of minutes does not cross midnight.
const START: Timestamp = Timestamp::from_ms(1_763_812_800_000);

/// The directory of most stories: the rules' example with short texts.
fn directory() -> Directory {
    let mut directory = example();
    let texts = |en: &str, it: &str| BTreeMap::from([(language("en"), en.to_owned()), (language("it"), it.to_owned())]);
    directory.settings.closing.texts = texts("Bye.", "Ciao.");
    directory.settings.auto_reply.texts = texts("Call us.", "Chiamaci.");
    directory
}

fn language(name: &str) -> Language {
    name.to_owned().try_into().unwrap()
}

/// A gateway in memory: rows in a map, claims in a set, and the journal it wrote.
struct TestMachine {
    rows: BTreeMap<Key, Vec<u8>>,
    claims: HashSet<Claim>,
    directory: Directory,
    journal: Vec<CommittedFrame>,
    now: Timestamp,
    /// Outbound messages in the order they were queued; steps refer to them as 1, 2, 3 …
    queued: Vec<MessageId>,
    /// The last `call_sequence` of each call.
    sequences: BTreeMap<CallId, u64>,
}

impl View for TestMachine {
    fn row(&self, key: &Key) -> Option<Vec<u8>> {
        self.rows.get(key).cloned()
    }

    fn rows(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let first = Key { table, bytes: from.max(prefix).to_vec() };
        self.rows
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(|(key, _)| key.table == table && key.bytes.starts_with(prefix))
            .take(limit)
            .map(|(key, row)| (key.bytes.clone(), row.clone()))
            .collect()
    }

    fn claimed(&self, claim: &Claim) -> bool {
        self.claims.contains(claim)
    }

    fn directory(&self) -> &Directory {
        &self.directory
    }
}

impl TestMachine {
    /// A gateway that has just started, with `directory` loaded.
    fn new(directory: Directory) -> Self {
        let mut world = Self::empty();
        world.run(0, Step::Do(Command::GatewayStarted));
        let seed = Command::Seed { directory: Box::new(directory), opt_outs: Vec::new() };
        assert_eq!(world.run(0, Step::Do(seed)).reply, Reply::Done);
        world
    }

    /// A gateway that never ran.
    fn empty() -> Self {
        Self {
            rows: BTreeMap::new(),
            claims: HashSet::new(),
            directory: Directory::default(),
            journal: Vec::new(),
            now: START,
            queued: Vec::new(),
            sequences: BTreeMap::new(),
        }
    }

    /// Decides a step at the given second, stores its events, and checks the invariants.
    fn run(&mut self, secs: u64, step: Step) -> Decision {
        self.run_at(START + std::time::Duration::from_secs(secs), step)
    }

    /// Like `run`, at a time that need not be a whole second.
    fn run_at(&mut self, now: Timestamp, step: Step) -> Decision {
        self.now = now;
        let command = step.command(self);
        let at = At { time: self.now, position: self.next() };
        let decision = decide(self, command.clone(), at);
        assert_eq!(decision, decide(self, command, at), "deciding is deterministic");
        if !decision.events.is_empty() {
            self.commit(decision.events.clone());
        }
        decision
    }

    fn commit(&mut self, events: Vec<NumberedEvent>) {
        let frame = CommittedFrame { position: self.next(), at: self.now, events };
        invariants::before(self, &frame);
        for event in &frame.events {
            match &event.event {
                Event::Claimed { account, carrier_id, kind } => {
                    let (account, carrier_id, kind) = (account.clone(), carrier_id.clone(), kind.clone());
                    let new = self.claims.insert(Claim { account, carrier_id, kind });
                    assert!(new, "each item is accepted once (A53)");
                }
                Event::MessageQueued { message, .. } => self.queued.push(message.id),
                _ => {}
            }
        }
        let loaded =
            frame.events.iter().any(|event| event.event.directory_after(&self.directory, frame.position).is_some());
        write(&mut self.rows, &apply(&frame));
        self.journal.push(frame);
        if loaded {
            let rows = self.rows(Table::State, &[kind::DIRECTORY], &[], usize::MAX);
            self.directory = directory_from(rows.into_iter()).expect("a directory has just been loaded");
        }
        invariants::after(self);
    }

    /// Like `run` without the checks, which are too slow for long stories.
    fn run_unchecked(&mut self, step: Step) {
        let at = At { time: self.now, position: self.next() };
        let command = step.command(self);
        let frame = CommittedFrame { position: at.position, at: at.time, events: decide(self, command, at).events };
        write(&mut self.rows, &apply(&frame));
        self.journal.push(frame);
    }

    fn next(&self) -> Position {
        Position(self.journal.len() as u64 + 1)
    }

    /// The n-th outbound message, counted from 1.
    fn message(&self, nth: usize) -> Message {
        Queries::message(self, self.queued[nth - 1]).unwrap()
    }

    fn call(&self, id: &str) -> Call {
        match Queries::call(self, &CallId::read(id).unwrap()) {
            Some(CallRow::Call(call)) => *call,
            other => panic!("{id} is not a call: {other:?}"),
        }
    }
}

/// Applies writes to rows.
fn write(rows: &mut BTreeMap<Key, Vec<u8>>, writes: &[Write]) {
    for write in writes {
        match write {
            Write::Put(key, row) => drop(rows.insert(key.clone(), row.clone())),
            Write::Delete(key) => drop(rows.remove(key)),
            Write::DropTable(table) => rows.retain(|key, _| key.table != *table),
        }
    }
}

/// An administrator's opt-out list.
fn listed(numbers: &[&str]) -> Vec<(E164, Block)> {
    numbers.iter().map(|number| (number.parse().unwrap(), Block::everywhere())).collect()
}

/// Runs a story and compares the reply and the events of its last step.
#[track_caller]
fn check<const N: usize>(story: [(u64, Step); N], expected: &[&str]) -> TestMachine {
    check_in(directory(), story, expected)
}

/// Like `check`, with the given directory.
#[track_caller]
fn check_in<const N: usize>(directory: Directory, story: [(u64, Step); N], expected: &[&str]) -> TestMachine {
    let mut world = TestMachine::new(directory);
    let mut last = Vec::new();
    for (secs, step) in story {
        let decision = world.run(secs, step);
        last = lines(&world, &decision);
    }
    assert_eq!(last, expected);
    invariants::at_the_end(&world);
    world
}

/// Runs one more step and compares its reply and events.
#[track_caller]
fn then(world: &mut TestMachine, secs: u64, step: Step, expected: &[&str]) {
    let decision = world.run(secs, step);
    assert_eq!(lines(world, &decision), expected);
}

/// The usual directory with a change.
fn with(change: impl Fn(&mut Directory)) -> Directory {
    let mut directory = directory();
    change(&mut directory);
    directory
}

/// A decision in words: the reply, then the events for the platform, except those of changed resources.
fn lines(world: &TestMachine, decision: &Decision) -> Vec<String> {
    let events = match world.journal.last() {
        Some(frame) if !decision.events.is_empty() => show::rendered(frame),
        Some(_) | None => Vec::new(),
    };
    let documents = events
        .iter()
        .filter(|event| event.kind != show::DIRECTORY_CHANGED)
        .map(|event| serde_json::from_slice::<Value>(&event.body).unwrap());
    std::iter::once(answer(&decision.reply)).chain(documents.map(|document| event_line(&document))).collect()
}

fn answer(reply: &Reply) -> String {
    match reply {
        Reply::Done | Reply::Directory { .. } => "done".to_owned(),
        Reply::More => "more".to_owned(),
        Reply::Call { created: true, .. } => "created".to_owned(),
        Reply::Call { created: false, shown } => {
            if shown.call.ended.is_some() {
                "ended".to_owned()
            } else {
                "updated".to_owned()
            }
        }
        Reply::MediumSettled(recorded) => format!("medium settled: {recorded}"),
        Reply::EndedBeforeStart { .. } => "ended before start".to_owned(),
        Reply::Message { message, .. } => message.state.word().to_owned(),
        Reply::DocumentApplied { .. } => "applied".to_owned(),
        Reply::OptOut { created: true, .. } => "opted out".to_owned(),
        Reply::OptOut { created: false, .. } => "still opted out".to_owned(),
        Reply::Erasure(erasure) => format!("{:?}", erasure.state).to_lowercase(),
        Reply::Again(position) => format!("again {}", position.0),
        Reply::Refused(refusal) => {
            let other = refusal.other_call.as_ref().map(|call| format!(" {call}")).unwrap_or_default();
            let after = refusal.retry_after_ms.map(|ms| format!(" after {ms} ms")).unwrap_or_default();
            format!("refused {}{other}{after}", refusal.code.word())
        }
        Reply::Suspended => "suspended".to_owned(),
        Reply::QuarantineReplayed(outcomes) => {
            let words: Vec<_> = outcomes.iter().map(|outcome| outcome.word()).collect();
            format!("replayed {}", words.join(" "))
        }
        Reply::InboundItem(outcome) => match outcome {
            IntakeOutcome::Attached => "attached",
            IntakeOutcome::Replied => "replied",
            IntakeOutcome::Silent(_) => "silent",
            IntakeOutcome::Dropped => "dropped",
            IntakeOutcome::Advanced => "advanced",
            IntakeOutcome::Stale => "stale",
            IntakeOutcome::NoSuchMessage => "no such message",
            IntakeOutcome::Kept => "kept",
            IntakeOutcome::Waiting => "waiting",
            IntakeOutcome::Duplicate => "duplicate",
            IntakeOutcome::Quarantined(_) => "quarantined",
            IntakeOutcome::Ignored => "ignored",
        }
        .to_owned(),
        Reply::Reconciliation(begun) => format!("since {}", begun.since.since(START).as_secs()),
        Reply::Known(known) => format!("known {known:?}"),
        Reply::Started { .. } => "started".to_owned(),
        Reply::NotStarted => "not started".to_owned(),
        Reply::SeedRefused => "seed refused".to_owned(),
        Reply::Verification(verification) => format!("{:?}", verification.state).to_lowercase(),
    }
}

/// An event for the platform in one line: its type, its call, and its distinguishing fields.
fn event_line(event: &Value) -> String {
    let data = &event["data"];
    let mut words = vec![event["type"].as_str().unwrap().to_owned()];
    words.extend(event["call_id"].as_str().map(str::to_owned));
    let mut add = |value: &Value| words.extend(value.as_str().map(str::to_owned));
    if event["type"].as_str().unwrap().starts_with("call.") {
        let sms = &data["sms"];
        if sms["session"] != "none" {
            add(&sms["session"]);
        }
        add(&sms["closed_reason"]);
        add(&data["end_reason"]);
    } else {
        if event["type"] != "message.received" {
            add(&data["kind"]);
        }
        add(&data["error"]["code"]);
        add(&data["opt_out_keyword"]);
        for flag in ["reply_blocked", "auto_replied", "incomplete", "reconciled"] {
            words.extend(data[flag].as_bool().filter(|is| *is).map(|_| flag.to_owned()));
        }
        words.extend(data["last_call_id"].as_str().map(|id| format!("after {id}")));
        words.extend(data["text"].as_str().map(|text| format!("'{text}'")));
    }
    words.join(" ")
}
