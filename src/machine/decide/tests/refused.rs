//! A carrier that refuses the account: texts wait, one probe goes at a time, and an event reports it.

use super::steps::{go, refused, say, sent, start, start_of, unknown};
use super::*;
use crate::machine::explain::explain_message;
use crate::model::{Account, AttemptOutcome, FailureCode, Limits, MessageState, Outcome, Settled};
use crate::rules::breaker::Reason;
use crate::rules::explain::WaitingFor;
use std::time::Duration;

/// The carrier's reasons for refusing the account.
const KEY: &str = "Twilio rejects our credentials";
const SUSPENDED: &str = "the Twilio account is suspended";

/// The carrier answers the latest attempt by refusing the account.
fn account_refused(nth: usize, detail: &str) -> impl FnOnce(&mut TestMachine, u64) -> Vec<String> {
    move |world: &mut TestMachine, secs| {
        let message = world.message(nth);
        let attempt = u32::try_from(message.attempts.len()).unwrap();
        let detail = Some(detail.to_owned());
        let settled = Settled { outcome: Outcome::AccountRefused, status: Some(401), detail };
        let decision = world.run(secs, Step::Do(Command::Settle { message: message.id, attempt, settled }));
        lines(world, &decision)
    }
}

/// Ann and Bob are on calls, and each has a text in flight at second 10.
fn in_flight() -> TestMachine {
    let mut world = TestMachine::new(with(|directory| {
        directory.numbers.values_mut().for_each(|number| number.limits = Limits::none());
        directory.accounts.insert("main".to_owned(), Account { limits: Limits::none() });
        directory.settings.max_wait_ms = 100_000;
    }));
    let story =
        [(0, start("a")), (0, start_of("b", BOB)), (10, say("a", "x")), (10, say("b", "x")), (10, go(1)), (10, go(2))];
    for (secs, step) in story {
        world.run(secs, step);
    }
    world
}

fn paused_until(world: &TestMachine) -> u64 {
    world.breaker("main").unwrap().paused.unwrap().until.since(START).as_secs()
}

#[test]
fn f06_one_refusal_pauses_the_account_and_the_text_stays_queued() {
    let mut world = in_flight();
    assert_eq!(account_refused(1, KEY)(&mut world, 10), ["done", "account.paused"]);
    let events = show::rendered(world.journal.last().unwrap());
    let event: Value = serde_json::from_slice(&events.last().unwrap().body).unwrap();
    assert_eq!((&event["data"]["reason"], &event["data"]["detail"]), (&"credentials_refused".into(), &KEY.into()));
    assert!(event["data"]["until"].is_string(), "{event}");
    let message = world.message(1);
    assert_eq!((message.state, message.not_before, message.failure.clone()), (MessageState::Queued, None, None));
    assert_eq!(message.attempts[0].outcome, AttemptOutcome::AccountRefused);
    // Attempts already in flight are not probes, and one event covers them all.
    assert_eq!(account_refused(2, KEY)(&mut world, 10), ["done"]);
    assert_eq!(paused_until(&world), 11);

    let why = explain_message(&world, message.id, usize::MAX, world.now).unwrap();
    assert_eq!(why.explained.waiting_for, Some(WaitingFor::CarrierPause));
    assert_eq!(why.cause.unwrap().detail, KEY);
    invariants::at_the_end(&world);
}

#[test]
fn f06_refused_probes_back_off_and_a_success_resumes() {
    let mut world = in_flight();
    account_refused(1, KEY)(&mut world, 10);
    account_refused(2, KEY)(&mut world, 10);
    for (at, until) in [(11, 13), (13, 17), (17, 25)] {
        world.run(at, go(1));
        assert_eq!(account_refused(1, KEY)(&mut world, at), ["done"]);
        assert_eq!(paused_until(&world), until);
    }
    world.run(25, go(1));
    then(&mut world, 25, sent(1), &["done", "account.resumed", "message.sent a custom"]);
    assert_eq!((world.breaker("main"), world.cause("main")), (None, None));
    invariants::at_the_end(&world);
}

#[test]
fn f06_a_success_of_an_earlier_attempt_does_not_resume() {
    let mut world = in_flight();
    account_refused(1, KEY)(&mut world, 10);
    then(&mut world, 12, sent(2), &["done", "message.sent b custom"]);
    assert_eq!(paused_until(&world), 11);
}

#[test]
fn f06_a_refusal_of_the_text_itself_resumes_the_account() {
    let mut world = in_flight();
    account_refused(1, KEY)(&mut world, 10);
    account_refused(2, KEY)(&mut world, 10);
    world.run(11, go(1));
    let expected = ["done", "account.resumed", "message.failed a custom landline"];
    then(&mut world, 11, refused(1, FailureCode::Landline), &expected);
}

#[test]
fn f06_a_new_reason_is_reported_once_and_an_outage_does_not_hide_it() {
    let mut world = in_flight();
    account_refused(1, KEY)(&mut world, 10);
    account_refused(2, KEY)(&mut world, 10);
    world.run(11, go(1));
    assert_eq!(account_refused(1, SUSPENDED)(&mut world, 11), ["done", "account.paused"]);
    world.run(13, go(2));
    world.run(13, unknown(2));
    let cause = world.cause("main").unwrap();
    assert_eq!((cause.reason, &*cause.detail), (Reason::CredentialsRefused, SUSPENDED));
}

#[test]
fn f06_a_refusal_replaces_an_outage_as_the_reason() {
    let mut world = in_flight();
    world.run(10, unknown(1));
    world.run(10, unknown(2));
    for nth in 3..=5 {
        world.run(10, say("a", "x"));
        world.run(10, go(nth));
        world.run(10, unknown(nth));
    }
    assert_eq!(world.cause("main").unwrap().reason, Reason::CarrierFailing);
    world.run(10, say("a", "x"));
    world.run(11, go(6));
    assert_eq!(account_refused(6, KEY)(&mut world, 11), ["done", "account.paused"]);
    assert_eq!(world.cause("main").unwrap().reason, Reason::CredentialsRefused);
}

#[test]
fn f06_a_reload_allows_one_probe_at_once() {
    let mut world = in_flight();
    account_refused(1, KEY)(&mut world, 10);
    account_refused(2, KEY)(&mut world, 10);
    world.run(11, go(1));
    account_refused(1, KEY)(&mut world, 11);
    then(&mut world, 12, Step::Do(Command::TryAccounts), &["done"]);
    assert_eq!(paused_until(&world), 12);
    assert_eq!(world.cause("main").unwrap().detail, KEY, "the refusal stands until an attempt succeeds");
    world.run(12, go(1));
    account_refused(1, KEY)(&mut world, 12);
    assert_eq!(paused_until(&world), 14, "the backoff starts over");
    let decision = TestMachine::new(directory()).run(0, Step::Do(Command::TryAccounts));
    assert_eq!(decision.events, []);
}

#[test]
fn f06_a_text_expires_while_its_account_is_paused() {
    let mut world = in_flight();
    account_refused(1, KEY)(&mut world, 10);
    world.run(129, go(1));
    let late = account_refused(1, KEY)(&mut world, 130);
    assert_eq!(late, ["done", "message.expired a custom too_late"]);
    assert_eq!(world.message(1).expires_at, START + Duration::from_secs(130));
}

#[test]
fn f07_error_detail_explains_the_carriers_code() {
    let mut world = in_flight();
    let message = world.message(1);
    let outcome = Outcome::Refused { code: FailureCode::CarrierRejected, carrier_code: Some("21608".to_owned()) };
    let settled = Settled { outcome, status: Some(400), detail: Some("a trial account".to_owned()) };
    world.run(10, Step::Do(Command::Settle { message: message.id, attempt: 1, settled }));
    let failure = world.message(1).failure.unwrap();
    assert_eq!((&*failure.detail, failure.carrier_code.as_deref()), ("a trial account", Some("21608")));
}
