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
pub struct Trouble {
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

/// What is held against an account after one more failure of a request that began at `began`: no answer, a broken one, a
/// connection refused, a 5xx.
pub fn failed(before: Option<Trouble>, began: Timestamp, now: Timestamp) -> Trouble {
    let mut trouble = before.unwrap_or_default();
    if let Some(paused) = &mut trouble.paused {
        // What was under way when it was paused says nothing new, whenever it ends.
        if paused.until <= began {
            paused.probes += 1;
            paused.until = now + wait(paused.probes);
        }
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
    fn after(secs: &[u64]) -> Trouble {
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
    fn a64_what_was_under_way_when_an_account_was_paused_does_not_count_as_a_probe() {
        let trouble = after(&[0, 0, 0, 0, 0]);
        assert_eq!(failed(Some(trouble.clone()), at(0), at(0)), trouble);
        assert_eq!(failed(Some(trouble.clone()), at(0), at(15)), trouble, "nor when it is given up long after");
    }
}
