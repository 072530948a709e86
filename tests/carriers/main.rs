//! Carriers in trouble, and limits in real time: the real binary between simulated carriers and a platform.
//!
//! `OFFHOOK_LIMITS_SECS=60 cargo test --release --test carriers` runs the long forms, which measure: there the machine has
//! to be a quiet one. The short ones assert nothing that a busy machine could break.

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
