//! Tells the machine that time passes.

use crate::engine::{Handle, SubmitError, Urgency};
use crate::machine::command::Command;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often leases and unknown sends are looked at. Neither needs more than a second's precision.
const EVERY: Duration = Duration::from_millis(500);

/// Ticks until `stop`.
pub async fn tick(engine: Handle, stop: CancellationToken) -> Result<(), SubmitError> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        engine.submit(Command::Tick, Urgency::Urgent, Duration::from_secs(60)).await?;
    }
}
