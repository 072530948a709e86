//! Failing carriers, and limits in real time: the real binary between simulated carriers and a platform.
//!
//! `OFFHOOK_LIMITS_SECS=60 cargo test --release --test carriers` runs the long forms, which measure and need a quiet
//! machine. The short forms assert nothing that fails on a busy machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod answers;
mod beside;
mod limits;
#[allow(dead_code, reason = "the other test targets use the rest of it")]
#[path = "../process/process.rs"]
mod process;
mod refused;
mod stage;
mod trouble;
