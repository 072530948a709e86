//! How the platform behaves today.

use super::super::dice::SeededRng;
use std::time::Duration;

/// How the platform behaves today. The default takes everything at once.
///
/// Each `f64` is a probability from 0 to 1, thrown by dice seeded with the platform's seed and with what they are thrown
/// for. A poisoned call comes before `fault`, and that before `chances`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlatformBehaviour {
    /// Waits before it answers.
    pub delay: Duration,
    /// A delivery meets `fault`; thrown by the event's id and how often it came before.
    pub faults: f64,
    /// What goes wrong.
    pub fault: Fault,
    /// What else may go wrong with a delivery, thrown in the same way; the first that falls wins.
    pub chances: Vec<(f64, Fault)>,
    /// A call is poisoned, so that each delivery of one of its events meets `poison`; thrown by the call's id.
    pub poisoned: f64,
    /// What goes wrong with a poisoned call.
    pub poison: Fault,
    /// An event that came so often already is taken when it comes again. A gateway waits minutes and hours after the second
    /// failure, which is longer than most runs.
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

/// What the platform may do instead of taking an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A complete answer with this status: 500, 410, 404.
    Status(u16),
    /// A complete answer with this status (429, 503) and `Retry-After`.
    RetryAfter {
        /// The status.
        status: u16,
        /// The header's value.
        secs: u32,
    },
    /// 302 to this address.
    Redirect(String),
    /// Reads the event and never answers.
    Silent,
    /// Hangs up after reading the event.
    Cut,
    /// Hangs up in the middle of a 200.
    CutAnswer,
    /// 200 with a body that does not end.
    Endless,
}

impl Fault {
    /// Whether the answer is a complete 2xx all the same.
    pub(super) fn takes(&self) -> bool {
        match self {
            Self::Status(status) | Self::RetryAfter { status, .. } => (200..300).contains(status),
            Self::Redirect(_) | Self::Silent | Self::Cut | Self::CutAnswer | Self::Endless => false,
        }
    }
}

impl PlatformBehaviour {
    /// A little of everything, each event once at most: one delivery in six goes wrong, and one call in eight is poisoned.
    pub fn bad_day() -> Self {
        let chances = vec![
            (0.03, Fault::Status(500)),
            (0.01, Fault::Status(404)),
            // A gateway that hears it stops for seconds, so that little else would happen.
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

    /// What befalls an event of a call that comes for the `nth` time, from 1.
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
    fn a_bad_day_has_every_fault_and_takes_most_events() {
        let behaviour = PlatformBehaviour::bad_day();
        let fates = fates(&behaviour, None, 1);
        assert!(behaviour.chances.iter().all(|(_, fault)| fates.contains(&Some(fault.clone()))));
        let taken = fates.iter().filter(|fate| fate.is_none()).count();
        assert!((1_600..1_800).contains(&taken), "{taken}");
    }

    #[test]
    fn on_a_bad_day_whatever_went_wrong_once_goes_well_the_second_time() {
        assert!(fates(&PlatformBehaviour::bad_day(), Some("c-1"), 2).iter().all(Option::is_none));
    }

    #[test]
    fn of_a_poisoned_call_no_event_is_taken_and_other_calls_do_not_suffer() {
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
