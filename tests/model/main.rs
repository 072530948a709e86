//! A model beside the machine: the rules written a second time, as plainly as they can be, and random stories that both
//! live through. After each command the answer and everything that can be seen must be the same.
//!
//! `OFFHOOK_STORIES=100000 cargo test --release --test model` lives more of them.

mod alphabet;
mod calls;
mod commands;
mod directory;
mod gateway;
mod known;
mod model;
mod seen;
mod sends;
mod story;
mod texts;

use gateway::{Forgets, Gateway};
use model::Model;
use offhook::machine::event::Event;
use offhook::model::Phase;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRunner};
use seen::{Answer, Seen, differ};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::{env, thread};
use story::{Act, AgentWord, Name, Pause, Put, Step, Story, Text};

/// Stories lived unless told otherwise.
const STORIES: u32 = 2_000;

/// Refusals and fates of a carrier's item that so many stories must have come to, or they say little.
const REACHED: [Name; 25] = [
    "advanced",
    "attached",
    "call_ended",
    "call_not_found",
    "caller_differs",
    "caller_unreachable",
    "custom_messages_off",
    "dropped",
    "duplicate",
    "in_call_sms_off",
    "landline",
    "non_us_blocked",
    "not_queued",
    "number_pair_busy",
    "opted_out",
    "preset_not_found",
    "presets_only",
    "queue_disabled",
    "replied",
    "session_closed",
    "silent",
    "stale",
    "text_empty",
    "text_too_long",
    "wait_consent_missing",
];

#[test]
fn a1_a9_a46_the_model_and_the_machine_agree_about_every_story() {
    let stories = env::var("OFFHOOK_STORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(STORIES);
    let threads = thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let found: Vec<_> = thread::scope(|scope| {
        let one = || scope.spawn(|| live_all(stories.div_ceil(threads), |_| false, Shrink::Yes));
        let threads: Vec<_> = (0..threads).map(|_| one()).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut reached = BTreeSet::new();
    for answers in found {
        reached.extend(answers.unwrap_or_else(|disagreement| panic!("{disagreement}")));
    }
    if stories >= STORIES {
        let missing: Vec<_> = REACHED.into_iter().filter(|word| !reached.contains(word)).collect();
        assert!(missing.is_empty(), "no story came to {missing:?}");
    }
}

#[test]
fn a_disagreement_reads_as_a_story_and_what_differs_at_its_end() {
    let call = Put {
        call: "a",
        caller: Some("ann"),
        alternative: None,
        queue: "support",
        language: None,
        phase: Phase::Connected,
        consent: false,
        agent: AgentWord::Named,
        version: None,
    };
    let stop = Text { from: "ann", to: "support", words: "STOP", mark: None, id: None };
    let steps = [(0, Act::Put(call)), (5, Act::Text(stop))];
    let story = Story(steps.map(|(secs, act)| Step { after: Pause::Secs(secs), act }).to_vec());
    let forgets: Forgets = |fact| matches!(fact, Event::OptedOut { .. });
    assert_eq!(
        live(&story, forgets, &mut BTreeSet::new()).unwrap_err(),
        "after the last step of

  t+0s call a: ann in support
  t+5s ann texts support: STOP

they differ:

opt-outs:
  machine {}
  model   {\"ann\": Block { everywhere: true, numbers: {\"support\"} }}
"
    );
}

#[test]
fn the_model_notices_whatever_the_machine_forgets() {
    let faults: [(&str, Forgets); 10] = [
        ("opt-outs", |fact| matches!(fact, Event::OptedOut { .. })),
        ("opt-ins", |fact| matches!(fact, Event::OptedIn { .. })),
        ("whom it texted and replied to", |fact| matches!(fact, Event::ContactStored { .. })),
        ("what it was told before", |fact| matches!(fact, Event::Claimed { .. })),
        ("which strangers it answered", |fact| matches!(fact, Event::StrangerAnswered { .. })),
        ("landlines", |fact| matches!(fact, Event::LandlineFound { .. })),
        ("that no answer came", |fact| matches!(fact, Event::SendUnknown { .. })),
        ("that a text comes again", |fact| matches!(fact, Event::SendPostponed { .. })),
        ("what became of a text", |fact| matches!(fact, Event::MessageChanged { .. })),
        ("what changed in a call unheard", |fact| matches!(fact, Event::CallStored(_))),
    ];
    for (what, forgets) in faults {
        assert!(live_all(10 * STORIES, forgets, Shrink::No).is_err(), "nobody noticed that the machine forgot {what}");
    }
}

/// Whether the shortest story is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shrink {
    Yes,
    No,
}

/// Lives random stories: the words of their answers, or a story that the two disagree about.
fn live_all(stories: u32, forgets: Forgets, shrink: Shrink) -> Result<BTreeSet<Name>, String> {
    let config = Config {
        cases: stories,
        failure_persistence: None,
        max_shrink_iters: if shrink == Shrink::Yes { u32::MAX } else { 0 },
        // Cheaper than the default, and good enough to choose names with.
        rng_algorithm: RngAlgorithm::XorShift,
        ..Config::default()
    };
    let reached = RefCell::new(BTreeSet::new());
    let lived = TestRunner::new(config)
        .run(&alphabet::story(), |story| live(&story, forgets, &mut reached.borrow_mut()).map_err(TestCaseError::fail));
    match lived {
        Ok(()) => Ok(reached.into_inner()),
        Err(TestError::Fail(difference, _)) => Err(difference.message().to_owned()),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// Lives a story twice, and says where the two differ first.
fn live(story: &Story, forgets: Forgets, reached: &mut BTreeSet<Name>) -> Result<(), String> {
    let mut model = Model::new();
    let mut gateway = Gateway::new(&model.on, forgets);
    let mut lived = String::new();
    for (nth_step, Step { after, act }) in story.0.iter().enumerate() {
        model.wait(*after);
        // Without a text of ours for it to be about, nothing happens.
        let Some(nth) = act.which().map_or(Some(0), |which| model.find(which)) else { continue };
        let mut line = format!("{act:?}");
        if let Some(which) = act.which() {
            line = line.replace(&format!("{which:?}"), &format!("text {}", nth + 1));
        }
        lived.push_str(&format!("  t+{}s {line}\n", model.now));
        let command = commands::command(act, nth, nth_step, &model, &gateway);
        let (machine, plain) = (gateway.run(model.now, command), model.act(act, nth));
        let (machine_seen, plain_seen) = (gateway.seen(), model.seen());
        if machine != plain || machine_seen != plain_seen {
            let mut difference = String::new();
            differ("the answer", &machine, &plain, &mut difference);
            difference += &Seen::differences(&machine_seen, &plain_seen);
            return Err(format!("after the last step of\n\n{lived}\nthey differ:\n\n{difference}"));
        }
        if let Answer::Refused(word, _) | Answer::InboundItem(word) = plain {
            reached.insert(word);
        }
    }
    Ok(())
}
