mod compaction;
mod erasure;
mod repair;
mod sample;
mod snapshots;

use super::*;
use crate::index::{CLAIMS_MAX, Claims, Index, MemoryIndex, Opened, Owner, SledIndex, Trust, WhyRebuilt};
use crate::journal::{Journal, MemoryJournal};
use crate::machine::command::{Command, PutCall, Reply};
use crate::machine::rows::ROWS_VERSION;
use crate::machine::state::CallRow;
use crate::machine::view::Queries;
use crate::model::{Address, CallId, Caller, Day, Inbound, InboundItem, IntakeOutcome, Position, Timestamp};
use crate::rules::directory::example;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn a53_the_same_webhook_eight_times_in_one_batch_has_one_effect() {
    let mut world = TestEngine::new();
    let replies = world.core.commit((0..8).map(|_| text("SM1", "hello"))).unwrap();
    assert_eq!(replies[0], Reply::InboundItem(IntakeOutcome::Attached));
    assert!(replies[1..].iter().all(|reply| *reply == Reply::InboundItem(IntakeOutcome::Duplicate)));
    assert_eq!(world.received(), 1);
}

#[test]
fn a53_g5_a_repeat_is_detected_after_a_restart_that_lost_index_or_claims() {
    let mut world = TestEngine::new();
    world.core.commit([text("SM1", "hello")]).unwrap();
    world.restart();
    assert_eq!(world.core.commit([text("SM1", "hello")]).unwrap(), [Reply::InboundItem(IntakeOutcome::Duplicate)]);
    assert_eq!(world.core.commit([text("SM2", "hello")]).unwrap(), [Reply::InboundItem(IntakeOutcome::Attached)]);
    assert_eq!(world.received(), 2);
}

#[test]
fn each_command_of_a_batch_sees_the_effects_of_those_before_it() {
    let mut world = TestEngine::new();
    let end = Command::EndCall { call: call_id("c-2"), reason: None, key: None };
    let replies = world.core.commit([put("c-2", "+12065550150"), end, put("c-2", "+12065550150")]).unwrap();
    assert!(matches!(&replies[0], Reply::Call { created: true, .. }));
    assert!(matches!(&replies[2], Reply::Call { created: false, shown } if shown.call.ended.is_some()));
}

#[test]
fn a_batch_that_was_never_synced_leaves_nothing_behind() {
    let mut world = TestEngine::new();
    let before = world.journal.next();
    world.journal.fail();
    assert!(world.core.commit([text("SM1", "hello")]).is_err());
    assert!(world.core.commit([text("SM2", "hello")]).is_err(), "a journal that failed once stays failed");
    world.journal.crash(0);
    world.restart();
    assert_eq!(world.core.follow().committed().next(), before.next(), "one more frame: the start itself");
    assert_eq!(world.core.commit([text("SM1", "hello")]).unwrap(), [Reply::InboundItem(IntakeOutcome::Attached)]);
}

#[test]
fn the_journals_time_never_goes_back_even_across_a_restart() {
    let mut world = TestEngine::new();
    world.clock.set(Timestamp::from_ms(2_000_000_000_000));
    world.core.commit([text("SM1", "hello")]).unwrap();
    world.clock.set(Timestamp::from_ms(1_000_000_000_000));
    world.restart();
    world.core.commit([text("SM2", "hello")]).unwrap();
    let times: Vec<_> = world.frames().iter().map(|frame| frame.at).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(*times.last().unwrap() >= Timestamp::from_ms(2_000_000_000_000));
}

#[test]
fn g13_a_clock_set_forward_by_a_day_ends_no_call_and_drops_no_claim() {
    const HOUR: u64 = 60 * 60;
    let hands = Arc::new(Hands::default());
    let clock = Guarded {
        guard: Guard::new(wall(0), Duration::ZERO, Some(ACCEPTED_AFTER)),
        hands: hands.clone(),
        jumped: None,
    };
    let (mut core, _) = Core::in_memory(MemoryJournal::new([1; 16]), clock);
    let seed = Command::Seed { directory: Box::new(example()), opt_outs: Vec::new() };
    core.commit([Command::GatewayStarted, seed, put("c-1", "+12065550142"), text("SM1", "hello")]).unwrap();

    // After an hour the clock is set forward permanently. A lease is four hours.
    let set = 24 * HOUR;
    let mut lives_at = |passed: u64, shown: u64| {
        hands.show(passed, passed + shown);
        let replies = core.commit([Command::Tick, text("SM1", "hello")]).unwrap();
        assert_eq!(replies[1], Reply::InboundItem(IntakeOutcome::Duplicate));
        match core.reads().ask(|view| view.call(&call_id("c-1"))).unwrap() {
            Some(CallRow::Call(call)) => (call.ended.is_none(), call.lease_until),
            other => panic!("the call is gone: {other:?}"),
        }
    };
    assert_eq!(lives_at(HOUR, 0), (true, wall(4 * HOUR)));
    assert_eq!(lives_at(HOUR + 60, set), (true, wall(4 * HOUR)));
    assert_eq!(lives_at(HOUR + 659, set), (true, wall(4 * HOUR)));
    assert_eq!(lives_at(HOUR + 660, set), (true, wall(set + 4 * HOUR)));
    assert_eq!(lives_at(4 * HOUR - 1, set), (true, wall(set + 4 * HOUR)));
    assert_eq!(lives_at(4 * HOUR, set), (false, wall(set + 4 * HOUR)));
}

#[test]
fn g13_while_the_clock_is_untrusted_calls_work_and_nothing_expires() {
    const HOUR: u64 = 60 * 60;
    const WEEKS: u64 = 21 * 24 * HOUR;
    let hands = Arc::new(Hands::default());
    let journal = MemoryJournal::new([1; 16]);
    let home = tempfile::tempdir().unwrap();
    // Two boots of the machine; in the second the wall clock is three weeks later.
    let boot = |shown: u64, untrusted_until: Option<Duration>, today| {
        hands.show(0, shown);
        let guard = Guard::new(wall(shown), Duration::ZERO, Some(ACCEPTED_AFTER)).untrusted_until(untrusted_until);
        let clock = Guarded { guard, hands: hands.clone(), jumped: None };
        let claims = Claims::open(home.path(), [1; 16], today, CLAIMS_MAX).unwrap();
        Core::recover(Box::new(journal.clone()), Box::new(MemoryIndex::new()), claims, Box::new(clock)).unwrap().0
    };
    let mut core = boot(0, None, wall(0).day());
    let seed = Command::Seed { directory: Box::new(example()), opt_outs: Vec::new() };
    core.commit([Command::GatewayStarted, seed, put("c-1", "+12065550142"), text("SM1", "hello")]).unwrap();
    core.close().unwrap();

    let mut core = boot(WEEKS, Some(ACCEPTED_AFTER), Day::default());
    let mut at = |passed: u64| {
        hands.show(passed, WEEKS + passed);
        core.drop_before(DropBefore { deliver_from: Position(1), kept_from: Position(4) }).unwrap();
        let replies = core.commit([Command::Tick, text("SM1", "hello"), put("c-2", "+12065550143")]).unwrap();
        assert!(matches!(&replies[2], Reply::Call { shown, .. } if shown.call.started_at >= wall(WEEKS)));
        let lives = match core.reads().ask(|view| view.call(&call_id("c-1"))).unwrap() {
            Some(CallRow::Call(call)) => call.ended.is_none(),
            other => panic!("the call is gone: {other:?}"),
        };
        (lives, replies[1] == Reply::InboundItem(IntakeOutcome::Duplicate), core.journal().bounds().0 == Position(1))
    };
    assert_eq!([1, 300, 599].map(&mut at), [(true, true, true); 3]);
    let (lives, _, _) = at(600);
    assert!(!lives, "the clock is trusted again");
    let (_, known, _) = at(601);
    assert!(!known, "three weeks are longer than a repeat may come");
}

#[test]
fn f25_an_index_ahead_of_its_journal_reports_lost_frames() {
    let world = TestEngine::new();
    let mut index = MemoryIndex::new();
    index.write(&[], Position(999)).unwrap();
    let (journal, claims) = (Box::new(world.journal.clone()), Claims::in_memory([2; 16], CLAIMS_MAX));
    let refused = Core::recover(journal, Box::new(index), claims, Box::new(WallClock::new())).err().unwrap();
    assert!(matches!(refused, EngineFailed::Ahead { index: Position(999), .. }), "{refused}");
}

#[test]
fn a_follower_reads_the_same_from_memory_and_from_the_journal() {
    let mut world = TestEngine::new();
    for n in 0..50 {
        world.core.commit([text(&format!("SM{n}"), "hello")]).unwrap();
    }
    let from_memory = world.frames();
    world.restart();
    let from_journal: Vec<_> = world.frames().into_iter().take(from_memory.len()).collect();
    assert_eq!(from_memory.len(), from_journal.len());
    assert_eq!(from_memory, from_journal);
}

#[test]
fn the_first_position_at_a_time_is_found() {
    let mut world = TestEngine::new();
    for secs in [10, 20, 20, 30] {
        world.clock.set(Timestamp::from_ms(2_000_000_000_000 + secs * 1_000));
        world.core.commit([text(&format!("SM{}", world.journal.next().0), "hello")]).unwrap();
    }
    let follow = world.core.follow();
    let end = follow.committed().next();
    let first_at = |secs: u64| end.0 - follow.first_at(Timestamp::from_ms(2_000_000_000_000 + secs * 1_000)).unwrap().0;
    let at = [(0, 4), (10, 4), (11, 3), (20, 3), (21, 1), (30, 1), (31, 0)];
    assert_eq!(at.map(|(secs, _)| first_at(secs)), at.map(|(_, left)| left));
    assert_eq!(follow.first_at(Timestamp::default()).unwrap(), Position(1));
}

#[tokio::test]
async fn a_command_whose_caller_has_given_up_is_dropped_undecided() {
    let world = TestEngine::new();
    let (engine, handle) = Engine::start(world.core).unwrap();
    let late = handle.submit(text("SM1", "hello"), Duration::ZERO).await;
    assert_eq!(late, Err(SubmitError::TooLate));
    let in_time = handle.submit(text("SM1", "hello"), Duration::from_secs(60)).await;
    assert_eq!(in_time, Ok(Reply::InboundItem(IntakeOutcome::Attached)));
    assert!(matches!(tokio::task::spawn_blocking(move || engine.stop()).await.unwrap(), Stopped::Cleanly));
    let stopped = handle.submit(text("SM2", "hello"), Duration::from_secs(60)).await;
    assert_eq!(stopped, Err(SubmitError::Stopped));
}

#[tokio::test]
async fn when_the_journal_fails_no_command_is_answered_and_the_engine_ends() {
    let world = TestEngine::new();
    let journal = world.journal.clone();
    let (engine, handle) = Engine::start(world.core).unwrap();
    journal.fail();
    let answer = handle.submit(text("SM1", "hello"), Duration::from_secs(60)).await;
    assert_eq!(answer, Err(SubmitError::Stopped));
    engine.ended().await;
    assert!(matches!(tokio::task::spawn_blocking(move || engine.stop()).await.unwrap(), Stopped::Failed(_)));
}

#[test]
fn d4_a_text_finds_its_active_call_through_the_index_in_sled() {
    let dir = tempfile::tempdir().unwrap();
    let world = TestEngine::new();
    // Two processes, one after the other. The second replays nothing, so it reads the call from sled.
    let processes = [(Trust::Fresh(WhyRebuilt::Missing), 3), (Trust::Resumes(Position(4)), 0)];
    for (texts, (expected, replayed)) in (1..).zip(processes) {
        let owner = Owner { journal: world.journal.identity(), rows_version: ROWS_VERSION };
        let Opened { index, trust } = SledIndex::open(&dir.path().join("index"), owner).unwrap();
        let (mut core, recovered) = recover(&world.journal, index, &world.clock);
        assert_eq!((trust, recovered.replayed), (expected, replayed));
        assert_eq!(
            core.commit([text(&format!("SM{texts}"), "hello")]).unwrap(),
            [Reply::InboundItem(IntakeOutcome::Attached)]
        );
        assert_eq!(received(&core), texts);
        core.close().unwrap();
    }
}

/// A gateway's core in memory, with the example directory and one call of +12065550142 in the queue `support`.
struct TestEngine {
    journal: MemoryJournal,
    clock: SetClock,
    core: Core,
}

impl TestEngine {
    fn new() -> Self {
        let journal = MemoryJournal::new([1; 16]);
        let clock = SetClock::at(wall(0));
        let (mut core, _) = recover(&journal, MemoryIndex::new(), &clock);
        let seed = Command::Seed { directory: Box::new(example()), opt_outs: Vec::new() };
        core.commit([Command::GatewayStarted, seed, put("c-1", "+12065550142")]).unwrap();
        Self { journal, clock, core }
    }

    /// Starts a new process with the same journal, and empty index and claims.
    fn restart(&mut self) {
        (self.core, _) = recover(&self.journal, MemoryIndex::new(), &self.clock);
        self.core.commit([Command::GatewayStarted]).unwrap();
    }

    fn received(&self) -> u32 {
        received(&self.core)
    }

    fn frames(&self) -> Vec<Arc<crate::machine::event::CommittedFrame>> {
        let follow = self.core.follow();
        let mut frames = Vec::new();
        let mut next = Position(1);
        loop {
            let page = follow.read(next, 16).unwrap();
            let Some(last) = page.last() else { return frames };
            next = last.position.next();
            frames.extend(page);
        }
    }
}

/// The texts that have joined the call.
fn received(core: &Core) -> u32 {
    match core.reads().ask(|view| view.call(&call_id("c-1"))).unwrap() {
        Some(CallRow::Call(call)) => call.usage.received,
        other => panic!("the call is gone: {other:?}"),
    }
}

fn recover(journal: &MemoryJournal, index: impl Index + 'static, clock: &SetClock) -> (Core, Recovered) {
    let claims = Claims::in_memory([2; 16], CLAIMS_MAX);
    Core::recover(Box::new(journal.clone()), Box::new(index), claims, Box::new(clock.clone())).unwrap()
}

/// The readings of the steady clock and the wall clock, in seconds.
#[derive(Default)]
struct Hands {
    steady: AtomicU64,
    wall: AtomicU64,
}

impl Hands {
    fn show(&self, steady: u64, wall: u64) {
        self.steady.store(steady, Ordering::Relaxed);
        self.wall.store(wall, Ordering::Relaxed);
    }
}

/// The wall clock after `secs` seconds.
fn wall(secs: u64) -> Timestamp {
    Timestamp::from_ms(1_763_791_200_000) + Duration::from_secs(secs)
}

/// The real clock's rules, on readings that the test sets.
struct Guarded {
    guard: Guard,
    hands: Arc<Hands>,
    jumped: Option<Step>,
}

impl Clock for Guarded {
    fn now(&mut self) -> Timestamp {
        let steady = Duration::from_secs(self.hands.steady.load(Ordering::Relaxed));
        let (now, jumped) = self.guard.now(wall(self.hands.wall.load(Ordering::Relaxed)), steady);
        self.jumped = jumped;
        now
    }

    fn not_before(&mut self, at: Timestamp) {
        self.guard.not_before(at, Duration::ZERO);
    }

    fn jumped(&mut self) -> Option<Step> {
        self.jumped.take()
    }

    fn is_untrusted(&mut self) -> bool {
        let steady = Duration::from_secs(self.hands.steady.load(Ordering::Relaxed));
        self.guard.trusted_at(wall(self.hands.wall.load(Ordering::Relaxed)), steady).is_some()
    }
}

fn call_id(id: &str) -> CallId {
    CallId::read(id).unwrap()
}

fn put(id: &str, caller: &str) -> Command {
    Command::PutCall(PutCall::new(call_id(id), Caller::read(caller).unwrap(), "support".to_owned().try_into().unwrap()))
}

fn text(sid: &str, text: &str) -> Command {
    let inbound = Inbound {
        carrier_id: sid.to_owned(),
        from: Address::read("+12065550142"),
        to: Address::read("+12065550100"),
        text: text.to_owned(),
        media: Vec::new(),
        segments: None,
        keyword: None,
        part: None,
    };
    Command::InboundItem { account: "main".to_owned(), item: InboundItem::Message(inbound) }
}
