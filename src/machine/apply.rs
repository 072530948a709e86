//! Which rows an event writes.
//!
//! Invariant: this reads nothing. An event carries what its rows are afterwards, so replay is idempotent and a
//! half-applied frame is harmless. Where a body was erased, what needs it is left out.

use super::event::{CallChange, Event, Fact, Story};
use super::rows::{Key, Table, Write};
use super::state::{Answered, CallRow, Gateway, Lane, Live, Message, Open, Timer};
use super::view::{contact_key, decode_row, encode_row, kind, live_key, message_key, open_key, state_key, timer_key};
use crate::model::{Address, Directory, E164, MessageState};
use serde::Serialize;
use std::collections::BTreeMap;

/// The writes of a story, in order.
pub fn apply(story: &Story) -> Vec<Write> {
    let mut writes = Vec::with_capacity(story.events.len() * 2);
    for event in &story.events {
        one(event, story, &mut writes);
    }
    writes
}

fn one(event: &Event, story: &Story, writes: &mut Vec<Write>) {
    match &event.fact {
        Fact::GatewayStarted => {
            // Whether a directory was loaded stands in a row of its own, so that this needs not read it.
            put(writes, state_key(kind::GATEWAY, &[]), &Gateway { started_at: story.at });
        }
        Fact::DirectoryLoaded { directory, opt_outs } => {
            directory_rows(directory, writes);
            for number in opt_outs.iter().filter_map(|number| number.kept()) {
                put(writes, state_key(kind::OPT_OUT, &number.key()), &story.at);
            }
        }
        Fact::Claimed { .. } => {}
        Fact::Answered { key, body, .. } => {
            let key = Key { table: Table::Idempotency(story.at.day()), bytes: key.to_vec() };
            put(writes, key, &Answered { body: *body, position: story.position, at: story.at });
        }
        Fact::CallStarted(change) | Fact::CallUpdated(change) | Fact::CallEnded(change) | Fact::CallKept(change) => {
            call(change, writes);
        }
        Fact::EndNoted { call, ended } => {
            put(writes, call_key(call.as_str()), &CallRow::EndedUnheard(ended.clone()));
        }
        Fact::MessageReceived { message, .. } | Fact::MessageKept { message } => {
            put(writes, message_key(message.id), message);
        }
        Fact::MessageQueued { message, lane, .. } | Fact::SendPostponed { message, lane } => {
            put(writes, message_key(message.id), message);
            open(message, false, writes);
            lane_row(message.ours, lane, writes);
        }
        Fact::SendStarted { message, lane } => {
            put(writes, message_key(message.id), message);
            open(message, true, writes);
            lane_row(message.ours, lane, writes);
        }
        Fact::SendUnknown { message, until } => {
            put(writes, message_key(message.id), message);
            writes.push(Write::Delete(open_key(message.id)));
            let timer = Timer::Unknown(message.id);
            put(writes, timer_key(*until, &timer), &timer);
        }
        Fact::MessageChanged { message, lane } => {
            put(writes, message_key(message.id), message);
            if message.state != MessageState::Sending {
                writes.push(Write::Delete(open_key(message.id)));
            }
            silence(message, writes);
            if let Some(lane) = lane {
                lane_row(message.ours, lane, writes);
            }
        }
        Fact::ContactKept { ours, theirs, contact } => {
            if let Some(theirs) = theirs.kept() {
                put(writes, contact_key(*ours, *theirs, story.at), contact);
            }
        }
        Fact::MessageLate(_) => {}
        Fact::LandlineFound { number, until } => {
            if let Some(number) = number.kept() {
                put(writes, state_key(kind::LANDLINE, &number.key()), until);
            }
        }
        Fact::Quarantined { account, problem, .. } => {
            let key = state_key(kind::QUARANTINE, &story.position.0.to_be_bytes());
            put(writes, key, &(account, problem, story.at));
        }
        Fact::FeedAdvanced { endpoint, watermark } => {
            put(writes, state_key(kind::FEED, endpoint.as_bytes()), watermark);
        }
        Fact::TimerDone { due, message } => {
            writes.push(Write::Delete(timer_key(*due, &Timer::Unknown(*message))));
        }
    }
}

fn call(change: &CallChange, writes: &mut Vec<Write>) {
    let call = &change.shown.call;
    if call.caller.kept().is_none() {
        return;
    }
    put(writes, call_key(call.id.as_str()), &CallRow::Call(Box::new(call.clone())));
    let timer = Timer::Lease(call.id.clone());
    if let Some(was) = change.lease_was {
        writes.push(Write::Delete(timer_key(was, &timer)));
        if call.ended.is_none() {
            put(writes, timer_key(call.lease_until, &timer), &timer);
        }
    }
    if let Some(was) = change.party_was.as_ref().and_then(|was| was.kept()) {
        writes.push(Write::Delete(live_key(*was, &call.id)));
    }
    let Some(party) = call.party().filter(|_| change.live) else { return };
    let key = live_key(party, &call.id);
    if call.ended.is_some() {
        writes.push(Write::Delete(key));
    } else {
        let (call, queue, our_number, session) = (call.id.clone(), call.queue.clone(), call.our_number, call.session);
        put(writes, key, &Live { call, queue, our_number, session });
    }
}

fn call_key(id: &str) -> Key {
    state_key(kind::CALL, id.as_bytes())
}

fn open(message: &Message, started: bool, writes: &mut Vec<Write>) {
    let Some(Address::Number(theirs)) = message.theirs.kept() else { return };
    let open = Open {
        ours: message.ours,
        theirs: *theirs,
        kind: message.kind,
        segments: message.segments,
        expires_at: message.expires_at,
        not_before: message.not_before,
        started,
    };
    put(writes, open_key(message.id), &open);
}

/// A message the carrier took waits for its receipt, and no longer once there is one (A54).
fn silence(message: &Message, writes: &mut Vec<Write>) {
    let Some(until) = message.unconfirmed_at() else { return };
    let timer = Timer::Unknown(message.id);
    if message.state == MessageState::Sent {
        put(writes, timer_key(until, &timer), &timer);
    } else {
        writes.push(Write::Delete(timer_key(until, &timer)));
    }
}

fn lane_row(ours: E164, lane: &Lane, writes: &mut Vec<Write>) {
    put(writes, state_key(kind::LANE, &ours.key()), lane);
}

/// The end of the key of the settings' row, which every directory has.
pub(super) const SETTINGS_ROW: &[u8] = &[part::SETTINGS];

/// Kinds of rows below `kind::DIRECTORY`. Texts stand apart from the settings, so that rows stay small.
mod part {
    pub(super) const SETTINGS: u8 = b's';
    pub(super) const CLOSING: u8 = b'c';
    pub(super) const AUTO_REPLY: u8 = b'r';
    pub(super) const NUMBER: u8 = b'n';
    pub(super) const QUEUE: u8 = b'q';
    pub(super) const PRESET: u8 = b'p';
    pub(super) const ACCOUNT: u8 = b'a';
}

fn directory_rows(directory: &Directory, writes: &mut Vec<Write>) {
    let mut part = |part: u8, row: Vec<u8>, name: &[u8]| {
        let mut rest = vec![part];
        rest.extend_from_slice(name);
        writes.push(Write::Put(state_key(kind::DIRECTORY, &rest), row));
    };
    let mut settings = directory.settings.clone();
    for (language, text) in std::mem::take(&mut settings.closing.texts) {
        part(part::CLOSING, encode_row(&(&language, text)), language.as_str().as_bytes());
    }
    for (language, text) in std::mem::take(&mut settings.auto_reply.texts) {
        part(part::AUTO_REPLY, encode_row(&(&language, text)), language.as_str().as_bytes());
    }
    part(part::SETTINGS, encode_row(&settings), &[]);
    for (number, entry) in &directory.numbers {
        part(part::NUMBER, encode_row(&(number, entry)), &number.key());
    }
    for (id, queue) in &directory.queues {
        part(part::QUEUE, encode_row(&(id, queue)), id.as_str().as_bytes());
    }
    for (language, presets) in &directory.presets {
        for (id, preset) in presets {
            let name = format!("{language}/{id}");
            part(part::PRESET, encode_row(&(language, id, preset)), name.as_bytes());
        }
    }
    for (name, account) in &directory.accounts {
        part(part::ACCOUNT, encode_row(&(name, account)), name.as_bytes());
    }
}

/// Reads the directory back from its rows, in any order. `None` where there is none.
pub fn directory_from(rows: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Option<Directory> {
    let mut settings: Option<crate::model::Settings> = None;
    let (mut closing, mut auto_reply) = (BTreeMap::new(), BTreeMap::new());
    let (mut numbers, mut queues, mut accounts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut presets: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for (key, row) in rows {
        match key.get(1) {
            Some(&part::SETTINGS) => settings = decode_row(&row),
            Some(&part::CLOSING) => closing.extend(decode_row::<(_, _)>(&row)),
            Some(&part::AUTO_REPLY) => auto_reply.extend(decode_row::<(_, _)>(&row)),
            Some(&part::NUMBER) => numbers.extend(decode_row::<(_, _)>(&row)),
            Some(&part::QUEUE) => queues.extend(decode_row::<(_, _)>(&row)),
            Some(&part::ACCOUNT) => accounts.extend(decode_row::<(_, _)>(&row)),
            Some(&part::PRESET) => {
                if let Some((language, id, preset)) = decode_row(&row) {
                    presets.entry(language).or_default().insert(id, preset);
                }
            }
            Some(_) | None => {}
        }
    }
    let mut settings = settings?;
    (settings.closing.texts, settings.auto_reply.texts) = (closing, auto_reply);
    Some(Directory::new(settings, numbers, queues, presets, accounts))
}

fn put<T: Serialize>(writes: &mut Vec<Write>, key: Key, value: &T) {
    writes.push(Write::Put(key, encode_row(value)));
}
