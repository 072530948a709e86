//! The end of a call ends its session and queued texts (R51-R57, A19-A21, A25, A26).

use super::steps::{end, go, later, preset, put, say, sent, start, start_of, text, unknown};
use super::*;
use crate::model::Phase;
use std::time::Duration;

const CLOSED: &str = "call.ended a closed call_ended hung_up";
const BYE: &str = "message.queued a closing 'Bye.'";

#[test]
fn r51_the_session_ends_with_the_call_whatever_the_reason() {
    for reason in [Some("agent_hangup".to_owned()), Some("dropped".to_owned()), None] {
        let suffix = reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
        let ended = Step::Do(Command::EndCall { call: steps::call_id("a"), reason, key: None });
        let closed = format!("call.ended a closed call_ended{suffix}");
        let mut world = check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, ended)], &["ended", &closed, BYE]);
        then(&mut world, 3, say("a", "one more thing"), &["refused call_ended"]);
    }
}

#[test]
fn r52_r53_a_text_after_the_hang_up_joins_no_call_and_its_words_are_withheld() {
    let mut world = check(
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (100, end("a")), (100, text(ANN, SUPPORT, "the secret"))],
        &["replied", "message.late auto_replied after a", "message.queued auto_reply 'Call us.'"],
    );
    assert_eq!(world.call("a").usage.received, 1);
    then(&mut world, 101, text(ANN, SUPPORT, "the secret"), &["silent", "message.late after a"]);
}

#[test]
fn r52_r53_with_late_text_on_the_event_has_the_words() {
    check_in(
        with(|directory| directory.settings.late_text = true),
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a")), (3, text(ANN, SUPPORT, "more"))],
        &["replied", "message.late auto_replied after a 'more'", "message.queued auto_reply 'Call us.'"],
    );
}

#[test]
fn r54_r55_r56_r57_the_closing_message_follows_the_end_in_the_calls_language() {
    check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a"))], &["ended", CLOSED, BYE]);
    let italian = put("a", |put| put.language = Some(language("it")));
    let mut world = check(
        [(0, italian), (1, text(ANN, SUPPORT, "ciao")), (2, end("a"))],
        &["ended", CLOSED, "message.queued a closing 'Ciao.'"],
    );
    then(&mut world, 2, go(1), &["started"]);
    then(&mut world, 3, sent(1), &["done", "message.sent a closing"]);
    assert_eq!(world.call("a").usage.system_sent, 1);
}

#[test]
fn r54_r55_the_closing_message_can_be_switched_off() {
    check_in(
        with(|directory| directory.settings.closing.enabled = false),
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a"))],
        &["ended", CLOSED],
    );
}

#[test]
fn a25_r55_a_missing_text_falls_back_to_the_default_language() {
    let french = put("a", |put| put.language = Some(language("fr")));
    check([(0, french), (1, text(ANN, SUPPORT, "allo")), (2, end("a"))], &["ended", CLOSED, BYE]);
}

#[test]
fn a25_a26_no_text_at_all_sends_nothing() {
    check_in(
        with(|directory| directory.settings.closing.texts.clear()),
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a"))],
        &["ended", CLOSED],
    );
    check_in(
        with(|directory| directory.settings.auto_reply.texts.clear()),
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a")), (3, text(ANN, SUPPORT, "more"))],
        &["silent", "message.late after a"],
    );
}

#[test]
fn a19_queued_texts_are_cancelled_before_the_end_of_the_call_is_reported() {
    let mut world = check(
        [
            (0, start("a")),
            (1, text(ANN, SUPPORT, "hi")),
            (2, say("a", "x")),
            (2, preset("a", "welcome")),
            (3, end("a")),
        ],
        &[
            "ended",
            "message.cancelled a custom cancelled_call_ended",
            "message.cancelled a preset cancelled_call_ended",
            CLOSED,
            BYE,
        ],
    );
    then(&mut world, 4, go(1), &["not started"]);
}

#[test]
fn a19_a_text_in_flight_is_not_recalled_and_settles_after_the_call_ends() {
    let mut world = check([(0, start("a")), (1, say("a", "x")), (2, go(1)), (3, end("a"))], &["ended", CLOSED, BYE]);
    then(&mut world, 4, sent(1), &["done", "message.sent a custom"]);
}

#[test]
fn a19_a_postponed_text_is_not_retried_after_the_hang_up() {
    check(
        [(0, start("a")), (1, say("a", "x")), (2, go(1)), (3, end("a")), (4, later(1))],
        &["done", "message.cancelled a custom cancelled_call_ended"],
    );
    check(
        [(0, start("a")), (1, say("a", "x")), (2, go(1)), (3, later(1)), (4, end("a"))],
        &["ended", "message.cancelled a custom cancelled_call_ended", CLOSED, BYE],
    );
}

#[test]
fn a20_no_closing_message_when_no_text_was_exchanged() {
    check([(0, start("a")), (1, end("a"))], &["ended", "call.ended a hung_up"]);
    check(
        [(0, start("a")), (1, say("a", "x")), (2, end("a"))],
        &["ended", "message.cancelled a custom cancelled_call_ended", "call.ended a hung_up"],
    );
}

#[test]
fn a20_one_started_attempt_is_enough_even_if_unanswered() {
    check([(0, start("a")), (1, say("a", "x")), (2, go(1)), (3, unknown(1)), (4, end("a"))], &["ended", CLOSED, BYE]);
}

#[test]
fn a21_the_closing_message_waits_at_most_a_minute() {
    let story = || [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (10, end("a"))];
    let [one, two, three] = story();
    check([one, two, three, (69, go(1))], &["started"]);
    let [one, two, three] = story();
    check([one, two, three, (70, go(1))], &["not started", "message.expired a closing too_late"]);
}

#[test]
fn a21_the_closing_message_is_queued_even_in_a_full_lane() {
    let mut world = TestMachine::new(directory());
    world.run(0, start("a"));
    world.run(0, text(ANN, SUPPORT, "hi"));
    world.run(0, start_of("b", BOB));
    for _ in 0..10 {
        world.run(0, say("b", "x"));
    }
    then(&mut world, 0, say("a", "x"), &["refused rate_limited after 1000 ms"]);
    then(&mut world, 0, end("a"), &["ended", CLOSED, BYE]);
}

#[test]
fn a36_the_closing_message_obeys_the_switches_at_that_moment() {
    let off = Step::Change(|directory| directory.settings.in_call_sms = false);
    check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, off), (3, end("a"))], &["ended", CLOSED]);
    let off = Step::Change(|directory| directory.settings.in_call_sms = false);
    check(
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (3, end("a")), (3, off), (4, go(1))],
        &["not started", "message.cancelled a closing blocked"],
    );
}

#[test]
fn r51_a_waiting_callers_session_ends_with_the_call_too() {
    let waiting = put("a", |put| (put.phase, put.wait_sms_consent) = (Phase::Waiting, true));
    check([(0, waiting), (1, text(ANN, SUPPORT, "hi")), (2, end("a"))], &["ended", CLOSED, BYE]);
}

#[test]
fn the_closing_message_follows_the_end_in_call_sequence() {
    let world = check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a"))], &["ended", CLOSED, BYE]);
    let sequences: Vec<_> =
        world.journal.last().unwrap().events.iter().filter_map(|event| event.call_sequence).collect();
    assert_eq!(sequences, [3, 4]);
    assert_eq!(world.message(1).expires_at, world.now + Duration::from_secs(60));
}
