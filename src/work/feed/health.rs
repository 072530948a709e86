//! Whether an endpoint takes anything at all, and what is done while it does not.
//!
//! Invariant: an endpoint that takes nothing is asked again within minutes, for as long as it takes; nothing but a
//! delivery that passes ends its pause, and a delivery that passes always does.

use crate::model::EventId;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::time::Duration;

/// Waits after failures, in seconds; the last repeats. An event is never given up.
const SCHEDULE_SECS: [u64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

/// Waits between looks at an endpoint that is paused, in seconds; the last repeats.
const PROBES_SECS: [u64; 3] = [5, 300, 600];

/// After so long without a success the endpoint is at fault and not the event.
const TROUBLE_AFTER: Duration = Duration::from_secs(60);

/// After so long without a success it counts as paused.
const PAUSED_AFTER: Duration = Duration::from_secs(60 * 60);

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
    /// Looks at it since it was paused.
    probes: u32,
    /// When to look again; none while one is under way.
    probe_at: Option<Duration>,
    /// It asked for some quiet.
    held_until: Option<Duration>,
    /// Whose delivery failed last.
    failed: String,
}

impl Health {
    /// A delivery passed: the endpoint is there.
    pub(super) fn passed(&mut self) {
        let successes = self.successes + 1;
        *self = Self { successes, held_until: self.held_until, ..Self::default() };
    }

    /// A delivery of `thread` failed; `gone`: with a 410. `alone`: the endpoint took others since it first failed, so that
    /// says nothing of the endpoint. Returns whether the endpoint seems to be at fault, because nothing has passed for so
    /// long.
    pub(super) fn failed(&mut self, thread: &str, id: EventId, gone: bool, alone: bool, now: Duration) -> bool {
        thread.clone_into(&mut self.failed);
        if alone && !self.gone {
            return false;
        }
        let since = *self.failing_since.get_or_insert(now);
        if gone && !self.gone {
            (self.gone, self.probe_at) = (true, None);
        }
        if !self.gone {
            let last = u32::try_from(PROBES_SECS.len()).unwrap_or(u32::MAX);
            self.probe_at = Some((since + PAUSED_AFTER).max(now + spread(&PROBES_SECS, last, id)));
        } else if self.probe_at.is_none() {
            self.probes += 1;
            self.probe_at = Some(now + spread(&PROBES_SECS, self.probes, id));
        }
        now - since >= TROUBLE_AFTER
    }

    /// It asked for some quiet.
    pub(super) fn hold(&mut self, now: Duration, wish: Duration) {
        let until = now + wish.min(HOLD_MAX);
        self.held_until = self.held_until.max(Some(until));
    }

    /// Whether nothing may be begun because it asked for quiet.
    pub(super) fn held(&mut self, now: Duration) -> bool {
        self.held_until = self.held_until.filter(|until| now < *until);
        self.held_until.is_some()
    }

    /// Whether it said that it is gone: until it takes something again it is only looked at.
    pub(super) fn gone(&self) -> bool {
        self.gone
    }

    /// Whether some delivery failed and none has passed since.
    pub(super) fn failing(&self) -> bool {
        self.failing_since.is_some()
    }

    /// Whether people should look: it is gone, or has taken nothing for an hour.
    pub(super) fn paused(&self, now: Duration) -> bool {
        self.gone || self.failing_since.is_some_and(|since| now.saturating_sub(since) >= PAUSED_AFTER)
    }

    /// Whether it is time to look whether the endpoint is back. Says so once.
    pub(super) fn probe(&mut self, now: Duration) -> bool {
        let due = self.probe_at.map_or(self.gone, |at| at <= now);
        if due {
            self.probe_at = None;
        }
        due
    }

    /// Whose delivery failed last.
    pub(super) fn last_failed(&self) -> &str {
        &self.failed
    }

    /// Until when it wants quiet.
    pub(super) fn held_until(&self) -> Option<Duration> {
        self.held_until
    }

    /// When to look again; none while nothing has failed, or while a look is under way.
    pub(super) fn probe_at(&self) -> Option<Duration> {
        self.probe_at
    }
}

/// The wait of an event after so many failures.
pub(super) fn wait(id: EventId, failures: u32) -> Duration {
    spread(&SCHEDULE_SECS, failures, id)
}

/// The `nth` of some waits, ± 20 %, spread by a hash so that a thousand calls do not come back at once.
fn spread(secs: &[u64], nth: u32, id: EventId) -> Duration {
    let step = (nth.max(1) as usize - 1).min(secs.len() - 1);
    let mut hasher = SipHasher13::new();
    hasher.write(&id.key());
    hasher.write_u32(nth);
    let permille = 800 + hasher.finish() % 401;
    Duration::from_millis(secs[step] * permille)
}
