//! A thread whose event is refused repeatedly is parked alone, and is delivered in order when its retry is due.

use super::*;

/// A world in which `a` is refused until it is parked, while `b` goes on.
fn with_a_parked(bounds: Bounds) -> TestFeed {
    let mut world = TestFeed::with(Filter::default(), bounds);
    world.publish(&["a", "b"]);
    world.publish(&["a"]);
    fail(&mut world, "a", 4);
    world
}

/// A call fails this often, while deliveries of `b` succeed.
fn fail(world: &mut TestFeed, call: &str, times: usize) {
    for _ in 0..times {
        world.publish(&["b"]);
        world.end_all(|event| if event.thread == call { Delivered::Refused } else { Delivered::Yes });
        world.pass_secs(12 * 60 * 60);
    }
}

#[test]
fn a65_a_call_refused_repeatedly_is_parked_and_the_watermark_goes_on() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    world.publish(&["a"]);
    fail(&mut world, "a", 3);
    assert_eq!(world.feed.watermark(), Position(1), "three failures are not enough to park");
    fail(&mut world, "a", 1);
    assert_eq!(world.feed.watermark(), world.committed().next());
    assert_eq!(world.feed.take_progress().parked, [("a".to_owned(), Some(Position(1)))]);
    assert_eq!(world.feed.queue.held(Reader::Backlog), 0, "its events are only in the journal");
}

#[test]
fn a65_i4_parked_events_are_delivered_in_order_and_before_later_ones() {
    let mut world = with_a_parked(Bounds::default());
    for _ in 0..300 {
        world.publish(&["b"]);
    }
    world.publish(&["a", "a"]);
    assert!(world.begin().iter().all(|event| event.starts_with('b')));
    world.end_all(|event| if event.thread == "a" { Delivered::Refused } else { Delivered::Yes });
    world.pass_secs(12 * 60 * 60);
    world.begin();
    world.read();
    for event in ["a1", "a2", "a3", "a4"] {
        assert_eq!(world.begin(), [event]);
        world.end(event, Delivered::Yes);
    }
    world.publish(&["a"]);
    assert_eq!(world.begin(), ["a5"]);
    assert_eq!(world.feed.parked.len(), 0);
    world.record_progress();
    assert_eq!(world.recorded, Start { watermark: world.committed(), parked: Vec::new() });
}

#[test]
fn a_parked_call_that_fails_again_is_retried_with_one_event_by_the_schedule() {
    let mut world = with_a_parked(Bounds::default());
    world.begin();
    world.read();
    assert_eq!(world.begin(), ["a1"]);
    assert_eq!(world.feed.queue.held(Reader::Parked), 1);
    world.end("a1", Delivered::Refused);
    assert_eq!(world.feed.queue.held(Reader::Parked), 0);
    world.pass_secs(7 * 60 * 60);
    assert_eq!(world.begin(), [""; 0]);
    world.pass_secs(5 * 60 * 60);
    world.begin();
    world.read();
    assert_eq!(world.begin(), ["a1"]);
}

#[test]
fn a65_after_a_restart_a_parked_call_continues_where_it_was() {
    let mut world = with_a_parked(Bounds::default());
    world.record_progress();
    world.publish(&["a"]);
    world.restart();
    assert_eq!(world.begin(), [""; 0]);
    world.read();
    for event in ["a1", "a2", "a3"] {
        assert_eq!(world.begin(), [event]);
        world.end(event, Delivered::Yes);
    }
    assert_eq!(world.feed.parked.len(), 0);
}

#[test]
fn a_watermark_is_recorded_only_after_the_parked_calls_before_it() {
    let mut world = TestFeed::new();
    let calls: Vec<_> = (0..600).map(|call| format!("c-{call}")).collect();
    world.publish(&calls.iter().map(String::as_str).collect::<Vec<_>>());
    let refuse = |event: &RenderedEvent| if event.thread == "b" { Delivered::Yes } else { Delivered::Refused };
    for _ in 0..5 {
        world.publish(&["b"]);
        world.run_for(12 * 60 * 60, refuse);
    }
    let first = world.feed.take_progress();
    assert_eq!((first.watermark, first.parked.len()), (Position(1), 512));
    let second = world.feed.take_progress();
    assert_eq!((second.watermark, second.parked.len()), (world.committed().next(), 88));
}

#[test]
fn a65_the_call_that_blocks_a_full_window_is_parked_at_its_first_failure() {
    let mut world = TestFeed::with(Filter::default(), Bounds { window: 20, ..Bounds::default() });
    world.publish(&["a", "b"]);
    world.begin();
    world.end("a1", Delivered::Refused);
    world.end("b1", Delivered::Yes);
    for _ in 0..100 {
        world.publish(&["a"]);
    }
    world.publish(&["b"]);
    assert_eq!(world.begin(), ["b2"], "which waits behind a hundred events of a");
    assert_eq!(world.feed.parked.len(), 1);
}

#[test]
fn an_endpoint_that_accepts_nothing_has_nothing_parked() {
    let mut world = TestFeed::with(Filter::default(), Bounds { window: 20, ..Bounds::default() });
    for _ in 0..50 {
        world.publish(&["a", "b"]);
    }
    for _ in 0..20 {
        world.end_all(|_| Delivered::Refused);
        world.pass_secs(12 * 60 * 60);
    }
    assert_eq!(world.feed.parked.len(), 0);
    assert!(world.feed.pending.len() < 20 + 2 * PAGE);
    world.run_for(20, |event| if event.thread == "a" { Delivered::Refused } else { Delivered::Yes });
    assert_eq!(world.done, 50, "only a fails now, and it is parked");
}

#[test]
fn the_watermark_waits_when_too_many_threads_are_parked() {
    let mut world = TestFeed::with(Filter::default(), Bounds { parked: 2, ..Bounds::default() });
    world.publish(&["a", "c", "d", "b"]);
    for _ in 0..6 {
        world.publish(&["b"]);
        world.end_all(|event| if event.thread == "b" { Delivered::Yes } else { Delivered::Refused });
        world.pass_secs(12 * 60 * 60);
    }
    assert_eq!((world.feed.parked.len(), world.feed.watermark()), (2, Position(1)));
    world.drain();
    world.drain();
    assert_eq!((world.feed.parked.len(), world.feed.watermark()), (0, world.committed().next()));
}

#[test]
fn a_hundred_hanging_calls_leave_slots_to_others() {
    let mut world = TestFeed::new();
    let calls: Vec<_> = (0..100).map(|call| format!("c-{call}")).collect();
    world.publish(&calls.iter().map(String::as_str).collect::<Vec<_>>());
    world.publish(&["b"]);
    // They hang until another delivery succeeds, and again when they are retried after that.
    while world.done == 0 {
        world.end_all(|event| if event.thread == "b" { Delivered::Yes } else { Delivered::Down(None) });
        world.pass_secs(5);
    }
    world.pass_secs(1);
    assert_eq!(world.begin().len(), 16);
    world.publish(&["b"]);
    assert_eq!(world.begin(), ["b2"]);
}

#[test]
fn one_pass_through_the_journal_serves_all_parked_calls() {
    let mut world = TestFeed::new();
    let calls: Vec<_> = (0..50).map(|call| format!("c-{call}")).collect();
    for _ in 0..20 {
        calls.iter().for_each(|call| world.commit(&[call]));
    }
    world.read();
    let parked: Vec<_> = calls.iter().zip(1..).map(|(call, at)| (call.clone(), Position(at))).collect();
    world.recorded = Start { watermark: world.committed().next(), parked };
    world.restart();
    world.begin();
    let mut reads = 0;
    while world.done < 1_000 {
        let committed = world.committed();
        for (reader, from) in world.feed.wants(committed).into_iter().filter(|(_, from)| *from <= committed) {
            reads += 1;
            let skip = usize::try_from(from.0).unwrap() - 1;
            for frame in &world.journal[skip..(skip + PAGE).min(world.journal.len())] {
                world.feed.follow(reader, frame);
            }
        }
        world.begin();
        for delivery in std::mem::take(&mut world.begun) {
            world.done += 1;
            world.feed.settle(&delivery, Delivered::Yes, world.now());
        }
    }
    assert!(reads <= 3 * 1_000 / PAGE, "a thousand frames were read in {reads} pages of {PAGE}");
    assert_eq!(world.feed.parked.len(), 0);
}

#[test]
fn a_parked_call_whose_events_are_no_longer_kept_is_unparked() {
    let mut world = with_a_parked(Bounds::default());
    world.record_progress();
    let end = world.committed().next();
    assert!(world.feed.skip_to(end).is_some());
    assert_eq!(world.feed.take_progress().parked, [("a".to_owned(), None)]);
    world.pass_secs(12 * 60 * 60);
    assert_eq!(world.begin(), [""; 0]);
    world.publish(&["a"]);
    assert_eq!(world.begin(), ["a3"]);
}

#[test]
fn a_parked_call_in_flight_when_its_events_expire_misses_those_it_holds_too() {
    let mut world = with_a_parked(Bounds::default());
    world.begin();
    world.read();
    assert_eq!(world.begin(), ["a1"]);
    // It holds the first of its two events, and was read up to there.
    let end = world.committed().next();
    assert_eq!(world.feed.skip_to(end), Some(Position(1)));
}
