//! An endpoint that is gone or wants quiet: it is asked again, and what waits comes in order.

use super::*;

#[test]
fn a65_an_endpoint_that_says_410_is_paused_and_probed_every_five_seconds() {
    let mut world = World::new();
    world.tell(&["a", "b", "c"]);
    world.begin();
    world.end("a1", Delivered::Gone);
    assert!(world.feed.standing(world.now()).paused);
    world.end("b1", Delivered::Gone);
    world.end("c1", Delivered::Refused);
    world.tell(&["d"]);
    let mut waits = Vec::new();
    for _ in 0..6 {
        assert_eq!(world.begin(), [""; 0]);
        let due = world.feed.due().unwrap();
        waits.push(due.as_millis() as u64 - world.now_ms);
        world.now_ms = due.as_millis() as u64;
        let probe = world.begin();
        assert_eq!(probe.len(), 1, "one look at a time");
        world.end(&probe[0], Delivered::Gone);
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
}

#[test]
fn a65_a_paused_endpoint_goes_on_in_order_when_it_takes_something() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    world.tell(&["a", "b"]);
    world.begin();
    world.end("a1", Delivered::Gone);
    world.end("b1", Delivered::Gone);
    world.tell(&["c"]);
    world.pass_secs(7);
    let probe = world.begin();
    assert_eq!(probe, ["c1"], "which was not refused yet");
    assert_eq!(world.begin(), [""; 0]);
    world.end("c1", Delivered::Yes);
    assert!(!world.feed.standing(world.now()).paused);
    let mut begun = world.begin();
    begun.sort();
    assert_eq!(begun, ["a1", "b1"]);
}

#[test]
fn a_paused_endpoint_with_nothing_but_a_parked_call_is_looked_at_with_that() {
    let mut world = World::new();
    world.commit(&["a"]);
    world.noted = Start { watermark: Position(2), parked: vec![("a".to_owned(), Position(1))] };
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
fn a_paused_endpoint_with_nothing_but_a_replay_is_looked_at_with_that() {
    let mut world = World::new();
    world.tell(&["a"]);
    world.drain();
    world.feed.replay(Position(1)..Position(2));
    world.read();
    world.begin();
    world.end("a1 again", Delivered::Gone);
    world.pass_secs(7);
    assert_eq!(world.begin(), ["a1 again"]);
    world.end("a1 again", Delivered::Yes);
    assert!(!world.feed.standing(world.now()).paused);
}

#[test]
fn one_event_that_is_answered_410_does_not_stop_the_others() {
    let mut world = World::new();
    world.tell(&["a", "b", "c"]);
    let poisoned = |told: &RenderedEvent| if told.thread == "a" { Delivered::Gone } else { Delivered::Yes };
    for nth in 0..10 {
        world.tell(&["b"]);
        world.end_all(poisoned);
        world.pass_secs(if nth < 2 { 10 } else { 12 * 60 * 60 });
    }
    assert_eq!(world.done, 12);
    assert!(!world.feed.standing(world.now()).paused);
    assert_eq!(world.feed.parked.len(), 1);
}

#[test]
fn some_events_that_are_answered_410_do_not_stop_the_others() {
    for poisoned in 2..=5 {
        let mut world = World::new();
        let names: Vec<_> = (0..poisoned).map(|nth| format!("poisoned-{nth}")).collect();
        let calls: Vec<_> = names.iter().map(String::as_str).collect();
        // Each has much to tell, all of it before the others.
        world.tell(&calls);
        world.tell(&calls);
        world.tell(&["b", "c"]);
        let answer =
            |told: &RenderedEvent| if told.thread.starts_with("poisoned") { Delivered::Gone } else { Delivered::Yes };
        let mut looks = 0;
        for event in world.begin() {
            world.end(&event, Delivered::Gone);
        }
        while world.feed.standing(world.now()).paused {
            world.now_ms = world.feed.due().unwrap().as_millis() as u64;
            let look = world.begin();
            let told = std::sync::Arc::clone(&world.begun[0].told);
            world.end(&look[0], answer(&told));
            looks += 1;
            assert!(looks <= poisoned + 1, "{poisoned} events keep all others waiting");
        }
        for _ in 0..10 {
            world.end_all(answer);
            world.pass_secs(12 * 60 * 60);
            world.tell(&["b"]);
        }
        assert!(world.done >= 10 && !world.feed.standing(world.now()).paused);
        assert_eq!(world.feed.parked.len(), poisoned);
    }
}

#[test]
fn an_endpoint_that_takes_nothing_counts_as_paused_and_is_probed_every_five_seconds() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    let mut asked = Vec::new();
    while world.now_ms < 3_600_000 {
        for event in world.begin() {
            asked.push(world.now_ms);
            world.end(&event, Delivered::Down(None));
        }
        assert_eq!(world.feed.standing(world.now()).paused, world.now_ms >= 10_000);
        world.now_ms = u64::try_from(world.feed.due().unwrap().as_millis()).unwrap();
    }
    let longest = asked.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest <= 5_000, "{longest} ms without a probe");
    world.drain();
    assert!(world.feed.is_idle() && !world.feed.standing(world.now()).paused);
}

#[test]
fn what_was_refused_because_everything_was_goes_at_once_when_something_passes() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    for _ in 0..4 {
        world.end_all(|_| Delivered::Refused);
        world.pass_secs(2 * 60 * 60);
    }
    world.end_all(|_| Delivered::Refused);
    world.tell(&["c"]);
    world.pass_secs(5);
    world.begin();
    world.end("c1", Delivered::Yes);
    let mut begun = world.begin();
    begun.sort();
    assert_eq!(begun, ["a1", "b1"]);
}

#[test]
fn an_endpoint_that_wants_quiet_has_it_from_everybody_and_only_once_for_one_event() {
    let mut world = World::new();
    world.tell(&["a"]);
    world.begin();
    world.end("a1", Delivered::Later(Some(Duration::from_secs(20))));
    world.tell(&["b"]);
    assert_eq!(world.begin(), [""; 0]);
    assert_eq!(world.feed.due(), Some(Duration::from_secs(20)));
    world.pass_secs(20);
    assert_eq!(world.begin(), ["a1", "b1"]);
    world.end("b1", Delivered::Yes);
    world.end("a1", Delivered::Later(Some(Duration::from_secs(20))));
    world.tell(&["b"]);
    assert_eq!(world.begin(), ["b2"], "a alone wants this quiet");
}

#[test]
fn the_quiet_one_answer_asks_of_all_is_a_minute_and_its_own_event_waits_as_long_as_it_said() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    world.begin();
    world.end("a1", Delivered::Later(Some(Duration::from_secs(3_000))));
    world.end("b1", Delivered::Yes);
    world.tell(&["b"]);
    world.pass_secs(60);
    assert_eq!(world.begin(), ["b2"]);
    world.end("b2", Delivered::Yes);
    world.pass_secs(2_939);
    assert_eq!(world.begin(), [""; 0]);
    world.pass_secs(1);
    assert_eq!(world.begin(), ["a1"]);
}

#[test]
fn a_429_that_does_not_say_how_long_is_given_a_second() {
    let mut world = World::new();
    world.tell(&["a"]);
    world.begin();
    world.end("a1", Delivered::Later(None));
    assert_eq!(world.feed.due(), Some(Duration::from_secs(1)));
}
