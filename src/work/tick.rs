//! Submits ticks, by which the machine learns that time passes.

use crate::engine::{Handle, SubmitError};
use crate::machine::command::{Command, Reply};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// The interval of ticks, which end leases and settle unknown sends. Neither needs more than a second's precision.
const EVERY: Duration = Duration::from_millis(500);

/// A tick older than this is superseded by the next.
const PATIENCE: Duration = Duration::from_secs(5);

/// Submits ticks until `stop`.
pub async fn tick(engine: Handle, stop: CancellationToken) -> Result<(), SubmitError> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        match engine.submit(Command::Tick, PATIENCE).await {
            Ok(Reply::More) => ticks.reset_immediately(),
            // The next tick makes up for one that was not accepted.
            Ok(_) | Err(SubmitError::Busy | SubmitError::TooLate) => {}
            Err(SubmitError::Stopped) => return Err(SubmitError::Stopped),
        }
    }
}
