//! The gateway under faults: the real binary, killed, stopped, damaged and locked out under load, between a carrier
//! that has a bad day and a platform that writes everything down. One load, one checker; a fault is a few lines.
//!
//! `OFFHOOK_KILLS=500 cargo test --test faults g1` runs the long form; `OFFHOOK_BIN` names another binary to run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod disk;
mod ending;
mod journal;
mod kills;
mod load;
#[allow(dead_code, reason = "the other test target uses the rest of it")]
#[path = "../process/process.rs"]
mod process;
mod slow;
mod snapshots;
mod stops;
