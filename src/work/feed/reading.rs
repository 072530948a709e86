//! Which committed events a feed loads, and which it leaves in the journal.

use super::Feed;
use super::parked::After;
use super::terms::{Name, Reader, place_of};
use crate::machine::event::CommittedFrame;
use crate::machine::show::{self, EventHeader, RenderedEvent};
use crate::model::{Position, Timestamp};
use std::ops::Range;
use std::sync::Arc;

/// The maximum of events that a parked thread holds. After a failed delivery it is retried with one.
const PARKED_HOLDS_MAX: usize = 64;

impl Feed {
    /// The readers that have capacity, each with the position to read from; `committed` is the last committed position.
    /// Only the backlog and the live reader ask for positions that are not committed yet.
    pub fn wants(&mut self, committed: Position) -> Vec<(Reader, Position)> {
        self.committed = committed;
        self.start_live_reader();
        self.make_room();
        let room = |reader, bound| self.queue.held(reader) < bound;
        let (backlog, other_window) = (room(Reader::Backlog, self.bounds.window), self.bounds.other_window);
        let live = self.live.next().filter(|_| room(Reader::Live, other_window));
        let parked = room(Reader::Parked, other_window).then(|| self.parked.wants()).flatten();
        let wants = [
            (Reader::Backlog, backlog.then_some(self.next)),
            (Reader::Live, live),
            (Reader::Parked, parked),
            (Reader::Replay, self.replay.wants(other_window)),
        ];
        wants.into_iter().filter_map(|(reader, from)| Some((reader, from?))).collect()
    }

    /// Starts the live reader when the backlog is long, and again when the live reader itself has fallen behind because
    /// the endpoint was down. It starts at the last failure, because the endpoint may have recovered before a delivery
    /// showed it.
    fn start_live_reader(&mut self) {
        let at = self.live.next().unwrap_or(self.next);
        let behind = self.committed.next().0.saturating_sub(at.0) >= self.bounds.behind;
        if behind && !self.health.failing() && self.queue.held(Reader::Live) < self.bounds.other_window {
            let end = self.committed.next();
            let newest = Position(end.0.saturating_sub(self.bounds.other_window as u64));
            self.live.begin(Position(self.failed_at.0.saturating_add(1)).clamp(newest.max(at), end), self.next);
        }
    }

    /// Parks threads that fail on their own while they block a full window.
    fn make_room(&mut self) {
        while self.queue.held(Reader::Backlog) >= self.bounds.window && self.park_first(Position(0)) {}
        while let Some(began) = self.live.began()
            && self.queue.held(Reader::Live) >= self.bounds.other_window
            && self.park_first(began)
        {}
    }

    /// Parks the thread of the oldest event from there on, if it fails on its own.
    fn park_first(&mut self, from: Position) -> bool {
        let first = self.pending.range((from, 0)..).next();
        let Some(name) = first.map(|(_, (name, _))| Arc::clone(name)) else { return false };
        self.park(&name)
    }

    /// Parks a thread that fails on its own, unless too many are parked.
    pub(super) fn park(&mut self, name: &Name) -> bool {
        if self.parked.len() >= self.bounds.parked || !self.queue.fails_alone(name, self.health.successes) {
            return false;
        }
        let held = self.queue.drain(name);
        for id in &held {
            self.pending.remove(&place_of(*id));
        }
        let (Some(first), Some(last)) = (held.first(), held.last()) else { return false };
        self.parked.park(name, place_of(*first), last.position());
        true
    }

    /// Takes in a committed frame, in the order of the reader. Frames that the reader did not ask for are ignored.
    pub fn follow(&mut self, reader: Reader, frame: &CommittedFrame) {
        match reader {
            Reader::Backlog if frame.position == self.next => self.follow_backlog(frame),
            Reader::Live if self.live.next() == Some(frame.position) => self.follow_live(frame),
            Reader::Parked if self.parked.begin_frame(frame.position) => self.follow_parked(frame),
            Reader::Replay if self.replay.reads(frame.position) => {
                for header in show::event_headers(frame).filter(|header| self.subscription.takes(header)) {
                    if self.is_delivered(&header) {
                        self.replay.queue.push(Arc::new(header.render()), Reader::Replay);
                    }
                }
            }
            _ => {}
        }
    }

    fn follow_backlog(&mut self, frame: &CommittedFrame) {
        for header in show::event_headers(frame) {
            if self.subscription.takes(&header) && !self.live.has_taken(&header.thread(), place_of(header.id)) {
                self.take_in(Reader::Backlog, &header, frame.at);
            }
        }
        self.next = frame.position.next();
        self.live.meet(self.next);
    }

    fn follow_live(&mut self, frame: &CommittedFrame) {
        for header in show::event_headers(frame) {
            let room = self.bounds.live_threads;
            let mine = self.live.takes(&header.thread(), place_of(header.id), header.begins(), room);
            if mine && self.subscription.takes(&header) {
                self.take_in(Reader::Live, &header, frame.at);
            }
        }
        self.live.read(frame.position);
    }

    /// Holds an event, unless its thread is parked: then it is read again with the rest of the thread.
    fn take_in(&mut self, reader: Reader, header: &EventHeader<'_>, at: Timestamp) {
        if !self.parked.passes(&header.thread(), header.id.position()) {
            let name = self.queue.push(Arc::new(header.render()), reader);
            self.pending.insert(place_of(header.id), (name, at));
        }
    }

    fn follow_parked(&mut self, frame: &CommittedFrame) {
        for header in show::event_headers(frame) {
            if !self.subscription.takes(&header) {
                continue;
            }
            let Some(thread) = self.parked_thread(&header) else { continue };
            let event = RenderedEvent { thread: thread.clone(), ..header.render() };
            self.queue.push(Arc::new(event), Reader::Parked);
            let (held, passing) = self.queue.holds(&thread);
            if held >= if passing { PARKED_HOLDS_MAX } else { 1 } {
                self.parked.pause(&thread);
            }
        }
        for name in self.parked.end_frame() {
            if self.queue.first(&name).is_none() && self.parked.holds_nothing(&name) == After::CaughtUp {
                self.queue.remove(&name);
            }
        }
    }

    /// The parked thread that continues with this event. A thread parked by an older version is named by the event's
    /// id. An event of an erased contact may belong to any contact's thread, so it may be delivered twice.
    fn parked_thread(&mut self, header: &EventHeader<'_>) -> Option<String> {
        let place = place_of(header.id);
        let erased = header.is_erased().then(|| self.parked.unread_member(show::CONTACTS, place)).flatten();
        let names = [Some(header.thread().into_owned()), Some(header.id.to_string()), erased];
        names.into_iter().flatten().find(|name| self.parked.reads(name, place))
    }

    /// Whether an event is already delivered, so that a replay may repeat it. Undelivered events are delivered anyway,
    /// in their order.
    fn is_delivered(&self, header: &EventHeader<'_>) -> bool {
        let (thread, place) = (header.thread(), place_of(header.id));
        let taken = place.0 < self.next || self.live.has_taken(&thread, place);
        taken && !self.pending.contains_key(&place) && self.parked.is_delivered(&thread, place)
    }

    /// Queues a replay of these positions, all of which are committed. Returns whether there was capacity.
    pub fn replay(&mut self, range: Range<Position>) -> bool {
        let room = self.replay.has_room();
        if room {
            self.replay.add(range);
        }
        room
    }

    /// Ends the current replay, because its positions cannot be read.
    pub fn end_replay(&mut self) {
        self.replay.end();
    }

    /// Moves replays to `oldest`, because nothing before it is kept.
    pub fn replay_from(&mut self, oldest: Position) {
        self.replay.skip_to(oldest);
    }

    /// Whether one more replay can be queued.
    pub fn takes_replays(&self) -> bool {
        self.replay.has_room()
    }

    /// Skips everything before `oldest`, which is no longer delivered except in replays. Returns the first position of
    /// which this endpoint may have missed events; `None` if it has missed nothing.
    pub fn skip_to(&mut self, oldest: Position) -> Option<Position> {
        let (missing, caught_up) = self.parked.skip_to(oldest);
        for name in caught_up {
            self.queue.wake(&name, false);
            self.queue.remove(&name);
        }
        let unread = (self.next < oldest).then_some(self.next);
        self.next = self.next.max(oldest);
        self.live.skip_to(oldest);
        self.live.meet(self.next);
        let missed = unread.into_iter().chain(missing).min();
        // Recorded however short the gap is, or the next start would find it again.
        self.since_journaled += usize::from(missed.is_some());
        missed
    }
}
