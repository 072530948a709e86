//! What an endpoint did not take in time: it goes, and the endpoint is told so (A65).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use offhook::engine::{Clock, Core, Engine, Handle, Reads, Urgency, WallClock};
use offhook::index::{CLAIMS_MAX, Claims, MemoryIndex};
use offhook::journal::MemoryJournal;
use offhook::machine::command::{Command, PutCall, Reply};
use offhook::machine::show;
use offhook::model::{CallId, Caller, Directory, Phase, Position, Queue, QueueId, Settings, Timestamp};
use offhook::net::{Client, ClientBounds};
use offhook::observe::Readiness;
use offhook::sim::platform::{Delivery, Platform, PlatformSettings};
use offhook::work::feed::{Filter, Start};
use offhook::work::{Endpoint, Folded, Keep, Replays, deliver, retain};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(30);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a65_what_an_endpoint_did_not_take_in_time_is_one_gap_that_it_alone_is_told_of() {
    let world = World::begun(8);
    let dead = world.reads.follow().committed().next();
    world.begin("old-1").await;
    world.begin("old-2").await;
    world.pass_days(8);
    world.begin("new").await;
    let alive = world.reads.follow().committed().next();
    world.let_go(Keep::default(), |world| world.reads.follow().told_from() > dead).await;
    assert!(world.reads.follow().oldest() < dead, "they are kept, for who reads by hand");

    // It asked for the ends of calls only: of what it has lost it hears all the same.
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
    assert_eq!(world.calls_between(from, to), ["old-1"], "who pulls after `from` has what it missed");
    assert_eq!(kinds(&back), ["feed.gap", "call.ended"]);
    assert_eq!(kinds(&other), ["call.ended"], "others miss nothing");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a65_what_an_endpoint_did_not_take_in_time_is_told_when_it_is_asked_for() {
    let world = World::begun(8);
    let dead = world.reads.follow().committed().next();
    world.begin("old").await;
    world.begin("last-to-go").await;
    world.pass_days(8);
    world.begin("new").await;
    world.let_go(Keep::default(), |world| world.reads.follow().told_from() > dead).await;
    let (back, replays) = world.endpoint_and_replays("main", dead, Filter::default()).await;
    back.wait_for(SOON, |event| event.call_id.as_deref() == Some("new")).await.unwrap();
    replays.replay(None, world.reads.follow().oldest()..world.reads.follow().committed().next()).unwrap();
    back.wait_for(SOON, |event| event.call_id.as_deref() == Some("old")).await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_webhooks_are_signed_by_the_machines_clock_whatever_the_journals_time() {
    // By the machine it is two days later than by the journal, which is more than the platform allows for.
    let world = World::begun(2);
    let now = world.reads.follow().committed().next();
    world.begin("call").await;
    let platform = world.endpoint("main", now, Filter::default()).await;
    platform.wait_for(SOON, |event| event.call_id.as_deref() == Some("call")).await.unwrap();
    assert!(platform.record().refused.is_empty(), "{:?}", platform.record().refused);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_retention_goes_as_far_as_it_is_in_a_snapshot() {
    let world = World::begun(0);
    let first = world.reads.follow().oldest();
    world.begin("a").await;
    world.pass_days(31);
    world.begin("b").await;
    world.covers(first);
    world.let_go(Keep::default(), |world| world.reads.follow().oldest() > first).await;
    assert_eq!(world.reads.follow().oldest(), first.next());
    let last = world.reads.follow().committed();
    world.pass_days(31);
    world.begin("c").await;
    world.covers(last);
    world.let_go(Keep::default(), |world| world.reads.follow().oldest() == last).await;

    // Bytes win over days.
    world.begin("d").await;
    let last = world.reads.follow().committed();
    world.covers(last);
    world.let_go(Keep { journal_max_bytes: 1, ..Keep::default() }, |world| world.reads.follow().oldest() == last).await;
    world.stop().await;
}

/// An engine with its journal in memory, and a clock that is set by hand.
struct World {
    engine: Engine,
    handle: Handle,
    reads: Reads,
    now_ms: Arc<AtomicU64>,
    covers: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl World {
    /// A journal that begins so many days ago.
    fn begun(days: u64) -> Self {
        let begun = WallClock::new().now() - Duration::from_millis(days * DAY_MS);
        let now_ms = Arc::new(AtomicU64::new(begun.as_ms()));
        let journal = Box::new(MemoryJournal::new([7; 16]));
        let claims = Claims::in_memory([7; 16], CLAIMS_MAX);
        let clock = Box::new(ByHand(Arc::clone(&now_ms)));
        let (mut core, _) = Core::recover(journal, Box::new(MemoryIndex::new()), claims, clock).unwrap();
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
        Self { engine, handle, reads, now_ms, covers, stop: CancellationToken::new() }
    }

    fn pass_days(&self, days: u64) {
        self.now_ms.fetch_add(days * DAY_MS, Ordering::Relaxed);
    }

    /// Everything up to there is in a snapshot.
    fn covers(&self, position: Position) {
        self.covers.store(position.0, Ordering::Relaxed);
    }

    async fn begin(&self, call: &str) {
        let put = PutCall {
            call: CallId::read(call).unwrap(),
            caller: Caller::Withheld,
            queue: queue_id(),
            language: None,
            phase: Phase::Connected,
            agent: None,
            call_type: "inbound_ivr".to_owned(),
            wait_sms_consent: false,
            version: None,
            alternative: None,
            attestation: None,
        };
        self.handle.submit(Command::PutCall(put), Urgency::Ordinary, SOON).await.unwrap();
    }

    async fn end(&self, call: &str) {
        let end = Command::EndCall { call: CallId::read(call).unwrap(), reason: None, key: None };
        self.handle.submit(end, Urgency::Ordinary, SOON).await.unwrap();
    }

    /// Lets go of what may go, until `done`.
    async fn let_go(&self, keep: Keep, done: impl Fn(&Self) -> bool) {
        let folded = Arc::new(Snapshot(Arc::clone(&self.covers)));
        let stop = self.stop.child_token();
        let retaining = tokio::spawn(retain(keep, self.handle.clone(), self.reads.clone(), folded, stop.clone()));
        let until = Instant::now() + SOON;
        while !done(self) {
            assert!(Instant::now() < until, "it is not let go");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
        retaining.await.unwrap().unwrap();
    }

    /// An endpoint that is there, and goes on from there.
    async fn endpoint(&self, name: &str, watermark: Position, events: Filter) -> Platform {
        self.endpoint_and_replays(name, watermark, events).await.0
    }

    /// The same, with the way to have it told once more.
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
        };
        let (replays, mut asked_again) = Replays::to([name]);
        let asked_again = asked_again.remove(name).unwrap();
        let start = Start { watermark, parked: Vec::new() };
        let follow = self.reads.follow().clone();
        let ready = Readiness::new();
        tokio::spawn(deliver(endpoint, start, self.handle.clone(), follow, asked_again, ready, self.stop.clone()));
        (platform, replays)
    }

    /// The calls that are told of after one cursor and before another.
    fn calls_between(&self, after: &str, before: &str) -> Vec<String> {
        let follow = self.reads.follow();
        let stories = follow.read(follow.oldest(), usize::MAX).unwrap();
        let told = stories.iter().flat_map(|story| show::told(story));
        let between = told.filter(|told| after < &*show::cursor(told.id) && &*show::cursor(told.id) < before);
        between.map(|told| told.thread).collect()
    }

    /// The cursor of the first event of a call.
    fn cursor_of(&self, call: &str) -> String {
        let follow = self.reads.follow();
        let stories = follow.read(follow.oldest(), usize::MAX).unwrap();
        let told = stories.iter().flat_map(|story| show::told(story));
        let first = told.into_iter().find(|told| told.thread == call).unwrap();
        show::cursor(first.id)
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::task::spawn_blocking(move || self.engine.stop()).await.unwrap();
    }
}

/// A snapshot that covers as much as is said.
struct Snapshot(Arc<AtomicU64>);

impl Folded for Snapshot {
    fn covers(&self) -> Position {
        Position(self.0.load(Ordering::Relaxed))
    }

    fn ask(&self) {}
}

/// A clock that is set by hand.
struct ByHand(Arc<AtomicU64>);

impl Clock for ByHand {
    fn now(&mut self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::Relaxed))
    }

    fn not_before(&mut self, _at: Timestamp) {}
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
