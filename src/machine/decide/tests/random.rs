//! Random stories, checked against the `invariants`.

use super::steps::{cancel, end, go, inbound, put, receipt, restart, say_with_key, send, start_in, tick};
use super::*;
use crate::machine::command::Content;
use crate::model::{Actor, Caller, FailureCode, Inbound, OptOutScope, Outcome, Phase, ReceiptState};
use proptest::prelude::*;

const CALLS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const CALLERS: [&str; 3] = [ANN, BOB, ROMA];
const OURS: [&str; 3] = [SUPPORT, SALES, SHARED];
const QUEUES: [&str; 3] = ["support", "sales", "night"];
const WORDS: [&str; 7] = ["hi", "STOP", "help", "yes", "Call us.", "", "Ça coûte 5 € 😀"];

/// Any step, with its subject still to be chosen.
#[derive(Clone, Debug)]
enum Op {
    Put { call: usize, caller: usize, queue: usize, with: u8, version: Option<i64> },
    End(usize),
    Say { call: usize, segments: usize, with: u8 },
    Text { from: usize, to: usize, words: usize, id: u8, segments: Option<u16> },
    Go(usize),
    Settle(usize, u8),
    Receipt(usize, u8, Option<u16>),
    Cancel(usize),
    Expire(usize),
    Tick,
    Restart,
    Switch(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..6usize, 0..3usize, 0..3usize, any::<u8>(), prop::option::of(0..4i64))
            .prop_map(|(call, caller, queue, with, version)| Op::Put { call, caller, queue, with, version }),
        2 => (0..6usize).prop_map(Op::End),
        6 => (0..6usize, 1..4usize, any::<u8>()).prop_map(|(call, segments, with)| Op::Say { call, segments, with }),
        6 => (0..3usize, 0..3usize, 0..7usize, any::<u8>(), prop::option::of(0..3u16))
            .prop_map(|(from, to, words, id, segments)| Op::Text { from, to, words, id, segments }),
        8 => any::<usize>().prop_map(Op::Go),
        6 => (any::<usize>(), any::<u8>()).prop_map(|(nth, how)| Op::Settle(nth, how)),
        4 => (any::<usize>(), any::<u8>(), prop::option::of(0..4u16))
            .prop_map(|(nth, how, segments)| Op::Receipt(nth, how, segments)),
        1 => any::<usize>().prop_map(Op::Cancel),
        1 => any::<usize>().prop_map(Op::Expire),
        3 => Just(Op::Tick),
        1 => Just(Op::Restart),
        1 => any::<u8>().prop_map(Op::Switch),
    ]
}

/// Seconds until the next step: mostly few, sometimes many.
fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![
        20 => 0..3u64,
        4 => 3..130u64,
        2 => Just(601u64),
        1 => Just(4 * 3_600u64),
        1 => Just(25 * 3_600u64),
        1 => Just(73 * 3_600u64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_commands_keep_the_invariants(
        story in prop::collection::vec((pause(), op()), 1..60),
        opted_out in prop::option::of(0..3usize),
        switches in any::<u8>(),
    ) {
        let mut world = TestMachine::empty();
        let opt_outs = listed(&opted_out.map(|caller| CALLERS[caller]).into_iter().collect::<Vec<_>>());
        let directory = with(|directory| {
            let mut night = directory.queues[&"support".to_owned().try_into().unwrap()].clone();
            (night.inbound_numbers, night.default_outbound) = (Vec::new(), None);
            directory.queues.insert("night".to_owned().try_into().unwrap(), night);
            let settings = &mut directory.settings;
            settings.non_us.in_call = switches & 1 != 0;
            settings.attach_cross_queue = switches & 2 != 0;
            settings.drop_non_us_inbound = switches & 12 == 12;
            settings.late_text = switches & 16 != 0;
            // Longer than any story, so that every message can be checked at the end.
            settings.retention_days = 3_650;
        });
        world.run(0, Step::Do(Command::GatewayStarted));
        world.run(0, Step::Do(Command::Seed { directory: Box::new(directory), opt_outs }));
        let mut secs = 0;
        for (pause, op) in story {
            secs += pause;
            if let Some(step) = step(&world, &op) {
                world.run(secs, step);
            }
        }
        invariants::at_the_end(&world);
        // After enough time, nothing is left waiting.
        for _ in 0..10 {
            secs += 80 * 3_600;
            for nth in 1..=world.queued.len() {
                world.run(secs, Step::Settle(nth, Outcome::Unknown));
                world.run(secs, Step::Expire(nth));
            }
            world.run(secs, tick());
        }
        let left = world.due(Timestamp::from_ms(u64::MAX), 10);
        prop_assert!(left.is_empty(), "{left:?} is left");
        prop_assert!(world.oldest_open().is_none());
        for nth in 1..=world.queued.len() {
            prop_assert!(world.message(nth).state.is_final(), "I5: {:?}", world.message(nth).state);
        }
        invariants::at_the_end(&world);
    }
}

/// The step in this world; `None` if it needs a message but none is queued yet.
fn step(world: &TestMachine, op: &Op) -> Option<Step> {
    let of = |nth: usize| (!world.queued.is_empty()).then(|| nth % world.queued.len() + 1);
    Some(match *op {
        Op::Put { call, queue, with: 0..16, .. } => start_in(CALLS[call], QUEUES[queue]),
        Op::Put { call, caller, queue, with, version } => put(CALLS[call], |put| {
            put.caller = if with % 16 == 1 { Caller::Withheld } else { Caller::read(CALLERS[caller]).unwrap() };
            put.queue = QUEUES[queue].to_owned().try_into().unwrap();
            put.phase = if with % 5 == 0 { Phase::Waiting } else { Phase::Connected };
            put.wait_sms_consent = with % 2 == 0;
            put.agent = [Some(Some("agent-1".to_owned())), Some(None), None][usize::from(with % 3)].clone();
            put.alternative = CALLERS.get(usize::from(with % 8)).map(|number| number.parse().unwrap());
            put.language = (with % 7 == 0).then(|| language("it"));
            put.version = version;
        }),
        Op::End(call) => end(CALLS[call]),
        Op::Say { call, segments, with: 0..64 } => {
            say_with_key(CALLS[call], &"x".repeat(100 * segments), segments as u8)
        }
        Op::Say { call, segments, with } => {
            let content = match with % 4 {
                0 => Content::Preset("welcome".to_owned().try_into().unwrap(), None),
                _ => Content::Text("x".repeat(100 * segments)),
            };
            send(CALLS[call], content, |send| send.force = (with % 8 == 1).then(Actor::command_line))
        }
        Op::Text { from, to, words, id, segments } => {
            // Few ids for many texts, so that some repeat.
            let carrier_id = if id < 64 { format!("SM-again-{}", id % 4) } else { String::new() };
            Step::Text(Inbound { carrier_id, segments, ..inbound(CALLERS[from], OURS[to], WORDS[words]) })
        }
        Op::Go(nth) => go(of(nth)?),
        Op::Settle(nth, how) => Step::Settle(
            of(nth)?,
            match how % 7 {
                0 | 1 => {
                    let carrier_id = format!("SMout{}", of(nth)?);
                    Outcome::Sent { carrier_id, segments: (how > 100).then_some(u16::from(how % 5)) }
                }
                2 => Outcome::Later { retry_after: None },
                3 => Outcome::NeverWritten,
                4 => Outcome::Unknown,
                5 => Outcome::AccountRefused,
                _ => Outcome::Refused {
                    code: match how {
                        0..80 => FailureCode::Blocked,
                        80..160 => FailureCode::OptedOut,
                        _ => FailureCode::Landline,
                    },
                    carrier_code: None,
                },
            },
        ),
        Op::Receipt(nth, how, segments) => {
            let (state, status) = match how % 6 {
                0 => (ReceiptState::Queued, "queued"),
                1 => (ReceiptState::Sent, "sent"),
                2 => (ReceiptState::Undelivered(FailureCode::Landline), "undelivered"),
                3 => (ReceiptState::Failed(FailureCode::Blocked), "failed"),
                4 => (ReceiptState::Expired, "expired"),
                _ => (ReceiptState::Delivered, "delivered"),
            };
            Step::Do(receipt(world, of(nth)?, state, status, segments))
        }
        Op::Cancel(nth) => cancel(of(nth)?),
        Op::Expire(nth) => Step::Expire(of(nth)?),
        Op::Tick => tick(),
        Op::Restart => restart(),
        Op::Switch(with) => Step::Change(match with % 6 {
            0 => |directory| directory.settings.in_call_sms ^= true,
            1 => |directory| directory.settings.non_us.in_call ^= true,
            2 => |directory| directory.settings.closing.enabled ^= true,
            3 => |directory| directory.settings.auto_reply.enabled ^= true,
            4 => |directory| directory.settings.opt_out_scope = OptOutScope::Number,
            _ => |directory| directory.settings.opt_out_scope = OptOutScope::AllNumbers,
        }),
    })
}
