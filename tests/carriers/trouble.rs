//! Receipts that overtake answers, carriers that ask for a pause, and carriers that are down for a while.

use crate::process::{Outside, SOON, nothing_for};
use crate::stage::{self, Line};
use offhook::sim::carrier::{Behaviour, CarrierSettings, Post};
use offhook::sim::checker;
use offhook::sim::platform::Delivery;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a61_receipts_before_the_answer_count_and_the_answer_changes_nothing() {
    let (world, line) = world(1).await;
    let gateway = world.start().await;
    let behaviour =
        Behaviour { receipts_before_answer: 1.0, delay: Duration::from_millis(200), ..Behaviour::default() };
    world.carrier.set_behaviour(behaviour.clone());
    let caller = stage::calls(&world, &line[0]).await;
    let good = caller.is_sent(&world, "a good one").await;
    stage::until_state(&world, &good, &["delivered"]).await;

    // The answer is a refusal, but the receipt takes precedence.
    world.carrier.set_behaviour(Behaviour { receipts_reordered: 1.0, cut_answer: 1.0, ..behaviour.clone() });
    let cut = caller.is_sent(&world, "one with half an answer").await;
    stage::until_state(&world, &cut, &["delivered"]).await;
    world.carrier.set_behaviour(Behaviour { silent: 1.0, ..behaviour.clone() });
    let silent = caller.is_sent(&world, "one without any").await;
    stage::until_state(&world, &silent, &["delivered"]).await;
    // After a crash, an answer that never arrives makes no difference either.
    gateway.kill();
    let _gateway = world.start().await;
    world.carrier.set_behaviour(behaviour);
    let last = caller.is_sent(&world, "the last").await;
    stage::until_state(&world, &last, &["delivered"]).await;
    for id in [&good, &cut, &silent] {
        assert_eq!(world.client.message(id).await.unwrap().text("/state"), "delivered");
        let delivered = |event: &Delivery| event.kind == "message.delivered" && event.json()["data"]["id"] == **id;
        world.platform.wait_for(SOON, delivered).await.unwrap();
    }
    check_invariants(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a64_a_429_slows_the_whole_lane_and_no_other() {
    // Both pause for at least two seconds: the date is three seconds ahead, cut to whole seconds.
    for behaviour in ["429, in seconds", "429, by date"] {
        let (world, lines) = world(2).await;
        let _gateway = world.start().await;
        let (one, another) = (stage::calls(&world, &lines[0]).await, stage::calls(&world, &lines[0]).await);
        let elsewhere = stage::calls(&world, &lines[1]).await;
        world.carrier.set_behaviour_towards(one.number, Behaviour::named(behaviour));
        let first = one.is_sent(&world, "not now").await;
        world.carrier.wait_for_sends(1, SOON).await.unwrap();
        world.carrier.set_behaviour_towards(one.number, None);
        // Its state was `sending`, so the answer has been read.
        stage::until_state(&world, &first, &["queued"]).await;
        another.is_sent(&world, "of the same number").await;
        elsewhere.is_sent(&world, "of another number").await;

        let posts = world.carrier.wait_for_sends(4, SOON).await.unwrap();
        let at = |nth: usize| (posts[nth].at - posts[0].at).as_secs_f64();
        let texts: Vec<_> = posts.iter().map(|post: &Post| &*post.text).collect();
        assert_eq!((texts[0], texts[1]), ("not now", "of another number"), "{behaviour}");
        // The journal's time is in whole milliseconds.
        assert!(at(2) > 1.99 && at(3) > 1.99, "{behaviour}: {} and {}", at(2), at(3));
        println!("{behaviour}: the number was paused for {:.2} s, the other not at all", at(2));
        world.carrier.wait_for_receipts(SOON).await.unwrap();
        settled(&world).await;
        check_invariants(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a64_an_account_is_paused_during_an_outage_and_resumes_in_order() {
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
    assert_eq!(states(&world).await, ["queued"; 40], "texts are shown as queued");

    // One call ends meanwhile, which cancels its agent's queued texts.
    let gone = callers.pop().unwrap();
    assert_eq!(world.client.end_call(&gone.call, "caller_hangup").await.unwrap().status, 200);
    // A restart keeps the account's pause and the order of the texts.
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
    let deliveries = world.platform.record().deliveries;
    let count = |kind: &str| deliveries.iter().filter(|event| event.taken && event.kind == kind).count();
    assert_eq!((count("account.paused"), count("account.resumed")), (1, 1));
    check_invariants(&world).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a64_texts_that_wait_too_long_during_an_outage_expire_and_are_not_sent_late() {
    // A closing message lives for a minute, and this test waits for its end.
    let line = Line::free(0);
    let settings = CarrierSettings { numbers: vec![line.number()], ..CarrierSettings::default() };
    let mut directory = stage::directory(std::slice::from_ref(&line), SOON);
    directory["settings"]["closing"] = json!({ "enabled": true, "texts": { "en": "This conversation has ended." } });
    let world = Outside::new(settings, &directory).await;
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
async fn a64_a_failing_carrier_is_paused_and_probed_by_one_request_at_a_time() {
    let (world, lines) = world(8).await;
    let _gateway = world.start().await;
    world.carrier.set_behaviour(Behaviour::named("503").unwrap());
    let mut callers = Vec::new();
    for line in &lines {
        callers.push(stage::calls(&world, line).await);
    }
    let began = Instant::now();
    for caller in &callers {
        caller.is_sent(&world, "hello").await;
    }
    world.platform.wait_for(SOON, |event| event.kind == "account.paused").await.unwrap();
    nothing_for(Duration::from_secs(4)).await;
    let tried = world.carrier.counts().0;
    // Up to four failures and one request per number before the pause; then probes after 1 s, 3 s and 7 s.
    let probes = (1..10).take_while(|nth| began.elapsed().as_secs() >= (1 << nth) - 1).count();
    assert!((5..=4 + lines.len() + probes).contains(&tried), "tried {tried} times");
    world.carrier.set_behaviour(Behaviour::default());
    world.platform.wait_for(SOON, |event| event.kind == "account.resumed").await.unwrap();
    settled(&world).await;
    assert_eq!(states(&world).await, ["delivered"; 8]);
    check_invariants(&world).await;
}

/// Numbers without limits at one carrier.
async fn world(lines: usize) -> (Outside, Vec<Line>) {
    let lines: Vec<_> = (0..lines).map(Line::free).collect();
    let settings = CarrierSettings { numbers: lines.iter().map(Line::number).collect(), ..CarrierSettings::default() };
    let world = Outside::new(settings, &stage::directory(&lines, SOON)).await;
    (world, lines)
}

/// Waits until every text has ended.
async fn settled(world: &Outside) {
    for send in world.client.accepted() {
        stage::until_state(world, &send.id, &["delivered", "cancelled", "expired", "failed"]).await;
    }
    world.carrier.wait_for_receipts(SOON).await.unwrap();
}

/// The states of all accepted texts, in order.
async fn states(world: &Outside) -> Vec<String> {
    let sends = world.client.accepted_with_states().await.unwrap();
    sends.into_iter().map(|send| send.state.unwrap_or_default()).collect()
}

/// Invariants I1 to I6.
async fn check_invariants(world: &Outside) {
    // The platform gets the event a moment after the API shows the state.
    let ends = |event: &Delivery| {
        matches!(event.kind.as_str(), "message.delivered" | "message.cancelled" | "message.expired" | "message.failed")
    };
    let texts = world.client.accepted().len();
    world.platform.wait_for_all(texts, SOON, ends).await.unwrap();
    let sends = world.client.accepted_with_states().await.unwrap();
    let seen = checker::Observed::new(vec![world.carrier.record()], world.platform.record(), sends);
    assert_eq!(checker::check(&seen), []);
}
