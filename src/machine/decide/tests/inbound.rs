//! Inbound texts and the call they belong to, if any (A1-A6, A53, A58, A62, R12).

use super::steps::{end, go, inbound, photo, say, sent, start, start_in, start_of, text, text_with_id};
use super::*;
use crate::model::{Address, Inbound, InboundItem, Session};

#[test]
fn a2_r12_the_callers_first_text_opens_the_session_on_its_number() {
    let world = check([(0, start("a")), (1, text(ANN, SUPPORT, "hi"))], &["attached", "message.received a 'hi'"]);
    let call = world.call("a");
    assert_eq!((call.session, call.our_number, call.usage.received), (Session::Open, SUPPORT.parse().ok(), 1));
}

#[test]
fn r12_r13_a_photo_without_text_is_a_message_with_media() {
    let world = check(
        [(0, start("a")), (1, photo(ANN, SUPPORT, "https://media.example/1"))],
        &["attached", "message.received a ''"],
    );
    assert_eq!((world.call("a").usage.received, world.call("a").usage.media_received), (1, 1));
}

#[test]
fn a1_two_calls_of_one_caller_text_from_different_numbers() {
    let mut world = check(
        [(0, start("a")), (0, start("b")), (1, say("a", "from a")), (2, say("b", "from b"))],
        &["queued", "message.queued b custom 'from b'"],
    );
    assert_ne!(world.call("a").our_number, world.call("b").our_number);
    then(&mut world, 3, text(ANN, SUPPORT, "to a"), &["attached", "message.received a 'to a'"]);
    then(&mut world, 3, text(ANN, SHARED, "to b"), &["attached", "message.received b 'to b'"]);
}

#[test]
fn a1_with_no_free_number_the_refusal_names_a_conflicting_call() {
    let world = check(
        [
            (0, start("a")),
            (0, start("b")),
            (0, start("c")),
            (1, say("a", "from a")),
            (2, say("b", "from b")),
            (3, say("c", "from c")),
        ],
        &["refused number_pair_busy a"],
    );
    assert_eq!(world.call("c").our_number, None);
}

#[test]
fn a1_an_ambiguous_text_belongs_to_neither_call() {
    check(
        [(0, start("a")), (0, start("b")), (1, text(ANN, SUPPORT, "hi"))],
        &["replied", "message.late auto_replied", "message.queued auto_reply 'Call us.'"],
    );
}

#[test]
fn a1_a_number_is_free_again_when_its_call_ends() {
    check(
        [(0, start("a")), (0, start("b")), (1, say("a", "x")), (2, end("a")), (3, text(ANN, SUPPORT, "hi"))],
        &["attached", "message.received b 'hi'"],
    );
}

#[test]
fn a3_a_text_to_another_queue_is_not_attached_and_gets_the_auto_reply() {
    let mut world = check(
        [(0, start("a")), (1, text(ANN, SALES, "hi"))],
        &["replied", "message.late auto_replied", "message.queued auto_reply 'Call us.'"],
    );
    then(&mut world, 2, go(1), &["started"]);
    then(&mut world, 3, text(ANN, SALES, "hi?"), &["silent", "message.late"]);
}

#[test]
fn a3_attach_cross_queue_attaches_a_text_to_another_queue() {
    check_in(
        with(|directory| directory.settings.attach_cross_queue = true),
        [(0, start("a")), (1, text(ANN, SALES, "hi"))],
        &["attached", "message.received a 'hi'"],
    );
}

#[test]
fn a4_an_outbound_only_number_finds_its_bound_session() {
    let from_shared = with(|directory| {
        let support = "support".to_owned().try_into().unwrap();
        directory.queues.get_mut(&support).unwrap().default_outbound = SHARED.parse().ok();
    });
    let mut world = check_in(
        from_shared,
        [(0, start("a")), (1, say("a", "hi")), (2, go(1)), (3, text(ANN, SHARED, "yes?"))],
        &["attached", "message.received a 'yes?'"],
    );
    world.run(4, end("a"));
    then(
        &mut world,
        5,
        text(ANN, SHARED, "more"),
        &["replied", "message.late auto_replied after a", "message.queued auto_reply 'Call us.'"],
    );
}

#[test]
fn a4_a_stranger_on_an_outbound_only_number_makes_an_event_and_no_reply() {
    check([(0, text(ANN, SHARED, "hi"))], &["silent", "message.late"]);
    check([(0, start("a")), (1, text(ANN, SHARED, "hi"))], &["silent", "message.late"]);
}

#[test]
fn a5_a_second_phone_belongs_to_no_call() {
    check(
        [(0, start("a")), (1, text(BOB, SUPPORT, "it's Ann"))],
        &["replied", "message.late auto_replied", "message.queued auto_reply 'Call us.'"],
    );
}

#[test]
fn a6_journal_order_decides_between_a_simultaneous_text_and_hang_up() {
    check(
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (100, text(ANN, SUPPORT, "ok")), (100, end("a"))],
        &["ended", "call.ended a closed call_ended hung_up", "message.queued a closing 'Bye.'"],
    );
    check(
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (100, end("a")), (100, text(ANN, SUPPORT, "ok"))],
        &["replied", "message.late auto_replied after a", "message.queued auto_reply 'Call us.'"],
    );
}

#[test]
fn a14_a_call_back_texts_from_the_same_number() {
    let mut world = check(
        [
            (0, start("a")),
            (0, start("b")),
            (1, say("a", "x")),
            (2, say("b", "y")),
            (3, go(2)),
            (4, end("b")),
            (5, end("a")),
            (6, start("c")),
            (20, say("c", "z")),
        ],
        &["queued", "message.queued c custom 'z'"],
    );
    assert_eq!(world.call("c").our_number, SHARED.parse().ok());
    then(&mut world, 21, text(ANN, SHARED, "hi"), &["attached", "message.received c 'hi'"]);
}

#[test]
fn a53_a62_a_repeat_has_no_effect_and_a_second_ok_is_no_repeat() {
    let mut world = check(
        [(0, start("a")), (1, text_with_id(ANN, SUPPORT, "ok", "SM1")), (2, text_with_id(ANN, SUPPORT, "ok", "SM1"))],
        &["duplicate"],
    );
    then(&mut world, 3, text_with_id(ANN, SUPPORT, "ok", "SM2"), &["attached", "message.received a 'ok'"]);
    assert_eq!(world.call("a").usage.received, 2);
}

#[test]
fn a53_a_repeat_after_the_hang_up_is_not_a_late_text() {
    check(
        [
            (0, start("a")),
            (1, text_with_id(ANN, SUPPORT, "hi", "SM1")),
            (2, end("a")),
            (3, text_with_id(ANN, SUPPORT, "hi", "SM1")),
        ],
        &["duplicate"],
    );
}

#[test]
fn a62_the_same_id_in_another_account_is_another_message() {
    let other = Inbound { carrier_id: "SM1".to_owned(), ..inbound(ANN, SUPPORT, "hi") };
    let other = Command::InboundItem { account: "other".to_owned(), item: InboundItem::Message(other) };
    check(
        [(0, start("a")), (1, text_with_id(ANN, SUPPORT, "hi", "SM1")), (2, Step::Do(other))],
        &["attached", "message.received a 'hi'"],
    );
}

#[test]
fn a58_an_unreadable_webhook_is_quarantined_once_unknown_kinds_are_ignored() {
    let unreadable = || {
        let item = InboundItem::Unreadable { raw: b"{".to_vec(), problem: "no JSON".to_owned(), request: None };
        Step::Do(Command::InboundItem { account: "main".to_owned(), item })
    };
    let mut world = check([(0, unreadable())], &["quarantined", "quarantine.added"]);
    then(&mut world, 1, unreadable(), &["duplicate"]);
    let ignored =
        Command::InboundItem { account: "main".to_owned(), item: InboundItem::Ignored { kind: "typing".to_owned() } };
    then(&mut world, 2, Step::Do(ignored), &["ignored"]);
}

#[test]
fn a46_a47_stop_in_a_call_is_shown_to_the_agent_flagged() {
    let by_carrier = Step::Text(Inbound { keyword: Some("STOP".to_owned()), ..inbound(ANN, SUPPORT, "nope") });
    check(
        [(0, start("a")), (1, by_carrier)],
        &[
            "attached",
            "message.received a stop reply_blocked 'nope'",
            "contact.opted_out",
            "call.updated a closed opted_out",
        ],
    );
}

#[test]
fn a_text_from_a_name_or_to_an_unknown_number_is_late_and_unanswered() {
    check([(0, text("Rossi SpA", SUPPORT, "hi"))], &["silent", "message.late"]);
    check([(0, text("72975", SUPPORT, "hi"))], &["silent", "message.late"]);
    check([(0, text(ANN, "+12065550999", "hi"))], &["silent", "message.late"]);
    let mut inbound = inbound(ANN, SUPPORT, "hi");
    inbound.to = Address::Name("whatsapp".to_owned());
    check([(0, Step::Text(inbound))], &["silent", "message.late"]);
}

#[test]
fn a4_a_text_to_a_calls_number_outside_any_queue_finds_the_call() {
    // A37: the number left the queue while the call went on.
    let leave = Step::Change(|directory| {
        for queue in directory.queues.values_mut() {
            queue.inbound_numbers.clear();
        }
    });
    check(
        [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, leave), (3, text(ANN, SUPPORT, "and?"))],
        &["attached", "message.received a 'and?'"],
    );
}

#[test]
fn a_caller_in_two_queues_is_matched_by_the_number_texted() {
    let mut world = check(
        [(0, start("a")), (0, start_in("b", "sales")), (1, text(ANN, SALES, "hi"))],
        &["attached", "message.received b 'hi'"],
    );
    then(&mut world, 2, text(ANN, SUPPORT, "hi"), &["attached", "message.received a 'hi'"]);
}

#[test]
fn two_callers_of_one_number_are_kept_apart() {
    let mut world = check(
        [
            (0, start("a")),
            (0, start_of("b", BOB)),
            (1, say("a", "x")),
            (2, say("b", "y")),
            (3, text(BOB, SUPPORT, "hi")),
        ],
        &["attached", "message.received b 'hi'"],
    );
    then(&mut world, 4, text(ANN, SUPPORT, "hi"), &["attached", "message.received a 'hi'"]);
}

#[test]
fn a32_the_callers_last_number_is_used_again() {
    let prefer = |number: &'static str| {
        Step::Change(match number {
            SHARED => |directory| set_default(directory, SHARED),
            _ => |directory| set_default(directory, SUPPORT),
        })
    };
    let world = check(
        [
            (0, prefer(SHARED)),
            (1, start("a")),
            (2, say("a", "x")),
            (3, go(1)),
            (4, sent(1)),
            (5, end("a")),
            (6, prefer(SUPPORT)),
            (7, start("b")),
            (20, say("b", "y")),
        ],
        &["queued", "message.queued b custom 'y'"],
    );
    assert_eq!(world.call("b").our_number, SHARED.parse().ok());
    let world = check([(0, start("a")), (1, say("a", "x"))], &["queued", "message.queued a custom 'x'"]);
    assert_eq!(world.call("a").our_number, SUPPORT.parse().ok(), "otherwise the queue's default");
}

fn set_default(directory: &mut Directory, number: &str) {
    let support = "support".to_owned().try_into().unwrap();
    directory.queues.get_mut(&support).unwrap().default_outbound = number.parse().ok();
}

#[test]
fn a1_no_call_is_guessed_when_there_are_more_than_the_search_limit() {
    let mut world = TestMachine::new(directory());
    world.run(0, start("a"));
    for nth in 0..499 {
        world.run_unchecked(start_in(&format!("b{nth}"), "sales"));
    }
    then(&mut world, 0, say("a", "hi"), &["refused number_pair_busy b0"]);
    let inbound = text(ANN, SUPPORT, "hi").command(&mut world);
    let at = At { time: START, position: world.next() };
    assert_eq!(answer(&decide(&world, inbound, at).reply), "replied");
}
