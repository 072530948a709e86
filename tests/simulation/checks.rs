//! The promises, checked after each recovery and when all has come to rest.

use super::directory::{NUMBERS, number};
use super::gateway::replayed;
use super::world::{World, violation};
use super::{limits, told};
use offhook::engine::Reads;
use offhook::machine::command::IntakeOutcome;
use offhook::machine::event::{CommittedFrame, Event, NumberedEvent};
use offhook::machine::rows::Table;
use offhook::machine::state::CallRow;
use offhook::machine::view::{Queries, View, decode_row, kind};
use offhook::model::{CallId, ClaimKind, Day, E164, InboundItem, Kind, MessageId, Month, Position};
use offhook::rules::opt_out::Block;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Rows read at a time.
const PAGE: usize = 500;

/// How long, in the journal's time, a carrier's item and a request's key are known at least.
const CLAIMS_KEPT: Duration = Duration::from_secs(8 * 24 * 60 * 60);
const KEYS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What must hold whenever a process has just begun. `anew`: also that an index made anew is the same.
pub(crate) fn after_recovery(world: &mut World, anew: bool) {
    catch_up(world);
    if anew {
        rows_are_what_a_replay_makes(world);
    }
    lanes_count_what_waits(world);
    told::i1_watermarks_stand_before_all_that_is_undelivered(world);
}

/// What must hold when everything has come to rest.
pub(crate) fn at_rest(world: &mut World) {
    catch_up(world);
    let stories = &world.stories;
    rows_are_what_a_replay_makes(world);
    i1_what_was_thanked_for_is_kept_once(world, stories);
    told::i1_i2_endpoints_have_the_journals_events_and_no_others(world, stories);
    let again = told::a65_what_was_asked_for_once_more_came_once_more(world, stories);
    i4_calls_are_told_without_a_gap(stories);
    i5_each_text_of_ours_ends_once(world, stories);
    i6_each_post_has_its_attempt(world, stories);
    i7_nothing_starts_to_who_said_stop(stories);
    limits::i8_no_number_is_over_its_limit(world, stories);
    limits::no_number_is_over_its_days_cap(world, stories);
    limits::no_text_waits_beyond_its_time(world, stories);
    answers_given_are_kept(world, stories);
    i11_nothing_is_left(world);
    world.met.extend(again.then_some("told again"));
}

/// Reads what was committed since the last time. What was synced once is there for good.
fn catch_up(world: &mut World) {
    let follow = world.living().reads().follow().clone();
    loop {
        let next = Position(world.stories.len() as u64 + 1);
        let page = follow.read(next, PAGE).expect("what is committed can be read");
        if page.is_empty() {
            return;
        }
        world.stories.extend(page);
    }
}

pub(crate) fn facts(stories: &[Arc<CommittedFrame>]) -> impl Iterator<Item = (&CommittedFrame, &NumberedEvent)> {
    stories.iter().flat_map(|story| story.events.iter().map(move |event| (story.as_ref(), event)))
}

/// An index that lived through deaths holds what one holds that is made anew from the journal.
fn rows_are_what_a_replay_makes(world: &World) {
    let core = replayed(&world.disk, &world.time);
    let days: BTreeSet<Day> = world.stories.iter().map(|story| story.at.day()).collect();
    let months: BTreeSet<Month> = days.iter().map(|day| day.month()).collect();
    let tables = days.iter().flat_map(|day| [Table::Messages(*day), Table::Idempotency(*day)]);
    let tables = tables.chain(months.into_iter().map(Table::Contacts)).chain([Table::State]);
    for table in tables {
        let (kept, made) = (all(world.living().reads(), table), all(&core.reads(), table));
        if kept != made {
            let differ = |(key, row): &(&Vec<u8>, &Vec<u8>)| made.get(*key) != Some(row);
            let more: Vec<_> = kept.iter().filter(differ).map(|(key, _)| key).collect();
            violation(
                "replay",
                format!("makes other rows of {table:?}: {} against {}, {more:?}", made.len(), kept.len()),
            );
        }
    }
}

fn all(reads: &Reads, table: Table) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut rows = BTreeMap::new();
    let mut from = Vec::new();
    loop {
        let page = reads.ask(|view| view.rows(table, &[], &from, PAGE)).expect("the index in memory can be read");
        let full = page.len() == PAGE;
        if let Some((last, _)) = page.last() {
            from = last.iter().copied().chain([0]).collect();
        }
        rows.extend(page);
        if !full {
            return rows;
        }
    }
}

fn lanes_count_what_waits(world: &World) {
    let reads = world.living().reads();
    for ours in NUMBERS.map(number) {
        let (counted, waits) = reads
            .ask(|view| {
                let open = view.open_page(&[], PAGE);
                let waits = open.iter().filter(|(_, _, open)| open.ours == ours && !open.started);
                (view.lane(ours).queued_segments, waits.map(|(_, _, open)| u32::from(open.segments)).sum::<u32>())
            })
            .expect("the index in memory can be read");
        if counted != waits {
            violation("lanes", format!("{ours:?} counts {counted} segments and {waits} wait"));
        }
    }
}

/// One carrier's id, one effect; and of each text that was thanked for, one.
fn i1_what_was_thanked_for_is_kept_once(world: &World, stories: &[Arc<CommittedFrame>]) {
    let mut claims: HashMap<(&str, &ClaimKind), &CommittedFrame> = HashMap::new();
    for (story, event) in facts(stories) {
        if let Event::Claimed { carrier_id, kind, .. } = &event.fact
            && claims.insert((carrier_id, kind), story).is_some_and(|first| story.at.since(first.at) < CLAIMS_KEPT)
        {
            violation("dedupe", format!("{carrier_id} has two effects"));
        }
    }
    for hook in world.carrier.hooks.iter().filter(|hook| !hook.thanked.is_empty()) {
        let thanked = &hook.thanked;
        let first =
            thanked.iter().filter(|taken| !matches!(taken, IntakeOutcome::Duplicate | IntakeOutcome::Stale)).count();
        match &hook.item {
            InboundItem::Message(inbound) => {
                let Some(story) = claims.get(&(inbound.carrier_id.as_str(), &ClaimKind::Message)) else {
                    violation("I1", format!("{} was thanked for ({thanked:?}) and is nowhere", inbound.carrier_id))
                };
                let effects = story.events.iter().filter(|event| heard(event)).count();
                if effects != 1 || first > 1 {
                    violation("I1", format!("{} has {effects} effects, thanked {thanked:?}", inbound.carrier_id));
                }
            }
            InboundItem::Receipt(receipt) if thanked.contains(&IntakeOutcome::Advanced) => {
                let kind = ClaimKind::Receipt { status: receipt.status.clone() };
                if !claims.contains_key(&(receipt.carrier_id.as_str(), &kind)) || first > 1 {
                    violation("I1", format!("receipt {} {} of {thanked:?}", receipt.carrier_id, receipt.status));
                }
            }
            InboundItem::Unreadable { .. } if first > 1 => {
                violation("dedupe", format!("quarantined twice: {thanked:?}"))
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
    for story in stories.iter().filter(|story| story.events.iter().any(heard)) {
        let of_a_text = |event: &NumberedEvent| matches!(&event.fact, Event::Claimed { carrier_id, kind: ClaimKind::Message, .. } if known.contains(carrier_id.as_str()));
        if !story.events.iter().any(of_a_text) {
            violation("I2", format!("position {} tells of a text that nobody posted", story.position.0));
        }
    }
}

fn heard(event: &NumberedEvent) -> bool {
    matches!(event.fact, Event::MessageReceived { .. } | Event::MessageLate(_))
}

fn i4_calls_are_told_without_a_gap(stories: &[Arc<CommittedFrame>]) {
    let mut last: HashMap<CallId, u64> = HashMap::new();
    for (story, event) in facts(stories) {
        let Some(sequence) = event.call_sequence else { continue };
        let Some(call) = event.fact.call() else {
            violation("I4", format!("position {} has a sequence and no call", story.position.0))
        };
        let last = last.entry(call.clone()).or_default();
        *last += 1;
        if sequence != *last {
            violation("I4", format!("{call} has {sequence} at position {}, and {last} is next", story.position.0));
        }
    }
}

/// Whom STOP silenced gets nothing but its confirmation, until START.
fn i7_nothing_starts_to_who_said_stop(stories: &[Arc<CommittedFrame>]) {
    let mut silenced: HashMap<E164, Block> = HashMap::new();
    for (story, event) in facts(stories) {
        match &event.fact {
            Event::OptOutsLoaded { opt_outs } => {
                silenced.extend(opt_outs.iter().filter_map(|(who, block)| Some((*who.kept()?, block.clone()))));
            }
            Event::OptedOut { contact, stands, .. } => {
                silenced.extend(contact.kept().map(|who| (*who, stands.block.clone())));
            }
            Event::OptedIn { contact, stands, .. } => {
                let Some(who) = contact.kept() else { continue };
                match stands {
                    Some(stands) => drop(silenced.insert(*who, stands.block.clone())),
                    None => drop(silenced.remove(who)),
                }
            }
            Event::SendStarted { message, .. } if message.kind != Kind::OptOutConfirmation => {
                let theirs = message.theirs.kept().and_then(|address| address.number());
                let block = theirs.and_then(|theirs| silenced.get(&theirs));
                if block.is_some_and(|block| block.covers(message.ours)) {
                    violation("I7", format!("{} starts at position {} after STOP", message.id, story.position.0));
                }
            }
            _ => {}
        }
    }
}

fn i5_each_text_of_ours_ends_once(world: &World, stories: &[Arc<CommittedFrame>]) {
    for (_, event) in facts(stories) {
        let Event::MessageQueued { message, .. } = &event.fact else { continue };
        let id = message.id;
        let row = world.living().reads().ask(|view| view.message(id)).expect("the index in memory can be read");
        let Some(row) = row else { violation("I5", format!("{id} has no row")) };
        if !row.state.is_final() {
            violation("I5", format!("{id} is {} when all has come to rest: {:?}", row.state.word(), row.attempts));
        }
        let told = world.endpoints[0].states.get(&id.to_string()).cloned().unwrap_or_default();
        let ends: Vec<&str> =
            told.iter().map(String::as_str).filter(|state| !["queued", "sent"].contains(state)).collect();
        let once = match ends.as_slice() {
            [_] => true,
            // A guess gives way to a receipt, which knows.
            ["unconfirmed" | "expired", then] => ["delivered", "undelivered", "failed"].contains(then),
            _ => false,
        };
        if !once || ends.last() != Some(&row.state.word()) {
            violation("I5", format!("{id} is {} and the platform heard {told:?}", row.state.word()));
        }
    }
}

fn i6_each_post_has_its_attempt(world: &World, stories: &[Arc<CommittedFrame>]) {
    let mut attempts: BTreeSet<(MessageId, u32)> = BTreeSet::new();
    for (_, event) in facts(stories) {
        if let Event::SendStarted { message, .. } = &event.fact {
            let attempt = u32::try_from(message.attempts.len()).expect("a message has few attempts");
            if !attempts.insert((message.id, attempt)) {
                violation("I6", format!("attempt {attempt} of {} is recorded twice", message.id));
            }
        }
    }
    if let Some((id, attempt)) = world.carrier.posts.difference(&attempts).next() {
        violation("I6", format!("the carrier saw attempt {attempt} of {id}, which is in no frame"));
    }
}

/// What the platform's desk was answered holds for good.
fn answers_given_are_kept(world: &World, stories: &[Arc<CommittedFrame>]) {
    let queued: BTreeSet<MessageId> = facts(stories)
        .filter_map(|(_, event)| match &event.fact {
            Event::MessageQueued { message, .. } => Some(message.id),
            _ => None,
        })
        .collect();
    if let Some(id) = world.desk.accepted.difference(&queued).next() {
        violation("promise 1", format!("{id} was accepted and is nowhere"));
    }
    for position in &world.desk.again {
        if !queued.iter().any(|id| id.position() == *position) {
            violation("promise 2", format!("a repeat was answered with position {}, which queues nothing", position.0));
        }
    }
    let mut keys = HashMap::new();
    for (story, event) in facts(stories) {
        if let Event::Answered { key, .. } = &event.fact
            && keys.insert(key, story.at).is_some_and(|first| story.at.since(first) < KEYS_KEPT)
        {
            violation("promise 2", "a request with a key was done twice");
        }
    }
    for (id, ended) in &world.desk.ended {
        match call(world, id) {
            Some(CallRow::Call(call)) if call.ended.as_ref() == Some(ended) => {}
            _ => violation("promise 1", format!("{id} was answered as ended and is not")),
        }
    }
}

fn call(world: &World, id: &CallId) -> Option<CallRow> {
    world.living().reads().ask(|view| view.call(id)).expect("the index in memory can be read")
}

fn i11_nothing_is_left(world: &World) {
    lanes_count_what_waits(world);
    let (waiting, fed) = world.living().rest();
    if waiting > 0 || !fed {
        violation("I11", format!("{waiting} texts wait in lanes; the feed is empty: {fed}"));
    }
    for (key, row) in all(world.living().reads(), Table::State) {
        match key.first() {
            Some(&(kind::OPEN | kind::LIVE | kind::TIMER | kind::PARKED)) => {
                violation("I11", format!("a row of kind {} is left", char::from(key[0])));
            }
            Some(&kind::CALL) => {
                if let Some(CallRow::Call(call)) = decode_row(&row) {
                    let done = call.ended.is_some() && call.queued.is_empty();
                    if !done {
                        violation("I11", format!("{} has not ended, or texts of it wait", call.id));
                    }
                }
            }
            _ => {}
        }
    }
}
