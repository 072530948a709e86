//! An endpoint that is gone or asks for a pause: it is probed, and waiting events arrive in order.

use super::*;

#[test]
fn a65_an_endpoint_that_says_410_is_paused_and_probed_every_five_seconds() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b", "c"]);
    world.begin();
    world.end("a1", Delivered::Gone);
    assert!(world.feed.status(world.now()).paused);
    world.end("b1", Delivered::Gone);
    world.end("c1", Delivered::Refused);
    world.publish(&["d"]);
    let mut waits = Vec::new();
    for _ in 0..6 {
        assert_eq!(world.begin(), [""; 0]);
        let due = world.feed.due().unwrap();
        waits.push(due.as_millis() as u64 - world.now_ms);
        world.now_ms = due.as_millis() as u64;
        let probe = world.begin();
        assert_eq!(probe.len(), 1, "one probe at a time");
        world.end(&probe[0], Delivered::Gone);
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
}

#[test]
fn a65_a_paused_endpoint_continues_in_order_after_a_success() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    world.publish(&["a", "b"]);
    world.begin();
    world.end("a1", Delivered::Gone);
    world.end("b1", Delivered::Gone);
    world.publish(&["c"]);
    world.pass_secs(7);
    let probe = world.begin();
    assert_eq!(probe, ["c1"], "which was not refused yet");
    assert_eq!(world.begin(), [""; 0]);
    world.end("c1", Delivered::Yes);
    assert!(!world.feed.status(world.now()).paused);
    let mut begun = world.begin();
    begun.sort();
    assert_eq!(begun, ["a1", "b1"]);
}

#[test]
fn a_paused_endpoint_with_only_a_parked_call_is_probed_with_that() {
    let mut world = TestFeed::new();
    world.commit(&["a"]);
    world.recorded = Start { watermark: Position(2), parked: vec![("a".to_owned(), Position(1))] };
    world.restart();
    world.begin();
    world.read();
    assert_eq!(world.begin(), ["a1"]);
    world.end("a1", Delivered::Gone);
    world.pass_secs(7);
    world.begin();
    world.read();
    assert_eq!(world.begin(), ["a1"]);
    world.end("a1", Delivered::Yes);
    assert!(world.feed.is_idle());
}

#[test]
fn a_paused_endpoint_with_only_a_replay_is_probed_with_that() {
    let mut world = TestFeed::new();
    world.publish(&["a"]);
    world.drain();
    world.feed.replay(Position(1)..Position(2));
    world.read();
    world.begin();
    world.end("a1 again", Delivered::Gone);
    world.pass_secs(7);
    assert_eq!(world.begin(), ["a1 again"]);
    world.end("a1 again", Delivered::Yes);
    assert!(!world.feed.status(world.now()).paused);
}

#[test]
fn one_event_answered_with_410_does_not_stop_the_others() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b", "c"]);
    let poisoned = |event: &RenderedEvent| if event.thread == "a" { Delivered::Gone } else { Delivered::Yes };
    for nth in 0..10 {
        world.publish(&["b"]);
        world.end_all(poisoned);
        world.pass_secs(if nth < 2 { 10 } else { 12 * 60 * 60 });
    }
    assert_eq!(world.done, 12);
    assert!(!world.feed.status(world.now()).paused);
    assert_eq!(world.feed.parked.len(), 1);
}

#[test]
fn several_events_answered_with_410_do_not_stop_the_others() {
    for poisoned in 2..=5 {
        let mut world = TestFeed::new();
        let names: Vec<_> = (0..poisoned).map(|nth| format!("poisoned-{nth}")).collect();
        let calls: Vec<_> = names.iter().map(String::as_str).collect();
        // Each call has many events, all of them before the others.
        world.publish(&calls);
        world.publish(&calls);
        world.publish(&["b", "c"]);
        let answer =
            |event: &RenderedEvent| if event.thread.starts_with("poisoned") { Delivered::Gone } else { Delivered::Yes };
        let mut looks = 0;
        for event in world.begin() {
            world.end(&event, Delivered::Gone);
        }
        while world.feed.status(world.now()).paused {
            world.now_ms = world.feed.due().unwrap().as_millis() as u64;
            let look = world.begin();
            let event = std::sync::Arc::clone(&world.begun[0].event);
            world.end(&look[0], answer(&event));
            looks += 1;
            assert!(looks <= poisoned + 1, "{poisoned} events block all others");
        }
        for _ in 0..10 {
            world.end_all(answer);
            world.pass_secs(12 * 60 * 60);
            world.publish(&["b"]);
        }
        assert!(world.done >= 10 && !world.feed.status(world.now()).paused);
        assert_eq!(world.feed.parked.len(), poisoned);
    }
}

#[test]
fn an_endpoint_that_accepts_nothing_is_paused_and_probed_every_five_seconds() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    let mut asked = Vec::new();
    while world.now_ms < 3_600_000 {
        for event in world.begin() {
            asked.push(world.now_ms);
            world.end(&event, Delivered::Down(None));
        }
        assert_eq!(world.feed.status(world.now()).paused, world.now_ms >= 10_000);
        world.now_ms = u64::try_from(world.feed.due().unwrap().as_millis()).unwrap();
    }
    let longest = asked.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest <= 5_000, "{longest} ms without a probe");
    world.drain();
    assert!(world.feed.is_idle() && !world.feed.status(world.now()).paused);
}

#[test]
fn events_refused_during_an_outage_go_as_soon_as_a_delivery_succeeds() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    for _ in 0..4 {
        world.end_all(|_| Delivered::Refused);
        world.pass_secs(2 * 60 * 60);
    }
    world.end_all(|_| Delivered::Refused);
    world.publish(&["c"]);
    world.pass_secs(5);
    world.begin();
    world.end("c1", Delivered::Yes);
    let mut begun = world.begin();
    begun.sort();
    assert_eq!(begun, ["a1", "b1"]);
}

#[test]
fn a_429_pauses_all_deliveries_and_only_once_for_one_event() {
    let mut world = TestFeed::new();
    world.publish(&["a"]);
    world.begin();
    world.end("a1", Delivered::Later(Some(Duration::from_secs(20))));
    world.publish(&["b"]);
    assert_eq!(world.begin(), [""; 0]);
    assert_eq!(world.feed.due(), Some(Duration::from_secs(20)));
    world.pass_secs(20);
    assert_eq!(world.begin(), ["a1", "b1"]);
    world.end("b1", Delivered::Yes);
    world.end("a1", Delivered::Later(Some(Duration::from_secs(20))));
    world.publish(&["b"]);
    assert_eq!(world.begin(), ["b2"], "this pause is only for a");
}

#[test]
fn a_429_pauses_all_for_a_minute_at_most_and_its_event_for_the_full_time() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    world.begin();
    world.end("a1", Delivered::Later(Some(Duration::from_secs(3_000))));
    world.end("b1", Delivered::Yes);
    world.publish(&["b"]);
    world.pass_secs(60);
    assert_eq!(world.begin(), ["b2"]);
    world.end("b2", Delivered::Yes);
    world.pass_secs(2_939);
    assert_eq!(world.begin(), [""; 0]);
    world.pass_secs(1);
    assert_eq!(world.begin(), ["a1"]);
}

#[test]
fn a_429_without_retry_after_pauses_for_a_second() {
    let mut world = TestFeed::new();
    world.publish(&["a"]);
    world.begin();
    world.end("a1", Delivered::Later(None));
    assert_eq!(world.feed.due(), Some(Duration::from_secs(1)));
}
