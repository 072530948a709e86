//! Lanes in simulated time.

mod accounts;
mod backlog;
mod forecast;
mod permits;
mod suspended;
mod test_dispatch;

use super::*;
use crate::machine::event::Event;
use crate::model::{Change, Json, Kind, Limits, MessageState};
use crate::rules::breaker::IN_FLIGHT_MAX;
use crate::rules::directory::example;
use proptest::prelude::*;
use test_dispatch::{Answer, TestDispatch};

const OURS: &str = "+12065550100";
const OTHER: &str = "+12065550101";
const START: Timestamp = Timestamp::from_ms(1_000_000_000);

#[test]
fn a30_a_bucket_is_empty_at_the_start_and_a28_pays_segments() {
    let mut world = TestDispatch::new(1_000, 1);
    world.queue("a", Kind::Custom, 6);
    world.queue("b", Kind::Custom, 1);
    world.run(20_000);
    // One segment must be available first; six are taken, and the debt of five is paid before the next message.
    assert_eq!(world.sent, [("a", 1_000), ("b", 7_000)]);
}

#[test]
fn d2_a_tenth_of_a_segment_a_second_is_exact() {
    let mut world = TestDispatch::new(100, 1);
    for name in ["a", "b", "c"] {
        world.queue(name, Kind::Custom, 1);
    }
    world.run(60_000);
    assert_eq!(world.sent, [("a", 10_000), ("b", 20_000), ("c", 30_000)]);
}

#[test]
fn a21_closing_goes_before_agents_and_agents_before_auto_replies() {
    let mut world = TestDispatch::new(1_000, 1);
    world.queue("auto", Kind::AutoReply, 1);
    world.queue("agent", Kind::Preset, 1);
    world.queue("closing", Kind::Closing, 1);
    world.run(5_000);
    assert_eq!(world.order(), ["closing", "agent", "auto"]);
}

#[test]
fn a63_a_retry_blocks_only_its_own_pair() {
    let mut world = TestDispatch::new(10_000, 10);
    world.queue_to("first", "+12065550142", 1);
    world.queue_to("second", "+12065550142", 1);
    world.queue_to("stranger", "+12065550143", 1);
    world.answers.insert("first", Answer::LaterBy(3_000));
    world.run(10_000);
    assert_eq!(world.order(), ["first", "stranger", "first", "second"]);
}

#[test]
fn r24_each_number_has_its_own_limit_and_blocks_no_other() {
    let mut world = TestDispatch::new(100, 1);
    world.queue("slow", Kind::Custom, 1);
    world.limit(OTHER, 10_000, 1);
    world.queue_from(OTHER, "quick", 1);
    world.run(15_000);
    assert_eq!(world.sent, [("quick", 100), ("slow", 10_000)]);
}

#[test]
fn a31_all_kinds_of_texts_of_a_number_share_one_bucket() {
    let mut world = TestDispatch::new(1_000, 1);
    world.queue("closing", Kind::Closing, 1);
    world.queue("agent", Kind::Custom, 2);
    world.queue("auto", Kind::AutoReply, 1);
    world.run(10_000);
    assert_eq!(world.sent, [("closing", 1_000), ("agent", 2_000), ("auto", 4_000)]);
}

#[test]
fn an_expired_message_is_given_up_even_without_a_permit() {
    let mut world = TestDispatch::new(100, 1);
    world.queue("first", Kind::Closing, 9);
    world.queue("late", Kind::Closing, 1);
    world.run(100_000);
    assert_eq!(world.order(), ["first"]);
    assert_eq!(world.expired, [("late", 60_000)]);
}

#[test]
fn a_ready_text_is_sent_at_the_moment_another_expires() {
    let mut world = TestDispatch::new(100, 1);
    world.ttl_ms = 10_000;
    world.queue("old", Kind::Custom, 1);
    world.ttl_ms = 60_000;
    world.queue("next", Kind::Custom, 1);
    world.run(20_000);
    assert_eq!((world.sent, world.expired), (vec![("next", 10_000)], vec![("old", 10_000)]));
}

#[test]
fn a64_an_unresponsive_account_has_a_bounded_number_of_requests() {
    let mut world = TestDispatch::new(1_000_000, 1_000);
    let names: Vec<String> = (0..IN_FLIGHT_MAX + 10).map(|n| format!("m{n}")).collect();
    let names: Vec<&'static str> = names.into_iter().map(|name| &*name.leak()).collect();
    for (n, name) in names.iter().enumerate() {
        world.queue_to(name, &format!("+1206555{:04}", 200 + n), 1);
        world.answers.insert(name, Answer::Never);
    }
    world.run(20_000);
    assert_eq!(world.sent.len(), IN_FLIGHT_MAX);
}

#[test]
fn a28_a_lane_keeps_its_level_when_its_limits_change() {
    let mut world = TestDispatch::new(100, 1);
    world.queue("a", Kind::Custom, 1);
    world.queue("b", Kind::Custom, 1);
    world.run(12_000);
    world.limit(OURS, 1_000, 5);
    world.queue("c", Kind::Custom, 1);
    world.run(20_000);
    assert_eq!(world.order(), ["a", "b", "c"]);
    // At 12 s a fifth of a segment was available; at the new rate the rest takes 0.8 s, and there is no burst.
    assert_eq!(world.sent, [("a", 10_000), ("b", 12_800), ("c", 13_800)]);
}

#[test]
fn i8_permits_delayed_by_a_slow_disk_do_not_accumulate() {
    let mut world = TestDispatch::new(1_000, 1);
    world.queue("a", Kind::Custom, 1);
    world.queue("b", Kind::Custom, 1);
    world.now_ms = 1_000;
    let Some(Action::Start { message, .. }) = world.dispatch.next(world.now()).pop() else { panic!("a is ready") };
    // For three seconds the start of the first is not confirmed.
    world.now_ms = 4_000;
    assert_eq!(world.dispatch.next(world.now()), []);
    world.start(message, world.now().wall);
    world.run(10_000);
    assert_eq!(world.sent, [("a", 4_000), ("b", 5_000)]);
}

#[test]
fn g13_no_text_is_early_when_lane_and_journal_clocks_differ() {
    let mut world = TestDispatch::new(1_000, 1);
    world.queue("a", Kind::Custom, 1);
    world.queue("b", Kind::Custom, 1);
    world.now_ms = 1_000;
    let Some(Action::Start { message, .. }) = world.dispatch.next(world.now()).pop() else { panic!("a is ready") };
    // While the disk is slow the clock is set forward and back again, and only the lanes see the jump: their time
    // continues from there, and by it the start was decided two minutes ago.
    world.now_ms = 4_000;
    world.journal_behind_ms = 120_000;
    world.start(message, world.now().wall);
    world.run(10_000);
    assert_eq!(world.sent, [("a", 4_000), ("b", 5_000)]);
}

#[test]
fn g13_a_clock_set_forward_fills_no_bucket() {
    for restarts in [false, true] {
        let mut world = TestDispatch::new(100, 1);
        world.queue("a", Kind::Custom, 1);
        world.run(11_000);
        if restarts {
            world.restart();
        }
        world.wall_ahead_ms = 60 * 60 * 1_000;
        world.queue("b", Kind::Custom, 1);
        world.run(30_000);
        let begun = if restarts { 11_000 } else { 10_000 };
        assert_eq!(world.sent, [("a", 10_000), ("b", begun + 10_000)], "after a restart: {restarts}");
    }
}

proptest! {
    /// At most max(burst, largest message) + rate × window segments start in any window (invariant I8), and a backlog
    /// uses all of it, across restarts of the dispatcher.
    #[test]
    fn i8_no_window_holds_more_than_the_limit_allows(
        rate in prop::sample::select(vec![100u32, 333, 1_000, 3_000, 100_000]),
        burst in 1u32..20,
        sizes in prop::collection::vec(1u16..=14, 1..40),
        restart_after in prop::option::of(1u64..20_000),
    ) {
        let mut world = TestDispatch::new(rate, burst);
        world.ttl_ms = u64::MAX / 4;
        let names: Vec<&'static str> = (0..sizes.len()).map(|n| &*format!("m{n}").leak()).collect();
        for (name, segments) in names.iter().zip(&sizes) {
            world.queue(name, Kind::Custom, *segments);
        }
        if let Some(ms) = restart_after {
            world.run(ms);
            world.restart();
        }
        let total: u64 = sizes.iter().map(|segments| u64::from(*segments)).sum();
        world.run((total + u64::from(burst) * 2 + 2) * 1_000_000 / u64::from(rate) + 1_000);
        prop_assert_eq!(world.sent.len(), sizes.len());

        let largest = u64::from(burst).max(u64::from(*sizes.iter().max().unwrap()));
        let segments_of = |name: &str| u64::from(sizes[names.iter().position(|known| *known == name).unwrap()]);
        for (from, (_, start)) in world.sent.iter().enumerate() {
            let mut sum = 0;
            for (name, at) in &world.sent[from..] {
                sum += segments_of(name);
                let allowed = largest * 1_000_000 + u64::from(rate) * (at - start);
                // Times are whole milliseconds, so a window may appear one millisecond too short.
                prop_assert!(sum * 1_000_000 <= allowed + u64::from(rate), "{sum} segments in {} ms", at - start);
            }
        }
    }
}

proptest! {
    /// The same while the limits change: a window allows what the bucket could hold at its start, what the rates have
    /// added since, and the debt that a message may leave at its end.
    #[test]
    fn i8_a28_no_window_holds_more_than_its_rates_allow_when_they_change(
        rates in prop::collection::vec(prop::sample::select(vec![100u32, 333, 1_000, 3_000, 100_000]), 2..4),
        bursts in prop::collection::vec(1u32..20, 4),
        sizes in prop::collection::vec(1u16..=14, 1..30),
        every_ms in 500u64..30_000,
        restarts in any::<bool>(),
    ) {
        let mut world = TestDispatch::new(rates[0], bursts[0]);
        world.ttl_ms = u64::MAX / 4;
        let names: Vec<&'static str> = (0..sizes.len()).map(|n| &*format!("m{n}").leak()).collect();
        for (name, segments) in names.iter().zip(&sizes) {
            world.queue(name, Kind::Custom, *segments);
        }
        let mut changes = vec![(0, rates[0], bursts[0])];
        for (rate, burst) in rates.iter().zip(&bursts).skip(1) {
            world.run(every_ms);
            changes.push((world.now_ms, *rate, *burst));
            world.limit(OURS, *rate, *burst);
            if restarts {
                world.restart();
            }
        }
        world.run(14 * 30 * 10_000 + 400_000);
        prop_assert_eq!(world.sent.len(), sizes.len());

        let segments_of = |name: &str| u64::from(sizes[names.iter().position(|known| *known == name).unwrap()]);
        let burst_at = |ms| u64::from(changes.iter().rfind(|(at, _, _)| *at <= ms).unwrap().2);
        // Segments added by `ms`, in millionths.
        let let_in = |ms: u64| -> u64 {
            let ends = changes.iter().skip(1).map(|(at, _, _)| *at).chain([u64::MAX]);
            changes.iter().zip(ends).map(|((from, rate, _), end)| u64::from(*rate) * ms.min(end).saturating_sub(*from)).sum()
        };
        for (from, (_, start)) in world.sent.iter().enumerate() {
            let mut sum = 0;
            for (name, at) in &world.sent[from..] {
                sum += segments_of(name);
                // Anything sent in the same millisecond as a change was sent before it.
                let held = burst_at(*start).max(burst_at(start.saturating_sub(1)));
                let debt = segments_of(name).saturating_sub(burst_at(*at).min(burst_at(at.saturating_sub(1))));
                let allowed = (held + debt) * 1_000_000 + let_in(*at) - let_in(*start);
                let rounding = u64::from(*rates.iter().max().unwrap()) * u64::try_from(rates.len()).unwrap();
                prop_assert!(sum * 1_000_000 <= allowed + rounding, "{sum} segments in {} ms", at - start);
            }
        }
    }
}

#[test]
fn g13_a_clock_set_by_a_day_makes_no_burst_and_stops_no_lane() {
    for ahead_ms in [24 * 60 * 60 * 1_000, 0] {
        let mut world = TestDispatch::new(1_000, 1);
        world.ttl_ms = u64::MAX / 4;
        // Set back: the wall clock was a day ahead before.
        world.wall_ahead_ms = 24 * 60 * 60 * 1_000 - ahead_ms;
        world.queue("a", Kind::Custom, 1);
        world.run(1_500);
        world.wall_ahead_ms = ahead_ms;
        for name in ["b", "c"] {
            world.queue(name, Kind::Custom, 1);
        }
        world.run(5_000);
        let first = world.sent[0].1;
        assert_eq!(world.sent, [("a", first), ("b", first + 1_000), ("c", first + 2_000)], "{ahead_ms}");
    }
}

#[test]
fn a_text_rejected_by_a_busy_engine_goes_with_the_next_permit() {
    let mut world = TestDispatch::new(1_000, 1);
    world.queue("a", Kind::Custom, 1);
    world.answers.insert("a", Answer::EngineBusy);
    world.run(5_000);
    assert_eq!(world.sent, [("a", 1_000), ("a", 2_000)]);
}
