//! Who is erased is nowhere afterwards, must still not be texted, and others are as they were.

use super::invariants::holds;
use super::steps::{
    delivered, end, erase, go, later, put, say, say_with_key, sent, start, start_of, text, tick, unknown,
};
use super::*;
use crate::machine::erase::{Key as ErasureKey, Person};
use crate::machine::record;
use crate::model::{Caller, InboundItem, OptOutScope};

/// Somebody whom nobody asks to forget.
const CAROL: &str = "+12065550147";

/// What is under way with somebody has to end first.
#[test]
fn nobody_is_erased_in_a_call_or_while_a_text_to_them_waits() {
    check([(0, start("a")), (1, erase(ANN))], &["refused still_texting a"]);
    check(
        [(0, start("a")), (1, put("a", |put| put.alternative = BOB.parse().ok())), (2, erase(BOB))],
        &["refused still_texting a"],
    );
    // It is her call still, though its texts go to somebody else.
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
    let mut world = World::new(directory());
    for (secs, step) in closing() {
        world.run(secs, step);
    }
    let refused = world.run(6, erase(ANN));
    assert_eq!(answer(&refused.reply), "refused still_texting");
    world.run(7, go(2));
    world.run(8, sent(2));
    assert_eq!(world.run(9, erase(ANN)).reply, Reply::Done);
    assert_eq!(answer(&world.run(9, erase(SUPPORT)).reply), "refused number_in_use");
}

#[test]
fn who_is_erased_is_in_no_body_and_no_row_and_others_are_as_they_were() {
    let before = talked();
    let after = forget(&before, ANN);
    for ann in forms(ANN) {
        let told =
            |world: &World| world.rows.iter().filter(|(key, row)| holds(row, &ann) || holds(&key.bytes, &ann)).count();
        assert_eq!(told(&after), 0, "{ann:?}");
    }
    assert!(forms(ANN).iter().any(|ann| before.rows.values().any(|row| holds(row, ann))));
    let of_bob = |world: &World| {
        let bob = Person::new(BOB.parse().unwrap());
        let rows = world.rows.iter().filter(|(key, row)| bob.is_named_in(row) || bob.is_named_in(&key.bytes));
        rows.map(|(key, row)| (key.clone(), row.clone())).collect::<Vec<_>>()
    };
    assert_eq!(of_bob(&after), of_bob(&before));
    assert!(of_bob(&before).len() > 3);
    let texts = |world: &World| {
        let told = world.journal.iter().flat_map(show::told);
        told.filter(|told| holds(&told.body, b"Bob's")).map(|told| told.body).collect::<Vec<_>>()
    };
    assert_eq!(texts(&after), texts(&before));
    assert_eq!(texts(&before).len(), 2, "one from Bob and one to him");
    let all: Vec<u8> = after.journal.iter().flat_map(show::told).flat_map(|told| told.body).collect();
    assert!(!holds(&all, b"Ann's") && !holds(&all, ANN.as_bytes()));
}

#[test]
fn f04_a70_the_ended_call_of_somebody_erased_stays_ended_and_keeps_its_usage() {
    let before = talked();
    let mut after = forget(&before, ANN);
    let (was, is) = (before.call("a"), after.call("a"));
    assert_eq!((is.caller.kept(), is.alternative.kept(), is.party()), (None, None, None));
    assert_eq!((&is.id, &is.ended, is.told, is.usage), (&was.id, &was.ended, was.told, was.usage));
    assert!(is.usage.received == 1 && is.told > 3);

    // A late word of the platform, or of an agent, begins nothing.
    then(&mut after, 30, start("a"), &["ended"]);
    then(&mut after, 31, end("a"), &["ended"]);
    assert_eq!(answer(&after.run(32, say("a", "hello")).reply), "refused call_ended");
    assert_eq!(after.call("a").told, was.told);
    // The receipt of her call's text is told as the next thing of it.
    let decision = after.run(33, delivered(1));
    let told: Vec<_> = decision.events.iter().filter_map(|event| event.call_sequence).collect();
    assert_eq!(told, [was.told + 1]);
    assert_eq!((after.call("a").told, after.call("a").caller.kept()), (was.told + 1, None));
}

#[test]
fn f04_a70_a_call_of_somebody_erased_names_nobody_else_either() {
    let mut world = World::new(without_confirmations());
    world.run(0, start("a"));
    world.run(1, put("a", |put| put.alternative = BOB.parse().ok()));
    world.run(2, end("a"));
    world.run(3, erase(ANN));
    let after = forget(&world, ANN);
    let bob = Person::new(BOB.parse().unwrap());
    assert!(after.rows.values().all(|row| !bob.is_named_in(row)), "a number she was texted at is hers as well");
    assert!(after.call("a").ended.is_some());
}

#[test]
fn what_somebody_else_wrote_with_the_number_in_it_goes_and_the_message_stays() {
    let mut world = World::new(directory());
    world.run(0, start_of("b", BOB));
    world.run(1, text(BOB, SUPPORT, &format!("my friend is {ANN}")));
    world.run(2, text(BOB, SUPPORT, "ask him"));
    world.run(3, erase(ANN));
    let after = forget(&world, ANN);
    let received = after.journal.iter().flat_map(|story| &story.events).filter_map(|event| match &event.fact {
        Event::MessageReceived { message, text, .. } => Some((message.theirs.kept().cloned(), text.kept().cloned())),
        _ => None,
    });
    let bob = crate::model::Address::Number(BOB.parse().unwrap());
    let expected = [(Some(bob.clone()), None), (Some(bob), Some("ask him".to_owned()))];
    assert_eq!(received.collect::<Vec<_>>(), expected);
    assert_eq!(after.rows, world.rows);
}

/// A snapshot is rewritten row by row. It stands where a segment was closed, so that a call may live in it, and a text be
/// on its way; and the index loaded from it and the journal after it must not differ from one made of the journal alone.
#[test]
fn what_is_left_of_the_rows_of_any_moment_names_nobody_and_goes_on_as_a_rebuild_does() {
    let person = Person::new(ANN.parse().unwrap());
    for before in [talked(), called()] {
        let after = forget(&before, ANN);
        for covered in 0..=before.journal.len() {
            let mut rows = BTreeMap::new();
            before.journal[..covered].iter().for_each(|story| write(&mut rows, &apply(story)));
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
                    "up to {covered} a row of kind {:?} names her",
                    key.bytes.first().map(|kind| *kind as char)
                );
            }
            after.journal[covered..].iter().for_each(|story| write(&mut rows, &apply(story)));
            let others: Vec<_> = rows.keys().filter(|key| !after.rows.contains_key(key)).collect();
            assert_eq!(others, Vec::<&Key>::new(), "rows that a rebuild would not make, up to {covered}");
            assert_eq!(rows, after.rows, "up to {covered}");
        }
    }
}

#[test]
fn a_call_that_texted_with_somebody_erased_lives_under_no_number_once_it_has_ended() {
    let after = forget(&called(), ANN);
    assert_eq!(after.rows(Table::State, &[kind::LIVE], &[], usize::MAX), []);
    assert_eq!(after.call("b").party(), Some(CAROL.parse().unwrap()));
    let alternative = after.journal.iter().flat_map(|story| &story.events).find_map(|event| match &event.fact {
        Event::CallUpdated(change) if change.shown.call.id.as_str() == "b" => Some(change.shown.call.party()),
        _ => None,
    });
    assert_eq!(alternative, Some(None), "what went to her goes to nobody, and not to the caller");
}

#[test]
fn an_administrators_list_loses_the_one_and_keeps_the_others() {
    let mut world = World::new(directory());
    world.run(0, Step::Do(Command::ListOptOuts(listed(&[ANN, BOB, ROMA]))));
    world.run(1, erase(ANN));
    let after = forget(&world, ANN);
    let [ann, bob, roma] = [ANN, BOB, ROMA].map(|number| after.opt_out(number.parse().unwrap()));
    assert!(ann.is_some() && bob.is_some() && roma.is_some());
    assert_eq!(after.opt_outs_page(&[], 10).len(), 2, "one of the three has no number any more");
    assert_eq!(after.erased_opt_outs(), 1);
}

#[test]
fn a46_who_said_stop_and_was_erased_is_not_texted_until_they_say_start() {
    let mut world = World::new(without_confirmations());
    world.run(0, text(ANN, SUPPORT, "STOP"));
    world.run(1, erase(ANN));
    let mut world = forget(&world, ANN);
    world.run(2, start("a"));
    assert_eq!(answer(&world.run(3, say("a", "hello")).reply), "refused opted_out");
    world.run(4, text(ANN, SUPPORT, "START"));
    assert_eq!(world.erased_opt_outs(), 0);
    assert_eq!(answer(&world.run(5, say("a", "hello")).reply), "queued");
    world.run(6, text(ANN, SUPPORT, "STOP"));
    world.run(7, text(ANN, SUPPORT, "START"));
    assert!(world.opt_out(ANN.parse().unwrap()).is_none(), "what the fingerprint said does not come back");
}

#[test]
fn a46_an_opt_out_that_outlived_its_number_can_be_widened_and_taken_back() {
    for take_back in [true, false] {
        let mut directory = without_confirmations();
        directory.settings.opt_out_scope = OptOutScope::Number;
        let mut world = World::new(directory);
        world.run(0, text(ANN, SUPPORT, "STOP"));
        world.run(1, erase(ANN));
        let mut world = forget(&world, ANN);
        let ann = ANN.parse().unwrap();
        let [support, sales] = [SUPPORT, SALES].map(|ours| ours.parse().unwrap());
        assert!(world.opted_out(ann, support) && !world.opted_out(ann, sales));
        world.run(2, text(ANN, SALES, "STOP"));
        assert!(world.opted_out(ann, support) && world.opted_out(ann, sales));
        if take_back {
            world.run(3, Step::Do(Command::OptIn(ann)));
            assert!(!world.opted_out(ann, support) && !world.opted_out(ann, sales));
        } else {
            world.run(3, erase(ANN));
            let world = forget(&world, ANN);
            assert!(world.opted_out(ann, support) && world.opted_out(ann, sales));
        }
    }
}

#[test]
fn a_fingerprint_is_of_its_key_and_its_number() {
    let number = |text: &str| text.parse::<E164>().unwrap();
    let one = ErasureKey([1; 16]).fingerprint(number(ANN));
    assert_eq!(one, ErasureKey([1; 16]).fingerprint(number(ANN)));
    assert_ne!(one, ErasureKey([1; 16]).fingerprint(number(BOB)));
    assert_ne!(one, ErasureKey([2; 16]).fingerprint(number(ANN)));
    // The second erasure takes the key of the first, or its fingerprints would be lost.
    let mut world = World::new(directory());
    world.run(0, Step::Do(Command::ListOptOuts(listed(&[ANN, BOB]))));
    world.run(1, erase(ANN));
    world.run(2, Step::Do(Command::Erase { who: number(BOB), key: ErasureKey([9; 16]) }));
    let world = forget(&forget(&world, ANN), BOB);
    assert!(world.opt_out(number(ANN)).is_some() && world.opt_out(number(BOB)).is_some());
}

/// Ann and Bob each had a call with a text each way; Ann wrote once more when hers was over, and asked to be left alone.
/// A webhook of Ann's could not be read.
fn talked() -> World {
    let mut directory = without_confirmations();
    directory.settings.late_text = true;
    let mut world = World::new(directory);
    let raw = format!("From=%2B{}&Body=Ann's", ANN.trim_start_matches('+')).into_bytes();
    let unreadable = InboundItem::Unreadable { raw, problem: "no account".to_owned() };
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
    assert_eq!(last, Some(Reply::Done));
    world
}

/// Ann was texted at another number for a while, and Bob at Ann's; a carrier said not now, and did not answer.
fn called() -> World {
    let alternative = |call: &str, caller: &str, number: Option<&str>| {
        let number = number.and_then(|number| number.parse().ok());
        put(call, |put| (put.caller, put.alternative) = (Caller::read(caller).unwrap(), number))
    };
    let mut world = World::new(without_confirmations());
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
    assert_eq!(last, Some(Reply::Done));
    world
}

/// Where nothing is answered to STOP, nothing is on its way after it.
fn without_confirmations() -> Directory {
    with(|directory| directory.settings.opt_out.confirm = false)
}

/// The gateway after the bodies are gone and its index was made anew.
fn forget(before: &World, who: &str) -> World {
    let person = Person::new(who.parse().unwrap());
    let mut after = World::empty();
    for story in &before.journal {
        let (meta, bodies) = record::encode(story.at, &story.events);
        let mut bodies: Vec<_> = bodies.into_iter().map(|body| Some(body).filter(|body| !body.is_empty())).collect();
        for place in person.bodies(&meta, &bodies).unwrap() {
            bodies[place] = None;
        }
        assert!(person.bodies(&meta, &bodies).unwrap().is_empty(), "once is enough");
        for body in bodies.iter().flatten() {
            assert!(!person.is_named_in(body));
        }
        let story = record::decode(story.position, &meta, bodies).unwrap();
        write(&mut after.rows, &apply(&story));
        after.journal.push(story);
    }
    let rows = after.rows(Table::State, &[kind::DIRECTORY], &[], usize::MAX);
    after.directory = directory_from(rows.into_iter()).unwrap();
    (after.claims, after.queued, after.told, after.now) =
        (before.claims.clone(), before.queued.clone(), before.told.clone(), before.now);
    after
}

fn forms(number: &str) -> [Vec<u8>; 3] {
    let parsed: E164 = number.parse().unwrap();
    [number.trim_start_matches('+').into(), postcard::to_stdvec(&parsed).unwrap(), parsed.key().to_vec()]
}
