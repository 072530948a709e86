//! Events that an endpoint did not accept in time are skipped, and the endpoint gets a gap event (A65).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use offhook::engine::{Clock, Core, Engine, Handle, Reads, SetClock, WallClock};
use offhook::journal::MemoryJournal;
use offhook::machine::command::{Command, PutCall, Reply};
use offhook::machine::show;
use offhook::model::{CallId, Caller, Directory, Position, Queue, QueueId, Settings};
use offhook::net::{Client, ClientBounds};
use offhook::observe::Readiness;
use offhook::sim::platform::{Delivery, Platform, PlatformSettings};
use offhook::work::feed::{Filter, Start};
use offhook::work::{Endpoint, Keep, Replays, SnapshotCoverage, deliver, retain};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(30);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a65_an_endpoint_gets_one_gap_event_for_the_events_it_missed() {
    let world = TestEngine::begun(8);
    let dead = world.reads.follow().committed().next();
    world.begin("old-1").await;
    world.begin("old-2").await;
    world.pass_days(8);
    world.begin("new").await;
    let alive = world.reads.follow().committed().next();
    world.run_retention(Keep::default(), |world| world.reads.follow().deliver_from() > dead).await;
    assert!(world.reads.follow().oldest() < dead, "they are kept for clients that pull");

    // Its filter selects only the ends of calls; the gap event is sent anyway.
    let ends = Filter::read(&["call.ended"]).unwrap();
    let (back, other) =
        (world.endpoint("main", dead, ends).await, world.endpoint("other", alive, Filter::default()).await);
    let gap = back.wait_for(SOON, |event| event.kind == "feed.gap").await.unwrap();
    world.end("new").await;
    let ended = back.wait_for(SOON, |event| event.kind == "call.ended").await.unwrap();
    other.wait_for(SOON, |event| event.kind == "call.ended").await.unwrap();

    let data = &document(&gap)["data"];
    let new = world.cursor_of("new");
    assert_eq!(data["endpoint"], "main");
    let (from, to) = (data["from"].as_str().unwrap(), data["to"].as_str().unwrap());
    assert!(from < to && to <= &*new && *new < *document(&ended)["cursor"].as_str().unwrap(), "{data} and {new}");
    assert_eq!(world.calls_between(from, to), ["old-1"], "pulling after `from` returns what it missed");
    assert_eq!(kinds(&back), ["feed.gap", "call.ended"]);
    assert_eq!(kinds(&other), ["call.ended"], "others miss nothing");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a65_events_that_were_not_accepted_in_time_can_be_replayed() {
    let world = TestEngine::begun(8);
    let dead = world.reads.follow().committed().next();
    world.begin("old").await;
    world.begin("last-to-go").await;
    world.pass_days(8);
    world.begin("new").await;
    world.run_retention(Keep::default(), |world| world.reads.follow().deliver_from() > dead).await;
    let (back, replays) = world.endpoint_and_replays("main", dead, Filter::default()).await;
    back.wait_for(SOON, |event| event.call_id.as_deref() == Some("new")).await.unwrap();
    replays.replay(None, world.reads.follow().oldest()..world.reads.follow().committed().next()).unwrap();
    back.wait_for(SOON, |event| event.call_id.as_deref() == Some("old")).await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_webhooks_are_signed_by_the_machines_clock_whatever_the_journals_time() {
    // The machine's clock is two days ahead of the journal, which is more than the platform tolerates.
    let world = TestEngine::begun(2);
    let now = world.reads.follow().committed().next();
    world.begin("call").await;
    let platform = world.endpoint("main", now, Filter::default()).await;
    platform.wait_for(SOON, |event| event.call_id.as_deref() == Some("call")).await.unwrap();
    assert!(platform.record().refused.is_empty(), "{:?}", platform.record().refused);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_past_their_retention_are_deleted_once_a_snapshot_covers_them() {
    let world = TestEngine::begun(0);
    let first = world.reads.follow().oldest();
    world.begin("a").await;
    world.pass_days(31);
    world.begin("b").await;
    world.covers(first);
    world.run_retention(Keep::default(), |world| world.reads.follow().oldest() > first).await;
    assert_eq!(world.reads.follow().oldest(), first.next());
    let last = world.reads.follow().committed();
    world.pass_days(31);
    world.begin("c").await;
    world.covers(last);
    world.run_retention(Keep::default(), |world| world.reads.follow().oldest() == last).await;

    // The size limit takes precedence over the retention days.
    world.begin("d").await;
    let last = world.reads.follow().committed();
    world.covers(last);
    world
        .run_retention(Keep { journal_max_bytes: 1, ..Keep::default() }, |world| world.reads.follow().oldest() == last)
        .await;
    world.stop().await;
}

/// An engine with a journal in memory, and a clock set by the test.
struct TestEngine {
    engine: Engine,
    handle: Handle,
    reads: Reads,
    clock: SetClock,
    covers: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl TestEngine {
    /// A journal that begins so many days ago.
    fn begun(days: u64) -> Self {
        let begun = WallClock::new().now() - Duration::from_millis(days * DAY_MS);
        let clock = SetClock::at(begun);
        let (mut core, _) = Core::in_memory(MemoryJournal::new([7; 16]), clock.clone());
        let queue = Queue {
            name: "Support".to_owned(),
            parent: None,
            in_call_sms: None,
            inbound_numbers: Vec::new(),
            outbound_numbers: Vec::new(),
            default_outbound: None,
            language: None,
        };
        let queues = BTreeMap::from([(queue_id(), queue)]);
        let directory = Directory::new(Settings::default(), BTreeMap::new(), queues, BTreeMap::new(), BTreeMap::new());
        let seed = Command::Seed { directory: Box::new(directory), opt_outs: Vec::new() };
        assert_eq!(core.commit([seed]).unwrap(), [Reply::Done]);
        let reads = core.reads();
        let (engine, handle) = Engine::start(core).unwrap();
        let covers = Arc::new(AtomicU64::new(0));
        Self { engine, handle, reads, clock, covers, stop: CancellationToken::new() }
    }

    fn pass_days(&self, days: u64) {
        self.clock.pass(Duration::from_millis(days * DAY_MS));
    }

    /// Everything up to this position is in a snapshot.
    fn covers(&self, position: Position) {
        self.covers.store(position.0, Ordering::Relaxed);
    }

    async fn begin(&self, call: &str) {
        let put = PutCall::new(CallId::read(call).unwrap(), Caller::Withheld, queue_id());
        self.handle.submit(Command::PutCall(put), SOON).await.unwrap();
    }

    async fn end(&self, call: &str) {
        let end = Command::EndCall { call: CallId::read(call).unwrap(), reason: None, key: None };
        self.handle.submit(end, SOON).await.unwrap();
    }

    /// Runs retention until `done`.
    async fn run_retention(&self, keep: Keep, done: impl Fn(&Self) -> bool) {
        let snapshots = Arc::new(Snapshot(Arc::clone(&self.covers)));
        let stop = self.stop.child_token();
        let retaining = tokio::spawn(retain(keep, self.handle.clone(), self.reads.clone(), snapshots, stop.clone()));
        let until = Instant::now() + SOON;
        while !done(self) {
            assert!(Instant::now() < until, "nothing was deleted in time");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
        retaining.await.unwrap().unwrap();
    }

    /// An endpoint that is up, whose feed starts at `watermark`.
    async fn endpoint(&self, name: &str, watermark: Position, events: Filter) -> Platform {
        self.endpoint_and_replays(name, watermark, events).await.0
    }

    /// The same, with a handle to request replays.
    async fn endpoint_and_replays(&self, name: &str, watermark: Position, events: Filter) -> (Platform, Replays) {
        let settings = PlatformSettings::default();
        let platform = Platform::start(&settings).await.unwrap();
        let key = standardwebhooks::Webhook::new(&settings.secrets[0]).unwrap();
        let endpoint = Endpoint {
            name: name.to_owned(),
            url: platform.url().parse().unwrap(),
            keys: vec![key].into(),
            client: Client::new(ClientBounds::default()),
            events,
            status: Default::default(),
        };
        let (replays, mut receivers) = Replays::to([name]);
        let receiver = receivers.remove(name).unwrap();
        let start = Start { watermark, parked: Vec::new() };
        let follow = self.reads.follow().clone();
        let ready = Readiness::new();
        tokio::spawn(deliver(endpoint, start, self.handle.clone(), follow, receiver, ready, self.stop.clone()));
        (platform, replays)
    }

    /// The calls of the events between two cursors.
    fn calls_between(&self, after: &str, before: &str) -> Vec<String> {
        let follow = self.reads.follow();
        let frames = follow.read(follow.oldest(), usize::MAX).unwrap();
        let events = frames.iter().flat_map(|frame| show::rendered(frame));
        let between = events.filter(|event| after < &*show::cursor(event.id) && &*show::cursor(event.id) < before);
        between.map(|event| event.thread).collect()
    }

    /// The cursor of the first event of a call.
    fn cursor_of(&self, call: &str) -> String {
        let follow = self.reads.follow();
        let frames = follow.read(follow.oldest(), usize::MAX).unwrap();
        let mut events = frames.iter().flat_map(|frame| show::rendered(frame));
        let first = events.find(|event| event.thread == call).unwrap();
        show::cursor(first.id)
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::task::spawn_blocking(move || self.engine.stop()).await.unwrap();
    }
}

/// A snapshot with a coverage set by the test.
struct Snapshot(Arc<AtomicU64>);

impl SnapshotCoverage for Snapshot {
    fn covers(&self) -> Position {
        Position(self.0.load(Ordering::Relaxed))
    }

    fn ask(&self) {}
}

fn kinds(platform: &Platform) -> Vec<String> {
    platform.record().deliveries.into_iter().map(|event| event.kind).collect()
}

fn document(event: &Delivery) -> Value {
    serde_json::from_slice(&event.bytes).unwrap()
}

fn queue_id() -> QueueId {
    "support".to_owned().try_into().unwrap()
}
