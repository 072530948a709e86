//! Long texts that come in parts.

use super::steps::{end, inbound, say, start, tick};
use super::*;
use crate::model::{Inbound, Part};

/// A part of a text, with its own id of the carrier's.
fn part(id: &str, number: u64, total: u64, words: &str) -> Step {
    part_from(ANN, "7", id, (number, total), words)
}

fn part_from(from: &str, reference: &str, id: &str, (number, total): (u64, u64), words: &str) -> Step {
    let part = Part::new(reference, number, total, words.as_bytes().to_vec());
    assert!(part.is_some());
    Step::Text(Inbound { carrier_id: id.to_owned(), part, ..inbound(from, SUPPORT, "") })
}

#[test]
fn a_long_text_is_one_message_once_all_parts_are_there_in_any_order() {
    let mut world = check([(0, start("a")), (1, part("p3", 3, 3, "c")), (2, part("p1", 1, 3, "a"))], &["waiting"]);
    then(&mut world, 3, part("p1", 1, 3, "a"), &["duplicate"]);
    then(&mut world, 4, part("p1 again", 1, 3, "a"), &["duplicate"]);
    then(&mut world, 5, part("p2", 2, 3, "b"), &["attached", "message.received a 'abc'"]);
    assert_eq!(world.parts_waiting("main"), 0);
    let segments = world.journal.iter().flat_map(|frame| &frame.events).find_map(|event| match &event.event {
        Event::MessageReceived { message, .. } => Some((message.segments, message.carrier_id.clone())),
        _ => None,
    });
    assert_eq!(segments, Some((3, Some("p1".to_owned()))));
    then(&mut world, 6, part("p2", 2, 3, "b"), &["duplicate"]);
    then(&mut world, 400, tick(), &["done"]);
    invariants::at_the_end(&world);
}

#[test]
fn what_came_of_a_text_is_delivered_after_five_minutes_with_a_mark() {
    let mut world = check([(0, start("a")), (1, part("p2", 2, 3, "b"))], &["waiting"]);
    then(&mut world, 300, tick(), &["done"]);
    then(&mut world, 301, tick(), &["done", "message.received a incomplete '[…]b[…]'"]);
    then(&mut world, 302, part("p3", 3, 3, "c"), &["attached", "message.received a incomplete 'c'"]);
    // The second part is not missing, so it begins another text.
    then(&mut world, 303, part("q2", 2, 3, "B"), &["waiting"]);
    then(&mut world, 304, part("q1", 1, 3, "A"), &["waiting"]);
    then(&mut world, 305, part("q3", 3, 3, "C"), &["attached", "message.received a 'ABC'"]);
    then(&mut world, 4_000, tick(), &["done"]);
    invariants::at_the_end(&world);
}

#[test]
fn a_missing_part_that_comes_after_an_hour_begins_another_text() {
    let mut world = check([(0, start("a")), (1, part("p1", 1, 2, "a"))], &["waiting"]);
    then(&mut world, 301, tick(), &["done", "message.received a incomplete 'a[…]'"]);
    then(
        &mut world,
        302,
        end("a"),
        &["ended", "call.ended a closed call_ended hung_up", "message.queued a closing 'Bye.'"],
    );
    then(&mut world, 3_901, tick(), &["done"]);
    then(&mut world, 3_902, part("p2", 2, 2, "b"), &["waiting"]);
}

#[test]
fn the_end_of_what_is_missing_does_not_give_up_the_next_text() {
    let mut world = check([(0, start("a")), (1, part("p1", 1, 2, "a"))], &["waiting"]);
    then(&mut world, 301, tick(), &["done", "message.received a incomplete 'a[…]'"]);
    then(&mut world, 3_800, part("q1", 1, 2, "A"), &["waiting"]);
    then(&mut world, 3_901, tick(), &["done"]);
    then(&mut world, 3_902, part("q2", 2, 2, "B"), &["attached", "message.received a 'AB'"]);
    then(&mut world, 9_000, tick(), &["done"]);
    invariants::at_the_end(&world);
}

#[test]
fn the_same_number_with_other_words_begins_another_text() {
    let mut world = check([(0, start("a")), (1, part("p1", 1, 2, "a"))], &["waiting"]);
    then(&mut world, 2, part("q1", 1, 2, "A"), &["waiting", "message.received a incomplete 'a[…]'"]);
    then(&mut world, 3, part("q2", 2, 2, "B"), &["attached", "message.received a 'AB'"]);
    invariants::at_the_end(&world);
}

#[test]
fn texts_of_other_senders_references_and_lengths_are_apart() {
    let mut world = check([(0, start("a")), (1, part("p1", 1, 2, "a"))], &["waiting"]);
    then(&mut world, 2, part_from(BOB, "7", "b2", (2, 2), "bob"), &["waiting"]);
    then(&mut world, 3, part_from(ANN, "8", "r2", (2, 2), "other"), &["waiting"]);
    then(&mut world, 4, part("t2", 2, 3, "longer"), &["waiting"]);
    then(&mut world, 5, part("p2", 2, 2, "b"), &["attached", "message.received a 'ab'"]);
    assert_eq!(world.parts_waiting("main"), 3);
    // Each has a tick of its own.
    then(&mut world, 400, tick(), &["more", "message.late auto_replied", "message.queued auto_reply 'Call us.'"]);
}

#[test]
fn stop_in_parts_opts_out() {
    let mut world = check([(0, start("a")), (0, say("a", "hi")), (1, part("p1", 1, 2, "ST"))], &["waiting"]);
    let decision = world.run(2, part("p2", 2, 2, "OP"));
    let lines = lines(&world, &decision);
    assert!(lines.iter().any(|line| line.starts_with("contact.opted_out")), "{lines:?}");
}

#[test]
fn an_accounts_waiting_parts_are_bounded_and_further_ones_come_by_themselves() {
    let mut world = check([(0, start("a"))], &["created", "call.started a"]);
    for n in 0..10_000 {
        world.run_unchecked(part_from(BOB, &n.to_string(), &format!("b{n}"), (1, 2), "x"));
    }
    assert_eq!(world.parts_waiting("main"), 10_000);
    let command = part("p1", 1, 2, "hi").command(&mut world);
    let decision = decide(&world, command, At { time: world.now, position: world.next() });
    assert_eq!(decision.reply, Reply::InboundItem(IntakeOutcome::Attached));
}
