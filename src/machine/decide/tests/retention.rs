//! Data past its retention is deleted; live calls and queued texts are kept.

use super::steps::{Step, call_id, end, gap, go, say, say_with_key, sent, start, start_of, tick};
use super::*;
use crate::machine::state::Sweep;
use crate::model::{Day, InboundItem, MessageState};

const DAY: u64 = 24 * 60 * 60;

#[test]
fn retention_deletes_messages_and_ended_calls_but_no_live_call() {
    let mut world = TestMachine::new(directory());
    let story = [
        (0, start("a")),
        (1, say("a", "hello")),
        (2, go(1)),
        (3, sent(1)),
        (4, end("a")),
        (5, go(2)),
        (6, sent(2)),
        (7, start_of("b", BOB)),
    ];
    for (secs, step) in story {
        world.run(secs, step);
    }
    world.run(4 * DAY, start_of("b", BOB));
    world.run(4 * DAY, tick());
    let message = world.queued[0];
    // The last millisecond of the thirtieth day after.
    let last = START.day().start() + std::time::Duration::from_secs(31 * DAY) - std::time::Duration::from_millis(1);
    world.run_at(last, start_of("b", BOB));
    world.run_at(last, tick());
    assert!(Queries::message(&world, message).is_some() && Queries::call(&world, &call_id("a")).is_some());
    let over = last + std::time::Duration::from_millis(1);
    world.run_at(over, start_of("b", BOB));
    world.run_at(over, tick());
    assert!(Queries::message(&world, message).is_none() && Queries::call(&world, &call_id("a")).is_none());
    assert!(world.call("b").ended.is_none(), "it is still live");
    assert_eq!(world.messages_since(), Some(Day(START.day().0 + 1)));
    invariants::at_the_end(&world);
}

#[test]
fn a54_i5_a_text_becomes_unconfirmed_before_retention_deletes_it() {
    let mut world = TestMachine::new(directory());
    world.run(0, Step::Change(|directory| directory.settings.retention_days = 2));
    for (secs, step) in [(0, start("a")), (1, say("a", "hello")), (2, go(1)), (3, sent(1)), (4, end("a"))] {
        world.run(secs, step);
    }
    world.run(70, Step::Expire(2));
    for hours in [25, 49, 71] {
        world.run(hours * 60 * 60, tick());
    }
    assert_eq!(world.message(1).state, MessageState::Sent);
    world.run(73 * 60 * 60, tick());
    assert_eq!(world.message(1).state, MessageState::Unconfirmed);
    world.run(6 * DAY, tick());
    assert!(Queries::message(&world, world.queued[0]).is_none());
    invariants::at_the_end(&world);
}

#[test]
fn an_idempotent_answer_is_forgotten_after_two_days() {
    let mut world = TestMachine::new(directory());
    world.run(0, start("a"));
    world.run(1, say_with_key("a", "hello", 7));
    let answers =
        |world: &TestMachine| world.rows.keys().filter(|key| matches!(key.table, Table::Idempotency(_))).count();
    world.run(DAY, tick());
    assert_eq!(answers(&world), 1);
    world.run(2 * DAY, tick());
    assert_eq!(answers(&world), 0);
}

#[test]
fn a8_an_end_without_a_start_is_forgotten_the_next_day() {
    let mut world = TestMachine::new(directory());
    world.run(0, end("early"));
    world.run(DAY - 1, tick());
    assert!(Queries::call(&world, &call_id("early")).is_some());
    world.run(2 * DAY, tick());
    assert!(Queries::call(&world, &call_id("early")).is_none());
}

#[test]
fn the_sweep_pages_through_calls_once_a_day() {
    let mut world = TestMachine::new(directory());
    for nth in 0..600 {
        world.now = START;
        world.run_unchecked(end(&format!("early-{nth:03}")));
    }
    let calls = |world: &TestMachine| world.calls_after(None).count();
    let mut left = Vec::new();
    world.now = START + std::time::Duration::from_secs(2 * DAY);
    for _ in 0..4 {
        let before = world.journal.len();
        world.run_unchecked(tick());
        assert_eq!(world.journal.len(), before + 1);
        left.push(calls(&world));
    }
    assert_eq!(left, [344, 88, 0, 0]);
    let today = world.now.day();
    assert_eq!(world.swept(), Some(Sweep { day: today, after: None }));
    assert!(world.journal.last().unwrap().events.is_empty(), "nothing more until tomorrow");
    world.now = world.now + std::time::Duration::from_secs(DAY);
    world.run_unchecked(tick());
    assert_eq!(world.swept(), Some(Sweep { day: world.now.day(), after: None }));
}

#[test]
fn a58_a_quarantined_webhook_is_deleted_with_its_bytes() {
    let mut world = TestMachine::new(directory());
    let unreadable = |raw: &[u8]| {
        let item = InboundItem::Unreadable { raw: raw.to_vec(), problem: "no closing brace".to_owned(), request: None };
        Step::Do(Command::InboundItem { account: "main".to_owned(), item })
    };
    world.run(0, unreadable(b"{"));
    world.run(20 * DAY, unreadable(b"{{"));
    assert_eq!(world.quarantined(None).count(), 2);
    world.run(40 * DAY, tick());
    assert_eq!(world.quarantined(None).count(), 1);
}

#[test]
fn a_feed_gap_belongs_to_no_call_and_has_its_range() {
    let mut world = TestMachine::new(directory());
    world.run(0, gap("main", 3..9));
    let frame = world.journal.last().unwrap();
    assert_eq!(show::rendered(frame), [], "an endpoint that pulls has no gap");
    let header = show::event_headers(frame).next().unwrap();
    assert_eq!((header.kind, header.only_for()), ("feed.gap", Some("main")));
    let event: Value = serde_json::from_slice(&header.render().body).unwrap();
    assert_eq!((&event["call_id"], &event["call_sequence"]), (&Value::Null, &Value::Null));
    let (from, to) = (event["data"]["from"].as_str().unwrap(), event["data"]["to"].as_str().unwrap());
    assert!(from < to && event["data"]["endpoint"] == "main", "{event}");
    assert!(to.parse::<u64>().is_err() && to.len() == event["cursor"].as_str().unwrap().len());
}

#[test]
fn a63_i5_a_queued_text_outlives_retention_until_it_ends() {
    let mut world = TestMachine::new(directory());
    world.run(0, start("a"));
    world.run(1, say("a", "hello"));
    let message = world.queued[0];
    world.run(60 * DAY, tick());
    assert!(Queries::message(&world, message).is_some(), "it is still queued");
    world.run(60 * DAY + 1, Step::Expire(1));
    assert!(Queries::message(&world, message).unwrap().state.is_final());
    // Its call has only just ended, so it outlives the message.
    world.run_unchecked(tick());
    assert!(Queries::message(&world, message).is_none());
}
