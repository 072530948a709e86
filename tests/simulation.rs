//! The seeded simulation (G41): machine, cores, journal and index in memory, and the clock, in one thread from one seed.
//!
//! The seed decides who calls, texts and answers, what the carrier and the platform make of it, how time passes, and
//! where in a commit the process dies. The invariants I1-I11 are checked as it goes and when all has come to rest.
//! `OFFHOOK_SEEDS=1000 cargo test --test simulation` lives more seeds, `OFFHOOK_SEED=17` one alone.

mod simulation {
    pub(crate) mod carrier;
    pub(crate) mod checks;
    pub(crate) mod clock;
    pub(crate) mod diary;
    pub(crate) mod dice;
    pub(crate) mod directory;
    pub(crate) mod faults;
    pub(crate) mod gateway;
    pub(crate) mod limits;
    pub(crate) mod lives;
    pub(crate) mod platform;
    pub(crate) mod world;
}

use simulation::world::live;
use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Seeds lived unless told otherwise.
const SEEDS: u64 = 50;

/// Steps of a seed before faults stop.
const STEPS: u32 = 200;

#[test]
fn fifty_seeds_lose_nothing_they_thanked_for() {
    match number("OFFHOOK_SEED") {
        Some(seed) => live(seed, STEPS),
        None => live_all(number("OFFHOOK_SEEDS").unwrap_or(SEEDS)),
    }
}

/// Each seed is lived by one thread; several live at the same time.
fn live_all(seeds: u64) {
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds) {
                    live(seed, STEPS);
                }
            });
        }
    });
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}: write a number")))
}
