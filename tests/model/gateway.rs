//! The machine driven as by the engine: rows in a map, claims in a set, one command at a time.

use crate::directory::{directory, name_of, number};
use crate::seen::{Answer, Block, CallSeen, InboundSeen, Keyword, Seen, TextSeen, Used};
use crate::story::{CALLERS, CALLS, Name, OURS, SHORT_CODE, Switch};
use offhook::machine::apply::apply;
use offhook::machine::command::{At, Command, Reply};
use offhook::machine::event::{CommittedFrame, Event};
use offhook::machine::keys::message_key;
use offhook::machine::rows::{Key, Table, Write};
use offhook::machine::state::{Call, CallRow, Message};
use offhook::machine::view::{PeopleQueries, Queries, View};
use offhook::machine::{decide, shown};
use offhook::model::{
    Address, CallId, Claim, Directory, IntakeOutcome, Kind, MessageId, MessageState, Position, Timestamp,
};
use offhook::rules::keyword;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;

/// The start time of every story.
const START: Timestamp = Timestamp::from_ms(1_763_812_800_000);

/// An injected fault: events for which no row is written.
pub(crate) type DropsRows = fn(&Event) -> bool;

/// The machine, its state and its history.
pub(crate) struct Gateway {
    rows: BTreeMap<Key, Vec<u8>>,
    claims: HashSet<Claim>,
    directory: Directory,
    at: At,
    /// Outbound texts by their rows, in the order they were queued.
    texts: Vec<(MessageId, TextSeen)>,
    inbound: Vec<InboundSeen>,
    attempts: Vec<(Name, Name, Kind)>,
    drops_rows: DropsRows,
}

impl View for Gateway {
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

impl Gateway {
    /// A gateway that has just started, with the directory of every story.
    pub(crate) fn new(on: &BTreeSet<Switch>, drops_rows: DropsRows) -> Self {
        let mut gateway = Self {
            rows: BTreeMap::new(),
            claims: HashSet::new(),
            directory: Directory::default(),
            at: At { time: START, position: Position::default() },
            texts: Vec::new(),
            inbound: Vec::new(),
            attempts: Vec::new(),
            drops_rows,
        };
        let seed = Command::Seed { directory: Box::new(directory(on)), opt_outs: Vec::new() };
        for command in [Command::GatewayStarted, seed] {
            assert_eq!(gateway.run(0, command), Answer::Done);
        }
        gateway
    }

    /// Decides a command at this second of the story, and applies its events.
    pub(crate) fn run(&mut self, secs: u64, command: Command) -> Answer {
        self.at = At { time: Timestamp::from_ms(START.as_ms() + secs * 1_000), position: self.at.position.next() };
        let decision = decide(self, command, self.at);
        let events = decision.events.into_iter().filter(|event| !(self.drops_rows)(&event.event)).collect();
        let frame = CommittedFrame { position: self.at.position, at: self.at.time, events };
        let writes = apply(&frame);
        for write in writes.clone() {
            match write {
                Write::Put(key, row) => drop(self.rows.insert(key, row)),
                Write::Delete(key) => drop(self.rows.remove(&key)),
                Write::DropTable(table) => self.rows.retain(|key, _| key.table != table),
            }
        }
        frame.events.iter().for_each(|event| self.note(&event.event));
        self.read_texts(&writes);
        answer(&decision.reply)
    }

    /// Records what no row holds.
    fn note(&mut self, event: &Event) {
        if let Some(after) = event.directory_after(&self.directory, self.at.position) {
            self.directory = after;
        }
        match event {
            Event::Claimed { account, carrier_id, kind } => {
                let (account, carrier_id, kind) = (account.clone(), carrier_id.clone(), kind.clone());
                self.claims.insert(Claim { account, carrier_id, kind });
            }
            Event::MessageQueued { message, text, .. } => {
                self.texts.push((message.id, text_seen(message, text.kept().expect("nothing is erased"))));
            }
            Event::SendStarted { message, .. } => {
                self.attempts.push((name_of(message.ours), theirs(message), message.kind));
            }
            Event::MessageReceived { message, .. } => self.inbound.push(InboundSeen::InCall {
                from: theirs(message),
                to: name_of(message.ours),
                call: call_name(message.call.as_ref().expect("it was received in a call")),
                keyword: message.keyword.map(keyword_seen),
                reply_blocked: message.reply_blocked,
            }),
            Event::MessageLate(late) => self.inbound.push(InboundSeen::Late {
                from: address_name(late.from.kept().expect("nothing is erased")),
                to: address_name(late.to.kept().expect("nothing is erased")),
                replied: late.auto_replied,
                last_call: late.last_call.as_ref().map(call_name),
            }),
            _ => {}
        }
    }

    /// Rereads the texts whose rows were written.
    fn read_texts(&mut self, writes: &[Write]) {
        for nth in 0..self.texts.len() {
            let (id, seen) = &self.texts[nth];
            let key = message_key(*id);
            if writes.iter().any(|write| matches!(write, Write::Put(written, _) if *written == key)) {
                let message = self.message(*id).expect("its row was written");
                self.texts[nth].1 = text_seen(&message, &seen.words.clone());
            }
        }
    }

    /// The n-th outbound text.
    pub(crate) fn text(&self, nth: usize) -> MessageId {
        self.texts[nth].0
    }

    /// All visible state.
    pub(crate) fn seen(&self) -> Seen {
        let calls = CALLS.into_iter().filter_map(|name| Some((name, self.call(name)?)));
        let live = |who| self.live(number(who)).into_iter().map(move |live| (who, live));
        let pair = |(who, live): (Name, offhook::machine::state::Live)| {
            live.our_number.map(|ours| ((name_of(ours), who), call_name(&live.call)))
        };
        let opt_out = |who| self.opt_out(number(who)).map(|row| (who, row.block));
        let block = |(who, block): (Name, offhook::rules::opt_out::Block)| {
            let numbers = block.numbers.into_iter().map(name_of).collect();
            (who, Block { everywhere: block.everywhere, numbers })
        };
        Seen {
            calls: calls.map(|(name, call)| (name, self.call_seen(&call))).collect(),
            pairs: CALLERS.into_iter().flat_map(live).filter_map(pair).collect(),
            opt_outs: CALLERS.into_iter().filter_map(opt_out).map(block).collect(),
            texts: self.texts.iter().map(|(_, text)| text.clone()).collect(),
            inbound: self.inbound.clone(),
            attempts: self.attempts.clone(),
        }
    }

    fn call(&self, name: Name) -> Option<Call> {
        match Queries::call(self, &CallId::read(name).expect("a call's name"))? {
            CallRow::Call(call) => Some(*call),
            CallRow::EndedBeforeStart(_) => None,
        }
    }

    fn call_seen(&self, call: &Call) -> CallSeen {
        let usage = call.usage;
        CallSeen {
            ended: call.ended.clone().map(|ended| ended.reason.expect("each end of a story has a reason")),
            queue: known(call.queue.as_str(), &OURS),
            language: known(call.language.as_str(), &["en", "it"]),
            session: call.session,
            closed_reason: call.closed_reason,
            our_number: call.our_number.map(name_of),
            waiting: call.queued.len(),
            refusal: shown(self, call, self.at.time).refusal.map(|code| code.word()),
            used: Used {
                preset: usage.preset_sent,
                custom: usage.custom_sent,
                smart_action: usage.smart_action_sent,
                system: usage.system_sent,
                segments: usage.segments_sent,
                received: usage.received,
                media: usage.media_received,
            },
        }
    }
}

fn text_seen(message: &Message, words: &str) -> TextSeen {
    TextSeen {
        kind: message.kind,
        state: message.state,
        failure: message.failure.as_ref().map(|failure| failure.code),
        from: name_of(message.ours),
        to: theirs(message),
        call: message.call.as_ref().map(call_name),
        words: words.to_owned(),
        attempts: message.attempts.len(),
    }
}

fn answer(reply: &Reply) -> Answer {
    match reply {
        Reply::Done | Reply::Directory { .. } | Reply::OptOut { .. } | Reply::Verification(_) => Answer::Done,
        Reply::Call { created, shown } => Answer::Call {
            created: *created,
            ended: shown.call.ended.is_some(),
            refusal: shown.refusal.map(|code| code.word()),
            custom_allowed: shown.custom_allowed,
        },
        Reply::EndedBeforeStart { .. } => Answer::EndedBeforeStart,
        Reply::Message { message, .. } => Answer::Message(message.state),
        Reply::Refused(refusal) => Answer::Refused(refusal.code.word(), refusal.other_call.as_ref().map(call_name)),
        Reply::InboundItem(outcome) => Answer::InboundItem(match outcome {
            IntakeOutcome::Attached => "attached",
            IntakeOutcome::Replied => "replied",
            IntakeOutcome::Silent(_) => "silent",
            IntakeOutcome::Dropped => "dropped",
            IntakeOutcome::Advanced => "advanced",
            IntakeOutcome::Stale => "stale",
            IntakeOutcome::Duplicate => "duplicate",
            IntakeOutcome::NoSuchMessage
            | IntakeOutcome::Kept
            | IntakeOutcome::Waiting
            | IntakeOutcome::Quarantined(_)
            | IntakeOutcome::Ignored => "not reached by any story",
        }),
        Reply::Started { message } => {
            assert_eq!(message.state, MessageState::Sending);
            Answer::Started
        }
        Reply::NotStarted => Answer::NotStarted,
        Reply::Again(_)
        | Reply::SeedRefused
        | Reply::DocumentApplied { .. }
        | Reply::Suspended
        | Reply::QuarantineReplayed(_)
        | Reply::Erasure(_)
        | Reply::Reconciliation(_)
        | Reply::Known(_)
        | Reply::More
        | Reply::MediumSettled(_) => {
            unreachable!("no story asks for it")
        }
    }
}

fn keyword_seen(keyword: keyword::Keyword) -> Keyword {
    match keyword {
        keyword::Keyword::Stop => Keyword::Stop,
        keyword::Keyword::Start => Keyword::Start,
        keyword::Keyword::Help => Keyword::Help,
    }
}

fn theirs(message: &Message) -> Name {
    address_name(message.theirs.kept().expect("nothing is erased"))
}

fn address_name(address: &Address) -> Name {
    match address {
        Address::Number(number) => name_of(*number),
        Address::ShortCode(_) | Address::Name(_) => SHORT_CODE,
    }
}

fn call_name(call: &CallId) -> Name {
    known(call.as_str(), &CALLS)
}

/// The static name equal to this text.
fn known(text: &str, names: &[Name]) -> Name {
    names.iter().find(|name| **name == text).expect("a story has few names")
}
