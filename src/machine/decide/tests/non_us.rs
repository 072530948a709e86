//! The switches for numbers outside the US (R33-R38, A33-A35).

use super::steps::{end, go, put, say, start_of, text};
use super::*;
use crate::model::{Caller, Kind, NonUsRule, Phase};

const TORONTO: &str = "+14165550142";

#[test]
fn r33_r34_r35_r36_non_us_sends_are_off_by_default() {
    check([(0, start_of("a", ROMA)), (1, say("a", "ciao"))], &["refused non_us_blocked"]);
    check_in(
        with(|directory| directory.settings.non_us.in_call = true),
        [(0, start_of("a", ROMA)), (1, say("a", "ciao"))],
        &["queued", "message.queued a custom 'ciao'"],
    );
}

#[test]
fn r37_a35_waiting_and_connected_have_separate_switches_checked_at_send() {
    let wait_time = || with(|directory| directory.settings.non_us.wait_time = true);
    let phase = |phase| {
        put("a", move |put| {
            (put.caller, put.phase, put.wait_sms_consent) = (Caller::read(ROMA).unwrap(), phase, true);
        })
    };
    let mut world = check_in(
        wait_time(),
        [(0, phase(Phase::Waiting)), (1, say("a", "ciao"))],
        &["queued", "message.queued a custom 'ciao'"],
    );
    // Accepted while waiting; the caller is now connected, and that switch is off.
    world.run(2, phase(Phase::Connected));
    then(&mut world, 3, go(1), &["not started", "message.cancelled a custom blocked"]);
    then(&mut world, 4, say("a", "ciao"), &["refused non_us_blocked"]);
}

#[test]
fn a35_a34_a_keyword_answer_obeys_the_switch_of_the_calls_phase() {
    let in_call = || with(|directory| directory.settings.non_us.in_call = true);
    let phase = |phase| {
        put("a", move |put| {
            (put.caller, put.phase, put.wait_sms_consent) = (Caller::read(ROMA).unwrap(), phase, true);
        })
    };
    let confirmations = |world: &TestMachine| {
        let facts = world.journal.iter().flat_map(|frame| &frame.events).map(|event| &event.event);
        let queued = |event: &&Event| match event {
            Event::MessageQueued { message, .. } => message.kind == Kind::OptOutConfirmation,
            _ => false,
        };
        facts.filter(queued).count()
    };
    for (when, confirmed) in [(Phase::Waiting, 0), (Phase::Connected, 1)] {
        let mut world = TestMachine::new(in_call());
        world.run(0, phase(when));
        world.run(1, text(ROMA, SUPPORT, "STOP"));
        assert_eq!(confirmations(&world), confirmed, "{when:?}");
    }
}

#[test]
fn r38_a36_a_switch_applies_at_once() {
    let on = || with(|directory| directory.settings.non_us.in_call = true);
    let off = Step::Change(|directory| directory.settings.non_us.in_call = false);
    check_in(
        on(),
        [(0, start_of("a", ROMA)), (1, say("a", "ciao")), (2, off), (3, go(1))],
        &["not started", "message.cancelled a custom blocked"],
    );
}

#[test]
fn a33_canada_counts_as_us_unless_the_rule_is_strict() {
    check([(0, start_of("a", TORONTO)), (1, say("a", "hi"))], &["queued", "message.queued a custom 'hi'"]);
    check_in(
        with(|directory| directory.settings.non_us.rule = NonUsRule::StrictUs),
        [(0, start_of("a", TORONTO)), (1, say("a", "hi"))],
        &["refused non_us_blocked"],
    );
}

#[test]
fn a34_r36_with_the_switch_off_inbound_texts_are_flagged_and_unanswered() {
    let mut world = check(
        [(0, start_of("a", ROMA)), (1, text(ROMA, SUPPORT, "ciao"))],
        &["attached", "message.received a reply_blocked 'ciao'"],
    );
    then(&mut world, 2, end("a"), &["ended", "call.ended a closed call_ended hung_up"]);
    then(&mut world, 3, text(ROMA, SUPPORT, "ancora"), &["silent", "message.late after a"]);
}

#[test]
fn a34_a_queued_auto_reply_is_not_sent_after_the_switch_is_off() {
    let off = Step::Change(|directory| directory.settings.non_us.in_call = false);
    check_in(
        with(|directory| directory.settings.non_us.in_call = true),
        [(0, text(ROMA, SUPPORT, "ciao")), (1, off), (2, go(1))],
        &["not started", "message.cancelled auto_reply blocked"],
    );
}

#[test]
fn a34_drop_non_us_inbound_makes_no_event() {
    let dropping = || with(|directory| directory.settings.drop_non_us_inbound = true);
    let mut world = check_in(dropping(), [(0, start_of("a", ROMA)), (1, text(ROMA, SUPPORT, "ciao"))], &["dropped"]);
    assert_eq!(world.call("a").usage.received, 0);
    then(&mut world, 2, end("a"), &["ended", "call.ended a hung_up"]);
    then(&mut world, 3, text(ROMA, SUPPORT, "ciao"), &["dropped"]);
    then(
        &mut world,
        4,
        text(ANN, SUPPORT, "hi"),
        &["replied", "message.late auto_replied", "message.queued auto_reply 'Call us.'"],
    );
}
