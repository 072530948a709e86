//! Suspended numbers and accounts.

use super::*;
use crate::machine::state::{CapOwner, Suspension};

impl TestDispatch {
    fn suspend(&mut self, owner: CapOwner) {
        let reason = "a test".to_owned().into();
        let suspension = Suspension { reason, until: None, since: self.now().wall, by: "test".to_owned() };
        self.apply(Event::Suspended { owner, suspension });
    }
}

fn number(number: &str) -> CapOwner {
    CapOwner::Number(number.parse().unwrap())
}

fn account() -> CapOwner {
    CapOwner::Account("main".to_owned())
}

#[test]
fn a_suspended_number_sends_nothing_others_do_and_it_goes_on_when_resumed() {
    let mut world = TestDispatch::new(1_000, 1);
    world.suspend(number(OURS));
    world.queue("waits", Kind::Custom, 1);
    world.queue_from(OTHER, "goes", 1);
    world.run(10_000);
    assert_eq!(world.order(), ["goes"]);
    world.apply(Event::SuspensionEnded { owner: number(OURS) });
    world.run(1_000);
    assert_eq!(world.sent.last(), Some(&("waits", 10_000)));
}

#[test]
fn a_suspended_account_sends_nothing_from_any_of_its_numbers() {
    let mut world = TestDispatch::new(1_000, 1);
    world.queue("before", Kind::Custom, 1);
    world.run(1_000);
    world.suspend(account());
    world.queue("a", Kind::Custom, 1);
    world.queue_from(OTHER, "b", 1);
    world.run(10_000);
    assert_eq!(world.order(), ["before"]);
    world.apply(Event::SuspensionEnded { owner: account() });
    world.run(5_000);
    assert_eq!(world.order().len(), 3);
}

#[test]
fn a_suspended_text_expires_at_its_time() {
    let mut world = TestDispatch::new(1_000, 1);
    world.suspend(number(OURS));
    world.queue("old", Kind::Custom, 1);
    world.run(120_000);
    assert_eq!((world.order(), &*world.expired), (vec![], &[("old", 60_000)][..]));
}

#[test]
fn a_text_ready_at_a_busy_account_is_not_sent_once_its_number_is_suspended() {
    let mut world = TestDispatch::new(1_000_000, 1_000);
    world.limit_account(Limits { millisegments_per_second: Some(1_000), burst: 1, ..Limits::none() });
    world.queue("waits", Kind::Custom, 1);
    world.run(500);
    assert_eq!(world.order(), Vec::<&str>::new(), "the account has no token yet");
    world.suspend(number(OURS));
    world.queue_from(OTHER, "goes", 1);
    world.run(10_000);
    assert_eq!(world.order(), ["goes"]);
}
