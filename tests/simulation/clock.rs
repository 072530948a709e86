//! Virtual time: how it passes, what the wall shows, and the clocks of a process on top of both.

use offhook::engine::{BELIEVED_AFTER, Clock, Guard, Step};
use offhook::model::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What time it was when the steady clock showed what.
pub(crate) type Noted = (Timestamp, Duration);

/// Time that passes when it is told to. Clones show the same.
#[derive(Clone)]
pub(crate) struct Time(Arc<Mutex<Hands>>);

struct Hands {
    elapsed_ms: u64,
    /// What the wall was set to, and when in true time.
    set: Vec<(u64, u64)>,
}

impl Time {
    /// Nothing has passed, and the wall shows `wall`.
    pub(crate) fn new(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands { elapsed_ms: 0, set: vec![(0, wall.as_ms())] })))
    }

    /// Time passes.
    pub(crate) fn pass(&self, ms: u64) {
        self.hands().elapsed_ms += ms;
    }

    /// Somebody sets the wall's clock.
    pub(crate) fn set(&self, wall: Timestamp) {
        let mut hands = self.hands();
        let now = hands.elapsed_ms;
        hands.set.push((now, wall.as_ms()));
    }

    /// What has truly passed.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.hands().elapsed_ms
    }

    /// The same, as the clock that nobody can set shows it.
    fn steady(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms())
    }

    /// What the wall shows.
    pub(crate) fn wall(&self) -> Timestamp {
        let hands = self.hands();
        hands.wall_at(hands.elapsed_ms)
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands {
    fn wall_at(&self, ms: u64) -> Timestamp {
        let (set_ms, wall_ms) = self.set.iter().rfind(|(set_ms, _)| *set_ms <= ms).unwrap_or(&self.set[0]);
        Timestamp::from_ms(wall_ms + ms - set_ms)
    }

    /// Moments at which somebody who asks every second learns something new, from the last in which somebody asked until
    /// now: shortly before and after the wall was set.
    fn moments_since(&self, asked_ms: u64) -> Vec<u64> {
        let around = self.set.iter().flat_map(|(set_ms, _)| [set_ms.saturating_sub(1), set_ms + 1_000]);
        let mut moments: Vec<u64> = around.filter(|ms| (asked_ms + 1..self.elapsed_ms).contains(ms)).collect();
        moments.sort_unstable();
        moments.push(self.elapsed_ms);
        moments
    }

    fn was_set_within(&self, from_ms: u64, to_ms: u64) -> bool {
        self.set.iter().any(|(set_ms, _)| (from_ms + 1..=to_ms).contains(set_ms))
    }
}

/// A clock of one process: the guard that the real one has, on virtual time. In a process something asks every second;
/// here it is made up for, because a world that stopped every second would be slow.
pub(crate) struct ProcessClock {
    time: Time,
    guard: Guard,
    asked_ms: u64,
    jumped: Option<Step>,
}

impl ProcessClock {
    /// The engine's, which goes on from what was noted in this boot of the machine, or from the wall.
    pub(crate) fn begins(time: &Time, noted: Option<Noted>) -> Self {
        let guard = match noted {
            Some((last, at)) => Guard::new(last, at, Some(BELIEVED_AFTER)),
            None => Guard::new(time.wall(), time.steady(), Some(BELIEVED_AFTER)).rested(),
        };
        Self::with(time, guard)
    }

    /// A worker's, which follows the journal.
    pub(crate) fn following(time: &Time, at: Timestamp) -> Self {
        Self::with(time, Guard::new(at, time.steady(), None))
    }

    fn with(time: &Time, guard: Guard) -> Self {
        Self { time: time.clone(), guard, asked_ms: time.elapsed_ms(), jumped: None }
    }

    /// What the next process of this boot is to know.
    pub(crate) fn note(&mut self) -> Noted {
        self.now();
        self.guard.last()
    }
}

impl Clock for ProcessClock {
    fn now(&mut self) -> Timestamp {
        let hands = self.time.hands();
        let mut told = Timestamp::default();
        for ms in hands.moments_since(self.asked_ms) {
            // A wall that is behind, and that nobody sets, stays behind for who asks every second.
            let behind = self.guard.last().0 > hands.wall_at(self.asked_ms);
            let stays = behind && !hands.was_set_within(self.asked_ms, ms);
            let wall = if stays { Timestamp::default() } else { hands.wall_at(ms) };
            let (now, jumped) = self.guard.now(wall, Duration::from_millis(ms));
            (told, self.asked_ms) = (now, ms);
            self.jumped = jumped.or(self.jumped);
        }
        told
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
