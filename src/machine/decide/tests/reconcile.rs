//! What never arrived is found in the carrier's list.

use super::steps::{end, in_list, inbound, photo, put, reconcile, say, start, start_of};
use super::*;
use crate::machine::state::Reconciliation;
use crate::machine::view::AuditQueries;
use crate::model::Inbound;
use std::time::Duration;

const HUNG_UP: &[&str] = &["ended", "call.ended a closed call_ended hung_up", "message.queued a closing 'Bye.'"];

fn message(id: &str, words: &str) -> Inbound {
    Inbound { carrier_id: id.to_owned(), ..inbound(ANN, SUPPORT, words) }
}

fn known(ids: &[&str]) -> Step {
    let carrier_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    Step::Do(Command::FindKnown { account: "main".to_owned(), carrier_ids })
}

fn done(since: u64, at: u64) -> Step {
    let [since, at] = [since, at].map(|secs| START + Duration::from_secs(secs));
    Step::Do(Command::EndReconciliation { account: "main".to_owned(), ended: Reconciliation { since, at } })
}

#[test]
fn a_listed_message_joins_its_call_once_and_has_a_mark() {
    let by_webhook = Step::Text(message("SM1", "one"));
    let mut world = check([(0, start("a")), (1, by_webhook)], &["attached", "message.received a 'one'"]);
    then(&mut world, 60, known(&["SM1", "SM2", "SM3"]), &["known [true, false, false]"]);
    then(&mut world, 61, in_list(1, message("SM1", "one")), &["duplicate"]);
    then(&mut world, 62, in_list(30, message("SM2", "two")), &["attached", "message.received a reconciled 'two'"]);
    then(&mut world, 63, in_list(30, message("SM2", "two")), &["duplicate"]);
    // Its webhook comes after all.
    then(&mut world, 64, Step::Text(message("SM2", "two")), &["duplicate"]);
    then(&mut world, 65, known(&["SM2"]), &["known [true]"]);
    assert_eq!(world.call("a").usage.received, 2);
    invariants::at_the_end(&world);
}

#[test]
fn a_listed_photo_is_fetched_like_any_other() {
    let Step::Text(photo) = photo(ANN, SUPPORT, "https://media.example/1") else { panic!("no text") };
    let photo = Inbound { carrier_id: "MM1".to_owned(), ..photo };
    let mut world = check([(0, start("a"))], &["created", "call.started a"]);
    then(&mut world, 60, in_list(30, photo), &["attached", "message.received a reconciled ''"]);
    assert_eq!(world.pending_media().count(), 1);
    invariants::at_the_end(&world);
}

#[test]
fn what_belongs_to_a_call_that_ended_meanwhile_is_late() {
    let one = Step::Text(message("SM1", "one"));
    let mut world = check([(0, start("a")), (1, one)], &["attached", "message.received a 'one'"]);
    then(&mut world, 600, end("a"), HUNG_UP);
    let late = ["replied", "message.late auto_replied reconciled after a", "message.queued auto_reply 'Call us.'"];
    then(&mut world, 601, in_list(300, message("SM2", "two")), &late);
    // The same person calls again, and that call does not get what was said in the first.
    world.run(700, start_of("b", ANN));
    let late = ["silent", "message.late reconciled after a"];
    then(&mut world, 701, in_list(301, message("SM3", "three")), &late);
    let joined = ["attached", "message.received b reconciled 'four'"];
    then(&mut world, 702, in_list(650, message("SM4", "four")), &joined);
    then(&mut world, 703, in_list(701, message("SM5", "five")), &["attached", "message.received b reconciled 'five'"]);
    invariants::at_the_end(&world);
}

#[test]
fn a_call_that_was_reported_late_gets_what_was_said_before_it_was_known() {
    let mut world = check([(600, start("a"))], &["created", "call.started a"]);
    let joined = ["attached", "message.received a reconciled 'hi'"];
    then(&mut world, 601, in_list(300, message("SM1", "hi")), &joined);
    then(&mut world, 602, say("a", "hello"), &["queued", "message.queued a custom 'hello'"]);
    then(&mut world, 603, put("a", |_| {}), &["updated"]);
    invariants::at_the_end(&world);
}

#[test]
fn a_listed_stop_opts_out() {
    let mut world = check([(0, start("a"))], &["created", "call.started a"]);
    world.run(60, in_list(30, message("SM1", "STOP")));
    assert!(world.opted_out(ANN.parse().unwrap(), SUPPORT.parse().unwrap()));
    invariants::at_the_end(&world);
}

#[test]
fn a_reconciliation_is_recorded_until_it_is_done() {
    let mut world = check([(100, reconcile(50, Some(1)))], &["since 50"]);
    let again = format!("again {}", world.next().0 - 1);
    then(&mut world, 101, reconcile(50, Some(1)), &[&again]);
    // One that asks for less does not give up the earlier messages.
    then(&mut world, 102, reconcile(90, Some(2)), &["since 50"]);
    then(&mut world, 103, done(50, 100), &["done"]);
    let recorded = |world: &TestMachine| world.reconciliations().len();
    assert_eq!(recorded(&world), 1, "the one that ended was replaced");
    then(&mut world, 104, done(50, 102), &["done"]);
    assert_eq!(recorded(&world), 0);
    then(&mut world, 105, reconcile(90, None), &["since 90"]);
    assert_eq!(world.reconciliation("main").map(|begun| begun.since), Some(START + Duration::from_secs(90)));
    assert_eq!(world.reconciliation("other"), None);
    invariants::at_the_end(&world);
}

#[test]
fn the_audit_says_who_had_a_list_read() {
    let world = check([(100, reconcile(50, Some(1))), (101, reconcile(40, None))], &["since 40"]);
    let entries: Vec<_> = world.audited(START.day().month(), None).map(|(_, entry)| entry).collect();
    let [entry, _of_the_seed] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.actor.as_str(), entry.action), ("night-shift", crate::model::Action::Reconcile));
    let kept = entry.entry.kept().unwrap();
    let since = (START + Duration::from_secs(50)).to_string();
    assert_eq!(
        (kept.resource.as_str(), kept.after.clone()),
        ("accounts/main", Some(format!(r#"{{"since":"{since}"}}"#)))
    );
}
