//! Whether an endpoint takes anything at all, and what is done while it does not.
//!
//! Invariant: an endpoint is down from a failure that says so until a delivery passes. While it is down nothing is
//! delivered but probes, one after 1, 2, 4 and then every 5 seconds; the first delivery that passes opens it.

use crate::model::EventId;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::time::Duration;

/// Waits of an event that an endpoint refuses while it takes others, in seconds; the last repeats. An event is never
/// given up.
const SCHEDULE_SECS: [u64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

/// From one probe of an endpoint that is down to the next, in seconds; the last repeats.
const PROBES_SECS: [u64; 4] = [1, 2, 4, 5];

/// After so long without a success people should look.
const PAUSED_AFTER: Duration = Duration::from_secs(10);

/// The longest that one answer holds back all others.
const HOLD_MAX: Duration = Duration::from_secs(60);

/// What an endpoint's answers say of the endpoint.
#[derive(Default)]
pub(super) struct Health {
    /// Deliveries that passed.
    pub(super) successes: u64,
    /// Since when none has.
    failing_since: Option<Duration>,
    /// It said that it is gone, and has taken nothing since.
    gone: bool,
    /// When to probe it next, while it is down.
    probe_at: Option<Duration>,
    /// Probes since it is down.
    probes: usize,
    /// It asked for some quiet.
    held_until: Option<Duration>,
}

impl Health {
    /// A delivery passed: the endpoint is there.
    pub(super) fn passed(&mut self) {
        let successes = self.successes + 1;
        *self = Self { successes, held_until: self.held_until, ..Self::default() };
    }

    /// The endpoint did not take an event, and as far as we know would not have taken another: it is down.
    pub(super) fn failed(&mut self, gone: bool, now: Duration) {
        self.failing_since.get_or_insert(now);
        self.gone |= gone;
        self.probe_at.get_or_insert(now + Duration::from_secs(PROBES_SECS[0]));
    }

    /// The endpoint is there and asks for some quiet.
    pub(super) fn hold(&mut self, now: Duration, wish: Duration) {
        self.failing_since.get_or_insert(now);
        let until = now + wish.min(HOLD_MAX);
        self.held_until = self.held_until.max(Some(until));
    }

    /// Whether nothing may be begun because it asked for quiet.
    pub(super) fn held(&mut self, now: Duration) -> bool {
        self.held_until = self.held_until.filter(|until| now < *until);
        self.held_until.is_some()
    }

    /// Whether it takes nothing: until it does it is only probed.
    pub(super) fn is_down(&self) -> bool {
        self.probe_at.is_some()
    }

    /// Whether some delivery failed and none has passed since.
    pub(super) fn failing(&self) -> bool {
        self.failing_since.is_some()
    }

    /// Whether people should look: it is gone, or has taken nothing for ten seconds.
    pub(super) fn paused(&self, now: Duration) -> bool {
        self.gone || self.failing_since.is_some_and(|since| now.saturating_sub(since) >= PAUSED_AFTER)
    }

    /// A probe begins.
    pub(super) fn probes(&mut self, now: Duration) {
        self.probes += 1;
        let secs = PROBES_SECS[self.probes.min(PROBES_SECS.len() - 1)];
        self.probe_at = Some(now + Duration::from_secs(secs));
    }

    /// Until when it wants quiet.
    pub(super) fn held_until(&self) -> Option<Duration> {
        self.held_until
    }

    /// When to probe it next, while it is down.
    pub(super) fn probe_at(&self) -> Option<Duration> {
        self.probe_at
    }
}

/// The wait of an event that was refused so often by an endpoint that takes others: ± 20 %, spread by a hash so that a
/// thousand calls do not come back at once.
pub(super) fn wait(id: EventId, failures: u32) -> Duration {
    let step = (failures.max(1) as usize - 1).min(SCHEDULE_SECS.len() - 1);
    let mut hasher = SipHasher13::new();
    hasher.write(&id.key());
    hasher.write_u32(failures);
    let permille = 800 + hasher.finish() % 401;
    Duration::from_millis(SCHEDULE_SECS[step] * permille)
}
