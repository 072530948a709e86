//! Turns at something that peers have us compute.
//!
//! Invariant: who came last has the next turn, and who has waited longest makes room once too many wait. In their order,
//! honest peers would wait behind everybody that a flood has sent ahead of them; and who has waited longest is the nearest
//! to its deadline anyway.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// So many turns at once, and so many that wait for one.
pub(super) struct HandshakeQueue {
    state: Mutex<State>,
    waiting_max: usize,
}

struct State {
    free: usize,
    /// In the order they came.
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// A turn, until it is dropped.
pub(super) struct Turn(Arc<HandshakeQueue>);

impl HandshakeQueue {
    pub(super) fn new(at_once: usize, waiting_max: usize) -> Arc<Self> {
        let state = State { free: at_once, waiting: VecDeque::new() };
        Arc::new(Self { state: Mutex::new(state), waiting_max })
    }

    /// A turn, once there is one; none for who has waited longest while too many others came.
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
        // Where it has gone in this moment its turn is dropped, and so goes on to the next.
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
    fn g20_who_came_last_has_the_next_turn_and_who_waited_longest_makes_room() {
        let turns = HandshakeQueue::new(1, 2);
        let first = there(&mut asks(&turns)).expect("nobody was there before");
        let mut waiting = [asks(&turns), asks(&turns), asks(&turns)];
        assert!(waiting.iter_mut().all(waits));
        assert!(there(&mut waiting[0]).is_none(), "two may wait");
        drop(first);
        assert!(waits(&mut waiting[1]));
        let last = there(&mut waiting[2]).expect("it came last");
        drop(last);
        assert!(there(&mut waiting[1]).is_some(), "nobody has come since");
    }

    #[test]
    fn g20_a_turn_of_who_has_gone_goes_to_the_next() {
        let turns = HandshakeQueue::new(1, 9);
        let first = there(&mut asks(&turns));
        let mut waiting = [asks(&turns), asks(&turns), asks(&turns)];
        assert!(waiting.iter_mut().all(waits));
        let [mut stays, late, gone] = waiting;
        drop(gone);
        drop(first);
        // It was given its turn, and goes before it has seen that.
        drop(late);
        assert!(there(&mut stays).is_some());
        assert!(there(&mut asks(&turns)).is_some(), "the turn is free again");
    }

    type Asks<'a> = Pin<Box<dyn Future<Output = Option<Turn>> + 'a>>;

    fn asks(turns: &Arc<HandshakeQueue>) -> Asks<'_> {
        Box::pin(turns.take())
    }

    fn poll(peer: &mut Asks<'_>) -> Poll<Option<Turn>> {
        peer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn waits(peer: &mut Asks<'_>) -> bool {
        poll(peer).is_pending()
    }

    fn there(peer: &mut Asks<'_>) -> Option<Turn> {
        let Poll::Ready(turn) = poll(peer) else { panic!("it waits") };
        turn
    }
}
