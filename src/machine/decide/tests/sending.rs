//! Agents' texts (A29, A32, A35, A44, A45, R7-R11, R42-R50).

use super::steps::{cancel, delivered, go, preset, put, refused, say, send, sent, start, text, tick};
use super::*;
use crate::machine::command::Content;
use crate::model::{Actor, FailureCode, Phase, SmartAction};

#[test]
fn r7_r3_agents_send_presets_and_custom_texts() {
    check(
        [(0, start("a")), (1, preset("a", "welcome"))],
        &["queued", "message.queued a preset 'Hello, this is your agent.'"],
    );
    check([(0, start("a")), (1, say("a", "hi"))], &["queued", "message.queued a custom 'hi'"]);
}

#[test]
fn r1_a_smart_action_obeys_the_rules_of_its_content_and_counts_as_itself() {
    let photo = |content| send("a", content, |send| send.smart_action = Some(SmartAction::Photo));
    let own = || photo(Content::Text("A photo?".to_owned()));
    let mut world = check([(0, start("a")), (1, own())], &["queued", "message.queued a smart_action 'A photo?'"]);
    then(&mut world, 2, go(1), &["started"]);
    assert_eq!((world.call("a").usage.smart_action_sent, world.call("a").usage.custom_sent), (1, 0));
    let presets_only = || with(|directory| directory.settings.presets_only = true);
    check_in(presets_only(), [(0, start("a")), (1, own())], &["refused presets_only"]);
    let ready = photo(Content::Preset("welcome".to_owned().try_into().unwrap(), None));
    check_in(
        presets_only(),
        [(0, start("a")), (1, ready)],
        &["queued", "message.queued a smart_action 'Hello, this is your agent.'"],
    );
}

#[test]
fn r43_a45_a_preset_uses_the_calls_language_or_the_requested_one_only() {
    let italian = || put("a", |put| put.language = Some(language("it")));
    check(
        [(0, italian()), (1, preset("a", "welcome"))],
        &["queued", "message.queued a preset 'Buongiorno, sono il suo agente.'"],
    );
    check([(0, italian()), (1, preset("a", "only-english"))], &["refused preset_not_found"]);
    let in_english = Content::Preset("only-english".to_owned().try_into().unwrap(), Some(language("en")));
    check(
        [(0, italian()), (1, send("a", in_english, |_| {}))],
        &["queued", "message.queued a preset 'See https://example.com/en'"],
    );
    check([(0, start("a")), (1, preset("a", "nothing"))], &["refused preset_not_found"]);
}

#[test]
fn refusals_have_the_precedence_of_the_contract() {
    // Every refusal applies at first; the reported one is fixed in each step, and the next is reported.
    let mut world = TestMachine::new(with(|directory| {
        let settings = &mut directory.settings;
        (settings.in_call_sms, settings.custom_messages, settings.presets_only) = (false, false, true);
        settings.max_wait_ms = 0;
        for queue in directory.queues.values_mut() {
            (queue.in_call_sms, queue.default_outbound) = (Some(false), None);
            (queue.inbound_numbers, queue.outbound_numbers) = (Vec::new(), Vec::new());
        }
    }));
    let begin = |caller: &'static str, consent| {
        put("a", move |put| {
            put.caller = crate::model::Caller::read("anonymous").unwrap();
            put.alternative = caller.parse().ok();
            (put.phase, put.wait_sms_consent) = (Phase::Waiting, consent);
        })
    };
    then(&mut world, 60, say("a", " "), &["refused text_empty"]);
    then(&mut world, 60, say("a", &"x".repeat(919)), &["refused text_too_long"]);
    then(&mut world, 60, say("a", "hi"), &["refused call_not_found"]);
    then(&mut world, 60, begin("", false), &["created", "call.started a"]);
    let next = |world: &mut TestMachine, code: &str, change: Step| {
        then(world, 60, say("a", "hi"), &[&format!("refused {code}")]);
        world.run(60, change);
    };
    next(&mut world, "in_call_sms_off", Step::Change(|directory| directory.settings.in_call_sms = true));
    next(
        &mut world,
        "queue_disabled",
        Step::Change(|directory| {
            directory.queues.values_mut().for_each(|queue| queue.in_call_sms = Some(true));
        }),
    );
    next(&mut world, "wait_consent_missing", begin("", true));
    next(&mut world, "caller_unreachable", begin(ROMA, true));
    next(&mut world, "non_us_blocked", Step::Change(|directory| directory.settings.non_us.wait_time = true));
    next(&mut world, "custom_messages_off", Step::Change(|directory| directory.settings.custom_messages = true));
    next(&mut world, "presets_only", Step::Change(|directory| directory.settings.presets_only = false));
    next(
        &mut world,
        "no_number",
        Step::Change(|directory| {
            let support = "support".to_owned().try_into().unwrap();
            directory.queues.get_mut(&support).unwrap().inbound_numbers = vec![SUPPORT.parse().unwrap()];
        }),
    );
    world.run(60, Step::Do(Command::GatewayStarted));
    next(&mut world, "rate_limited after 1000 ms", Step::Change(|directory| directory.settings.max_wait_ms = 1_000));
    then(&mut world, 60, say("a", "hi"), &["queued", "message.queued a custom 'hi'"]);
}

#[test]
fn the_call_shows_what_a_send_would_be_refused_for() {
    let refusal = |world: &mut TestMachine, step: Step| match world.run(1, step).reply {
        Reply::Call { shown, .. } => (shown.refusal.map(|code| code.word()), shown.custom_allowed),
        other => panic!("{other:?}"),
    };
    let mut world = TestMachine::new(with(|directory| directory.settings.presets_only = true));
    assert_eq!(refusal(&mut world, start("a")), (None, false));
    assert_eq!(refusal(&mut world, put("b", |put| put.phase = Phase::Waiting)), (Some("wait_consent_missing"), false));
    assert_eq!(refusal(&mut world, steps::end("a")), (Some("call_ended"), false));
}

#[test]
fn a29_a_full_lane_refuses_a_text_with_the_time_to_retry() {
    let mut world = TestMachine::new(directory());
    world.run(0, start("a"));
    // A lane at one segment per second, empty at second 0: the n-th text waits n seconds, at most 10.
    for nth in 1..=10 {
        then(&mut world, 0, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
        assert_eq!(world.message(nth).estimated_wait_ms, nth as u64 * 1_000);
    }
    then(&mut world, 0, say("a", "x"), &["refused rate_limited after 1000 ms"]);
    then(&mut world, 0, say("a", &"x".repeat(160)), &["refused rate_limited after 1000 ms"]);
    then(&mut world, 1, go(1), &["started"]);
    then(&mut world, 1, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
    then(&mut world, 1, say("a", "x"), &["refused rate_limited after 1000 ms"]);
}

#[test]
fn a28_a_long_text_costs_its_segments() {
    let world = check(
        [(0, start("a")), (60, say("a", &"x".repeat(161)))],
        &["queued", &format!("message.queued a custom '{}'", "x".repeat(161))],
    );
    assert_eq!((world.message(1).segments, world.message(1).estimated_wait_ms), (2, 0));
    assert_eq!(world.lane(SUPPORT.parse().unwrap()).queued_segments, 2);
}

#[test]
fn a_call_has_at_most_a_hundred_queued_texts() {
    let no_limit = with(|directory| {
        directory.numbers.values_mut().for_each(|number| number.limits = crate::model::Limits::none());
    });
    let mut world = TestMachine::new(no_limit);
    world.run(0, start("a"));
    for _ in 0..100 {
        world.run_unchecked(say("a", "x"));
    }
    then(&mut world, 0, say("a", "x"), &["refused rate_limited after 1000 ms"]);
}

#[test]
fn a35_r37_the_phase_at_send_time_selects_the_switch() {
    let waiting = || put("a", |put| (put.phase, put.wait_sms_consent) = (Phase::Waiting, true));
    check([(0, waiting()), (1, say("a", "hi"))], &["queued", "message.queued a custom 'hi'"]);
    let no_consent = put("a", |put| put.phase = Phase::Waiting);
    check([(0, no_consent), (1, say("a", "hi"))], &["refused wait_consent_missing"]);
}

#[test]
fn a18_a_landline_is_refused_for_30_days_unless_forced() {
    const DAY: u64 = 24 * 60 * 60;
    let mut world = check(
        [(0, start("a")), (1, say("a", "hi")), (2, go(1)), (3, refused(1, FailureCode::Landline))],
        &["done", "message.failed a custom landline"],
    );
    then(&mut world, 4, say("a", "hi"), &["refused landline"]);
    let forced = || send("a", Content::Text("hi".to_owned()), |send| send.force = Some(Actor::command_line()));
    then(&mut world, 5, forced(), &["queued", "message.queued a custom 'hi'"]);
    then(&mut world, 6, go(2), &["started"]);
    then(&mut world, 7, sent(2), &["done", "message.sent a custom"]);
    world.run(8, steps::end("a"));
    world.run(30 * DAY, start("b"));
    then(&mut world, 30 * DAY, say("b", "hi"), &["refused landline"]);
    then(&mut world, 30 * DAY + 3, say("b", "hi"), &["queued", "message.queued b custom 'hi'"]);
}

#[test]
fn a18_r9_a_landline_receipt_is_remembered_and_stops_the_closing_message() {
    let landline = Step::Receipt(1, crate::model::ReceiptState::Undelivered(FailureCode::Landline), "undelivered");
    let mut world = check(
        [(0, start("a")), (1, say("a", "hi")), (2, go(1)), (3, sent(1)), (4, landline)],
        &["advanced", "message.undelivered a custom landline"],
    );
    then(&mut world, 5, steps::end("a"), &["ended", "call.ended a closed call_ended hung_up"]);
}

#[test]
fn a36_a_switch_off_applies_to_the_next_send_and_keeps_the_number() {
    let off = Step::Change(|directory| directory.settings.in_call_sms = false);
    let mut world = check(
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, off), (3, say("a", "hello"))],
        &["refused in_call_sms_off"],
    );
    then(&mut world, 4, text(ANN, SUPPORT, "are you there?"), &["attached", "message.received a 'are you there?'"]);
}

#[test]
fn an_opted_out_number_refuses_new_texts_and_stops_queued_ones() {
    let mut world = TestMachine::empty();
    let seed = Command::Seed { directory: Box::new(directory()), opt_outs: listed(&[BOB]) };
    world.run(0, Step::Do(seed));
    world.run(0, steps::start_of("a", BOB));
    then(&mut world, 60, say("a", "hi"), &["refused opted_out"]);
    // The opted-out person is the recipient of a queued text; the call texts another number by now.
    world.run(61, start("b"));
    then(&mut world, 62, say("b", "hi"), &["queued", "message.queued b custom 'hi'"]);
    world.run(63, put("b", |put| put.alternative = ROMA.parse().ok()));
    world.run(63, Step::Change(|directory| directory.settings.non_us.in_call = true));
    // Opted out of the queued text's sender number; the call itself texts another number.
    world.run(63, Step::Do(Command::opt_out(ANN.parse().unwrap())));
    then(&mut world, 64, go(1), &["not started", "message.cancelled b custom opted_out"]);
}

#[test]
fn a_queued_text_can_be_cancelled_and_a_started_one_cannot() {
    let mut world = check(
        [(0, start("a")), (1, say("a", "x")), (2, cancel(1))],
        &["cancelled", "message.cancelled a custom cancelled_by_request"],
    );
    then(&mut world, 3, cancel(1), &["refused not_queued"]);
    then(&mut world, 3, go(1), &["not started"]);
    world.run(4, say("a", "y"));
    world.run(5, go(2));
    then(&mut world, 6, cancel(2), &["refused not_queued"]);
    let unknown = MessageId::new(START.day(), Position(9_999), 0);
    then(&mut world, 7, Step::Do(Command::Cancel(unknown)), &["refused not_found"]);
}

#[test]
fn a_text_that_waits_too_long_expires_unsent() {
    let mut world = check([(0, start("a")), (1, say("a", "x")), (120, Step::Expire(1))], &["done"]);
    then(&mut world, 121, go(1), &["not started", "message.expired a custom too_late"]);
    world.run(130, say("a", "y"));
    then(&mut world, 250, Step::Expire(2), &["done", "message.expired a custom too_late"]);
    then(&mut world, 251, delivered(2), &["stale"]);
    then(&mut world, 252, tick(), &["done"]);
}

#[test]
fn r1_a_picture_request_needs_an_mms_number() {
    let smart_action = |action| {
        let content = Content::Text("Please send a photo of the meter.".to_owned());
        steps::send("a", content, move |send| send.smart_action = Some(action))
    };
    let without_mms = |numbers: &'static [&'static str]| {
        with(|directory| {
            for number in numbers {
                directory.numbers.get_mut(&number.parse().unwrap()).unwrap().verification.mms = false;
            }
        })
    };
    let queued = ["queued", "message.queued a smart_action 'Please send a photo of the meter.'"];
    let world = check_in(without_mms(&[SUPPORT]), [(0, start("a")), (1, smart_action(SmartAction::Photo))], &queued);
    assert_eq!(world.message(1).ours, SHARED.parse().unwrap());
    let refused = ["refused no_number"];
    check_in(without_mms(&[SUPPORT, SHARED]), [(0, start("a")), (1, smart_action(SmartAction::Video))], &refused);
    check_in(without_mms(&[SUPPORT, SHARED]), [(0, start("a")), (1, smart_action(SmartAction::TextInput))], &queued);
    let bound = [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, smart_action(SmartAction::Screenshot))];
    check_in(without_mms(&[SUPPORT]), bound, &refused);
}
