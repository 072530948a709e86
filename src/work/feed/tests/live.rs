//! Calls that begin now do not wait behind the backlog.

use super::*;

/// A backlog of three calls, and one more call that begins behind it.
fn world(backlog: usize) -> TestFeed {
    let bounds = Bounds { window: 20, other_window: 10, behind: 40, ..Bounds::default() };
    let mut world = TestFeed::with(Filter::default(), bounds);
    for nth in 0..backlog {
        world.commit(&[["old-1", "old-2", "old-3"][nth % 3]]);
    }
    world.read();
    world
}

#[test]
fn a_call_that_begins_after_an_outage_is_delivered_at_once() {
    let mut world = world(3_000);
    world.publish(&["+new"]);
    assert_eq!(world.begin(), ["new1", "old-11", "old-21", "old-31"]);
    world.end("new1", Delivered::Yes);
    world.publish(&["new"]);
    assert!(world.begin().contains(&"new2".to_owned()));
    assert_eq!(world.feed.watermark(), Position(1));
}

#[test]
fn i4_a_call_with_events_in_the_backlog_waits_for_them() {
    let mut world = world(3_000);
    world.publish(&["old-1"]);
    let begun = world.begin();
    assert!(begun.contains(&"old-11".to_owned()) && !begun.contains(&"old-11001".to_owned()), "{begun:?}");
}

#[test]
fn the_backlog_skips_events_that_were_delivered_live() {
    let mut world = world(300);
    world.publish(&["+new-1"]);
    world.begin();
    world.end("new-11", Delivered::Yes);
    world.publish(&["+new-2"]);
    world.publish(&["new-2", "old-1"]);
    world.drain();
    assert_eq!(world.done, 300 + 1 + 2 + 1);
    assert_eq!(world.feed.live.next(), None, "one reader is left");
    assert_eq!(world.feed.watermark(), world.committed().next());
}

#[test]
fn while_nothing_passes_new_calls_wait_with_the_others() {
    let mut world = world(30);
    world.begin();
    world.end("old-11", Delivered::Down(None));
    for nth in 0..100 {
        world.publish(&[&format!("+new-{nth}")]);
    }
    assert_eq!(world.feed.live.next(), None);
}

#[test]
fn after_another_outage_the_newest_calls_are_delivered_at_once() {
    let mut world = world(3_000);
    world.begin();
    for nth in 0..200 {
        world.publish(&[&format!("+missed-{nth}")]);
    }
    let held = world.feed.queue.held(Reader::Live);
    assert!((10..10 + PAGE).contains(&held), "{held} are held, and the others wait in the journal");
    // The endpoint is back: the held events go first, and then the new calls.
    world.end("old-11", Delivered::Yes);
    let first: Vec<_> = world.begin().into_iter().filter(|event| event.starts_with("missed")).collect();
    for event in first {
        world.end(&event, Delivered::Yes);
    }
    world.publish(&["+new"]);
    assert!(world.begin().contains(&"new1".to_owned()));
    world.end_all(|_| Delivered::Yes);
    assert_eq!(world.done, 3_000 + 200 + 1, "each once");
}

#[test]
fn a_filter_without_call_starts_does_not_hide_that_a_call_begins() {
    let bounds = Bounds { window: 20, other_window: 10, behind: 40, ..Bounds::default() };
    let mut world = TestFeed::with(Filter::read(&["call.ended"]).unwrap(), bounds);
    for _ in 0..1_000 {
        world.commit(&["old"]);
    }
    world.read();
    world.publish(&["+new"]);
    world.publish(&["new"]);
    assert_eq!(world.begin(), ["new2", "old1"]);
}

#[test]
fn the_live_reader_owns_a_bounded_number_of_calls() {
    let bounds = Bounds { window: 20, other_window: 10, behind: 40, live_threads: 2, ..Bounds::default() };
    let mut world = TestFeed::with(Filter::default(), bounds);
    for _ in 0..100 {
        world.commit(&["old"]);
    }
    world.read();
    for call in ["+new-1", "+new-2", "+new-3"] {
        world.publish(&[call]);
    }
    assert_eq!(world.begin(), ["new-11", "old1", "new-21"]);
    world.drain();
    assert_eq!(world.done, 103);
}

#[test]
fn g4_after_a_crash_live_events_are_repeated_in_order_with_the_same_bytes() {
    let mut world = world(300);
    world.publish(&["+new"]);
    world.begin();
    let before = world.begun.iter().find(|delivery| name(delivery) == "new1").unwrap().clone();
    world.end("new1", Delivered::Yes);
    world.publish(&["new"]);
    world.record_progress();
    world.restart();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        world.begin();
        for delivery in world.begun.clone() {
            if delivery.event.thread == "new" {
                seen.push(delivery.clone());
            }
            world.end(&name(&delivery), Delivered::Yes);
        }
    }
    assert_eq!(seen[0], before);
    assert_eq!(name(&seen[1]), "new2");
}

#[test]
fn backlog_and_live_events_take_turns_for_the_delivery_slots() {
    let bounds = Bounds { window: 200, other_window: 100, behind: 40, in_flight: 10, ..Bounds::default() };
    let mut world = TestFeed::with(Filter::default(), bounds);
    for nth in 0..1_000 {
        world.commit(&[&format!("old-{nth}")]);
    }
    world.read();
    for nth in 0..50 {
        world.publish(&[&format!("+new-{nth}")]);
    }
    let new = world.begin().iter().filter(|event| event.starts_with("new")).count();
    assert_eq!(new, 5);
}
