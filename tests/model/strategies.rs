//! Strategies for random stories: ordinary steps often, odd ones sometimes.

use crate::story::{
    Act, AgentField, CALLERS, CarrierResponse, Due, Name, OURS, Pause, Put, QUEUES, ReceiptStatus, SHORT_CODE, Send,
    Stage, Step, Story, Switch, Text, Which, Words,
};
use offhook::model::{FailureCode, Phase, ReceiptState};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// Maximum steps of a story after its opening.
const REST_MAX: usize = 36;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Any story. It opens with calls, sends and inbound texts, so that later steps have subjects.
pub(crate) fn story() -> impl Strategy<Value = Story> {
    let at_once = |act| Step { after: Pause::Secs(0), act };
    let first = weighted(0.9, put(Just("a").boxed()).prop_map(Act::Put));
    let others = vec(put(call()).prop_map(Act::Put), 0..=4);
    let talk = vec(prop_oneof![4 => send().prop_map(Act::Send), 2 => text().prop_map(Act::Text), 1 => flip()], 0..=6);
    (first, others, talk, vec(step(), 1..=REST_MAX)).prop_map(move |(first, others, talk, rest)| {
        let opening = first.into_iter().chain(others).chain(talk).map(at_once);
        Story(opening.chain(rest).collect())
    })
}

fn step() -> impl Strategy<Value = Step> {
    let secs = prop_oneof![
        60 => 0..3u64,
        3 => select(vec![20, 60, 120]),
        2 => select(vec![15 * MINUTE, HOUR, 8 * HOUR]),
        1 => select(vec![DAY, 45 * DAY]),
    ];
    let due = prop_oneof![
        2 => Just(Due::Expiry),
        4 => Just(Due::Unconfirmed),
        2 => Just(Due::Lease),
        7 => Just(Due::Quiet),
        2 => Just(Due::Day),
        2 => Just(Due::Landline),
        2 => Just(Due::PastSession),
        1 => Just(Due::End),
    ];
    // Most due work waits for a tick; a tick one second early must do nothing.
    let then = prop_oneof![2 => Just(Act::Tick), 1 => text().prop_map(Act::Text), 1 => act()];
    prop_oneof![
        12 => (secs.prop_map(Pause::Secs), act()).prop_map(|(after, act)| Step { after, act }),
        1 => (due, any::<bool>(), then).prop_map(|(due, early, act)| Step { after: Pause::Until(due, early), act }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        9 => put(call()).prop_map(Act::Put),
        3 => call().prop_map(Act::End),
        10 => send().prop_map(Act::Send),
        11 => text().prop_map(Act::Text),
        14 => which(Stage::Waiting).prop_map(Act::Go),
        12 => (which(Stage::InFlight), carrier_response()).prop_map(|(which, response)| Act::Settle(which, response)),
        5 => (which(Stage::Tried), receipt_status()).prop_map(|(which, status)| Act::Receipt(which, status)),
        1 => which(Stage::Waiting).prop_map(Act::Cancel),
        1 => which(Stage::Waiting).prop_map(Act::Expire),
        6 => Just(Act::Tick),
        1 => Just(Act::Restart),
        3 => flip(),
        1 => select(CALLERS.to_vec()).prop_map(Act::OptOut),
        1 => select(CALLERS.to_vec()).prop_map(Act::OptIn),
    ]
}

/// Some calls are more frequent than others.
fn call() -> BoxedStrategy<Name> {
    prop_oneof![12 => Just("a"), 5 => Just("b"), 3 => Just("c"), 2 => Just("d"), 2 => Just("e")].boxed()
}

/// Each call has a usual caller, so that most requests about it are updates.
fn put(call: BoxedStrategy<Name>) -> impl Strategy<Value = Put> {
    let caller = prop_oneof![
        25 => Just(None),
        1 => select(CALLERS.to_vec()).prop_map(|caller| Some(Some(caller))),
        1 => Just(Some(None)),
    ];
    let phase = prop_oneof![4 => Just(Phase::Connected), 1 => Just(Phase::Waiting)];
    let agent = prop_oneof![4 => Just(AgentField::Named), 1 => Just(AgentField::Omitted), 2 => Just(AgentField::Null)];
    let language = weighted(0.2, select(vec!["en", "it"]));
    let alternative = weighted(0.1, select(CALLERS.to_vec()));
    let queue = prop_oneof![3 => Just(QUEUES[0]), 1 => Just(QUEUES[1])];
    let who = (call, caller, alternative);
    let rest = (queue, language, phase, any::<bool>(), agent, weighted(0.1, 0..3i64));
    (who, rest).prop_map(|((call, caller, alternative), (queue, language, phase, consent, agent, version))| {
        let caller = caller.unwrap_or(usual_caller(call));
        Put { call, caller, alternative, queue, language, phase, consent, agent, version }
    })
}

fn usual_caller(call: Name) -> Option<Name> {
    match call {
        "a" | "b" | "c" => Some("ann"),
        "d" => Some("bob"),
        _ => Some("roma"),
    }
}

fn send() -> impl Strategy<Value = Send> {
    let letters = prop_oneof![30 => Just(5), 4 => Just(200), 1 => Just(0), 1 => Just(918), 1 => Just(919)];
    let preset = prop_oneof![5 => Just("welcome"), 1 => Just("fee"), 1 => Just("none")];
    let words = prop_oneof![
        5 => letters.prop_map(Words::Own),
        1 => (preset, weighted(0.3, select(vec!["en", "it"]))).prop_map(|(id, language)| Words::Preset(id, language)),
    ];
    (call(), words, prop::bool::weighted(0.1), prop::bool::weighted(0.1))
        .prop_map(|(call, words, smart_action, force)| Send { call, words, smart_action, force })
}

fn text() -> impl Strategy<Value = Text> {
    let from = prop_oneof![20 => Just("ann"), 6 => Just("bob"), 6 => Just("roma"), 1 => Just(SHORT_CODE)];
    let words = prop_oneof![
        12 => Just("hi"),
        3 => select(vec!["STOP", "Cancel.", "“Stop” 🛑"]),
        3 => select(vec!["START", "yes", "«Start»"]),
        1 => select(vec!["HELP", "\u{200b}Help—"]),
        1 => select(vec!["photo", "Closing in en.", "Liked “STOP”"]),
    ];
    let mark = weighted(0.05, select(vec!["STOP", "START", "HELP"]));
    let to = prop_oneof![4 => Just(OURS[0]), 1 => Just(OURS[1]), 2 => Just(OURS[2])];
    (from, to, words, mark, weighted(0.1, 0..2u8)).prop_map(|(from, to, words, mark, id)| Text {
        from,
        to,
        words,
        mark,
        id,
    })
}

/// Mostly a text in the right stage for the step.
fn which(of: Stage) -> impl Strategy<Value = Which> {
    let back = prop_oneof![5 => Just(0), 2 => Just(1), 1 => Just(2)];
    (prop_oneof![12 => Just(of), 1 => Just(Stage::All)], back).prop_map(|(of, back)| Which(of, back))
}

fn carrier_response() -> impl Strategy<Value = CarrierResponse> {
    prop_oneof![
        5 => Just(CarrierResponse::Accepted),
        1 => Just(CarrierResponse::Refused(FailureCode::Landline)),
        1 => Just(CarrierResponse::Refused(FailureCode::OptedOut)),
        1 => Just(CarrierResponse::Refused(FailureCode::Blocked)),
        3 => Just(CarrierResponse::Later),
        2 => Just(CarrierResponse::Nothing),
        2 => Just(CarrierResponse::AccountRefused),
    ]
}

fn receipt_status() -> impl Strategy<Value = ReceiptStatus> {
    prop_oneof![
        2 => Just(ReceiptStatus(ReceiptState::Sent, "sent")),
        3 => Just(ReceiptStatus(ReceiptState::Delivered, "delivered")),
        1 => Just(ReceiptStatus(ReceiptState::Failed(FailureCode::Unreachable), "failed")),
        1 => Just(ReceiptStatus(ReceiptState::Failed(FailureCode::OptedOut), "failed")),
        1 => Just(ReceiptStatus(ReceiptState::Undelivered(FailureCode::Landline), "undelivered")),
    ]
}

fn flip() -> impl Strategy<Value = Act> {
    let switch = prop_oneof![
        1 => Just(Switch::InCallSms),
        1 => Just(Switch::Support),
        1 => Just(Switch::Sales),
        1 => Just(Switch::SupportIsVerified),
        1 => Just(Switch::SharedIsVerified),
        1 => Just(Switch::SupportGetsPictures),
        2 => Just(Switch::SharedIsDefault),
        3 => Just(Switch::NonUsInCall),
        2 => Just(Switch::NonUsWaiting),
        1 => Just(Switch::DropNonUs),
        1 => Just(Switch::CustomMessages),
        1 => Just(Switch::PresetsOnly),
        3 => Just(Switch::StopIsForOneNumber),
        1 => Just(Switch::ConfirmStop),
        1 => Just(Switch::AutoReply),
        1 => Just(Switch::ReplyToStrangers),
        1 => Just(Switch::Closing),
        2 => Just(Switch::AttachCrossQueue),
    ];
    switch.prop_map(Act::Flip)
}
