//! Carrier responses and receipts (A54, A60, A61, A62, segments).

use super::steps::{by_id, call_id, delivered, end, go, later, receipt, refused, say, sent, start, tick, unknown};
use super::*;
use crate::model::{
    AttemptOutcome, FailureCode, InboundItem, MessageId, MessageState, Outcome, Receipt, ReceiptRef, ReceiptState,
    Settled,
};

const HOUR: u64 = 60 * 60;

/// An agent's text that is in flight at second 2.
fn in_flight() -> [(u64, Step); 3] {
    [(0, start("a")), (1, say("a", "hi")), (2, go(1))]
}

#[track_caller]
fn check_after(steps: Vec<(u64, Step)>, expected: &[&str]) -> TestMachine {
    let mut world = TestMachine::new(directory());
    let mut last = Vec::new();
    for (secs, step) in in_flight().into_iter().chain(steps) {
        let decision = world.run(secs, step);
        last = lines(&world, &decision);
    }
    assert_eq!(last, expected);
    invariants::at_the_end(&world);
    world
}

#[test]
fn r4_a_message_counts_and_opens_the_session_when_its_first_attempt_starts() {
    let mut world = check([(0, start("a")), (1, say("a", "hi"))], &["queued", "message.queued a custom 'hi'"]);
    assert_eq!(world.call("a").usage.custom_sent, 0);
    for secs in [2, 10, 20] {
        world.run(secs, go(1));
        world.run(secs, later(1));
    }
    let usage = world.call("a").usage;
    assert_eq!((usage.custom_sent, usage.segments_sent), (1, 1));
}

#[test]
fn a54_a_delivered_text_stays_delivered() {
    let mut world = check_after(vec![(3, sent(1)), (4, delivered(1))], &["advanced", "message.delivered a custom"]);
    then(&mut world, 5, Step::Receipt(1, ReceiptState::Sent, "sent"), &["stale"]);
    let failed = Step::Receipt(1, ReceiptState::Failed(FailureCode::Unreachable), "failed");
    then(&mut world, 6, failed, &["stale"]);
    assert_eq!(world.message(1).state, MessageState::Delivered);
}

#[test]
fn a54_a_text_without_a_receipt_is_unconfirmed_after_72_hours() {
    let mut world =
        check_after(vec![(3, sent(1)), (72 * HOUR, tick())], &["done", "call.ended a closed call_ended lease_expired"]);
    then(&mut world, 72 * HOUR + 2, tick(), &["done", "message.unconfirmed a custom"]);
    then(&mut world, 80 * HOUR, delivered(1), &["advanced", "message.delivered a custom"]);
}

#[test]
fn a54_a_message_with_its_receipt_has_no_timer() {
    let world = check_after(vec![(3, sent(1)), (4, delivered(1))], &["advanced", "message.delivered a custom"]);
    let timers = world.due(Timestamp::from_ms(u64::MAX), 10);
    assert_eq!(timers.len(), 1, "only the lease of the call: {timers:?}");
}

#[test]
fn a60_an_unanswered_attempt_is_unconfirmed_after_ten_minutes_not_resent() {
    let mut world = check_after(vec![(3, unknown(1))], &["done"]);
    assert_eq!(world.message(1).state, MessageState::Sending);
    then(&mut world, 4, go(1), &["not started"]);
    then(&mut world, 602, tick(), &["done"]);
    then(&mut world, 603, tick(), &["done", "message.unconfirmed a custom"]);
    then(&mut world, 604, tick(), &["done"]);
    then(&mut world, 605, delivered(1), &["advanced", "message.delivered a custom"]);
}

#[test]
fn a60_a_receipt_settles_an_unknown_send_at_any_time() {
    let mut world = check_after(vec![(3, unknown(1)), (4, delivered(1))], &["advanced", "message.delivered a custom"]);
    then(&mut world, 603, tick(), &["done"]);
    let mut world = check_after(
        vec![(3, unknown(1)), (4, Step::Receipt(1, ReceiptState::Sent, "sent"))],
        &["advanced", "message.sent a custom"],
    );
    then(&mut world, 603, tick(), &["done"]);
    assert_eq!(world.message(1).state, MessageState::Sent, "a receipt stops the ten-minute timer");
}

#[test]
fn a60_two_unknown_texts_of_one_call_become_unconfirmed_each_once() {
    let mut world = TestMachine::new(directory());
    for (secs, step) in [(0, start("a")), (1, say("a", "x")), (1, say("a", "y")), (2, go(1)), (3, go(2))] {
        world.run(secs, step);
    }
    world.run(4, unknown(1));
    world.run(4, unknown(2));
    let both = ["done", "message.unconfirmed a custom", "message.unconfirmed a custom"];
    then(&mut world, 604, tick(), &both);
    then(&mut world, 605, tick(), &["done"]);
    then(&mut world, 606, tick(), &["done"]);
}

#[test]
fn a61_a_receipt_before_the_carriers_answer_counts_and_the_answer_adds_its_id() {
    let mut world = check_after(vec![(3, delivered(1))], &["advanced", "message.delivered a custom"]);
    then(&mut world, 4, sent(1), &["done"]);
    let message = world.message(1);
    assert_eq!((message.state, message.carrier_id.as_deref()), (MessageState::Delivered, Some("SMout1")));
    assert_eq!(message.attempts[0].outcome, AttemptOutcome::Sent);
}

#[test]
fn a62_receipts_are_deduplicated_by_status() {
    let status = |word| Step::Receipt(1, ReceiptState::Sent, word);
    let mut world = check_after(vec![(3, status("sent"))], &["advanced", "message.sent a custom"]);
    then(&mut world, 4, status("sent"), &["duplicate"]);
    then(&mut world, 5, delivered(1), &["advanced", "message.delivered a custom"]);
    then(&mut world, 6, delivered(1), &["duplicate"]);
}

#[test]
fn a_receipt_must_match_a_message_of_its_account() {
    let about = |about, account: &str| {
        let (carrier_id, status) = ("SM9".to_owned(), "delivered".to_owned());
        let state = ReceiptState::Delivered;
        let item = InboundItem::Receipt(Receipt {
            about,
            carrier_id,
            status,
            state,
            carrier_code: None,
            detail: None,
            segments: None,
        });
        Step::Do(Command::InboundItem { account: account.to_owned(), item })
    };
    let mut world = check_after(vec![(3, about(ReceiptRef::CarrierOnly, "main"))], &["kept"]);
    let ours = ReceiptRef::Ours(world.queued[0]);
    then(&mut world, 4, about(ours, "other"), &["no such message"]);
    let unknown_message = ReceiptRef::Ours(MessageId::new(START.day(), Position(9_999), 0));
    then(&mut world, 5, about(unknown_message, "main"), &["no such message"]);
    then(&mut world, 6, delivered(1), &["advanced", "message.delivered a custom"]);
}

#[test]
fn a61_a_receipt_with_the_carriers_id_alone_finds_its_message_for_eight_days() {
    let of_it = |status, state| by_id("main", "SMout1", status, state);
    let mut world = check_after(
        vec![(3, sent(1)), (4, of_it("delivered", ReceiptState::Delivered))],
        &["advanced", "message.delivered a custom"],
    );
    then(&mut world, 5, of_it("delivered", ReceiptState::Delivered), &["duplicate"]);
    then(&mut world, 6, of_it("sent", ReceiptState::Sent), &["stale"]);
    then(&mut world, 7, by_id("other", "SMout1", "read", ReceiptState::Delivered), &["kept"]);
    then(&mut world, 8 * 24 * HOUR, of_it("read", ReceiptState::Delivered), &["stale"]);
    then(&mut world, 10 * 24 * HOUR, tick(), &["done", "call.ended a closed call_ended lease_expired"]);
    then(&mut world, 10 * 24 * HOUR + 1, of_it("failed", ReceiptState::Failed(FailureCode::Blocked)), &["kept"]);
}

#[test]
fn a61_a_receipt_with_our_id_and_another_of_the_carriers_settles_nothing() {
    let of_it = |carrier_id: &str, about: fn(MessageId) -> ReceiptRef| {
        let carrier_id = carrier_id.to_owned();
        move |world: &TestMachine| {
            let mut command = receipt(world, 1, ReceiptState::Delivered, "delivered", None);
            if let Command::InboundItem { item: InboundItem::Receipt(receipt), .. } = &mut command {
                (receipt.about, receipt.carrier_id) = (about(world.queued[0]), carrier_id);
            }
            Step::Do(command)
        }
    };
    let (other, ours) = (of_it("SMother", ReceiptRef::Ours), of_it("SMout1", ReceiptRef::Ours));
    let mut world = check_after(vec![(3, sent(1))], &["done", "message.sent a custom"]);
    let step = other(&world);
    then(&mut world, 4, step, &["no such message"]);
    assert_eq!(world.message(1).state, MessageState::Sent);
    let step = ours(&world);
    then(&mut world, 5, step, &["advanced", "message.delivered a custom"]);

    // The parts of a text have ids of their own, of which the answer's is one.
    let part = of_it("SMpart2", ReceiptRef::PartOf);
    let mut world = check_after(vec![(3, sent(1))], &["done", "message.sent a custom"]);
    let step = part(&world);
    then(&mut world, 4, step, &["advanced", "message.delivered a custom"]);
    assert_eq!(world.message(1).carrier_id.as_deref(), Some("SMout1"));
}

#[test]
fn a61_receipts_before_their_answer_are_applied_in_order_once_it_comes() {
    let of_it = |status, state| by_id("main", "SMout1", status, state);
    let mut world = check_after(vec![(3, of_it("sent", ReceiptState::Sent))], &["kept"]);
    then(&mut world, 3, of_it("sent", ReceiptState::Sent), &["duplicate"]);
    then(&mut world, 4, of_it("delivered", ReceiptState::Delivered), &["kept"]);
    then(&mut world, 4, by_id("main", "other", "delivered", ReceiptState::Delivered), &["kept"]);
    then(&mut world, 5, sent(1), &["done", "message.sent a custom", "message.delivered a custom"]);
    assert_eq!(world.message(1).state, MessageState::Delivered);
    then(&mut world, 6, of_it("delivered", ReceiptState::Delivered), &["duplicate"]);
    invariants::at_the_end(&world);
    then(&mut world, 604, tick(), &["done"]);
    assert_eq!(world.receipts_kept("main"), 0, "the other one was dropped after ten minutes");
}

#[test]
fn a61_a_kept_receipt_is_dropped_after_ten_minutes() {
    let of_it = by_id("main", "SMout1", "delivered", ReceiptState::Delivered);
    let mut world = check_after(vec![(3, of_it)], &["kept"]);
    then(&mut world, 603, tick(), &["done"]);
    then(&mut world, 604, sent(1), &["done", "message.sent a custom"]);
}

#[test]
fn a61_an_opt_out_in_a_kept_receipt_counts() {
    let refused = by_id("main", "SMout1", "failed", ReceiptState::Failed(FailureCode::OptedOut));
    let mut world = check_after(vec![(3, refused)], &["kept"]);
    let decision = world.run(4, sent(1));
    let lines = lines(&world, &decision);
    assert_eq!(lines[..3], ["done", "message.sent a custom", "message.failed a custom opted_out"]);
    assert!(lines[3].starts_with("contact.opted_out"), "{lines:?}");
}

#[test]
fn a_receipt_for_a_text_never_sent_is_ignored() {
    let mut world = check([(0, start("a")), (1, say("a", "x")), (2, delivered(1))], &["stale"]);
    then(&mut world, 3, go(1), &["started"]);
}

#[test]
fn a64_a_postponed_text_returns_to_its_lane() {
    let mut world = check_after(vec![(3, later(1))], &["done"]);
    assert_eq!(world.message(1).state, MessageState::Queued);
    assert!(world.message(1).not_before.unwrap() > world.now);
    then(&mut world, 4, go(1), &["started"]);
    then(&mut world, 5, sent(1), &["done", "message.sent a custom"]);
}

#[test]
fn a64_an_unwritten_request_is_retried_until_the_text_expires() {
    let never = || Step::Settle(1, Outcome::NeverWritten);
    let mut world = check_after(vec![(3, never())], &["done"]);
    world.run(100, go(1));
    then(&mut world, 120, never(), &["done", "message.expired a custom too_late"]);
}

#[test]
fn a54_a_postponed_text_with_a_delivered_receipt_leaves_its_lane() {
    let mut world = check_after(vec![(3, later(1))], &["done"]);
    let delivered_in_two = receipt(&world, 1, ReceiptState::Delivered, "delivered", Some(2));
    then(&mut world, 4, Step::Do(delivered_in_two), &["advanced", "message.delivered a custom"]);
    assert_eq!(world.message(1).segments, 2, "the carrier's count wins");
    then(&mut world, 5, go(1), &["not started"]);
    then(
        &mut world,
        6,
        end("a"),
        &["ended", "call.ended a closed call_ended hung_up", "message.queued a closing 'Bye.'"],
    );
}

#[test]
fn the_carriers_segment_count_wins() {
    let three = Step::Settle(1, Outcome::Sent { carrier_id: "SM1".to_owned(), segments: Some(3) });
    let world = check_after(vec![(3, three)], &["done", "message.sent a custom"]);
    assert_eq!(world.message(1).segments, 3);
    let none = Step::Settle(1, Outcome::Sent { carrier_id: "SM1".to_owned(), segments: Some(0) });
    assert_eq!(check_after(vec![(3, none)], &["done", "message.sent a custom"]).message(1).segments, 1);
}

#[test]
fn a_refusal_is_final_and_has_our_code_and_the_carriers() {
    let mut world =
        check_after(vec![(3, refused(1, FailureCode::Blocked))], &["done", "message.failed a custom blocked"]);
    assert_eq!(world.message(1).failure.unwrap().carrier_code.as_deref(), Some("30006"));
    then(&mut world, 4, go(1), &["not started"]);
}

#[test]
fn only_the_latest_attempt_is_settled_and_only_once() {
    let of = |attempt| {
        move |world: &TestMachine| Command::Settle {
            message: world.queued[0],
            attempt,
            settled: Settled { outcome: Outcome::Unknown, status: None, detail: None },
        }
    };
    let mut world = check_after(vec![(3, later(1)), (4, go(1))], &["started"]);
    // Two events: the outcome of the attempt and its effect on the account.
    for (attempt, events) in [(1, 0), (3, 0), (0, 0), (2, 2), (2, 0)] {
        let command = of(attempt)(&world);
        assert_eq!(world.run(5, Step::Do(command)).events.len(), events, "attempt {attempt}");
    }
}

#[test]
fn a30_a_send_is_charged_to_its_lane() {
    let world = check_after(vec![(3, sent(1))], &["done", "message.sent a custom"]);
    // The bucket holds one segment: empty at 0, full at 1, and after the send at 2 empty at 2.
    let lane = world.lane(SUPPORT.parse().unwrap());
    assert_eq!((lane.empty_at, lane.queued_segments), (START + std::time::Duration::from_secs(2), 0));
    assert_eq!(world.call("a").id, call_id("a"));
}

#[test]
fn f21_a_clock_jump_does_not_change_what_a_lane_owes() {
    let at = |secs| START + std::time::Duration::from_secs(secs);
    for (from, empty_at) in [(1, HOUR + 2), (2, 2), (3, 2)] {
        let mut world = check_after(vec![(3, sent(1))], &["done", "message.sent a custom"]);
        // Empty at 2: the lane owes time before that and nothing after.
        let carry = Command::CarryDebts { from: at(from), to: at(from + HOUR) };
        world.run(from + HOUR, Step::Do(carry));
        assert_eq!(world.lane(SUPPORT.parse().unwrap()).empty_at, at(empty_at), "from {from}");
    }
}

#[test]
fn a54_a60_an_auto_reply_past_both_deadlines_is_unconfirmed_once() {
    let late = steps::text(BOB, SUPPORT, "hi");
    let mut world = TestMachine::new(directory());
    for (secs, step) in [(0, late), (1, go(1)), (2, unknown(1)), (3, Step::Receipt(1, ReceiptState::Sent, "sent"))] {
        world.run(secs, step);
    }
    then(&mut world, 73 * HOUR, tick(), &["done", "message.unconfirmed auto_reply"]);
    then(&mut world, 74 * HOUR, tick(), &["done"]);
    assert_eq!(world.due(Timestamp::from_ms(u64::MAX), 10), []);
}
