//! F25: frames of the journal are lost while the gateway is stopped. It does not start in silence: it says how much is
//! missing, and goes on without it once that is accepted, giving no id twice.

use crate::load::{CANARY, ours, theirs, world};
use crate::process::{Outside, SOON, offhook, said};
use crate::snapshots::put_call;
use crate::stopped::Stopped;
use offhook::config::seed;
use offhook::engine::{Core, WallClock};
use offhook::journal::{FileJournal, Options};
use offhook::machine::command::Command;
use offhook::model::Position;
use offhook::sim::carrier::Behaviour;
use offhook::sim::platform::Delivery;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What becomes of the journal's only segment.
type Damage = fn(&Path, u64);

const DAMAGES: [(&str, Damage); 4] = [
    ("gone", |segment, _| fs::remove_file(segment).unwrap()),
    ("empty", |segment, _| fs::write(segment, "").unwrap()),
    ("zeros", |segment, _| {
        let size = fs::metadata(segment).unwrap().len();
        fs::write(segment, "").unwrap();
        OpenOptions::new().write(true).open(segment).unwrap().set_len(size).unwrap();
    }),
    ("cut in half", |segment, end| OpenOptions::new().write(true).open(segment).unwrap().set_len(end / 2).unwrap()),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_a_journal_that_lost_its_end_is_refused_until_that_is_accepted() {
    let stopped = Stopped::after_a_call().await;
    // sled brings rows to its file once a second; what a clean stop has brought there is there for certain.
    stopped.starts_and_knows_the_call().await;
    stopped.world.start().await.kill();
    let world = &stopped.world;
    let (segment, end) = (stopped.segment(), stopped.end());
    let kept = stopped.keep();
    let delivered = world.platform.count();
    for (what, damage) in DAMAGES {
        kept.put_back();
        damage(&segment, end);
        let verified = journal(world, "verify");
        assert_eq!(verified.status.code(), Some(1), "{what}: {}", said(&verified));
        assert!(said(&verified).contains("frames are missing"), "{what}: {}", said(&verified));
        for _ in 0..2 {
            let log = refused(world).await;
            assert!(log.contains("frames are missing") && log.contains("offhook journal accept-loss"), "{what}: {log}");
        }
        let accepted = journal(world, "accept-loss");
        assert_eq!(accepted.status.code(), Some(0), "{what}: {}", said(&accepted));
        assert!(said(&accepted).contains("given up: positions"), "{what}: {}", said(&accepted));
        let before = world.platform.count();
        let gateway = world.start().await;
        // The index still knew what was in the lost frames.
        stopped.knows_every_call().await;
        assert!(world.carrier.phone(theirs(0)).text(ours(0), &format!("{CANARY} after {what}")).await.acknowledged());
        let loss = || world.platform.record().deliveries[before..].iter().any(|event| event.kind == "journal.loss");
        let text = || world.platform.record().deliveries[before..].iter().any(|event| event.kind == "message.received");
        until(|| loss() && text()).await;
        gateway.kill();
        // It outlives the index.
        fs::remove_dir_all(world.home.data().join("index")).unwrap();
        let gateway = world.start().await;
        let call = world.client.call("c-1").await.unwrap();
        assert_eq!((call.status, &call.json["usage"]["received"]), (200, &serde_json::json!(2)), "{what}");
        assert_eq!(gateway.terminate().await.code(), Some(0));
        let verified = journal(world, "verify");
        assert_eq!(verified.status.code(), Some(0), "{what}: {}", said(&verified));
        assert!(said(&journal(world, "accept-loss")).contains("no frame is lost"), "{what}");
        // Another round begins from the same data again, so its ids are those of this one.
        let deliveries = world.platform.record().deliveries;
        i3_no_id_comes_with_other_bytes(deliveries[..delivered].iter().chain(&deliveries[before..]), what);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_of_damage_that_is_not_yet_delivered_only_the_damaged_frame_is_given_up() {
    const CALLS: usize = 40;
    let world = world().await;
    world.carrier.set_behaviour(Behaviour::default());
    let segments = undelivered(&world, CALLS);
    world.platform.go_down().await;
    // Now there is an index, which needs nothing of the journal at the next start.
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    let closed = &segments[segments.len() / 2];
    let bytes = fs::read(closed).unwrap();
    let mut damaged = bytes.clone();
    // In its first frame's meta, behind header and head.
    damaged[68 + 42] ^= 0x10;
    fs::write(closed, &damaged).unwrap();
    for _ in 0..2 {
        let mut gateway = world.home.start();
        let ended = gateway.ready_or_ended().await;
        assert_eq!(ended.and_then(|status| status.code()), Some(1), "it must know before it is ready");
        assert!(world.home.log().contains("offhook journal accept-loss"), "{}", world.home.log());
    }
    let accepted = journal(&world, "accept-loss");
    assert_eq!(accepted.status.code(), Some(0), "{}", said(&accepted));
    assert_eq!(said(&accepted).matches("given up").count(), 1, "{}", said(&accepted));
    world.platform.come_up().unwrap();
    let gateway = world.start().await;
    let events = || world.platform.record().deliveries;
    let begun = || events().iter().filter(|event| event.kind == "call.started").count();
    until(|| begun() == CALLS - 1 && events().iter().any(|event| event.kind == "journal.loss")).await;
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let verified = journal(&world, "verify");
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_segments_missing_at_the_beginning_are_refused_until_accepted() {
    let world = world().await;
    world.carrier.set_behaviour(Behaviour::default());
    let segments = undelivered(&world, 40);
    world.platform.go_down().await;
    assert_eq!(world.start().await.terminate().await.code(), Some(0));
    fs::remove_file(&segments[0]).unwrap();
    let log = refused(&world).await;
    assert!(log.contains("the segments before it are missing") && log.contains("accept-loss"), "{log}");
    let accepted = journal(&world, "accept-loss");
    assert_eq!(accepted.status.code(), Some(0), "{}", said(&accepted));
    assert!(said(&accepted).contains("given up: positions 1 to "), "{}", said(&accepted));
    world.platform.come_up().unwrap();
    let gateway = world.start().await;
    until(|| world.platform.record().deliveries.iter().any(|event| event.kind == "journal.loss")).await;
    assert!(!world.home.log().contains("journal_max_bytes"), "{}", world.home.log());
    // The snapshot that was made of the index stands in for them.
    gateway.kill();
    fs::remove_dir_all(world.home.data().join("index")).unwrap();
    let gateway = world.start().await;
    assert_eq!(world.client.call("c-0").await.unwrap().status, 200);
    assert_eq!(gateway.terminate().await.code(), Some(0));
}

/// Calls in small segments whose events are not delivered. Returns the segments.
fn undelivered(world: &Outside, calls: usize) -> Vec<PathBuf> {
    let data = world.home.data();
    let journal = FileJournal::open(&data.join("journal"), Options { segment_bytes: 1_000 }).unwrap();
    let (mut core, _) = Core::in_memory(journal, WallClock::new());
    let document = fs::read_to_string(world.home.path("directory.json")).unwrap();
    let seed = seed::read(&document, &["main".to_owned()]).unwrap_or_else(|problems| panic!("{problems}"));
    let seed = Command::Seed { directory: Box::new(seed.directory), opt_outs: seed.opt_outs };
    let feed = Command::AdvanceFeed { endpoint: "main".to_owned(), watermark: Position(1), parked: Vec::new() };
    core.commit([Command::GatewayStarted, seed, feed]).unwrap();
    for call in 0..calls {
        core.commit([put_call(call)]).unwrap();
    }
    let mut segments: Vec<_> = fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    assert!(segments.len() > 6, "{segments:?}");
    segments
}

async fn refused(world: &Outside) -> String {
    let said_before = world.home.log().len();
    let refused = world.home.start().exit().await;
    assert_eq!(refused.code(), Some(1));
    world.home.log()[said_before..].to_owned()
}

fn journal(world: &Outside, command: &str) -> std::process::Output {
    offhook(&["journal", command, world.home.data().to_str().unwrap()])
}

#[track_caller]
fn i3_no_id_comes_with_other_bytes<'a>(events: impl Iterator<Item = &'a Delivery>, what: &str) {
    let mut bytes = HashMap::new();
    for event in events {
        let known = bytes.entry(&event.id).or_insert(&event.bytes);
        assert_eq!(*known, &event.bytes, "{what}: event {} came with other bytes", event.id);
    }
}

async fn until(done: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < until, "not within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
