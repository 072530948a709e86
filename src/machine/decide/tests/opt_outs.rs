//! STOP, START and HELP (A46-A48): what they close, what they open, and who is told.

use super::steps::{call_id, delivered, end, go, inbound, put, refused, say, sent, start, start_in, start_of, text};
use super::*;
use crate::machine::command::Content;
use crate::model::{FailureCode, Inbound, Kind, OptOutScope, Phase, ReceiptState};
use crate::rules::opt_out::CONFIRMATION;

/// Ann is on the phone and has texted.
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
fn a46_stop_in_mid_call_ends_the_texts_and_not_the_call() {
    let [one, two] = talking();
    let told = [
        "attached",
        "message.received a stop reply_blocked 'Stop.'",
        "contact.opted_out",
        "call.updated a closed opted_out",
        &confirmed("a "),
    ];
    let mut world = check([one, two, (2, stop())], &told);
    then(&mut world, 3, say("a", "are you there?"), &["refused session_closed"]);
    assert!(world.call("a").ended.is_none());
    then(&mut world, 4, text(ANN, SUPPORT, "hello?"), &["silent", "message.late after a"]);
    then(&mut world, 5, end("a"), &["ended", "call.ended a closed opted_out hung_up"]);
}

#[test]
fn a46_a19_what_the_agent_wrote_and_still_waits_is_taken_back() {
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
    // The first was with the carrier already; only what became of it is still told.
    then(&mut world, 5, sent(1), &["done", "message.sent a custom"]);
    then(&mut world, 5, go(2), &["not started"]);
}

#[test]
fn a46_one_confirmation_at_most_and_it_alone_may_still_go_out() {
    let [one, two] = talking();
    let mut world = check([one, two, (2, stop()), (3, stop())], &["silent", "message.late after a"]);
    then(&mut world, 4, go(1), &["started"]);
    assert_eq!(world.message(1).kind, Kind::OptOutConfirmation);
}

#[test]
fn a46_the_carrier_that_answers_itself_leaves_us_nothing_to_confirm() {
    let [one, two] = talking();
    let by_carrier = Step::Text(Inbound { keyword: Some("STOP".to_owned()), ..inbound(ANN, SUPPORT, "STOP") });
    let told = [
        "attached",
        "message.received a stop reply_blocked 'STOP'",
        "contact.opted_out",
        "call.updated a closed opted_out",
    ];
    check([one, two, (2, by_carrier)], &told);
}

#[test]
fn a46_a_stop_to_one_number_reaches_all_or_that_one_by_the_setting() {
    // Two calls of one caller id, each on a number of its own (A1).
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
fn a46_by_number_the_next_call_takes_a_number_that_is_not_blocked() {
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
fn a46_start_opens_the_texts_of_the_call_again() {
    let [one, two] = talking();
    let told = ["attached", "contact.opted_in", "call.updated a", "message.received a start 'Start'"];
    let mut world = check([one, two, (2, stop()), (3, text(ANN, SUPPORT, "Start"))], &told);
    then(&mut world, 4, say("a", "welcome back"), &["queued", "message.queued a custom 'welcome back'"]);
    // The confirmation of what no longer holds would be a lie.
    then(&mut world, 5, go(1), &["not started", "message.cancelled a opt_out_confirmation cancelled_by_request"]);
    then(&mut world, 6, go(2), &["started"]);
    let ended = ["ended", "call.ended a closed call_ended hung_up", "message.queued a closing 'Bye.'"];
    then(&mut world, 7, end("a"), &ended);
}

#[test]
fn a47_start_to_another_number_opens_only_what_the_carrier_opened() {
    let [one, two] = talking();
    let mut world = check(
        [one, two, (2, stop()), (3, text(ANN, SHARED, "START"))],
        &["silent", "contact.opted_in", "message.late"],
    );
    then(&mut world, 4, say("a", "x"), &["refused session_closed"]);
    world.run(5, end("a"));
    world.run(6, start("b"));
    world.run(7, say("b", "x"));
    assert_eq!(world.call("b").our_number, SHARED.parse().ok(), "the other still heard STOP");
}

#[test]
fn a46_stop_without_a_call_is_heard_too() {
    let mut world = check(
        [(0, text(BOB, SUPPORT, "unsubscribe"))],
        &["silent", "message.late", "contact.opted_out", &confirmed("")],
    );
    world.run(1, start_of("a", BOB));
    then(&mut world, 2, say("a", "x"), &["refused opted_out"]);
    assert_eq!(world.call("a").session, crate::model::Session::None);
}

#[test]
fn a46_a_carrier_that_refuses_for_an_opt_out_is_believed() {
    let [one, two] = talking();
    let opted_out = refused(1, FailureCode::OptedOut);
    let told = ["done", "message.failed a custom opted_out", "contact.opted_out", "call.updated a closed opted_out"];
    let mut world = check([one, two, (2, say("a", "x")), (3, go(1)), (4, opted_out)], &told);
    then(&mut world, 5, say("a", "y"), &["refused session_closed"]);

    let [one, two] = talking();
    let receipt = Step::Receipt(1, ReceiptState::Failed(FailureCode::OptedOut), "failed");
    let told =
        ["advanced", "message.failed a custom opted_out", "contact.opted_out", "call.updated a closed opted_out"];
    check([one, two, (2, say("a", "x")), (3, go(1)), (4, sent(1)), (5, receipt)], &told);
}

#[test]
fn a46_an_administrator_lists_somebody_and_takes_them_off_again() {
    let [one, two] = talking();
    let ann = || ANN.parse().unwrap();
    let opt_out = Step::Do(Command::OptOut(ann()));
    let mut world = check([one, two, (2, opt_out)], &["done", "contact.opted_out", "call.updated a closed opted_out"]);
    then(&mut world, 3, Step::Do(Command::OptOut(ann())), &["done"]);
    then(&mut world, 4, say("a", "x"), &["refused session_closed"]);
    then(&mut world, 5, Step::Do(Command::OptIn(ann())), &["done", "contact.opted_in", "call.updated a"]);
    then(&mut world, 6, Step::Do(Command::OptIn(ann())), &["done"]);
    then(&mut world, 7, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
}

#[test]
fn a46_a_list_is_added_to_what_is_known_and_closes_the_texts_it_reaches() {
    const CLEO: &str = "+12065550144";
    let block = |ours: &[&str]| Block { everywhere: false, numbers: ours.iter().map(|n| n.parse().unwrap()).collect() };
    let list = |people: &[(&str, Block)]| {
        let people = people.iter().map(|(person, block)| (person.parse().unwrap(), block.clone()));
        Step::Do(Command::ListOptOuts(people.collect()))
    };
    let stands =
        |world: &World, person: &str| Queries::opt_out(world, person.parse().unwrap()).map(|known| known.block);
    let [one, two] = talking();
    let mut world = World::new(by_number());
    for (secs, step) in [one, two, (2, text(BOB, SHARED, "STOP")), (3, say("a", "x"))] {
        world.run(secs, step);
    }
    // Of who is new the platform hears nothing, as with a seed; of Bob, whom it knows, that he is blocked from more.
    let people = [(ANN, block(&[SHARED])), (BOB, block(&[SUPPORT])), (ROMA, Block::everywhere())];
    then(&mut world, 4, list(&people), &["done", "contact.opted_out"]);
    assert_eq!(stands(&world, ANN), Some(block(&[SHARED])));
    assert_eq!(stands(&world, BOB), Some(block(&[SHARED, SUPPORT])));
    assert_eq!(stands(&world, ROMA), Some(Block::everywhere()));
    then(&mut world, 5, list(&people), &["done"]);
    then(&mut world, 6, list(&[]), &["done"]);
    let told = ["done", "contact.opted_out", "message.cancelled a custom opted_out", "call.updated a closed opted_out"];
    then(&mut world, 7, list(&[(ANN, block(&[SUPPORT]))]), &told);
    then(&mut world, 8, say("a", "y"), &["refused session_closed"]);
    assert_eq!(stands(&world, ANN), Some(block(&[SHARED, SUPPORT])));
    world.run(9, start_of("b", CLEO));
    world.run(10, say("b", "x"));
    let told = ["done", "message.cancelled b custom opted_out", "call.updated b closed opted_out"];
    then(&mut world, 11, list(&[(CLEO, Block::everywhere())]), &told);
    then(&mut world, 12, say("b", "y"), &["refused session_closed"]);
}

#[test]
fn a46_a12_texts_closed_for_want_of_an_agent_are_not_opened_by_start() {
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
fn a12_a46_start_opens_no_texts_that_nobody_would_read_whichever_of_stop_and_the_agents_leaving_came_first() {
    let leave = || put("a", |put| put.agent = Some(None));
    for (first, second) in [(leave(), stop()), (stop(), leave())] {
        let [one, two] = talking();
        let mut world = World::new(directory());
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
fn a12_a46_an_agent_who_comes_back_opens_no_texts_of_who_said_stop() {
    let leave = || put("a", |put| put.agent = Some(None));
    for (first, second) in [(leave(), stop()), (stop(), leave())] {
        let [one, two] = talking();
        let mut world = World::new(directory());
        for (secs, step) in [one, two, (2, first), (3, second)] {
            world.run(secs, step);
        }
        then(&mut world, 4, start("a"), &["updated", "call.updated a closed opted_out"]);
        then(&mut world, 5, say("a", "x"), &["refused session_closed"]);
        let told = ["attached", "contact.opted_in", "call.updated a", "message.received a start 'START'"];
        then(&mut world, 6, text(ANN, SUPPORT, "START"), &told);
        then(&mut world, 7, say("a", "x"), &["queued", "message.queued a custom 'x'"]);
    }
}

#[test]
fn a34_a46_stop_from_abroad_counts_though_nothing_is_sent_there_or_shown() {
    let mut world = check([(0, text(ROMA, SUPPORT, "STOP"))], &["silent", "message.late", "contact.opted_out"]);
    assert!(world.opted_out(ROMA.parse().unwrap(), SUPPORT.parse().unwrap()));
    world.run(1, Step::Change(|directory| directory.settings.drop_non_us_inbound = true));
    world.run(2, Step::Do(Command::OptIn(ROMA.parse().unwrap())));
    then(&mut world, 3, text(ROMA, SUPPORT, "STOP"), &["dropped", "contact.opted_out"]);
}

#[test]
fn a46_a_confirmation_reads_as_an_administrator_wrote_it_in_the_language_of_the_call() {
    let words = with(|directory| {
        let texts = &mut directory.settings.opt_out.texts;
        texts.insert(language("it"), "Non scriviamo più.".to_owned());
    });
    let italian = put("a", |put| put.language = Some(language("it")));
    let mut world = World::new(words);
    world.run(0, italian);
    let decision = world.run(1, stop());
    let told = lines(&world, &decision);
    assert!(told.contains(&"message.queued a opt_out_confirmation 'Non scriviamo più.'".to_owned()), "{told:?}");
}

#[test]
fn a24_help_is_answered_once_in_a_while_where_an_administrator_wrote_an_answer() {
    let help = || {
        with(|directory| {
            directory.settings.opt_out.help_texts.insert(language("en"), "Example Ltd, example.com".to_owned());
        })
    };
    let told = ["silent", "message.late", "message.queued help_reply 'Example Ltd, example.com'"];
    let mut world = check_in(help(), [(0, text(BOB, SUPPORT, "HELP"))], &told);
    then(&mut world, 50, text(BOB, SUPPORT, "HELP"), &["silent", "message.late"]);
    then(&mut world, 51, go(1), &["started"]);
    let [one, two] = talking();
    let told = ["attached", "message.received a help 'help'", "message.queued a help_reply 'Example Ltd, example.com'"];
    check_in(help(), [one, two, (2, text(ANN, SUPPORT, "help"))], &told);
    let [one, two] = talking();
    check([one, two, (2, text(ANN, SUPPORT, "help"))], &["attached", "message.received a help 'help'"]);
}

#[test]
fn a46_a9_a_call_that_was_transferred_closes_all_the_same() {
    let [one, two] = talking();
    let mut world = World::new(directory());
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
