//! A bounded LIFO queue for handshakes.
//!
//! Invariant: the newest waiter gets the next turn, and the oldest is dropped once too many wait. In FIFO order, honest
//! peers would wait behind a whole flood; and the oldest waiter is the nearest to its deadline anyway.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// A limited number of concurrent turns, and a limited number of waiters.
pub(super) struct HandshakeQueue {
    state: Mutex<State>,
    waiting_max: usize,
}

struct State {
    free: usize,
    /// In order of arrival.
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// A turn, released when dropped.
pub(super) struct Turn(Arc<HandshakeQueue>);

impl HandshakeQueue {
    pub(super) fn new(at_once: usize, waiting_max: usize) -> Arc<Self> {
        let state = State { free: at_once, waiting: VecDeque::new() };
        Arc::new(Self { state: Mutex::new(state), waiting_max })
    }

    /// Waits for a turn. Returns `None` if this waiter was the oldest when the queue overflowed.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Turn> {
        let turn = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Some(Turn(Arc::clone(self)));
            }
            let (waiting, turn) = oneshot::channel();
            state.waiting.push_back(waiting);
            if state.waiting.len() > self.waiting_max {
                state.waiting.pop_front();
            }
            turn
        };
        turn.await.ok()
    }

    fn pass_on(self: &Arc<Self>) {
        let next = {
            let mut state = self.state();
            loop {
                match state.waiting.pop_back() {
                    Some(gone) if gone.is_closed() => {}
                    Some(next) => break next,
                    None => {
                        state.free += 1;
                        return;
                    }
                }
            }
        };
        // If the waiter has just disconnected, dropping the turn passes it to the next one.
        let _gone = next.send(Turn(Arc::clone(self)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn g20_the_newest_waiter_gets_the_next_turn_and_the_oldest_is_dropped() {
        let turns = HandshakeQueue::new(1, 2);
        let first = ready(&mut begin_take(&turns)).expect("the first turn is free");
        let mut waiting = [begin_take(&turns), begin_take(&turns), begin_take(&turns)];
        assert!(waiting.iter_mut().all(is_waiting));
        assert!(ready(&mut waiting[0]).is_none(), "two may wait");
        drop(first);
        assert!(is_waiting(&mut waiting[1]));
        let last = ready(&mut waiting[2]).expect("the newest is next");
        drop(last);
        assert!(ready(&mut waiting[1]).is_some(), "no newer one waits");
    }

    #[test]
    fn g20_the_turn_of_a_disconnected_waiter_goes_to_the_next() {
        let turns = HandshakeQueue::new(1, 9);
        let first = ready(&mut begin_take(&turns));
        let mut waiting = [begin_take(&turns), begin_take(&turns), begin_take(&turns)];
        assert!(waiting.iter_mut().all(is_waiting));
        let [mut stays, late, gone] = waiting;
        drop(gone);
        drop(first);
        // It was given its turn, and is dropped before it was polled again.
        drop(late);
        assert!(ready(&mut stays).is_some());
        assert!(ready(&mut begin_take(&turns)).is_some(), "the turn is free again");
    }

    type Taking<'a> = Pin<Box<dyn Future<Output = Option<Turn>> + 'a>>;

    fn begin_take(turns: &Arc<HandshakeQueue>) -> Taking<'_> {
        Box::pin(turns.take())
    }

    fn poll(peer: &mut Taking<'_>) -> Poll<Option<Turn>> {
        peer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn is_waiting(peer: &mut Taking<'_>) -> bool {
        poll(peer).is_pending()
    }

    fn ready(peer: &mut Taking<'_>) -> Option<Turn> {
        let Poll::Ready(turn) = poll(peer) else { panic!("still waiting") };
        turn
    }
}
