//! Whatever a carrier answers: the text ends in a correct state, is retried if the carrier refused it, and never if the
//! carrier may have accepted it.

use crate::process::{Gateway, Outside, SOON};
use crate::stage::{self, Line};
use offhook::sim::carrier::{Behaviour, Carrier, CarrierSettings, Quirk};
use offhook::sim::checker::{self, Violation};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The expected result of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    /// The carrier accepted it and says so.
    Taken,
    /// It is retried and accepted.
    Again,
    /// The result is unknown: the text stays `sending` until a receipt arrives.
    Unknown,
    /// It has failed.
    Failed,
    /// It has this state, and the next text may not be sent either.
    Last(&'static [&'static str]),
}

use Then::{Again, Failed, Last, Taken, Unknown};

/// All behaviours by name.
const ANSWERS: &[(&str, Then)] = &[
    ("good", Taken),
    ("200", Taken),
    ("100 first", Taken),
    ("answered twice", Taken),
    ("500", Again),
    ("503", Again),
    ("408", Again),
    ("429", Again),
    ("429, in seconds", Again),
    ("429, by date", Again),
    ("429, in the past", Again),
    ("429, garbage", Again),
    ("429, negative", Again),
    // The pause is longer than a text's time to live, and so is the pause of its lane.
    ("429, huge", Last(&["expired"])),
    // The carrier refuses the account and not the text.
    ("302", Again),
    ("404", Again),
    ("credentials refused", Again),
    ("no such account", Again),
    ("account not active", Again),
    ("account suspended", Again),
    ("filtered", Failed),
    ("opted out", Last(&["failed"])),
    ("HTML", Unknown),
    ("no id", Unknown),
    ("empty", Unknown),
    ("an array", Unknown),
    ("10 MB", Unknown),
    ("endless", Unknown),
    ("a long head", Unknown),
    ("no HTTP", Unknown),
    ("closed unread", Unknown),
    ("closed", Unknown),
    ("reset", Unknown),
    ("half an answer", Unknown),
    ("half an answer, reset", Unknown),
    ("silence", Unknown),
];

/// One row of the table, at its own carrier, so that no pause affects another row.
#[derive(Clone)]
struct Case {
    name: &'static str,
    then: Then,
    /// Whether the carrier accepted the text, where its answer leaves that open.
    taken: bool,
    line: Line,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a60_a64_a_text_is_retried_only_after_a_refusal_whatever_the_carrier_answers() {
    let cases = cases();
    let lines: Vec<_> = cases.iter().map(|case| case.line.clone()).collect();
    let directory = stage::directory(&lines, Duration::from_secs(10));
    let (world, carriers) =
        Outside::with_more(CarrierSettings::default(), lines.iter().map(account).collect(), &directory).await;
    let gateway = world.start().await;

    let world = Arc::new(world);
    let carriers: Vec<_> = carriers.into_iter().map(Arc::new).collect();
    let mut tasks = JoinSet::new();
    for (case, carrier) in cases.iter().cloned().zip(&carriers) {
        let (world, carrier) = (Arc::clone(&world), Arc::clone(carrier));
        tasks.spawn(async move { play(&world, &carrier, &case).await });
    }
    let unread = tasks.join_all().await.into_iter().flatten().collect::<Vec<_>>();
    check_invariants(&world, &carriers, &unread).await;
    stop_cleanly(&world, gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a60_a_truncated_answer_leaves_the_text_unknown_and_it_is_not_retried() {
    let lines: Vec<_> =
        (0..CUT_TASKS).map(|nth| Line { account: format!("account-{nth}"), ..Line::free(nth) }).collect();
    let directory = stage::directory(&lines, Duration::from_secs(10));
    let (world, carriers) =
        Outside::with_more(CarrierSettings::default(), lines.iter().map(account).collect(), &directory).await;
    let gateway = world.start().await;
    let world = Arc::new(world);
    let carriers: Vec<_> = carriers.into_iter().map(Arc::new).collect();
    for announced in [true, false] {
        let mut tasks = JoinSet::new();
        for (line, carrier) in lines.iter().cloned().zip(&carriers) {
            let (world, carrier) = (Arc::clone(&world), Arc::clone(carrier));
            tasks.spawn(async move { cut(&world, &carrier, &line, announced).await });
        }
        let whole = tasks.join_all().await;
        // Once the whole answer arrives the text is sent, whichever task found that out.
        let length = whole.iter().min().unwrap();
        assert!(*length > 300 && whole.iter().all(|at| at - length < CUT_TASKS), "{whole:?}");
        println!("cut after each of {length} bytes, which {}", if announced { "were announced" } else { "were not" });
    }
    let posts: usize = carriers.iter().map(|carrier| carrier.record().posts.len()).sum();
    assert_eq!(posts, world.client.accepted().len(), "each text once");
    stop_cleanly(&world, gateway).await;
}

/// Tasks that share the cut positions, each at its own account.
const CUT_TASKS: usize = 8;

/// Unclear answers in a row; one more would pause the account.
const UNCLEAR_IN_A_ROW: usize = 4;

/// Cuts the answer at every `CUT_TASKS`-th byte until it is complete; returns the number of bytes at which it is.
async fn cut(world: &Outside, carrier: &Carrier, line: &Line, announced: bool) -> usize {
    let caller = stage::calls(world, line).await;
    let phone = carrier.phone(caller.number);
    let good = Behaviour { receipts_missing: 1.0, ..Behaviour::default() };
    let send = async |text: &str, behaviour: Behaviour| {
        carrier.set_behaviour(behaviour);
        let id = caller.is_sent(world, text).await;
        phone.wait_for_text(SOON, |arrived| arrived == text).await.unwrap();
        id
    };
    let mut before: Option<(usize, String)> = None;
    for (nth, at) in (line.nth..).step_by(CUT_TASKS).enumerate() {
        if nth % UNCLEAR_IN_A_ROW == 0 {
            send(&format!("good {at}"), good.clone()).await;
        }
        let cut = Behaviour { odd: 1.0, quirk: Some(Quirk::Cut { at, announced }), ..good.clone() };
        let id = send(&format!("cut {at:04}"), cut).await;
        // This text was sent, so the answer to the one before has been read.
        if let Some((at, id)) = before.replace((at, id)) {
            match world.client.message(&id).await.unwrap().text("/state") {
                "sending" => {}
                "sent" => return at,
                state => panic!("cut after {at} bytes it is {state}"),
            }
        }
    }
    unreachable!("an answer ends")
}

async fn stop_cleanly(world: &Outside, gateway: Gateway) {
    let panicked = |line: &str| line.starts_with("offhook_panics_total") && !line.ends_with(" 0");
    assert!(!gateway.metrics().await.lines().any(panicked));
    assert_eq!(gateway.terminate().await.code(), Some(0), "{}", world.home.log());
    assert!(!world.home.log().contains("panicked"), "{}", world.home.log());
}

/// The account of a number, which has no other number.
fn account(line: &Line) -> CarrierSettings {
    CarrierSettings { account: line.account.clone(), numbers: vec![line.number()], ..CarrierSettings::default() }
}

fn cases() -> Vec<Case> {
    let names: Vec<_> = ANSWERS.iter().map(|(name, _)| *name).collect();
    assert!(Behaviour::names().all(|name| names.contains(&name)), "a behaviour is not in the table");
    let taken = |then| if then == Unknown { vec![true, false] } else { vec![true] };
    let rows = ANSWERS.iter().flat_map(|(name, then)| taken(*then).into_iter().map(move |taken| (*name, *then, taken)));
    rows.enumerate()
        .map(|(nth, (name, then, taken))| {
            let line = Line { account: format!("account-{nth}"), ..Line::free(nth) };
            Case { name, then, taken, line }
        })
        .collect()
}

/// Sends two texts to one caller: the first meets the behaviour, the second a good carrier. Returns the first if its
/// carrier did not read the request, so that the carrier's record cannot show it.
async fn play(world: &Outside, carrier: &Carrier, case: &Case) -> Option<String> {
    let Case { name, then, taken, line } = case;
    let behaviour = Behaviour::named(name).unwrap();
    carrier.set_behaviour(Behaviour { unclear_taken: if *taken { 1.0 } else { 0.0 }, ..behaviour });
    let caller = stage::calls(world, line).await;
    let phone = carrier.phone(caller.number);
    let first = caller.is_sent(world, "first").await;
    let unread = *name == "closed unread";
    if unread {
        stage::until(|| carrier.record().unread > 0).await;
    } else {
        carrier.wait_for_sends(1, SOON).await.expect(name);
    }
    carrier.set_behaviour(Behaviour::default());

    if let Last(state) = then {
        stage::until_state(world, &first, state).await;
    } else {
        // It waits until the answer to the first one is read, whatever that was.
        let second = caller.is_sent(world, "second").await;
        phone.wait_for_text(SOON, |text| text == "second").await.expect(name);
        stage::until_state(world, &second, &["delivered"]).await;
    }
    carrier.wait_for_receipts(SOON).await.expect(name);
    let state = match then {
        Taken | Again => &["delivered"],
        Unknown if *taken && !unread => &["delivered"],
        Unknown => &["sending"],
        Failed => &["failed"],
        Last(state) => *state,
    };
    stage::until_state(world, &first, state).await;
    let posts = carrier.record().posts;
    let posts = posts.iter().filter(|post| post.message_id.as_ref() == Some(&first)).count();
    let expected = match then {
        Again => 2,
        _ if unread => 0,
        _ => 1,
    };
    // On a busy machine the carrier may have refused more than once.
    assert!(posts == expected || *then == Again && posts > expected, "{name}: sent {posts} times");
    let arrived = phone.inbox().iter().filter(|arrived| arrived.text == "first").count();
    assert_eq!(arrived, usize::from(state == ["delivered"]), "{name}");
    unread.then_some(first)
}

/// Invariants I1 to I6, from all records.
async fn check_invariants(world: &Outside, carriers: &[Arc<Carrier>], unread: &[String]) {
    let sends = world.client.accepted_with_states().await.unwrap();
    let records = carriers.iter().map(|carrier| carrier.record()).collect();
    let mut seen = checker::Observed::new(records, world.platform.record(), sends);
    seen.receipts_may_be_due = true;
    let mut violations = checker::check(&seen);
    let waits = |id: &String, state: &Option<String>| unread.contains(id) && state.as_deref() == Some("sending");
    violations
        .retain(|violation| !matches!(violation, Violation::NeverEnded { message, state } if waits(message, state)));
    assert_eq!(violations, []);
}
