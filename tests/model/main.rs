//! Model-based test: a second, deliberately simple implementation of the rules, and random stories that run through
//! both. After each command the replies and all visible state must be equal.
//!
//! `OFFHOOK_STORIES=100000 cargo test --release --test model` runs more stories.

mod calls;
mod commands;
mod deviations;
mod directory;
mod gateway;
mod model;
mod seen;
mod sends;
mod story;
mod strategies;
mod texts;

use gateway::{DropsRows, Gateway};
use model::Model;
use offhook::machine::event::Event;
use offhook::model::Phase;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRunner};
use seen::{Answer, Seen, differ};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::{env, thread};
use story::{Act, AgentField, Name, Pause, Put, Step, Story, Text};

/// Stories run by default.
const STORIES: u32 = 2_000;

/// Refusal codes and outcomes of inbound items that this many stories must reach, or the test would prove too little.
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
fn a1_a9_a46_the_model_and_the_machine_agree_on_every_story() {
    let stories = env::var("OFFHOOK_STORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(STORIES);
    let threads = thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let found: Vec<_> = thread::scope(|scope| {
        let one = || scope.spawn(|| run_all(stories.div_ceil(threads), |_| false, Shrink::Yes));
        let threads: Vec<_> = (0..threads).map(|_| one()).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut reached = BTreeSet::new();
    for answers in found {
        reached.extend(answers.unwrap_or_else(|disagreement| panic!("{disagreement}")));
    }
    if stories >= STORIES {
        let missing: Vec<_> = REACHED.into_iter().filter(|word| !reached.contains(word)).collect();
        assert!(missing.is_empty(), "no story reached {missing:?}");
    }
}

#[test]
fn a_disagreement_prints_its_story_and_the_differences() {
    let call = Put {
        call: "a",
        caller: Some("ann"),
        alternative: None,
        queue: "support",
        language: None,
        phase: Phase::Connected,
        consent: false,
        agent: AgentField::Named,
        version: None,
    };
    let stop = Text { from: "ann", to: "support", words: "STOP", mark: None, id: None };
    let steps = [(0, Act::Put(call)), (5, Act::Text(stop))];
    let story = Story(steps.map(|(secs, act)| Step { after: Pause::Secs(secs), act }).to_vec());
    let drops_rows: DropsRows = |event| matches!(event, Event::OptedOut { .. });
    assert_eq!(
        run(&story, drops_rows, &mut BTreeSet::new()).unwrap_err(),
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
fn the_model_detects_any_row_the_machine_drops() {
    let faults: [(&str, DropsRows); 10] = [
        ("opt-outs", |event| matches!(event, Event::OptedOut { .. })),
        ("opt-ins", |event| matches!(event, Event::OptedIn { .. })),
        ("contacts and replies", |event| matches!(event, Event::ContactStored { .. })),
        ("claims", |event| matches!(event, Event::Claimed { .. })),
        ("strangers answered", |event| matches!(event, Event::StrangerAnswered { .. })),
        ("landlines", |event| matches!(event, Event::LandlineFound { .. })),
        ("unanswered attempts", |event| matches!(event, Event::SendUnknown { .. })),
        ("postponed texts", |event| matches!(event, Event::SendPostponed { .. })),
        ("outcomes of texts", |event| matches!(event, Event::MessageChanged { .. })),
        ("call changes without an event", |event| matches!(event, Event::CallStored(_))),
    ];
    for (what, drops_rows) in faults {
        assert!(run_all(10 * STORIES, drops_rows, Shrink::No).is_err(), "undetected: the machine drops {what}");
    }
}

/// Whether a failing story is shrunk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shrink {
    Yes,
    No,
}

/// Runs random stories. Returns the codes and outcomes reached, or the first disagreement.
fn run_all(stories: u32, drops_rows: DropsRows, shrink: Shrink) -> Result<BTreeSet<Name>, String> {
    let config = Config {
        cases: stories,
        failure_persistence: None,
        max_shrink_iters: if shrink == Shrink::Yes { u32::MAX } else { 0 },
        // Cheaper than the default, and good enough here.
        rng_algorithm: RngAlgorithm::XorShift,
        ..Config::default()
    };
    let reached = RefCell::new(BTreeSet::new());
    let result = TestRunner::new(config).run(&strategies::story(), |story| {
        run(&story, drops_rows, &mut reached.borrow_mut()).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => Ok(reached.into_inner()),
        Err(TestError::Fail(difference, _)) => Err(difference.message().to_owned()),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// Runs a story through machine and model; returns their first difference.
fn run(story: &Story, drops_rows: DropsRows, reached: &mut BTreeSet<Name>) -> Result<(), String> {
    let mut model = Model::new();
    let mut gateway = Gateway::new(&model.on, drops_rows);
    let mut steps_run = String::new();
    for (nth_step, Step { after, act }) in story.0.iter().enumerate() {
        model.wait(*after);
        // A step about an outbound text is skipped if no text matches.
        let Some(nth) = act.which().map_or(Some(0), |which| model.find(which)) else { continue };
        let mut line = format!("{act:?}");
        if let Some(which) = act.which() {
            line = line.replace(&format!("{which:?}"), &format!("text {}", nth + 1));
        }
        steps_run.push_str(&format!("  t+{}s {line}\n", model.now));
        let command = commands::command(act, nth, nth_step, &model, &gateway);
        let (machine, plain) = (gateway.run(model.now, command), model.act(act, nth));
        let (machine_seen, plain_seen) = (gateway.seen(), model.seen());
        if machine != plain || machine_seen != plain_seen {
            let mut difference = String::new();
            differ("the answer", &machine, &plain, &mut difference);
            difference += &Seen::differences(&machine_seen, &plain_seen);
            return Err(format!("after the last step of\n\n{steps_run}\nthey differ:\n\n{difference}"));
        }
        if let Answer::Refused(word, _) | Answer::InboundItem(word) = plain {
            reached.insert(word);
        }
    }
    Ok(())
}
