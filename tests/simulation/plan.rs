//! What to run: a seed, a number of steps, and the behaviours left out.

use super::rng::SeededRng;
use std::fmt;

/// Steps of a seed before faults stop.
pub(crate) const STEPS: u32 = 80;

/// A fault or variation, which can be left out to find what a failure depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Behaviour {
    /// The clock is set by minutes or an hour.
    Clock,
    /// The clock is set by a day.
    Days,
    /// The process dies between two steps.
    Deaths,
    /// The disk fails under it.
    Disk,
    /// When the process dies, the machine may lose power too.
    Power,
    /// The process dies while starting.
    Births,
    /// The index is lost before a start.
    Index,
    /// The disk is slow for seconds.
    Stalls,
    /// Carriers go down.
    Carriers,
    /// Carriers answer sends with errors, or not at all.
    Answers,
    /// Carriers repeat webhooks.
    Repeats,
    /// The platform's endpoints go down.
    Platform,
    /// Endpoints refuse single calls.
    Refusals,
    /// The platform has a second endpoint.
    Endpoints,
    /// The platform requests replays.
    Replays,
}

impl Behaviour {
    const ALL: [Self; 15] = [
        Self::Clock,
        Self::Days,
        Self::Deaths,
        Self::Disk,
        Self::Power,
        Self::Births,
        Self::Index,
        Self::Stalls,
        Self::Carriers,
        Self::Answers,
        Self::Repeats,
        Self::Platform,
        Self::Refusals,
        Self::Endpoints,
        Self::Replays,
    ];

    fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    fn read(word: &str) -> Result<Self, String> {
        let words = || Self::ALL.map(Self::word).join(",");
        Self::ALL
            .into_iter()
            .find(|behaviour| behaviour.word() == word)
            .ok_or_else(|| format!("use some of {}", words()))
    }
}

/// A run of the simulation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) steps: u32,
    without: Vec<Behaviour>,
}

impl Plan {
    /// A seed with all behaviours and steps.
    pub(crate) const fn whole(seed: u64) -> Self {
        Self { seed, steps: STEPS, without: Vec::new() }
    }

    /// The same plan with another number of steps.
    pub(crate) fn for_steps(&self, steps: u32) -> Self {
        Self { steps, ..self.clone() }
    }

    /// The same plan without some behaviours, written `clock,days`.
    pub(crate) fn without(&self, words: &str) -> Result<Self, String> {
        let without =
            words.split(',').filter(|word| !word.is_empty()).map(Behaviour::read).collect::<Result<_, _>>()?;
        Ok(Self { without, ..self.clone() })
    }

    /// The behaviours still included.
    pub(crate) fn included(&self) -> impl Iterator<Item = Behaviour> + use<> {
        let without = self.without.clone();
        Behaviour::ALL.into_iter().filter(move |behaviour| !without.contains(behaviour))
    }

    /// The same plan, also without this behaviour.
    pub(crate) fn and_without(&self, behaviour: Behaviour) -> Self {
        Self { without: self.without.iter().copied().chain([behaviour]).collect(), ..self.clone() }
    }

    /// Whether the behaviour is included.
    pub(crate) fn has(&self, behaviour: Behaviour) -> bool {
        !self.without.contains(&behaviour)
    }

    /// True with a probability of `percent`, if the behaviour is included. The random number is drawn either way, so
    /// that runs with and without the behaviour stay similar.
    pub(crate) fn chance(&self, behaviour: Behaviour, percent: u64, rng: &mut SeededRng) -> bool {
        rng.percent(percent) && self.has(behaviour)
    }
}

impl fmt::Display for Plan {
    /// The command that reproduces the run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OFFHOOK_SEED={} ", self.seed)?;
        if self.steps != STEPS {
            write!(f, "OFFHOOK_STEPS={} ", self.steps)?;
        }
        if !self.without.is_empty() {
            let words: Vec<_> = self.without.iter().map(|behaviour| behaviour.word()).collect();
            write!(f, "OFFHOOK_WITHOUT={} ", words.join(","))?;
        }
        write!(f, "cargo test --test simulation g41")
    }
}
