//! Seeds that found something, one for each defect.
//!
//! What a seed lives changes with the world around it, so each defect has a test of its own as well; the seed is lived
//! because it was the kind of story that went wrong once.

use super::plan::{Plan, STEPS};

/// A seed, for how many steps, without what, and what it found.
const KEPT: &[(u64, u32, &str, &str)] = &[
    (
        11,
        STEPS,
        "",
        "a lane made later in a life took a clock set forward meanwhile for time in which its bucket filled: 14 segments \
         where 11 were allowed",
    ),
    (
        559,
        10,
        "days,disk,power,births,index,carriers,answers,platform",
        "the clock is set back and a process begins, then the disk is slow: by the lanes' time, which ran ahead of the \
         journal's, a start lay before its permit, so the next permit was given at once",
    ),
];

/// All of them.
pub(crate) fn plans() -> Vec<Plan> {
    let plan = |(seed, steps, without, _): &(u64, u32, &str, &str)| {
        Plan::whole(*seed).for_steps(*steps).without(without).expect("these are moods")
    };
    KEPT.iter().map(plan).collect()
}
