//! The circuit breaker of a carrier account: when it opens, and when it lets a probe through (A64).

use crate::model::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// This many consecutive failures within `WITHIN` pause an account.
const FAILURES: usize = 5;

const WITHIN: Duration = Duration::from_secs(10);

/// Backoff before each probe, in seconds; the last value repeats.
const PROBES_SECS: [u64; 6] = [1, 2, 4, 8, 16, 30];

/// Maximum number of requests in flight per account. The limit is per account, so a slow one does not block others.
pub const IN_FLIGHT_MAX: usize = 64;

/// Maximum number of requests in flight: one probe for a paused account (after the pause ends), else [`IN_FLIGHT_MAX`].
pub fn in_flight_max(paused: bool) -> usize {
    if paused { 1 } else { IN_FLIGHT_MAX }
}

/// The breaker state of an account. An account that works has none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BreakerState {
    /// Times of the latest failures, oldest first; at most as many as the breaker counts.
    pub failed_at: Vec<Timestamp>,
    /// The pause, if the breaker is open.
    pub paused: Option<Paused>,
}

/// The pause of an account whose breaker is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paused {
    /// When the pause began.
    pub since: Timestamp,
    /// When one request may probe the account.
    pub until: Timestamp,
    /// Number of failed probes.
    pub probes: u32,
}

/// Why an account fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The carrier is unreachable, does not answer, or answers with server errors.
    CarrierFailing,
    /// The carrier rejects the account: its credentials, its address, or because the account is suspended. No text can
    /// be sent from it until an operator acts.
    CredentialsRefused,
}

impl Reason {
    /// The general description, used if no details are known.
    pub fn detail(self) -> &'static str {
        match self {
            Self::CarrierFailing => "the carrier cannot be reached, does not answer, or fails",
            Self::CredentialsRefused => "the carrier refuses the account: check its credentials",
        }
    }
}

/// Why an account fails, with an explanation for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    /// The reason as a code.
    pub reason: Reason,
    /// What happened and what to check. Contains no message content.
    pub detail: String,
}

impl Default for Cause {
    /// The cause of failures in older records, which did not store one.
    fn default() -> Self {
        let reason = Reason::CarrierFailing;
        Self { reason, detail: reason.detail().to_owned() }
    }
}

/// The state after one more failure (no answer, a broken one, connection refused, 5xx) of a request that began at
/// `began`.
pub fn failed(before: Option<BreakerState>, began: Timestamp, now: Timestamp) -> BreakerState {
    let mut state = before.unwrap_or_default();
    if let Some(paused) = &mut state.paused {
        probe_failed(paused, began, now);
        return state;
    }
    state.failed_at.push(now);
    if state.failed_at.len() > FAILURES {
        state.failed_at.remove(0);
    }
    let in_a_row = state.failed_at.len() == FAILURES;
    if in_a_row && state.failed_at.first().is_some_and(|first| now.since(*first) <= WITHIN) {
        state.paused = Some(Paused { since: now, until: now + wait(0), probes: 0 });
    }
    state
}

/// The state after the carrier rejected the account in response to a request that began at `began`. One such response
/// pauses the account, because each further text would get the same.
pub fn refused(before: Option<BreakerState>, began: Timestamp, now: Timestamp) -> BreakerState {
    let mut state = before.unwrap_or_default();
    match &mut state.paused {
        Some(paused) => probe_failed(paused, began, now),
        None => state.paused = Some(Paused { since: now, until: now + wait(0), probes: 0 }),
    }
    state
}

/// The state of a paused account after its configuration changed: it is probed immediately, and the backoff starts
/// over. Requests already in flight do not count as probes. `None` if the account is not paused.
pub fn tried_at_once(before: &BreakerState, now: Timestamp) -> Option<BreakerState> {
    let paused = before.paused.map(|paused| Paused { until: now, probes: 0, ..paused })?;
    Some(BreakerState { paused: Some(paused), ..before.clone() })
}

/// Counts a failed probe. A request that began before the pause ended is not a probe and is ignored.
fn probe_failed(paused: &mut Paused, began: Timestamp, now: Timestamp) {
    if paused.until <= began {
        paused.probes += 1;
        paused.until = now + wait(paused.probes);
    }
}

fn wait(probes: u32) -> Duration {
    let step = (probes as usize).min(PROBES_SECS.len() - 1);
    Duration::from_secs(PROBES_SECS[step])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + secs * 1_000)
    }

    /// The state of an account that failed at these seconds.
    fn after(secs: &[u64]) -> BreakerState {
        secs.iter().fold(None, |state, secs| Some(failed(state, at(*secs), at(*secs)))).unwrap()
    }

    #[test]
    fn a64_five_consecutive_failures_within_ten_seconds_pause_an_account() {
        assert_eq!(after(&[0, 1, 2, 3]).paused, None);
        assert_eq!(after(&[0, 1, 2, 3, 10]).paused, Some(Paused { since: at(10), until: at(11), probes: 0 }));
        assert_eq!(after(&[0, 1, 2, 3, 11]).paused, None, "they are too far apart");
        assert!(after(&[0, 1, 2, 3, 11, 11]).paused.is_some(), "but these are not");
    }

    #[test]
    fn a64_each_failed_probe_doubles_the_wait_up_to_thirty_seconds() {
        let mut state = after(&[0, 0, 0, 0, 0]);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let probe = state.paused.unwrap().until;
            state = failed(Some(state), probe, probe);
            waits.push(state.paused.unwrap().until.since(probe).as_secs());
        }
        assert_eq!(waits, [2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn f06_one_rejection_pauses_an_account_with_probes_after_1_to_30_s() {
        let mut state = refused(None, at(0), at(0));
        let mut waits = vec![state.paused.unwrap().until.since(at(0)).as_secs()];
        for _ in 0..6 {
            let probe = state.paused.unwrap().until;
            state = refused(Some(state), probe, probe);
            waits.push(state.paused.unwrap().until.since(probe).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        let late = refused(Some(state.clone()), at(0), at(500));
        assert_eq!(late, state, "a request from before the pause is not a probe");
    }

    #[test]
    fn f06_a_reload_probes_paused_accounts_immediately() {
        let state = after(&[0, 0, 0, 0, 0]);
        let now = tried_at_once(&state, at(0)).unwrap();
        assert_eq!(now.paused, Some(Paused { since: at(0), until: at(0), probes: 0 }));
        assert_eq!(tried_at_once(&after(&[0]), at(1)), None);
    }

    #[test]
    fn a64_requests_in_flight_when_the_pause_began_are_not_probes() {
        let state = after(&[0, 0, 0, 0, 0]);
        assert_eq!(failed(Some(state.clone()), at(0), at(0)), state);
        assert_eq!(failed(Some(state.clone()), at(0), at(15)), state, "nor when it times out much later");
    }
}
