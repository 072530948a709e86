//! Virtual time: true elapsed time, a wall clock that can be set, and the clocks of a process on top of both.

use offhook::engine::{ACCEPTED_AFTER, Clock, Guard, Step};
use offhook::model::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A wall-clock time and the monotonic time at which it was noted.
pub(crate) type Noted = (Timestamp, Duration);

/// Virtual time that advances on request. Clones share it.
#[derive(Clone)]
pub(crate) struct Time(Arc<Mutex<ClockState>>);

struct ClockState {
    elapsed_ms: u64,
    /// When, in true time, the wall clock was set, and to what.
    set: Vec<(u64, u64)>,
}

impl Time {
    /// Starts at elapsed time zero with the wall clock at `wall`.
    pub(crate) fn new(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(ClockState { elapsed_ms: 0, set: vec![(0, wall.as_ms())] })))
    }

    /// Advances true time.
    pub(crate) fn pass(&self, ms: u64) {
        self.state().elapsed_ms += ms;
    }

    /// Sets the wall clock.
    pub(crate) fn set(&self, wall: Timestamp) {
        let mut state = self.state();
        let now = state.elapsed_ms;
        state.set.push((now, wall.as_ms()));
    }

    /// True time since the beginning.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.state().elapsed_ms
    }

    /// The monotonic clock.
    fn steady(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms())
    }

    /// The wall clock.
    pub(crate) fn wall(&self) -> Timestamp {
        let state = self.state();
        state.wall_at(state.elapsed_ms)
    }

    fn state(&self) -> MutexGuard<'_, ClockState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClockState {
    fn wall_at(&self, ms: u64) -> Timestamp {
        let (set_ms, wall_ms) = self.set.iter().rfind(|(set_ms, _)| *set_ms <= ms).unwrap_or(&self.set[0]);
        Timestamp::from_ms(wall_ms + ms - set_ms)
    }

    /// Times since `read_ms` at which a clock read every second would see a change: shortly before and after the wall
    /// clock was set, and now.
    fn moments_since(&self, read_ms: u64) -> Vec<u64> {
        let around = self.set.iter().flat_map(|(set_ms, _)| [set_ms.saturating_sub(1), set_ms + 1_000]);
        let mut moments: Vec<u64> = around.filter(|ms| (read_ms + 1..self.elapsed_ms).contains(ms)).collect();
        moments.sort_unstable();
        moments.push(self.elapsed_ms);
        moments
    }

    fn was_set_within(&self, from_ms: u64, to_ms: u64) -> bool {
        self.set.iter().any(|(set_ms, _)| (from_ms + 1..=to_ms).contains(set_ms))
    }
}

/// A process's clock: the real guard on virtual time. A real process reads its clock every second; here the reads that
/// matter are made up for later, because stepping every second would be slow.
pub(crate) struct ProcessClock {
    time: Time,
    guard: Guard,
    read_ms: u64,
    jumped: Option<Step>,
}

impl ProcessClock {
    /// The engine's clock. Continues from the time noted in this boot, or starts from the wall clock.
    pub(crate) fn begins(time: &Time, noted: Option<Noted>) -> Self {
        let guard = match noted {
            Some((last, at)) => Guard::new(last, at, Some(ACCEPTED_AFTER)),
            None => Guard::new(time.wall(), time.steady(), Some(ACCEPTED_AFTER)).after_downtime(),
        };
        Self::with(time, guard)
    }

    /// A worker's clock, which follows the journal.
    pub(crate) fn following(time: &Time, at: Timestamp) -> Self {
        Self::with(time, Guard::new(at, time.steady(), None))
    }

    fn with(time: &Time, guard: Guard) -> Self {
        Self { time: time.clone(), guard, read_ms: time.elapsed_ms(), jumped: None }
    }

    /// The time to hand to the next process of this boot.
    pub(crate) fn note(&mut self) -> Noted {
        self.now();
        self.guard.last()
    }
}

impl Clock for ProcessClock {
    fn now(&mut self) -> Timestamp {
        let state = self.time.state();
        let mut last = Timestamp::default();
        for ms in state.moments_since(self.read_ms) {
            // A wall clock that is behind and not set stays behind for a clock read every second.
            let behind = self.guard.last().0 > state.wall_at(self.read_ms);
            let stays = behind && !state.was_set_within(self.read_ms, ms);
            let wall = if stays { Timestamp::default() } else { state.wall_at(ms) };
            let (now, jumped) = self.guard.now(wall, Duration::from_millis(ms));
            (last, self.read_ms) = (now, ms);
            self.jumped = jumped.or(self.jumped);
        }
        last
    }

    fn not_before(&mut self, at: Timestamp) {
        self.guard.not_before(at, self.time.steady());
    }

    fn jumped(&mut self) -> Option<Step> {
        self.jumped.take()
    }

    fn gained(&mut self) -> Option<Step> {
        self.guard.gained()
    }
}
