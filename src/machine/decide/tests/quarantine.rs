//! Quarantined webhooks that are read again or discarded (A58).

use super::steps::{inbound, operator, replay_quarantined, start, text_with_id};
use super::*;
use crate::machine::command::IdempotencyKey;
use crate::machine::event::Event;
use crate::model::{Action, InboundItem, IntakeOutcome};

/// A gateway with a call, and an unreadable webhook at the returned position.
fn quarantined() -> (TestMachine, Position) {
    let mut world = TestMachine::new(directory());
    world.run(0, start("a"));
    let position = world.next();
    world.run(1, unreadable());
    (world, position)
}

fn unreadable() -> Step {
    let item = InboundItem::Unreadable { raw: b"{".to_vec(), problem: "no JSON".to_owned(), request: None };
    Step::Do(Command::InboundItem { account: "main".to_owned(), item })
}

fn message(words: &str) -> crate::model::Inbound {
    inbound(ANN, SUPPORT, words)
}

#[test]
fn a58_a_replay_takes_in_the_message_as_if_it_had_just_come_once() {
    let (mut world, position) = quarantined();
    let again = || replay_quarantined(position, message("hello"));
    let frames = world.journal.len();
    then(&mut world, 5, again(), &["replayed attached", "message.received a 'hello'"]);
    assert_eq!(world.journal.len(), frames + 1, "message and quarantine change in one frame");
    assert_eq!(world.quarantined(None).count(), 0);
    assert_eq!(world.call("a").usage.received, 1);
    then(&mut world, 6, again(), &["refused not_found"]);
    then(&mut world, 7, text_with_id(ANN, SUPPORT, "hello", "SMquarantined"), &["duplicate"]);
}

#[test]
fn a58_a_message_that_came_meanwhile_is_not_taken_in_twice() {
    let (mut world, position) = quarantined();
    world.run(2, text_with_id(ANN, SUPPORT, "hello", "SMquarantined"));
    then(&mut world, 5, replay_quarantined(position, message("hello")), &["replayed duplicate"]);
    assert_eq!(world.quarantined(None).count(), 0);
}

#[test]
fn a58_a_webhook_without_a_last_item_leaves_the_quarantine() {
    let (mut world, position) = quarantined();
    let taken = vec![IntakeOutcome::Attached, IntakeOutcome::Duplicate];
    let step = Step::Do(Command::ReplayQuarantined { position, taken, last: None, by: operator(), key: None });
    then(&mut world, 5, step, &["replayed attached duplicate"]);
    assert_eq!(world.quarantined(None).count(), 0);
}

#[test]
fn a58_a_discarded_webhook_is_gone_and_its_repeat_is_a_duplicate() {
    let (mut world, position) = quarantined();
    let discard = || Step::Do(Command::DiscardQuarantined { position, by: operator() });
    let decision = world.run(5, discard());
    let audited = decision.events.iter().find_map(|event| match &event.event {
        Event::Audited { actor, action, entry, .. } => Some((actor.as_str(), *action, entry.kept()?.resource.clone())),
        _ => None,
    });
    let (actor, action, resource) = audited.unwrap();
    assert_eq!((actor, action), ("night-shift", Action::DiscardQuarantined));
    assert!(resource.starts_with("quarantine/qua_"), "{resource}");
    then(&mut world, 6, discard(), &["refused not_found"]);
    then(&mut world, 7, unreadable(), &["duplicate"]);
}

#[test]
fn a58_the_same_idempotency_key_repeats_the_answer_of_a_replay() {
    let (mut world, position) = quarantined();
    let key = Some(IdempotencyKey { key: [2; 16], body: [2; 16] });
    let last = || Some(Box::new(InboundItem::Message(message("hello"))));
    let step = || Step::Do(Command::ReplayQuarantined { position, taken: vec![], last: last(), by: operator(), key });
    let at = world.next();
    assert_eq!(answer(&world.run(5, step()).reply), "replayed attached");
    assert_eq!(world.run(6, step()).reply, Reply::Again(at));
}

#[test]
fn quarantine_added_has_the_id_that_the_api_lists() {
    let (world, position) = quarantined();
    let frame = &world.journal[position.0 as usize - 1];
    let event: Value = serde_json::from_slice(&show::rendered(frame)[0].body).unwrap();
    let id = crate::model::QuarantineId::new(START.day(), position, 0);
    assert_eq!(event["data"]["id"], id.to_string());
    let (found, entry) = world.quarantined(None).next().unwrap();
    assert_eq!((found, entry.bytes, entry.at.day()), (position, 1, START.day()));
}
