//! Erasure removes a person's data everywhere, keeps their opt-out, and leaves other people's data unchanged.

use super::invariants::holds;
use super::steps::{
    delivered, end, erase, erase_with_key, erasure_ended, go, later, put, say, say_with_key, sent, start, start_of,
    text, tick, unknown,
};
use super::*;
use crate::machine::erase::Person;
use crate::machine::erasure::{Erased, ErasureState};
use crate::machine::fingerprint::ErasureKey;
use crate::machine::keys::encode_row;
use crate::machine::record;
use crate::model::{Actor, Caller, InboundItem, OptOutScope};

/// A person who is never erased.
const CAROL: &str = "+12065550147";

/// Calls and texts in progress have to end first.
#[test]
fn erasure_is_refused_during_a_call_or_while_a_text_waits() {
    check([(0, start("a")), (1, erase(ANN))], &["refused still_texting a"]);
    check(
        [(0, start("a")), (1, put("a", |put| put.alternative = BOB.parse().ok())), (2, erase(BOB))],
        &["refused still_texting a"],
    );
    // It is still her call, although its texts go to another number.
    check(
        [(0, start("a")), (1, put("a", |put| put.alternative = BOB.parse().ok())), (2, erase(ANN))],
        &["refused still_texting a"],
    );
    let closing = || {
        [
            (0, start("a")),
            (1, text(ANN, SUPPORT, "hi")),
            (2, say("a", "hello")),
            (3, go(1)),
            (4, sent(1)),
            (5, end("a")),
        ]
    };
    let mut world = TestMachine::new(directory());
    for (secs, step) in closing() {
        world.run(secs, step);
    }
    let refused = world.run(6, erase(ANN));
    assert_eq!(answer(&refused.reply), "refused still_texting");
    world.run(7, go(2));
    world.run(8, sent(2));
    assert!(matches!(world.run(9, erase(ANN)).reply, Reply::Erasure(_)));
    assert_eq!(answer(&world.run(9, erase(SUPPORT)).reply), "refused number_in_use");
}

#[test]
fn an_erased_person_is_in_no_body_and_no_row_and_others_are_unchanged() {
    let before = talked();
    let after = erased(&before, ANN);
    for ann in forms(ANN) {
        let occurrences = |world: &TestMachine| {
            world.rows.iter().filter(|(key, row)| holds(row, &ann) || holds(&key.bytes, &ann)).count()
        };
        assert_eq!(occurrences(&after), 0, "{ann:?}");
    }
    assert!(forms(ANN).iter().any(|ann| before.rows.values().any(|row| holds(row, ann))));
    let of_bob = |world: &TestMachine| {
        let bob = Person::new(BOB.parse().unwrap());
        let rows = world.rows.iter().filter(|(key, row)| bob.is_named_in(row) || bob.is_named_in(&key.bytes));
        rows.map(|(key, row)| (key.clone(), row.clone())).collect::<Vec<_>>()
    };
    assert_eq!(of_bob(&after), of_bob(&before));
    assert!(of_bob(&before).len() > 3);
    let texts = |world: &TestMachine| {
        let events = world.journal.iter().flat_map(show::rendered);
        events.filter(|event| holds(&event.body, b"Bob's")).map(|event| event.body).collect::<Vec<_>>()
    };
    assert_eq!(texts(&after), texts(&before));
    assert_eq!(texts(&before).len(), 2, "one from Bob and one to him");
    let all: Vec<u8> = after.journal.iter().flat_map(show::rendered).flat_map(|event| event.body).collect();
    assert!(!holds(&all, b"Ann's") && !holds(&all, ANN.as_bytes()));
}

#[test]
fn f04_a70_an_erased_persons_ended_call_stays_ended_and_keeps_its_usage() {
    let before = talked();
    let mut after = erased(&before, ANN);
    let (was, is) = (before.call("a"), after.call("a"));
    assert_eq!((is.caller.kept(), is.alternative.kept(), is.party()), (None, None, None));
    assert_eq!((&is.id, &is.ended, is.last_sequence, is.usage), (&was.id, &was.ended, was.last_sequence, was.usage));
    assert!(is.usage.received == 1 && is.last_sequence > 3);

    // Late requests of the platform or an agent start nothing.
    then(&mut after, 30, start("a"), &["ended"]);
    then(&mut after, 31, end("a"), &["ended"]);
    assert_eq!(answer(&after.run(32, say("a", "hello")).reply), "refused call_ended");
    assert_eq!(after.call("a").last_sequence, was.last_sequence);
    // The receipt of her call's text gets the next call_sequence.
    let decision = after.run(33, delivered(1));
    let sequences: Vec<_> = decision.events.iter().filter_map(|event| event.call_sequence).collect();
    assert_eq!(sequences, [was.last_sequence + 1]);
    assert_eq!((after.call("a").last_sequence, after.call("a").caller.kept()), (was.last_sequence + 1, None));
}

#[test]
fn f04_a70_an_erased_persons_call_has_no_other_number_either() {
    let mut world = TestMachine::new(without_confirmations());
    world.run(0, start("a"));
    world.run(1, put("a", |put| put.alternative = BOB.parse().ok()));
    world.run(2, end("a"));
    world.run(3, erase(ANN));
    let after = erased(&world, ANN);
    let bob = Person::new(BOB.parse().unwrap());
    assert!(after.rows.values().all(|row| !bob.is_named_in(row)), "her alternative number is erased too");
    assert!(after.call("a").ended.is_some());
}

#[test]
fn anothers_text_with_the_number_in_it_is_erased_and_the_message_stays() {
    let mut world = TestMachine::new(directory());
    world.run(0, start_of("b", BOB));
    world.run(1, text(BOB, SUPPORT, &format!("my friend is {ANN}")));
    world.run(2, text(BOB, SUPPORT, "ask him"));
    world.run(3, erase(ANN));
    let after = erased(&world, ANN);
    let received = after.journal.iter().flat_map(|frame| &frame.events).filter_map(|event| match &event.event {
        Event::MessageReceived { message, text, .. } => Some((message.theirs.kept().cloned(), text.kept().cloned())),
        _ => None,
    });
    let bob = crate::model::Address::Number(BOB.parse().unwrap());
    let expected = [(Some(bob.clone()), None), (Some(bob), Some("ask him".to_owned()))];
    assert_eq!(received.collect::<Vec<_>>(), expected);
    assert_eq!(after.rows, world.rows);
}

/// Erasure rewrites a snapshot row by row. A snapshot may hold live calls and texts in flight, and an index loaded from
/// it plus the later journal must equal an index built from the journal alone.
#[test]
fn rows_scrubbed_at_any_position_equal_those_of_a_rebuild() {
    let person = Person::new(ANN.parse().unwrap());
    for before in [talked(), called()] {
        let after = erased(&before, ANN);
        for covered in 0..=before.journal.len() {
            let mut rows = BTreeMap::new();
            before.journal[..covered].iter().for_each(|frame| write(&mut rows, &apply(frame)));
            rows.retain(|key: &Key, row| {
                let left = person.row(key.table, &key.bytes, std::mem::take(row));
                left.is_some_and(|left| {
                    *row = left;
                    true
                })
            });
            for (key, row) in &rows {
                let named = forms(ANN).iter().any(|ann| holds(row, ann) || holds(&key.bytes, ann));
                assert!(
                    !named,
                    "up to {covered}: a row of kind {:?} contains her number",
                    key.bytes.first().map(|kind| *kind as char)
                );
            }
            after.journal[covered..].iter().for_each(|frame| write(&mut rows, &apply(frame)));
            let others: Vec<_> = rows.keys().filter(|key| !after.rows.contains_key(key)).collect();
            assert_eq!(others, Vec::<&Key>::new(), "rows that a rebuild does not produce, up to {covered}");
            assert_eq!(rows, after.rows, "up to {covered}");
        }
    }
}

#[test]
fn an_ended_call_that_texted_an_erased_person_keeps_no_number() {
    let after = erased(&called(), ANN);
    assert_eq!(after.rows(Table::State, &[kind::LIVE], &[], usize::MAX), []);
    assert_eq!(after.call("b").party(), Some(CAROL.parse().unwrap()));
    let alternative = after.journal.iter().flat_map(|frame| &frame.events).find_map(|event| match &event.event {
        Event::CallUpdated(change) if change.shown.call.id.as_str() == "b" => Some(change.shown.call.party()),
        _ => None,
    });
    assert_eq!(alternative, Some(None), "texts to her number must not go to the caller instead");
}

#[test]
fn erasing_one_person_keeps_the_rest_of_an_opt_out_list() {
    let mut world = TestMachine::new(directory());
    world.run(0, Step::Do(Command::list_opt_outs(listed(&[ANN, BOB, ROMA]))));
    world.run(1, erase(ANN));
    let after = erased(&world, ANN);
    let [ann, bob, roma] = [ANN, BOB, ROMA].map(|number| after.opt_out(number.parse().unwrap()));
    assert!(ann.is_some() && bob.is_some() && roma.is_some());
    assert_eq!(after.opt_outs().count(), 2, "one of the three has no number left");
    assert_eq!(after.erased_opt_outs(), 1);
}

#[test]
fn a46_the_opt_out_of_an_erased_person_holds_until_start() {
    let mut world = TestMachine::new(without_confirmations());
    world.run(0, text(ANN, SUPPORT, "STOP"));
    world.run(1, erase(ANN));
    let mut world = erased(&world, ANN);
    world.run(2, start("a"));
    assert_eq!(answer(&world.run(3, say("a", "hello")).reply), "refused opted_out");
    world.run(4, text(ANN, SUPPORT, "START"));
    assert_eq!(world.erased_opt_outs(), 0);
    assert_eq!(answer(&world.run(5, say("a", "hello")).reply), "queued");
    world.run(6, text(ANN, SUPPORT, "STOP"));
    world.run(7, text(ANN, SUPPORT, "START"));
    assert!(world.opt_out(ANN.parse().unwrap()).is_none(), "the fingerprint's opt-out must not return");
}

#[test]
fn a46_the_opt_out_of_an_erased_number_can_be_widened_and_revoked() {
    for revoke in [true, false] {
        let mut directory = without_confirmations();
        directory.settings.opt_out_scope = OptOutScope::Number;
        let mut world = TestMachine::new(directory);
        world.run(0, text(ANN, SUPPORT, "STOP"));
        world.run(1, erase(ANN));
        let ended = erasure_ended(&world);
        world.run(1, ended);
        let mut world = erased(&world, ANN);
        let ann = ANN.parse().unwrap();
        let [support, sales] = [SUPPORT, SALES].map(|ours| ours.parse().unwrap());
        assert!(world.opted_out(ann, support) && !world.opted_out(ann, sales));
        world.run(2, text(ANN, SALES, "STOP"));
        assert!(world.opted_out(ann, support) && world.opted_out(ann, sales));
        if revoke {
            world.run(3, Step::Do(Command::opt_in(ann)));
            assert!(!world.opted_out(ann, support) && !world.opted_out(ann, sales));
        } else {
            world.run(3, erase(ANN));
            let world = erased(&world, ANN);
            assert!(world.opted_out(ann, support) && world.opted_out(ann, sales));
        }
    }
}

#[test]
fn an_erasure_runs_once_for_a_person_until_it_ends() {
    let mut world = TestMachine::new(directory());
    let begun = |secs: u64, world: &mut TestMachine, step| match world.run(secs, step).reply {
        Reply::Erasure(erasure) => erasure.id,
        other => panic!("{other:?}"),
    };
    let one = begun(0, &mut world, erase_with_key(ANN, 1));
    assert_eq!(begun(1, &mut world, erase(ANN)), one);
    assert_ne!(begun(2, &mut world, erase(BOB)), one);
    assert_eq!(world.run(3, erase_with_key(ANN, 1)).reply, Reply::Again(one.position()));
    world.run(4, Step::Do(Command::ChangeErasure { id: one, state: ErasureState::Failed, erased: Erased::default() }));
    assert_ne!(begun(5, &mut world, erase(ANN)), one);
    let row = world.erasure(one).unwrap();
    assert_eq!((row.state, row.who), (ErasureState::Failed, None));
    // What ended does not begin again.
    let running = Command::ChangeErasure { id: one, state: ErasureState::Running, erased: Erased::default() };
    assert_eq!(world.run(6, Step::Do(running)).events, []);
}

#[test]
fn at_most_100_erasures_run_at_the_same_time() {
    let mut world = TestMachine::new(directory());
    let who = |nth: u32| format!("+1415555{nth:04}");
    for nth in 0..100 {
        assert_eq!(answer(&world.run(0, erase(&who(nth))).reply), "running");
    }
    assert_eq!(answer(&world.run(1, erase(&who(100))).reply), "refused overloaded");
    assert_eq!(answer(&world.run(1, erase(&who(99))).reply), "running", "joining needs no room");
}

#[test]
fn a_fingerprint_depends_on_its_key_and_its_number() {
    let number = |text: &str| text.parse::<E164>().unwrap();
    let one = ErasureKey([1; 16]).fingerprint(number(ANN));
    assert_eq!(one, ErasureKey([1; 16]).fingerprint(number(ANN)));
    assert_ne!(one, ErasureKey([1; 16]).fingerprint(number(BOB)));
    assert_ne!(one, ErasureKey([2; 16]).fingerprint(number(ANN)));
    // The second erasure reuses the first one's key; a new key would invalidate its fingerprints.
    let mut world = TestMachine::new(directory());
    world.run(0, Step::Do(Command::list_opt_outs(listed(&[ANN, BOB]))));
    world.run(1, erase(ANN));
    world.run(
        2,
        Step::Do(Command::Erase {
            who: number(BOB),
            key: ErasureKey([9; 16]),
            idempotency: None,
            by: Actor::command_line(),
        }),
    );
    let world = erased(&erased(&world, ANN), BOB);
    assert!(world.opt_out(number(ANN)).is_some() && world.opt_out(number(BOB)).is_some());
}

/// Ann and Bob each had a call with one text each way. After her call Ann texted again and then sent STOP; one webhook
/// of hers is quarantined.
fn talked() -> TestMachine {
    let mut directory = without_confirmations();
    directory.settings.late_text = true;
    let mut world = TestMachine::new(directory);
    let raw = format!("From=%2B{}&Body=Ann's", ANN.trim_start_matches('+')).into_bytes();
    let unreadable = InboundItem::Unreadable { raw, problem: "no account".to_owned(), request: None };
    let story = [
        (0, start("a")),
        (1, text(ANN, SUPPORT, "Ann's first")),
        (2, say_with_key("a", "Ann's answer", 7)),
        (3, go(1)),
        (4, sent(1)),
        (5, end("a")),
        (6, go(2)),
        (7, sent(2)),
        (8, start_of("b", BOB)),
        (9, text(BOB, SUPPORT, "Bob's first")),
        (10, say("b", "Bob's answer")),
        (11, go(3)),
        (12, sent(3)),
        (13, text(ANN, SUPPORT, "Ann's last")),
        (14, go(4)),
        (15, sent(4)),
        (16, text(ANN, SUPPORT, "STOP")),
        (17, Step::Do(Command::InboundItem { account: "main".to_owned(), item: unreadable })),
        (18, tick()),
        (19, erase(ANN)),
    ];
    let mut last = None;
    for (secs, step) in story {
        last = Some(world.run(secs, step).reply);
    }
    assert!(matches!(last, Some(Reply::Erasure(_))), "{last:?}");
    world
}

/// Ann's call texted Bob's number for a while and Bob's call Ann's; one attempt was postponed and one unanswered.
fn called() -> TestMachine {
    let alternative = |call: &str, caller: &str, number: Option<&str>| {
        let number = number.and_then(|number| number.parse().ok());
        put(call, |put| (put.caller, put.alternative) = (Caller::read(caller).unwrap(), number))
    };
    let mut world = TestMachine::new(without_confirmations());
    let story = [
        (0, start("a")),
        (1, say("a", "Ann's question")),
        (2, go(1)),
        (3, later(1)),
        (4, go(1)),
        (5, unknown(1)),
        (6, text(&format!("whatsapp:{ANN}"), SUPPORT, "Ann's other way")),
        (60, start("a")),
        (61, alternative("a", ANN, Some(BOB))),
        (62, say("a", "to Bob's phone")),
        (63, go(2)),
        (64, sent(2)),
        (65, alternative("a", ANN, None)),
        (66, end("a")),
        (67, go(3)),
        (68, sent(3)),
        (69, start_of("b", BOB)),
        (70, alternative("b", BOB, Some(ANN))),
        (71, say("b", "to Ann's phone")),
        (72, go(4)),
        (73, sent(4)),
        (74, delivered(4)),
        (75, alternative("b", BOB, Some(CAROL))),
        (76, end("b")),
        (77, go(5)),
        (78, sent(5)),
        (79, tick()),
        (80, erase(ANN)),
    ];
    let mut last = None;
    for (secs, step) in story {
        last = Some(world.run(secs, step).reply);
    }
    assert!(matches!(last, Some(Reply::Erasure(_))), "{last:?}");
    world
}

/// Without STOP confirmations, so that no text is in flight after STOP.
fn without_confirmations() -> Directory {
    with(|directory| directory.settings.opt_out.confirm = false)
}

/// The gateway with the person's bodies erased and the index rebuilt.
fn erased(before: &TestMachine, who: &str) -> TestMachine {
    let person = Person::new(who.parse().unwrap());
    let mut after = TestMachine::empty();
    for frame in &before.journal {
        let (meta, bodies) = record::encode(frame.at, &frame.events);
        let mut bodies: Vec<_> = bodies.into_iter().map(|body| Some(body).filter(|body| !body.is_empty())).collect();
        for place in person.bodies(&meta, &bodies).unwrap() {
            bodies[place] = None;
        }
        assert!(person.bodies(&meta, &bodies).unwrap().is_empty(), "erasing is idempotent");
        for body in bodies.iter().flatten() {
            assert!(!person.is_named_in(body));
        }
        let frame = record::decode(frame.position, &meta, bodies).unwrap();
        write(&mut after.rows, &apply(&frame));
        after.journal.push(frame);
    }
    let rows = after.rows(Table::State, &[kind::DIRECTORY], &[], usize::MAX);
    after.directory = directory_from(rows.into_iter()).unwrap();
    (after.claims, after.queued, after.sequences, after.now) =
        (before.claims.clone(), before.queued.clone(), before.sequences.clone(), before.now);
    after
}

fn forms(number: &str) -> [Vec<u8>; 3] {
    let parsed: E164 = number.parse().unwrap();
    [number.trim_start_matches('+').into(), encode_row(&parsed), parsed.key().to_vec()]
}
