//! A carrier that refuses the account: its texts wait, one probe at a time, and somebody is told.

use super::steps::{go, refused, say, sent, start, start_of, unknown};
use super::*;
use crate::machine::command::{Settled, SettledAs};
use crate::machine::state::AttemptOutcome;
use crate::machine::why::why;
use crate::model::{Account, FailureCode, Limits, MessageState};
use crate::rules::breaker::Reason;
use crate::rules::explain::WaitingFor;
use std::time::Duration;

/// What the carrier said of the account.
const KEY: &str = "Twilio refuses our credentials";
const SUSPENDED: &str = "the Twilio account is suspended";

/// The answer to the latest attempt refuses the account.
fn account_refused(nth: usize, detail: &str) -> impl FnOnce(&mut World, u64) -> Vec<String> {
    move |world: &mut World, secs| {
        let message = world.message(nth);
        let attempt = u32::try_from(message.attempts.len()).unwrap();
        let detail = Some(detail.to_owned());
        let settled = Settled { outcome: SettledAs::AccountRefused, status: Some(401), detail };
        let decision = world.run(secs, Step::Do(Command::Settle { message: message.id, attempt, settled }));
        lines(world, &decision)
    }
}

/// Ann and Bob are on the phone, and each has a text that is on its way to the carrier at second 10.
fn under_way() -> World {
    let mut world = World::new(with(|directory| {
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

fn paused_until(world: &World) -> u64 {
    world.trouble("main").unwrap().paused.unwrap().until.since(START).as_secs()
}

#[test]
fn f06_one_refusal_pauses_the_account_and_the_text_waits_unharmed() {
    let mut world = under_way();
    assert_eq!(account_refused(1, KEY)(&mut world, 10), ["done", "account.paused"]);
    let told = show::told(world.journal.last().unwrap());
    let event: Value = serde_json::from_slice(&told.last().unwrap().body).unwrap();
    assert_eq!((&event["data"]["reason"], &event["data"]["detail"]), (&"credentials_refused".into(), &KEY.into()));
    assert!(event["data"]["until"].is_string(), "{event}");
    let message = world.message(1);
    assert_eq!((message.state, message.not_before, message.failure.clone()), (MessageState::Queued, None, None));
    assert_eq!(message.attempts[0].outcome, AttemptOutcome::AccountRefused);
    // Those that were under way are no probes, and are told of once.
    assert_eq!(account_refused(2, KEY)(&mut world, 10), ["done"]);
    assert_eq!(paused_until(&world), 11);

    let why = why(&world, message.id, usize::MAX, world.now).unwrap();
    assert_eq!(why.told.waiting_for, Some(WaitingFor::CarrierPause));
    assert_eq!(why.cause.unwrap().detail, KEY);
    invariants::at_the_end(&world);
}

#[test]
fn f06_each_probe_that_is_refused_waits_longer_and_a_yes_resumes() {
    let mut world = under_way();
    account_refused(1, KEY)(&mut world, 10);
    account_refused(2, KEY)(&mut world, 10);
    for (at, until) in [(11, 13), (13, 17), (17, 25)] {
        world.run(at, go(1));
        assert_eq!(account_refused(1, KEY)(&mut world, at), ["done"]);
        assert_eq!(paused_until(&world), until);
    }
    world.run(25, go(1));
    then(&mut world, 25, sent(1), &["done", "account.resumed", "message.sent a custom"]);
    assert_eq!((world.trouble("main"), world.cause("main")), (None, None));
    invariants::at_the_end(&world);
}

#[test]
fn f06_a_yes_to_what_was_sent_before_the_refusal_resumes_nothing() {
    let mut world = under_way();
    account_refused(1, KEY)(&mut world, 10);
    then(&mut world, 12, sent(2), &["done", "message.sent b custom"]);
    assert_eq!(paused_until(&world), 11);
}

#[test]
fn f06_a_text_that_is_refused_itself_shows_that_the_account_works() {
    let mut world = under_way();
    account_refused(1, KEY)(&mut world, 10);
    account_refused(2, KEY)(&mut world, 10);
    world.run(11, go(1));
    let expected = ["done", "account.resumed", "message.failed a custom landline"];
    then(&mut world, 11, refused(1, FailureCode::Landline), &expected);
}

#[test]
fn f06_another_reason_is_told_once_and_an_outage_meanwhile_hides_none() {
    let mut world = under_way();
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
fn f06_an_account_that_failed_and_is_now_refused_says_so() {
    let mut world = under_way();
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
fn f06_a_reload_lets_one_try_at_once() {
    let mut world = under_way();
    account_refused(1, KEY)(&mut world, 10);
    account_refused(2, KEY)(&mut world, 10);
    world.run(11, go(1));
    account_refused(1, KEY)(&mut world, 11);
    then(&mut world, 12, Step::Do(Command::TryAccounts), &["done"]);
    assert_eq!(paused_until(&world), 12);
    assert_eq!(world.cause("main").unwrap().detail, KEY, "it is refused until it is not");
    world.run(12, go(1));
    account_refused(1, KEY)(&mut world, 12);
    assert_eq!(paused_until(&world), 14, "and then waits as after a new pause");
    let decision = World::new(directory()).run(0, Step::Do(Command::TryAccounts));
    assert_eq!(decision.events, []);
}

#[test]
fn f06_a_text_that_waits_too_long_for_its_account_expires() {
    let mut world = under_way();
    account_refused(1, KEY)(&mut world, 10);
    world.run(129, go(1));
    let late = account_refused(1, KEY)(&mut world, 130);
    assert_eq!(late, ["done", "message.expired a custom too_late"]);
    assert_eq!(world.message(1).expires_at, START + Duration::from_secs(130));
}

#[test]
fn f07_error_detail_is_the_sentence_of_the_carriers_code() {
    let mut world = under_way();
    let message = world.message(1);
    let outcome = SettledAs::Refused { code: FailureCode::CarrierRejected, carrier_code: Some("21608".to_owned()) };
    let settled = Settled { outcome, status: Some(400), detail: Some("a trial account".to_owned()) };
    world.run(10, Step::Do(Command::Settle { message: message.id, attempt: 1, settled }));
    let failure = world.message(1).failure.unwrap();
    assert_eq!((&*failure.detail, failure.carrier_code.as_deref()), ("a trial account", Some("21608")));
}
