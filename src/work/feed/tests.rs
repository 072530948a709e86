//! Feeds driven step by step: what is committed, what is delivered, and how each delivery ends.

mod away;
mod live;
mod outage;
mod outside;
mod parked;
mod paused;
mod random;
mod replay;

use super::*;
use crate::machine::event::{CallChange, CallShown, CommittedFrame, Event, NumberedEvent};
use crate::machine::show::RenderedEvent;
use crate::machine::state::{Call, Ended, Usage};
use crate::model::{CallId, Caller, Phase, Session};
use std::collections::HashMap;

#[test]
fn i4_events_of_one_call_are_delivered_one_at_a_time_in_order() {
    let mut world = TestFeed::new();
    world.publish(&["a", "a", "b"]);
    assert_eq!(world.begin(), ["a1", "b1"]);
    assert_eq!(world.begin(), [""; 0]);
    world.end("a1", Delivered::Yes);
    assert_eq!(world.begin(), ["a2"]);
}

#[test]
fn the_watermark_is_the_first_position_with_an_undelivered_event() {
    let mut world = TestFeed::new();
    world.publish(&["a"]);
    world.publish(&["b"]);
    world.publish(&[]);
    world.begin();
    world.end("b1", Delivered::Yes);
    assert_eq!(world.feed.watermark(), Position(1));
    world.end("a1", Delivered::Yes);
    assert_eq!(world.feed.watermark(), Position(4));
}

#[test]
fn a65_a_call_with_a_refused_event_waits_alone_by_the_schedule() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    world.begin();
    world.end("a1", Delivered::Refused);
    world.end("b1", Delivered::Yes);
    world.publish(&["a", "b"]);
    assert_eq!(world.begin(), ["b2"]);
    world.pass(3_999);
    assert_eq!(world.begin(), [""; 0]);
    world.pass(2_001);
    assert_eq!(world.begin(), ["a1"]);
}

#[test]
fn a65_the_retry_delays_of_an_event_go_from_five_seconds_to_ten_hours() {
    for (failures, secs) in [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000].into_iter().enumerate() {
        for position in 1..200 {
            let id = crate::model::EventId::new(Timestamp::default().day(), Position(position), 0);
            let wait = wait(id, u32::try_from(failures).unwrap() + 1).as_millis();
            assert!((secs * 800..=secs * 1_200).contains(&wait), "{secs} s: {wait} ms");
        }
    }
}

#[test]
fn a65_events_blocked_by_an_outage_go_as_soon_as_the_endpoint_recovers() {
    let mut world = TestFeed::new();
    world.publish(&["a", "b"]);
    world.begin();
    world.end("a1", Delivered::Down(None));
    world.end("b1", Delivered::Down(None));
    world.publish(&["c"]);
    assert_eq!(world.begin(), [""; 0]);
    world.pass_secs(1);
    assert_eq!(world.begin(), ["c1"]);
    world.end("c1", Delivered::Yes);
    assert_eq!(world.begin(), ["a1", "b1"]);
}

#[test]
fn a65_an_event_that_fails_while_others_pass_waits_by_the_schedule() {
    let mut world = TestFeed::new();
    world.publish(&["a"]);
    world.begin();
    world.end("a1", Delivered::Down(None));
    world.publish(&["c", "c"]);
    world.pass_secs(1);
    world.begin();
    world.end("c1", Delivered::Yes);
    assert_eq!(world.begin(), ["c2", "a1"]);
    world.end("a1", Delivered::Down(None));
    world.end("c2", Delivered::Yes);
    assert_eq!(world.begin(), [""; 0]);
}

#[test]
fn g17_at_most_a_window_of_events_is_held_while_the_endpoint_is_down() {
    let mut world = TestFeed::new();
    for _ in 0..10_000 {
        world.commit(&["a"]);
    }
    world.read();
    let held = world.feed.pending.len();
    assert!((4_096..4_096 + PAGE).contains(&held), "{held} events are held");
    assert!(world.feed.wants(world.committed()).iter().all(|(reader, _)| *reader != Reader::Backlog));
    world.drain();
    assert_eq!(world.done, 10_000);
}

#[test]
fn g4_progress_is_recorded_every_100_ms_and_does_not_cause_more_progress() {
    let mut world = TestFeed::new();
    world.publish(&["a"]);
    world.begin();
    world.pass(100);
    assert_eq!(world.feed.progress(world.now()), None);
    world.end("a1", Delivered::Yes);
    assert_eq!(world.feed.progress(world.now()).unwrap().watermark, Position(2));
    // Recording progress writes a frame without events for the platform; it must not cause another record.
    world.publish(&[]);
    world.pass(1_000);
    assert_eq!(world.feed.progress(world.now()), None);
}

#[test]
fn progress_that_could_not_be_recorded_is_recorded_again() {
    let mut world = TestFeed::new();
    world.publish(&["a"]);
    world.begin();
    world.end("a1", Delivered::Yes);
    world.pass(100);
    let progress = world.feed.progress(world.now()).unwrap();
    world.feed.not_recorded(progress.clone());
    world.pass(100);
    assert_eq!(world.feed.progress(world.now()), Some(progress));
}

#[test]
fn events_outside_the_filter_count_as_delivered() {
    let filter = Filter::read(&["message.*", "call.ended"]).unwrap();
    let mut world = TestFeed::with(filter, Bounds::default());
    world.publish(&["+a", "+b"]);
    world.publish(&["a"]);
    world.publish(&["+c"]);
    assert_eq!(world.begin(), ["a2"]);
    assert_eq!(world.feed.watermark(), Position(2));
    world.end("a2", Delivered::Yes);
    assert_eq!(world.feed.watermark(), Position(4));
}

#[test]
fn progress_of_an_endpoint_with_few_matching_events_is_recorded_too() {
    let mut world = TestFeed::with(Filter::read(&["message.late"]).unwrap(), Bounds::default());
    world.pass(1_000);
    for position in 1..=4_096 {
        assert_eq!(world.feed.progress(world.now()), None);
        world.publish(&["a"]);
        assert_eq!(world.feed.watermark(), Position(position + 1));
    }
    assert_eq!(world.feed.progress(world.now()).unwrap().watermark, Position(4_097));
}

#[test]
fn events_no_longer_in_the_journal_are_skipped_and_reported() {
    let mut world = TestFeed::new();
    assert_eq!(world.feed.skip_to(Position(1)), None);
    assert_eq!(world.feed.skip_to(Position(3)), Some(Position(1)));
    for _ in 0..3 {
        world.commit(&["a"]);
    }
    world.read();
    assert_eq!(world.begin(), ["a3"]);
    assert_eq!(world.feed.watermark(), Position(3));
    world.pass(100);
    assert!(world.feed.progress(world.now()).is_some(), "or the next start would find the gap again");
}

/// Frames per page.
const PAGE: usize = 7;

struct TestFeed {
    feed: Feed,
    filter: Filter,
    bounds: Bounds,
    /// The committed frames, from position 1.
    journal: Vec<CommittedFrame>,
    sequences: HashMap<String, u64>,
    now_ms: u64,
    begun: Vec<Delivery>,
    /// The number of successful deliveries.
    done: usize,
    /// The recorded progress: the watermark, and the parked threads.
    recorded: Start,
}

impl TestFeed {
    fn new() -> Self {
        Self::with(Filter::default(), Bounds::default())
    }

    fn with(filter: Filter, bounds: Bounds) -> Self {
        let recorded = Start { watermark: Position(1), parked: Vec::new() };
        Self {
            feed: Feed::new(recorded.clone(), filter.clone(), bounds),
            filter,
            bounds,
            journal: Vec::new(),
            sequences: HashMap::new(),
            now_ms: 0,
            begun: Vec::new(),
            done: 0,
            recorded,
        }
    }

    fn now(&self) -> Moment {
        Moment { elapsed: Duration::from_millis(self.now_ms), wall: Timestamp::from_ms(self.now_ms) }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    fn pass_secs(&mut self, secs: u64) {
        self.pass(secs * 1_000);
    }

    fn committed(&self) -> Position {
        Position(self.journal.len() as u64)
    }

    /// Commits a frame with an event for each of these calls: the end of one, or its start if it has a `+` prefix.
    fn commit(&mut self, calls: &[&str]) {
        let events = calls.iter().map(|call| {
            let name = call.trim_start_matches('+');
            let sequence = self.sequences.entry(name.to_owned()).or_default();
            *sequence += 1;
            let change = changed(name);
            let event = if name == *call { Event::CallEnded(change) } else { Event::CallStarted(change) };
            NumberedEvent { call_sequence: Some(*sequence), event }
        });
        let events = events.collect();
        let position = self.committed().next();
        self.journal.push(CommittedFrame { position, at: self.now().wall, events });
    }

    /// Commits an event outside a call, and reads it.
    fn happens(&mut self, event: Event) {
        let position = self.committed().next();
        self.journal.push(CommittedFrame {
            position,
            at: self.now().wall,
            events: vec![NumberedEvent { call_sequence: None, event }],
        });
        self.read();
    }

    /// Every reader reads until it has no more capacity.
    fn read(&mut self) {
        loop {
            let committed = self.committed();
            let mut wants = self.feed.wants(committed);
            wants.retain(|(_, from)| *from <= committed);
            if wants.is_empty() {
                return;
            }
            for (reader, from) in wants {
                let skip = usize::try_from(from.0).unwrap() - 1;
                for frame in self.journal.iter().skip(skip).take(PAGE) {
                    self.feed.follow(reader, frame);
                }
            }
        }
    }

    fn publish(&mut self, calls: &[&str]) {
        self.commit(calls);
        self.read();
    }

    fn begin(&mut self) -> Vec<String> {
        let begun = self.feed.next(self.now());
        self.begun.extend(begun.iter().cloned());
        begun.iter().map(name).collect()
    }

    fn end(&mut self, which: &str, delivered: Delivered) -> bool {
        let place = self.begun.iter().rposition(|delivery| name(delivery) == which).unwrap();
        let delivery = self.begun.remove(place);
        self.done += usize::from(delivered == Delivered::Yes);
        let given_up = self.feed.settle(&delivery, delivered, self.now());
        self.read();
        given_up
    }

    /// Starts every delivery that is ready, and ends each with this result.
    fn end_all(&mut self, delivered: impl Fn(&RenderedEvent) -> Delivered) {
        loop {
            self.begin();
            if self.begun.is_empty() {
                return;
            }
            for delivery in self.begun.clone() {
                self.end(&name(&delivery), delivered(&delivery.event));
            }
        }
    }

    /// Runs for this long, ending every delivery with this result.
    fn run_for(&mut self, secs: u64, delivered: impl Fn(&RenderedEvent) -> Delivered) {
        let until = self.now_ms + secs * 1_000;
        loop {
            self.end_all(&delivered);
            let due = self.feed.due().map_or(until, |due| u64::try_from(due.as_millis()).unwrap());
            if due >= until {
                self.now_ms = until;
                return;
            }
            self.now_ms = due.max(self.now_ms);
        }
    }

    /// Lets every delivery that is ready succeed.
    fn drain(&mut self) {
        self.end_all(|_| Delivered::Yes);
    }

    /// Records the progress.
    fn record_progress(&mut self) {
        while self.feed.has_progress() {
            let progress = self.feed.take_progress();
            self.recorded.watermark = progress.watermark;
            for (thread, position) in progress.parked {
                self.recorded.parked.retain(|(other, _)| *other != thread);
                self.recorded.parked.extend(position.map(|position| (thread, position)));
            }
        }
    }

    /// Restarts the process from the recorded progress.
    fn restart(&mut self) {
        self.begun.clear();
        self.feed = Feed::new(self.recorded.clone(), self.filter.clone(), self.bounds);
        self.read();
    }
}

/// The event's call, and its number within the call; with `again` for a replay.
fn name(delivery: &Delivery) -> String {
    let event: serde_json::Value = serde_json::from_slice(&delivery.event.body).unwrap();
    let again = if delivery.replay { " again" } else { "" };
    format!("{}{}{again}", delivery.event.thread, event["call_sequence"])
}

fn changed(call: &str) -> Box<CallChange> {
    let directory = crate::rules::directory::example();
    let at = Timestamp::from_ms(0);
    let call = Call {
        id: CallId::read(call).unwrap(),
        caller: Caller::Withheld.into(),
        queue: directory.queues.keys().next().unwrap().clone(),
        language: directory.settings.default_language,
        phase: Phase::Connected,
        agent: None,
        call_type: "inbound_ivr".to_owned(),
        wait_sms_consent: false,
        version: None,
        alternative: None.into(),
        attestation: None,
        session: Session::None,
        closed_reason: None,
        our_number: None,
        started_at: at,
        ended: Some(Ended { at, reason: None }),
        lease_until: at,
        usage: Usage::default(),
        last_sequence: 1,
        last_event_at: Some(at),
        last_message: None,
        queued: Vec::new(),
    };
    let shown = CallShown { call, refusal: None, custom_allowed: true };
    Box::new(CallChange { shown, lease_was: None, live: false, party_was: None, session_was: None })
}
