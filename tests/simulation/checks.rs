//! The invariants, checked after each recovery and at the end, when everything is idle.

use super::directory::{NUMBERS, number};
use super::gateway::rebuilt;
use super::world::{World, violation};
use super::{delivery, limits};
use offhook::engine::Reads;
use offhook::machine::event::{CommittedFrame, Event, NumberedEvent};
use offhook::machine::keys::{decode_row, kind};
use offhook::machine::rows::{Key, Table};
use offhook::machine::state::CallRow;
use offhook::machine::view::{Queries, SendingQueries};
use offhook::model::{CallId, ClaimKind, Day, E164, InboundItem, IntakeOutcome, Kind, MessageId, Month, Position};
use offhook::rules::opt_out::Block;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Rows read at a time.
const PAGE: usize = 500;

/// Minimum time, by the journal's clock, for which claims and idempotency keys are remembered.
const CLAIMS_KEPT: Duration = Duration::from_secs(8 * 24 * 60 * 60);
const KEYS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Checks after each start. With `rebuild`, also compares the index with a rebuilt one.
pub(crate) fn after_recovery(world: &mut World, rebuild: bool) {
    catch_up(world);
    if rebuild {
        rows_equal_a_rebuild(world);
    }
    lanes_count_their_queued_segments(world);
    delivery::i1_watermarks_only_pass_delivered_or_parked_events(world);
}

/// Checks at the end, when everything is idle.
pub(crate) fn at_rest(world: &mut World) {
    catch_up(world);
    let frames = &world.frames;
    rows_equal_a_rebuild(world);
    i1_acknowledged_webhooks_are_stored_once(world, frames);
    delivery::i1_i2_endpoints_have_exactly_the_journals_events(world, frames);
    let replayed_any = delivery::a65_replays_are_delivered(world, frames);
    i4_call_sequences_have_no_gap(frames);
    i5_each_text_of_ours_ends_once(world, frames);
    i6_each_send_is_a_recorded_attempt(world, frames);
    i7_nothing_is_sent_after_stop(frames);
    limits::i8_no_number_exceeds_its_rate(world, frames);
    limits::no_number_exceeds_its_daily_cap(world, frames);
    limits::no_text_is_queued_past_its_expiry(world, frames);
    replies_given_still_hold(world, frames);
    i11_nothing_is_left_over(world);
    world.covered.extend(replayed_any.then_some("replayed"));
}

/// Reads the frames committed since the last call.
fn catch_up(world: &mut World) {
    let follow = world.running().reads().follow().clone();
    loop {
        let next = Position(world.frames.len() as u64 + 1);
        let page = follow.read(next, PAGE).expect("committed frames are readable");
        if page.is_empty() {
            return;
        }
        world.frames.extend(page);
    }
}

pub(crate) fn events(frames: &[Arc<CommittedFrame>]) -> impl Iterator<Item = (&CommittedFrame, &NumberedEvent)> {
    frames.iter().flat_map(|frame| frame.events.iter().map(move |event| (frame.as_ref(), event)))
}

/// An index that survived crashes equals one rebuilt from the journal.
fn rows_equal_a_rebuild(world: &World) {
    let core = rebuilt(&world.disk, &world.time);
    let days: BTreeSet<Day> = world.frames.iter().map(|frame| frame.at.day()).collect();
    let months: BTreeSet<Month> = days.iter().map(|day| day.month()).collect();
    let tables = days.iter().flat_map(|day| [Table::Messages(*day), Table::Idempotency(*day)]);
    let tables = tables.chain(months.into_iter().map(Table::Contacts)).chain([Table::State]);
    for table in tables {
        let (kept, made) = (all(world.running().reads(), table), all(&core.reads(), table));
        if kept != made {
            let differ = |(key, row): &(&Vec<u8>, &Vec<u8>)| made.get(*key) != Some(row);
            let more: Vec<_> = kept.iter().filter(differ).map(|(key, _)| key).collect();
            violation(
                "replay",
                format!("a rebuild gives {} rows of {table:?}, the index has {}: {more:?}", made.len(), kept.len()),
            );
        }
    }
}

fn all(reads: &Reads, table: Table) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let rows = reads.ask(|view| view.scan(Key { table, bytes: Vec::new() }, Vec::new()).collect());
    rows.expect("the in-memory index is readable")
}

fn lanes_count_their_queued_segments(world: &World) {
    let reads = world.running().reads();
    for ours in NUMBERS.map(number) {
        let (counted, waits) = reads
            .ask(|view| {
                let waits = view.open().filter(|(_, open)| open.ours == ours && !open.started);
                (view.lane(ours).queued_segments, waits.map(|(_, open)| u32::from(open.segments)).sum::<u32>())
            })
            .expect("the in-memory index is readable");
        if counted != waits {
            violation("lanes", format!("{ours:?} counts {counted} segments, but {waits} are queued"));
        }
    }
}

/// One effect per carrier id, and exactly one for each acknowledged text.
fn i1_acknowledged_webhooks_are_stored_once(world: &World, frames: &[Arc<CommittedFrame>]) {
    let mut claims: HashMap<(&str, &ClaimKind), &CommittedFrame> = HashMap::new();
    for (frame, event) in events(frames) {
        if let Event::Claimed { carrier_id, kind, .. } = &event.event
            && claims.insert((carrier_id, kind), frame).is_some_and(|first| frame.at.since(first.at) < CLAIMS_KEPT)
        {
            violation("dedupe", format!("{carrier_id} has two effects"));
        }
    }
    for hook in world.carrier.hooks.iter().filter(|hook| !hook.outcomes.is_empty()) {
        let outcomes = &hook.outcomes;
        let first = outcomes
            .iter()
            .filter(|outcome| !matches!(outcome, IntakeOutcome::Duplicate | IntakeOutcome::Stale))
            .count();
        match &hook.item {
            InboundItem::Message(inbound) => {
                let Some(frame) = claims.get(&(inbound.carrier_id.as_str(), &ClaimKind::Message)) else {
                    violation("I1", format!("{} was acknowledged ({outcomes:?}) but is not stored", inbound.carrier_id))
                };
                let effects = frame.events.iter().filter(|event| is_inbound(event)).count();
                if effects != 1 || first > 1 {
                    violation("I1", format!("{} has {effects} effects, outcomes {outcomes:?}", inbound.carrier_id));
                }
            }
            InboundItem::Receipt(receipt) if outcomes.contains(&IntakeOutcome::Advanced) => {
                let kind = ClaimKind::Receipt { status: receipt.status.clone() };
                if !claims.contains_key(&(receipt.carrier_id.as_str(), &kind)) || first > 1 {
                    violation(
                        "I1",
                        format!("receipt {} {} has outcomes {outcomes:?}", receipt.carrier_id, receipt.status),
                    );
                }
            }
            InboundItem::Unreadable { .. } if first > 1 => {
                violation("dedupe", format!("quarantined twice: {outcomes:?}"))
            }
            _ => {}
        }
    }
    let known: HashSet<&str> = world
        .carrier
        .hooks
        .iter()
        .filter_map(|hook| match &hook.item {
            InboundItem::Message(inbound) => Some(inbound.carrier_id.as_str()),
            _ => None,
        })
        .collect();
    for frame in frames.iter().filter(|frame| frame.events.iter().any(is_inbound)) {
        let of_a_text = |event: &NumberedEvent| match &event.event {
            Event::Claimed { carrier_id, kind: ClaimKind::Message, .. } => known.contains(carrier_id.as_str()),
            _ => false,
        };
        if !frame.events.iter().any(of_a_text) {
            violation("I2", format!("position {} has a text that was never posted", frame.position.0));
        }
    }
}

fn is_inbound(event: &NumberedEvent) -> bool {
    matches!(event.event, Event::MessageReceived { .. } | Event::MessageLate(_))
}

fn i4_call_sequences_have_no_gap(frames: &[Arc<CommittedFrame>]) {
    let mut last: HashMap<CallId, u64> = HashMap::new();
    for (frame, event) in events(frames) {
        let Some(sequence) = event.call_sequence else { continue };
        let Some(call) = event.event.call() else {
            violation("I4", format!("position {} has a call_sequence but no call", frame.position.0))
        };
        let last = last.entry(call.clone()).or_default();
        *last += 1;
        if sequence != *last {
            violation(
                "I4",
                format!("{call} has call_sequence {sequence} at position {}, expected {last}", frame.position.0),
            );
        }
    }
}

/// After STOP only its confirmation is sent, until START.
fn i7_nothing_is_sent_after_stop(frames: &[Arc<CommittedFrame>]) {
    let mut opted_out: HashMap<E164, Block> = HashMap::new();
    for (frame, event) in events(frames) {
        match &event.event {
            Event::OptOutsLoaded { opt_outs } => {
                opted_out.extend(opt_outs.iter().filter_map(|(who, block)| Some((*who.kept()?, block.clone()))));
            }
            Event::OptedOut { contact, opt_out, .. } => {
                opted_out.extend(contact.kept().map(|who| (*who, opt_out.block.clone())));
            }
            Event::OptedIn { contact, opt_out, .. } => {
                let Some(who) = contact.kept() else { continue };
                match opt_out {
                    Some(opt_out) => drop(opted_out.insert(*who, opt_out.block.clone())),
                    None => drop(opted_out.remove(who)),
                }
            }
            Event::SendStarted { message, .. } if message.kind != Kind::OptOutConfirmation => {
                let theirs = message.theirs.kept().and_then(|address| address.number());
                let block = theirs.and_then(|theirs| opted_out.get(&theirs));
                if block.is_some_and(|block| block.covers(message.ours)) {
                    violation("I7", format!("{} starts at position {} after STOP", message.id, frame.position.0));
                }
            }
            _ => {}
        }
    }
}

fn i5_each_text_of_ours_ends_once(world: &World, frames: &[Arc<CommittedFrame>]) {
    for (_, event) in events(frames) {
        let Event::MessageQueued { message, .. } = &event.event else { continue };
        let id = message.id;
        let row = world.running().reads().ask(|view| view.message(id)).expect("the in-memory index is readable");
        let Some(row) = row else { violation("I5", format!("{id} has no row")) };
        if !row.state.is_final() {
            violation("I5", format!("{id} is still {} at the end: {:?}", row.state.word(), row.attempts));
        }
        let states = world.endpoints[0].states.get(&id.to_string()).cloned().unwrap_or_default();
        let ends: Vec<&str> =
            states.iter().map(String::as_str).filter(|state| !["queued", "sent"].contains(state)).collect();
        let once = match ends.as_slice() {
            [_] => true,
            // A receipt overrides an assumed final state.
            ["unconfirmed" | "expired", then] => ["delivered", "undelivered", "failed"].contains(then),
            _ => false,
        };
        if !once || ends.last() != Some(&row.state.word()) {
            violation("I5", format!("{id} is {}, but the platform got {states:?}", row.state.word()));
        }
    }
}

fn i6_each_send_is_a_recorded_attempt(world: &World, frames: &[Arc<CommittedFrame>]) {
    let mut attempts: BTreeSet<(MessageId, u32)> = BTreeSet::new();
    for (_, event) in events(frames) {
        if let Event::SendStarted { message, .. } = &event.event {
            let attempt = u32::try_from(message.attempts.len()).expect("a message has few attempts");
            if !attempts.insert((message.id, attempt)) {
                violation("I6", format!("attempt {attempt} of {} is recorded twice", message.id));
            }
        }
    }
    if let Some((id, attempt)) = world.carrier.posts.difference(&attempts).next() {
        violation("I6", format!("the carrier got attempt {attempt} of {id}, which no frame records"));
    }
}

/// Replies given to the platform stay true.
fn replies_given_still_hold(world: &World, frames: &[Arc<CommittedFrame>]) {
    let queued: BTreeSet<MessageId> = events(frames)
        .filter_map(|(_, event)| match &event.event {
            Event::MessageQueued { message, .. } => Some(message.id),
            _ => None,
        })
        .collect();
    if let Some(id) = world.desk.accepted.difference(&queued).next() {
        violation("promise 1", format!("{id} was accepted but is not stored"));
    }
    for position in &world.desk.repeated {
        if !queued.iter().any(|id| id.position() == *position) {
            violation("promise 2", format!("a repeat was answered with position {}, which queues nothing", position.0));
        }
    }
    let mut keys = HashMap::new();
    for (frame, event) in events(frames) {
        if let Event::Answered { key, .. } = &event.event
            && keys.insert(key, frame.at).is_some_and(|first| frame.at.since(first) < KEYS_KEPT)
        {
            violation("promise 2", "a keyed request took effect twice");
        }
    }
    for (id, ended) in &world.desk.ended {
        match call(world, id) {
            Some(CallRow::Call(call)) if call.ended.as_ref() == Some(ended) => {}
            _ => violation("promise 1", format!("{id} was reported as ended but is not")),
        }
    }
}

fn call(world: &World, id: &CallId) -> Option<CallRow> {
    world.running().reads().ask(|view| view.call(id)).expect("the in-memory index is readable")
}

fn i11_nothing_is_left_over(world: &World) {
    lanes_count_their_queued_segments(world);
    let (waiting, fed) = world.running().idle();
    if waiting > 0 || !fed {
        violation("I11", format!("{waiting} texts are still queued; feeds idle: {fed}"));
    }
    for (key, row) in all(world.running().reads(), Table::State) {
        match key.first() {
            Some(&(kind::OPEN | kind::LIVE | kind::TIMER | kind::PARKED)) => {
                violation("I11", format!("a row of kind {} is left over", char::from(key[0])));
            }
            Some(&kind::CALL) => {
                if let Some(CallRow::Call(call)) = decode_row(&row) {
                    let done = call.ended.is_some() && call.queued.is_empty();
                    if !done {
                        violation("I11", format!("{} has not ended or has queued texts", call.id));
                    }
                }
            }
            _ => {}
        }
    }
}
