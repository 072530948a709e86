//! Invariants that hold after every command of every story.

use super::{ANN, BOB, ROMA, TestMachine, write};
use crate::machine::apply::apply;
use crate::machine::event::{CommittedFrame, Event, NumberedEvent};
use crate::machine::keys::{decode_row, encode_row, kind, live_key};
use crate::machine::record;
use crate::machine::rows::{Key, Table};
use crate::machine::state::{Call, CallRow, Live, Message, Open, Timer, Usage, UsageOf};
use crate::machine::view::{PeopleQueries, Queries, SendingQueries, View};
use crate::model::{
    Address, AttemptOutcome, CallId, Direction, E164, Kind, MessageId, MessageState, Phase, Session, Timestamp,
};
use crate::rules::non_us;
use crate::rules::parts::WAIT;
use std::collections::{BTreeMap, BTreeSet};

/// Checks a frame before it is applied.
pub(super) fn before(world: &mut TestMachine, frame: &CommittedFrame) {
    records_round_trip_and_their_meta_holds_no_personal_data(frame);
    call_sequences_have_no_gap(world, frame);
    ended_calls_get_no_messages(world, frame);
    final_states_are_kept(world, frame);
    only_open_sessions_get_a_closing_message(world, frame);
    nothing_is_sent_to_blocked_people(world, frame);
}

/// Checks the rows after a frame is applied.
pub(super) fn after(world: &TestMachine) {
    let frame = world.journal.last().unwrap();
    let mut twice = world.rows.clone();
    write(&mut twice, &apply(frame));
    assert!(twice == world.rows, "applying a frame twice gives the same rows");

    let calls = calls(world);
    let messages = messages(world);
    open_rows_are_the_messages_in_flight_or_queued(world, &messages);
    lanes_count_their_queued_segments(world);
    live_rows_are_the_live_calls(world, &calls);
    timers_match_leases_and_unsettled_messages(world, &calls, &messages);
    for call in calls.values() {
        assert_eq!(Some(&call.last_sequence), world.sequences.get(&call.id), "the row has the last call_sequence");
        a_call_agrees_with_its_messages(call, &messages);
    }
}

/// Checks the journal at the end of a story.
pub(super) fn at_the_end(world: &TestMachine) {
    let mut rows = BTreeMap::new();
    for frame in &world.journal {
        write(&mut rows, &apply(frame));
    }
    assert!(rows == world.rows, "a replay of the journal gives the same rows");
    usage_is_what_the_journal_says(world);
}

/// R4-R6: the counters of days and the usage of calls, against a count of all messages of the journal.
fn usage_is_what_the_journal_says(world: &TestMachine) {
    let (mut messages, mut segments, mut last) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut by_day, mut by_call): (BTreeMap<_, Usage>, BTreeMap<_, Usage>) = (BTreeMap::new(), BTreeMap::new());
    for frame in &world.journal {
        for NumberedEvent { event, .. } in &frame.events {
            messages.extend(event.message().map(|message| (message.id, message)));
            match event {
                Event::SendStarted { message, .. } => drop(segments.entry(message.id).or_insert(message.segments)),
                Event::MessageLate(_) => by_day.entry((frame.at.day(), Kind::Inbound)).or_default().late += 1,
                Event::CallStarted(change)
                | Event::CallUpdated(change)
                | Event::CallEnded(change)
                | Event::CallStored(change) => drop(last.insert(&change.shown.call.id, &change.shown.call)),
                _ => {}
            }
        }
    }
    for message in messages.into_values() {
        let first = message.attempts.first().map(|attempt| attempt.at);
        let Some(at) = first.or((message.kind == Kind::Inbound).then_some(message.created_at)) else { continue };
        let in_call = message.call.as_ref().map(|call| by_call.entry(call).or_default());
        for usage in [Some(by_day.entry((at.day(), message.kind)).or_default()), in_call].into_iter().flatten() {
            match message.kind {
                Kind::Preset => usage.preset_sent += 1,
                Kind::Custom => usage.custom_sent += 1,
                Kind::SmartAction => usage.smart_action_sent += 1,
                Kind::Inbound => usage.received += 1,
                _ => usage.system_sent += 1,
            }
            usage.media_received += message.media.len() as u32;
            usage.segments_sent += segments.get(&message.id).map_or(0, |segments| u32::from(*segments));
            match message.state {
                MessageState::Delivered => usage.delivered += 1,
                MessageState::Received | MessageState::Sent | MessageState::Sending => {}
                MessageState::Queued | MessageState::Unconfirmed => {}
                _ => usage.failed += 1,
            }
        }
    }
    let mut counted: BTreeMap<_, Usage> = BTreeMap::new();
    for (_, row) in world.rows.iter().filter(|(key, _)| matches!(key.table, Table::Usage(_)) && key.bytes.len() > 2) {
        let (of, usage): (UsageOf, Usage) = decode_row(row).expect("a usage counter");
        assert_ne!(usage, Usage::default(), "a counter that counts nothing: {of:?}");
        add(counted.entry((of.day, of.kind)).or_default(), &usage);
    }
    assert_eq!(counted, by_day, "usage of days");
    for call in last.into_values() {
        assert_eq!(call.usage, by_call.get(&call.id).copied().unwrap_or_default(), "usage of {}", call.id);
    }
}

fn records_round_trip_and_their_meta_holds_no_personal_data(frame: &CommittedFrame) {
    let (meta, bodies) = record::encode(frame.at, &frame.events);
    for number in [ANN, BOB, ROMA] {
        let number: E164 = number.parse().unwrap();
        let forms = [number.to_string().trim_start_matches('+').into(), encode_row(&number)];
        for form in forms {
            assert!(!holds(&meta, &form), "the meta contains {number:?} in {:?}", frame.events);
        }
    }
    for event in &frame.events {
        if let Event::MessageQueued { text, .. } | Event::MessageReceived { text, .. } = &event.event {
            let text = text.kept().unwrap();
            assert!(text.is_empty() || !holds(&meta, text.as_bytes()), "the meta contains a text");
        }
    }
    let bodies = bodies.into_iter().map(Some).collect();
    assert_eq!(&record::decode(frame.position, &meta, bodies).unwrap(), frame);
}

/// Adds counts.
pub(super) fn add(sum: &mut Usage, usage: &Usage) {
    sum.preset_sent += usage.preset_sent;
    sum.custom_sent += usage.custom_sent;
    sum.smart_action_sent += usage.smart_action_sent;
    sum.system_sent += usage.system_sent;
    sum.received += usage.received;
    sum.media_received += usage.media_received;
    sum.segments_sent += usage.segments_sent;
    sum.delivered += usage.delivered;
    sum.failed += usage.failed;
    sum.late += usage.late;
}

pub(super) fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn call_sequences_have_no_gap(world: &mut TestMachine, frame: &CommittedFrame) {
    for event in &frame.events {
        let Some(sequence) = event.call_sequence else { continue };
        let call = event.event.call().expect("only events of a call have a call_sequence");
        let last = world.sequences.entry(call.clone()).or_default();
        *last += 1;
        assert_eq!(sequence, *last, "call_sequence has no gaps: {:?}", event.event);
    }
}

/// R52, R53 for inbound messages; A19, A20 for outbound ones.
fn ended_calls_get_no_messages(world: &TestMachine, frame: &CommittedFrame) {
    for event in &frame.events {
        let (Event::MessageReceived { message, .. } | Event::SendStarted { message, .. }) = &event.event else {
            continue;
        };
        let Some(call) = &message.call else { continue };
        let Some(CallRow::Call(call)) = Queries::call(world, call) else { panic!("{call} is not a call") };
        let after_it = matches!(message.kind, Kind::Closing | Kind::OptOutConfirmation | Kind::HelpReply);
        assert!(call.ended.is_none() || after_it, "{:?} in an ended call", message.kind);
    }
}

/// A54.
fn final_states_are_kept(world: &TestMachine, frame: &CommittedFrame) {
    use MessageState::{Cancelled, Delivered, Failed, Undelivered};
    for message in frame.events.iter().filter_map(|event| event.event.message()) {
        let Some(before) = Queries::message(world, message.id) else { continue };
        if matches!(before.state, Cancelled | Delivered | Failed | Undelivered) {
            assert_eq!(message.state, before.state, "a final state is kept");
        }
    }
}

/// A20.
fn only_open_sessions_get_a_closing_message(world: &TestMachine, frame: &CommittedFrame) {
    for event in &frame.events {
        let Event::MessageQueued { message, .. } = &event.event else { continue };
        if message.kind == Kind::Closing {
            let before = message.call.as_ref().and_then(|call| Queries::call(world, call));
            let Some(CallRow::Call(before)) = before else { panic!("a closing message without a call") };
            assert_eq!(before.session, Session::Open, "{} gets a closing message", before.id);
        }
    }
}

/// I7, R36.
fn nothing_is_sent_to_blocked_people(world: &TestMachine, frame: &CommittedFrame) {
    for event in &frame.events {
        let Event::SendStarted { message, .. } = &event.event else { continue };
        let theirs = message.theirs.kept().and_then(Address::number).expect("only numbers are texted");
        let confirms = message.kind == Kind::OptOutConfirmation;
        assert!(confirms || !world.opted_out(theirs, message.ours), "a text to an opted-out number");
        let phase = match message.call.as_ref().and_then(|call| Queries::call(world, call)) {
            Some(CallRow::Call(call)) => call.phase,
            _ => Phase::Connected,
        };
        let blocked = non_us::blocked(theirs, phase, &world.directory.settings.non_us);
        assert!(!blocked, "a non-US text while the switch is off");
    }
}

fn calls(world: &TestMachine) -> BTreeMap<CallId, Call> {
    let rows = world.rows(Table::State, &[kind::CALL], &[], usize::MAX);
    let calls = rows.into_iter().filter_map(|(_, row)| match decode_row(&row).expect("a call's row") {
        CallRow::Call(call) => Some((call.id.clone(), *call)),
        CallRow::EndedBeforeStart(_) => None,
    });
    calls.collect()
}

fn messages(world: &TestMachine) -> BTreeMap<MessageId, Message> {
    let rows = world.rows.iter().filter(|(key, _)| matches!(key.table, Table::Messages(_)));
    let messages = rows.map(|(_, row)| decode_row::<Message>(row).expect("a message's row"));
    messages.map(|message| (message.id, message)).collect()
}

fn open(world: &TestMachine) -> BTreeMap<MessageId, Open> {
    world.open().collect()
}

fn open_rows_are_the_messages_in_flight_or_queued(world: &TestMachine, messages: &BTreeMap<MessageId, Message>) {
    let expected = messages.values().filter_map(|message| {
        let started = match message.state {
            MessageState::Queued => false,
            MessageState::Sending if message.attempts.last()?.outcome == AttemptOutcome::Open => true,
            _ => return None,
        };
        let Some(Address::Number(theirs)) = message.theirs.kept() else { panic!("erased") };
        let Message { ours, kind, segments, expires_at, not_before, .. } = message.clone();
        Some((message.id, Open { ours, theirs: *theirs, kind, segments, expires_at, not_before, started }))
    });
    assert_eq!(open(world), expected.collect());
}

fn lanes_count_their_queued_segments(world: &TestMachine) {
    for ours in world.directory.numbers.keys() {
        let open = open(world);
        let waiting = open.values().filter(|open| open.ours == *ours && !open.started);
        let segments: u32 = waiting.map(|open| u32::from(open.segments)).sum();
        assert_eq!(world.lane(*ours).queued_segments, segments, "segments queued in the lane of {ours:?}");
    }
}

fn live_rows_are_the_live_calls(world: &TestMachine, calls: &BTreeMap<CallId, Call>) {
    let mut expected: BTreeMap<Key, Live> = BTreeMap::new();
    let mut pairs = BTreeSet::new();
    for call in calls.values().filter(|call| call.ended.is_none()) {
        let Some(party) = call.party() else { continue };
        let Call { id, queue, our_number, session, .. } = call.clone();
        if let Some(ours) = our_number {
            assert!(pairs.insert((ours, party)), "a pair of numbers identifies one call (A1): {id}");
        }
        expected.insert(live_key(party, &call.id), Live { call: id, queue, our_number, session });
    }
    let rows = world.rows(Table::State, &[kind::LIVE], &[], usize::MAX).into_iter();
    let found = rows.map(|(bytes, row)| (Key { table: Table::State, bytes }, decode_row(&row).expect("a live row")));
    assert_eq!(found.collect::<BTreeMap<_, Live>>(), expected);
}

/// Each live call has a lease timer, and each unsettled message the time at which it becomes unconfirmed.
fn timers_match_leases_and_unsettled_messages(
    world: &TestMachine,
    calls: &BTreeMap<CallId, Call>,
    messages: &BTreeMap<MessageId, Message>,
) {
    let timers = world.due(Timestamp::from_ms(u64::MAX), usize::MAX);
    let leases = timers.iter().filter_map(|(due, timer)| match timer {
        Timer::Lease(call) => Some((call.clone(), *due)),
        Timer::Unknown(_) | Timer::LongText(_) | Timer::KeptReceipt(_) => None,
    });
    let live = calls.values().filter(|call| call.ended.is_none()).map(|call| (call.id.clone(), call.lease_until));
    assert_eq!(leases.collect::<Vec<_>>().len(), live.clone().count(), "one lease per call");
    assert!(live.into_iter().all(|(id, until)| timers.contains(&(until, Timer::Lease(id)))), "a lease has its timer");
    let mut parts: BTreeMap<String, u32> = BTreeMap::new();
    for (text, _, part) in world.all_parts() {
        let timer = (part.since + WAIT, Timer::LongText(text));
        assert!(timers.contains(&timer), "a part has its text's timer");
        *parts.entry(part.account).or_default() += 1;
    }
    assert_eq!(world.parts_waiting("main"), parts.remove("main").unwrap_or_default(), "waiting parts are counted");
    for account in ["main", "other"] {
        let is_its = |timer: &Timer| matches!(timer, Timer::KeptReceipt(id) if id.account == account);
        let kept = timers.iter().filter(|(_, timer)| is_its(timer)).count();
        assert_eq!(world.receipts_kept(account) as usize, kept, "kept receipts are counted, and have their timers");
    }
    for message in messages.values() {
        let unanswered = message.attempts.last().is_some_and(|last| last.outcome != AttemptOutcome::Open);
        let waits = message.state == MessageState::Sent || message.state == MessageState::Sending && unanswered;
        let has = timers.iter().any(|(_, timer)| *timer == Timer::Unknown(message.id));
        assert!(!waits || has, "{:?} would stay {:?} forever", message.id, message.state);
    }
}

fn a_call_agrees_with_its_messages(call: &Call, messages: &BTreeMap<MessageId, Message>) {
    let of_it = || messages.values().filter(|message| message.call.as_ref() == Some(&call.id));
    let agents = |message: &&Message| matches!(message.kind, Kind::Preset | Kind::Custom | Kind::SmartAction);
    let started = |message: &&Message| !message.attempts.is_empty();

    let waiting = of_it().filter(agents).filter(|message| message.state == MessageState::Queued);
    let mut queued = call.queued.clone();
    queued.sort();
    assert_eq!(queued, waiting.map(|message| message.id).collect::<Vec<_>>(), "queued messages of {}", call.id);

    assert!(call.ended.is_none() || call.queued.is_empty(), "{} ended with queued texts (A19)", call.id);

    let mut transcript = Vec::new();
    let mut at = call.last_message;
    while let Some(id) = at {
        transcript.push(id);
        at = messages[&id].previous;
    }
    transcript.reverse();
    assert_eq!(transcript, of_it().map(|message| message.id).collect::<Vec<_>>(), "the transcript of {}", call.id);

    let received = of_it().filter(|message| message.direction == Direction::Inbound).count();
    let count = |kind: Kind| of_it().filter(started).filter(|message| message.kind == kind).count();
    let used = [call.usage.received, call.usage.preset_sent, call.usage.custom_sent, call.usage.smart_action_sent];
    let counted = [received, count(Kind::Preset), count(Kind::Custom), count(Kind::SmartAction)];
    assert_eq!(used.map(|used| used as usize), counted, "usage of {}", call.id);
    if call.session == Session::Open {
        assert!(received + of_it().filter(started).count() > 0, "{} is open without a text (A20)", call.id);
    }
}
