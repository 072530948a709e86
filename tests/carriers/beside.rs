//! What a send costs, and that a failing carrier does not slow the others.

use crate::process::{Gateway, Outside, SOON};
use crate::stage::{self, Caller, Line, long_form};
use offhook::rules::breaker::IN_FLIGHT_MAX;
use offhook::sim::carrier::{Behaviour, Carrier, CarrierSettings};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Texts per phase in the short form.
const TEXTS: usize = 100;

/// The interval between two texts, which alternate between the gateways.
const EVERY: Duration = Duration::from_millis(20);

/// Callers at the working account.
const CALLERS: usize = 16;

/// Callers at the failing account, and texts for each: more than can be in flight at once.
const FAILING_CALLERS: usize = 96;
const TEXTS_EACH: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a64_an_account_that_hangs_or_refuses_delays_no_text_of_another() {
    // Of two gateways only the second has a failing account. Every text goes through both, so that other load on the
    // machine affects both equally.
    let (alone, beside) = (Side::new().await, Side::new().await);
    // Connections and caches are warmed up before anything is measured.
    phase([&alone, &beside], CALLERS).await;
    let texts = long_form().map_or(TEXTS, |long| (long.as_millis() / EVERY.as_millis() / 2) as usize);

    beside.failing.set_behaviour(Behaviour { unclear_taken: 0.0, ..Behaviour::named("silence").unwrap() });
    queue_at_failing(&beside.world).await;
    beside.failing.wait_for_sends(IN_FLIGHT_MAX, SOON).await.unwrap();
    let hanging = phase([&alone, &beside], texts).await;

    beside.failing.go_down().await;
    queue_at_failing(&beside.world).await;
    beside.world.platform.wait_for(SOON, |event| event.kind == "account.paused").await.unwrap();
    let refusing = phase([&alone, &beside], texts).await;

    for (what, [alone, beside]) in [("hangs", &hanging), ("refuses", &refusing)] {
        println!(
            "{texts} texts, from the request to the carrier: alone {alone}; beside an account that {what} {beside}"
        );
        let most = alone.p99.mul_f64(1.1) + Duration::from_millis(5);
        assert!(long_form().is_none() || beside.p99 < most, "at most {most:?}");
    }
}

/// A gateway with a working account and one that can fail.
struct Side {
    world: Arc<Outside>,
    failing: Carrier,
    callers: Vec<Caller>,
    _gateway: Gateway,
}

impl Side {
    async fn new() -> Self {
        let lines = [Line::free(0), failing()];
        let directory = stage::directory(&lines, SOON);
        let account = |line: &Line| CarrierSettings {
            account: line.account.clone(),
            numbers: vec![line.number()],
            record_max: 1_000_000,
            ..CarrierSettings::default()
        };
        let (world, mut more) = Outside::with_more(account(&lines[0]), vec![account(&lines[1])], &directory).await;
        world.carrier.set_behaviour(Behaviour { receipts_missing: 1.0, ..Behaviour::default() });
        let gateway = world.start().await;
        let mut callers = Vec::new();
        for _ in 0..CALLERS {
            callers.push(stage::calls(&world, &lines[0]).await);
        }
        Self { world: Arc::new(world), failing: more.remove(0), callers, _gateway: gateway }
    }
}

/// The number at the failing account.
fn failing() -> Line {
    Line { account: "sick".to_owned(), ..Line::free(1) }
}

/// The median and the 99th percentile of the texts' latency.
struct Latency {
    p50: Duration,
    p99: Duration,
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.1?} p99 {:.1?}", self.p50, self.p99)
    }
}

/// Texts callers on both sides in turn, at a steady rate; all texts must arrive.
async fn phase(sides: [&Side; 2], texts: usize) -> [Latency; 2] {
    let before = sides.map(|side| side.world.carrier.counts().0);
    let mut sending = [JoinSet::new(), JoinSet::new()];
    let mut next = tokio::time::interval(EVERY);
    for nth in 0..texts {
        for which in [nth % 2, 1 - nth % 2] {
            next.tick().await;
            let (world, caller) = (Arc::clone(&sides[which].world), sides[which].callers[nth % CALLERS].clone());
            sending[which].spawn(async move {
                let asked = Instant::now();
                (caller.is_sent(&world, "hello").await, asked)
            });
        }
    }
    let [alone, beside] = sending;
    [arrive(sides[0], before[0], alone).await, arrive(sides[1], before[1], beside).await]
}

/// How long the texts took to reach the carrier.
async fn arrive(side: &Side, before: usize, sending: JoinSet<(String, Instant)>) -> Latency {
    let sent = sending.join_all().await;
    let posts = side.world.carrier.wait_for_sends(before + sent.len(), SOON).await.unwrap();
    let arrived: HashMap<_, _> = posts[before..].iter().map(|post| (post.message_id.clone(), post.at)).collect();
    let mut took: Vec<_> = sent.into_iter().map(|(id, asked)| arrived[&Some(id)] - asked).collect();
    took.sort();
    Latency { p50: took[took.len() / 2], p99: took[took.len() * 99 / 100] }
}

/// Adds callers at the failing account, whose texts stay queued from now on.
async fn queue_at_failing(world: &Outside) {
    for _ in 0..FAILING_CALLERS {
        let caller = stage::calls(world, &failing()).await;
        for _ in 0..TEXTS_EACH {
            caller.is_sent(world, "hello?").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_costs_three_frames_and_at_most_one_connection() {
    const TEXTS: usize = 50;
    let line = Line::free(0);
    let settings = CarrierSettings { numbers: vec![line.number()], ..CarrierSettings::default() };
    let world = Outside::new(settings, &stage::directory(std::slice::from_ref(&line), SOON)).await;
    world.carrier.set_behaviour(Behaviour { receipts_missing: 1.0, ..Behaviour::default() });
    // Delivery to the platform records progress in frames of its own, so it is turned off.
    world.home.configure(|text| {
        let (above, rest) = text.split_once("[[platform.webhook]]").unwrap();
        format!("{above}{}", &rest[rest.find("[[account]]").unwrap()..])
    });
    let gateway = world.start().await;
    let caller = stage::calls(&world, &line).await;
    let before = stage::frames(&world).len();
    for nth in 0..TEXTS {
        let id = caller.is_sent(&world, &format!("number {nth}")).await;
        stage::until_state(&world, &id, &["sent"]).await;
    }
    let after = stage::frames(&world);
    assert_eq!(after.len() - before, 3 * TEXTS, "{:#?}", &after[before..]);
    // Sequential texts share a connection. An idle one is closed after four seconds, which can happen on a busy
    // machine.
    let one_after_another = world.carrier.connections();
    assert!(one_after_another * 5 < TEXTS, "{one_after_another} connections");

    world.carrier.set_behaviour(Behaviour {
        delay: Duration::from_millis(50),
        receipts_missing: 1.0,
        ..Behaviour::default()
    });
    let mut callers = Vec::new();
    for _ in 0..TEXTS {
        callers.push(stage::calls(&world, &line).await);
    }
    let before = stage::frames(&world).len();
    let mut ids = Vec::new();
    for _ in 0..4 {
        for caller in &callers {
            ids.push(caller.is_sent(&world, "at once").await);
        }
    }
    for id in &ids {
        stage::until_state(&world, id, &["sent"]).await;
    }
    assert_eq!(stage::frames(&world).len() - before, 3 * ids.len());
    let at_once = world.carrier.connections() - one_after_another;
    println!("connections: {one_after_another} for {TEXTS} texts in turn, {at_once} more for {} at once", ids.len());
    assert!(at_once <= ids.len());
    assert!(gateway.terminate().await.success());
}
