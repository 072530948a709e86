//! Floor 6: the doors.
//!
//! Invariant: what is answered here with a 2xx is on disk, and what is not known to be is answered with a 5xx.

mod answer;
pub mod api;
pub mod hooks;
pub mod ops;
#[cfg(test)]
mod world;

use crate::model::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by the machine's clock. The journal's own time is the engine's; here it only tells old signatures and what an
/// agent may do from what was.
fn wall_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
