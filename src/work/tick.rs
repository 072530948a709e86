//! Tells the machine that time passes.

use crate::engine::{Handle, SubmitError, Urgency};
use crate::machine::command::Command;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often leases and unknown sends are looked at. Neither needs more than a second's precision.
const EVERY: Duration = Duration::from_millis(500);

/// A tick older than that is worth no more than the one that follows.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ticks until `stop`.
pub async fn tick(engine: Handle, stop: CancellationToken) -> Result<(), SubmitError> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        match engine.submit(Command::Tick, Urgency::Urgent, PATIENCE).await {
            // A tick that was not taken is made up for by the next.
            Ok(_) | Err(SubmitError::Busy | SubmitError::TooLate) => {}
            Err(SubmitError::Stopped) => return Err(SubmitError::Stopped),
        }
    }
}
