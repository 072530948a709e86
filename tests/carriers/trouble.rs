//! Receipts that overtake answers, carriers that ask for time, and carriers that are away for a while.

use crate::process::{SOON, World};
use crate::stage::{self, Line, long_form};
use offhook::sim::carrier::{Behaviour, CarrierSettings, Post};
use offhook::sim::checker;
use offhook::sim::platform::Delivery;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a61_receipts_that_come_before_the_answer_count_and_the_answer_changes_nothing() {
    let (world, line) = world(1).await;
    let gateway = world.start().await;
    let behaviour =
        Behaviour { receipts_before_answer: 1.0, delay: Duration::from_millis(200), ..Behaviour::default() };
    world.carrier.set_mood(behaviour.clone());
    let caller = stage::calls(&world, &line[0]).await;
    let good = caller.is_sent(&world, "a good one").await;
    stage::until_state(&world, &good, &["delivered"]).await;

    // The answer is on its way, and says no: the receipt knew better.
    world.carrier.set_mood(Behaviour { receipts_reordered: 1.0, cut_answer: 1.0, ..behaviour.clone() });
    let cut = caller.is_sent(&world, "one with half an answer").await;
    stage::until_state(&world, &cut, &["delivered"]).await;
    world.carrier.set_mood(Behaviour { silent: 1.0, ..behaviour.clone() });
    let silent = caller.is_sent(&world, "one without any").await;
    stage::until_state(&world, &silent, &["delivered"]).await;
    // Nor does the answer that never comes matter after a crash.
    gateway.kill();
    let _gateway = world.start().await;
    world.carrier.set_mood(behaviour);
    let last = caller.is_sent(&world, "the last").await;
    stage::until_state(&world, &last, &["delivered"]).await;
    for id in [&good, &cut, &silent] {
        assert_eq!(world.client.message(id).await.unwrap().text("/state"), "delivered");
        let delivered = |event: &Delivery| event.kind == "message.delivered" && event.json()["data"]["id"] == **id;
        world.platform.wait_for(SOON, delivered).await.unwrap();
    }
    nothing_is_broken(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a64_a_carrier_that_says_not_now_slows_the_whole_lane_and_no_other() {
    // Two seconds; three without the rest of the last.
    for behaviour in ["429, in seconds", "429, by date"] {
        let (world, lines) = world(2).await;
        let _gateway = world.start().await;
        let (one, another) = (stage::calls(&world, &lines[0]).await, stage::calls(&world, &lines[0]).await);
        let elsewhere = stage::calls(&world, &lines[1]).await;
        world.carrier.set_mood_towards(one.number, Behaviour::named(behaviour));
        let first = one.is_sent(&world, "not now").await;
        world.carrier.wait_for_sends(1, SOON).await.unwrap();
        world.carrier.set_mood_towards(one.number, None);
        // It was `sending`, so the answer has been read.
        stage::until_state(&world, &first, &["queued"]).await;
        another.is_sent(&world, "of the same number").await;
        elsewhere.is_sent(&world, "of another number").await;

        let posts = world.carrier.wait_for_sends(4, SOON).await.unwrap();
        let at = |nth: usize| (posts[nth].at - posts[0].at).as_secs_f64();
        let texts: Vec<_> = posts.iter().map(|post: &Post| &*post.text).collect();
        assert_eq!((texts[0], texts[1]), ("not now", "of another number"), "{behaviour}");
        // The journal's time is whole milliseconds.
        assert!(at(2) > 1.99 && at(3) > 1.99, "{behaviour}: {} and {}", at(2), at(3));
        println!("{behaviour}: the number rested for {:.2} s, the other for none", at(2));
        world.carrier.wait_for_receipts(SOON).await.unwrap();
        settled(&world).await;
        nothing_is_broken(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a64_an_account_whose_carrier_is_away_is_paused_and_everything_goes_in_order_when_it_is_back() {
    const TEXTS: usize = 5;
    let (world, lines) = world(4).await;
    let gateway = world.start().await;
    let mut callers = Vec::new();
    for line in lines.iter().chain(&lines) {
        let caller = stage::calls(&world, line).await;
        world.carrier.phone(caller.number);
        callers.push(caller);
    }
    world.carrier.go_down().await;
    for nth in 0..TEXTS {
        for caller in &callers {
            caller.is_sent(&world, &format!("number {nth}")).await;
        }
    }
    let paused = world.platform.wait_for(SOON, |event| event.kind == "account.paused").await.unwrap();
    assert_eq!(paused.json()["data"]["account"], "main", "{}", paused.json());
    assert_eq!(states(&world).await, ["queued"; 40], "it waits, and says so");

    // One call ends meanwhile: what its agent has not said yet is not said any more.
    let gone = callers.pop().unwrap();
    assert_eq!(world.client.end_call(&gone.call, "caller_hangup").await.unwrap().status, 200);
    // A restart makes nobody forget that the account rests, nor whose turn it is.
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let gateway = world.start().await;

    world.carrier.come_up().unwrap();
    let resumed = world.platform.wait_for(SOON, |event| event.kind == "account.resumed").await.unwrap();
    assert_eq!(resumed.json()["data"]["account"], "main");
    for caller in &callers {
        let inbox = world.carrier.phone(caller.number).wait_for(TEXTS, SOON).await.unwrap();
        let texts: Vec<_> = inbox.iter().map(|arrived| arrived.text.to_string()).collect();
        assert_eq!(texts, (0..TEXTS).map(|nth| format!("number {nth}")).collect::<Vec<_>>());
    }
    settled(&world).await;
    let states = states(&world).await;
    assert_eq!(states.iter().filter(|state| *state == "delivered").count(), 7 * TEXTS, "{states:?}");
    assert_eq!(states.iter().filter(|state| *state == "cancelled").count(), TEXTS, "{states:?}");
    let told = world.platform.record().deliveries;
    let told = |kind: &str| told.iter().filter(|event| event.taken && event.kind == kind).count();
    assert_eq!((told("account.paused"), told("account.resumed")), (1, 1));
    nothing_is_broken(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a64_what_waits_too_long_for_a_carrier_that_is_away_expires_and_is_not_sent_late() {
    // A closing message lives for a minute.
    if long_form().is_none() {
        return;
    }
    let line = Line::free(0);
    let settings = CarrierSettings { numbers: vec![line.number()], ..CarrierSettings::default() };
    let mut directory = stage::directory(std::slice::from_ref(&line), SOON);
    directory["settings"]["closing"] = json!({ "enabled": true, "texts": { "en": "This conversation has ended." } });
    let world = World::new(settings, &directory).await;
    let _gateway = world.start().await;
    let caller = stage::calls(&world, &line).await;
    let first = caller.is_sent(&world, "hello").await;
    stage::until_state(&world, &first, &["delivered"]).await;
    world.carrier.go_down().await;
    assert_eq!(world.client.end_call(&caller.call, "agent_hangup").await.unwrap().status, 200);
    let expired = |event: &Delivery| event.kind == "message.expired";
    let expired = world.platform.wait_for(Duration::from_secs(70), expired).await.unwrap();
    assert_eq!(expired.json()["data"]["error"]["code"], "too_late");
    world.carrier.come_up().unwrap();
    let again = stage::calls(&world, &line).await;
    let last = again.is_sent(&world, "hello again").await;
    tokio::time::timeout(SOON * 2, world.carrier.wait_for_sends(2, SOON * 2)).await.unwrap().unwrap();
    stage::until_state(&world, &last, &["delivered"]).await;
    assert_eq!(world.carrier.record().posts.len(), 2, "the closing message is not among them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a64_a_carrier_that_fails_in_its_own_ways_is_left_alone_and_tried_by_one_request_at_a_time() {
    let (world, lines) = world(8).await;
    let _gateway = world.start().await;
    world.carrier.set_mood(Behaviour::named("503").unwrap());
    let mut callers = Vec::new();
    for line in &lines {
        callers.push(stage::calls(&world, line).await);
    }
    let began = Instant::now();
    for caller in &callers {
        caller.is_sent(&world, "hello").await;
    }
    world.platform.wait_for(SOON, |event| event.kind == "account.paused").await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let tried = world.carrier.counts().0;
    // Four that failed and one of each number, at most, before it was paused; then one after 1 s, after 3 s, after 7 s.
    let probes = (1..10).take_while(|nth| began.elapsed().as_secs() >= (1 << nth) - 1).count();
    assert!((5..=4 + lines.len() + probes).contains(&tried), "tried {tried} times");
    world.carrier.set_mood(Behaviour::default());
    world.platform.wait_for(SOON, |event| event.kind == "account.resumed").await.unwrap();
    settled(&world).await;
    assert_eq!(states(&world).await, ["delivered"; 8]);
    nothing_is_broken(&world).await;
}

/// Numbers without limits at one carrier.
async fn world(lines: usize) -> (World, Vec<Line>) {
    let lines: Vec<_> = (0..lines).map(Line::free).collect();
    let settings = CarrierSettings { numbers: lines.iter().map(Line::number).collect(), ..CarrierSettings::default() };
    let world = World::new(settings, &stage::directory(&lines, SOON)).await;
    (world, lines)
}

/// Waits until every text has come to its end.
async fn settled(world: &World) {
    for send in world.client.accepted() {
        stage::until_state(world, &send.id, &["delivered", "cancelled", "expired", "failed"]).await;
    }
    world.carrier.wait_for_receipts(SOON).await.unwrap();
}

/// The states of all texts that were accepted, in their order.
async fn states(world: &World) -> Vec<String> {
    let sends = world.client.accepted_with_states().await.unwrap();
    sends.into_iter().map(|send| send.state.unwrap_or_default()).collect()
}

/// I1 to I6.
async fn nothing_is_broken(world: &World) {
    // The platform is told a moment after the gateway shows it.
    let ends = |event: &Delivery| {
        matches!(event.kind.as_str(), "message.delivered" | "message.cancelled" | "message.expired" | "message.failed")
    };
    let texts = world.client.accepted().len();
    world.platform.wait_for_all(texts, SOON, ends).await.unwrap();
    let sends = world.client.accepted_with_states().await.unwrap();
    let seen = checker::World::new(vec![world.carrier.record()], world.platform.record(), sends);
    assert_eq!(checker::check(&seen), []);
}
