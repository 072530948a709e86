//! Floor 4: the one writer.
//!
//! Invariant: a command is answered only once everything that follows from it is durable in the journal and readable in
//! the index; and each command is decided knowing what those before it did. Both follow from there being one thread that
//! decides, writes, syncs, applies and answers, batch by batch.

mod clock;
mod compaction;
mod core;
mod erase;
mod known;
mod mend;
mod oldest;
mod queue;
mod reads;
mod rebuild;
mod tail;

pub use self::clock::{BELIEVED_AFTER, Clock, Guard, STEP_MAX, Step, WallClock, wall};
pub use self::compaction::{CompactionHandle, CompactionOptions, Compactor, FoldFailed, Spare, fold};
pub use self::core::{BATCH_MAX_COMMANDS, Core, EngineFailed, Forget, Recovered};
pub use self::erase::Erased;
pub use self::queue::{Engine, Handle, Heartbeat, Stopped, SubmitError, TURNS_EVERY, Urgency};
pub use self::reads::Reads;
pub use self::tail::{Follow, FollowFailed};

#[cfg(test)]
mod tests;
