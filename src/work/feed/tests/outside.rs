//! Events outside a call: those of one contact, account or number arrive in order.

use super::*;
use crate::machine::Private;
use crate::machine::event::LateMessage;
use crate::machine::state::OptOut;
use crate::model::{Address, E164, EventId, OptOutBy};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::opt_out::Block;

const ANN: &str = "+14155550107";
const BOB: &str = "+14155550108";

#[test]
fn f03_events_of_a_contact_arrive_in_order_whichever_response_is_first() {
    let mut world = TestFeed::new();
    for contact in [ANN, BOB] {
        for event in [stop(contact), start(contact), stop(contact)] {
            world.happens(event);
        }
    }
    for kind in ["contact.opted_out", "contact.opted_in", "contact.opted_out"] {
        assert_eq!(begin(&mut world), [kind; 2], "one at a time of each");
        settle_all(&mut world, Delivered::Yes);
    }
    assert!(world.feed.is_idle());
}

#[test]
fn f03_a_late_text_belongs_to_its_contacts_thread() {
    let mut world = TestFeed::new();
    let late = LateMessage {
        from: Address::Number(number(ANN)).into(),
        to: Address::Number(number(BOB)).into(),
        text: None,
        auto_replied: false,
        last_call: None,
        reconciled: false,
    };
    world.happens(Event::MessageLate(Box::new(late)));
    world.happens(stop(ANN));
    assert_eq!(begin(&mut world), ["message.late"]);
    settle_all(&mut world, Delivered::Yes);
    assert_eq!(begin(&mut world), ["contact.opted_out"]);
}

#[test]
fn f03_an_account_is_not_resumed_before_it_was_paused() {
    let mut world = TestFeed::new();
    for account in ["main", "other"] {
        world.happens(Event::AccountPaused {
            account: account.to_owned(),
            breaker: BreakerState::default(),
            cause: Some(Cause::default()),
        });
        world.happens(Event::AccountResumed { account: account.to_owned(), cause: None });
    }
    assert_eq!(begin(&mut world), ["account.paused"; 2]);
    settle_all(&mut world, Delivered::Refused);
    world.pass_secs(5);
    assert_eq!(begin(&mut world), ["account.paused"], "the probe");
    settle_all(&mut world, Delivered::Yes);
    world.pass_secs(6);
    let begun = begin(&mut world);
    assert_eq!(begun.iter().filter(|kind| **kind == "account.paused").count(), 1, "{begun:?}");
}

#[test]
fn f03_parked_events_come_before_newer_ones_also_after_a_restart() {
    for restarts in [false, true] {
        let mut world = with_ann_parked();
        world.happens(start(ANN));
        if restarts {
            world.record_progress();
            world.restart();
        } else {
            world.pass_secs(12 * 60 * 60);
        }
        world.begin();
        world.read();
        for kind in ["contact.opted_out", "contact.opted_in"] {
            assert_eq!(begin(&mut world), [kind]);
            settle_all(&mut world, Delivered::Yes);
            world.read();
        }
        assert!(world.feed.is_idle());
    }
}

#[test]
fn f03_parked_events_are_delivered_though_their_contact_was_erased() {
    let mut world = with_ann_parked();
    world.record_progress();
    for event in world.journal.iter_mut().flat_map(|frame| &mut frame.events) {
        if let Event::OptedOut { contact, .. } = &mut event.event {
            *contact = Private::Erased;
        }
    }
    world.restart();
    world.begin();
    world.read();
    assert_eq!(begin(&mut world), ["contact.opted_out"]);
    settle_all(&mut world, Delivered::Yes);
    assert!(world.feed.is_idle());
}

#[test]
fn f03_an_event_parked_under_its_id_by_an_older_version_is_delivered() {
    let mut world = TestFeed::new();
    world.happens(stop(ANN));
    let id = EventId::new(world.journal[0].at.day(), Position(1), 0).to_string();
    world.recorded = Start { watermark: Position(2), parked: vec![(id, Position(1))] };
    world.restart();
    world.begin();
    world.read();
    assert_eq!(begin(&mut world), ["contact.opted_out"]);
    settle_all(&mut world, Delivered::Yes);
    assert!(world.feed.is_idle());
    world.record_progress();
    assert_eq!(world.recorded.parked, []);
}

#[test]
fn f03_the_thread_name_of_a_contact_does_not_reveal_the_number() {
    let mut world = with_ann_parked();
    world.record_progress();
    let [(thread, _)] = &world.recorded.parked[..] else { panic!("{:?}", world.recorded.parked) };
    let group = thread.strip_prefix("~contact-").unwrap();
    assert_eq!(group.len(), 4, "a hash of four characters, which many numbers share: {thread}");
    assert!(!ANN.contains(group));
}

/// Ann's STOP is refused until it is parked, while calls go on.
fn with_ann_parked() -> TestFeed {
    let mut world = TestFeed::new();
    world.happens(stop(ANN));
    for _ in 0..4 {
        world.publish(&["b"]);
        world.end_all(|event| if event.thread == "b" { Delivered::Yes } else { Delivered::Refused });
        world.pass_secs(12 * 60 * 60);
    }
    assert_eq!(world.feed.parked.len(), 1);
    world
}

fn stop(contact: &str) -> Event {
    let opt_out = OptOut {
        block: Block { everywhere: true, numbers: Vec::new() },
        since: Timestamp::from_ms(0),
        by: OptOutBy::Keyword,
        version: Position(1),
        by_person: true,
    };
    Event::OptedOut { contact: number(contact).into(), ours: None, call: None, opt_out }
}

fn start(contact: &str) -> Event {
    Event::OptedIn { contact: number(contact).into(), ours: None, call: None, opt_out: None }
}

fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

/// Starts deliveries; returns their event types.
fn begin(world: &mut TestFeed) -> Vec<&'static str> {
    let begun = world.feed.next(world.now());
    world.begun.extend(begun.iter().cloned());
    begun.iter().map(|delivery| delivery.event.kind).collect()
}

/// Ends all deliveries in flight with this result, the newest first.
fn settle_all(world: &mut TestFeed, delivered: Delivered) {
    while let Some(delivery) = world.begun.pop() {
        world.feed.settle(&delivery, delivered, world.now());
    }
    world.read();
}
