//! What is lived: a seed, for so many steps, with everything that may go wrong or without some of it.

use super::dice::SeededRng;
use std::fmt;

/// Steps of a seed before faults stop.
pub(crate) const STEPS: u32 = 80;

/// Something that goes wrong, or makes the world richer, and can be left out to see what a failure needs.
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
    /// Where it dies, the machine's power is lost too.
    Power,
    /// It dies again while it starts.
    Births,
    /// The index is gone when it starts.
    Index,
    /// The disk is slow for seconds.
    Stalls,
    /// Carriers go down.
    Carriers,
    /// Carriers answer sends with anything but a yes.
    Answers,
    /// Carriers post webhooks again.
    Repeats,
    /// The platform's endpoints go down.
    Platform,
    /// Endpoints refuse single calls.
    Refusals,
    /// The platform has a second endpoint.
    Endpoints,
    /// Somebody asks for what was told before.
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
            .ok_or_else(|| format!("write some of {}", words()))
    }
}

/// What is lived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) steps: u32,
    without: Vec<Behaviour>,
}

impl Plan {
    /// All of a seed.
    pub(crate) const fn whole(seed: u64) -> Self {
        Self { seed, steps: STEPS, without: Vec::new() }
    }

    /// The same for so many steps.
    pub(crate) fn for_steps(&self, steps: u32) -> Self {
        Self { steps, ..self.clone() }
    }

    /// The same without moods, written `clock,days`.
    pub(crate) fn without(&self, words: &str) -> Result<Self, String> {
        let without =
            words.split(',').filter(|word| !word.is_empty()).map(Behaviour::read).collect::<Result<_, _>>()?;
        Ok(Self { without, ..self.clone() })
    }

    /// The same plans with one mood less each.
    pub(crate) fn one_less(&self) -> impl Iterator<Item = Behaviour> + use<> {
        let without = self.without.clone();
        Behaviour::ALL.into_iter().filter(move |behaviour| !without.contains(behaviour))
    }

    /// The same without this, too.
    pub(crate) fn and_without(&self, behaviour: Behaviour) -> Self {
        Self { without: self.without.iter().copied().chain([behaviour]).collect(), ..self.clone() }
    }

    /// Whether it is part of this world.
    pub(crate) fn has(&self, behaviour: Behaviour) -> bool {
        !self.without.contains(&behaviour)
    }

    /// Whether something of a mood happens that does so `percent` times in a hundred. The dice fall in any case, so that
    /// a world without the mood is much like the one with it.
    pub(crate) fn throws(&self, behaviour: Behaviour, percent: u64, dice: &mut SeededRng) -> bool {
        dice.percent(percent) && self.has(behaviour)
    }
}

impl fmt::Display for Plan {
    /// The command that lives it again.
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
