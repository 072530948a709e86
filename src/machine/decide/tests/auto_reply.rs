//! Texts after the call and their auto-reply (R58-R61, A22-A27).

use super::steps::{end, go, put, restart, say, sent, start, start_in, start_of, text};
use super::*;
use crate::model::{NoReplyReason, UnknownSender};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
const CALL_US: &str = "message.queued auto_reply 'Call us.'";

/// Ann calls, texts, and hangs up at second 2.
fn talked() -> [(u64, Step); 3] {
    [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a"))]
}

/// Ann texts at these seconds; compares the outcome of the last text.
#[track_caller]
fn check_reply(directory: Directory, at: &[u64], expected: &[&str]) -> TestMachine {
    let mut world = TestMachine::new(directory);
    for (secs, step) in talked() {
        world.run(secs, step);
    }
    let (last, before) = at.split_last().unwrap();
    for secs in before {
        world.run(*secs, text(ANN, SUPPORT, "more"));
    }
    then(&mut world, *last, text(ANN, SUPPORT, "more"), expected);
    invariants::at_the_end(&world);
    world
}

const REPLIED: &[&str] = &["replied", "message.late auto_replied after a", CALL_US];
const SILENT: &[&str] = &["silent", "message.late after a"];

#[test]
fn r58_r59_r60_r61_texts_after_the_call_get_the_auto_reply() {
    let mut world = check_reply(directory(), &[3], REPLIED);
    then(&mut world, 4, go(2), &["started"]);
    then(&mut world, 5, sent(2), &["done", "message.sent auto_reply"]);
}

#[test]
fn r58_r54_the_auto_reply_can_be_switched_off() {
    check_reply(with(|directory| directory.settings.auto_reply.enabled = false), &[3], SILENT);
    check_reply(with(|directory| directory.settings.auto_reply.texts.clear()), &[3], SILENT);
}

#[test]
fn a22_the_first_text_is_answered_then_one_in_15_minutes() {
    check_reply(directory(), &[3, 4], SILENT);
    check_reply(directory(), &[3, 3 + 15 * MINUTE - 1], SILENT);
    check_reply(directory(), &[3, 3 + 15 * MINUTE], REPLIED);
}

#[test]
fn a22_an_unanswered_text_does_not_extend_the_quiet_time() {
    check_reply(directory(), &[3, 3 + 14 * MINUTE, 3 + 15 * MINUTE], REPLIED);
}

#[test]
fn a22_at_most_three_auto_replies_a_day() {
    let hourly = [3, 3_600, 7_200];
    check_reply(directory(), &hourly, REPLIED);
    check_reply(directory(), &[3, 3_600, 7_200, 10_800], SILENT);
    check_reply(directory(), &[3, 3_600, 7_200, DAY + 2], SILENT);
    check_reply(directory(), &[3, 3_600, 7_200, DAY + 3], REPLIED);
}

#[test]
fn a22_the_caps_are_per_pair_and_survive_calls_and_restarts() {
    let mut world = check_reply(directory(), &[3], REPLIED);
    world.run(4, start("b"));
    world.run(5, text(ANN, SUPPORT, "again"));
    world.run(6, end("b"));
    world.run(7, restart());
    then(&mut world, 8, text(ANN, SUPPORT, "more"), &["silent", "message.late after b"]);
    then(&mut world, 9, text(ANN, SALES, "hi"), &["replied", "message.late auto_replied", CALL_US]);
}

#[test]
fn a23_a_caller_is_remembered_for_exactly_90_days() {
    let only_the_known = || with(|directory| directory.settings.auto_reply.unknown_sender = UnknownSender::Silent);
    check_reply(only_the_known(), &[90 * DAY], REPLIED);
    check_reply(only_the_known(), &[91 * DAY], &["silent", "message.late"]);
    check_reply(
        with(|directory| {
            directory.settings.auto_reply.unknown_sender = UnknownSender::Silent;
            directory.settings.contact_memory_days = 1;
        }),
        &[2 * DAY],
        &["silent", "message.late"],
    );
}

#[test]
fn a23_the_setting_decides_whether_strangers_get_a_reply() {
    check([(0, text(BOB, SUPPORT, "hi"))], &["replied", "message.late auto_replied", CALL_US]);
    check_in(
        with(|directory| directory.settings.auto_reply.unknown_sender = UnknownSender::Silent),
        [(0, text(BOB, SUPPORT, "hi"))],
        &["silent", "message.late"],
    );
}

/// A text of the n-th sender without any call.
fn stranger(nth: usize, words: &str) -> Step {
    text(&format!("+1415555{nth:04}"), SUPPORT, words)
}

fn with_strangers(per_hour: Option<u32>) -> Directory {
    with(|directory| directory.settings.auto_reply.strangers_per_hour = per_hour)
}

#[test]
fn f05_a71_replies_to_strangers_are_limited_per_hour() {
    const REPLIED: &[&str] = &["replied", "message.late auto_replied", CALL_US];
    const SILENT: &[&str] = &["silent", "message.late"];
    let mut world = TestMachine::new(with_strangers(Some(2)));
    then(&mut world, 0, stranger(1, "hi"), REPLIED);
    then(&mut world, 10, stranger(2, "hi"), REPLIED);
    then(&mut world, 20, stranger(3, "hi"), SILENT);
    world.run(30, restart());
    then(&mut world, 40, text(BOB, SALES, "hi"), SILENT);
    then(&mut world, 3_599, stranger(4, "hi"), SILENT);
    then(&mut world, 3_600, stranger(5, "hi"), REPLIED);
    then(&mut world, 3_601, stranger(6, "hi"), SILENT);
    world.run(3_602, Step::Change(|directory| directory.settings.auto_reply.strangers_per_hour = None));
    then(&mut world, 3_603, stranger(7, "hi"), REPLIED);
    invariants::at_the_end(&world);
}

#[test]
fn f05_a71_callers_are_exempt_from_the_hourly_limit_for_strangers() {
    let mut world = TestMachine::new(with_strangers(Some(0)));
    for (secs, step) in talked() {
        world.run(secs, step);
    }
    then(&mut world, 3, stranger(1, "hi"), &["silent", "message.late"]);
    then(&mut world, 4, text(ANN, SUPPORT, "more"), REPLIED);
    world.run(5, start_of("b", BOB));
    then(&mut world, 6, text(BOB, SALES, "hi"), &["replied", "message.late auto_replied", CALL_US]);
    assert_eq!(world.strangers_answered(crate::model::Kind::AutoReply).count(world.now), 0);
}

#[test]
fn f05_a71_stop_and_help_of_strangers_have_hourly_limits_of_their_own() {
    let mut directory = with_strangers(Some(1));
    directory.settings.opt_out.texts.insert(language("en"), "Out.".to_owned());
    directory.settings.opt_out.help_texts.insert(language("en"), "Us.".to_owned());
    let mut world = TestMachine::new(directory);
    let out = ["silent", "message.late", "contact.opted_out"];
    let confirmed = [out[0], out[1], out[2], "message.queued opt_out_confirmation 'Out.'"];
    then(&mut world, 0, stranger(1, "STOP"), &confirmed);
    then(&mut world, 1, stranger(2, "STOP"), &out);
    then(&mut world, 2, stranger(3, "HELP"), &["silent", "message.late", "message.queued help_reply 'Us.'"]);
    then(&mut world, 3, stranger(4, "HELP"), &["silent", "message.late"]);
    then(&mut world, 4, stranger(5, "hi"), &["replied", "message.late auto_replied", CALL_US]);
    then(&mut world, 3_601, stranger(6, "STOP"), &confirmed);
}

#[test]
fn a24_keywords_short_codes_names_and_our_own_texts_get_no_auto_reply() {
    for words in ["help", "Call us.", " Chiamaci. ", "Bye."] {
        let [one, two, three] = talked();
        check([one, two, three, (3, text(ANN, SUPPORT, words))], SILENT);
    }
    let unconfirmed = || with(|directory| directory.settings.opt_out.confirm = false);
    for words in ["STOP", "cancel"] {
        let [one, two, three] = talked();
        let expected = &["silent", "message.late after a", "contact.opted_out"];
        check_in(unconfirmed(), [one, two, three, (3, text(ANN, SUPPORT, words))], expected);
    }
    for from in [SALES, SHARED, "72975", "Rossi SpA"] {
        check([(0, text(from, SUPPORT, "hi"))], &["silent", "message.late"]);
    }
}

#[test]
fn a47_yes_and_start_are_ordinary_texts_without_an_opt_out() {
    let [one, two, three] = talked();
    check([one, two, three, (3, text(ANN, SUPPORT, "Yes"))], REPLIED);
    check([(0, start("a")), (1, text(ANN, SUPPORT, "yes?"))], &["attached", "message.received a 'yes?'"]);
}

#[test]
fn a24_a46_an_opted_out_person_gets_no_reply_and_no_queued_text() {
    let mut world = TestMachine::empty();
    let seed = Command::Seed { directory: Box::new(directory()), opt_outs: listed(&[ANN]) };
    world.run(0, Step::Do(seed));
    then(&mut world, 1, text(ANN, SUPPORT, "hi"), &["silent", "message.late"]);
    world.run(2, start("a"));
    then(&mut world, 3, text(ANN, SUPPORT, "hi"), &["attached", "message.received a reply_blocked 'hi'"]);
    let started = ["attached", "contact.opted_in", "message.received a start 'START'"];
    then(&mut world, 4, text(ANN, SUPPORT, "START"), &started);
    let ended = ["ended", "call.ended a closed call_ended hung_up", "message.queued a closing 'Bye.'"];
    then(&mut world, 5, end("a"), &ended);
}

#[test]
fn a25_a22_the_outcome_says_why_no_reply_was_sent() {
    let mut wordless = directory();
    wordless.settings.auto_reply.texts.clear();
    for (directory, texts, why) in [(wordless, 1, NoReplyReason::NoText), (directory(), 2, NoReplyReason::Quiet)] {
        let mut world = TestMachine::new(directory);
        let replies: Vec<_> = (0..texts).map(|secs| world.run(secs, text(BOB, SUPPORT, "hi")).reply).collect();
        assert_eq!(replies.last(), Some(&Reply::InboundItem(IntakeOutcome::Silent(why))));
    }
}

#[test]
fn a24_two_gateways_replying_to_each_other_stop_at_once() {
    // The other gateway's auto-reply has a different text, so only the caps can end the loop.
    let mut world = TestMachine::new(directory());
    let replies = (0..100).filter(|secs| {
        let decision = world.run(*secs, text(BOB, SUPPORT, "We are closed."));
        decision.reply == Reply::InboundItem(IntakeOutcome::Replied)
    });
    assert_eq!(replies.count(), 1);
}

#[test]
fn a25_the_auto_reply_uses_the_last_calls_language_else_the_queues() {
    let italian = put("a", |put| put.language = Some(language("it")));
    check(
        [(0, italian), (1, text(ANN, SUPPORT, "ciao")), (2, end("a")), (3, text(ANN, SUPPORT, "ancora"))],
        &["replied", "message.late auto_replied after a", "message.queued auto_reply 'Chiamaci.'"],
    );
    check_in(
        with(|directory| directory.queues.values_mut().for_each(|queue| queue.language = Some(language("it")))),
        [(0, text(BOB, SUPPORT, "hi"))],
        &["replied", "message.late auto_replied", "message.queued auto_reply 'Chiamaci.'"],
    );
}

#[test]
fn a27_a_new_call_cancels_a_queued_auto_reply() {
    let [one, two, three] = talked();
    let mut world = check(
        [one, two, three, (3, text(ANN, SUPPORT, "more")), (4, start("b")), (5, text(ANN, SUPPORT, "here"))],
        &["attached", "message.received b 'here'"],
    );
    then(&mut world, 6, go(2), &["not started", "message.cancelled auto_reply cancelled_by_request"]);
}

#[test]
fn a27_a_call_in_another_queue_does_not_cancel_the_auto_reply() {
    let [one, two, three] = talked();
    check([one, two, three, (3, text(ANN, SUPPORT, "more")), (4, start_in("b", "sales")), (5, go(2))], &["started"]);
}

#[test]
fn a21_an_auto_reply_expires_after_a_minute() {
    let mut world = check_reply(directory(), &[3], REPLIED);
    then(&mut world, 63, go(2), &["not started", "message.expired auto_reply too_late"]);
}

#[test]
fn a_text_in_the_next_call_belongs_to_that_call_only() {
    let [one, two, three] = talked();
    let mut world = check(
        [one, two, three, (4, start("b")), (5, say("b", "hello again"))],
        &["queued", "message.queued b custom 'hello again'"],
    );
    then(&mut world, 6, text(ANN, SUPPORT, "hi"), &["attached", "message.received b 'hi'"]);
    assert_eq!((world.call("a").usage.received, world.call("b").usage.received), (1, 1));
}
