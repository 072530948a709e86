//! What a feed takes in of what was committed, and what it leaves in the journal.

use super::Feed;
use super::parked::After;
use super::terms::{Name, Reader, place_of};
use crate::machine::event::CommittedFrame;
use crate::machine::show::{self, EventHeader, RenderedEvent};
use crate::model::{Position, Timestamp};
use std::ops::Range;
use std::sync::Arc;

/// Events that a parked thread holds. One whose last delivery failed is tried with one.
const PARKED_HOLDS_MAX: usize = 64;

impl Feed {
    /// Who wants to read, and from where, while there is room for more and `committed` is the last position there is.
    /// Only the backlog's and the live reader come to positions that are not there yet.
    pub fn wants(&mut self, committed: Position) -> Vec<(Reader, Position)> {
        self.committed = committed;
        self.follow_what_begins();
        self.make_room();
        let room = |reader, bound| self.queue.held(reader) < bound;
        let (backlog, aside) = (room(Reader::Backlog, self.bounds.window), self.bounds.aside);
        let live = self.live.next().filter(|_| room(Reader::Live, aside));
        let parked = room(Reader::Parked, aside).then(|| self.parked.wants()).flatten();
        let wants = [
            (Reader::Backlog, backlog.then_some(self.next)),
            (Reader::Live, live),
            (Reader::Parked, parked),
            (Reader::Replay, self.replay.wants(aside)),
        ];
        wants.into_iter().filter_map(|(reader, from)| Some((reader, from?))).collect()
    }

    /// The live reader begins where the backlog is long, and again where it has fallen behind itself: then the endpoint
    /// was down, and is back. It begins with what came since the last failure, because the endpoint may have been back
    /// before that was found out.
    fn follow_what_begins(&mut self) {
        let at = self.live.next().unwrap_or(self.next);
        let behind = self.committed.next().0.saturating_sub(at.0) >= self.bounds.behind;
        if behind && !self.health.failing() && self.queue.held(Reader::Live) < self.bounds.aside {
            let end = self.committed.next();
            let newest = Position(end.0.saturating_sub(self.bounds.aside as u64));
            self.live.begin(Position(self.failed_at.0.saturating_add(1)).clamp(newest.max(at), end), self.next);
        }
    }

    /// Where a window is full, whatever holds it back and fails alone is parked.
    fn make_room(&mut self) {
        while self.queue.held(Reader::Backlog) >= self.bounds.window && self.park_first(Position(0)) {}
        while let Some(began) = self.live.began()
            && self.queue.held(Reader::Live) >= self.bounds.aside
            && self.park_first(began)
        {}
    }

    /// Parks the thread of the oldest event from there on, if it is one that fails alone.
    fn park_first(&mut self, from: Position) -> bool {
        let first = self.pending.range((from, 0)..).next();
        let Some(name) = first.map(|(_, (name, _))| Arc::clone(name)) else { return false };
        self.park(&name)
    }

    /// Parks a thread that fails alone, while there is room.
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

    /// Takes in what a reader has read: what was committed, in order. What it did not want is left out.
    pub fn follow(&mut self, reader: Reader, story: &CommittedFrame) {
        match reader {
            Reader::Backlog if story.position == self.next => self.follow_backlog(story),
            Reader::Live if self.live.next() == Some(story.position) => self.follow_live(story),
            Reader::Parked if self.parked.begin(story.position) => self.follow_parked(story),
            Reader::Replay if self.replay.reads(story.position) => {
                for head in show::event_headers(story).filter(|head| self.wanted.takes(head)) {
                    if self.is_done_with(&head) {
                        self.replay.queue.push(Arc::new(head.told()), Reader::Replay);
                    }
                }
            }
            _ => {}
        }
    }

    fn follow_backlog(&mut self, story: &CommittedFrame) {
        for head in show::event_headers(story) {
            if self.wanted.takes(&head) && !self.live.has_taken(&head.thread(), place_of(head.id)) {
                self.take_in(Reader::Backlog, &head, story.at);
            }
        }
        self.next = story.position.next();
        self.live.meet(self.next);
    }

    fn follow_live(&mut self, story: &CommittedFrame) {
        for head in show::event_headers(story) {
            let room = self.bounds.live_threads;
            let mine = self.live.takes(&head.thread(), place_of(head.id), head.begins(), room);
            if mine && self.wanted.takes(&head) {
                self.take_in(Reader::Live, &head, story.at);
            }
        }
        self.live.read(story.position);
    }

    /// Holds an event, unless its thread is parked: then it is read again with the others of its thread.
    fn take_in(&mut self, reader: Reader, head: &EventHeader<'_>, at: Timestamp) {
        if !self.parked.passes(&head.thread(), head.id.position()) {
            let name = self.queue.push(Arc::new(head.told()), reader);
            self.pending.insert(place_of(head.id), (name, at));
        }
    }

    fn follow_parked(&mut self, story: &CommittedFrame) {
        for head in show::event_headers(story) {
            if !self.wanted.takes(&head) {
                continue;
            }
            let Some(thread) = self.parked_thread(&head) else { continue };
            let told = RenderedEvent { thread: thread.clone(), ..head.told() };
            self.queue.push(Arc::new(told), Reader::Parked);
            let (held, passing) = self.queue.holds(&thread);
            if held >= if passing { PARKED_HOLDS_MAX } else { 1 } {
                self.parked.pause(&thread);
            }
        }
        for name in self.parked.end() {
            if self.queue.first(&name).is_none() && self.parked.holds_nothing(&name) == After::CaughtUp {
                self.queue.forget(&name);
            }
        }
    }

    /// The parked thread that is read on with this event. One that was parked by an older version has the event's id as its
    /// name. An event of a contact who was erased since may be of any thread of contacts: then it is told once more at most.
    fn parked_thread(&mut self, head: &EventHeader<'_>) -> Option<String> {
        let place = place_of(head.id);
        let erased = head.is_erased().then(|| self.parked.sweeping(show::CONTACTS, place)).flatten();
        let names = [Some(head.thread().into_owned()), Some(head.id.to_string()), erased];
        names.into_iter().flatten().find(|name| self.parked.reads(name, place))
    }

    /// Whether an event is not delivered any more but once more: what is still to be delivered comes anyhow, and in its
    /// order.
    fn is_done_with(&self, head: &EventHeader<'_>) -> bool {
        let (thread, place) = (head.thread(), place_of(head.id));
        let taken = place.0 < self.next || self.live.has_taken(&thread, place);
        taken && !self.pending.contains_key(&place) && self.parked.is_delivered(&thread, place)
    }

    /// Tells once more what was told of these positions, all of which are committed. Returns whether there was room for
    /// that.
    pub fn replay(&mut self, range: Range<Position>) -> bool {
        let room = self.replay.has_room();
        if room {
            self.replay.add(range);
        }
        room
    }

    /// What is replayed just now cannot be read: that replay ends.
    pub fn end_replay(&mut self) {
        self.replay.end();
    }

    /// Nothing before `oldest` is kept any more: replays begin there.
    pub fn replay_from(&mut self, oldest: Position) {
        self.replay.skip_to(oldest);
    }

    /// Whether there is room for one more replay.
    pub fn takes_replays(&self) -> bool {
        self.replay.has_room()
    }

    /// Nothing before `oldest` is told any more, but where somebody asks for it. Returns the first position of which this
    /// endpoint may have lost events by that; none where it has lost nothing.
    pub fn skip_to(&mut self, oldest: Position) -> Option<Position> {
        let (missing, caught_up) = self.parked.skip_to(oldest);
        for name in caught_up {
            self.queue.wake(&name, false);
            self.queue.forget(&name);
        }
        let unread = (self.next < oldest).then_some(self.next);
        self.next = self.next.max(oldest);
        self.live.skip_to(oldest);
        self.live.meet(self.next);
        let missed = unread.into_iter().chain(missing).min();
        // That is noted however short it is, or the next start finds the same gap once more.
        self.since_journaled += usize::from(missed.is_some());
        missed
    }
}
