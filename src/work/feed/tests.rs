//! Feeds that are driven by hand: what was committed, what is delivered, and how that ends.

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
    let mut world = World::new();
    world.tell(&["a", "a", "b"]);
    assert_eq!(world.begin(), ["a1", "b1"]);
    assert_eq!(world.begin(), [""; 0]);
    world.end("a1", Delivered::Yes);
    assert_eq!(world.begin(), ["a2"]);
}

#[test]
fn the_watermark_stands_at_the_first_position_with_something_undelivered() {
    let mut world = World::new();
    world.tell(&["a"]);
    world.tell(&["b"]);
    world.tell(&[]);
    world.begin();
    world.end("b1", Delivered::Yes);
    assert_eq!(world.feed.watermark(), Position(1));
    world.end("a1", Delivered::Yes);
    assert_eq!(world.feed.watermark(), Position(4));
}

#[test]
fn a65_a_call_whose_event_is_refused_waits_alone_by_the_schedule() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    world.begin();
    world.end("a1", Delivered::Refused);
    world.end("b1", Delivered::Yes);
    world.tell(&["a", "b"]);
    assert_eq!(world.begin(), ["b2"]);
    world.pass(3_999);
    assert_eq!(world.begin(), [""; 0]);
    world.pass(2_001);
    assert_eq!(world.begin(), ["a1"]);
}

#[test]
fn a65_the_waits_of_an_event_go_from_five_seconds_to_ten_hours() {
    for (failures, secs) in [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000].into_iter().enumerate() {
        for position in 1..200 {
            let id = crate::model::EventId::new(Timestamp::default().day(), Position(position), 0);
            let wait = wait(id, u32::try_from(failures).unwrap() + 1).as_millis();
            assert!((secs * 800..=secs * 1_200).contains(&wait), "{secs} s: {wait} ms");
        }
    }
}

#[test]
fn a65_when_the_endpoint_is_back_what_waited_for_it_goes_at_once() {
    let mut world = World::new();
    world.tell(&["a", "b"]);
    world.begin();
    world.end("a1", Delivered::Down(None));
    world.end("b1", Delivered::Down(None));
    world.tell(&["c"]);
    assert_eq!(world.begin(), [""; 0]);
    world.pass_secs(1);
    assert_eq!(world.begin(), ["c1"]);
    world.end("c1", Delivered::Yes);
    assert_eq!(world.begin(), ["a1", "b1"]);
}

#[test]
fn a65_what_fails_again_while_others_pass_waits_by_the_schedule() {
    let mut world = World::new();
    world.tell(&["a"]);
    world.begin();
    world.end("a1", Delivered::Down(None));
    world.tell(&["c", "c"]);
    world.pass_secs(1);
    world.begin();
    world.end("c1", Delivered::Yes);
    assert_eq!(world.begin(), ["c2", "a1"]);
    world.end("a1", Delivered::Down(None));
    world.end("c2", Delivered::Yes);
    assert_eq!(world.begin(), [""; 0]);
}

#[test]
fn g17_while_the_endpoint_is_down_no_more_than_a_window_is_held_in_memory() {
    let mut world = World::new();
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
fn g4_progress_is_noted_after_a_tenth_of_a_second_and_never_for_its_own_sake() {
    let mut world = World::new();
    world.tell(&["a"]);
    world.begin();
    world.pass(100);
    assert_eq!(world.feed.progress(world.now()), None);
    world.end("a1", Delivered::Yes);
    assert_eq!(world.feed.progress(world.now()).unwrap().watermark, Position(2));
    // The note itself is a frame that tells the platform nothing; it must not lead to another note.
    world.tell(&[]);
    world.pass(1_000);
    assert_eq!(world.feed.progress(world.now()), None);
}

#[test]
fn progress_that_was_not_noted_is_noted_again() {
    let mut world = World::new();
    world.tell(&["a"]);
    world.begin();
    world.end("a1", Delivered::Yes);
    world.pass(100);
    let progress = world.feed.progress(world.now()).unwrap();
    world.feed.not_noted(progress.clone());
    world.pass(100);
    assert_eq!(world.feed.progress(world.now()), Some(progress));
}

#[test]
fn what_an_endpoint_does_not_want_is_done_with_as_far_as_it_is_concerned() {
    let filter = Filter::read(&["message.*", "call.ended"]).unwrap();
    let mut world = World::with(filter, Bounds::default());
    world.tell(&["+a", "+b"]);
    world.tell(&["a"]);
    world.tell(&["+c"]);
    assert_eq!(world.begin(), ["a2"]);
    assert_eq!(world.feed.watermark(), Position(2));
    world.end("a2", Delivered::Yes);
    assert_eq!(world.feed.watermark(), Position(4));
}

#[test]
fn an_endpoint_that_wants_little_is_noted_to_have_come_far_all_the_same() {
    let mut world = World::with(Filter::read(&["message.late"]).unwrap(), Bounds::default());
    world.pass(1_000);
    for told in 1..=4_096 {
        assert_eq!(world.feed.progress(world.now()), None);
        world.tell(&["a"]);
        assert_eq!(world.feed.watermark(), Position(told + 1));
    }
    assert_eq!(world.feed.progress(world.now()).unwrap().watermark, Position(4_097));
}

#[test]
fn what_the_journal_no_longer_keeps_is_left_out_and_said_to_be() {
    let mut world = World::new();
    assert_eq!(world.feed.skip_to(Position(1)), None);
    assert_eq!(world.feed.skip_to(Position(3)), Some(Position(1)));
    for _ in 0..3 {
        world.commit(&["a"]);
    }
    world.read();
    assert_eq!(world.begin(), ["a3"]);
    assert_eq!(world.feed.watermark(), Position(3));
    world.pass(100);
    assert!(world.feed.progress(world.now()).is_some(), "or the next start would find the gap once more");
}

/// Stories of a page.
const PAGE: usize = 7;

struct World {
    feed: Feed,
    filter: Filter,
    bounds: Bounds,
    /// What was committed, from position 1.
    journal: Vec<CommittedFrame>,
    sequences: HashMap<String, u64>,
    now_ms: u64,
    begun: Vec<Delivery>,
    /// How many deliveries passed.
    done: usize,
    /// What was noted: the watermark, and who is parked where.
    noted: Start,
}

impl World {
    fn new() -> Self {
        Self::with(Filter::default(), Bounds::default())
    }

    fn with(filter: Filter, bounds: Bounds) -> Self {
        let noted = Start { watermark: Position(1), parked: Vec::new() };
        Self {
            feed: Feed::new(noted.clone(), filter.clone(), bounds),
            filter,
            bounds,
            journal: Vec::new(),
            sequences: HashMap::new(),
            now_ms: 0,
            begun: Vec::new(),
            done: 0,
            noted,
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

    /// A frame with an event for each of these calls: the end of one, or with a `+` before it its start.
    fn commit(&mut self, calls: &[&str]) {
        let events = calls.iter().map(|call| {
            let name = call.trim_start_matches('+');
            let sequence = self.sequences.entry(name.to_owned()).or_default();
            *sequence += 1;
            let change = changed(name);
            let fact = if name == *call { Event::CallEnded(change) } else { Event::CallStarted(change) };
            NumberedEvent { call_sequence: Some(*sequence), fact }
        });
        let events = events.collect();
        let position = self.committed().next();
        self.journal.push(CommittedFrame { position, at: self.now().wall, events });
    }

    /// Something happens outside a call, and is read.
    fn happens(&mut self, fact: Event) {
        let position = self.committed().next();
        self.journal.push(CommittedFrame {
            position,
            at: self.now().wall,
            events: vec![NumberedEvent { call_sequence: None, fact }],
        });
        self.read();
    }

    /// Every reader reads as far as it wants to.
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
                for story in self.journal.iter().skip(skip).take(PAGE) {
                    self.feed.follow(reader, story);
                }
            }
        }
    }

    fn tell(&mut self, calls: &[&str]) {
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

    /// Whatever may go goes, and ends so.
    fn end_all(&mut self, delivered: impl Fn(&RenderedEvent) -> Delivered) {
        loop {
            self.begin();
            if self.begun.is_empty() {
                return;
            }
            for delivery in self.begun.clone() {
                self.end(&name(&delivery), delivered(&delivery.told));
            }
        }
    }

    /// For so long whatever may go goes, and ends so.
    fn live_for(&mut self, secs: u64, delivered: impl Fn(&RenderedEvent) -> Delivered) {
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

    /// Everything passes that may go now.
    fn drain(&mut self) {
        self.end_all(|_| Delivered::Yes);
    }

    /// The process notes how far it is.
    fn note(&mut self) {
        while self.feed.has_progress() {
            let progress = self.feed.take_progress();
            self.noted.watermark = progress.watermark;
            for (thread, position) in progress.parked {
                self.noted.parked.retain(|(other, _)| *other != thread);
                self.noted.parked.extend(position.map(|position| (thread, position)));
            }
        }
    }

    /// It dies, and another begins with what was noted.
    fn restart(&mut self) {
        self.begun.clear();
        self.feed = Feed::new(self.noted.clone(), self.filter.clone(), self.bounds);
        self.read();
    }
}

/// An event's call, and which of the call's events it is; again, if it is told once more.
fn name(delivery: &Delivery) -> String {
    let event: serde_json::Value = serde_json::from_slice(&delivery.told.body).unwrap();
    let again = if delivery.replay { " again" } else { "" };
    format!("{}{}{again}", delivery.told.thread, event["call_sequence"])
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
        told: 1,
        last_message: None,
        queued: Vec::new(),
    };
    let shown = CallShown { call, refusal: None, custom_allowed: true };
    Box::new(CallChange { shown, lease_was: None, live: false, party_was: None })
}
