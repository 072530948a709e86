//! G2, G9: a full segment is replaced by the next one, with a kill or an error at each system call of that.

use crate::ending::no_canary;
use crate::load::{CANARY, ours, theirs};
use crate::process::{Gateway, SOON};
use crate::stopped::Stopped;
use crate::strace::{Armed, Fault, Site, can_be_traced, was_killed};
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a segment has room for still: the frames of a start, and not the text that comes then.
const ROOM_BYTES: u64 = 20_000;
const TEXT_LETTERS: usize = 40_000;

/// What the journal does, in this order: the full segment is cut and synced; the next one is made, reserved, given its
/// header and synced, named, and its name is synced, for which the directory is opened.
const CALLS: [(&str, usize); 9] = [
    ("ftruncate", 1),
    ("fsync", 1),
    ("openat", 1),
    ("fallocate", 1),
    ("pwrite64", 1),
    ("fsync", 2),
    ("rename", 1),
    ("openat", 2),
    ("fsync", 3),
];

/// How long nothing has happened when nothing more is to be expected.
const QUIET: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_a_gateway_that_is_killed_at_any_call_of_a_new_segment_loses_nothing() {
    if can_be_traced("g2, a new segment") {
        try_calls(Fault::Kill).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_after_an_error_in_a_new_segment_the_gateway_exits_and_the_next_makes_it() {
    if can_be_traced("g9, a new segment") {
        try_calls(Fault::Error("EIO")).await;
    }
}

async fn try_calls(fault: Fault) {
    let stopped = Stopped::after_a_call().await;
    let segment = OpenOptions::new().write(true).open(stopped.segment()).unwrap();
    segment.set_len(stopped.end() + ROOM_BYTES).unwrap();
    let (kept, world) = (stopped.keep(), &stopped.world);
    for (call, nth) in CALLS {
        let site = Site { call: call.to_owned(), nth };
        kept.put_back();
        let gateway = world.start().await;
        quiet(&stopped).await;
        assert_eq!(segments(&stopped), 1, "it is full too early");
        let paths = paths(&stopped, &gateway).await;
        let armed = Armed::with(&world.home, &gateway, &paths, fault, &site).await;
        // This carrier repeats until it is acknowledged, which the next gateway does.
        let phone = world.carrier.phone(theirs(1));
        let text = phone.marked(&format!("{CANARY} {}", "x".repeat(TEXT_LETTERS)));
        let texts = tokio::spawn(async move { phone.text(ours(0), &text).await });
        let status = gateway.exit().await;
        let last = armed.last();
        println!("{fault:?} at {last}");
        assert!(last.contains("/data/journal"), "that is no call of the journal's: {last}");
        match fault {
            Fault::Kill => assert!(was_killed(status), "{status}: {}", world.home.log()),
            Fault::Error(_) => assert_eq!(status.code(), Some(1), "{}", world.home.log()),
        }
        let again = world.start().await;
        assert!(texts.await.unwrap().acknowledged());
        stopped.knows_every_call().await;
        assert_eq!(segments(&stopped), 2, "the next segment was not made");
        again.kill();
    }
    if let Fault::Error(_) = fault {
        let said = world.home.log().matches("the journal failed: ").count();
        assert!(said >= CALLS.len(), "not every error was said:\n{}", world.home.log());
    }
    no_canary("the log", &world.home.log());
}

/// Waits until every event is delivered and the journal no longer grows.
async fn quiet(stopped: &Stopped) {
    let (until, mut seen, mut since) = (Instant::now() + SOON, stopped.end(), Instant::now());
    while since.elapsed() < QUIET {
        assert!(Instant::now() < until, "the journal keeps growing:\n{}", stopped.world.home.log());
        tokio::time::sleep(QUIET / 4).await;
        let now = stopped.end();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
}

/// The journal's directory, its segment, and whatever the next one may be called, which is named by its first position.
async fn paths(stopped: &Stopped, gateway: &Gateway) -> Vec<PathBuf> {
    const AHEAD: u64 = 10;
    let metrics = gateway.metrics().await;
    let last = metrics.lines().find_map(|line| line.strip_prefix("offhook_journal_position ")).unwrap();
    let last: u64 = last.parse().unwrap();
    let journal = stopped.world.home.data().join("journal");
    let next = (last..last + AHEAD).flat_map(|first| [format!("{first:020}.log"), format!("{first:020}.log.new")]);
    let mut paths: Vec<_> = next.map(|name| journal.join(name)).collect();
    paths.extend([stopped.segment(), journal]);
    paths
}

fn segments(stopped: &Stopped) -> usize {
    let entries = fs::read_dir(stopped.world.home.data().join("journal")).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|ext| ext == "log")).count()
}
