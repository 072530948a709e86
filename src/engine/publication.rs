//! Keeps rows, directory and committed position in step for readers that name the position they read at.
//!
//! Invariant: while such a reader reads, no batch becomes visible, so what it sees is the state after exactly the frames
//! up to the committed position. The engine waits for readers only a moment: one that takes longer may also see a part
//! of later batches.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the engine waits for readers before a batch becomes visible. A page of rows takes a millisecond or two.
/// Tests wait longer, because a busy machine may stop a reader in between.
const READERS_WITHIN: Duration = if cfg!(test) { Duration::from_secs(60) } else { Duration::from_millis(20) };

#[derive(Default)]
pub(super) struct Publication {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    readers: usize,
    publishing: bool,
}

impl Publication {
    /// Reads between two batches.
    pub(super) fn read<T>(&self, read: impl FnOnce() -> T) -> T {
        let state = self.changed.wait_while(self.state(), |state| state.publishing);
        state.unwrap_or_else(PoisonError::into_inner).readers += 1;
        let _reading = Reading(self);
        read()
    }

    /// Waits for readers, at most [`READERS_WITHIN`]; until the guard is dropped, new ones wait.
    pub(super) fn publish(&self) -> Publishing<'_> {
        self.publish_within(READERS_WITHIN)
    }

    fn publish_within(&self, patience: Duration) -> Publishing<'_> {
        let mut state = self.state();
        state.publishing = true;
        drop(self.changed.wait_timeout_while(state, patience, |state| state.readers > 0));
        Publishing(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader; it ends also by a panic.
struct Reading<'a>(&'a Publication);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.readers -= 1;
        if state.readers == 0 {
            self.0.changed.notify_all();
        }
    }
}

/// A batch becomes visible.
pub(super) struct Publishing<'a>(&'a Publication);

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        self.0.state().publishing = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    #[test]
    fn a_batch_becomes_visible_only_between_reads() {
        let (publication, visible) = (Publication::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            publication.read(|| {
                scope.spawn(|| {
                    let _publishing = publication.publish();
                    visible.store(true, Ordering::SeqCst);
                });
                while !publication.state().publishing {
                    thread::yield_now();
                }
                (0..1_000).for_each(|_| thread::yield_now());
                assert!(!visible.load(Ordering::SeqCst));
            });
        });
        assert!(publication.read(|| visible.load(Ordering::SeqCst)));
    }

    #[test]
    fn a_read_waits_while_a_batch_becomes_visible() {
        let (publication, visible) = (Publication::default(), AtomicBool::new(false));
        let publishing = publication.publish();
        thread::scope(|scope| {
            let reader = scope.spawn(|| publication.read(|| visible.load(Ordering::SeqCst)));
            (0..1_000).for_each(|_| thread::yield_now());
            visible.store(true, Ordering::SeqCst);
            drop(publishing);
            assert!(reader.join().unwrap());
        });
    }

    #[test]
    fn a_slow_reader_delays_a_batch_only_a_moment_and_a_panicking_one_not_at_all() {
        let publication = Publication::default();
        publication.read(|| drop(publication.publish_within(Duration::from_millis(1))));
        let panicked = catch_unwind(AssertUnwindSafe(|| publication.read(|| panic!("a test"))));
        assert!(panicked.is_err());
        assert_eq!(publication.state().readers, 0);
    }
}
