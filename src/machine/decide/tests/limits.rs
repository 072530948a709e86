//! Rate limits, daily caps, carrier pauses and the circuit breaker (A28, A29, A64).

use super::steps::{go, later, put, refused, say, sent, start, start_of, text, unknown};
use super::*;
use crate::machine::state::CapOwner;
use crate::model::{Account, FailureCode, Limits, MessageState, Outcome};

/// A directory in which account `main` has these limits and its numbers have none.
fn account(limits: &Limits) -> Directory {
    with(|directory| {
        directory.numbers.values_mut().for_each(|number| number.limits = Limits::none());
        directory.accounts.insert("main".to_owned(), Account { limits: limits.clone() });
    })
}

fn per_second(millisegments: u32) -> Limits {
    Limits { millisegments_per_second: Some(millisegments), ..Limits::none() }
}

fn cap(segments: u32) -> Limits {
    Limits { segments_per_day: Some(segments), day_zone: "Europe/Rome".to_owned(), ..Limits::none() }
}

/// The carrier answers the latest attempt with 429 and this Retry-After.
fn retry_after(nth: usize, secs: u64) -> impl FnOnce(&mut TestMachine, u64) -> Decision {
    move |world, at| {
        let message = world.message(nth);
        let attempt = u32::try_from(message.attempts.len()).unwrap();
        let outcome = Outcome::Later { retry_after: Some(std::time::Duration::from_secs(secs)) };
        let settled = crate::model::Settled { outcome, status: Some(429), detail: None };
        world.run(at, Step::Do(Command::Settle { message: message.id, attempt, settled }))
    }
}

fn postponed(nth: usize, status: Option<u16>) -> impl FnOnce(&mut TestMachine, u64) -> Decision {
    move |world, secs| {
        let message = world.message(nth);
        let attempt = u32::try_from(message.attempts.len()).unwrap();
        let settled = crate::model::Settled { outcome: Outcome::Later { retry_after: None }, status, detail: None };
        world.run(secs, Step::Do(Command::Settle { message: message.id, attempt, settled }))
    }
}

#[test]
fn a28_a29_an_account_has_a_limit_for_all_its_numbers_together() {
    let mut world = TestMachine::new(account(&per_second(100)));
    world.run(0, start("a"));
    world.run(0, start_of("b", BOB));
    then(&mut world, 60, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
    then(&mut world, 60, say("b", "x"), &["queued", "message.queued b custom 'x'"]);
    assert_eq!([world.message(1).estimated_wait_ms, world.message(2).estimated_wait_ms], [0, 10_000]);
    then(&mut world, 60, say("a", "y"), &["refused rate_limited after 10000 ms"]);
    world.run(60, go(1));
    assert_eq!(world.account_lane("main").queued_segments, 1);
    world.run(70, go(2));
    assert_eq!(world.account_lane("main").queued_segments, 0);
    then(&mut world, 75, say("a", "y"), &["queued", "message.queued a custom 'y'"]);
    assert_eq!(world.message(3).estimated_wait_ms, 5_000);
}

#[test]
fn a28_a_new_account_limit_counts_texts_already_waiting() {
    let mut world = TestMachine::new(account(&Limits::none()));
    world.run(0, start("a"));
    world.run(1, say("a", &"x".repeat(300)));
    world.run(
        2,
        Step::Change(|directory| {
            directory.accounts.get_mut("main").unwrap().limits.millisegments_per_second = Some(1_000);
        }),
    );
    assert_eq!(world.account_lane("main").queued_segments, 2);
    assert_eq!(world.account_lane("main").empty_at, world.now, "its bucket begins empty");
}

#[test]
fn a28_a_numbers_daily_cap_holds_texts_until_midnight_in_its_zone() {
    let capped = with(|directory| {
        for number in directory.numbers.values_mut() {
            number.limits = Limits { millisegments_per_second: Some(1_000_000), burst: 9, ..cap(2) };
        }
    });
    let mut world = TestMachine::new(capped);
    world.run(0, start("a"));
    world.run(1, say("a", "x"));
    world.run(2, go(1));
    // Noon UTC is 13:00 in Rome; the third segment would wait eleven hours.
    then(&mut world, 3, say("a", &"x".repeat(300)), &["refused rate_limited after 39587000 ms"]);
    then(&mut world, 3, say("a", "y"), &["queued", "message.queued a custom 'y'"]);
    then(&mut world, 3, say("a", "z"), &["refused rate_limited after 39587000 ms"]);
    world.run(4, go(2));
    assert_eq!(world.day_count(&CapOwner::Number(SUPPORT.parse().unwrap())).segments, 2);
    world.run(13 * 3_600, put("a", |_| {}));
    then(&mut world, 13 * 3_600, say("a", "z"), &["queued", "message.queued a custom 'z'"]);
}

#[test]
fn a28_an_accounts_daily_cap_counts_all_its_numbers() {
    let mut world = TestMachine::new(account(&cap(2)));
    for (secs, step) in [(0, start("a")), (0, start_of("b", BOB)), (1, say("a", "x")), (2, say("b", "x"))] {
        world.run(secs, step);
    }
    world.run(3, go(1));
    world.run(3, go(2));
    assert_eq!(world.day_count(&CapOwner::Account("main".to_owned())).segments, 2);
    then(&mut world, 4, say("a", "y"), &["refused rate_limited after 39586000 ms"]);
}

#[test]
fn a64_a_429_pauses_the_whole_lane() {
    let mut world = TestMachine::new(directory());
    for (secs, step) in [(0, start("a")), (0, start_of("b", BOB)), (10, say("a", "x")), (11, go(1))] {
        world.run(secs, step);
    }
    postponed(1, Some(429))(&mut world, 11);
    let pause = world.pause(SUPPORT.parse().unwrap()).unwrap();
    assert!(pause.until >= world.now + std::time::Duration::from_millis(500), "{pause:?}");
    assert_eq!(world.breaker("main"), None, "a 429 is not a failure of the account");
    world.run(12, go(1));
    postponed(1, Some(429))(&mut world, 12);
    assert_eq!(world.pause(SUPPORT.parse().unwrap()).unwrap().laters, 2);
    world.run(14, go(1));
    world.run(14, sent(1));
    assert_eq!(world.pause(SUPPORT.parse().unwrap()), None);
}

#[test]
fn a64_attempts_in_flight_neither_end_nor_extend_a_pause() {
    let mut world = TestMachine::new(directory());
    for (caller, call) in [(ANN, "a"), (BOB, "b"), ("+12065550144", "c"), ("+12065550145", "d")] {
        world.run(0, start_of(call, caller));
    }
    for nth in 1..=4 {
        world.run(10 * nth, say(["a", "b", "c", "d"][nth as usize - 1], "x"));
        world.run(10 * nth, go(nth as usize));
    }
    let pause = |world: &TestMachine| world.pause(SUPPORT.parse().unwrap()).unwrap();
    retry_after(1, 300)(&mut world, 41);
    let expected = world.now + std::time::Duration::from_secs(300);
    assert_eq!((pause(&world).until, pause(&world).laters), (expected, 1), "as long as Retry-After says");
    postponed(2, Some(429))(&mut world, 42);
    world.run(43, sent(3));
    world.run(43, refused(4, FailureCode::Blocked));
    assert_eq!((pause(&world).until, pause(&world).laters), (expected, 1));
    world.run(350, say("c", "y"));
    world.run(350, go(5));
    world.run(350, sent(5));
    assert_eq!(world.pause(SUPPORT.parse().unwrap()), None);
}

#[test]
fn a67_a64_the_promised_wait_during_a_pause_equals_the_explained_one() {
    let mut world = TestMachine::new(with(|directory| directory.settings.max_wait_ms = 60_000));
    for (secs, step) in [(0, start("a")), (10, say("a", "first")), (11, go(1))] {
        world.run(secs, step);
    }
    for text in ["second", "third", "fourth"] {
        world.run(11, say("a", text));
    }
    retry_after(1, 9)(&mut world, 11);
    world.run(11, say("a", "last"));
    let last = *world.queued.last().unwrap();
    let promised = Queries::message(&world, last).unwrap().estimated_wait_ms;
    let explained = crate::machine::explain::explain_message(&world, last, 100, world.now).unwrap().explained;
    assert_eq!(explained.due_at, Some(world.now + std::time::Duration::from_millis(promised)));
    assert!(promised > 9_000, "earlier texts are scheduled after the pause: {promised}");
}

#[test]
fn a64_the_carriers_retry_after_is_part_of_the_wait() {
    let mut world = TestMachine::new(directory());
    for (secs, step) in [(0, start("a")), (10, say("a", "x")), (11, go(1))] {
        world.run(secs, step);
    }
    let message = world.message(1).id;
    let outcome = Outcome::Later { retry_after: Some(std::time::Duration::from_secs(30)) };
    let settled = crate::model::Settled { outcome, status: Some(429), detail: None };
    world.run(11, Step::Do(Command::Settle { message, attempt: 1, settled }));
    then(&mut world, 12, say("a", "y"), &["refused rate_limited after 20000 ms"]);
}

#[test]
fn a64_repeated_failures_open_the_breaker_and_make_an_event() {
    let mut world = TestMachine::new(account(&Limits::none()));
    world.run(0, start("a"));
    for nth in 1..=5 {
        world.run(1, say("a", "x"));
        world.run(1, go(nth));
        let decision = world.run(1, unknown(nth));
        let events = lines(&world, &decision);
        assert_eq!(events.contains(&"account.paused".to_owned()), nth == 5, "{events:?}");
    }
    assert!(world.breaker("main").unwrap().paused.is_some());
    world.run(2, say("a", "x"));
    world.run(2, go(6));
    then(&mut world, 2, sent(6), &["done", "account.resumed", "message.sent a custom"]);
    assert_eq!(world.breaker("main"), None);
}

#[test]
fn a64_a_refusal_or_our_own_stop_is_not_an_account_failure() {
    let mut world = TestMachine::new(account(&Limits::none()));
    world.run(0, start("a"));
    for nth in 1..=6 {
        world.run(1, say("a", "x"));
        world.run(1, go(nth));
        world.run(1, Step::Settle(nth, Outcome::Interrupted));
    }
    assert_eq!(world.breaker("main"), None);
    for nth in 7..=10 {
        world.run(2, say("a", "x"));
        world.run(2, go(nth));
        world.run(2, unknown(nth));
    }
    assert_eq!(world.breaker("main").unwrap().failed_at.len(), 4);
    world.run(3, say("a", "x"));
    world.run(3, go(11));
    then(&mut world, 3, refused(11, FailureCode::Blocked), &["done", "message.failed a custom blocked"]);
    assert_eq!(world.breaker("main"), None);
}

#[test]
fn a64_500_and_above_count_against_the_account() {
    let mut world = TestMachine::new(account(&Limits::none()));
    world.run(0, start("a"));
    world.run(1, say("a", "x"));
    world.run(1, go(1));
    postponed(1, Some(503))(&mut world, 1);
    assert_eq!(world.breaker("main").unwrap().failed_at.len(), 1);
    assert_eq!(world.message(1).state, MessageState::Queued);
    world.run(2, text(ANN, SUPPORT, "hi"));
    world.run(2, go(1));
    world.run(2, later(1));
    assert_eq!(world.breaker("main"), None, "any status below 500 counts as an answer");
    world.run(60, say("a", "x"));
    world.run(60, go(2));
    postponed(2, None)(&mut world, 60);
    assert_eq!(world.breaker("main").unwrap().failed_at.len(), 1, "without an access token there is no answer");
}
