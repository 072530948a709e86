//! Repeated requests and idempotency keys.

use super::steps::{call_id, say, say_with_key, start};
use super::*;
use crate::machine::command::IdempotencyKey;

const DAY: u64 = 24 * 60 * 60;

fn end_with_key(call: &str, key: u8, body: u8) -> Step {
    let key = Some(IdempotencyKey { key: [key; 16], body: [body; 16] });
    Step::Do(Command::EndCall { call: call_id(call), reason: None, key })
}

/// What a frame's repeated answer consists of: its message or its call.
fn shows(world: &TestMachine, position: u64) -> &'static str {
    let frame = &world.journal[position as usize - 1];
    let shown = frame.events.iter().find_map(|event| match &event.event {
        Event::MessageQueued { .. } => Some("a message"),
        Event::Answered { call: Some(_), .. } => Some("a call"),
        Event::EndRecorded { .. } => Some("an end before the start"),
        _ => None,
    });
    shown.unwrap_or("nothing")
}

#[test]
fn the_same_key_with_the_same_body_has_one_effect_and_the_same_answer() {
    let mut world =
        check([(0, start("a")), (1, say_with_key("a", "hi", 7)), (2, say_with_key("a", "hi", 7))], &["again 4"]);
    assert_eq!((world.queued.len(), shows(&world, 4)), (1, "a message"));
    then(&mut world, DAY, say_with_key("a", "hi", 7), &["again 4"]);
}

#[test]
fn the_same_key_with_another_body_is_refused() {
    check(
        [(0, start("a")), (1, say_with_key("a", "hi", 7)), (2, say_with_key("a", "hello", 7))],
        &["refused idempotency_key_reused"],
    );
}

#[test]
fn after_24_hours_a_key_is_new() {
    let mut world = check(
        [(0, start("a")), (1, say_with_key("a", "hi", 7)), (DAY + 1, say_with_key("a", "hello", 7))],
        &["queued", "message.queued a custom 'hello'"],
    );
    then(&mut world, DAY + 2, say_with_key("a", "hello", 7), &["again 5"]);
}

#[test]
fn another_key_is_another_request() {
    check(
        [(0, start("a")), (1, say_with_key("a", "hi", 7)), (2, say_with_key("a", "hi", 8))],
        &["queued", "message.queued a custom 'hi'"],
    );
}

#[test]
fn a_refusal_is_not_remembered() {
    let mut world = check([(0, say_with_key("a", "hi", 7))], &["refused call_not_found"]);
    world.run(1, start("a"));
    then(&mut world, 2, say_with_key("a", "hi", 7), &["queued", "message.queued a custom 'hi'"]);
}

#[test]
fn the_answer_is_the_same_after_the_call_has_ended() {
    check(
        [(0, start("a")), (1, say_with_key("a", "hi", 7)), (2, steps::end("a")), (3, say_with_key("a", "hi", 7))],
        &["again 4"],
    );
}

#[test]
fn a_repeated_end_with_a_key_is_answered_from_its_frame() {
    let mut world = check([(0, start("a")), (1, end_with_key("a", 7, 1)), (2, end_with_key("a", 7, 1))], &["again 4"]);
    assert_eq!(shows(&world, 4), "a call");
    then(&mut world, 3, end_with_key("a", 7, 2), &["refused idempotency_key_reused"]);
    then(&mut world, 4, end_with_key("a", 8, 1), &["ended"]);
    assert_eq!(shows(&world, 5), "a call");
}

#[test]
fn a8_a_repeated_end_of_an_unknown_call_is_answered_from_its_frame() {
    let mut world = check([(0, end_with_key("a", 7, 1)), (1, end_with_key("a", 7, 1))], &["again 3"]);
    assert_eq!(shows(&world, 3), "an end before the start");
    then(&mut world, 2, end_with_key("a", 8, 1), &["ended before start"]);
    assert_eq!(shows(&world, 4), "an end before the start");
}

#[test]
fn without_a_key_each_request_is_new() {
    let world =
        check([(0, start("a")), (1, say("a", "hi")), (2, say("a", "hi"))], &["queued", "message.queued a custom 'hi'"]);
    assert_eq!(world.queued.len(), 2);
}

#[test]
fn a_gateway_is_seeded_once() {
    let seed = || Step::Do(Command::Seed { directory: Box::new(directory()), opt_outs: Vec::new() });
    let world = check([(0, seed())], &["seed refused"]);
    assert_eq!(world.directory, directory());
}
