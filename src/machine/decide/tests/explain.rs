//! The explanation of a waiting message agrees with the estimate given when it was accepted (A67, A29).

use super::steps::{Step, end, go, later, say, sent, start, start_in, start_of, tick};
use super::*;
use crate::machine::explain::explain_message;
use crate::model::{Account, Limits, MessageState, Outcome};
use crate::rules::explain::{Explained, WaitingFor};
use std::time::Duration;

fn limits(millisegments_per_second: u32, burst: u32) -> Limits {
    Limits { millisegments_per_second: Some(millisegments_per_second), burst, ..Limits::none() }
}

/// A directory with these limits, in which texts may wait nearly until they expire.
fn with_limits(of_numbers: &Limits, of_the_account: Option<Limits>) -> Directory {
    let mut directory = directory();
    directory.numbers.values_mut().for_each(|number| number.limits = of_numbers.clone());
    directory.accounts.extend(of_the_account.map(|limits| ("main".to_owned(), Account { limits })));
    directory.settings.max_wait_ms = 100_000;
    directory
}

/// The explanation of the n-th message now.
fn explained(world: &TestMachine, nth: usize) -> Explained {
    explain_message(world, world.message(nth).id, usize::MAX, world.now).unwrap().explained
}

fn promised(world: &TestMachine, nth: usize) -> Timestamp {
    let message = world.message(nth);
    message.created_at + Duration::from_millis(message.estimated_wait_ms)
}

#[test]
fn a67_a29_a_text_is_due_when_its_estimate_said() {
    for (rate, burst) in [(100, 1), (333, 2), (1_000, 1), (3_000, 5), (7_777, 14)] {
        let mut world = TestMachine::new(with_limits(&limits(rate, burst), None));
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
            assert_eq!(explained(&world, accepted), expected, "{rate} {burst}: text {accepted}");
        }
        assert!(accepted > 3, "{rate} {burst}: {accepted}");
        // Each estimate holds while the texts before it start when due. Starts are rounded to whole milliseconds, so
        // each may lose part of one while the bucket is full, and its debt is rounded up.
        let mut bucket = Exact { rate, burst, empty_ns: 0 };
        for nth in 1..=accepted {
            let promised = promised(&world, nth);
            let due = explained(&world, nth).due_at.unwrap();
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

/// The dispatcher's bucket, empty at the beginning, exact to the nanosecond.
struct Exact {
    rate: u32,
    burst: u32,
    empty_ns: u64,
}

impl Exact {
    /// Charges a text that starts at `at`; returns when the bucket is empty, in whole milliseconds.
    fn take(&mut self, segments: u16, at: Timestamp) -> Timestamp {
        let period = 1_000_000_000_000 / u64::from(self.rate);
        let full_since = (at.since(START).as_nanos() as u64).saturating_sub(period * u64::from(self.burst));
        self.empty_ns = self.empty_ns.max(full_since) + period * u64::from(segments);
        START + Duration::from_millis(self.empty_ns.div_ceil(1_000_000))
    }
}

#[test]
fn a67_a21_a_later_closing_message_goes_first_and_delays_the_others() {
    let mut world = TestMachine::new(with_limits(&limits(1_000, 1), None));
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
    assert_eq!((explained(&world, 2), explained(&world, 3)), (due(2, 3), due(1, 2)));
}

#[test]
fn a67_a28_a_text_held_by_its_account_is_due_when_its_estimate_said() {
    let mut world = TestMachine::new(with_limits(&limits(1_000, 1), Some(limits(700, 2))));
    world.run(0, start("a"));
    world.run(0, start_in("b", "sales"));
    for nth in 1..=20 {
        // Two numbers at one segment per second each, limited together to seven in ten seconds.
        assert!(matches!(world.run(0, say(["a", "b"][nth % 2], "x")).reply, Reply::Message { .. }));
        let explained = explained(&world, nth);
        assert_eq!(explained.due_at, Some(promised(&world, nth)), "text {nth}");
        assert_eq!(explained.waiting_for, Some(WaitingFor::AccountRate), "text {nth}");
        assert_eq!(explained.position, Some(nth.div_ceil(2)));
    }
}

#[test]
fn a67_a28_a_text_over_the_daily_cap_waits_for_the_next_day() {
    let mut world = TestMachine::new(with_limits(&Limits { segments_per_day: Some(2), ..limits(1_000, 9) }, None));
    world.run(0, start("a"));
    world.run(0, start_of("b", BOB));
    world.run(60, say("a", "x"));
    world.run(60, go(1));
    world.run(60, sent(1));
    world.run(70, say("b", "x"));
    world.run(70, end("a"));
    // The other agent's text uses up the day's cap, so the closing message exceeds it.
    assert_eq!(explained(&world, 2).waiting_for, None);
    let midnight = Timestamp::parse("2025-11-23T08:00:00Z");
    assert_eq!((explained(&world, 3).waiting_for, explained(&world, 3).due_at), (Some(WaitingFor::DailyCap), midnight));
    assert_eq!(Some(promised(&world, 3)), midnight);
}

#[test]
fn a67_a63_a_retry_has_its_due_time_and_later_texts_wait_behind_it() {
    let mut world = TestMachine::new(with_limits(&limits(100_000, 100), None));
    world.run(0, start("a"));
    world.run(0, start_of("b", BOB));
    for (nth, call) in [(1, "a"), (2, "a"), (3, "b")] {
        world.run(10, say(call, "x"));
        assert_eq!(explained(&world, nth).waiting_for, None);
    }
    world.run(10, go(1));
    world.run(11, tick());
    assert_eq!(explained(&world, 1), Explained { waiting_for: Some(WaitingFor::Receipt), ..Explained::default() });
    assert_eq!(explained(&world, 2).waiting_for, Some(WaitingFor::EarlierMessage), "the first is still in flight");
    world.run(11, Step::Settle(1, Outcome::NeverWritten));
    let due = world.message(1).not_before;
    assert_eq!(
        explained(&world, 1),
        Explained { position: Some(2), waiting_for: Some(WaitingFor::Retry), due_at: due }
    );
    let behind = Explained { position: Some(3), waiting_for: Some(WaitingFor::EarlierMessage), due_at: due };
    assert_eq!(explained(&world, 2), behind);
    let goes_first = Explained { position: Some(1), waiting_for: None, due_at: Some(world.now) };
    assert_eq!(explained(&world, 3), goes_first);
    world.run(20, end("a"));
    assert_eq!((world.message(1).state, explained(&world, 1)), (MessageState::Cancelled, Explained::default()));
}

#[test]
fn a67_a64_after_a_429_the_whole_lane_waits_for_the_pause_to_end() {
    let mut world = TestMachine::new(with_limits(&limits(100_000, 100), None));
    world.run(0, start("a"));
    world.run(0, start_of("b", BOB));
    world.run(10, say("a", "x"));
    world.run(10, say("b", "x"));
    world.run(10, go(1));
    world.run(11, later(1));
    let pause_ends = world.pause(SUPPORT.parse().unwrap()).unwrap().until;
    for nth in [1, 2] {
        let explained = explained(&world, nth);
        assert_eq!(explained.waiting_for, Some(WaitingFor::CarrierPause), "text {nth}");
        assert!(explained.due_at >= Some(pause_ends), "text {nth}");
    }
}

#[test]
fn a67_a64_with_the_breaker_open_all_numbers_wait_for_the_probe() {
    let mut world = TestMachine::new(with_limits(&Limits::none(), None));
    world.run(0, start("a"));
    world.run(0, start_in("b", "sales"));
    for nth in 1..=5 {
        world.run(1, say("a", "x"));
        world.run(1, go(nth));
        world.run(1, Step::Settle(nth, Outcome::Unknown));
    }
    world.run(1, say("b", "x"));
    let tried_at = world.breaker("main").unwrap().paused.unwrap().until;
    let explained = explained(&world, 6);
    assert_eq!((explained.waiting_for, explained.due_at), (Some(WaitingFor::CarrierPause), Some(tried_at)));
}
