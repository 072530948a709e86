//! Queued messages, as counted for metrics.

use super::*;
use crate::rules::breaker::{BreakerState, Paused};

/// Ages are computed from a message's expiry, so here messages have their real time to live.
const CUSTOM_TTL_MS: u64 = 120_000;
const AUTO_REPLY_TTL_MS: u64 = 60_000;

impl TestDispatch {
    fn backlog(&self) -> Backlog {
        self.dispatch.backlog(self.now()).remove("main").unwrap_or_default()
    }

    fn after_ms(ms: u64) -> Option<Timestamp> {
        Some(START + Duration::from_millis(ms))
    }
}

#[test]
fn a21_queued_messages_are_counted_by_priority_with_the_age_of_the_oldest() {
    let mut world = TestDispatch::new(100, 1);
    assert_eq!(world.backlog(), Backlog::default());
    world.ttl_ms = CUSTOM_TTL_MS;
    world.queue("a", Kind::Custom, 1);
    world.run(3_000);
    world.queue("b", Kind::Preset, 1);
    world.ttl_ms = AUTO_REPLY_TTL_MS;
    world.queue("auto", Kind::AutoReply, 1);
    world.queue("closing", Kind::Closing, 1);
    let all = Backlog { waiting: [1, 2, 1], ready_since: TestDispatch::after_ms(0), ..Backlog::default() };
    assert_eq!(world.backlog(), all);
    world.run(18_000);
    assert_eq!(world.order(), ["closing", "a"]);
    let rest = Backlog { waiting: [0, 1, 1], ready_since: TestDispatch::after_ms(3_000), ..Backlog::default() };
    assert_eq!(world.backlog(), rest);
}

#[test]
fn a64_a_message_between_attempts_is_queued_and_not_ready_before_its_time() {
    let mut world = TestDispatch::new(10_000, 10);
    world.ttl_ms = CUSTOM_TTL_MS;
    world.queue("again", Kind::Custom, 1);
    world.answers.insert("again", Answer::LaterBy(30_000));
    world.run(1_000);
    assert_eq!(world.backlog(), Backlog { waiting: [0, 1, 0], ..Backlog::default() });
    let since = world.sent[0].1 + 30_000;
    let breaker = BreakerState {
        failed_at: Vec::new(),
        paused: Some(Paused { since: START, until: START + Duration::MAX, probes: 0 }),
    };
    world.apply(Event::AccountPaused { account: "main".to_owned(), breaker, cause: None });
    world.run(40_000);
    let held =
        Backlog { waiting: [0, 1, 0], ready_since: TestDispatch::after_ms(since), paused: true, ..Backlog::default() };
    assert_eq!(world.backlog(), held);
}

#[test]
fn a64_a_message_at_the_carrier_counts_as_in_flight_and_not_as_queued() {
    let mut world = TestDispatch::new(10_000, 10);
    world.queue("silent", Kind::Custom, 1);
    world.answers.insert("silent", Answer::Never);
    world.run(1_000);
    assert_eq!(world.backlog(), Backlog { in_flight: 1, ..Backlog::default() });
    let (message, _) = world.messages.iter().next().unwrap();
    assert_eq!(world.dispatch.through(*message), "main");
}
