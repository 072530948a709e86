//! What was told already is told once more, because somebody asked for it.

use super::*;

fn told_once() -> World {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    world.tell(&["a"]);
    world.drain();
    world.note();
    world
}

#[test]
fn a65_a_replay_tells_the_same_bytes_again_in_order_and_moves_no_watermark() {
    let mut world = told_once();
    assert!(world.feed.replay(Position(1)..Position(3)));
    world.read();
    assert_eq!(world.begin(), ["a1 again", "b1 again"]);
    let told: Vec<_> = show_all(&world.journal);
    assert!(world.begun.iter().all(|delivery| told.contains(&*delivery.told)));
    world.end("a1 again", Delivered::Yes);
    world.end("b1 again", Delivered::Yes);
    assert_eq!(world.begin(), ["a2 again"]);
    world.end("a2 again", Delivered::Yes);
    assert!(!world.feed.has_progress());
    assert_eq!(world.begin(), [""; 0]);
}

#[test]
fn a_replay_goes_when_nothing_else_does() {
    let mut world = told_once();
    world.feed.replay(Position(1)..Position(3));
    let calls: Vec<_> = (0..64).map(|call| format!("c-{call}")).collect();
    world.tell(&calls.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(world.begin().iter().all(|event| event.starts_with("c-")));
    world.end("c-01", Delivered::Yes);
    assert_eq!(world.begin(), ["a1 again"]);
}

#[test]
fn a_replay_is_of_a_stretch_and_of_what_the_endpoint_wants() {
    let mut world = World::with(Filter::read(&["call.ended"]).unwrap(), Bounds::default());
    world.tell(&["+a"]);
    world.tell(&["a"]);
    world.tell(&["a"]);
    world.drain();
    world.feed.replay(Position(1)..Position(3));
    world.read();
    assert_eq!(world.begin(), ["a2 again"]);
}

#[test]
fn a_call_that_is_refused_and_holds_the_watermark_keeps_nothing_of_the_others_from_being_told_again() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    world.tell(&["a", "b"]);
    world.end_all(|told| if told.thread == "a" { Delivered::Refused } else { Delivered::Yes });
    assert_eq!(world.feed.watermark(), Position(1));
    world.feed.replay(Position(1)..Position(3));
    world.read();
    assert_eq!(world.begin(), ["b1 again"]);
    world.end("b1 again", Delivered::Yes);
    assert_eq!(world.begin(), ["b2 again"]);
}

#[test]
fn a_replay_tells_of_a_parked_call_what_was_delivered_and_leaves_out_what_comes_anyhow() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    world.drain();
    for _ in 0..4 {
        world.tell(&["a", "b"]);
        world.end_all(|told| if told.thread == "a" { Delivered::Refused } else { Delivered::Yes });
        world.pass_secs(12 * 60 * 60);
    }
    assert_eq!(world.feed.parked.len(), 1);
    world.feed.replay(Position(1)..world.committed().next());
    world.read();
    let begun = world.begin();
    assert!(begun.contains(&"a1 again".to_owned()) && begun.contains(&"b1 again".to_owned()), "{begun:?}");
    world.drain();
    assert_eq!(world.done, 10 + 6, "each once, and of those delivered by then each once more");
}

#[test]
fn what_was_told_at_once_before_the_backlog_came_to_it_is_told_again() {
    let bounds = Bounds { window: 20, aside: 10, behind: 40, ..Bounds::default() };
    let mut world = World::with(Filter::default(), bounds);
    for _ in 0..1_000 {
        world.commit(&["old"]);
    }
    world.read();
    world.tell(&["+new"]);
    world.begin();
    world.end("new1", Delivered::Yes);
    let new = world.committed();
    world.feed.replay(Position(500)..new.next());
    world.read();
    let again: Vec<_> = world.begin().into_iter().filter(|event| event.ends_with("again")).collect();
    assert_eq!(again, ["new1 again"], "the rest comes anyhow");
}

#[test]
fn what_an_endpoint_did_not_take_in_time_is_told_when_it_is_asked_for() {
    let mut world = World::new();
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
fn a_replay_begins_where_the_journal_does_and_one_that_cannot_be_read_ends_alone() {
    let mut world = told_once();
    world.feed.replay(Position(1)..Position(3));
    world.feed.replay_from(Position(2));
    assert!(world.feed.wants(world.committed()).contains(&(Reader::Replay, Position(2))));
    world.feed.replay(Position(1)..Position(2));
    world.feed.end_replay();
    assert!(world.feed.wants(world.committed()).contains(&(Reader::Replay, Position(1))));
}

#[test]
fn what_is_refused_again_and_again_is_left_out_of_a_replay() {
    let mut world = told_once();
    world.feed.replay(Position(1)..Position(3));
    world.read();
    let mut given_up = 0;
    for _ in 0..4 {
        world.tell(&["b"]);
        for event in world.begin() {
            let delivered = if event == "a1 again" { Delivered::Refused } else { Delivered::Yes };
            given_up += usize::from(world.end(&event, delivered));
        }
        world.pass_secs(12 * 60 * 60);
    }
    assert_eq!((given_up, world.begin()), (1, vec!["a2 again".to_owned()]));
}

#[test]
fn so_many_replays_may_wait_and_no_more() {
    let mut world = told_once();
    for _ in 0..16 {
        assert!(world.feed.takes_replays() && world.feed.replay(Position(1)..Position(3)));
    }
    assert!(!world.feed.takes_replays() && !world.feed.replay(Position(1)..Position(3)));
    world.read();
    world.drain();
    assert_eq!(world.done, 3 + 16 * 3);
}

fn show_all(journal: &[CommittedFrame]) -> Vec<RenderedEvent> {
    journal.iter().flat_map(crate::machine::show::told).collect()
}
