use super::*;
use bytes::Bytes;
use serde_json::json;
use std::time::Instant;

const PHONE: &str = "+12065550142";
const OURS: &str = "+12065550100";

#[test]
fn good_world_has_no_violation() {
    let mut observed = good_day();
    breaks(&observed, &[]);
    // Repeated webhooks and events, and events the platform did not accept, are part of normal operation.
    observed.webhooks.push(text("SM1", "hello", &[None, Some(503), Some(200)]));
    observed.deliveries.push(observed.deliveries[1].clone());
    observed.deliveries.insert(0, refused(observed.deliveries[0].clone()));
    breaks(&observed, &[]);
}

#[test]
fn i1_acknowledged_text_without_an_event_is_lost() {
    let mut observed = good_day();
    observed.webhooks.push(text("SM2", "are you there?", &[Some(200)]));
    breaks(&observed, &[lost(1, &["SM2"])]);
}

#[test]
fn i1_event_answered_with_500_has_not_arrived() {
    let mut observed = good_day();
    observed.webhooks.push(text("SM2", "are you there?", &[Some(200)]));
    observed.deliveries.push(refused(received("evt_9", 6, "are you there?")));
    breaks(&observed, &[lost(1, &["SM2"])]);
}

#[test]
fn i1_unacknowledged_text_may_be_missing() {
    let mut observed = good_day();
    observed.webhooks.push(text("SM2", "are you there?", &[Some(503), None]));
    breaks(&observed, &[]);
}

#[test]
fn i1_late_text_and_pullable_event_are_not_lost() {
    let mut observed = good_day();
    observed.webhooks.push(text("SM2", "too late", &[Some(200)]));
    observed.deliveries.push(late("evt_9"));
    observed.webhooks.push(text("SM3", "still waiting", &[Some(200)]));
    observed.waiting.push(received("evt_10", 6, "still waiting"));
    breaks(&observed, &[]);
}

#[test]
fn i1_late_event_stands_for_one_text_only() {
    let mut observed = good_day();
    observed.webhooks.extend([text("SM2", "too late", &[Some(200)]), text("SM3", "me too", &[Some(200)])]);
    observed.deliveries.push(late("evt_9"));
    breaks(&observed, &[lost(1, &["SM3", "SM2"])]);
}

#[test]
fn i1_identical_texts_are_two_texts() {
    let mut observed = good_day();
    observed.webhooks.push(text("SM2", "hello", &[Some(200)]));
    breaks(&observed, &[lost(1, &["SM2"])]);
    observed.deliveries.push(received("evt_9", 6, "hello"));
    breaks(&observed, &[]);
}

#[test]
fn i2_event_of_an_unsent_or_forged_text_is_found() {
    let mut observed = good_day();
    observed.deliveries.push(received("evt_9", 6, "from nowhere"));
    breaks(&observed, &[unsent_text(1)]);
    observed.webhooks.push(Webhook { genuine: false, ..text("SM9", "from nowhere", &[Some(403)]) });
    breaks(&observed, &[unsent_text(1)]);
}

#[test]
fn i2_late_event_of_a_pair_without_texts_is_found() {
    let mut observed = good_day();
    let mut stranger = late("evt_9");
    stranger.bytes = Bytes::from(String::from_utf8(stranger.bytes.to_vec()).unwrap().replace(PHONE, "+12065550177"));
    observed.deliveries.push(stranger);
    let from = "+12065550177".parse().unwrap();
    breaks(&observed, &[Violation::UnsentText { from, to: OURS.parse().unwrap(), events: 1 }]);
}

#[test]
fn i2_receipt_the_carrier_never_posted_is_found() {
    let mut observed = good_day();
    observed.webhooks.retain(|webhook| !matches!(webhook.news, News::Receipt { status: "delivered", .. }));
    breaks(&observed, &[Violation::UnbackedReceipt { message: "msg_1".into() }]);
}

#[test]
fn a53_repeated_webhook_with_two_events_is_found() {
    let mut observed = good_day();
    observed.webhooks.push(text("SM1", "hello", &[Some(200)]));
    observed.deliveries.push(received("evt_9", 6, "hello"));
    breaks(&observed, &[duplicate_events(1, 2)]);
    observed.deliveries.pop();
    observed.deliveries.push(late("evt_9"));
    breaks(&observed, &[duplicate_events(0, 1)]);
}

#[test]
fn a59_acknowledged_forgery_is_found() {
    let mut observed = good_day();
    observed.webhooks.push(Webhook { genuine: false, ..text("SM9", "believe me", &[Some(200)]) });
    breaks(&observed, &[Violation::ForgeryAcknowledged { sid: "SM9".into() }]);
}

#[test]
fn i3_repeated_event_with_other_bytes_is_found() {
    let mut observed = good_day();
    let mut again = observed.deliveries[1].clone();
    again.bytes = Bytes::from(format!("{} ", String::from_utf8_lossy(&again.bytes)));
    observed.deliveries.extend([refused(again.clone()), again]);
    breaks(&observed, &[Violation::BytesChanged { event: "evt_2".into() }]);
}

#[test]
fn i3_event_with_another_id_in_its_header_is_found() {
    let mut observed = good_day();
    observed.deliveries[4].id = "evt_x".into();
    breaks(&observed, &[Violation::IdDiffers { event: "evt_x".into() }]);
}

#[test]
fn i4_gap_reorder_and_missing_number_are_found() {
    let out_of_order = |expected, came| Violation::OutOfOrder { call: "c-1".into(), expected, came };

    let mut observed = good_day();
    observed.deliveries.remove(2);
    breaks(&observed, &[out_of_order(3, Some(4))]);

    let mut observed = good_day();
    observed.deliveries.swap(0, 1);
    breaks(&observed, &[out_of_order(1, Some(2))]);

    let mut observed = good_day();
    observed.deliveries[4].call_sequence = None;
    breaks(&observed, &[out_of_order(5, None)]);
}

#[test]
fn i4_only_the_accepted_arrival_counts() {
    // The first event got 500, and the second was accepted before the first came again.
    let mut observed = good_day();
    let first = observed.deliveries[0].clone();
    observed.deliveries[0] = refused(first.clone());
    observed.deliveries.insert(2, first);
    breaks(&observed, &[Violation::OutOfOrder { call: "c-1".into(), expected: 1, came: Some(2) }]);
}

#[test]
fn i5_send_without_a_final_state_is_found() {
    let mut observed = good_day();
    observed.sends.push(AcceptedSend { id: "msg_2".into(), state: Some("sending".into()) });
    breaks(&observed, &[never_ended("msg_2", Some("sending"))]);

    // Also one of the gateway's own messages, known only from an event.
    let mut observed = good_day();
    observed.deliveries.push(event("evt_9", Some(6), "message.queued", &json!({ "id": "msg_3", "state": "queued" })));
    breaks(&observed, &[never_ended("msg_3", None)]);
}

#[test]
fn i5_short_run_excuses_only_unclear_answers_and_missing_receipts() {
    let mut observed = good_day();
    observed.receipts_may_be_due = true;
    observed.sends.push(AcceptedSend { id: "msg_2".into(), state: Some("sending".into()) });
    breaks(&observed, &[never_ended("msg_2", Some("sending"))]);
    observed.posts.push(post("msg_2", PostAnswer::No { status: 500, code: 0 }));
    breaks(&observed, &[never_ended("msg_2", Some("sending"))]);
    observed.posts.push(post("msg_2", PostAnswer::Unclear));
    breaks(&observed, &[]);
    // Once the gateway has acknowledged the last receipt it has no excuse.
    observed.webhooks.push(receipt("msg_2", "delivered"));
    breaks(&observed, &[never_ended("msg_2", Some("sending"))]);
}

#[test]
fn i5_two_final_states_are_found_unless_a_receipt_replaces_one() {
    let again = |state: &str| {
        let mut observed = good_day();
        let last = observed.deliveries.len() - 1;
        observed.deliveries[last] = ended("evt_5", 5, "msg_1", state);
        observed.deliveries.push(ended("evt_6", 6, "msg_1", "delivered"));
        observed
    };
    breaks(&again("unconfirmed"), &[]);
    breaks(&again("expired"), &[]);
    for state in ["failed", "cancelled", "delivered"] {
        breaks(&again(state), &[Violation::EndedTwice { message: "msg_1".into() }]);
    }
}

#[test]
fn i5_final_state_without_an_event_is_found() {
    let not_reported = |state: &str| Violation::FinalStateNotReported { message: "msg_1".into(), state: state.into() };

    let mut observed = good_day();
    observed.sends[0].state = Some("failed".into());
    breaks(&observed, &[not_reported("failed")]);

    let mut observed = good_day();
    observed.deliveries.pop();
    breaks(&observed, &[not_reported("delivered")]);
}

#[test]
fn i5_cancelled_message_that_was_sent_is_found() {
    let mut observed = good_day();
    let queued = event("evt_6", Some(6), "message.queued", &json!({ "id": "msg_2", "state": "queued" }));
    observed.deliveries.extend([queued, ended("evt_7", 7, "msg_2", "cancelled")]);
    observed.sends.push(AcceptedSend { id: "msg_2".into(), state: Some("cancelled".into()) });
    breaks(&observed, &[]);
    // A carrier that refused it, or disconnected and dropped it, has not sent it.
    let no = PostAnswer::No { status: 500, code: 0 };
    observed.posts.extend([post("msg_2", no), post("msg_2", PostAnswer::Unclear)]);
    breaks(&observed, &[]);
    observed.posts.pop();
    observed.posts.push(Post { sid: Some("SM2".into()), ..post("msg_2", PostAnswer::Unclear) });
    breaks(&observed, &[Violation::SentAfterCancel { message: "msg_2".into() }]);
}

#[test]
fn i6_repost_after_anything_but_a_refusal_is_found() {
    let no = PostAnswer::No { status: 500, code: 0 };
    let again = |first: PostAnswer, second: PostAnswer| {
        let mut observed = good_day();
        observed.posts = vec![post("msg_1", first), post("msg_1", second)];
        observed
    };
    let sent_again = Violation::SentAgain {
        message: Some("msg_1".into()),
        from: OURS.parse().unwrap(),
        to: PHONE.parse().unwrap(),
        posts: 2,
    };
    breaks(&again(no, PostAnswer::Accepted), &[]);
    breaks(&again(no, no), &[]);
    for (first, second) in [
        (PostAnswer::Accepted, PostAnswer::Accepted),
        (PostAnswer::Unclear, PostAnswer::Accepted),
        (PostAnswer::Unclear, no),
    ] {
        breaks(&again(first, second), std::slice::from_ref(&sent_again));
    }
}

#[test]
fn i6_posts_without_a_message_id_are_identified_by_text() {
    let mut observed = good_day();
    let nameless = Post { message_id: None, ..post("msg_1", PostAnswer::Accepted) };
    observed.posts.push(Post { text: "something else".into(), ..nameless.clone() });
    observed.posts.push(nameless.clone());
    breaks(&observed, &[]);
    observed.posts.push(nameless);
    let (from, to) = (OURS.parse().unwrap(), PHONE.parse().unwrap());
    breaks(&observed, &[Violation::SentAgain { message: None, from, to, posts: 2 }]);
}

#[test]
fn i6_retry_with_another_content_is_found() {
    let mut observed = good_day();
    let no = Post { text: "not this".into(), ..post("msg_1", PostAnswer::No { status: 500, code: 0 }) };
    observed.posts.insert(0, no);
    breaks(&observed, &[Violation::SentDifferently { message: Some("msg_1".into()) }]);
}

#[test]
fn overflowed_record_is_rejected() {
    breaks(&Observed { unrecorded: 3, ..good_day() }, &[Violation::RecordIncomplete { unrecorded: 3 }]);
}

#[test]
fn acknowledgement_with_text_for_the_phone_is_found() {
    let mut observed = good_day();
    observed.webhooks[0].replied = true;
    breaks(&observed, &[Violation::TextInAcknowledgement { sid: "SM1".into() }]);
}

#[test]
fn violations_show_no_number_and_no_text() {
    let mut observed = good_day();
    observed.webhooks.push(text("SM2", "a secret", &[Some(200)]));
    observed.posts.push(Post { text: "another secret".into(), ..post("msg_1", PostAnswer::Accepted) });
    observed.deliveries.push(received("evt_9", 7, "a third secret"));
    for shown in check(&observed).iter().map(|violation| format!("{violation} {violation:?} {observed:?}")) {
        assert!(!shown.contains("secret") && !shown.contains("2065550"), "{shown}");
    }
}

#[test]
fn world_combines_all_records() {
    let day = good_day();
    let carriers =
        day.webhooks.iter().map(|webhook| CarrierRecord { webhooks: vec![webhook.clone()], ..Default::default() });
    let mut carriers: Vec<CarrierRecord> = carriers.collect();
    carriers[1].posts = day.posts.clone();
    let platform = PlatformRecord { deliveries: day.deliveries.clone(), ..Default::default() };
    breaks(&Observed::new(carriers.clone(), platform.clone(), day.sends.clone()), &[]);

    carriers[2].unrecorded = 2;
    let platform = PlatformRecord { unrecorded: 1, ..platform };
    breaks(&Observed::new(carriers, platform, day.sends), &[Violation::RecordIncomplete { unrecorded: 3 }]);
}

/// One call: a text comes in, one goes out and is delivered.
fn good_day() -> Observed {
    Observed {
        webhooks: vec![text("SM1", "hello", &[Some(200)]), receipt("msg_1", "sent"), receipt("msg_1", "delivered")],
        posts: vec![post("msg_1", PostAnswer::Accepted)],
        deliveries: vec![
            event("evt_1", Some(1), "call.started", &json!({ "id": "c-1" })),
            received("evt_2", 2, "hello"),
            event("evt_3", Some(3), "message.queued", &json!({ "id": "msg_1", "state": "queued" })),
            event("evt_4", Some(4), "message.sent", &json!({ "id": "msg_1", "state": "sent" })),
            ended("evt_5", 5, "msg_1", "delivered"),
        ],
        sends: vec![AcceptedSend { id: "msg_1".into(), state: Some("delivered".into()) }],
        ..Observed::default()
    }
}

/// The violations of what was observed are these, in any order.
#[track_caller]
fn breaks(observed: &Observed, expected: &[Violation]) {
    let found = check(observed);
    let all_there = expected.iter().all(|violation| found.contains(violation));
    assert!(found.len() == expected.len() && all_there, "found {found:?}, expected {expected:?}");
}

fn text(sid: &str, text: &str, answers: &[Option<u16>]) -> Webhook {
    let (from, to) = (PHONE.parse().unwrap(), OURS.parse().unwrap());
    webhook(sid, News::Text { from, to, text: text.into(), media: 0 }, answers)
}

fn receipt(message: &str, status: &'static str) -> Webhook {
    webhook("SM7", News::Receipt { status, code: None, message_id: Some(message.into()) }, &[Some(200)])
}

fn webhook(sid: &str, news: News, answers: &[Option<u16>]) -> Webhook {
    let answers = answers.to_vec();
    Webhook { at: Instant::now(), sid: sid.into(), news, genuine: true, answers, slowest_us: 0, replied: false }
}

fn post(message: &str, answer: PostAnswer) -> Post {
    Post {
        at: Instant::now(),
        from: OURS.parse().unwrap(),
        to: PHONE.parse().unwrap(),
        text: "good morning".into(),
        segments: 1,
        callback: None,
        reference: None,
        message_id: Some(message.into()),
        answer,
        sid: None,
    }
}

fn received(id: &str, sequence: u64, text: &str) -> Delivery {
    let data = json!({ "from": PHONE, "to": OURS, "text": text, "direction": "inbound", "state": "received" });
    event(id, Some(sequence), "message.received", &data)
}

fn late(id: &str) -> Delivery {
    event(id, None, "message.late", &json!({ "from": PHONE, "to": OURS, "last_call_id": "c-1" }))
}

fn ended(id: &str, sequence: u64, message: &str, state: &str) -> Delivery {
    event(id, Some(sequence), &format!("message.{state}"), &json!({ "id": message, "state": state }))
}

/// An accepted event; of the call if it has a sequence.
fn event(id: &str, sequence: Option<u64>, kind: &str, data: &Value) -> Delivery {
    let call = sequence.map(|_| "c-1");
    let event = json!({ "id": id, "call_sequence": sequence, "type": kind, "call_id": call, "data": data });
    Delivery::read(id.into(), event.to_string().into(), true)
}

fn refused(delivery: Delivery) -> Delivery {
    Delivery { taken: false, ..delivery }
}

fn lost(missing: usize, sids: &[&str]) -> Violation {
    let sids = sids.iter().map(|sid| (*sid).to_owned()).collect();
    Violation::Lost { from: PHONE.parse().unwrap(), to: OURS.parse().unwrap(), missing, sids }
}

fn unsent_text(events: usize) -> Violation {
    Violation::UnsentText { from: PHONE.parse().unwrap(), to: OURS.parse().unwrap(), events }
}

fn duplicate_events(webhooks: usize, events: usize) -> Violation {
    Violation::DuplicateEvents { from: PHONE.parse().unwrap(), to: OURS.parse().unwrap(), webhooks, events }
}

fn never_ended(message: &str, state: Option<&str>) -> Violation {
    Violation::NeverEnded { message: message.into(), state: state.map(str::to_owned) }
}
