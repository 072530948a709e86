//! What the rules tell of a message that waits is what was promised when it was accepted (A67, A29).

use super::steps::{end, go, later, say, sent, start, start_of, tick};
use super::*;
use crate::machine::state::Lane;
use crate::model::{Limits, MessageState};
use crate::rules::explain::{Explained, Held, WaitingFor, explain};
use crate::rules::lane;
use std::time::Duration;

/// A directory in which `SUPPORT` has these limits, and texts may wait nearly as long as they live.
fn with_limits(millisegments_per_second: u32, burst: u32) -> Directory {
    with(|directory| {
        let number = directory.numbers.get_mut(&SUPPORT.parse().unwrap()).unwrap();
        number.limits = Limits { millisegments_per_second: Some(millisegments_per_second), burst, ..Limits::none() };
        directory.settings.max_wait_ms = 100_000;
    })
}

/// What is told of the nth message now.
fn told(world: &World, nth: usize) -> Explained {
    let message = world.message(nth);
    let open = world.open_page(&[], usize::MAX).into_iter().filter(|(.., open)| open.ours == message.ours);
    let texts: Vec<_> = open.map(|(_, id, open)| open.waiting(id)).collect();
    let Lane { empty_at, .. } = world.lane(message.ours);
    let limits = &world.directory.numbers[&message.ours].limits;
    explain(message.id, message.state, &lane::Lane { texts: &texts, limits, empty_at }, &Held::default(), world.now)
}

#[test]
fn a67_a29_a_text_is_due_when_its_estimate_said_it_would_be() {
    for (rate, burst) in [(100, 1), (333, 2), (1_000, 1), (3_000, 5), (7_777, 14)] {
        let mut world = World::new(with_limits(rate, burst));
        world.run(0, start("a"));
        let mut accepted = 0;
        // One segment, two, four or six, until the lane is full.
        while let Reply::Message { .. } =
            world.run(0, say("a", &"x".repeat([10, 161, 500, 918][accepted % 7 % 4]))).reply
        {
            accepted += 1;
            let promised = Duration::from_millis(world.message(accepted).estimated_wait_ms);
            let expected = Explained {
                position: Some(accepted),
                waiting_for: Some(WaitingFor::NumberRate),
                due_at: Some(START + promised),
            };
            assert_eq!(told(&world, accepted), expected, "{rate} {burst}: text {accepted}");
        }
        assert!(accepted > 3, "{rate} {burst}: {accepted}");
        // The promise of each holds while those before it go when they are due.
        for nth in 1..=accepted {
            let promised = START + Duration::from_millis(world.message(nth).estimated_wait_ms);
            let due = told(&world, nth).due_at.unwrap();
            // The lane's row is in whole milliseconds, rounded up at each start.
            let late = Duration::from_millis(nth as u64 - 1);
            assert!((promised..=promised + late).contains(&due), "{rate} {burst}: text {nth}: {promised} {due}");
            world.run_at(due, go(nth));
            world.run_at(due, sent(nth));
        }
    }
}

#[test]
fn a67_a21_a_closing_message_that_comes_later_is_next_and_the_others_are_due_after_it() {
    let mut world = World::new(with_limits(1_000, 1));
    world.run(0, start("a"));
    world.run(0, start_of("b", BOB));
    world.run(0, say("a", "opens the session"));
    world.run(1, go(1));
    world.run(1, sent(1));
    world.run(1, say("b", "waits"));
    world.run(1, end("a"));
    let due = |position, secs| Explained {
        position: Some(position),
        waiting_for: Some(WaitingFor::NumberRate),
        due_at: Some(START + Duration::from_secs(secs)),
    };
    assert_eq!((told(&world, 2), told(&world, 3)), (due(2, 3), due(1, 2)));
}

#[test]
fn a67_a63_a_text_the_carrier_put_off_waits_for_its_retry_and_the_next_to_the_same_number_for_it() {
    let mut world = World::new(with_limits(100_000, 100));
    world.run(0, start("a"));
    world.run(0, start_of("b", BOB));
    for (nth, call) in [(1, "a"), (2, "a"), (3, "b")] {
        world.run(10, say(call, "x"));
        assert_eq!(told(&world, nth).waiting_for, None);
    }
    world.run(10, go(1));
    world.run(11, tick());
    assert_eq!(told(&world, 1), Explained { waiting_for: Some(WaitingFor::Receipt), ..Explained::default() });
    assert_eq!(told(&world, 2).waiting_for, Some(WaitingFor::EarlierMessage), "the answer to the first is awaited");
    world.run(11, later(1));
    let due = world.message(1).not_before;
    assert_eq!(told(&world, 1), Explained { position: Some(2), waiting_for: Some(WaitingFor::Retry), due_at: due });
    let behind = Explained { position: Some(3), waiting_for: Some(WaitingFor::EarlierMessage), due_at: due };
    assert_eq!(told(&world, 2), behind);
    let passes = Explained { position: Some(1), waiting_for: None, due_at: Some(world.now) };
    assert_eq!(told(&world, 3), passes);
    world.run(20, end("a"));
    assert_eq!((world.message(1).state, told(&world, 1)), (MessageState::Cancelled, Explained::default()));
}
