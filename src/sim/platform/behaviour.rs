//! How the platform behaves.

use super::super::dice::SeededRng;
use std::time::Duration;

/// How the platform behaves. By default it accepts everything at once.
///
/// Each `f64` is a probability from 0 to 1, drawn by a generator seeded with the platform's seed and the subject of
/// the draw. A poisoned call takes precedence over `fault`, and that over `chances`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlatformBehaviour {
    /// Delay before the response.
    pub delay: Duration,
    /// Probability that a delivery meets `fault`; drawn by the event's id and its repeat count.
    pub faults: f64,
    /// The fault.
    pub fault: Fault,
    /// Other faults of a delivery, drawn in the same way; the first that occurs wins.
    pub chances: Vec<(f64, Fault)>,
    /// Probability that a call is poisoned, so that each delivery of its events meets `poison`; drawn by the call's
    /// id.
    pub poisoned: f64,
    /// The fault of a poisoned call.
    pub poison: Fault,
    /// An event that arrived this often is accepted when it comes again. After a second failure a gateway waits
    /// minutes to hours, longer than most runs.
    pub times_max: u64,
}

impl Default for PlatformBehaviour {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            faults: 0.0,
            fault: Fault::Status(500),
            chances: Vec::new(),
            poisoned: 0.0,
            poison: Fault::Status(500),
            times_max: u64::MAX,
        }
    }
}

/// A fault in place of accepting an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A complete response with this status: 500, 410, 404.
    Status(u16),
    /// A complete response with this status (429, 503) and `Retry-After`.
    RetryAfter {
        /// The status.
        status: u16,
        /// The header's value.
        secs: u32,
    },
    /// 302 to this URL.
    Redirect(String),
    /// Reads the event and never responds.
    Silent,
    /// Closes the connection after reading the event.
    Cut,
    /// Closes the connection in the middle of a 200.
    CutAnswer,
    /// 200 with a body that does not end.
    Endless,
}

impl Fault {
    /// Whether the response is a complete 2xx despite the fault.
    pub(super) fn takes(&self) -> bool {
        match self {
            Self::Status(status) | Self::RetryAfter { status, .. } => (200..300).contains(status),
            Self::Redirect(_) | Self::Silent | Self::Cut | Self::CutAnswer | Self::Endless => false,
        }
    }
}

impl PlatformBehaviour {
    /// Some of every fault, at most once per event: one delivery in six fails, and one call in eight is poisoned.
    #[cfg(feature = "test-support")]
    pub fn bad_day() -> Self {
        let chances = vec![
            (0.03, Fault::Status(500)),
            (0.01, Fault::Status(404)),
            // A gateway that gets it pauses for seconds, so that little else would happen.
            (0.003, Fault::Status(410)),
            (0.02, Fault::Redirect("/elsewhere".to_owned())),
            (0.01, Fault::Endless),
            (0.01, Fault::Silent),
            (0.02, Fault::Cut),
            (0.03, Fault::CutAnswer),
            (0.01, Fault::RetryAfter { status: 429, secs: 1 }),
            (0.01, Fault::RetryAfter { status: 503, secs: 1 }),
        ];
        Self { chances, poisoned: 0.12, times_max: 1, ..Self::default() }
    }

    /// The fault of an event that arrives for the `nth` time, from 1.
    pub(super) fn fate(&self, seed: u64, id: &str, call: Option<&str>, nth: u64) -> Option<Fault> {
        if nth > self.times_max {
            return None;
        }
        let poisoned = |call: &str| SeededRng::of(seed, &["call", call], 0).chance(self.poisoned);
        if call.is_some_and(poisoned) {
            return Some(self.poison.clone());
        }
        let mut dice = SeededRng::of(seed, &["event", id], nth);
        let fault = dice.chance(self.faults).then_some(&self.fault);
        let chances = self.chances.iter().find(|(chance, _)| dice.chance(*chance)).map(|(_, fault)| fault);
        fault.or(chances).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(behaviour: &PlatformBehaviour, call: Option<&str>, nth: u64) -> Vec<Option<Fault>> {
        (0..2_000).map(|id| behaviour.fate(7, &format!("evt_{id}"), call, nth)).collect()
    }

    #[test]
    fn bad_day_has_every_fault_and_accepts_most_events() {
        let behaviour = PlatformBehaviour::bad_day();
        let fates = fates(&behaviour, None, 1);
        assert!(behaviour.chances.iter().all(|(_, fault)| fates.contains(&Some(fault.clone()))));
        let taken = fates.iter().filter(|fate| fate.is_none()).count();
        assert!((1_600..1_800).contains(&taken), "{taken}");
    }

    #[test]
    fn bad_day_accepts_a_failed_event_the_second_time() {
        assert!(fates(&PlatformBehaviour::bad_day(), Some("c-1"), 2).iter().all(Option::is_none));
    }

    #[test]
    fn poisoned_call_has_no_event_accepted_and_others_are_unaffected() {
        let behaviour = PlatformBehaviour { poisoned: 0.2, ..PlatformBehaviour::default() };
        let poisoned = |call: usize| {
            let fates = fates(&behaviour, Some(&format!("c-{call}")), 3);
            assert!(fates.iter().all(|fate| *fate == fates[0]));
            fates[0] == Some(Fault::Status(500))
        };
        let poisoned = (0..200).filter(|call| poisoned(*call)).count();
        assert!((20..60).contains(&poisoned), "{poisoned}");
    }
}
