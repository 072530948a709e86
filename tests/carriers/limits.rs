//! A number's limit in real time (I8): the starts in the journal, and what the carrier received.

use crate::process::Outside;
use crate::stage::{self, Caller, Line, long_form};
use offhook::sim::carrier::{Behaviour, CarrierSettings};
use std::time::{Duration, Instant};

/// How long the short form sends.
const SHORT: Duration = Duration::from_secs(5);

/// Callers who are texted in turn, so that no text waits for the answer to the one before.
const CALLERS: usize = 8;

/// The longest promised wait of an accepted text, which limits the lane's backlog.
const BACKLOG: Duration = Duration::from_secs(3);

/// The share of the limit that a lane with a constant backlog must use.
const USED: f64 = 0.98;

/// How much the time from start to carrier may vary between texts: each start is two syncs and a request, on a shared
/// machine. Only the long form asserts anything about it.
const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// A limit, and the segments of each text.
#[derive(Clone, Copy)]
struct Limit {
    rate: f64,
    burst: u32,
    segments: u32,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a28_a_limit_is_never_exceeded_and_a_backlog_uses_it_fully() {
    let limit = |rate, burst, segments| backlog(Limit { rate, burst, segments });
    tokio::join!(limit(1.0, 1, 1), limit(10.0, 1, 1), limit(50.0, 5, 1), limit(12.0, 2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a30_a_limit_is_not_exceeded_by_a_gateway_that_is_killed_and_restarted() {
    let limit = Limit { rate: 50.0, burst: 5, segments: 1 };
    let (world, line) = world(limit).await;
    for _ in 0..3 {
        let gateway = world.start().await;
        let callers = callers(&world, &line).await;
        keep_it_full(&world, &callers, limit, SHORT / 5).await;
        gateway.kill();
    }
    let began = starts(&world);
    never_over(&began, limit, Duration::from_millis(1));
    assert!(began.len() > 10, "too few texts to test the limit");
}

/// Sends as much as the gateway accepts through one number, for a while. The limit must have been kept, and in the long
/// form used.
async fn backlog(limit: Limit) {
    let (world, line) = world(limit).await;
    let gateway = world.start().await;
    let callers = callers(&world, &line).await;
    keep_it_full(&world, &callers, limit, long_form().unwrap_or(SHORT)).await;
    let posts = world.carrier.record().posts;
    assert!(gateway.terminate().await.success());

    let began = starts(&world);
    // The journal's times are whole milliseconds, so a window may appear one millisecond too short.
    never_over(&began, limit, Duration::from_millis(1));
    let used = use_of(&began, limit);
    let Limit { rate, burst, segments } = limit;
    println!("{rate}/s, burst {burst}, {} texts of {segments}: {:.2} % of the limit used", began.len(), used * 100.0);
    assert!(began.len() as f64 * f64::from(segments) > rate, "too few texts to test the limit");
    if long_form().is_some() {
        assert!(used >= USED, "{:.2} %", used * 100.0);
        let arrived: Vec<_> = posts.iter().map(|post| (post.at - posts[0].at).as_secs_f64()).collect();
        never_over(&arrived, limit, ON_ITS_WAY);
    }
}

/// A number with this limit, at a carrier that sends no receipts.
async fn world(limit: Limit) -> (Outside, Line) {
    let line = Line { rate: Some(limit.rate), burst: limit.burst, ..Line::free(0) };
    let settings = CarrierSettings { numbers: vec![line.number()], ..CarrierSettings::default() };
    let world = Outside::new(settings, &stage::directory(std::slice::from_ref(&line), BACKLOG)).await;
    world.carrier.set_behaviour(Behaviour { receipts_missing: 1.0, ..Behaviour::default() });
    (world, line)
}

async fn callers(world: &Outside, line: &Line) -> Vec<Caller> {
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        callers.push(stage::calls(world, line).await);
    }
    callers
}

/// Texts the callers in turn, whenever the lane has capacity.
async fn keep_it_full(world: &Outside, callers: &[Caller], limit: Limit, so_long: Duration) {
    // In a text of several segments each segment has 153 characters.
    let padding = "x".repeat(153 * (limit.segments as usize - 1));
    let until = Instant::now() + so_long;
    let mut sent = 0;
    while Instant::now() < until {
        let caller = &callers[sent % callers.len()];
        let answer = world.client.send_text(&caller.call, &format!("number {sent:05} {padding}"), "a-1").await.unwrap();
        match (answer.status, answer.code()) {
            (202, _) => {
                assert_eq!(answer.json["segments"], limit.segments);
                sent += 1;
            }
            (429, "rate_limited") => tokio::time::sleep(Duration::from_secs_f64(0.5 / limit.rate)).await,
            other => panic!("{other:?}"),
        }
    }
}

/// The start time of each text, in seconds, from the journal.
fn starts(world: &Outside) -> Vec<f64> {
    let at = |line: &str| line.split(' ').find_map(|word| word.parse::<jiff::Timestamp>().ok());
    let frames = stage::frames(world);
    let started = frames.iter().filter(|line| line.contains("SendStarted"));
    started.map(|line| at(line).expect("a line has a time").as_millisecond() as f64 / 1_000.0).collect()
}

/// At most max(burst, largest text) + rate × window segments start in any window.
#[track_caller]
fn never_over(times: &[f64], limit: Limit, slack: Duration) {
    let Limit { rate, burst, segments } = limit;
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let (sum, window) = ((last - first + 1) as f64 * f64::from(segments), to - from);
            let allowed = f64::from(burst.max(segments)) + rate * (window + slack.as_secs_f64());
            // An f64 represents today's time in seconds to a quarter of a microsecond.
            assert!(sum <= allowed + 1e-3, "{sum} segments in {window:.3} s at {rate}/s with bursts of {burst}");
        }
    }
}

/// The share of the limit that was used between the first and the last start. The first second, in which the lane
/// fills, is not counted.
fn use_of(times: &[f64], limit: Limit) -> f64 {
    let steady: Vec<_> = times.iter().copied().filter(|at| *at >= times[0] + 1.0).collect();
    let window = steady[steady.len() - 1] - steady[0];
    (steady.len() - 1) as f64 * f64::from(limit.segments) / (limit.rate * window)
}
