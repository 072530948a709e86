//! One follower of the journal for all streams: it renders each event once and hands it to the streams that want it.
//!
//! Invariant: a subscriber gets every wanted event that is committed after it subscribed, in order, or its queue is
//! closed after those it got. A stream whose queue is full is not waited for: its client resumes by its cursor.

use super::CHECK_EVERY;
use super::pull::{Wanted, after_frame};
use super::stream::Chunk;
use crate::engine::{Follow, FollowFailed};
use crate::machine::event::CommittedFrame;
use crate::machine::show::{EventHeader, event_headers};
use crate::model::{CallId, EventId, Position};
use crate::observe::{self, NotReady, Readiness};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{interval, sleep};
use tokio_util::task::TaskTracker;

/// Events that may wait for one stream, besides those that its connection holds: a second of a busy gateway.
const QUEUE_MAX: usize = 256;

/// Frames read at a time.
const PAGE: usize = 256;

/// Events of this time are handed out together: to wake up for each commit would cost more than all the rest.
const TOGETHER: Duration = Duration::from_millis(5);

/// The live events. Clones are the same.
#[derive(Clone)]
pub(in crate::http::api) struct LiveEvents(Arc<Shared>);

struct Shared {
    follow: Follow,
    readiness: Readiness,
    tasks: TaskTracker,
    state: Mutex<State>,
}

struct State {
    subscribers: Subscribers,
    /// Whether the follower runs. It does while there are subscribers.
    following: bool,
    /// Everything up to this cursor was handed to the subscribers.
    reached: EventId,
}

/// Those of one call stand apart, so that an event looks only at those that it may concern.
#[derive(Default)]
struct Subscribers {
    of_all: Vec<Subscriber>,
    of_calls: HashMap<CallId, Vec<Subscriber>>,
}

struct Subscriber {
    wanted: Wanted,
    /// Whether the client may see texts.
    texts: bool,
    queue: Sender<Arc<Chunk>>,
}

impl LiveEvents {
    pub(in crate::http::api) fn new(follow: &Follow, readiness: &Readiness, tasks: &TaskTracker) -> Self {
        let state = State { subscribers: Subscribers::default(), following: false, reached: follow.end() };
        let (follow, readiness, tasks) = (follow.clone(), readiness.clone(), tasks.clone());
        Self(Arc::new(Shared { follow, readiness, tasks, state: Mutex::new(state) }))
    }

    /// Subscribes to events that are committed from now on. Some that were committed just before may be among them.
    pub(super) fn subscribe(&self, wanted: Wanted, texts: bool) -> Receiver<Arc<Chunk>> {
        let (queue, events) = mpsc::channel(QUEUE_MAX);
        let mut state = self.state();
        state.subscribers.add(Subscriber { wanted, texts, queue });
        if !state.following {
            state.following = true;
            state.reached = self.0.follow.end();
            self.0.tasks.spawn(self.clone().follow());
        }
        events
    }

    /// Everything up to this cursor is in the queues.
    pub(super) fn reached(&self) -> EventId {
        self.state().reached
    }

    /// Hands new events to the subscribers until there are none, or the gateway stops.
    async fn follow(self) {
        let mut follow = self.0.follow.clone();
        let mut check = interval(CHECK_EVERY);
        loop {
            let next = self.reached().position().next();
            let committed = tokio::select! {
                biased;
                _ = check.tick() => {
                    if self.ends() {
                        return;
                    }
                    continue;
                }
                committed = follow.wait_for(next) => committed,
            };
            let read = match committed {
                Err(stopped) => Err(stopped),
                Ok(()) => frames(&follow, next).await,
            };
            match read {
                Ok(frames) => {
                    frames.iter().for_each(|frame| self.hand_out(frame));
                    sleep(TOGETHER).await;
                }
                Err(failed) => {
                    observe::live_events_failed(&failed.to_string());
                    return self.close();
                }
            }
        }
    }

    /// Whether the follower ends: because nobody listens, or because the gateway stops, which ends all streams.
    fn ends(&self) -> bool {
        let mut state = self.state();
        if self.0.readiness.holds(NotReady::Draining) {
            state.subscribers = Subscribers::default();
        }
        state.subscribers.forget_closed();
        state.following = !state.subscribers.is_empty();
        !state.following
    }

    fn close(&self) {
        let mut state = self.state();
        state.subscribers = Subscribers::default();
        state.following = false;
    }

    fn hand_out(&self, frame: &CommittedFrame) {
        let mut state = self.state();
        event_headers(frame).for_each(|event| state.subscribers.hand_out(&event));
        state.reached = after_frame(frame);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscribers {
    fn add(&mut self, subscriber: Subscriber) {
        match &subscriber.wanted.call {
            None => self.of_all.push(subscriber),
            Some(call) => self.of_calls.entry(call.clone()).or_default().push(subscriber),
        }
    }

    fn is_empty(&self) -> bool {
        self.of_all.is_empty() && self.of_calls.is_empty()
    }

    fn forget_closed(&mut self) {
        let open = |subscriber: &Subscriber| !subscriber.queue.is_closed();
        self.of_all.retain(open);
        self.of_calls.retain(|_, subscribers| {
            subscribers.retain(open);
            !subscribers.is_empty()
        });
    }

    fn hand_out(&mut self, event: &EventHeader<'_>) {
        // With texts and without.
        let mut rendered = [None, None];
        let mut hand_to = |subscriber: &mut Subscriber| {
            if !subscriber.wanted.takes(event) {
                return true;
            }
            let texts = subscriber.texts;
            let chunk = &mut rendered[usize::from(texts)];
            let chunk = chunk.get_or_insert_with(|| Arc::new(Chunk::of(&event.render(), texts)));
            match subscriber.queue.try_send(Arc::clone(chunk)) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Closed(_)) => false,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    observe::stream_cut();
                    false
                }
            }
        };
        self.of_all.retain_mut(&mut hand_to);
        if let Some(subscribers) = event.call().and_then(|call| self.of_calls.get_mut(call)) {
            subscribers.retain_mut(&mut hand_to);
        }
    }
}

/// The committed frames from `next` on, from memory if they are there.
async fn frames(follow: &Follow, next: Position) -> Result<Vec<Arc<CommittedFrame>>, FollowFailed> {
    if let Some(frames) = follow.recent(next, PAGE) {
        return Ok(frames);
    }
    let follow = follow.clone();
    let read = tokio::task::spawn_blocking(move || follow.read(follow.past_gap(next), PAGE)).await;
    read.unwrap_or(Err(FollowFailed::Stopped))
}
