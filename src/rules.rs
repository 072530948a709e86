//! Floor 1: the decisions of the mission, as plain functions.
//!
//! A rule takes what it needs, the time included, and returns a decision. It does no I/O, logs nothing, never awaits and
//! knows no storage, so a test of it reads like the requirement it shows.

pub mod auto_reply;
pub mod breaker;
pub mod correlation;
pub mod directory;
pub mod explain;
pub mod fuzz;
pub mod keyword;
pub mod lane;
pub mod language;
pub mod media;
pub mod near;
pub mod non_us;
pub mod number;
pub mod opt_out;
pub mod rate;
pub mod receipt;
pub mod refusal;
pub mod retry;
pub mod sending;
pub mod strangers;
mod us_area_codes;
pub mod verification;
