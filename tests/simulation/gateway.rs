//! One life of the gateway: the engine's core with the cores of dispatch and feed, and what waits to be decided.
//!
//! What the thin loops around the cores do with sockets and queues is done here by hand, in one thread.

use super::clock::{ProcessClock, Time};
use super::faults::{Fate, KeptIndex, MortalJournal};
use offhook::engine::{Clock, Core, EngineFailed, Reads};
use offhook::index::Claims;
use offhook::journal::MemoryJournal;
use offhook::machine::command::{Command, Reply, Settled, SettledAs};
use offhook::machine::event::Story;
use offhook::machine::view::Ask;
use offhook::model::{MessageId, Position};
use offhook::work::Moment;
use offhook::work::dispatch::{Action, Dispatch};
use offhook::work::feed::{Bounds, Delivered, Delivery, Feed, Filter, Start};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The platform's endpoint, as the gateway names it.
pub(crate) const ENDPOINT: &str = "main";

/// Stories and rows read at a time: few, so that paging happens.
const PAGE: usize = 7;

/// What the feed holds: so little that every bound is met.
const FEED: Bounds =
    Bounds { window: 30, aside: 10, behind: 50, live_threads: 12, parked: 5, in_flight: 8, in_flight_aside: 3 };

/// Who waits for a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asker {
    /// A carrier's webhook.
    Hook(usize),
    /// A request of the platform.
    Request(usize),
    /// The dispatcher.
    Start(MessageId),
    /// A worker, which learns what became of it from the journal.
    Worker(&'static str),
}

/// Replies, and who waits for them.
pub(crate) type Answers = Vec<(Asker, Reply)>;

/// A process, from start to death.
pub(crate) struct Gateway {
    core: Core,
    reads: Reads,
    dispatch: Dispatch,
    dispatched: Position,
    feed: Feed,
    /// The workers' clock.
    clock: ProcessClock,
    time: Time,
    began_ms: u64,
    urgent: VecDeque<(Asker, Command)>,
    ordinary: VecDeque<(Asker, Command)>,
}

impl Gateway {
    /// The process starts on what the last one left. It may die of its first commit.
    pub(crate) fn start(
        disk: &MemoryJournal,
        index: &KeptIndex,
        fate: &Fate,
        time: &Time,
    ) -> Result<Self, EngineFailed> {
        let mut core = recover(disk, index, fate, time)?;
        core.commit([Command::GatewayStarted])?;
        let reads = core.reads();
        let mut clock = ProcessClock::new(time);
        let committed = reads.follow().committed();
        if let Ok(Some(last)) = reads.follow().story(committed) {
            clock.not_before(last.at);
        }
        let now = Moment { elapsed: Duration::ZERO, wall: clock.now() };
        let (dispatch, unsettled, start) = reads.ask(|view| {
            let mut dispatch = Dispatch::new(reads.directory(), view.gateway().started_at, now);
            let (mut unsettled, mut from) = (Vec::new(), Vec::new());
            loop {
                let page = view.open_page(&from, PAGE);
                let full = page.len() == PAGE;
                for (key, id, open) in page {
                    dispatch.found(id, &open, view.lane(open.ours).empty_at, now);
                    if open.started {
                        let attempts = view.message(id).map_or(0, |message| message.attempts.len());
                        unsettled.push((id, u32::try_from(attempts).expect("a message has few attempts")));
                    }
                    from = key.into_iter().chain([0]).collect();
                }
                if !full {
                    let watermark = view.watermark(ENDPOINT).unwrap_or(Position(1));
                    return (dispatch, unsettled, Start { watermark, parked: view.parked(ENDPOINT, None, usize::MAX) });
                }
            }
        })?;
        let unknown = |(message, attempt)| {
            let settled = Settled { outcome: SettledAs::Unknown, status: None };
            (Asker::Worker("settle as unknown"), Command::Settle { message, attempt, settled })
        };
        Ok(Self {
            dispatched: committed.next(),
            feed: Feed::new(start, Filter::default(), FEED),
            core,
            reads,
            dispatch,
            clock,
            time: time.clone(),
            began_ms: time.elapsed_ms(),
            urgent: unsettled.into_iter().map(unknown).collect(),
            ordinary: VecDeque::new(),
        })
    }

    /// Rows as they are committed.
    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Puts a command where the engine will find it.
    pub(crate) fn ask(&mut self, asker: Asker, command: Command) {
        let ordinary = match &command {
            Command::PutCall(_) | Command::Send(_) | Command::Cancel(_) => true,
            Command::Heard { item, .. } => matches!(item, offhook::model::Heard::Message(_)),
            _ => false,
        };
        if ordinary { &mut self.ordinary } else { &mut self.urgent }.push_back((asker, command));
    }

    /// How many commands wait.
    pub(crate) fn asked(&self) -> usize {
        self.urgent.len() + self.ordinary.len()
    }

    /// Those who wait for a reply that never comes.
    pub(crate) fn askers(self) -> Vec<Asker> {
        self.urgent.into_iter().chain(self.ordinary).map(|(asker, _)| asker).collect()
    }

    /// Decides and commits at most `count` of the commands that wait.
    pub(crate) fn commit(&mut self, count: usize) -> Result<Answers, (EngineFailed, Vec<Asker>)> {
        let first = self.urgent.len().min(count);
        let mut batch: Vec<_> = self.urgent.drain(..first).collect();
        let rest = self.ordinary.len().min(count - first);
        batch.extend(self.ordinary.drain(..rest));
        let (askers, commands): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match self.core.commit(commands) {
            Ok(replies) => Ok(askers.into_iter().zip(replies).collect()),
            Err(failed) => Err((failed, askers)),
        }
    }

    /// The dispatcher hears that a message is not to be sent.
    pub(crate) fn not_started(&mut self, message: MessageId) {
        let now = self.now();
        self.dispatch.not_started(message, now);
    }

    /// The dispatcher follows the journal and asks for what it wants.
    pub(crate) fn dispatch(&mut self) {
        for story in self.read(self.dispatched) {
            self.clock.not_before(story.at);
            self.dispatched = story.position.next();
            let now = self.now();
            self.dispatch.follow(&story, now);
        }
        let now = self.now();
        for action in self.dispatch.next(now) {
            match action {
                Action::Start { message, lane_empty_at } => {
                    self.ask(Asker::Start(message), Command::StartSend { message, lane_empty_at });
                }
                Action::Expire(message) => self.ask(Asker::Worker("expire"), Command::Expire(message)),
            }
        }
    }

    /// The feed follows the journal, notes its progress, and says what is to be delivered.
    pub(crate) fn deliveries(&mut self) -> Vec<Delivery> {
        let now = self.now();
        let mut deliveries = Vec::new();
        loop {
            deliveries.extend(self.feed.next(now));
            let committed = self.reads.follow().committed();
            let mut wants = self.feed.wants(committed);
            wants.retain(|(_, from)| *from <= committed);
            if wants.is_empty() {
                break;
            }
            for (reader, from) in wants {
                self.read(from).iter().for_each(|story| self.feed.follow(reader, story));
            }
        }
        if let Some(progress) = self.feed.progress(now) {
            let (endpoint, watermark, parked) = (ENDPOINT.to_owned(), progress.watermark, progress.parked);
            self.ask(Asker::Worker("feed"), Command::AdvanceFeed { endpoint, watermark, parked });
        }
        deliveries
    }

    /// A delivery ended.
    pub(crate) fn delivered(&mut self, delivery: &Delivery, how: Delivered) {
        let now = self.now();
        self.feed.settle(delivery, how, now);
    }

    /// Somebody wants to hear once more what was told from there on.
    pub(crate) fn replay(&mut self, from: Position) {
        let end = self.reads.follow().committed().next();
        self.feed.replay(from..end);
    }

    /// When a worker has something to do, in true time.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let due = self.dispatch.due().into_iter().chain(self.feed.due()).min()?;
        let ms = due.as_nanos().div_ceil(1_000_000);
        Some(self.began_ms + u64::try_from(ms).expect("a run is shorter than u64 of milliseconds"))
    }

    /// Messages in lanes, and whether the feed has nothing left of what it read, which is all.
    pub(crate) fn rest(&self) -> (usize, bool) {
        let all_read = self.feed.watermark() > self.reads.follow().committed();
        (self.dispatch.lanes_waiting().values().sum(), self.feed.is_idle() && all_read)
    }

    fn now(&mut self) -> Moment {
        let elapsed = Duration::from_millis(self.time.elapsed_ms() - self.began_ms);
        Moment { elapsed, wall: self.clock.now() }
    }

    fn read(&self, from: Position) -> Vec<Arc<Story>> {
        self.reads.follow().read(from, PAGE).expect("what is committed can be read")
    }
}

/// The engine on a journal and an index, with claims that died with the last process.
pub(crate) fn recover(disk: &MemoryJournal, index: &KeptIndex, fate: &Fate, time: &Time) -> Result<Core, EngineFailed> {
    let journal = MortalJournal { disk: disk.clone(), fate: fate.clone() };
    let claims = Claims::in_memory([7; 16], 1_000_000);
    let clock = Box::new(ProcessClock::new(time));
    Core::recover(Box::new(journal), Box::new(index.clone()), claims, clock).map(|(core, _)| core)
}
