//! Seeds that found a bug, one for each bug.
//!
//! A seed's run changes with the code around it, so each bug also has a test of its own. The seeds stay because such
//! runs have failed before.

use super::plan::{Plan, STEPS};

/// Seed, steps, behaviours left out, and the bug found.
const KEPT: &[(u64, u32, &str, &str)] = &[
    (
        11,
        STEPS,
        "",
        "a lane created after the clock was set forward counted the jump as time in which its bucket filled: 14 \
         segments where 11 were allowed",
    ),
    (
        559,
        10,
        "days,disk,power,births,index,carriers,answers,platform",
        "the clock is set back, a process starts, then the disk is slow: lane time ran ahead of journal time, so a \
         start seemed to precede its permit and the next permit was given at once",
    ),
];

/// The plans of all of them.
pub(crate) fn plans() -> Vec<Plan> {
    let plan = |(seed, steps, without, _): &(u64, u32, &str, &str)| {
        Plan::whole(*seed).for_steps(*steps).without(without).expect("these are behaviours")
    };
    KEPT.iter().map(plan).collect()
}
