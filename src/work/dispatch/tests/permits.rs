//! Unused permits, and account slots that stay occupied until a response arrives (A61, A64).

use super::*;
use crate::rules::rate;

#[test]
fn a_permit_of_a_cancelled_text_goes_to_the_next() {
    let mut world = TestDispatch::new(100, 1);
    world.queue("cancelled", Kind::Custom, 1);
    world.queue("next", Kind::Custom, 1);
    world.answers.insert("cancelled", Answer::Cancelled);
    world.run(20_000);
    assert_eq!(world.sent, [("cancelled", 10_000), ("next", 10_000)]);
}

#[test]
fn a_start_rejected_by_a_busy_engine_has_spent_its_permit() {
    let mut world = TestDispatch::new(100, 1);
    world.queue("a", Kind::Custom, 1);
    world.answers.insert("a", Answer::EngineBusy);
    world.run(30_000);
    assert_eq!(world.sent, [("a", 10_000), ("a", 20_000)]);
}

#[test]
fn a61_a64_a_receipt_before_the_response_frees_the_pair_but_not_the_account_slot() {
    let mut world = TestDispatch::new(1_000_000, 1_000);
    let names: Vec<&'static str> = (0..=IN_FLIGHT_MAX).map(|n| &*format!("m{n}").leak()).collect();
    for (n, name) in names.iter().enumerate() {
        world.queue_to(name, &format!("+1206555{:04}", 200 + n), 1);
        world.answers.insert(name, Answer::Never);
    }
    world.run(1_000);
    world.changed("m0", MessageState::Sent);
    world.queue_to("second to the first", "+12065550200", 1);
    world.run(1_000);
    assert_eq!(world.sent.len(), IN_FLIGHT_MAX, "the request of m0 is still in flight");
    world.answered("m0");
    world.changed("m1", MessageState::Sent);
    world.answered("m1");
    world.run(1_000);
    assert_eq!(world.order()[IN_FLIGHT_MAX..], [names[IN_FLIGHT_MAX], "second to the first"]);
}

#[test]
fn a28_cancelling_a_text_makes_the_account_check_again_at_once() {
    let mut world = TestDispatch::new(1_000_000, 100);
    world.limit_account(Limits { millisegments_per_second: Some(100), burst: 14, ..Limits::none() });
    world.queue("long", Kind::Custom, 14);
    world.run(1_000);
    world.queue_from(OTHER, "short", 1);
    world.run(29_000);
    assert_eq!(world.order(), [""; 0], "the long one is first, and its segments are not available");
    world.changed("long", MessageState::Cancelled);
    world.run(1_000);
    assert_eq!(world.sent, [("short", 30_000)]);
}

#[test]
fn a28_a_lane_with_a_fractional_segment_time_is_not_delayed_by_rounding() {
    for rate in [75_000, 225_000, 300_000, 3_000_000] {
        let mut world = TestDispatch::new(rate, 10);
        let names: Vec<&'static str> = (0..2_000).map(|n| &*format!("m{n}").leak()).collect();
        names.iter().for_each(|name| world.queue(name, Kind::Custom, 1));
        world.run(60_000);
        let last = world.sent.last().unwrap().1;
        let exact = rate::fill(2_000, rate);
        assert_eq!(world.sent.len(), 2_000);
        assert!((last..=last + 1).contains(&(exact.as_millis() as u64)), "{rate}: {last} and {exact:?}");
        // The next process resumes from the journal's time, and promised waits are computed from it.
        let empty_at = world.lane_empty_at[&OURS.parse().unwrap()];
        let ahead = empty_at.since(START).saturating_sub(exact);
        assert!(ahead <= Duration::from_millis(1), "{rate}: ahead by {ahead:?}");
    }
}
