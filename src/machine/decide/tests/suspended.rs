//! Suspended numbers and accounts: nothing is sent, and what comes in is taken.

use super::steps::{go, operator, resume, say, start, suspend, text, tick};
use super::*;
use crate::machine::command::{IdempotencyKey, Suspend};
use crate::machine::event::Event;
use crate::machine::state::CapOwner;
use crate::model::{Action, Change};

fn number() -> CapOwner {
    CapOwner::Number(SUPPORT.parse().unwrap())
}

fn account() -> CapOwner {
    CapOwner::Account("main".to_owned())
}

/// What the audit has of a decision.
fn audited(decision: &Decision) -> Vec<(String, Action, String)> {
    let entries = decision.events.iter().filter_map(|event| match &event.event {
        Event::Audited { actor, action, entry, .. } => {
            Some((actor.clone(), *action, entry.kept()?.reason.clone().unwrap_or_default()))
        }
        _ => None,
    });
    entries.collect()
}

#[test]
fn a_suspended_number_queues_texts_without_an_estimate_and_starts_none() {
    for owner in [number(), account()] {
        let mut world = TestMachine::new(with(|directory| {
            let support = directory.queues.get_mut(&"support".to_owned().try_into().unwrap()).unwrap();
            support.outbound_numbers.clear();
        }));
        world.run(0, start("a"));
        world.run(1, suspend(owner.clone(), None));
        then(&mut world, 2, say("a", "hello"), &["queued", "message.queued a custom 'hello'"]);
        assert!(world.message(1).suspended);
        then(&mut world, 3, go(1), &["suspended"]);
        then(&mut world, 4, text(ANN, SUPPORT, "hey"), &["attached", "message.received a 'hey'"]);
        world.run(5, resume(owner));
        assert_eq!(answer(&world.run(6, go(1)).reply), "started");
        world.run(7, say("a", "again"));
        assert!(!world.message(2).suspended);
    }
}

#[test]
fn a29_a_send_that_would_wait_too_long_for_the_known_end_is_refused() {
    let mut world = TestMachine::new(directory());
    world.run(0, start("a"));
    world.run(1, suspend(account(), Some(61)));
    then(&mut world, 1, say("a", "too early"), &["refused rate_limited after 50000 ms"]);
    let queued = answer(&world.run(52, say("a", "in time")).reply);
    assert_eq!(queued, "queued");
    assert!(world.message(1).suspended, "its wait is not shown either");
}

#[test]
fn a_suspension_ends_at_its_time_by_the_tick() {
    let mut world = TestMachine::new(directory());
    world.run(1, suspend(account(), Some(60)));
    world.run(2, suspend(number(), Some(120)));
    world.run(59, tick());
    assert_eq!(world.suspensions().count(), 2);
    then(&mut world, 60, tick(), &["done", "account.resumed"]);
    assert_eq!(world.suspensions().map(|(owner, _)| owner).collect::<Vec<_>>(), [number()]);
    then(&mut world, 120, tick(), &["done"]);
    assert_eq!(world.suspensions().count(), 0);
}

#[test]
fn the_platform_hears_that_an_account_is_suspended_and_the_audit_by_whom() {
    let mut world = TestMachine::new(directory());
    let decision = world.run(1, suspend(account(), Some(60)));
    let reason = "the carrier asked us to".to_owned();
    assert_eq!(audited(&decision), [("night-shift".to_owned(), Action::Suspend, reason.clone())]);
    let event: Value = serde_json::from_slice(&show::rendered(world.journal.last().unwrap())[0].body).unwrap();
    assert_eq!((&event["type"], &event["data"]["reason"]), (&"account.paused".into(), &"suspended".into()));
    assert_eq!(event["data"]["detail"], reason);
    assert_eq!(event["data"]["until"], (START + std::time::Duration::from_secs(60)).to_string());
    let decision = world.run(2, resume(account()));
    assert_eq!(audited(&decision), [("night-shift".to_owned(), Action::Resume, String::new())]);
    assert_eq!(world.run(3, resume(account())).events, [], "resuming again changes nothing");
    let decision = world.run(4, suspend(number(), None));
    assert_eq!(show::rendered(world.journal.last().unwrap()), [], "a number's suspension is not an account's");
    assert_eq!(audited(&decision).len(), 1);
}

#[test]
fn suspending_again_changes_reason_and_end_and_keeps_the_beginning() {
    let mut world = TestMachine::new(directory());
    world.run(1, suspend(number(), Some(60)));
    world.run(5, suspend(number(), None));
    let suspension = world.suspension(&number()).unwrap();
    assert_eq!((suspension.until, suspension.since), (None, START + std::time::Duration::from_secs(1)));
    then(&mut world, 60, tick(), &["done"]);
    assert!(world.suspension(&number()).is_some());
}

#[test]
fn an_end_in_the_past_and_a_number_that_is_not_ours_are_refused() {
    let mut world = TestMachine::new(directory());
    then(&mut world, 10, suspend(number(), Some(10)), &["refused invalid_field"]);
    let other = || CapOwner::Number(ANN.parse().unwrap());
    then(&mut world, 10, suspend(other(), None), &["refused number_not_found"]);
    then(&mut world, 10, resume(other()), &["refused number_not_found"]);
}

#[test]
fn a_number_that_is_deleted_and_created_again_is_not_suspended() {
    let mut world = TestMachine::new(directory());
    world.run(1, suspend(number(), None));
    let ours = SUPPORT.parse().unwrap();
    let event = Event::DirectoryChanged { changes: vec![Change::Number(ours, None)] };
    world.commit(vec![NumberedEvent { call_sequence: None, event }]);
    assert_eq!(world.suspension(&number()), None);
}

#[test]
fn the_same_idempotency_key_suspends_once() {
    let mut world = TestMachine::new(directory());
    let key = Some(IdempotencyKey { key: [1; 16], body: [1; 16] });
    let once = || {
        let reason = "maintenance".to_owned();
        Step::Do(Command::Suspend(Suspend { owner: number(), reason, until: None, by: operator(), key }))
    };
    assert_eq!(world.run(1, once()).reply, Reply::Done);
    world.run(2, resume(number()));
    assert_eq!(world.run(3, once()), Decision { reply: Reply::Again(Position(3)), events: Vec::new() });
    assert_eq!(world.suspension(&number()), None);
}
