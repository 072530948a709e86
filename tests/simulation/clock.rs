//! Virtual time: how it passes, what the wall shows, and the engine's clock on top of both.

use offhook::engine::Clock;
use offhook::model::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

/// Time that passes when it is told to. Clones show the same.
#[derive(Clone)]
pub(crate) struct Time(Arc<Mutex<Hands>>);

#[derive(Clone, Copy)]
struct Hands {
    elapsed_ms: u64,
    wall_ms: u64,
}

impl Time {
    /// Nothing has passed, and the wall shows `wall`.
    pub(crate) fn new(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands { elapsed_ms: 0, wall_ms: wall.as_ms() })))
    }

    /// Time passes.
    pub(crate) fn pass(&self, ms: u64) {
        self.change(|hands| *hands = Hands { elapsed_ms: hands.elapsed_ms + ms, wall_ms: hands.wall_ms + ms });
    }

    /// Somebody sets the wall's clock.
    pub(crate) fn set(&self, wall: Timestamp) {
        self.change(|hands| hands.wall_ms = wall.as_ms());
    }

    /// What has truly passed.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.hands().elapsed_ms
    }

    /// What the wall shows.
    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::from_ms(self.hands().wall_ms)
    }

    fn change(&self, change: impl FnOnce(&mut Hands)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn hands(&self) -> Hands {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock of one process, by the rules of `WallClock`: where the wall was set back, time goes on all the same.
pub(crate) struct ProcessClock {
    time: Time,
    last: Timestamp,
    asked_ms: u64,
}

impl ProcessClock {
    /// A process begins.
    pub(crate) fn new(time: &Time) -> Self {
        Self { time: time.clone(), last: Timestamp::default(), asked_ms: time.elapsed_ms() }
    }
}

impl Clock for ProcessClock {
    fn now(&mut self) -> Timestamp {
        let Hands { elapsed_ms, wall_ms } = self.time.hands();
        let wall = Timestamp::from_ms(wall_ms);
        self.last =
            if wall < self.last { Timestamp::from_ms(self.last.as_ms() + elapsed_ms - self.asked_ms) } else { wall };
        self.asked_ms = elapsed_ms;
        self.last
    }

    fn not_before(&mut self, at: Timestamp) {
        self.last = self.last.max(at);
    }
}
