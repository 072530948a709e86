//! STOP, START and HELP (A46-A48): sessions they close and reopen, and the events they make.

use super::steps::{call_id, delivered, end, go, inbound, put, refused, say, sent, start, start_in, start_of, text};
use super::*;
use crate::machine::command::Content;
use crate::model::{Actor, Expected, FailureCode, Inbound, Kind, OptOutScope, Phase, ReceiptState};
use crate::rules::opt_out::CONFIRMATION;

const CLEO: &str = "+12065550144";

/// Ann is on a call and has texted.
fn talking() -> [(u64, Step); 2] {
    [(0, start("a")), (1, text(ANN, SUPPORT, "hi"))]
}

fn stop() -> Step {
    text(ANN, SUPPORT, "Stop.")
}

fn by_number() -> Directory {
    with(|directory| directory.settings.opt_out_scope = OptOutScope::Number)
}

fn confirmed(call: &str) -> String {
    format!("message.queued {call}opt_out_confirmation '{CONFIRMATION}'")
}

#[test]
fn a46_stop_during_a_call_closes_the_session_not_the_call() {
    let [one, two] = talking();
    let expected = [
        "attached",
        "message.received a stop reply_blocked 'Stop.'",
        "contact.opted_out",
        "call.updated a closed opted_out",
        &confirmed("a "),
    ];
    let mut world = check([one, two, (2, stop())], &expected);
    then(&mut world, 3, say("a", "are you there?"), &["refused session_closed"]);
    assert!(world.call("a").ended.is_none());
    then(&mut world, 4, text(ANN, SUPPORT, "hello?"), &["silent", "message.late after a"]);
    then(&mut world, 5, end("a"), &["ended", "call.ended a closed opted_out hung_up"]);
}

#[test]
fn a46_a19_the_agents_queued_texts_are_cancelled() {
    let [one, two] = talking();
    let mut world = check(
        [one, two, (2, say("a", "first")), (2, say("a", "second")), (3, go(1)), (4, stop())],
        &[
            "attached",
            "message.received a stop reply_blocked 'Stop.'",
            "contact.opted_out",
            "message.cancelled a custom opted_out",
            "call.updated a closed opted_out",
            &confirmed("a "),
        ],
    );
    // The first text was already in flight; only its outcome is still reported.
    then(&mut world, 5, sent(1), &["done", "message.sent a custom"]);
    then(&mut world, 5, go(2), &["not started"]);
}

#[test]
fn a46_only_one_confirmation_is_sent_and_nothing_else() {
    let [one, two] = talking();
    let mut world = check([one, two, (2, stop()), (3, stop())], &["silent", "message.late after a"]);
    then(&mut world, 4, go(1), &["started"]);
    assert_eq!(world.message(1).kind, Kind::OptOutConfirmation);
}

#[test]
fn a46_no_confirmation_when_the_carrier_answers_stop_itself() {
    let [one, two] = talking();
    let by_carrier = Step::Text(Inbound { keyword: Some("STOP".to_owned()), ..inbound(ANN, SUPPORT, "STOP") });
    let expected = [
        "attached",
        "message.received a stop reply_blocked 'STOP'",
        "contact.opted_out",
        "call.updated a closed opted_out",
    ];
    check([one, two, (2, by_carrier)], &expected);
}

#[test]
fn a46_the_setting_decides_whether_stop_blocks_one_number_or_all() {
    // Two calls of one caller, each on its own number (A1).
    let story =
        || [(0, start("a")), (1, say("a", "x")), (2, start("b")), (3, say("b", "y")), (4, text(ANN, SHARED, "STOP"))];
    let [one, two, three, four, five] = story();
    let mut world = check(
        [one, two, three, four, five],
        &[
            "attached",
            "message.received b stop reply_blocked 'STOP'",
            "contact.opted_out",
            "message.cancelled a custom opted_out",
            "call.updated a closed opted_out",
            "message.cancelled b custom opted_out",
            "call.updated b closed opted_out",
            &confirmed("b "),
        ],
    );
    then(&mut world, 5, say("a", "x"), &["refused session_closed"]);
    let [one, two, three, four, five] = story();
    let mut world = check_in(
        by_number(),
        [one, two, three, four, five],
        &[
            "attached",
            "message.received b stop reply_blocked 'STOP'",
            "contact.opted_out",
            "message.cancelled b custom opted_out",
            "call.updated b closed opted_out",
            &confirmed("b "),
        ],
    );
    then(&mut world, 5, say("a", "z"), &["queued", "message.queued a custom 'z'"]);
    then(&mut world, 6, go(1), &["started"]);
}

#[test]
fn a46_with_scope_number_the_next_call_takes_an_unblocked_number() {
    let mut world = check_in(
        by_number(),
        [(0, text(ANN, SUPPORT, "STOP")), (1, start("a")), (2, say("a", "hi"))],
        &["queued", "message.queued a custom 'hi'"],
    );
    assert_eq!(world.call("a").our_number, SHARED.parse().ok());
    world.run(3, text(ANN, SHARED, "STOP"));
    world.run(4, end("a"));
    world.run(5, start("b"));
    then(&mut world, 6, say("b", "hi"), &["refused opted_out"]);
}

#[test]
fn a46_start_reopens_the_session_of_the_call() {
    let [one, two] = talking();
    let expected = ["attached", "contact.opted_in", "call.updated a", "message.received a start 'Start'"];
    let mut world = check([one, two, (2, stop()), (3, text(ANN, SUPPORT, "Start"))], &expected);
    then(&mut world, 4, say("a", "welcome back"), &["queued", "message.queued a custom 'welcome back'"]);
    // The opt-out was revoked, so its confirmation is cancelled.
    then(&mut world, 5, go(1), &["not started", "message.cancelled a opt_out_confirmation cancelled_by_request"]);
    then(&mut world, 6, go(2), &["started"]);
    let ended = ["ended", "call.ended a closed call_ended hung_up", "message.queued a closing 'Bye.'"];
    then(&mut world, 7, end("a"), &ended);
}

#[test]
fn a47_start_to_another_number_reopens_only_that_number() {
    let [one, two] = talking();
    let mut world = check(
        [one, two, (2, stop()), (3, text(ANN, SHARED, "START"))],
        &["silent", "contact.opted_in", "message.late"],
    );
    then(&mut world, 4, say("a", "x"), &["refused session_closed"]);
    world.run(5, end("a"));
    world.run(6, start("b"));
    world.run(7, say("b", "x"));
    assert_eq!(world.call("b").our_number, SHARED.parse().ok(), "the other number is still blocked");
}

#[test]
fn a46_stop_without_a_call_is_honoured_too() {
    let mut world = check(
        [(0, text(BOB, SUPPORT, "unsubscribe"))],
        &["silent", "message.late", "contact.opted_out", &confirmed("")],
    );
    world.run(1, start_of("a", BOB));
    then(&mut world, 2, say("a", "x"), &["refused opted_out"]);
    assert_eq!(world.call("a").session, crate::model::Session::None);
}

#[test]
fn a46_a_carriers_opt_out_refusal_is_recorded() {
    let [one, two] = talking();
    let opted_out = refused(1, FailureCode::OptedOut);
    let expected =
        ["done", "message.failed a custom opted_out", "contact.opted_out", "call.updated a closed opted_out"];
    let mut world = check([one, two, (2, say("a", "x")), (3, go(1)), (4, opted_out)], &expected);
    then(&mut world, 5, say("a", "y"), &["refused session_closed"]);

    let [one, two] = talking();
    let receipt = Step::Receipt(1, ReceiptState::Failed(FailureCode::OptedOut), "failed");
    let expected =
        ["advanced", "message.failed a custom opted_out", "contact.opted_out", "call.updated a closed opted_out"];
    check([one, two, (2, say("a", "x")), (3, go(1)), (4, sent(1)), (5, receipt)], &expected);
}

#[test]
fn a46_an_administrator_adds_and_removes_an_opt_out() {
    let [one, two] = talking();
    let ann = || ANN.parse().unwrap();
    let opt_out = Step::Do(Command::opt_out(ann()));
    let mut world =
        check([one, two, (2, opt_out)], &["opted out", "contact.opted_out", "call.updated a closed opted_out"]);
    then(&mut world, 3, Step::Do(Command::opt_out(ann())), &["still opted out"]);
    then(&mut world, 4, say("a", "x"), &["refused session_closed"]);
    then(&mut world, 5, Step::Do(Command::opt_in(ann())), &["done", "contact.opted_in", "call.updated a"]);
    then(&mut world, 6, Step::Do(Command::opt_in(ann())), &["refused not_found"]);
    then(&mut world, 7, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
}

#[test]
fn a46_an_administrator_narrows_a_block_unless_the_person_asked_for_it() {
    let block =
        |everywhere, ours: &[&str]| Block { everywhere, numbers: ours.iter().map(|n| n.parse().unwrap()).collect() };
    let set = |everywhere, ours: &[&str]| {
        let (who, block, by) = (ANN.parse().unwrap(), block(everywhere, ours), Actor::named("admin".to_owned()));
        Step::Do(Command::OptOut { who, block, reason: None, expected: None, by })
    };
    let known = |world: &TestMachine| PeopleQueries::opt_out(world, ANN.parse().unwrap()).unwrap();
    let [one, two] = talking();
    let expected = ["opted out", "contact.opted_out", "call.updated a closed opted_out"];
    let mut world = check([one, two, (2, set(true, &[]))], &expected);
    // The session is bound to another number, so it may open again; the last event of each number says what holds.
    let expected = ["still opted out", "contact.opted_in", "contact.opted_out", "call.updated a"];
    then(&mut world, 3, set(false, &[SHARED]), &expected);
    assert_eq!((known(&world).block, known(&world).is_persons()), (block(false, &[SHARED]), false));
    then(&mut world, 4, set(false, &[SHARED]), &["still opted out"]);
    let expected = ["still opted out", "contact.opted_out", "call.updated a closed opted_out"];
    then(&mut world, 5, set(false, &[SHARED, SUPPORT]), &expected);
    then(&mut world, 6, set(false, &["+12065550177"]), &["refused not_found"]);

    // Ann says STOP to a number that is listed already: it is her own word now, which nobody narrows.
    world.run(7, text(ANN, SHARED, "STOP"));
    assert!(known(&world).is_persons() && known(&world).block.everywhere);
    then(&mut world, 8, set(false, &[SHARED]), &["refused opted_out"]);
    then(&mut world, 9, set(true, &[]), &["still opted out"]);
    let before = known(&world);
    then(
        &mut world,
        10,
        Step::Do(Command::list_opt_outs(vec![(ANN.parse().unwrap(), block(false, &["+12065550104"]))])),
        &["done", "contact.opted_out"],
    );
    assert!(known(&world).is_persons(), "a list does not change that");
    assert!(known(&world).version > before.version && known(&world).since == before.since);
    then(
        &mut world,
        11,
        Step::Do(Command::opt_in(ANN.parse().unwrap())),
        &["done", "contact.opted_in", "call.updated a"],
    );
}

#[test]
fn a46_an_opt_out_changes_only_in_the_expected_state() {
    let set = |expected| {
        let (who, by) = (ANN.parse().unwrap(), Actor::named("admin".to_owned()));
        Step::Do(Command::OptOut { who, block: Block::everywhere(), reason: None, expected: Some(expected), by })
    };
    let mut world = TestMachine::new(directory());
    then(&mut world, 0, set(Expected::Exists), &["refused precondition_failed"]);
    then(&mut world, 1, set(Expected::Absent), &["opted out", "contact.opted_out"]);
    then(&mut world, 2, set(Expected::Absent), &["refused precondition_failed"]);
    let version = PeopleQueries::opt_out(&world, ANN.parse().unwrap()).unwrap().version;
    then(&mut world, 3, set(Expected::At(vec![version])), &["still opted out"]);
    let opt_in = |versions| {
        let (who, by, reason) = (ANN.parse().unwrap(), Actor::named("admin".to_owned()), "by mail".to_owned());
        Step::Do(Command::OptIn { who, reason, expected: Some(Expected::At(versions)), by })
    };
    then(&mut world, 4, opt_in(vec![]), &["refused precondition_failed"]);
    then(&mut world, 5, opt_in(vec![version]), &["done", "contact.opted_in"]);
}

#[test]
fn a46_an_imported_list_adds_opt_outs_and_closes_sessions() {
    let block = |ours: &[&str]| Block { everywhere: false, numbers: ours.iter().map(|n| n.parse().unwrap()).collect() };
    let list = |people: &[(&str, Block)]| {
        let people = people.iter().map(|(person, block)| (person.parse().unwrap(), block.clone()));
        Step::Do(Command::list_opt_outs(people.collect()))
    };
    let block_of = |world: &TestMachine, person: &str| {
        PeopleQueries::opt_out(world, person.parse().unwrap()).map(|known| known.block)
    };
    let [one, two] = talking();
    let mut world = TestMachine::new(by_number());
    for (secs, step) in [one, two, (2, text(BOB, SHARED, "STOP")), (3, say("a", "x"))] {
        world.run(secs, step);
    }
    // New people make no event, as with a seed; Bob, already known, makes one because more numbers are blocked.
    let people = [(ANN, block(&[SHARED])), (BOB, block(&[SUPPORT])), (ROMA, Block::everywhere())];
    then(&mut world, 4, list(&people), &["done", "contact.opted_out"]);
    assert_eq!(block_of(&world, ANN), Some(block(&[SHARED])));
    assert_eq!(block_of(&world, BOB), Some(block(&[SHARED, SUPPORT])));
    assert_eq!(block_of(&world, ROMA), Some(Block::everywhere()));
    then(&mut world, 5, list(&people), &["done"]);
    then(&mut world, 6, list(&[]), &["done"]);
    let expected =
        ["done", "contact.opted_out", "message.cancelled a custom opted_out", "call.updated a closed opted_out"];
    then(&mut world, 7, list(&[(ANN, block(&[SUPPORT]))]), &expected);
    then(&mut world, 8, say("a", "y"), &["refused session_closed"]);
    assert_eq!(block_of(&world, ANN), Some(block(&[SHARED, SUPPORT])));
    world.run(9, start_of("b", CLEO));
    world.run(10, say("b", "x"));
    let expected = ["done", "message.cancelled b custom opted_out", "call.updated b closed opted_out"];
    then(&mut world, 11, list(&[(CLEO, Block::everywhere())]), &expected);
    then(&mut world, 12, say("b", "y"), &["refused session_closed"]);
}

#[test]
fn a46_a12_start_does_not_reopen_a_session_closed_for_no_agent() {
    let [one, two] = talking();
    let leave = put("a", |put| put.agent = Some(None));
    let mut world = check(
        [one, two, (2, leave), (3, stop())],
        &["silent", "message.late after a", "contact.opted_out", &confirmed("")],
    );
    world.run(4, text(ANN, SUPPORT, "START"));
    then(&mut world, 5, say("a", "x"), &["refused session_closed"]);
    world.run(6, start("a"));
    then(&mut world, 7, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
}

#[test]
fn a16_a46_another_number_can_be_texted_after_a_stop_unless_it_sent_one_too() {
    let to = |number: Option<&str>| {
        let number = number.map(|number| number.parse().unwrap());
        put("a", move |put| put.alternative = number)
    };
    let [one, two] = talking();
    let mut world = TestMachine::new(directory());
    for (secs, step) in [one, two, (2, text(BOB, SUPPORT, "STOP")), (3, stop())] {
        world.run(secs, step);
    }
    then(&mut world, 4, to(Some(CLEO)), &["updated", "call.updated a"]);
    then(&mut world, 5, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
    world.run(6, text(CLEO, SUPPORT, "STOP"));
    then(&mut world, 6, say("a", "y"), &["refused session_closed"]);
    then(&mut world, 7, to(Some(BOB)), &["updated", "call.updated a closed opted_out"]);
    then(&mut world, 8, say("a", "y"), &["refused session_closed"]);
    then(&mut world, 9, to(None), &["updated", "call.updated a closed opted_out"]);
}

#[test]
fn a12_a46_start_reopens_no_session_without_an_agent_in_either_order() {
    let leave = || put("a", |put| put.agent = Some(None));
    for (first, second) in [(leave(), stop()), (stop(), leave())] {
        let [one, two] = talking();
        let mut world = TestMachine::new(directory());
        for (secs, step) in [one, two, (2, first), (3, second)] {
            world.run(secs, step);
        }
        assert_eq!(world.call("a").closed_reason, Some(crate::model::ClosedReason::NoAgent));
        world.run(4, text(ANN, SUPPORT, "START"));
        then(&mut world, 5, say("a", "x"), &["refused session_closed"]);
        then(
            &mut world,
            6,
            text(ANN, SUPPORT, "hello?"),
            &["replied", "message.late auto_replied after a", "message.queued auto_reply 'Call us.'"],
        );
        then(&mut world, 7, start("a"), &["updated", "call.updated a"]);
        then(&mut world, 8, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
    }
}

#[test]
fn a12_a46_a_returning_agent_does_not_reopen_an_opted_out_session() {
    let leave = || put("a", |put| put.agent = Some(None));
    for (first, second) in [(leave(), stop()), (stop(), leave())] {
        let [one, two] = talking();
        let mut world = TestMachine::new(directory());
        for (secs, step) in [one, two, (2, first), (3, second)] {
            world.run(secs, step);
        }
        then(&mut world, 4, start("a"), &["updated", "call.updated a closed opted_out"]);
        then(&mut world, 5, say("a", "x"), &["refused session_closed"]);
        let expected = ["attached", "contact.opted_in", "call.updated a", "message.received a start 'START'"];
        then(&mut world, 6, text(ANN, SUPPORT, "START"), &expected);
        then(&mut world, 7, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
    }
}

#[test]
fn a34_a46_a_non_us_stop_counts_even_when_its_text_is_dropped() {
    let mut world = check([(0, text(ROMA, SUPPORT, "STOP"))], &["silent", "message.late", "contact.opted_out"]);
    assert!(world.opted_out(ROMA.parse().unwrap(), SUPPORT.parse().unwrap()));
    world.run(1, Step::Change(|directory| directory.settings.drop_non_us_inbound = true));
    world.run(2, Step::Do(Command::opt_in(ROMA.parse().unwrap())));
    then(&mut world, 3, text(ROMA, SUPPORT, "STOP"), &["dropped", "contact.opted_out"]);
}

#[test]
fn a46_a_confirmation_uses_the_configured_text_in_the_calls_language() {
    let words = with(|directory| {
        let texts = &mut directory.settings.opt_out.texts;
        texts.insert(language("it"), "Non scriviamo più.".to_owned());
    });
    let italian = put("a", |put| put.language = Some(language("it")));
    let mut world = TestMachine::new(words);
    world.run(0, italian);
    let decision = world.run(1, stop());
    let events = lines(&world, &decision);
    assert!(events.contains(&"message.queued a opt_out_confirmation 'Non scriviamo più.'".to_owned()), "{events:?}");
}

#[test]
fn a24_help_gets_the_configured_answer_within_the_caps() {
    let help = || {
        with(|directory| {
            directory.settings.opt_out.help_texts.insert(language("en"), "Example Ltd, example.com".to_owned());
        })
    };
    let expected = ["silent", "message.late", "message.queued help_reply 'Example Ltd, example.com'"];
    let mut world = check_in(help(), [(0, text(BOB, SUPPORT, "HELP"))], &expected);
    then(&mut world, 50, text(BOB, SUPPORT, "HELP"), &["silent", "message.late"]);
    then(&mut world, 51, go(1), &["started"]);
    let [one, two] = talking();
    let expected =
        ["attached", "message.received a help 'help'", "message.queued a help_reply 'Example Ltd, example.com'"];
    check_in(help(), [one, two, (2, text(ANN, SUPPORT, "help"))], &expected);
    let [one, two] = talking();
    check([one, two, (2, text(ANN, SUPPORT, "help"))], &["attached", "message.received a help 'help'"]);
}

#[test]
fn a46_a9_stop_closes_a_transferred_call_too() {
    let [one, two] = talking();
    let mut world = TestMachine::new(directory());
    for (secs, step) in [one, two, (2, start_in("a", "sales")), (3, stop())] {
        world.run(secs, step);
    }
    assert_eq!(world.call("a").closed_reason, Some(crate::model::ClosedReason::OptedOut));
}

#[test]
fn a46_a_receipt_of_a_text_sent_before_stop_still_counts() {
    let [one, two] = talking();
    let mut world = check(
        [one, two, (2, say("a", "x")), (3, go(1)), (4, sent(1)), (5, stop()), (6, delivered(1))],
        &["advanced", "message.delivered a custom"],
    );
    assert_eq!(world.call("a").usage.custom_sent, 1);
    assert_eq!(world.call("a").id, call_id("a"));
    let waiting = put("a", |put| put.phase = Phase::Waiting);
    then(&mut world, 7, waiting, &["updated", "call.updated a closed opted_out"]);
    let preset = Content::Preset("welcome".to_owned().try_into().unwrap(), None);
    then(&mut world, 8, steps::send("a", preset, |_| {}), &["refused session_closed"]);
}
