//! Events outside a call: what is told of one contact, account or number comes in order.

use super::*;
use crate::machine::Private;
use crate::machine::event::LateMessage;
use crate::machine::state::{OptOut, OptOutBy};
use crate::model::{Address, E164, EventId};
use crate::rules::breaker::{BreakerState, Cause};
use crate::rules::opt_out::Block;

const ANN: &str = "+14155550107";
const BOB: &str = "+14155550108";

#[test]
fn f03_what_a_contact_said_arrives_in_order_whoever_answers_first() {
    let mut world = World::new();
    for who in [ANN, BOB] {
        for fact in [stop(who), start(who), stop(who)] {
            world.happens(fact);
        }
    }
    for kind in ["contact.opted_out", "contact.opted_in", "contact.opted_out"] {
        assert_eq!(begin(&mut world), [kind; 2], "one at a time of each");
        settle_all(&mut world, Delivered::Yes);
    }
    assert!(world.feed.is_idle());
}

#[test]
fn f03_a_late_text_is_of_its_contact_s_thread() {
    let mut world = World::new();
    let late = LateMessage {
        from: Address::Number(number(ANN)).into(),
        to: Address::Number(number(BOB)).into(),
        text: None,
        auto_replied: false,
        last_call: None,
    };
    world.happens(Event::MessageLate(Box::new(late)));
    world.happens(stop(ANN));
    assert_eq!(begin(&mut world), ["message.late"]);
    settle_all(&mut world, Delivered::Yes);
    assert_eq!(begin(&mut world), ["contact.opted_out"]);
}

#[test]
fn f03_an_account_is_not_resumed_before_it_was_paused() {
    let mut world = World::new();
    for account in ["main", "other"] {
        world.happens(Event::AccountHeld {
            account: account.to_owned(),
            trouble: BreakerState::default(),
            cause: Cause::default(),
        });
        world.happens(Event::AccountResumed { account: account.to_owned() });
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
fn f03_what_was_parked_comes_before_what_was_said_since_also_after_a_restart() {
    for restarts in [false, true] {
        let mut world = with_ann_parked();
        world.happens(start(ANN));
        if restarts {
            world.note();
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
fn f03_what_was_parked_is_delivered_though_its_contact_was_erased() {
    let mut world = with_ann_parked();
    world.note();
    for event in world.journal.iter_mut().flat_map(|story| &mut story.events) {
        if let Event::OptedOut { contact, .. } = &mut event.fact {
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
fn f03_what_an_older_version_parked_by_its_event_s_id_is_delivered() {
    let mut world = World::new();
    world.happens(stop(ANN));
    let id = EventId::new(world.journal[0].at.day(), Position(1), 0).to_string();
    world.noted = Start { watermark: Position(2), parked: vec![(id, Position(1))] };
    world.restart();
    world.begin();
    world.read();
    assert_eq!(begin(&mut world), ["contact.opted_out"]);
    settle_all(&mut world, Delivered::Yes);
    assert!(world.feed.is_idle());
    world.note();
    assert_eq!(world.noted.parked, []);
}

#[test]
fn f03_the_name_of_a_contact_s_thread_says_nothing_of_the_number() {
    let mut world = with_ann_parked();
    world.note();
    let [(thread, _)] = &world.noted.parked[..] else { panic!("{:?}", world.noted.parked) };
    let group = thread.strip_prefix("~contact-").unwrap();
    assert_eq!(group.len(), 4, "as many numbers have the same as have any other: {thread}");
    assert!(!ANN.contains(group));
}

/// Ann's STOP is refused until it is parked, while calls go on.
fn with_ann_parked() -> World {
    let mut world = World::new();
    world.happens(stop(ANN));
    for _ in 0..4 {
        world.tell(&["b"]);
        world.end_all(|told| if told.thread == "b" { Delivered::Yes } else { Delivered::Refused });
        world.pass_secs(12 * 60 * 60);
    }
    assert_eq!(world.feed.parked.len(), 1);
    world
}

fn stop(who: &str) -> Event {
    let stands = OptOut {
        block: Block { everywhere: true, numbers: Vec::new() },
        since: Timestamp::from_ms(0),
        by: OptOutBy::Keyword,
    };
    Event::OptedOut { contact: number(who).into(), ours: None, call: None, stands }
}

fn start(who: &str) -> Event {
    Event::OptedIn { contact: number(who).into(), ours: None, call: None, stands: None }
}

fn number(text: &str) -> E164 {
    text.parse().unwrap()
}

/// What begins now, by its type.
fn begin(world: &mut World) -> Vec<&'static str> {
    let begun = world.feed.next(world.now());
    world.begun.extend(begun.iter().cloned());
    begun.iter().map(|delivery| delivery.told.kind).collect()
}

/// All that is under way ends so, what began last first.
fn settle_all(world: &mut World, delivered: Delivered) {
    while let Some(delivery) = world.begun.pop() {
        world.feed.settle(&delivery, delivered, world.now());
    }
    world.read();
}
