//! What is told of a message that waits is what was promised when it was accepted (A67, A29).

use super::steps::{Step, end, go, later, say, sent, start, start_in, start_of, tick};
use super::*;
use crate::machine::command::SettledAs;
use crate::machine::why::why;
use crate::model::{Account, Limits, MessageState};
use crate::rules::explain::{Explained, WaitingFor};
use std::time::Duration;

fn limits(millisegments_per_second: u32, burst: u32) -> Limits {
    Limits { millisegments_per_second: Some(millisegments_per_second), burst, ..Limits::none() }
}

/// A directory in which our numbers have these limits, and texts may wait nearly as long as they live.
fn with_limits(of_numbers: &Limits, of_the_account: Option<Limits>) -> Directory {
    let mut directory = directory();
    directory.numbers.values_mut().for_each(|number| number.limits = of_numbers.clone());
    directory.accounts.extend(of_the_account.map(|limits| ("main".to_owned(), Account { limits })));
    directory.settings.max_wait_ms = 100_000;
    directory
}

/// What is told of the nth message now.
fn told(world: &World, nth: usize) -> Explained {
    why(world, world.message(nth).id, usize::MAX, world.now).unwrap().told
}

fn promised(world: &World, nth: usize) -> Timestamp {
    let message = world.message(nth);
    message.created_at + Duration::from_millis(message.estimated_wait_ms)
}

#[test]
fn a67_a29_a_text_is_due_when_its_estimate_said_it_would_be() {
    for (rate, burst) in [(100, 1), (333, 2), (1_000, 1), (3_000, 5), (7_777, 14)] {
        let mut world = World::new(with_limits(&limits(rate, burst), None));
        world.run(0, start("a"));
        let mut accepted = 0;
        // One segment, two, four or six, until the lane is full.
        while let Reply::Message { .. } =
            world.run(0, say("a", &"x".repeat([10, 161, 500, 918][accepted % 7 % 4]))).reply
        {
            accepted += 1;
            let expected = Explained {
                position: Some(accepted),
                waiting_for: Some(WaitingFor::NumberRate),
                due_at: Some(promised(&world, accepted)),
            };
            assert_eq!(told(&world, accepted), expected, "{rate} {burst}: text {accepted}");
        }
        assert!(accepted > 3, "{rate} {burst}: {accepted}");
        // The promise of each holds while those before it go when they are due. Their starts are at whole milliseconds, so
        // that each may find a bucket that has been full for a part of one, and what it owes from then on is rounded up.
        let mut bucket = Exact { rate, burst, empty_ns: 0 };
        for nth in 1..=accepted {
            let promised = promised(&world, nth);
            let due = told(&world, nth).due_at.unwrap();
            let late = Duration::from_millis(2 * (nth as u64 - 1));
            assert!((promised..=promised + late).contains(&due), "{rate} {burst}: text {nth}: {promised} {due}");
            let message = world.message(nth);
            let lane_empty_at = bucket.take(message.segments, due);
            let account_empty_at = Timestamp::default();
            let start = Command::StartSend { message: message.id, lane_empty_at, account_empty_at };
            world.run_at(due, Step::Do(start));
            world.run_at(due, sent(nth));
        }
    }
}

/// A bucket that was empty at the beginning, as the dispatcher has it: to the nanosecond.
struct Exact {
    rate: u32,
    burst: u32,
    empty_ns: u64,
}

impl Exact {
    /// When it is empty, in whole milliseconds, with a text paid for that starts then.
    fn take(&mut self, segments: u16, at: Timestamp) -> Timestamp {
        let period = 1_000_000_000_000 / u64::from(self.rate);
        let full_since = (at.since(START).as_nanos() as u64).saturating_sub(period * u64::from(self.burst));
        self.empty_ns = self.empty_ns.max(full_since) + period * u64::from(segments);
        START + Duration::from_millis(self.empty_ns.div_ceil(1_000_000))
    }
}

#[test]
fn a67_a21_a_closing_message_that_comes_later_is_next_and_the_others_are_due_after_it() {
    let mut world = World::new(with_limits(&limits(1_000, 1), None));
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
fn a67_a28_a_text_that_its_account_holds_is_due_when_its_estimate_said_it_would_be() {
    let mut world = World::new(with_limits(&limits(1_000, 1), Some(limits(700, 2))));
    world.run(0, start("a"));
    world.run(0, start_in("b", "sales"));
    for nth in 1..=20 {
        // Two numbers of a segment a second each, which together may send seven in ten seconds.
        assert!(matches!(world.run(0, say(["a", "b"][nth % 2], "x")).reply, Reply::Message { .. }));
        let told = told(&world, nth);
        assert_eq!(told.due_at, Some(promised(&world, nth)), "text {nth}");
        assert_eq!(told.waiting_for, Some(WaitingFor::AccountRate), "text {nth}");
        assert_eq!(told.position, Some(nth.div_ceil(2)));
    }
}

#[test]
fn a67_a28_who_is_beyond_the_days_segments_waits_for_the_next_day() {
    let mut world = World::new(with_limits(&Limits { segments_per_day: Some(2), ..limits(1_000, 9) }, None));
    world.run(0, start("a"));
    world.run(0, start_of("b", BOB));
    world.run(60, say("a", "x"));
    world.run(60, go(1));
    world.run(60, sent(1));
    world.run(70, say("b", "x"));
    world.run(70, end("a"));
    // The other agent's text is the day's last one, so the closing message is one too many.
    assert_eq!(told(&world, 2).waiting_for, None);
    let midnight = Timestamp::parse("2025-11-23T08:00:00Z");
    assert_eq!((told(&world, 3).waiting_for, told(&world, 3).due_at), (Some(WaitingFor::DailyCap), midnight));
    assert_eq!(Some(promised(&world, 3)), midnight);
}

#[test]
fn a67_a63_a_text_that_is_to_be_tried_again_waits_for_that_and_the_next_to_the_same_number_for_it() {
    let mut world = World::new(with_limits(&limits(100_000, 100), None));
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
    world.run(11, Step::Settle(1, SettledAs::NeverWritten));
    let due = world.message(1).not_before;
    assert_eq!(told(&world, 1), Explained { position: Some(2), waiting_for: Some(WaitingFor::Retry), due_at: due });
    let behind = Explained { position: Some(3), waiting_for: Some(WaitingFor::EarlierMessage), due_at: due };
    assert_eq!(told(&world, 2), behind);
    let passes = Explained { position: Some(1), waiting_for: None, due_at: Some(world.now) };
    assert_eq!(told(&world, 3), passes);
    world.run(20, end("a"));
    assert_eq!((world.message(1).state, told(&world, 1)), (MessageState::Cancelled, Explained::default()));
}

#[test]
fn a67_a64_where_the_carrier_said_not_now_the_whole_lane_waits_for_the_end_of_its_rest() {
    let mut world = World::new(with_limits(&limits(100_000, 100), None));
    world.run(0, start("a"));
    world.run(0, start_of("b", BOB));
    world.run(10, say("a", "x"));
    world.run(10, say("b", "x"));
    world.run(10, go(1));
    world.run(11, later(1));
    let rests = world.pause(SUPPORT.parse().unwrap()).unwrap().until;
    for nth in [1, 2] {
        let told = told(&world, nth);
        assert_eq!(told.waiting_for, Some(WaitingFor::CarrierPause), "text {nth}");
        assert!(told.due_at >= Some(rests), "text {nth}");
    }
}

#[test]
fn a67_a64_where_the_carrier_fails_all_its_numbers_wait_until_it_is_tried_again() {
    let mut world = World::new(with_limits(&Limits::none(), None));
    world.run(0, start("a"));
    world.run(0, start_in("b", "sales"));
    for nth in 1..=5 {
        world.run(1, say("a", "x"));
        world.run(1, go(nth));
        world.run(1, Step::Settle(nth, SettledAs::Unknown));
    }
    world.run(1, say("b", "x"));
    let tried_at = world.trouble("main").unwrap().paused.unwrap().until;
    let told = told(&world, 6);
    assert_eq!((told.waiting_for, told.due_at), (Some(WaitingFor::CarrierPause), Some(tried_at)));
}
