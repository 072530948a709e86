//! Each rule of the directory, by a change that violates it.

use super::*;
use crate::model::{Change, QUEUE_DEPTH_MAX, Queue, QueueId, VerificationState};
use std::collections::BTreeMap;

#[test]
fn a_valid_directory_has_no_violation() {
    check_finds(|_| {}, &[]);
}

#[test]
fn r19_r20_an_inbound_number_belongs_to_one_queue_only() {
    check_finds(
        |directory| queue(directory, "sales").inbound_numbers.push("+12065550100".parse().unwrap()),
        &["queues.support.inbound_numbers"],
    );
    // In a gateway that has it, the queue that wants the number is at fault, and not the one that has it.
    check_change(
        |directory| queue(directory, "sales").inbound_numbers.push("+12065550100".parse().unwrap()),
        &["queues.sales.inbound_numbers inbound_number_taken"],
    );
    check_change(
        |directory| queue(directory, "sales").inbound_numbers.push("+12065550101".parse().unwrap()),
        &["queues.sales.inbound_numbers invalid_field"],
    );
}

#[test]
fn r21_an_inbound_number_may_be_used_as_outbound_by_others() {
    check_finds(|directory| queue(directory, "sales").outbound_numbers.push("+12065550100".parse().unwrap()), &[]);
}

#[test]
fn r21_an_outbound_number_cannot_become_inbound_while_it_is_outbound() {
    let shared: E164 = "+12065550102".parse().unwrap();
    check_change(
        |directory| queue(directory, "sales").inbound_numbers.push(shared),
        &["queues.sales.inbound_numbers outbound_only"],
    );
    check_change(
        |directory| {
            directory.queues.values_mut().for_each(|queue| queue.outbound_numbers.clear());
            queue(directory, "sales").inbound_numbers.push(shared);
        },
        &[],
    );
}

#[test]
fn r22_r23_a_queue_has_several_outbound_numbers_and_shares_them() {
    let sales: E164 = "+12065550101".parse().unwrap();
    check_change(|directory| queue(directory, "support").outbound_numbers.push(sales), &[]);
}

#[test]
fn r31_r18_r27_only_verified_in_call_numbers_other_than_global_are_assigned() {
    let sales = "+12065550101";
    check_finds(
        |directory| number(directory, sales).verification.state = VerificationState::Unverified,
        &["queues.sales.inbound_numbers"],
    );
    check_finds(|directory| number(directory, sales).purpose = Purpose::Chat, &["queues.sales.inbound_numbers"]);
    check_finds(|directory| number(directory, sales).global_outbound = true, &["queues.sales.inbound_numbers"]);
}

#[test]
fn a39_r31_a_failed_number_stays_assigned_and_gets_no_new_assignment() {
    let sales = "+12065550101";
    let mut failed = example();
    number(&mut failed, sales).verification.state = VerificationState::Failed;
    let mut after = failed.clone();
    queue(&mut after, "sales").name = "Sales and more".to_owned();
    assert_eq!(check(&failed, &after, false), []);
    queue(&mut after, "support").outbound_numbers.push(sales.parse().unwrap());
    assert_eq!(codes(&check(&failed, &after, false)), ["queues.support.outbound_numbers number_not_verified"]);
}

#[test]
fn a38_r27_the_global_outbound_number_is_assigned_only_by_force() {
    let mut after = example();
    number(&mut after, "+12065550101").global_outbound = true;
    let global = "numbers.+12065550101.global_outbound number_is_global_outbound";
    assert_eq!(codes(&check(&example(), &after, false)), [global]);
    assert_eq!(check(&example(), &after, true), []);
    assert_eq!(check(&after, &after, false), [], "a forced assignment may be edited later without force");
}

#[test]
fn a41_r18_the_purpose_of_a_number_changes_only_while_no_queue_uses_it() {
    let to_chat = |directory: &mut Directory| number(directory, "+12065550101").purpose = Purpose::Chat;
    check_change(to_chat, &["numbers.+12065550101.purpose number_in_use"]);
    check_change(
        |directory| {
            directory.queues.remove(&"sales".to_owned().try_into().unwrap());
            to_chat(directory);
        },
        &[],
    );
}

#[test]
fn resources_in_use_are_not_deleted() {
    check_change(
        |directory| drop(directory.numbers.remove(&"+12065550101".parse().unwrap())),
        &["queues.sales.inbound_numbers number_in_use"],
    );
    let mut before = example();
    queue(&mut before, "sales").parent = Some("support".to_owned().try_into().unwrap());
    let mut after = before.clone();
    after.queues.remove(&"support".to_owned().try_into().unwrap());
    assert_eq!(codes(&check(&before, &after, false)), ["queues.sales.parent queue_in_use"]);
}

#[test]
fn every_rule_that_a_number_of_a_queue_breaks_is_named_in_the_order_of_judgement() {
    let three = "+12065550103".parse().unwrap();
    let mut before = example();
    let entry = before.numbers[&"+12065550101".parse().unwrap()].clone();
    let (verification, purpose) = (Default::default(), Purpose::Chat);
    before.numbers.insert(three, Number { verification, purpose, global_outbound: true, ..entry });
    let mut after = before.clone();
    queue(&mut after, "sales").outbound_numbers.extend([three, "+12065550199".parse().unwrap()]);
    let rules = ["number_not_found", "number_is_chat", "number_is_global_outbound", "number_not_verified"];
    let expected: Vec<_> = rules.iter().map(|rule| format!("queues.sales.outbound_numbers {rule}")).collect();
    assert_eq!(codes(&check(&before, &after, false)), expected);
    let forced: Vec<_> = expected.iter().filter(|line| !line.contains("global")).cloned().collect();
    assert_eq!(codes(&check(&before, &after, true)), forced);
}

#[test]
fn a_resource_that_stays_as_it_was_is_not_judged_again() {
    let mut before = example();
    number(&mut before, "+12065550101").label = String::new();
    queue(&mut before, "sales").name = String::new();
    before.settings.retention_days = 0;
    let mut after = before.clone();
    queue(&mut after, "support").name = "Help".to_owned();
    assert_eq!(check(&before, &after, false), []);
}

#[test]
fn r28_a_number_has_a_readable_label() {
    check_change(
        |directory| number(directory, "+12065550101").label = " ".to_owned(),
        &["numbers.+12065550101.label invalid_field"],
    );
    check_change(
        |directory| number(directory, "+12065550101").label = "x".repeat(101),
        &["numbers.+12065550101.label invalid_field"],
    );
}

#[test]
fn r24_a28_each_number_has_its_own_limits_and_none_is_zero() {
    check_change(
        |directory| {
            number(directory, "+12065550100").limits.millisegments_per_second = Some(100);
            number(directory, "+12065550101").limits = Limits::none();
        },
        &[],
    );
    check_change(
        |directory| {
            number(directory, "+12065550100").limits.millisegments_per_second = Some(0);
            number(directory, "+12065550101").limits.burst = u32::MAX;
            number(directory, "+12065550100").limits.segments_per_day = Some(0);
            number(directory, "+12065550100").limits.day_zone = "Mars/Olympus".to_owned();
        },
        &[
            "numbers.+12065550100.limits.segments_per_second invalid_field",
            "numbers.+12065550100.limits.segments_per_day invalid_field",
            "numbers.+12065550100.limits.day_zone invalid_field",
            "numbers.+12065550101.limits.burst invalid_field",
        ],
    );
}

#[test]
fn contradicting_settings_are_reported() {
    check_change(
        |directory| {
            directory.settings.auto_reply.per_day = 0;
            directory.settings.call_types.clear();
            directory.settings.closing.texts.insert("en".to_owned().try_into().unwrap(), "Stop.".to_owned());
        },
        &[
            "settings.closing.texts.en invalid_field",
            "settings.auto_reply.per_day invalid_field",
            "settings.call_types invalid_field",
        ],
    );
}

#[test]
fn a44_presets_only_with_custom_messages_is_not_a_contradiction() {
    check_change(|directory| (directory.settings.custom_messages, directory.settings.presets_only) = (true, true), &[]);
}

#[test]
fn a42_a_queue_inherits_the_language_of_its_nearest_parent() {
    let mut directory = example();
    let (child, parent) = ("sales".to_owned().try_into().unwrap(), "support".to_owned().try_into().unwrap());
    queue(&mut directory, "sales").parent = Some("support".to_owned().try_into().unwrap());
    queue(&mut directory, "support").language = Some("it".to_owned().try_into().unwrap());
    assert_eq!(directory.language_of(&child), directory.language_of(&parent));
    queue(&mut directory, "sales").language = Some("en".to_owned().try_into().unwrap());
    assert_eq!(directory.language_of(&child).as_str(), "en");
}

#[test]
fn the_changes_between_two_directories_turn_one_into_the_other() {
    let one = example();
    let mut other = one.clone();
    other.settings.late_text = true;
    other.numbers.pop_first();
    other.queues.pop_first();
    other.presets.pop_last();
    other.accounts.insert("main".to_owned(), crate::model::Account { limits: Limits::none() });
    for (from, to) in [(&one, &other), (&other, &one), (&Directory::default(), &one)] {
        let mut made = from.clone();
        Change::from_to(from, to).iter().for_each(|change| made.change(change));
        assert_eq!(&made, to);
        assert_eq!(Change::from_to(&made, to), []);
    }
}

#[test]
fn a42_a_cycle_of_parents_is_rejected() {
    check_finds(
        |directory| {
            queue(directory, "sales").parent = Some("support".to_owned().try_into().unwrap());
            queue(directory, "support").parent = Some("sales".to_owned().try_into().unwrap());
        },
        &["queues.sales.parent", "queues.support.parent"],
    );
    check_change(
        |directory| queue(directory, "sales").parent = Some("sales".to_owned().try_into().unwrap()),
        &["queues.sales.parent parent_cycle"],
    );
    check_change(
        |directory| queue(directory, "sales").parent = Some("nowhere".to_owned().try_into().unwrap()),
        &["queues.sales.parent queue_not_found"],
    );
}

#[test]
fn a42_a_queue_has_at_most_sixteen_ancestors() {
    let chain = |queues: usize| {
        move |directory: &mut Directory| {
            for nth in 0..queues {
                let id = |nth: usize| QueueId::try_from(format!("q-{nth}")).unwrap();
                let parent = (nth > 0).then(|| id(nth - 1));
                let queue =
                    Queue { parent, inbound_numbers: Vec::new(), ..directory.queues.values().next().unwrap().clone() };
                let queue = Queue { outbound_numbers: Vec::new(), default_outbound: None, ..queue };
                directory.queues.insert(id(nth), queue);
            }
        }
    };
    check_change(chain(QUEUE_DEPTH_MAX + 1), &[]);
    check_change(chain(QUEUE_DEPTH_MAX + 2), &["queues.q-17.parent invalid_field"]);
}

#[test]
fn all_violations_are_reported() {
    check_finds(
        |directory| {
            number(directory, "+12065550101").account = "other".to_owned();
            number(directory, "+12065550101").limits.burst = 0;
            directory.settings.retention_days = 1;
        },
        &["settings.retention_days", "numbers.+12065550101.limits.burst", "numbers.+12065550101.account"],
    );
}

#[test]
fn r50_a43_a_preset_over_918_characters_is_a_violation() {
    check_finds(
        |directory| {
            for preset in directory.presets.values_mut().flat_map(BTreeMap::values_mut) {
                preset.text = "x".repeat(919);
            }
        },
        &["presets.en.only-english.text", "presets.en.welcome.text", "presets.it.welcome.text"],
    );
}

fn queue<'a>(directory: &'a mut Directory, id: &str) -> &'a mut crate::model::Queue {
    directory.queues.get_mut(&QueueId::try_from(id.to_owned()).unwrap()).unwrap()
}

fn number<'a>(directory: &'a mut Directory, number: &str) -> &'a mut crate::model::Number {
    directory.numbers.get_mut(&number.parse().unwrap()).unwrap()
}

fn codes(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(|violation| format!("{} {}", violation.at(), violation.code.word())).collect()
}

/// Compares the violations of the changed example in a new gateway.
#[track_caller]
fn check_finds(change: impl Fn(&mut Directory), expected: &[&str]) {
    let mut directory = example();
    change(&mut directory);
    let mut found = check(&Directory::default(), &directory, false);
    found.extend(check_accounts(&directory, &["main".to_owned()]));
    assert_eq!(found.into_iter().map(|violation| violation.at()).collect::<Vec<_>>(), expected);
}

/// Compares the violations of changing the example in a gateway that has it.
#[track_caller]
fn check_change(change: impl Fn(&mut Directory), expected: &[&str]) {
    let mut after = example();
    change(&mut after);
    assert_eq!(codes(&check(&example(), &after, false)), expected);
}
