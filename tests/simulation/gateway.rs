//! One process of the gateway: the cores of engine, dispatch and feed, and the queue of commands.
//!
//! In one thread, this does what the daemon's loops around the cores do with sockets and queues.

use super::clock::{Noted, ProcessClock, Time};
use super::endpoint::Endpoint;
use super::faults::{ClaimFiles, Fate, KeptIndex, mortal};
use offhook::engine::{Clock, Core, EngineFailed, Reads};
use offhook::index::Claims;
use offhook::journal::{FileJournal, Options, SimDisk};
use offhook::machine::command::{Command, Reply};
use offhook::machine::event::CommittedFrame;
use offhook::machine::urgency::Urgency;
use offhook::machine::view::Queries;
use offhook::model::{MessageId, Outcome, Position, Settled};
use offhook::work::Moment;
use offhook::work::dispatch::{Action, Dispatch};
use offhook::work::feed::{Bounds, Delivered, Delivery, Feed, Start};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Maximum claims held; never reached.
const CLAIMS_MAX: usize = 1_000_000;

/// Small segments, so that most seeds have several.
pub(crate) const OPTIONS: Options = Options { segment_bytes: 48 * 1024 };

/// Frames read at a time: few, so that paging is exercised.
const PAGE: usize = 20;

/// Feed bounds, so small that every one is reached.
const FEED: Bounds = Bounds {
    window: 30,
    other_window: 10,
    behind: 50,
    live_threads: 12,
    parked: 5,
    in_flight: 8,
    in_flight_probation: 3,
};

/// The receiver of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Requester {
    /// A carrier's webhook.
    Hook(usize),
    /// A request of the platform.
    Request(usize),
    /// The dispatcher.
    Start(MessageId),
    /// A worker, which learns the result from the journal.
    Worker(&'static str),
}

/// Replies and their receivers.
pub(crate) type Replies = Vec<(Requester, Reply)>;

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
    /// The clock that notes the time for the next process.
    watch: ProcessClock,
    time: Time,
    began_ms: u64,
    urgent: VecDeque<(Requester, Command)>,
    ordinary: VecDeque<(Requester, Command)>,
}

/// What survives a process, other than its journal.
pub(crate) struct Persisted<'a> {
    pub(crate) index: &'a KeptIndex,
    pub(crate) claims: &'a ClaimFiles,
    pub(crate) fate: &'a Fate,
    pub(crate) time: &'a Time,
    /// The time noted in this boot of the machine, if any.
    pub(crate) noted: Option<Noted>,
}

impl Gateway {
    /// Starts a process on the state of the last one. It may die at its first commit.
    pub(crate) fn start(
        journal: FileJournal,
        persisted: &Persisted<'_>,
        endpoints: &[Endpoint],
    ) -> Result<Self, EngineFailed> {
        let Persisted { index, claims, fate, time, noted } = persisted;
        let mut watch = ProcessClock::begins(time, *noted);
        let journal = mortal(journal, fate);
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
                let start = Start { watermark, parked: view.parked(endpoint.name) };
                (endpoint.name, Feed::new(start, endpoint.filter.clone(), FEED))
            };
            (clock, dispatch, unsettled, endpoints.iter().map(feed).collect())
        })?;
        let unknown = |(message, attempt)| {
            let settled = Settled { outcome: Outcome::Interrupted, status: None, detail: None };
            (Requester::Worker("settle as unknown"), Command::Settle { message, attempt, settled })
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

    /// Read access to committed state.
    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Queues a command for the engine.
    pub(crate) fn submit(&mut self, requester: Requester, command: Command) {
        let queue = match command.urgency() {
            Urgency::Urgent => &mut self.urgent,
            Urgency::Ordinary => &mut self.ordinary,
        };
        queue.push_back((requester, command));
    }

    /// The number of queued commands.
    pub(crate) fn pending(&self) -> usize {
        self.urgent.len() + self.ordinary.len()
    }

    /// The requesters of all queued commands, which will get no reply.
    pub(crate) fn requesters(self) -> Vec<Requester> {
        self.urgent.into_iter().chain(self.ordinary).map(|(requester, _)| requester).collect()
    }

    /// Decides and commits at most `count` queued commands.
    pub(crate) fn commit(&mut self, count: usize) -> Result<Replies, (EngineFailed, Vec<Requester>)> {
        let first = self.urgent.len().min(count);
        let mut batch: Vec<_> = self.urgent.drain(..first).collect();
        let rest = self.ordinary.len().min(count - first);
        batch.extend(self.ordinary.drain(..rest));
        let (requesters, commands): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match self.core.commit(commands) {
            Ok(replies) => Ok(requesters.into_iter().zip(replies).collect()),
            Err(failed) => Err((failed, requesters)),
        }
    }

    /// Tells the dispatcher that a message is not to be sent.
    pub(crate) fn not_started(&mut self, message: MessageId) {
        let now = self.now();
        self.dispatch.cancelled(message, now);
    }

    /// Lets the dispatcher follow the journal and queue its commands.
    pub(crate) fn dispatch(&mut self) {
        loop {
            let page = read(&self.reads, self.dispatched);
            let Some(last) = page.last() else { break };
            self.dispatched = last.position.next();
            for frame in page {
                self.clock.not_before(frame.at);
                let now = self.now();
                self.dispatch.follow(&frame, now);
            }
        }
        let now = self.now();
        for action in self.dispatch.next(now) {
            match action {
                Action::Start { message, lane_empty_at, account_empty_at } => {
                    self.submit(
                        Requester::Start(message),
                        Command::StartSend { message, lane_empty_at, account_empty_at },
                    );
                }
                Action::Expire(message) => self.submit(Requester::Worker("expire"), Command::Expire(message)),
            }
        }
    }

    /// Lets the feeds follow the journal and record progress; returns the deliveries to make, by endpoint.
    pub(crate) fn deliveries(&mut self) -> Vec<(usize, Delivery)> {
        let now = self.now();
        let mut deliveries = Vec::new();
        let mut notes = Vec::new();
        let committed = self.reads.follow().committed();
        for (index, (name, feed)) in self.feeds.iter_mut().enumerate() {
            loop {
                deliveries.extend(feed.next(now).into_iter().map(|delivery| (index, delivery)));
                let mut wants = feed.wants(committed);
                wants.retain(|(_, from)| *from <= committed);
                if wants.is_empty() {
                    break;
                }
                for (reader, from) in wants {
                    read(&self.reads, from).iter().for_each(|frame| feed.follow(reader, frame));
                }
            }
            if let Some(progress) = feed.progress(now) {
                let (endpoint, watermark, parked) = ((*name).to_owned(), progress.watermark, progress.parked);
                notes.push(Command::AdvanceFeed { endpoint, watermark, parked });
            }
        }
        notes.into_iter().for_each(|note| self.submit(Requester::Worker("feed"), note));
        deliveries
    }

    /// Settles a delivery. Returns whether its replay was given up after repeated refusals.
    pub(crate) fn delivered(&mut self, endpoint: usize, delivery: &Delivery, how: Delivered) -> bool {
        let now = self.now();
        self.feeds[endpoint].1.settle(delivery, how, now)
    }

    /// Requests a replay from a position on. Returns its range and the endpoint's watermark, or `None` if the feed has
    /// no capacity.
    pub(crate) fn replay(&mut self, endpoint: usize, from: Position) -> Option<(Range<Position>, Position)> {
        let range = from..self.next();
        let feed = &mut self.feeds[endpoint].1;
        feed.replay(range.clone()).then(|| (range, feed.watermark()))
    }

    /// The time to hand to the next process of this boot.
    pub(crate) fn note(&mut self) -> Noted {
        self.watch.note()
    }

    /// The position of the next frame.
    pub(crate) fn next(&self) -> Position {
        self.reads.follow().committed().next()
    }

    /// When a worker has something to do next, in true time.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let feeds = self.feeds.iter().filter_map(|(_, feed)| feed.due());
        let due = self.dispatch.due().into_iter().chain(feeds).min()?;
        let ms = due.as_nanos().div_ceil(1_000_000);
        Some(self.began_ms + u64::try_from(ms).expect("a run is shorter than u64 of milliseconds"))
    }

    /// The number of queued messages, and whether all feeds have delivered everything.
    pub(crate) fn idle(&self) -> (usize, bool) {
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
    reads.follow().read(from, PAGE).expect("committed frames are readable")
}

/// An engine rebuilt from nothing but a copy of the disk.
pub(crate) fn rebuilt(disk: &SimDisk, time: &Time) -> Core {
    let journal = disk.copy().journal(OPTIONS).expect("a healthy disk is readable");
    let (core, _) = Core::in_memory(journal, ProcessClock::begins(time, None));
    core
}
