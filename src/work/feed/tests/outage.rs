//! After an outage of the endpoint, all waiting events flow within seconds, however many there are.

use super::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The number of waiting events.
const BACKLOGS: [u64; 5] = [100, 2_000, 9_000, 12_000, 100_000];

/// The duration of the outage.
const DOWN: Duration = Duration::from_secs(400);

/// The endpoint's response time.
const ANSWERS_IN: Duration = Duration::from_millis(100);

#[test]
fn f23_events_flow_within_10_s_after_an_outage_that_hit_all_at_once() {
    for events in BACKLOGS {
        check(&Outage { events, over: Duration::from_secs(1), ..Outage::default() });
    }
}

#[test]
fn f23_events_flow_within_10_s_after_an_outage_of_minutes() {
    for events in BACKLOGS {
        check(&Outage { events, over: Duration::from_secs(390), ..Outage::default() });
    }
}

#[test]
fn f23_events_flow_within_10_s_for_one_call_or_thousands() {
    for calls in [1, 3, 4_000, 100_000] {
        check(&Outage { calls, ..Outage::default() });
    }
}

#[test]
fn f23_events_flow_within_10_s_however_the_endpoint_failed() {
    let for_an_hour = Some(Duration::from_secs(3_600));
    for answer in [Delivered::Down(for_an_hour), Delivered::Refused, Delivered::Gone, Delivered::Later(None)] {
        check(&Outage { answer, ..Outage::default() });
    }
}

#[test]
fn f23_events_flow_after_an_endpoint_hung() {
    let hung = Outage { hangs: Duration::from_secs(15), ..Outage::default() };
    let seen = hung.run();
    assert!(seen.first_after <= Duration::from_secs(15), "{hung:?}: {seen:?}");
    assert!(seen.passed >= 3_000, "{hung:?}: {seen:?}");
}

#[test]
fn f23_events_flow_within_10_s_after_a_restart_during_the_outage() {
    check(&Outage { restarts: true, ..Outage::default() });
}

#[test]
fn f23_a_flapping_endpoint_gets_the_waiting_events_when_it_recovers() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b", "c"]);
    world.run_for(500, |_| Delivered::Down(None));
    for _ in 0..2 {
        world.publish(&["new"]);
        world.run_for(6, |event| if event.thread == "new" { Delivered::Yes } else { Delivered::Down(None) });
        world.run_for(500, |_| Delivered::Down(None));
    }
    world.run_for(10, |_| Delivered::Yes);
    assert!(world.feed.is_idle(), "{:?}", world.feed.due());
}

#[test]
fn f23_an_endpoint_that_accepts_nothing_is_paused_after_10_s() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    let mut shown = Vec::new();
    for _ in 0..60 {
        world.end_all(|_| Delivered::Down(None));
        shown.push(world.feed.status(world.now()).paused);
        world.pass_secs(1);
    }
    assert_eq!(shown, (0..60).map(|second| second >= 10).collect::<Vec<_>>());
    world.pass_secs(5);
    world.drain();
    assert!(!world.feed.status(world.now()).paused);
}

#[test]
fn f23_an_endpoint_that_accepts_other_events_is_not_down() {
    let mut world = TestFeed::new();
    world.publish(&["a"]);
    world.begin();
    world.end("a1", Delivered::Refused);
    world.publish(&["b", "b"]);
    world.pass_secs(1);
    assert_eq!(world.begin(), ["b1"], "the first probe");
    world.end("b1", Delivered::Yes);
    assert_eq!(world.begin(), ["b2"]);
    world.end("b2", Delivered::Yes);
    world.pass_secs(6);
    assert_eq!(world.begin(), ["a1"]);
    world.end("a1", Delivered::Refused);
    world.publish(&["b"]);
    assert_eq!(world.begin(), ["b3"], "only a waits");
    world.end("b3", Delivered::Yes);
    world.pass_secs(200);
    assert_eq!(world.begin(), [""; 0], "by the schedule");
}

#[track_caller]
fn check(outage: &Outage) {
    let seen = outage.run();
    assert!(seen.longest_gap <= Duration::from_secs(5), "{outage:?}: {seen:?}");
    assert!(seen.first_after <= Duration::from_secs(6), "{outage:?}: {seen:?}");
    assert!(seen.new_call_after <= Duration::from_secs(10), "{outage:?}: {seen:?}");
    let possible = outage.calls.min(60) * 50;
    assert!(seen.passed >= outage.events.min(possible), "{outage:?}: {seen:?}");
}

/// An endpoint that is down while events are committed, and is up after [`DOWN`]; a call begins a second later.
#[derive(Debug)]
struct Outage {
    events: u64,
    /// The number of calls, which have events in turn.
    calls: u64,
    over: Duration,
    answer: Delivered,
    /// How long a delivery hangs while the endpoint is down.
    hangs: Duration,
    /// The gateway restarts in the middle of the outage.
    restarts: bool,
}

impl Default for Outage {
    fn default() -> Self {
        Self {
            events: 12_000,
            calls: 60,
            over: Duration::from_secs(240),
            answer: Delivered::Down(None),
            hangs: ANSWERS_IN,
            restarts: false,
        }
    }
}

/// The observations, all times but the first since the end of the outage.
#[derive(Debug)]
struct Seen {
    /// The longest time without an attempt during the outage.
    longest_gap: Duration,
    first_after: Duration,
    new_call_after: Duration,
    /// Deliveries that succeeded in the ten seconds.
    passed: u64,
}

impl Outage {
    fn run(&self) -> Seen {
        let never = Duration::MAX;
        let mut seen = Seen { longest_gap: Duration::ZERO, first_after: never, new_call_after: never, passed: 0 };
        let start = Start { watermark: Position(1), parked: Vec::new() };
        let mut feed = Feed::new(start, Filter::default(), Bounds::default());
        let (mut now, mut last_attempt) = (Duration::from_millis(10), Duration::from_millis(10));
        let mut under_way = BinaryHeap::new();
        let mut deliveries = HashMap::new();
        let (mut begun, mut restarts) = (0_u64, self.restarts);
        while now < DOWN + Duration::from_secs(10) {
            while under_way.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                let Some(Reverse((_, nth))) = under_way.pop() else { break };
                let Some((delivery, passes)) = deliveries.remove(&nth) else { continue };
                let delivery: Delivery = delivery;
                if passes {
                    seen.passed += 1;
                    seen.first_after = seen.first_after.min(now - DOWN);
                    if delivery.event.thread == "new" {
                        seen.new_call_after = now - DOWN;
                    }
                }
                feed.settle(&delivery, if passes { Delivered::Yes } else { self.answer }, moment(now));
            }
            if restarts && now >= DOWN / 2 {
                restarts = false;
                deliveries.clear();
                let start = Start { watermark: feed.watermark(), parked: Vec::new() };
                feed = Feed::new(start, Filter::default(), Bounds::default());
            }
            self.read(&mut feed, now);
            for delivery in feed.next(moment(now)) {
                let down = now < DOWN;
                if down {
                    seen.longest_gap = seen.longest_gap.max(now - last_attempt);
                    last_attempt = now;
                }
                begun += 1;
                under_way.push(Reverse((now + if down { self.hangs } else { ANSWERS_IN }, begun)));
                deliveries.insert(begun, (delivery, !down));
            }
            self.read(&mut feed, now);
            let ends = under_way.peek().map(|Reverse((at, _))| *at);
            let arrives = now + Duration::from_millis(20);
            let wakes = ends.into_iter().chain(feed.due()).min().unwrap_or(arrives);
            now = wakes.clamp(now + Duration::from_millis(1), arrives);
        }
        seen
    }

    /// The last position committed at a time.
    fn committed(&self, now: Duration) -> u64 {
        let part = (now.as_secs_f64() / self.over.as_secs_f64()).min(1.0);
        let events = (self.events as f64 * part) as u64;
        events + u64::from(now >= DOWN + Duration::from_secs(1))
    }

    fn read(&self, feed: &mut Feed, now: Duration) {
        let committed = Position(self.committed(now));
        loop {
            let mut wants = feed.wants(committed);
            wants.retain(|(_, from)| *from <= committed);
            if wants.is_empty() {
                return;
            }
            for (reader, from) in wants {
                for position in from.0..=committed.0.min(from.0 + 255) {
                    feed.follow(reader, &self.frame(position));
                }
            }
        }
    }

    fn frame(&self, position: u64) -> CommittedFrame {
        let nth = position - 1;
        let is_new = nth >= self.events;
        let (call, sequence) = if is_new { (0, 1) } else { (nth % self.calls, nth / self.calls + 1) };
        let name = if is_new { "new".to_owned() } else { format!("c-{call}") };
        let change = changed(&name);
        let event = if sequence == 1 { Event::CallStarted(change) } else { Event::CallUpdated(change) };
        let events = vec![NumberedEvent { call_sequence: Some(sequence), event }];
        CommittedFrame { position: Position(position), at: Timestamp::from_ms(0), events }
    }
}

fn moment(elapsed: Duration) -> Moment {
    Moment { elapsed, wall: Timestamp::from_ms(0) }
}
