//! The engine for tests: a clock that is set by hand, and a core in memory.

use super::{Clock, Core, Recovered};
use crate::index::{CLAIMS_MAX, Claims, MemoryIndex};
use crate::journal::Journal;
use crate::model::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that shows the time a test sets, and never goes back. Clones show the same time.
pub struct SetClock {
    shown: Arc<AtomicU64>,
    last: Timestamp,
}

impl SetClock {
    /// A clock that shows `time`.
    pub fn at(time: Timestamp) -> Self {
        Self { shown: Arc::new(AtomicU64::new(time.as_ms())), last: Timestamp::default() }
    }

    /// Shows `time` from now on.
    pub fn set(&self, time: Timestamp) {
        self.shown.store(time.as_ms(), Ordering::Relaxed);
    }

    /// Shows a time that is later by `time`.
    pub fn pass(&self, time: Duration) {
        self.set(self.shown() + time);
    }

    /// The time that was set.
    pub fn shown(&self) -> Timestamp {
        Timestamp::from_ms(self.shown.load(Ordering::Relaxed))
    }
}

impl Clone for SetClock {
    /// A clock of another process: what this one has shown does not bind it.
    fn clone(&self) -> Self {
        Self { shown: Arc::clone(&self.shown), last: Timestamp::default() }
    }
}

impl Clock for SetClock {
    fn now(&mut self) -> Timestamp {
        self.last = self.last.max(self.shown());
        self.last
    }

    fn not_before(&mut self, at: Timestamp) {
        self.last = self.last.max(at);
    }
}

impl Core {
    /// A core on this journal, with an index and claims in memory.
    ///
    /// # Panics
    /// If the journal cannot be read.
    pub fn in_memory(journal: impl Journal + 'static, clock: impl Clock + 'static) -> (Self, Recovered) {
        let claims = Claims::in_memory([2; 16], CLAIMS_MAX);
        let recovered = Self::recover(Box::new(journal), Box::new(MemoryIndex::new()), claims, Box::new(clock));
        recovered.expect("memory does not fail")
    }
}
