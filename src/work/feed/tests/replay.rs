//! Events that are delivered again on request.

use super::*;

fn delivered_once() -> TestFeed {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    world.publish(&["a"]);
    world.drain();
    world.record_progress();
    world
}

#[test]
fn a65_a_replay_repeats_the_same_bytes_in_order_and_moves_no_watermark() {
    let mut world = delivered_once();
    assert!(world.feed.replay(Position(1)..Position(3)));
    world.read();
    assert_eq!(world.begin(), ["a1 again", "b1 again"]);
    let events: Vec<_> = show_all(&world.journal);
    assert!(world.begun.iter().all(|delivery| events.contains(&*delivery.event)));
    world.end("a1 again", Delivered::Yes);
    world.end("b1 again", Delivered::Yes);
    assert_eq!(world.begin(), ["a2 again"]);
    world.end("a2 again", Delivered::Yes);
    assert!(!world.feed.has_progress());
    assert_eq!(world.begin(), [""; 0]);
}

#[test]
fn a_replay_runs_when_nothing_else_is_to_be_delivered() {
    let mut world = delivered_once();
    world.feed.replay(Position(1)..Position(3));
    let calls: Vec<_> = (0..64).map(|call| format!("c-{call}")).collect();
    world.publish(&calls.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(world.begin().iter().all(|event| event.starts_with("c-")));
    world.end("c-01", Delivered::Yes);
    assert_eq!(world.begin(), ["a1 again"]);
}

#[test]
fn a_replay_covers_its_range_and_the_endpoints_filter() {
    let mut world = TestFeed::with(Filter::read(&["call.ended"]).unwrap(), Bounds::default());
    world.publish(&["+a"]);
    world.publish(&["a"]);
    world.publish(&["a"]);
    world.drain();
    world.feed.replay(Position(1)..Position(3));
    world.read();
    assert_eq!(world.begin(), ["a2 again"]);
}

#[test]
fn a_refused_call_that_holds_the_watermark_does_not_block_a_replay_of_others() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    world.publish(&["a", "b"]);
    world.end_all(|event| if event.thread == "a" { Delivered::Refused } else { Delivered::Yes });
    assert_eq!(world.feed.watermark(), Position(1));
    world.feed.replay(Position(1)..Position(3));
    world.read();
    assert_eq!(world.begin(), ["b1 again"]);
    world.end("b1 again", Delivered::Yes);
    assert_eq!(world.begin(), ["b2 again"]);
}

#[test]
fn a_replay_of_a_parked_call_repeats_only_what_was_delivered() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    world.drain();
    for _ in 0..4 {
        world.publish(&["a", "b"]);
        world.end_all(|event| if event.thread == "a" { Delivered::Refused } else { Delivered::Yes });
        world.pass_secs(12 * 60 * 60);
    }
    assert_eq!(world.feed.parked.len(), 1);
    world.feed.replay(Position(1)..world.committed().next());
    world.read();
    let begun = world.begin();
    assert!(begun.contains(&"a1 again".to_owned()) && begun.contains(&"b1 again".to_owned()), "{begun:?}");
    world.drain();
    assert_eq!(world.done, 10 + 6, "each once, and each event delivered by then once more");
}

#[test]
fn a_replay_repeats_events_that_were_delivered_live() {
    let bounds = Bounds { window: 20, other_window: 10, behind: 40, ..Bounds::default() };
    let mut world = TestFeed::with(Filter::default(), bounds);
    for _ in 0..1_000 {
        world.commit(&["old"]);
    }
    world.read();
    world.publish(&["+new"]);
    world.begin();
    world.end("new1", Delivered::Yes);
    let new = world.committed();
    world.feed.replay(Position(500)..new.next());
    world.read();
    let again: Vec<_> = world.begin().into_iter().filter(|event| event.ends_with("again")).collect();
    assert_eq!(again, ["new1 again"], "the others are delivered anyway");
}

#[test]
fn events_too_old_for_delivery_can_be_replayed() {
    let mut world = TestFeed::new();
    for _ in 0..3 {
        world.commit(&["a"]);
    }
    world.feed.skip_to(Position(3));
    world.read();
    world.drain();
    world.feed.replay(Position(1)..Position(3));
    world.read();
    assert_eq!(world.begin(), ["a1 again"]);
}

#[test]
fn a_replay_begins_at_the_oldest_frame_and_an_unreadable_one_ends_alone() {
    let mut world = delivered_once();
    world.feed.replay(Position(1)..Position(3));
    world.feed.replay_from(Position(2));
    assert!(world.feed.wants(world.committed()).contains(&(Reader::Replay, Position(2))));
    world.feed.replay(Position(1)..Position(2));
    world.feed.end_replay();
    assert!(world.feed.wants(world.committed()).contains(&(Reader::Replay, Position(1))));
}

#[test]
fn events_refused_repeatedly_are_skipped_in_a_replay() {
    let mut world = delivered_once();
    world.feed.replay(Position(1)..Position(3));
    world.read();
    let mut given_up = 0;
    for _ in 0..4 {
        world.publish(&["b"]);
        for event in world.begin() {
            let delivered = if event == "a1 again" { Delivered::Refused } else { Delivered::Yes };
            given_up += usize::from(world.end(&event, delivered));
        }
        world.pass_secs(12 * 60 * 60);
    }
    assert_eq!((given_up, world.begin()), (1, vec!["a2 again".to_owned()]));
}

#[test]
fn the_number_of_queued_replays_is_bounded() {
    let mut world = delivered_once();
    for _ in 0..16 {
        assert!(world.feed.takes_replays() && world.feed.replay(Position(1)..Position(3)));
    }
    assert!(!world.feed.takes_replays() && !world.feed.replay(Position(1)..Position(3)));
    world.read();
    world.drain();
    assert_eq!(world.done, 3 + 16 * 3);
}

fn show_all(journal: &[CommittedFrame]) -> Vec<RenderedEvent> {
    journal.iter().flat_map(crate::machine::show::rendered).collect()
}
