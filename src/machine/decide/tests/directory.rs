//! Directory changes during calls (R14-R32, R38, A36-A42), and contacts that expire (A18, A23).

use super::steps::{checked, end, failed_verification, go, put, refused, say, start, start_of, text, tick};
use super::*;
use crate::machine::keys::decode_row;
use crate::machine::state::Audited;
use crate::machine::view::SendingQueries;
use crate::model::{
    Actor, Change, Expected, FailureCode, Json, Month, Number, OnlyIf, Purpose, Queue, QueueId, Resource, Verification,
    VerificationState,
};
use crate::rules::refusal::Code;
use crate::rules::verification::{Said, Webhook};

const DAY: u64 = 24 * 3_600;

const GOOD: Said = Said::Found { sms: true, mms: true, webhook: Webhook::Here };

fn change(change: fn(&mut Directory)) -> Step {
    Step::Change(change)
}

fn queue<'a>(directory: &'a mut Directory, id: &str) -> &'a mut Queue {
    directory.queues.get_mut(&id.to_owned().try_into().unwrap()).unwrap()
}

#[test]
fn r38_a36_a_switch_applies_from_the_next_send() {
    let off = change(|directory| directory.settings.in_call_sms = false);
    let mut world = check([(0, start("a")), (1, say("a", "x")), (2, off)], &["done"]);
    then(&mut world, 3, say("a", "y"), &["refused in_call_sms_off"]);
    then(&mut world, 4, go(1), &["not started", "message.cancelled a custom blocked"]);
    world.run(5, change(|directory| directory.settings.in_call_sms = true));
    then(&mut world, 6, say("a", "z"), &["queued", "message.queued a custom 'z'"]);
}

#[test]
fn a37_an_unassigned_or_failed_number_keeps_its_sessions_but_starts_none() {
    let away = change(|directory| {
        let sales = queue(directory, "sales");
        (sales.inbound_numbers, sales.outbound_numbers, sales.default_outbound) = Default::default();
        let support = queue(directory, "support");
        (support.inbound_numbers, support.default_outbound) = Default::default();
    });
    let mut world = check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, away)], &["done"]);
    then(&mut world, 3, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
    assert_eq!(world.message(1).ours, SUPPORT.parse().unwrap());
    world.run(4, start_of("b", BOB));
    world.run(5, say("b", "x"));
    assert_eq!(world.message(2).ours, SHARED.parse().unwrap());
    then(&mut world, 6, failed_verification(SHARED), &["failed", "number.verification_changed"]);
    then(&mut world, 7, say("b", "y"), &["queued", "message.queued b custom 'y'"]);
    world.run(8, start_of("c", "+12065550144"));
    then(&mut world, 9, say("c", "x"), &["refused no_number"]);
}

#[test]
fn a_number_is_deleted_only_once_nobody_is_texted_from_it() {
    let release = change(|directory| {
        for queue in directory.queues.values_mut() {
            queue.inbound_numbers.clear();
            queue.default_outbound = None;
        }
    });
    let delete = || change(|directory| drop(directory.numbers.remove(&SUPPORT.parse().unwrap())));
    let story = [(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, release), (3, delete())];
    let mut world = check(story, &["refused still_texting"]);
    // The closing message waits in the lane of the number.
    world.run(4, end("a"));
    then(&mut world, 5, delete(), &["refused still_texting"]);
    world.run(6, go(1));
    then(&mut world, 7, delete(), &["done"]);
    assert!(!world.directory.numbers.contains_key(&SUPPORT.parse().unwrap()));
}

#[test]
fn a_queue_is_deleted_only_once_no_call_is_in_it() {
    let delete = || change(|directory| drop(directory.queues.remove(&"support".to_owned().try_into().unwrap())));
    let mut world = check([(0, start("a")), (1, delete())], &["refused queue_in_use"]);
    world.run(2, end("a"));
    then(&mut world, 3, delete(), &["done"]);
}

#[test]
fn a10_calls_of_a_queue_that_is_off_send_nothing_but_still_receive() {
    let off = change(|directory| queue(directory, "support").in_call_sms = Some(false));
    let mut world = check([(0, start("a")), (1, text(ANN, SUPPORT, "hi")), (2, off)], &["done"]);
    then(&mut world, 3, say("a", "x"), &["refused queue_disabled"]);
    then(&mut world, 4, text(ANN, SUPPORT, "hello?"), &["attached", "message.received a 'hello?'"]);
}

#[test]
fn a39_an_administrators_change_keeps_what_the_carrier_said_of_a_number() {
    let mut world = TestMachine::new(directory());
    world.run(1, failed_verification(SALES));
    let sales: E164 = SALES.parse().unwrap();
    let verification = world.directory.numbers[&sales].verification.clone();
    let rename = change(|directory| {
        let entry = directory.numbers.get_mut(&SALES.parse().unwrap()).unwrap();
        entry.label = "New".to_owned();
        entry.verification = Verification { state: VerificationState::Verified, ..Verification::default() };
    });
    then(&mut world, 2, rename, &["done"]);
    assert_eq!(
        (&*world.directory.numbers[&sales].label, &world.directory.numbers[&sales].verification),
        ("New", &verification)
    );
}

#[test]
fn a_directory_that_begins_with_a_number_has_it_after_a_restart() {
    let mut world = TestMachine::empty();
    world.run(0, Step::Do(Command::GatewayStarted));
    let (number, entry) = directory().numbers.pop_first().unwrap();
    let changes = vec![Change::Number(number, Some(Json(entry)))];
    let by = Actor::command_line();
    world.run(1, Step::Do(Command::ChangeDirectory { changes, force: false, only_if: None, by }));
    // This world reads its directory from rows.
    assert!(world.has_directory() && world.directory.numbers.contains_key(&number));
}

#[test]
fn an_invalid_change_is_refused_whole_with_every_violation_named() {
    let mut world = TestMachine::new(directory());
    let mut after = world.directory.clone();
    queue(&mut after, "sales").inbound_numbers.push(SUPPORT.parse().unwrap());
    after.settings.retention_days = 0;
    let changes = Change::from_to(&world.directory, &after);
    let decision = world
        .run(1, Step::Do(Command::ChangeDirectory { changes, force: false, only_if: None, by: Actor::command_line() }));
    let Reply::Refused(refusal) = decision.reply else { panic!("{:?}", decision.reply) };
    let errors: Vec<_> = refusal.errors.iter().map(|error| (&*error.field, error.code)).collect();
    let expected =
        [("settings.retention_days", Code::InvalidField), ("queues.sales.inbound_numbers", Code::InboundNumberTaken)];
    assert_eq!((&*errors, decision.events.len()), (&expected[..], 0));
    assert_eq!((refusal.code, &refusal.detail), (Code::InvalidField, &refusal.errors[0].detail));
}

#[test]
fn a72_each_changed_resource_has_an_entry_in_the_audit_that_names_who_changed_it() {
    let mut world = TestMachine::new(directory());
    let mut after = world.directory.clone();
    after.settings.custom_messages = false;
    let new = Queue { inbound_numbers: Vec::new(), default_outbound: None, ..queue(&mut after, "sales").clone() };
    after.queues.insert("new".to_owned().try_into().unwrap(), new);
    let preset = after.presets.values_mut().next().unwrap().pop_first().unwrap().0;
    let changes = Change::from_to(&world.directory, &after);
    let by = Actor::named("bruno".to_owned());
    then(&mut world, 1, Step::Do(Command::ChangeDirectory { changes, force: false, only_if: None, by }), &["done"]);
    let rows = world.rows.iter().filter(|(key, _)| matches!(key.table, Table::Audit(_)));
    let entries: Vec<_> = rows.map(|(_, row)| decode_row::<Audited>(row).unwrap()).collect();
    let mut found: Vec<_> = entries
        .iter()
        .map(|audited| {
            let entry = audited.entry.kept().unwrap();
            let (before, after) = (entry.before.is_some(), entry.after.is_some());
            format!("{} {} {} {before} {after}", audited.actor, audited.action.label(), entry.resource)
        })
        .collect();
    found.sort();
    let deleted = format!("bruno delete presets/en/{preset} true false");
    let expected = [
        "bruno change settings true true",
        "bruno create queues/new false true",
        &deleted,
        "seed seed directory false false",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_failed_condition_is_refused_with_the_current_version() {
    let mut world = TestMachine::new(directory());
    let sales: QueueId = "sales".to_owned().try_into().unwrap();
    let mut put = |name: &str, expected: Expected| {
        let entry = Queue { name: name.to_owned(), ..world.directory.queues[&sales].clone() };
        let only_if = Some(OnlyIf { resource: Some(Resource::Queue(sales.clone())), expected });
        let changes = vec![Change::Queue(sales.clone(), Some(Json(entry)))];
        let command = Command::ChangeDirectory { changes, force: false, only_if, by: Actor::command_line() };
        let reply = world.run(1, Step::Do(command)).reply;
        let version = world.directory.version_of(Some(&Resource::Queue(sales.clone()))).unwrap();
        match reply {
            Reply::Refused(refusal) => Err((refusal.code.word(), refusal.etag, version)),
            _ => Ok(version),
        }
    };
    let first = put("One", Expected::Exists).unwrap();
    let second = put("Two", Expected::At(vec![first])).unwrap();
    assert!(second > first);
    let lost = Err(("precondition_failed", Some(format!("\"{}\"", second.0).into()), second));
    assert_eq!(put("Three", Expected::At(vec![first])), lost);
    assert_eq!(put("Three", Expected::Absent), lost);
}

#[test]
fn a38_r27_assigning_the_global_outbound_number_needs_force() {
    let mut world = TestMachine::new(directory());
    let mut after = world.directory.clone();
    after.numbers.get_mut(&SALES.parse().unwrap()).unwrap().global_outbound = true;
    let changes = Change::from_to(&world.directory, &after);
    let command = |force| {
        Step::Do(Command::ChangeDirectory { changes: changes.clone(), force, only_if: None, by: Actor::command_line() })
    };
    then(&mut world, 1, command(false), &["refused number_is_global_outbound"]);
    then(&mut world, 2, command(true), &["done"]);
    then(&mut world, 3, command(true), &["done"]);
    assert_eq!(world.directory, after);
}

#[test]
fn a41_r18_a_numbers_purpose_changes_only_while_no_queue_has_it() {
    let to_chat = change(|directory| {
        directory.numbers.get_mut(&SALES.parse().unwrap()).unwrap().purpose = Purpose::Chat;
    });
    check([(0, to_chat)], &["refused number_in_use"]);
}

#[test]
fn r26_r28_r29_numbers_are_added_one_by_one_each_with_a_label() {
    let mut world = TestMachine::new(directory());
    for (nth, label) in [(3, "Third"), (4, "Fourth")] {
        let number = format!("+1206555010{nth}").parse().unwrap();
        let known = world.directory.numbers[&SUPPORT.parse().unwrap()].clone();
        let entry = Number { label: label.to_owned(), verification: Verification::default(), ..known };
        let changes = vec![Change::Number(number, Some(Json(entry)))];
        then(
            &mut world,
            nth,
            Step::Do(Command::ChangeDirectory { changes, force: false, only_if: None, by: Actor::command_line() }),
            &["done"],
        );
        assert_eq!(world.directory.numbers[&number].label, label);
    }
}

#[test]
fn r30_r31_a39_numbers_are_verified_in_bulk_and_only_changes_make_events() {
    let mut world = TestMachine::new(directory());
    for (secs, number) in [(1, SUPPORT), (2, SALES), (3, SHARED)] {
        then(&mut world, secs, checked(number, GOOD), &["verified"]);
    }
    then(&mut world, 4, failed_verification(SALES), &["failed", "number.verification_changed"]);
    then(&mut world, 5, failed_verification(SALES), &["failed"]);
    then(&mut world, 6, checked(SALES, GOOD), &["verified", "number.verification_changed"]);
    then(&mut world, 7, failed_verification("+12065550999"), &["refused not_found"]);
    // An answer of another account's carrier says nothing about the number.
    let (number, account) = (SALES.parse().unwrap(), "other".to_owned());
    let other = Command::NumberChecked { number, account, said: GOOD, address: String::new() };
    then(&mut world, 8, Step::Do(other), &["refused not_found"]);
}

#[test]
fn a39_a_check_that_changes_nothing_makes_no_new_version() {
    let mut world = TestMachine::new(directory());
    let number = SUPPORT.parse().unwrap();
    let version = |world: &TestMachine| world.directory.versions.of(&Resource::Number(number));
    let checked_at = |world: &TestMachine| world.checked_number(number, "main").map(|checked| checked.at);
    let (before, whole) = (version(&world), world.directory.versions.directory);
    assert_eq!(checked_at(&world), None);
    for secs in [1, 90_000] {
        world.run(secs, checked(SUPPORT, GOOD));
        assert_eq!((version(&world), world.directory.versions.directory), (before, whole));
        assert_eq!(checked_at(&world), Some(world.now));
    }
    // Something else is known of it: a new version, and nothing for the platform.
    let no_mms = Said::Found { sms: true, mms: false, webhook: Webhook::Here };
    then(&mut world, 180_000, checked(SUPPORT, no_mms), &["verified"]);
    assert!(version(&world) > before && !world.directory.numbers[&number].verification.mms);
    // A number that is added again was not checked yet.
    world.run(180_001, change(|directory| drop(directory.numbers.remove(&SALES.parse().unwrap()))));
    world.run(
        180_002,
        change(|directory| {
            (queue(directory, "support").inbound_numbers, queue(directory, "support").default_outbound) =
                Default::default();
            directory.numbers.remove(&SUPPORT.parse().unwrap());
        }),
    );
    assert_eq!(checked_at(&world), None);
}

#[test]
fn r43_r44_r47_presets_are_added_and_removed_per_language() {
    let italian = |world: &mut TestMachine, secs, id: &str| {
        let content = crate::machine::command::Content::Preset(id.to_owned().try_into().unwrap(), Some(language("it")));
        let decision = world.run(secs, steps::send("a", content, |_| {}));
        lines(world, &decision).remove(0)
    };
    let mut world = check([(0, start("a"))], &["created", "call.started a"]);
    assert_eq!(italian(&mut world, 1, "only-english"), "refused preset_not_found");
    world.run(
        2,
        change(|directory| {
            let presets = directory.presets.get_mut(&language("it")).unwrap();
            let preset = presets.values().next().unwrap().clone();
            presets.insert("only-english".to_owned().try_into().unwrap(), preset);
        }),
    );
    assert_eq!(italian(&mut world, 3, "only-english"), "queued");
    world.run(4, change(|directory| drop(directory.presets.remove(&language("it")))));
    assert_eq!(italian(&mut world, 5, "welcome"), "refused preset_not_found");
}

#[test]
fn texts_of_a_removed_language_are_not_used_again() {
    let mut world = TestMachine::new(directory());
    world.run(1, change(|directory| drop(directory.settings.closing.texts.remove(&language("it")))));
    assert_eq!(world.directory.settings.closing.texts.len(), 1);
    let rows = world.rows(Table::State, &[kind::DIRECTORY], &[], usize::MAX);
    assert_eq!(directory_from(rows.into_iter()).unwrap(), world.directory);
}

#[test]
fn a23_a22_a18_contacts_are_stored_and_deleted_by_month() {
    let mut world = TestMachine::new(with(|directory| directory.settings.landline_memory_days = 90));
    let story = [
        (0, start("a")),
        (1, text(ANN, SUPPORT, "hi")),
        (2, end("a")),
        (3, text(ANN, SUPPORT, "more")),
        (4, start_of("b", BOB)),
        (5, say("b", "x")),
        (6, go(3)),
        (7, refused(3, FailureCode::Landline)),
        (8, end("b")),
    ];
    for (secs, step) in story {
        world.run(secs, step);
    }
    let people = |world: &TestMachine| world.rows.keys().filter(|key| matches!(key.table, Table::Contacts(_))).count();
    assert!(people(&world) >= 2);
    world.run(9, tick());
    assert!(people(&world) >= 2, "not old enough yet");
    world.run(89 * DAY, tick());
    assert!(world.landline(BOB.parse().unwrap(), world.now));
    world.run(130 * DAY, tick());
    assert_eq!(people(&world), 0);
    let decision = world.run(130 * DAY + 1, tick());
    assert_eq!(decision.events, [], "each month is deleted once");
    world.run(131 * DAY, start_of("c", BOB));
    then(&mut world, 131 * DAY + 60, say("c", "x"), &["queued", "message.queued c custom 'x'"]);
}

#[test]
fn a23_the_first_month_still_kept_is_reported() {
    let mut world = TestMachine::new(directory());
    world.run(0, tick());
    let since = world.remembered_since().unwrap();
    let ninety_days_ago = (START - std::time::Duration::from_secs(90 * DAY)).day().month();
    assert_eq!((since, Month(since.0 - 1)), (ninety_days_ago, ninety_days_ago.previous()));
    // A shorter retention deletes sooner; a longer one restores nothing.
    world.run(
        1,
        change(|directory| {
            (directory.settings.contact_memory_days, directory.settings.landline_memory_days) = (1, 1);
        }),
    );
    world.run(2, tick());
    assert_eq!(world.remembered_since().unwrap(), START.day().month());
    world.run(3, put("a", |_| {}));
}

#[test]
fn a_resource_has_the_version_of_the_frame_that_last_changed_it() {
    let mut world = TestMachine::new(directory());
    let versions = |world: &TestMachine| world.directory.versions.clone();
    let (support, queue_id) = (Resource::Number(SUPPORT.parse().unwrap()), "support".to_owned().try_into().unwrap());
    let queue_id = Resource::Queue(queue_id);
    let first = versions(&world);
    assert_eq!((first.of(&Resource::Settings), first.of(&support)), (first.directory, first.directory));

    // What a command repeats unchanged keeps its version.
    let mut after = world.directory.clone();
    after.settings.late_text = true;
    let changes = Change::all_of(&after);
    world.run(
        1,
        Step::Do(Command::ChangeDirectory {
            changes: changes.clone(),
            force: false,
            only_if: None,
            by: Actor::command_line(),
        }),
    );
    let second = versions(&world);
    assert!(second.directory > first.directory);
    assert_eq!(second.of(&Resource::Settings), second.directory);
    assert_eq!((second.of(&support), second.of(&queue_id)), (first.directory, first.directory));
    world
        .run(2, Step::Do(Command::ChangeDirectory { changes, force: false, only_if: None, by: Actor::command_line() }));
    assert_eq!(versions(&world).directory, second.directory);

    world.run(3, failed_verification(SUPPORT));
    let third = versions(&world);
    assert!(third.directory > second.directory && third.of(&support) == third.directory);
    let sales = Resource::Queue("sales".to_owned().try_into().unwrap());
    assert_eq!(third.of(&sales), first.directory);
    world.run(4, change(|directory| drop(directory.queues.remove(&"sales".to_owned().try_into().unwrap()))));
    let fourth = versions(&world);
    assert!(fourth.directory > third.directory && !fourth.resources.contains_key(&sales));

    // The directory kept in memory has the same versions as the one read from rows, which this world reads.
    let mut kept = Directory::default();
    for frame in &world.journal {
        for event in &frame.events {
            kept = event.event.directory_after(&kept, frame.position).unwrap_or(kept);
        }
    }
    assert_eq!((&kept, kept.versions.directory), (&world.directory, fourth.directory));
    assert_eq!(kept.versions.resources, fourth.resources);
}
