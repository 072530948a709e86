//! Floor 1: business rules, as pure functions.
//!
//! A rule takes its inputs, including the time, and returns a decision. It does no I/O, does not log or await, and does
//! not access storage, so its tests read like the requirements they cover.

pub mod auto_reply;
pub mod breaker;
pub mod correlation;
pub mod directory;
pub mod explain;
#[cfg(feature = "test-support")]
pub mod fuzz;
pub mod keyword;
pub mod lane;
pub mod language;
pub mod media;
pub mod near;
pub mod non_us;
pub mod number;
pub mod opt_out;
pub mod parts;
pub mod rate;
pub mod receipt;
pub mod refusal;
pub mod retry;
pub mod sending;
pub mod strangers;
mod us_area_codes;
pub mod verification;
