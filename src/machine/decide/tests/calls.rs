//! Calls start, change and end (A7-A10, A12, A16).

use super::steps::{call_id, carry, end, go, put, restart, say, sent, start, start_in, start_of, text, tick};
use super::*;
use crate::machine::keys::{encode_row, timer_key};
use crate::machine::state::Timer;
use crate::model::{Caller, Phase, Session};

const HOUR: u64 = 60 * 60;

#[test]
fn a_call_starts_once_and_an_unchanged_update_makes_no_event() {
    check([(0, start("a"))], &["created", "call.started a"]);
    check([(0, start("a")), (1, start("a"))], &["updated"]);
    check([(0, start("a")), (1, put("a", |put| put.phase = Phase::Waiting))], &["updated", "call.updated a"]);
}

#[test]
fn a_call_keeps_its_caller() {
    check([(0, start("a")), (1, start_of("a", BOB))], &["refused caller_differs"]);
}

#[test]
fn a15_a_call_in_an_unknown_queue_or_of_a_disabled_type_is_refused() {
    check([(0, start_in("a", "billing"))], &["refused queue_not_found"]);
    check([(0, put("a", |put| put.call_type = "campaign".to_owned()))], &["refused call_type_off"]);
}

#[test]
fn a_stale_update_is_ignored_and_renews_no_lease() {
    let version = |version, agent: &str| {
        let agent = agent.to_owned();
        put("a", |put| (put.version, put.agent) = (Some(version), Some(Some(agent))))
    };
    let mut world = check([(0, version(2, "agent-1")), (60, version(1, "agent-2"))], &["updated"]);
    assert_eq!(world.call("a").agent.as_deref(), Some("agent-1"));
    assert_eq!(world.call("a").lease_until, START + std::time::Duration::from_secs(4 * HOUR));
    then(&mut world, 61, version(2, "agent-2"), &["updated", "call.updated a"]);
}

#[test]
fn omitting_the_agent_keeps_the_agent() {
    let world = check([(0, start("a")), (1, put("a", |put| put.agent = None))], &["updated"]);
    assert_eq!(world.call("a").agent.as_deref(), Some("agent-1"));
}

#[test]
fn a7_a_call_whose_lease_expires_ends_without_a_closing_message() {
    check(
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (4 * HOUR, tick())],
        &["done", "call.ended a closed call_ended lease_expired"],
    );
    check([(0, start("a")), (4 * HOUR - 1, tick())], &["done"]);
}

#[test]
fn a7_any_update_of_the_call_renews_its_lease() {
    let mut world = check([(0, start("a")), (HOUR, start("a")), (4 * HOUR, tick())], &["done"]);
    then(&mut world, 5 * HOUR, tick(), &["done", "call.ended a lease_expired"]);
}

#[test]
fn a7_one_tick_ends_all_expired_calls_even_those_without_a_number() {
    let withheld = |id| put(id, |put| put.caller = Caller::Withheld);
    check(
        [(0, withheld("a")), (0, withheld("b")), (0, start("c")), (0, start("d")), (4 * HOUR, tick())],
        &[
            "done",
            "call.ended a lease_expired",
            "call.ended b lease_expired",
            "call.ended c lease_expired",
            "call.ended d lease_expired",
        ],
    );
}

/// Leases left behind by an erasure must not stop other calls from expiring.
#[test]
fn a7_leases_of_unknown_calls_are_dropped_and_block_no_other() {
    let mut world = TestMachine::new(directory());
    world.run(0, start("a"));
    let unknown = |world: &TestMachine| {
        let timers = world.due(world.now, usize::MAX).into_iter();
        timers.filter(|(_, timer)| matches!(timer, Timer::Lease(id) if id.as_str() != "a")).count()
    };
    for nth in 0..300 {
        let timer = Timer::Lease(call_id(&format!("gone-{nth}")));
        world.rows.insert(timer_key(START, &timer), encode_row(&timer));
    }
    world.now = START + std::time::Duration::from_secs(5 * HOUR);
    assert_eq!(unknown(&world), 300);
    for left in [44, 0] {
        world.run_unchecked(tick());
        assert_eq!(unknown(&world), left);
    }
    assert!(world.call("a").ended.is_some());
}

#[test]
fn g13_a_clock_jump_ends_no_call_and_keeps_the_rest_of_its_lease() {
    // After three hours the clock jumps by a day; one hour of the lease is left.
    let jump = || carry(3 * HOUR, 27 * HOUR);
    let mut world = check([(0, start("a")), (27 * HOUR, jump()), (27 * HOUR, jump()), (27 * HOUR, tick())], &["done"]);
    then(&mut world, 28 * HOUR - 1, tick(), &["done"]);
    then(&mut world, 28 * HOUR, tick(), &["done", "call.ended a lease_expired"]);
}

#[test]
fn g13_only_leases_that_expire_within_the_jump_are_extended() {
    // The first lease expired an hour before the jump; the second expires an hour after it.
    let steps = [(0, start("a")), (6 * HOUR, start_of("b", "+12065550150")), (9 * HOUR, carry(5 * HOUR, 9 * HOUR))];
    let mut world = check(steps, &["done"]);
    then(&mut world, 9 * HOUR, tick(), &["done", "call.ended a lease_expired"]);
    then(&mut world, 10 * HOUR, tick(), &["done", "call.ended b lease_expired"]);
}

#[test]
fn a8_an_end_before_the_start_wins_for_a_day() {
    check([(0, end("a")), (1, start("a"))], &["ended before start"]);
    check([(0, end("a")), (1, say("a", "hi"))], &["refused call_ended"]);
    check([(0, end("a")), (24 * HOUR, start("a"))], &["created", "call.started a"]);
    check([(0, end("a")), (24 * HOUR, say("a", "hi"))], &["refused call_not_found"]);
}

#[test]
fn a8_the_first_end_of_an_unknown_call_is_the_one_kept() {
    let mut world = check([(0, end("a")), (1, end("a"))], &["ended before start"]);
    let ended_at = |decision: Decision| match decision.reply {
        Reply::EndedBeforeStart { ended, .. } => ended.at,
        other => panic!("{other:?}"),
    };
    assert_eq!(ended_at(world.run(2, end("a"))), START);
    let a_day_later = world.run(24 * HOUR, end("a"));
    assert_eq!(ended_at(a_day_later), START + std::time::Duration::from_secs(24 * HOUR));
}

#[test]
fn a8_a_repeated_end_is_one_end() {
    check([(0, start("a")), (1, end("a")), (2, end("a"))], &["ended"]);
}

#[test]
fn a8_a_late_update_of_an_ended_call_changes_nothing() {
    check([(0, start("a")), (1, end("a")), (2, start_in("a", "sales"))], &["ended"]);
}

#[test]
fn a9_the_session_follows_the_call_to_another_queue_and_keeps_its_number() {
    let world = check(
        [
            (0, start("a")),
            (1, text(ANN, SUPPORT, "hi")),
            (2, start_in("a", "sales")),
            (3, text(ANN, SUPPORT, "still there?")),
        ],
        &["attached", "message.received a 'still there?'"],
    );
    let call = world.call("a");
    assert_eq!((call.queue.as_str(), call.our_number), ("sales", SUPPORT.parse().ok()));
}

#[test]
fn a10_with_the_queue_off_nothing_is_sent_but_texts_still_join_the_call() {
    let sales_off = || {
        with(|directory| {
            directory.queues.get_mut(&"sales".to_owned().try_into().unwrap()).unwrap().in_call_sms = Some(false);
        })
    };
    let moved = || [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, start_in("a", "sales"))];
    let [one, two, three] = moved();
    check_in(sales_off(), [one, two, three, (3, say("a", "hello"))], &["refused queue_disabled"]);
    let [one, two, three] = moved();
    let mut world = check_in(
        sales_off(),
        [one, two, three, (3, text(ANN, SUPPORT, "ok"))],
        &["attached", "message.received a 'ok'"],
    );
    then(&mut world, 4, end("a"), &["ended", "call.ended a closed call_ended hung_up"]);
}

#[test]
fn a12_the_session_closes_with_the_last_agent_and_reopens_with_the_next() {
    let left = || put("a", |put| put.agent = Some(None));
    let mut world = check(
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, left())],
        &["updated", "call.updated a closed no_agent"],
    );
    then(&mut world, 3, say("a", "hello"), &["refused session_closed"]);
    then(&mut world, 4, start("a"), &["updated", "call.updated a"]);
    then(&mut world, 5, text(ANN, SUPPORT, "back?"), &["attached", "message.received a 'back?'"]);
    assert_eq!(world.call("a").session, Session::Open);
}

#[test]
fn a12_a_text_without_an_agent_gets_the_auto_reply_in_the_calls_language() {
    let left = put("a", |put| (put.agent, put.language) = (Some(None), Some(language("it"))));
    let begun = put("a", |put| put.language = Some(language("it")));
    let mut world = check(
        [(0, begun), (1, text(ANN, SUPPORT, "hi")), (2, left), (3, text(ANN, SUPPORT, "hello?"))],
        &["replied", "message.late auto_replied after a", "message.queued auto_reply 'Chiamaci.'"],
    );
    then(&mut world, 4, go(1), &["started"]);
}

#[test]
fn a12_a_session_closed_for_no_agent_ends_without_a_closing_message() {
    let left = put("a", |put| put.agent = Some(None));
    check(
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, left), (3, end("a"))],
        &["ended", "call.ended a closed no_agent hung_up"],
    );
}

#[test]
fn a12_a_text_accepted_before_the_agent_left_is_still_sent() {
    let left = put("a", |put| put.agent = Some(None));
    check([(0, start("a")), (1, say("a", "a link")), (2, left), (3, go(1))], &["started"]);
}

#[test]
fn a12_a_waiting_caller_has_no_agent_to_lose() {
    let waiting = put("a", |put| (put.agent, put.phase) = (Some(None), Phase::Waiting));
    check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, waiting)], &["updated", "call.updated a open"]);
}

#[test]
fn a16_a_withheld_caller_can_be_texted_once_a_number_is_confirmed() {
    let withheld = |alternative: Option<&str>| {
        let alternative = alternative.map(|number| number.parse().unwrap());
        put("a", |put| (put.caller, put.alternative) = (Caller::Withheld, alternative))
    };
    let mut world = check([(0, withheld(None)), (1, say("a", "hi"))], &["refused caller_unreachable"]);
    then(&mut world, 2, withheld(Some(BOB)), &["updated", "call.updated a"]);
    then(&mut world, 3, say("a", "hi"), &["queued", "message.queued a custom 'hi'"]);
    then(&mut world, 4, text(BOB, SUPPORT, "yes, me"), &["attached", "message.received a 'yes, me'"]);
    then(
        &mut world,
        5,
        end("a"),
        &[
            "ended",
            "message.cancelled a custom cancelled_call_ended",
            "call.ended a closed call_ended hung_up",
            "message.queued a closing 'Bye.'",
        ],
    );
}

#[test]
fn a16_a1_an_alternative_number_never_takes_another_calls_pair() {
    let to_bob = || put("b", |put| put.alternative = BOB.parse().ok());
    let mut world = check(
        [
            (0, start_of("a", BOB)),
            (1, text(BOB, SUPPORT, "hi")),
            (2, start("b")),
            (3, text(ANN, SUPPORT, "hi")),
            (4, to_bob()),
            (5, text(BOB, SUPPORT, "for a")),
        ],
        &["attached", "message.received a 'for a'"],
    );
    then(&mut world, 6, say("b", "for b"), &["queued", "message.queued b custom 'for b'"]);
    assert_eq!(world.call("b").our_number, SHARED.parse().ok());
    then(&mut world, 7, text(BOB, SHARED, "b again"), &["attached", "message.received b 'b again'"]);
}

#[test]
fn a16_the_previous_number_is_remembered_when_another_is_confirmed() {
    let to_bob = put("a", |put| put.alternative = BOB.parse().ok());
    check(
        [(0, start("a")), (1, say("a", "hi")), (2, go(1)), (3, sent(1)), (4, to_bob), (5, text(ANN, SUPPORT, "me?"))],
        &["replied", "message.late auto_replied after a", "message.queued auto_reply 'Call us.'"],
    );
}

#[test]
fn a30_after_a_restart_calls_go_on_and_lanes_are_empty() {
    let mut world =
        check([(0, start("a")), (100, restart()), (100, say("a", "hi"))], &["queued", "message.queued a custom 'hi'"]);
    assert_eq!(world.message(1).estimated_wait_ms, 1_000);
    then(&mut world, 101, go(1), &["started"]);
}
