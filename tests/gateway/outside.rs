//! A carrier and a platform that are not well. Each test has a gateway of its own.

use crate::process::{Outside, SOON, nothing_for};
use crate::shared::{OURS, count, on_the_phone, world};
use offhook::sim::carrier::Behaviour;
use offhook::sim::checker;
use std::time::Duration;

/// Answers that say nothing of what became of the text. It did not reach the phone, and no receipt will come.
fn nonsense() -> [(&'static str, Behaviour); 4] {
    let behaviour = Behaviour { unclear_taken: 0.0, ..Behaviour::default() };
    [
        ("HTML", Behaviour { html: 1.0, ..behaviour.clone() }),
        ("JSON without an id", Behaviour { without_sid: 1.0, ..behaviour.clone() }),
        ("half an answer", Behaviour { cut_answer: 1.0, ..behaviour.clone() }),
        ("none", Behaviour { cut_read: 1.0, ..behaviour }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_carrier_answers_with_nonsense_shows_as_sending_and_is_not_sent_again() {
    let world = world().await;
    let gateway = world.start().await;
    let mut sent = Vec::new();
    for (answer, behaviour) in nonsense() {
        let caller = on_the_phone(&world).await;
        let phone = world.carrier.phone(caller.number);
        world.carrier.set_behaviour_towards(caller.number, Some(behaviour));
        let unclear = world.client.send_text(&caller.call, "first", "a-1").await.unwrap();
        world.carrier.wait_for_sends(sent.len() * 2 + 1, SOON).await.unwrap();
        // The pair is free for the next text, which shows that the answer to the first was read.
        world.carrier.set_behaviour_towards(caller.number, None);
        assert_eq!(world.client.send_text(&caller.call, "second", "a-1").await.unwrap().status, 202);
        phone.wait_for_text(SOON, |text| text == "second").await.expect(answer);
        sent.push((answer, unclear.text("/id").to_owned()));
    }
    check(&world, &sent).await;

    gateway.kill();
    let _gateway = world.start().await;
    // A text to somebody else, after the start has looked through everything that was open.
    let caller = on_the_phone(&world).await;
    let phone = world.carrier.phone(caller.number);
    assert_eq!(world.client.send_text(&caller.call, "third", "a-1").await.unwrap().status, 202);
    phone.wait_for_text(SOON, |text| text == "third").await.unwrap();
    check(&world, &sent).await;
}

async fn check(world: &Outside, sent: &[(&str, String)]) {
    let posts = world.carrier.record().posts;
    for (answer, id) in sent {
        assert_eq!(world.client.message(id).await.unwrap().text("/state"), "sending", "{answer}");
        let posted = posts.iter().filter(|post| post.message_id.as_ref() == Some(id)).count();
        assert_eq!(posted, 1, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a55_a65_a_platform_that_was_down_from_the_start_gets_each_event_in_order() {
    let world = world().await;
    world.platform.go_down().await;
    let _gateway = world.start().await;
    let ours = OURS.parse().unwrap();
    let mut calls = Vec::new();
    for _ in 0..3 {
        let caller = on_the_phone(&world).await;
        let phone = world.carrier.phone(caller.number);
        for nth in 0..5 {
            assert!(phone.text(ours, &phone.marked(&format!("number {nth}"))).await.acknowledged());
        }
        assert_eq!(world.client.send_preset(&caller.call, "welcome", "a-1").await.unwrap().status, 202);
        phone.wait_for(1, SOON).await.unwrap();
        calls.push(caller);
    }
    // One call ends before any event was delivered; its earlier events are delivered all the same.
    assert_eq!(world.client.end_call(&calls[0].call, "agent_hangup").await.unwrap().status, 200);
    // Long enough that deliveries were tried and have failed.
    nothing_for(Duration::from_millis(300)).await;
    assert_eq!(world.platform.count(), 0);

    world.platform.come_up().unwrap();
    for caller in &calls {
        let events = caller.hangs_up(&world).await;
        assert_eq!(count(&events, "message.received"), 5, "{events:?}");
        let received = events.iter().filter(|event| event.kind == "message.received");
        assert!(received.map(|event| event.json()).all(|event| event["data"]["before_hangup"] == true));
        world.carrier.phone(caller.number).wait_for(2, SOON).await.unwrap();
    }
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    let delivered = |event: &offhook::sim::platform::Delivery| event.kind == "message.delivered";
    world.platform.wait_for_all(calls.len() * 2, SOON, delivered).await.unwrap();

    let sends = world.client.accepted_with_states().await.unwrap();
    let record = world.platform.record();
    let mut ids: Vec<&str> = record.deliveries.iter().map(|delivery| delivery.id.as_str()).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "each came once");
    let violations = checker::check(&checker::Observed::new(vec![world.carrier.record()], record, sends));
    assert_eq!(violations, []);
}
