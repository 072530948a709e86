//! Whether an endpoint accepts events at all: its circuit breaker and its back-off.
//!
//! Invariant: an endpoint is down from a failure that concerns the whole endpoint until a delivery succeeds. While it
//! is down, only probes are sent, after 1, 2, 4 and then every 5 seconds; the first success ends that state.

use crate::model::EventId;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::time::Duration;

/// Retry delays of an event that an endpoint refuses while it accepts others, in seconds; the last repeats. Events are
/// never given up.
const SCHEDULE_SECS: [u64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

/// Intervals between probes of an endpoint that is down, in seconds; the last repeats.
const PROBES_SECS: [u64; 4] = [1, 2, 4, 5];

/// An endpoint without a success for this long is shown as paused.
const PAUSED_AFTER: Duration = Duration::from_secs(10);

/// The longest pause of all deliveries that one response can cause.
const HOLD_MAX: Duration = Duration::from_secs(60);

/// The state of one endpoint, from its responses.
#[derive(Default)]
pub(super) struct Health {
    /// Successful deliveries.
    pub(super) successes: u64,
    /// When the first failure since the last success happened.
    failing_since: Option<Duration>,
    /// The endpoint answered 410, and has accepted nothing since.
    gone: bool,
    /// The time of the next probe, while the endpoint is down.
    probe_at: Option<Duration>,
    /// Probes sent since the endpoint went down.
    probes: usize,
    /// The end of the pause that the endpoint asked for.
    held_until: Option<Duration>,
}

impl Health {
    /// A delivery succeeded: the endpoint is up.
    pub(super) fn passed(&mut self) {
        let successes = self.successes + 1;
        *self = Self { successes, held_until: self.held_until, ..Self::default() };
    }

    /// A delivery failed for a reason that concerns the whole endpoint: it is down.
    pub(super) fn failed(&mut self, gone: bool, now: Duration) {
        self.failing_since.get_or_insert(now);
        self.gone |= gone;
        self.probe_at.get_or_insert(now + Duration::from_secs(PROBES_SECS[0]));
    }

    /// The endpoint is up and asks for a pause.
    pub(super) fn hold(&mut self, now: Duration, retry_after: Duration) {
        self.failing_since.get_or_insert(now);
        let until = now + retry_after.min(HOLD_MAX);
        self.held_until = self.held_until.max(Some(until));
    }

    /// Whether a pause that the endpoint asked for is in effect.
    pub(super) fn held(&mut self, now: Duration) -> bool {
        self.held_until = self.held_until.filter(|until| now < *until);
        self.held_until.is_some()
    }

    /// Whether the endpoint is down, so that it is only probed.
    pub(super) fn is_down(&self) -> bool {
        self.probe_at.is_some()
    }

    /// Whether a delivery failed and none has succeeded since.
    pub(super) fn failing(&self) -> bool {
        self.failing_since.is_some()
    }

    /// Whether an operator should look: the endpoint is gone, or has accepted nothing for ten seconds.
    pub(super) fn paused(&self, now: Duration) -> bool {
        self.gone || self.failing_since.is_some_and(|since| now.saturating_sub(since) >= PAUSED_AFTER)
    }

    /// A probe is sent.
    pub(super) fn probes(&mut self, now: Duration) {
        self.probes += 1;
        let secs = PROBES_SECS[self.probes.min(PROBES_SECS.len() - 1)];
        self.probe_at = Some(now + Duration::from_secs(secs));
    }

    /// The end of the pause that the endpoint asked for.
    pub(super) fn held_until(&self) -> Option<Duration> {
        self.held_until
    }

    /// The time of the next probe, while the endpoint is down.
    pub(super) fn probe_at(&self) -> Option<Duration> {
        self.probe_at
    }
}

/// The retry delay of an event after this many failures at an endpoint that accepts others: ± 20 %, spread by a hash so
/// that a thousand calls are not retried at the same time.
pub(super) fn wait(id: EventId, failures: u32) -> Duration {
    let step = (failures.max(1) as usize - 1).min(SCHEDULE_SECS.len() - 1);
    let mut hasher = SipHasher13::new();
    hasher.write(&id.key());
    hasher.write_u32(failures);
    let permille = 800 + hasher.finish() % 401;
    Duration::from_millis(SCHEDULE_SECS[step] * permille)
}
