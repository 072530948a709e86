//! The gateway under faults: the real binary, killed, stopped, damaged and locked out under load, between a carrier
//! that has a bad day and a platform that writes everything down. One load, one checker; a fault is a few lines.
//!
//! The long forms, for a machine that does nothing else:
//! * `OFFHOOK_KILLS=500 cargo test --release --test faults g1`
//! * `OFFHOOK_CALLS=100 cargo test --release --test faults -- g2 g9 --test-threads 1`: every system call of a start, and
//!   so many of commits (needs strace)
//! * `OFFHOOK_IMAGES=100 cargo test --release --test faults g3` (needs root, ext4 and loop devices)
//! * `OFFHOOK_ERASURES=100 cargo test --release --test faults f04` (its second half needs strace)
//! * `OFFHOOK_MEDIA_KILLS=30 cargo test --release --test faults a51`
//! * `OFFHOOK_RESTARTS=100 cargo test --release --test faults g31`
//!
//! `OFFHOOK_BIN` names another binary to run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod attempts;
mod carriers;
mod commits;
mod data_dir;
mod disk;
mod ending;
mod erasures;
mod index;
mod journal;
mod kills;
mod load;
mod loss;
mod media;
mod outputs;
mod platform;
mod power;
#[allow(dead_code, reason = "the other test target uses the rest of it")]
#[path = "../process/process.rs"]
mod process;
mod restarts;
mod rolls;
mod slow;
mod snapshots;
mod starts;
mod stopped;
mod stops;
mod strace;
