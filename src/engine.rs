//! Floor 4: the single writer.
//!
//! Invariant: a command is answered only once all its effects are durable in the journal and readable in the index, and
//! each command is decided with the effects of those before it. Both hold because one thread decides, writes, syncs,
//! applies and answers, batch by batch.

mod clock;
mod compaction;
mod core;
mod erasure;
mod known;
mod oldest;
mod publication;
mod queue;
mod reads;
mod rebuild;
mod repair;
mod tail;
#[cfg(feature = "test-support")]
mod testing;

pub use self::clock::{ACCEPTED_AFTER, Clock, Guard, STEP_MAX, Step, WallClock, wall};
pub use self::compaction::{CompactionFailed, CompactionHandle, CompactionOptions, Compactor, Spare, compact};
pub use self::core::{BATCH_MAX_COMMANDS, Core, DropBefore, EngineFailed, Recovered};
pub use self::erasure::{AGAIN_AFTER, ErasureHandle, ErasureParts, ErasureWorker, Erasures, SweepMedia};
pub use self::queue::{Engine, Handle, Heartbeat, Stopped, SubmitError, TURNS_EVERY};
pub use self::reads::{ReadAt, Reads};
pub use self::tail::{Follow, FollowFailed};
#[cfg(feature = "test-support")]
pub use self::testing::SetClock;

#[cfg(test)]
mod tests;
