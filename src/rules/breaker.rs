//! When a carrier's account is left alone for a while, and when it is tried again (A64).

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Failures in a row that pause an account, if they lie no further apart than `WITHIN`.
const FAILURES: usize = 5;

const WITHIN: Duration = Duration::from_secs(10);

/// The waits before each probe, in seconds; the last repeats.
const PROBES_SECS: [u64; 6] = [1, 2, 4, 8, 16, 30];

/// Requests that may be under way at one account. A slow account fills its own, and nobody else's.
pub const IN_FLIGHT_MAX: usize = 64;

/// Requests that may be under way at an account that is paused or not: once its pause is over, one tries whether it works.
pub fn room(paused: bool) -> usize {
    if paused { 1 } else { IN_FLIGHT_MAX }
}

/// What is held against an account. One that works has none.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BreakerState {
    /// When it failed last, oldest first; no more than are needed.
    pub failed_at: Vec<Timestamp>,
    /// It is paused.
    pub paused: Option<Paused>,
}

/// An account that is left alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Paused {
    /// Since when.
    pub since: Timestamp,
    /// When one request may try whether it works again.
    pub until: Timestamp,
    /// Probes that failed.
    pub probes: u32,
}

/// Why an account fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its carrier cannot be reached, does not answer, or answers with errors of its own.
    CarrierFailing,
    /// Its carrier refuses the account: the credentials, the address, or because it suspended the account. No text of it
    /// can go out until somebody acts.
    CredentialsRefused,
}

impl Reason {
    /// What happened, where nothing more is known of it.
    pub fn detail(self) -> &'static str {
        match self {
            Self::CarrierFailing => "the carrier cannot be reached, does not answer, or fails",
            Self::CredentialsRefused => "the carrier refuses the account: check its credentials",
        }
    }
}

/// Why an account fails, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// In a word.
    pub reason: Reason,
    /// What happened and what to check; nothing of a message.
    pub detail: String,
}

impl Default for Cause {
    /// What is known of an account whose failure was noted without a cause, before that was noted.
    fn default() -> Self {
        let reason = Reason::CarrierFailing;
        Self { reason, detail: reason.detail().to_owned() }
    }
}

/// What is held against an account after one more failure of a request that began at `began`: no answer, a broken one, a
/// connection refused, a 5xx.
pub fn failed(before: Option<BreakerState>, began: Timestamp, now: Timestamp) -> BreakerState {
    let mut trouble = before.unwrap_or_default();
    if let Some(paused) = &mut trouble.paused {
        probe_failed(paused, began, now);
        return trouble;
    }
    trouble.failed_at.push(now);
    if trouble.failed_at.len() > FAILURES {
        trouble.failed_at.remove(0);
    }
    let in_a_row = trouble.failed_at.len() == FAILURES;
    if in_a_row && trouble.failed_at.first().is_some_and(|first| now.since(*first) <= WITHIN) {
        trouble.paused = Some(Paused { since: now, until: now + wait(0), probes: 0 });
    }
    trouble
}

/// What is held against an account whose carrier has refused it in the answer to a request that began at `began`. One such
/// answer pauses it: each further text would get the same.
pub fn refused(before: Option<BreakerState>, began: Timestamp, now: Timestamp) -> BreakerState {
    let mut trouble = before.unwrap_or_default();
    match &mut trouble.paused {
        Some(paused) => probe_failed(paused, began, now),
        None => trouble.paused = Some(Paused { since: now, until: now + wait(0), probes: 0 }),
    }
    trouble
}

/// What is held against a paused account of which somebody changed something: it is tried at once, and then as after a new
/// pause. A request that is under way now still counts as one from before.
pub fn tried_at_once(before: &BreakerState, now: Timestamp) -> Option<BreakerState> {
    let paused = before.paused.map(|paused| Paused { until: now, probes: 0, ..paused })?;
    Some(BreakerState { paused: Some(paused), ..before.clone() })
}

/// What was under way when the account was paused says nothing new, whenever it ends.
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

    /// An account that failed at these seconds.
    fn after(secs: &[u64]) -> BreakerState {
        secs.iter().fold(None, |trouble, secs| Some(failed(trouble, at(*secs), at(*secs)))).unwrap()
    }

    #[test]
    fn a64_five_failures_in_a_row_within_ten_seconds_pause_an_account_for_a_second() {
        assert_eq!(after(&[0, 1, 2, 3]).paused, None);
        assert_eq!(after(&[0, 1, 2, 3, 10]).paused, Some(Paused { since: at(10), until: at(11), probes: 0 }));
        assert_eq!(after(&[0, 1, 2, 3, 11]).paused, None, "they lie too far apart");
        assert!(after(&[0, 1, 2, 3, 11, 11]).paused.is_some(), "but these do not");
    }

    #[test]
    fn a64_each_probe_that_fails_doubles_the_wait_up_to_half_a_minute() {
        let mut trouble = after(&[0, 0, 0, 0, 0]);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let probe = trouble.paused.unwrap().until;
            trouble = failed(Some(trouble), probe, probe);
            waits.push(trouble.paused.unwrap().until.since(probe).as_secs());
        }
        assert_eq!(waits, [2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn f06_one_refusal_pauses_an_account_and_probes_follow_after_1_2_4_to_30_s() {
        let mut trouble = refused(None, at(0), at(0));
        let mut waits = vec![trouble.paused.unwrap().until.since(at(0)).as_secs()];
        for _ in 0..6 {
            let probe = trouble.paused.unwrap().until;
            trouble = refused(Some(trouble), probe, probe);
            waits.push(trouble.paused.unwrap().until.since(probe).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        let late = refused(Some(trouble.clone()), at(0), at(500));
        assert_eq!(late, trouble, "what was under way at the time is no probe");
    }

    #[test]
    fn f06_a_reload_has_a_paused_account_tried_at_once_and_no_other() {
        let trouble = after(&[0, 0, 0, 0, 0]);
        let now = tried_at_once(&trouble, at(0)).unwrap();
        assert_eq!(now.paused, Some(Paused { since: at(0), until: at(0), probes: 0 }));
        assert_eq!(tried_at_once(&after(&[0]), at(1)), None);
    }

    #[test]
    fn a64_what_was_under_way_when_an_account_was_paused_does_not_count_as_a_probe() {
        let trouble = after(&[0, 0, 0, 0, 0]);
        assert_eq!(failed(Some(trouble.clone()), at(0), at(0)), trouble);
        assert_eq!(failed(Some(trouble.clone()), at(0), at(15)), trouble, "nor when it is given up long after");
    }
}
