use super::*;
use crate::machine::event::{Event, Fact};
use crate::machine::state::Ended;
use crate::model::Timestamp;

#[test]
fn i4_events_of_one_call_are_delivered_one_at_a_time_in_order() {
    let mut world = World::new();
    world.tell(1, &["a", "a", "b"]);
    assert_eq!(world.begin(), ["a1.0", "b1.2"]);
    assert_eq!(world.begin(), Vec::<String>::new());
    world.end("a1.0", Delivered::Yes);
    assert_eq!(world.begin(), ["a1.1"]);
}

#[test]
fn the_watermark_stands_at_the_first_position_with_something_undelivered() {
    let mut world = World::new();
    world.tell(1, &["a"]);
    world.tell(2, &["b"]);
    world.tell(3, &[]);
    world.begin();
    world.end("b2.0", Delivered::Yes);
    assert_eq!(world.feed.watermark(), Position(1));
    world.end("a1.0", Delivered::Yes);
    assert_eq!(world.feed.watermark(), Position(4));
}

#[test]
fn a65_a_call_whose_event_is_refused_waits_alone_by_the_schedule() {
    let mut world = World::new();
    world.tell(1, &["a", "b"]);
    world.begin();
    world.end("a1.0", Delivered::Refused(None));
    world.end("b1.1", Delivered::Yes);
    world.tell(2, &["a", "b"]);
    assert_eq!(world.begin(), ["b2.1"]);
    world.pass(3_999);
    assert_eq!(world.begin(), Vec::<String>::new());
    world.pass(2_001);
    assert_eq!(world.begin(), ["a1.0"]);
}

#[test]
fn a65_when_the_endpoint_is_back_what_waited_for_it_goes_at_once() {
    let mut world = World::new();
    world.tell(1, &["a", "b"]);
    world.begin();
    world.end("a1.0", Delivered::Down(None));
    world.end("b1.1", Delivered::Down(None));
    world.tell(2, &["c"]);
    assert_eq!(world.begin(), ["c2.0"]);
    world.end("c2.0", Delivered::Yes);
    assert_eq!(world.begin(), ["a1.0", "b1.1"]);
}

#[test]
fn a65_what_fails_again_while_others_pass_waits_by_the_schedule_and_a_wish_is_kept() {
    let mut world = World::new();
    world.tell(1, &["a", "b"]);
    world.begin();
    world.end("a1.0", Delivered::Down(None));
    world.end("b1.1", Delivered::Down(Some(Duration::from_secs(60))));
    world.tell(2, &["c", "c"]);
    world.begin();
    world.end("c2.0", Delivered::Yes);
    assert_eq!(world.begin(), ["c2.1", "a1.0"], "b asked for a minute");
    world.end("a1.0", Delivered::Down(None));
    world.end("c2.1", Delivered::Yes);
    assert_eq!(world.begin(), Vec::<String>::new());
}

#[test]
fn while_the_endpoint_is_down_no_more_than_a_window_is_held_in_memory() {
    let mut world = World::new();
    for position in 1..=10_000 {
        if world.feed.wants().is_none() {
            break;
        }
        world.tell(position, &["a"]);
    }
    assert_eq!(world.feed.wants(), None);
    assert_eq!(world.feed.next, Position(WINDOW_MAX_EVENTS as u64 + 1));
    assert_eq!(world.begin().len(), 1);
    world.end("a1.0", Delivered::Yes);
    assert!(world.feed.wants().is_some());
}

#[test]
fn g4_progress_is_noted_after_a_tenth_of_a_second_and_never_for_its_own_sake() {
    let mut world = World::new();
    world.tell(1, &["a"]);
    world.begin();
    world.pass(100);
    assert_eq!(world.feed.progress(world.now()), None);
    world.end("a1.0", Delivered::Yes);
    assert_eq!(world.feed.progress(world.now()), Some(Position(2)));
    // The note itself is a frame that tells the platform nothing; it must not lead to another note.
    world.tell(2, &[]);
    world.pass(1_000);
    assert_eq!(world.feed.progress(world.now()), None);
}

struct World {
    feed: Feed,
    now_ms: u64,
    begun: Vec<Arc<Told>>,
}

impl World {
    fn new() -> Self {
        Self { feed: Feed::new(Position(1)), now_ms: 0, begun: Vec::new() }
    }

    fn now(&self) -> Moment {
        Moment { elapsed: Duration::from_millis(self.now_ms), wall: Timestamp::from_ms(self.now_ms) }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// A frame with an event for each of these calls.
    fn tell(&mut self, position: u64, calls: &[&str]) {
        let events = calls.iter().map(|call| Event { call_sequence: Some(1), fact: changed(call) }).collect();
        self.feed.follow(&Story { position: Position(position), at: Timestamp::from_ms(0), events });
    }

    fn begin(&mut self) -> Vec<String> {
        let begun = self.feed.next(self.now());
        self.begun.extend(begun.iter().cloned());
        begun.iter().map(|told| name(told)).collect()
    }

    fn end(&mut self, which: &str, delivered: Delivered) {
        let place = self.begun.iter().rposition(|told| name(told) == which).unwrap();
        let told = self.begun.remove(place);
        self.feed.settle(&told, delivered, self.now());
    }
}

/// An event's call, position and place in its frame.
fn name(told: &Told) -> String {
    format!("{}{}.{}", told.thread, told.id.position().0, told.id.index())
}

fn changed(call: &str) -> Fact {
    use crate::machine::event::{CallChange, CallShown};
    use crate::machine::state::{Call, Usage};
    use crate::model::{CallId, Caller, Phase, Session};
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
    Fact::CallEnded(Box::new(CallChange { shown, lease_was: None, live: false, party_was: None }))
}
