//! Usage counters of days (R4-R6), by queue, agent, number and kind.

use super::steps::{
    cancel, delivered, end, go, later, photo, preset, put, receipt, say, sent, start, start_in, text, tick,
};
use super::*;
use crate::machine::keys::{decode_row, encode_row, usage_counters_key};
use crate::machine::state::{Usage, UsageOf};
use crate::model::{Month, ReceiptState};

const DAY: u64 = 24 * 60 * 60;

/// Runs a story, and checks the journal at its end.
fn ran<const N: usize>(story: [(u64, Step); N]) -> TestMachine {
    let mut world = TestMachine::new(directory());
    story.into_iter().for_each(|(secs, step)| drop(world.run(secs, step)));
    invariants::at_the_end(&world);
    world
}

/// The counters, each as what it counts and what is not zero.
fn counters(world: &TestMachine) -> Vec<String> {
    let rows = world.rows.iter().filter(|(key, _)| matches!(key.table, Table::Usage(_)) && key.bytes.len() > 2);
    let mut lines: Vec<_> = rows.map(|(_, row)| line(&decode_row(row).unwrap())).collect();
    lines.sort();
    lines
}

fn line((of, usage): &(UsageOf, Usage)) -> String {
    let day = of.day.0 - START.day().0;
    let queue = of.queue.as_ref().map_or("no queue", |queue| queue.as_str());
    let agent = of.agent.as_deref().unwrap_or("no agent");
    let number = of.ours.map_or("no number".to_owned(), |ours| format!("…{}", &ours.to_string()[8..]));
    let counts = crate::machine::state::USAGE_COLUMNS.iter().zip(usage.columns());
    let counts: Vec<_> =
        counts.filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
    format!("day {day} {queue} {agent} {number} {}: {}", of.kind.word(), counts.join(", "))
}

#[test]
fn r4_usage_is_counted_by_day_queue_agent_number_and_kind() {
    let world = ran([
        (0, start("a")),
        (1, text(ANN, SUPPORT, "hi")),
        (2, photo(ANN, SUPPORT, "https://media.example/1")),
        (3, preset("a", "welcome")),
        (4, go(1)),
        (5, say("a", &"x".repeat(161))),
        (6, go(2)),
        (7, put("a", |put| put.agent = Some(Some("agent-2".to_owned())))),
        (8, text(ANN, SUPPORT, "still there?")),
        (9, end("a")),
        (10, go(3)),
        (11, text(ANN, SUPPORT, "thanks")),
    ]);
    assert_eq!(
        counters(&world),
        [
            "day 0 support agent-1 …0100 custom: custom_sent 1, segments_sent 2",
            "day 0 support agent-1 …0100 inbound: received 2, media_received 1",
            "day 0 support agent-1 …0100 preset: preset_sent 1, segments_sent 1",
            "day 0 support agent-2 …0100 closing: system_sent 1, segments_sent 1",
            "day 0 support agent-2 …0100 inbound: received 1",
            "day 0 support no agent …0100 inbound: late 1",
        ]
    );
}

#[test]
fn r4_the_end_of_a_text_counts_where_its_first_attempt_did() {
    let world = ran([
        (0, start("a")),
        (DAY / 2 - 2, say("a", "before midnight")),
        (DAY / 2 - 1, go(1)),
        (DAY / 2 + 1, start_in("a", "sales")),
        (DAY / 2 + 2, sent(1)),
        (DAY / 2 + 3, delivered(1)),
    ]);
    assert_eq!(counters(&world), ["day 0 support agent-1 …0100 custom: custom_sent 1, segments_sent 1, delivered 1"]);
}

#[test]
fn r4_a_text_that_never_starts_counts_nowhere() {
    let world = ran([(0, start("a")), (1, say("a", "hi")), (2, cancel(1)), (3, say("a", "hi")), (63, Step::Expire(2))]);
    assert_eq!(counters(&world), [""; 0]);
    assert_eq!(world.call("a").usage, Usage::default());
}

#[test]
fn r4_a_text_given_up_after_an_attempt_failed_until_a_receipt_says_otherwise() {
    let story = [(0, start("a")), (1, say("a", "hi")), (2, go(1)), (3, later(1)), (200, Step::Expire(1))];
    let mut world = ran(story);
    let line = |end| format!("day 0 support agent-1 …0100 custom: custom_sent 1, segments_sent 1{end}");
    assert_eq!(counters(&world), [line(", failed 1")]);
    assert_eq!((world.call("a").usage.failed, world.call("a").usage.delivered), (1, 0));
    let step = Step::Do(receipt(&world, 1, ReceiptState::Delivered, "delivered", None));
    world.run(201, step);
    assert_eq!(counters(&world), [line(", delivered 1")]);
    assert_eq!((world.call("a").usage.failed, world.call("a").usage.delivered), (0, 1));
    invariants::at_the_end(&world);
}

#[test]
fn r4_what_belongs_to_no_call_counts_for_the_queue_of_its_number() {
    let world = ran([(0, text(ANN, SUPPORT, "hi")), (1, go(1)), (2, text(BOB, "+12065550177", "hi"))]);
    assert_eq!(
        counters(&world),
        [
            "day 0 no queue no agent no number inbound: late 1",
            "day 0 support no agent …0100 auto_reply: system_sent 1, segments_sent 1",
            "day 0 support no agent …0100 inbound: late 1",
        ]
    );
}

#[test]
fn usage_outlives_the_texts_and_is_kept_for_400_days() {
    let mut world = ran([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a"))]);
    let before = counters(&world);
    assert!(!before.is_empty());
    for days in [5, 60, 400] {
        world.run(days * DAY, tick());
        world.run(days * DAY + 1, tick());
        assert!(Queries::call(&world, &CallId::read("a").unwrap()).is_none() || days < 31);
        assert_eq!(counters(&world), before, "after {days} days");
    }
    // The whole month is past 400 days.
    world.run(440 * DAY, tick());
    assert_eq!(counters(&world), [""; 0]);
    assert!(world.rows.keys().all(|key| key.table != Table::Usage(Month(START.day().month().0))));
}

#[test]
fn a_day_with_too_many_counters_counts_further_ones_without_the_agent() {
    let mut world = TestMachine::new(directory());
    let of_agent = |agent: &str| {
        let agent = agent.to_owned();
        put("a", move |put| put.agent = Some(Some(agent)))
    };
    world.run(0, of_agent("one"));
    world.run(1, text(ANN, SUPPORT, "hi"));
    let (key, most) = (usage_counters_key(START.day()), 50_000u32);
    assert_eq!(decode_row::<u32>(&world.rows[&key]), Some(1));
    world.rows.insert(key.clone(), encode_row(&most));
    for (secs, agent) in [(2, "one"), (4, "two"), (6, "three")] {
        world.run(secs, of_agent(agent));
        world.run(secs + 1, text(ANN, SUPPORT, "hi"));
    }
    assert_eq!(
        counters(&world),
        ["day 0 support no agent …0100 inbound: received 2", "day 0 support one …0100 inbound: received 2",]
    );
    // Without the agent there are as many as the directory has, and each is counted.
    assert_eq!(decode_row::<u32>(&world.rows[&key]), Some(most + 1));
}

#[test]
fn a25_a_closing_message_without_a_text_is_recorded() {
    let recorded = |texts: bool| {
        let mut world = TestMachine::new(with(|directory| {
            if !texts {
                directory.settings.closing.texts.clear();
            }
        }));
        for (secs, step) in [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, end("a"))] {
            world.run(secs, step);
        }
        let events = world.journal.iter().flat_map(|frame| &frame.events);
        events.filter(|event| matches!(event.event, Event::ClosingWithoutText { .. })).count()
    };
    assert_eq!((recorded(false), recorded(true)), (1, 0));
}

#[test]
fn a20_a_call_change_says_which_session_it_opens_or_closes() {
    let world = ran([
        (0, start("a")),
        (1, text(ANN, SUPPORT, "hi")),
        (2, text(ANN, SUPPORT, "STOP")),
        (3, text(ANN, SUPPORT, "START")),
        (4, put("a", |put| put.agent = Some(None))),
        (5, start("a")),
        (6, end("a")),
    ]);
    let changes = world.journal.iter().flat_map(|frame| &frame.events).filter_map(|event| match &event.event {
        Event::CallStarted(change)
        | Event::CallUpdated(change)
        | Event::CallEnded(change)
        | Event::CallStored(change) => Some((change.session_was?, change.shown.call.session)),
        _ => None,
    });
    use crate::model::Session::{Closed, None as Unopened, Open};
    assert_eq!(
        changes.collect::<Vec<_>>(),
        [(Unopened, Open), (Open, Closed), (Closed, Unopened), (Unopened, Open), (Open, Closed), (Closed, Unopened)]
    );
}
