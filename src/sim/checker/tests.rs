use super::*;
use bytes::Bytes;
use serde_json::json;
use std::time::Instant;

const PHONE: &str = "+12065550142";
const OURS: &str = "+12065550100";

#[test]
fn a_world_in_which_everything_went_well_has_no_breach() {
    let mut world = good_day();
    breaks(&world, &[]);
    // Repeats of webhooks and events, and events the platform did not take, are part of a good day.
    world.webhooks.push(text("SM1", "hello", &[None, Some(503), Some(200)]));
    world.deliveries.push(world.deliveries[1].clone());
    world.deliveries.insert(0, refused(world.deliveries[0].clone()));
    breaks(&world, &[]);
}

#[test]
fn i1_a_text_thanked_for_that_the_platform_never_got_is_lost() {
    let mut world = good_day();
    world.webhooks.push(text("SM2", "are you there?", &[Some(200)]));
    breaks(&world, &[lost(1, &["SM2"])]);
}

#[test]
fn i1_an_event_the_platform_answered_500_has_not_arrived() {
    let mut world = good_day();
    world.webhooks.push(text("SM2", "are you there?", &[Some(200)]));
    world.deliveries.push(refused(received("evt_9", 6, "are you there?")));
    breaks(&world, &[lost(1, &["SM2"])]);
}

#[test]
fn i1_a_text_nobody_thanked_for_may_be_missing() {
    let mut world = good_day();
    world.webhooks.push(text("SM2", "are you there?", &[Some(503), None]));
    breaks(&world, &[]);
}

#[test]
fn i1_a_late_text_and_one_that_waits_in_sight_are_not_lost() {
    let mut world = good_day();
    world.webhooks.push(text("SM2", "too late", &[Some(200)]));
    world.deliveries.push(late("evt_9"));
    world.webhooks.push(text("SM3", "still waiting", &[Some(200)]));
    world.waiting.push(received("evt_10", 6, "still waiting"));
    breaks(&world, &[]);
}

#[test]
fn i1_one_late_event_stands_for_one_text_only() {
    let mut world = good_day();
    world.webhooks.extend([text("SM2", "too late", &[Some(200)]), text("SM3", "me too", &[Some(200)])]);
    world.deliveries.push(late("evt_9"));
    breaks(&world, &[lost(1, &["SM3", "SM2"])]);
}

#[test]
fn i1_the_same_words_twice_are_two_texts() {
    let mut world = good_day();
    world.webhooks.push(text("SM2", "hello", &[Some(200)]));
    breaks(&world, &[lost(1, &["SM2"])]);
    world.deliveries.push(received("evt_9", 6, "hello"));
    breaks(&world, &[]);
}

#[test]
fn i2_an_event_for_a_text_that_was_never_sent_or_was_forged_is_found() {
    let mut world = good_day();
    world.deliveries.push(received("evt_9", 6, "from nowhere"));
    breaks(&world, &[never_said(1)]);
    world.webhooks.push(Webhook { genuine: false, ..text("SM9", "from nowhere", &[Some(403)]) });
    breaks(&world, &[never_said(1)]);
}

#[test]
fn i2_a_late_event_of_a_pair_that_never_texted_is_found() {
    let mut world = good_day();
    let mut stranger = late("evt_9");
    stranger.bytes = Bytes::from(String::from_utf8(stranger.bytes.to_vec()).unwrap().replace(PHONE, "+12065550177"));
    world.deliveries.push(stranger);
    let from = "+12065550177".parse().unwrap();
    breaks(&world, &[Violation::NeverSaid { from, to: OURS.parse().unwrap(), events: 1 }]);
}

#[test]
fn i2_a_receipt_the_carrier_never_gave_is_found() {
    let mut world = good_day();
    world.webhooks.retain(|webhook| !matches!(webhook.news, News::Receipt { status: "delivered", .. }));
    breaks(&world, &[Violation::ReceiptNeverSaid { message: "msg_1".into() }]);
}

#[test]
fn a53_a_webhook_that_came_twice_and_became_two_events_is_found() {
    let mut world = good_day();
    world.webhooks.push(text("SM1", "hello", &[Some(200)]));
    world.deliveries.push(received("evt_9", 6, "hello"));
    breaks(&world, &[taken_twice(1, 2)]);
    world.deliveries.pop();
    world.deliveries.push(late("evt_9"));
    breaks(&world, &[taken_twice(0, 1)]);
}

#[test]
fn a59_a_forgery_that_was_thanked_for_is_found() {
    let mut world = good_day();
    world.webhooks.push(Webhook { genuine: false, ..text("SM9", "believe me", &[Some(200)]) });
    breaks(&world, &[Violation::ForgeryThankedFor { sid: "SM9".into() }]);
}

#[test]
fn i3_an_event_that_comes_again_with_other_bytes_is_found() {
    let mut world = good_day();
    let mut again = world.deliveries[1].clone();
    again.bytes = Bytes::from(format!("{} ", String::from_utf8_lossy(&again.bytes)));
    world.deliveries.extend([refused(again.clone()), again]);
    breaks(&world, &[Violation::BytesChanged { event: "evt_2".into() }]);
}

#[test]
fn i3_an_event_whose_header_names_another_id_is_found() {
    let mut world = good_day();
    world.deliveries[4].id = "evt_x".into();
    breaks(&world, &[Violation::IdDiffers { event: "evt_x".into() }]);
}

#[test]
fn i4_a_gap_a_reorder_and_a_missing_number_are_found() {
    let out_of_order = |expected, came| Violation::OutOfOrder { call: "c-1".into(), expected, came };

    let mut world = good_day();
    world.deliveries.remove(2);
    breaks(&world, &[out_of_order(3, Some(4))]);

    let mut world = good_day();
    world.deliveries.swap(0, 1);
    breaks(&world, &[out_of_order(1, Some(2))]);

    let mut world = good_day();
    world.deliveries[4].call_sequence = None;
    breaks(&world, &[out_of_order(5, None)]);
}

#[test]
fn i4_what_counts_is_the_arrival_the_platform_took() {
    // The first event was answered 500, the second was taken before the first came again.
    let mut world = good_day();
    let first = world.deliveries[0].clone();
    world.deliveries[0] = refused(first.clone());
    world.deliveries.insert(2, first);
    breaks(&world, &[Violation::OutOfOrder { call: "c-1".into(), expected: 1, came: Some(2) }]);
}

#[test]
fn i5_a_send_that_has_not_ended_is_found() {
    let mut world = good_day();
    world.sends.push(AcceptedSend { id: "msg_2".into(), state: Some("sending".into()) });
    breaks(&world, &[never_ended("msg_2", Some("sending"))]);

    // Also one of the gateway's own, of which only an event tells.
    let mut world = good_day();
    world.deliveries.push(event("evt_9", Some(6), "message.queued", &json!({ "id": "msg_3", "state": "queued" })));
    breaks(&world, &[never_ended("msg_3", None)]);
}

#[test]
fn i5_in_a_short_run_only_an_unclear_answer_or_a_missing_receipt_excuses_an_open_send() {
    let mut world = good_day();
    world.receipts_may_be_due = true;
    world.sends.push(AcceptedSend { id: "msg_2".into(), state: Some("sending".into()) });
    breaks(&world, &[never_ended("msg_2", Some("sending"))]);
    world.posts.push(post("msg_2", PostAnswer::No { status: 500, code: 0 }));
    breaks(&world, &[never_ended("msg_2", Some("sending"))]);
    world.posts.push(post("msg_2", PostAnswer::Unclear));
    breaks(&world, &[]);
    // Once the gateway has thanked for the last receipt it has no excuse.
    world.webhooks.push(receipt("msg_2", "delivered"));
    breaks(&world, &[never_ended("msg_2", Some("sending"))]);
}

#[test]
fn i5_a_send_with_two_ends_is_found_but_unconfirmed_and_expired_give_way_to_a_receipt() {
    let again = |state: &str| {
        let mut world = good_day();
        let last = world.deliveries.len() - 1;
        world.deliveries[last] = ended("evt_5", 5, "msg_1", state);
        world.deliveries.push(ended("evt_6", 6, "msg_1", "delivered"));
        world
    };
    breaks(&again("unconfirmed"), &[]);
    breaks(&again("expired"), &[]);
    for state in ["failed", "cancelled", "delivered"] {
        breaks(&again(state), &[Violation::EndedTwice { message: "msg_1".into() }]);
    }
}

#[test]
fn i5_an_end_the_platform_was_not_told_is_found() {
    let not_told = |state: &str| Violation::EndNotTold { message: "msg_1".into(), state: state.into() };

    let mut world = good_day();
    world.sends[0].state = Some("failed".into());
    breaks(&world, &[not_told("failed")]);

    let mut world = good_day();
    world.deliveries.pop();
    breaks(&world, &[not_told("delivered")]);
}

#[test]
fn i5_a_message_that_was_taken_back_and_went_out_is_found() {
    let mut world = good_day();
    let queued = event("evt_6", Some(6), "message.queued", &json!({ "id": "msg_2", "state": "queued" }));
    world.deliveries.extend([queued, ended("evt_7", 7, "msg_2", "cancelled")]);
    world.sends.push(AcceptedSend { id: "msg_2".into(), state: Some("cancelled".into()) });
    breaks(&world, &[]);
    // A carrier that said no, or hung up and dropped it, has not sent it.
    let no = PostAnswer::No { status: 500, code: 0 };
    world.posts.extend([post("msg_2", no), post("msg_2", PostAnswer::Unclear)]);
    breaks(&world, &[]);
    world.posts.pop();
    world.posts.push(Post { sid: Some("SM2".into()), ..post("msg_2", PostAnswer::Unclear) });
    breaks(&world, &[Violation::SentThoughTakenBack { message: "msg_2".into() }]);
}

#[test]
fn i6_a_message_posted_again_after_anything_but_a_no_is_found() {
    let no = PostAnswer::No { status: 500, code: 0 };
    let again = |first: PostAnswer, second: PostAnswer| {
        let mut world = good_day();
        world.posts = vec![post("msg_1", first), post("msg_1", second)];
        world
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
fn i6_posts_without_a_message_id_are_told_apart_by_their_text() {
    let mut world = good_day();
    let nameless = Post { message_id: None, ..post("msg_1", PostAnswer::Accepted) };
    world.posts.push(Post { text: "something else".into(), ..nameless.clone() });
    world.posts.push(nameless.clone());
    breaks(&world, &[]);
    world.posts.push(nameless);
    let (from, to) = (OURS.parse().unwrap(), PHONE.parse().unwrap());
    breaks(&world, &[Violation::SentAgain { message: None, from, to, posts: 2 }]);
}

#[test]
fn i6_a_retry_that_is_another_message_is_found() {
    let mut world = good_day();
    let no = Post { text: "not this".into(), ..post("msg_1", PostAnswer::No { status: 500, code: 0 }) };
    world.posts.insert(0, no);
    breaks(&world, &[Violation::SentDifferently { message: Some("msg_1".into()) }]);
}

#[test]
fn a_record_that_overflowed_is_not_believed() {
    breaks(&World { unrecorded: 3, ..good_day() }, &[Violation::RecordIncomplete { unrecorded: 3 }]);
}

#[test]
fn an_acknowledgement_that_speaks_to_the_phone_is_found() {
    let mut world = good_day();
    world.webhooks[0].replied = true;
    breaks(&world, &[Violation::SpokeInAnAcknowledgement { sid: "SM1".into() }]);
}

#[test]
fn no_breach_shows_a_number_or_a_text() {
    let mut world = good_day();
    world.webhooks.push(text("SM2", "a secret", &[Some(200)]));
    world.posts.push(Post { text: "another secret".into(), ..post("msg_1", PostAnswer::Accepted) });
    world.deliveries.push(received("evt_9", 7, "a third secret"));
    for shown in check(&world).iter().map(|violation| format!("{violation} {violation:?} {world:?}")) {
        assert!(!shown.contains("secret") && !shown.contains("2065550"), "{shown}");
    }
}

#[test]
fn a_world_is_what_all_its_carriers_and_its_platform_saw() {
    let day = good_day();
    let carriers =
        day.webhooks.iter().map(|webhook| CarrierRecord { webhooks: vec![webhook.clone()], ..Default::default() });
    let mut carriers: Vec<CarrierRecord> = carriers.collect();
    carriers[1].posts = day.posts.clone();
    let platform = PlatformRecord { deliveries: day.deliveries.clone(), ..Default::default() };
    breaks(&World::new(carriers.clone(), platform.clone(), day.sends.clone()), &[]);

    carriers[2].unrecorded = 2;
    let platform = PlatformRecord { unrecorded: 1, ..platform };
    breaks(&World::new(carriers, platform, day.sends), &[Violation::RecordIncomplete { unrecorded: 3 }]);
}

/// One call: a text comes in, one goes out and is delivered.
fn good_day() -> World {
    World {
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
        ..World::default()
    }
}

/// The world's breaches are these, in any order.
#[track_caller]
fn breaks(world: &World, expected: &[Violation]) {
    let found = check(world);
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

/// An event the platform took; of the call where it has a sequence.
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

fn never_said(events: usize) -> Violation {
    Violation::NeverSaid { from: PHONE.parse().unwrap(), to: OURS.parse().unwrap(), events }
}

fn taken_twice(webhooks: usize, events: usize) -> Violation {
    Violation::TakenTwice { from: PHONE.parse().unwrap(), to: OURS.parse().unwrap(), webhooks, events }
}

fn never_ended(message: &str, state: Option<&str>) -> Violation {
    Violation::NeverEnded { message: message.into(), state: state.map(str::to_owned) }
}
