//! Who did what: the audit, and `directory.changed` (A72).

use super::steps::{call_id, erase, go, put, refused, replayed, say, send, start, tick};
use super::*;
use crate::machine::command::{Content, IdempotencyKey};
use crate::machine::erase::Person;
use crate::machine::view::AuditQueries;
use crate::model::{Actor, Change, FailureCode, Month};
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// The audit, the newest entry first: `actor action resource before after`.
fn entries(world: &TestMachine) -> Vec<String> {
    let entries = world.audited(world.now.day().month(), None);
    entries.map(|(_, audited)| line(&show::audit_entry(&audited))).collect()
}

fn line(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
    format!("{} {} {} {} {}", text("actor"), text("action"), text("resource"), entry["before"], entry["after"])
}

fn change(by: &str, world: &TestMachine, edit: impl Fn(&mut Directory)) -> Step {
    let mut after = world.directory.clone();
    edit(&mut after);
    let (changes, by) = (Change::from_to(&world.directory, &after), Actor::named(by.to_owned()));
    Step::Do(Command::ChangeDirectory { changes, force: false, only_if: None, by })
}

/// The threads and data of the frame's events of this type.
fn data(frame: &CommittedFrame, kind: &str) -> Vec<(String, Value)> {
    let events = show::rendered(frame).into_iter().filter(|event| event.kind == kind);
    events.map(|event| (event.thread, serde_json::from_slice::<Value>(&event.body).unwrap()["data"].clone())).collect()
}

#[test]
fn a72_a68_each_changed_resource_is_an_event_in_a_thread_of_its_own() {
    let mut world = TestMachine::new(directory());
    assert_eq!(data(world.journal.last().unwrap(), "directory.changed"), [], "a seed changes nothing");
    world.run(
        1,
        change("bruno", &world, |directory| {
            directory.settings.late_text = true;
            directory.queues.values_mut().for_each(|queue| queue.name.push('!'));
            directory.presets.get_mut(&language("it")).unwrap().pop_first();
        }),
    );
    let frame = world.journal.last().unwrap();
    let etag = Value::from(format!("\"{}\"", frame.position.0));
    let preset = directory().presets[&language("it")].first_key_value().unwrap().0.to_string();
    let expected = [
        ("settings", Value::Null, etag.clone()),
        ("presets", format!("it/{preset}").into(), Value::Null),
        ("queues", "sales".into(), etag.clone()),
        ("queues", "support".into(), etag),
    ];
    let found = data(frame, "directory.changed");
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((thread, data), (resource, id, etag)) in found.iter().zip(expected) {
        let path = id.as_str().map_or_else(|| resource.to_owned(), |id| format!("{resource}/{id}"));
        assert_eq!(*thread, format!("~directory-{path}"));
        assert_eq!(*data, serde_json::json!({ "resource": resource, "id": id, "etag": etag, "by": "bruno" }));
    }
    // What changes nothing is no event.
    world.run(2, change("bruno", &world, |_| {}));
    assert_eq!(world.journal.last().unwrap().position.0, 3);
}

#[test]
fn a72_the_newest_entry_is_the_first_over_months() {
    let mut world = TestMachine::new(directory());
    for nth in 0..4 {
        world.run(
            nth * 25 * DAY + 1,
            change(&format!("token-{nth}"), &world, |directory| {
                directory.settings.late_text = nth % 2 == 0;
                directory.settings.custom_messages = nth % 2 == 1;
            }),
        );
        world.run(nth * 25 * DAY + 2, tick());
    }
    let actors: Vec<_> = entries(&world).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(actors, ["token-3", "token-2", "token-1", "token-0", "seed"]);
    let all: Vec<_> = world.audited(world.now.day().month(), None).map(|(id, _)| id).collect();
    for (nth, id) in all.iter().enumerate() {
        let rest: Vec<_> = world.audited(world.now.day().month(), Some(*id)).map(|(id, _)| id).collect();
        assert_eq!(rest, all[nth + 1..]);
    }
}

#[test]
fn a72_entries_are_kept_for_90_days_however_short_texts_are() {
    let mut world = TestMachine::new(with(|directory| directory.settings.retention_days = 2));
    world.run(0, tick());
    let months = |world: &TestMachine| {
        let audits = world.rows.keys().filter_map(|key| match key.table {
            Table::Audit(Month(month)) => Some(month),
            _ => None,
        });
        audits.count()
    };
    // The seed's entry is of 22 November: 90 days after the end of that month is the last of February.
    world.run(97 * DAY, tick());
    assert_eq!((months(&world), entries(&world).len()), (1, 1));
    world.run(99 * DAY, tick());
    assert_eq!((months(&world), entries(&world).len()), (0, 0));
    let kept = world.journal.len();
    world.run(99 * DAY + 1, tick());
    assert_eq!(world.journal.len(), kept, "there is nothing more to drop");

    let mut world = TestMachine::new(with(|directory| directory.settings.retention_days = 200));
    world.run(0, tick());
    world.run(199 * DAY, tick());
    assert_eq!(entries(&world).len(), 1, "as long as texts, if those are kept longer");
}

#[test]
fn a16_a72_another_number_to_text_is_audited_once_with_its_agent() {
    let mut world = TestMachine::new(directory());
    let alternative = |number: Option<&str>| {
        let number = number.map(|number| number.parse().unwrap());
        put("a", move |put| (put.by.name, put.alternative) = ("adapter".into(), number))
    };
    for (secs, step) in [
        (1, start("a")),
        (2, alternative(Some(BOB))),
        (3, alternative(Some(BOB))),
        (4, alternative(None)),
        (5, put("a", |put| put.language = Some(language("it")))),
    ] {
        world.run(secs, step);
    }
    let bob = format!(r#"{{"caller":"{ANN}","alternative":"{BOB}","agent":"agent-1"}}"#);
    let expected = [
        format!("adapter text_alternative calls/a {bob} null"),
        format!("adapter text_alternative calls/a null {bob}"),
        "seed seed directory null null".to_owned(),
    ];
    assert_eq!(entries(&world), expected);
}

#[test]
fn a16_a72_an_alternative_from_the_start_is_audited_and_erased_with_its_person() {
    let mut world = TestMachine::new(directory());
    world.run(1, put("a", |put| put.alternative = BOB.parse().ok()));
    assert!(entries(&world)[0].contains(BOB));
    world.run(2, steps::end("a"));
    world.run(3, erase(BOB));
    let bob = Person::new(BOB.parse().unwrap());
    let rows = world.rows.iter().filter(|(key, _)| matches!(key.table, Table::Audit(_)));
    for (key, row) in rows.map(|(key, row)| (key.clone(), row.clone())).collect::<Vec<_>>() {
        let row = bob.row(key.table, &key.bytes, row).unwrap();
        world.rows.insert(key, row);
    }
    assert!(entries(&world).contains(&"platform text_alternative - null null".to_owned()), "{:?}", entries(&world));
}

#[test]
fn a18_a72_a_forced_text_to_a_landline_is_audited_and_any_other_is_not() {
    let mut world = TestMachine::new(directory());
    let by = || Some(Actor::named("chief".to_owned()));
    let forced = || {
        let key = Some(IdempotencyKey { key: [3; 16], body: [3; 16] });
        send("a", Content::Text("a forced text".to_owned()), |send| (send.force, send.key) = (by(), key))
    };
    world.run(1, start("a"));
    world.run(2, send("a", Content::Text("hello".to_owned()), |send| send.force = by()));
    assert_eq!(entries(&world).len(), 1, "it was no landline");
    for (secs, step) in [(3, go(1)), (4, refused(1, FailureCode::Landline)), (5, forced()), (6, forced())] {
        world.run(secs, step);
    }
    let message = world.queued[1];
    assert_eq!(entries(&world)[0], format!("chief send_to_landline messages/{message} null null"));
    assert_eq!(entries(&world).len(), 2, "a repetition is the same act");
    assert_eq!(answer(&world.run(7, say("a", "hi")).reply), "refused landline");
    assert!(world.call("a").id == call_id("a"));
}

#[test]
fn a72_a_replay_of_events_is_audited_with_and_without_a_key() {
    let mut world = TestMachine::new(directory());
    world.run(1, replayed("main", 1..3));
    let without = Command::Replayed {
        key: None,
        replayed: crate::machine::event::Replayed { endpoints: vec!["main".to_owned()], ends: None },
        by: Actor::named("chief".to_owned()),
    };
    world.run(2, Step::Do(without));
    let found = entries(&world);
    assert_eq!(found[0], r#"chief replay_events events null {"endpoints":["main"],"from":null,"to":null}"#);
    assert!(found[1].starts_with("command line replay_events events null {\"endpoints\":[\"main\"],\"from\":\""));
    assert_eq!(data(world.journal.last().unwrap(), "directory.changed"), []);
    assert!(world.now >= START + Duration::from_secs(2));
}
