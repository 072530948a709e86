//! One life of the gateway: the engine's core with the cores of dispatch and feed, and what waits to be decided.
//!
//! What the thin loops around the cores do with sockets and queues is done here by hand, in one thread.

use super::clock::{Noted, ProcessClock, Time};
use super::endpoint::Endpoint;
use super::faults::{ClaimFiles, Fate, KeptIndex, MortalJournal};
use offhook::engine::{Clock, Core, EngineFailed, Reads};
use offhook::index::{Claims, MemoryIndex};
use offhook::journal::{FileJournal, Options, SimDisk};
use offhook::machine::command::{Command, Reply, Settled, SettledAs};
use offhook::machine::event::CommittedFrame;
use offhook::machine::view::Queries;
use offhook::model::{MessageId, Position};
use offhook::work::Moment;
use offhook::work::dispatch::{Action, Dispatch};
use offhook::work::feed::{Bounds, Delivered, Delivery, Feed, Start};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Claims that are held at most: more than there ever are.
const CLAIMS_MAX: usize = 1_000_000;

/// Segments are small, so that most seeds have several.
pub(crate) const OPTIONS: Options = Options { segment_bytes: 48 * 1024 };

/// Stories read at a time: few, so that paging happens.
const PAGE: usize = 20;

/// What a feed holds: so little that every bound is met.
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
    /// In the order of the world's endpoints.
    feeds: Vec<(&'static str, Feed)>,
    /// The workers' clock.
    clock: ProcessClock,
    /// The one that notes the time for the next process.
    watch: ProcessClock,
    time: Time,
    began_ms: u64,
    urgent: VecDeque<(Asker, Command)>,
    ordinary: VecDeque<(Asker, Command)>,
}

/// What outlives a process, but its journal, which it has opened already.
pub(crate) struct Remains<'a> {
    pub(crate) index: &'a KeptIndex,
    pub(crate) claims: &'a ClaimFiles,
    pub(crate) fate: &'a Fate,
    pub(crate) time: &'a Time,
    /// What time it was in this boot of the machine.
    pub(crate) noted: Option<Noted>,
}

impl Gateway {
    /// The process starts on what the last one left. It may die of its first commit.
    pub(crate) fn start(
        journal: FileJournal,
        remains: &Remains<'_>,
        endpoints: &[Endpoint],
    ) -> Result<Self, EngineFailed> {
        let Remains { index, claims, fate, time, noted } = remains;
        let mut watch = ProcessClock::begins(time, *noted);
        let journal = MortalJournal { journal, fate: (*fate).clone() };
        let identity = offhook::journal::Journal::identity(&journal);
        let claims = Claims::open(claims.path(), identity, watch.now().day(), CLAIMS_MAX)?;
        let engines = Box::new(ProcessClock::begins(time, *noted));
        let (mut core, _) = Core::recover(Box::new(journal), Box::new((*index).clone()), claims, engines)?;
        core.commit([Command::GatewayStarted])?;
        let reads = core.reads();
        let committed = reads.follow().committed();
        let (clock, dispatch, unsettled, feeds) = reads.ask(|view| {
            let mut clock = ProcessClock::following(time, view.gateway().started_at);
            let now = Moment { elapsed: Duration::ZERO, wall: clock.now() };
            let (dispatch, unsettled) = Dispatch::recover(view, reads.directory(), now);
            let feed = |endpoint: &Endpoint| {
                let watermark = view.watermark(endpoint.name).unwrap_or(Position(1));
                let start = Start { watermark, parked: view.parked(endpoint.name, None, usize::MAX) };
                (endpoint.name, Feed::new(start, endpoint.filter.clone(), FEED))
            };
            (clock, dispatch, unsettled, endpoints.iter().map(feed).collect())
        })?;
        let unknown = |(message, attempt)| {
            let settled = Settled { outcome: SettledAs::Interrupted, status: None, detail: None };
            (Asker::Worker("settle as unknown"), Command::Settle { message, attempt, settled })
        };
        Ok(Self {
            dispatched: committed.next(),
            feeds,
            core,
            reads,
            dispatch,
            clock,
            watch,
            time: (*time).clone(),
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
            Command::InboundItem { item, .. } => matches!(item, offhook::model::InboundItem::Message(_)),
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
        loop {
            let page = read(&self.reads, self.dispatched);
            let Some(last) = page.last() else { break };
            self.dispatched = last.position.next();
            for story in page {
                self.clock.not_before(story.at);
                let now = self.now();
                self.dispatch.follow(&story, now);
            }
        }
        let now = self.now();
        for action in self.dispatch.next(now) {
            match action {
                Action::Start { message, lane_empty_at, account_empty_at } => {
                    self.ask(Asker::Start(message), Command::StartSend { message, lane_empty_at, account_empty_at });
                }
                Action::Expire(message) => self.ask(Asker::Worker("expire"), Command::Expire(message)),
            }
        }
    }

    /// The feeds follow the journal, note their progress, and say what is to be delivered to which.
    pub(crate) fn deliveries(&mut self) -> Vec<(usize, Delivery)> {
        let now = self.now();
        let mut deliveries = Vec::new();
        let mut notes = Vec::new();
        let committed = self.reads.follow().committed();
        for (place, (name, feed)) in self.feeds.iter_mut().enumerate() {
            loop {
                deliveries.extend(feed.next(now).into_iter().map(|delivery| (place, delivery)));
                let mut wants = feed.wants(committed);
                wants.retain(|(_, from)| *from <= committed);
                if wants.is_empty() {
                    break;
                }
                for (reader, from) in wants {
                    read(&self.reads, from).iter().for_each(|story| feed.follow(reader, story));
                }
            }
            if let Some(progress) = feed.progress(now) {
                let (endpoint, watermark, parked) = ((*name).to_owned(), progress.watermark, progress.parked);
                notes.push(Command::AdvanceFeed { endpoint, watermark, parked });
            }
        }
        notes.into_iter().for_each(|note| self.ask(Asker::Worker("feed"), note));
        deliveries
    }

    /// A delivery ended. Returns whether it is not told once more after all, because it was refused again and again.
    pub(crate) fn delivered(&mut self, place: usize, delivery: &Delivery, how: Delivered) -> bool {
        let now = self.now();
        self.feeds[place].1.settle(delivery, how, now)
    }

    /// Somebody wants to hear once more what was told from there on. Returns what that may be, and the endpoint's watermark,
    /// where there is room for it.
    pub(crate) fn replay(&mut self, place: usize, from: Position) -> Option<(Range<Position>, Position)> {
        let told = from..self.next();
        let feed = &mut self.feeds[place].1;
        feed.replay(told.clone()).then(|| (told, feed.watermark()))
    }

    /// What the next process of this boot is to know of the time.
    pub(crate) fn note(&mut self) -> Noted {
        self.watch.note()
    }

    /// The position of the next frame.
    pub(crate) fn next(&self) -> Position {
        self.reads.follow().committed().next()
    }

    /// When a worker has something to do, in true time.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let feeds = self.feeds.iter().filter_map(|(_, feed)| feed.due());
        let due = self.dispatch.due().into_iter().chain(feeds).min()?;
        let ms = due.as_nanos().div_ceil(1_000_000);
        Some(self.began_ms + u64::try_from(ms).expect("a run is shorter than u64 of milliseconds"))
    }

    /// Messages in lanes, and whether the feeds have nothing left of what they read, which is all.
    pub(crate) fn rest(&self) -> (usize, bool) {
        let committed = self.reads.follow().committed();
        let done = |feed: &Feed| feed.is_idle() && feed.watermark() > committed;
        (self.dispatch.lanes_waiting().values().sum(), self.feeds.iter().all(|(_, feed)| done(feed)))
    }

    fn now(&mut self) -> Moment {
        let elapsed = Duration::from_millis(self.time.elapsed_ms() - self.began_ms);
        Moment { elapsed, wall: self.clock.now() }
    }
}

fn read(reads: &Reads, from: Position) -> Vec<Arc<CommittedFrame>> {
    reads.follow().read(from, PAGE).expect("what is committed can be read")
}

/// An engine that was made anew from nothing but a copy of the disk.
pub(crate) fn replayed(disk: &SimDisk, time: &Time) -> Core {
    let journal = disk.copy().journal(OPTIONS).expect("a disk that does not fail can be read");
    let claims = Claims::in_memory([7; 16], CLAIMS_MAX);
    let clock = Box::new(ProcessClock::begins(time, None));
    let core = Core::recover(Box::new(journal), Box::new(MemoryIndex::new()), claims, clock);
    core.map(|(core, _)| core).expect("the journal can be replayed")
}
