//! Limits that lanes share, and pauses from outside: accounts, daily caps, carriers that ask for a pause (A28, A64).

use super::*;
use crate::machine::state::{CapOwner, Pause};
use crate::model::{Account as AccountEntry, LocalDay};
use crate::rules::breaker::{BreakerState, Paused};

impl TestDispatch {
    /// Limits the account of all numbers; the numbers have no limits.
    pub(super) fn limit_account(&mut self, limits: Limits) {
        for entry in self.directory.numbers.values_mut() {
            entry.limits = Limits::none();
        }
        let numbers = self.directory.numbers.iter();
        let mut changes: Vec<_> =
            numbers.map(|(number, entry)| Change::Number(*number, Some(Json(entry.clone())))).collect();
        let account = AccountEntry { limits };
        self.directory.accounts.insert("main".to_owned(), account.clone());
        changes.push(Change::Account("main".to_owned(), Some(Json(account))));
        self.apply(Event::DirectoryChanged { changes });
    }

    fn pause_account(&mut self, until_ms: u64) {
        let until = START + Duration::from_millis(until_ms);
        let paused = Some(Paused { since: self.now().wall, until, probes: 0 });
        let breaker = BreakerState { failed_at: Vec::new(), paused };
        self.apply(Event::AccountPaused { account: "main".to_owned(), breaker, cause: None });
    }
}

fn account(rate: u32, burst: u32) -> Limits {
    Limits { millisegments_per_second: Some(rate), burst, ..Limits::none() }
}

#[test]
fn a28_lanes_of_a_limited_account_go_in_turn_at_its_rate() {
    let mut world = TestDispatch::new(1_000, 1);
    world.limit_account(account(1_000, 1));
    for name in ["a1", "a2", "a3"] {
        world.queue(name, Kind::Custom, 1);
    }
    for (nth, name) in ["b1", "b2"].into_iter().enumerate() {
        world.add(name, OTHER, &format!("+120655577{nth:02}"), Kind::Custom, 1);
    }
    world.run(10_000);
    assert_eq!(world.sent, [("a1", 1_000), ("b1", 2_000), ("a2", 3_000), ("b2", 4_000), ("a3", 5_000)]);
}

#[test]
fn a28_the_number_and_its_account_both_need_capacity() {
    let mut world = TestDispatch::new(1_000, 1);
    world.limit_account(account(2_000, 1));
    world.limit(OURS, 500, 1);
    world.queue("slow", Kind::Custom, 1);
    world.queue("slower", Kind::Custom, 1);
    world.queue_from(OTHER, "quick", 1);
    world.run(10_000);
    assert_eq!(world.sent, [("quick", 500), ("slow", 2_000), ("slower", 4_000)]);
}

#[test]
fn a28_an_unused_permit_of_an_account_goes_to_the_next_lane() {
    let mut world = TestDispatch::new(1_000, 1);
    world.limit_account(account(100, 1));
    world.queue("taken back", Kind::Custom, 1);
    world.queue_from(OTHER, "other", 1);
    world.answers.insert("taken back", Answer::Cancelled);
    world.run(15_000);
    assert_eq!(world.sent, [("taken back", 10_000), ("other", 10_000)]);
}

#[test]
fn a28_an_account_with_a_new_limit_starts_empty_and_keeps_its_level_on_changes() {
    let mut world = TestDispatch::new(1_000, 1);
    world.now_ms = 60_000;
    world.limit_account(account(1_000, 5));
    for name in ["a", "b"] {
        world.queue(name, Kind::Custom, 1);
    }
    world.run(5_000);
    assert_eq!(world.sent, [("a", 61_000), ("b", 62_000)]);
}

#[test]
fn a28_a_daily_cap_holds_the_rest_until_the_next_day() {
    let mut world = TestDispatch::new(1_000_000, 100);
    world.ttl_ms = u64::MAX / 4;
    let entry = world.directory.numbers.get_mut(&OURS.parse().unwrap()).unwrap();
    entry.limits.segments_per_day = Some(3);
    entry.limits.day_zone = "UTC".to_owned();
    let changes = vec![Change::Number(OURS.parse().unwrap(), Some(Json(entry.clone())))];
    world.apply(Event::DirectoryChanged { changes });
    for name in ["a", "b", "c"] {
        world.queue(name, Kind::Custom, 2);
    }
    world.run(1_000);
    assert_eq!(world.order(), ["a"], "the second would be the fourth segment");
    let next_day_ms = (START.day().0 as u64 + 1) * 86_400_000 - START.as_ms();
    world.run(next_day_ms + 60_000);
    assert_eq!(world.sent[1], ("b", next_day_ms));
    assert_eq!(world.order(), ["a", "b"]);
}

#[test]
fn a28_an_accounts_daily_cap_counts_starts_not_yet_in_the_journal() {
    let mut world = TestDispatch::new(1_000, 1);
    world.limit_account(Limits { segments_per_day: Some(2), day_zone: "UTC".to_owned(), ..Limits::none() });
    for (nth, name) in ["a", "b", "c"].into_iter().enumerate() {
        world.add(name, [OURS, OTHER, "+12065550102"][nth], &format!("+120655577{nth:02}"), Kind::Custom, 1);
    }
    // Three lanes at once, and none of the starts is in the journal yet.
    assert_eq!(world.dispatch.next(world.now()).len(), 2);
    world.apply(Event::DayCounted {
        owner: CapOwner::Account("main".to_owned()),
        count: DayCount { day: LocalDay(i32::from(START.day().0)), segments: 2 },
    });
    assert_eq!(world.dispatch.next(world.now()), []);
}

#[test]
fn a64_a_paused_lane_starts_nothing_and_others_go_on() {
    let mut world = TestDispatch::new(1_000_000, 100);
    let until = START + Duration::from_secs(7);
    world.apply(Event::LanePaused { ours: OURS.parse().unwrap(), pause: Some(Pause { until, laters: 1 }) });
    world.queue("rests", Kind::Custom, 1);
    world.limit(OTHER, 1_000_000, 100);
    world.queue_from(OTHER, "goes", 1);
    world.run(10_000);
    assert_eq!((world.order(), world.sent[1].1), (vec!["goes", "rests"], 7_000));
}

#[test]
fn a64_a_resumed_lane_goes_on_at_once() {
    let mut world = TestDispatch::new(1_000_000, 100);
    let ours = OURS.parse().unwrap();
    let until = START + Duration::from_secs(30);
    world.apply(Event::LanePaused { ours, pause: Some(Pause { until, laters: 1 }) });
    world.queue("a", Kind::Custom, 1);
    world.run(2_000);
    world.apply(Event::LanePaused { ours, pause: None });
    world.run(1_000);
    assert_eq!(world.sent, [("a", 2_000)]);
}

#[test]
fn a64_a_paused_account_is_probed_by_one_request_and_resumes_on_success() {
    let mut world = TestDispatch::new(1_000, 1);
    world.limit_account(Limits::none());
    world.pause_account(4_000);
    for (nth, name) in ["probe", "b", "c"].into_iter().enumerate() {
        world.add(name, OURS, &format!("+120655577{nth:02}"), Kind::Custom, 1);
    }
    world.answers.insert("probe", Answer::Never);
    world.run(10_000);
    assert_eq!(world.sent, [("probe", 4_000)]);
    world.apply(Event::AccountResumed { account: "main".to_owned(), cause: None });
    world.run(1_000);
    assert_eq!(world.order(), ["probe", "b", "c"]);
}

#[test]
fn a64_a_paused_account_stays_paused_after_a_restart_and_old_texts_expire() {
    let mut world = TestDispatch::new(1_000, 1);
    world.limit_account(Limits::none());
    world.queue("late", Kind::Custom, 1);
    world.restart();
    let until = START + Duration::from_secs(600);
    world.dispatch.account_paused("main", Some(Paused { since: START, until, probes: 5 }), world.now());
    world.run(100_000);
    assert_eq!((world.sent.len(), world.expired.as_slice()), (0, &[("late", 60_000)][..]));
}

#[test]
fn a21_a_lower_priority_goes_after_seven_of_a_higher() {
    let mut world = TestDispatch::new(1_000, 1);
    world.ttl_ms = u64::MAX / 4;
    world.queue("auto", Kind::AutoReply, 1);
    let names: Vec<&'static str> = (0..20).map(|n| &*format!("agent{n}").leak()).collect();
    names.iter().for_each(|name| world.queue(name, Kind::Custom, 1));
    world.run(30_000);
    assert_eq!(world.order().iter().position(|name| *name == "auto"), Some(7));
}

#[test]
fn r24_a64_with_many_lanes_at_one_account_each_message_is_checked_once() {
    // 500 lanes of one account at 10 segments a second: each is served in turn, in order of arrival.
    let mut world = TestDispatch::new(1_000, 1);
    world.ttl_ms = u64::MAX / 4;
    let known = world.directory.numbers[&OURS.parse().unwrap()].clone();
    for n in 0..500 {
        world.directory.numbers.insert(format!("+1303555{n:04}").parse().unwrap(), known.clone());
    }
    world.limit_account(account(10_000, 1));
    let names: Vec<&'static str> = (0..500).map(|n| &*format!("m{n}").leak()).collect();
    for (n, name) in names.iter().enumerate() {
        world.add(name, &format!("+1303555{n:04}"), &format!("+1206444{n:04}"), Kind::Custom, 1);
    }
    world.run(60_000);
    assert_eq!(world.order(), names);
    assert_eq!(world.sent[499].1, 50_000);
}

#[test]
fn a64_a_text_waiting_for_its_account_is_not_checked_constantly() {
    let mut world = TestDispatch::new(1_000, 1);
    world.ttl_ms = 5_000;
    world.queue("unanswered", Kind::Custom, 1);
    world.answers.insert("unanswered", Answer::Never);
    world.run(1_500);
    world.pause_account(20_000);
    world.ttl_ms = 60_000;
    world.queue("next", Kind::Custom, 1);
    // Meanwhile the first message is past its expiry, and in flight.
    world.run(15_000);
    assert_eq!((world.sent, world.expired), (vec![("unanswered", 1_000)], vec![]));
}
